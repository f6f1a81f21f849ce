"""Part B: how well is a curve or a map known after so many points, and what does a point cost?"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import _targets as targets
from ._designs import DESIGNS, LEFT_OUT, NEEDS, recommended
from ._scenes import CHECKPOINTS, Scene
from ._table import Column, Read, Row, Table, each, gather, number
from ._task import Task

CASES = tuple(CHECKPOINTS)
KNOWN = ("ours", *DESIGNS)
OPEN = False
QUICK = {"edge": 40, "edge_noisy": 40, "phases": 50}


def tasks(
    cases: Sequence[str], methods: Sequence[str] | None, seeds: Sequence[int], *, budget: int | None, quick: bool
) -> Iterator[Task]:
    """Every method of a seed before the next seed; without `methods`, those that are installed."""
    chosen = [name for name in KNOWN if _installed(name)] if methods is None else methods
    for seed in seeds:
        for case in cases:
            points = budget if budget is not None else QUICK[case] if quick else CHECKPOINTS[case][-1]
            for method in chosen:
                if method not in LEFT_OUT[case]:
                    yield Task("B", case, method, seed, points)


def _installed(method: str) -> bool:
    return method not in NEEDS or importlib.util.find_spec(NEEDS[method]) is not None


def run(task: Task) -> dict[str, Any]:
    """One design of one scene."""
    scene = Scene(task.case, task.seed, task.budget)
    if task.method == "ours":
        from . import ours

        recommender, names, objective = ours.phase_map(task.seed) if scene.flat else ours.curve(noisy=bool(scene.noise))
        recommended(recommender, names, objective, scene)
    else:
        DESIGNS[task.method](scene)
    return {"errors": scene.judged, "cpu": scene.seconds / task.budget}


def tables(rows: Sequence[Row]) -> list[Table]:
    """One for each case."""
    made = {"edge": _edge, "edge_noisy": _noisy_edge, "phases": _phases}
    return [make(mine) for case, make in made.items() if (mine := [row for row in rows if row["case"] == case])]


def _edge(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = [
        (_goal(f"n={n}", "RMSE", goal, "adaptive_curvature"), each(_error(n, "lines")))
        for n, goal in targets.EDGE.items()
    ]
    columns += [(Column("own, n=120", "RMSE"), each(_error(120, "own"))), _cpu(None)]
    title = "edge: RMSE of straight lines between n points, in edge steps"
    return gather("B", "edge", title, columns, rows, KNOWN)


def _noisy_edge(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = []
    for n in CHECKPOINTS["edge_noisy"]:
        goal = targets.EDGE_NOISY if n == 120 else None
        columns.append((Column(f"n={n}", "RMSE", goal, of="median"), each(_error(n, "own", "lines"))))
    columns += [(Column("lines, n=120", "RMSE"), each(_error(120, "lines"))), _cpu(None)]
    title = "edge_noisy: the same with 1 % noise, by the method's own picture, or straight lines where it has none"
    return gather("B", "edge_noisy", title, columns, rows, KNOWN)


def _phases(rows: Sequence[Row]) -> Table:
    columns: list[tuple[Column, Read]] = [
        (_goal(f"n={n}", "% wrong", 100 * goal, "gpcam_gradient"), each(_error(n, "wrong", times=100)))
        for n, goal in targets.WRONG_PHASE.items()
    ]
    columns.append(_cpu(targets.MAP_MS))
    return gather("B", "phases", "phases: share of the map in the wrong phase after n points", columns, rows, KNOWN)


def _goal(name: str, unit: str, goal: float, who: str) -> Column:
    return Column(name, unit, goal, of="quartile", target_text=f"<= {number(goal)} ({who})")


def _cpu(limit: float | None) -> tuple[Column, Read]:
    return Column("a point", "ms CPU", limit), each(lambda row: 1e3 * row["cpu"])


def _error(n: int, *kinds: str, times: float = 1.0) -> Callable[[Row], float | None]:
    def read(row: Row) -> float | None:
        errors = row["errors"].get(str(n), {})
        return next((times * errors[kind] for kind in kinds if kind in errors), None)

    return read
