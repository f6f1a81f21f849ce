"""From the documents of a decision run back to the decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from skysteer.model import (
    METADATA_KEY,
    Asked,
    Checkpointed,
    Decision,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Suggestion,
    Told,
    Verdict,
)
from skysteer.stores.jsonl import restored

TOLD, SUGGESTED = "told_", "suggested_"
"""Begin the data keys of what was told, and of where to measure."""


@dataclass(frozen=True, slots=True)
class RunMoment:
    """A measured run was opened or closed."""

    run: str
    """Its uid."""
    moment: Literal["opened", "closed"]
    scan_id: int
    """-1 where it has none."""
    exit_status: str
    """Of its stop document; ``""`` when it is opened."""
    reason: str
    num_events: int
    """In its primary stream."""
    time: float
    """In seconds since the epoch."""


class Decoder:
    """Takes the documents of one decision run, in order.

    The suggestions of an answer are events of their own; they are put together again.
    """

    def __init__(self) -> None:
        self.about: Mapping[str, Any] = {}
        """What the start document says under ``"skysteer"``."""
        self.moments: list[RunMoment] = []
        self._streams: dict[str, Callable[[Mapping[str, Any], float], None]] = {}
        self._axes: frozenset[str] = frozenset()
        self._decisions: list[Decision] = []
        self._parts: dict[int, int] = {}
        """Where in the decisions an answer is -> how many suggestions it is to have."""
        self._newest: dict[tuple[str, int], int] = {}
        """Origin and question -> where in the decisions the answer is whose suggestions come now."""

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document."""
        if name == "event":
            stream = self._streams.get(doc["descriptor"])
            if stream is not None:
                stream(doc["data"], doc["time"])
        elif name == "descriptor":
            take = getattr(self, f"_{doc['name']}", None)
            if take is not None:  # a later version may have more streams
                self._streams[doc["uid"]] = take
        elif name == "start":
            self.about = doc.get(METADATA_KEY, {})
            self._axes = frozenset(axis["name"] for axis in self.about.get("space") or ())

    def decisions(self) -> tuple[tuple[Decision, ...], tuple[Suggested, ...]]:
        """All decisions in order, and the answers that are cut off, which are not among them."""
        cut = {
            place
            for place, parts in self._parts.items()
            if len(cast("Suggested", self._decisions[place]).suggestions) < parts
        }
        whole = tuple(each for place, each in enumerate(self._decisions) if place not in cut)
        return whole, tuple(cast("Suggested", self._decisions[place]) for place in sorted(cut))

    # ------------------------------------------------------------ one method a stream, of its name

    def _runs(self, data: Mapping[str, Any], time: float) -> None:
        self.moments.append(
            RunMoment(
                data["run"], data["moment"], data["scan_id"], data["exit_status"], data["reason"], data["num_events"],
                time,
            )
        )  # fmt: skip

    def _told(self, data: Mapping[str, Any], time: float) -> None:
        values = {key[len(TOLD) :]: value for key, value in data.items() if key.startswith(TOLD)}
        others = data["others"]
        if others != "{}":
            values |= json.loads(others)
            for name, dtype in values.pop("", {}).items():
                values[name] = np.array(values[name], dtype)[()]
            values = {name: value for name, value in values.items() if value is not None}
        self._decisions.append(
            Told(
                origin=data["origin"],
                number=data["number"],
                run=data["run"],
                stream=data["stream"],
                seq_num=data["seq_num"],
                measured=data["measured"],
                axes={name: value for name, value in values.items() if name in self._axes},
                objectives={name: value for name, value in values.items() if name not in self._axes},
                suggestion=data["suggestion_id"] or None,
                recommender_id=_identity(data["recommender_id"]),
                replay=data["replay"],
                time=time,
            )
        )

    def _questions(self, data: Mapping[str, Any], time: float) -> None:
        pending = tuple(
            Suggestion(each["id"], each["point"], each["origin"], _whole(each["recommender_id"]))
            for each in json.loads(data["pending"])
        )
        self._decisions.append(
            Asked(data["origin"], data["question"], data["count"], data["known"], data["given_up"], pending, time)
        )

    def _suggestions(self, data: Mapping[str, Any], time: float) -> None:
        suggestion = Suggestion(
            data["id"],
            {key[len(SUGGESTED) :]: value for key, value in data.items() if key.startswith(SUGGESTED)},
            data["origin"],
            _identity(data["recommender_id"]),
        )
        asked = data["origin"], data["question"]
        reason = data.get("reason", "")  # older records have none
        if data["part"]:
            place = self._newest.get(asked)
            if place is not None:
                answer = cast("Suggested", self._decisions[place])
                self._decisions[place] = replace(
                    answer,
                    suggestions=(*answer.suggestions, suggestion),
                    reasons=_reasons(answer.reasons, len(answer.suggestions), reason),
                )
            return
        self._newest[asked] = len(self._decisions)
        self._parts[len(self._decisions)] = data["parts"]
        self._decisions.append(
            Suggested(
                origin=data["origin"],
                question=data["question"],
                suggestions=(suggestion,),
                told=data["told"],
                given_up=data["given_up"],
                pending=tuple(json.loads(data["pending"])),
                count=data["count"],
                state=data["state"],
                asked=data["asked"],
                latency=data["latency"],
                suggest_seconds=data["suggest_seconds"],
                ingest_seconds=data["ingest_seconds"],
                reasons=_reasons((), 0, reason),
                time=time,
            )
        )

    def _refusals(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(
            Refused(
                data["origin"], data["question"], data["kind"], data["reason"], data["told"], data["asked"],
                data["latency"], data["answer"], time,
            )
        )  # fmt: skip

    def _given_up(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(GivenUp(data["origin"], data["suggestion_id"], data["kind"], data["reason"], time))

    def _workers(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(Replaced(data["origin"], data["during"], data["reason"], data["restarts"], time))

    def _checkpoints(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(
            Checkpointed(
                data["origin"], data["told"], data["given_up"], data["state"], data["seconds"], data["error"], time
            )
        )

    def _verdicts(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(
            Judged(
                data["watchdog"], Verdict(data["verdict"]) if data["verdict"] else None, data["reason"], data["run"],
                data["stream"], data["seq_num"], data["launch"], data["accepted"], data["lag"], time,
            )
        )  # fmt: skip

    def _steering(self, data: Mapping[str, Any], time: float) -> None:
        self._decisions.append(
            Steered(Verdict(data["verdict"]), data["reason"], data["author"], data["launch"], data["accepted"], time)
        )


def _reasons(before: tuple[str, ...], points: int, reason: str) -> tuple[str, ...]:
    """The reasons of an answer with one more; none as long as none of its points has one."""
    return (*(before or ("",) * points), reason) if before or reason else ()


def _identity(text: str) -> Hashable | None:
    return None if text == "null" else _whole(json.loads(text))


def _whole(written: Any) -> Hashable:
    """A recommender's own id, as hashable as it was: JSON has lists where Python had tuples."""
    if isinstance(written, dict):
        said = cast("dict[str, Any]", written)
        written = restored({"id": said["id"]}, said["exact"])["id"]
    return _hashable(written)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(each) for each in value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
