"""Whether a recommender keeps what `skysteer.protocols.Recommender` promises and a scan counts on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from skysteer.model import Space

from . import _recommender_calls as calls
from . import _recommender_hardship as hardship
from . import _recommender_knowledge as knowledge
from ._recommender_bench import Bench, Broken, NotApplicable, Promise
from ._recommender_reasons import says_why
from ._recommender_report import BrokenRecommenderPromise, CheckReport, PromiseResult
from ._recommender_subject import Make
from ._recommender_world import Truth, World

__all__ = ["RECOMMENDER_PROMISES", "RecommenderCheck", "check_recommender", "recommender_checks"]

TOO_LONG = 10.0
"""Seconds that one size of the timing may take; larger ones are then left out."""

RECOMMENDER_PROMISES: Mapping[str, Promise] = MappingProxyType(
    {
        "made": Promise("make() gives a fresh recommender at each call", calls.is_made),
        "cold": Promise("it can be asked before it was told anything", calls.can_be_asked_cold),
        "strangers": Promise(
            "it learns points that it did not ask for, also before it is asked anything (warm start)",
            calls.learns_strangers,
        ),
        "mix": Promise(
            "it takes any mix of batches and counts, told in any order, late, or never", calls.takes_any_mix
        ),
        "count": Promise("it never suggests more than it was asked for, and None is one", calls.keeps_to_the_count),
        "inside": Promise("every answer is a list of points inside the space, with every axis", calls.stays_inside),
        "plain": Promise("its values are plain, as JSON has them", calls.answers_plainly),
        "ids": Promise("an _id is hashable and names one point", calls.gives_new_ids),
        "same": Promise(
            "the same ingested and pending points give the same answer", knowledge.answers_the_same, pure_only=True
        ),
        "repeats": Promise(
            "points with an _id that was told before change nothing", knowledge.ignores_repeats, pure_only=True
        ),
        "at-once": Promise("told one by one equals told all at once", knowledge.learns_at_once, pure_only=True),
        "not-finite": Promise("it survives NaN and infinite outcomes", hardship.survives_not_finite),
        "constant": Promise("it survives outcomes that are all the same", hardship.survives_constant),
        "duplicates": Promise("it survives many points at the same place", hardship.survives_duplicates),
        "failures": Promise("a point that fails is not asked for again for ever", hardship.leaves_failures),
        "pending": Promise(
            "a point that is being measured is not suggested again, nor twice in one answer", hardship.knows_pending
        ),
        "best": Promise("get_best_points gives (_id, axes, objectives) for each", calls.names_the_best),
        "reasons": Promise("get_reasons gives a sentence for each suggested point and changes nothing", says_why),
        "stop": Promise("should_stop says whether and why", calls.says_when_to_stop),
        "end": Promise("an empty answer is final", calls.ends_for_good),
        "arguments": Promise("it does not change the points it is given", calls.leaves_arguments_alone),
        "pickles": Promise(
            "it can be pickled (cloudpickle) at any time and goes on as before", knowledge.can_be_pickled
        ),
        "process": Promise("it works the same in a process of its own", knowledge.works_in_a_process),
        # The last: what it leaves behind is found by those that are made afterwards.
        "checkpoint": Promise(
            "make() after checkpoint() gives an equal one", knowledge.restores_a_checkpoint, pure_only=True
        ),
    }
)
"""What a recommender promises, by name, in the order in which it is checked."""


def check_recommender(
    make: Make,
    space: Space,
    objectives: Sequence[str],
    *,
    pure: bool = True,
    exempt: Mapping[str, str] | Collection[str] = (),
    truth: Truth | None = None,
    process: bool = True,
    sizes: Sequence[int] = (10, 100, 1000),
    on_broken: Literal["raise", "report"] = "raise",
    progress: Callable[[PromiseResult], None] | None = None,
) -> CheckReport:
    """Check that a recommender keeps its promises, `RECOMMENDER_PROMISES`, and time its suggestions.

    It is asked and told as a scan does it, with made-up outcomes: a smooth peak
    for each objective, measured a little beside where it was asked for.

    Parameters
    ----------
    make
        Makes a fresh recommender at each call, e.g. ``lambda: MyRecommender(space)``.
        Of one that is Checkpointable: from its state, where one was written. Begin
        without a state, e.g. in a new temporary folder; the check writes one.
    space
        Where the recommender may suggest.
    objectives
        Names of what it is told.
    pure
        False for an optimizer that is not a function of what it was told, such as
        Ax and most foreign ones: "same knowledge, same answer" and what can only be
        seen by comparing answers is then not applicable, and the report says so.
    exempt
        Names of promises that are not checked, best with the reason.
    truth
        Measures: axis name to position, to objective name to outcome, for a
        recommender of objectives that are no numbers (spectra).
    process
        Whether it may be sent to a process of its own: this takes a second.
    sizes
        How many points it knows when a suggestion is timed.
    on_broken
        ``"raise"`` raises at the first broken promise, ``"report"`` checks all.
    progress
        Called with each result as it comes.

    Returns
    -------
    CheckReport
        For each promise whether it is kept, or why it does not apply; and the times.

    Raises
    ------
    BrokenRecommenderPromise
        An `AssertionError` (and a `BrokenPromise`) that says which promise is
        broken, what was found, and which calls show it again, as code.

    Examples
    --------
    >>> from skysteer.model import Axis, Space
    >>> from skysteer.recommenders import Sobol
    >>> space = Space(Axis("x", -5, 5))
    >>> check_recommender(lambda: Sobol(space), space, ["det"], process=False, sizes=[10]).ok
    True
    """
    reasons = _reasons(exempt)
    bench = _bench(make, space, objectives, truth, pure=pure, process=process)
    results: list[PromiseResult] = []
    times: dict[int, float | None] = {}
    name = ""
    for promise in RECOMMENDER_PROMISES:
        if promise == "checkpoint":  # it would be timed with what was restored
            name, times = _timed(bench, sizes) if results[0].outcome == "passed" else ("make", {})
        if results and results[0].outcome == "broken":
            result = PromiseResult(promise, RECOMMENDER_PROMISES[promise].says, "not applicable", "there is none")
        else:
            result = _result(promise, bench, reasons)
        results.append(result)
        if progress is not None:
            progress(result)
        if on_broken == "raise" and result.error is not None:
            raise result.error
    return CheckReport(name, tuple(results), times)


@dataclass(frozen=True, slots=True)
class RecommenderCheck:
    """The check of one promise, for ``pytest.mark.parametrize``. Calling it checks; ``str()`` is its name."""

    name: str
    """Of the promise in `RECOMMENDER_PROMISES`."""
    _bench: Bench
    _reasons: Mapping[str, str]

    def __call__(self) -> PromiseResult:
        """Check; raises `BrokenRecommenderPromise`."""
        result = _result(self.name, self._bench, self._reasons)
        if result.error is not None:
            raise result.error
        return result

    def __str__(self) -> str:
        return self.name


def recommender_checks(
    make: Make,
    space: Space,
    objectives: Sequence[str],
    *,
    pure: bool = True,
    exempt: Mapping[str, str] | Collection[str] = (),
    truth: Truth | None = None,
    process: bool = True,
) -> list[RecommenderCheck]:
    """Return the checks of `check_recommender`, one for each promise, as cases for pytest.

    The arguments are those of `check_recommender`. Nothing is timed.

    Examples
    --------
    ::

        @pytest.mark.parametrize("check", recommender_checks(make, space, ["det"]), ids=str)
        def test_my_recommender(check):
            check()
    """
    reasons = _reasons(exempt)
    bench = _bench(make, space, objectives, truth, pure=pure, process=process)
    return [RecommenderCheck(name, bench, reasons) for name in RECOMMENDER_PROMISES]


# -- one promise


def _result(name: str, bench: Bench, reasons: Mapping[str, str]) -> PromiseResult:
    promise = RECOMMENDER_PROMISES[name]
    if name in reasons:
        return PromiseResult(name, promise.says, "not applicable", reasons[name])
    if promise.pure_only and not bench.pure:
        return PromiseResult(name, promise.says, "not applicable", "pure=False was given")
    began = time.perf_counter()
    bench.begin()
    error: BrokenRecommenderPromise | None = None
    why = ""
    try:
        promise.check(bench)
    except NotApplicable as exc:
        why = str(exc)
    except Broken as exc:
        error = BrokenRecommenderPromise(promise.says, str(exc), str(bench.lines), name)
        error.__cause__ = exc.__cause__
        why = str(exc)
    bench.note(name, kept=error is None)
    outcome = "broken" if error is not None else "not applicable" if why else "passed"
    return PromiseResult(name, promise.says, outcome, why, time.perf_counter() - began, error)


def _bench(
    make: Make, space: Space, objectives: Sequence[str], truth: Truth | None, *, pure: bool, process: bool
) -> Bench:
    if isinstance(objectives, str):
        raise TypeError(f"objectives must be a list of names, found the text {objectives!r}; expected [{objectives!r}]")
    if not callable(make):  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError(f"make must be a function that makes a recommender at each call, found {make!r}")
    return Bench(make, World(space, objectives, truth), RECOMMENDER_PROMISES, pure=pure, process=process)


def _reasons(exempt: Mapping[str, str] | Collection[str]) -> Mapping[str, str]:
    names = [exempt] if isinstance(exempt, str) else exempt
    reasons: dict[str, str] = dict.fromkeys(names, "exempt")
    if isinstance(exempt, Mapping):
        reasons |= cast("Mapping[str, str]", exempt)
    if unknown := [name for name in reasons if name not in RECOMMENDER_PROMISES]:
        raise ValueError(f"exempt names {', '.join(unknown)}; the promises are {', '.join(RECOMMENDER_PROMISES)}")
    return reasons


# -- how long it takes


def _timed(bench: Bench, sizes: Sequence[int]) -> tuple[str, dict[int, float | None]]:
    name = type(bench.fresh("a").recommender).__name__
    times: dict[int, float | None] = {}
    went_well = bench.keeps("strangers")
    for size in sorted(sizes):
        began = time.perf_counter()
        times[size] = _time_at(bench, size) if went_well else None
        went_well = went_well and times[size] is not None and time.perf_counter() - began < TOO_LONG
    bench.begin()
    return name, times


def _time_at(bench: Bench, size: int) -> float | None:
    subject = bench.fresh("a")
    if size > 1 and subject.tell(bench.world.strangers(size - 1)) is not None:
        return None
    seconds: list[float] = []
    for points in ([point] for point in bench.world.strangers(3, first=size)):
        began = time.perf_counter()
        if subject.tell(points) is not None or subject.ask(1).error is not None:
            return None
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
