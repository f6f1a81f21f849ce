import asyncio
import subprocess
import sys
import threading
import time

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.protocols import Checkable, Locatable, Movable, Readable, Stageable, Stoppable, Subscribable, Triggerable
from bluesky.utils import FailedStatus, RunEngineInterrupted

from skysteer.testing import Peak, SimulatedBeamline, SimulatedMotor


def readings(engine, plan, key):
    values = []
    token = engine.subscribe(lambda name, doc: values.extend([doc["data"][key]]) if name == "event" else None)
    try:
        engine(plan)
    finally:
        engine.unsubscribe(token)
    return values


def watch(engine, motor, function):
    async def subscribe():
        motor.subscribe_reading(lambda reading: function(reading[motor.name]["value"]))

    asyncio.run_coroutine_threadsafe(subscribe(), engine.loop).result(30)


def descriptor(engine, plan):
    found = []
    token = engine.subscribe(lambda name, doc: found.append(doc), "descriptor")
    engine(plan)
    engine.unsubscribe(token)
    return found[0]


def test_a_scan_reads_the_truth_where_the_motors_are(stock_RE):
    beam = SimulatedBeamline(stock_RE, seed=3, noise=False)
    top = beam.true_peak
    scan = bp.list_scan([beam.det], beam.x, [top.x, 0.0, -5.0], beam.y, [top.y, 1.0, 5.0])
    expected = [top.height, beam.det.truth(0.0, 1.0), beam.det.truth(-5.0, 5.0)]
    assert readings(stock_RE, scan, "det") == expected
    assert expected[0] > expected[1] >= top.background


def test_it_works_with_our_engine_too(RE, documents):
    beam = SimulatedBeamline(RE, noise=False)
    RE(bp.list_scan([beam.det], beam.x, [1.0, 2.0])).result(20)
    found = [document["data"]["det"] for name, document in documents if name == "event"]
    assert found == [beam.det.truth(1.0, 0.0), beam.det.truth(2.0, 0.0)]


def test_it_says_that_the_engine_was_closed(RE):
    RE.close()
    with pytest.raises(RuntimeError, match="closed"):
        SimulatedBeamline(RE)


def test_the_edge_is_seen_over_the_energy(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False)
    energies = [7000.0, beam.true_edge.energy, 7118.0, 7200.0]
    values = readings(stock_RE, bp.list_scan([beam.edge], beam.energy, energies), "edge")
    assert values == [beam.edge.truth(energy) for energy in energies]
    assert values[0] < 0.15 < values[1] < values[3] < values[2], "background, step, then the white line above it"


def test_devices_data_keys_and_hints_have_the_names_of_the_attributes(stock_RE):
    beam = SimulatedBeamline(stock_RE)
    assert [device.name for device in beam.devices] == ["x", "y", "energy", "det", "edge"]
    assert all(getattr(beam, device.name) is device for device in beam.devices)
    found = descriptor(stock_RE, bp.count([beam.det, beam.edge, beam.x, beam.y, beam.energy]))
    assert set(found["data_keys"]) == set(found["hints"]) == {"x", "y", "energy", "det", "edge"}
    assert "x, y, energy, det, edge" in repr(beam)


def test_soft_limits_and_units_are_in_the_data_key_of_the_readback(stock_RE):
    beam = SimulatedBeamline(stock_RE)
    keys = descriptor(stock_RE, bp.count([beam.det, beam.x, beam.energy]))["data_keys"]
    assert keys["x"]["limits"]["control"] == {"low": -5.0, "high": 5.0}
    assert keys["energy"]["limits"]["control"] == {"low": 7000.0, "high": 7200.0}
    assert (keys["x"]["units"], keys["energy"]["units"], keys["det"]["units"]) == ("mm", "eV", "counts")


@pytest.mark.parametrize("velocity", [None, 100.0])
@pytest.mark.parametrize(("position", "words"), [(5.1, r"5\.1 mm is outside .*\[-5, 5\] mm"), (np.nan, "finite")])
def test_what_is_beyond_the_limits_is_refused_and_nothing_moves(stock_RE, velocity, position, words):
    beam = SimulatedBeamline(stock_RE, velocity=velocity)
    with pytest.raises(ValueError, match=f"x: .*{words}"):
        asyncio.run(beam.x.check_value(position))
    with pytest.raises(FailedStatus) as failure:
        stock_RE(bps.mv(beam.x, position))
    with pytest.raises(ValueError, match=f"x: .*{words}"):
        raise failure.value.__cause__
    assert beam.x.position == 0.0


def test_a_motor_and_a_detector_are_what_bluesky_expects():
    beam = SimulatedBeamline()
    for protocol in (Movable, Locatable, Checkable, Stoppable, Readable, Subscribable):
        assert isinstance(beam.x, protocol)
    for protocol in (Readable, Triggerable, Stageable):
        assert isinstance(beam.det, protocol)
    assert not isinstance(beam.det, Stoppable), "ended by unstage, as many real detectors are"


def test_a_move_takes_distance_over_velocity_and_is_seen_on_its_way(stock_RE):
    beam = SimulatedBeamline(stock_RE, velocity=20.0)
    seen = []
    watch(stock_RE, beam.x, seen.append)
    began = time.monotonic()
    stock_RE(bps.mv(beam.x, 4.0))
    assert 0.2 <= time.monotonic() - began < 10
    assert beam.x.position == 4.0
    assert len(seen) > 3
    assert seen == sorted(seen)
    beam.x.velocity = 0.1  # it would take a minute and a half
    beam.x.velocity = None
    began = time.monotonic()
    stock_RE(bps.mv(beam.x, -5.0))
    assert time.monotonic() - began < 10


def test_a_stopped_motor_stands_where_it_was_and_its_move_fails(stock_RE):
    beam = SimulatedBeamline(stock_RE, velocity=1.0)
    halfway = threading.Event()
    watch(stock_RE, beam.x, lambda position: halfway.set() if position > 0.05 else None)

    def plan():
        yield from bps.abs_set(beam.x, 5.0, group="move")
        yield from bps.wait_for([lambda: asyncio.to_thread(halfway.wait, 10)])
        yield from bps.stop(beam.x)
        with pytest.raises(FailedStatus):
            yield from bps.wait("move")

    stock_RE(plan())
    assert 0.0 < beam.x.position < 4.0
    location = asyncio.run(beam.x.locate())
    assert location["setpoint"] == location["readback"] == beam.x.position


def test_the_seed_alone_tells_the_peak_the_noise_and_the_failures(stock_RE):
    def run(seed):
        beam = SimulatedBeamline(stock_RE, seed=seed, failure_rate=0.3)
        failed = []

        def plan():
            for _ in range(20):
                yield from bps.trigger(beam.det, group="det")
                try:
                    yield from bps.wait("det")
                except FailedStatus:
                    failed.append(beam.det.triggers)
            yield from bps.open_run()
            beam.det.failure_rate = 0.0
            yield from bps.trigger_and_read([beam.det])
            yield from bps.close_run()

        return beam.true_peak, failed, readings(stock_RE, plan(), "det")

    first, again, other = run(7), run(7), run(8)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert 1 <= len(first[1]) <= 12


def test_counts_scatter_as_photons_do(stock_RE):
    beam = SimulatedBeamline(stock_RE, seed=1)
    background = beam.true_peak.background
    beam.x.arrive(readback=-5.0 if beam.true_peak.x > 0 else 5.0)
    counts = readings(stock_RE, bp.count([beam.det], num=300), "det")
    assert all(count == int(count) for count in counts)
    assert np.mean(counts) == pytest.approx(background, abs=4 * np.sqrt(background / 300))
    assert np.var(counts) == pytest.approx(background, rel=0.4)


def test_the_told_triggers_fail_and_the_others_do_not(stock_RE):
    beam = SimulatedBeamline(stock_RE, fail_at={2})
    with pytest.raises(FailedStatus) as failure:
        stock_RE(bp.count([beam.det], num=3))
    assert str(failure.value.__cause__) == "det: trigger 2 failed, as fail_at=[2] asks"
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert (beam.det.triggers, beam.det.staged, beam.det.unstaged) == (2, 1, 1)
    stock_RE(bp.count([beam.det], num=3))
    assert (beam.det.triggers, beam.det.staged, beam.det.unstaged) == (5, 2, 2)


def test_the_dead_time_is_taken_by_each_trigger(stock_RE):
    beam = SimulatedBeamline(stock_RE, dead_time=0.05)
    began = time.monotonic()
    stock_RE(bp.count([beam.det], num=4))
    assert 0.2 <= time.monotonic() - began < 10


def test_unstage_ends_a_trigger_at_once_and_leaves_nothing_behind(stock_RE):
    beam = SimulatedBeamline(stock_RE, dead_time=60.0)

    @bpp.stage_decorator([beam.det])
    def plan():
        yield from bps.trigger(beam.det, group="exposure")

    before = asyncio.run(beam.det.value.get_value())
    began = time.monotonic()
    stock_RE(plan())
    assert time.monotonic() - began < 5.0
    assert not beam.det.busy
    assert asyncio.run(beam.det.value.get_value()) == before


def test_an_aborted_trigger_leaves_nothing_behind(stock_RE):
    beam = SimulatedBeamline(stock_RE, dead_time=60.0)
    stops = []
    stock_RE.subscribe(lambda name, doc: stops.append(doc), "stop")

    exposing = threading.Event()
    stock_RE.msg_hook = lambda msg: exposing.set() if msg.command == "wait" and beam.det.triggers else None

    def abort_when_exposing():
        if exposing.wait(30):
            stock_RE.abort("enough seen")

    aborting = threading.Thread(target=abort_when_exposing)
    aborting.start()
    with pytest.raises(RunEngineInterrupted):
        stock_RE(bp.count([beam.det]))
    aborting.join(30)
    assert stops[0]["exit_status"] == "abort"
    assert not beam.det.busy
    assert beam.det.unstaged == 1


def test_it_can_be_made_without_an_engine_and_used_with_a_later_one():
    beam = SimulatedBeamline(noise=False)
    RE = RunEngine({}, context_managers=[])
    try:
        values = readings(RE, bp.list_scan([beam.det], beam.x, [1.0, 2.0]), "det")
    finally:
        RE.loop.call_soon_threadsafe(RE.loop.stop)
        RE._th.join(30)
        RE.loop.close()
    assert values == [beam.det.truth(1.0, 0.0), beam.det.truth(2.0, 0.0)]


def test_it_can_be_made_in_a_thread_and_beside_a_running_loop(stock_RE):
    made = []
    thread = threading.Thread(target=lambda: made.append(SimulatedBeamline(stock_RE)))
    thread.start()
    thread.join(30)

    async def as_in_a_notebook():
        made.append(SimulatedBeamline(stock_RE))

    asyncio.run(as_in_a_notebook())
    assert len(made) == 2


def test_it_is_refused_on_the_loop_of_the_engine(stock_RE):
    def plan():
        yield from bps.null()
        SimulatedBeamline(stock_RE)

    with pytest.raises(RuntimeError, match="engine's own loop"):
        stock_RE(plan())


def test_a_point_of_a_scan_costs_little(stock_RE):
    beam = SimulatedBeamline(stock_RE)
    scan = bp.list_scan([beam.det], beam.x, list(np.linspace(-5, 5, 100)))
    began = time.process_time()
    stock_RE(scan)
    # 1 to 2 ms in fact, nearly all of it the engine's; processor time, so that a busy machine does not matter
    assert (time.process_time() - began) / 100 < 0.01


def test_a_peak_and_a_motor_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="sigma="):
        Peak(0, 0, sigma=(0.0, 1.0))
    with pytest.raises(ValueError, match="velocity must be positive"):
        SimulatedMotor(-1, 1, velocity=0.0)
    with pytest.raises(ValueError, match="starts at 3, outside"):
        SimulatedMotor(-1, 1, position=3)


def test_a_tilted_peak_is_long_along_its_tilt():
    peak = Peak(1.0, 2.0, sigma=(1.0, 0.1), tilt=np.pi / 2, background=0.0)
    assert peak(1.0, 3.0) == pytest.approx(peak.amplitude * np.exp(-0.5))
    assert peak(2.0, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert peak(**peak.position) == peak.height


def test_the_epics_leaf_is_not_imported_with_the_package():
    code = "import sys, skysteer.testing; print([m for m in sys.modules if m in ('aioca', 'skysteer.testing.epics')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.strip() == "[]"
