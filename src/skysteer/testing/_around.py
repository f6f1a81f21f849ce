"""A recommender around another one: what the fakes have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from skysteer.protocols import Recommender

__all__ = ["Around", "Where"]

Point = Mapping[str, Any]
Where = Literal["suggest", "ingest"]

ABILITIES = (
    "checkpoint",
    "get_best_points",
    "get_reasons",
    "register_failures",
    "register_suggestions",
    "restore",
    "set_pending",
    "should_stop",
    "space",
)
"""What a recommender may have beside `ingest` and `suggest`."""


class Around:
    """A recommender that does what the inner one does: the base of the fakes.

    Parameters
    ----------
    inner
        Any `skysteer.protocols.Recommender`.
    """

    def __init__(self, inner: Recommender) -> None:
        self.inner = inner
        """The recommender it goes around."""
        self.asked = 0
        """How many times `suggest` was called."""
        self.told = 0
        """How many times `ingest` was called."""
        self._pass_on_abilities()

    def ingest(self, points: Sequence[Point]) -> None:
        """Tell the inner one."""
        self.told += 1
        self.before("ingest", self.told)
        self.inner.ingest(points)

    def suggest(self, num_points: int | None = None) -> Sequence[Point]:
        """Ask the inner one."""
        self.asked += 1
        self.before("suggest", self.asked)
        return self.inner.suggest(num_points)

    def before(self, where: Where, number: int) -> None:
        """Do something before a call of the inner one: here the fault goes."""

    def ability(self, name: str) -> Any:
        """Return what stands for an optional ability of the inner one."""
        return getattr(self.inner, name)

    def _pass_on_abilities(self) -> None:
        # As attributes of the instance: from Python 3.12 on, isinstance with a
        # protocol does not see what a __getattr__ would give.
        for name in ABILITIES:
            if hasattr(self.inner, name):
                setattr(self, name, self.ability(name))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ABILITIES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._pass_on_abilities()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"
