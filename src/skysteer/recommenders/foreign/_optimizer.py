"""An optimizer of bluesky-adaptive 1.x, with what it lacks filled in. Needs nothing: it takes what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from skysteer.errors import PointError
from skysteer.model import Space

from ._kinds import Ax, Failed, Kind, kind_of
from ._reading import Point, plain


class BlueskyAdaptive:
    """An optimizer of bluesky-adaptive 1.x, as it is, where bluesky-adaptive's own plans may not tread.

    `skysteer.Advisor`, and with it every adaptive plan, puts one of these
    around an optimizer of bluesky-adaptive by itself; ``Advisor(optimizer)``
    and ``Advisor(BlueskyAdaptive(optimizer))`` are the same.

    Parameters
    ----------
    optimizer
        An ``AxOptimizer``, an ``XoptOptimizer``, an ``InteractiveOptimizer``
        (SciPy), an ``Agent`` that holds one, or any object with their methods.
    space
        Where it may suggest; by default what an Ax, Xopt or SciPy optimizer says itself.
    failed
        What Xopt and SciPy are told of a point that failed or whose reading is
        not finite: the ``"worst"`` reading so far, so that they look elsewhere,
        or nothing (``"forget"``): Xopt then asks for nearly the same place
        again, and SciPy cannot go on. Ax has a word of its own for it
        (abandoned) and needs neither.

    Notes
    -----
    What it fills in, and for whom:

    =================================  ===========================================================
    a point of nobody, or of another   attached without ``_id`` (Ax, Xopt); left out (SciPy)
    a point told twice                 left out (Ax and Xopt would take the second reading)
    a reading that is not finite       a failure: it would stop Ax and Xopt
    whole numbers read as 3.0          rounded for Ax, which refuses them
    a first point that failed          Xopt needs a reading to think: it gets a second Sobol point
    SciPy still thinking               waited for; its ``suggest`` would answer "nothing"
    SciPy at its end                   nothing more to ask; its ``suggest`` would raise, or repeat
    ``minimize=False`` of SciPy        its sign is turned here; SciPy itself always minimizes
    the best point of SciPy            the best told; its own answer is none of the documented form
    numpy numbers                      plain ones, without standard errors
    a checkpoint of Xopt               written without the fitted model, which it could not read again
    ``should_stop`` after a restore    Ax forgets its stopping strategy and would raise
    =================================  ===========================================================

    What it cannot promise: that the same question has the same answer, that
    points told one by one teach what they teach together. It takes the
    readback only of points that are not its own: Ax and SciPy learn that
    their own were measured where they were asked for. SciPy's optimizer
    lives in a thread of its own: it cannot be sent to a process, and waits 200 s
    (``timeout``) for a reading; ``with optimizer:`` ends that thread.
    """

    def __init__(self, optimizer: Any, *, space: Space | None = None, failed: Failed = "worst") -> None:
        if failed not in ("worst", "forget"):
            raise ValueError(f"failed must be 'worst' or 'forget', found {failed!r}")
        if hasattr(optimizer, "to_optimization_problem"):  # an Agent
            optimizer = optimizer.to_optimization_problem().optimizer
        self._optimizer = optimizer
        self._kind: Kind = kind_of(optimizer, failed)
        self._open: dict[Any, dict[str, Any]] = {}
        self._closed: set[Any] = set()
        space = self._kind.space() if space is None else space
        # Abilities that the optimizer has not are not there: whoever asks for them sees it.
        if space is not None:
            self.space = space
        if hasattr(optimizer, "get_best_points"):
            self.get_best_points = self._get_best_points
        if hasattr(optimizer, "get_reasons"):
            self.get_reasons = self._get_reasons
        if hasattr(optimizer, "register_suggestions"):
            self.register_suggestions = self._register_suggestions
        if hasattr(optimizer, "should_stop"):
            self.should_stop = self._should_stop
        if hasattr(optimizer, "checkpoint"):
            self.checkpoint = self._checkpoint
        if isinstance(self._kind, Ax):  # it counts its own points on their way
            self.set_pending = self._set_pending

    @property
    def optimizer(self) -> Any:
        """The optimizer itself."""
        return self._optimizer

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points.

        Raises
        ------
        PointError
            If a point lacks an axis (and an ``_id`` of the optimizer) or an
            objective; then none of the points is learnt.
        """
        told: list[Point] = []
        lost: list[Point] = []
        for point in points:
            name = point.get("_id")
            mine = self._is_mine(name)
            if not mine and name is not None and self._was_told(name):
                continue
            missing = [key for key in self._kind.objectives() if key not in point]
            if not mine and hasattr(self, "space"):
                missing += [key for key in self.space if key not in point]
            if missing:
                raise PointError(f"{', '.join(map(repr, missing))} missing from the point {dict(point)}")
            if not self._kind.finite(point):
                lost.append(point)
            elif mine:
                told.append(point)
            else:
                told.append({key: value for key, value in point.items() if key != "_id"})
            if name is not None:
                self._closed.add(name)
        asked = [self._open.pop(point.get("_id"), {}) for point in told]
        self._kind.tell(told, asked)
        self._fail(lost)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return what the optimizer answers, as plain values; every call may answer otherwise."""
        answer = [plain(point) for point in self._kind.suggest(1 if num_points is None else num_points)]
        self._open |= {point["_id"]: point for point in answer if point.get("_id") is not None}
        return answer

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured, so that others are asked for."""
        self._fail(suggestions)

    def _get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, Any]]]:
        """Return ``(_id, axes, objectives)`` of the best reading, or of each Pareto-optimal one; first none."""
        return [(name, plain(axes), plain(objectives)) for name, axes, objectives in self._kind.best()]

    def _get_reasons(self) -> Sequence[str]:
        """Say why each point of the newest answer is asked for, in the words of the optimizer."""
        return self._kind.reasons()

    def _register_suggestions(self, suggestions: Sequence[Point]) -> list[dict[str, Any]]:
        """Return the suggestions with the ``_id`` that the optimizer gives them."""
        named = [plain(point) for point in self._optimizer.register_suggestions(suggestions)]
        self._open |= {point["_id"]: point for point in named}
        return named

    def _should_stop(self) -> tuple[bool, str | None]:
        """Return whether to stop now, and why."""
        return self._kind.should_stop()

    def _checkpoint(self) -> None:
        """Write the state to where the optimizer was told to keep it."""
        self._kind.checkpoint()

    def _set_pending(self, points: Sequence[Point]) -> None:
        """Be told what is being measured: the optimizer knows of its own, and others' are not for it."""

    def _is_mine(self, name: Any) -> bool:
        return name is not None and name not in self._closed and (name in self._open or self._kind.waits_for(name))

    def _was_told(self, name: Any) -> bool:
        return name in self._closed or self._kind.knows(name)

    def _fail(self, points: Iterable[Point]) -> None:
        for point in points:
            name = point.get("_id")
            if self._open.pop(name, None) is not None or (name not in self._closed and self._kind.waits_for(name)):
                self._kind.fail(name, {key: value for key, value in point.items() if key != "_id"})
            if name is not None:
                self._closed.add(name)


def adapted(recommender: Any) -> Any:
    """Put a `BlueskyAdaptive` around an optimizer or agent of bluesky-adaptive; return anything else as it is."""
    modules = {base.__module__ for base in type(recommender).__mro__}
    backends = ("bluesky_adaptive.ax", "bluesky_adaptive.xopt", "bluesky_adaptive.scipy")
    if any(module.startswith(backends) for module in modules):
        return BlueskyAdaptive(recommender)
    return recommender
