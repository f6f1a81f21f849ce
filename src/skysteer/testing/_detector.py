"""A simulated detector: one number a trigger, late, noisy and failing as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, ParamSpec

import numpy as np
from ophyd_async.core import AsyncStatus, SignalR, SoftSignalBackend, StandardReadable
from ophyd_async.core import StandardReadableFormat as Format

from ._motor import SimulatedMotor

__all__ = ["SimulatedDetector"]

Positions = ParamSpec("Positions")


class SimulatedDetector(StandardReadable, Generic[Positions]):
    """A detector that measures a truth at the positions of motors. Its data key is its name.

    What is told to it (`dead_time`, `failure_rate`, `fail_at`, `noise`) may be
    changed at any time and holds from the next trigger on.

    Parameters
    ----------
    truth
        Called with the positions of the motors: what would be measured without noise.
    motors
        Whose positions count, in the order of the arguments of `truth`.
    draw
        Makes a noisy reading from a random generator and the true value.
    dead_time
        Seconds that a trigger takes.
    failure_rate
        Share of the triggers that fail (after the dead time), by the seed.
    fail_at
        Numbers of the triggers that fail in any case; the first is 1.
    noise
        Whether readings are drawn; otherwise they are the truth.
    seed
        Of noise and failures, which do not disturb each other.
    """

    def __init__(
        self,
        truth: Callable[Positions, float],
        motors: Sequence[SimulatedMotor],
        draw: Callable[[np.random.Generator, float], float],
        *,
        units: str = "",
        dead_time: float = 0.0,
        failure_rate: float = 0.0,
        fail_at: Collection[int] = (),
        noise: bool = True,
        seed: int | Sequence[int] = 0,
        name: str = "",
    ) -> None:
        self.truth = truth
        self.dead_time = dead_time
        """Seconds that a trigger takes."""
        self.failure_rate = failure_rate
        """Share of the triggers that fail."""
        self.fail_at = frozenset(fail_at)
        """Numbers of the triggers that fail in any case; the first is 1."""
        self.noise = noise
        """Whether readings are drawn; otherwise they are the truth."""
        self.triggers = 0
        """How many triggers were begun."""
        self.staged = 0
        """How many times it was staged."""
        self.unstaged = 0
        """How many times it was unstaged."""
        self._motors = tuple(motors)
        self._draw = draw
        self._noise_generator, self._failure_generator = np.random.default_rng(seed).spawn(2)
        self._exposures = set[asyncio.Future[None]]()
        self._value = SoftSignalBackend(float, 0.0, units=units)
        with self.add_children_as_readables(Format.HINTED_SIGNAL):
            self.value = SignalR(self._value)
        super().__init__(name=name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        """Name it, and its only reading after it."""
        super().set_name(name, child_name_separator=child_name_separator)
        self.value.set_name(name)

    @property
    def busy(self) -> bool:
        """Whether a trigger is on its way."""
        return bool(self._exposures)

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Count, and make ready."""
        self.staged += 1
        await super().stage()

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Count, and end a trigger that is on its way: its status is done at once, its reading is lost.

        That is what an area detector does when it is disarmed. The last reading stays as it was.
        """
        self.unstaged += 1
        for exposure in self._exposures:
            if not exposure.done():
                exposure.set_result(None)
        await super().unstage()

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Measure once at the positions the motors have at the end.

        Raises
        ------
        RuntimeError
            If this trigger was told to fail.
        """
        self.triggers += 1
        number = self.triggers
        # drawn at every trigger, so that changing the rate changes no other draw
        unlucky = self._failure_generator.random() < self.failure_rate
        if self.dead_time > 0 and not await self._expose():
            return
        if number in self.fail_at:
            raise RuntimeError(f"{self.name}: trigger {number} failed, as fail_at={sorted(self.fail_at)} asks")
        if unlucky:
            raise RuntimeError(f"{self.name}: trigger {number} failed, as failure_rate={self.failure_rate:g} asks")
        self._value.set_value(self._measure())

    async def _expose(self) -> bool:
        """Take the dead time; return whether it was not ended early."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exposures.add(ended)
        try:
            await asyncio.wait([ended], timeout=self.dead_time)
            return not ended.done()
        finally:
            self._exposures.discard(ended)

    def relive(self, positions: Iterable[Sequence[float]]) -> None:
        """Draw the noise of readings of an earlier life again: the next ones are as if it had never ended.

        Parameters
        ----------
        positions
            Of the motors at each of these readings, in order.
        """
        for there in positions:
            self.triggers += 1
            self._failure_generator.random()
            if self.noise:
                self._draw(self._noise_generator, self.truth(*there))  # pyright: ignore[reportCallIssue]

    def _measure(self) -> float:
        positions = [motor.position for motor in self._motors]
        value = self.truth(*positions)  # pyright: ignore[reportCallIssue]
        return float(self._draw(self._noise_generator, value)) if self.noise else value
