"""`Estimator`, `Decomposition`, `Cluster`: what no device can have measured, more clusters than there are."""

import json
import logging
import math

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge

from skysteer.model import Axis, Space
from skysteer.recommenders.estimator import Estimator
from skysteer.recommenders.spectra import Cluster, Decomposition

LINE = Space(Axis("x", -5, 5, units="mm"))
CHANNELS = np.arange(30)
MAPS = {
    "pca": lambda **options: Decomposition(LINE, map="seen", **options),
    "nmf": lambda **options: Decomposition(LINE, map="seen", method="nmf", **options),
    "clusters": lambda **options: Cluster(LINE, map="seen", **options),
}


def spectrum(point):
    share = 1 / (1 + math.exp(-8 * (point["x"] - 1)))
    return (1 - share) * np.exp(-((CHANNELS - 8) ** 2) / 8) + share * np.exp(-((CHANNELS - 20) ** 2) / 8)


def course(recommender, truth, count=12):
    points = []
    while len(points) < count:
        points += recommender.suggest()
        recommender.ingest([{**points[-1], "seen": truth(len(points), points[-1])}])
    json.dumps(recommender.report(), allow_nan=False)
    return points


@pytest.mark.parametrize("name", MAPS)
def test_a_spectrum_of_no_size_that_can_be_is_no_spectrum(name):
    recommender = MAPS[name](normalize=False)
    points = course(recommender, lambda number, point: (1e300 if number == 4 else 1.0) * spectrum(point))
    assert (recommender.report()["readings"], recommender.report()["left_out"]) == (11, 1)
    assert sum(abs(point["x"] - 1) < 1 for point in points) >= 4


@pytest.mark.parametrize("name", MAPS)
def test_spectra_too_small_for_their_squares_are_the_same_everywhere(name):
    recommender = MAPS[name](normalize=False)
    points = course(recommender, lambda _, point: 1e-310 * spectrum(point))
    assert len({point["x"] for point in points}) == 12
    assert recommender.report()["last_fallback"] == "the spectra are the same everywhere"


def test_of_more_clusters_than_there_are_as_many_are_found_as_can_be():
    recommender = Cluster(LINE, map="seen", clusters=50)
    course(recommender, lambda _, point: spectrum(point), 20)
    report = recommender.report()
    assert report["fallbacks"] == 0
    assert 2 <= report["clusters"] <= 20


@pytest.mark.parametrize(
    "recommender", [Estimator(LINE, BayesianRidge(), maximize="seen"), Decomposition(LINE, map="seen")], ids=repr
)
def test_that_nothing_was_learnt_is_said(recommender, caplog):
    nothing = math.nan if isinstance(recommender, Estimator) else [math.nan] * 30
    with caplog.at_level(logging.WARNING):
        course(recommender, lambda *_: nothing, 8)
    assert "fills the space for now: 0 of 5 points gave something to learn from" in caplog.text
    assert recommender.report()["last_fallback"].startswith("0 of 7 points gave something to learn from")


def test_small_differences_on_a_large_offset_are_learnt():
    (plain, raised) = (Estimator(LINE, BayesianRidge(), maximize="seen") for _ in range(2))
    points = course(plain, lambda _, point: point["x"])
    others = course(raised, lambda _, point: 1e9 + 1e-4 * point["x"])
    assert [point["x"] for point in others] == pytest.approx([point["x"] for point in points], abs=0.1)
