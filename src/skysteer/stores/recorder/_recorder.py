"""Writes documents and decisions to a store from a thread of its own, so that whoever has them never waits."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from skysteer.errors import StoreError
from skysteer.handoff import Mailbox
from skysteer.stores.jsonl import JSONLines

from ._about import plain
from ._columns import Note
from ._composer import Composer, Document
from ._decision_run import Begin, DecisionRun, End
from ._tap import Tap

log = logging.getLogger(__name__)

LINGER = 0.05
"""Seconds that a decision may wait for the event that follows it: both are written at one wake-up."""
FIRST_TRY, LAST_TRY = 0.2, 5.0
"""Seconds between two tries to write, at first and at the most."""
SAID_AGAIN = 60.0
"""Seconds between two warnings of a store that cannot write."""
GOODBYE = 5.0
"""Seconds for which a recorder that was closed goes on trying to write what it has."""

_open: WeakValueDictionary[Path, Recorder] = WeakValueDictionary()
_Item = tuple[str, Mapping[str, Any]] | tuple[DecisionRun, Note | Begin | End]


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
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="skysteer-recorder", daemon=True)
        atexit.register(self._leave)
        _open[self.store.folder.resolve()] = self
        self._thread.start()

    @staticmethod
    def at(folder: Path) -> Recorder | None:
        """The newest recorder of this process that writes to a folder and is not closed, or ``None``."""
        found = _open.get(folder.resolve())
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
        self.hand(run, Begin(run.uid, time.time(), plain(about)))
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
                    log.error("what was written last may not be on the disk: %s", exc)
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
                case Begin():
                    composer = self._composers[source] = Composer(what.uid, what.time, what.about)
                    return (composer.start(),)
                case End():
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
        if os.getpid() != self._process:  # forked: its thread is in the other process, and writes there
            return
        # Of what failed its thread has said why.
        if not wait([self.close()], 2 * GOODBYE).done:
            log.error("%d documents and decisions are not on record: the program ends before that", self.behind)
