"""The engine in a real Jupyter kernel, whose main thread runs an event loop of its own."""

from __future__ import annotations

import sys

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop

CELL = """
import asyncio, threading
import bluesky.plan_stubs as bps
from ophyd_async.core import init_devices, soft_signal_rw
from skysteer.engine import RunEngine

assert asyncio.get_running_loop().is_running()
assert threading.current_thread() is threading.main_thread()
RE = RunEngine()
with init_devices():
    knob = soft_signal_rw(float, name="knob")
def plan():
    yield from bps.mv(knob, 2.5)
    return (yield from bps.rd(knob))
future = RE(plan())
print(future.result(timeout=20).plan_result)

future = RE(bps.sleep(3600))
RE.request_pause()
print(type(future.exception(timeout=20)).__name__)
future = RE.resume()
RE.abort()
print(type(future.exception(timeout=20)).__name__)

async def other_work():
    future = RE(bps.sleep(0.01))
    return (await asyncio.wrap_future(future)).exit_status
print(await other_work())
RE.close()
print([thread.name for thread in threading.enumerate() if "engine" in thread.name])
"""


@pytest.mark.timeout(120)
def test_a_cell_runs_plans():
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
    )
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        printed = []

        def note(message):
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])

        reply = client.execute_interactive(CELL, timeout=60, output_hook=note)
        assert reply["content"]["status"] == "ok", reply["content"]
        lines = [line for line in "".join(printed).splitlines() if not line.startswith(("Pausing", "Aborting"))]
        assert lines == ["2.5", "RunEngineInterrupted", "RunEngineInterrupted", "success", "[]"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        ensure_event_loop().close()  # the client's
