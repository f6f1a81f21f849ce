"""Makes the documents of a decision run, by event-model: one event a decision, a suggestion each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from event_model import ComposeEvent, compose_run  # pyright: ignore[reportUnknownVariableType]

from skysteer.model import (
    Asked,
    Checkpointed,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Told,
    suggested,
)

from ._columns import (
    COLUMNS,
    SECONDS,
    SOURCES,
    STREAMS,
    TOLD,
    Kind,
    Note,
    RunNoted,
    filled,
    identity,
    kind_of,
    scalar,
    text,
)

Document = tuple[str, Mapping[str, Any]]
"""Name and content, as the engine emits them."""
PLAN_NAME = "decisions"
"""``plan_name`` of every decision run."""
UNNAMEABLE = frozenset("./")
"""Letters that no data key may have; what a ``reduce`` returns may, such as ``"I/I0"``."""


@dataclass(slots=True)
class _Stream:
    """One stream of a decision run: its columns are settled by its first event."""

    compose: ComposeEvent
    uids: str
    """What the uid of every event of it begins with."""
    values: Mapping[str, Kind]
    """Columns of axes and objectives, under their names in the documents."""
    count: int = 0


@dataclass(slots=True)
class Composer:
    """Makes the documents of one decision run, in order; used by one thread.

    Parameters
    ----------
    uid, time
        Of the run; the time in seconds since the epoch.
    about
        What goes under ``"skysteer"`` in its start document.
    """

    uid: str
    time: float
    about: Mapping[str, Any]
    _run: Any = field(init=False)
    _streams: dict[str, _Stream] = field(init=False, default_factory=dict[str, _Stream])
    _units: dict[str, str] = field(init=False, default_factory=dict[str, str])
    _kinds: dict[str, Kind] = field(init=False, default_factory=dict[str, Kind])

    def __post_init__(self) -> None:
        metadata = {"plan_name": PLAN_NAME, "skysteer": {"kind": "decisions", **self.about}}
        self._run = compose_run(uid=self.uid, time=self.time, metadata=metadata)
        for axis in self.about.get("space", ()):
            self._units[axis["name"]] = axis.get("units") or ""
            if any(isinstance(option, str) for option in axis.get("options", ())):
                self._kinds[axis["name"]] = "string"

    def start(self) -> Document:
        """The first document."""
        return "start", self._run.start_doc

    def stop(self, exit_status: str, reason: str, time: float) -> Document:
        """The last document."""
        return "stop", self._run.compose_stop(exit_status=exit_status, reason=reason, time=time)

    def documents(self, note: Note) -> Iterable[Document]:
        """The documents of a decision: an event (of several suggestions: several), and a descriptor before the first.

        The timestamp of all its data is the time of the decision.
        """
        return _ROWS[type(note)](self, note)

    # ------------------------------------------------------------ one for each kind

    def _plain(self, note: Any) -> list[Document]:
        """A note whose attributes are its columns."""
        name = STREAMS[type(note)]
        return self._event(name, note.time, {column: getattr(note, column) for column in COLUMNS[name]})

    def _told(self, told: Told) -> list[Document]:
        data = {
            "origin": told.origin,
            "number": told.number,
            "run": told.run,
            "stream": told.stream,
            "seq_num": told.seq_num,
            "measured": told.measured,
            "suggestion_id": told.suggestion or "",
            "recommender_id": text(identity(told.recommender_id)),
            "replay": told.replay,
        }
        values: dict[str, Any] = {TOLD + name: value for name, value in told.axes.items()}
        for name, value in told.objectives.items():
            values[TOLD + name] = value
        return self._event("told", told.time, data, values)

    def _asked(self, question: Asked) -> list[Document]:
        pending = [
            {
                "id": each.id,
                "point": each.point,
                "origin": each.origin,
                "recommender_id": identity(each.recommender_id),
            }
            for each in question.pending
        ]
        data = {
            "origin": question.origin,
            "question": question.question,
            "count": question.count,
            "known": question.known,
            "given_up": question.given_up,
            "pending": text(pending),
        }
        return self._event("questions", question.time, data)

    def _suggested(self, answer: Suggested) -> list[Document]:
        documents: list[Document] = []
        for part, suggestion in enumerate(answer.suggestions):
            data = {
                "origin": answer.origin,
                "question": answer.question,
                "part": part,
                "parts": len(answer.suggestions),
                "count": answer.count,
                "id": suggestion.id,
                "recommender_id": text(identity(suggestion.recommender_id)),
                "told": answer.told,
                "given_up": answer.given_up,
                "pending": text(answer.pending),
                "state": answer.state,
                "asked": answer.asked,
                "latency": answer.latency,
                "suggest_seconds": answer.suggest_seconds,
                "ingest_seconds": answer.ingest_seconds,
                "reason": answer.reasons[part] if answer.reasons else "",
            }
            values = {suggested(name): value for name, value in suggestion.point.items()}
            documents += self._event("suggestions", answer.time, data, values)
        return documents

    def _given_up(self, note: GivenUp) -> list[Document]:
        data = {
            "origin": note.origin,
            "suggestion_id": note.suggestion,
            "kind": note.kind,
            "reason": note.reason,
        }
        return self._event("given_up", note.time, data)

    def _verdict(self, note: Judged | Steered) -> list[Document]:
        name = STREAMS[type(note)]
        data = {column: getattr(note, column) for column in COLUMNS[name]}
        data["verdict"] = "" if note.verdict is None else note.verdict.value
        return self._event(name, note.time, data)

    # ------------------------------------------------------------ events and descriptors

    def _event(
        self, name: str, time: float, data: dict[str, Any], values: Mapping[str, Any] | None = None
    ) -> list[Document]:
        documents: list[Document] = []
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._begun(name, time, values or {}, documents)
        if name == "told":
            data["others"] = filled(data, stream.values, values or {})
        elif values is not None:
            data.update(values)
        stream.count += 1
        event = stream.compose(
            data, dict.fromkeys(data, time), uid=f"{stream.uids}{stream.count:012x}", time=time, validate=False
        )
        documents.append(("event", cast("Mapping[str, Any]", event)))
        return documents

    def _begun(self, name: str, time: float, values: Mapping[str, Any], documents: list[Document]) -> _Stream:
        """Settle the columns of a stream."""
        columns: dict[str, Kind] = {}
        units: dict[str, str] = {}
        for column, value in values.items():
            axis = column.removeprefix(TOLD).removeprefix(suggested(""))
            kind = self._kinds.get(axis) or kind_of(scalar(value))
            if kind is not None and not UNNAMEABLE.intersection(column):  # it is told among the others
                columns[column] = kind
                units[column] = self._units.get(axis, "")
        kinds: dict[str, Kind] = {**COLUMNS[name], **columns}
        if name == "told":
            kinds["others"] = "string"
        keys = {column: self._key(column, kind, name, units.get(column, "")) for column, kind in kinds.items()}
        bundle = self._run.compose_descriptor(name=name, data_keys=keys, time=time)
        documents.append(("descriptor", bundle.descriptor_doc))
        return _Stream(bundle.compose_event, bundle.descriptor_doc["uid"][:-12], columns)

    def _key(self, column: str, kind: Kind, stream: str, units: str) -> dict[str, Any]:
        key: dict[str, Any] = {
            "dtype": kind,
            "shape": [],
            "source": f"skysteer:{SOURCES.get(stream, 'recommender')}",
        }
        if column in SECONDS:
            units = "s"
        return {**key, "units": units} if units else key


_ROWS: Mapping[type[Any], Callable[[Composer, Any], list[Document]]] = {
    RunNoted: Composer._plain,  # pyright: ignore[reportPrivateUsage]
    Told: Composer._told,  # pyright: ignore[reportPrivateUsage]
    Asked: Composer._asked,  # pyright: ignore[reportPrivateUsage]
    Suggested: Composer._suggested,  # pyright: ignore[reportPrivateUsage]
    Refused: Composer._plain,  # pyright: ignore[reportPrivateUsage]
    GivenUp: Composer._given_up,  # pyright: ignore[reportPrivateUsage]
    Replaced: Composer._plain,  # pyright: ignore[reportPrivateUsage]
    Checkpointed: Composer._plain,  # pyright: ignore[reportPrivateUsage]
    Judged: Composer._verdict,  # pyright: ignore[reportPrivateUsage]
    Steered: Composer._verdict,  # pyright: ignore[reportPrivateUsage]
}
