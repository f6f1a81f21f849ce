"""The preflight: with devices of both kinds, and every problem in one error."""

from __future__ import annotations

import bluesky.plan_stubs as bps
import ophyd
import pytest
from ophyd.sim import SynAxis, SynGauss, SynSignal

from skysteer.errors import PreflightError
from skysteer.model import Axis, Choice, Space
from skysteer.plans import Options, preflight
from skysteer.testing import SimulatedBeamline, SimulatedMotor


@pytest.fixture
def beam(RE):
    return SimulatedBeamline(RE)


def clear(RE, detectors, motors, *, objectives=("det",), options=None, space=None, **more):
    plan = preflight(detectors, motors, options or Options(5), space=space, objectives=objectives, **more)
    return RE(plan).result(30).plan_result


def problems(RE, *args, **more):
    with pytest.raises(PreflightError) as caught:
        clear(RE, *args, **more)
    return list(caught.value.problems)


def classic_motor(name="theta", limits=(0, 90), units="deg"):
    return ophyd.SoftPositioner(name=name, limits=limits, egu=units, init_pos=1.0)


def classic_detector(*names):
    """A detector of several hinted fields."""

    class Detector(ophyd.Device):
        pass

    for name in names:
        setattr(Detector, name, None)
    parts = {name: ophyd.Component(ophyd.Signal, value=1.0, kind="hinted") for name in names}
    return type("Detector", (ophyd.Device,), parts)(name="cam")


# -- what it finds out


def test_with_ophyd_async_devices(RE, beam):
    cleared = clear(RE, [beam.det], [beam.x, beam.y])
    assert cleared.space == Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
    assert dict(cleared.axes) == {"x": "x", "y": "y"}
    assert cleared.objectives == {"det": "det"}


def test_with_classic_devices(RE):
    motor = classic_motor()
    detector = SynGauss("det", SynAxis(name="m"), "m", center=0, Imax=1)
    cleared = clear(RE, [detector], [motor])
    assert cleared.space == Space(Axis("theta", 0, 90, units="deg"))
    assert (cleared.axes, cleared.objectives) == ({"theta": "theta"}, {"det": "det"})


def test_a_motor_without_limits_reaches_everywhere(RE):
    motor, detector = SynAxis(name="m"), SynSignal(name="det", func=lambda: 1.0)
    axis = clear(RE, [detector], [motor]).space["m"]
    assert not axis.bounded
    narrow = Space(Axis("m", -1e6, 1e6))
    assert clear(RE, [detector], [motor], space=narrow).space == narrow


def test_equal_limits_are_no_limits_as_in_epics(RE, beam):
    assert not clear(RE, [beam.det], [classic_motor(limits=(0, 0))]).space["theta"].bounded


def test_the_readback_is_the_first_hinted_field(RE, beam):
    axis = type("Stage", (SynAxis,), {})(name="stage", labels={"motors"})
    axis.readback.name, axis.setpoint.name = "stage_user_readback", "stage"
    assert axis.hints == {"fields": ["stage_user_readback"]}
    assert clear(RE, [beam.det], [axis]).axes == {"stage": "stage_user_readback"}


def test_the_space_of_the_recommender_is_taken_where_it_says(RE, beam):
    narrow = Space(Axis("y", 0, 1), Axis("x", -5, 5, units="mm"))
    cleared = clear(RE, [beam.det], [beam.x, beam.y], space=narrow)
    assert cleared.space == narrow
    assert list(cleared.axes) == ["y", "x"]


def test_an_objective_may_be_a_detector_with_one_hinted_field(RE, beam):
    detector = classic_detector("total")
    assert clear(RE, [detector], [beam.x], objectives=["cam"]).objectives == {"cam": "cam_total"}
    assert clear(RE, [detector], [beam.x], objectives=["cam_total"]).objectives == {"cam_total": "cam_total"}


def test_objectives_of_a_reduction_are_not_looked_for(RE, beam):
    assert clear(RE, [beam.det], [beam.x], objectives=["anything"], reduced=True).objectives == {}


def test_a_detector_that_cannot_say_yet_what_it_has_is_believed(RE, beam):
    class Late(SynSignal):
        def describe(self):
            raise RuntimeError("stage me first")

    detector = Late(name="late", func=lambda: 1.0)
    assert clear(RE, [detector], [beam.x], objectives=["late"]).objectives == {"late": "late"}


def test_nothing_moves_and_no_run_is_opened(RE, beam, documents):
    before = beam.x.position
    messages = []
    RE.msg_hook = messages.append
    clear(RE, [beam.det], [beam.x], options=Options(5, initial=[{"x": 1.0}]))
    assert beam.x.position == before
    assert beam.det.triggers == beam.det.staged == 0
    assert documents == []
    assert {message.command for message in messages} == {"wait_for"}


def test_a_pause_in_the_middle_does_no_harm(RE, beam):
    def plan():
        yield from bps.checkpoint()
        yield from bps.pause()
        return (yield from preflight([beam.det], [beam.x], Options(5), space=None, objectives=["det"]))

    RE(plan()).exception(30)
    assert RE.resume().result(30).plan_result.objectives == {"det": "det"}


# -- what it refuses


def test_every_problem_is_in_one_error(RE, beam):
    space = Space(Axis("x", -50, 5, units="um"), Axis("z", 0, 1), Choice("y", (1.0, 99.0)))
    options = Options(2, initial=[{"x": 77}, {"x": 0, "z": 0.5, "y": 1.0}], batch=0, on_failure="ignore")
    detector = classic_detector("total", "peak")
    found = ["something the caller found"]
    expected = [
        "something the caller found",
        "batch must be a whole number of at least 1, found 0",
        "on_failure must be 'skip', 'retry' or 'stop', found 'ignore'",
        "motor 'energy' is no axis of the recommender (its axes are x, z, y)",
        "axis 'x' is in um, its motor in mm",
        "axis 'x' is [-50, 5] um, beyond the limits of its motor [-5, 5] mm",
        "axis 'z' has no motor of that name (the motors are x, y, energy)",
        "motor 'y' refuses y=99.0, which is in the space: y: 99 mm is outside its soft limits [-5, 5] mm",
        "initial point 0: x=77 is outside [-50, 5] um",
        "initial point 0: z is missing",
        "initial point 0: y is missing",
        "objective 'intensity' is no data key of the detectors (they have det, cam_total, cam_peak)",
        "objective 'cam' may be any of the fields cam_total, cam_peak: name one of them",
    ]
    motors = [beam.x, beam.y, beam.energy]
    wrong = problems(
        RE, [beam.det, detector], motors, space=space, options=options, objectives=["intensity", "cam"], found=found
    )
    assert sorted(wrong) == sorted(expected)


def test_problems_of_options_and_devices_are_in_one_error_too(RE, beam):
    wrong = problems(
        RE, [beam.det, "camera"], [beam.det, beam.x], options=Options(0), objectives=[], found=["found before"]
    )
    words = ["found before", "max_points", "no objectives", "cannot be moved", "'camera' cannot be read", "two devices"]
    for word in words:
        assert any(word in problem for problem in wrong), (word, wrong)
    assert len(wrong) == len(words)


class Changer(SynAxis):
    """Takes numbers of samples up to 9000, and says which it was asked about."""

    def __init__(self):
        super().__init__(name="sample")
        self.asked = []

    def check_value(self, value):
        self.asked.append(value)
        if value > 9000:
            raise ValueError(f"no holder {value}")


def test_of_ten_thousand_samples_a_changer_is_asked_about_the_extremes_and_a_few(RE, beam):
    changer = Changer()
    one_too_large = (*range(4001), 9999, *range(4001, 8000))
    (wrong,) = problems(RE, [beam.det], [changer], space=Space(Choice("sample", one_too_large)))
    assert wrong == "motor 'sample' refuses sample=9999, which is in the space: no holder 9999"
    changer.asked.clear()
    clear(RE, [beam.det], [changer], space=Space(Choice("sample", tuple(range(9000)))))
    assert {0, 8999} <= set(changer.asked)
    assert 20 <= len(changer.asked) <= 60


def test_classic_limits_and_units_are_looked_at_too(RE, beam):
    wrong = problems(RE, [beam.det], [classic_motor()], space=Space(Axis("theta", -10, 45, units="rad")))
    assert wrong == [
        "axis 'theta' is in rad, its motor in deg",
        "axis 'theta' is [-10, 45] rad, beyond the limits of its motor [0, 90] deg",
    ]


def test_a_limit_is_shown_with_all_its_digits(RE, beam):
    motor = SimulatedMotor(7000.0, 7112.125, units="eV", position=7000.0, name="mono")
    wrong = problems(RE, [beam.det], [motor], space=Space(Axis("mono", 7000.0, 7112.25, units="eV")))
    assert wrong == ["axis 'mono' is [7000, 7112.25] eV, beyond the limits of its motor [7000, 7112.125] eV"]


def test_an_axis_without_units_fits_any_motor(RE, beam):
    assert clear(RE, [beam.det], [beam.x], space=Space(Axis("x", -5, 5))).axes == {"x": "x"}


@pytest.mark.parametrize("motors", [[], ()])
def test_a_scan_needs_a_motor(RE, beam, motors):
    assert problems(RE, [beam.det], motors) == ["no motors were given"]


def test_objectives_as_one_word_are_a_problem_of_their_own(RE, beam):
    assert problems(RE, [beam.det], [beam.x], objectives="det") == [
        "objectives must be a sequence of names, found the text 'det': give ['det']"
    ]


def test_an_array_is_no_objective(RE, beam):
    import numpy as np

    trace = SynSignal(name="trace", func=lambda: np.zeros(4))
    trace.trigger()
    assert problems(RE, [trace], [beam.x], objectives=["trace"]) == [
        "objective 'trace' is an array of shape [4]: give reduce= to make a number of it"
    ]


def test_data_in_a_file_are_no_objective_yet(RE, beam):
    class Frames(SynSignal):
        def describe(self):
            return {self.name: {**super().describe()[self.name], "external": "STREAM:"}}

    wrong = problems(RE, [Frames(name="frames", func=lambda: 1.0)], [beam.x], objectives=["frames"])
    assert wrong == ["objective 'frames' is kept in a file (reading detector files is not supported yet)"]


def test_a_device_may_not_use_our_data_keys(RE, beam):
    mine = SynSignal(name="suggestion_id", func=lambda: 1.0)
    assert problems(RE, [beam.det, mine], [beam.x]) == [
        "data key 'suggestion_id' of a device is one that skysteer writes itself"
    ]


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"x": 9}, "initial point 0: x=9 is outside [-5, 5] mm"),
        ({"x": 1, "_id": 3}, "initial point 0: '_id' is not an axis (the axes are x)"),
        (3.0, "initial point 0 is a float, expected a mapping of axis to position"),
    ],
)
def test_an_initial_point_must_fit(RE, beam, point, words):
    assert problems(RE, [beam.det], [beam.x], options=Options(5, initial=[point])) == [words]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (Options(0), "max_points must be a whole number of at least 1, found 0"),
        (Options(True), "max_points must be a whole number of at least 1, found True"),
        (Options(5, max_failures=0), "max_failures must be a whole number of at least 1, found 0"),
        (Options(5, lookahead=-1), "lookahead must be a whole number of at least 0, found -1"),
        (Options(1, initial=[{}, {}]), "2 initial points do not fit into max_points=1"),
    ],
)
def test_options_say_what_is_wrong_with_them(options, problem):
    assert problem in options.problems


def test_good_options_have_no_problem():
    assert Options(1).problems == []
    assert Options(7).most_failures == 7
    assert Options(7, max_failures=2).most_failures == 2


def test_one_data_key_of_two_devices_is_a_problem(RE, beam):
    twin = SynSignal(name="twin", func=lambda: 1.0)
    first = SynGauss("first", SynAxis(name="m"), "m", center=0, Imax=1)
    first.val.name = "twin"
    (problem,) = problems(RE, [first, twin], [beam.x], objectives=["twin"])
    assert problem == "data key 'twin' is both of 'first' and of 'twin'"


def test_a_device_called_as_our_own_one_is_a_problem(RE, beam):
    (problem,) = problems(RE, [SynSignal(name="suggestion", func=lambda: 1.0)], [beam.x], objectives=["suggestion"])
    assert problem.startswith("a device is called 'suggestion'")
