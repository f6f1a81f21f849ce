"""The model of one outcome: from its readings to what is believed everywhere, and back to its units."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._fit import fitted, fitted_to
from skysteer.recommenders._matern import Array, Hyperparameters, Posterior

from ._readings import Readings
from ._warp import STRAIGHT, Warp, bend

logger = logging.getLogger(__name__)


QUIET = 3e-3
"""Noise of less than this part of the variance of the readings does not matter."""
ROUNDING = 1e-14
"""Readings that differ by less than this part of the largest are equal."""
TINY = 1e-100
"""Readings that differ by less than this, in any units, are equal: the square of the difference must be a number."""
WARY_SCALE = 0.25
"""A safety limit is not taken to hold farther away than a correlation length of this part of the range allows."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How learnt values are standardised: ``(warp(value) - shift) / width``."""

    warp: Warp
    """Bends the values first."""
    shift: float
    """Mean of the bent values."""
    width: float
    """Standard deviation of the bent values, 1 where all are equal."""

    def __call__(self, values: Array) -> Array:
        """Return standardised values."""
        return (self.warp(values) - self.shift) / self.width

    def back(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation as learnt values; on a bent scale the median, and to first order."""
        values = self.warp.back(mean * self.width + self.shift)
        return values, sd * self.width / self.warp.slope(values)


@dataclass(frozen=True, slots=True)
class Units:
    """From standardised values to the units of an outcome."""

    scale: Scale
    """How learnt values are standardised."""
    flipped: bool = False
    """Learnt values have the other sign."""
    counts: bool = False
    """Learnt values are square roots."""

    def __call__(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation of the outcome."""
        mean, sd = self.scale.back(mean, sd)
        mean = -mean if self.flipped else mean
        if self.counts:
            root = np.maximum(mean, 0.0)
            return root**2 / 4.0 - 0.375, sd * root / 2.0
        return mean, sd

    def number(self, mean: Array, sd: Array) -> tuple[float, float]:
        """Return the same of one place, as numbers."""
        (value,), (doubt,) = self(mean, sd)
        return float(value), float(doubt)


@dataclass(frozen=True, slots=True)
class Given:
    """What the user knows of the kernel, so that it is not fitted."""

    scale: Array
    """(dimensions,) correlation lengths as parts of the unit box; NaN where they are to be fitted."""
    noise: float | None = None
    """Standard deviation of a reading, in the units of the outcome; ``None`` where it is to be fitted."""


def given(
    space: Space,
    outcomes: Sequence[str],
    length_scale: Mapping[str, float] | None,
    noise: Any,
) -> dict[str, Given]:
    """Return, for each outcome, what its user knows of the kernel, from lengths in the units of the axes.

    Raises
    ------
    ValueError
        If a name is no axis or no outcome, or a number cannot be.
    """
    scale: list[float] = []
    wrong = [name for name in length_scale or {} if not isinstance(space.get(name), Axis)]
    if wrong:
        raise ValueError(f"length_scale names {wrong}; expected axes of the space: {list(space)} (no choices)")
    for axis in space.axes:
        length = (length_scale or {}).get(axis.name, math.nan)
        if length <= 0 or math.isinf(length):
            raise ValueError(f"length_scale[{axis.name!r}] must be a positive number, found {length!r}")
        scale += [math.nan] * len(axis.options) if isinstance(axis, Choice) else [length / (axis.high - axis.low)]
    if isinstance(noise, int | float):
        if len(outcomes) > 1:
            raise ValueError(f"noise={noise!r} is of which outcome? Give noise={{name: number}} for {list(outcomes)}")
        noise = {outcomes[0]: float(noise)}
    if noise != "fit" and (not isinstance(noise, Mapping) or set(cast("Mapping[str, Any]", noise)) - set(outcomes)):
        raise ValueError(f"noise must be 'fit', a number, or a number for some of {list(outcomes)}, found {noise!r}")
    sds = cast("Mapping[str, float]", {} if noise == "fit" else noise)
    for name, sd in sds.items():
        if not 0 < sd < math.inf:
            raise ValueError(f"the noise of {name!r} must be a positive number, found {sd!r}")
    return {name: Given(np.array(scale), sds.get(name)) for name in outcomes}


class Surrogate:
    """What the readings of one outcome teach.

    Inside, readings are *learnt values*: larger is better where `flipped` says
    so, square roots for counts. Then they are standardised by the mean and
    width of those the kernel was fitted to; where the readings are quiet, on a
    bent scale if the same kind of kernel explains them better on it.
    `posterior` speaks in standardised values, `predict` in the units of the
    outcome; `standard` goes from the units to standardised values.

    Parameters
    ----------
    readings, outcome
        What was told, and of which outcome this is the model.
    flipped
        Smaller readings are better: learnt values have the other sign.
    counts
        Learnt values are ``2 * sqrt(counts + 3/8)``, which gives Poisson counts
        a standard deviation of one (Anscombe 1948).
    sought
        This is what is to be large: the kernel has a trend, and the scale may be bent.
    linear
        The scale is never bent.
    given
        Correlation lengths and noise that are known.
    wary_of
        A bound, in the units of the outcome, that must not be passed. Then the
        model expects, where nothing is known, just this bound, and its kernel
        may be no smoother than `WARY_SCALE` where no length is given.
    """

    def __init__(
        self,
        readings: Readings,
        outcome: str,
        *,
        flipped: bool = False,
        counts: bool = False,
        sought: bool = False,
        linear: bool = True,
        given: Given | None = None,
        wary_of: float | None = None,
    ) -> None:
        self.outcome = outcome
        self.failures: list[str] = []
        """What went wrong with fits, in the order in which it did."""
        self._readings, self._sought, self._linear = readings, sought, linear
        self._given, self._wary_of = given, wary_of
        self._flipped, self._counts = flipped, counts
        self._fit: tuple[int, Scale, Hyperparameters] | None = None
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
        return self._fitted()[1]

    @property
    def scale(self) -> Scale:
        """How learnt values are standardised."""
        return self._fitted()[0]

    @property
    def units(self) -> Units:
        """From standardised values to the units of the outcome, as of now."""
        return Units(self.scale, self._flipped, self._counts)

    def posterior(self) -> Posterior:
        """Return what is believed after all readings, in standardised values."""
        if self._latest is None or self._latest[0] != self.count:
            self._latest = (self.count, self._solved())
        return self._latest[1]

    def expected(self) -> Array:
        """Return the (count,) expected standardised values at the measured places."""
        posterior = self.posterior()
        return posterior(posterior.rows)[0]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows, in the units of the outcome."""
        mean, sd = self.posterior()(rows)
        return self.units(mean, sd)

    def standard(self, reading: float) -> float:
        """Return a reading, in the units of the outcome, as a standardised value."""
        return float(self.scale(self._learnt(np.array([reading])))[0])

    def noise_sd(self) -> float:
        """Return the standard deviation of a reading in the middle of the readings, in the units of the outcome."""
        return self.in_units(math.sqrt(self.hyper.noise))

    def in_units(self, sd: float) -> float:
        """Return a small standardised difference as one in the units of the outcome, in the middle of the readings."""
        middle = self.scale(np.array([np.median(self.values)]))
        return self.units.number(middle, np.array([sd]))[1]

    def _fitted(self) -> tuple[Scale, Hyperparameters]:
        m = fitted_to(self.count)
        if self._fit is None or self._fit[0] != m:
            scale = self._scale(STRAIGHT, m)
            hyper = self._fitted_on(scale, m)
            if self._sought and not self._linear and hyper.noise < QUIET and m > 2:
                scale, hyper = self._bent(scale, hyper, m)
            if math.isinf(hyper.loss):
                self.failures.append(f"{self.outcome}: no kernel could be fitted to {m} readings")
            self._fit = m, scale, self._known(hyper)
        return self._fit[1:]

    def _bent(self, scale: Scale, hyper: Hyperparameters, m: int) -> tuple[Scale, Hyperparameters]:
        """The scale on which the readings are more probable, that of the kernel or a bent one, and the kernel on it."""
        values = self.values[:m]
        if np.ptp(values) <= TINY:
            return scale, hyper

        def loss(scale: Scale, hyper: Hyperparameters) -> float:
            return hyper.loss - float(np.log(scale.warp.slope(values) / scale.width).sum())

        other = self._scale(bend(values), m)
        found = self._fitted_on(other, m)
        return (other, found) if loss(other, found) < loss(scale, hyper) else (scale, hyper)

    def _fitted_on(self, scale: Scale, m: int) -> Hyperparameters:
        known = self._given
        sd = 1.0 if self._counts else None if known is None else known.noise
        # Of the best reading, where a bent scale is straight: below its knee noise counts for less.
        noise = None if sd is None else (sd * float(scale.warp.slope(self.values[:m]).max()) / scale.width) ** 2
        return fitted(
            self._readings.rows[:m], scale(self.values[:m]), trend=self._sought,
            scale=None if known is None else known.scale, noise=noise,
        )  # fmt: skip

    def _solved(self) -> Posterior:
        """The posterior, with more noise where the readings are too close together for the arithmetic."""
        hyper, rows, values = self.hyper, self._readings.rows, self.scale(self.values)
        for noise in (hyper.noise, hyper.noise + 1e-6, hyper.noise + 1e-3):
            try:
                return Posterior(rows, values, replace(hyper, noise=noise))
            except np.linalg.LinAlgError as exc:
                self._fault(f"{exc}, with a noise variance of {noise:.3g} and {self.count} readings")
        return Posterior(rows, values, replace(hyper, noise=1.0))

    def _known(self, hyper: Hyperparameters) -> Hyperparameters:
        """The same, wary where it must be."""
        if self._wary_of is None:
            return hyper
        fixed: Array = np.full(len(hyper.scale), np.nan) if self._given is None else self._given.scale
        # A long length comes with a large variance, which would be too much for a short one.
        variance = 1.0 if (hyper.scale > WARY_SCALE).any() else max(hyper.variance, 1.0)
        scale = np.where(np.isnan(fixed), np.minimum(hyper.scale, WARY_SCALE), fixed)
        return replace(hyper, scale=np.asarray(scale, dtype=float), variance=variance)

    def _fault(self, what: str) -> None:
        self.failures.append(f"{self.outcome}: {what}")
        logger.warning("the model of %r: %s", self.outcome, what)

    def _scale(self, warp: Warp, m: int) -> Scale:
        values = self.values[:m]
        if self._wary_of is not None:
            bound = float(self._learnt(np.array([self._wary_of]))[0])
            return Scale(STRAIGHT, bound, float(np.sqrt(np.mean((values - bound) ** 2))) or 1.0)
        bent = warp(values)
        width = float(bent.std())
        # Equal readings may differ by rounding: that is no width to measure by.
        least = max(ROUNDING * float(np.abs(bent).max()), TINY)
        return Scale(warp, float(bent.mean()), width if width > least else 1.0)

    def _learnt(self, readings: Array) -> Array:
        values = 2.0 * np.sqrt(np.maximum(readings, 0.0) + 0.375) if self._counts else readings
        return -values if self._flipped else values
