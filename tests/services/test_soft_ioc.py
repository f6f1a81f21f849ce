"""The same experiment on a real EPICS server, through Channel Access on loopback."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.utils import FailedStatus

from skysteer.testing import SimulatedBeamline
from skysteer.testing.epics import EpicsBeamline


@pytest.fixture
def beam(stock_RE):
    with EpicsBeamline(stock_RE, seed=3, noise=False) as beam:
        yield beam


def events(engine, plan):
    found = []
    token = engine.subscribe(lambda name, doc: found.append(doc["data"]), "event")
    engine(plan)
    engine.unsubscribe(token)
    return found


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def on_loop(engine, coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, engine.loop).result(20)


def when_busy(engine, beam, action):
    """Do something as soon as the IOC says that it exposes; return the thread that waits for it."""
    busy = threading.Event()

    async def subscribe():
        beam.det.busy.subscribe_reading(lambda reading: busy.set() if reading["det-busy"]["value"] else None)

    on_loop(engine, subscribe())
    waiting = threading.Thread(target=lambda: action() if busy.wait(20) else None)
    waiting.start()
    return waiting


def test_a_scan_reads_the_truth_where_the_axes_are(stock_RE, beam):
    top = beam.true_peak
    found = events(stock_RE, bp.list_scan([beam.det], beam.x, [0.0, top.x, 5.0], beam.y, [0.0, top.y, -5.0]))
    assert [(data["x"], data["y"]) for data in found] == [(0.0, 0.0), (top.x, top.y), (5.0, -5.0)]
    assert [data["det"] for data in found] == [beam.det.truth(data["x"], data["y"]) for data in found]
    assert found[1]["det"] == top.height


def test_each_of_many_readings_is_of_its_own_trigger(stock_RE, beam):
    positions = [-4.0 + 0.1 * number for number in range(60)]
    found = events(stock_RE, bp.list_scan([beam.det], beam.x, positions))
    assert [data["det"] for data in found] == [beam.det.truth(position, 0.0) for position in positions]


def test_the_same_plan_gives_the_same_documents_as_the_simulated_beamline(stock_RE):
    def run(beam):
        documents = []
        token = stock_RE.subscribe(lambda name, doc: documents.append((name, doc)))
        stock_RE(bp.list_scan([beam.det], beam.x, [0.0, beam.true_peak.x], beam.y, [1.0, beam.true_peak.y]))
        stock_RE.unsubscribe(token)
        descriptor = next(doc for name, doc in documents if name == "descriptor")
        keys = {
            name: (key["dtype"], key["shape"], key["units"], key.get("limits", {}).get("control"))
            for name, key in descriptor["data_keys"].items()
        }
        return keys, descriptor["hints"], [doc["data"] for name, doc in documents if name == "event"]

    with EpicsBeamline(stock_RE, seed=3) as beam:
        served = run(beam)
    assert served == run(SimulatedBeamline(stock_RE, seed=3)), "even the same noise"


def test_what_is_beyond_the_limits_of_the_server_is_refused(stock_RE, beam):
    with pytest.raises(FailedStatus) as failure:
        stock_RE(bps.mv(beam.x, 5.5))
    assert str(failure.value.__cause__) == "x: 5.5 mm is outside its soft limits [-5, 5] mm"


def test_an_axis_takes_its_time_and_can_be_stopped(stock_RE, beam):
    def plan():
        yield from bps.mv(beam.x.velocity, 2.0)
        began = time.monotonic()
        yield from bps.mv(beam.x, 1.0)
        assert 0.5 <= time.monotonic() - began < 10
        yield from bps.mv(beam.x.velocity, 0.1)
        yield from bps.abs_set(beam.x, 5.0, group="move")
        yield from bps.sleep(0.3)
        yield from bps.stop(beam.x)
        with pytest.raises(FailedStatus):
            yield from bps.wait("move")

    stock_RE(plan())
    assert 1.0 < on_loop(stock_RE, beam.x.readback.get_value()) < 2.0
    stock_RE(bps.mv(beam.x.velocity, 0.0))
    stock_RE(bps.mv(beam.x, -1.0))
    assert on_loop(stock_RE, beam.x.locate()) == {"setpoint": -1.0, "readback": -1.0}


def test_unstage_ends_an_exposure(stock_RE, beam):
    stock_RE(bps.mv(beam.det.exposure, 50.0))
    before = on_loop(stock_RE, beam.det.counts.get_value())

    def plan():
        for settle in (0.0, 0.5):
            yield from bps.stage(beam.det)
            yield from bps.trigger(beam.det, group="exposure")
            yield from bps.sleep(settle)
            yield from bps.unstage(beam.det)
            yield from bps.wait("exposure")

    began = time.monotonic()
    stock_RE(plan())
    assert time.monotonic() - began < 20
    assert on_loop(stock_RE, beam.det.counts.get_value()) == before
    assert on_loop(stock_RE, beam.det.busy.get_value()) == 0


def test_a_killed_ioc_is_told_clearly_and_soon(stock_RE):
    with EpicsBeamline(stock_RE, noise=False, dead_time=50.0) as beam:
        killing = when_busy(stock_RE, beam, lambda: os.kill(beam.ioc.pid, signal.SIGKILL))
        began = time.monotonic()
        with pytest.raises(FailedStatus) as failure:
            stock_RE(bp.count([beam.det]))
        killing.join(30)
        assert isinstance(failure.value.__cause__, ConnectionError)
        assert str(failure.value.__cause__) == f"det: the soft IOC (process {beam.ioc.pid}) has ended with status -9"
        with pytest.raises(ConnectionError, match=r"x: the soft IOC .* has ended"):
            stock_RE(bps.mv(beam.x, 1.0))
        assert time.monotonic() - began < 20


def test_stopping_an_axis_of_an_ioc_that_is_gone_does_not_wait_for_it(stock_RE):
    with EpicsBeamline(stock_RE, timeout=30.0) as beam:
        beam.ioc.close()
        began = time.monotonic()
        with pytest.raises(ConnectionError, match=r"x: the soft IOC .* has ended"):
            on_loop(stock_RE, beam.x.stop())
        assert time.monotonic() - began < 10


def test_an_ioc_that_hangs_is_told_within_the_timeout(stock_RE):
    with EpicsBeamline(stock_RE, noise=False, timeout=3.0) as beam:
        os.kill(beam.ioc.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises((FailedStatus, TimeoutError)) as failure:
                stock_RE(bps.trigger(beam.det, wait=True))
            assert 3.0 <= time.monotonic() - began < 20
            assert "runs but does not answer" in str(failure.value.__cause__ or failure.value)
        finally:
            os.kill(beam.ioc.pid, signal.SIGCONT)


def test_close_leaves_no_process_and_another_can_be_made(stock_RE):
    threads = set(threading.enumerate())
    for _ in range(2):
        beam = EpicsBeamline(stock_RE)
        pid = beam.ioc.pid
        assert not gone(pid)
        beam.close()
        beam.close()
        assert gone(pid)
        assert beam.ioc.exit_status == 0
    assert set(threading.enumerate()) == threads


def test_only_one_is_open_at_a_time(stock_RE, beam):
    with pytest.raises(RuntimeError, match=f"{beam.prefix}.*one at a time"):
        EpicsBeamline(stock_RE)


def run_script(code):
    script = textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=150)


def test_the_ioc_ends_with_the_process_that_made_it():
    done = run_script("""
        import os
        from bluesky import RunEngine
        from skysteer.testing.epics import EpicsBeamline
        print(EpicsBeamline(RunEngine({}, context_managers=[])).ioc.pid, flush=True)
        os._exit(0)
    """)
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)  # not our child any more: there is nothing to wait on
    assert gone(pid)


def test_channel_access_in_use_with_other_settings_is_said():
    done = run_script("""
        import asyncio, aioca
        from bluesky import RunEngine
        from skysteer.testing.epics import EpicsBeamline
        asyncio.run(aioca.caget("NO:SUCH:PV", timeout=0.1, throw=False))
        try:
            EpicsBeamline(RunEngine({}, context_managers=[]))
        except RuntimeError as exc:
            print(exc)
    """)
    assert "before any other EPICS device" in done.stdout, done.stderr


def test_the_extra_is_named_when_its_packages_are_missing():
    done = run_script("""
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *more: None if name == "softioc" else find(name, *more)
        try:
            import skysteer.testing.epics
        except ImportError as exc:
            print(exc)
    """)
    assert "needs softioc, which the extra 'epics' brings: pip install 'skysteer[epics]'" in done.stdout, done.stderr
