"""A plan that runs until it is let go, and says that it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import bluesky.plan_stubs as bps
import pytest


class Held:
    """Makes plans with one open run that go on until `let_go` is set. They can be paused anywhere."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.let_go = threading.Event()
        self.cleaned_up = threading.Event()

    def plan(self, *, clean_up_time: float = 0.0) -> Iterator[Any]:
        try:
            yield from bps.open_run()
            while not self.let_go.is_set():
                yield from bps.checkpoint()
                self.running.set()
                yield from bps.sleep(0.002)
            yield from bps.close_run()
            return "let go"
        finally:
            if clean_up_time:
                yield from bps.sleep(clean_up_time)
            self.cleaned_up.set()

    def run(self, RE: Any) -> Any:
        """The future of a plan that runs."""
        future = RE(self.plan())
        assert self.running.wait(30)
        return future


@pytest.fixture
def held() -> Held:
    return Held()
