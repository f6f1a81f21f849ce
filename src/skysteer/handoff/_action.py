"""Something a person or an agent may do to a running plan, by a latch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._latch import SRLatch


@dataclass(eq=False)
class Action:
    """A named latch with what a user interface needs to show it."""

    name: str
    """Unique among the actions of a plan."""
    description: str = ""
    """One sentence for the person who is about to press the button."""
    togglable: bool = False
    """Whether it stays on until it is switched off; else it is a push-button."""
    toggle_states: tuple[str, str] = ("On", "Off")
    """What the two states of a togglable action are called: set, reset."""
    _latches: dict[str, SRLatch] = field(default_factory=dict[str, SRLatch], init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an action needs a name")
        if len(self.toggle_states) != 2 or self.toggle_states[0] == self.toggle_states[1]:
            raise ValueError(
                f"action {self.name!r}: toggle_states must be two different words, found {self.toggle_states}"
            )

    @property
    def event_map(self) -> Mapping[str, SRLatch]:
        """One entry, name to latch. Made on first use; needs no running loop."""
        if self.name not in self._latches:
            # setdefault is atomic: two threads get the same latch.
            self._latches.setdefault(self.name, SRLatch())
        return self._latches

    @property
    def latch(self) -> SRLatch:
        """The latch of this action."""
        return self.event_map[self.name]
