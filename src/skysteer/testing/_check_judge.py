"""Whether a judge keeps what `skysteer.protocols.Judge` promises and a watchdog counts on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

from skysteer.model import Judgement, Observation
from skysteer.protocols import Judge

from ._series import all_series, example

__all__ = ["BrokenPromise", "check_judge"]

Make = Callable[[], Judge]
Series = Sequence[Observation]


class BrokenPromise(AssertionError):
    """A judge does not keep one of the promises of `check_judge`."""

    def __init__(self, promise: str, found: str, name: str, observations: Series) -> None:
        self.promise = promise
        """What a judge promises."""
        self.found = found
        """What it did instead."""
        self.observations = tuple(observations)
        """What to show a fresh judge, in this order, to see it again."""
        last = f"\nthe last of them: {_shown(observations[-1])}" if observations else ""
        super().__init__(
            f"broken promise: {promise}\n"
            f"found: {found}\n"
            f"reproduce it with the {len(observations)} observations of the series {name!r}, here as `error`:\n"
            f"    judge = make()\n"
            f"    answers = [judge(observation) for observation in error.observations]{last}"
        )
        self._arguments = promise, found, name, self.observations

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


def check_judge(make: Make, observations: Sequence[Observation] | None = None) -> None:
    """Check that a judge keeps its promises.

    It is shown `observations`, and series made of them: only the first; all
    numbers NaN, infinite, zero, huge or the same; NaN now and then; a clock that
    stands or goes backwards. The promises are those of
    `skysteer.testing.JUDGE_PROMISES`.

    Parameters
    ----------
    make
        Makes a fresh judge at each call, e.g. ``lambda: CountsReached("det", 100)``.
    observations
        Well-formed ones that hold what the judge looks for, best enough of them
        for a verdict. By default forty with an axis ``x``, an objective ``det``
        (noisy counts of a peak) and in the data an ``image``.

    Raises
    ------
    BrokenPromise
        An `AssertionError` that says which promise is broken, what was found
        and with which observations to see it again.

    Examples
    --------
    >>> from skysteer.watchdog.judges import CountsReached
    >>> check_judge(lambda: CountsReached("det", 1000))
    """
    series = dict(all_series(example() if observations is None else list(observations)))
    for promise in JUDGE_PROMISES:
        _check(promise, make, series)


# -- the promises


def _never_raises(make: Make, series: Series) -> str | None:
    judge = make()
    if not isinstance(judge, Judge):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"make() gave {judge!r}, which cannot be called with an observation"
    for number, answer in enumerate(_answers(judge, series), 1):
        if isinstance(answer, _Raised):
            hint = "; give `observations` that hold what it looks for" if answer.missing else ""
            return f"raised {answer.words} at observation {number}{hint}"
    return None


def _answers_judgement_or_none(make: Make, series: Series) -> str | None:
    for number, answer in enumerate(_answers(make(), series), 1):
        if answer is not None and not isinstance(answer, Judgement | _Raised):
            return f"answered {answer!r} ({type(answer).__name__}) at observation {number}"
    return None


def _gives_a_reason(make: Make, series: Series) -> str | None:
    for number, answer in enumerate(_answers(make(), series), 1):
        reason: Any = answer.reason if isinstance(answer, Judgement) else "none needed"
        if not isinstance(reason, str) or not reason.strip():
            return f"{answer!r} at observation {number}"
    return None


def _changes_no_observation(make: Make, series: Series) -> str | None:
    judge = make()
    for number, observation in enumerate(series, 1):
        shown = copy.deepcopy(observation)
        _answer(judge, shown)
        if not _same_observation(shown, observation):
            return f"observation {number} was changed to {_shown(shown)}"
    return None


def _judges_the_same_alike(make: Make, series: Series) -> str | None:
    expected = _answers(make(), series)
    difference = _difference(expected, _answers(make(), series))
    if difference:
        return f"another fresh judge {difference}"
    first, second = make(), make()
    if first is second:  # a function: it keeps nothing, or it would have been noticed
        return None
    pairs = [(_answers(first, [each])[0], _answers(second, [each])[0]) for each in series]
    for answers in zip(*pairs, strict=True):
        difference = _difference(expected, answers)
        if difference:
            return f"one of two judges that are shown the same in turns (do they share something?) {difference}"
    return None


def _can_be_pickled(make: Make, series: Series) -> str | None:
    expected = _answers(make(), series)
    for seen in sorted({0, len(series) // 2}):
        judge = make()
        _answers(judge, series[:seen])
        try:
            travelled = cloudpickle.loads(cloudpickle.dumps(judge))  # pyright: ignore[reportUnknownMemberType]
        except Exception as exc:  # whatever a pickled class may raise
            return f"after {seen} observations: {_words(exc)}"
        for who, one in (("what was unpickled", travelled), ("the judge that was pickled", judge)):
            difference = _difference(expected[seen:], _answers(one, series[seen:]), seen)
            if difference:
                return f"pickled after {seen} observations, {who} {difference}"
    return None


def _is_as_new_after_reset(make: Make, series: Series) -> str | None:
    judge: Any = make()
    if not hasattr(judge, "reset"):
        return None
    expected = _answers(make(), series)
    _answers(judge, series)
    try:
        judge.reset()
    except Exception as exc:  # that is what is asked
        return f"reset raised {_words(exc)}"
    difference = _difference(expected, _answers(judge, series))
    return f"after a reset it {difference}" if difference else None


JUDGE_PROMISES: Mapping[str, Callable[[Make, Series], str | None]] = {
    "it never raises on a well-formed observation": _never_raises,
    "it answers with a Judgement or None": _answers_judgement_or_none,
    "a verdict has a reason for people": _gives_a_reason,
    "it does not change the observation": _changes_no_observation,
    "the same observations give the same verdicts": _judges_the_same_alike,
    "it can be pickled (cloudpickle) at any time and goes on as before": _can_be_pickled,
    "reset(), if it has one, makes it as new": _is_as_new_after_reset,
}
"""What a judge promises, in the order in which it is checked."""


def _check(promise: str, make: Make, series: Mapping[str, Series]) -> None:
    for name, observations in series.items():
        found = JUDGE_PROMISES[promise](make, observations)
        if found:
            raise BrokenPromise(promise, found, name, observations)


# -- what a judge says


class _Raised:
    """Stands for an answer, so that each check sees its own fault only."""

    def __init__(self, error: Exception) -> None:
        self.words = _words(error)
        self.missing = isinstance(error, KeyError)

    def __repr__(self) -> str:
        return f"<raised {self.words}>"


def _answers(judge: Judge, series: Series) -> list[Any]:
    # copied, so that a judge that changes them is noticed by its own check only
    return [_answer(judge, observation) for observation in copy.deepcopy(list(series))]


def _answer(judge: Judge, observation: Observation) -> Any:
    try:
        return judge(observation)
    except Exception as exc:  # whatever a judge may raise
        return _Raised(exc)


def _difference(expected: Sequence[Any], found: Sequence[Any], before: int = 0) -> str | None:
    for number, (one, other) in enumerate(zip(expected, found, strict=True), before + 1):
        if repr(one) != repr(other):
            return f"says {other!r} at observation {number}, and a fresh one {one!r}"
    return None


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# -- what it is shown


def _shown(observation: Observation) -> str:
    """As `repr`, with the data."""
    return f"{observation!r} with data={dict(observation.data)!r}"


def _same_observation(one: Observation, other: Observation) -> bool:
    return one.identity == other.identity and all(
        _same(getattr(one, part), getattr(other, part)) for part in ("axes", "objectives", "data")
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        here, there = cast("Mapping[Any, Any]", one), cast("Mapping[Any, Any]", other)
        return list(here) == list(there) and all(_same(here[key], there[key]) for key in here)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        arrays = cast("np.ndarray[Any, Any]", one), cast("np.ndarray[Any, Any]", other)
        # by repr, because NaN is not NaN
        return arrays[0].dtype == arrays[1].dtype and repr(arrays[0].tolist()) == repr(arrays[1].tolist())
    left, right = cast("object", one), cast("object", other)
    return type(left) is type(right) and repr(left) == repr(right)
