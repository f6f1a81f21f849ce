"""The loop that sends a folder of runs to a Tiled server: what is complete, oldest first, each document once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skysteer.errors import RecordError

from ._catalog import Catalog, Trouble, trouble_of
from ._columns import Misfit
from ._following import RunFile, new_files
from ._nodes import Differs
from ._run import RunUpload
from ._sent import Sent

__all__ = ["Sender"]

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.25
"""Seconds between two looks at the sizes of the files."""
SEND_EVERY = 1.0
"""Seconds from one sending to the next while runs are measured: a request of many rows costs as one of a few."""
MUCH = 2**18
"""Bytes that are not made to wait."""
KEY_AGAIN = 5.0
"""Seconds until a key that was refused is tried again, the first time."""
TRIES = 3
"""How often a run is tried that the server will not take, before it is set aside until the next start."""
LAST_TRY = 10
"""How often, where the server answers each time that it fails or knows it not: some minutes; others go on meanwhile."""
SAMPLE = 20
"""Runs that are looked for, of the oldest and of the newest, to see whether the server was wiped."""
AT_A_TIME = 3
"""Runs that fail one after another before all of them wait."""

SAID = {
    Trouble.away: "cannot be reached",
    Trouble.key: "refuses the API key",
    Trouble.failing: "answers that it fails",
    Trouble.changed: "lost what was sent",
    Trouble.refused: "will not take it",
}


@dataclass(slots=True)
class _Sending:
    """A run on its way."""

    file: RunFile
    upload: RunUpload | None = None
    wide: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    failures: int = 0
    successes: int = 0
    """How many there were, of all runs, when it went well the last time, or began."""
    not_before: float = 0.0
    events: int = 0
    """Events that were counted for the status."""


class Sender:
    """Sends what is in a folder, and what comes into it.

    Parameters
    ----------
    folder
        Folder of the runs.
    url, key
        Of the server.
    report
        Called with what there is to say of it.
    pauses
        Seconds until it is tried again, the first time and after many.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        key: str | None,
        report: Callable[[dict[str, Any]], None],
        *,
        pauses: tuple[float, float],
    ) -> None:
        self._shortest, self._longest = pauses
        self._folder = folder
        self._url = url
        self._key = key
        self._report = report
        self._sent = Sent(folder, url)
        self._catalog: Catalog | None = None
        self._runs: dict[str, _Sending] = {}
        self._aside: dict[str, str] = {}
        self._looked = 0
        self._wake = threading.Event()
        self._asked: list[int] = []
        self._finish = False
        self._verify = True
        self._pause = 0.0
        self._problem = ""
        self._events = 0
        self._successes = 0

    def wake(self) -> None:
        """Look now, from any thread."""
        self._wake.set()

    def ask(self, token: int) -> None:
        """Report the token when everything that is in the folder now was sent; from any thread."""
        self._asked.append(token)
        self._wake.set()

    def finish(self) -> None:
        """Return from `run` when everything was sent; from any thread."""
        self._finish = True
        self._wake.set()

    def run(self) -> None:
        """Send, until told to finish."""
        while not self._sent.lock():
            self._say("waiting", "another process sends this folder to it")
            self._doze(2 * LOOK_EVERY)
        while True:
            self._wake.clear()  # first: who asks from here on wakes it again
            asked, finish = list(self._asked), self._finish
            try:
                settled = self._all()
            except Exception as exc:
                self._failed(exc)
                settled = False
            if settled:
                self._problem = ""
                self._say("idle")
                for token in asked:
                    self._asked.remove(token)
                    self._report({"sent_all": token})
                if finish:
                    return
                self._wake.wait(SEND_EVERY if self._runs else LOOK_EVERY)
            elif self._pause:
                self._say("waiting", self._problem)
                self._doze(self._pause)
            elif (failing := self._next()) > 0:
                self._doze(min(LOOK_EVERY, failing))
            elif not (self._asked or self._finish) and self._left() < MUCH:
                self._wake.wait(SEND_EVERY)

    def close(self) -> None:
        """Close the connection, and let another one send."""
        if self._catalog is not None:
            self._catalog.close()
        self._sent.close()

    def _all(self) -> bool:
        """Send what waits. True where nothing waits any more."""
        self._look()
        if not any(self._waits(sending) for sending in self._runs.values()) and not self._verify:
            return True
        if self._catalog is None:
            self._say("connecting", self._problem)
            self._catalog = Catalog(self._url, self._key)
            self._verify = True
        if self._verify:
            self._find_lost(self._catalog)
            self._verify = False
        failed = 0
        for name, sending in list(self._runs.items()):
            while name in self._runs and self._waits(sending) and time.monotonic() >= sending.not_before:
                trouble = self._send(self._catalog, name, sending)
                if trouble is None:
                    failed, self._pause, self._problem = 0, 0.0, ""
                    self._say("sending")
                    if sending.file.left() < MUCH:
                        break  # what came meanwhile: with what follows
                    continue
                failed += 1
                if trouble in {Trouble.away, Trouble.key} or failed >= AT_A_TIME:
                    self._longer(trouble)
                    return False
        self._look()
        return not any(self._waits(sending) for sending in self._runs.values())

    def _send(self, catalog: Catalog, name: str, sending: _Sending) -> Trouble | None:
        file = sending.file
        try:
            if sending.upload is None:
                file.rewind()
                sending.upload = RunUpload(catalog.client, sending.wide)
            sending.upload.feed(file.read())
            sending.upload.flush()
            if not self._waits(sending):
                sending.upload.check()
        except Misfit as misfit:
            logger.warning("%s: %s; what was sent is removed and sent again", name, misfit)
            sending.wide[misfit.stream, misfit.key] = misfit.kind
            return self._again(catalog, name, sending)
        except Differs as differs:
            logger.warning("%s: %s; it is removed there and sent again", name, differs)
            return self._again(catalog, name, sending)
        except RecordError as error:
            self._set_aside(name, str(error))
        except Exception as exc:
            return self._trouble(name, sending, exc)
        else:
            self._count(sending)
            sending.failures = 0
            self._successes += 1
            sending.successes = self._successes
            if file.whole:
                self._note(name, file.uid)
                del self._runs[name]
        return None

    def _again(self, catalog: Catalog, name: str, sending: _Sending) -> Trouble | None:
        sending.failures += 1
        if sending.failures > TRIES:
            self._set_aside(name, "what the server has of it differs from the file, again and again")
            return None
        try:
            catalog.remove(sending.file.uid)
        except Exception as exc:
            return self._trouble(name, sending, exc)
        self._drop(sending)
        return None

    def _trouble(self, name: str, sending: _Sending, exc: Exception) -> Trouble:
        trouble = trouble_of(exc)
        sending.failures += 1
        self._drop(sending)
        if trouble is Trouble.refused and sending.failures >= TRIES:
            self._set_aside(name, f"the server will not take it: {exc}")
            return trouble
        # A server that fails for every run may be full, and is waited for.
        alone = trouble is Trouble.changed or (trouble is Trouble.failing and self._successes > sending.successes)
        if alone and sending.failures >= LAST_TRY:
            self._set_aside(name, f"the server {SAID[trouble]}, again and again: {_words(exc)}")
            return trouble
        sending.not_before = time.monotonic() + min(self._shortest * 2.0 ** (sending.failures - 1), self._longest)
        self._said(trouble, exc)
        if trouble in {Trouble.away, Trouble.changed}:
            self._verify = True
            for other in self._runs.values():
                if other.upload is not None:
                    other.upload.doubt()
        return trouble

    def _failed(self, exc: Exception) -> None:
        """Take note of an error that is of no run: the server could not be reached, or not be understood."""
        trouble = trouble_of(exc)
        if isinstance(exc, OSError) and trouble is Trouble.refused:
            self._problem = f"the folder cannot be read: {exc}"
        else:
            self._said(trouble, exc)
        self._verify = True
        self._longer(trouble)

    def _said(self, trouble: Trouble, exc: Exception) -> None:
        said = f"{self._url} {SAID[trouble]}: {_words(exc)}"
        if not self._problem:
            logger.warning("%s; what is measured waits in its folder", said)
        self._problem = said

    def _longer(self, trouble: Trouble) -> None:
        least = KEY_AGAIN if trouble is Trouble.key else self._shortest
        self._pause = min(max(least, 2 * self._pause), max(least, self._longest))

    def _find_lost(self, catalog: Catalog) -> None:
        """Send again what the server once had and has not any more: it was wiped, or put back to an earlier day."""
        names = list(self._sent.runs)
        some = names[:SAMPLE] + names[SAMPLE:][-SAMPLE:]
        if not catalog.missing([self._sent.runs[name] for name in some]):
            return
        lost = catalog.missing(list(self._sent.runs.values()))
        logger.warning("%s has lost %d runs; they are sent again", self._url, len(lost))
        for name in names:
            if self._sent.runs[name] in lost:
                self._sent.forget(name)
        for sending in self._runs.values():
            self._drop(sending)
        self._looked = 0
        self._look()

    def _look(self) -> None:
        changed = self._folder.stat().st_mtime_ns
        # A file may be made in the same tick of the clock as the last one.
        if changed == self._looked and time.time_ns() - changed > 10**9:
            return
        known = self._sent.runs.keys() | self._aside.keys() | self._runs.keys()
        for file in new_files(self._folder, known):
            self._runs[file.path.name] = _Sending(file, successes=self._successes)
        self._looked = changed

    def _left(self) -> int:
        return sum(sending.file.left() for sending in self._runs.values())

    def _waits(self, sending: _Sending) -> bool:
        return sending.file.left() > 0

    def _drop(self, sending: _Sending) -> None:
        sending.upload = None
        sending.file.rewind()

    def _count(self, sending: _Sending) -> None:
        if sending.upload is not None:
            self._events += max(0, sending.upload.events - sending.events)
            sending.events = max(sending.events, sending.upload.events)

    def _note(self, name: str, run: str) -> None:
        try:
            self._sent.add(name, run)
        except OSError as exc:
            logger.warning("that %s was sent cannot be noted, so the server is asked the next time: %s", name, exc)

    def _set_aside(self, name: str, why: str) -> None:
        logger.error("%s is not sent, until the next start: %s", name, why)
        self._aside[name] = why
        del self._runs[name]

    def _next(self) -> float:
        now = time.monotonic()
        waiting = [sending.not_before - now for sending in self._runs.values() if self._waits(sending)]
        return max(0.0, min(waiting, default=LOOK_EVERY))

    def _doze(self, seconds: float) -> None:
        # What is asked meanwhile can wait: the server is away.
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not (self._finish and self._wake.is_set()):
            time.sleep(min(left, LOOK_EVERY))

    def _say(self, state: str, problem: str = "") -> None:
        waits = [sending.file.left() for sending in self._runs.values()]
        self._report(
            {
                "state": state,
                "problem": problem,
                "runs": len(self._sent.runs),
                "events": self._events,
                "waiting_runs": sum(left > 0 for left in waits),
                "waiting_bytes": sum(waits),
                "set_aside": self._aside,
            }
        )


def _words(exc: Exception) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__
