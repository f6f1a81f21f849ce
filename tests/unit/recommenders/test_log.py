"""`ObservationLog`: every point once, in order, as it was told."""

import math
from array import array

import numpy as np

from skysteer.model import Observation
from skysteer.recommenders._log import ObservationLog


def observation(number, run="run", stream="primary"):
    return Observation(run, stream, number, 0.0, {"x": 1.0})


def filled(*points):
    log = ObservationLog()
    for point in points:
        log.append(point)
    return log


def test_points_come_back_in_order_and_from_any_one_on():
    points = [{"x": float(number), "det": number / 2, "_id": f"p{number}"} for number in range(5)]
    log = filled(*points)
    assert len(log) == 5
    assert log.points() == points
    assert log.points(3) == points[3:]
    assert log.points(5) == []


def test_a_point_has_just_the_names_with_which_it_was_told():
    points = [{"x": 1.0}, {"x": 2.0, "_id": 7}, {"x": 3.0, "late": 1.0}, {"late": 2.0}, {"x": math.inf, "_id": None}]
    assert filled(*points).points() == points


def test_a_measured_nan_is_told():
    assert math.isnan(filled({"x": 1.0, "det": math.nan}).points()[0]["det"])


def test_values_other_than_floats_keep_their_type():
    points = [
        {"x": 1.0, "filter": "Al", "n": 1},
        {"x": 2, "filter": "Cu", "n": 2.5},
        {"x": np.float32(3), "filter": "Cu", "n": True},
    ]
    found = filled(*points).points()
    assert found == points
    assert [type(point["x"]) for point in found] == [float, int, np.float32]
    assert [type(point["n"]) for point in found] == [int, float, bool]


def test_a_column_of_floats_takes_eight_bytes_a_point():
    log = filled(*({"x": float(number), "det": np.float64(number)} for number in range(10_000)))
    assert all(isinstance(column, array) and column.itemsize == 8 for column in log._columns.values())


def test_ids_can_be_forgotten_and_begun_anew():
    log = filled({"x": 1.0, "_id": 0}, {"x": 2.0})
    log.forget_ids()
    log.append({"x": 3.0, "_id": 0})
    assert log.points() == [{"x": 1.0}, {"x": 2.0}, {"x": 3.0, "_id": 0}]
    log.forget_ids()
    log.forget_ids()
    assert log.points(2) == [{"x": 3.0}]


def test_an_event_that_was_there_before_is_a_replay():
    log = ObservationLog()
    for number in (1, 2, 3):
        assert not log.is_replay(observation(number))
        log.mark(observation(number))
    assert log.is_replay(observation(3))
    assert log.is_replay(observation(1))
    assert not log.is_replay(observation(4))
    assert not log.is_replay(observation(1, run="another"))
    assert not log.is_replay(observation(1, stream="another"))
    assert len(log) == 0
