"""The closed loop without an engine: a recommender asks, a truth answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np

from skysteer.errors import PointError, RecommenderError, SkysteerError, SpaceError
from skysteer.model import Finished, Space
from skysteer.protocols import HasSpace, KnowsPending, Recommender
from skysteer.recommenders._session import Session
from skysteer.recommenders._validate import Checked, check_answer

from ._goodness import MapJudge, Reconstruction, best_value
from ._simulation import Called, Measured, Simulation
from ._truth import Array, Goal, Noise, Point, Truth, as_truth

__all__ = ["Aim", "Progress", "aim_of", "simulate"]

Aim = Literal["best", "maximize", "minimize", "map"]
"""What is wanted of the objective; ``"best"`` is a maximum, or a minimum where the truth says so."""
Progress = Callable[[int, int], object]
"""Called with the points that are done, and with how many there will be at the most."""
PATIENCE = 10
"""So many readings in a row from the start without a finite value are an error."""


def simulate(
    recommender: Recommender,
    truth: Any,
    *,
    space: Space | None = None,
    objectives: Sequence[str] | str = (),
    goal: Aim | None = None,
    budget: int = 50,
    batch: int = 1,
    noise: Noise | Mapping[str, Noise] | None = None,
    seed: int = 0,
    reference: float | None = None,
    reconstruction: Reconstruction = "own",
    checkpoints: Sequence[int] = (),
    name: str | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Try a recommender on a truth: ask it, measure there, tell it, until the budget is spent.

    Suggestions are checked as a live plan checks them. Same arguments, same
    result, but for the times.

    Parameters
    ----------
    recommender
        A fresh one: it is told what is measured here.
    truth
        A function of a point (axis name to position) that returns the true value, or a
        mapping of objective name to true value; a `Truth`; an `Emulator` or a `Recorded`
        run; or a name of `TRUTHS`.
    space
        Where it may suggest; by default what the recommender says itself, or else the truth.
    objectives
        What is measured; by default what the truth names, ``"det"`` for a function. The
        first is judged.
    goal
        What is wanted of the objective; by default what the truth says, for a function a maximum.
    budget
        Points to measure.
    batch
        How many are asked for and measured at a time. A recommender that answers with
        fewer is asked again for the rest if it knows what is pending.
    noise
        Of a reading: a standard deviation, ``"counts"`` (Poisson), or a function of the
        true value and a random generator; or a mapping of these by objective. By default
        the truth's own. The n-th measurement of a seed has the same luck for everybody.
    seed
        Of the noise, and of a truth that is another for every seed.
    reference
        The best true value; by default what the truth says or a search of it finds (1536
        values, anywhere in the space: give it where only some places exist, as in a
        library of samples). If the simulation comes upon a better one, that is taken.
    reconstruction
        How a map is made of the points.
    checkpoints
        Numbers of points after which a map is judged; by default ten, evenly.
    name
        What to call the recommender; by default its class.
    progress
        Called after every measurement.

    Returns
    -------
    Simulation
        After Ctrl-C what there is by then: it is not `Simulation.complete`.

    Raises
    ------
    SuggestionError, RecommenderError
        If the recommender suggests what cannot be measured, or raises. What was
        measured by then is the ``result`` of the error.
    SpaceError
        If nobody says where to suggest, or truth and recommender have other axes.
    PointError
        If the truth returns no number for an objective, or none that is finite.
    ValueError
        If a number cannot be, or there is no truth of this name.
    """
    if isinstance(recommender, type) or not isinstance(recommender, Recommender):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"{recommender!r} is no recommender: expected an object with the methods ingest(points) and "
            "suggest(num_points=None)"
        )
    for what, number in (("budget", budget), ("batch", batch)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{what} must be a whole number above 0, found {number!r}")
    known = as_truth(truth, seed, objectives=_names(objectives), noise=noise)
    loop = _Loop(
        recommender, known, _space_of(recommender, known, space), aim_of(known, goal), seed,
        name or type(recommender).__name__,
    )  # fmt: skip
    loop.run(budget, batch, checkpoints or evenly(budget, batch), reconstruction, reference, progress)
    return loop.simulation()


def aim_of(truth: Truth, goal: Aim | None) -> Goal:
    """Return what is wanted of a truth."""
    if goal not in (None, "best", "maximize", "minimize", "map"):
        raise ValueError(f"goal must be 'best', 'maximize', 'minimize' or 'map', found {goal!r}")
    if goal is None:
        return truth.goal
    if goal == "best":
        return "minimize" if truth.goal == "minimize" else "maximize"
    return goal


def evenly(budget: int, batch: int, count: int = 10) -> tuple[int, ...]:
    """Return `count` numbers of points up to the budget, whole batches each."""
    steps = np.linspace(0, budget, min(count, budget) + 1)[1:]
    return tuple(sorted({min(budget, batch * int(np.ceil(round(step) / batch))) for step in steps}))


class _Loop:
    """One recommender, one truth, and what came of them so far."""

    def __init__(self, recommender: Recommender, truth: Truth, space: Space, goal: Goal, seed: int, name: str) -> None:
        self._recommender, self._truth, self._space = recommender, truth, space
        self._goal: Goal = goal
        self._seed, self._name = seed, name
        self._session = Session(recommender)
        self._used: set[Hashable] = set()
        self._points: list[Measured] = []
        self._errors: dict[int, float] = {}
        self._unpredicted: list[int] = []
        self._best: Called | None = None
        self._reason, self._complete = "", False
        self._finite = False  # whether any true value was
        self._reference: float | None = None

    def run(
        self, budget: int, batch: int, checkpoints: Sequence[int], reconstruction: Reconstruction,
        reference: float | None, progress: Progress | None,
    ) -> None:  # fmt: skip
        """Measure until the budget is spent; an error carries what there is."""
        try:
            if self._goal != "map":
                found = best_value(self._truth, self._space, self._goal) if reference is None else reference
                self._reference = float(found)
            judge = MapJudge(self._truth, self._space) if self._goal == "map" else None
            self._measure(budget, batch, judge, checkpoints, reconstruction, progress)
            self._best = self._called()
            self._complete = True
        except KeyboardInterrupt:
            self._reason = f"interrupted after {len(self._points)} of {budget} points"
        except SkysteerError as exc:
            self._reason = f"{type(exc).__name__}: {exc}"
            exc.result = self.simulation()
            raise

    def simulation(self) -> Simulation:
        """Return what there is."""
        reference = self._reference
        if reference is not None:
            seen = [each.true[self._truth.objective] for each in self._points]
            better = min if self._goal == "minimize" else max
            reference = better([reference, *(value for value in seen if np.isfinite(value))])
        return Simulation(
            recommender=self._name, truth=self._truth.name, space=self._space, objectives=self._truth.objectives,
            units=self._truth.units, goal=self._goal, seed=self._seed, points=tuple(self._points),
            reason=self._reason, complete=self._complete, reference=reference, errors=dict(self._errors),
            unpredicted=tuple(self._unpredicted),
            best=self._best,
        )  # fmt: skip

    def _measure(
        self, budget: int, batch: int, judge: MapJudge | None, checkpoints: Sequence[int],
        reconstruction: Reconstruction, progress: Progress | None,
    ) -> None:  # fmt: skip
        left = sorted({number for number in checkpoints if number <= budget})
        telling = 0.0
        while len(self._points) < budget:
            began = time.perf_counter()
            asked = self._ask(min(batch, budget - len(self._points)))
            seconds = telling + time.perf_counter() - began
            told: list[dict[str, Any]] = []
            for point, identity in asked:
                told.append(self._measure_one(point, identity, seconds / len(asked)))
                if progress is not None:
                    progress(len(self._points), budget)
            if not asked:  # _ask said why
                break
            self._check_finite()
            began = time.perf_counter()
            self._call("ingest", self._session.ingest, told)
            telling = time.perf_counter() - began
            while judge is not None and left and left[0] <= len(self._points):
                self._errors[left.pop(0)] = self._map_error(judge, reconstruction)
        else:
            self._reason = f"budget of {budget} points spent"
        if judge is not None and self._points and len(self._points) not in self._errors:
            self._errors[len(self._points)] = self._map_error(judge, reconstruction)

    def _ask(self, count: int) -> list[Checked]:
        """Return up to `count` suggestions; none if nothing more is asked for."""
        found: list[Checked] = []
        while len(found) < count:
            pending = [_named(point, identity) for point, identity in found]
            answer = self._call("suggest", self._session.suggest, count - len(found), pending)
            if isinstance(answer, Finished):
                self._reason = answer.reason
                break
            found += check_answer(
                answer, count=count - len(found), space=self._space, known=self._used.__contains__,
                recommender=self._name,
            )  # fmt: skip
            self._used |= {identity for _, identity in found if identity is not None}
            if not isinstance(self._recommender, KnowsPending):
                break
        return found

    def _measure_one(self, point: Point, identity: Hashable | None, seconds: float) -> dict[str, Any]:
        true = self._truth.value(point)
        luck = np.random.default_rng([self._seed, len(self._points), 50_000])
        read = self._truth.reading(true, luck)
        distance = None if self._truth.distance is None else self._truth.distance(point)
        self._points.append(Measured(dict(point), true, read, seconds, distance))
        return _named({**point, **read}, identity)

    def _check_finite(self) -> None:
        if self._finite:
            return
        values = [each.true[self._truth.objective] for each in self._points]
        self._finite = bool(np.isfinite(values).any())
        if len(values) >= PATIENCE and not self._finite:
            raise PointError(
                f"the truth {self._truth.name!r} gave no finite {self._truth.objective!r} at any of the first "
                f"{len(values)} points, last {values[-1]} at {dict(self._points[-1].point)}"
            )

    def _map_error(self, judge: MapJudge, reconstruction: Reconstruction) -> float:
        predict = _predict_of(self._recommender, self._truth) if reconstruction == "own" else None

        def called(points: Sequence[Point]) -> Array | None:
            means = None if predict is None else self._call("predict", predict, points)
            if predict is not None and means is None:
                self._unpredicted.append(len(self._points))
            return means

        read = np.array([each.read[self._truth.objective] for each in self._points], dtype=np.float64)
        return judge.error(called, [each.point for each in self._points], read)

    def _called(self) -> Called | None:
        found: Mapping[str, Any] | None = self._call("get_best_points", self._session.best)
        if found is None:
            return None
        if missing := [name for name in self._space if name not in found]:
            raise RecommenderError(
                f"get_best_points of {self._name} says {dict(found)}: {', '.join(missing)} is missing"
            )
        point = {name: found[name] for name in self._space}
        said = {name: value for name, value in found.items() if name not in point}
        return Called(point, said, self._truth.value(point)[self._truth.objective])

    def _call(self, what: str, method: Callable[..., Any], *args: Any) -> Any:
        try:
            return method(*args)
        except (Exception, SystemExit) as exc:  # one that exits is one that raises, as in a plan
            raise RecommenderError(
                f"{self._name} raised {type(exc).__name__} in {what}, after {len(self._points)} points: {exc}"
            ) from exc


def _named(point: Mapping[str, Any], identity: Hashable | None) -> dict[str, Any]:
    return dict(point) if identity is None else {**point, "_id": identity}


def _names(objectives: Sequence[str] | str) -> Sequence[str]:
    return [objectives] if isinstance(objectives, str) else list(objectives)


def _space_of(recommender: Recommender, truth: Truth, space: Space | None) -> Space:
    if space is None:
        space = recommender.space if isinstance(recommender, HasSpace) else truth.space
    if space is None:
        raise SpaceError(
            f"neither {type(recommender).__name__} nor the truth {truth.name!r} says where to measure: give space=..."
        )
    if truth.space is not None and set(truth.space) != set(space):
        raise SpaceError(
            f"the truth {truth.name!r} has the axes {', '.join(truth.space)}, but suggestions have {', '.join(space)}"
        )
    return space


def _predict_of(recommender: Any, truth: Truth) -> Callable[[Sequence[Point]], Array | None] | None:
    predict = getattr(recommender, "predict", None)
    if not callable(predict):
        return None

    def means(points: Sequence[Point]) -> Array | None:
        try:
            found: Any = predict(points)
        except (NotImplementedError, ValueError):  # nothing to predict from yet
            return None
        if isinstance(found, Mapping):
            found = cast("Mapping[str, Any]", found)[truth.objective]
        if isinstance(found, tuple):  # mean and standard deviation
            found = cast("tuple[Any, ...]", found)[0]
        mean = np.asarray(found, dtype=np.float64)
        if mean.shape == (len(points), len(truth.objectives)):
            mean = mean[:, 0]
        if mean.shape != (len(points),):
            raise ValueError(f"predict returned an array of shape {mean.shape} for {len(points)} points")
        return mean

    return means
