"""Counts the points of a run: from its documents as they pass, or from its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ._entry import RunEntry, RunKind
from ._reading import backwards, lines_from

_HEAD = 1 << 18
"""Bytes within which the descriptors of a run usually are."""


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


def points_in(path: Path, kind: RunKind) -> int:
    """Return `RunEntry.num_points` of a file: its descriptors are near its head, its last event near its end."""
    counted = Counted(kind)
    for name, doc, offset in lines_from(path):
        counted.note(name, doc)
        if offset > _HEAD and counted.streams:
            break
    else:
        return counted.num_points
    for name, doc in backwards(path):
        before = counted.num_points
        counted.note(name, doc)
        if counted.num_points > before:
            break
    return counted.num_points


def measurements_named(entry: RunEntry) -> Iterator[str]:
    """Yield the measurements that a decision run names and that do not name it: those of `watch`."""
    if entry.flow == "watch":
        counted = Counted(entry.kind)
        for name, doc, _ in lines_from(entry.path):
            run = counted.note(name, doc)
            if run is not None:
                yield run
