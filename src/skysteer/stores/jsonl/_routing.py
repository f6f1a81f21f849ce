"""Which of the open runs a document belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._counting import Counted
from ._entry import RunEntry, entry_of
from ._runfile import RunFile


class OpenRun:
    """A run whose stop document has not come."""

    def __init__(self, start: Mapping[str, Any], file: RunFile) -> None:
        self.file = file
        self.entry: RunEntry = entry_of(start, file.path)
        self.counted = Counted(self.entry.kind)
        self.homes: list[str] = []
        """Uids of its descriptors and resources."""


class Homes:
    """The open runs, and to which of them a document belongs."""

    def __init__(self) -> None:
        self.runs: dict[str, OpenRun] = {}
        """By the uid of their start documents, oldest first."""
        self._homes: dict[str, OpenRun] = {}

    def add(self, uid: str, run: OpenRun) -> None:
        """Note a run that began."""
        self.runs[uid] = run

    def remove(self, uid: str) -> OpenRun:
        """Forget a run that ended, and everything of it."""
        run = self.runs.pop(uid)
        for home in run.homes:
            self._homes.pop(home, None)
        return run

    def of(self, name: str, doc: Mapping[str, Any]) -> OpenRun | None:
        """Return the run of a document that is no start document; ``None`` if its start was never seen."""
        match name:
            case "event" | "event_page":
                return self._homes.get(doc["descriptor"])
            case "stop":
                return self.runs.get(doc["run_start"])
            case "descriptor" | "resource" | "stream_resource":
                if "run_start" in doc:
                    run = self.runs.get(doc["run_start"])
                else:  # resources of older devices do not say whose they are
                    run = next(reversed(self.runs.values()), None)
                if run is not None and doc["uid"] not in self._homes:
                    self._homes[doc["uid"]] = run
                    run.homes.append(doc["uid"])
                return run
            case "stream_datum":
                return self._homes.get(doc["descriptor"]) or self._homes.get(doc["stream_resource"])
            case "datum" | "datum_page" | "bulk_datum":
                # A device that is staged over several runs says its resource in the first of them only.
                return self._homes.get(doc["resource"]) or next(reversed(self.runs.values()), None)
            case "bulk_events":
                return next((self._homes[uid] for uid in doc if uid in self._homes), None)
            case _:
                return None
