"""`Curve`: what it draws with how many points, and the laws it keeps."""

from __future__ import annotations

import math
import re

import cloudpickle
import numpy as np
import pytest
from adaptive.learner.learner1D import uniform_loss

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Space
from skysteer.protocols import HasReasons, HasSpace, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders.curve import Curve
from skysteer.testing import recommender_checks

ENERGY = Axis("energy", 7100, 7200, units="eV")
FINE = [{"energy": float(energy)} for energy in np.linspace(7100, 7200, 2001)]


def edge(point):
    """An absorption edge near 7121 eV: a step, a pre-edge peak, a white line."""
    e = point["energy"] - 7121.0
    peaks = 0.12 * math.exp(-0.5 * ((e + 9) / 0.7) ** 2) + 0.7 * math.exp(-0.5 * ((e - 4.5) / 1.6) ** 2)
    return 0.5 + math.atan(e / 0.8) / math.pi + peaks


TRUTH = np.array([edge(point) for point in FINE])


def measured(points, noise=0.0, rng=None):
    return [{**point, "mu": edge(point) + (rng.normal(0, noise) if rng else 0.0)} for point in points]


def taught(count, noise=None, *, seed=0, batch=1):
    """A curve that asked for `count` points and learnt them; readings have 1 % of noise where there is any."""
    curve, rng, points = Curve(ENERGY, "mu", noise=noise), np.random.default_rng(seed), []
    while len(points) < count:
        points += measured(curve.suggest(batch), 0.01, rng if noise else None)
        curve.ingest(points[-batch:])
    return curve, points


def rmse(values):
    return float(np.sqrt(np.mean((values - TRUTH) ** 2)))


def positions(points):
    return [point["energy"] for point in points]


# ------------------------------------------------------------ what it draws


def test_sixty_points_where_the_curve_bends_are_as_good_as_three_times_as_many_even_ones():
    curve, points = taught(60)
    order = np.argsort(positions(points))
    at, values = np.array(positions(points))[order], np.array([point["mu"] for point in points])[order]
    even = np.linspace(7100, 7200, 180)
    evenly = np.interp(positions(FINE), even, [edge({"energy": e}) for e in even])
    assert rmse(np.interp(positions(FINE), at, values)) < rmse(evenly)
    assert rmse(curve.predict(FINE)[0]) < 0.003


def test_noise_is_smoothed_away_below_what_any_interpolation_reaches():
    drawn, smoothed = [], []
    for seed in range(3):
        curve, points = taught(120, "fit", seed=seed, batch=4)
        order = np.argsort(positions(points))
        values = np.array([point["mu"] for point in points])[order]
        drawn.append(rmse(np.interp(positions(FINE), np.array(positions(points))[order], values)))
        mean, sd = curve.predict(FINE)
        smoothed.append(rmse(mean))
        assert np.mean(np.abs(mean - TRUTH) < 2 * sd) > 0.85
    assert np.median(smoothed) < 0.75 * np.median(drawn)
    assert np.median(smoothed) < 0.007


def test_on_a_flat_noisy_curve_the_points_do_not_chase_the_noise():
    def longest_gap(noise):
        curve, rng, points = Curve(ENERGY, "mu", noise=noise), np.random.default_rng(3), []
        for _ in range(48):
            points += [{**point, "mu": rng.normal(0, 0.01)} for point in curve.suggest()]
            curve.ingest(points[-1:])
        return np.diff(np.sort(positions(points))).max()

    assert longest_gap("fit") < 0.6 * longest_gap(None)


def test_a_known_noise_is_taken_as_it_is():
    _, points = taught(60, 0.01)
    exact, rough = Curve(ENERGY, "mu", noise=1e-4), Curve(ENERGY, "mu", noise=0.3)
    exact.ingest(points)
    rough.ingest(points)
    at, values = [{"energy": point["energy"]} for point in points], [point["mu"] for point in points]
    assert np.abs(exact.predict(at)[0] - values).max() < 1e-3
    assert np.abs(rough.predict(at)[0] - values).max() > 0.02


def test_repeats_of_a_place_are_averaged():
    curve = Curve(ENERGY, "mu")
    curve.ingest([{"energy": x, "mu": mu} for x, mu in [(7100, 0.0), (7150, 1.0), (7150, 3.0), (7200, 0.0)]])
    assert curve.predict([{"energy": 7150.0}])[0] == pytest.approx(2.0)


# ------------------------------------------------------------ why it asks


def why(curve, count=1):
    points = curve.suggest(count)
    return [point["energy"] for point in points], curve.get_reasons()


def test_it_says_which_end_or_which_interval_a_point_is_for():
    curve = Curve(ENERGY, "mu")
    assert curve.get_reasons() == []
    ends = ["the lower end of energy, before what lies between", "the upper end of energy, before what lies between"]
    within = "one of 2 to divide 7100 to 7200 eV: even steps where no readings are yet"
    assert why(curve, 4)[1] == [ends[0], within, within, ends[1]]
    curve.ingest(measured(curve.suggest(2)))
    assert curve.get_reasons() == ends, "as of the newest question"
    assert cloudpickle.loads(cloudpickle.dumps(curve)).get_reasons() == ends
    assert why(curve) == ([7150.0], ["divides 7100 to 7200 eV: too few readings to see a bend"])
    curve, points = taught(20)
    (energy,), (reason,) = why(curve)
    left = max(point["energy"] for point in points if point["energy"] < energy)
    right = min(point["energy"] for point in points if point["energy"] > energy)
    assert reason == f"divides {left:.6g} to {right:.6g} eV, where the curve bends most"
    curve.set_pending(curve.suggest())
    assert why(curve)[1] != [reason]


def test_it_says_that_points_lie_far_apart_where_nothing_bends():
    curve = Curve(ENERGY, "mu")
    curve.ingest([{"energy": x, "mu": 1.0} for x in (7100, 7150, 7200)])
    assert why(curve)[1] == ["divides 7100 to 7150 eV, where points lie farthest apart: the curve has no larger bend"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"noise": "fit"}, "where the smoothed curve bends most"),
        ({"loss": "distance"}, "where points lie farthest apart on the curve"),
        ({"loss": "uniform"}, "the longest gap"),
        ({"loss": uniform_loss}, "of the largest loss (uniform_loss)"),
    ],
)
def test_it_says_by_what_the_interval_was_chosen(options, found):
    curve = Curve(ENERGY, "mu", **options)
    curve.ingest([{"energy": point["energy"], "mu": edge(point)} for point in FINE[::100]])
    (reason,) = why(curve)[1]
    assert re.fullmatch(r"divides [\d.]+ to [\d.]+ eV, (.*)", reason)[1] == found


def test_it_says_where_it_goes_when_a_step_is_taken():
    curve = Curve(Axis("energy", 7100, 7103, step=1), "mu", noise=0.1)
    curve.ingest([{"energy": x, "mu": mu} for x, mu in [(7100, 0.0), (7103, 1.0)]])
    curve.register_failures([{"energy": 7101}])
    assert why(curve) == ([7102], ["divides 7101 to 7103: too few readings to see a bend"])
    curve.ingest([{"energy": 7102, "mu": 0.0}])
    ((energy,), (reason,)) = why(curve)
    assert energy in (7102, 7103)
    assert reason == "no step is left, so again beside 7102 to 7103, where the curve bends most"
    curve = Curve(Axis("energy", 7100, 7110, step=1), "mu", loss="distance")
    curve.ingest([{"energy": x, "mu": mu} for x, mu in [(7100, 0.0), (7104, 0.0), (7105, 1.0), (7110, 1.0)]])
    assert why(curve)[1] == [
        "divides 7104 to 7105, where points lie farthest apart on the curve; the nearest free step"
    ]


# ------------------------------------------------------------ the laws of a recommender


def test_it_has_the_abilities_of_a_recommender_that_may_be_asked_ahead():
    curve = Curve(ENERGY, "mu")
    abilities = (Recommender, HasReasons, HasSpace, KnowsPending, TrialFaultAware)
    assert all(isinstance(curve, ability) for ability in abilities)
    assert list(curve.space) == ["energy"]


@pytest.mark.parametrize("noise", [None, "fit", 0.01])
def test_the_same_knowledge_gives_the_same_answer_however_it_was_told(noise):
    curve, points = taught(25, noise)
    once = Curve(ENERGY, "mu", noise=noise)
    once.ingest(points)
    again = Curve(ENERGY, "mu", noise=noise)
    again.suggest(7)
    again.ingest(points[:10])
    again.suggest(3)
    again.ingest(points[10:])
    again.ingest(points[:5])  # repeats change nothing
    assert curve.suggest(3) == once.suggest(3) == again.suggest(3) == again.suggest(3)
    assert cloudpickle.loads(cloudpickle.dumps(curve)).suggest(3) == once.suggest(3)
    np.testing.assert_array_equal(curve.predict(FINE)[0], once.predict(FINE)[0])


def test_points_of_a_batch_and_pending_points_are_all_different():
    curve, points = taught(10)
    batch = curve.suggest(8)
    curve.set_pending(batch)
    more = curve.suggest(8)
    places = positions(points) + positions(batch) + positions(more)
    assert len(set(places)) == len(places) == 26
    curve.set_pending([])
    assert curve.suggest(8) == batch


@pytest.mark.parametrize("end", [None, "nan"])
def test_a_failed_place_is_not_asked_for_again(end):
    curve, asked = Curve(ENERGY, "mu"), []
    for _ in range(30):
        (point,) = curve.suggest()
        asked.append(point["energy"])
        if end is None:
            curve.register_failures([point])
        else:
            curve.ingest([{**point, "mu": math.nan}])
    assert len(set(asked)) == 30


@pytest.mark.parametrize("short", [0.4, 4.0])
def test_a_motor_that_does_not_reach_the_ends_is_asked_for_them_once(short):
    curve, asked = Curve(ENERGY, "mu"), []
    for _ in range(40):
        (point,) = curve.suggest()
        asked.append(point["energy"])
        there = {**point, "energy": min(max(round(point["energy"], 1), 7100 + short), 7200 - short)}
        curve.ingest(measured([there]))
    assert asked.count(7100.0) == asked.count(7200.0) == 1
    assert len(set(asked)) == 40


def test_it_survives_constant_duplicate_and_not_finite_readings():
    curve = Curve(ENERGY, "mu", noise="fit")
    for value in [1.0] * 20 + [math.nan, math.inf, -math.inf]:
        points = curve.suggest(2)
        curve.ingest([{**point, "mu": value} for point in points] + [{"energy": 7150.0, "mu": 1.0}])
    mean, sd = curve.predict(FINE)
    assert np.allclose(mean, 1.0)
    assert np.isfinite(sd).all()
    assert all(type(point["energy"]) is float for point in curve.suggest(3))


def test_a_warm_start_may_come_before_any_question():
    curve = Curve(ENERGY, "mu")
    curve.ingest([{"energy": 7150.0, "mu": 1.0}, {"energy": 7099.9, "mu": 0.0, "_id": "somebody else's"}])
    assert positions(curve.suggest(2)) == [7200.0, 7125.0]


def test_a_point_told_by_its_id_alone_is_where_it_was_asked_for():
    curve = Curve(ENERGY, "mu")
    first, second = curve.suggest(2)
    curve.ingest([{"_id": first["_id"], "mu": 1.0}, {"_id": second["_id"], "mu": 2.0}])
    assert curve.predict([first, second])[0] == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("loss", ["curvature", "distance", "uniform", lambda xs, ys: xs[1] - xs[0]])
def test_each_loss_divides_the_axis(loss):
    curve = Curve(ENERGY, "mu", loss=loss)
    for _ in range(9):
        curve.ingest(measured(curve.suggest()))
    assert len(curve.suggest(3)) == 3


# ------------------------------------------------------------ bad input


def test_bad_input_is_refused_by_an_error_that_names_it():
    with pytest.raises(SpaceError, match="Curve needs finite limits on every axis"):
        Curve(Axis("energy", 0, math.inf), "mu")
    with pytest.raises(ValueError, match="loss must be one of 'curvature', 'distance', 'uniform'"):
        Curve(ENERGY, "mu", loss="bends")
    with pytest.raises(ValueError, match="noise must be a standard deviation above 0, 'fit' or None, found -1"):
        Curve(ENERGY, "mu", noise=-1)
    with pytest.raises(ValueError, match="is the axis"):
        Curve(ENERGY, "energy")
    with pytest.raises(TypeError, match="a curve has one axis"):
        Curve("energy", "mu")


def test_a_bad_point_is_refused_and_none_beside_it_is_learnt():
    curve = Curve(ENERGY, "mu")
    good = {"energy": 7150.0, "mu": 1.0}
    with pytest.raises(PointError, match="'mu' is missing"):
        curve.ingest([good, {"energy": 7100.0}])
    with pytest.raises(PointError, match="energy is missing"):
        curve.ingest([good, {"mu": 7100.0}])
    with pytest.raises(PointError, match="mu='much' is a str, expected a number"):
        curve.ingest([good, {"energy": 7100.0, "mu": "much"}])
    with pytest.raises(ValueError, match="nothing to predict from"):
        curve.predict(FINE)


# ------------------------------------------------------------ what our check says of it

CASES = [
    *recommender_checks(lambda: Curve(ENERGY, "mu"), Space(ENERGY), ["mu"], process=False),
    *recommender_checks(lambda: Curve(ENERGY, "mu", noise="fit"), Space(ENERGY), ["mu"]),
]


@pytest.mark.parametrize("check", CASES, ids=str)
def test_a_curve_keeps_the_promises_of_a_recommender(check):
    check()


# ------------------------------------------------------------ where a curve is hard to draw


def told(curve, count, function):
    """Where a curve on axis x asked for points, one by one."""
    asked = []
    for _ in range(count):
        points = curve.suggest()
        asked += [point["x"] for point in points]
        curve.ingest([{**point, "y": function(point["x"])} for point in points])
    return asked


@pytest.mark.parametrize("loss", ["curvature", "distance"])
@pytest.mark.parametrize("noise", [None, 0.01])
def test_a_jump_does_not_take_all_points(loss, noise):
    asked = told(Curve(Axis("x", 0, 1), "y", loss=loss, noise=noise), 100, lambda x: float(x > 0.3217))
    gaps = np.diff(np.unique(asked))
    assert len(gaps) == 99
    assert gaps.min() > 1e-6
    assert gaps.max() < 0.05


def test_an_axis_with_steps_is_measured_on_each_of_them_once_and_then_there_is_nothing_more_to_ask():
    curve = Curve(Axis("x", 0, 1, step=0.1), "y")
    asked = told(curve, 30, lambda x: math.atan((x - 0.3) / 0.01))
    assert sorted(asked) == [round(0.1 * n, 1) for n in range(11)]
    assert curve.suggest(3) == []


def test_pending_and_failed_steps_are_not_asked_for():
    curve = Curve(Axis("x", 0, 5, step=1), "y")
    curve.ingest([{"x": 0.0, "y": 0.0}, {"x": 5.0, "y": 1.0}])
    (failed, pending, *_) = curve.suggest(4)
    curve.register_failures([failed])
    curve.set_pending([pending])
    rest = [point["x"] for point in curve.suggest(9)]
    assert sorted([failed["x"], pending["x"], *rest]) == [1, 2, 3, 4]


def test_steps_are_repeated_where_readings_are_noisy():
    asked = told(Curve(Axis("x", 0, 5, step=1), "y", noise=0.1), 12, lambda x: x * x)
    assert len(asked) == 12
    assert set(asked) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("size", [1e-300, 1e99, 1e300])
@pytest.mark.parametrize("noise", [None, "fit", 0.1])
def test_readings_of_any_size_are_survived(size, noise):
    curve = Curve(Axis("x", 0, 1), "y", noise=noise)
    asked = told(curve, 30, lambda x: size * math.sin(20 * x))
    assert len(set(asked)) == 30
    if size < 1e100:  # others are no readings
        mean, sd = curve.predict([{"x": 0.5}])
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()
