"""One run as the list of runs shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

RunKind = Literal["measurement", "decisions"]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """What the folder knows of one run without reading it through."""

    uid: str
    """Of its start document."""
    path: Path
    """Its file."""
    time: float
    """When it began, in seconds since the epoch."""
    kind: RunKind = "measurement"
    plan_name: str = ""
    scan_id: int | None = None
    launch: str = ""
    """What the decision run and the measurement runs of one launch have in common."""
    decisions: str = ""
    """Of a measurement: uid of its decision run. Of a decision run: its own uid."""
    measurements: tuple[str, ...] = ()
    """Of a decision run: uids of the measurement runs that are in this folder, in order."""
    flow: str = ""
    """``"adaptive_scan"``, ``"adaptive_runs"``, ``"watch"``; ``""`` for a run without decisions."""
    recommender: str = ""
    """Its name."""
    resumes: str = ""
    """Uid of the earlier decision run that it goes on from."""
    resumed_by: str = ""
    """Uid of the decision run that goes on from this one."""
    max_points: int | None = None
    """How many points were asked for at most."""
    exit_status: str = ""
    """``"success"``, ``"abort"`` or ``"fail"``; ``""`` where there is no stop document."""
    reason: str = ""
    """Why it ended."""
    stopped: float | None = None
    """When it ended, in seconds since the epoch."""
    num_points: int = 0
    """Of a measurement: events of its primary stream, a replayed one once. Of a decision run: points that the
    recommender had been told, with those of the runs that it resumes."""
    running: bool = False
    """A live process holds the lock of its file."""


def entry_of(start: Mapping[str, Any], path: Path) -> RunEntry:
    """Return the entry of a run that just began. Of a start document anything may be missing but its uid."""
    own = start.get("skysteer")
    about: Mapping[str, Any] = cast("Mapping[str, Any]", own) if isinstance(own, Mapping) else {}
    kind: RunKind = "decisions" if about.get("kind") == "decisions" else "measurement"
    uid = str(start["uid"])
    recommender = _mapping(about, "recommender")
    max_points = _mapping(about, "options").get("max_points")
    scan_id = start.get("scan_id")
    began = start.get("time")
    return RunEntry(
        uid=uid,
        path=path,
        time=float(began) if isinstance(began, int | float) else 0.0,
        kind=kind,
        plan_name=_text(start, "plan_name"),
        scan_id=_whole(scan_id),
        launch=_text(about, "launch"),
        decisions=uid if kind == "decisions" else _text(about, "decisions"),
        flow=_text(about, "flow"),
        recommender=_text(recommender, "name"),
        resumes=_text(about, "resumes"),
        max_points=_whole(max_points),
    )


def _mapping(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return words(value) if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int) and abs(value) < 2**63 else None


def words(text: str) -> str:
    """Return a text that can be shown and written: without half surrogate pairs."""
    return str(text) if text.isascii() else text.encode("utf-8", "replace").decode()
