"""`Sequence`, and with it the bookkeeping that `Sequence`, `Grid` and `Sobol` share."""

import pickle

import pytest

from skysteer.errors import PointError
from skysteer.model import Axis, Space
from skysteer.protocols import HasReasons, HasSpace, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders import Sequence

POINTS = [{"x": 0.0}, {"x": 1.0}, {"x": 2.0}, {"x": 3.0}]


def xs(points):
    return [point["x"] for point in points]


def test_the_points_come_in_the_given_order_and_then_nothing():
    sequence = Sequence(POINTS)
    assert xs(sequence.suggest(3)) == [0.0, 1.0, 2.0]
    assert xs(sequence.suggest(9)) == [0.0, 1.0, 2.0, 3.0]
    sequence.ingest(sequence.suggest(9))
    assert sequence.suggest(2) == []


def test_none_is_one_point_and_zero_is_none():
    assert xs(Sequence(POINTS).suggest()) == [0.0]
    assert Sequence(POINTS).suggest(0) == []


def test_asking_changes_nothing():
    sequence = Sequence(POINTS)
    assert sequence.suggest(2) == sequence.suggest(2)


def test_one_by_one_equals_all_at_once_in_any_order():
    one_by_one, at_once = Sequence(POINTS), Sequence(POINTS)
    first, second, _, fourth = at_once.suggest(4)
    for point in (fourth, first, second, first):
        one_by_one.ingest([point])
    at_once.ingest([first, second, fourth])
    assert one_by_one.suggest(4) == at_once.suggest(4)
    assert xs(at_once.suggest(4)) == [2.0]


def test_pending_points_are_not_asked_for_again_until_they_are_no_longer_pending():
    sequence = Sequence(POINTS)
    sequence.set_pending(sequence.suggest(2))
    assert xs(sequence.suggest()) == [2.0]
    sequence.set_pending([])
    assert xs(sequence.suggest()) == [0.0]


def test_failed_points_are_not_asked_for_again():
    sequence = Sequence(POINTS)
    sequence.register_failures(sequence.suggest(1))
    assert xs(sequence.suggest(9)) == [1.0, 2.0, 3.0]


def test_points_of_others_do_not_advance_it():
    sequence = Sequence(POINTS)
    sequence.ingest([{"x": 0.0}, {"x": 1.0, "_id": 1}, {"x": 1.0, "_id": "sequence-1"}])
    sequence.ingest(Sequence(POINTS[:2]).suggest(2))
    assert xs(sequence.suggest()) == [0.0]


def test_it_says_which_of_the_given_points_each_is():
    sequence = Sequence(POINTS)
    assert sequence.get_reasons() == []
    sequence.ingest(sequence.suggest(2))
    assert sequence.get_reasons() == ["point 1 of the 4 given", "point 2 of the 4 given"]
    sequence.suggest(9)
    assert sequence.get_reasons() == ["point 3 of the 4 given", "point 4 of the 4 given"]


def test_one_made_again_knows_its_own_points():
    sequence = Sequence(POINTS)
    sequence.ingest(Sequence(POINTS).suggest(3))
    assert xs(sequence.suggest(9)) == [3.0]


def test_what_the_caller_does_to_the_points_later_does_not_matter():
    points = [{"x": 0.0}]
    sequence = Sequence(points)
    points[0]["x"] = 7.0
    sequence.suggest()[0]["x"] = 8.0
    assert xs(sequence.suggest()) == [0.0]


def test_there_is_a_space_only_where_one_was_given():
    space = Space(Axis("x", 0, 5))
    assert Sequence(POINTS, space=space).space == space
    assert isinstance(Sequence(POINTS, space=space), HasSpace)
    assert not isinstance(Sequence(POINTS), HasSpace)


def test_a_point_outside_the_space_is_refused_by_its_number():
    with pytest.raises(PointError, match=r"point 3 of the sequence: x=3 is outside \[0, 2\]"):
        Sequence(POINTS, space=Space(Axis("x", 0, 2)))


def test_it_has_the_abilities_it_should():
    sequence = Sequence(POINTS)
    assert isinstance(sequence, Recommender)
    assert isinstance(sequence, KnowsPending)
    assert isinstance(sequence, HasReasons)
    assert isinstance(sequence, TrialFaultAware)


def test_it_pickles_with_what_it_knows():
    sequence = Sequence(POINTS)
    sequence.ingest(sequence.suggest(1))
    assert pickle.loads(pickle.dumps(sequence)).suggest(9) == sequence.suggest(9)
