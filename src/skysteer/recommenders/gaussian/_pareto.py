"""Several objectives at once: which points are beaten by none, and where there may be more of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array

from ._acquisition import Belief, log_h, special

MARGIN = 0.1
"""The reference point lies below the worst of the Pareto set by this part of the range of all points
(Ishibuchi et al. 2018, doi:10.1162/evco_a_00226, give the reason for such a margin)."""


def unbeaten(values: Array) -> NDArray[np.bool_]:
    """Which of (n, objectives) values no other one equals or exceeds in all objectives and exceeds in one."""
    above = values[:, None] - values[None]
    beats = np.all(above >= 0, axis=2) & np.any(above > 0, axis=2)
    return ~np.any(beats, axis=0)


def reference_point(values: Array) -> Array:
    """Return the (objectives,) values below which an improvement counts for nothing."""
    span = values.max(axis=0) - values.min(axis=0)
    return values[unbeaten(values)].min(axis=0) - MARGIN * np.where(span > 0, span, 1.0)


class LogHypervolume:
    """The logarithm of the expected improvement of the hypervolume of two objectives, exact.

    The area beyond the front is cut into strips at the values of the first
    objective; over each strip the expectation is a product of two expected
    improvements (Emmerich, Yang, Deutz, Wang and Fonseca 2016,
    doi:10.1007/978-3-319-29975-4_8, arrive at the same sum). The objectives are
    taken to be independent.

    Parameters
    ----------
    beliefs
        Two.
    values
        (n, 2) values already reached.
    reference
        (2,) the corner of the hypervolume.
    """

    def __init__(self, beliefs: Sequence[Belief], values: Array, reference: Array) -> None:
        self._beliefs = beliefs
        values = values[(values > reference).all(axis=1)]
        front = np.unique(values[unbeaten(values)], axis=0)  # the first rises, the second falls
        self._from = np.concatenate([[reference[0]], front[:, 0]])[:, None]
        self._above = np.concatenate([front[:, 1], [reference[1]]])[:, None]

    def __call__(self, rows: Array) -> Array:
        (mean, sd), (other, other_sd) = (belief(rows) for belief in self._beliefs)
        return self._value(mean, sd, other, other_sd)[0]

    def slope(self, row: Array) -> tuple[float, Array]:
        beliefs = [belief.slopes(row) for belief in self._beliefs]
        value, parts = self._value(*(np.array([number]) for mean, sd, *_ in beliefs for number in (mean, sd)))
        slopes = [slope for _, _, *both in beliefs for slope in both]
        return float(value[0]), np.sum([part[0] * slope for part, slope in zip(parts, slopes, strict=True)], axis=0)

    def _value(self, mean: Array, sd: Array, other: Array, other_sd: Array) -> tuple[Array, list[Array]]:
        """Values, and their derivatives to the four arguments; all (m,)."""
        gain, by_mean, by_sd = _log_gain(mean, sd, self._from)  # over the start of each strip, (strips, m)
        second, by_other, by_other_sd = _log_gain(other, other_sd, self._above)
        # The improvement inside a strip is that over its start less that over its end; the last one has no end.
        rest = np.exp(np.minimum(gain[1:] - gain[:-1], -1e-12))
        strip = np.concatenate([gain[:-1] + np.log1p(-rest), gain[-1:]])
        inside = [np.concatenate([(by[:-1] - rest * by[1:]) / (1.0 - rest), by[-1:]]) for by in (by_mean, by_sd)]
        logs = strip + second
        value: Array = special.logsumexp(logs, axis=0)
        share = np.exp(logs - value)
        return value, [np.sum(share * part, axis=0) for part in (*inside, by_other, by_other_sd)]


class LogChebyshev:
    """The logarithm of the expected improvement of the worst of several objectives, each with a weight.

    With another random weighting for each point, the points come to lie all
    over the Pareto set (ParEGO: Knowles 2006, doi:10.1109/TEVC.2005.851274).
    There one model learns the weighted worst; here every objective has its own,
    and the expectation is the integral over t of the probability that all
    objectives exceed t times their weight.

    Parameters
    ----------
    beliefs
        Of independent objectives.
    values
        (n, objectives) values already reached.
    reference
        (objectives,) from where they are counted.
    weights
        (objectives,) positive.
    """

    def __init__(self, beliefs: Sequence[Belief], values: Array, reference: Array, weights: Array) -> None:
        self._beliefs, self._reference, self._weights = beliefs, reference, weights
        reached = float(((values - reference) / weights).min(axis=1).max())
        beyond = np.geomspace(1e-5, 30.0, 32)  # standardised: from next to nothing to more than there can be
        self._levels = (reached + beyond)[:, None]
        widths = beyond * np.log(beyond[1] / beyond[0])
        self._log_widths = np.log(np.concatenate([[widths[0] + beyond[0]], widths[1:]]))[:, None]

    def __call__(self, rows: Array) -> Array:
        logs = self._log_widths
        for belief, z in zip(self._beliefs, self._needed(), strict=True):
            mean, sd = belief(rows)
            logs = logs + special.log_ndtr((mean - z) / sd)
        return special.logsumexp(logs, axis=0)

    def slope(self, row: Array) -> tuple[float, Array]:
        logs, slopes = self._log_widths[:, 0], np.zeros((len(self._levels), len(row)))
        for belief, needed in zip(self._beliefs, self._needed(), strict=True):
            mean, sd, mean_slope, sd_slope = belief.slopes(row)
            z = (mean - needed[:, 0]) / sd
            log_cdf = special.log_ndtr(z)
            logs = logs + log_cdf
            rise = np.exp(np.minimum(-0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - log_cdf, 50.0))
            slopes += (rise / sd)[:, None] * (mean_slope - z[:, None] * sd_slope)
        value = float(special.logsumexp(logs))
        return value, np.exp(logs - value) @ slopes

    def _needed(self) -> list[Array]:
        return [r + weight * self._levels for r, weight in zip(self._reference, self._weights, strict=True)]


def _log_gain(mean: Array, sd: Array, above: Array) -> tuple[Array, Array, Array]:
    """Log expected improvement over each of (k, 1) values, and its derivatives to mean and sd; (k, m) each."""
    z = (mean - above) / sd
    lh = log_h(z)
    rise = np.exp(np.clip(special.log_ndtr(z) - lh, -50.0, 50.0))
    return np.log(sd) + lh, rise / sd, (1.0 - rise * z) / sd
