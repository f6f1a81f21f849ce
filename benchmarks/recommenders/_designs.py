"""The peers that choose points to know a curve or a map."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.stats import qmc

from ._problems import Array
from ._scenes import FINE, HIGH, LOW, MESH, Own, Scene

INITIAL = 10
"""Sobol points before a Gaussian process leads."""


def even(scene: Scene) -> None:
    """The best a fixed scan can do: a new one for every number of points."""
    scene.each(scene.even)


def sobol(scene: Scene) -> None:
    low, width = scene.bounds[:, 0], np.ptp(scene.bounds, axis=1)
    for unit in qmc.Sobol(len(low), seed=scene.seed).random(1 << (scene.budget - 1).bit_length())[: scene.budget]:
        scene.measure(low + unit * width)
        scene.judge()


def knowing(scene: Scene) -> None:
    """What nobody can do: the truth is known. Density |f''|^(2/5) (de Boor 1973), plus a tenth of an even scan."""
    bend = np.abs(np.gradient(np.gradient(scene.truth, FINE), FINE)) ** 0.4
    density = bend / bend.mean() + 0.1
    share = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    scene.each(lambda n: list(np.interp(np.linspace(0, share[-1], n), share, FINE)))


def adaptive(loss: str) -> Callable[[Scene], None]:
    """python-adaptive's learners; their losses for a curve are the default and the curvature."""

    def design(scene: Scene) -> None:
        from adaptive import Learner1D, Learner2D
        from adaptive.learner.learner1D import curvature_loss_function

        if scene.flat:
            learner: Any = Learner2D(None, [(0, 1), (0, 1)])
        else:
            chosen = curvature_loss_function() if loss == "curvature" else None
            learner = Learner1D(None, (LOW, HIGH), loss_per_interval=chosen)
        while not scene.done:
            with timed(scene):
                (place,), _ = learner.ask(1)
            reading = scene.measure(place)
            with timed(scene):
                learner.tell(place, reading)
            scene.judge()

    return design


def gpcam(acquisition: str) -> Callable[[Scene], None]:
    """gpCAM over the bounds, trained at 10, 20, 40, 80, ... points.

    Its "variance" takes no notice of the values; "gradient" is the slope of the mean times the deviation.
    """
    return lambda scene: _gpcam(scene, acquisition)


def _gpcam(scene: Scene, acquisition: str) -> None:
    from gpcam import GPOptimizer

    np.random.seed(scene.seed)  # noqa: NPY002  what gpCAM draws from
    low, width = scene.bounds[:, 0], np.ptp(scene.bounds, axis=1)
    first = low + qmc.Sobol(len(low), seed=scene.seed).random(16)[:INITIAL] * width
    for place in first:
        scene.measure(place)
    variance = scene.noise**2 or 1e-6
    with timed(scene):
        process = GPOptimizer(first, np.array(scene.y), noise_variances=np.full(INITIAL, variance))
        process.train()
    train_at = 2 * INITIAL
    while not scene.done:
        with timed(scene):
            place = np.asarray(process.ask(scene.bounds, acquisition_function=acquisition)["x"]).ravel()
        reading = scene.measure(place)
        with timed(scene):
            process.tell(place[None], np.array([reading]), noise_variances=np.array([variance]))
            if len(scene.y) >= train_at:
                process.train()
                train_at *= 2
        scene.judge(None if scene.flat else _mean_of(process))


def _mean_of(process: Any) -> Own:
    def own(places: Array) -> Array:
        parts = np.array_split(places[:, None], 20)
        return np.concatenate([np.asarray(process.posterior_mean(part)["m(x)"]).ravel() for part in parts])

    return own


def straddle(scene: Scene) -> None:
    """For a map: 1.96 sd - |mean - 1/2| of a scikit-learn process (Bryan et al. 2005), refitted at 10, 12, 15, ..."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    from ._plain_gp import Posterior, fit, kernel, scaled

    places = list(qmc.Sobol(2, seed=scene.seed).random(16)[:INITIAL])
    for place in places:
        scene.measure(place)
    fitted: Any = None
    refit_at = INITIAL
    while not scene.done:
        with timed(scene):
            y = np.array(scene.y)
            width = y.std() or 1.0
            if len(y) >= refit_at:
                refit_at = math.ceil(1.2 * len(y))
                fitted = fit(np.array(places), scaled(y), kernel(2), scene.seed).kernel_
            held = GaussianProcessRegressor(fitted, alpha=1e-6, optimizer=None).fit(np.array(places), scaled(y))
            mean, sd = Posterior(held)(MESH)
            place = MESH[int(np.argmax(1.96 * width * sd - np.abs(y.mean() + width * mean - 0.5)))]
        places.append(place)
        scene.measure(place)
        scene.judge()


def recommended(recommender: Any, names: tuple[str, ...], objective: str, scene: Scene) -> None:
    """A recommender of ours in a closed loop."""

    def own(places: Array) -> Array:
        columns = places.T if scene.flat else places[None]
        points = [dict(zip(names, map(float, row), strict=True)) for row in columns.T]
        found = recommender.predict(points)
        return np.asarray(found[0] if isinstance(found, tuple) else found)

    while not scene.done:
        with timed(scene):
            points = recommender.suggest(1)
        if not points:
            raise RuntimeError(f"nothing more was suggested after {len(scene.y)} of {scene.budget} points")
        place = [float(points[0][name]) for name in names]
        reading = scene.measure(place if scene.flat else place[0])
        with timed(scene):
            recommender.ingest([{**points[0], objective: reading}])
        scene.judge(own if hasattr(recommender, "predict") else None)
    if hasattr(recommender, "close"):
        recommender.close()


@contextmanager
def timed(scene: Scene) -> Iterator[None]:
    """Count the CPU time inside as that of whoever chooses."""
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        scene.seconds += time.process_time() - begun


DESIGNS: dict[str, Callable[[Scene], None]] = {
    "grid": even,
    "sobol": sobol,
    "adaptive_default": adaptive("default"),
    "adaptive_curvature": adaptive("curvature"),
    "gpcam_variance": gpcam("variance"),
    "gpcam_gradient": gpcam("gradient"),
    "straddle": straddle,
    "knowing": knowing,
}

LEFT_OUT = {"edge": ("straddle",), "edge_noisy": ("straddle",), "phases": ("adaptive_curvature", "knowing")}
"""Designs that a case has not."""

NEEDS = {name: name.partition("_")[0] for name in DESIGNS if name.startswith(("adaptive", "gpcam"))}
