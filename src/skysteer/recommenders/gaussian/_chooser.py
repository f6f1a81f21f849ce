"""Which place comes next: the initial points, what fills the space, or what the models wish for; and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skysteer.errors import NoRecommendation
from skysteer.model import Space
from skysteer.recommenders._matern import Array
from skysteer.recommenders._sobol import sobol_rows

from ._emptiest import emptiest
from ._models import Models, Wish
from ._readings import Readings
from ._reasons import Reason, filling
from ._safe import SafeRegion, safest_wanted
from ._search import most_wanted
from ._steps import FORBIDDEN, OnSteps, Steps
from ._travel import PerSecond, Seconds, Travel

MOSTLY_NOISE = 0.5
"""Noise of so much of the variance of the readings: with less, they have a shape, and the model leads."""
WIDENING = 3
"""Every so many-th point inside a safe region is where the limits are known least, to widen it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One point to measure."""

    point: dict[str, Any]
    """Axis name to position."""
    reason: Reason | str
    """Why it was chosen; its text is the sentence."""
    instead: str | None = None
    """Why the model did not choose it, where that was its turn."""


class Chooser:
    """Chooses the next point from what was read; it remembers nothing itself.

    Parameters
    ----------
    space, readings, models
        Where, what was told, and what is learnt of it.
    starts, initial
        The points to measure first, and of how many readings the model leads.
    sequence
        After so many points the space is filled at its emptiest place.
    travel
        What a way costs, if it does.
    gate
        By how many robust standard deviations the best reading must stand out; ``None``: it need not.
    seed
        Of all that is random.
    """

    def __init__(
        self,
        space: Space,
        readings: Readings,
        models: Models,
        *,
        starts: Sequence[dict[str, Any]],
        initial: int,
        sequence: int,
        travel: Travel | None,
        gate: float | None,
        seed: int,
    ) -> None:
        self._space, self._readings, self._models = space, readings, models
        self._starts, self._initial, self._sequence = starts, initial, sequence
        self._travel, self._gate, self._seed = travel, gate, seed
        self._steps = Steps(space)

    def next(self, number: int, turn: int, underway: Array, *, first: bool) -> Chosen:
        """Return the point of a number.

        Parameters
        ----------
        number, turn
            Of the point, among those of the recommender and among all.
        underway
            (m, dimensions) rows that are measured before it.
        first
            It is the first of an answer, not a further one.

        Raises
        ------
        NoRecommendation
            If no place is left that is safe, or that has not failed.
        ValueError
            If there are safe limits and nothing is known to be safe.
        """
        if number < len(self._starts):
            return Chosen(dict(self._starts[number]), f"initial point {number + 1} of {len(self._starts)}, given")
        seed = (self._seed, self._known, len(underway))
        if self._models.safe:
            return self._safely(number, underway, seed, first=first)
        why = self.why_not(len(underway))
        found = None if why is not None else self._wanted(underway, seed)
        if found is not None:
            return found
        why = why or "every place has been measured, is on its way or failed"
        row, place = self._filling(number, turn, underway)
        count, known = self._readings.count, self._known + len(underway) + 1
        early = known <= self._initial and (count > 0 or not self._known)
        return Chosen(self._point(row), filling(place, None if early else why, known, self._initial), why)

    def why_not(self, underway: int) -> str | None:
        """Why the model does not choose the next point, when so many are under way; ``None`` where it does."""
        count, known = self._readings.count, self._known
        if known and not count:
            which = "the only point" if known == 1 else f"all {known} points"
            return f"{which} failed or gave no finite reading"
        if count < 2:
            return f"a model needs two finite readings, there are {count}"
        if self._models.safe:
            return None
        if known + underway < self._initial:
            return f"{known + underway} of {self._initial} initial points are measured or on their way"
        if self._is_blind():
            return "nothing stands out and the readings look like noise"
        return None

    @property
    def _known(self) -> int:
        """How many points have an end."""
        return self._readings.count + len(self._readings.avoid)

    @property
    def _failed(self) -> Array:
        """(m, dimensions) places that failed, or gave no finite reading."""
        return np.array(self._readings.avoid).reshape(-1, self._space.dimensions)

    def _point(self, row: Array) -> dict[str, Any]:
        return dict(self._space.from_unit(row[None])[0])

    def _is_blind(self) -> bool:
        """Whether nothing stands out and the readings look like noise."""
        if self._gate is None:
            return False
        (surrogate,) = self._models.objectives.values()
        values = surrogate.values
        middle = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - middle))
        return bool(values.max() <= middle + self._gate * spread) and surrogate.hyper.noise > MOSTLY_NOISE

    def _filling(self, number: int, turn: int, underway: Array) -> tuple[Array, str]:
        """The middle, the Sobol sequence, then what is emptiest; where places can be counted, its first row left."""
        if not math.isfinite(self._steps.places):
            if self._known + len(underway) >= self._sequence:
                taken = np.vstack([self._readings.rows, self._failed, underway])
                empty = emptiest(self._space, self._steps.numbers, taken, (self._seed, len(taken)))
                if empty is not None:
                    return empty, "emptiest place"
            row = sobol_rows(self._space, self._seed, max(turn - 1, 0))[0]
            if turn:
                return row, "even cover"
            return np.where(self._steps.numbers, 0.5, row), "middle of the space"
        count = int(min(4096, 1 << math.ceil(math.log2(4 * self._steps.places))))
        rows = self._steps.snap(sobol_rows(self._space, self._seed, 0, count))
        rows = rows[~self._steps.same(rows, self._failed)]
        if not len(rows):
            raise NoRecommendation("every place of the space failed")
        taken = self._steps.same(rows, np.vstack([underway, self._steps.snap(self._readings.rows)]))
        if taken.all():
            return rows[number % len(rows)], "a place once more (all are taken)"
        return rows[~taken][0], "even cover"

    def _wish(self, underway: Array, seed: Sequence[int]) -> Wish:
        """What is wanted next, by the second where a way costs."""
        wish = self._models.wish(underway, self._failed, seed, alone=self._travel is None)
        if self._travel is None:
            return wish
        origin = underway[-1] if len(underway) else self._readings.last
        seconds = Seconds(self._travel, self._space, origin)
        return replace(wish, acquisition=PerSecond(wish.acquisition, seconds), why=wish.why.each_second(seconds))

    def _wanted(self, underway: Array, seed: Sequence[int]) -> Chosen | None:
        wish = self._wish(underway, seed)
        worth, around = wish.acquisition, wish.around
        avoid = np.vstack([underway, self._failed])
        if not self._steps.matter:
            row = most_wanted(worth, self._space, seed, around=around, avoid=avoid)
            return self._chosen(row, wish, underway)
        for taken in (avoid, self._failed):  # where nothing else is left, once more what is on its way
            on_steps = OnSteps(worth, self._steps, taken)
            row = on_steps.climbed(most_wanted(on_steps, self._space, seed, around=around, avoid=taken))
            if on_steps(row[None])[0] > FORBIDDEN:
                return self._chosen(row, wish, underway)
        return None

    def _chosen(self, row: Array, wish: Wish, underway: Array) -> Chosen:
        reason = Reason(wish.why, row, underway, self._readings.rows, self._steps)
        return Chosen(self._point(row), reason)

    def _safely(self, number: int, underway: Array, seed: Sequence[int], *, first: bool) -> Chosen:
        """A place inside the safe region; before the first reading, rather than nothing, once more an initial point."""
        if not self._readings.count:
            return self._once_more(number, first=first)
        region = SafeRegion(self._models.safe)
        rows = self._readings.rows
        wish = self._wish(underway, seed)
        if (self._known + len(underway)) % WIDENING == 0:
            worth, why = region.least_known(np.vstack([underway, self._failed]))
            wish = Wish(worth, None, why)
        row = safest_wanted(
            wish.acquisition, region, rows[region(rows)], self._space, self._steps, seed,
            avoid=underway, never=self._failed,
        )  # fmt: skip
        if row is None:
            raise NoRecommendation(f"after {self._readings.count} readings no place is known to keep {region.text}")
        return self._chosen(row, replace(wish, why=wish.why.where_safe(region.text)), underway)

    def _once_more(self, number: int, *, first: bool) -> Chosen:
        """An initial point known to be safe that is on its way, when no reading is there yet."""
        if not self._starts and not self._known:
            outcomes = ", ".join(each.limit.outcome for each in self._models.safe)
            raise ValueError(
                f"nothing is known to be safe for {outcomes}: give initial=[points that are safe], "
                "or tell it points measured before"
            )
        starts = self._space.to_unit(self._starts)
        starts = starts[~self._steps.same(starts, self._failed)]
        if not len(starts):
            raise NoRecommendation("every initial point failed, and no other is known to be safe")
        if not first:
            raise NoRecommendation("no further point is known to be safe")
        why = "no initial point has a reading yet: once more an initial point"
        return Chosen(
            self._point(starts[number % len(starts)]), "once more an initial point, none has a reading yet", why
        )
