"""Where a scan goes on that was cut off, from its record alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from skysteer.errors import ResumeError
from skysteer.model import Asked, History, Observation, Origin, Progress, Suggested, Suggestion
from skysteer.stores.jsonl import Claim, claim, who_holds
from skysteer.stores.recorder import plain

from ._made_by import differences, part
from ._record import Record

__all__ = ["Resumption", "resume_from"]

ORIGINS: tuple[Origin, ...] = ("recommender", "fallback")


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a scan goes on, and what its recommenders knew by then."""

    record: Record
    """Of the newest launch; `Record.chain` has those before it."""
    progress: Progress
    """What the plan must know."""
    histories: Mapping[Origin, History]
    """What the recommender, and the fallback, must be taught again."""
    warnings: tuple[str, ...] = ()
    """Why it may go another way than without the interruption, one sentence each."""

    @property
    def uid(self) -> str:
        """Uid of the decision run that it goes on with."""
        return self.record.entry.uid

    def claim(self) -> AbstractContextManager[Claim]:
        """Take the runs of the newest launch over; see `skysteer.stores.claim`."""
        return claim(self.record.entry)


def resume_from(record: Record, about: Mapping[str, Any] | None = None, *, max_points: int | None = None) -> Resumption:
    """Find where a scan goes on. Nothing is changed on the disk.

    Parameters
    ----------
    record
        Of the newest launch of the scan.
    about
        What the start document of the new decision run will say under ``"skysteer"``: who measures now what,
        where, and how many points. Without it nothing is compared.
    max_points
        How many points the whole scan is to have; by default as ``about`` says, or else as on record.

    Raises
    ------
    ResumeError
        If the scan is complete, still runs, was resumed already, or is not the one that is described.
    RecordError
        If the record is not whole.
    """
    now: Mapping[str, Any] = {} if about is None else plain(about)
    _check_it_may(record)
    warnings: list[str] = []
    if about is not None:
        problems, warnings = differences(record.about, now)
        if problems:
            raise ResumeError(
                f"run {_short(record)} cannot go on, it was made by something else: {'; '.join(problems)}; "
                "nothing has moved"
            )
    course = _Course.of(record)
    wanted = max_points or part(now, "options").get("max_points")
    _check_it_is_not_complete(record, course, wanted)
    first = min((each.number for each in course.records[0].told if each.origin == "recommender"), default=0)
    if first:
        warnings.append(
            f"the recommender knew {first} points before run {_short(course.records[0])} began, which are not "
            "on record there: give one that was told them"
        )
    if unknown := len(course.unknown):
        warnings.append(
            f"{unknown} points were measured whose suggestions are not on record, as after a power cut: they are told "
            "as nobody's, and one may be measured again"
        )
    warnings += [f"run {_short(each)}: {problem}" for each in course.records for problem in _worrying(each)]
    return Resumption(
        record, course.progress, {origin: course.history(origin) for origin in ORIGINS}, tuple(dict.fromkeys(warnings))
    )


@dataclass(frozen=True, slots=True)
class _Course:
    """What a scan came to, over all its launches."""

    records: tuple[Record, ...]
    observations: tuple[Observation, ...]
    measured: frozenset[str]
    """Ids of the suggestions that were measured."""
    failed: tuple[str, ...]
    """Of those that were given up because a device failed."""
    dropped: frozenset[str]
    """Of those that nobody waited for."""
    answers: tuple[_Answers, ...]
    """Of each record."""

    @classmethod
    def of(cls, newest: Record) -> _Course:
        records = (*newest.chain, newest)
        observations = tuple(_reduced(records))
        given_up = [each for record in records for each in record.given_up]
        measured = frozenset(each.suggestion for each in observations if each.suggestion is not None)
        failed = tuple(dict.fromkeys(each.suggestion for each in given_up if each.kind == "device"))
        dropped = frozenset(each.suggestion for each in given_up if each.kind == "dropped")
        answers = tuple(_Answers.of(record, dropped, measured.union(failed)) for record in records)
        return cls(records, observations, measured, failed, dropped, answers)

    @property
    def progress(self) -> Progress:
        refused = [each for record in self.records for each in record.refused]
        return Progress(
            uids=tuple(entry.uid for record in self.records for entry in record.measurements),
            measured=len(self.observations),
            failed=len(self.failed),
            fallen_back=sum(each.origin == "fallback" for each in self._suggestions() if each.id not in self.dropped),
            stale=sum(each.kind in ("late", "stale") for each in refused),
            replayed=self._replayed("recommender"),
            initial_done=frozenset(self._initial_done()),
            ready=(ready := self._ready()),
            short=self._short({each.id for each in ready}),
            asked=self._asked(),
        )

    def history(self, origin: Origin) -> History:
        given_up = [each for record in self.records for each in record.given_up if each.origin == origin]
        mine = [each for each in self._suggestions() if each.origin == origin]
        known = {each.id for each in mine}
        return History(
            suggestions=tuple(mine),
            observations=self.observations,
            given_up=tuple(dict.fromkeys(each.suggestion for each in given_up if each.suggestion in known)),
            ready=tuple(each for each in self._ready() if each.origin == origin),
            asked=self._asked() if origin == "recommender" else (),
            restarts=sum(each.origin == origin for record in self.records for each in record.replaced),
            replayed=self._replayed(origin),
        )

    def _suggestions(self) -> Iterator[Suggestion]:
        """All that were made, but for those that are asked for again: also what is left of an answer that is cut off.

        What was measured of such an answer counts.
        """
        for record, answers in zip(self.records, self.answers, strict=True):
            for answer in record.suggested:
                yield from (each for each in answer.suggestions if each.id not in answers.left_out)
            for answer in record.incomplete:
                yield from (each for each in answer.suggestions if each.id in self.measured)

    @property
    def unknown(self) -> frozenset[str]:
        """Ids of what was measured and is in no answer on record."""
        known = {each.id for each in self._suggestions()}
        known |= {f"{each.launch[:12]}-i{n}" for each in self.records for n in range(len(_initial(each)))}
        return self.measured - known

    def _replayed(self, origin: Origin) -> int:
        return sum(each.replay and each.origin == origin for record in self.records for each in record.told)

    def _initial_done(self) -> Iterator[int]:
        done = self.measured.union(self.failed)
        for record in self.records:
            for number in range(len(_initial(record))):
                if f"{record.launch[:12]}-i{number}" in done:
                    yield number

    def _ready(self) -> tuple[Suggestion, ...]:
        gone = self.measured.union(self.failed, self.dropped)
        return tuple(
            each
            for answers in self.answers
            for answer in answers.in_turn
            for each in answer.suggestions
            if each.id not in gone
        )

    def _short(self, ready: set[str]) -> dict[str, int]:
        return {
            answer.suggestions[0].id: answer.count - len(answer.suggestions)
            for answers in self.answers
            for answer in answers.in_turn
            if answer.count > len(answer.suggestions) and answer.suggestions[0].id in ready
        }

    def _asked(self) -> tuple[Asked, ...]:
        """Questions asked ahead that were not answered. Each launch begins with those that were left of the last."""
        left: list[Asked] = []
        for record, answers in zip(self.records, self.answers, strict=True):
            asked, answered = {each.question: each for each in record.asked}, answers.answered
            # The first of its questions are those; killed at once, it did not come to all of them.
            for number, each in enumerate(left):
                asked.setdefault(number, each)
            left = [each for number, each in sorted(asked.items()) if number not in answered]
        # After a power cut it may have asked knowing points that are lost: they come first, and it asks again then.
        return tuple(each for each in left if each.known <= len(self.observations))


def _initial(record: Record) -> Sequence[Any]:
    return part(record.about, "options").get("initial") or ()


def _reduced(records: Sequence[Record]) -> Iterator[Observation]:
    """All that was measured. What a launch was not told any more was reduced, and told, in the next."""
    told = {
        (each.run, each.stream, each.seq_num): each.objectives
        for record in records[1:]
        for each in record.told
        if not each.replay
    }
    for record in records:
        for each in record.observations:
            objectives = None if each.objectives else told.get(each.identity)
            yield each if not objectives else replace(each, objectives=objectives, data={})


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the questions of one launch came to."""

    in_turn: tuple[Suggested, ...]
    """Answers in the order in which their suggestions are measured."""
    answered: frozenset[int]
    """Questions that led to suggestions, of the recommender or in its place of the fallback."""
    left_out: frozenset[str]
    """Ids of suggestions that come behind a question without an answer: they are asked for again, in turn."""

    @classmethod
    def of(cls, record: Record, dropped: frozenset[str], settled: frozenset[str]) -> _Answers:
        taken = [each for each in record.suggested if not dropped.intersection(one.id for one in each.suggestions)]
        answers = {each.question: each for each in taken if each.origin == "recommender"}
        # The fallback counts its own questions: they are in the order of those that it stands in for.
        fallen_back = sorted((each for each in taken if each.origin == "fallback"), key=lambda each: each.question)
        missed = {
            each.question
            for each in record.refused
            if each.origin == "recommender" and each.kind in ("refused", "failed", "silent")
        }
        missed = sorted(missed - answers.keys())
        left_out: set[str] = set()
        if len(missed) > len(fallen_back):
            first = missed[len(fallen_back)]
            for question in [question for question in answers if question > first]:
                ids = {each.id for each in answers[question].suggestions}
                if not ids & settled:
                    left_out |= ids
                    del answers[question]
        placed = dict(zip(missed, fallen_back, strict=False))
        in_turn = [answer for _, answer in sorted([*answers.items(), *placed.items()], key=lambda each: each[0])]
        return cls(
            (*in_turn, *fallen_back[len(placed) :]), frozenset(answers.keys() | placed.keys()), frozenset(left_out)
        )


# ------------------------------------------------------------ whether it may go on


def _check_it_may(record: Record) -> None:
    if record.entry.resumed_by:
        raise ResumeError(f"run {_short(record)} goes on already in {record.entry.resumed_by[:8]}: resume that one")
    running = [each for each in (record.entry, *record.measurements) if each.running]
    if running:
        raise ResumeError(who_holds(record.entry.uid, part(record.about, "program"), running[0].path.name))
    if record.flow not in ("adaptive_scan", "adaptive_runs"):
        raise ResumeError(
            f"run {_short(record)} is of {record.flow or 'no flow of skysteer'}, whose plan is anybody's: "
            "only adaptive_scan and adaptive_runs can go on; run the plan again"
        )


def _check_it_is_not_complete(record: Record, course: _Course, max_points: int | None) -> None:
    """A scan that was cut off behind its last point has still to end in order: that is not complete."""
    planned = int(part(record.about, "options").get("max_points") or 0)
    wanted = planned if max_points is None else max_points
    measured = len(course.observations)
    ended = record.entry.exit_status == "success"
    if measured >= wanted and (ended or wanted < planned):
        more = "" if wanted > planned else f"; to measure more, give a max_points (--points) above {measured}"
        asked = f" of {wanted} points" if measured <= wanted else f" points, more than {wanted},"
        raise ResumeError(f"run {_short(record)} is complete: {measured}{asked} were measured{more}")
    if ended and wanted <= planned:
        raise ResumeError(
            f"run {_short(record)} is complete: it ended after {measured} of {planned} points, "
            f"{record.entry.reason or 'without a reason'}; to go on nevertheless, "
            f"give a max_points (--points) above {planned}"
        )


def _worrying(record: Record) -> list[str]:
    """What is not as after an ordinary crash."""
    return [problem for problem in record.problems if "is not in the folder" in problem]


def _short(record: Record) -> str:
    return record.entry.uid[:8]
