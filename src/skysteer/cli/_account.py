"""The account of a recorded run: its points in order, each with why, and what else was decided in between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from skysteer.model import (
    Axis,
    Checkpointed,
    Decision,
    GivenUp,
    Judged,
    Observation,
    Refused,
    Replaced,
    Space,
    Steered,
    Suggested,
    Suggestion,
    Told,
)
from skysteer.stores import Record, RunEntry, documents

from ._runs import FOLDER
from ._wording import duration, place

__all__ = ["Account", "Measured", "Remark", "account_of", "bare_account", "extent_of", "known_by", "part"]

Kind = Literal["refused", "given up", "worker", "checkpoint", "verdict", "steering", "again", "resumed", "run", "end"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One point."""

    number: int
    """From 1, over all runs of the scan."""
    time: float
    """When it was measured, in seconds since the epoch."""
    run: str
    """Uid of the run."""
    seq_num: int
    axes: Mapping[str, Any]
    """Where, axis name to readback."""
    objectives: Mapping[str, Any]
    """What was read there, reduced where there was a reduction."""
    why: str
    """Who asked for it, knowing what."""
    suggestion: Suggestion | None = None
    """What it answers."""
    answer: Suggested | None = None
    """The answer that the suggestion is of."""

    @property
    def reason(self) -> str:
        """What the one who suggested it said of why; ``""`` where it said nothing."""
        if self.answer is None or self.suggestion is None or not self.answer.reasons:
            return ""
        return self.answer.reasons[self.answer.suggestions.index(self.suggestion)]


@dataclass(frozen=True, slots=True)
class Remark:
    """What was decided between two points."""

    time: float
    """In seconds since the epoch."""
    kind: Kind
    text: str


@dataclass
class Account:
    """What happened, in order."""

    entry: RunEntry
    """The run that was asked for: the decision run, or a measurement without one."""
    records: tuple[Record, ...] = ()
    """The launches, oldest first: that of `entry` is the last one."""
    entries: tuple[RunEntry, ...] = ()
    """The measurement runs, oldest first."""
    timeline: list[Measured | Remark] = field(default_factory=list["Measured | Remark"])
    space: Space | None = None
    units: dict[str, str] = field(default_factory=dict[str, str])
    """Of axes and objectives, by name."""
    suggestions: dict[str, Suggestion] = field(default_factory=dict[str, Suggestion])
    """All that are on record, by their ids."""
    before: int = 0
    """How many points the recommender knew from before the first launch."""
    problems: list[str] = field(default_factory=list[str])
    """What is to be known of the record, one sentence each."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the start document of the newest decision run says under ``"skysteer"``."""
        return self.records[-1].about if self.records else {}

    @property
    def uid(self) -> str:
        """Of the run that it is known by: the measurement, where there is one."""
        return known_by(self.records[-1]) if self.records else self.entry.uid

    @property
    def named(self) -> str:
        """How a command names it: the beginning of its uid, and the folder where that has to be said."""
        folder = self.entry.path.parent
        here = folder.absolute() == FOLDER.absolute()
        return self.uid[:8] + ("" if here else f" --folder {folder}")

    @property
    def points(self) -> list[Measured]:
        """The points in order."""
        return [each for each in self.timeline if isinstance(each, Measured)]

    @property
    def remarks(self) -> list[Remark]:
        """All that is no point, in order."""
        return [each for each in self.timeline if isinstance(each, Remark)]

    @property
    def began(self) -> float:
        """In seconds since the epoch."""
        return self.records[0].entry.time if self.records else self.entry.time

    @property
    def goal(self) -> tuple[int, str] | None:
        """1 for the highest or -1 for the lowest, and of which objective; ``None`` where the record does not say."""
        settings = part(part(self.about, "recommender"), "settings")
        for name, sign in (("maximize", 1), ("minimize", -1)):
            if isinstance(objective := settings.get(name), str):
                return sign, objective
        found = re.match(r"Goal\('one', \{'([^']+)': (-?)", str(settings.get("goal", "")))
        return None if found is None else (-1 if found[2] else 1, found[1])

    def best(self, among: Sequence[Measured] | None = None) -> Measured | None:
        """Return the best point, by its reading; ``None`` where nobody said what is looked for."""
        if self.goal is None:
            return None
        sign, objective = self.goal
        able = [
            each
            for each in (self.points if among is None else among)
            if isinstance(value := each.objectives.get(objective), int | float) and value == value
        ]
        return max(able, key=lambda each: sign * each.objectives[objective], default=None)


def account_of(record: Record) -> Account:
    """Return the account of a launch, with those that it resumes."""
    records = (*record.chain, record)
    account = Account(record.entry, records, tuple(each for one in records for each in one.measurements))
    account.space = record.space
    account.units = _units(records)
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


def bare_account(entry: RunEntry, problem: str) -> Account:
    """Return what a measurement without decisions tells: its events, and nothing of why."""
    account = Account(entry, (), (entry,), problems=[problem])
    account.timeline += _events([entry], account.units)
    if entry.exit_status:
        said = f": {entry.reason}" if entry.reason else ""
        account.timeline.append(Remark(entry.stopped or entry.time, "end", f"the run ended, {entry.exit_status}{said}"))
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
        line: list[Measured | Remark] = list(_events(record.measurements, self._account.units))
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
        match decision:
            case Refused(origin=origin, kind=kind, reason=reason):
                who = "the fallback" if origin == "fallback" else "the recommender"
                text = {
                    "finished": f"{who} had nothing more to ask: {reason}",
                    "refused": f"an answer of {who} was refused: {reason}",
                    "failed": f"{who} failed: {reason}",
                    "silent": f"{who} was silent: {reason}",
                    "late": f"{who} answered question {decision.question + 1} after {duration(decision.latency)}, "
                    f"when nobody waited any more: {reason}",
                    "stale": f"{who} answered a question of an earlier scan: {reason}",
                }[kind]
                self._line.append(Remark(decision.time, "refused", text))
            case GivenUp(suggestion=name, kind=kind, reason=reason):
                known = self._of.get(name)
                where = place(known[0].point, self._account.units) if known else f"suggestion {name}"
                words = {"device": "given up", "dropped": "dropped", "abandoned": "not measured any more"}[kind]
                self._line.append(Remark(decision.time, "given up", f"{words}: {where}: {_cause(reason)}"))
            case Replaced(during=during, reason=reason, restarts=restarts):
                text = f"the worker process died in {during} and was replaced (for the {_nth(restarts)} time): {reason}"
                self._line.append(Remark(decision.time, "worker", text))
            case Checkpointed(error=error) if error:
                self._line.append(Remark(decision.time, "checkpoint", f"a checkpoint could not be written: {error}"))
            case Judged(watchdog=name, verdict=verdict, reason=reason):
                late = "" if decision.accepted or verdict is None else " (too late, it had no effect)"
                event = f" on event {decision.seq_num}" if decision.seq_num else ""
                event += f" of {decision.stream}" if decision.stream not in ("", "primary") else ""
                text = (
                    f"the judge of watchdog {name} failed{event}: {reason}"
                    if verdict is None
                    else f"watchdog {name}: {verdict.value}{event}, {duration(decision.lag)} after it: {reason}{late}"
                )
                self._line.append(Remark(decision.time, "verdict", text))
            case Steered(author=author) if author in self._watchdogs:
                pass  # its verdict is told
            case Steered(verdict=verdict, reason=reason, author=author):
                late = "" if decision.accepted else " (it had no effect: nothing was running)"
                who = f"{author} asked for" if author else "somebody asked, without a name, for"
                said = f": {reason}" if reason and reason != author else ""
                self._line.append(Remark(decision.time, "steering", f"{who} {verdict.value!r}{said}{late}"))
            case _:
                pass  # a question that was asked ahead, a checkpoint that was written


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


def known_by(record: Record) -> str:
    """Return the uid of the measurement, where it is one run; else of the decision run."""
    return record.measurements[0].uid if len(record.measurements) == 1 else record.entry.uid


def _cause(reason: str) -> str:
    """What a device said, without the repr of the status that said it."""
    found = re.fullmatch(r"\w+: <.*> \((.*)\)", reason, flags=re.DOTALL)
    return reason if found is None else found[1]


def _said(exit_status: str, reason: str) -> str:
    return (f", {exit_status}" if exit_status else "") + (f": {reason}" if reason else "")


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def part(about: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping in a description, empty where it is not there."""
    return about.get(key) or {}


def _initial(record: Record) -> Sequence[Mapping[str, Any]]:
    return part(record.about, "options").get("initial") or ()


def _units(records: Iterable[Record]) -> dict[str, str]:
    """Of the axes as the space says, of the objectives as the first descriptor says."""
    units: dict[str, str] = {}
    for record in records:
        if record.space is not None:
            units |= {axis.name: axis.units for axis in record.space.axes}
        fields = record.fields
        if fields is None or not record.measurements:
            continue
        keys = _data_keys(record.measurements[0], fields.stream)
        units |= {name: str(keys.get(key, {}).get("units") or "") for name, key in fields.objectives.items()}
        break
    return units


def _data_keys(entry: RunEntry, stream: str) -> Mapping[str, Mapping[str, Any]]:
    for name, doc in documents(entry.path):
        if name == "descriptor" and doc.get("name", "primary") == stream:
            return doc["data_keys"]
    return {}


def _events(entries: Iterable[RunEntry], units: dict[str, str]) -> Iterator[Measured]:
    """The events of the primary streams: single values, those of the scanned devices first."""
    number = 0
    for entry in entries:
        keys: dict[str, Mapping[str, Any]] = {}
        axes: list[str] = []
        for name, doc in documents(entry.path):
            if name == "start":
                motors: Sequence[Any] = doc.get("motors") or ()
                axes = [str(each) for each in motors]
            elif name == "descriptor" and doc.get("name", "primary") == "primary":
                hints: Mapping[str, Any] = doc.get("hints") or {}
                hinted: set[str] = {key for each in hints.values() for key in each.get("fields", ())}
                keys[doc["uid"]] = single = {
                    key: said
                    for key, said in doc["data_keys"].items()
                    if said.get("dtype") in ("number", "integer", "string", "boolean") and (not hinted or key in hinted)
                }
                units |= {key: str(said.get("units") or "") for key, said in single.items()}
            elif name == "event" and doc["descriptor"] in keys:
                number += 1
                data = {key: doc["data"][key] for key in keys[doc["descriptor"]]}
                where = {key: value for key, value in data.items() if key in axes}
                read = {key: value for key, value in data.items() if key not in axes}
                yield Measured(number, doc["time"], entry.uid, doc["seq_num"], where, read, "")


def extent_of(axis: Any, values: Sequence[float]) -> float:
    """Return how far positions on an axis lie apart: its range where it has limits."""
    if isinstance(axis, Axis) and axis.bounded:
        return axis.high - axis.low
    return max(values) - min(values) if values else 0.0
