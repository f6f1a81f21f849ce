"""A simulated combinatorial wafer: a diffraction pattern wherever it is measured, of three phases."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ophyd_async.core import Array1D, AsyncStatus, Device, SignalR, SoftSignalBackend, StandardReadable
from ophyd_async.core import StandardReadableFormat as Format

from ._connect import connect
from ._motor import SimulatedMotor

__all__ = ["Phases", "SimulatedDiffractometer", "SimulatedWafer"]

CHANNELS = 120
"""Channels of a diffraction pattern."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Three phases over a wafer, with narrow boundaries between them.

    >>> phases = Phases()
    >>> phases.phase(-4.0, 4.0), phases.phase(4.0, 4.0), phases.phase(0.0, -4.0)
    (0, 1, 2)
    """

    width: float = 0.1
    """How wide a boundary is, in mm: over it the parts of two phases change places."""
    counts: float = 400.0
    """Counts of the tallest line."""
    background: float = 5.0
    """Counts of every channel without a line."""
    lines: tuple[tuple[float, ...], ...] = ((1.6, 2.7, 4.1), (1.9, 3.0, 3.6), (1.3, 2.3, 4.5))
    """Of each phase, where its lines are, in 1/angstrom."""

    @property
    def q(self) -> NDArray[np.float64]:
        """(channels,) scattering vectors, in 1/angstrom."""
        return np.linspace(1.0, 5.0, CHANNELS)

    def parts(self, x: float, y: float) -> NDArray[np.float64]:
        """Return the (3,) parts of the phases at a position in mm; their sum is 1."""
        ceiling = -1.0 + 1.5 * math.sin(0.6 * x)  # above it the first two
        wall = 0.4 + 0.8 * math.sin(0.9 * y)
        above = _step((y - ceiling) / self.width)
        right = _step((x - wall) / self.width)
        return np.array([above * (1.0 - right), above * right, 1.0 - above])

    def phase(self, x: float, y: float) -> int:
        """Return the number of the phase that is most of it at a position in mm."""
        return int(np.argmax(self.parts(x, y)))

    def pattern(self, x: float, y: float) -> NDArray[np.float64]:
        """Return the (channels,) mean counts at a position in mm."""
        counts = np.full(CHANNELS, self.background)
        for part, lines in zip(self.parts(x, y), self.lines, strict=True):
            for number, line in enumerate(lines):
                counts += part * self.counts / (1 + number) * np.exp(-0.5 * ((self.q - line) / 0.05) ** 2)
        return counts


def _step(z: float) -> float:
    return 0.5 * (1.0 + math.tanh(z))


class SimulatedDiffractometer(StandardReadable):
    """A detector that counts a diffraction pattern at the position of two motors.

    It reads ``<name>`` (hinted), all counts; ``<name>-pattern``; and
    ``<name>-ratio``, the counts at the first line of the second phase over those
    at the first lines of all phases: from 0 to 1, the part of the second phase.

    Parameters
    ----------
    phases, motors
        What is measured, and the motors that say where (x and y).
    dead_time
        Seconds that a trigger takes.
    noise
        Whether counts are drawn (Poisson).
    seed
        Of the noise.
    """

    def __init__(
        self,
        phases: Phases,
        motors: Sequence[SimulatedMotor],
        *,
        dead_time: float = 0.0,
        noise: bool = True,
        seed: int | Sequence[int] = 0,
        name: str = "",
    ) -> None:
        self.truth = phases
        self.dead_time = dead_time
        """Seconds that a trigger takes."""
        self.noise = noise
        """Whether counts are drawn; otherwise they are the truth."""
        self._motors = tuple(motors)  # in a tuple they are not its children
        self._generator = np.random.default_rng(seed)
        self._total = SoftSignalBackend(float, 0.0, units="counts")
        self._ratio = SoftSignalBackend(float, 0.0)
        self._pattern = SoftSignalBackend(Array1D[np.float64], np.zeros(CHANNELS), units="counts")
        with self.add_children_as_readables(Format.HINTED_SIGNAL):
            self.total = SignalR(self._total)
        with self.add_children_as_readables():
            self.ratio = SignalR(self._ratio)
            self.pattern = SignalR(self._pattern)
        super().__init__(name=name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        """Name it, its hinted reading after it, and the others ``<name>-ratio`` and ``<name>-pattern``."""
        super().set_name(name, child_name_separator=child_name_separator)
        self.total.set_name(name)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Count once at the position the motors have."""
        if self.dead_time > 0:
            await asyncio.sleep(self.dead_time)
        x, y = self._motors
        pattern = self.truth.pattern(x.position, y.position)
        if self.noise:
            pattern = self._generator.poisson(pattern).astype(float)
        counts = [self._counts_at(pattern, lines[0]) for lines in self.truth.lines]
        self._total.set_value(float(pattern.sum()))
        self._ratio.set_value(counts[1] / max(sum(counts), 1.0))
        self._pattern.set_value(pattern)

    def _counts_at(self, pattern: NDArray[np.float64], line: float) -> float:
        near = np.abs(self.truth.q - line) < 0.12
        return max(float(pattern[near].sum()) - self.truth.background * float(near.sum()), 0.0)


class SimulatedWafer:
    """Two motors over a wafer of three phases, and a diffractometer.

    The motors `x` and `y` reach from -5 mm to 5 mm; `xrd` counts diffraction
    patterns. Devices are named as the attributes.

    Parameters
    ----------
    RE
        The engine on whose loop the devices are connected, as for `SimulatedBeamline`.
    seed
        Of the noise.
    phases
        Instead of the usual ones.
    noise, dead_time
        Of the diffractometer.
    velocity
        Of x and y in mm/s; ``None`` moves at once.

    Examples
    --------
    >>> wafer = SimulatedWafer()
    >>> wafer.xrd.truth.phase(-4.0, 4.0)
    0
    """

    def __init__(
        self,
        RE: Any = None,
        *,
        seed: int = 0,
        phases: Phases | None = None,
        noise: bool = True,
        dead_time: float = 0.0,
        velocity: float | None = None,
    ) -> None:
        self.seed = seed
        self.true_phases = Phases() if phases is None else phases
        """What `xrd` measures, without noise."""
        self.x = SimulatedMotor(-5.0, 5.0, velocity=velocity, name="x")
        self.y = SimulatedMotor(-5.0, 5.0, velocity=velocity, name="y")
        self.xrd = SimulatedDiffractometer(
            self.true_phases, [self.x, self.y], dead_time=dead_time, noise=noise, seed=[seed, 3], name="xrd"
        )
        self.devices: tuple[Device, ...] = (self.x, self.y, self.xrd)
        """All of them."""
        connect(self.devices, RE)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of x, y, xrd; seed={self.seed}>"
