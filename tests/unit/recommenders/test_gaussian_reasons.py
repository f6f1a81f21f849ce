"""What `GaussianProcess` says of why it asks for a point."""

import copy
import math
import re

import cloudpickle
import numpy as np
import pytest

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._about import About
from skysteer.recommenders._wording import expected, written
from skysteer.recommenders.gaussian import GaussianProcess, Travel
from skysteer.recommenders.gaussian._reasons import Reason

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 1))
FEW = Space(Axis("n", 1, 4, step=1), Choice("filter", ("Al", "Cu")))
START = [{"x": 0.0, "y": 0.5}, {"x": 1.0, "y": 0.5}, {"x": 0.5, "y": 0.2}]


def truth(point):
    x, y = point.get("x", point.get("n")), point.get("y", 0.5)
    a = 200 - 10 * (x - 1) ** 2 - 50 * (y - 0.3) ** 2 + 20 * math.sin(2 * x)
    return {"a": a, "b": 3 + 0.2 * x + y + 0.05 * x * x}


def taught(count, space=SPACE, **options):
    recommender = GaussianProcess(space, **{"gate": None, **options})
    for _ in range(count):
        recommender.ingest([{**point, **truth(point)} for point in recommender.suggest()])
    return recommender


def why(recommender, count=1):
    """The newest points and the reasons for them."""
    points = recommender.suggest(count)
    reasons = recommender.get_reasons()
    assert len(reasons) == len(points)
    return points, reasons


class TestBeforeTheModelLeads:
    def test_without_points_there_are_no_reasons(self):
        recommender = GaussianProcess(SPACE, maximize="a")
        assert recommender.get_reasons() == []
        recommender.suggest(2)
        recommender.suggest(0)
        assert recommender.get_reasons() == []

    def test_the_space_is_filled_and_it_is_said_how_far_that_is(self):
        _, reasons = why(GaussianProcess(SPACE, maximize="a"), 6)
        assert reasons == [
            "middle of the space before the model leads, 1 of 5",
            *(f"even cover before the model leads, {n} of 5" for n in (2, 3, 4, 5)),
            "emptiest place, as a model needs two finite readings, there are 0",
        ]

    def test_points_that_were_given_are_said_to_be(self):
        _, reasons = why(GaussianProcess(SPACE, maximize="a", initial=START), 3)
        assert reasons == [f"initial point {n} of 3, given" for n in (1, 2, 3)]

    def test_a_model_that_sees_noise_only_does_not_lead(self):
        rng = np.random.default_rng(0)
        recommender = GaussianProcess(SPACE, maximize="a")
        for _ in range(14):
            recommender.ingest([{**point, "a": rng.normal()} for point in recommender.suggest()])
        assert why(recommender)[1] == ["emptiest place, as nothing stands out and the readings look like noise"]

    def test_points_that_all_failed_are_the_reason(self):
        recommender = GaussianProcess(SPACE, maximize="a")
        recommender.register_failures(recommender.suggest(2))
        assert why(recommender)[1] == ["even cover, as all 2 points failed or gave no finite reading"]


class TestWhereTheModelLeads:
    @pytest.mark.parametrize(
        "options",
        [{"maximize": "a"}, {"minimize": "a"}, {"maximize": "a", "counts": True}, {"minimize": "a", "noise": 40.0}],
    )
    def test_the_expectation_and_the_best_are_in_the_units_of_the_readings(self, options):
        recommender = taught(9, **options)
        points, reasons = why(recommender)
        ((mean,), (sd,)) = recommender.predict(points)
        best = recommender.report()["best"][0]["expected"]["a"]
        said = f"largest expected improvement: {expected('a', mean, sd)}, best expected so far {written(best, sd)}"
        assert reasons == [said]

    def test_a_bent_scale_is_straightened(self):
        recommender = GaussianProcess(SPACE, minimize="a", gate=None)
        for _ in range(12):
            steep = [{**p, "a": math.exp(p["x"] ** 2 / 4 + p["y"])} for p in recommender.suggest()]
            recommender.ingest(steep)
        assert recommender.report()["outcomes"]["a"]["bent_scale"]
        points, reasons = why(recommender)
        ((mean,), (sd,)) = recommender.predict(points)
        assert expected("a", mean, sd) in reasons[0]

    def test_a_weighted_sum_is_said_as_the_sum_of_the_readings(self):
        recommender = taught(9, weights={"a": 1.0, "b": -50.0})
        points, reasons = why(recommender)
        found = recommender.predict(points)
        mean = found["a"][0][0] - 50 * found["b"][0][0]
        sd = math.hypot(found["a"][1][0], 50 * found["b"][1][0])
        assert expected("1 * a + -50 * b", mean, sd) in reasons[0]
        best = recommender.report()["best"][0]["expected"]
        assert f"best expected so far {written(best['a'] - 50 * best['b'], sd)}" in reasons[0]

    @pytest.mark.parametrize(("goal", "towards", "sign"), [("maximize", "up to", 1), ("minimize", "down to", -1)])
    def test_a_bound_is_said_as_a_reading(self, goal, towards, sign):
        recommender = taught(9, **{goal: "a"}, acquisition="ucb", beta=1.5)
        points, reasons = why(recommender)
        ((mean,), (sd,)) = recommender.predict(points)
        assert reasons[0].startswith("best within 1.5 standard deviations: a = ")
        bound = float(reasons[0].partition(towards)[2])
        assert sign * (bound - mean) > 0
        if not recommender.report()["outcomes"]["a"]["bent_scale"]:
            assert bound == pytest.approx(mean + sign * 1.5 * sd, rel=1e-3)

    def test_a_map_says_what_is_known_least(self):
        recommender = taught(9, map="a")
        points, reasons = why(recommender)
        ((mean,), (sd,)) = recommender.predict(points)
        assert reasons == [f"known least: {expected('a', mean, sd)}"]

    @pytest.mark.parametrize(
        ("acquisition", "words"),
        [
            ("log_ehvi", "largest expected gain of the Pareto front: a = "),
            ("chebyshev", "largest expected gain of a random compromise: a = "),
            ("max_variance", "largest uncertainty in all objectives: a = "),
        ],
    )
    def test_of_several_objectives_each_is_said(self, acquisition, words):
        recommender = taught(8, objectives={"a": "maximize", "b": "minimize"}, acquisition=acquisition)
        points, reasons = why(recommender)
        assert reasons[0].startswith(words)
        found = recommender.predict(points)
        assert reasons[0].endswith(", ".join(expected(name, mean[0], sd[0]) for name, (mean, sd) in found.items()))

    def test_the_members_of_a_batch_count_on_those_before(self):
        recommender = taught(9, maximize="a")
        points, reasons = why(recommender, 2)
        recommender.set_pending(points[:1])
        (again,), (reason,) = why(recommender)
        assert again == points[1]
        assert reason == reasons[1]
        ((mean,), (sd,)) = recommender.predict([again])  # of what was measured: with the first one less is in doubt
        assert expected("a", mean, sd) not in reason

    def test_what_is_on_its_way_may_be_the_best(self):
        recommender = taught(6, weights={"a": 1.0})
        places = [{"x": x, "y": y} for x in np.linspace(-5, 5, 41) for y in np.linspace(0, 1, 11)]
        means, _ = recommender.predict(places)
        assert means.max() > recommender.report()["best"][0]["expected"]["a"]
        recommender.set_pending([places[int(np.argmax(means))]])
        best = re.search("best on its way (.*)", why(recommender)[1][0])
        assert float(best[1]) == pytest.approx(means.max(), rel=1e-3)

    def test_where_no_other_place_is_left_it_is_said_to_come_again(self):
        recommender = taught(8, FEW, map="a", initial=3)
        assert why(recommender)[1][0].startswith("known least, once more a measured place: a = ")
        everywhere = [{"n": n, "filter": of} for n in (1, 2, 3, 4) for of in ("Al", "Cu")]
        recommender.set_pending(everywhere)
        assert why(recommender)[1][0].startswith("known least, once more a place on its way: a = ")
        recommender = GaussianProcess(FEW, map="a", initial=12)
        recommender.ingest([{**place, "a": 1.0} for place in everywhere])
        assert why(recommender)[1] == ["a place once more (all are taken) before the model leads, 9 of 12"]


class TestLimitsAndWays:
    def test_how_probably_a_limit_is_kept(self):
        recommender = taught(9, maximize="a", constraints={"b": ("<=", 3.5)})
        points, reasons = why(recommender)
        assert reasons[0].startswith("largest expected improvement within limits: a = ")
        ((mean,), (sd,)) = recommender.predict(points)["b"]
        kept = 0.5 * math.erfc((mean - 3.5) / sd / math.sqrt(2))
        said = f"b <= 3.5 with probability {kept:.3g}" if kept <= 0.999 else "b <= 3.5 almost certainly"
        assert reasons[0].endswith(said)

    def test_where_nothing_keeps_the_limits_a_place_that_might_is_looked_for(self):
        recommender = taught(6, maximize="a", constraints={"b": ("<=", 1.0), "a": (">=", 1000.0)})
        assert re.fullmatch(
            r"no known place keeps the limits, the likeliest: b = .* ± .*, a = .* ± .*, "
            r"all limits with a probability below 0\.001",
            why(recommender)[1][0],
        )

    def test_a_safe_region_is_widened_or_searched(self):
        recommender = GaussianProcess(SPACE, maximize="a", safe={"b": ("<=", 5.0)}, initial=START)
        recommender.set_pending(recommender.suggest(3))
        assert why(recommender)[1] == ["once more an initial point, none has a reading yet"]
        recommender.set_pending([])
        recommender.ingest([{**point, **truth(point)} for point in recommender.suggest(3)])
        _, (first, second, third, fourth) = why(recommender, 4)
        for reason in (first, fourth):
            assert reason.startswith("to widen what is safe, known least where b <= 5 is safe: b = ")
        for reason in (second, third):
            assert reason.startswith("largest expected improvement where b <= 5 is safe: a = ")

    def test_a_way_is_said_in_seconds(self):
        recommender = taught(8, maximize="a", travel=Travel({"x": 2.0}, exposure=0.5))
        recommender.set_pending([{"x": -4.0, "y": 0.5}])
        (point,), (reason,) = why(recommender)
        assert reason.startswith("largest expected improvement per second: a = ")
        assert reason.endswith(f", takes {0.5 + (point['x'] + 4.0) / 2.0:.3g} s")
        recommender = taught(8, map="a", travel=Travel({"x": 2.0}))
        assert why(recommender)[1][0].startswith("largest uncertainty per second: a = ")


class TestTheQuestion:
    @pytest.mark.parametrize(
        "options",
        [
            {"minimize": "a"},
            {"weights": {"a": 1.0, "b": -50.0}},
            {"maximize": "a", "noise": {"a": 20.0}, "constraints": {"b": ("<=", 4.0)}, "travel": Travel({"x": 1.0})},
            {"objectives": {"a": "maximize", "b": "minimize"}},
            {"maximize": "a", "safe": {"b": ("<=", 5.0)}, "initial": START},
        ],
    )
    def test_it_is_answered_as_of_the_newest_suggest_and_changes_nothing(self, options):
        silent, told, copied, asked = (taught(7, **options) for _ in range(4))
        points, reasons = why(asked, 3)
        assert asked.get_reasons() == reasons
        for recommender in (silent, told, copied):
            assert recommender.suggest(3) == points
        copies = copy.deepcopy(copied), cloudpickle.loads(cloudpickle.dumps(copied))
        assert [each.get_reasons() for each in copies] == [reasons, reasons]
        assert About(asked).document() == About(silent).document()
        for recommender in (silent, told, asked):
            recommender.ingest([{**points[0], "a": 1e4, "b": 1.0}])
            recommender.register_failures(points[1:2])
        assert told.get_reasons() == reasons
        assert asked.suggest(2) == silent.suggest(2)
        assert asked.report() == silent.report()

    @pytest.mark.parametrize(
        "options",
        [
            {"maximize": "a", "constraints": {"b": ("<=", 4.0)}},
            {"weights": {"a": 1.0, "b": -50.0}},
            {"objectives": {"a": "maximize", "b": "minimize"}},
            {"map": "a", "safe": {"b": ("<=", 5.0)}, "initial": START},
            {"maximize": "a", "constraints": {"b": ("<=", 0.0)}},
        ],
    )
    def test_what_is_kept_for_it_is_small_beside_the_model(self, options):
        recommender = GaussianProcess(SPACE, gate=None, **options)
        rng = np.random.default_rng(0)
        places = [{"x": x, "y": y} for x, y in zip(rng.uniform(-5, 5, 200), rng.uniform(0, 1, 200), strict=True)]
        recommender.ingest([{**place, **truth(place)} for place in places])
        recommender.register_failures([{"x": 4.0, "y": 0.9}])
        recommender.suggest(6)
        unsaid = len(cloudpickle.dumps(recommender))
        recommender.get_reasons()
        assert unsaid < 1.2 * len(cloudpickle.dumps(recommender))

    def test_nobody_pays_for_words_that_nobody_reads(self, monkeypatch):
        recommender = taught(7, maximize="a")

        def never(_):
            raise AssertionError("words were made")

        monkeypatch.setattr(Reason, "__str__", never)
        assert len(recommender.suggest(2)) == 2
        with pytest.raises(AssertionError, match="words were made"):
            recommender.get_reasons()
