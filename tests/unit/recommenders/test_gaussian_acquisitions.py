"""The acquisition functions of `GaussianProcess`: their sums, their slopes, what they are the expectation of."""

import numpy as np
import pytest

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._matern import Hyperparameters, Posterior
from skysteer.recommenders.gaussian._acquisition import LogDoubt, LogImprovement, Together, UpperBound
from skysteer.recommenders.gaussian._blend import Blend
from skysteer.recommenders.gaussian._constraints import LogFeasibility
from skysteer.recommenders.gaussian._pareto import LogChebyshev, LogHypervolume, reference_point, unbeaten
from skysteer.recommenders.gaussian._steps import FORBIDDEN, OnSteps, Steps
from skysteer.recommenders.gaussian._travel import PerSecond, Seconds, Travel

SPACE = Space(Axis("x", 0, 1), Axis("y", 0, 10), Axis("z", -1, 1))


class Normal:
    """The same normal distribution everywhere."""

    def __init__(self, mean, sd):
        self.mean, self.sd = mean, sd

    def __call__(self, rows):
        return np.full(len(rows), self.mean), np.full(len(rows), self.sd)


def posterior(seed=0):
    rng = np.random.default_rng(seed)
    scale = np.array([0.3, 0.5, 0.2]) * (1 + 0.3 * seed)
    return Posterior(rng.random((12, 3)), rng.normal(size=12), Hyperparameters(scale, 1.3, 0.01))


FRONT = np.array([[-0.5, 0.6], [0.2, 0.1], [0.7, -0.4], [0.1, 0.0]])
REFERENCE = np.array([-1.0, -0.8])
TRIPLE = np.array([[-0.5, 0.6, 0.1], [0.2, 0.1, 0.3]])
SECONDS = Seconds(Travel({"x": 0.1, "y": 2.0}, exposure=0.5), SPACE, np.array([0.2, 0.9, 0.4]))
MADE = {
    "ucb": lambda: UpperBound(posterior(), 2.5),
    "log doubt": lambda: LogDoubt(posterior()),
    "weighted": lambda: LogImprovement(Blend([posterior(), posterior(1)], [1.0, -0.7]), 0.3),
    "kept": lambda: LogFeasibility(posterior(), 0.4, -1.0),
    "kept from below": lambda: LogFeasibility(posterior(), 3.0, 1.0),
    "together": lambda: Together(LogImprovement(posterior(), 0.5), LogFeasibility(posterior(1), 0.1, -1.0)),
    "hypervolume": lambda: LogHypervolume([posterior(), posterior(1)], FRONT, REFERENCE),
    "hypervolume far below": lambda: LogHypervolume([posterior(), posterior(1)], FRONT + 9, REFERENCE),
    "hypervolume, none above": lambda: LogHypervolume([posterior(), posterior(1)], FRONT - 9, REFERENCE),
    "chebyshev": lambda: LogChebyshev(
        [posterior(), posterior(1), posterior(2)], TRIPLE, np.full(3, -1.0), np.array([0.2, 0.5, 0.8])
    ),
    "per second": lambda: PerSecond(LogImprovement(posterior(), 0.5), SECONDS),
    "per second, from nowhere": lambda: PerSecond(
        LogImprovement(posterior(), 0.5), Seconds(Travel({"x": 0.1}), SPACE, None)
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_the_slopes_are_those_of_the_values(name):
    wanted = MADE[name]()
    row, step = np.random.default_rng(5).random(3), 1e-6
    value, slope = wanted.slope(row)
    assert np.isfinite(value)
    assert value == pytest.approx(wanted(row[None])[0])
    numeric = [(wanted((row + d)[None])[0] - wanted((row - d)[None])[0]) / (2 * step) for d in step * np.eye(3)]
    assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-5)


def hypervolume(values):
    """Area above the reference that is below one of (n, 2) values, on a fine grid of strips."""
    values = values[(values > REFERENCE).all(axis=1)]
    order = values[np.argsort(-values[:, 0])]
    area, height = 0.0, REFERENCE[1]
    for first, second in order:
        area += (first - REFERENCE[0]) * max(second - height, 0.0)
        height = max(height, second)
    return area


@pytest.mark.parametrize(("means", "sds"), [((0.3, 0.2), (0.5, 0.4)), ((-0.6, -0.5), (0.3, 0.7)), ((1, -1.5), (1, 1))])
def test_the_improvement_of_the_hypervolume_is_what_chance_gives(means, sds):
    rng = np.random.default_rng(1)
    drawn = means + rng.normal(size=(10000, 2)) * sds
    before = hypervolume(FRONT)
    gains = np.array([hypervolume(np.vstack([FRONT, y])) - before for y in drawn])
    wanted = LogHypervolume([Normal(m, s) for m, s in zip(means, sds, strict=True)], FRONT, REFERENCE)
    assert abs(np.exp(wanted(np.zeros((1, 2)))[0]) - gains.mean()) < 4 * gains.std() / 100


def test_the_weighted_worst_is_what_chance_gives():
    means, sds, weights = np.array([0.3, 0.2, 0.4]), np.array([0.5, 0.4, 0.3]), np.array([0.3, 0.8, 0.5])
    rng = np.random.default_rng(1)
    drawn = ((means + rng.normal(size=(20000, 3)) * sds + 1.0) / weights).min(axis=1)
    gains = np.maximum(drawn - ((TRIPLE + 1.0) / weights).min(axis=1).max(), 0.0)
    beliefs = [Normal(m, s) for m, s in zip(means, sds, strict=True)]
    wanted = LogChebyshev(beliefs, TRIPLE, np.full(3, -1.0), weights)
    assert np.exp(wanted(np.zeros((1, 3)))[0]) == pytest.approx(gains.mean(), rel=0.05)


def test_an_upper_bound_is_mean_and_so_many_standard_deviations():
    assert UpperBound(Normal(1.0, 0.5), 3.0)(np.zeros((1, 3)))[0] == 2.5


def test_a_weighted_sum_adds_means_and_variances():
    mean, sd = Blend([Normal(1.0, 3.0), Normal(2.0, 2.0)], [1.0, -2.0])(np.zeros((1, 3)))
    assert (mean[0], sd[0]) == (-3.0, 5.0)


@pytest.mark.parametrize(("mean", "half"), [(0.0, 0.5), (-2.0, 0.97725), (2.0, 0.02275)])
def test_a_limit_is_kept_with_this_probability(mean, half):
    assert np.exp(LogFeasibility(Normal(mean, 1.0), 0.0, -1.0)(np.zeros((1, 1))))[0] == pytest.approx(half, abs=1e-5)


def test_points_that_no_other_beats():
    values = np.array([[0, 3], [1, 2], [1, 2], [1, 1], [2, 0], [0, 2], [3, -1]], float)
    assert unbeaten(values).tolist() == [True, True, True, False, True, False, True]
    assert reference_point(values) == pytest.approx([0 - 0.3, -1 - 0.4])
    assert reference_point(np.ones((2, 2))) == pytest.approx([0.9, 0.9])


def test_the_slowest_motor_says_how_long_a_way_takes():
    seconds = Seconds(Travel({"x": 0.5, "y": 10.0}, exposure=2.0), SPACE, np.zeros(3))
    assert seconds(np.array([[0.5, 0.5, 1.0], [0.1, 1.0, 0.0], [0.0, 0.0, 0.0]])).tolist() == [3.0, 3.0, 2.0]


def test_a_change_of_a_choice_takes_its_time():
    space = Space(Axis("x", 0, 1), Choice("filter", ("Al", "Cu")))
    seconds = Seconds(Travel({"x": 1.0}, exposure=1.0, changes={"filter": 20.0}), space, np.array([0.0, 1.0, 0.0]))
    assert seconds(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])).tolist() == [2.0, 21.0]


class Hill:
    """Highest at (0.5, 0.62)."""

    def __call__(self, rows):
        return -np.abs(rows - [0.5, 0.62]).sum(axis=1)

    def slope(self, row):
        return self(row[None])[0], -np.sign(row - [0.5, 0.62])


class TestOnSteps:
    SPACE = Space(Axis("n", 0, 20, step=1), Axis("y", 0, 1))

    def test_the_worth_of_a_place_is_that_of_the_nearest_step(self):
        wanted = OnSteps(Hill(), Steps(self.SPACE), np.empty((0, 2)))
        assert wanted(np.array([[0.51, 0.62], [0.56, 0.62]])) == pytest.approx([0.0, -0.05])
        value, slope = wanted.slope(np.array([0.56, 0.5]))
        assert (value, slope.tolist()) == (pytest.approx(-0.17), [0.0, 1.0])

    def test_a_climb_goes_step_by_step_to_the_top(self):
        wanted = OnSteps(Hill(), Steps(self.SPACE), np.empty((0, 2)))
        assert wanted.climbed(np.array([0.23, 0.62])) == pytest.approx([0.5, 0.62])

    def test_a_place_to_be_avoided_is_forbidden_from_step_to_step(self):
        wanted = OnSteps(Hill(), Steps(self.SPACE), np.array([[0.51, 0.62]]))
        found = wanted(np.array([[0.48, 0.623], [0.45, 0.62], [0.5, 0.7]]))
        assert found == pytest.approx([FORBIDDEN, -0.05, -0.08])
