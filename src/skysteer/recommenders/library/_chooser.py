"""Which samples of a library come next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from skysteer.recommenders._matern import Array

from ._goals import FLOOR, Cover, Edge, Mask, first_best, improvement, spread
from ._models import Model
from ._reasons import Goal, Pick
from ._whitened import Belief, Columns

MAY_BE = 3.0
"""A sample may well be so many standard deviations better than expected."""
APART = 1.0
"""A member of a batch counts the share of its variance that the others leave, to this power."""
SPREAD = 1000
"""So many points of the first sequence are tried; when most were asked for already, the rest come by distance."""


class Chooser:
    """Chooses samples by number, by distance or with a model.

    Parameters
    ----------
    rows
        (M, features) of the samples.
    goal, level, seed
        As for the library.
    slack
        Worths that differ by less are equal.
    """

    def __init__(
        self, rows: Array, goal: Goal, level: float | Literal["middle"] | None, seed: int, *, slack: float
    ) -> None:
        self._rows, self._goal, self._level, self._seed, self._slack = rows, goal, level, seed, slack
        self._edge = (len(rows), Edge(rows)) if goal == "edges" else None

    def far(self, count: int, askable: Mask, taken: Cover, underway: Sequence[Array]) -> list[Pick]:
        """Return up to `count` samples, each far from all that were taken or are under way."""
        cover = taken.copy()
        for row in underway:
            cover.take(row)
        chosen: list[Pick] = []
        while len(chosen) < count:
            if np.isinf(cover.gap[0]):  # nothing was taken yet
                worth = -((self._rows - spread(0, self._rows.shape[1], self._seed)) ** 2).sum(axis=1)
            else:
                worth = cover.gap
            if (number := first_best(worth, askable, 1e-9)) is None:
                break
            chosen.append(Pick(number, "distance", gap=float(cover.gap[number])))
            askable[number] = False
            cover.take(self._rows[number])
        return chosen

    def spread(self, count: int, askable: Mask, known: Sequence[Array], underway: Sequence[Array]) -> list[Pick]:
        """Return up to `count` samples, nearest to the points of a sequence that fills the space."""
        chosen: list[Pick] = []
        for n in range(SPREAD):
            if len(chosen) == count:
                return chosen
            number = nearest(self._rows, spread(n, self._rows.shape[1], self._seed))
            if askable[number]:
                chosen.append(Pick(number, "sequence"))
                askable[number] = False
        rest = self.far(count - len(chosen), askable, Cover(self._rows), [*known, *underway])
        return chosen + [Pick(pick.number, "sequence") for pick in rest]

    def led(
        self, count: int, askable: Mask, model: Model, measured: Columns, flying: Sequence[int], values: Array
    ) -> list[Pick]:
        """Return up to `count` samples that the model likes most, each as if those before it had come out as expected.

        Parameters
        ----------
        count, askable
            How many, of which.
        model
            What is known.
        measured, flying
            Numbers of samples.
        values
            All readings.
        """
        belief = Belief(model.posterior)
        columns = model.columns[measured]
        columns = columns[columns >= 0]
        for column in model.columns[list(flying)].tolist():
            if column >= 0:
                belief.add(column)
                columns = np.append(columns, column)
        mean, level = model.posterior.mean, self._level_of(values)
        best = float(mean[columns].max()) if len(columns) else -np.inf
        chosen: list[Pick] = []
        free = askable[model.active]
        while len(chosen) < count and free.any():
            share = belief.left**APART if belief.count else None
            sd = belief.sd
            worth = self._worth(model, sd, columns, values, free, share)
            column = first_best(worth, free, self._slack)
            assert column is not None  # one is free
            chosen.append(
                Pick(
                    int(model.active[column]),
                    "model",
                    mean=self._unit(model, mean[column]),
                    sd=model.width * float(sd[column]),
                    beside=belief.count,
                    best=self._unit(model, best) if best > -np.inf else None,
                    level=level,
                    steep=self._edge is None or self._edge[1].slope(mean, column) > FLOOR,
                )
            )
            best = max(best, float(mean[column]))
            free[column] = False
            if len(chosen) < count:
                belief.add(column)
                columns = np.append(columns, column)
        askable[model.active] = False
        if len(chosen) < count and askable.any():
            # All others are used up: those left out for memory, the most doubtful first.
            rest = np.flatnonzero(askable)
            mean, sd = model.posterior.at(self._rows[rest])
            for n in np.argsort(-sd, kind="stable")[: count - len(chosen)].tolist():
                at, doubt = self._unit(model, float(mean[n])), model.width * float(sd[n])
                chosen.append(Pick(int(rest[n]), "doubt", mean=at, sd=doubt))
        return chosen

    def keeping(self, model: Model, values: Array) -> Array:
        """Return how much each active sample of a model is worth keeping: (active,).

        For a maximum or a minimum, how good it may well be. Depends on the
        readings of the model only.
        """
        posterior = model.posterior
        if self._goal in ("maximize", "minimize"):
            return posterior.mean + MAY_BE * posterior.sd
        return self._worth(model, posterior.sd, np.empty(0, np.intp), values, np.ones(len(model.active), bool), None)

    def _worth(
        self, model: Model, sd: Array, measured: Columns, values: Array, free: Mask, share: Array | None
    ) -> Array:
        if self._goal == "map":
            return np.log(sd)
        if self._goal != "edges":
            return improvement(model.posterior.mean, sd, measured, free, share)
        if self._edge is None or self._edge[0] != len(model.active):
            self._edge = len(model.active), Edge(self._rows[model.active])
        at = self._level_of(values)
        return self._edge[1](model.posterior.mean, sd, None if at is None else (at - model.shift) / model.width)

    def _level_of(self, values: Array) -> float | None:
        """Where an edge is looked for, in the units of the readings."""
        if self._goal != "edges" or self._level is None:
            return None
        return float(values.min() + values.max()) / 2.0 if self._level == "middle" else float(self._level)

    def _unit(self, model: Model, mean: float) -> float:
        """What is expected, in the units of the readings."""
        value = float(model.shift + model.width * mean)
        return -value if self._goal == "minimize" else value


def nearest(rows: Array, row: Array) -> int:
    """Return the number of the row nearest to a row."""
    number = first_best(-((rows - row) ** 2).sum(axis=1), np.ones(len(rows), bool), 1e-12)
    assert number is not None  # there is one
    return number
