"""The simulated wafer: three phases, a diffraction pattern wherever it is measured, and the same noise for a seed."""

from __future__ import annotations

import dataclasses
import time

import bluesky.plans as bp
import numpy as np
import pytest
from bluesky.protocols import Readable, Triggerable

from skysteer import Axis, Space, adaptive_scan
from skysteer.recommenders import Grid
from skysteer.testing import Phases, SimulatedDiffractometer, SimulatedMotor, SimulatedWafer

PHASES = Phases()
LINE = np.linspace(-5, 5, 41).tolist()
PLACES = [(x, y) for x in LINE for y in LINE]
PURE = {0: (-4.0, 4.0), 1: (4.0, 4.0), 2: (0.0, -4.0)}
"""A place well inside each phase."""


def events(engine, plan):
    found = []
    token = engine.subscribe(lambda name, doc: found.append(doc["data"]), "event")
    engine(plan)
    engine.unsubscribe(token)
    return found


def test_the_parts_of_the_phases_add_up_to_one_everywhere():
    parts = np.array([PHASES.parts(x, y) for x, y in PLACES])
    assert parts.shape == (len(PLACES), 3)
    assert parts.sum(axis=1) == pytest.approx(np.ones(len(PLACES)))
    assert parts.min() >= 0


def test_each_phase_has_a_good_part_of_the_wafer_and_the_boundaries_are_narrow():
    parts = np.array([PHASES.parts(x, y) for x, y in PLACES])
    shares = np.bincount([PHASES.phase(x, y) for x, y in PLACES]) / len(PLACES)
    assert len(shares) == 3
    assert shares.min() > 0.15
    assert np.mean(parts.max(axis=1) > 0.95) > 0.8


def test_the_width_says_over_how_much_two_phases_change_places():
    def changing(width):
        parts = [Phases(width=width).parts(0.0, y)[2] for y in np.linspace(-3, 1, 401)]
        return np.sum(np.abs(np.array(parts) - 0.5) < 0.4) * 0.01

    # From a tenth to nine tenths: 2 * artanh(0.8) widths.
    assert changing(0.1) == pytest.approx(0.22, abs=0.03)
    assert changing(0.2) == pytest.approx(0.44, abs=0.03)


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_pattern_has_the_lines_of_its_phase_above_the_background(phase):
    pattern = PHASES.pattern(*PURE[phase])
    assert pattern.shape == PHASES.q.shape == (120,)
    assert pattern.min() == pytest.approx(PHASES.background, abs=0.5)
    for number, line in enumerate(PHASES.lines[phase]):
        near = np.abs(PHASES.q - line) < 0.06
        assert pattern[near].max() == pytest.approx(PHASES.background + PHASES.counts / (1 + number), rel=0.1)
    for other in {0, 1, 2} - {phase}:
        near = np.abs(PHASES.q - PHASES.lines[other][0]) < 0.06
        assert pattern[near].max() < PHASES.background + 0.02 * PHASES.counts


def test_on_a_boundary_a_pattern_is_the_mixture_of_both():
    y = -1.0  # where x is 0
    parts = PHASES.parts(0.0, y)
    assert parts[2] == pytest.approx(0.5)
    pure = [PHASES.pattern(*PURE[phase]) for phase in range(3)]
    assert PHASES.pattern(0.0, y) == pytest.approx(parts @ pure, abs=1.0)


def test_a_scan_reads_the_patterns_where_the_motors_are(stock_RE):
    wafer = SimulatedWafer(stock_RE, noise=False)
    xs, ys = zip(*PURE.values(), strict=True)
    found = events(stock_RE, bp.list_scan([wafer.xrd], wafer.x, list(xs), wafer.y, list(ys)))
    for place, data in zip(PURE.values(), found, strict=True):
        assert (data["x"], data["y"]) == place
        assert data["xrd-pattern"] == pytest.approx(PHASES.pattern(*place))
        assert data["xrd"] == pytest.approx(PHASES.pattern(*place).sum())
    assert [data["xrd-ratio"] for data in found] == pytest.approx([0.0, 1.0, 0.0], abs=0.01)


def test_the_ratio_is_the_part_of_the_second_phase(stock_RE):
    wafer = SimulatedWafer(stock_RE, noise=False)
    xs = np.linspace(-1.0, 2.0, 25).tolist()
    found = events(stock_RE, bp.list_scan([wafer.xrd], wafer.x, xs, wafer.y, [4.0] * 25))
    ratios = [data["xrd-ratio"] for data in found]
    assert ratios == pytest.approx([PHASES.parts(x, 4.0)[1] for x in xs], abs=0.02)
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.01 < 0.99 < ratios[-1]


def test_noise_is_that_of_counting_and_the_ratio_stays_between_0_and_1(stock_RE):
    wafer = SimulatedWafer(stock_RE)
    found = events(stock_RE, bp.list_scan([wafer.xrd], wafer.x, [4.0] * 200, wafer.y, [4.0] * 200))
    patterns = np.array([data["xrd-pattern"] for data in found])
    truth = PHASES.pattern(4.0, 4.0)
    assert (patterns == patterns.round()).all()
    assert patterns.mean(axis=0) == pytest.approx(truth, abs=5 * np.sqrt(truth.max() / 200))
    assert np.median(patterns.var(axis=0) / truth) == pytest.approx(1.0, abs=0.15)
    ratios = np.array([data["xrd-ratio"] for data in found])
    assert ((ratios >= 0) & (ratios <= 1)).all()
    assert ratios.mean() > 0.95


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_one_reading_is_enough_to_tell_the_second_phase(stock_RE, phase):
    wafer = SimulatedWafer(stock_RE, seed=5)
    found = events(stock_RE, bp.list_scan([wafer.xrd], wafer.x, [PURE[phase][0]] * 50, wafer.y, [PURE[phase][1]] * 50))
    assert {data["xrd-ratio"] > 0.5 for data in found} == {phase == 1}


def test_the_seed_decides_the_noise(stock_RE):
    def read(seed):
        return events(stock_RE, bp.count([SimulatedWafer(stock_RE, seed=seed).xrd], 2))

    first, again, other = read(1), read(1), read(2)
    assert [data["xrd-pattern"].tolist() for data in first] == [data["xrd-pattern"].tolist() for data in again]
    assert first[0]["xrd-pattern"].tolist() != other[0]["xrd-pattern"].tolist()
    assert first[0]["xrd-pattern"].tolist() != first[1]["xrd-pattern"].tolist()


def test_names_units_and_shapes_are_in_the_descriptor(stock_RE):
    found = []
    wafer = SimulatedWafer(stock_RE)
    stock_RE(bp.count([wafer.xrd]), lambda name, doc: found.append(doc) if name == "descriptor" else None)
    keys = found[0]["data_keys"]
    assert set(keys) == {"xrd", "xrd-ratio", "xrd-pattern"}
    assert keys["xrd"]["units"] == keys["xrd-pattern"]["units"] == "counts"
    assert keys["xrd-pattern"]["shape"] == [120]
    assert keys["xrd-pattern"]["dtype"] == "array"
    assert found[0]["hints"]["xrd"]["fields"] == ["xrd"]


def test_devices_have_the_names_of_the_attributes_and_are_what_bluesky_expects(stock_RE):
    wafer = SimulatedWafer(stock_RE)
    assert [device.name for device in wafer.devices] == ["x", "y", "xrd"]
    assert isinstance(wafer.xrd, Readable)
    assert isinstance(wafer.xrd, Triggerable)
    assert repr(wafer) == "<SimulatedWafer of x, y, xrd; seed=0>"


def test_another_name_names_all_readings(stock_RE):
    motors = [SimulatedMotor(-5, 5, name="a"), SimulatedMotor(-5, 5, name="b")]
    detector = SimulatedDiffractometer(Phases(), motors, name="xrd")
    detector.set_name("area")
    assert [detector.total.name, detector.ratio.name, detector.pattern.name] == ["area", "area-ratio", "area-pattern"]
    assert [motor.name for motor in motors] == ["a", "b"]


def test_a_trigger_takes_the_dead_time(stock_RE):
    wafer = SimulatedWafer(stock_RE, dead_time=0.05)
    began = time.monotonic()
    stock_RE(bp.count([wafer.xrd], 4))
    assert 0.2 <= time.monotonic() - began < 5


def test_motors_may_take_their_time(stock_RE):
    wafer = SimulatedWafer(stock_RE, velocity=20.0)
    began = time.monotonic()
    stock_RE(bp.list_scan([wafer.xrd], wafer.x, [4.0], wafer.y, [0.0]))
    assert time.monotonic() - began >= 0.2


def test_other_phases_are_measured_instead(stock_RE):
    faint = dataclasses.replace(PHASES, counts=0.0, background=1.0)
    wafer = SimulatedWafer(stock_RE, phases=faint, noise=False)
    (data,) = events(stock_RE, bp.count([wafer.xrd]))
    assert data["xrd"] == pytest.approx(120.0)
    assert data["xrd-ratio"] == 0.0
    assert wafer.true_phases is faint


def test_an_adaptive_scan_maps_it(RE, documents):
    wafer = SimulatedWafer(RE)
    space = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
    scan = adaptive_scan([wafer.xrd], [wafer.x, wafer.y], Grid(space, 4), objectives=["xrd-ratio"], max_points=16)
    result = RE(scan).result(20).plan_result
    assert result.measured == 16
    found = [doc["data"] for name, doc in documents if name == "event"]
    assert [data["xrd-ratio"] > 0.5 for data in found] == [PHASES.phase(data["x"], data["y"]) == 1 for data in found]
    assert {len(data["xrd-pattern"]) for data in found} == {120}


def test_without_an_engine_it_connects_by_itself():
    assert SimulatedWafer().xrd.truth.phase(4.0, 4.0) == 1
