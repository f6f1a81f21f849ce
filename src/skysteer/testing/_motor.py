"""A simulated motor: instant, or as fast as it is told."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property

from event_model import Limits, LimitsRange
from ophyd_async.core import (
    CALCULATE_TIMEOUT,
    CalculatableTimeout,
    MovableLogic,
    SignalR,
    SignalRW,
    SoftSignalBackend,
    StandardMovable,
    StandardReadable,
    TimeoutCalculator,
    WatchableAsyncStatus,
    WatcherUpdate,
)
from ophyd_async.core import StandardReadableFormat as Format

__all__ = ["SimulatedMotor"]

UPDATE_PERIOD = 0.02
"""Seconds between two readbacks of a moving motor."""


@dataclass
class _Move(MovableLogic[float]):
    """How the motor moves at a finite speed."""

    motor: SimulatedMotor

    async def check_move(self, new_position: float) -> None:
        self.motor.refuse(new_position)

    async def stop(self) -> None:
        self.motor.arrive(setpoint=self.motor.position)

    async def move(self, new_position: float, timeout: TimeoutCalculator) -> None:
        motor, start, began = self.motor, self.motor.position, time.monotonic()
        distance = new_position - start
        duration = 0.0 if motor.velocity is None else abs(distance) / motor.velocity
        motor.arrive(setpoint=new_position)
        while (elapsed := time.monotonic() - began) < duration:
            motor.arrive(readback=start + distance * elapsed / duration)
            await asyncio.sleep(min(UPDATE_PERIOD, duration - elapsed))
        motor.arrive(readback=new_position)


class SimulatedMotor(StandardReadable, StandardMovable[float]):
    """A motor with soft limits. Its readback has the name of the motor.

    Parameters
    ----------
    low, high
        Soft limits, in `units`: `check_value` and `set` refuse what lies beyond,
        and the readback's data key has them as ``limits.control``.
    position
        Where it is at first, in `units`.
    velocity
        In `units` a second; ``None`` is at once. It may be changed at any time
        (`velocity`); the next move uses it. A motor that takes time can be
        stopped: its move then fails with "was stopped".
    """

    def __init__(
        self,
        low: float,
        high: float,
        *,
        units: str = "mm",
        position: float = 0.0,
        velocity: float | None = None,
        name: str = "",
    ) -> None:
        if not low <= position <= high:
            raise ValueError(f"{name or 'motor'}: starts at {position:g}, outside its limits [{low:g}, {high:g}]")
        if velocity is not None and not velocity > 0:
            raise ValueError(f"{name or 'motor'}: velocity must be positive or None (at once), found {velocity!r}")
        self.low, self.high, self.units = low, high, units
        self.velocity = velocity
        # SoftSignalBackend itself, and not soft_signal_r_and_setter, for the limits
        self._readback = SoftSignalBackend(float, position, units=units)
        self._readback.metadata["limits"] = Limits(control=LimitsRange(low=low, high=high))
        self._setpoint = SoftSignalBackend(float, position, units=units)
        with self.add_children_as_readables(Format.HINTED_SIGNAL):
            self.readback = SignalR(self._readback)
        self.setpoint = SignalRW(self._setpoint)
        super().__init__(name=name)

    @cached_property
    def movable_logic(self) -> MovableLogic[float]:
        """How it moves, for `ophyd_async.core.StandardMovable`."""
        return _Move(setpoint=self.setpoint, readback=self.readback, motor=self)

    @property
    def position(self) -> float:
        """Where it is now, in `units`. From any thread."""
        return self._readback.reading["value"]

    def refuse(self, position: float) -> None:
        """Raise a ValueError for a position that it cannot reach."""
        if not math.isfinite(position):
            raise ValueError(f"{self.name}: cannot move to {position!r}, expected a finite number of {self.units}")
        if not self.low <= position <= self.high:
            raise ValueError(
                f"{self.name}: {position:g} {self.units} is outside its soft limits "
                f"[{self.low:g}, {self.high:g}] {self.units}"
            )

    def arrive(self, *, readback: float | None = None, setpoint: float | None = None) -> None:
        """Set what its signals say, as the hardware would do."""
        if setpoint is not None:
            self._setpoint.set_value(setpoint)
        if readback is not None:
            self._readback.set_value(readback)

    def set(self, new_position: float, timeout: CalculatableTimeout = CALCULATE_TIMEOUT) -> WatchableAsyncStatus[float]:
        """Move there: at once, or at its `velocity`."""
        if self.velocity is None:
            return self._jump(new_position)
        return super().set(new_position, timeout)

    @WatchableAsyncStatus.wrap
    async def _jump(self, position: float) -> AsyncIterator[WatcherUpdate[float]]:
        # StandardMovable watches the readback in a task of its own for each
        # move, which costs more than all the rest of a point.
        initial = self.position
        self.refuse(position)
        self.arrive(readback=position, setpoint=position)
        yield WatcherUpdate(current=position, initial=initial, target=position, name=self.name, unit=self.units)
