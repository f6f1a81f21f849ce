"""What came of a comparison: curves, a table, a picture."""

from __future__ import annotations

import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ._goodness import Reconstruction
from ._simulation import Simulation, plain
from ._truth import Array, Goal

__all__ = ["Comparison", "Curve", "Run"]

WIDTH = 110
"""Of a table in characters, where it does not go to a terminal."""


@dataclass(frozen=True, slots=True)
class Run:
    """One recommender with one seed."""

    recommender: str
    """What the comparison calls it."""
    seed: int
    """Of the recommender, of the noise, and of a truth that is another for every seed."""
    simulation: Simulation | None
    """What came of it, by the time it failed; ``None`` if it could not be made."""
    error: str | None = None
    """How it failed."""
    grids: Mapping[int, Simulation] | None = None
    """Of an even grid: number of points to the largest grid of at most so many."""

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        return self.error is None and self.simulation is not None and self.simulation.complete

    def values(self, budget: int) -> dict[int, float]:
        """Return number of points to regret, or to map error.

        A run that asked for no more, or failed, keeps what it reached until the budget is spent.
        """
        if self.grids is not None:
            return {number: _last(simulation) for number, simulation in self.grids.items()}
        if self.simulation is None or not len(self.simulation):
            return {}
        if self.simulation.goal == "map":
            values = dict(self.simulation.errors)
        else:
            values = {number: float(regret) for number, regret in enumerate(self.simulation.regret, start=1)}
        if values and (self.complete or self.error is not None) and max(values) < budget:
            values[budget] = values[max(values)]
        return values


@dataclass(frozen=True, slots=True)
class Curve:
    """Regret or map error against the number of points, over the seeds."""

    numbers: tuple[int, ...]
    """Of points."""
    low: Array
    """The lower quartile at each."""
    median: Array
    """The median at each."""
    high: Array
    """The upper quartile at each."""

    def at(self, number: int) -> tuple[float, float, float] | None:
        """Return lower quartile, median and upper quartile after so many points, ``None`` before the first."""
        places = [place for place, each in enumerate(self.numbers) if each <= number]
        if not places:
            return None
        return float(self.low[places[-1]]), float(self.median[places[-1]]), float(self.high[places[-1]])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of `compare`. Prints as a table."""

    truth: str
    """Name of the truth."""
    objective: str
    """What was judged."""
    units: str
    """Of the objective."""
    goal: Goal
    """What was wanted of it."""
    budget: int
    """Points that each recommender could ask for."""
    budgets: tuple[int, ...]
    """Numbers of points in the table."""
    seeds: tuple[int, ...]
    """All that were to be run."""
    names: tuple[str, ...]
    """Of the recommenders, in the order in which they were given; then random, sobol and grid."""
    baselines: frozenset[str]
    """Which of them were added by the comparison."""
    runs: tuple[Run, ...]
    """All there are."""
    reconstruction: Reconstruction
    """How a map was made."""
    interrupted: bool = False
    """Whether Ctrl-C ended it."""

    def of(self, name: str) -> list[Run]:
        """Return the runs of one recommender."""
        if name not in self.names:
            raise KeyError(f"no {name!r} was compared; there are {', '.join(self.names)}")
        return [run for run in self.runs if run.recommender == name]

    def failures(self, name: str) -> list[Run]:
        """Return the runs of one recommender that failed."""
        return [run for run in self.of(name) if run.error is not None]

    def curve(self, name: str) -> Curve:
        """Return median and quartiles of one recommender against the number of points.

        At each number over all runs that came so far; a run keeps its last value between two.
        """
        each = [values for run in self.of(name) if (values := run.values(self.budget))]
        numbers = sorted({number for values in each for number in values})
        table = np.full((len(each), len(numbers)), np.nan)
        for row, values in zip(table, each, strict=True):
            last, reach = np.nan, max(values)
            for column, number in enumerate(numbers):
                last = values.get(number, last)
                row[column] = last if number <= reach else np.nan
        finite: Any = np.isfinite(table).any(axis=0)
        some: list[bool] = finite.tolist()
        kept = tuple(number for number, keep in zip(numbers, some, strict=True) if keep)
        if not kept:
            return Curve((), np.empty(0), np.empty(0), np.empty(0))
        low, median, high = np.nanpercentile(table[:, some], [25, 50, 75], axis=0)
        return Curve(kept, low, median, high)

    def seconds_a_point(self, name: str) -> float | None:
        """Median time of one recommender for a point."""
        seconds = [point.seconds for run in self.of(name) if run.simulation for point in run.simulation.points]
        return statistics.median(seconds) if seconds else None

    def regret_called(self, name: str) -> float | None:
        """Median regret of the points that one recommender calls the best; ``None`` where it does not say."""
        called = [run.simulation.regret_called for run in self.of(name) if run.simulation is not None]
        regrets = [regret for regret in called if regret is not None]
        return statistics.median(regrets) if regrets else None

    @property
    def measure(self) -> str:
        """What is compared, with its units."""
        if self.goal == "map":
            return "map error / sd of the truth"
        return f"regret / {self.units}" if self.units else "regret"

    def __rich__(self) -> RenderableType:
        called = any(self.regret_called(name) is not None for name in self.names)
        table = Table(box=None, pad_edge=False)
        table.add_column("", no_wrap=True)
        for budget in self.budgets:
            table.add_column(f"{budget}\npoints", justify="right", no_wrap=True)
        if called:
            table.add_column("called\nbest", justify="right")
        table.add_column("ms a\npoint", justify="right")
        table.add_column("\nruns", justify="right")
        for name in self.names:
            table.add_row(*self._row(name, called=called), style="dim" if name in self.baselines else "")
        lines = [
            Text(
                f"{name} failed in {len(failed)} of {len(self.of(name))} runs; seed {failed[0].seed}: {failed[0].error}"
            )
            for name in self.names
            if (failed := self.failures(name))
        ]
        if self.interrupted:
            done = len({run.seed for run in self.runs})
            lines.append(Text(f"interrupted: runs of {done} of {len(self.seeds)} seeds, the last of them in part"))
        return Group(Text(self._title), table, *lines)

    def __str__(self) -> str:
        text = io.StringIO()
        console = Console(file=text, width=WIDTH, force_terminal=False, force_jupyter=False, color_system=None)
        console.print(self, soft_wrap=False)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    @property
    def _title(self) -> str:
        wanted = "map" if self.goal == "map" else f"{self.goal} {self.objective}"
        return f"{self.truth}, {wanted}: {self.measure}, median and quartiles over {len(self.seeds)} seeds"

    def _row(self, name: str, *, called: bool) -> list[str]:
        curve = self.curve(name)
        cells = [name, *(_cell(curve.at(budget)) for budget in self.budgets)]
        if called:
            regret = self.regret_called(name)
            cells.append("" if regret is None else _short(regret))
        seconds = self.seconds_a_point(name)
        complete = sum(
            run.error is None and (run.simulation is None or run.simulation.complete) for run in self.of(name)
        )
        return [*cells, "" if seconds is None else f"{1000 * seconds:.3g}", str(complete)]

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the points as plain values; numbers that are not finite are ``None``."""
        recommenders: dict[str, Any] = {}
        for name in self.names:
            curve = self.curve(name)
            recommenders[name] = {
                "baseline": name in self.baselines, "points": curve.numbers, "q25": curve.low,
                "median": curve.median, "q75": curve.high, "regret_called": self.regret_called(name),
                "seconds_a_point": self.seconds_a_point(name),
                "runs": [
                    {
                        "seed": run.seed, "error": run.error, "values": run.values(self.budget),
                        "reason": None if run.simulation is None else run.simulation.reason,
                        "regret_called": None if run.simulation is None else run.simulation.regret_called,
                        "farthest": None if run.simulation is None else run.simulation.farthest,
                    }
                    for run in self.of(name)
                ],
            }  # fmt: skip
        return plain(
            {
                "truth": self.truth, "objective": self.objective, "units": self.units, "goal": self.goal,
                "measure": self.measure, "budget": self.budget, "budgets": self.budgets, "seeds": self.seeds,
                "reconstruction": self.reconstruction, "interrupted": self.interrupted, "recommenders": recommenders,
            }
        )  # fmt: skip

    def to_json(self) -> str:
        """Return one JSON object."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def plot(self, to: Any) -> None:
        """Draw medians with a band from quartile to quartile, against the number of points.

        Parameters
        ----------
        to
            The path of a PNG, or matplotlib axes to draw into.
        """
        from ._picture import draw_comparison  # matplotlib takes a second

        draw_comparison(Path(to) if isinstance(to, str) else to, self)


def _last(simulation: Simulation) -> float:
    if simulation.goal == "map":
        return simulation.errors[max(simulation.errors)]
    return float(simulation.regret[-1])


def _cell(values: Sequence[float] | None) -> str:
    if values is None:
        return ""
    low, median, high = values
    return f"{_short(median)}\n{_short(low)} - {_short(high)}"


def _short(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
