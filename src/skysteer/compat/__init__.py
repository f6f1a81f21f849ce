"""The names of the discontinued bluesky-adaptive 0.x, on our machinery: replace ``bluesky_adaptive`` in an import.

`skysteer.compat.per_event` and `skysteer.compat.per_start` have
``recommender_factory`` and ``adaptive_plan``; `skysteer.compat.recommendations`
has the exceptions and the two toys.
"""

# Without an ``__all__``: they are documented where they are defined.
from skysteer.errors import NoRecommendation as NoRecommendation
from skysteer.errors import RequestPause as RequestPause
