"""The peers that choose from a library: told one point and asked for the next, or asked for eight."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ._library import LENGTHS, NOISE, RELATIVE_NOISE, VARIANCE
from ._plain_gp import Posterior, fit, log_h, scaled
from ._problems import Array

TellAsk = Callable[[Array, float], object]
"""Learn (4,) features and their reading, and choose the next."""


def sklearn(u: Array, x: Array, y: Array, *, refitted: bool = True) -> TellAsk:
    """scikit-learn and log EI over all candidates, the kernel refitted at every suggestion or held."""
    rows, values = list(x), list(y)
    noise = WhiteKernel(RELATIVE_NOISE, (1e-6, 1.0))
    start = ConstantKernel(VARIANCE, (0.05, 100.0)) * Matern(LENGTHS, [(0.02, 20.0)] * len(LENGTHS), nu=2.5) + noise

    def step(row: Array, value: float) -> int:
        nonlocal start
        rows.append(row)
        values.append(value)
        places, targets = np.array(rows), scaled(np.array(values))
        if refitted:
            fitted = fit(places, targets, start, len(values))
            start = fitted.kernel_
        else:
            fitted = GaussianProcessRegressor(start, alpha=1e-10, optimizer=None).fit(places, targets)
        post = Posterior(fitted)
        return int(np.argmax(improvement(post, u)))

    return step


def sklearn_held(u: Array, x: Array, y: Array) -> TellAsk:
    return sklearn(u, x, y, refitted=False)


def gpcam(u: Array, x: Array, y: Array) -> TellAsk:
    """gpCAM over a list of candidates, without training."""
    from gpcam import GPOptimizer

    first = np.concatenate([[VARIANCE * y.var()], LENGTHS])
    process = GPOptimizer(x, -y, init_hyperparameters=first, noise_variances=np.full(len(y), NOISE**2))
    listed = list(u)

    def step(row: Array, value: float) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            process.tell(row[None], -np.array([value]), noise_variances=np.array([NOISE**2]), rank_n_update=True)
            return process.ask(listed, acquisition_function="expected improvement")

    return step


LIBRARIANS: dict[str, Callable[[Array, Array, Array], TellAsk]] = {
    "sklearn": sklearn,
    "sklearn_held": sklearn_held,
    "gpcam": gpcam,
}

NEEDS = {"gpcam": "gpcam"}


def improvement(post: Posterior, u: Array) -> Array:
    """log EI of a minimisation at (m, 4) places; none where something was measured."""
    mean, sd = post(u)
    best = float(post(post.x)[0].min())
    measured = np.isin(u[:, 0], post.x[:, 0])  # no two samples have the same first feature
    return np.where(measured, -np.inf, np.log(sd) + log_h((best - mean) / sd))


def best_eight(u: Array, x: Array, y: Array, model: Posterior) -> Array:
    """The eight with the largest log EI, each judged alone."""
    return u[np.argsort(-improvement(model, u))[:8]]


def believed_eight(u: Array, x: Array, y: Array, model: Posterior) -> Array:
    """One after the other, each taken to come out as expected: a new scikit-learn process for each."""
    held = ConstantKernel(model.variance) * Matern(model.lengths, nu=2.5) + WhiteKernel(model.noise)
    rows, values = list(x), list(scaled(y))
    for _ in range(8):
        fitted = GaussianProcessRegressor(held, alpha=1e-8, optimizer=None).fit(np.array(rows), np.array(values))
        post = Posterior(fitted)
        rows.append(u[int(np.argmax(improvement(post, u)))])
        values.append(float(post(rows[-1][None])[0][0]))
    return np.array(rows[-8:])


def gpcam_eight(u: Array, x: Array, y: Array, model: Posterior) -> Array:
    """gpCAM's eight over a list of candidates, by expected improvement."""
    from gpcam import GPOptimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = np.concatenate([[model.variance * y.var()], model.lengths])
        process: Any = GPOptimizer(x, -y, init_hyperparameters=first, noise_variances=np.full(len(y), NOISE**2))
        found = process.ask(list(u), acquisition_function="expected improvement", n=8)["x"]
    return np.array([u[int(np.argmin(((u - row) ** 2).sum(1)))] for row in np.atleast_2d(found)])


EIGHTS: dict[str, Callable[[Array, Array, Array, Posterior], Array]] = {
    "sklearn": best_eight,
    "sklearn_held": believed_eight,
    "gpcam": gpcam_eight,
}
