"""What a flow was asked for, and what the start documents say of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from skysteer.documents import Fields
from skysteer.model import METADATA_KEY, Patience
from skysteer.plans import Cleared, Options
from skysteer.protocols import Recommender
from skysteer.recommenders import Advisor, Reduce
from skysteer.stores import fields_about, patience_about, program, space_about
from skysteer.workers import WorkerKind

from ._recording import Record

FinallyMove = Literal["stay", "start", "best"]
"""Where the motors go when a plan is over."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a flow was asked for beside devices and options."""

    recommender: Recommender | Advisor
    patience: Patience
    objectives: Sequence[str]
    reduce: Reduce | None
    worker: WorkerKind
    finally_move: FinallyMove
    record: Record | None = None
    resume: str | Path | None = None
    md: Mapping[str, Any] | None = None


def about(asked: Asked, options: Options) -> dict[str, Any]:
    """What the start document says of the scan."""
    name = asked.recommender.name if isinstance(asked.recommender, Advisor) else type(asked.recommender).__name__
    return {
        "objectives": list(asked.objectives),
        "recommender": name,
        "batch": options.batch,
        "lookahead": options.lookahead,
    }


def decision_about(
    flow: str,
    launch: str,
    cleared: Cleared,
    fields: Fields,
    options: Options,
    asked: Asked,
    advisor: Advisor,
    fallback: Advisor | None,
) -> dict[str, Any]:
    """What the start document of the decision run says."""
    return {
        "launch": launch,
        "flow": flow,
        "recommender": advisor.about(),
        **({} if fallback is None else {"fallback": fallback.about()}),
        "space": space_about(cleared.space),
        "fields": fields_about(fields),
        "objectives": list(asked.objectives),
        "options": {
            "max_points": options.max_points,
            "initial": [dict(point) for point in options.initial],
            "batch": options.batch,
            "lookahead": options.lookahead,
            "max_failures": options.max_failures,
            "on_failure": options.on_failure,
            "finally_move": asked.finally_move,
            "patience": patience_about(options.patience),
        },
        "program": program(),
        "md": dict(asked.md or {}),
    }


def with_link(md: Mapping[str, Any] | None, decisions: str | None, resumes: str | None = None) -> dict[str, Any]:
    """Metadata of a measurement that names its decision run, and the earlier one that it goes on with."""
    given = dict(md or {})
    beside: Any = given.get(METADATA_KEY, {})
    if decisions is None or not isinstance(beside, Mapping):  # the plan refuses what is no mapping
        return given
    ours = {"decisions": decisions} if resumes is None else {"decisions": decisions, "resumes": resumes}
    return {**given, METADATA_KEY: {**cast("Mapping[str, Any]", beside), **ours}}
