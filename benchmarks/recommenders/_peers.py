"""The peers that look for a best point, behind suggest and ingest. Optional packages are imported when one is made."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import qmc

from ._problems import OBJECTIVE, Array, Problem

Make = Callable[[Problem, int], Any]


class Draws:
    """Points that do not depend on what was measured."""

    def __init__(self, problem: Problem, draw: Callable[[int], Array]) -> None:
        self.problem, self.draw, self.asked = problem, draw, 0

    def suggest(self, num_points: int = 1) -> list[dict[str, Any]]:
        rows = self.draw(num_points)
        self.asked += num_points
        return [{**self.problem.point(row), "_id": self.asked + i} for i, row in enumerate(rows)]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        pass


def random(problem: Problem, seed: int) -> Draws:
    rng = np.random.default_rng(500 + seed)
    return Draws(problem, lambda n: rng.random((n, len(problem.bounds))))


def sobol(problem: Problem, seed: int) -> Draws:
    return Draws(problem, qmc.Sobol(len(problem.bounds), seed=seed).random)


def grid(problem: Problem, _seed: int) -> Any:
    """An even scan that has as many points as it may measure in all, or just more."""
    from skysteer.recommenders import Grid

    return Grid(problem.space, math.ceil(60 ** (1 / len(problem.bounds)) - 1e-9))


def plain_gp(**settings: Any) -> Make:
    def make(problem: Problem, seed: int) -> Any:
        from ._plain_gp import PlainGP

        return PlainGP(problem, seed, **settings)

    return make


def scan_then_gp_sqrt(problem: Problem, seed: int) -> Any:
    """For counts: Sobol points until a reading stands out, then the plain process on square roots."""
    from ._plain_gp import PlainGP, root_of_counts

    return PlainGP(problem, seed, gate=6.0, transform=root_of_counts)


class GpCam:
    """gpCAM by tell and ask: 10 Sobol points, then its acquisition, trained at 10, 20, 30, ... points.

    As its documentation shows it: positions and values as they are, the noise
    variance told (the others have to learn it). It maximises, so what is to be
    minimised is told with the sign changed.
    """

    def __init__(self, problem: Problem, seed: int, *, acquisition: str, initial: int = 10, every: int = 10) -> None:
        from gpcam import GPOptimizer

        np.random.seed(seed)  # noqa: NPY002  what gpCAM draws from
        self.problem, self.acquisition, self.initial, self.every = problem, acquisition, initial, every
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.process = GPOptimizer()
        self.sobol = qmc.Sobol(len(problem.bounds), seed=seed)
        self.bounds = np.column_stack([problem.low, problem.high])
        self.x: list[Array] = []
        self.y: list[float] = []
        self.told = self.asked = self.trained = 0

    def suggest(self, num_points: int = 1) -> list[dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [self._next() for _ in range(num_points)]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        for point in points:
            self.x.append(self.problem.array(point)[0])
            self.y.append(float(point[OBJECTIVE]) * (-1 if self.problem.minimise else 1))

    def _next(self) -> dict[str, Any]:
        if self.asked < self.initial:
            row = self.problem.low + self.sobol.random(1)[0] * (self.problem.high - self.problem.low)
        else:
            self._tell()
            found = self.process.ask(self.bounds, acquisition_function=self.acquisition)["x"]
            row = np.clip(np.asarray(found).ravel(), self.problem.low, self.problem.high)
        self.asked += 1
        return {**dict(zip(self.problem.bounds, map(float, row), strict=True)), "_id": self.asked - 1}

    def _tell(self) -> None:
        new = slice(self.told, None)
        if self.told < len(self.y):
            y = np.array(self.y[new])
            self.process.tell(np.array(self.x[new]), y, noise_variances=self._noise(y))
            self.told = len(self.y)
        if self.told >= self.trained + self.every:
            self.process.train()
            self.trained = self.told - self.told % self.every

    def _noise(self, y: Array) -> Array:
        if self.problem.counts:
            return np.maximum(np.abs(y), 1.0)
        quiet = 1e-6 * max(float(np.var(self.y)), 1e-9)
        return np.full(len(y), quiet if self.problem.noise is None else self.problem.noise**2)


def gpcam(acquisition: str) -> Make:
    return lambda problem, seed: GpCam(problem, seed, acquisition=acquisition)


def ax(problem: Problem, seed: int) -> Any:
    """bluesky-adaptive's AxOptimizer as it is: the centre of the box, 4 Sobol points, then Ax's "fast" method."""
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    from ax.api.configs import RangeParameterConfig
    from bluesky_adaptive.ax.optimizer import AxOptimizer

    return AxOptimizer(
        [RangeParameterConfig(name=k, bounds=b, parameter_type="float") for k, b in problem.bounds.items()],
        objective=("-" if problem.minimise else "") + OBJECTIVE,
        client_kwargs={"random_seed": seed},
    )


class Xopt:
    """bluesky-adaptive's XoptOptimizer around Xopt's expected improvement, after 10 Sobol points."""

    def __init__(self, problem: Problem, seed: int, *, initial: int = 10) -> None:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        logging.disable(logging.WARNING)
        from bluesky_adaptive.xopt.optimizer import XoptOptimizer
        from xopt.generators.bayesian import ExpectedImprovementGenerator
        from xopt.vocs import VOCS

        self.problem, self.initial, self.asked = problem, initial, 0
        goal = "MINIMIZE" if problem.minimise else "MAXIMIZE"
        vocs = VOCS(variables={k: list(b) for k, b in problem.bounds.items()}, objectives={OBJECTIVE: goal})
        self.optimizer = XoptOptimizer(ExpectedImprovementGenerator(vocs=vocs))
        self.sobol = qmc.Sobol(len(problem.bounds), seed=seed)

    def suggest(self, num_points: int = 1) -> Any:
        first = self.asked < self.initial
        self.asked += num_points
        if not first:
            return self.optimizer.suggest(num_points)
        return self.optimizer.register_suggestions([self.problem.point(row) for row in self.sobol.random(num_points)])

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.optimizer.ingest(points)


def ours(problem: Problem, seed: int) -> Any:
    from .ours import make

    return make(problem, seed)


MAKERS: dict[str, Make] = {
    "ours": ours,
    "random": random,
    "sobol": sobol,
    "grid": grid,
    "simple_gp": plain_gp(),
    "scan_then_gp_sqrt": scan_then_gp_sqrt,
    "gpcam_ei": gpcam("expected improvement"),
    "gpcam_ucb": gpcam("ucb"),
    "ax": ax,
    "xopt": Xopt,
    "simple_gp_init5": plain_gp(initial=5),
}

EXTRA = ("simple_gp_init5",)
"""Only when named: as many first points as Ax takes."""

NEEDS = {"gpcam_ei": "gpcam", "gpcam_ucb": "gpcam", "ax": "ax", "xopt": "xopt"}
"""The package without which a peer is left out."""


def installed(method: str) -> bool:
    """Whether what a peer needs is there."""
    return method not in NEEDS or importlib.util.find_spec(NEEDS[method]) is not None


def maker(method: str) -> Make:
    """The maker of that name, or the attribute of ``module:attribute``."""
    if method in MAKERS:
        return MAKERS[method]
    module, _, attribute = method.partition(":")
    return getattr(importlib.import_module(module), attribute)
