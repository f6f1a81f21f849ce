"""A Gaussian process that looks for the best, for the best compromises, or maps what is known least."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from skysteer.errors import NoRecommendation
from skysteer.model import Space
from skysteer.recommenders._bounded import bounded
from skysteer.recommenders._reasons import Reasons
from skysteer.recommenders._turns import Point, Turns

from ._chooser import Chooser, Chosen
from ._constraints import limits
from ._goals import AcquisitionName, goal_of
from ._models import Models
from ._readings import Readings
from ._report import about
from ._surrogate import given
from ._travel import Travel

__all__ = ["GaussianProcess", "Travel"]

logger = logging.getLogger(__name__)


class GaussianProcess:
    """Learns one or several objectives and suggests where to measure next.

    The first points fill the space (the middle, then a Sobol sequence). Then a
    Gaussian process for each outcome says what is to be expected everywhere and
    how surely, and the place of the largest acquisition is suggested. Its
    kernel is a Matern-5/2 with one correlation length an axis, and, where a
    best place is sought, a quadratic trend; its numbers and the noise of a
    reading are the most probable ones. Readings without much noise are learnt
    on a bent scale where that explains them better. The best so far is the
    best *expected* value at a measured place, not the luckiest reading. What is
    still being measured is taken to come out as expected (kriging believer), so
    the members of a batch differ.

    A narrow peak on a background tells a model nothing until it is hit. While
    nothing stands out and the readings look like noise, the space filling goes
    on (`gate`). `report` says when it does so, and why.

    Parameters
    ----------
    space
        Where to suggest; every axis with finite limits. Axes with a step and
        choices are taken as they are.
    maximize, minimize, map
        The name of the objective. Exactly one of these and the next two.
    objectives
        Several of them, ``{"a": "maximize", "b": "minimize"}``: the Pareto set.
    weights
        Several of them with their part of a sum that is to be large, each in
        its own units: ``{"a": 1.0, "b": -0.5}``.
    acquisition
        How a place is rated. ``"log_ei"`` (the default for one objective and
        for `weights`), ``"ucb"``; ``"max_variance"`` (the default for a map);
        ``"log_ehvi"``, the exact expected improvement of the hypervolume (the
        default for two `objectives`) or ``"chebyshev"``, the improvement of a
        randomly weighted worst objective (the default for three and more).
    beta
        How many standard deviations ``"ucb"`` adds to the mean.
    reference
        The corner from which the hypervolume counts, for each of `objectives`
        in its units; by default a little below the worst of the Pareto set.
    constraints
        Limits of other outcomes that the best point has to keep,
        ``{"temperature": ("<=", 350.0)}``: the probability that they are kept
        multiplies the improvement. They may be exceeded on the way.
    safe
        Limits that no suggestion may exceed, as far as is known:
        ``{"dose": ("<=", 5.0)}``. Only places are suggested where the limit is
        kept by two standard deviations, and the space is never filled blindly.
        What is still unknown is taken to change over a quarter of the range of
        an axis or more: where a limited outcome may rise faster, as at the edge
        of something, say so with `length_scale`.
    initial
        How many readings before the model leads (by default 5, or one for each
        axis if that is more), or the points to measure first. With `safe` they
        are the points known to be safe; give more of them than are measured at
        once, or one comes again before the first reading is there.
    travel
        What a way costs: then the gain a second is largest, from where the
        motors are (the last point that is pending or told).
    length_scale
        Correlation lengths that are known, in the units of the axes, by axis.
    noise
        The known standard deviation of a reading, in the units of the objective
        (or for each outcome by name); ``"fit"`` learns it.
    counts
        The objectives, or those named, are numbers of counts: learn square
        roots, whose noise is the same everywhere.
    gate
        By how many robust standard deviations the best reading must stand out
        to call off the space filling when the readings have no other shape;
        ``None`` always lets the model lead. Only a single objective without
        `safe` has a gate.
    seed
        Another seed, another course. The same seed and the same points: the same suggestions.

    Raises
    ------
    SpaceError
        If an axis has no limits.
    ValueError
        If not exactly one goal is given, or an argument cannot be.

    Notes
    -----
    The kernel is fitted to the first m readings, m depending on how many there
    are and on nothing else, always from the same starts: one who learnt the
    points all at once suggests what one who learnt them one by one does.
    """

    def __init__(
        self,
        space: Space,
        *,
        maximize: str | None = None,
        minimize: str | None = None,
        map: str | None = None,  # noqa: A002  the word for it
        objectives: Mapping[str, Literal["maximize", "minimize"]] | None = None,
        weights: Mapping[str, float] | None = None,
        acquisition: AcquisitionName | None = None,
        beta: float = 2.0,
        reference: Mapping[str, float] | None = None,
        constraints: Mapping[str, tuple[Literal["<=", ">="], float]] | None = None,
        safe: Mapping[str, tuple[Literal["<=", ">="], float]] | None = None,
        initial: int | Sequence[Point] | None = None,
        travel: Travel | None = None,
        length_scale: Mapping[str, float] | None = None,
        noise: float | Literal["fit"] | Mapping[str, float] = "fit",
        counts: bool | Collection[str] = False,
        gate: float | None = 6.0,
        seed: int = 0,
    ) -> None:
        self._space = bounded(space, "GaussianProcess")
        self._goal = goal_of(
            maximize=maximize, minimize=minimize, map=map, objectives=objectives, weights=weights,
            acquisition=acquisition, beta=beta, reference=reference,
        )  # fmt: skip
        if travel is not None:
            travel.check(space)
            if not self._goal.is_log:
                raise ValueError("travel= needs an acquisition that is a gain, not 'ucb'")
        if not isinstance(seed, Integral) or seed < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"seed must be a whole number, 0 or more, found {seed!r}")
        if gate is not None and (not isinstance(gate, Real) or math.isnan(gate)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"gate must be a number of standard deviations or None, found {gate!r}")
        self._starts = _starts(space, initial)
        if initial is not None and not self._starts and (not isinstance(initial, int) or initial < 1):
            raise ValueError(f"initial must be at least 1 reading, or points to measure first, found {initial!r}")
        self._initial = initial if isinstance(initial, int) else len(self._starts) or max(5, len(space))
        self._travel, self._gate, self._seed = travel, gate, seed
        kept, never = limits(constraints, "constraints"), limits(safe, "safe")
        names = list(dict.fromkeys([*self._goal.signs, *(limit.outcome for limit in [*kept, *never])]))
        for name in names:
            if name in space:
                raise ValueError(f"the outcome {name!r} is an axis of the space; expected what is measured there")
        counts = [counts] if isinstance(counts, str) else counts
        counted = set(self._goal.signs if counts is True else counts or ())
        if counted - set(names):
            raise ValueError(f"counts names {sorted(counted - set(names))}; the outcomes are {names}")
        if counted and self._goal.kind == "weighted" and counted & set(self._goal.signs):
            raise ValueError("counts= learns square roots, which weights= cannot add up: give one of the two")
        known = given(space, names, length_scale, noise)
        self._readings = Readings(space, names)
        self._models = Models(
            space, self._readings, self._goal, constraints=kept, safe=never, given=known, counted=counted
        )
        # Counts are often those of a narrow spot on a background: there the emptiest place is best from the start.
        self._sequence = 1 if counted else self._initial
        self._chooser = Chooser(
            space, self._readings, self._models, starts=self._starts, initial=self._initial, sequence=self._sequence,
            travel=travel, gate=gate if self._goal.kind == "one" else None, seed=seed,
        )  # fmt: skip
        made_of = (space, self._goal, kept, never, self._starts, self._initial, travel, length_scale, noise)
        self._turns = Turns("gaussian", (made_of, sorted(counted), gate, seed))
        self._strange = 0  # points that nobody asked this one for
        self._pending: list[Point] = []
        self._asked: dict[Any, dict[str, Any]] = {}  # what was suggested and not yet heard of
        self._fallback: str | None = None
        self._reasons = Reasons()

    @property
    def space(self) -> Space:
        """Where it suggests."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        A point with an outcome that is not finite, or beyond 1e100, is left out of the model, and its place is not
        asked for again.
        A point outside the space is learnt where it lies; one far outside is counted in the report.
        A point without axes, as the plans of bluesky-adaptive tell it, is where its ``_id`` was suggested.

        Raises
        ------
        PointError
            If a point lacks an axis or an outcome, or one has a value it
            cannot have; then none of the points is learnt.
        """
        points = [self._placed(point) for point in points]
        new = self._readings.add(points)
        self._strange += sum(not self._turns.owns(point.get("_id")) for point in new)
        self._end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one), the best first.

        Raises
        ------
        NoRecommendation
            If no place is left that is safe, or that has not failed.
        ValueError
            If there are `safe` limits and nothing is known to be safe: no initial points, and none told.
        """
        self._reasons = Reasons()
        pending = self._space.to_unit([point for point in self._pending if not self._readings.knows(point)])
        named: list[dict[str, Any]] = []
        chosen: list[Chosen] = []
        for number in self._turns.next(num_points):
            underway = np.vstack([pending, self._space.to_unit(named)])
            try:
                each = self._chooser.next(number, number + self._strange, underway, first=not named)
            except NoRecommendation:
                if not named:
                    raise
                break
            if each.instead is not None:
                self._fall_back(each.instead)
            chosen.append(each)
            named.append({**each.point, "_id": self._turns.id(number)})
        self._asked |= {point["_id"]: dict(point) for point in named}
        self._reasons = Reasons(each.reason for each in chosen)
        return named

    def get_reasons(self) -> list[str]:
        """Say why each point of the newest `suggest` is asked for: what the model expected there, or what led."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are taken to come out as expected."""
        self._space.to_unit(points)  # a bad point is refused here, not at the next question
        self._pending = [dict(point) for point in points]
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured: their places are not asked for again."""
        self._readings.fail([self._placed(suggestion) for suggestion in suggestions])
        self._end(suggestions)

    def get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, float]]]:
        """Return ``(_id, axes, objectives)`` of the measured point with the best expected value, or the Pareto set.

        The best expectation, not the best reading: a lucky reading does not
        win. Empty for a map, before the first finite reading, and where no
        measured point is expected to keep the constraints.
        """
        best: list[tuple[Any, dict[str, Any], dict[str, float]]] = []
        for number in self._models.best():
            name, axes, readings = self._readings.point(number)
            best.append((name, axes, {objective: readings[objective] for objective in self._goal.signs}))
        return best

    def predict(self, points: Sequence[Point]) -> Any:
        """Return what the model expects at n points.

        Returns
        -------
        mean, sd
            (n,) arrays in the units of the objective: the expected value and
            its standard deviation, without the noise of a reading. With several
            outcomes (objectives, constraints, safe limits) a dict of such
            pairs, by name.

        Raises
        ------
        ValueError
            If there is no finite reading to learn from yet.
        """
        if not self._readings.count:
            raise ValueError("nothing to predict from: no finite reading was ingested yet")
        rows = self._space.to_unit(points)
        predicted = {name: surrogate.predict(rows) for name, surrogate in self._models.outcomes.items()}
        return predicted if len(predicted) > 1 else next(iter(predicted.values()))

    def report(self) -> dict[str, Any]:
        """Return what it knows, believes and does, as plain values.

        ``leads`` is who chooses the next point, ``"the model"`` or else what
        and ``because``; ``last_fallback`` why the model did not choose a point
        that was suggested earlier. ``exceeded`` counts readings beyond the
        `safe` limits. ``best`` has the expected values of the
        best points with their standard deviations, ``fits_failed`` counts fits
        without a result, and ``outcomes`` the kernel of each model.
        """
        readings, models = self._readings, self._models
        why = self._chooser.why_not(len(self._pending))
        leads = ("the safe region" if readings.count else "the initial points") if models.safe else "space filling"
        outcomes = models.outcomes.items() if readings.count else ()
        return {
            "goal": self._goal.text,
            "acquisition": self._goal.acquisition,
            "seed": self._seed,
            "readings": readings.count,
            "failed": readings.failed,
            "not_finite": readings.unreadable,
            "outside": readings.outside,
            "exceeded": models.exceeded,
            "pending": len(self._pending),
            "leads": "the model" if why is None and not models.safe else leads,
            "because": why,
            "last_fallback": self._fallback,
            "outcomes": {name: about(model, self._space) for name, model in outcomes},
            "best": [self._described(number) for number in models.best()],
            "fits_failed": len(models.failures),
            "failures": models.failures,
        }

    def _described(self, number: int) -> dict[str, Any]:
        name, axes, readings = self._readings.point(number)
        row = self._readings.rows[number][None]
        expected = {outcome: model.predict(row) for outcome, model in self._models.outcomes.items()}
        return {
            "_id": name,
            "axes": {axis: value.item() if isinstance(value, np.generic) else value for axis, value in axes.items()},
            "read": readings,
            "expected": {outcome: float(mean[0]) for outcome, (mean, _) in expected.items()},
            "sd": {outcome: float(sd[0]) for outcome, (_, sd) in expected.items()},
        }

    def _placed(self, point: Point) -> Point:
        name = point.get("_id")
        if not self._turns.owns(name) or any(axis in point for axis in self._space):
            return point
        return {**self._asked.get(name, {}), **point}

    def _end(self, points: Sequence[Point]) -> None:
        self._turns.end(points)
        for point in points:
            if self._turns.owns(name := point.get("_id")):
                self._asked.pop(name, None)

    def _fall_back(self, why: str) -> None:
        if why != self._fallback:
            logger.info("the model does not choose the next point: %s", why)
        self._fallback = why


def _starts(space: Space, initial: int | Sequence[Point] | None) -> list[dict[str, Any]]:
    if initial is None or isinstance(initial, int):
        return []
    if not isinstance(initial, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"initial must be at least 1 reading, or points to measure first, found {initial!r}")
    problems = [f"point {n}: {what}" for n, point in enumerate(initial) for what in space.problems(point)]
    if problems:
        raise ValueError(f"initial points that cannot be measured: {'; '.join(problems)}")
    return [space.clean(point) for point in initial]
