"""The plain Gaussian process that all should beat: scikit-learn, log EI, refitted at every suggestion."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr, ndtr
from scipy.stats import qmc
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ._problems import OBJECTIVE, Array, Problem

LEAST_VARIANCE = 1e-12


def kernel(dimensions: int) -> Any:
    """Matern-5/2 with a length an axis on the unit box, for outputs of variance 1, and learnt noise."""
    signal = ConstantKernel(1.0, (0.05, 100.0))
    shape = Matern(np.full(dimensions, 0.3), [(0.02, 20.0)] * dimensions, nu=2.5)
    return signal * shape + WhiteKernel(1e-3, (1e-6, 1.0))


def matern52(a: Array, b: Array, lengths: Array, variance: float) -> Array:
    """(n, m) covariances of (n, d) and (m, d) places."""
    a, b = a / lengths, b / lengths
    squares = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)
    r = np.sqrt(5 * squares)
    return variance * (1 + r + r * r / 3) * np.exp(-r)


def log_h(z: Array) -> Array:
    """log(pdf(z) + z cdf(z)), exact for z far below 0 (Ament et al. 2023, arXiv:2310.20708)."""
    z = np.asarray(z, float)
    found = np.empty_like(z)
    near = z > -1
    found[near] = np.log(np.exp(-0.5 * z[near] ** 2) / np.sqrt(2 * np.pi) + z[near] * ndtr(z[near]))
    far = z[~near]
    tail = 1 + far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2))
    tail = np.where(far < -1e3, 1 / np.maximum(far**2, 1), np.maximum(tail, 1e-300))
    found[~near] = -0.5 * far**2 - 0.5 * np.log(2 * np.pi) + np.log(tail)
    return found


class Posterior:
    """Mean and standard deviation of a fitted scikit-learn process, with slopes (unit box, scaled outputs)."""

    def __init__(self, fitted: GaussianProcessRegressor) -> None:
        hyper = fitted.kernel_
        self.variance = hyper.k1.k1.constant_value
        self.lengths = np.atleast_1d(hyper.k1.k2.length_scale)
        self.noise = hyper.k2.noise_level
        self.x, self.lower, self.alpha = fitted.X_train_, fitted.L_, fitted.alpha_.ravel()

    def __call__(self, u: Array) -> tuple[Array, Array]:
        cross = matern52(self.x, u, self.lengths, self.variance)
        v = solve_triangular(self.lower, cross, lower=True, check_finite=False)
        return cross.T @ self.alpha, np.sqrt(np.maximum(self.variance - (v * v).sum(0), LEAST_VARIANCE))

    def slopes(self, u: Array) -> tuple[float, float, Array, Array]:
        """Mean, standard deviation and their gradients at one (d,) place."""
        step = (u - self.x) / self.lengths
        r = np.sqrt(5) * np.sqrt((step**2).sum(1))
        cross = self.variance * (1 + r + r * r / 3) * np.exp(-r)
        slope = -(5 / 3) * self.variance * ((1 + r) * np.exp(-r))[:, None] * step / self.lengths
        w = cho_solve((self.lower, True), cross, check_finite=False)
        sd = np.sqrt(max(self.variance - cross @ w, LEAST_VARIANCE))
        return float(cross @ self.alpha), float(sd), slope.T @ self.alpha, -(slope.T @ w) / sd


def most_improving(post: Posterior, best: float, rng: np.random.Generator, starts: int = 5) -> Array:
    """The (d,) place of the unit box with the largest log EI of a minimisation: screened, then climbed."""
    d = post.x.shape[1]
    incumbent = post.x[int(np.argmin(post(post.x)[0]))]
    near = [np.clip(incumbent + rng.normal(0, width, (128, d)), 0, 1) for width in (0.05, 0.005)]
    candidates = np.vstack([qmc.Sobol(d, seed=rng).random(1024), *near])
    mean, sd = post(candidates)
    score = np.log(sd) + log_h((best - mean) / sd)

    def negative(u: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = post.slopes(u)
        z = (best - mean) / sd
        h = float(log_h(np.array([z]))[0])
        rise = np.exp(np.clip(log_ndtr(z) - h, -50, 50))  # of log h with z
        return -(np.log(sd) + h), -(sd_slope / sd + rise * (-mean_slope - z * sd_slope) / sd)

    found, value = candidates[int(np.argmax(score))], -score.max()
    for start in np.argsort(-score)[:starts]:
        options = {"maxiter": 60}
        end = minimize(negative, candidates[start], jac=True, method="L-BFGS-B", bounds=[(0, 1)] * d, options=options)
        if np.isfinite(end.fun) and end.fun < value:
            found, value = end.x, end.fun
    return found


def fit(u: Array, y: Array, start: Any, seed: int) -> GaussianProcessRegressor:
    """Fit to (n, d) places and scaled outputs, from one kernel and one random start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regressor = GaussianProcessRegressor(start, alpha=1e-8, n_restarts_optimizer=1, random_state=seed)
        return regressor.fit(u, y)


def scaled(y: Array) -> Array:
    """Of mean 0 and standard deviation 1."""
    return (y - y.mean()) / (y.std() or 1.0)


def root_of_counts(y: Array) -> Array:
    """The square root of Anscombe (1948), whose noise is 1 everywhere."""
    return 2 * np.sqrt(np.maximum(y, 0) + 0.375)


class PlainGP:
    """Sobol points, then log EI of a process refitted at every suggestion.

    With a `gate`, the Sobol points go on until one reading is so many robust
    standard deviations above the others.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        initial: int = 10,
        transform: Callable[[Array], Array] | None = None,
        gate: float | None = None,
    ) -> None:
        self.problem, self.initial, self.transform, self.gate = problem, initial, transform, gate
        self.rng = np.random.default_rng(1000 + seed)
        self.sobol = qmc.Sobol(len(problem.bounds), seed=seed)
        self.u: list[Array] = []
        self.y: list[float] = []
        self.kernel = kernel(len(problem.bounds))
        self.asked = 0

    def suggest(self, num_points: int = 1) -> list[dict[str, Any]]:
        return [self._next() for _ in range(num_points)]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        for point in points:
            u = (self.problem.array(point)[0] - self.problem.low) / (self.problem.high - self.problem.low)
            self.u.append(u)
            self.y.append(float(point[OBJECTIVE]))

    def get_best_points(self) -> list[tuple[Any, dict[str, float], dict[str, float]]]:
        """The measured point with the best expected value."""
        post = self.posterior()
        return [(None, self.problem.point(post.x[int(np.argmin(post(post.x)[0]))]), {})]

    def posterior(self) -> Posterior:
        y = np.array(self.y)
        y = scaled(y if self.transform is None else self.transform(y))
        fitted = fit(np.array(self.u), y if self.problem.minimise else -y, self.kernel, int(self.rng.integers(2**31)))
        self.kernel = fitted.kernel_
        return Posterior(fitted)

    def _next(self) -> dict[str, Any]:
        if self.asked < self.initial or len(self.y) < 2 or self._is_blind():
            u = self.sobol.random(1)[0]
        else:
            post = self.posterior()
            u = most_improving(post, float(post(post.x)[0].min()), self.rng)
        self.asked += 1
        return {**self.problem.point(u), "_id": self.asked - 1}

    def _is_blind(self) -> bool:
        if self.gate is None:
            return False
        y = np.array(self.y) * (-1 if self.problem.minimise else 1)
        spread = 1.4826 * np.median(np.abs(y - np.median(y)))
        return bool(y.max() <= np.median(y) + self.gate * spread)
