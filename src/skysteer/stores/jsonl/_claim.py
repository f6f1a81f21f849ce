"""Takes over the runs of a process that died: locks their files, and writes the stop documents that never came."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from skysteer.errors import RecordError, ResumeError, StoreError

from ._counting import Counted
from ._entry import RunEntry
from ._index import runs
from ._index_file import append, line_of_stop
from ._line import encode
from ._reading import lines_from
from ._runfile import RunFile, locked

ENDED = "the process that measured ended without closing this run"
"""Reason in the stop document that is written in its place."""


@dataclass(slots=True)
class Claim:
    """Runs that were taken over. Their files stay locked until the claim is given back."""

    entries: tuple[RunEntry, ...]
    """The decision run, if there is one, and the measurement runs of its launch, in order."""
    closed: tuple[str, ...] = ()
    """Uids of those that were given the stop document that never came."""
    problems: tuple[str, ...] = ()
    """What was cut off at the ends of the files."""

    def resumed_by(self, uid: str) -> None:
        """Note in the index that the decision run `uid` goes on from here; it counts once that run is on record."""
        lines = [{"taken_over": entry.uid, "by": uid} for entry in self.entries if entry.kind == "decisions"]
        append(self.entries[0].path.parent, lines)


@contextmanager
def claim(entry: RunEntry, *, by: str = "") -> Generator[Claim]:
    """Take over a run whose process died, with all runs of its launch, as long as the context lasts.

    Half a line at the end of a file is cut off, and a run without a stop
    document is given one: it failed, because its process ended.

    Parameters
    ----------
    entry
        The decision run, or one of its measurement runs.
    by
        Uid of the decision run that will go on from here, where it is known already.

    Raises
    ------
    ResumeError
        If a live process still writes one of the runs, or goes on from them, or another goes on already.
    RecordError
        If the run is gone, or a line in the middle of its file is bad.
    StoreError
        If the files cannot be written.
    """
    with ExitStack() as stack:
        targets = _of_its_launch(entry)
        files = {target.uid: stack.enter_context(_locked_file(target)) for target in targets}
        # Looked at again behind the lock: another may have claimed, gone on and let go before.
        targets = [target for target in _of_its_launch(entry) if target.uid in files]
        for target in targets:
            if target.resumed_by and target.resumed_by != by:
                raise ResumeError(
                    f"the run {target.uid[:8]} goes on already in {target.resumed_by[:8]}: resume that one"
                )
        claimed = Claim(tuple(targets))
        for target in targets:
            _close_run(target, files[target.uid], by, claimed)
        fresh = {one.uid: one for one in runs(entry.path.parent)}
        claimed.entries = tuple(fresh.get(target.uid, target) for target in targets)
        if by:
            claimed.resumed_by(by)
        yield claimed


def _of_its_launch(entry: RunEntry) -> list[RunEntry]:
    known = {one.uid: one for one in runs(entry.path.parent)}
    if entry.uid not in known:
        raise RecordError(f"the run {entry.uid[:8]} is not in {entry.path.parent} any more")
    now = known[entry.uid]
    decisions = known.get(now.decisions)
    if decisions is None:
        return [now]
    return [decisions, *(known[uid] for uid in decisions.measurements if uid in known)]


@contextmanager
def _locked_file(entry: RunEntry) -> Generator[int]:
    try:
        file = os.open(entry.path, os.O_RDWR | os.O_APPEND)
    except OSError as exc:
        raise StoreError(f"{entry.path} cannot be written ({exc.strerror}), and a run that goes on is closed") from exc
    try:
        if not locked(file, patience=0.3):
            raise ResumeError(_who_has_it(entry))
        yield file
    finally:
        os.close(file)


def who_holds(uid: str, program: Mapping[str, Any], file: str) -> str:
    """Say why a run whose file is locked cannot be taken over; ``program`` began it, says its decision run."""
    pid, host = program.get("pid"), program.get("host")
    if isinstance(pid, int) and host == socket.gethostname():  # elsewhere nobody can look
        if _lives(pid):
            return f"the run {uid[:8]} is still running: process {pid} on {host} writes {file}"
        return f"the run {uid[:8]} is being taken over by another process at this moment, which holds {file}"
    who = "a process" if pid is None else f"process {pid} on {host}"
    return f"the run {uid[:8]} is still running, or is being taken over: {who} holds {file}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _who_has_it(entry: RunEntry) -> str:
    program: dict[str, Any] = {}
    match next(lines_from(entry.path), None):
        case (_, {"skysteer": {"program": {"pid": pid, "host": host}}}, _):
            program = {"pid": pid, "host": host}
        case _:
            pass
    return who_holds(entry.uid, program, entry.path.name)


def _close_run(entry: RunEntry, file: int, by: str, claimed: Claim) -> None:
    """Cut off what is no whole line, and append the stop document where there is none."""
    problems: list[str] = []
    seen: dict[str, set[int]] = {}
    streams: dict[str, str] = {}
    counted = Counted(entry.kind)
    start: dict[str, Any] = {}
    name, end, last_time = "", 0, entry.time
    for name, doc, offset in lines_from(entry.path, problems=problems):
        end = offset
        counted.note(name, doc)
        last_time = _time_of(doc, last_time)
        match name:
            case "start":
                start = doc
            case "descriptor":
                streams[doc["uid"]] = doc.get("name", "primary")
                seen.setdefault(streams[doc["uid"]], set())
            case "event":
                seen[streams[doc["descriptor"]]].add(doc["seq_num"])
            case "event_page":
                seen[streams[doc["descriptor"]]].update(doc["seq_num"])
            case "stream_datum":
                seen[streams[doc["descriptor"]]].update(range(doc["seq_nums"]["start"], doc["seq_nums"]["stop"]))
            case _:
                pass
    claimed.problems += tuple(problems)
    if not start:
        raise RecordError(f"{entry.path} does not begin with a start document")
    if name == "stop":
        return
    stop = _stop(start, {stream: len(numbers) for stream, numbers in seen.items()}, by, last_time)
    run_file = RunFile.taken_over(entry.path, os.dup(file), end)
    try:
        run_file.append(encode("stop", stop))
        run_file.sync()
    except OSError as exc:
        raise StoreError(
            f"the stop document that is missing cannot be written to {entry.path}: {exc.strerror}"
        ) from exc
    finally:
        run_file.close()  # a copy of the descriptor: the lock stays
    claimed.closed += (entry.uid,)
    append(entry.path.parent, [line_of_stop(entry.path, run_file.size, stop, counted.num_points)])


def _stop(start: Mapping[str, Any], counts: Mapping[str, int], by: str, when: float) -> Mapping[str, Any]:
    import event_model

    compose_stop = cast("Any", event_model).compose_stop  # its annotations are partial
    return compose_stop(
        start=start,
        event_counters={stream: count + 1 for stream, count in counts.items()},
        poison_pill=[],
        exit_status="fail",
        reason=ENDED + (f"; it goes on in {by}" if by else ""),
        time=when,
    )


def _time_of(doc: Mapping[str, Any], before: float) -> float:
    when = doc.get("time")
    if isinstance(when, list) and when:
        when = when[-1]  # pyright: ignore[reportUnknownVariableType]
    return float(when) if isinstance(when, int | float) else before
