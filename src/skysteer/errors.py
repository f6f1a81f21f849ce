"""Every error skysteer raises.

::

    SkysteerError
    ├── SpaceError (ValueError)            an axis or a space that cannot be
    ├── PreflightError (ValueError)        the scan cannot start; lists every problem at once
    ├── FieldError (KeyError)              a document lacks what the recommender must be told
    ├── PointError (ValueError)            a point told to a recommender lacks a name or has a bad value
    ├── SuggestionError (ValueError)       a recommender asked for something that cannot be measured
    ├── RecommenderError (RuntimeError)    a recommender raised, or its worker cannot go on
    │   └── WorkerDied                     its process ended while it was needed
    ├── SilentRecommender (TimeoutError)   no answer within ``Patience.timeout``
    ├── TooManyFailures (RuntimeError)     the points of a scan keep failing
    ├── StoreError (OSError)               documents cannot be written or read where they are kept
    ├── RecordError (ValueError)           a run is not on record, or its record does not say what is asked of it
    │   └── ResumeError                    a run cannot go on: complete, still running, or made by another recommender
    ├── EngineBusy (RuntimeError)          a second plan for an engine that runs one
    └── SteeringBusy (RuntimeError)        a second plan for a steering that steers one

    NoRecommendation (Exception)           raised *by* a recommender: "nothing more to ask"
    RequestPause (Exception)               raised *by* a recommender: "pause, and ask me again"

Each one also is the builtin it is a kind of, and carries its data as attributes.
`skysteer.engine` adds what only an engine or a status raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

__all__ = [
    "EngineBusy",
    "FieldError",
    "NoRecommendation",
    "PointError",
    "PreflightError",
    "RecommenderError",
    "RecordError",
    "RequestPause",
    "ResumeError",
    "SilentRecommender",
    "SkysteerError",
    "SpaceError",
    "SteeringBusy",
    "StoreError",
    "SuggestionError",
    "TooManyFailures",
    "WorkerDied",
]


class SkysteerError(Exception):
    """Base of every error raised by skysteer."""

    result: Any = None
    """The `skysteer.AdaptiveResult` of an adaptive scan that this error ended: what was measured by then."""


class SpaceError(SkysteerError, ValueError):
    """An axis, a choice or a space that cannot be."""


class PreflightError(SkysteerError, ValueError):
    """The scan cannot start. Nothing has moved and no run was opened."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        """One sentence for each problem found."""
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        many = "one problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"the scan cannot start, {many}; nothing has moved:{lines}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,), vars(self)


class FieldError(SkysteerError, KeyError):
    """A document lacks a value that the recommender must be told."""

    def __init__(self, problem: str, *, stream: str = "", available: Sequence[str] = ()) -> None:
        self.problem = problem
        self.stream = stream
        """Name of the stream that was looked at."""
        self.available = tuple(available)
        """The keys that are there."""
        super().__init__(problem)

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return self.problem


class PointError(SkysteerError, ValueError):
    """A point told to a recommender lacks a name or has a value it cannot have."""


class SuggestionError(SkysteerError, ValueError):
    """A recommender asked for something that cannot be measured. Nothing has moved for it."""

    def __init__(self, problems: Sequence[str], *, recommender: str = "", answer: Any = None) -> None:
        self.problems = tuple(problems)
        """One sentence for each problem found."""
        self.recommender = recommender
        """What the recommender calls itself."""
        self.answer = answer
        """What it answered, unchanged."""
        super().__init__(f"bad suggestion from {recommender or 'the recommender'}: " + "; ".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), recommender=self.recommender), (self.problems,), vars(self)


class RecommenderError(SkysteerError, RuntimeError):
    """A recommender raised, or its worker cannot go on. The cause is chained."""


class WorkerDied(RecommenderError):
    """The process of a recommender ended while it was needed."""


class SilentRecommender(SkysteerError, TimeoutError):
    """A recommender did not answer within ``Patience.timeout``."""


class TooManyFailures(SkysteerError, RuntimeError):
    """The points of a scan keep failing, or the first did and ``on_failure="stop"``."""

    def __init__(self, message: str, *, failed: int, last: Mapping[str, Any]) -> None:
        self.failed = failed
        """How many points failed."""
        self.last = dict(last)
        """The point that failed last."""
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), failed=self.failed, last=self.last), self.args, vars(self)


class StoreError(SkysteerError, OSError):
    """Documents cannot be written or read where they are kept."""


class RecordError(SkysteerError, ValueError):
    """A run is not on record, or its record does not say what is asked of it."""


class ResumeError(RecordError):
    """A run cannot go on: it is complete, it still runs, or another recommender or space made it."""


class EngineBusy(SkysteerError, RuntimeError):
    """A second plan for an engine that already runs one."""


class SteeringBusy(SkysteerError, RuntimeError):
    """A second plan for a steering that already steers one."""


class NoRecommendation(Exception):
    """Raised by a recommender that has nothing more to ask."""


class RequestPause(Exception):
    """Raised by a recommender in ``suggest``: the plan pauses, and asks again when it is resumed."""
