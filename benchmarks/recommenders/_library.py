"""A library of samples with four features, the surfaces over it, and what is measured of whoever chooses among them."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from ._plain_gp import LEAST_VARIANCE, Posterior, matern52
from ._problems import Array

FEATURES = ("a", "b", "c", "d")
SIZE = 10_000
NOISE = 0.02
"""Standard deviation of a reading."""
LENGTHS, VARIANCE, RELATIVE_NOISE = np.array([0.35, 0.5, 0.4, 0.7]), 1.5, 2e-3
"""Of the kernel, by hand, for the peers that do not fit theirs: in units of the readings' variance."""


def candidates(size: int = SIZE) -> Array:
    """(size, 4) places of the unit box."""
    return qmc.Sobol(len(FEATURES), seed=7).random(1 << (size - 1).bit_length())[:size]


def wells(u: Array) -> Array:
    """A smooth surface to minimise: twelve wide wells."""
    return _wells(u, np.random.default_rng(3), 12, 0.15, 0.5)


def narrow_wells(u: Array) -> Array:
    """A rough one: thirty narrow wells."""
    return _wells(u, np.random.default_rng(5), 30, 0.1, 0.25)


def _wells(u: Array, rng: np.random.Generator, count: int, narrowest: float, widest: float) -> Array:
    centres = rng.random((count, len(FEATURES)))
    depths, widths = rng.uniform(0.3, 1, count), rng.uniform(narrowest, widest, count)
    found = np.zeros(len(u))
    for centre, depth, width in zip(centres, depths, widths, strict=True):
        found -= depth * np.exp(-0.5 * ((u - centre) ** 2).sum(1) / width**2)
    return found


def readings(u: Array, surface: Callable[[Array], Array], rng: np.random.Generator) -> Array:
    """(n,) measured values."""
    return surface(u) + rng.normal(0, NOISE, len(u))


def timed(step: Callable[[int], None], repetitions: int, pause: float = 0.0) -> dict[str, list[float]]:
    """Seconds of each repetition: by the clock, and of this thread's CPU time. A `pause` follows each."""
    found: dict[str, list[float]] = {"wall": [], "cpu": []}
    for i in range(repetitions):
        wall, cpu = time.perf_counter(), time.thread_time()
        step(i)
        found["wall"].append(time.perf_counter() - wall)
        found["cpu"].append(time.thread_time() - cpu)
        time.sleep(pause)
    return found


def most_memory() -> float:
    """The most memory this process ever held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone; getrusage includes what the process was before it began
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024**2 if sys.platform == "darwin" else most / 1024


def worth(model: Posterior, picked: Array) -> float:
    """How many points a batch of n is worth: n where its (n, 4) places tell nothing about each other, 1 for copies.

    The sum of var(x_i | data, x_1 .. x_i-1) / var(x_i | data), var being that of the function.
    """
    cross = matern52(model.x, picked, model.lengths, model.variance)
    whitened = np.linalg.solve(model.lower, cross)
    covariance = matern52(picked, picked, model.lengths, model.variance) - whitened.T @ whitened
    total = 0.0
    for i in range(len(picked)):
        known = covariance[:i, :i] + model.noise * np.eye(i)
        cut = covariance[i, :i] @ np.linalg.solve(known, covariance[:i, i]) if i else 0.0
        total += max(covariance[i, i] - cut, 0.0) / max(covariance[i, i], LEAST_VARIANCE)
    return float(total)


def difference(mine: tuple[Array, Array], reference: tuple[Array, Array], spread: float) -> dict[str, float]:
    """Largest difference of two posteriors: of the means in `spread`, of the deviations relative."""
    return {
        "difference_mean": float(np.abs(mine[0] - reference[0]).max() / spread),
        "difference_sd": float((np.abs(mine[1] - reference[1]) / reference[1]).max()),
    }


def table(u: Array) -> dict[str, Any]:
    """The library as somebody has it: a column for each feature."""
    return {name: u[:, i] for i, name in enumerate(FEATURES)}
