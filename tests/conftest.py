"""Fixtures for every test: an engine, its documents, and the check that nothing is left behind."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test imports numpy, EPICS or matplotlib; the Makefile sets the same.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
for _ca in ("CA", "PVA"):
    os.environ.setdefault(f"EPICS_{_ca}_AUTO_ADDR_LIST", "NO")
    os.environ.setdefault(f"EPICS_{_ca}_ADDR_LIST", "127.0.0.1")
    os.environ.setdefault(f"EPICS_{_ca}S_AUTO_BEACON_ADDR_LIST", "NO")
    os.environ.setdefault(f"EPICS_{_ca}S_BEACON_ADDR_LIST", "127.0.0.1")
    os.environ.setdefault(f"EPICS_{_ca}S_INTF_ADDR_LIST", "127.0.0.1")

HERE = Path(__file__).parent
FOLDER_MARKERS = ("unit", "flow", "contract", "agents", "notebooks", "services")
FOLDERS_OF_PROGRAMS = ("agents", "notebooks", "services")
"""Their tests start programs, each of which takes seconds to import what it needs, and more on a busy machine."""

GRACE = 20.0
"""Seconds that threads, processes and tasks are given to end after a test."""

KNOWN_THREADS: dict[str, str] = {"Dask-Offload": "Dask keeps one for the whole process, to pickle large messages"}
"""Start of a thread's name -> why it cannot be ended after each test."""

KNOWN_PROCESSES = {"multiprocessing.resource_tracker": "one for a whole Python process; ends with it"}
"""Part of a command line -> why that process cannot be ended after each test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder below ``tests``."""
    for item in items:
        if item.path.is_relative_to(HERE):
            folder = item.path.relative_to(HERE).parts[0]
            if folder in FOLDER_MARKERS:
                item.add_marker(folder)
            if folder in FOLDERS_OF_PROGRAMS and item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(180))


# -- nothing is left behind

_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def _know_every_loop() -> None:
    # asyncio has no list of its loops, and searching the heap for them costs 50 ms a test.
    init = asyncio.BaseEventLoop.__init__

    @functools.wraps(init)
    def init_and_note(self: asyncio.BaseEventLoop, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        _loops.add(self)

    asyncio.BaseEventLoop.__init__ = init_and_note


_know_every_loop()


def _open_loops() -> set[asyncio.AbstractEventLoop]:
    return {loop for loop in _loops if not loop.is_closed()}


def _tasks() -> set[asyncio.Task[Any]]:
    # Closed loops too: what was pending when they closed never ended.
    return {task for loop in set(_loops) for task in asyncio.all_tasks(loop)}


def _child_processes() -> set[psutil.Process]:
    children = set()
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:  # gone meanwhile, or not waited for
            command = ""
        if not any(known in command for known in KNOWN_PROCESSES):
            children.add(child)
    return children


def _threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        # A dummy stands for a thread of a C library that once called into Python, and never goes away.
        if not isinstance(thread, threading._DummyThread) and not thread.name.startswith(tuple(KNOWN_THREADS))
    }


def _name_of_task(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"task {task.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"


def _name_of_process(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"process {process.pid}, which ended but was not waited for"
        return f"process {process.pid} ({' '.join(process.cmdline()) or process.name()})"
    except psutil.Error:
        return f"process {process.pid}"


def _remaining(find: Callable[[], set[Any]], deadline: float) -> set[Any]:
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a child process, a task or an open event loop, and name it."""
    threads, processes, loops, tasks = _threads(), _child_processes(), _open_loops(), _tasks()
    yield
    deadline = time.monotonic() + GRACE
    for thread in _threads() - threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left_threads = _threads() - threads
    left_processes = _remaining(lambda: _child_processes() - processes, deadline)
    left_tasks = _remaining(lambda: {task for task in _tasks() - tasks if not task.done()}, deadline)
    left_loops = _open_loops() - loops
    left = [
        *sorted(f"thread {thread.name!r}{' (daemon)' if thread.daemon else ''}" for thread in left_threads),
        *sorted(_name_of_process(process) for process in left_processes),
        *sorted(_name_of_task(task) for task in left_tasks),
        *sorted(f"open event loop {loop!r}" for loop in left_loops),
    ]
    for process in left_processes:  # the next test should not share the machine with it
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.kill()
    if left:
        pytest.fail("the test left behind:\n" + "".join(f"  - {what}\n" for what in left), pytrace=False)


# -- an engine and what it says


def _tasks_left_on(loop: asyncio.AbstractEventLoop) -> list[str]:
    if loop.is_closed():
        return []
    return sorted(map(_name_of_task, _remaining(lambda: asyncio.all_tasks(loop), time.monotonic() + GRACE)))


def _fail_for_tasks(left: list[str]) -> None:
    if left:
        pytest.fail("the test left behind on its engine's loop:\n" + "".join(f"  - {w}\n" for w in left), pytrace=False)


@pytest.fixture
def RE(nothing_left_behind: None) -> Iterator[Any]:
    """Our engine. What still runs after the test is aborted; a task left on its loop fails the test."""
    from skysteer.engine import RunEngine

    engine = RunEngine()
    try:
        yield engine
    finally:
        loop = engine.loop
        try:
            if not loop.is_closed() and engine.state not in ("idle", "panicked"):
                engine.abort("the test is over")
            left = _tasks_left_on(loop)
        finally:
            engine.close()
    _fail_for_tasks(left)


@pytest.fixture
def stock_RE(nothing_left_behind: None) -> Iterator[Any]:
    """Bluesky's own engine, for what must also run there. Calls block."""
    from bluesky.run_engine import RunEngine, set_bluesky_event_loop

    loop = asyncio.new_event_loop()
    engine = RunEngine({}, loop=loop, context_managers=[], call_returns_result=True)
    engine.pause_msg = ""
    try:
        yield engine
    finally:
        try:
            if engine.state not in ("idle", "panicked"):
                engine.abort("the test is over")
            left = _tasks_left_on(loop)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            engine._th.join(GRACE)
            loop.close()
            set_bluesky_event_loop(None)
    _fail_for_tasks(left)


@pytest.fixture
def documents(RE: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every ``(name, document)`` that `RE` emits, in order."""
    collected: list[tuple[str, dict[str, Any]]] = []
    RE.subscribe(lambda name, doc: collected.append((name, doc)))
    return collected
