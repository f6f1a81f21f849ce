"""`Estimator`: regressors with an uncertainty as recommenders, and the laws they keep; lists of candidates."""

import json
import logging
import math

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import ARDRegression, BayesianRidge, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasReasons, HasSpace, KnowsPending, Optimizer, TrialFaultAware
from skysteer.recommenders._candidates import nearest
from skysteer.recommenders._led import EVERY, fitted_to
from skysteer.recommenders._wording import expected
from skysteer.recommenders.estimator import Estimator

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


def forest():
    return RandomForestRegressor(10)


def process():
    return GaussianProcessRegressor(ConstantKernel() * Matern(1.0, nu=2.5) + WhiteKernel(1e-3))


REGRESSORS = {
    "forest": forest,
    "extra trees": lambda: ExtraTreesRegressor(10),
    "bagging": lambda: BaggingRegressor(n_estimators=10, max_features=0.6),
    "voting": lambda: VotingRegressor([("a", BayesianRidge()), ("b", RandomForestRegressor(5))]),
    "quadratic": lambda: make_pipeline(PolynomialFeatures(2), BayesianRidge()),
    "ard": lambda: make_pipeline(PolynomialFeatures(2), ARDRegression()),
    "scaled forest": lambda: make_pipeline(StandardScaler(), RandomForestRegressor(10)),
    "gaussian process": process,
}
"""Name -> a regressor that says how sure it is."""


def bowl(point):
    """Smooth, with its maximum of 2 at (1, -2)."""
    return 2.0 - 0.1 * (point["x"] - 1) ** 2 - 0.05 * (point["y"] + 2) ** 2


def measured(points, function=bowl):
    return [{**point, "det": function(point)} for point in points]


def taught(count, regressor=None, function=bowl, space=SPACE, **options):
    options = options or {"maximize": "det"}
    recommender = Estimator(space, forest() if regressor is None else regressor, **options)
    for _ in range(count):
        recommender.ingest(measured(recommender.suggest(), function))
    return recommender


def distance(one, other):
    return math.hypot(one["x"] - other["x"], one["y"] - other["y"])


class Sure(RegressorMixin, BaseEstimator):
    """Knows everything: there is nothing to gain."""

    def fit(self, rows, values):
        return self

    def predict(self, rows, return_std=False):
        return (np.zeros(len(rows)), np.zeros(len(rows))) if return_std else np.zeros(len(rows))


class Broken(Sure):
    """Cannot be fitted."""

    def fit(self, rows, values):
        raise np.linalg.LinAlgError("the matrix is singular")


class SaysNaN(Sure):
    """Predicts nothing."""

    def predict(self, rows, return_std=False):
        return np.full(len(rows), math.nan), np.ones(len(rows))


class TestWhatItFinds:
    @pytest.mark.parametrize("name", ["quadratic", "ard", "gaussian process"])
    def test_a_maximum(self, name):
        ((identity, axes, objectives),) = taught(20, REGRESSORS[name]()).get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 0.3
        assert objectives == {"det": bowl(axes)}
        assert identity.startswith("estimator-")

    @pytest.mark.parametrize("name", ["forest", "bagging", "scaled forest", "extra trees"])
    def test_a_forest_comes_near_a_maximum(self, name):
        ((_, _, objectives),) = taught(30, REGRESSORS[name]()).get_best_points()
        assert objectives["det"] > 1.85

    def test_a_minimum(self):
        recommender = taught(20, REGRESSORS["quadratic"](), lambda point: -bowl(point), minimize="det")
        ((_, axes, objectives),) = recommender.get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 0.3
        assert objectives["det"] == -bowl(axes)

    def test_a_map_leaves_no_large_gap(self):
        recommender = taught(30, process(), map="det")
        points = [{"x": x, "y": y} for x in np.linspace(-4, 4, 9) for y in np.linspace(-4, 4, 9)]
        mean, sd = recommender.predict(points)
        assert np.abs(mean - [bowl(point) for point in points]).max() < 0.1
        assert mean.shape == sd.shape == (81,)
        assert recommender.get_best_points() == []

    def test_the_prediction_is_in_the_units_of_the_objective(self):
        recommender = taught(20, process(), lambda point: -1e4 * bowl(point) + 3e5, minimize="det")
        mean, _ = recommender.predict([{"x": 1, "y": -2}])
        assert abs(mean[0] - (3e5 - 2e4)) < 300

    def test_a_choice_and_an_axis(self):
        space = Space(Axis("x", 0, 1), Choice("filter", ("Al", "Cu", "none")))
        gain = {"Al": 0.0, "Cu": 1.0, "none": 0.5}
        recommender = taught(25, None, lambda p: gain[p["filter"]] - (p["x"] - 0.3) ** 2, space, maximize="det")
        ((_, axes, _),) = recommender.get_best_points()
        assert axes["filter"] == "Cu"
        assert abs(axes["x"] - 0.3) < 0.2

    def test_the_upper_bound_with_more_doubt_searches_farther_afield(self):
        def spread(beta):
            recommender = taught(25, process(), maximize="det", acquisition="ucb", beta=beta)
            return np.std([axes["x"] for _, axes in recommender._points[5:]])

        assert spread(30.0) > 1.5 * spread(0.1)


class TestSuggestIsAQuestion:
    @pytest.mark.parametrize("name", REGRESSORS)
    def test_asking_changes_nothing_and_the_order_of_telling_neither(self, name):
        recommender = taught(9, REGRESSORS[name]())
        assert recommender.suggest(3) == recommender.suggest(3)
        assert recommender.suggest() == recommender.suggest(3)[:1]
        points = measured([{**axes, "_id": identity} for identity, axes in recommender._points])
        at_once = Estimator(SPACE, REGRESSORS[name](), maximize="det")
        at_once.ingest(points)
        assert at_once.suggest(2) == recommender.suggest(2)
        travelled = cloudpickle.loads(cloudpickle.dumps(recommender))
        assert travelled.suggest(2) == recommender.suggest(2)

    def test_it_holds_also_where_it_is_fitted_in_steps(self):
        one_by_one, at_once = (Estimator(SPACE, REGRESSORS["quadratic"](), map="det") for _ in range(2))
        rng = np.random.default_rng(0)
        points = [{"x": x, "y": y, "det": x + y} for x, y in rng.uniform(-5, 5, (EVERY + 14, 2))]
        for point in points:
            one_by_one.ingest([point])
            one_by_one.suggest()
        at_once.ingest(points)
        assert at_once.suggest(3) == one_by_one.suggest(3)

    def test_what_was_once_pending_leaves_no_trace(self):
        recommender = taught(10)
        before = recommender.suggest(2)
        recommender.set_pending(before)
        during = recommender.suggest(2)
        assert not {point["_id"] for point in before} & {point["_id"] for point in during}
        recommender.set_pending([])
        assert recommender.suggest(2) == before

    def test_a_repeated_point_changes_nothing(self):
        recommender = taught(10)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point, point])
        before = recommender.suggest()
        recommender.ingest([{**point, "det": 1e9}])
        recommender.register_failures([point])
        assert recommender.suggest() == before

    def test_values_are_plain(self):
        for point in taught(8, space=Space(Axis("x", 0, 1), Choice("n", (1, 2))), function=lambda p: p["x"]).suggest(2):
            assert json.loads(json.dumps(point)) == point

    def test_another_seed_is_another_course(self):
        assert taught(8, seed=1, maximize="det").suggest() != taught(8, seed=2, maximize="det").suggest()

    def test_it_has_every_ability(self):
        recommender = taught(0)
        for ability in (Optimizer, HasSpace, KnowsPending, TrialFaultAware):
            assert isinstance(recommender, ability)


class TestBatches:
    @pytest.mark.parametrize("name", ["forest", "quadratic", "gaussian process"])
    @pytest.mark.parametrize("goal", ["maximize", "map"])
    def test_the_points_of_a_batch_differ(self, name, goal):
        batch = taught(10, REGRESSORS[name](), **{goal: "det"}).suggest(5)
        apart = [distance(a, b) for n, a in enumerate(batch) for b in batch[:n]]
        assert min(apart) > 0.05

    def test_what_is_pending_is_kept_away_from(self):
        recommender = taught(10, process(), map="det")
        (first,) = recommender.suggest()
        recommender.set_pending([{"x": first["x"], "y": first["y"]}])  # somebody else measures there
        assert distance(recommender.suggest()[0], first) > 1


class TestReasons:
    def test_the_space_is_filled_and_how_much_of_it_is_left_to_fill(self):
        recommender = taught(2)
        assert Estimator(SPACE, forest(), maximize="det").get_reasons() == []
        recommender.suggest(4)
        assert isinstance(recommender, HasReasons)
        first, *_, led = recommender.get_reasons()
        assert first == "even cover before the model leads, 3 of 5"
        assert led.startswith("largest expected improvement: det = ")
        assert led.endswith(", with 3 underway")
        recommender.suggest(0)
        assert recommender.get_reasons() == []

    def test_beyond_the_filling_without_a_reading(self):
        recommender = Estimator(SPACE, forest(), maximize="det")
        recommender.suggest(6)
        assert recommender.get_reasons()[-2:] == [
            "even cover before the model leads, 5 of 5",
            "even cover, no reading is known yet",
        ]

    @pytest.mark.parametrize(
        ("goal", "acquisition", "words"),
        [
            ("maximize", "ei", "largest expected improvement: {det}, best expected so far {best:.4g}"),
            ("minimize", "ei", "largest expected improvement: {det}, best expected so far {best:.4g}"),
            ("maximize", "ucb", "highest mean + 2 standard deviations: {det}"),
            ("minimize", "ucb", "lowest mean - 2 standard deviations: {det}"),
            ("map", "max_variance", "known least: {det}"),
        ],
    )
    def test_it_says_what_it_expects_in_the_units_of_the_objective(self, goal, acquisition, words):
        sign = -1 if goal == "minimize" else 1
        options = {goal: "det", "acquisition": acquisition}
        recommender = taught(9, process(), lambda point: 3e3 + sign * 1e3 * bowl(point), **options)
        (point,) = recommender.suggest()
        mean, sd = recommender.predict([point])
        known, _ = recommender.predict([axes for _, axes in recommender._points])
        best = sign * (sign * known).max()
        reason, _, _ = recommender.get_reasons()[0].partition(", farthest away of ")
        assert reason == words.format(det=expected("det", mean[0], sd[0]), best=best)

    def test_the_doubt_is_less_near_what_is_underway(self):
        recommender = taught(9, process(), map="det")
        recommender.suggest(2)
        alone, second = recommender.get_reasons()
        assert second.endswith(", with 1 underway")
        recommender.set_pending(recommender.suggest())
        recommender.suggest()
        assert recommender.get_reasons() == [second]
        assert "underway" not in alone

    def test_a_forest_says_the_same_of_many_places(self):
        recommender = taught(6, RandomForestRegressor(2))
        recommender.suggest()
        assert ", farthest away of " in recommender.get_reasons()[0]

    def test_a_model_that_does_not_work(self):
        recommender = taught(6, Broken())
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert reason.startswith("even cover, as the model cannot lead: Broken cannot be fitted to 6 readings, ")
        assert recommender.report()["last_fallback"] in reason

    def test_a_place_of_steps_that_was_measured_before(self):
        space = Space(Axis("x", 0, 2, step=1))
        recommender = taught(2, process(), lambda point: point["x"], space, map="det", initial=3)
        recommender.ingest([{"x": x, "det": x} for x in (0.0, 1.0, 2.0)])
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert reason.startswith("known least: det = ")
        assert reason.endswith(", measured before")

    def test_the_last_of_a_list(self):
        recommender = taught(
            5, process(), lambda point: point["x"], [{"x": float(x)} for x in range(7)], maximize="det"
        )
        assert len(recommender.suggest(3)) == 2
        assert recommender.get_reasons()[1] == "the only candidate that is left"
        assert recommender.report()["fallbacks"] == 0

    def test_they_stay_as_they_were_and_change_nothing(self):
        recommender, silent = taught(8), taught(8)
        points = recommender.suggest(2)
        silent.suggest(2)
        reasons = recommender.get_reasons()
        assert cloudpickle.loads(cloudpickle.dumps(recommender)).get_reasons() == reasons
        for each in (recommender, silent):
            each.ingest(measured(points[:1]))
            each.register_failures(points[1:])
        assert recommender.get_reasons() == reasons
        recommender.get_reasons().clear()
        assert recommender.get_reasons() == reasons
        assert (recommender.report(), recommender.suggest(2)) == (silent.report(), silent.suggest(2))


class TestBadData:
    def test_what_is_not_finite_is_left_out_and_not_asked_again(self):
        recommender = taught(8, REGRESSORS["quadratic"]())
        bad = recommender.suggest()[0]
        recommender.ingest([{**bad, "det": math.nan}])
        assert distance(recommender.suggest()[0], bad) > 0.05
        assert recommender.report()["left_out"] == 1

    def test_a_failed_point_is_not_asked_again(self):
        recommender = taught(8, REGRESSORS["quadratic"]())
        for _ in range(5):
            failed = recommender.suggest()[0]
            recommender.register_failures([failed])
            assert distance(recommender.suggest()[0], failed) > 0.04
        assert recommender.report()["failed"] == 5

    @pytest.mark.parametrize("name", REGRESSORS)
    def test_constant_readings_and_the_same_place_again_and_again(self, name):
        recommender = taught(9, REGRESSORS[name](), lambda point: 3.0)
        recommender.ingest([{"x": 0.0, "y": 0.0, "det": 3.0}] * 5)
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_readings_as_large_as_a_float_may_be(self):
        recommender = taught(9, None, lambda point: 1e308 * bowl(point) / 10)
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_one_bad_point_and_none_is_learnt(self):
        recommender = taught(6)
        with pytest.raises(PointError, match="'det' is missing"):
            recommender.ingest([{"x": 0, "y": 0, "det": 1.0}, {"x": 1, "y": 1}])
        with pytest.raises(PointError, match="expected a number"):
            recommender.ingest([{"x": 1, "y": 1, "det": "high"}])
        assert recommender.report()["readings"] == 6

    @pytest.mark.parametrize(
        ("regressor", "why"),
        [(Broken(), "cannot be fitted to 5 readings, LinAlgError"), (SaysNaN(), "not finite"), (Sure(), "certain of")],
    )
    def test_a_model_that_does_not_work_is_said_and_the_space_is_filled(self, regressor, why, caplog):
        caplog.set_level(logging.WARNING)
        recommender = taught(5, regressor)
        (point,) = recommender.suggest()
        recommender.suggest()
        assert len(caplog.records) == 1
        assert why in caplog.text
        report = recommender.report()
        assert report["fallbacks"] == 1
        assert why in report["last_fallback"]
        assert SPACE.problems(point) == []
        assert recommender.get_best_points()[0][2]["det"] <= 2.0

    def test_nothing_to_predict_from(self):
        with pytest.raises(ValueError, match="0 finite readings are too few"):
            taught(0).predict([{"x": 0, "y": 0}])


class TestBadArguments:
    @pytest.mark.parametrize(
        ("regressor", "words"),
        [
            (GradientBoostingRegressor(), r"GradientBoostingRegressor gives no uncertainty.*BaggingRegressor\("),
            (AdaBoostRegressor(), "AdaBoostRegressor gives no uncertainty"),
            (make_pipeline(StandardScaler(), GradientBoostingRegressor()), "GradientBoostingRegressor gives no unc"),
            (RandomForestRegressor, "is a class of regressors: make one"),
            (LogisticRegression(), "no scikit-learn regressor"),
            ("forest", "no scikit-learn regressor"),
        ],
    )
    def test_a_regressor_without_an_uncertainty(self, regressor, words):
        with pytest.raises(TypeError, match=words):
            Estimator(SPACE, regressor, maximize="det")

    def test_wrapped_as_the_error_says_it_works(self):
        wrapped = BaggingRegressor(GradientBoostingRegressor(n_estimators=5), n_estimators=5)
        assert taught(8, wrapped).report()["fallbacks"] == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({}, "exactly one of maximize=, minimize=, map="),
            ({"maximize": "det", "map": "det"}, "exactly one"),
            ({"maximize": "x"}, "is an axis of the space"),
            ({"maximize": "det", "acquisition": "best"}, "one of"),
            ({"maximize": "det", "beta": -1}, "beta must be"),
            ({"maximize": "det", "initial": 1}, "initial must be at least 2"),
        ],
    )
    def test_what_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            Estimator(SPACE, forest(), **options)

    def test_a_space_without_limits(self):
        with pytest.raises(SpaceError, match="Estimator needs finite limits"):
            Estimator(Space(Axis("x", 0, math.inf)), forest(), maximize="det")

    def test_the_regressor_of_the_caller_is_left_alone(self):
        mine = forest()
        taught(8, mine)
        assert mine.random_state is None
        assert not hasattr(mine, "estimators_")


LIST = [{"x": float(x), "y": float(y)} for x in range(-3, 4) for y in range(-3, 4)]


class TestCandidates:
    def test_the_best_of_a_list_is_found_without_measuring_all(self):
        recommender = taught(15, REGRESSORS["quadratic"](), space=LIST)
        ((_, axes, _),) = recommender.get_best_points()
        assert axes == {"x": 1.0, "y": -2.0}

    def test_each_is_asked_for_once_and_then_there_is_nothing_more_to_ask(self):
        recommender = Estimator(LIST[:9], forest(), maximize="det")
        asked = []
        for _ in range(9):
            (point,) = recommender.suggest()
            asked.append(point)
            # the readback of a motor is a little off
            recommender.ingest([{**point, "x": point["x"] + 1e-4, "det": bowl(point)}])
        assert recommender.suggest() == []
        assert sorted((point["x"], point["y"]) for point in asked) == sorted((c["x"], c["y"]) for c in LIST[:9])

    def test_a_batch_larger_than_what_is_left(self):
        recommender = Estimator(LIST[:4], forest(), map="det")
        recommender.set_pending([LIST[0]])
        assert len(recommender.suggest(10)) == 3

    def test_features_describe_samples_that_have_names(self):
        samples = [{"sample": f"S{n}", "iron": n / 40} for n in range(41)]
        recommender = Estimator(samples, process(), maximize="det", features=["iron"], initial=4)
        assert recommender.space == Space(Choice("sample", tuple(f"S{n}" for n in range(41))))
        for _ in range(9):
            (point,) = recommender.suggest()
            assert set(point) == {"sample", "_id"}
            iron = int(point["sample"][1:]) / 40
            recommender.ingest([{**point, "det": -((iron - 0.6) ** 2)}])
        ((_, axes, _),) = recommender.get_best_points()
        assert axes == {"sample": "S24"}

    def test_a_sample_that_is_not_in_the_list(self):
        samples = [{"sample": f"S{n}", "iron": n / 10} for n in range(11)]
        recommender = Estimator(samples, forest(), maximize="det", features=["iron"])
        recommender.ingest([{"sample": "other", "iron": 0.5, "det": 1.0}])  # its features are known
        with pytest.raises(PointError, match=r"'other'.* is none of the candidates"):
            recommender.ingest([{"sample": "other", "det": 1.0}])
        with pytest.raises(PointError, match="sample is missing"):
            recommender.ingest([{"det": 1.0}])

    def test_the_space_is_filled_from_far_apart(self):
        rows = np.array([[point["x"], point["y"]] for point in Estimator(LIST, forest(), map="det").suggest(5)])
        assert min(nearest(rows[n : n + 1], np.delete(rows, n, axis=0))[0] for n in range(5)) >= 3

    @pytest.mark.parametrize(
        ("table", "features", "words"),
        [
            ([], (), "at least one candidate"),
            ([{"x": 1.0}, {"y": 1.0}], (), r"candidate 1 has \['y'\]"),
            ([{"x": 1.0}, {"x": math.nan}], (), "candidate 1: x=nan"),
            ([{"x": 1.0}, {"x": 1.0}, {"x": 2.0}], (), "candidates twice"),
            ([{"x": 1.0}, {"x": "far"}], (), "all numbers or all words"),
            ([{"x": 1.0, "s": "a"}, {"x": 2.0, "s": "a"}], (), "'a' for every candidate"),
            ([{"x": 1.0}, {"x": 2.0}], ("iron",), "not in the candidates"),
            ([{"x": 1.0}, {"x": 2.0}], ("x",), "nothing to move"),
            ({"x": [1.0, 2.0]}, (), "found a dict"),
        ],
    )
    def test_a_list_that_cannot_be(self, table, features, words):
        with pytest.raises(SpaceError, match=words):
            Estimator(table, forest(), maximize="det", features=features)

    def test_features_belong_to_candidates(self):
        with pytest.raises(SpaceError, match="belong to a list of candidates"):
            Estimator(SPACE, forest(), maximize="det", features=["iron"])


def test_at_most_a_twentieth_is_not_fitted_to():
    for count in range(2, 500):
        assert 0 <= count - fitted_to(count) <= (0 if count <= EVERY else count / 20)
