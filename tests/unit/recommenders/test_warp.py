"""A bent scale: there and back, its slope, and that it is used where it helps and only there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import Matern

from skysteer.model import Axis, Space
from skysteer.recommenders.gaussian._readings import Readings
from skysteer.recommenders.gaussian._surrogate import QUIET, Given, Scale, Surrogate
from skysteer.recommenders.gaussian._warp import STRAIGHT, Warp, bend

SPACE = Space(Axis("x", 0, 1), Axis("y", 0, 1))
WARPS = [STRAIGHT, Warp(-math.inf, 3.0), Warp(2.0, 0.5), Warp(-1e4, 1e3), Warp(0.0, 1e-6)]


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_back_is_the_inverse(warp):
    near = 0.0 if math.isinf(warp.knee) else warp.knee
    values = near + warp.width * np.array([-1e4, -30.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 40.0])
    assert warp.back(warp(values)) == pytest.approx(values, rel=1e-9, abs=1e-9 * warp.width)


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_the_slope_is_that_of_finite_differences(warp):
    near = 0.0 if math.isinf(warp.knee) else warp.knee
    values = near + warp.width * np.array([-100.0, -2.0, -0.1, 0.1, 5.0])
    step = 1e-4 * warp.width
    difference = (warp(values + step) - warp(values - step)) / (2 * step)
    assert warp.slope(values) == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_better_stays_better(warp):
    values = np.linspace(-20, 20, 101) * warp.width + (0.0 if math.isinf(warp.knee) else warp.knee)
    assert (np.diff(warp(values)) > 0).all()


def test_at_the_knee_it_is_smooth():
    warp = Warp(2.0, 0.5)
    below, above = warp.slope(np.array([2.0 - 1e-9, 2.0 + 1e-9]))
    assert below == pytest.approx(above)
    assert warp(np.array([2.0])) == 0.0


def test_above_the_knee_differences_stay_as_they_are_and_below_it_they_count_for_less():
    warp = Warp(2.0, 0.5)
    steps = np.diff(warp(np.array([-8.0, -7.0, 1.0, 2.0, 3.0, 4.0])))
    assert steps[-1] == steps[-2] == 2.0
    assert steps[0] < steps[2] < 2.0


def test_far_beyond_any_reading_the_way_back_is_still_a_number():
    warp = Warp(2.0, 0.5)
    assert np.isfinite(warp.back(np.array([-1e6, -800.0, 1e6]))).all()


def test_any_shape_is_bent():
    warp = Warp(0.0, 1.0)
    assert warp(np.ones((2, 3))).shape == warp.back(np.ones((2, 3))).shape == (2, 3)
    assert warp(np.array(-1.0)) == -math.log(2)


def test_the_knee_is_where_the_worst_quarter_begins():
    values = np.arange(101.0)
    assert bend(values) == Warp(25.0, 75.0)
    assert bend(np.r_[0.0, np.ones(20)]).width > 0  # most are equal, to the best


def test_a_scale_goes_there_and_back_with_its_spread():
    scale = Scale(Warp(2.0, 0.5), 0.3, 1.7)
    values = np.array([-3.0, 1.0, 2.5, 4.0])
    mean, sd = scale.back(scale(values), np.full(4, 1e-6))
    assert mean == pytest.approx(values)
    away, _ = scale.back(scale(values) + 1e-6, np.zeros(4))
    assert sd == pytest.approx(away - values, rel=1e-4)


def drawn(seed, count=25):
    """Rows, and values there of a Gaussian process."""
    rng = np.random.default_rng([seed, 11])
    rows = rng.uniform(size=(count, 2))
    return rows, np.linalg.cholesky(Matern([0.5, 0.5], nu=2.5)(rows) + 1e-10 * np.eye(count)) @ rng.normal(size=count)


def surrogate(rows, values, **kind):
    readings = Readings(SPACE, ["z"])
    readings.add([{"x": x, "y": y, "z": z} for (x, y), z in zip(rows.tolist(), values.tolist(), strict=True)])
    return Surrogate(readings, "z", **({"sought": True, "linear": False} | kind))


def bent(model):
    return math.isfinite(model.scale.warp.knee)


def walls(values):
    """Small is good, and the bad ones tower."""
    return np.exp(3.0 * values)


def evidence(model, warp):
    """How probable the readings of a model are on a scale, in nats: with the kernel that is fitted there."""
    values, step = model.values, 1e-6 * np.ptp(model.values)
    scale = model._scale(warp, len(values))
    stretched = (scale(values + step) - scale(values - step)) / (2 * step)
    return float(np.log(stretched).sum()) - model._fitted_on(scale, len(values)).loss


def preferences(function):
    """Of 10 drawn functions, by how many nats each prefers to be bent, and whether it is."""
    models = [
        surrogate(rows, function(values), flipped=True) for rows, values in (drawn(seed, 30) for seed in range(10))
    ]
    return [(evidence(model, bend(model.values)) - evidence(model, STRAIGHT), model) for model in models]


def test_readings_with_steep_walls_prefer_the_bent_scale_and_others_the_straight_one():
    with_walls, without = ([nats for nats, _ in preferences(function)] for function in (walls, np.copy))
    assert sum(with_walls) > 100
    assert sum(without) < -4
    assert max(without) < 2  # what is at stake there is little


@pytest.mark.parametrize("function", [walls, np.copy])
def test_quiet_readings_are_learnt_on_the_scale_that_they_prefer(function):
    seen = 0
    for nats, model in preferences(function):
        quiet = model._fitted_on(model._scale(STRAIGHT, 30), 30).noise < QUIET
        assert bent(model) == (quiet and nats > 0)
        seen += quiet
    assert seen >= 6


def test_units_do_not_decide_whether_the_scale_is_bent():
    for seed in range(4):
        rows, values = drawn(seed)
        for function in (walls, np.copy):
            kinds = {bent(surrogate(rows, factor * function(values), flipped=True)) for factor in (1e-6, 1.0, 1e6)}
            assert len(kinds) == 1


def valley(rows):
    """Smooth, with steep walls."""
    return np.exp(3.0 * np.sin(3.0 * rows[:, 0]) + 2.0 * np.cos(4.0 * rows[:, 1]))


def test_on_a_bent_scale_the_good_places_are_expected_better():
    gains = []
    for seed in range(4):
        told, asked = np.random.default_rng(seed).uniform(size=(2, 30, 2))
        asked = asked[valley(asked) < np.median(valley(asked))]
        off = []
        for linear in (True, False):
            model = surrogate(told, valley(told), flipped=True, linear=linear)
            assert bent(model) == (not linear)
            off.append(np.median(np.abs(model.predict(asked)[0] - valley(asked))))
        gains.append(off[0] / off[1])
    assert np.median(gains) > 1.5


def test_it_is_never_bent_where_it_must_not_be_nor_where_readings_are_noisy_or_equal():
    rows, values = drawn(0)
    assert not bent(surrogate(rows, walls(values), flipped=True, linear=True))
    assert not bent(surrogate(rows, walls(values), flipped=True, sought=False))
    assert not bent(surrogate(rows, np.ones(25)))
    noise = np.random.default_rng(0).exponential(size=25)
    assert not bent(surrogate(rows, noise, flipped=True))


def test_known_noise_is_the_same_on_a_bent_scale():
    rows, values = drawn(4, 30)
    values = 1e-3 * walls(values)
    known = Given(np.full(2, np.nan), noise=1e-6)
    model = surrogate(rows, values, flipped=True, given=known)
    assert bent(model)
    # Of the best readings, which are the smallest: there the scale is straight.
    _, sd = model.scale.back(model.scale(-values.min()[None]), np.array([math.sqrt(model.hyper.noise)]))
    assert sd[0] == pytest.approx(1e-6, rel=1e-6)


def test_predictions_on_a_bent_scale_are_in_the_units_of_the_outcome():
    rows = np.random.default_rng(0).uniform(size=(40, 2))
    model = surrogate(rows, valley(rows), flipped=True)
    assert bent(model)
    mean, sd = model.predict(rows)
    assert mean == pytest.approx(valley(rows), rel=0.05, abs=0.1)
    assert (sd > 0).all()
    assert model.standard(float(valley(rows)[5])) == pytest.approx(model.posterior()(rows)[0][5], abs=0.02)
