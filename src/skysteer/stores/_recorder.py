"""Writes documents and decisions to a store from a thread of its own, so that whoever has them never waits."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np

from skysteer.errors import StoreError
from skysteer.handoff import Mailbox
from skysteer.model import METADATA_KEY, Decision

from ._about import plain
from ._decision_run import Composer, Document, Note, RunNoted
from ._folder import JSONLines

log = logging.getLogger(__name__)

LINGER = 0.05
"""Seconds that a decision may wait for the event that follows it: both are written at one wake-up."""
FIRST_TRY, LAST_TRY = 0.2, 5.0
"""Seconds between two tries to write, at first and at the most."""
SAID_AGAIN = 60.0
"""Seconds between two warnings of a store that cannot write."""
GOODBYE = 5.0
"""Seconds for which a recorder that was closed goes on trying to write what it has."""
UNHURRIED = frozenset({"start", "descriptor", "resource", "datum", "datum_page", "stream_resource"})
"""Documents that an event or a stop document follows."""


@dataclass(frozen=True, slots=True)
class _Begin:
    uid: str
    time: float
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _End:
    exit_status: str
    reason: str
    time: float


_open: WeakValueDictionary[Path, Recorder] = WeakValueDictionary()
_Item = tuple[str, Mapping[str, Any]] | tuple["DecisionRun", Note | _Begin | _End]


class Recorder:
    """Puts on record what an engine emits and what recommenders, watchdogs and people decide.

    One thread writes what comes through one mailbox, in order. What cannot be
    written (a full disk, a folder that is gone) is kept and tried again, and
    nothing of it is lost while the process lives; `problem` says why. An event
    is written as soon as it comes, a decision at the latest 0.05 s after.

    Give it to ``adaptive_scan(..., record=...)``, ``adaptive_runs`` and
    ``watch``, as often as you like, one after the other or at once. As
    ``RE.subscribe(recorder)`` it records every run of an engine, without decisions.

    Parameters
    ----------
    store
        Where to write; a path is the folder of a `JSONLines` that is closed with the recorder.

    Raises
    ------
    StoreError
        If the folder cannot be written.

    Notes
    -----
    All methods may be called from any thread and none of them waits. An array
    in an event is copied when it is handed over, as a device may use it again;
    everything else is taken as it is.
    """

    def __init__(self, store: JSONLines | str | Path) -> None:
        self._owned = isinstance(store, str | Path)
        self.store: JSONLines = JSONLines(store) if isinstance(store, str | Path) else store
        """Where it writes."""
        self.closed: Future[None] = Future()
        """Done when everything was written and the thread has ended; fails where something could not be."""
        self.closed.set_running_or_notify_cancel()
        self._mailbox: Mailbox[_Item] = Mailbox()
        self._closing = threading.Event()
        self._problem: str | None = None
        self._written = 0
        self._composers: dict[DecisionRun, Composer] = {}
        self._watching: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._owners: dict[str, Tap] = {}
        self._tap = Tap(self)
        self._thread = threading.Thread(target=self._work, name="skysteer-recorder", daemon=True)
        atexit.register(self._leave)
        _open[self.store.folder.absolute()] = self
        self._thread.start()

    @staticmethod
    def at(folder: Path) -> Recorder | None:
        """The newest recorder of this process that writes to a folder and is not closed, or ``None``."""
        found = _open.get(folder.absolute())
        return None if found is None or found.closing else found

    # ------------------------------------------------------------ from any thread

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document of an engine; on its loop, where it only hands over."""
        self._tap.take(name, doc)

    def begin(self, about: Mapping[str, Any]) -> DecisionRun:
        """Begin a decision run.

        Parameters
        ----------
        about
            What its start document says under ``"skysteer"``. With a
            ``"launch"``, only measurements of that launch belong to it.
        """
        run = DecisionRun(self, about.get("launch"))
        self.hand(run, _Begin(run.uid, time.time(), plain(about)))
        return run

    def hand(self, source: Any, what: Any, *, hurry: bool = False) -> bool:
        """Hand a document (name, content) or a note (decision run, note) over; False once it is closed."""
        return self._mailbox.put((source, what), hurry=hurry)

    @property
    def handed(self) -> int:
        """How many documents and decisions were handed over so far."""
        return self._mailbox.received

    @property
    def newest_event(self) -> int:
        """How many there were with the newest event or stop document: what a plan waits for before its next point."""
        return self._mailbox.hurried

    @property
    def written(self) -> int:
        """How many of them were written (to the operating system), counted in order."""
        return self._written

    @property
    def behind(self) -> int:
        """How many of them were not yet written."""
        return self._mailbox.received - self._written

    @property
    def problem(self) -> str | None:
        """Why it cannot write now; ``None`` while it can."""
        return self._problem

    @property
    def closing(self) -> bool:
        """Whether it takes nothing more."""
        return self._mailbox.closed

    def hurry(self) -> None:
        """Write what is there now rather than with what follows."""
        self._mailbox.hurry()

    def when_changed(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called, from the recorder's thread, whenever something was written or `problem` changed.

        Returns what takes that back.
        """
        key = object()
        with self._lock:
            self._watching[key] = wake

        def forget() -> None:
            with self._lock:
                self._watching.pop(key, None)

        return forget

    def close(self) -> Future[None]:
        """Write the rest and end; returns `closed`."""
        self._mailbox.close()
        self._closing.set()
        return self.closed

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):  # it was logged
            self.close().result()

    def __repr__(self) -> str:
        state = "closed" if self.closed.done() else self._problem or f"{self.behind} to be written"
        return f"<Recorder in {self.store.folder}, {state}>"

    # ------------------------------------------------------------ for its decision runs

    def claims(self, run: str, tap: Tap) -> bool:
        """Whether this subscription is the one that records a run: the first that sees its start document."""
        with self._lock:
            return self._owners.setdefault(run, tap) is tap

    def leaves(self, run: str) -> None:
        """A run is complete."""
        with self._lock:
            self._owners.pop(run, None)

    # ------------------------------------------------------------ in its own thread

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            while self._serve():
                pass
        except BaseException as exc:
            error = exc
            log.error("the recorder ends: %s", exc)
        finally:
            self._mailbox.close()
            atexit.unregister(self._leave)
            if self._owned:
                try:
                    self.store.close()
                except OSError as exc:
                    error = error or exc
            if error is None:
                self.closed.set_result(None)
            else:
                self.closed.set_exception(error)
            self._changed()

    def _serve(self) -> bool:
        """Write what waits; False at the end."""
        items = self._mailbox.take(linger=LINGER)
        if items is None:
            return False
        documents: list[Document] = []
        for item in items:
            documents += self._documents_of(item)
        self._write(documents)
        self._written += len(items)
        self._changed()
        return True

    def _documents_of(self, item: _Item) -> Iterable[Document]:
        source, what = item
        if isinstance(source, str):
            return (item,)  # pyright: ignore[reportReturnType]
        try:
            match what:
                case _Begin():
                    composer = self._composers[source] = Composer(what.uid, what.time, what.about)
                    return (composer.start(),)
                case _End():
                    return (self._composers.pop(source).stop(what.exit_status, what.reason, what.time),)
                case _:
                    return self._composers[source].documents(what)  # pyright: ignore[reportArgumentType]
        except Exception:  # one that cannot be put on record must not take the others with it
            log.exception("a decision cannot be put on record: %r", what)
            return ()

    def _write(self, documents: list[Document]) -> None:
        """Write documents, however long it takes; once it is closed, for `GOODBYE` seconds."""
        delay, failing, said = FIRST_TRY, 0.0, 0.0
        while documents:
            try:
                self.store.write(documents)
                break
            except Exception as exc:  # also what no store should raise: nothing is lost while it is tried again
                del documents[: self.store.written]
                now = time.monotonic()
                failing, said = failing or now, said or -SAID_AGAIN
                words = f"{type(exc).__name__}: {exc}"
                self._problem = words
                self._changed()
                if now - said >= SAID_AGAIN:
                    said = now
                    log.warning("nothing can be written: %s; it is kept in memory and tried again", words)
                if self._closing.is_set() and now - failing > GOODBYE:
                    lost = len(documents) + len(self._mailbox)
                    raise StoreError(f"{lost} documents and decisions are not on record: {words}") from exc
                if self._closing.is_set():
                    time.sleep(FIRST_TRY)
                else:
                    self._closing.wait(delay)
                delay = min(2 * delay, LAST_TRY)
        if self._problem is not None:
            log.warning("documents are written again after %.1f s, nothing is missing", time.monotonic() - failing)
            self._problem = None

    def _changed(self) -> None:
        if self._watching:
            with self._lock:
                waiting = list(self._watching.values())
            for wake in waiting:
                wake()

    def _leave(self) -> None:
        """The interpreter ends: what was handed over is written first."""
        with suppress(Exception):
            self.close().result(2 * GOODBYE)


@dataclass(eq=False, slots=True)
class Tap:
    """One subscription: passes on the documents of those runs that no other records."""

    recorder: Recorder
    _mine: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Uid of each open run that it records -> the ids of what belongs to it."""
    _known: set[str] = field(default_factory=set[str])
    """Ids of the descriptors and resources of those."""

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document, in the order in which the engine emits them."""
        match name:
            case "event" | "event_page":
                if doc["descriptor"] in self._known:
                    self.recorder.hand(name, _kept(doc), hurry=True)
                return
            case "start":
                if not self.recorder.claims(doc["uid"], self):
                    return
                self._mine[doc["uid"]] = []
            case "stop":
                ids = self._mine.pop(doc["run_start"], None)
                if ids is None:
                    return
                self._known.difference_update(ids)
                self.recorder.leaves(doc["run_start"])
            case "descriptor" | "resource" | "stream_resource":
                # Resources of older devices do not say whose they are.
                run = doc["run_start"] if "run_start" in doc else next(reversed(self._mine), "")
                ids = self._mine.get(run)
                if ids is None:
                    return
                if doc["uid"] not in self._known:
                    ids.append(doc["uid"])
                    self._known.add(doc["uid"])
            case _:  # datum, datum_page, stream_datum
                if doc.get("resource", doc.get("stream_resource")) not in self._known:
                    return
        self.recorder.hand(name, doc, hurry=name not in UNHURRIED)


class DecisionRun:
    """What recommenders, watchdogs and people decide in one launch, as a run of its own.

    It is a `skysteer.model.DecisionListener`, and (`document`) a callback for
    the documents of the measurement, which it links to. From any thread; it
    only hands over.
    """

    def __init__(self, recorder: Recorder, launch: str | None) -> None:
        self.uid = str(uuid4())
        """Of the run."""
        self.late = 0
        """Decisions that came after its end: they are not on record."""
        self.closed_as: tuple[str, str] | None = None
        """Exit status and reason of the newest measurement run that was closed."""
        self._recorder = recorder
        self._launch = launch
        self._tap = Tap(recorder)
        self._noted: dict[str, int] = {}
        self._quiet: Callable[[], object] | None = None
        self._ended = False

    def __call__(self, decision: Decision) -> None:
        """Put a decision on record."""
        if self._ended or not self._recorder.hand(self, decision):
            self.late += 1
            log.warning("decision run %s has ended; this is not on record: %r", self.uid, decision)

    def document(self, name: str, doc: Mapping[str, Any]) -> None:
        """Record a document of a measurement, unless another subscription of the same recorder does."""
        match name:
            case "start":
                ours: Any = doc.get(METADATA_KEY)
                launch = cast("Mapping[str, Any]", ours).get("launch") if isinstance(ours, Mapping) else None
                if self._launch not in (None, launch):
                    return
                scan_id = doc.get("scan_id")
                self._noted[doc["uid"]] = scan_id if isinstance(scan_id, int) else -1
                self._tap.take(name, doc)
                self._note(RunNoted(doc["uid"], "opened", self._noted[doc["uid"]], time=doc["time"]))
            case "stop" if doc["run_start"] in self._noted:
                number = self._noted.pop(doc["run_start"])
                self._tap.take(name, doc)
                status, reason = doc["exit_status"], doc.get("reason", "")
                self.closed_as = status, reason
                points = doc.get("num_events", {}).get("primary", 0)
                self._note(RunNoted(doc["run_start"], "closed", number, status, reason, points, doc["time"]))
                if self._quiet is not None and not self._noted:
                    self._quiet()
            case _:
                self._tap.take(name, doc)

    def when_quiet(self, call: Callable[[], object]) -> None:
        """Have something called once when none of its measurement runs is open: now, or by the last stop document."""
        if self._noted:
            self._quiet = call
        else:
            call()

    @property
    def open_runs(self) -> int:
        """How many of its measurement runs are still open."""
        return len(self._noted)

    def end(self, exit_status: str, reason: str) -> None:
        """Close the run. Again does nothing."""
        if not self._ended:
            self._ended = True
            self._recorder.hand(self, _End(exit_status, reason, time.time()), hurry=True)

    def _note(self, note: RunNoted) -> None:
        if not self._ended:
            self._recorder.hand(self, note)


def _kept(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event whose arrays nobody else changes any more."""
    data: Mapping[str, Any] = doc["data"]
    for value in data.values():
        if isinstance(value, np.ndarray):
            return {**doc, "data": {key: each.copy() if isinstance(each, np.ndarray) else each
                                    for key, each in data.items()}}  # fmt: skip
    return doc
