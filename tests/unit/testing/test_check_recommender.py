"""The check of recommenders: what it reports, what is exempt, what it tells and how it is run by pytest."""

import json
import math
import re

import numpy as np
import pytest

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Grid, Sequence, Sobol
from skysteer.testing import (
    RECOMMENDER_PROMISES,
    BrokenPromise,
    BrokenRecommenderPromise,
    Raising,
    Recorder,
    check_recommender,
    recommender_checks,
)
from skysteer.testing._recommender_world import World

LINE = Space(Axis("x", -5, 5, units="mm"))
QUICK = {"process": False, "sizes": []}


def make():
    return Sobol(LINE)


class Restless:
    """Answers differently each time, as optimizers with a state of their own do."""

    def __init__(self):
        self.asked = 0

    def ingest(self, points):
        pass

    def suggest(self, num_points=None):
        self.asked += num_points or 1
        return [{"x": math.sin(self.asked + n), "_id": self.asked + n / 10} for n in range(num_points or 1)]


class Deaf:
    """Does not take a point without ``_id``, and answers a float of NumPy."""

    def __init__(self):
        self.seen = set()

    def ingest(self, points):
        self.seen |= {point["_id"] for point in points}

    def suggest(self, num_points=None):
        first = len(self.seen)
        return [{"x": np.float64(0.5), "_id": first + n} for n in range(num_points or 1)]


# -- the report


def test_the_report_says_of_each_promise_what_came_of_it():
    report = check_recommender(make, LINE, ["det"], **QUICK)
    assert report.ok
    assert report.broken == ()
    assert report.recommender == "Sobol"
    assert [result.name for result in report.results] == list(RECOMMENDER_PROMISES)
    outcomes = {result.name: (result.outcome, result.why) for result in report.results}
    assert outcomes["same"] == ("passed", "")
    assert outcomes["best"] == ("not applicable", "it has no get_best_points")
    assert outcomes["reasons"] == ("passed", "")
    assert outcomes["end"] == ("not applicable", "it does not end within 24 points")
    assert outcomes["process"] == ("not applicable", "process=False was given")
    assert sum(result.seconds for result in report.results) > 0


def test_the_report_prints_as_a_table_and_goes_into_json():
    report = check_recommender(Deaf, LINE, ["det"], on_broken="report", process=False, sizes=[3])
    lines = str(report).splitlines()
    broken = [result.name for result in report.broken]
    assert {"strangers", "plain"} <= set(broken)
    assert lines[0] == f"Deaf: {len(broken)} of {len(RECOMMENDER_PROMISES)} promises broken"
    assert re.match(r"  broken +strangers +it learns points .* \(ingest raised KeyError: '_id'\)$", lines[3])
    assert lines[-1].strip() == "not measured  a suggestion at 3 points"
    found = json.loads(json.dumps(report.as_dict()))
    assert (found["ok"], found["suggestion_seconds"]) == (False, {"3": None})
    assert found["promises"]["plain"]["outcome"] == "broken"
    assert "a.suggest(1)" in found["promises"]["plain"]["reproduce"]
    assert found["promises"]["cold"]["reproduce"] is None


def test_a_suggestion_is_timed_with_as_many_points_known_as_asked_for():
    recorders = []

    def recorded():
        recorders.append(Recorder(Restless()))
        return recorders[-1]

    seconds = check_recommender(recorded, LINE, ["det"], pure=False, process=False, sizes=[1000, 10]).suggestion_seconds
    assert list(seconds) == [10, 1000]
    assert all(0 <= value < 1 for value in seconds.values())
    known = set()
    for recorder in recorders:
        told = 0
        for call in recorder.calls:
            told += len(call.argument) if call.name == "ingest" else 0
            known |= {told} if call.name == "suggest" else set()
    assert {10, 11, 12, 1000, 1001, 1002} <= known


def test_larger_numbers_are_left_out_when_a_suggestion_takes_too_long(monkeypatch):
    monkeypatch.setattr("skysteer.testing._check_recommender.TOO_LONG", 0.0)
    report = check_recommender(make, LINE, ["det"], process=False, sizes=[10, 100])
    assert report.suggestion_seconds[10] is not None
    assert report.suggestion_seconds[100] is None


def test_progress_is_told_of_each_promise_as_it_comes():
    seen = []
    report = check_recommender(make, LINE, ["det"], progress=seen.append, **QUICK)
    assert tuple(seen) == report.results
    seen.clear()
    with pytest.raises(BrokenRecommenderPromise):
        check_recommender(Deaf, LINE, ["det"], progress=seen.append, **QUICK)
    assert [result.outcome for result in seen] == ["passed", "passed", "broken"]


# -- what is exempt


def test_an_optimizer_that_is_not_pure_is_not_compared_with_itself():
    with pytest.raises(BrokenPromise, match="broken promise \\[same\\]: the same ingested and pending points give"):
        check_recommender(Restless, LINE, ["det"], **QUICK)
    report = check_recommender(Restless, LINE, ["det"], pure=False, **QUICK)
    why = {result.name: result.why for result in report.results if result.outcome == "not applicable"}
    assert {name for name in why if why[name] == "pure=False was given"} == {"same", "repeats", "at-once", "checkpoint"}


def test_a_promise_is_exempt_by_name_and_the_report_says_why():
    report = check_recommender(Deaf, LINE, ["det"], exempt={"plain": "for its plan", "strangers": "none"}, **QUICK)
    why = {result.name: (result.outcome, result.why) for result in report.results}
    assert why["plain"] == ("not applicable", "for its plan")
    for names in (["plain", "strangers"], ("plain", "strangers"), {"plain", "strangers"}):
        assert check_recommender(Deaf, LINE, ["det"], exempt=names, **QUICK).ok


def test_an_unknown_promise_cannot_be_exempt():
    with pytest.raises(ValueError, match=r"exempt names purity; the promises are made, cold, strangers, .*"):
        check_recommender(make, LINE, ["det"], exempt=["purity"])


def test_one_name_is_no_list_of_objectives():
    with pytest.raises(TypeError, match=r"found the text 'det'; expected \['det'\]"):
        check_recommender(make, LINE, "det")


def test_a_recommender_in_place_of_what_makes_one_is_said():
    with pytest.raises(TypeError, match="make must be a function that makes a recommender at each call, found <"):
        check_recommender(make(), LINE, ["det"])


def test_the_same_object_twice_is_not_fresh_and_nothing_else_is_checked():
    one = make()
    report = check_recommender(lambda: one, LINE, ["det"], on_broken="report")
    assert report.broken[0].why == "make() gave the same object twice, expected a fresh one at each call"
    assert {result.outcome for result in report.results[1:]} == {"not applicable"}


def test_a_class_in_place_of_an_object_is_said():
    with pytest.raises(BrokenPromise, match="gave the class Restless and not an object of it"):
        check_recommender(lambda: Restless, LINE, ["det"])


# -- as cases of pytest


@pytest.mark.parametrize("check", recommender_checks(lambda: Grid(LINE, 30), LINE, ["det"], process=False), ids=str)
def test_the_checks_are_cases_of_pytest(check):
    assert check().outcome in ("passed", "not applicable")


def test_a_case_raises_for_its_promise_only():
    checks = {str(check): check for check in recommender_checks(Deaf, LINE, ["det"], exempt=["plain"], process=False)}
    assert list(checks) == list(RECOMMENDER_PROMISES)
    assert checks["cold"]().outcome == "passed"
    assert checks["plain"]().why == "exempt"
    with pytest.raises(BrokenRecommenderPromise, match="ingest raised KeyError: '_id'"):
        checks["strangers"]()


# -- what it tells


def test_a_point_is_told_beside_where_it_was_asked_for_with_its_id():
    recorders = []

    def recorded():
        recorders.append(Recorder(Sobol(LINE)))
        return recorders[-1]

    check_recommender(recorded, LINE, ["det"], **QUICK)
    told = [point for recorder in recorders for point in recorder.points]
    own = [point for point in told if str(point.get("_id")).startswith("sobol-")]
    assert own
    assert all(set(point) <= {"x", "det", "_id"} and -5 <= point["x"] <= 5 for point in told)
    asked = {
        point["_id"]: point["x"]
        for recorder in recorders
        for call in recorder.calls
        if call.name == "suggest"
        for point in call.answer
    }
    beside = [abs(point["x"] - asked[point["_id"]]) for point in own if math.isfinite(point["det"])]
    assert 0 < np.median(beside) < 0.01
    assert any("_id" not in point for point in told)
    assert not any(recorder.overlapped for recorder in recorders)


def test_every_kind_of_axis_is_measured_inside_its_limits():
    space = Space(
        Axis("x", -math.inf, math.inf), Axis("y", 0, math.inf), Axis("n", 1, 9, step=2), Choice("filter", ("Al", "Cu"))
    )
    world = World(space, ["a", "b"])
    for point in world.strangers(20):
        assert space.problems({name: point[name] for name in ("x", "y", "filter")} | {"n": 1}) == []
        assert 1 <= point["n"] <= 9
        assert 0 <= point["a"] <= 100
        assert point["a"] != point["b"]
    assert world.places() == math.inf
    assert World(Space(Axis("n", 1, 9, step=2), Choice("filter", ("Al", "Cu"))), ["a"]).places() == 10


def test_a_small_space_may_be_asked_for_again():
    space = Space(Choice("filter", ("Al", "Cu", "none")))
    report = check_recommender(lambda: Sequence([{"filter": "Al"}, {"filter": "Cu"}]), space, ["det"], **QUICK)
    why = {result.name: result.why for result in report.results}
    assert why["pending"] == "the space has 3 places only"


def test_outcomes_that_are_no_numbers_are_told_as_the_truth_gives_them():
    shapes = set()

    class Spectra(Sobol):
        def ingest(self, points):
            shapes.update(np.shape(point["spectrum"]) for point in points)
            super().ingest(points)

    def truth(point):
        return {"spectrum": [point["x"], 1.0, 2.0]}

    assert check_recommender(lambda: Spectra(LINE), LINE, ["spectrum"], truth=truth, **QUICK).ok
    assert shapes == {(3,)}


def test_an_error_late_in_its_life_is_found_with_the_calls_before_it():
    with pytest.raises(BrokenRecommenderPromise) as caught:
        check_recommender(lambda: Raising(Sobol(LINE), at=4), LINE, ["det"], **QUICK)
    assert caught.value.name == "mix"
    lines = caught.value.code.splitlines()
    assert lines[0] == "a = make()"
    assert sum(".suggest(" in line for line in lines) == 4
    assert lines[-1] == "a.suggest(2)  # raised RuntimeError: suggest number 4 raised, as Raising was told"
