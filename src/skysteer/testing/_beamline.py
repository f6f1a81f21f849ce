"""A whole simulated experiment: motors, detectors and the truth behind them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from ophyd_async.core import Device

from ._connect import connect
from ._detector import SimulatedDetector
from ._motor import SimulatedMotor
from ._truth import Edge, Peak

__all__ = ["SimulatedBeamline"]

EDGE_NOISE = 0.005
"""Standard deviation of a noisy absorbance (dimensionless)."""


class SimulatedBeamline:
    """Two motors over a sample with one bright spot, and a monochromator at an absorption edge.

    The motors `x` and `y` reach from -5 mm to 5 mm, `energy` from 7000 eV to
    7200 eV. `det` counts photons of a narrow peak over x and y, `edge` measures
    the absorbance of iron over the energy. Devices are named as the attributes,
    and so are their readings.

    Parameters
    ----------
    RE
        The engine on whose loop the devices are connected: ours or a stock
        `bluesky.RunEngine`. ``None`` takes the loop of the engine made last,
        and without an engine none: the devices work on any loop.
    seed
        Of the position of the peak, of the noise and of the failures.
    peak
        Instead of the peak that the seed chooses.
    noise
        Whether the detectors draw (Poisson counts; an absorbance within 0.005).
    dead_time
        Seconds that a trigger takes.
    failure_rate
        Share of triggers that fail with a RuntimeError, chosen by the seed.
    fail_at
        Numbers of the triggers (of each detector, from 1) that fail.
    velocity
        Of x and y in mm/s, and of the energy in eV/s; ``None`` moves at once.

    Examples
    --------
    >>> beam = SimulatedBeamline(seed=1)
    >>> beam.det.truth(beam.true_peak.x, beam.true_peak.y) == beam.true_peak.height
    True
    """

    def __init__(
        self,
        RE: Any = None,
        *,
        seed: int = 0,
        peak: Peak | None = None,
        noise: bool = True,
        dead_time: float = 0.0,
        failure_rate: float = 0.0,
        fail_at: Collection[int] = (),
        velocity: float | None = None,
    ) -> None:
        self.seed = seed
        self.true_peak = Peak.random(seed) if peak is None else peak
        """The peak that `det` measures, without noise."""
        self.true_edge = Edge()
        """The edge that `edge` measures, without noise."""
        self.x = SimulatedMotor(-5.0, 5.0, velocity=velocity, name="x")
        self.y = SimulatedMotor(-5.0, 5.0, velocity=velocity, name="y")
        self.energy = SimulatedMotor(7000.0, 7200.0, units="eV", position=7000.0, velocity=velocity, name="energy")
        self.det = SimulatedDetector(
            self.true_peak,
            [self.x, self.y],
            _poisson,
            units="counts",
            dead_time=dead_time,
            failure_rate=failure_rate,
            fail_at=fail_at,
            noise=noise,
            seed=[seed, 1],
            name="det",
        )
        self.edge = SimulatedDetector(
            self.true_edge,
            [self.energy],
            _normal,
            dead_time=dead_time,
            failure_rate=failure_rate,
            fail_at=fail_at,
            noise=noise,
            seed=[seed, 2],
            name="edge",
        )
        self.devices: tuple[Device, ...] = (self.x, self.y, self.energy, self.det, self.edge)
        """All of them."""
        connect(self.devices, RE)

    def __repr__(self) -> str:
        names = ", ".join(device.name for device in self.devices)
        return f"<{type(self).__name__} of {names}; seed={self.seed}>"


def _poisson(generator: np.random.Generator, value: float) -> float:
    return generator.poisson(value)


def _normal(generator: np.random.Generator, value: float) -> float:
    return generator.normal(value, EDGE_NOISE)
