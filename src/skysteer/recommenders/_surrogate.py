"""The model of one outcome: from its readings to what is believed everywhere, and back to its units."""

from __future__ import annotations

import logging

import numpy as np

from ._fit import fitted, fitted_to
from ._matern import Array, Hyperparameters, Posterior
from ._readings import Readings

logger = logging.getLogger(__name__)


class Surrogate:
    """What the readings of one outcome teach.

    Inside, readings are *learnt values*: larger is better where `flipped` says
    so, square roots for counts, then standardised by the mean and width of
    those the kernel was fitted to. `posterior` speaks in standardised values,
    `predict` in the units of the outcome; `standard` goes from the units to
    standardised values.

    Parameters
    ----------
    readings, outcome
        What was told, and of which outcome this is the model.
    seed
        Of the fits.
    flipped
        Smaller readings are better: learnt values have the other sign.
    counts
        Learnt values are ``2 * sqrt(counts + 3/8)``, which gives Poisson counts
        a standard deviation of one (Anscombe 1948).
    """

    def __init__(
        self, readings: Readings, outcome: str, *, seed: int, flipped: bool = False, counts: bool = False
    ) -> None:
        self.outcome = outcome
        self._readings, self._seed = readings, seed
        self._flipped, self._counts = flipped, counts
        self._fits: dict[int, Hyperparameters] = {}
        self._latest: tuple[int, Posterior] | None = None

    @property
    def count(self) -> int:
        """How many readings there are."""
        return self._readings.count

    @property
    def values(self) -> Array:
        """(count,) learnt values, not standardised."""
        return self._learnt(self._readings.of(self.outcome))

    @property
    def hyper(self) -> Hyperparameters:
        """The kernel in use: fitted to the first m readings, m depending on their number only."""
        m = fitted_to(self.count)
        if m not in self._fits:
            rows, values = self._readings.rows[:m], self._standardised(m)[:m]
            self._fits = {m: fitted(rows, values, (self._seed, m))}
        return self._fits[m]

    def posterior(self) -> Posterior:
        """Return what is believed after all readings, in standardised values."""
        if self._latest is None or self._latest[0] != self.count:
            values = self._standardised(fitted_to(self.count))
            self._latest = (self.count, Posterior(self._readings.rows, values, self.hyper))
        return self._latest[1]

    def expected(self) -> Array:
        """Return the (count,) expected standardised values at the measured places."""
        posterior = self.posterior()
        return posterior(posterior.rows)[0]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows, in the units of the outcome."""
        mean, sd = self.posterior()(rows)
        shift, width = self.scaling()
        return self._as_measured(mean * width + shift, sd * width)

    def standard(self, reading: float) -> float:
        """Return a reading, in the units of the outcome, as a standardised value."""
        shift, width = self.scaling()
        return (float(self._learnt(np.array([reading]))[0]) - shift) / width

    def scaling(self) -> tuple[float, float]:
        """Return mean and width of the learnt values the kernel was fitted to."""
        return self._scaling(fitted_to(self.count))

    def _scaling(self, m: int) -> tuple[float, float]:
        values = self.values[:m]
        width = float(values.std())
        # Equal readings may differ by rounding: that is no width to measure by.
        return float(values.mean()), width if width > 1e-12 * float(np.abs(values).max()) else 1.0

    def _standardised(self, m: int) -> Array:
        shift, width = self._scaling(m)
        return (self.values - shift) / width

    def _learnt(self, readings: Array) -> Array:
        values = 2.0 * np.sqrt(np.maximum(readings, 0.0) + 0.375) if self._counts else readings
        return -values if self._flipped else values

    def _as_measured(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        mean = -mean if self._flipped else mean
        if self._counts:
            root = np.maximum(mean, 0.0)
            return root**2 / 4.0 - 0.375, sd * root / 2.0
        return mean, sd
