"""The names of the discontinued bluesky-adaptive 0.x, on our machinery: replace ``bluesky_adaptive`` in an import.

`skysteer.compat.per_event` and `skysteer.compat.per_start` have
``recommender_factory`` and ``adaptive_plan``; `skysteer.compat.recommendations`
has the exceptions and the two toys.
"""

from skysteer.errors import NoRecommendation, RequestPause

__all__ = ["NoRecommendation", "RequestPause"]
