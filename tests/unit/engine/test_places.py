"""The engine in a plain script and with the devices of ophyd-async."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

import bluesky.plans as bp
import pytest
from ophyd_async.core import init_devices, soft_signal_rw

from skysteer.engine import RunEngine


def run_script(text, timeout=40):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], capture_output=True, text=True, timeout=timeout, check=False
    )


def test_a_plain_script_gets_its_result():
    done = run_script("""
        import bluesky.plan_stubs as bps
        from skysteer.engine import RunEngine

        def plan():
            yield from bps.sleep(0.01)
            return 42

        with RunEngine() as RE:
            print(RE(plan()).result(20).plan_result)
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["42"]


@pytest.mark.parametrize("ending", ["", "RE.request_pause(); future.exception(30)"])
def test_a_script_that_ends_in_mid_plan_does_not_hang(ending):
    before = time.monotonic()
    done = run_script(f"""
        import bluesky.plan_stubs as bps
        from skysteer.engine import RunEngine

        RE = RunEngine()
        future = RE(bps.sleep(3600))
        {ending}
        print("the end")
    """)
    assert done.returncode == 0, done.stderr
    assert "the end" in done.stdout
    assert time.monotonic() - before < 30


def scan_of_a_signal(RE, results):
    with init_devices():
        knob = soft_signal_rw(float, name="knob")
    events = []
    RE(bp.count([knob], num=3), {"event": lambda name, doc: events.append(doc["data"]["knob"])}).result(30)
    results.append(events)


def test_devices_of_ophyd_async_connect_on_the_engines_loop(RE):
    results = []
    scan_of_a_signal(RE, results)
    assert results == [[0.0, 0.0, 0.0]]


def test_devices_of_ophyd_async_connect_from_a_thread():
    results = []

    def work():
        with RunEngine() as RE:
            scan_of_a_signal(RE, results)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert results == [[0.0, 0.0, 0.0]]
