"""One document as one line of strict JSON, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

import orjson

from ._exact import restored
from ._plain import Plain

logger = logging.getLogger(__name__)

# Without PASSTHROUGH and with a value of another kind, orjson raises, and the document takes the careful way.
_STRICT = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_APPEND_NEWLINE
)
_CAREFUL = _STRICT | orjson.OPT_SERIALIZE_NUMPY


def encode(name: str, doc: Mapping[str, Any]) -> bytes:
    r"""Return the line of a document, with the newline that ends it. Raises for no document.

    >>> encode("stop", {"num_events": {"primary": 3}})
    b'{"name":"stop","doc":{"num_events":{"primary":3}}}\n'
    >>> encode("event", {"data": {"det": float("nan")}})
    b'{"name":"event","doc":{"data":{"det":null}},"exact":{"/data/det":"nan"}}\n'
    """
    try:
        line = orjson.dumps({"name": name, "doc": doc}, option=_STRICT)
    except TypeError:  # orjson.JSONEncodeError
        pass
    else:
        # orjson writes null for NaN and for infinity, as for None: look which it was. The text "null" is none.
        if b":null" not in line and b",null" not in line and b"[null" not in line:
            return line
    plain = Plain()
    written = {"name": name, "doc": plain.of(doc)}
    if plain.marks:
        written["exact"] = plain.marks
    try:
        return orjson.dumps(written, option=_CAREFUL)
    except TypeError as exc:  # never seen; a scan must not stop for it, and what it was is kept as text
        logger.exception("a document %r cannot be written as JSON; its repr is kept instead", name)
        lost = {"uid": str(doc.get("uid", "")), "not_written": repr(doc), "because": str(exc)}
        return orjson.dumps({"name": name, "doc": lost, "exact": {"": {"repr": type(doc).__name__}}}, option=_STRICT)


def decode(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return name and document of a line, exactly as they were given to `encode`.

    Raises
    ------
    ValueError
        If it is no line of a document.
    """
    written: Any = orjson.loads(line)
    if not isinstance(written, dict):
        raise ValueError("it is JSON, and not of a document")
    whole = cast("dict[str, Any]", written)
    name, doc = whole.get("name"), whole.get("doc")
    if not isinstance(name, str) or not isinstance(doc, dict):
        raise ValueError("it has no name and document")
    exact: Mapping[str, Any] | None = whole.get("exact")
    return name, restored(doc, exact) if exact else cast("dict[str, Any]", doc)
