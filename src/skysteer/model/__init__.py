"""The values that travel between the parts: frozen, with units, free of Bluesky."""

from ._outcome import AdaptiveResult, ExitStatus, Patience
from ._point import Finished, Observation, Origin, Suggestion
from ._space import Axis, Choice, Space
from ._tags import METADATA_KEY, SUGGESTION_ID, SUGGESTION_ORIGIN, suggested

__all__ = [
    "METADATA_KEY",
    "SUGGESTION_ID",
    "SUGGESTION_ORIGIN",
    "AdaptiveResult",
    "Axis",
    "Choice",
    "ExitStatus",
    "Finished",
    "Observation",
    "Origin",
    "Patience",
    "Space",
    "Suggestion",
    "suggested",
]
