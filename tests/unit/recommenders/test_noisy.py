"""Expected improvement over a best that nobody knows exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from skysteer.recommenders._matern import Hyperparameters, Posterior
from skysteer.recommenders.gaussian._acquisition import LogImprovement
from skysteer.recommenders.gaussian._noisy import DRAWS, LogNoisyImprovement


def posterior(noise: float, trend: float = 0.02, count: int = 14, dimensions: int = 2) -> Posterior:
    rng = np.random.default_rng(3)
    rows = rng.random((count, dimensions))
    values = np.sin(4 * rows[:, 0]) - rows[:, 1] ** 2 + np.sqrt(noise) * rng.normal(size=count)
    values = (values - values.mean()) / values.std()
    return Posterior(rows, values, Hyperparameters(np.full(dimensions, 0.6), 1.0, noise, trend=trend))


def everywhere(count: int = 300, dimensions: int = 2) -> np.ndarray:
    return np.random.default_rng(4).random((count, dimensions))


@pytest.mark.parametrize("trend", [0.0, 0.02])
def test_its_slope_is_that_of_its_value(trend: float) -> None:
    belief = posterior(0.05, trend)
    wish = LogNoisyImprovement(belief, np.ones(14, bool))
    for row in everywhere(8):
        error = check_grad(lambda u: wish.slope(u)[0], lambda u: wish.slope(u)[1], row)
        assert error < 1e-4 * (1.0 + np.linalg.norm(wish.slope(row)[1]))


def test_one_row_is_worth_what_it_is_among_many() -> None:
    wish = LogNoisyImprovement(posterior(0.05), np.ones(14, bool))
    rows = everywhere(20)
    assert [wish.slope(row)[0] for row in rows] == pytest.approx(list(wish(rows)), rel=1e-7)


def test_without_noise_it_orders_places_as_expected_improvement_does() -> None:
    belief = posterior(1e-6)
    rows = everywhere()
    noisy = LogNoisyImprovement(belief, np.ones(14, bool))(rows)
    plain = LogImprovement(belief, float(belief(belief.rows)[0].max()))(rows)
    likely = plain > plain.max() - 5.0
    assert np.corrcoef(noisy[likely], plain[likely])[0, 1] > 0.98


def test_it_is_the_mean_improvement_over_imagined_true_values() -> None:
    """By brute force: many true values at the rows, each time a posterior that knows them."""
    belief = posterior(0.3, trend=0.0, count=6)
    mean, covariance = belief.truth()
    rows = everywhere(40)
    rng = np.random.default_rng(0)
    total = np.zeros(len(rows))
    for _ in range(400):
        true = rng.multivariate_normal(mean, covariance)
        told = Posterior(belief.rows, true, Hyperparameters(belief.hyper.scale, 1.0, 1e-6))
        total += np.exp(LogImprovement(told, float(true.max()))(rows))
    ours = np.exp(LogNoisyImprovement(belief, np.ones(6, bool))(rows))
    assert np.corrcoef(ours, total)[0, 1] > 0.95


def test_only_the_rows_that_count_are_to_be_beaten() -> None:
    belief = posterior(0.05)
    best = int(np.argmax(belief(belief.rows)[0]))
    others = np.arange(14) != best
    rows = everywhere()
    assert (LogNoisyImprovement(belief, others)(rows) > LogNoisyImprovement(belief, np.ones(14, bool))(rows)).all()


def test_the_same_question_has_the_same_answer() -> None:
    rows = everywhere()
    first, second = (LogNoisyImprovement(posterior(0.05), np.ones(14, bool))(rows) for _ in range(2))
    assert (first == second).all()


def test_it_does_not_ask_again_where_a_reading_may_have_been_unlucky() -> None:
    """Readings at one place over and over: expected improvement goes there once more, this one elsewhere."""
    here, there = np.full((12, 1), 0.5), np.linspace(0, 1, 5)[:, None]
    rows = np.vstack([here, there])
    values = np.concatenate([np.random.default_rng(1).normal(1.0, 0.6, 12), -np.abs(there[:, 0] - 0.5)])
    belief = Posterior(rows, (values - values.mean()) / values.std(), Hyperparameters(np.array([0.4]), 1.0, 0.4))
    line = np.linspace(0, 1, 201)[:, None]
    asked = float(line[np.argmax(LogNoisyImprovement(belief, np.ones(17, bool))(line)), 0])
    assert abs(asked - 0.5) > 0.02


def test_many_rows_that_are_nearly_one_are_no_trouble() -> None:
    rows = np.full((60, 3), 0.4) + 1e-9 * np.random.default_rng(2).random((60, 3))
    belief = Posterior(rows, np.random.default_rng(2).normal(size=60), Hyperparameters(np.full(3, 2.0), 1.0, 0.01))
    assert np.isfinite(LogNoisyImprovement(belief, np.ones(60, bool))(everywhere(50, 3))).all()
    assert DRAWS >= 8
