"""The laws of recommenders, kept by `GaussianProcess` whatever it looks for."""

import itertools
import json
import math
from functools import cache

import cloudpickle
import numpy as np
import pytest

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders.gaussian import GaussianProcess, Travel

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 1))
STEPPED = Space(Axis("n", 1, 12, step=1), Axis("y", 0, 1), Choice("filter", ("Al", "Cu")))
START = [{"x": 0.0, "y": 0.5}, {"x": 1.0, "y": 0.5}, {"x": 0.5, "y": 0.2}, {"x": 0.0, "y": 0.2}, {"x": 1.0, "y": 0.2}]
MADE = {
    "ucb": (SPACE, {"maximize": "a", "acquisition": "ucb"}),
    "variance": (SPACE, {"minimize": "a", "acquisition": "max_variance"}),
    "map": (SPACE, {"map": "a"}),
    "weighted": (SPACE, {"weights": {"a": 1.0, "b": -0.5}}),
    "pareto": (SPACE, {"objectives": {"a": "maximize", "b": "minimize"}}),
    "chebyshev": (SPACE, {"objectives": {"a": "maximize", "b": "minimize"}, "acquisition": "chebyshev"}),
    "constrained": (SPACE, {"maximize": "a", "constraints": {"b": ("<=", 4.0)}}),
    "safe": (SPACE, {"maximize": "a", "safe": {"b": ("<=", 9.0)}, "initial": START}),
    "steps": (STEPPED, {"maximize": "a"}),
    "stepped map": (STEPPED, {"map": "a"}),
    "travel": (SPACE, {"maximize": "a", "travel": Travel({"x": 1.0}, exposure=0.5)}),
    "given": (SPACE, {"maximize": "a", "length_scale": {"x": 2.0}, "noise": 0.1, "initial": START}),
}
COUNT = 9  # past the start, the model leads


def truth(point):
    x = point.get("x", point.get("n", 0) - 6)
    y = point["y"] + 0.2 * (point.get("filter") == "Cu")
    return {"a": 2 - 0.1 * (x - 1) ** 2 - (y - 0.3) ** 2, "b": 3 + 0.2 * x + y + 0.05 * x * x}


def bumpy(point):
    """Not known after a few points."""
    found, x = truth(point), point.get("x", point.get("n", 0) - 6)
    return {"a": found["a"] + math.sin(2 * x), "b": found["b"] + math.sin(2 * x + 1) * math.sin(5 * point["y"])}


def made(name):
    space, options = MADE[name]
    return GaussianProcess(space, **options, gate=None)


@cache
def course(name, truth=truth):
    """What it measures from the start, when it is told point by point."""
    recommender, points = made(name), []
    while len(points) < COUNT:
        points += [{**point, **truth(point)} for point in recommender.suggest()]
        recommender.ingest(points[-1:])
    return recommender, points


def taught(name, truth=truth):
    recommender = made(name)
    recommender.ingest(course(name, truth)[1])
    return recommender


every = pytest.mark.parametrize("name", MADE)


@every
def test_suggest_is_a_question_whose_answers_can_be_measured_and_written_down(name):
    recommender = taught(name)
    points = recommender.suggest(3)
    assert recommender.suggest() == points[:1]
    assert recommender.suggest(3) == points
    assert [recommender.space.problems(point) for point in points] == [[], [], []]
    assert json.loads(json.dumps(points)) == points
    json.dumps(recommender.report(), allow_nan=False)


@every
def test_one_by_one_equals_all_at_once_and_survives_a_journey(name):
    one_by_one, points = course(name)
    recommender = cloudpickle.loads(cloudpickle.dumps(one_by_one))
    at_once = taught(name)
    assert recommender.suggest(2) == one_by_one.suggest(2)
    assert at_once.suggest(2) == recommender.suggest(2)
    recommender.ingest([{**points[0], "a": 1e6, "b": 1e6}])  # its _id is known
    assert at_once.suggest(2) == recommender.suggest(2)


@every
def test_the_members_of_a_batch_and_what_is_pending_differ(name):
    recommender = taught(name, bumpy)
    batch = recommender.suggest(2)
    recommender.set_pending(batch)
    batch = batch + recommender.suggest(4)
    rows = recommender.space.to_unit(batch)
    assert len({point["_id"] for point in batch}) == 6
    closest = min(np.abs(one - two).max() for one, two in itertools.combinations(rows, 2))
    assert closest > 0.004
    # As many as independent points of a kernel of a fifth of the range (n_eff).
    square = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    shares = np.linalg.eigvalsh(np.exp(-0.5 * square / 0.2**2)) / len(rows)
    assert np.exp(-np.sum(shares * np.log(np.maximum(shares, 1e-12)))) > (1.3 if name == "safe" else 1.5)
    recommender.set_pending([])
    assert recommender.suggest(2) == batch[:2]


@every
@pytest.mark.parametrize("reading", [math.nan, math.inf])
def test_a_place_that_failed_or_has_no_finite_reading_is_not_asked_for_again(name, reading):
    recommender = taught(name)
    (bad,) = recommender.suggest()
    recommender.ingest([{**bad, **truth(bad), "a": reading}])
    (failed,) = recommender.suggest()
    recommender.register_failures([failed])
    bad, failed, following = recommender.space.to_unit([bad, failed, recommender.suggest()[0]])
    for one, two in itertools.combinations((bad, failed, following), 2):
        assert np.abs(one - two).max() > 0.004


@every
def test_constant_readings_and_one_place_many_times_are_survived(name):
    recommender = made(name)
    place = {"x": 0.0, "y": 0.5, "n": 3, "filter": "Al", "a": 1.0, "b": 2.0}
    recommender.ingest([{key: place[key] for key in (*recommender.space, "a", "b")}] * 7)
    recommender.ingest([{**point, "a": 1.0, "b": 2.0} for point in recommender.suggest(2)])
    for point in recommender.suggest(2):
        assert recommender.space.problems(point) == []
    assert recommender.report()["outcomes"]["a"]["constant"]
