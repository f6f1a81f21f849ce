"""One subscription to the documents of an engine, and which of them it passes on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Resources that are known although their runs are over: a device that is staged over several runs says its resource
in the first of them only."""
UNHURRIED = frozenset({"start", "descriptor", "resource", "datum", "datum_page", "stream_resource"})
"""Documents that an event or a stop document follows."""


class Office(Protocol):
    """Where documents are handed in: the recorder."""

    def claims(self, run: str, tap: Tap) -> bool:
        """Whether this subscription is the one that records a run."""
        ...

    def leaves(self, run: str) -> None:
        """A run is complete."""
        ...

    def hand(self, source: Any, what: Any, *, hurry: bool = False) -> bool:
        """Take a document: its name and its content."""
        ...


@dataclass(eq=False, slots=True)
class Tap:
    """One subscription: passes on the documents of those runs that no other records."""

    recorder: Office
    _mine: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Uid of each open run that it records -> the ids of what belongs to it."""
    _known: set[str] = field(default_factory=set[str])
    """Ids of the descriptors and resources of those."""
    _past: deque[str] = field(default_factory=lambda: deque[str](maxlen=REMEMBERED))
    _said: bool = False

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document, in the order in which the engine emits them."""
        match name:
            case "event" | "event_page":
                if doc["descriptor"] in self._known:
                    self._pass_on(name, _kept(doc), hurry=True)
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
                    if name != "descriptor":
                        self._past.append(doc["uid"])
            case _:  # datum, datum_page, stream_datum
                resource = doc.get("resource", doc.get("stream_resource"))
                if resource not in self._known and resource not in self._past:
                    return
        self._pass_on(name, doc, hurry=name not in UNHURRIED)

    def _pass_on(self, name: str, doc: Mapping[str, Any], *, hurry: bool) -> None:
        if not self.recorder.hand(name, doc, hurry=hurry) and not self._said:
            self._said = True
            log.warning("%r is closed: this %s and what follows it is not on record; said once", self.recorder, name)


def _kept(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event whose arrays nobody else changes any more."""
    data: Mapping[str, Any] = doc["data"]
    for value in data.values():
        if isinstance(value, np.ndarray):
            return {**doc, "data": {key: each.copy() if isinstance(each, np.ndarray) else each
                                    for key, each in data.items()}}  # fmt: skip
    return doc
