"""Runs tasks, some at a time, and hands each finding over when it is there."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from benchmarks._settings import progress

from ._task import Task, run

EVERY = 10.0
"""Seconds between two lines of progress."""


class Progress:
    """Says how far it is, now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.begun = self.said = time.monotonic()

    def step(self, task: Task, found: dict[str, Any]) -> None:
        self.done += 1
        now = time.monotonic()
        if "error" in found:
            self.failed += 1
            progress(f"{task} FAILED: {found['error']}")
        if now - self.said >= EVERY or self.done == self.total:
            self.said = now
            left = (now - self.begun) / self.done * (self.total - self.done)
            progress(f"{self.done} of {self.total}, {now - self.begun:.0f} s, about {left:.0f} s left; last: {task}")


def run_all(tasks: Sequence[Task], jobs: int, keep: Callable[[Task, dict[str, Any]], None]) -> None:
    """Run them in `jobs` processes; those that want to be alone come last, one after the other."""
    said = Progress(len(tasks))

    def kept(task: Task, found: dict[str, Any]) -> None:
        keep(task, found)
        said.step(task, found)

    _run(_executor(jobs), [task for task in tasks if not task.alone], jobs, kept)
    for task in tasks:
        if task.alone:
            _run(_executor(1), [task], 1, kept)


def _executor(jobs: int) -> ProcessPoolExecutor:
    # spawn: a process that starts small, for its memory is measured, and with one BLAS thread
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), warnings.simplefilter, ("ignore",))


def _run(executor: ProcessPoolExecutor, tasks: list[Task], jobs: int, kept: Callable[..., None]) -> None:
    waiting = list(reversed(tasks))
    running: dict[Future[dict[str, Any]], Task] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                running[executor.submit(run, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                try:
                    found = future.result()
                except BrokenProcessPool as exc:  # a process died: for want of memory, say
                    executor.shutdown()
                    executor = _executor(jobs)
                    if jobs == 1:
                        kept(task, {"error": f"BrokenProcessPool: {exc}"})
                    else:  # which of them it was is seen when each runs by itself
                        for suspect in (task, *running.values()):
                            _run(_executor(1), [suspect], 1, kept)
                    running.clear()
                    break
                kept(task, found)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
