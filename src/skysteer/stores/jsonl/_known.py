"""What is known of a folder of runs, from its index and, where that is silent, from the files."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from skysteer.errors import RecordError, StoreError

from ._counting import measurements_named, points_in
from ._entry import RunEntry, entry_of
from ._index_file import FIELDS, OF_STOP, fits, line_of_start, line_of_stop
from ._reading import backwards, lines_from
from ._runfile import locked


class Index:
    """What is known of a folder: from its index, then from its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: dict[str, RunEntry] = {}
        self._order: list[tuple[str, bool]] = []
        """Names of the files, and whether they were found rather than begun, in the order of the lines."""
        self._ended: dict[str, Mapping[str, Any]] = {}
        self._links: dict[str, list[str]] = {}
        self._taken_over: dict[str, str] = {}

    def take(self, line: Mapping[str, Any]) -> None:
        """Learn from a line of the index."""
        match line:
            case {"run": str(uid), "file": str(name), "time": _} if fits(line, FIELDS):
                fields: dict[str, Any] = {field: line[field] for field in FIELDS if field in line}
                self._begin(RunEntry(uid=uid, path=self._folder / name, **fields), found=line.get("found") is True)
            case {"stop": str(name)} if fits(line, OF_STOP):
                self._ended[name] = line
            case {"link": str(decisions), "run": str(run)}:
                linked = self._links.setdefault(decisions, [])
                if run not in linked:
                    linked.append(run)
            case {"taken_over": str(run), "by": str(by)}:
                self._taken_over[run] = by
            case _:  # a line of a later version
                pass

    def _begin(self, entry: RunEntry, *, found: bool) -> None:
        name = entry.path.name
        self._order.append((name, found))
        known = self._begun.get(name)
        if known is None or known.uid != entry.uid:
            self._begun[name] = entry

    def unknown(self, found: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        """Read the files that the index does not know; yield its missing lines."""
        new: list[tuple[RunEntry, list[str]]] = []
        for name in [*(found.keys() - self._begun.keys()), *self._replaced(found)]:
            path = self._folder / name
            try:
                first = next(lines_from(path), None)
                if first is None or first[0] != "start" or not isinstance(first[1].get("uid"), str):
                    continue  # cut off in its first line, or no run at all
                entry = entry_of(first[1], path)
                new.append((entry, list(measurements_named(entry))))
            except (StoreError, RecordError, OSError):
                continue
        place = _places([entry for entry, _ in new])
        for entry, named in sorted(new, key=lambda one: place[one[0].path.name]):
            self._begin(entry, found=True)
            yield line_of_start(entry) | {"found": True}
            for run in named:
                line = {"link": entry.uid, "run": run}
                self.take(line)
                yield line

    def _replaced(self, found: Mapping[str, int]) -> Iterator[str]:
        """Yield the files that hold another run than the index says: they were renamed by hand."""
        for name, entry in self._begun.items():
            size = found.get(name)
            if size is None or self._ended.get(name, {}).get("size") == size:
                continue
            try:
                first = next(lines_from(entry.path), None)
            except (StoreError, RecordError):
                continue
            if first is not None and first[0] == "start" and first[1].get("uid") != entry.uid:
                yield name

    def unfinished(self, found: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        """Look for stop documents that the index does not know; yield its missing lines."""
        for name, entry in self._begun.items():
            size = found.get(name)
            if size is None or self._ended.get(name, {}).get("size") == size:
                continue
            self._ended.pop(name, None)
            try:
                last = next(backwards(entry.path), None)
                if last is not None and last[0] == "stop":
                    line = line_of_stop(entry.path, size, last[1], _points(entry, last[1]))
                    self._ended[name] = line
                    yield line
            except OSError:
                continue

    def entries(self, found: Mapping[str, int]) -> list[RunEntry]:
        """Return what is known, joined."""
        here = self._without_copies([entry for entry in self._in_order() if entry.path.name in found], found)
        decided = {entry.uid: entry for entry in here if entry.kind == "decisions"}
        owner = {run: uid for uid, linked in self._links.items() for run in linked if uid in decided}
        measured: dict[str, list[str]] = {}
        for entry in here:
            if entry.kind == "measurement" and (uid := entry.decisions or owner.get(entry.uid, "")):
                measured.setdefault(uid, []).append(entry.uid)
        resumed_by = {old: by for old, by in self._taken_over.items() if by in decided}
        resumed_by |= {entry.resumes: entry.uid for entry in decided.values() if entry.resumes}
        return _with_earlier(self._joined(entry, decided, owner, measured, resumed_by) for entry in here)

    def _in_order(self) -> list[RunEntry]:
        """As they were begun; those that were found only later in their places by time, among those begun before."""
        own = {name for name, found in self._order if not found}
        order: dict[str, RunEntry] = {}
        late: dict[str, RunEntry] = {}
        for name, found in self._order:
            if found:
                if name not in own and name not in order:
                    late[name] = self._begun[name]
                continue
            if late:
                order, late = _merged(order, late), {}
            order.setdefault(name, self._begun[name])
        return list(_merged(order, late).values())

    def _without_copies(self, here: list[RunEntry], found: Mapping[str, int]) -> list[RunEntry]:
        """Of several files with one run, keep the one that is complete, or being written, or the longest."""
        best: dict[str, RunEntry] = {}
        for entry in here:
            other = best.setdefault(entry.uid, entry)
            if other is not entry and self._worth(entry, found) > self._worth(other, found):
                best[entry.uid] = entry
        return list(best.values())

    def _worth(self, entry: RunEntry, found: Mapping[str, int]) -> tuple[bool, bool, int]:
        name = entry.path.name
        return name in self._ended, _is_locked(entry.path), found[name]

    def _joined(
        self,
        entry: RunEntry,
        decided: Mapping[str, RunEntry],
        owner: Mapping[str, str],
        measured: Mapping[str, Sequence[str]],
        resumed_by: Mapping[str, str],
    ) -> RunEntry:
        name = entry.path.name
        end = self._ended.get(name)
        known: dict[str, Any]
        if end is not None:
            known = {field: end[field] for field in ("exit_status", "reason", "stopped", "num_points") if field in end}
        else:
            known = {"num_points": _points(entry, None), "running": _is_locked(entry.path)}
        if entry.kind == "decisions":
            known["measurements"] = tuple(measured.get(entry.uid, ()))
            known["resumed_by"] = resumed_by.get(entry.uid, "")
        else:
            uid = entry.decisions or owner.get(entry.uid, "")
            known["decisions"] = uid
            known["resumed_by"] = resumed_by.get(uid, "") if uid else ""
            if uid in decided:
                run = decided[uid]
                known |= {"flow": run.flow, "recommender": run.recommender, "max_points": run.max_points}
                known |= {"launch": entry.launch or run.launch}
        return replace(entry, **known)


def _merged(order: Mapping[str, RunEntry], late: Mapping[str, RunEntry]) -> dict[str, RunEntry]:
    return dict(heapq.merge(order.items(), late.items(), key=lambda named: named[1].time))


def _with_earlier(entries: Iterable[RunEntry]) -> list[RunEntry]:
    """Count what the launches before it measured for one that went on and was told nothing new."""
    found: list[RunEntry] = []
    points: dict[str, int] = {}
    for entry in entries:
        if entry.kind == "decisions":
            points[entry.uid] = max(entry.num_points, points.get(entry.resumes, 0))
        more = points.get(entry.uid, 0) > entry.num_points
        found.append(replace(entry, num_points=points[entry.uid]) if more else entry)
    return found


def _places(entries: Sequence[RunEntry]) -> dict[str, tuple[float, int, int, float, str]]:
    """Return what to sort runs by: their times, but none before one that it goes on from or belongs to."""
    decided = {entry.uid: entry for entry in entries if entry.kind == "decisions"}
    newest: dict[str, float] = {}
    for entry in entries:
        newest[entry.decisions] = max(newest.get(entry.decisions, entry.time), entry.time)
    places: dict[str, tuple[float, int, int, float, str]] = {}
    for entry in entries:
        latest, seen, step = entry.time, [entry], entry
        while True:
            own = step.kind == "measurement"
            before = decided.get(step.decisions if own else step.resumes)
            if before is None or before in seen:
                break
            latest = max(latest, before.time if own else newest[before.uid])
            seen.append(before)
            step = before
        launches = sum(one.kind == "decisions" for one in seen)
        places[entry.path.name] = (latest, launches, len(seen), entry.time, entry.path.name)
    return places


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not locked(file, shared=True)
    finally:
        os.close(file)


def _points(entry: RunEntry, stop: Mapping[str, Any] | None) -> int:
    """Count the points of a run that was not counted while it was written."""
    if stop is not None and entry.kind == "measurement":
        match stop.get("num_events"):
            case {"primary": int(count)}:
                return count
            case _:
                return 0
    # The stop document of a decision run does not say: the last point told does.
    try:
        return points_in(entry.path, entry.kind)
    except (OSError, RecordError, StoreError, KeyError, TypeError):
        return 0
