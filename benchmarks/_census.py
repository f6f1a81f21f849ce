"""What a condition says in documents: the check that all conditions do the same, from a run that is not timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ._conditions import Condition, run
from ._devices import Beam
from ._line import Line, positions


@dataclass(slots=True)
class Census:
    """Counts of one condition."""

    events: int = 0
    """Events of the detector."""
    runs: int = 0
    """Runs that were opened, the peer's run about the optimization too."""
    documents_a_point: float = 0.0
    messages_a_point: float = 0.0
    positions: list[float] = field(default_factory=list)
    """Where the motor was at each event."""


def census(RE: Any, beam: Beam, condition: Condition, n: int) -> dict[str, Any]:
    """Run a condition once; every point must be there, in order, at its place."""
    counts, documents, messages = Census(), [0], [0]

    def document(name: str, doc: Mapping[str, Any]) -> None:
        documents[0] += 1
        if name == "start":
            counts.runs += 1
        elif name == "event" and "det" in doc["data"]:  # the peer's events about the optimization have no det
            counts.events += 1
            counts.positions.append(doc["data"]["motor"])

    def message(_: Any) -> None:
        messages[0] += 1

    RE.msg_hook = message
    try:
        run(RE, beam, Line(n), condition, document)
    finally:
        RE.msg_hook = None
    counts.documents_a_point, counts.messages_a_point = documents[0] / n, messages[0] / n
    expected = positions(n)
    if counts.events != n or any(abs(a - b) > 1e-9 for a, b in zip(counts.positions, expected, strict=True)):
        raise AssertionError(f"{n} events at {expected} were expected, found {counts.events} at {counts.positions}")
    found = asdict(counts)
    del found["positions"]
    return found
