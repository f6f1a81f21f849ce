"""That it is good at what it is for. The benchmark has the numbers; these are wide limits that a broken core misses."""

from __future__ import annotations

import pytest

from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.simulation import TRUTHS, simulate


def measured(name, seed, budget, **options):
    truth = TRUTHS[name](seed)
    goal = {truth.goal: truth.objective}
    return truth, simulate(GaussianProcess(truth.space, **goal, seed=seed, **options), truth, budget=budget, seed=seed)


@pytest.mark.parametrize(
    ("name", "seeds", "limit"),
    [
        ("branin", 3, 0.02),
        ("hartmann6", 2, 0.35),
    ],
)
def test_forty_points_come_near_the_best(name, seeds, limit):
    regrets = [measured(name, seed, 40)[1].regret[-1] for seed in range(seeds)]
    assert max(regrets) < limit


def test_a_narrow_peak_is_found_in_sixty_points_for_most_seeds():
    shares = []
    for seed in range(5):
        truth, done = measured("peak", seed, 60, counts=True)
        shares.append(1 - done.regret[-1] / truth.best)
    assert sum(share > 0.9 for share in shares) >= 4
