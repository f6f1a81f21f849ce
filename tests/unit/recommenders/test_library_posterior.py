"""The posterior over a whole library: that of scikit-learn, whatever the way to it."""

import logging
from itertools import pairwise, permutations

import cloudpickle
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skysteer.errors import PointError
from skysteer.recommenders import _fit
from skysteer.recommenders._matern import JITTER, Hyperparameters
from skysteer.recommenders._wording import expected
from skysteer.recommenders.gaussian._acquisition import log_h
from skysteer.recommenders.library import LibraryRecommender
from skysteer.recommenders.library import _models as _library_models
from skysteer.recommenders.library._goals import first_best, improvement, neighbours, spread
from skysteer.recommenders.library._models import fit_sizes, taken_over
from skysteer.recommenders.library._route import length, short_way
from skysteer.recommenders.library._whitened import BLOCK, Belief, Whitened

RNG = np.random.default_rng(1)
CANDIDATES = RNG.random((700, 3))
HYPER = Hyperparameters(np.array([0.3, 0.5, 0.9]), 1.4, 1e-3)
COUNT = 300  # more than one block
CHOSEN = RNG.choice(700, COUNT, replace=False)
VALUES = np.sin(5 * CANDIDATES[CHOSEN]).sum(axis=1) + 0.03 * RNG.normal(size=COUNT)


def by_scikit_learn(rows, values, at, hyper=HYPER):
    kernel = ConstantKernel(hyper.variance) * Matern(hyper.scale, nu=2.5) + WhiteKernel(hyper.noise)
    process = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(rows, values)
    mean, sd = process.predict(at, return_std=True)
    return mean, np.sqrt(sd**2 - hyper.noise)  # theirs has the noise of a reading in it


def learnt(dtype=np.float64, count=COUNT, pieces=1):
    known = Whitened(CANDIDATES, HYPER, dtype)
    for piece in np.array_split(np.arange(count), pieces):
        known.learn(CANDIDATES[CHOSEN[piece]], VALUES[piece], CHOSEN[piece])
    return known


@pytest.mark.parametrize("pieces", [1, 7, COUNT])
def test_it_is_the_posterior_of_scikit_learn(pieces):
    known = learnt(pieces=pieces)
    mean, sd = by_scikit_learn(CANDIDATES[CHOSEN], VALUES, CANDIDATES)
    assert known.count == COUNT > BLOCK
    assert np.abs(known.mean - mean).max() < 1e-8
    assert np.abs(known.sd - sd).max() < 1e-8


def test_in_float32_it_is_good_to_a_thousandth():
    known = learnt(np.float32, pieces=100)
    mean, sd = by_scikit_learn(CANDIDATES[CHOSEN], VALUES, CANDIDATES)
    assert known.nbytes == 4 * COUNT * 700
    assert np.abs(known.mean - mean).max() < 1e-3
    assert np.abs(known.sd - sd).max() < 1e-3


def test_repeats_and_points_off_the_library_are_learnt_as_they_are():
    known = learnt(count=100, pieces=100)
    strange = np.array([[1.2, 0.5, -0.1], [0.2, 0.2, 0.2]])
    rows = np.vstack([CANDIDATES[CHOSEN[:100]], CANDIDATES[CHOSEN[:3]], strange])
    values = np.concatenate([VALUES[:100], VALUES[:3] + 0.1, [0.5, 1.0]])
    known.learn(rows[100:], values[100:], np.array([*CHOSEN[:3], -1, -1]))
    mean, sd = by_scikit_learn(rows, values, CANDIDATES)
    assert np.abs(known.mean - mean).max() < 1e-8
    assert np.abs(known.sd - sd).max() < 1e-8


def test_it_says_what_it_expects_anywhere():
    places = np.random.default_rng(3).uniform(-0.2, 1.2, (20, 3))
    mean, sd = by_scikit_learn(CANDIDATES[CHOSEN], VALUES, places)
    found = learnt().at(places)
    assert np.abs(found[0] - mean).max() < 1e-8
    assert np.abs(found[1] - sd).max() < 1e-8


def test_a_belief_is_what_it_would_know_and_leaves_no_trace():
    known = learnt()
    before = known.mean.copy(), known.sd
    belief = Belief(known)
    for column in (5, 77, 5):
        belief.add(column)
    added = np.array([5, 77, 5])
    _, sd = by_scikit_learn(
        np.vstack([CANDIDATES[CHOSEN], CANDIDATES[added]]), np.append(VALUES, known.mean[added]), CANDIDATES
    )
    assert np.abs(belief.sd - sd).max() < 1e-8
    assert np.array_equal(known.mean, before[0])
    assert np.array_equal(known.sd, before[1])


def test_forgetting_candidates_leaves_the_others_as_they_are():
    known, kept = learnt(), np.arange(0, 700, 3)
    mean, sd = known.mean[kept], known.sd[kept]
    known.keep(kept)
    assert np.array_equal(known.mean, mean)
    assert np.array_equal(known.sd, sd)
    columns = {candidate: column for column, candidate in enumerate(kept)}
    more = [number for number in range(700) if number not in set(CHOSEN)][:20]
    known.learn(CANDIDATES[more], np.ones(20), np.array([columns.get(number, -1) for number in more]))
    expected = by_scikit_learn(
        np.vstack([CANDIDATES[CHOSEN], CANDIDATES[more]]), np.append(VALUES, np.ones(20)), CANDIDATES[kept]
    )
    assert np.abs(known.mean - expected[0]).max() < 1e-8
    assert np.abs(known.sd - expected[1]).max() < 1e-8


def table(count=700):
    return {f"x{axis}": CANDIDATES[:count, axis] for axis in range(3)}


def library(**options):
    return LibraryRecommender(table(), features=["x0", "x1", "x2"], axes="sample", maximize="det", **options)


def points(first, last):
    return [{"sample": int(CHOSEN[n]), "det": float(VALUES[n])} for n in range(first, last)]


@pytest.mark.parametrize("together", [1, 40, 200])
def test_the_prediction_of_the_recommender_is_that_of_scikit_learn(together):
    recommender = library()
    for first in range(0, 200, together):
        recommender.ingest(points(first, first + together))
        recommender.suggest()
    recommender.close()
    size = max(m for m in fit_sizes(6) if taken_over(m) <= 200)
    shift, width = VALUES[:size].mean(), VALUES[:size].std()
    low, high = CANDIDATES.min(axis=0), CANDIDATES.max(axis=0)
    rows = (CANDIDATES - low) / (high - low)
    kernel = _fit.fitted(rows[CHOSEN[:size]], (VALUES[:size] - shift) / width)
    mean, sd = by_scikit_learn(rows[CHOSEN[:200]], (VALUES[:200] - shift) / width, rows, kernel)
    found = recommender.predict()
    assert recommender.report()["fitted_to"] == size
    assert np.abs(found[0] - (shift + width * mean)).max() < 1e-8
    assert np.abs(found[1] - width * sd).max() < 1e-8


class TestKernels:
    def test_a_kernel_takes_over_before_the_next_is_begun(self):
        sizes = list(fit_sizes(10))
        assert sizes[:6] == [10, 15, 22, 33, 49, 73]
        assert sizes[-1] <= 2000 < 2 * sizes[-1]
        assert all(taken_over(one) < other for one, other in pairwise(sizes))

    def test_a_fit_that_fails_is_said_by_the_suggestion_that_needs_it(self, monkeypatch):
        def broken(*arguments):
            raise RuntimeError("no kernel today")

        recommender = library(initial=5)
        monkeypatch.setattr(_fit, "fitted", broken)
        recommender.ingest(points(0, 5))
        recommender.suggest()  # not yet
        recommender.ingest(points(5, 6))
        with pytest.raises(RuntimeError, match="no kernel today"):
            recommender.suggest()
        monkeypatch.undo()
        assert len(recommender.suggest(3)) == 3

    def test_a_jump_over_several_fits_leaves_no_thread(self):
        recommender, other, known = library(), library(), 0
        for last in (9, 30, 70, 142, 300):
            recommender.ingest(points(known, last))  # before the thread of the last fit has ended
            known = last
            cloudpickle.dumps(recommender)
        other.ingest(points(0, 300))
        assert recommender.suggest(4) == other.suggest(4)
        recommender.close()
        other.close()


class TestMemory:
    """700 samples in float64 and 0.5 MB: 93 readings fit."""

    SMALL = 93 * 700 * 8 / 2**30

    def test_with_more_readings_than_fit_samples_are_left_out_and_the_rest_is_exact(self):
        small, large = library(memory=self.SMALL, dtype="float64"), library()
        for recommender in (small, large):
            recommender.ingest(points(0, 150))
            recommender.suggest()
        report = small.report()
        assert report["readings_that_fit_into_memory"] == 93
        assert report["samples_left_out_for_memory"] == 350
        assert report["megabytes"] <= 93 * 700 * 8 / 1e6
        assert large.report()["samples_left_out_for_memory"] == 0
        # the best are among those kept, and what is expected of any sample is the same
        assert small.suggest(6) == large.suggest(6)
        assert np.abs(small.predict()[0] - large.predict()[0]).max() < 1e-8
        assert np.abs(small.predict()[1] - large.predict()[1]).max() < 1e-8

    def test_one_by_one_equals_all_at_once_where_samples_are_left_out(self):
        one_by_one, at_once = (library(memory=self.SMALL, dtype="float64") for _ in range(2))
        for number in range(210):
            one_by_one.ingest(points(number, number + 1))
            one_by_one.suggest()
        at_once.ingest(points(0, 210))
        assert at_once.suggest(5) == one_by_one.suggest(5)
        assert at_once.report() == one_by_one.report()
        copied = cloudpickle.loads(cloudpickle.dumps(one_by_one))
        assert copied.suggest(5) == one_by_one.suggest(5)

    def test_samples_that_were_left_out_come_when_all_others_are_used_up(self):
        recommender = library(memory=self.SMALL, dtype="float64")
        recommender.ingest(points(0, 150))
        asked = set()
        while len(more := recommender.suggest(100)):
            asked |= {point["sample"] for point in more}
            reasons, (mean, sd) = recommender.get_reasons(), recommender.predict(more)
            recommender.retire([point["sample"] for point in more])
        assert len(asked) == 550
        value = expected("det", mean[-1], sd[-1])
        assert reasons[-1] == f"no other is left; least known of those left out for memory: {value}"

    def test_a_large_library_takes_float32_by_itself(self):
        assert library().report()["readings_off_the_library"] == 0
        narrow = library(memory=0.002)
        narrow.ingest(points(0, 20))
        assert narrow.report()["dtype"] == "float32"
        narrow.close()


def test_eight_at_once_are_worth_more_than_four_independent_ones():
    """The share of variance that the former members leave to each, summed: 8 for eight that know nothing of another."""
    rng = np.random.default_rng(5)
    centres, depth, width = rng.random((30, 4)), rng.uniform(0.3, 1, 30), rng.uniform(0.1, 0.25, 30)
    rows = rng.random((1500, 4))
    values = (depth * np.exp(-0.5 * ((rows[:, None] - centres) ** 2).sum(-1) / width**2)).sum(1)
    recommender = LibraryRecommender(
        {f"x{axis}": rows[:, axis] for axis in range(4)}, features=["x0", "x1", "x2", "x3"], axes="sample", maximize="f"
    )
    recommender.ingest([{"sample": n, "f": values[n] + 0.02 * rng.normal()} for n in range(64)])
    batch = [point["sample"] for point in recommender.suggest(8)]
    kernel = recommender._models.current().posterior.hyper
    known = Whitened(recommender._samples.rows, kernel)
    known.learn(recommender._samples.rows[:64], np.zeros(64), np.arange(64))
    belief, worth = Belief(known), 0.0
    for sample in batch:
        worth += belief.left[sample]
        belief.add(sample)
    assert len(set(batch)) == 8
    assert worth > 4


class TestParts:
    def test_what_is_left_out_of_an_improvement_is_never_the_best(self):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            sd, share = np.exp(rng.uniform(-8, 0, 500)), rng.uniform(0.5, 1, 500)
            mean = sd * rng.uniform(-4, 0.1 if seed % 2 else -0.1, 500)
            mean[0] = 0.0
            free, measured = rng.random(500) < 0.7, np.array([0])
            full = np.log(sd) + log_h((mean - mean[measured].max()) / sd) + np.log(share)
            worth = improvement(mean, sd, measured, free, share)
            assert np.argmax(worth) == np.argmax(np.where(free, full, -np.inf))
            assert np.allclose(worth[np.isfinite(worth)], full[np.isfinite(worth)], rtol=0, atol=1e-12)

    def test_a_model_that_waits_for_its_turn_has_little_left_to_learn_when_it_comes(self):
        models = library()._models
        added, waiting = [], None
        for number in range(160):  # the last fit is at 140, its turn at 157
            models.add(models._library[CHOSEN[number]], int(CHOSEN[number]), float(VALUES[number]))
            models.prepare()
            before = models._model
            if models._next is not None:
                models._next._thread.join(20)
                waiting = models._next.made
            learnt = 0 if waiting is None else waiting.posterior.count
            if models.current() is not before:
                added.append(models.count - learnt)
        assert len(added) >= 7
        assert max(added) <= 2
        models.close()

    def test_equals_are_decided_by_the_order_not_by_rounding(self):
        worth = np.array([0.0, 1.0, 1.0 + 1e-12, 0.5])
        allowed = np.ones(4, bool)
        assert first_best(worth, allowed, 1e-7) == 1
        assert first_best(worth, allowed & (worth < 1.0), 1e-7) == 3
        assert first_best(worth, np.zeros(4, bool), 1e-7) is None

    def test_the_first_samples_fill_the_box_evenly(self):
        rows = np.array([spread(n, 2, 4) for n in range(64)])
        counts, _, _ = np.histogram2d(rows[:, 0], rows[:, 1], bins=4, range=[[0, 1], [0, 1]])
        assert counts.min() >= 2
        assert counts.max() <= 6

    def test_neighbours_are_the_nearest_others(self):
        rows = np.array([[x, y] for x in range(5) for y in range(5)], float)
        numbers, apart = neighbours(rows)
        assert set(numbers[12]) == {7, 11, 13, 17}
        assert np.all(apart[12] == 1.0)

    def test_a_short_way_is_nearly_the_shortest(self):
        longer = []
        for seed in range(12):
            places, start = np.random.default_rng(seed).random((6, 2)), np.zeros(2)
            way = short_way(places, start)
            assert sorted(way) == list(range(6))
            shortest = min(length(places, list(order), start) for order in permutations(range(6)))
            longer.append(length(places, way, start) / shortest)
        assert np.mean(longer) < 1.015  # to the nearest each time: 1.03

    def test_a_way_may_be_long_or_empty(self):
        rng, start = np.random.default_rng(5), np.zeros(2)
        places = rng.random((9, 2))
        assert sorted(short_way(rng.random((500, 2)))) == list(range(500))
        assert short_way(places[:1], start) == [0]
        assert short_way(places[:0], start) == []


def test_a_warning_is_logged_when_samples_are_left_out(caplog):
    recommender = library(memory=TestMemory.SMALL, dtype="float64")
    with caplog.at_level(logging.WARNING, logger=_library_models.__name__):
        recommender.ingest(points(0, 150))
        recommender.suggest()
        recommender.suggest()
    (record,) = caplog.records
    assert "350 of 700 samples are left out" in record.getMessage()
    assert "memory=" in record.getMessage()


def test_a_point_with_a_feature_missing_is_refused():
    recommender = library()
    recommender.ingest(points(0, 7))
    recommender.suggest()
    with pytest.raises(PointError, match="lacks the feature 'x2'"):
        recommender.predict([{"x0": 0.1, "x1": 0.1}])


@pytest.mark.parametrize(("scale", "variance", "dimensions"), [(20.0, 100.0, 1), (3.0, 30.0, 2), (1.0, 3.0, 4)])
@pytest.mark.parametrize("pieces", ["one by one", "in batches"])
def test_in_float32_rounding_does_not_grow_where_a_smooth_objective_has_no_noise(scale, variance, dimensions, pieces):
    rng = np.random.default_rng(0)
    rows = rng.random((300, dimensions))
    columns = np.concatenate([rng.permutation(300) for _ in range(4)])
    values = 1.4 * np.sin(3 * rows[:, 0])
    small = Whitened(rows, Hyperparameters(np.full(dimensions, scale), variance, 1e-8), np.float32)
    exact = Whitened(rows, small.hyper)  # the kernel that float32 can hold
    step = 1 if pieces == "one by one" else 50
    for start in range(0, len(columns), step):
        some = columns[start : start + step]
        small.learn(rows[some], values[some], some)
    exact.learn(rows[columns], values[columns], columns)
    np.testing.assert_allclose(small.mean, exact.mean, atol=1e-2)
    np.testing.assert_allclose(small.sd, exact.sd, atol=2e-2)
    assert np.abs(small.mean - values).max() < 0.05
