"""`GaussianProcess` with several objectives, limits and a safe region."""

import math

import numpy as np
import pytest

from skysteer.errors import NoRecommendation
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders.gaussian import GaussianProcess

SPACE = Space(Axis("x", 0, 1), Axis("y", 0, 1))


def driven(recommender, truth, count, batch=1):
    """Everything that was measured, in order."""
    points = []
    while len(points) < count:
        new = [{**point, **truth(point)} for point in recommender.suggest(batch)]
        recommender.ingest(new)
        points += new
    return points


def compromise(point):
    """The Pareto set is y = 0: there the one is -x and the other sqrt(x) - 1."""
    g = 1 + point["y"]
    return {"a": -point["x"], "b": g * (1 - math.sqrt(point["x"] / g))}


class TestSeveralObjectives:
    @pytest.mark.parametrize("acquisition", ["log_ehvi", "chebyshev"])
    def test_the_best_points_come_to_lie_all_along_the_pareto_set(self, acquisition):
        recommender = GaussianProcess(
            SPACE, objectives={"a": "maximize", "b": "minimize"}, acquisition=acquisition, seed=1
        )
        driven(recommender, compromise, 20)
        best = recommender.get_best_points()
        assert len(best) >= 9
        assert np.median([axes["y"] for _, axes, _ in best]) < 0.03
        along = np.sort([axes["x"] for _, axes, _ in best])
        assert along[0] < 0.1
        assert along[-1] > 0.5
        assert np.diff(along).max() < 0.3
        assert all(objectives == compromise(axes) for _, axes, objectives in best)

    def test_no_best_point_is_beaten_by_another(self):
        recommender = GaussianProcess(SPACE, objectives={"a": "maximize", "b": "minimize"})
        driven(recommender, compromise, 12)
        values = [(found["a"], -found["b"]) for _, _, found in recommender.get_best_points()]
        assert not [1 for one in values for two in values if one[0] > two[0] and one[1] > two[1]]

    def test_a_reference_point_says_which_part_of_the_set_is_wanted(self):
        recommender = GaussianProcess(
            SPACE, objectives={"a": "maximize", "b": "minimize"}, reference={"a": -0.3, "b": 2.0}
        )
        asked = driven(recommender, compromise, 16)[6:]
        assert np.mean([point["x"] < 0.32 for point in asked]) > 0.7

    def test_three_objectives(self):
        recommender = GaussianProcess(SPACE, objectives={"a": "maximize", "b": "minimize", "c": "minimize"})
        driven(recommender, lambda p: {**compromise(p), "c": (p["x"] - 0.5) ** 2 + (p["y"] - 0.3) ** 2}, 12, batch=2)
        assert len(recommender.get_best_points()) > 3
        assert set(recommender.predict([{"x": 0.5, "y": 0.5}])) == {"a", "b", "c"}

    def test_one_objective_of_several_is_one(self):
        one = GaussianProcess(SPACE, objectives={"a": "minimize"})
        other = GaussianProcess(SPACE, minimize="a")
        for each in (one, other):
            driven(each, lambda p: {"a": (p["x"] - 0.3) ** 2}, 8)
        strip = [{k: v for k, v in each.suggest()[0].items() if k != "_id"} for each in (one, other)]
        assert strip[0] == strip[1]


def test_a_weighted_sum_is_large_where_its_parts_agree():
    recommender = GaussianProcess(SPACE, weights={"a": 1.0, "b": -0.01})
    driven(recommender, lambda p: {"a": -((p["x"] - 0.3) ** 2), "b": 100 * (p["x"] - 0.7) ** 2 + p["y"]}, 16)
    ((_, axes, objectives),) = recommender.get_best_points()
    assert abs(axes["x"] - 0.5) < 0.05
    assert axes["y"] < 0.2
    assert set(objectives) == {"a", "b"}


def test_an_upper_bound_with_a_small_beta_stays_and_with_a_large_one_looks_about():
    spreads = []
    for beta in (0.1, 10.0):
        recommender = GaussianProcess(SPACE, maximize="a", acquisition="ucb", beta=beta)
        asked = driven(recommender, lambda p: {"a": -((p["x"] - 0.3) ** 2) - (p["y"] - 0.6) ** 2}, 16)[8:]
        spreads.append(np.mean([abs(p["x"] - 0.3) + abs(p["y"] - 0.6) for p in asked]))
    assert spreads[0] < 0.05 < 0.15 < spreads[1]


def test_the_best_expected_point_is_not_the_luckiest_reading():
    rng = np.random.default_rng(4)
    recommender = GaussianProcess(SPACE, maximize="a", noise=0.3)
    places = [{"x": x, "y": y} for x in np.linspace(0, 1, 6) for y in np.linspace(0, 1, 6)]
    points = [{**p, "a": 1 - (p["x"] - 0.4) ** 2 * 4 - (p["y"] - 0.4) ** 2 * 4 + rng.normal(0, 0.3)} for p in places]
    points[-1]["a"] = max(point["a"] for point in points) + 0.1
    recommender.ingest(points)
    ((_, axes, _),) = recommender.get_best_points()
    assert abs(axes["x"] - 0.4) < 0.25
    assert abs(axes["y"] - 0.4) < 0.25


def ring(point):
    """The sum grows to a corner that the limit of 0.25 keeps out of reach: best is sqrt(0.2) + 1."""
    return {"a": point["x"] + point["y"], "t": (point["x"] - 0.5) ** 2 + (point["y"] - 0.5) ** 2 + 0.15}


class TestConstraints:
    @pytest.mark.parametrize("sense", ["<=", ">="])
    def test_the_best_point_keeps_the_limit_and_lies_at_it(self, sense):
        sign = 1 if sense == "<=" else -1
        recommender = GaussianProcess(SPACE, maximize="a", constraints={"t": (sense, sign * 0.25)})
        driven(recommender, lambda p: {"a": ring(p)["a"], "t": sign * ring(p)["t"]}, 20)
        ((_, axes, objectives),) = recommender.get_best_points()
        assert ring(axes)["t"] < 0.253
        assert objectives["a"] > 1.43
        assert set(objectives) == {"a"}

    def test_a_place_that_keeps_the_limits_is_looked_for_first(self):
        narrow = GaussianProcess(SPACE, maximize="a", constraints={"t": ("<=", 0.0)})
        found = driven(narrow, lambda p: {"a": -p["x"], "t": math.hypot(p["x"] - 0.8, p["y"] - 0.2) - 0.08}, 16)
        first = next(number for number, point in enumerate(found) if point["t"] <= 0)
        assert 5 <= first < 14
        assert narrow.get_best_points() != []

    def test_there_is_no_best_point_where_none_keeps_the_limits(self):
        recommender = GaussianProcess(SPACE, maximize="a", constraints={"t": ("<=", -1.0)})
        driven(recommender, ring, 7)
        assert recommender.get_best_points() == []
        assert recommender.report()["best"] == []

    def test_several_objectives_with_a_limit(self):
        recommender = GaussianProcess(
            SPACE, objectives={"a": "maximize", "b": "minimize"}, constraints={"c": (">=", 0.4)}
        )
        driven(recommender, lambda p: {**compromise(p), "c": p["x"]}, 14)
        best = recommender.get_best_points()
        assert best
        assert all(axes["x"] > 0.38 for _, axes, _ in best)


START = [{"x": 0.1, "y": 0.1}, {"x": 0.15, "y": 0.1}]


def dose(point):
    return 8 * point["y"] + 2 * point["x"]


class TestASafeRegion:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_limit_is_never_exceeded_and_its_edge_is_found(self, seed):
        """The best, beyond the limit of 5, is at y = 1; of the safe places at (0.3, 0.55)."""
        recommender = GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0)}, initial=START, seed=seed)
        points = driven(recommender, lambda p: {"a": -((p["x"] - 0.3) ** 2) - (p["y"] - 1.0) ** 2, "dose": dose(p)}, 28)
        assert [{"x": p["x"], "y": p["y"]} for p in points[:2]] == START
        assert max(point["dose"] for point in points) <= 5.0
        ((_, axes, _),) = recommender.get_best_points()
        assert dose(axes) > 4.8
        assert abs(axes["x"] - 0.3) < 0.15

    def test_a_limit_from_below_and_batches(self):
        recommender = GaussianProcess(SPACE, map="a", safe={"dose": (">=", -5.0)}, initial=START)
        points = driven(recommender, lambda p: {"a": p["x"], "dose": -dose(p)}, 16, batch=4)
        assert min(point["dose"] for point in points) >= -5.0
        assert max(point["dose"] for point in points) > -2.0
        assert len({(point["x"], point["y"]) for point in points}) == len(points)

    def test_a_cliff_beyond_a_plain_is_not_walked_over(self):
        """All readings of the plain are the same; a model smoother than is safe to think goes to the other end."""
        line = Space(Axis("x", 0, 1))
        recommender = GaussianProcess(line, maximize="a", safe={"dose": ("<=", 5.0)}, initial=[{"x": 0.05}, {"x": 0.1}])
        points = driven(recommender, lambda p: {"a": p["x"], "dose": 1 + 20 * max(p["x"] - 0.4, 0)}, 20)
        assert max(point["dose"] for point in points) <= 5.0
        assert max(point["x"] for point in points) > 0.5

    def test_a_safe_place_that_failed_is_not_asked_for_again(self):
        few = Space(Axis("n", 1, 40, step=1))
        recommender = GaussianProcess(few, maximize="a", safe={"dose": ("<=", 5.0)}, initial=[{"n": 5}])
        recommender.ingest([{**point, "a": 1.0, "dose": 1.0} for point in recommender.suggest()])
        failed = []
        with pytest.raises(NoRecommendation, match="after 1 readings no place is known to keep dose <= 5"):  # noqa: PT012
            while True:
                (point,) = recommender.suggest()
                assert point["n"] not in failed
                failed.append(point["n"])
                recommender.register_failures([point])
        assert len(failed) > 2

    def test_an_unknown_option_of_a_choice_is_not_tried(self):
        space = Space(Axis("x", 0, 1), Choice("filter", ("thick", "none")))
        recommender = GaussianProcess(
            space, maximize="a", safe={"dose": ("<=", 5.0)}, initial=[{"x": 0.2, "filter": "thick"}]
        )
        points = driven(
            recommender, lambda p: {"a": p["x"], "dose": (1 if p["filter"] == "thick" else 100) * (1 + p["x"])}, 12
        )
        assert {point["filter"] for point in points} == {"thick"}
        assert max(point["x"] for point in points) > 0.6

    def test_what_was_measured_before_is_known_to_be_safe(self):
        recommender = GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0)})
        recommender.ingest([{"x": 0.2, "y": 0.2, "a": 1.0, "dose": 1.0}])
        (point,) = recommender.suggest()
        assert math.hypot(point["x"] - 0.2, point["y"] - 0.2) < 0.3

    def test_nothing_known_to_be_safe_is_an_error(self):
        with pytest.raises(ValueError, match=r"nothing is known to be safe for dose: give initial=\[points"):
            GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0)}, initial=6).suggest()

    def test_an_initial_point_is_asked_for_again_until_one_is_measured(self):
        recommender = GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0)}, initial=START)
        points = recommender.suggest(5)
        assert [(point["x"], point["y"]) for point in points] == [(0.1, 0.1), (0.15, 0.1)]
        recommender.set_pending(points)
        (again,) = recommender.suggest(4)
        assert (again["x"], again["y"]) in [(0.1, 0.1), (0.15, 0.1)]
        recommender.set_pending([])
        recommender.register_failures(points[:1])
        assert {point["x"] for point in recommender.suggest(4)} == {0.15}
        recommender.register_failures([*points[1:], *recommender.suggest()])
        with pytest.raises(NoRecommendation, match="every initial point failed"):
            recommender.suggest()

    def test_where_no_place_keeps_the_limit_there_is_nothing_more_to_ask(self):
        recommender = GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0)}, initial=START)
        recommender.ingest([{**point, "a": 1.0, "dose": 9.0} for point in recommender.suggest(2)])
        with pytest.raises(NoRecommendation, match=r"after 2 readings no place is known to keep dose <= 5"):
            recommender.suggest()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "found none"),
        ({"maximize": "a", "weights": {"a": 1}}, "found maximize='a', weights="),
        ({"maximize": ""}, "maximize= is the name of what is measured, found ''"),
        ({"objectives": {}}, "objectives= names no objective"),
        ({"objectives": {"a": "up"}}, r"objectives\['a'\] is 'up', expected 'maximize' or 'minimize'"),
        ({"weights": {"a": 0}}, r"weights\['a'\] is 0, expected a number, not 0"),
        ({"weights": {"a": math.inf}}, r"weights\['a'\] is inf"),
        (
            {"maximize": "a", "acquisition": "ei"},
            "acquisition='ei' is none; for one objective there are log_ei, ucb, max",
        ),
        ({"map": "a", "acquisition": "ucb"}, "'ucb' does not serve this goal; for a map there are max_variance"),
        (
            {"objectives": dict.fromkeys("abc", "maximize"), "acquisition": "log_ehvi"},
            "for several objectives there are chebyshev, max_variance",
        ),
        ({"maximize": "a", "beta": -1}, "beta must be a number of standard deviations, 0 or more, found -1"),
        ({"maximize": "a", "reference": {"a": 1}}, "reference= has one number for each of several objectives="),
        ({"maximize": "a", "constraints": {"t": 5}}, r"constraints\['t'\] is 5, expected a pair like \('<=', 350.0\)"),
        ({"maximize": "a", "constraints": {"t": ("<", 5)}}, r"constraints\['t'\] is \('<', 5\)"),
        ({"maximize": "a", "safe": {"t": ("<=", math.nan)}}, r"safe\['t'\] is \('<=', nan\)"),
        ({"maximize": "a", "constraints": {"x": ("<=", 5)}}, "'x' is an axis of the space"),
        ({"weights": {"a": 1, "b": 1}, "counts": True}, "counts= learns square roots, which weights= cannot add up"),
        ({"maximize": "a", "counts": ["b"]}, r"counts names \['b'\]; the outcomes are \['a'\]"),
        ({"maximize": "a", "initial": 0}, "initial must be at least 1 reading, or points to measure first, found 0"),
        ({"maximize": "a", "initial": []}, "initial must be at least 1 reading"),
        ({"maximize": "a", "initial": [{"x": 2, "y": 0}]}, r"point 0: x=2 is outside \[0, 1\]"),
        ({"maximize": "a", "noise": -1}, "the noise of 'a' must be a positive number, found -1"),
        ({"maximize": "a", "noise": "none"}, "noise must be 'fit', a number"),
        ({"maximize": "a", "noise": {"b": 1}}, r"a number for some of \['a'\], found"),
        ({"objectives": {"a": "maximize", "b": "maximize"}, "noise": 1}, "noise=1 is of which outcome"),
        ({"maximize": "a", "length_scale": {"z": 1}}, r"length_scale names \['z'\]; expected axes of the space"),
        ({"maximize": "a", "length_scale": {"x": 0}}, r"length_scale\['x'\] must be a positive number, found 0"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        GaussianProcess(SPACE, **options)
