"""Bad suggestions are refused by an error that names what is wrong."""

import math

import numpy as np
import pytest

from skysteer.errors import SuggestionError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._validate import check_answer
from skysteer.testing import MAD_ANSWERS, Fixed, Mad

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5))
GOOD = {"x": 1.0, "y": 2.0}


def check(answer, *, count=1, known=(), space=SPACE):
    return check_answer(answer, count=count, space=space, known=set(known).__contains__, recommender="Grid")


def refusal(answer, **options):
    with pytest.raises(SuggestionError) as caught:
        check(answer, **options)
    assert caught.value.answer is answer
    assert caught.value.recommender == "Grid"
    assert str(caught.value).startswith("bad suggestion from Grid: ")
    return caught.value


WORDS = {
    "nan": ["x=nan is not a finite number"],
    "infinite": ["x=inf is not a finite number"],
    "outside": ["x=1000000000 is outside [-5, 5] mm"],
    "text": ["x='here' is a str, expected a number mm"],
    "none": ["x=None is a NoneType, expected a number mm"],
    "array": ["x=[0.0, 1.0] is a list, expected a number mm"],
    "boolean": ["x=True is a bool, expected a number mm"],
    "missing axis": ["x is missing"],
    "unknown axis": ["'temperatur' is not an axis (the axes are x, y)"],
    "too many": ["2 suggestions for a question for 1", "suggestion 1: _id='fixed-0' was used before"],
    "duplicate id": ["2 suggestions for a question for 1", "suggestion 1: _id='twice' was used before"],
    "unhashable id": ["_id=['a', 'list'] is not hashable"],
    "not a mapping": ["suggestion 0 is a tuple, expected a mapping of axis to position"],
    "not a sequence": ["42 is a int, expected a sequence of mappings"],
    "one mapping": ["a single mapping, expected a sequence of mappings (put it into a list)"],
    "nothing at all": ["None is a NoneType, expected a sequence of mappings"],
}


def test_every_kind_of_nonsense_has_its_words():
    assert set(WORDS) == set(MAD_ANSWERS)


@pytest.mark.parametrize("kind", MAD_ANSWERS)
def test_every_kind_of_nonsense_is_named(kind):
    answer = Mad(Fixed([GOOD]), answer=kind).suggest()
    assert list(refusal(answer).problems) == WORDS[kind]


def test_every_problem_of_every_suggestion_is_named():
    error = refusal([{"x": 9, "y": 0}, GOOD, {"x": "a"}, 3], count=3)
    assert list(error.problems) == [
        "suggestion 3 is a int, expected a mapping of axis to position",
        "suggestion 0: x=9 is outside [-5, 5] mm",
        "suggestion 2: x='a' is a str, expected a number mm",
        "suggestion 2: y is missing",
    ]


def test_an_id_of_an_earlier_answer_is_refused():
    assert refusal([{**GOOD, "_id": 4}], known=[4]).problems == ("_id=4 was used before",)


def test_an_id_may_be_anything_that_can_be_hashed():
    for identity in (0, "a", ("a", 1), frozenset({1})):
        assert check([{**GOOD, "_id": identity}])[0][1] == identity
    assert refusal([{**GOOD, "_id": ("a", ["b"])}]).problems == ("_id=('a', ['b']) is not hashable",)
    assert refusal([{**GOOD, "_id": np.zeros(2)}]).problems == ("_id=array([0., 0.]) is not hashable",)


def test_a_suggestion_without_an_id_is_fine_and_so_is_one_with_none():
    assert check([GOOD, {**GOOD, "_id": None}], count=2) == [(GOOD, None), (GOOD, None)]


def test_fewer_than_asked_for_are_fine():
    assert len(check([GOOD, GOOD], count=5)) == 2


def test_points_are_given_back_as_plain_values_with_the_rounding_taken_off():
    ((point, identity),) = check(({"y": np.float32(2), "x": 5 + 1e-9, "_id": "a"},))
    assert list(point.items()) == [("x", 5.0), ("y", 2.0)]
    assert {type(value) for value in point.values()} == {float}
    assert identity == "a"


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), [1.0], math.nan, "Fe", None])
def test_nonsense_for_a_choice_is_named_too(value):
    space = Space(Choice("filter", ("Al", "Cu")))
    assert "is none of its options ['Al', 'Cu']" in str(refusal([{"filter": value}], space=space))
