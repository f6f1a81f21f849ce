"""`GpCAM`: gpCAM's acquisition functions, training, noise and cost, and the laws it keeps."""

import json
import logging
import math

import cloudpickle
import numpy as np
import pytest

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasSpace, KnowsPending, Optimizer, TrialFaultAware
from skysteer.recommenders import gpcam as module
from skysteer.recommenders._wording import written
from skysteer.recommenders.gpcam import ACQUISITIONS, TRAINING_METHODS, GpCAM

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
LIST = [{"x": float(x), "y": float(y)} for x in range(-3, 4) for y in range(-3, 4)]


def bowl(point):
    """Smooth, with its maximum of 2 at (1, -2)."""
    return 2.0 - 0.1 * (point["x"] - 1) ** 2 - 0.05 * (point["y"] + 2) ** 2


def measured(points, function=bowl):
    return [{**point, "det": function(point)} for point in points]


def taught(count, function=bowl, space=SPACE, **options):
    options = options or {"maximize": "det"}
    recommender = GpCAM(space, **options)
    for _ in range(count):
        recommender.ingest(measured(recommender.suggest(), function))
    return recommender


def told_all_at_once(recommender, function=bowl, space=SPACE, **options):
    other = GpCAM(space, **(options or {"maximize": "det"}))
    other.ingest(measured([{**axes, "_id": identity} for identity, axes in recommender._points], function))
    return other


def distance(one, other):
    return math.hypot(one["x"] - other["x"], one["y"] - other["y"])


class TestWhatItFinds:
    def test_a_maximum(self):
        ((identity, axes, objectives),) = taught(20).get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 0.5
        assert objectives == {"det": bowl(axes)}
        assert identity.startswith("gpcam-")

    def test_a_minimum(self):
        recommender = taught(18, lambda point: -bowl(point), minimize="det", acquisition="lcb")
        ((_, axes, objectives),) = recommender.get_best_points()
        assert distance(axes, {"x": 1, "y": -2}) < 1
        assert objectives["det"] == -bowl(axes)

    def test_the_best_of_a_list(self):
        recommender = taught(14, space=LIST)
        ((_, axes, _),) = recommender.get_best_points()
        assert axes == {"x": 1.0, "y": -2.0}

    def test_a_map_leaves_no_large_gap(self):
        recommender = taught(22, map="det")
        points = [{"x": x, "y": y} for x in np.linspace(-4, 4, 7) for y in np.linspace(-4, 4, 7)]
        mean, sd = recommender.predict(points)
        assert np.abs(mean - [bowl(point) for point in points]).max() < 0.1
        assert mean.shape == sd.shape == (49,)
        assert recommender.get_best_points() == []

    def test_the_gradient_finds_a_border(self):
        recommender = taught(25, lambda p: float(p["x"] > 2), map="det", acquisition="gradient", noise=0.01)
        xs = [axes["x"] for _, axes in recommender._points[5:]]
        assert sum(abs(x - 2) < 1 for x in xs) > len(xs) / 3

    def test_a_target_is_in_the_units_of_the_objective(self):
        options = {"minimize": "det", "acquisition": "target probability", "target": (299_000.0, 299_200.0)}
        recommender = taught(16, lambda p: 3e5 - 1e3 * bowl(p), **options)
        hit = [3e5 - 1e3 * bowl(axes) for _, axes in recommender._points[-5:]]
        assert sum(298_900 < value < 299_300 for value in hit) >= 3

    def test_the_prediction_is_in_the_units_of_the_objective(self):
        recommender = taught(16, lambda point: 3e5 - 1e4 * bowl(point), minimize="det")
        mean, sd = recommender.predict([{"x": 1, "y": -2}])
        assert abs(mean[0] - (3e5 - 2e4)) < 300
        assert sd[0] < 2000

    def test_a_choice_and_an_axis(self):
        space = Space(Axis("x", 0, 1), Choice("filter", ("Al", "Cu", "none")))
        gain = {"Al": 0.0, "Cu": 1.0, "none": 0.5}
        recommender = taught(14, lambda p: gain[p["filter"]] - (p["x"] - 0.3) ** 2, space, maximize="det")
        ((_, axes, _),) = recommender.get_best_points()
        assert axes["filter"] == "Cu"
        assert abs(axes["x"] - 0.3) < 0.1


class TestAcquisitions:
    @pytest.mark.parametrize("acquisition", ACQUISITIONS)
    def test_each_name_is_known_to_gpcam(self, acquisition):
        goal = ACQUISITIONS[acquisition] or "maximize"
        target = (1.0, 1.5) if acquisition == "target probability" else None
        options = {goal: "det", "acquisition": acquisition, "target": target, "training": [5]}
        recommender = taught(6, **options)
        (point,) = recommender.suggest()
        assert SPACE.problems(point) == []
        assert recommender.report()["fallbacks"] == 0
        on_a_list = taught(6, space=LIST, **options)
        assert len(on_a_list.suggest()) == 1
        assert on_a_list.report()["fallbacks"] == 0

    def test_a_function_of_your_own(self):
        def corner(x, gp):
            return x.sum(axis=1)

        (point,) = taught(6, maximize="det", acquisition=corner).suggest()
        assert distance(point, {"x": 5, "y": 5}) < 0.5

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"maximize": "det", "acquisition": "ei"}, r"one of \['expected improvement', "),
            ({"maximize": "det", "acquisition": "lcb"}, "'lcb' is for minimize=, found maximize='det'"),
            ({"minimize": "det", "acquisition": "maximum"}, "'maximum' is for maximize="),
            ({"map": "det", "acquisition": "target probability"}, "go together"),
            ({"map": "det", "target": (1, 2)}, "go together"),
            ({"map": "det", "acquisition": "target probability", "target": (2, 1)}, "low below high"),
            ({"maximize": "det", "acquisition": "ucb", "cost": {"x": 1.0, "y": 1.0}}, "cannot be divided by a cost"),
        ],
    )
    def test_what_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            GpCAM(SPACE, **options)


class TestTraining:
    def test_at_the_numbers_that_were_given_and_no_others(self):
        assert taught(13, maximize="det", training=[6, 11]).report()["trained_at"] == [6, 11]
        assert taught(8, maximize="det", training=()).report()["trained_at"] == []

    @pytest.mark.parametrize("method", TRAINING_METHODS)
    def test_each_method_is_known_to_gpcam_and_the_same_each_time(self, method):
        recommender = taught(9, maximize="det", training={8: method})
        other = told_all_at_once(recommender, maximize="det", training={8: method})
        assert recommender.suggest() == other.suggest()
        report = recommender.report()
        assert report["trained_at"] == [8]
        assert report["last_rejected"] is None or "likelihood worse" in report["last_rejected"]

    def test_a_training_that_fails_is_said_and_not_used(self, monkeypatch):
        def fails(*args, **kwargs):
            raise np.linalg.LinAlgError("singular")

        monkeypatch.setattr(module.GPOptimizer, "train", fails)
        recommender = taught(7)
        assert recommender.report()["trainings_rejected"] == 1
        assert "LinAlgError: singular" in recommender.report()["last_rejected"]
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_known_noise_is_not_trained(self):
        assert len(taught(7, maximize="det", noise=0.1).report()["hyperparameters"]) == 3
        assert len(taught(7, maximize="det").report()["hyperparameters"]) == 4

    def test_noise_of_each_point(self):
        recommender = GpCAM(SPACE, maximize="det", noise=lambda point: point["error"])
        rng = np.random.default_rng(0)
        points = [{"x": x, "y": y, "det": 1.0, "error": 0.01} for x, y in rng.uniform(-5, 5, (10, 2))]
        recommender.ingest([*points, {"x": 0.0, "y": 0.0, "det": 100.0, "error": 1000.0}])
        assert recommender.predict([{"x": 0.0, "y": 0.0}])[0][0] < 10
        with pytest.raises(PointError, match="noise gave -1 for a point"):
            recommender.ingest([{"x": 0.0, "y": 0.0, "det": 1.0, "error": -1}])

    def test_counts(self):
        recommender = taught(8, lambda p: 100 * bowl(p) + 500, maximize="det", noise="poisson")
        assert recommender.report()["fallbacks"] == 0

    def test_a_kernel_of_your_own(self):
        def kernel(x1, x2, hyperparameters):
            return hyperparameters[0] * np.exp(-np.square(x1[:, None] - x2[None]).sum(axis=2) / hyperparameters[1])

        options = {"kernel_function": kernel, "init_hyperparameters": np.array([1.0, 0.2])}
        bounds = np.array([[0.1, 10.0], [0.01, 1.0]])
        recommender = taught(
            8, maximize="det", noise=0.01, options=options, hyperparameter_bounds=bounds, training={6: "global"}
        )
        assert len(recommender.report()["hyperparameters"]) == 2
        with pytest.raises(ValueError, match="need hyperparameter_bounds"):
            GpCAM(SPACE, maximize="det", options=options)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"training": {10: "hgdl"}}, "one of .'local', .*found 'hgdl' at 10"),
            ({"training": [1]}, "whole numbers of readings from 2 on, found 1"),
            ({"noise": -1.0}, "noise must be"),
            ({"noise": "gauss"}, "noise must be"),
            ({"search": "hgdl"}, "search must be"),
            ({"dask_client": object()}, "give gp2scale=True too"),
            ({"gp2scale": True}, "needs dask_client="),
        ],
    )
    def test_what_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            GpCAM(SPACE, maximize="det", **options)


class TestCost:
    def test_a_slow_motor_moves_less(self):
        def travelled(**options):
            recommender = taught(20, map="det", **options)
            ys = [axes["y"] for _, axes in recommender._points[5:]]
            return float(np.abs(np.diff(ys)).mean())

        assert travelled(cost={"x": 100.0, "y": 0.1}) < 0.5 * travelled()

    def test_a_function_is_asked_in_the_units_of_the_axes(self):
        asked = []

        def cost(origin, x):
            asked.append((origin, x))
            return 1.0 + np.abs(x - origin).sum(axis=1)

        recommender = taught(6, maximize="det", cost=cost)
        recommender.suggest()
        origin, x = asked[-1]
        last = recommender._points[-1][1]
        assert origin == pytest.approx([last["x"], last["y"]])
        assert -5 <= x.min() < -2 < 2 < x.max() <= 5

    @pytest.mark.parametrize("cost", [{"x": 1.0}, {"x": 1.0, "y": 0.0}, {"x": 1.0, "z": 1.0}])
    def test_speeds_that_cannot_be(self, cost):
        with pytest.raises(ValueError, match="a speed above zero for each of"):
            GpCAM(SPACE, map="det", cost=cost)

    def test_a_choice_has_no_speed(self):
        with pytest.raises(ValueError, match="axes with numbers only"):
            GpCAM(Space(Axis("x", 0, 1), Choice("f", ("a", "b"))), map="det", cost={"x": 1.0, "f": 1.0})


class TestSuggestIsAQuestion:
    @pytest.mark.parametrize("space", [SPACE, LIST], ids=["space", "list"])
    @pytest.mark.parametrize("count", [0, 4, 11, 22])
    def test_asking_changes_nothing_and_the_order_of_telling_neither(self, count, space):
        recommender = taught(count, space=space, maximize="det")
        assert recommender.suggest(3) == recommender.suggest(3)
        assert recommender.suggest() == recommender.suggest(3)[:1]
        assert told_all_at_once(recommender, space=space).suggest(2) == recommender.suggest(2)
        assert cloudpickle.loads(cloudpickle.dumps(recommender)).suggest(2) == recommender.suggest(2)

    def test_random_numbers_drawn_elsewhere_do_not_matter_and_are_not_disturbed(self):
        recommender = taught(8)
        np.random.seed(1)  # noqa: NPY002
        expected = np.random.random(3)  # noqa: NPY002
        np.random.seed(1)  # noqa: NPY002
        first = recommender.suggest()
        assert (np.random.random(3) == expected).all()  # noqa: NPY002
        assert recommender.suggest() == first

    def test_another_seed_is_another_course(self):
        assert taught(6, maximize="det", seed=1).suggest() != taught(6, maximize="det", seed=2).suggest()

    def test_what_was_once_pending_leaves_no_trace(self):
        recommender = taught(8)
        before = recommender.suggest(2)
        recommender.set_pending(before)
        assert not {p["_id"] for p in before} & {p["_id"] for p in recommender.suggest(2)}
        recommender.set_pending([])
        assert recommender.suggest(2) == before

    def test_a_repeated_point_changes_nothing(self):
        recommender = taught(8)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point, point])
        before = recommender.suggest()
        recommender.ingest([{**point, "det": 1e9}])
        recommender.register_failures([point])
        assert recommender.suggest() == before

    @pytest.mark.parametrize("goal", ["maximize", "map"])
    def test_the_points_of_a_batch_differ(self, goal):
        batch = taught(8, **{goal: "det"}).suggest(4)
        assert min(distance(a, b) for n, a in enumerate(batch) for b in batch[:n]) > 0.05

    def test_what_is_pending_is_known_as_far_as_it_reaches(self):
        recommender = GpCAM([{"x": n / 50} for n in range(51)], map="det", initial=2, training=())
        recommender.ingest([{"x": 0.0, "det": 0.0}, {"x": 1.0, "det": 1.0}])
        (first,) = recommender.suggest()
        assert abs(first["x"] - 0.5) < 0.1
        recommender.set_pending([{"x": first["x"]}])  # somebody else measures there
        assert abs(recommender.suggest()[0]["x"] - first["x"]) > 0.1

    def test_it_is_plain_and_has_every_ability(self):
        recommender = taught(6)
        assert json.loads(json.dumps(recommender.suggest(2))) == recommender.suggest(2)
        json.dumps(recommender.report())
        for ability in (Optimizer, HasSpace, KnowsPending, TrialFaultAware):
            assert isinstance(recommender, ability)


class TestReasons:
    @pytest.mark.parametrize(
        ("goal", "acquisition", "words"),
        [
            ("maximize", "maximum", "highest expected value: det = {mean}"),
            ("minimize", "minimum", "lowest expected value: det = {mean}"),
            ("maximize", "ucb", "highest mean + 3 standard deviations: det = {upper}"),
            ("minimize", "lcb", "lowest mean - 3 standard deviations: det = {lower}"),
            ("map", "variance", "largest uncertainty: det ± {sd}"),
        ],
    )
    def test_it_says_what_gpcam_expects_in_the_units_of_the_objective(self, goal, acquisition, words):
        sign = -1 if goal == "minimize" else 1
        truth = lambda point: 3e3 + sign * 1e3 * math.sin(point["x"])  # noqa: E731
        recommender = taught(7, truth, LIST, **{goal: "det", "acquisition": acquisition})
        (mean,), (sd,) = recommender.predict(recommender.suggest())
        said = {"mean": mean, "sd": sd, "upper": mean + 3 * sd, "lower": mean - 3 * sd}
        assert recommender.get_reasons() == [
            words.format(**{name: written(value, digits=3) for name, value in said.items()})
        ]

    def test_of_a_space_gpcam_is_asked_and_says_the_same(self):
        recommender = taught(7, lambda point: 1e3 * bowl(point), minimize="det", acquisition="lcb")
        (mean,), (sd,) = recommender.predict(recommender.suggest())
        (reason,) = recommender.get_reasons()
        words, said = reason.split(" = ")
        assert words == "lowest mean - 3 standard deviations: det"
        assert float(said) == pytest.approx(mean - 3 * sd, rel=0.01)

    @pytest.mark.parametrize("acquisition", ["expected improvement", "probability of improvement"])
    def test_over_the_best_reading(self, acquisition):
        recommender = taught(6, lambda point: -bowl(point), minimize="det", acquisition=acquisition)
        recommender.suggest(2)
        best = min(-bowl(axes) for _, axes in recommender._points)
        first, second = recommender.get_reasons()
        assert first.endswith(f", best reading {best:.4g}")
        assert second.endswith(f", best reading {best:.4g}, with 1 underway")

    def test_a_probability_has_no_units(self):
        options = {"maximize": "det", "acquisition": "target probability", "target": (-1e9, 1e9)}
        recommender = taught(6, lambda point: 1e3 * bowl(point), LIST, **options)
        recommender.suggest()
        words = "largest probability that det is in -1e9...1e9: 1"
        assert recommender.get_reasons() == [f"all {len(LIST) - 6} places are alike: {words}"]

    @pytest.mark.parametrize(
        ("cost", "words"), [({"x": 1.0, "y": 0.1}, " per second"), (lambda o, x: 0 * x[:, 0] + 2, " per cost")]
    )
    def test_a_cost(self, cost, words):
        recommender = taught(6, map="det", cost=cost)
        recommender.suggest()
        assert recommender.get_reasons()[0].endswith(words)

    @pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # gpCAM's use of SciPy
    def test_a_local_search_says_that_it_is_one(self):
        recommender = taught(6, maximize="det", search="local")
        recommender.suggest()
        assert recommender.get_reasons()[0].startswith("local search for the largest expected improvement of det: ")

    def test_a_function_of_your_own(self):
        def corner(x, gp):
            return x.sum(axis=1)

        recommender = taught(6, maximize="det", acquisition=corner)
        recommender.suggest()
        assert recommender.get_reasons()[0].startswith("largest value of corner: ")

    @pytest.mark.parametrize("acquisition", ACQUISITIONS)
    def test_each_has_one(self, acquisition):
        goal = ACQUISITIONS[acquisition] or "maximize"
        target = (1.0, 1.5) if acquisition == "target probability" else None
        recommender = taught(6, **{goal: "det"}, acquisition=acquisition, target=target, training=())
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert 20 < len(reason) < 90
        assert "{" not in reason

    def test_an_acquisition_that_fails(self):
        def fails(x, gp):
            raise RuntimeError("does not\n work.")

        recommender = taught(6, maximize="det", acquisition=fails)
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert reason == "even cover, as the model cannot lead: gpCAM raised RuntimeError: does not work"

    def test_they_are_the_same_after_a_journey_and_a_reading(self):
        recommender = taught(7)
        points = recommender.suggest(2)
        reasons = recommender.get_reasons()
        other = cloudpickle.loads(cloudpickle.dumps(recommender))
        other.ingest(measured(points))
        assert other.get_reasons() == reasons


class TestBadData:
    def test_a_failed_point_and_one_without_a_reading_are_not_asked_again(self):
        recommender = taught(8)
        for number in range(4):
            (bad,) = recommender.suggest()
            if number % 2:
                recommender.register_failures([bad])
            else:
                recommender.ingest([{**bad, "det": math.inf}])
            assert distance(recommender.suggest()[0], bad) > 0.03
        assert (recommender.report()["failed"], recommender.report()["left_out"]) == (2, 2)

    @pytest.mark.parametrize("value", [0.0, 3.0, -1e300])
    def test_constant_readings_and_the_same_place_again_and_again(self, value):
        recommender = taught(7, lambda point: value)
        recommender.ingest([{"x": 0.0, "y": 0.0, "det": value}] * 5)
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_an_acquisition_that_fails_is_said_and_the_space_is_filled(self, caplog):
        caplog.set_level(logging.WARNING)

        def broken(x, gp):
            raise ZeroDivisionError("no such thing")

        recommender = taught(5, maximize="det", acquisition=broken)
        (point,) = recommender.suggest()
        recommender.suggest()
        assert SPACE.problems(point) == []
        assert len([record for record in caplog.records if "fills the space" in record.message]) == 1
        assert "ZeroDivisionError: no such thing" in recommender.report()["last_fallback"]

    def test_nothing_to_predict_from(self):
        with pytest.raises(ValueError, match="0 finite readings are too few"):
            taught(0).predict([{"x": 0, "y": 0}])

    def test_a_space_without_limits(self):
        with pytest.raises(SpaceError, match="GpCAM needs finite limits"):
            GpCAM(Space(Axis("x", 0, math.inf)), maximize="det")

    def test_with_a_dask_client_it_does_not_travel(self, monkeypatch):
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
        recommender = GpCAM(SPACE, maximize="det", gp2scale=True, dask_client=object())
        with pytest.raises(TypeError, match="run it in a thread"):
            cloudpickle.dumps(recommender)
        with pytest.raises(ValueError, match=r"trains by 'mcmc' or 'bo', found \['local'\]"):
            GpCAM(SPACE, maximize="det", gp2scale=True, dask_client=object(), training={10: "local"})
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match="needs the package imate"):
            GpCAM(SPACE, maximize="det", gp2scale=True, dask_client=object())
