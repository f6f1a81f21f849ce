"""The values that travel between the parts: frozen, with units, free of Bluesky."""

from ._outcome import AdaptiveResult, ExitStatus, Patience
from ._point import Finished, Observation, Origin, Suggestion
from ._space import Axis, Choice, Space
from ._tags import METADATA_KEY, SUGGESTION_ID, SUGGESTION_ORIGIN, suggested
from ._verdict import Judgement, Verdict

__all__ = [
    "METADATA_KEY",
    "SUGGESTION_ID",
    "SUGGESTION_ORIGIN",
    "AdaptiveResult",
    "Axis",
    "Choice",
    "ExitStatus",
    "Finished",
    "Judgement",
    "Observation",
    "Origin",
    "Patience",
    "Space",
    "Suggestion",
    "Verdict",
    "suggested",
]
