"""From the documents of the engine to observations: one an event, or one a run."""

from ._adapters import PerEvent, PerRun
from ._fields import Fields

__all__ = ["Fields", "PerEvent", "PerRun"]
