"""One run on its way into Tiled: documents of its file, in order, through TiledWriter."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import httpx
import numpy as np
from bluesky_tiled_plugins import TiledWriter
from bluesky_tiled_plugins.writing.tiled_writer import RunNormalizer
from event_model import DocumentNames

from ._columns import WIDER, Misfit, fitted
from ._mirror import Root
from ._nodes import Differs
from ._untyped import pa, pack_event_page, unpack_event_page

__all__ = ["RunUpload"]

logger = logging.getLogger(__name__)

RESERVED = {"time", "seq_num"}
FLOATS = "floats"
"""Of an array that was declared as one of integers."""
SMALL = 16
"""Elements up to which an array is kept in the table, as a list."""
SERVER_ERROR = 500


class _Column(NamedTuple):
    """How values of a data key are kept at the server."""

    kind: str
    integers: bool = False
    alone: bool = False


class _Normalizer(RunNormalizer):
    """What TiledWriter puts before its writer, with a short way for events of which nothing lies in files.

    Three quarters of the time of its `event` are a deep copy and a check against
    the schema, of documents that the engine made and event-model has checked.
    """

    def event_page(self, doc: Any) -> None:
        """Pass events on."""
        if self._ext_keys or RESERVED & doc["data"].keys():
            super().event_page(doc)
        else:
            cast(Any, self.dispatcher).process(DocumentNames.event_page, doc)


class RunUpload:
    """Feeds the documents of one run to a TiledWriter of its own, and sends them when told.

    Parameters
    ----------
    client
        Container of the server in which the runs are.
    wide
        dtype of the columns that must be wider than declared, by stream and data key.
    """

    def __init__(self, client: Any, wide: Mapping[tuple[str, str], str]) -> None:
        self._root = Root(client)
        # With a batch of one it hands on every event at once; the mirror gathers them.
        self._writer = TiledWriter(cast("Any", self._root), batch_size=1, max_array_size=SMALL, normalizer=_Normalizer)
        self._wide = dict(wide)
        self._streams: dict[str, tuple[str, dict[str, _Column]]] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._events: dict[tuple[str, ...], list[Any]] = {}
        self._with_files: set[str] = set()
        self._unread: set[str] = set()
        self.events = 0
        """Events that were fed."""

    def feed(self, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Take documents, in order. Nothing but nodes of runs, streams and files is sent before `flush`."""
        for name, doc in documents:
            if name == "event":
                self._event(doc)
            elif name == "event_page":
                for event in unpack_event_page(doc):
                    self._event(event)
            elif name == "stream_datum":
                self._stream_datum(doc)
            elif name == "descriptor":
                self._hand_over()
                self._descriptor(doc)
            elif name == "stop":
                self._hand_over()
                self._writer(name, doc)
            elif name in {"stream_resource", "resource", "datum", "datum_page"}:
                self._pass_on(name, doc)
            else:
                self._writer(name, doc)

    def flush(self) -> None:
        """Send what waits."""
        self._hand_over()
        if self._root.run is not None:
            self._root.run.flush()

    def doubt(self) -> None:
        """Count the rows at the server before the run is closed there: a request may have come through late."""
        if self._root.run is not None:
            self._root.run.certain = False

    def check(self) -> None:
        """Raise `Differs` where the server has more than the file, all of which was fed."""
        if self._root.run is not None:
            for stream in self._root.run.streams.values():
                stream.check(whole=False)

    def _descriptor(self, doc: dict[str, Any]) -> None:
        stream = doc["name"]
        columns: dict[str, _Column] = {}
        for key, about in doc["data_keys"].items():
            if about.get("shape") and None in about["shape"]:
                # A list of any length; as an array of its own it would need an optional package here and there.
                about["shape"] = [0 if length is None else length for length in about["shape"]]
            kind = self._wide.get((stream, key), about["dtype"])
            if kind == FLOATS:
                about["dtype_numpy"] = "<f8"
            elif kind != about["dtype"]:
                about["dtype"], about["shape"] = kind, []
                about.pop("dtype_numpy", None)
            columns[key] = _Column(about["dtype"], _are_integers(about), _is_alone(about))
        self._with_files |= {doc["uid"]} if any("external" in about for about in doc["data_keys"].values()) else set()
        self._streams[doc["uid"]] = stream, columns
        self._writer("descriptor", doc)
        run = self._root.run
        if run is not None and stream in run.streams:
            for name, held in run.streams[stream].kinds():
                # The server has what an earlier try found out.
                kind = columns[name].kind if name in columns else "string"
                if kind in {"integer", "boolean"} and pa.types.is_floating(held):
                    columns[name] = _Column("number")
                elif kind != "string" and pa.types.is_string(held):
                    columns[name] = _Column("string")

    def _event(self, doc: dict[str, Any]) -> None:
        stream, columns = self._streams[doc["descriptor"]]
        filled: Mapping[str, Any] = doc.get("filled") or {}
        data: dict[str, Any] = {}
        for key, value in doc["data"].items():
            if filled.get(key, True) is not True or key not in columns:
                data[key] = value
                continue
            kind, integers, alone = columns[key]
            try:
                data[key] = fitted(value, kind, integers=integers, alone=alone)
            except (ValueError, TypeError):
                wider = FLOATS if integers and _is_numeric(value) else WIDER[kind]
                raise Misfit(stream, key, wider) from None
        self.events += 1
        if doc["descriptor"] in self._with_files:
            self._pass_on("event", {**doc, "data": data})
        else:
            alike = (doc["descriptor"], *data, "", *doc["timestamps"])
            self._events.setdefault(alike, []).append({**doc, "data": data, "filled": {}})

    def _stream_datum(self, doc: dict[str, Any]) -> None:
        # One request for many: what follows the last one is joined to it.
        uid = doc["stream_resource"]
        last = self._files.get(uid)
        if last is not None:
            if last["descriptor"] == doc["descriptor"] and last["indices"]["stop"] == doc["indices"]["start"]:
                doc = {
                    **doc,
                    "indices": {"start": last["indices"]["start"], "stop": doc["indices"]["stop"]},
                    "seq_nums": {"start": last["seq_nums"]["start"], "stop": doc["seq_nums"]["stop"]},
                }
            else:
                self._pass_on("stream_datum", last)
        self._files[uid] = doc

    def _hand_over(self) -> None:
        # A page of events is taken in a third of the time of its events one by one.
        events, self._events = self._events, {}
        for same in events.values():
            self._writer("event_page", pack_event_page(*same))
        files, self._files = self._files, {}
        for doc in files.values():
            self._pass_on("stream_datum", doc)

    def _pass_on(self, name: str, doc: dict[str, Any]) -> None:
        """Give a document to the writer; what it or the server cannot do with a file does not stop the rest."""
        try:
            self._writer(name, doc)
        except (Differs, httpx.TransportError, KeyError):
            raise
        except Exception as exc:
            if isinstance(exc, httpx.HTTPStatusError) and _is_passing(exc.response.status_code):
                raise
            uid = doc.get("stream_resource") or doc.get("resource") or doc["uid"]
            if uid not in self._unread:
                self._unread.add(uid)
                logger.warning("a %s of the run is left out at the server, the file has it: %s", name, exc)


def _is_passing(status: int) -> bool:
    return status >= SERVER_ERROR or status in {401, 403, 404, 409, 429}


def _are_integers(about: Mapping[str, Any]) -> bool:
    if about["dtype"] != "array" or not isinstance(about.get("dtype_numpy"), str):
        return False
    return np.dtype(about["dtype_numpy"]).kind in "iu"


def _is_alone(about: Mapping[str, Any]) -> bool:
    # As TiledWriter decides it; where an array of its own is made, the elements may be of any kind.
    if about["dtype"] != "array" or "external" in about:
        return False
    texts = isinstance(about.get("dtype_numpy"), str) and np.dtype(about["dtype_numpy"]).kind in "USO"
    return texts or math.prod(about.get("shape") or ()) > SMALL


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fiub"
