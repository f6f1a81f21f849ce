"""What a Gaussian process knows: equal to scikit-learn's, with slopes that are those of finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from skysteer.recommenders._matern import JITTER, Hyperparameters, Posterior, trend_features


class Trend(Kernel):
    """The quadratic trend, for scikit-learn."""

    def __init__(self, variance=1.0):
        self.variance = variance

    def __call__(self, X, Y=None, eval_gradient=False):
        return self.variance * trend_features(X) @ trend_features(X if Y is None else Y).T

    def diag(self, X):
        return self.variance * (trend_features(X) ** 2).sum(axis=1)

    def is_stationary(self):
        return False


def peer(rows, values, hyper):
    kernel = ConstantKernel(hyper.variance) * Matern(hyper.scale, nu=2.5)
    if hyper.trend:
        kernel = kernel + Trend(hyper.trend)
    kernel = kernel + WhiteKernel(hyper.noise + JITTER)
    return GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(rows, values)


@pytest.fixture
def readings():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(40, 3)), rng.normal(size=40)


KERNELS = [
    pytest.param(Hyperparameters(np.array([0.3, 0.8, 2.0]), 1.7, 0.01), id="no trend"),
    pytest.param(Hyperparameters(np.array([0.3, 0.8, 2.0]), 1.7, 0.01, trend=0.4), id="trend"),
    pytest.param(Hyperparameters(np.array([0.02, 0.02, 0.02]), 100.0, 1e-3, trend=100.0), id="rough"),
    pytest.param(Hyperparameters(np.array([20.0, 20.0, 20.0]), 0.05, 1.0, trend=1e-4), id="flat"),
]


@pytest.mark.parametrize("hyper", KERNELS)
def test_it_is_the_posterior_of_scikit_learn(readings, hyper):
    ask = np.random.default_rng(1).uniform(-0.2, 1.2, size=(30, 3))
    mean, sd = Posterior(*readings, hyper)(ask)
    expected, expected_sd = peer(*readings, hyper).predict(ask, return_std=True)
    assert mean == pytest.approx(expected, abs=1e-8)
    # Theirs has the noise of a reading in it.
    assert sd**2 == pytest.approx(expected_sd**2 - hyper.noise - JITTER, abs=1e-8)


@pytest.mark.parametrize("hyper", KERNELS)
def test_one_reading_is_enough(hyper):
    rows, values = np.array([[0.2, 0.5, 0.9]]), np.array([1.3])
    mean, sd = Posterior(rows, values, hyper)(rows)
    expected, expected_sd = peer(rows, values, hyper).predict(rows, return_std=True)
    assert mean == pytest.approx(expected, abs=1e-8)
    assert sd**2 == pytest.approx(expected_sd**2 - hyper.noise - JITTER, abs=1e-8)


@pytest.mark.parametrize("hyper", KERNELS)
def test_slopes_are_those_of_finite_differences(readings, hyper):
    posterior = Posterior(*readings, hyper)
    step = 1e-6
    for row in np.random.default_rng(2).uniform(size=(5, 3)):
        mean, sd, mean_slope, sd_slope = posterior.slopes(row)
        there = posterior(row[None])
        assert (mean, sd) == pytest.approx((there[0][0], there[1][0]), rel=1e-9)
        ahead, ahead_sd = posterior(row + step * np.eye(3))
        behind, behind_sd = posterior(row - step * np.eye(3))
        assert mean_slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-5, abs=1e-6)
        assert sd_slope == pytest.approx((ahead_sd - behind_sd) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("hyper", KERNELS)
def test_slopes_at_a_measured_place_are_numbers(readings, hyper):
    posterior = Posterior(*readings, hyper)
    _, _, mean_slope, sd_slope = posterior.slopes(readings[0][3])
    assert np.isfinite(mean_slope).all()
    assert np.isfinite(sd_slope).all()


def test_features_of_the_trend_have_no_mean_over_the_box():
    line = (np.arange(1000) + 0.5) / 1000
    features = trend_features(np.column_stack([line, line[::-1]]))
    assert features.shape == (1000, 4)
    assert features.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-5)


def test_a_trend_carries_on_where_a_kernel_alone_forgets():
    rows = np.linspace(0.0, 0.4, 9)[:, None]
    values = 4.0 * rows[:, 0] - 2.0
    alone = Hyperparameters(np.array([0.1]), 0.01, 1e-4)
    along = Hyperparameters(np.array([0.1]), 0.01, 1e-4, trend=10.0)
    there = np.array([[0.6]])
    off = [abs(float(Posterior(rows, values, hyper)(there)[0][0]) - 0.4) for hyper in (alone, along)]
    assert off[1] < 0.5 * off[0]


@pytest.mark.parametrize("hyper", KERNELS)
def test_to_believe_changes_no_mean_and_takes_the_doubt_away(readings, hyper):
    posterior = Posterior(*readings, hyper)
    rng = np.random.default_rng(4)
    believed, ask = rng.uniform(size=(3, 3)), rng.uniform(size=(20, 3))
    after = posterior.believing(believed)
    assert after(ask)[0] == pytest.approx(posterior(ask)[0], abs=1e-6)
    assert (after(ask)[1] <= posterior(ask)[1] + 1e-9).all()
    assert (after(believed)[1] < posterior(believed)[1]).all()


def test_to_believe_nothing_is_to_know_the_same(readings):
    posterior = Posterior(*readings, KERNELS[0].values[0])
    assert posterior.believing(np.empty((0, 3))) is posterior


def test_what_was_measured_without_noise_is_known_there(readings):
    rows, values = readings
    mean, sd = Posterior(rows, values, Hyperparameters(np.array([0.3, 0.3, 0.3]), 1.0, 1e-10, trend=0.1))(rows)
    assert mean == pytest.approx(values, abs=1e-5)
    assert (sd < 1e-3).all()
    assert (sd > 0).all()


def test_repeated_places_without_noise_can_be_solved():
    rows = np.repeat([[0.2, 0.4]], 30, axis=0)
    mean, sd = Posterior(rows, np.ones(30), Hyperparameters(np.array([0.5, 0.5]), 1.0, 1e-12, trend=1.0))(rows[:1])
    assert mean == pytest.approx([1.0], abs=1e-6)
    assert 0 < sd[0] < 1e-3


@pytest.mark.parametrize("trend", [0.0, 1.3])
@pytest.mark.parametrize("noise", [1e-4, 0.2])
def test_beside_others_it_says_what_it_would_believing_them(trend, noise):
    rng = np.random.default_rng(3)
    rows, others, asked = rng.uniform(size=(30, 2)), rng.uniform(size=(5, 2)), rng.uniform(size=(7, 2))
    others[3], others[4], asked[6] = others[0], rows[2], others[1]  # some places coincide
    posterior = Posterior(rows, rng.normal(size=30), Hyperparameters(np.array([0.3, 0.8]), 1.7, noise, trend=trend))
    for which in (others, others[:0]):
        mean, sd = posterior.beside(which, asked)
        believed_mean, believed_sd = posterior.believing(which)(asked)
        assert mean == pytest.approx(believed_mean, abs=1e-6)
        assert sd == pytest.approx(believed_sd, abs=1e-5)
