"""The values that travel between the parts: frozen, with units, free of Bluesky."""

from ._decisions import (
    Asked,
    Checkpointed,
    Decision,
    DecisionListener,
    GivenUp,
    GivenUpKind,
    Judged,
    RefusalKind,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Told,
)
from ._outcome import AdaptiveResult, ExitStatus, Patience
from ._point import Finished, Observation, Origin, Suggestion
from ._progress import History, Progress
from ._space import Axis, Choice, Space
from ._tags import METADATA_KEY, SUGGESTION_ID, SUGGESTION_ORIGIN, suggested
from ._verdict import Judgement, Verdict

__all__ = [
    "METADATA_KEY",
    "SUGGESTION_ID",
    "SUGGESTION_ORIGIN",
    "AdaptiveResult",
    "Asked",
    "Axis",
    "Checkpointed",
    "Choice",
    "Decision",
    "DecisionListener",
    "ExitStatus",
    "Finished",
    "GivenUp",
    "GivenUpKind",
    "History",
    "Judged",
    "Judgement",
    "Observation",
    "Origin",
    "Patience",
    "Progress",
    "RefusalKind",
    "Refused",
    "Replaced",
    "Space",
    "Steered",
    "Suggested",
    "Suggestion",
    "Told",
    "Verdict",
    "suggested",
]
