"""Documents of a run without an engine: valid ones, composed by event-model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from event_model import (
    ComposeDescriptorBundle,
    ComposeStreamDatum,
    ComposeStreamResource,
    DataKey,
    StreamRange,
    compose_run,  # pyright: ignore[reportUnknownVariableType]
)

__all__ = ["RunBuilder", "external_key"]

Documents = list[tuple[str, dict[str, Any]]]
Key = str | Mapping[str, Any]

EPOCH = 1_700_000_000.0
"""Time of the first document, in seconds since the epoch; each later one is a second later."""


def external_key(dtype: str = "number", shape: Sequence[int] = (), **more: Any) -> dict[str, Any]:
    """Make the data key of values that are in a file and are announced by ``stream_datum`` documents."""
    return {"dtype": dtype, "shape": list(shape), "source": "file", "external": "STREAM:", **more}


class RunBuilder:
    """Composes the documents of one run, one after the other.

    Documents are validated against their schema, numbered and timed as an
    engine does it; the times are fixed (one second from one to the next), the
    uids random. ``start`` is made at once, a descriptor for each stream too.

    Parameters
    ----------
    streams
        Stream name to its data keys. A key is told by its dtype (``"number"``,
        ``"integer"``, ``"string"``, ``"boolean"``, ``"array"``) or as a whole
        data key; see `external_key` for data in files.
    start
        What the start document says beside uid and time.
    to
        Called with (name, document) for each document as soon as it is made,
        e.g. the adapter under test.

    Examples
    --------
    >>> run = RunBuilder({"primary": {"x": "number", "det": "number"}})
    >>> event = run.event(x=1.0, det=200.0)
    >>> event["seq_num"], event["data"]
    (1, {'x': 1.0, 'det': 200.0})
    >>> run.stop()["exit_status"]
    'success'
    >>> [name for name, document in run.documents]
    ['start', 'descriptor', 'event', 'stop']
    """

    def __init__(
        self,
        streams: Mapping[str, Mapping[str, Key]],
        start: Mapping[str, Any] | None = None,
        *,
        to: Callable[[str, dict[str, Any]], object] | None = None,
    ) -> None:
        self.documents: Documents = []
        """All documents so far, in order."""
        self.descriptors: dict[str, dict[str, Any]] = {}
        """Stream name to its latest descriptor."""
        self._to = to
        self._times = itertools.count()
        self._streams: dict[str, ComposeDescriptorBundle] = {}
        self._files: dict[str, tuple[str, ComposeStreamDatum]] = {}
        self._counters: dict[str, int] = {}
        self._run = compose_run(
            time=self._now(), metadata=dict(start) if start is not None else {}, event_counters=self._counters
        )
        self._emit("start", self._run.start_doc)
        for name, keys in streams.items():
            self.descriptor(name, keys)

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return self._run.start_doc["uid"]

    def descriptor(self, stream: str, keys: Mapping[str, Key]) -> dict[str, Any]:
        """Make a descriptor: of a stream that begins late, or anew for one that is there already."""
        data_keys = {name: _data_key(name, key) for name, key in keys.items()}
        bundle = self._run.compose_descriptor(
            name=stream,
            data_keys=data_keys,
            # each key is a device of its own, as it is for motors and simple detectors
            object_keys={name: [name] for name in keys},
            hints={name: {"fields": [name]} for name in keys},
            configuration={name: {"data": {}, "timestamps": {}, "data_keys": {}} for name in keys},
            time=self._now(),
        )
        self._streams[stream] = bundle
        self.descriptors[stream] = cast("dict[str, Any]", bundle.descriptor_doc)
        return self._emit("descriptor", bundle.descriptor_doc)

    def event(self, stream: str = "primary", /, **data: Any) -> dict[str, Any]:
        """Make an event with the next number of its stream. External values are left out."""
        now = self._now()
        event = self._bundle(stream).compose_event(data=data, timestamps=dict.fromkeys(data, now), time=now)
        return self._emit("event", event)

    def event_page(self, stream: str = "primary", /, **columns: Sequence[Any]) -> dict[str, Any]:
        """Make a page of events, one for each row of the columns."""
        bundle = self._bundle(stream)
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"a page needs columns of one length, found {lengths}")
        times = [self._now() for _ in range(next(iter(lengths.values())))]
        page = bundle.compose_event_page(
            data={name: list(column) for name, column in columns.items()},
            timestamps=dict.fromkeys(columns, times),
            time=times,
        )
        return self._emit("event_page", page)

    def replay(self, event: Mapping[str, Any], **data: Any) -> dict[str, Any]:
        """Make an event again, as after a pause: the same number, a new uid.

        Parameters
        ----------
        event
            What `event` returned.
        **data
            Values that came out differently the second time.
        """
        stream = next(name for name, made in self.descriptors.items() if made["uid"] == event["descriptor"])
        last, now = self._counters[stream], self._now()
        values = {**event["data"], **data}
        again = self._bundle(stream).compose_event(
            data=values, timestamps=dict.fromkeys(values, now), seq_num=event["seq_num"], time=now
        )
        self._counters[stream] = last
        return self._emit("event", again)

    def file(
        self, key: str, uri: str, mimetype: str = "application/x-hdf5", parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make the ``stream_resource`` of an external key; `frames` then says what is in it."""
        stream = next((name for name, made in self.descriptors.items() if key in made["data_keys"]), None)
        if stream is None or self.descriptors[stream]["data_keys"][key].get("external") != "STREAM:":
            raise ValueError(f"{key!r} is not an external key of any stream; see external_key()")
        bundle = ComposeStreamResource(start=self._run.start_doc)(
            mimetype=mimetype, uri=uri, data_key=key, parameters=dict(parameters) if parameters is not None else {}
        )
        self._files[key] = stream, bundle.compose_stream_datum
        return self._emit("stream_resource", bundle.stream_resource_doc)

    def frames(self, key: str, first: int, end: int) -> dict[str, Any]:
        """Make a ``stream_datum``: frames [first, end) of the key's file are the events first + 1 to end."""
        if key not in self._files:
            raise ValueError(f"no file yet for {key!r}: call file({key!r}, uri) first")
        stream, compose = self._files[key]
        datum = compose(
            indices=StreamRange(start=first, stop=end),
            seq_nums=StreamRange(start=first + 1, stop=end + 1),
            descriptor=self._bundle(stream).descriptor_doc,
        )
        return self._emit("stream_datum", datum)

    def stop(self, status: Literal["success", "abort", "fail"] = "success", reason: str = "") -> dict[str, Any]:
        """End the run."""
        return self._emit("stop", self._run.compose_stop(exit_status=status, reason=reason, time=self._now()))

    def _bundle(self, stream: str) -> ComposeDescriptorBundle:
        if stream not in self._streams:
            raise ValueError(f"no stream {stream!r}; this run has {', '.join(self._streams) or 'none'}")
        return self._streams[stream]

    def _now(self) -> float:
        return EPOCH + next(self._times)

    def _emit(self, name: str, document: Any) -> dict[str, Any]:
        self.documents.append((name, document))
        if self._to is not None:
            self._to(name, document)
        return document


def _data_key(name: str, key: Key) -> DataKey:
    if not isinstance(key, str):
        return cast("DataKey", {"object_name": name, **key})
    return cast("DataKey", {"dtype": key, "shape": [], "source": "testing", "object_name": name})
