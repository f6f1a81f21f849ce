"""Which run a document belongs to, and what the index is to know of an open run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._entry import RunEntry, RunKind, entry_of
from ._runfile import RunFile


class Counted:
    """What the documents of a run say that the index is to know, noted as they pass.

    Parameters
    ----------
    kind
        Whether it is a decision run.
    """

    def __init__(self, kind: RunKind) -> None:
        self.num_points = 0
        """As `RunEntry.num_points`."""
        self.streams: dict[str, str] = {}
        """Uid of a descriptor to the name of its stream, for the streams that count."""
        self._counting = ("told", "runs") if kind == "decisions" else ("primary",)

    def note(self, name: str, doc: Mapping[str, Any]) -> str | None:
        """Learn from a document; return the uid of a measurement that a decision run says was opened.

        The same document may come again, after a write that failed.
        """
        if name == "event":
            stream = self.streams.get(doc["descriptor"])
            if stream is not None:
                return self._note_event(stream, doc)
        elif name == "descriptor":
            if doc.get("name") in self._counting:
                self.streams[doc["uid"]] = doc["name"]
        elif name == "event_page" and self.streams.get(doc["descriptor"]) == "primary":
            self.num_points = max(self.num_points, *doc["seq_num"], 0)
        elif name == "stream_datum" and self.streams.get(doc["descriptor"]) == "primary":
            self.num_points = max(self.num_points, doc["seq_nums"]["stop"] - 1)
        return None

    def _note_event(self, stream: str, event: Mapping[str, Any]) -> str | None:
        if stream == "primary":
            self.num_points = max(self.num_points, event["seq_num"])
            return None
        data = event["data"]
        if stream == "runs":
            return data["run"] if data.get("moment") == "opened" else None
        number = data.get("number")
        if data.get("origin") == "recommender" and isinstance(number, int):
            self.num_points = max(self.num_points, number + (not data.get("replay")))
        return None


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
                return self._homes.get(doc["resource"])
            case "bulk_events":
                return next((self._homes[uid] for uid in doc if uid in self._homes), None)
            case _:
                return None


def name_of_file(start: Mapping[str, Any], began: str) -> Path:
    """Return the name of the file of a run.

    Parameters
    ----------
    start
        The start document.
    began
        When, as in ``"2026-11-21T06-03-11"``.
    """
    short = "".join(letter for letter in str(start["uid"])[:8] if letter.isascii() and letter.isalnum()) or "run"
    own = start.get("skysteer")
    decisions = isinstance(own, Mapping) and own.get("kind") == "decisions"  # pyright: ignore[reportUnknownMemberType]
    return Path(f"{began}-{short}{'.decisions' if decisions else ''}.jsonl")
