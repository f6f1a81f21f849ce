"""The words by which documents name the suggestion they answer.

Plans write them, adapters read them:

* an event of an adaptive scan carries ``suggestion_id``, ``suggestion_origin``
  and, for each axis, the requested position as ``suggested_<axis>``;
* the start document of a run of its own carries
  ``{"skysteer": {"launch": ..., "suggestion": {"id": ..., "origin": ..., "point": {...}}}}``.
"""

from __future__ import annotations

METADATA_KEY = "skysteer"
"""Key of a start document under which skysteer writes."""
SUGGESTION_ID = "suggestion_id"
"""Data key of an event: `Suggestion.id`."""
SUGGESTION_ORIGIN = "suggestion_origin"
"""Data key of an event: `Suggestion.origin`."""


def suggested(axis: str) -> str:
    """Data key of an event: the requested position on an axis."""
    return f"suggested_{axis}"
