"""A generator of the gest-api standard: Xopt's, libEnsemble's, Optimas'. Nothing is imported: it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skysteer.errors import PointError
from skysteer.model import Space
from skysteer.recommenders._sobol import sobol_rows

from ._kinds import Failed
from ._questions import Questions
from ._reading import Point, all_finite, plain, readings
from ._vocs import space_of


class Generator:
    """Asks a generator of the gest-api standard (``suggest(num_points)``, ``ingest(points)``, a VOCS).

    Names, limits and choices are those of its VOCS; constants are added to
    what it is told and taken out of what it answers.

    Parameters
    ----------
    generator
        Such a generator.
    vocs
        Its VOCS, where it does not say itself (``generator.vocs``).
    initial
        So many points of a Sobol sequence before it is asked, for a generator
        that needs data to think, as the Bayesian ones of Xopt do.
    failed
        What it is told of a point that failed or whose reading is not finite:
        the ``"worst"`` point so far in the first objective, at that place, or
        nothing (``"forget"``).

    Raises
    ------
    TypeError
        If it is no such generator, or says no VOCS.
    ValueError
        If a variable has no place in a space (a contextual one, or one with a single value).

    Notes
    -----
    Every output of the VOCS, constraints and observables too, must be among
    the ``objectives`` of the scan. A generator is asked once for each point,
    and a point that was neither measured nor failed is suggested again.
    Where it says that it cannot make as many points as wanted, it makes as
    many as it likes, and what is too much waits for the next question. What
    it cannot promise: that points told one by one teach what they teach
    together, that it answers the same after a restart, or that it knows what
    is pending. ``finalize`` is yours to call.
    """

    def __init__(self, generator: Any, *, vocs: Any = None, initial: int = 0, failed: Failed = "worst") -> None:
        missing = [name for name in ("suggest", "ingest") if not callable(getattr(generator, name, None))]
        if missing:
            raise TypeError(f"{generator!r} is no generator: it has no method {' and no method '.join(missing)}")
        vocs = getattr(generator, "vocs", None) if vocs is None else vocs
        if not hasattr(vocs, "variables") or not hasattr(vocs, "objectives"):
            raise TypeError(f"{type(generator).__name__} says no VOCS; give Generator(generator, vocs=...)")
        if failed not in ("worst", "forget"):
            raise ValueError(f"failed must be 'worst' or 'forget', found {failed!r}")
        space = space_of(vocs)
        if space is None:
            raise ValueError(
                f"every variable must be continuous, or discrete with two or more values; found {dict(vocs.variables)}"
            )
        self._generator, self._vocs, self._space = generator, vocs, space
        self._outputs: tuple[str, ...] = tuple(vocs.output_names)
        self._constants = {name: constant.value for name, constant in vocs.constants.items()}
        self._returns_id = bool(getattr(generator, "returns_id", False))
        self._initial, self._penalty = initial, failed == "worst"
        self._begun = 0
        self._questions = Questions("generator", (space, self._outputs))
        self._worst: dict[str, float] | None = None
        self._owed: list[dict[str, Any]] = []
        self._first: list[int] = []  # which of the initial points came with the last new ones
        self._was_asked = False  # whether others of them are the generator's
        if callable(getattr(generator, "get_reasons", None)):  # where the generator does not say why, nobody asks
            self.get_reasons = self._get_reasons

    @property
    def space(self) -> Space:
        """The variables of its VOCS."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Tell the generator measured points, at the readback. Points already seen (same ``_id``) change nothing.

        Raises
        ------
        PointError
            If a point lacks a variable (and an ``_id`` of this one) or an
            output of the VOCS; then none of the points is learnt.
        """
        read = [
            (point, self._placed(point), dict(zip(self._outputs, readings(point, self._outputs), strict=True)))
            for point in points
            if not self._questions.knows(point)
        ]
        told: list[dict[str, Any]] = []
        for point, place, outputs in read:
            if self._questions.knows(point):  # twice in one call
                continue
            at = self._named(place, point, mine=self._questions.end(point) is not None)
            if not all_finite(list(outputs.values())):
                self._owed.append(at)
                continue
            told.append({**at, **outputs})
            if self._worst is None or self._is_worse(outputs, self._worst):
                self._worst = outputs
        if told:
            self._generator.ingest(told)
        self._pay()

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one)."""
        return self._questions.take(num_points, self._new)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured."""
        for point in suggestions:
            if not self._questions.knows(point) and (asked := self._questions.end(point)) is not None:
                self._owed.append(self._named(asked, point, mine=True))
        self._pay()

    def _get_reasons(self) -> list[str]:
        """Say why each point of the newest answer is asked for, as the generator said when it answered with it."""
        return self._questions.why(self._said)

    def _said(self) -> Sequence[str]:
        first = [f"even cover before the generator is asked, {number + 1} of {self._initial}" for number in self._first]
        said: Sequence[str] = self._generator.get_reasons() if self._was_asked else []
        return [*first, *said] if first else said

    def _new(self, count: int) -> list[dict[str, Any]]:
        count_first = min(count, max(self._initial - self._begun, 0))
        first = self._space.from_unit(sobol_rows(self._space, 0, self._begun, count_first)) if count_first else []
        numbers = list(range(self._begun, self._begun + len(first)))
        self._begun += len(first)
        asked = self._asked(count - len(first)) if count > len(first) else []
        self._first, self._was_asked = numbers, bool(asked)
        return [*first, *asked]

    def _asked(self, count: int) -> list[dict[str, Any]]:
        try:
            answer = self._generator.suggest(count)
        except ValueError:  # what the standard says for "not that many"
            answer = self._generator.suggest(None)
        names = [*self._space, "_id"] if self._returns_id else list(self._space)
        return [{name: value for name, value in plain(point).items() if name in names} for point in answer]

    def _placed(self, point: Point) -> dict[str, Any]:
        at = {**self._questions.open(point), **point}
        if missing := [name for name in self._space if name not in at]:
            raise PointError(f"{', '.join(map(repr, missing))} missing from the point {dict(point)}")
        return {name: at[name] for name in self._space}

    def _named(self, at: Point, point: Point, *, mine: bool) -> dict[str, Any]:
        """A place as the generator knows it: its own ``_id`` where it gave one, and the constants."""
        places = {name: at[name] for name in self._space}
        identity = {"_id": point["_id"]} if mine and self._returns_id else {}
        return {**places, **self._constants, **identity}

    def _is_worse(self, outputs: Point, than: Point) -> bool:
        goals = list(self._vocs.objectives.items())
        if not goals:
            return False
        name, goal = goals[0]
        sign = -1.0 if type(goal).__name__ == "MaximizeObjective" else 1.0
        return sign * outputs[name] > sign * than[name]

    def _pay(self) -> None:
        if self._penalty and self._worst is not None and self._owed:
            owed, self._owed = self._owed, []
            self._generator.ingest([{**at, **self._worst} for at in owed])
