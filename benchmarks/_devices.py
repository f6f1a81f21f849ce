"""The leanest ophyd-async devices there are, so that what is measured is the plan and not the device."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ophyd_async.core import AsyncStatus, Device, StandardReadable, soft_signal_r_and_setter
from ophyd_async.core import StandardReadableFormat as Format

from skysteer import Status


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
        self.triggered = 0.0
        """When it was last triggered, on the monotonic clock."""
        super().__init__(name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        super().set_name(name, child_name_separator=child_name_separator)
        self.value.set_name(name)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        self.triggers, self.triggered = self.triggers + 1, time.monotonic()
        if self.seconds:
            await self._expose()
        position = await self._motor[0].readback.get_value()
        self._put(math.exp(-position * position / 2))

    async def _expose(self) -> None:
        await asyncio.sleep(self.seconds)


class StoppableDetector(SoftDetector):
    """Ends an exposure at once: it fails when it is stopped, and is only over when it is unstaged."""

    _exposure: asyncio.Future[None] | None = None

    async def _expose(self) -> None:
        exposure = self._exposure = asyncio.get_running_loop().create_future()
        with suppress(TimeoutError):
            await asyncio.wait_for(exposure, self.seconds)

    async def stop(self, success: bool = False) -> None:
        if self._exposure is not None and not self._exposure.done():
            self._exposure.set_exception(RuntimeError("the exposure was stopped"))

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        if self._exposure is not None and not self._exposure.done():
            self._exposure.set_result(None)


class AtOnce:
    """A motor or detector of no library: every status is done when it is returned, and nothing is awaited."""

    parent = None

    def __init__(self, name: str, motor: AtOnce | None = None) -> None:
        self.name = name
        self.position = 0.0
        self.triggers = 0
        self._motor = motor
        self.hints = {"fields": [name]}

    def set(self, value: float) -> Status:
        self.position = value
        return _done()

    def trigger(self) -> Status:
        self.triggers += 1
        return _done()

    def read(self) -> dict[str, Any]:
        x = self.position if self._motor is None else math.exp(-self._motor.position * self._motor.position / 2)
        return {self.name: {"value": x, "timestamp": time.time()}}

    def describe(self) -> dict[str, Any]:
        return {self.name: {"source": "benchmark", "dtype": "number", "shape": []}}

    def read_configuration(self) -> dict[str, Any]:
        return {}

    def describe_configuration(self) -> dict[str, Any]:
        return {}


def _done() -> Status:
    status = Status()
    status.set_finished()
    return status


@dataclass(frozen=True, slots=True)
class Beam:
    """What every condition measures with: ``motor`` and ``det``, by these names."""

    motor: Any
    det: Any

    @classmethod
    def on(cls, RE: Any, seconds: float = 0.0, detector: type[SoftDetector] = SoftDetector) -> Beam:
        """Make both on the loop of an engine; a trigger takes ``seconds``."""
        motor = SoftMotor("motor")
        beam = cls(motor, detector(motor, seconds, "det"))
        connect(RE, beam.motor, beam.det)
        return beam

    @classmethod
    def at_once(cls) -> Beam:
        """Make both of devices that are never waited for."""
        motor = AtOnce("motor")
        return cls(motor, AtOnce("det", motor))


def connect(RE: Any, *devices: Device) -> None:
    """Connect devices on the loop of an engine."""

    async def all_of_them() -> None:
        await asyncio.gather(*(device.connect() for device in devices))

    asyncio.run_coroutine_threadsafe(all_of_them(), RE.loop).result(10)
