"""Adapters: callables for ``RE.subscribe`` that turn documents into observations.

They run on the engine's loop thread, so they only look values up and hand
them over. An adapter does not know who listens.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import numpy as np
from event_model import unpack_event_page  # pyright: ignore[reportUnknownVariableType]
from numpy.typing import NDArray

from skysteer.model import METADATA_KEY, SUGGESTION_ID, Observation

from ._fields import Fields

log = logging.getLogger(__name__)

Listener = Callable[[Observation], object]
"""Takes an observation without waiting; called on the engine's loop thread."""
Document = Mapping[str, Any]


@dataclass(slots=True)
class _Stream:
    name: str
    run: str
    external: frozenset[str]


@dataclass(slots=True)
class _Run:
    start: Document
    streams: set[str] = field(default_factory=set[str])
    events: dict[str, dict[int, Document]] = field(default_factory=dict[str, dict[int, Document]])
    """Stream name to number of the event to its data; a replayed event takes the place of the first."""
    last: Document | None = None


class _Adapter(ABC):
    """What both moments share: which run and stream an event belongs to, and the check of descriptors."""

    def __init__(self, fields: Fields, listener: Listener, *, launch: str | None = None) -> None:
        self._fields = fields
        self._listener = listener
        self._launch = launch
        self._runs: dict[str, _Run] = {}
        self._streams: dict[str, _Stream] = {}

    def __call__(self, name: str, doc: Document) -> None:
        """Take one document, in the order in which the engine emits them."""
        match name:
            case "start":
                if self._launch is None or _ours(doc).get("launch") == self._launch:
                    self._runs[doc["uid"]] = _Run(doc)
            case "descriptor":
                self._descriptor(doc)
            case "event":
                self._event(doc)
            case "event_page":
                if doc["descriptor"] in self._streams:
                    for event in unpack_event_page(doc):  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
                        self._event(event)  # pyright: ignore[reportUnknownArgumentType]
            case "stop":
                run = self._runs.pop(doc["run_start"], None)
                if run is not None:
                    self._streams = {uid: s for uid, s in self._streams.items() if s.run != doc["run_start"]}
                    self._stop(run, doc)
            case _:
                pass  # resource, datum, stream_resource, stream_datum: what they point to is in files

    def _descriptor(self, doc: Document) -> None:
        run = self._runs.get(doc["run_start"])
        if run is None:
            return
        name = doc.get("name", "primary")
        run.streams.add(name)
        listened = name == self._fields.stream
        if listened:
            self._fields.check(doc)
        if listened or self._wants(name):
            self._streams[doc["uid"]] = _Stream(name, doc["run_start"], self._fields.external(doc))

    def _event(self, doc: Document) -> None:
        stream = self._streams.get(doc["descriptor"])
        if stream is not None:
            self._measured(self._runs[stream.run], stream, doc)

    def _wants(self, stream: str) -> bool:
        return False

    @abstractmethod
    def _measured(self, run: _Run, stream: _Stream, event: Document) -> None: ...

    def _stop(self, run: _Run, doc: Document) -> None:  # noqa: B027 (nothing to do is fine)
        pass

    def _observe(self, run: _Run, event: Document, data: Mapping[str, Any], suggestion: str | None) -> None:
        values = event["data"]
        self._listener(
            Observation(
                run=run.start["uid"],
                stream=self._fields.stream,
                seq_num=event["seq_num"],
                time=event["time"],
                axes={name: _word(values[key]) for name, key in self._fields.axes.items()},
                objectives={name: _word(values[key]) for name, key in self._fields.objectives.items()},
                data=data,
                suggestion=suggestion,
            )
        )


class PerEvent(_Adapter):
    """One observation for each event of the stream.

    Parameters
    ----------
    fields
        Which values, and from which stream.
    listener
        Called with every observation, on the engine's loop thread: it must only hand over.
    launch
        Listen only to runs whose start document carries this launch
        (``start["skysteer"]["launch"]``); ``None`` listens to all.
    """

    def _measured(self, run: _Run, stream: _Stream, event: Document) -> None:
        data: Mapping[str, Any] = event["data"]
        inside = (
            {key: value for key, value in data.items() if key not in stream.external} if self._fields.reduced else {}
        )
        self._observe(run, event, inside, data.get(SUGGESTION_ID))


class PerRun(_Adapter):
    """One observation for each run that ends with success.

    Axes and objectives are those of the last event of the stream. A ``reduce``
    is handed every event of every stream: stream name to data key to array of
    shape (number of events, ...).

    Parameters
    ----------
    fields, listener, launch
        As for `PerEvent`.

    Notes
    -----
    A run without an event in the stream is not an observation; a warning is
    logged, and the `Advisor` refuses to guess on when it is asked again.
    """

    def _wants(self, stream: str) -> bool:
        return self._fields.reduced

    def _measured(self, run: _Run, stream: _Stream, event: Document) -> None:
        if stream.name == self._fields.stream:
            run.last = event
        if self._fields.reduced:
            inside = {key: value for key, value in event["data"].items() if key not in stream.external}
            run.events.setdefault(stream.name, {})[event["seq_num"]] = inside

    def _stop(self, run: _Run, doc: Document) -> None:
        if doc["exit_status"] != "success":
            return
        if run.last is None:
            streams = ", ".join(sorted(run.streams)) or "none"
            log.warning(
                "run %s ended without an event in stream %r (its streams: %s): nothing to tell",
                run.start["uid"], self._fields.stream, streams,
            )  # fmt: skip
            return
        arrays = {stream: _columns(list(events.values())) for stream, events in run.events.items()}
        self._observe(run, run.last, arrays, _ours(run.start).get("suggestion", {}).get("id"))


def _ours(start: Document) -> Document:
    """What skysteer wrote into a start document; in a run that is not ours, others may use the key."""
    ours = start.get(METADATA_KEY)
    return cast("Document", ours) if isinstance(ours, Mapping) else {}


def _word(value: Any) -> Any:
    """A member of an enumeration as what it stands for: that is what every record of it has."""
    return value.value if isinstance(value, Enum) else value


def _columns(events: Sequence[Document]) -> dict[str, NDArray[Any]]:
    """Data key to array of shape (number of events, ...). All events of a stream have the same keys."""
    return {key: _stacked([event[key] for event in events]) for key in events[0]}


def _stacked(values: list[Any]) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:  # arrays of different shapes: an array of them
        stacked = np.empty(len(values), dtype=object)
        for number, value in enumerate(values):
            stacked[number] = np.asarray(value)
        return stacked
