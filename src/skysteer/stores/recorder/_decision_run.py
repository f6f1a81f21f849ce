"""What is decided in one launch, handed to a recorder; and the documents of the measurement that it belongs to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from skysteer.model import METADATA_KEY, Decision

from ._columns import RunNoted
from ._tap import Office, Tap

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begin:
    """A decision run begins."""

    uid: str
    time: float
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """It ends."""

    exit_status: str
    reason: str
    time: float


class DecisionRun:
    """What recommenders, watchdogs and people decide in one launch, as a run of its own.

    It is a `skysteer.model.DecisionListener`, and (`document`) a callback for
    the documents of the measurement, which it links to. From any thread; it
    only hands over.
    """

    def __init__(self, recorder: Office, launch: str | None) -> None:
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
            self._recorder.hand(self, End(exit_status, reason, time.time()), hurry=True)

    def _note(self, note: RunNoted) -> None:
        if not self._ended:
            self._recorder.hand(self, note)
