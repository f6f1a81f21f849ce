"""Devices that fail, limits, and what is looked at before anything moves."""

from __future__ import annotations

from contextlib import suppress

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest

from skysteer import Axis, Choice, Patience, Space, adaptive_runs, adaptive_scan
from skysteer.errors import FieldError, PreflightError, TooManyFailures
from skysteer.recommenders import Sequence, Sobol
from skysteer.testing import Recorder

from .conftest import POSITIONS, along_x, told


def scan(flow, beam, recommender, max_points=5, **options):
    return flow([beam.det], [beam.x], recommender, objectives=["det"], max_points=max_points, **options)


# ------------------------------------------------------------ points that fail


def test_a_point_that_fails_is_skipped_and_the_recommender_told(RE, beam, seen, flow, caplog):
    beam.det.fail_at = {2}
    recorder = Recorder(along_x())
    result = RE(scan(flow, beam, recorder)).result(30).plan_result
    assert (result.measured, result.failed) == (4, 1)
    assert seen.column("x") == [x for x in POSITIONS if x != 1.0]
    (failures,) = [call.argument for call in recorder.calls if call.name == "register_failures"]
    assert [point["x"] for point in failures] == [1.0]
    assert [call.answer for call in recorder.calls if call.name == "suggest"].count([{"x": 1.0}]) <= 1
    assert "point {'x': 1.0} failed" in caplog.text
    assert "trigger 2 failed" in caplog.text


def test_a_skipped_point_does_not_count(RE, beam, seen, flow):
    beam.det.fail_at = {1, 3}
    result = RE(scan(flow, beam, along_x(), max_points=3)).result(30).plan_result
    assert (result.measured, result.failed) == (3, 2)
    assert seen.column("x") == [1.0, 3.0, 0.5]


def test_a_point_is_measured_once_more_if_told(RE, beam, seen, flow):
    beam.det.fail_at = {2, 4, 5}
    result = RE(scan(flow, beam, along_x(), on_failure="retry")).result(30).plan_result
    # Trigger 3 repeats the second point; 4 and 5 are both tries of the third.
    assert (result.measured, result.failed) == (4, 1)
    assert seen.column("x") == [0.0, 1.0, 3.0, 0.5]


def test_a_point_that_fails_ends_the_scan_if_told(RE, beam, seen, flow):
    beam.det.fail_at = {3}
    with pytest.raises(TooManyFailures, match=r"on_failure='stop': point \{'x': -2.0\} failed.*trigger 3") as caught:
        RE(scan(flow, beam, along_x(), on_failure="stop")).result(30)
    assert caught.value.result.measured == len(seen.points) == 2
    assert caught.value.last == {"x": -2.0}


def test_points_that_keep_failing_end_the_scan(RE, beam, seen, flow):
    beam.det.failure_rate = 1.0
    with pytest.raises(TooManyFailures, match="max_failures=4") as caught:
        RE(scan(flow, beam, along_x(), max_failures=4)).result(30)
    assert caught.value.failed == 4
    assert not seen.points


def test_as_many_points_as_are_asked_for_may_fail(RE, beam, flow):
    beam.det.failure_rate = 1.0
    with pytest.raises(TooManyFailures, match="max_failures=3"):
        RE(scan(flow, beam, Sobol(Space(Axis("x", -5, 5))), max_points=3)).result(30)


def test_a_failing_motor_is_a_failing_point(RE, beam, seen, flow):
    """Its limits were changed behind our back."""
    recorder = Recorder(along_x([1.0, 4.0, 2.0]))
    plan = scan(flow, beam, recorder)
    refuse = beam.x.refuse

    def narrower(position):
        refuse(position)
        if position > 3:
            raise ValueError(f"x: {position} mm is beyond the limit switch")

    beam.x.refuse = narrower
    result = RE(plan).result(30).plan_result
    assert (result.measured, result.failed) == (2, 1)
    assert [point["x"] for point in told(recorder)] == [1.0, 2.0]


def test_a_failed_point_leaves_nothing_under_way_for_the_next(RE, beam, seen, flow):
    """x fails at once while y is still moving: the next point waits for y."""
    beam.y.velocity = 50.0
    refuse = beam.x.refuse

    def narrower(position):
        refuse(position)
        if position > 3:
            raise ValueError("limit switch")

    beam.x.refuse = narrower
    points = Sequence([{"x": 0.0, "y": 0.0}, {"x": 4.0, "y": 4.0}, {"x": 1.0, "y": 1.0}])
    result = RE(flow([beam.det], [beam.x, beam.y], points, objectives=["det"], max_points=3)).result(30).plan_result
    assert (result.measured, result.failed) == (2, 1)
    assert list(zip(seen.column("x"), seen.column("y"), strict=True)) == [(0.0, 0.0), (1.0, 1.0)]


def test_a_failed_run_is_closed_as_failed_and_the_next_one_opened(RE, beam, seen):
    beam.det.fail_at = {2}
    RE(scan(adaptive_runs, beam, along_x(), max_points=3)).result(30)
    assert [status for status, _ in seen.stops] == ["success", "fail", "success", "success"]
    assert "trigger 2 failed" in seen.stops[1][1]


def test_a_run_that_fails_in_the_users_plan_tells_nothing(RE, beam):
    beam.det.fail_at = {3}
    recorder = Recorder(along_x())
    plan = scan(adaptive_runs, beam, recorder, max_points=3, measure=lambda devices: bp.count(devices, num=2))
    result = RE(plan).result(30).plan_result
    assert (result.measured, result.failed) == (3, 1)
    assert [point["x"] for point in told(recorder)] == [0.0, -2.0, 3.0]


def test_an_error_of_a_subscriber_is_no_failed_point(RE, beam, seen, flow):
    class Stupid(Exception):
        pass

    def callback(name, doc):
        if name == "event":
            raise Stupid("live table broke")

    RE.subscribe(callback)
    with pytest.raises(Stupid):
        RE(scan(flow, beam, along_x())).result(30)


def without_care(devices):
    """A user's own plan that leaves its event, and its run, open when a device fails."""
    yield from bps.create("primary")
    for device in devices:
        if device.name == "det":
            yield from bps.trigger(device, wait=True)
        yield from bps.read(device)
    yield from bps.save()


def run_without_care(devices):
    yield from bps.open_run()
    yield from without_care(devices)
    yield from bps.close_run()


def with_users_plan(flow, beam, recommender, stub, **options):
    """A scan whose points are measured by the user's own plan."""
    if flow is adaptive_scan:
        return scan(flow, beam, recommender, take_reading=stub, **options)
    return scan(flow, beam, recommender, measure=stub, **options)


@pytest.mark.parametrize("end", [[1], [2], [1, 3]])
def test_a_users_plan_that_leaves_things_open_when_a_device_fails_is_tidied_up_after(RE, beam, seen, flow, end):
    beam.det.fail_at = set(end)
    stub = without_care if flow is adaptive_scan else run_without_care
    result = RE(with_users_plan(flow, beam, along_x(), stub, max_points=3)).result(30).plan_result
    assert (result.measured, result.failed) == (3, len(end))
    assert seen.column("x") == [x for number, x in enumerate(POSITIONS, 1) if number not in end][:3]
    if flow is adaptive_runs:
        failed = [reason for status, reason in seen.stops if status == "fail"]
        assert len(failed) == len(end)
        assert all("failed, as fail_at" in reason for reason in failed)


def test_a_users_plan_that_hides_a_failed_run_makes_no_point_of_it(RE, beam, seen):
    def hiding(devices):
        with suppress(Exception):
            yield from bp.count(devices)

    beam.det.fail_at = {2}
    recorder = Recorder(along_x())
    result = RE(scan(adaptive_runs, beam, recorder, max_points=3, measure=hiding)).result(30).plan_result
    assert (result.measured, result.failed) == (3, 1)
    assert [point["x"] for point in told(recorder)] == [0.0, -2.0, 3.0]


@pytest.mark.parametrize("max_points", [1, 3])
@pytest.mark.parametrize("times", [0, 2])
def test_a_users_plan_that_makes_none_or_two_of_a_point_is_an_error(RE, beam, seen, flow, times, max_points):
    """Else there would be more or fewer points in the documents than were measured."""
    once = bps.trigger_and_read if flow is adaptive_scan else bp.count

    def several(devices):
        yield from bps.null()
        for _ in range(times):
            yield from once(devices)

    what = "take_reading made {} events of" if flow is adaptive_scan else "measure made {} runs that"
    with pytest.raises(FieldError, match=what.format(times)) as caught:
        RE(with_users_plan(flow, beam, along_x(), several, max_points=max_points)).result(30)
    assert caught.value.result.measured == 0
    if flow is adaptive_scan:
        assert seen.stops[-1][0] == "fail"


@pytest.mark.parametrize("initial", [0, 2])
@pytest.mark.parametrize("max_points", [2, 3])
def test_measurements_without_an_event_are_an_error_and_not_repeated_for_ever(RE, beam, flow, max_points, initial):
    """The recommender would be asked again and again without having learnt anything."""

    def elsewhere(devices):
        yield from bps.trigger_and_read(devices, name="secondary")

    options = (
        {"take_reading": elsewhere}
        if flow is adaptive_scan
        else {"measure": lambda devices: bp.count([], per_shot=lambda _: elsewhere(devices))}
    )
    words = "0 events of the primary stream" if flow is adaptive_scan else "measured, but only 0 observations arrived"
    with pytest.raises(FieldError, match=words) as caught:
        RE(scan(flow, beam, along_x(), max_points, initial=[{"x": 1.0}] * initial, **options)).result(30)
    assert caught.value.result.exit_status == "fail"


# ------------------------------------------------------------ before anything moves


def refused(RE, plan):
    with pytest.raises(PreflightError) as caught:
        RE(plan).result(30)
    return caught.value.problems


def test_all_problems_are_in_one_error_and_nothing_has_moved(RE, beam, seen, flow):
    class Simple:
        space = Space(Axis("x", -50, 5, units="um"), Axis("z", 0, 1))

        def ingest(self, points): ...

        def suggest(self, num_points=None): ...

    plan = flow(
        [beam.det], [beam.x, beam.y], Simple(), objectives=["intensity"], max_points=2, batch=0,
        initial=[{"x": 77}], lookahead=1, finally_move="best",
    )  # fmt: skip
    assert refused(RE, plan) == (
        "lookahead=1 needs a recommender that knows what is pending "
        "(the method set_pending of skysteer.protocols.KnowsPending); Simple does not",
        "finally_move='best' needs a recommender that says which point is best "
        "(the method get_best_points of skysteer.protocols.HasBestPoints); Simple does not",
        "batch must be a whole number of at least 1, found 0",
        "motor 'y' is no axis of the recommender (its axes are x, z)",
        "axis 'x' is in um, its motor in mm",
        "axis 'x' is [-50, 5] um, beyond the limits of its motor [-5, 5] mm",
        "axis 'z' has no motor of that name (the motors are x, y)",
        "initial point 0: x=77 is outside [-50, 5] um",
        "initial point 0: z is missing",
        "objective 'intensity' is no data key of the detectors (they have det)",
    )
    assert not seen.documents
    assert beam.x.position == 0.0


def test_a_choice_is_an_axis_too(RE, beam, seen, flow):
    points = Sequence([{"x": 1.0}, {"x": 2.0}], space=Space(Choice("x", (1.0, 2.0), units="mm")))
    assert RE(scan(flow, beam, points)).result(30).plan_result.measured == 2
    far = Space(Choice("x", (1.0, 9.0)))
    (problem,) = refused(RE, scan(flow, beam, Sequence([{"x": 1.0}], space=far)))
    assert "motor 'x' refuses x=9.0, which is in the space" in problem


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objectives": []}, "no objectives were given"),
        ({"on_failure": "ignore"}, "on_failure must be"),
        ({"finally_move": "home"}, "finally_move must be"),
        ({"initial": [{"x": 0}] * 9}, "9 initial points do not fit into max_points=5"),
        ({"initial": [3.0]}, "initial point 0 is a float"),
        ({"initial": None}, "initial must be a sequence of points, found None"),
        ({"initial": {"x": 1.0}}, "initial must be a sequence of points, found {'x': 1.0}"),
        ({"initial": iter([{"x": 1.0}])}, "initial must be a sequence of points, found <"),
        ({"patience": 5.0}, "patience must be a Patience, found 5.0"),
        ({"md": {"skysteer": "v1"}}, "md['skysteer'] is where skysteer writes: expected a mapping, found 'v1'"),
        ({"objectives": ["x"], "reduce": dict}, "objective 'x' is called as an axis is"),
        ({"objectives": ["_id"], "reduce": dict}, "objective '_id' is called as the identity"),
        ({"max_points": 2.5}, "max_points must be a whole number"),
        ({"lookahead": -1}, "lookahead must be a whole number of at least 0"),
    ],
)
def test_a_wrong_option_is_a_problem_by_name(RE, beam, seen, flow, options, words):
    options = {"objectives": ["det"], "max_points": 5, **options}
    problems = refused(RE, flow([beam.det], [beam.x], along_x(), **options))
    assert any(words in problem for problem in problems), problems
    assert not seen.documents


def test_what_is_no_recommender_is_refused(RE, beam, flow):
    with pytest.raises(TypeError, match="needs the methods ingest"):
        RE(scan(flow, beam, object())).result(30)


def test_an_unknown_worker_is_refused(RE, beam, flow):
    with pytest.raises(ValueError, match=r"worker must be 'thread', 'process' or a distributed\.Client, found 'cloud'"):
        RE(scan(flow, beam, along_x(), worker="cloud")).result(30)


def test_devices_that_cannot_are_refused(RE, beam, flow):
    problems = refused(RE, flow(["det"], [beam.det], along_x(), objectives=["det"], max_points=1))
    assert any("cannot be moved" in p for p in problems)
    assert any("'det' cannot be read" in p for p in problems)


def test_a_single_device_is_refused_with_the_way_out(RE, beam, flow):
    options = {"objectives": ["det"], "max_points": 1}
    (problem,) = refused(RE, flow(beam.det, [beam.x], along_x(), **options))
    assert "detectors must be a sequence of devices" in problem
    assert "give [det]" in problem
    (problem,) = refused(RE, flow([beam.det], beam.x, along_x(), **options))
    assert "motors must be a sequence of devices" in problem


def test_devices_may_come_from_a_generator(RE, beam, seen, flow):
    detectors, motors = (each for each in [beam.det]), (each for each in [beam.x])
    assert RE(flow(detectors, motors, along_x(), objectives=["det"], max_points=2)).result(30).plan_result.measured == 2


def test_a_fallback_that_is_the_recommender_itself_is_refused(RE, beam, flow):
    same = along_x()
    patience = Patience(1.0, "fallback", same)
    (problem,) = refused(RE, scan(flow, beam, same, patience=patience))
    assert "the fallback is the recommender itself" in problem


def test_a_fallback_of_another_space_is_refused(RE, beam, flow):
    main, other = Sobol(Space(Axis("x", -1, 1))), Sobol(Space(Axis("x", -2, 2)))
    problems = refused(RE, scan(flow, beam, main, patience=Patience(1.0, "fallback", other)))
    assert any("the fallback's space" in p for p in problems)
