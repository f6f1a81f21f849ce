"""Part A: how good is the best point after so many measurements, and what does a suggestion cost?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks._report import Spread

from . import _targets as targets
from ._peers import EXTRA, MAKERS, installed, maker
from ._problems import OBJECTIVE, PROBLEMS, Problem
from ._table import Column, Read, Row, Table, each, gather, number
from ._task import Task

CASES = tuple(PROBLEMS)
CHECKPOINTS = (10, 20, 30, 40, 50, 60)
BUDGET = 60
PAST_THE_START = 12
"""Suggestions that come before any model leads; they are left out of the time."""

PLAIN = ("simple_gp", "gpcam_ei", "gpcam_ucb")
"""Ours is to be better than these everywhere."""

METHODS = tuple(name for name in MAKERS if name not in EXTRA)


KNOWN = tuple(MAKERS)
OPEN = True
"""Anybody else's recommender may take part: ``module:function`` of a problem and a seed."""


def tasks(
    cases: Sequence[str],
    methods: Sequence[str] | None,
    seeds: Sequence[int],
    *,
    budget: int | None,
    quick: bool,
) -> Iterator[Task]:
    """Every method of a seed before the next seed; without `methods`, those that are installed."""
    chosen = [name for name in METHODS if installed(name)] if methods is None else methods
    points = budget if budget is not None else 20 if quick else BUDGET
    for seed in seeds:
        for case in cases:
            for method in chosen:
                if method != "scan_then_gp_sqrt" or case == "beamline_peak":
                    yield Task("A", case, method, seed, points)


def run(task: Task) -> dict[str, Any]:
    """A closed loop of one method."""
    return closed_loop(maker(task.method), PROBLEMS[task.case](task.seed), task.seed, task.budget)


def closed_loop(make: Any, problem: Problem, seed: int, budget: int) -> dict[str, Any]:
    """Measure `budget` suggestions, one at a time."""
    rng = np.random.default_rng(seed)
    begun = time.process_time()
    recommender = make(problem, seed)
    built = time.process_time() - begun
    true: list[float] = []
    seen: list[float] = []
    seconds: list[float] = []
    while len(true) < budget:
        begun = time.process_time()
        points = list(recommender.suggest(1))
        seconds.append(time.process_time() - begun)
        if not points:
            break
        value, reading = problem.measure(points[0], rng)
        true.append(value)
        seen.append(reading)
        begun = time.process_time()
        recommender.ingest([{**points[0], OBJECTIVE: reading}])
        seconds[-1] += time.process_time() - begun
    sign = 1.0 if problem.minimise else -1.0
    best = [problem.regret(sign * value) for value in np.minimum.accumulate(sign * np.array(true))]
    late = seconds[min(PAST_THE_START, len(seconds) - 1) :]
    begun = time.process_time()
    called_best = _called_best(recommender, problem)
    return {
        "measured": len(true),
        # of the best true value among the measured points; a scan that ended early keeps its last one
        "regret": {str(n): best[min(n, len(best)) - 1] for n in CHECKPOINTS if n <= budget},
        "regret_of_best_reading": problem.regret(true[int(np.argmin(sign * np.array(seen)))]),
        "regret_of_called_best": called_best,
        "cpu_best_points": time.process_time() - begun,
        "cpu_build": built,
        "cpu": float(np.mean(late)),
        "cpu_most": float(np.max(late)),
    }


def _called_best(recommender: Any, problem: Problem) -> float | None:
    """Regret of the point at which the recommender would leave the beamline."""
    if not hasattr(recommender, "get_best_points"):
        return None
    found = recommender.get_best_points()
    return problem.regret(float(problem.true(problem.array(found[0][1]))[0])) if found else None


def tables(rows: Sequence[Row]) -> list[Table]:
    """One for each problem, in their order."""
    return [_table(case, mine) for case in CASES if (mine := [row for row in rows if row["case"] == case])]


def _table(case: str, rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = []
    for i, n in enumerate((20, 40, 60)):
        if case == "beamline_peak":
            goal = Column(f"n={n}", "of the seeds", targets.WITHIN_TEN_PERCENT[i], "at least", beat=PLAIN)
            columns.append((goal, _share(str(n))))
        else:
            who = f"<= {number(targets.REGRET[case][i])} ({targets.BEST[case][i]})"
            goal = Column(f"n={n}", "", targets.REGRET[case][i], of="quartile", beat=PLAIN, target_text=who)
            columns.append((goal, each(_regret(str(n)))))
    if case == "beamline_peak" or case.endswith("_noisy"):
        limit = targets.CALLED_BEST if case == "branin_noisy" else None
        columns.append((Column("best reading"), each(lambda row: row["regret_of_best_reading"])))
        columns.append((Column("called best", "", limit), each(lambda row: row["regret_of_called_best"])))
    cpu = Column("a suggestion", "ms CPU", targets.CPU_MS)
    columns.append((cpu, each(lambda row: 1e3 * row["cpu"])))
    share = "share of the seeds within 10 % of the top after n points"
    what = share if case == "beamline_peak" else "simple regret after n points"
    return gather("A", case, f"{case}: {what}", columns, rows, tuple(MAKERS))


def _regret(n: str) -> Callable[[Row], float | None]:
    return lambda row: row["regret"].get(n)


def _share(n: str) -> Read:
    def spread(rows: Sequence[Row]) -> Spread | None:
        near = [row["regret"][n] < 0.1 for row in rows if n in row["regret"]]
        if not near:
            return None
        share = sum(near) / len(near)
        return Spread(share, share, share, len(near))

    return spread
