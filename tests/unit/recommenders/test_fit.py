"""The most probable kernel: the right gradient, the right kernel, and no fit that goes wrong unseen."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skysteer.recommenders import _fit
from skysteer.recommenders._fit import MOST_FITTED, _LogPosterior, fitted, fitted_to
from skysteer.recommenders._matern import JITTER, Hyperparameters, Posterior, trend_features


def drawn(rows, *, scale, variance=1.0, noise=1e-4, trend=0.0, seed=0):
    """Readings of a Gaussian process with this kernel."""
    rng = np.random.default_rng([seed, 7])
    kernel = ConstantKernel(variance) * Matern(scale, nu=2.5)
    features = trend_features(rows)
    covariance = kernel(rows) + trend * features @ features.T + noise * np.eye(len(rows))
    return np.linalg.cholesky(covariance) @ rng.normal(size=len(rows))


def standard(values):
    return (values - values.mean()) / values.std()


@pytest.fixture
def readings():
    rows = np.random.default_rng(3).uniform(size=(25, 3))
    return rows, standard(drawn(rows, scale=[0.3, 0.6, 2.0]))


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_the_loss_is_that_of_finite_differences(readings, trend, seed):
    loss = _LogPosterior(*readings, trend=trend, scale=None, noise=None)
    theta = loss.start + np.random.default_rng(seed).normal(size=len(loss.start))
    step = 1e-6
    for number, slope in enumerate(loss.loss(theta)[1]):
        ahead, behind = theta.copy(), theta.copy()
        ahead[number] += step
        behind[number] -= step
        difference = (loss.loss(ahead)[0] - loss.loss(behind)[0]) / (2 * step)
        assert slope == pytest.approx(difference, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("trend", [False, True])
def test_the_loss_is_minus_the_logarithm_of_the_likelihood_and_of_what_is_thought_beforehand(readings, trend):
    rows, values = readings
    loss = _LogPosterior(rows, values, trend=trend, scale=None, noise=None)
    theta = loss.start + 0.3
    numbers = np.exp(theta)
    features = trend_features(rows)
    covariance = numbers[3] * Matern(numbers[:3], nu=2.5)(rows) + (numbers[4] + JITTER) * np.eye(len(rows))
    if trend:
        covariance += numbers[5] * features @ features.T
    _, log_determinant = np.linalg.slogdet(covariance)
    likelihood = -0.5 * values @ np.linalg.solve(covariance, values) - 0.5 * log_determinant
    spread = np.array([1.0] * 3 + [1.0, 2.0] + [1.0] * trend)
    beforehand = -0.5 * np.sum((0.3 / spread) ** 2)
    assert loss.loss(theta)[0] == pytest.approx(-likelihood - beforehand, rel=1e-10)


def test_the_likelihood_is_that_of_scikit_learn(readings):
    rows, values = readings
    loss = _LogPosterior(rows, values, trend=False, scale=None, noise=None)
    theta = loss.start + 0.2
    numbers = np.exp(theta)
    kernel = ConstantKernel(numbers[3]) * Matern(numbers[:3], nu=2.5) + WhiteKernel(numbers[4])
    peer = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(rows, values)
    constant = 0.5 * len(rows) * math.log(2 * math.pi)
    beforehand = 0.5 * 0.2**2 * (1 + 1 + 1 + 1 + 1 / 4)
    mine = -(loss.loss(theta)[0] - beforehand) - constant
    assert mine == pytest.approx(peer.log_marginal_likelihood_value_, rel=1e-10)


@pytest.mark.parametrize("trend", [False, True])
def test_no_kernel_nearby_is_more_probable_than_the_fitted_one(readings, trend):
    found = fitted(*readings, trend=trend)
    loss = _LogPosterior(*readings, trend=trend, scale=None, noise=None)
    theta = np.log([*found.scale, found.variance, found.noise, *([found.trend] if trend else [])])
    assert loss.loss(theta)[0] == pytest.approx(found.loss, abs=1e-9)
    assert found.loss < loss.loss(loss.start)[0]
    rng = np.random.default_rng(0)
    for _ in range(50):
        near = np.clip(theta + 0.1 * rng.normal(size=len(theta)), *loss.bounds.T)
        assert loss.loss(near)[0] > found.loss - 1e-3


def test_the_fitted_lengths_are_those_that_the_readings_were_drawn_with():
    rows = np.random.default_rng(1).uniform(size=(150, 2))
    found = fitted(rows, standard(drawn(rows, scale=[0.15, 0.9], noise=1e-2)))
    assert found.scale == pytest.approx([0.15, 0.9], rel=0.5)
    assert found.noise == pytest.approx(1e-2, rel=0.8)
    assert found.trend == 0.0


def test_a_trend_is_large_where_there_is_one_and_small_where_there_is_none():
    rows = np.random.default_rng(1).uniform(size=(40, 2))
    bowl = standard(-((rows - [0.3, 0.6]) ** 2).sum(axis=1))
    wiggles = standard(np.sin(15 * rows[:, 0]) * np.cos(12 * rows[:, 1]))
    assert fitted(rows, bowl, trend=True).trend > 5 * fitted(rows, wiggles, trend=True).trend


def test_many_readings_without_information_leave_what_was_thought_beforehand_of_the_lengths_of_an_idle_axis():
    rows = np.random.default_rng(1).uniform(size=(60, 2))
    found = fitted(rows, standard(np.sin(6 * rows[:, 0])))
    assert found.scale[1] > 3 * found.scale[0]


def test_known_lengths_and_a_known_noise_are_not_fitted(readings):
    found = fitted(*readings, scale=np.array([0.07, np.nan, 0.4]), noise=0.013)
    assert found.scale[[0, 2]] == pytest.approx([0.07, 0.4], rel=1e-12)
    assert found.noise == pytest.approx(0.013, rel=1e-12)
    free = fitted(*readings)
    assert found.scale[1] != free.scale[1]
    assert found.scale[1] != pytest.approx(_fit.SCALE.middle * math.sqrt(3), rel=1e-6)  # this one was


@pytest.mark.parametrize(("scale", "noise"), [(1e-4, 1e-12), (500.0, 50.0)])
def test_what_is_known_may_lie_where_no_fit_would_look(readings, scale, noise):
    found = fitted(*readings, scale=np.full(3, scale), noise=noise)
    assert found.scale == pytest.approx([scale] * 3, rel=1e-12)
    assert found.noise == pytest.approx(noise, rel=1e-12)


def test_what_is_known_costs_nothing(readings):
    # Otherwise a scale on which the known noise is unusual would be taken to be less probable.
    rows, values = readings
    scale, noise = np.full(3, 1e-3), 1e-12
    found = fitted(rows, values, scale=scale, noise=noise)
    covariance = found.variance * Matern(scale, nu=2.5)(rows) + (noise + JITTER) * np.eye(len(rows))
    _, log_determinant = np.linalg.slogdet(covariance)
    unlikelihood = 0.5 * values @ np.linalg.solve(covariance, values) + 0.5 * log_determinant
    assert found.loss == pytest.approx(unlikelihood + 0.5 * math.log(found.variance) ** 2, rel=1e-7)


def test_the_gain_is_how_much_better_than_noise_alone_the_readings_are_explained(readings):
    rows, values = readings
    found = fitted(rows, values)
    kernel = ConstantKernel(found.variance) * Matern(found.scale, nu=2.5) + WhiteKernel(found.noise)
    peer = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(rows, values)
    noise_alone = -0.5 * len(values) * (1 + math.log(2 * math.pi))
    assert found.gain == pytest.approx(peer.log_marginal_likelihood_value_ - noise_alone, rel=1e-8)
    assert found.gain > 5
    noise = standard(np.random.default_rng(0).normal(size=len(values)))
    assert fitted(rows, noise).gain < 3


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [0.0, 0.0, 0.0]], ids=str)
def test_readings_that_say_nothing_leave_the_kernel_as_it_was_before_any(values):
    rows = np.random.default_rng(0).uniform(size=(len(values), 2))
    found = fitted(rows, np.array(values), trend=True)
    middle = _fit.SCALE.middle * math.sqrt(2)
    assert found.scale == pytest.approx([middle, middle])
    assert (found.variance, found.noise, found.trend) == pytest.approx((1.0, 2.5e-3, 0.02))
    assert (found.loss, found.gain) == (0.0, 0.0)


def test_a_fit_that_leads_nowhere_is_logged_and_leaves_the_kernel_as_it_was(readings, monkeypatch, caplog):
    def no_solution(*_args, **_kwargs):
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(_fit.linalg, "cholesky", no_solution)
    with caplog.at_level(logging.WARNING, "skysteer"):
        found = fitted(*readings, trend=True)
    assert "no kernel could be fitted to 25 readings" in caplog.text
    assert math.isinf(found.loss)
    assert found.gain == 0.0
    assert (found.variance, found.noise, found.trend) == pytest.approx((1.0, 2.5e-3, 0.02))


def test_readings_that_are_no_numbers_lead_nowhere_too(readings, caplog):
    rows, values = readings
    found = fitted(rows, np.where(np.arange(25) == 3, np.nan, values))
    assert math.isinf(found.loss)
    assert np.isfinite(found.scale).all()
    assert "no kernel could be fitted" in caplog.text


@pytest.mark.parametrize("turn", range(2, 12))
def test_a_kernel_that_the_arithmetic_cannot_solve_is_gone_round(readings, monkeypatch, caplog, turn):
    cholesky, calls = _fit.linalg.cholesky, []

    def fails_once(*args, **kwargs):
        calls.append(1)
        if len(calls) == turn:
            raise np.linalg.LinAlgError("not positive definite")
        return cholesky(*args, **kwargs)

    expected = fitted(*readings)
    monkeypatch.setattr(_fit.linalg, "cholesky", fails_once)
    found = fitted(*readings)
    assert len(calls) > turn
    assert found.loss == pytest.approx(expected.loss, abs=0.1)
    assert not caplog.records


@pytest.mark.parametrize("kind", ["repeated", "on a line", "huge outlier", "outside the box", "two values"])
def test_awkward_readings_have_a_kernel_that_can_be_solved(kind):
    rng = np.random.default_rng(5)
    rows, values = rng.uniform(size=(30, 2)), rng.normal(size=30)
    if kind == "repeated":
        rows, values = np.repeat(rows[:3], 10, axis=0), np.repeat(values[:3], 10)
    elif kind == "on a line":
        rows[:, 1] = rows[:, 0]
    elif kind == "huge outlier":
        values[4] = 1e9
    elif kind == "outside the box":
        rows = 30.0 * rows - 10.0
    else:
        values = (rows[:, 0] > 0.5).astype(float)
    values = standard(values)
    found = fitted(rows, values, trend=True)
    assert math.isfinite(found.loss)
    mean, sd = Posterior(rows, values, found)(rng.uniform(size=(20, 2)))
    assert np.isfinite(mean).all()
    assert (sd > 0).all()


def test_the_same_readings_have_the_same_kernel_whatever_was_fitted_between(readings):
    rows, values = readings
    first = fitted(rows, values, trend=True)
    fitted(rows[:9], values[:9])
    again = fitted(rows.copy(), values.copy(), trend=True)
    assert again.scale.tolist() == first.scale.tolist()
    assert (again.variance, again.noise, again.trend) == (first.variance, first.noise, first.trend)


def test_the_kernel_lies_within_its_limits():
    rng = np.random.default_rng(0)
    for seed in range(5):
        rows = rng.uniform(size=(12, 2))
        found = fitted(rows, standard(rng.normal(size=12) ** (2 * seed + 1)), trend=True)
        for number, prior in [*((s, _fit.SCALE) for s in found.scale), (found.variance, _fit.VARIANCE),
                              (found.noise, _fit.NOISE), (found.trend, _fit.TREND)]:  # fmt: skip
            assert prior.low * (1 - 1e-9) <= number <= prior.high * (1 + 1e-9)


def test_the_kernel_is_fitted_to_all_of_the_first_forty_and_to_most_of_the_later_ones():
    sizes = [fitted_to(count) for count in range(2000)]
    assert sizes[:41] == list(range(41))
    assert sizes == sorted(sizes)
    for count, size in enumerate(sizes):
        assert size <= min(count, MOST_FITTED)
        assert fitted_to(size) == size  # a fit is to a number that is itself fitted to
        if count <= MOST_FITTED - 27:
            assert count - size < max(1, size // 15)
    assert len(set(sizes)) < 90  # so many fits, not 2000
    assert sizes[-1] > 0.9 * MOST_FITTED


def test_scipy_agrees_on_the_slope(readings):
    # Another finite difference than ours, forwards.
    loss = _LogPosterior(*readings, trend=True, scale=None, noise=None)
    forwards = approx_fprime(loss.start, lambda theta: loss.loss(theta)[0], 1e-7)
    assert loss.loss(loss.start)[1] == pytest.approx(forwards, rel=1e-3, abs=1e-3)


def test_a_kernel_without_a_trend_has_none(readings):
    assert isinstance(found := fitted(*readings), Hyperparameters)
    assert found.trend == 0.0
