"""`GaussianProcess`: what it finds, and the laws it keeps."""

import logging
import math
from itertools import pairwise

import cloudpickle
import numpy as np
import pytest
from bluesky_adaptive import plans
from bluesky_adaptive.protocols import OptimizationProblem
from bluesky_adaptive.protocols import Optimizer as TheirOptimizer

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasSpace, KnowsPending, Optimizer, TrialFaultAware
from skysteer.recommenders import _fit
from skysteer.recommenders._fit import fitted_to
from skysteer.recommenders._matern import Hyperparameters, Posterior
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.recommenders.gaussian._acquisition import Doubt, LogImprovement, log_h
from skysteer.testing import SimulatedBeamline

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


def bowl(point):
    """Smooth, with its maximum of 2 at (1, -2)."""
    return 2.0 - 0.1 * (point["x"] - 1) ** 2 - 0.05 * (point["y"] + 2) ** 2


def measured(points, function=bowl):
    return [{**point, "det": function(point)} for point in points]


def taught(count, function=bowl, space=SPACE, **options):
    """A recommender that asked for `count` points and learnt them one by one."""
    options = options or {"maximize": "det"}
    recommender = GaussianProcess(space, **options)
    for _ in range(count):
        recommender.ingest(measured(recommender.suggest(), function))
    return recommender


def distance(one, other):
    return math.hypot(one["x"] - other["x"], one["y"] - other["y"])


class TestWhatItFinds:
    def test_a_maximum(self):
        ((name, axes, objectives),) = taught(25).get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 0.2
        assert objectives == {"det": bowl(axes)}
        assert name.startswith("gaussian-")

    def test_a_minimum(self):
        recommender = taught(25, lambda point: -bowl(point), minimize="det")
        ((_, axes, objectives),) = recommender.get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 0.2
        assert objectives["det"] == -bowl(axes)

    def test_a_map_leaves_no_large_gap(self):
        recommender = taught(30, map="det")
        corners = [{"x": x, "y": y} for x in np.linspace(-4, 4, 9) for y in np.linspace(-4, 4, 9)]
        mean, sd = recommender.predict(corners)
        assert np.abs(mean - [bowl(point) for point in corners]).max() < 0.1
        assert sd.max() < 0.3
        assert recommender.get_best_points() == []

    @pytest.mark.parametrize("counts", [False, True])
    def test_a_narrow_peak_on_a_poisson_background(self, counts):
        """Within 10 % of the top after 60 points, for most seeds; for half where that it counts is not said."""
        found = 0
        for seed in range(4):
            rng = np.random.default_rng(100 + seed)
            centre = rng.uniform(-4, 4, 2)

            def truth(point, centre=centre):
                u = ((point["x"] - centre[0]) / 0.5, (point["y"] - centre[1]) / 0.25)
                return 20 + 1000 * math.exp(-0.5 * (u[0] ** 2 + u[1] ** 2))

            recommender = GaussianProcess(SPACE, maximize="det", seed=seed, counts=counts)
            for _ in range(60):
                (point,) = recommender.suggest()
                if truth(point) > 920:
                    found += 1
                    break
                recommender.ingest([{**point, "det": float(rng.poisson(truth(point)))}])
        assert found >= (3 if counts else 2)

    def test_a_choice_and_an_axis(self):
        space = Space(Axis("x", 0, 1), Choice("filter", ("Al", "Cu", "none")))
        gain = {"Al": 0.0, "Cu": 1.0, "none": 0.5}
        recommender = taught(20, lambda p: gain[p["filter"]] - (p["x"] - 0.3) ** 2, space, maximize="det")
        ((_, axes, _),) = recommender.get_best_points()
        assert axes["filter"] == "Cu"
        assert abs(axes["x"] - 0.3) < 0.05

    def test_the_prediction_is_in_the_units_of_the_objective(self):
        recommender = taught(25, lambda point: 1e4 * bowl(point) - 3e5)
        mean, sd = recommender.predict([{"x": 1, "y": -2}])
        assert mean.shape == sd.shape == (1,)
        assert abs(mean[0] - (2e4 - 3e5)) < 300

    def test_the_prediction_of_counts_is_in_counts(self):
        recommender = taught(30, lambda point: 100 * bowl(point) + 900, maximize="det", counts=True)
        mean, sd = recommender.predict([{"x": 1, "y": -2}])
        assert abs(mean[0] - 1100) < 20
        assert sd[0] < 40


class TestSuggestIsAQuestion:
    @pytest.mark.parametrize("count", [0, 3, 5, 12, 27])
    def test_asking_changes_nothing(self, count):
        recommender = taught(count)
        assert recommender.suggest(3) == recommender.suggest(3)
        assert recommender.suggest() == recommender.suggest(3)[:1]

    @pytest.mark.parametrize("count", [4, 12, 33])
    def test_one_by_one_equals_all_at_once(self, count):
        one_by_one = GaussianProcess(SPACE, maximize="det")
        at_once = GaussianProcess(SPACE, maximize="det")
        points = []
        for _ in range(count):
            points += measured(one_by_one.suggest())
            one_by_one.ingest(points[-1:])
        at_once.ingest(points)
        assert at_once.suggest(2) == one_by_one.suggest(2)

    def test_what_was_once_pending_leaves_no_trace(self):
        recommender = taught(12)
        before = recommender.suggest(2)
        recommender.set_pending(before)
        during = recommender.suggest(2)
        assert not {point["_id"] for point in before} & {point["_id"] for point in during}
        assert during == recommender.suggest(2)
        recommender.set_pending([])
        assert recommender.suggest(2) == before

    def test_a_repeated_point_changes_nothing(self):
        recommender = taught(11)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point, point])
        before = recommender.suggest()
        recommender.ingest([{**point, "det": 1e9}])
        recommender.register_failures([point])
        assert recommender.suggest() == before

    def test_a_point_that_is_both_pending_and_measured_counts_once(self):
        recommender, other = taught(11), taught(11)
        points = measured(recommender.suggest())
        for each in (recommender, other):
            each.ingest(points)
        recommender.set_pending([{name: points[0][name] for name in ("x", "y", "_id")}])
        assert recommender.suggest() == other.suggest()

    @pytest.mark.parametrize("seed", [1, 2])
    def test_another_seed_gives_another_course(self, seed):
        assert taught(8, maximize="det", seed=seed).suggest() != taught(8).suggest()

    def test_a_copy_in_another_process_would_go_on_the_same(self):
        recommender = taught(13)
        assert cloudpickle.loads(cloudpickle.dumps(recommender)).suggest(2) == recommender.suggest(2)

    def test_the_kernel_is_fitted_at_fixed_numbers_of_readings(self):
        fitted = [fitted_to(count) for count in range(2000)]
        assert fitted[:21] == list(range(21))
        assert fitted[1999] <= _fit.MOST_FITTED
        assert all(0 <= later - earlier <= 27 for earlier, later in pairwise(fitted))
        assert all(m <= count for count, m in enumerate(fitted))
        assert fitted_to(100) > 90


class TestSuggestions:
    @pytest.mark.parametrize("goal", ["maximize", "minimize", "map"])
    @pytest.mark.parametrize("count", [0, 4, 15])
    def test_are_plain_numbers_in_the_space_with_an_id_each(self, goal, count):
        recommender = taught(count, **{goal: "det"})
        points = recommender.suggest(6)
        assert len({point["_id"] for point in points}) == 6
        for point in points:
            assert SPACE.problems(point) == []
            assert type(point["x"]) is float

    @pytest.mark.parametrize("goal", ["maximize", "map"])
    def test_a_batch_spreads_out(self, goal):
        points = taught(15, **{goal: "det"}).suggest(6)
        closest = min(distance(a, b) for i, a in enumerate(points) for b in points[:i])
        assert closest > 0.04

    def test_points_of_others_are_learnt_without_being_asked_for(self):
        others = [{"x": float(x), "y": float(y)} for x in range(-4, 5, 2) for y in range(-4, 5, 2)]
        recommender = GaussianProcess(SPACE, maximize="det")
        recommender.ingest(measured(others))
        assert distance(recommender.suggest()[0], {"x": 1, "y": -2}) < 1.0

    def test_one_whose_ids_are_thrown_away_moves_on_all_the_same(self):
        recommender = GaussianProcess(SPACE, maximize="det")
        asked = []
        for _ in range(5):
            (point,) = recommender.suggest()
            asked.append((point["x"], point["y"]))
            recommender.ingest(measured([{"x": point["x"], "y": point["y"]}]))
        assert len(set(asked)) == 5

    @pytest.mark.parametrize("count", [1, 12])
    def test_a_failed_place_is_not_asked_for_again(self, count):
        recommender = taught(count)
        failed = []
        for _ in range(6):
            (point,) = recommender.suggest()
            assert all(distance(point, place) > 0.04 for place in failed)
            failed.append(point)
            recommender.register_failures([point])

    @pytest.mark.parametrize("reading", [math.nan, math.inf, -math.inf])
    def test_a_reading_that_is_not_finite_is_kept_out_but_not_asked_for_again(self, reading):
        recommender = taught(12)
        (point,) = recommender.suggest()
        recommender.ingest([{**point, "det": reading}])
        assert distance(recommender.suggest()[0], point) > 0.04
        mean, _ = recommender.predict([point])
        assert np.isfinite(mean).all()


class TestAwkwardData:
    @pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e12])
    @pytest.mark.parametrize("options", [{"maximize": "det"}, {"maximize": "det", "gate": None}, {"map": "det"}])
    def test_readings_that_are_all_the_same(self, value, options):
        recommender = taught(12, lambda _: value, **options)
        assert len(recommender.suggest(2)) == 2
        mean, _ = recommender.predict([{"x": 0, "y": 0}])
        assert mean[0] == pytest.approx(value)

    def test_one_point_many_times(self):
        recommender = GaussianProcess(SPACE, maximize="det", gate=None)
        recommender.ingest([{"x": 1.0, "y": 1.0, "det": 3.0}] * 12)
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_one_reading(self):
        recommender = GaussianProcess(SPACE, maximize="det", initial=1)
        recommender.ingest([{"x": 1.0, "y": 1.0, "det": 3.0}])
        assert len(recommender.suggest(2)) == 2
        assert recommender.get_best_points() == [(None, {"x": 1.0, "y": 1.0}, {"det": 3.0})]

    def test_readbacks_a_little_outside_and_numbers_of_numpy(self):
        recommender = taught(12)
        recommender.ingest([{"x": np.float32(5.001), "y": np.float64(-5.0), "det": np.float32(5.0)}])
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_a_fit_that_fails_is_said_aloud_and_survived(self, monkeypatch, caplog):
        recommender = taught(12)
        monkeypatch.setattr(_fit._LogPosterior, "loss", lambda _, theta: (math.inf, np.zeros_like(theta)))
        recommender.ingest(measured([{"x": 0.0, "y": 0.0}]))
        with caplog.at_level(logging.WARNING):
            assert len(recommender.suggest()) == 1
        assert "no kernel could be fitted to 13 readings" in caplog.text


class TestRefusals:
    @pytest.mark.parametrize("goals", [{}, {"maximize": "a", "minimize": "b"}, {"minimize": "a", "map": "a"}])
    def test_other_than_one_goal(self, goals):
        with pytest.raises(ValueError, match="exactly one of maximize=, minimize=, map=, objectives=, weights="):
            GaussianProcess(SPACE, **goals)

    def test_an_axis_as_objective(self):
        with pytest.raises(ValueError, match="'x' is an axis of the space"):
            GaussianProcess(SPACE, maximize="x")

    def test_an_axis_without_limits(self):
        with pytest.raises(SpaceError, match=r"GaussianProcess needs finite limits on every axis, found 'x'"):
            GaussianProcess(Space(Axis("x", 0, math.inf)), maximize="det")

    def test_a_point_without_the_objective_and_then_nothing_is_learnt(self):
        recommender = GaussianProcess(SPACE, maximize="det")
        with pytest.raises(PointError, match="'det' is missing from the point"):
            recommender.ingest([{"x": 0.0, "y": 0.0, "det": 1.0}, {"x": 0.0, "y": 0.0, "other": 1.0}])
        assert recommender.get_best_points() == []

    def test_a_point_without_an_axis(self):
        with pytest.raises(PointError, match="y is missing from the point"):
            GaussianProcess(SPACE, maximize="det").ingest([{"x": 0.0, "det": 1.0}])

    @pytest.mark.parametrize("reading", ["high", None, [1.0, 2.0]])
    def test_a_reading_that_is_no_number(self, reading):
        with pytest.raises(PointError, match="expected a number"):
            GaussianProcess(SPACE, maximize="det").ingest([{"x": 0.0, "y": 0.0, "det": reading}])

    def test_a_prediction_from_nothing(self):
        with pytest.raises(ValueError, match="no finite reading was ingested yet"):
            GaussianProcess(SPACE, maximize="det").predict([{"x": 0, "y": 0}])


class TestTheSums:
    def test_the_logarithm_of_the_improvement_is_right_near_and_far(self):
        z = np.array([-3.0, -1.0, 0.0, 2.0])
        direct = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) + z * np.array(
            [0.5 * math.erfc(-v / math.sqrt(2)) for v in z]
        )
        assert log_h(z) == pytest.approx(np.log(direct), rel=1e-9)
        far = log_h(np.array([-30.0, -999.0, -1001.0, -1e6]))
        assert np.isfinite(far).all()
        assert (np.diff(far) < 0).all()

    @pytest.mark.parametrize("acquisition", [Doubt, lambda p: LogImprovement(p, 1.0)])
    def test_the_slopes_are_those_of_the_values(self, acquisition):
        rng = np.random.default_rng(0)
        hyper = Hyperparameters(np.array([0.3, 0.5, 0.2]), 1.3, 0.01)
        wanted = acquisition(Posterior(rng.random((12, 3)), rng.normal(size=12), hyper))
        row, step = rng.random(3), 1e-6
        value, slope = wanted.slope(row)
        assert value == pytest.approx(wanted(row[None])[0])
        numeric = [(wanted((row + d)[None])[0] - wanted((row - d)[None])[0]) / (2 * step) for d in step * np.eye(3)]
        assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-6)

    def test_a_believer_keeps_the_mean_and_takes_the_doubt(self):
        rng = np.random.default_rng(0)
        before = Posterior(rng.random((9, 2)), rng.normal(size=9), Hyperparameters(np.array([0.3, 0.3]), 1.0, 1e-3))
        place, everywhere = rng.random((1, 2)), rng.random((50, 2))
        after = before.believing(place)
        assert after(everywhere)[0] == pytest.approx(before(everywhere)[0], abs=1e-6)
        assert after(place)[1][0] < 0.1 * before(place)[1][0] + 0.03


def test_it_has_the_abilities_it_should():
    recommender = GaussianProcess(SPACE, maximize="det")
    for ability in (Optimizer, TheirOptimizer, HasSpace, KnowsPending, TrialFaultAware):
        assert isinstance(recommender, ability)


class TestInThePlansOfBlueskyAdaptive:
    """They tell an outcome by its ``_id`` alone, without the axes."""

    def test_a_point_without_axes_is_where_it_was_suggested(self):
        placed, bare = GaussianProcess(SPACE, maximize="det"), GaussianProcess(SPACE, maximize="det")
        for _ in range(8):
            points = measured(placed.suggest())
            placed.ingest(points)
            assert [point["_id"] for point in bare.suggest()] == [point["_id"] for point in points]
            bare.ingest([{"_id": point["_id"], "det": point["det"]} for point in points])
        assert bare.suggest() == placed.suggest()
        assert bare.get_best_points() == placed.get_best_points()

    def test_a_failure_without_axes_is_where_it_was_suggested(self):
        placed, bare = taught(8), taught(8)
        ((failed,), _) = placed.suggest(), bare.suggest()
        placed.register_failures([failed])
        bare.register_failures([{"_id": failed["_id"]}])
        assert bare.suggest() == placed.suggest() != [failed]

    def test_an_unknown_point_without_axes_is_refused(self):
        with pytest.raises(PointError, match="x is missing"):
            taught(2).ingest([{"_id": "gaussian-0", "det": 1.0}])

    def test_nothing_is_kept_of_points_that_came_back(self):
        recommender = taught(10)
        assert recommender._asked == {}

    @pytest.mark.parametrize("plan", [plans.optimize, plans.optimize_in_run])
    def test_it_drives_them(self, stock_RE, plan):
        beam = SimulatedBeamline(stock_RE, seed=3)
        readings = []

        class Newest:
            __name__ = "Newest"

            def __call__(self, uid, suggestions):
                newest = readings[-len(suggestions) :]
                return [{"_id": s["_id"], "score": det} for s, det in zip(suggestions, newest, strict=True)]

        def keep(name, doc):
            if "det" in doc["data"]:
                readings.append(doc["data"]["det"])

        stock_RE.subscribe(keep, "event")
        recommender = GaussianProcess(SPACE, maximize="score")
        problem = OptimizationProblem(
            optimizer=recommender, actuators=[beam.x, beam.y], sensors=[beam.det], evaluation_function=Newest()
        )
        stock_RE(plan(problem, iterations=4, n_points=2))
        ((_, axes, objectives),) = recommender.get_best_points()
        assert set(axes) == {"x", "y"}
        assert objectives["score"] in readings
        assert len(readings) == 8
