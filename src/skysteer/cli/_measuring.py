"""Runs a plan to its end while its documents are followed. Ctrl-C ends it in order."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import redirect_stdout, suppress
from typing import Any

from bluesky.run_engine import (
    RunEngineResult,
    TransitionError,  # pyright: ignore[reportPrivateImportUsage]
)
from bluesky.utils import Msg

from skysteer.engine import RunEngine

from ._follower import Follower

__all__ = ["Interrupted", "measure"]


class Interrupted(Exception):
    """Ctrl-C ended the plan. Everything measured is on record."""


def measure(
    RE: RunEngine, plan: Generator[Msg, Any, Any], follower: Follower, cut_short: Callable[[], str]
) -> tuple[RunEngineResult, float]:
    """Run a plan; also return the seconds it took.

    Must be called in the main thread, where Ctrl-C arrives.

    Parameters
    ----------
    follower
        Is shown the documents. If it fails, the plan is aborted and its error raised.
    cut_short
        Says what there is, when every document of an interrupted plan was followed.

    Raises
    ------
    Interrupted
        By Ctrl-C, after the run was closed.
    """
    began = time.monotonic()
    future = RE(plan, follower)
    try:
        either: list[Future[Any]] = [future, follower.ended]
        wait(either, return_when=FIRST_COMPLETED)
        if not future.done():  # nobody would see how it goes
            _abort(RE, "the documents cannot be followed", future)
            follower.ended.result()
        seconds = time.monotonic() - began
    except KeyboardInterrupt:
        _abort(RE, "interrupted by Ctrl-C", future)
        follower.close()
        raise Interrupted(cut_short()) from None
    return future.result(), seconds


def _abort(RE: RunEngine, reason: str, future: Future[Any]) -> None:
    """End the plan in order and wait until its run is closed."""
    with redirect_stdout(io.StringIO()):  # Bluesky prints that it aborts
        with suppress(TransitionError):  # it has ended by itself meanwhile
            RE.abort(reason)
        wait([future])
