"""The simulated experiment on a real EPICS server, through Channel Access on loopback.

A leaf: needs the extra ``epics``. Nothing else imports it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import random
import string
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

from bluesky.protocols import Reading
from ophyd_async.core import (
    CALCULATE_TIMEOUT,
    AsyncStatus,
    CalculatableTimeout,
    Device,
    MovableLogic,
    SignalR,
    SignalRW,
    StandardMovable,
    StandardReadable,
    TimeoutCalculator,
    WatchableAsyncStatus,
)
from ophyd_async.core import StandardReadableFormat as Format

from ._connect import connect
from ._ioc_process import IocProcess
from ._truth import Peak

_missing = [name for name in ("aioca", "softioc") if importlib.util.find_spec(name) is None]
if _missing:
    raise ImportError(
        f"skysteer.testing.epics needs {' and '.join(_missing)}, which the extra 'epics' brings: "
        "pip install 'skysteer[epics]'"
    )

import aioca  # noqa: E402  # pyright: ignore[reportMissingTypeStubs]
from ophyd_async.epics.core import epics_signal_r, epics_signal_rw  # noqa: E402

from . import _channel_access  # noqa: E402

__all__ = ["EpicsBeamline", "EpicsDetector", "EpicsMotor"]


class _Link:
    """What the devices know of their server: how long to wait for it, and whether it lives."""

    def __init__(self, ioc: IocProcess, timeout: float) -> None:
        self.ioc = ioc
        self.timeout = timeout

    def refuse_if_gone(self, name: str) -> None:
        """Raise a ConnectionError if the IOC has ended: it will never answer."""
        status = self.ioc.exit_status
        if status is not None:
            raise ConnectionError(f"{name}: the soft IOC (process {self.ioc.pid}) has ended with status {status}")

    async def confirm(self, name: str, signal: SignalR[Any]) -> None:
        """Ask for anything after a put: one that waits when its server dies is ended as if it had been done."""
        if self.ioc.exit_status is None:
            await signal.get_value(cached=False)
        self.refuse_if_gone(name)

    @asynccontextmanager
    async def explained(self, name: str) -> AsyncGenerator[None]:
        """Say what became of the IOC where Channel Access only says that nothing came."""
        self.refuse_if_gone(name)
        try:
            yield
        except (TimeoutError, aioca.CANothing) as exc:
            # The connection of a process that is killed is closed a little
            # before its exit status can be had.
            for _ in range(10):
                self.refuse_if_gone(name)
                await asyncio.sleep(0.02)
            raise TimeoutError(f"{name}: the soft IOC (process {self.ioc.pid}) runs but does not answer") from exc


@dataclass
class _Move(MovableLogic[float]):
    motor: EpicsMotor

    async def check_move(self, new_position: float) -> None:
        low, high = await asyncio.gather(self.motor.low.get_value(), self.motor.high.get_value())
        if not low <= new_position <= high:
            raise ValueError(
                f"{self.motor.name}: {new_position:g} mm is outside its soft limits [{low:g}, {high:g}] mm"
            )

    async def calculate_timeout(self, old_position: float, new_position: float) -> float:
        velocity = await self.motor.velocity.get_value()
        travel = abs(new_position - old_position) / velocity if velocity > 0 else 0.0
        return travel + self.motor.link.timeout

    async def stop(self) -> None:
        self.motor.link.refuse_if_gone(self.motor.name)
        await self.motor.halt.set(1)

    async def move(self, new_position: float, timeout: TimeoutCalculator) -> None:
        async with self.motor.link.explained(self.motor.name):
            await self.setpoint.set(new_position, timeout=timeout())
            await self.motor.link.confirm(self.motor.name, self.readback)


class EpicsMotor(StandardReadable, StandardMovable[float]):
    """An axis of the soft IOC: the server moves it, and the put is done when it is there."""

    def __init__(self, prefix: str, link: _Link, name: str = "") -> None:
        self.link = link
        timeout = link.timeout
        # uncached: a monitor may come after the put that it belongs to has completed
        with self.add_children_as_readables(Format.HINTED_UNCACHED_SIGNAL):
            self.readback: SignalR[float] = epics_signal_r(float, f"ca://{prefix}:RBV", timeout=timeout)
        self.setpoint: SignalRW[float] = epics_signal_rw(float, f"ca://{prefix}", timeout=timeout)
        self.velocity: SignalRW[float] = epics_signal_rw(float, f"ca://{prefix}:VELO", timeout=timeout)
        self.low: SignalR[float] = epics_signal_r(float, f"ca://{prefix}.DRVL", timeout=timeout)
        self.high: SignalR[float] = epics_signal_r(float, f"ca://{prefix}.DRVH", timeout=timeout)
        self.halt: SignalRW[int] = epics_signal_rw(int, f"ca://{prefix}:STOP", timeout=timeout)
        super().__init__(name=name)

    @cached_property
    def movable_logic(self) -> MovableLogic[float]:
        """How it moves, for `ophyd_async.core.StandardMovable`."""
        return _Move(setpoint=self.setpoint, readback=self.readback, motor=self)

    def set(self, new_position: float, timeout: CalculatableTimeout = CALCULATE_TIMEOUT) -> WatchableAsyncStatus[float]:
        """Move there."""
        self.link.refuse_if_gone(self.name)
        return super().set(new_position, timeout)

    async def read(self) -> dict[str, Reading[Any]]:
        """Read where it is."""
        async with self.link.explained(self.name):
            return await super().read()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class EpicsDetector(StandardReadable):
    """The detector of the soft IOC: the put of the trigger is done when it has measured."""

    def __init__(self, prefix: str, link: _Link, truth: Peak, name: str = "") -> None:
        self.link = link
        self.truth = truth
        """What it would measure without noise at x and y."""
        self._triggers = set[asyncio.Task[Any]]()
        timeout = link.timeout
        # uncached: the monitored value could be one trigger old
        with self.add_children_as_readables(Format.HINTED_UNCACHED_SIGNAL):
            self.counts: SignalR[float] = epics_signal_r(float, f"ca://{prefix}:COUNTS", timeout=timeout)
        self.acquire: SignalRW[int] = epics_signal_rw(int, f"ca://{prefix}:TRIGGER", timeout=timeout)
        self.busy: SignalR[int] = epics_signal_r(int, f"ca://{prefix}:BUSY", timeout=timeout)
        self.number: SignalR[int] = epics_signal_r(int, f"ca://{prefix}:NUMBER", timeout=timeout)
        self.exposure: SignalRW[float] = epics_signal_rw(float, f"ca://{prefix}:EXPOSURE", timeout=timeout)
        self.abort: SignalRW[int] = epics_signal_rw(int, f"ca://{prefix}:ABORT", timeout=timeout)
        super().__init__(name=name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        """Name it, and its only reading after it."""
        super().set_name(name, child_name_separator=child_name_separator)
        self.counts.set_name(name)

    async def read(self) -> dict[str, Reading[Any]]:
        """Read what the last trigger measured."""
        async with self.link.explained(self.name):
            return await super().read()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Measure once at the positions the axes have at the end."""
        task = asyncio.current_task()
        assert task is not None  # AsyncStatus makes one
        self._triggers.add(task)
        task.add_done_callback(self._triggers.discard)
        async with self.link.explained(self.name):
            exposure = await self.exposure.get_value()
            await self.acquire.set(1, timeout=exposure + self.link.timeout)
            await self.link.confirm(self.name, self.number)

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """End a trigger that is on its way: it is done at once, its reading is lost."""
        while self._triggers and self.link.ioc.exit_status is None:
            # again and again: the first may overtake a trigger that has just begun
            async with self.link.explained(self.name):
                await self.abort.set(1)
            await asyncio.wait(self._triggers, timeout=0.1)
        await super().unstage()


class EpicsBeamline:
    """The axes `x` and `y` and the detector `det` of `SimulatedBeamline`, served by an EPICS IOC.

    Names, data keys, limits and the truth are the same, so that the same plan
    runs on both; with the same seed it even counts the same photons. The IOC
    runs in a process of its own, on a random port of loopback, and ends with
    `close` or with this process. One at a time: Channel Access takes its
    port for good when it is first used.

    Parameters
    ----------
    RE
        The engine on whose loop the devices are connected.
    seed, peak, noise
        As for `SimulatedBeamline`.
    dead_time
        Seconds that a trigger takes (``beam.det.exposure``).
    velocity
        Of both axes in mm/s (``beam.x.velocity``); ``None`` (or 0) moves at once.
    timeout
        Seconds to wait for any answer of the IOC.

    Raises
    ------
    RuntimeError
        If Channel Access is in use already with other settings, another
        `EpicsBeamline` is open, or the IOC does not start.
    """

    def __init__(
        self,
        RE: Any,
        *,
        seed: int = 0,
        peak: Peak | None = None,
        noise: bool = True,
        dead_time: float = 0.0,
        velocity: float | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.seed = seed
        self.true_peak = Peak.random(seed) if peak is None else peak
        """The peak that `det` measures, without noise."""
        self.prefix = "".join(random.choices(string.ascii_uppercase, k=10))
        """Beginning of the names of its PVs."""
        port = _channel_access.join(self)
        self._loop: asyncio.AbstractEventLoop = RE.loop
        settings = {
            "prefix": self.prefix,
            "peak": dataclasses.asdict(self.true_peak),
            "noise": noise,
            "seed": seed,
            "dead_time": dead_time,
            "velocity": 0.0 if velocity is None else velocity,
        }
        try:
            self.ioc = IocProcess(settings, port)
        except BaseException:
            _channel_access.leave(self)
            raise
        link = _Link(self.ioc, timeout)
        self.x = EpicsMotor(f"{self.prefix}:x", link, name="x")
        self.y = EpicsMotor(f"{self.prefix}:y", link, name="y")
        self.det = EpicsDetector(f"{self.prefix}:det", link, self.true_peak, name="det")
        self.devices: tuple[Device, ...] = (self.x, self.y, self.det)
        """All of them."""
        try:
            connect(self.devices, RE, timeout=timeout)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget the channels of the IOC and end it. May be called again."""
        try:
            _channel_access.forget(self.prefix, self._loop)
        finally:
            self.ioc.close()
            _channel_access.leave(self)

    def __enter__(self) -> EpicsBeamline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(device.name for device in self.devices)
        return f"<{type(self).__name__} of {names} at {self.prefix}:; seed={self.seed}>"
