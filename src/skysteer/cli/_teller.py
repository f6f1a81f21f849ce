"""Tells what a record says, in order: the account of a launch and of those that it resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from skysteer.model import Decision, Observation, Suggested, Suggestion, Told
from skysteer.stores import Record

from ._account import Account, Measured, Remark, known_by, part
from ._measurements import events_of, units_of
from ._remarks import remark_on
from ._wording import duration, place

__all__ = ["account_of"]


def account_of(record: Record) -> Account:
    """Return the account of a launch, with those that it resumes."""
    records = (*record.chain, record)
    account = Account(record.entry, records, tuple(each for one in records for each in one.measurements))
    account.space = record.space
    account.units = units_of(records)
    account.problems = list(record.problems)
    teller = _Teller(
        account,
        {
            (each.run, each.stream, each.seq_num): each
            for one in records
            for each in one.told
            if each.origin == "recommender" and not each.replay
        },
    )
    for number, one in enumerate(records):
        if number:
            teller.resumed(records[number - 1], one)
        if one.flow == "watch":
            teller.watched(one)
        else:
            teller.searched(one)
    teller.end(record)
    return account


class _Teller:
    """Tells one record after the other."""

    def __init__(self, account: Account, told: Mapping[tuple[str, str, int], Told]) -> None:
        self._account = account
        self._all_told = told
        """What the recommender was told in any of the launches."""
        self._shown: set[tuple[str, str, int]] = set()
        """What was measured in one launch and told in the next."""
        self._line: list[Measured | Remark] = account.timeline
        self._number = 0
        self._of: dict[str, tuple[Suggestion, Suggested | None, int]] = {}
        """Suggestion id to the suggestion, its answer, and which launch."""
        self._launch = 0
        self._watchdogs: set[str] = set()

    def searched(self, record: Record) -> None:
        """An adaptive scan: its decisions are in the order in which they were made."""
        self._launch += 1
        for number, point in enumerate(_initial(record)):
            name = f"{record.launch[:12]}-i{number}"
            self._know(Suggestion(name, point, "initial"), None)
        seen: set[tuple[str, str, int]] = set()
        for decision in record.decisions:
            match decision:
                case Suggested():
                    for each in decision.suggestions:
                        self._know(each, decision)
                case Told():
                    if not self._number:
                        self._account.before = decision.number
                    if decision.origin == "recommender":  # the fallback is told the same
                        seen.add((decision.run, decision.stream, decision.seq_num))
                        self._told(decision)
                case _:
                    self._remark(decision)
        if sum(each.num_points for each in record.measurements) > len(seen):
            for each in record.observations:
                if each.identity not in seen:
                    self._untold(each)

    def watched(self, record: Record) -> None:
        """A plan that was watched: its events and the verdicts, by their times."""
        self._watchdogs = {str(each.get("name")) for each in record.about.get("watchdogs") or ()}
        line: list[Measured | Remark] = list(events_of(record.measurements, self._account.units))
        if len(record.measurements) > 1:
            line += [
                Remark(each.time, "run", f"run {each.run[:8]} was {each.moment}{_said(each.exit_status, each.reason)}")
                for each in record.moments
            ]
        before = len(self._line)
        for decision in record.decisions:
            self._remark(decision)
        line += self._line[before:]
        self._line[before:] = sorted(line, key=lambda each: each.time)

    def resumed(self, before: Record, record: Record) -> None:
        """Another process went on."""
        program = part(record.about, "program")
        who = f" by {program['user']} on {program['host']}" if program.get("user") and program.get("host") else ""
        last = self._line[-1].time if self._line else before.entry.time
        how = f"ended here ({before.entry.reason})" if before.entry.exit_status == "success" else "cut off here"
        self._line.append(
            Remark(
                record.entry.time, "resumed",
                f"{how}, and resumed after {duration(max(0.0, record.entry.time - last))}{who}: run "
                f"{known_by(record)[:8]} goes on where run {known_by(before)[:8]} ended",
            )
        )  # fmt: skip

    def end(self, record: Record) -> None:
        """How it came out."""
        entry = record.entry
        if entry.running:
            self._line.append(Remark(self._last, "end", "it is still being measured: this is what is on record so far"))
        elif not entry.exit_status:
            self._line.append(Remark(self._last, "end", "cut off: the process ended here without closing the run"))
        else:
            text = f"the {'plan' if record.flow == 'watch' else 'scan'} ended, {entry.exit_status}"
            text += f": {entry.reason}" if entry.reason else ""
            self._line.append(Remark(entry.stopped or self._last, "end", text))
        if entry.resumed_by:
            self._line.append(
                Remark(self._last, "end", "another run went on from here: show last, or see skysteer runs")
            )

    @property
    def _last(self) -> float:
        return self._line[-1].time if self._line else self._account.entry.time

    def _know(self, suggestion: Suggestion, answer: Suggested | None) -> None:
        self._of[suggestion.id] = suggestion, answer, self._launch
        self._account.suggestions[suggestion.id] = suggestion

    def _told(self, told: Told) -> None:
        if told.replay:
            self._line.append(
                Remark(
                    told.time,
                    "again",
                    f"the point in flight was measured again after a pause: event {told.seq_num} "
                    "is recorded once more, and not told twice",
                )
            )
            return
        if (told.run, told.stream, told.seq_num) in self._shown:
            return
        self._number += 1
        self._point(told.measured, told.run, told.seq_num, told.axes, told.objectives, told.suggestion, "")

    def _untold(self, seen: Observation) -> None:
        self._number += 1
        self._shown.add(seen.identity)
        told = self._all_told.get(seen.identity)  # in the next launch, reduced there where there is a reduction
        read = seen.objectives if told is None else told.objectives
        self._point(seen.time, seen.run, seen.seq_num, seen.axes, read, seen.suggestion,
                    "; told when it went on" if self._went_on(seen) else "; not told any more")  # fmt: skip

    def _went_on(self, seen: Observation) -> bool:
        return all(each.uid != seen.run for each in self._account.records[-1].measurements)

    def _point(
        self, time: float, run: str, seq_num: int, axes: Mapping[str, Any], read: Mapping[str, Any],
        name: str | None, besides: str,
    ) -> None:  # fmt: skip
        suggestion, answer, launch = self._of.get(name or "", (None, None, 0))
        point = Measured(self._number, time, run, seq_num, axes, read, "", suggestion, answer)
        why = _why(point, name, self._account.before)
        if answer is not None and launch < self._launch:
            why += ", asked before the cut"
        self._line.append(replace(point, why=why + besides))

    def _remark(self, decision: Decision) -> None:
        if (remark := remark_on(decision, self._watchdogs, self._where)) is not None:
            self._line.append(remark)

    def _where(self, name: str) -> str:
        known = self._of.get(name)
        return place(known[0].point, self._account.units) if known else f"suggestion {name}"


def _why(point: Measured, name: str | None, before: int) -> str:
    """Why a point was measured that answers the suggestion of this name; `before` is known from before the run."""
    suggestion, answer = point.suggestion, point.answer
    if suggestion is not None and suggestion.origin == "initial":
        return "given at the start"
    if suggestion is None or answer is None:
        return "nobody's suggestion" if name is None else "its suggestion is not on record"
    parts = len(answer.suggestions)
    who = "the fallback" if answer.origin == "fallback" else f"question {answer.question + 1}"
    if parts > 1:
        who += f" ({answer.suggestions.index(suggestion) + 1} of {parts})"
    knew = f"; knew {answer.told or 'nothing'}" + (f", {len(answer.pending)} on the way" if answer.pending else "")
    if not point.reason:
        return who + knew
    said = point.reason if answer.origin == "recommender" and parts == 1 else f"{who}: {point.reason}"
    return said if answer.told - before == point.number - 1 and not answer.pending else said + knew


def _said(exit_status: str, reason: str) -> str:
    return (f", {exit_status}" if exit_status else "") + (f": {reason}" if reason else "")


def _initial(record: Record) -> Sequence[Mapping[str, Any]]:
    return part(record.about, "options").get("initial") or ()
