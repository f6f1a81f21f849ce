"""The server behind `skysteer.testing.epics`: two axes and a detector as EPICS records.

Run by `EpicsBeamline` in a process of its own. It prints ``ready`` when it
serves, and ends when its standard input is closed, so that it does not outlive
the process that started it.
"""
# softioc is not typed
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import threading
import time
from typing import Any

import numpy as np
from softioc import asyncio_dispatcher, builder, softioc

from ._truth import Peak

UPDATE_PERIOD = 0.02
"""Seconds between two readbacks of a moving axis."""


class _Axis:
    """Records of one axis: setpoint (put with callback: done when it is there), RBV, VELO, STOP."""

    def __init__(self, name: str, velocity: float) -> None:
        limits: dict[str, Any] = {"DRVL": -5.0, "DRVH": 5.0, "LOPR": -5.0, "HOPR": 5.0, "EGU": "mm", "PREC": 4}
        self.setpoint = builder.aOut(
            name, initial_value=0.0, always_update=True, blocking=True, on_update=self.move, **limits
        )
        # Output records although they are readings: setting one is done when
        # set() returns, while an input record is processed some time later, and
        # a client could still read the old value after its put has completed.
        self.readback = builder.aOut(f"{name}:RBV", initial_value=0.0, **limits)
        self.velocity = builder.aOut(f"{name}:VELO", initial_value=velocity, EGU="mm/s", PREC=4)
        self.stop = builder.longOut(f"{name}:STOP", initial_value=0, always_update=True, on_update=self.halt)
        self._halted = asyncio.Event()

    async def move(self, target: float) -> None:
        self._halted.clear()
        start, began = self.readback.get(), time.monotonic()
        velocity = self.velocity.get()
        duration = abs(target - start) / velocity if velocity > 0 else 0.0
        while (elapsed := time.monotonic() - began) < duration:
            self.readback.set(start + (target - start) * elapsed / duration)
            try:
                await asyncio.wait_for(self._halted.wait(), min(UPDATE_PERIOD, duration - elapsed))
            except TimeoutError:
                continue
            return
        self.readback.set(target)

    def halt(self, _: int) -> None:
        self._halted.set()


class _Detector:
    """Records of the detector: TRIGGER (put with callback: done when it has measured), COUNTS, BUSY, EXPOSURE."""

    def __init__(self, name: str, axes: list[_Axis], peak: Peak, *, exposure: float, noise: bool, seed: int) -> None:
        self.trigger = builder.longOut(
            f"{name}:TRIGGER", initial_value=0, always_update=True, blocking=True, on_update=self.measure
        )
        self.counts = builder.aOut(f"{name}:COUNTS", initial_value=0.0, EGU="counts", PREC=1)
        self.busy = builder.longOut(f"{name}:BUSY", initial_value=0)
        self.number = builder.longOut(f"{name}:NUMBER", initial_value=0)
        self.exposure = builder.aOut(f"{name}:EXPOSURE", initial_value=exposure, EGU="s", PREC=4)
        self.abort = builder.longOut(f"{name}:ABORT", initial_value=0, always_update=True, on_update=self.end)
        self._axes, self._peak, self._noise = axes, peak, noise
        # as SimulatedBeamline: the same seed gives the same counts
        self._generator = np.random.default_rng([seed, 1]).spawn(1)[0]
        self._ended = asyncio.Event()

    async def measure(self, _: int) -> None:
        self._ended.clear()
        self.busy.set(1)
        self.number.set(self.number.get() + 1)
        try:
            if (exposure := self.exposure.get()) > 0:
                await asyncio.wait_for(self._ended.wait(), exposure)
                return  # ended early: no reading
        except TimeoutError:
            pass
        finally:
            self.busy.set(0)
        value = self._peak(*(axis.readback.get() for axis in self._axes))
        self.counts.set(float(self._generator.poisson(value)) if self._noise else value)

    def end(self, _: int) -> None:
        self._ended.set()


def _repeat(port: int) -> None:
    """Stand in for the repeater, which tells the clients of one machine of servers that come up.

    Where there is none, the client library starts one as a process of its own.
    It is content with a confirmation (REPEATER_CONFIRM of the Channel Access
    protocol); there is but one server here, so there is nothing to tell.
    """
    confirmation = struct.pack(">HHHHII", 17, 0, 0, 0, 0, 0)
    with socket.socket(type=socket.SOCK_DGRAM) as repeater:
        repeater.bind(("", port))
        while True:
            _, client = repeater.recvfrom(1024)
            repeater.sendto(confirmation, client)


def main() -> None:
    """Serve until standard input is closed."""
    settings = json.loads(sys.argv[1])
    settings["peak"]["sigma"] = tuple(settings["peak"]["sigma"])  # JSON has lists only
    peak = Peak(**settings["peak"])
    builder.SetDeviceName(settings["prefix"])
    axes = [_Axis(name, settings["velocity"]) for name in ("x", "y")]
    _Detector("det", axes, peak, exposure=settings["dead_time"], noise=settings["noise"], seed=settings["seed"])
    builder.LoadDatabase()
    softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher(), enable_pva=False)
    # before the parent uses the client, which looks for a repeater once
    threading.Thread(target=_repeat, args=(int(os.environ["EPICS_CA_REPEATER_PORT"]),), daemon=True).start()
    print("ready", flush=True)  # noqa: T201  what the parent waits for
    sys.stdin.read()


if __name__ == "__main__":
    main()
