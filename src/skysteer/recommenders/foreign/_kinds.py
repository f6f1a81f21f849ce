"""The optimizers of bluesky-adaptive 1.x, one by one: what each lacks, and how it is told of what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from typing import Any, Literal, Protocol

from skysteer.errors import NoRecommendation, RecommenderError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._sobol import sobol_rows

from ._vocs import space_of

Point = Mapping[str, Any]
Failed = Literal["worst", "forget"]
"""What somebody else's optimizer is told of a point that failed: the worst reading so far, or nothing."""


class Kind(Protocol):
    """What differs between the optimizers of bluesky-adaptive."""

    def space(self) -> Space | None: ...
    def objectives(self) -> Sequence[str]: ...
    def finite(self, point: Point) -> bool: ...
    def waits_for(self, name: Any) -> bool: ...
    def knows(self, name: Any) -> bool: ...
    def suggest(self, count: int) -> Sequence[Point]: ...
    def tell(self, points: Sequence[Point], asked: Sequence[Point]) -> None: ...
    def fail(self, name: Any, point: Point) -> None: ...
    def best(self) -> Sequence[tuple[Any, Point, Point]]: ...
    def reasons(self) -> Sequence[str]: ...
    def should_stop(self) -> tuple[bool, str | None]: ...
    def checkpoint(self) -> None: ...


class Plain:
    """Any other optimizer: it gets what it would get without us, but for what is not finite and what is told twice."""

    def __init__(self, optimizer: Any, failed: Failed) -> None:
        self.optimizer, self.failed = optimizer, failed
        self.told = False

    def space(self) -> Space | None:
        """Where it may suggest, where it says so."""
        found: Any = getattr(self.optimizer, "space", None)
        return found if isinstance(found, Space) else None

    def objectives(self) -> Sequence[str]:
        """Names that a point must have."""
        return ()

    def finite(self, point: Point) -> bool:
        """Whether all its outcomes are finite."""
        names = self.objectives() or [key for key in point if key != "_id"]
        return all(math.isfinite(point[name]) for name in names if isinstance(point[name], float | int))

    def waits_for(self, name: Any) -> bool:
        """Whether a reading of this ``_id`` is awaited although it was asked for in an earlier life."""
        return False

    def knows(self, name: Any) -> bool:
        """Whether a reading of this ``_id`` was told in an earlier life."""
        return False

    def suggest(self, count: int) -> Sequence[Point]:
        """Ask it."""
        return self.optimizer.suggest(count)

    def tell(self, points: Sequence[Point], asked: Sequence[Point]) -> None:
        """Tell it finite points, its own with ``_id``."""
        if points:
            self.told = True
            self.optimizer.ingest(points)

    def fail(self, name: Any, point: Point) -> None:
        """Tell it that a point of its own failed."""
        if hasattr(self.optimizer, "register_failures"):
            self.optimizer.register_failures([{**point, "_id": name}])

    def best(self) -> Sequence[tuple[Any, Point, Point]]:
        """Ask it for the best points, once there is a reading."""
        return self.optimizer.get_best_points() if self.told else []

    def reasons(self) -> Sequence[str]:
        """Ask it why it answered as it did."""
        return self.optimizer.get_reasons()

    def should_stop(self) -> tuple[bool, str | None]:
        """Ask it whether it is done."""
        return self.optimizer.should_stop()

    def checkpoint(self) -> None:
        """Have it write its state."""
        self.optimizer.checkpoint()


class Ax(Plain):
    def __init__(self, optimizer: Any, failed: Failed) -> None:
        super().__init__(optimizer, failed)
        self.experiment: Any = optimizer.ax_client._experiment
        self.told = any(trial.status.is_completed for trial in self.experiment.trials.values())

    def space(self) -> Space | None:
        axes: list[Axis | Choice] = []
        for name, parameter in self.experiment.search_space.parameters.items():
            if hasattr(parameter, "lower"):
                axes.append(Axis(name, float(parameter.lower), float(parameter.upper)))
            elif len(getattr(parameter, "values", ())) > 1:
                axes.append(Choice(name, tuple(parameter.values)))
            else:
                return None  # a parameter with one value moves nothing
        return Space(*axes)

    def objectives(self) -> Sequence[str]:
        return sorted(self.experiment.optimization_config.metric_names)

    def waits_for(self, name: Any) -> bool:
        trial = self.experiment.trials.get(name) if isinstance(name, int) else None
        return trial is not None and not trial.status.is_terminal

    def knows(self, name: Any) -> bool:
        return isinstance(name, int) and name in self.experiment.trials

    def tell(self, points: Sequence[Point], asked: Sequence[Point]) -> None:
        super().tell([point if "_id" in point else self._typed(point) for point in points], asked)

    def fail(self, name: Any, point: Point) -> None:
        # A trial that Ax knows as failed is forgotten by its model, which asks for the same place again.
        self.optimizer.ax_client.mark_trial_abandoned(name)

    def should_stop(self) -> tuple[bool, str | None]:
        return self.optimizer.should_stop() if hasattr(self.optimizer, "_stopping_strategy") else (False, None)

    def _typed(self, point: Point) -> dict[str, Any]:
        typed = dict(point)
        for name, parameter in self.experiment.search_space.parameters.items():
            if parameter.python_type in (int, float):
                value = point[name]
                typed[name] = round(value) if parameter.python_type is int else float(value)
        return typed


class Penalized(Plain):
    """Knows of no failures: a point that failed is told as the worst so far, as soon as there is one."""

    def __init__(self, optimizer: Any, failed: Failed) -> None:
        super().__init__(optimizer, failed)
        self.worst: dict[str, Any] | None = None
        self.owed: list[tuple[Any, Point]] = []

    def tell(self, points: Sequence[Point], asked: Sequence[Point]) -> None:
        super().tell(points, asked)
        for point in points:
            outcome = {key: point[key] for key in self.outcomes(point)}
            if self.worst is None or self.is_worse(outcome, self.worst):
                self.worst = outcome
        if self.worst is not None and self.failed == "worst":
            owed, self.owed = self.owed, []
            for name, point in owed:
                self.penalize(name, point, self.worst)

    def fail(self, name: Any, point: Point) -> None:
        super().fail(name, point)
        if self.failed == "worst" and self.worst is not None:
            self.penalize(name, point, self.worst)
        else:
            self.owed.append((name, point))

    def outcomes(self, point: Point) -> Sequence[str]:
        return self.objectives()

    def is_worse(self, outcome: Point, than: Point) -> bool:
        raise NotImplementedError

    def penalize(self, name: Any, point: Point, worst: Point) -> None:
        raise NotImplementedError


class Xopt(Penalized):
    def __init__(self, optimizer: Any, failed: Failed) -> None:
        super().__init__(optimizer, failed)
        self.vocs: Any = optimizer.vocs
        self.asked = 0
        data: Any = optimizer.generator.data
        if data is not None and set(self.objectives()) <= set(data.columns):
            self.told = bool(data[list(self.objectives())].notna().all(axis=1).any())

    def space(self) -> Space | None:
        return space_of(self.vocs)

    def objectives(self) -> Sequence[str]:
        return tuple(self.vocs.output_names)

    def suggest(self, count: int) -> Sequence[Point]:
        self.asked += 1
        space = self.space()
        if self.told or self.asked == 1 or space is None:
            return self.optimizer.suggest(count)
        # It has nothing to think about yet, and its model would raise a KeyError.
        return self.optimizer.register_suggestions(space.from_unit(sobol_rows(space, 0, self.asked - 1, count)))

    def is_worse(self, outcome: Point, than: Point) -> bool:
        name, goal = next(iter(self.vocs.objectives.items()))
        sign = -1.0 if type(goal).__name__ == "MaximizeObjective" else 1.0
        return sign * outcome[name] > sign * than[name]

    def penalize(self, name: Any, point: Point, worst: Point) -> None:
        axes = {axis: point[axis] for axis in self.vocs.variable_names if axis in point}
        self.optimizer.ingest([{**axes, **worst, "_id": name}])

    def checkpoint(self) -> None:
        # Xopt writes a fitted model and its table of times as the text that `print` shows, and cannot read that.
        generator: Any = self.optimizer.generator
        aside = {name: getattr(generator, name) for name in ("model", "computation_time") if hasattr(generator, name)}
        for name in aside:
            setattr(generator, name, None)
        try:
            self.optimizer.checkpoint()
        finally:
            for name, value in aside.items():
                setattr(generator, name, value)


class SciPy(Penalized):
    def __init__(self, optimizer: Any, failed: Failed) -> None:
        super().__init__(optimizer, failed)
        self.config: Any = optimizer.optimizer.config
        self.objective: str = self.config.objective.name
        self.sign = 1.0 if self.config.objective.minimize else -1.0
        self.found: list[tuple[Any, Point, Point]] = []

    def space(self) -> Space | None:
        return Space(
            *(Axis(dof.parameter_name, float(dof.bounds[0]), float(dof.bounds[1])) for dof in self.config.dofs)
        )

    def objectives(self) -> Sequence[str]:
        return (self.objective,)

    def suggest(self, count: int) -> Sequence[Point]:
        optimizer = self.optimizer
        if self.owed:
            raise RecommenderError(
                "a point failed, and SciPy cannot go on without a value for it: there is no reading yet to take "
                "for it (start elsewhere), or failed='forget' forbids one"
            )
        while True:
            if optimizer.thread_monitor.done():
                raise NoRecommendation(f"SciPy is done: {getattr(optimizer.thread_monitor.result(), 'message', '')}")
            if optimizer.final is not None:
                raise RecommenderError(
                    f"SciPy waited more than {optimizer.SUGGESTION_TIMEOUT} s for a reading, or was closed; "
                    "give InteractiveOptimizer(..., timeout=) more than a point may take"
                )
            if optimizer._active:  # what it wants to know; only then does its `suggest` not raise, print or repeat
                return optimizer.suggest(count)
            wait([optimizer.thread_monitor], timeout=0.001)  # nothing wakes up when its thread has a question

    def tell(self, points: Sequence[Point], asked: Sequence[Point]) -> None:
        mine = [(point, place) for point, place in zip(points, asked, strict=True) if "_id" in point]
        for point, place in mine:
            axes = {axis: place[axis] for axis in place if axis != "_id"}
            self.found.append((point["_id"], axes, {self.objective: point[self.objective]}))
        signed = [{**point, self.objective: self.sign * point[self.objective]} for point, _ in mine]
        super().tell(signed, [place for _, place in mine])

    def best(self) -> Sequence[tuple[Any, Point, Point]]:
        return [min(self.found, key=lambda each: self.sign * each[2][self.objective])] if self.found else []

    def is_worse(self, outcome: Point, than: Point) -> bool:
        return outcome[self.objective] > than[self.objective]

    def penalize(self, name: Any, point: Point, worst: Point) -> None:
        self.optimizer.ingest([{**worst, "_id": name}])


def kind_of(optimizer: Any, failed: Failed) -> Kind:
    if hasattr(optimizer, "ax_client"):
        return Ax(optimizer, failed)
    if hasattr(optimizer, "generator") and hasattr(optimizer, "vocs"):
        return Xopt(optimizer, failed)
    if hasattr(optimizer, "thread_monitor"):
        return SciPy(optimizer, failed)
    return Plain(optimizer, failed)
