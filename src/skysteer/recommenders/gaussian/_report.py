"""What a Gaussian process believes, in plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skysteer.model import Axis, Space
from skysteer.recommenders._fit import fitted_to

from ._surrogate import Surrogate


def about(surrogate: Surrogate, space: Space) -> dict[str, Any]:
    """Return what a model of one outcome was fitted to and what came of it; lengths in the units of the axes.

    The length of an option of a choice is a part of the way from one option to another.
    """
    hyper, warp = surrogate.hyper, surrogate.scale.warp
    lengths: dict[str, Any] = {}
    column = 0
    for axis in space.axes:
        if isinstance(axis, Axis):
            lengths[axis.name] = float(hyper.scale[column]) * (axis.high - axis.low)
            column += 1
        else:
            options = hyper.scale[column : column + len(axis.options)].tolist()
            lengths[axis.name] = dict(zip(map(str, axis.options), options, strict=True))
            column += len(axis.options)
    values = surrogate.values
    return {
        "length_scales": lengths,
        "signal_sd": surrogate.in_units(float(np.sqrt(hyper.variance))),
        "noise_sd": surrogate.noise_sd(),
        "fitted_to": fitted_to(surrogate.count),
        "better_than_noise_by_nats": float(hyper.gain),
        "bent_scale": math.isfinite(warp.knee),
        "constant": bool(np.ptp(values) == 0),
    }
