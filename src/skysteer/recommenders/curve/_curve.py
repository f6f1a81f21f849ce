"""A curve measured where it bends: absorption edges, reflectivity, rocking curves. Needs python-adaptive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from adaptive.learner import learner1D

from skysteer.errors import PointError
from skysteer.model import Axis, Space
from skysteer.recommenders._bounded import bounded
from skysteer.recommenders._reasons import Reasons
from skysteer.recommenders._turns import Point, Turns
from skysteer.recommenders.gaussian._readings import LARGEST

from ._model import Array, Drawn, Noise, Places, Smoothed
from ._reasons import Question

__all__ = ["Curve"]

Loss = Literal["curvature", "distance", "uniform"]
APART = 1e-6
"""Readings closer than this part of the range are repeats of one place."""
STOPPED = 1e-3
"""Two readings at the far end of what was measured, closer than this part of the range: there the motor stopped."""
FINEST = 1e-5
"""An interval shorter than this part of the range is not divided: at a jump there would be no end to it."""
BESIDE_END = 0.01
"""A place closer to an end than this part of the range stands for the end."""
SMOOTHED_FROM = 12
"""With fewer places than this there is too little to tell noise from a curve: the design takes readings as they are."""


class Curve:
    """Learns one objective along one axis with as few points as it takes to draw the curve.

    It begins at the two ends and then divides the interval where the curve
    bends most (the curvature loss of python-adaptive's ``Learner1D``; Nijholt
    et al., doi:10.5281/zenodo.1182437). With `noise`, the interval is chosen
    on the smoothed curve, so the points do not chase noise, and `predict`
    smooths.

    Parameters
    ----------
    axis
        Along which to measure; its limits must be finite.
    objective
        The name of what is measured.
    loss
        Which interval is divided next: where the curve bends most
        (``"curvature"``), where neighbouring points are farthest apart on the
        drawn curve (``"distance"``), or the longest (``"uniform"``). Or a
        function of python-adaptive, ``loss(xs, ys)``.
    noise
        Standard deviation of one reading in the units of the objective;
        ``"fit"`` learns it from the readings; ``None`` takes readings as exact.

    Raises
    ------
    SpaceError
        If the axis has no limits.
    ValueError
        If `loss` or `noise` is none of the above.

    Notes
    -----
    A place that failed, or whose reading is not finite (or beyond 1e100), is
    not asked for again: its interval is divided as if it had been measured.
    The motor need not reach the ends: each is asked for once, and what lies
    beyond a place where the motor stopped twice is left alone. At a jump
    intervals are divided until they are a 100,000th of the range. Positions
    of an axis with steps are measured once each; with `noise` again, when all
    were.
    """

    def __init__(
        self,
        axis: Axis,
        objective: str,
        *,
        loss: Loss | Callable[..., float] = "curvature",
        noise: Noise = None,
    ) -> None:
        if not isinstance(axis, Axis):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a curve has one axis, found {axis!r}; expected Axis(name, low, high)")
        self._axis, self._objective = axis, objective
        self._space = bounded(Space(axis), "Curve")
        if objective == axis.name:
            raise ValueError(f"objective={objective!r} is the axis; expected what is measured along it")
        self._loss = _loss(loss)
        given: Any = noise
        if given not in (None, "fit") and not (isinstance(given, float | int) and 0 < given < np.inf):
            raise ValueError(f"noise must be a standard deviation above 0, 'fit' or None, found {noise!r}")
        self._noise: Noise = noise
        label = loss if isinstance(loss, str) else getattr(loss, "__qualname__", type(loss).__name__)
        self._label = label
        self._turns = Turns("curve", (axis, objective, label, noise))
        self._known: set[Any] = set()
        self._answered = 0  # own suggestions that were measured or failed
        self._x: list[float] = []
        self._y: list[float] = []
        self._avoid: set[float] = set()
        self._pending: list[tuple[Any, float]] = []
        self._asked: dict[str, float] = {}  # what was suggested and not yet heard of
        self._model: Drawn | Smoothed | None = None
        self._places: Places | None = None
        self._reasons = Reasons()

    @property
    def space(self) -> Space:
        """Where it suggests: the one axis."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        A point without its axis, as the plans of bluesky-adaptive tell it, is where its ``_id`` was suggested.

        Raises
        ------
        PointError
            If a point lacks the axis or the objective, or one has a value it
            cannot have; then none of the points is learnt.
        """
        read = [(point.get("_id"), self._position(point), self._reading(point)) for point in points]
        for name, x, y in read:
            if not self._is_new(name):
                continue
            if abs(y) <= LARGEST:
                self._x.append(x)
                self._y.append(y)
            else:
                self._avoid.add(x)
        self._turns.end(points)
        self._model = self._places = None

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one).

        Fewer, or none, where an axis with steps has no more positions and readings are taken as exact.
        """
        numbers = self._turns.next(num_points)
        question = self._next(len(numbers))
        positions = [self._axis.clean(x) for x in question.wanted]
        free = len(positions)
        if self._axis.step is not None:
            positions, free = self._on_steps(question.wanted)
        self._reasons = Reasons(replace(question, positions=tuple(positions), free=free).reasons)
        names = [self._turns.id(number) for number in numbers[: len(positions)]]
        self._asked |= dict(zip(names, positions, strict=True))
        return [{self._axis.name: x, "_id": name} for name, x in zip(names, positions, strict=True)]

    def get_reasons(self) -> list[str]:
        """Say which end or interval of the axis each point of the newest answer is for."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: their intervals count as divided."""
        self._pending = [(point.get("_id"), self._position(point)) for point in points]
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured: their places are not asked for again."""
        for point in suggestions:
            name = point.get("_id")
            if (self._axis.name in point or name in self._asked) and name not in self._known:
                self._avoid.add(self._position(point))
            self._is_new(name)
        self._turns.end(suggestions)

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return the curve at n points.

        Returns
        -------
        mean, sd
            (n,) arrays in the units of the objective: the curve and how
            uncertain it is. With `noise`, a smoothed curve and its standard
            deviation, without the noise of a reading. Without, a smooth curve
            through the readings, and by how much straight lines differ from it.

        Raises
        ------
        ValueError
            If there is no finite reading to learn from yet.
        """
        if not self._x:
            raise ValueError("nothing to predict from: no finite reading was ingested yet")
        return self._curve()(np.array([self._position(point) for point in points]))

    def _is_new(self, name: Any) -> bool:
        if name is None:
            return True
        if name in self._known:
            return False
        self._known.add(name)
        self._answered += self._turns.owns(name)
        if self._turns.owns(name):
            self._asked.pop(name, None)
        return True

    def _measured(self) -> Places:
        if self._places is None:
            low, high = self._axis.low, self._axis.high
            x = np.clip(np.array(self._x), low, high)
            self._places = Places.of(x, np.array(self._y), apart=APART * (high - low))
        return self._places

    def _curve(self) -> Drawn | Smoothed:
        if self._model is None:
            places = self._measured()
            if self._noise is None or len(places.x) < 3:
                self._model = Drawn(places)
            else:
                self._model = Smoothed(places, None if self._noise == "fit" else self._noise)
        return self._model

    def _next(self, count: int) -> Question:
        """Ask a learner that is taught anew: what it answers depends on the points and on nothing else."""
        low, high = self._reachable()
        learner: Any = cast("Any", learner1D.Learner1D)(None, (low, high), loss_per_interval=self._loss)
        places = self._measured()
        noisy = self._noise is not None and len(places.x) >= SMOOTHED_FROM
        y = _rounded(self._curve()(places.x)[0]) if noisy else places.y
        if len(places.x):
            # The extremes first: it forgets to weigh older intervals anew while the range grows less than twofold.
            ends = [int(np.argmin(y)), int(np.argmax(y))]
            for n in [*dict.fromkeys(ends), *(n for n in range(len(y)) if n not in ends)]:
                learner.tell(float(places.x[n]), float(y[n]))
        taken = {x for name, x in self._pending if name is None or name not in self._known} | self._avoid
        # A motor that stops before an end is not sent there for ever. The low end is asked for first.
        near = [*places.x, *taken]
        for end, asked_by in ((low, 1), (high, 2)):
            if self._answered >= asked_by or any(abs(x - end) <= BESIDE_END * (high - low) for x in near):
                taken.add(end)
        for x in sorted(taken):
            learner.tell_pending(min(max(x, low), high))
        wanted = tuple(float(x) for x in learner.ask(count, tell_pending=False)[0]) if count else ()
        return Question(self._axis, self._label, low, high, places.x, y, noisy, tuple(taken), wanted, wanted, count)

    def _on_steps(self, wanted: Sequence[float]) -> tuple[list[float], int]:
        """The nearest steps on which nothing was measured yet, and how many of them are no repeats."""
        low, step = self._axis.low, cast("float", self._axis.step)
        last = round((self._axis.clean(self._axis.high) - low) / step)
        used = {round((x - low) / step) for x in [*self._measured().x, *self._avoid, *(x for _, x in self._pending)]}
        found: list[float] = []
        fresh = 0
        for x in wanted:
            middle = round((x - low) / step)
            # One of so many on either side is free, or there is none.
            near = sorted(range(middle - len(used) - 1, middle + len(used) + 2), key=lambda n: abs(n * step + low - x))
            free = next((n for n in near if 0 <= n <= last and n not in used), None)
            if free is None and self._noise is None:
                break
            number = middle if free is None else free
            fresh += free is not None
            used.add(number)
            found.append(self._axis.clean(low + number * step))
        return found, fresh

    def _reachable(self) -> tuple[float, float]:
        """The axis, without what lies beyond a place where the motor stopped twice."""
        low, high = float(self._axis.low), float(self._axis.high)
        x = self._measured().x
        if not len(x) or self._answered < 2 or any(not x[0] <= failed <= x[-1] for failed in self._avoid):
            return low, high
        near = STOPPED * (high - low)
        stopped = x[0] + near < x[-1] - near
        readings = np.clip(np.array(self._x), low, high)
        first = float(x[0]) if stopped and np.sum(readings <= x[0] + near) > 1 else low
        last = float(x[-1]) if stopped and np.sum(readings >= x[-1] - near) > 1 else high
        return first, last

    def _position(self, point: Point) -> float:
        name = self._axis.name
        if name not in point and self._turns.owns(asked := point.get("_id")) and asked in self._asked:
            return self._asked[asked]
        self._space.to_unit([point])  # says what is wrong with it
        return float(point[name])

    def _reading(self, point: Point) -> float:
        if self._objective not in point:
            raise PointError(f"{self._objective!r} is missing from the point {dict(point)}")
        found = point[self._objective]
        try:
            return float(found)
        except (TypeError, ValueError) as exc:
            raise PointError(f"{self._objective}={found!r} is a {type(found).__name__}, expected a number") from exc


def _rounded(y: Array) -> Array:
    """The last digits depend on the processor, and what is asked for must not."""
    width = float(np.ptp(y)) or 1.0
    return np.round(y / width, 9) * width


def _loss(loss: Any) -> Any:
    if callable(loss):
        return _coarse(loss)
    named = {
        "curvature": learner1D.curvature_loss_function,
        "distance": lambda: learner1D.default_loss,
        "uniform": lambda: learner1D.uniform_loss,
    }
    if loss not in named:
        raise ValueError(f"loss must be one of {', '.join(map(repr, named))} or a function, found {loss!r}")
    return _coarse(named[loss]())


def _coarse(loss: Any) -> Any:
    """The same without an interest in the shortest intervals."""
    first: int = getattr(loss, "nth_neighbors", 0)  # of the interval, among the places that the loss is given

    def coarse(xs: Any, ys: Any) -> Any:
        return loss(xs, ys) if xs[first + 1] - xs[first] > FINEST else 0.0

    coarse.nth_neighbors = first  # pyright: ignore[reportFunctionMemberAccess]
    return coarse
