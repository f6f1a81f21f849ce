"""`GaussianProcess` with readings of every size, what no device can have measured, and questions that cannot be."""

import json
import math
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from skysteer.model import Axis, Space
from skysteer.recommenders import Grid, Sobol
from skysteer.recommenders.gaussian import GaussianProcess

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 100))


def hill(point):
    return math.exp(-((point["x"] - 1) ** 2) / 4 - ((point["y"] - 30) / 40) ** 2) + 0.05 * math.sin(3 * point["x"])


def course(count=14, factor=1.0, offset=0.0, **goal):
    recommender, points = GaussianProcess(SPACE, **goal), []
    while len(points) < count:
        points += recommender.suggest()
        recommender.ingest([{**points[-1], "a": factor * hill(points[-1]) + offset}])
    return recommender, points


@pytest.mark.parametrize("goal", [{"maximize": "a"}, {"minimize": "a"}, {"map": "a"}], ids=str)
@pytest.mark.parametrize(
    ("factor", "offset", "near"), [(1000.0, 7.0, 1e-5), (1e12, 0.0, 1e-5), (1e-12, 0.0, 1e-5), (1e-3, 1e9, 1e-2)]
)
def test_the_units_of_the_readings_do_not_matter(goal, factor, offset, near):
    _, points = course(**goal)
    other, others = course(factor=factor, offset=offset, **goal)
    assert SPACE.to_unit(others) == pytest.approx(SPACE.to_unit(points), abs=near)
    json.dumps(other.report(), allow_nan=False)


@pytest.mark.parametrize("reading", [1e300, -sys.float_info.max])
def test_a_reading_of_no_size_that_can_be_is_no_reading(reading):
    recommender, _ = course(6, maximize="a")
    (point,) = recommender.suggest()
    recommender.ingest([{**point, "a": reading}])
    report = recommender.report()
    assert (report["readings"], report["not_finite"]) == (6, 1)
    assert np.abs(np.diff(SPACE.to_unit([point, *recommender.suggest()]), axis=0)).max() > 0.004


@pytest.mark.parametrize("goal", [{"maximize": "a"}, {"minimize": "a"}, {"map": "a"}], ids=str)
def test_readings_too_small_for_their_squares_are_survived(goal):
    recommender, points = course(8, factor=1e-310, **goal)
    assert len({(point["x"], point["y"]) for point in points}) == 8
    json.dumps(recommender.report(), allow_nan=False)


def test_a_place_too_far_away_for_its_square_is_survived_and_counted(caplog):
    recommender, _ = course(6, maximize="a")
    recommender.ingest([{"x": 1e200, "y": 3.0, "a": 0.0}])
    recommender.register_failures([{"x": -1e200, "y": 3.0}])
    assert SPACE.problems(recommender.suggest()[0]) == []
    assert recommender.report()["outside"] == 1
    assert "are the units right?" in caplog.text


@pytest.mark.parametrize("number", [-1, 1.5, "2"])
@pytest.mark.parametrize("make", [partial(GaussianProcess, map="a"), Sobol, partial(Grid, num_points_per_axis=4)])
def test_no_number_of_points_is_refused_in_words(make, number):
    with pytest.raises(ValueError, match=r"num_points must be a whole number, 0 or more, or None, found "):
        make(SPACE).suggest(number)


def test_readings_beyond_a_limit_that_is_never_to_be_exceeded_are_counted():
    recommender = GaussianProcess(SPACE, maximize="a", safe={"dose": ("<=", 5.0), "a": (">=", 0.0)})
    assert recommender.report()["exceeded"] == 0
    seen = [(1.0, 4.0), (1.0, 6.0), (-1.0, 6.0), (-1.0, 4.0), (0.0, 5.0)]
    recommender.ingest([{"x": n, "y": 10.0 * n, "a": a, "dose": dose} for n, (a, dose) in enumerate(seen)])
    assert recommender.report()["exceeded"] == 3


@pytest.mark.parametrize("seed", range(3))
def test_with_its_length_known_a_steep_limit_is_not_exceeded(seed):
    safe = [{"x": -3.0, "y": 20.0}, {"x": -2.0, "y": 10.0}, {"x": -2.5, "y": 30.0}]
    recommender = GaussianProcess(
        SPACE, maximize="a", safe={"dose": ("<=", 3.0)}, initial=safe, length_scale={"x": 0.35, "y": 50.0}, seed=seed
    )
    for _ in range(5):
        for point in recommender.suggest(4):
            dose = 10 / (1 + math.exp(-4 * (point["x"] - 2)))
            recommender.ingest([{**point, "a": point["x"], "dose": dose}])
    assert recommender.report()["exceeded"] == 0
    assert len({point["x"] for point in recommender.suggest(3)}) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": -1}, "seed must be a whole number, 0 or more, found -1"),
        ({"seed": "a"}, "seed must be a whole number, 0 or more, found 'a'"),
        ({"gate": "x"}, "gate must be a number of standard deviations or None, found 'x'"),
        ({"gate": math.nan}, "gate must be a number of standard deviations or None, found nan"),
        ({"initial": 2.5}, "initial must be at least 1 reading, or points to measure first, found 2.5"),
        ({"counts": "dot"}, r"counts names \['dot'\]; the outcomes are \['a'\]"),
    ],
)
def test_what_would_fail_in_the_middle_of_a_scan_is_refused_before(options, words):
    with pytest.raises(ValueError, match=words):
        GaussianProcess(SPACE, maximize="a", **options)


def test_ids_are_the_same_in_every_python_process():
    code = (
        "from skysteer.model import Axis, Space; from skysteer.recommenders.gaussian import GaussianProcess\n"
        "goal = {name: 'maximize' for name in 'abcd'}\n"
        "print(GaussianProcess(Space(Axis('x', 0, 1)), objectives=goal, counts=set('abcd')).suggest()[0]['_id'])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(found) == 1
