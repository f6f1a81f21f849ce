"""An engine of Bluesky's own: what is shipped to users must work with it too."""

import asyncio
from collections.abc import Iterator

import pytest
from bluesky import RunEngine
from bluesky.run_engine import set_bluesky_event_loop


@pytest.fixture
def stock_engine() -> Iterator[RunEngine]:
    RE = RunEngine({}, context_managers=[])
    RE.pause_msg = ""
    yield RE
    if RE.state != "idle":
        RE.halt()
    left = asyncio.run_coroutine_threadsafe(_other_tasks(), RE.loop).result(5)
    RE.loop.call_soon_threadsafe(RE.loop.stop)
    RE._th.join(5)
    assert not RE._th.is_alive()
    RE.loop.close()
    set_bluesky_event_loop(None)
    assert left == [], "tasks left on the engine's loop"


async def _other_tasks() -> list[str]:
    return [repr(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]
