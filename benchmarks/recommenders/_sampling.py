"""Part C: choosing among 10,000 samples, told and asked, eight at a time; in time, memory and exactness."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks._report import Spread

from . import _targets as targets
from ._library import (
    FEATURES,
    SIZE,
    candidates,
    difference,
    most_memory,
    narrow_wells,
    readings,
    timed,
    wells,
    worth,
)
from ._library_peers import EIGHTS, LIBRARIANS, NEEDS
from ._plain_gp import Posterior, fit, kernel, scaled
from ._problems import Array
from ._table import Column, Read, Row, Table, each, gather
from ._task import Task

CASES = ("library", "library_exact", "library_refits", "batch", "huge")
KNOWN = ("ours", *LIBRARIANS)
OPEN = False

MEASURED = {"ours": (100, 1000, 5000), "sklearn": (100, 1000), "sklearn_held": (100, 1000), "gpcam": (100, 1000)}
"""At how many measured points each is timed; peers take seconds at 1000."""
REFITS = (50, 1100)
"""From how many points to how many the largest single question is looked for."""
EXPOSURE = 0.02
"""Seconds a point takes to be measured in that run, during which a model may be refitted."""
ONE_BY_ONE = 300
"""So many of the last points are learnt one by one before the posterior is compared."""
BATCH = 64
HUGE = 100_000


def tasks(
    cases: Sequence[str], methods: Sequence[str] | None, seeds: Sequence[int], *, budget: int | None, quick: bool
) -> Iterator[Task]:
    """Timed tasks each in a process of their own, once: their repetitions are inside. Batches for every seed."""
    chosen = [name for name in KNOWN if _installed(name)] if methods is None else methods
    most = budget if budget is not None else 100 if quick else max(MEASURED["ours"])
    for case in cases:
        if case == "batch":
            for seed in seeds:
                for method in chosen:
                    if method != "gpcam" or seed in seeds[: 1 if quick else 3]:
                        yield Task("C", case, method, seed, BATCH, alone=True)
        elif case == "library":
            for n in MEASURED["ours"]:
                for method in chosen:
                    if n in MEASURED[method] and n <= most:
                        yield Task("C", case, method, 0, n, alone=True)
        elif "ours" in chosen:
            sizes = {"library_exact": MEASURED["ours"], "library_refits": REFITS[1:], "huge": MEASURED["ours"][1:]}
            for n in sizes[case] if not quick else (most,):
                if n <= most:
                    yield Task("C", case, "ours", 0, n, alone=True)


def _installed(method: str) -> bool:
    return method not in NEEDS or importlib.util.find_spec(NEEDS[method]) is not None


def run(task: Task) -> dict[str, Any]:
    """Run one task."""
    made = {
        "library": tell_and_ask, "library_exact": exactness, "library_refits": refits, "batch": eight, "huge": huge,
    }  # fmt: skip
    return made[task.case](task)


def _data(n: int, size: int = SIZE) -> tuple[Array, Array, Array]:
    """The library, the numbers of n samples in random order, and their readings."""
    rng = np.random.default_rng(11)
    u = candidates(size)
    chosen = rng.choice(size, n, replace=False)
    return u, chosen, readings(u[chosen], wells, rng)


def tell_and_ask(task: Task) -> dict[str, Any]:
    """Time of learning one point and choosing the next, with so many measured."""
    few = 15 if task.method == "ours" else 3 if task.budget <= 100 else 2
    u, chosen, y = _data(task.budget + few)
    n = task.budget
    if task.method == "ours":
        return _tell_and_ask_ours(u, chosen, y, n)
    step = LIBRARIANS[task.method](u, u[chosen[:n]], y[:n])
    found = timed(lambda i: step(u[chosen[n + i]], float(y[n + i])), few)
    return {**found, "mb": most_memory()}


def _tell_and_ask_ours(u: Array, chosen: Array, y: Array, n: int) -> dict[str, Any]:
    from .ours import library, measured, place

    begun = time.perf_counter()
    recommender = library(u, 0)
    recommender.ingest([measured(*pair) for pair in zip(chosen[:n], y[:n], strict=True)])
    asked = recommender.suggest(1)[0]
    first = time.perf_counter() - begun

    def step(i: int) -> None:
        nonlocal asked
        recommender.ingest([{**asked, "f": float(wells(place(asked)[None])[0] + y[n + i] - true[n + i])}])
        asked = recommender.suggest(1)[0]

    true = wells(u[chosen])
    found = timed(step, len(y) - n)
    most = most_memory()
    recommender.close()
    return {**found, "first": first, "mb": most}


def exactness(task: Task) -> dict[str, Any]:
    """Largest difference to scikit-learn's posterior with the same kernel, over all candidates."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    from .ours import beliefs, library, measured

    u, chosen, y = _data(task.budget)
    recommender = library(u, 0)
    many = max(0, task.budget - ONE_BY_ONE)
    recommender.ingest([measured(*pair) for pair in zip(chosen[:many], y[:many], strict=True)])
    for pair in zip(chosen[many:], y[many:], strict=True):
        recommender.ingest([measured(*pair)])
        recommender.suggest(1)  # or they would be learnt together, when somebody asks
    kernel_of = beliefs(recommender)
    shape = ConstantKernel(kernel_of.variance) * Matern(kernel_of.lengths, nu=2.5)
    regressor = GaussianProcessRegressor(shape, alpha=kernel_of.noise, optimizer=None)
    regressor.fit(kernel_of.rows[chosen], (y - kernel_of.shift) / kernel_of.width)
    blocks = [regressor.predict(rows, return_std=True) for rows in np.array_split(kernel_of.rows, 10)]
    mean, sd = (np.concatenate(column) for column in zip(*blocks, strict=True))
    reference = kernel_of.shift + kernel_of.width * mean, kernel_of.width * sd
    found = difference(recommender.predict(), reference, float(y.std()))
    recommender.close()
    return found


def refits(task: Task) -> dict[str, Any]:
    """The largest single question while the points come one by one and the model is refitted now and then."""
    from .ours import library, measured

    n = min(REFITS[0], task.budget // 2)
    u, chosen, y = _data(task.budget)
    recommender = library(u, 0)
    recommender.ingest([measured(*pair) for pair in zip(chosen[:n], y[:n], strict=True)])
    recommender.suggest(1)
    pairs = list(zip(chosen[n:], y[n:], strict=True))

    def step(i: int) -> None:
        recommender.ingest([measured(*pairs[i])])
        recommender.suggest(1)

    found = timed(step, len(pairs), pause=EXPOSURE)
    recommender.close()
    return {
        f"{what}_{name}": f(times) for what, times in found.items() for name, f in (("most", max), ("median", median))
    }


def eight(task: Task) -> dict[str, Any]:
    """Eight at a time with 64 measured: time, and how many they are worth under a model fitted to the 64."""
    rng = np.random.default_rng(task.seed)
    u = candidates()
    chosen = rng.choice(len(u), task.budget, replace=False)
    x, y = u[chosen], readings(u[chosen], narrow_wells, rng)
    model = Posterior(fit(x, scaled(y), kernel(len(FEATURES)), task.seed))
    if task.method == "ours":
        from .ours import library, measured, place

        recommender = library(u, task.seed)
        recommender.ingest([measured(*pair) for pair in zip(chosen, y, strict=True)])
        recommender.suggest(1)  # now the model is fitted: what is timed is the choice of eight
        answers: list[Any] = []
        found = timed(lambda _: answers.append(recommender.suggest(8)), 1)
        picked = np.array([place(point) for point in answers[0]])
        recommender.close()
    else:
        taken: list[Array] = []
        found = timed(lambda _: taken.append(EIGHTS[task.method](u, x, y, model)), 1)
        picked = taken[0]
    return {**found, "n_eff": worth(model, picked), "different": len(np.unique(picked, axis=0))}


def huge(task: Task) -> dict[str, Any]:
    """Time and memory with 100,000 candidates."""
    u, chosen, y = _data(task.budget + 5, HUGE)
    return _tell_and_ask_ours(u, chosen, y, task.budget)


def tables(rows: Sequence[Row]) -> list[Table]:
    """One of the library, one of the batches, one of the huge library."""
    made = {"library": _library_table, "batch": _batch_table, "huge": _huge_table}
    parts = [(make, [row for row in rows if row["case"].startswith(case)]) for case, make in made.items()]
    return [make(mine) for make, mine in parts if mine]


def _library_table(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = [
        (Column(f"n={n}", "ms CPU", goal), _milliseconds("library", n)) for n, goal in targets.LIBRARY_MS.items()
    ]
    goal = targets.LIBRARY_MB
    columns += [(Column(f"memory, n={n}", "MiB", goal), each(_value("library", "mb", n))) for n in (1000, 5000)]
    goal = targets.LIBRARY_DIFFERENCE
    columns += [
        (Column("difference, mean", "sd of y", goal), _largest("difference_mean")),
        (Column("difference, sd", "relative", goal), _largest("difference_sd")),
        (Column("largest ask", "ms CPU", targets.REFIT_MS), each(_value("library_refits", "cpu_most", REFITS[1], 1e3))),
        (Column("by the clock", "ms"), each(_value("library_refits", "wall_most", REFITS[1], 1e3))),
    ]
    title = f"library of {SIZE}, 4-D: a point told and the next asked for, with n measured"
    return gather("C", "library", title, columns, rows, KNOWN)


def _batch_table(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = [
        (Column("time", "ms CPU", targets.BATCH_MS), _milliseconds("batch", BATCH)),
        (Column("worth", "n_eff", targets.BATCH_N_EFF, "at least"), each(lambda row: row["n_eff"])),
        (Column("different", "of 8"), each(lambda row: row["different"])),
    ]
    title = f"eight at a time from the library, {BATCH} measured"
    return gather("C", "batch", title, columns, rows, KNOWN)


def _huge_table(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = []
    for n in (1000, 5000):
        columns.append((Column(f"n={n}", "ms CPU"), _milliseconds("huge", n)))
        columns.append((Column(f"memory, n={n}", "MiB", targets.HUGE_MB), each(_value("huge", "mb", n))))
    return gather("C", "huge", f"library of {HUGE}, 4-D", columns, rows, KNOWN)


def _milliseconds(case: str, n: int) -> Read:
    """All repetitions of all seeds."""

    def spread(rows: Sequence[Row]) -> Spread | None:
        times = [1e3 * s for row in rows if (row["case"], row["budget"]) == (case, n) for s in row["cpu"]]
        return Spread.of(times) if times else None

    return spread


def _value(case: str, key: str, n: int, times: float = 1.0) -> Callable[[Row], float | None]:
    return lambda row: times * row[key] if (row["case"], row["budget"]) == (case, n) else None


def _largest(key: str) -> Read:
    def spread(rows: Sequence[Row]) -> Spread | None:
        values = [row[key] for row in rows if row["case"] == "library_exact"]
        return Spread.of([max(values)]) if values else None

    return spread
