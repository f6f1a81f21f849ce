"""What others plug into skysteer: small protocols, one for each ability.

The protocols that `bluesky_adaptive.protocols` (1.x) has too are written out
again here, with the same names and shapes, because importing that module
imports the engine.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from skysteer.model import Judgement, Observation, Space

__all__ = [
    "CanRegisterSuggestions",
    "Checkpointable",
    "ContinuousPlan",
    "HasBestPoints",
    "HasCache",
    "HasReasons",
    "HasSpace",
    "Judge",
    "KnowsPending",
    "Optimizer",
    "Recommender",
    "Restorable",
    "SupportsStoppingCriteria",
    "TrialFaultAware",
]

Point = Mapping[str, Any]


@runtime_checkable
class Recommender(Protocol):
    """Chooses what to measure next.

    All calls come from one worker, never two at once, in any order and mix:
    `ingest` may come before any `suggest` (warm start), `suggest` before any
    `ingest` (knowing nothing). `suggest` is a question: the same ingested and
    pending points give the same answer.
    """

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points.

        Parameters
        ----------
        points
            One mapping for each measured point: every axis (readback, in the
            axis's units), every objective, and ``_id`` where this recommender
            suggested the point.
        """
        ...

    def suggest(self, num_points: int | None = None) -> Sequence[Point]:
        """Say which points to measure next.

        Parameters
        ----------
        num_points
            How many at the most; ``None`` is one.

        Returns
        -------
        sequence of mappings
            One mapping of axis name to position for each point, with an
            optional hashable ``_id``. Empty (or raising
            `skysteer.errors.NoRecommendation`) means "nothing more to ask".
        """
        ...


@runtime_checkable
class HasBestPoints(Protocol):
    """A recommender that says which points are the best so far."""

    def get_best_points(self) -> Sequence[tuple[Any, Point, Point]]:
        """Return ``(_id, axes, objectives)`` of the best point, or of each Pareto-optimal one."""
        ...


@runtime_checkable
class Optimizer(Recommender, HasBestPoints, Protocol):
    """What `bluesky_adaptive.protocols.Optimizer` asks for."""


@runtime_checkable
class SupportsStoppingCriteria(Protocol):
    """A recommender that may call the scan finished."""

    def should_stop(self) -> tuple[bool, str | None]:
        """Return whether to stop now, and why."""
        ...


@runtime_checkable
class TrialFaultAware(Protocol):
    """A recommender that wants to know which of its suggestions failed."""

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these suggestions will never be measured (``_id`` is present)."""
        ...


@runtime_checkable
class CanRegisterSuggestions(Protocol):
    """A recommender that gives the ``_id`` of a suggestion itself."""

    def register_suggestions(self, suggestions: Sequence[Point]) -> Sequence[Point]:
        """Return the suggestions with an ``_id`` each."""
        ...


@runtime_checkable
class Checkpointable(Protocol):
    """A recommender that can write its state to where it was told to keep it."""

    def checkpoint(self) -> None:
        """Write the state."""
        ...


@runtime_checkable
class Restorable(Checkpointable, Protocol):
    """A recommender that can read its state again, rather than be told everything once more."""

    def restore(self, points: Sequence[Point]) -> int:
        """Read the newest checkpoint that was made of the first of these points, and of nothing else.

        Called at the most once in a life, before any `ingest`, when a scan that
        was cut off goes on and after a worker process was replaced. Suggestions
        that were given up are told again afterwards.

        Parameters
        ----------
        points
            All that were measured, in order, as `ingest` is given them.

        Returns
        -------
        int
            Of how many of the points the state was made: the others come by
            `ingest`. 0 where there is no such checkpoint; then nothing may
            have changed.
        """
        ...


@runtime_checkable
class HasSpace(Protocol):
    """A recommender that knows its space: units, limits and names are checked before anything moves."""

    @property
    def space(self) -> Space:
        """Where it may suggest."""
        ...


@runtime_checkable
class HasReasons(Protocol):
    """A recommender that says why it asks for a point: a sentence for those who read the record."""

    def get_reasons(self) -> Sequence[str]:
        """Say why each point of the newest `suggest` is asked for.

        Called directly after a `suggest` that gave points, and only where
        somebody puts decisions on record. Like `suggest` it is a question: it
        must change nothing. The points wait for it, and so does the plan: it
        belongs to the time of `suggest`, also for `Patience`. No point is lost
        where it raises: the record says so in place of a reason.

        Returns
        -------
        sequence of str
            One for each point, in their order, ``""`` where there is nothing
            to say: what the choice rests on, in the units of the readings, in
            a few words: ``"largest expected improvement: det = 38 ± 6, best expected so far 41"``.
        """
        ...


@runtime_checkable
class KnowsPending(Protocol):
    """A recommender that takes into account what is still being measured.

    Needed for ``lookahead > 0``: without it the same point would be asked for
    again while it is on its way.
    """

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told, before a `suggest`, of all suggestions still being measured.

        Parameters
        ----------
        points
            One mapping of axis name to *requested* position for each, with
            ``_id`` where this recommender suggested it. Replaces what an
            earlier call said.
        """
        ...


@runtime_checkable
class Judge(Protocol):
    """Says what is to become of a measurement, from what was measured. It may keep state."""

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation; ``None`` is no opinion.

        Called by one worker, never two at once, in the order of the events.
        """
        ...


@runtime_checkable
class HasCache(Protocol):
    """A device that keeps readings for later, such as a background to subtract."""

    @property
    def name(self) -> str:
        """Name of the device."""
        ...

    def stash(self, reading: Mapping[str, Any]) -> Any:
        """Keep a reading (data key to reading, as ``read`` returns); returns a status."""
        ...

    def clear(self) -> Any:
        """Forget all readings; returns a status."""
        ...


@runtime_checkable
class ContinuousPlan(Protocol):
    """A plan function that runs until it is told to end. `skysteer.plans.continuous` marks one."""

    __togglable__: bool
    """Whether it is switched on and off rather than started."""
    __pausable__: bool
    """Whether it can be held."""

    def __call__(self, *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        """Make the plan."""
        ...
