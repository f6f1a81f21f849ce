"""What one recommender was told, what it asked for, and what of that is still open."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skysteer.model import Asked, GivenUpKind, History, Observation, Origin, Suggestion

from ._log import ObservationLog
from ._state import State
from ._voice import Voice


@dataclass(slots=True)
class _Withheld:
    """The part of a history that came after a question which is to be answered as of then."""

    observations: Sequence[Observation]
    given_up: Sequence[str]
    over: set[str]
    """Suggestions of which nothing is to come any more once all is told."""
    told: int = 0
    gone: int = 0


class Memory:
    """Enough to teach a new life of a recommender all that an earlier one knew. For one thread.

    Parameters
    ----------
    origin
        Whose memory.
    state
        Grows with it.
    voice
        Says what is told and given up.
    gives_ids
        Whether the recommender makes the ids of its suggestions itself: those of an earlier life are nobody's.
    reduces
        Whether what is told is computed from `Observation.data`, when there is time.
    """

    def __init__(self, origin: Origin, state: State, voice: Voice, *, gives_ids: bool, reduces: bool) -> None:
        self._origin: Origin = origin
        self._state = state
        self._voice = voice
        self._gives_ids = gives_ids
        self._reduces = reduces
        self._withheld: _Withheld | None = None
        self.log = ObservationLog()
        """The points, as they are told."""
        self.unreduced: list[tuple[Observation, Hashable | None]] = []
        """What is still to be reduced, and the ``_id`` of each."""
        self.failures: list[dict[str, Any]] = []
        """Suggestions given up, as the recommender is told them."""
        self.given_up = 0
        """How many were given up."""
        self.dropped = 0
        """How many of those for another reason than a device."""
        self.open: dict[str, Suggestion] = {}
        """Suggestions that are neither measured nor given up, in the order in which they were made."""
        self._used: set[Hashable] = set()

    def was_used(self, identity: Hashable) -> bool:
        """Whether an ``_id`` was given before."""
        return identity in self._used

    # ------------------------------------------------------------ now

    def replayed(self, observation: Observation) -> bool:
        """Whether this was told before; it is said then."""
        if not self.log.is_replay(observation):
            return False
        self._voice.told(observation, len(self.log) + len(self.unreduced), observation.objectives, replay=True)
        return True

    def take_in(self, observation: Observation, *, again: bool = False) -> None:
        """Remember a measured point; of one that was told before (``again``) nothing is said."""
        self.log.mark(observation)
        mine = None if observation.suggestion is None else self.open.pop(observation.suggestion, None)
        identity = None if mine is None else mine.recommender_id
        if self._reduces and not (again and observation.objectives):
            self.unreduced.append((observation, identity))
        else:
            self._append(observation, observation.objectives, identity, again=again)

    def reduced(self, objectives: Mapping[str, Any]) -> None:
        """The first of what is to be reduced was."""
        observation, identity = self.unreduced[0]
        # What a reduction returns under the name of an axis is not its readback.
        reserved = {*observation.axes, "_id"}
        self._append(observation, {n: value for n, value in objectives.items() if n not in reserved}, identity)
        del self.unreduced[0]

    def suggested(self, suggestions: Sequence[Suggestion]) -> None:
        """They are to be measured."""
        for suggestion in suggestions:
            self.open[suggestion.id] = suggestion
            if suggestion.recommender_id is not None:
                self._used.add(suggestion.recommender_id)

    def failed(self, name: str) -> None:
        """A device failed for a suggestion. Others' are no concern of it."""
        if (mine := self.open.pop(name, None)) is not None:
            self._give_up(mine)

    def drop(self, suggestion: Suggestion, kind: GivenUpKind, reason: str) -> None:
        """A suggestion will not be measured, for another reason."""
        del self.open[suggestion.id]
        self.dropped += 1
        self._give_up(suggestion)
        self._voice.given_up(suggestion, kind, reason)

    def abandon(self, ready: set[str]) -> None:
        """A new plan begins, and takes up these of the open suggestions."""
        withheld = self._withheld
        if withheld is not None:  # the others of before are closed when the rest is told
            measured = {each.suggestion or "" for each in withheld.observations}
            ready = ready.union(withheld.over, withheld.given_up, measured)
        for suggestion in [each for each in self.open.values() if each.id not in ready]:
            self.drop(suggestion, "abandoned", "the plan ended before it came to it")

    def pending(self, others: Sequence[Suggestion]) -> list[dict[str, Any]]:
        """What is on its way: its own suggestions with ``_id``, and what others suggested."""
        return [each.told() for each in self.open.values()] + [dict(s.point) for s in others if s.id not in self.open]

    def pending_ids(self, others: Sequence[Suggestion]) -> tuple[str, ...]:
        """Their names, in the same order."""
        return (*self.open, *(each.id for each in others if each.id not in self.open))

    def forget_ids(self) -> None:
        """A new life that gives the ids itself counts anew: what an earlier one asked for is somebody else's."""
        self.log.forget_ids()
        self.unreduced = [(observation, None) for observation, _ in self.unreduced]
        self.open = {name: replace(suggestion, recommender_id=None) for name, suggestion in self.open.items()}
        self.failures.clear()
        self._used.clear()

    # ------------------------------------------------------------ before

    def recall(self, history: History) -> None:
        """Remember an earlier scan, up to the first question that is asked again."""
        mine = own(history, self._origin)
        if self._gives_ids:
            mine = [replace(each, recommender_id=None) for each in mine]
        self.suggested(mine)
        given_up = [name for name in history.given_up if name in self.open]
        ready = {each.id for each in history.ready}
        self._withheld = _Withheld(history.observations, given_up, {each.id for each in mine if each.id not in ready})
        self.catch_up(history.asked[0] if history.asked else None)

    def catch_up(self, asked: Asked | None) -> None:
        """Remember what came before a question of an earlier scan; all that is left where there is none."""
        if (withheld := self._withheld) is None:
            return
        told = len(withheld.observations) if asked is None else max(asked.known, withheld.told)
        for observation in withheld.observations[withheld.told : told]:
            if not self.log.is_replay(observation):
                self.take_in(observation, again=True)
        gone = len(withheld.given_up) if asked is None else max(asked.given_up, withheld.gone)
        for name in withheld.given_up[withheld.gone : gone]:
            self.failed(name)
        withheld.told, withheld.gone = told, gone
        if asked is None:
            self._withheld = None
            self.open = {name: each for name, each in self.open.items() if name not in withheld.over}

    # ------------------------------------------------------------ inside

    def _append(
        self, observation: Observation, objectives: Mapping[str, Any], identity: Hashable | None, *, again: bool = False
    ) -> None:
        point = {**observation.axes, **objectives}
        if self._gives_ids:  # another life would give another
            self._state.point(point)
        if identity is not None:
            point["_id"] = identity
        if not self._gives_ids:
            self._state.point(point)
        self.log.append(point)
        if not again:
            self._voice.told(observation, len(self.log) - 1, objectives, identity)

    def _give_up(self, suggestion: Suggestion) -> None:
        self.given_up += 1
        self.failures.append(suggestion.told())
        self._state.given_up(dict(suggestion.point) if self._gives_ids else suggestion.told())


def own(history: History, origin: Origin) -> list[Suggestion]:
    """The suggestions of one of those that a history is about."""
    return [each for each in history.suggestions if each.origin == origin]
