"""A 0.x recommender is told rows and asked by name."""

from __future__ import annotations

from queue import Queue

import numpy as np
import pytest

from skysteer.compat._adapted import Adapted, adapted, chosen, rows
from skysteer.compat.recommendations import NoRecommendation, SequenceRecommender, StepRecommender
from skysteer.errors import PointError, SuggestionError
from skysteer.protocols import Recommender


class Answers:
    def __init__(self, answer):
        self.answer = answer
        self.told = []

    def tell_many(self, xs, ys):
        self.told.append((xs, ys))

    def ask(self, n):
        return self.answer


class Both(Answers):
    """Has the names of 0.3 beside older ones."""

    def ingest_many(self, xs, ys):
        self.told.append("ingest_many")

    def suggest(self, n):
        return [n]

    def ask(self, n):
        raise AssertionError("the newer name is there")


def wrap(recommender, keys=("x",)):
    return Adapted(recommender, keys, keys, Queue())


@pytest.mark.parametrize(
    "answer",
    [[1.5], (1.5,), np.asarray([1.5]), np.asarray([[1.5]]), 1.5, np.float64(1.5), [np.asarray([1.5])], {"x": 1.5}],
    ids=repr,
)
def test_one_number_is_understood_however_it_is_wrapped(answer):
    assert wrap(Answers(answer)).suggest() == [{"x": 1.5}]


def test_numbers_come_out_plain():
    (point,) = wrap(Answers(np.asarray([1, 2], dtype=np.int32)), ("x", "y")).suggest()
    assert point == {"x": 1, "y": 2}
    assert {type(value) for value in point.values()} == {int}


@pytest.mark.parametrize("answer", [[], [1.0], [1.0, 2.0, 3.0], np.ones((2, 1, 3)).reshape(6)])
def test_another_count_of_numbers_is_refused_with_the_names(answer):
    with pytest.raises(SuggestionError, match=f"{len(answer)} values for the 2 independent keys x, y"):
        wrap(Answers(answer), ("x", "y")).suggest()


def test_what_is_measured_but_not_moved_is_left_out():
    inner = Adapted(Answers([1.0, 2.0]), ["x", "T"], ["x"], Queue())
    assert inner.suggest() == [{"x": 1.0}]


def test_several_points_are_told_in_one_call():
    recommender = Answers([0.0])
    told = [{"x": n, "_rows": rows({"x": [n], "det": [10 * n]}, ["x"], ["det"])} for n in (1.0, 2.0)]
    wrap(recommender).ingest(told)
    ((xs, ys),) = recommender.told
    assert xs.tolist() == [[1.0], [2.0]]
    assert ys.tolist() == [[10.0], [20.0]]


def test_the_names_of_0_3_come_first():
    recommender = Both(None)
    inner = wrap(recommender)
    inner.tell(np.zeros((1, 1)), np.zeros((1, 1)))
    assert recommender.told == ["ingest_many"]
    assert inner.suggest() == [{"x": 1}]


def test_it_is_a_recommender_that_goes_by_its_own_name():
    made = adapted(Answers([1.0]), ["x"], ["x"], Queue())
    assert isinstance(made, Recommender)
    assert type(made).__name__ == "Answers"


def test_rows_are_events_and_columns_are_keys():
    xs, ys = rows({"x": [1, 2, 3], "y": [4, 5, 6], "det": [7, 8, 9]}, ["y", "x"], ["det"])
    assert xs.tolist() == [[4, 1], [5, 2], [6, 3]]
    assert ys.tolist() == [[7], [8], [9]]


def test_a_spectrum_is_told_whole():
    _, ys = rows({"x": [1.0], "spectrum": np.ones((1, 5))}, ["x"], ["spectrum"])
    assert ys.shape == (1, 1, 5)


def test_a_key_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(PointError, match="'dat' not measured; there is det, x"):
        rows({"x": [1.0], "det": [1.0]}, ["x"], ["dat"])


def test_none_in_a_queue_is_the_end_and_an_exception_is_raised():
    with pytest.raises(NoRecommendation, match="nothing more to ask"):
        chosen(None, ["x"])
    with pytest.raises(KeyError, match="no"):
        chosen(KeyError("no"), ["x"])


@pytest.mark.parametrize("spelling", ["tell", "ingest"])
def test_a_toy_may_be_changed_under_either_name(spelling):
    heard = []
    toy = type("Mine", (StepRecommender,), {spelling: lambda self, x, y: heard.append(spelling)})(1.0)
    wrap(toy).tell(np.asarray([[0.0]]), np.asarray([[0.0]]))
    assert heard == [spelling]


@pytest.mark.parametrize("spelling", ["ask", "suggest"])
def test_a_toy_may_answer_otherwise_under_either_name(spelling):
    changed = {spelling: lambda self, n: [7.0]}
    assert wrap(type("Mine", (SequenceRecommender,), changed)([[1.0]])).suggest() == [{"x": 7.0}]


def test_a_step_needs_a_point_and_a_toy_answers_one_at_a_time():
    with pytest.raises(NoRecommendation):
        StepRecommender(1.0).ask(1)
    with pytest.raises(NotImplementedError, match="n=2"):
        SequenceRecommender([[1.0]]).suggest(2)
