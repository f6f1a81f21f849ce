"""The leanest ophyd-async devices there are, so that what is measured is the plan and not the device."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from ophyd_async.core import AsyncStatus, Device, StandardReadable, soft_signal_r_and_setter
from ophyd_async.core import StandardReadableFormat as Format


class SoftMotor(StandardReadable):
    """Is where it was sent, at once."""

    def __init__(self, name: str) -> None:
        with self.add_children_as_readables(Format.HINTED_SIGNAL):
            self.readback, self._put = soft_signal_r_and_setter(float, 0.0)
        super().__init__(name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        super().set_name(name, child_name_separator=child_name_separator)
        self.readback.set_name(name)

    @AsyncStatus.wrap
    async def set(self, value: float) -> None:
        self._put(value)


class SoftDetector(StandardReadable):
    """A Gaussian of the motor's position; counts its triggers, which is how points are counted while timing."""

    def __init__(self, motor: SoftMotor, seconds: float, name: str) -> None:
        with self.add_children_as_readables(Format.HINTED_SIGNAL):
            self.value, self._put = soft_signal_r_and_setter(float, 0.0)
        self._motor = [motor]  # in a list: the motor is no child of the detector
        self.seconds = seconds
        self.triggers = 0
        super().__init__(name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        super().set_name(name, child_name_separator=child_name_separator)
        self.value.set_name(name)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        self.triggers += 1
        if self.seconds:
            await asyncio.sleep(self.seconds)
        position = await self._motor[0].readback.get_value()
        self._put(math.exp(-position * position / 2))


@dataclass(frozen=True, slots=True)
class Beam:
    """What every condition measures with: ``motor`` and ``det``, by these names."""

    motor: SoftMotor
    det: SoftDetector

    @classmethod
    def on(cls, RE: Any, seconds: float = 0.0) -> Beam:
        """Make both on the loop of an engine; a trigger takes ``seconds``."""
        motor = SoftMotor("motor")
        beam = cls(motor, SoftDetector(motor, seconds, "det"))
        connect(RE, beam.motor, beam.det)
        return beam


def connect(RE: Any, *devices: Device) -> None:
    """Connect devices on the loop of an engine."""

    async def all_of_them() -> None:
        await asyncio.gather(*(device.connect() for device in devices))

    asyncio.run_coroutine_threadsafe(all_of_them(), RE.loop).result(10)
