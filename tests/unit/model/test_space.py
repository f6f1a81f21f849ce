"""`Axis`, `Choice`, `Space`: what they refuse, and the unit box."""

import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space

X = Axis("x", -5, 5, units="mm")
FILTER = Choice("filter", ("Al", "Cu", "none"))
SPACE = Space(X, FILTER, Axis("y", 0.0, 10.0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Axis("x", 5, -5), "axis 'x': low must be below high, found low=5, high=-5"),
        (lambda: Axis("x", 1, 1), "low must be below high"),
        (lambda: Axis("x", math.nan, 1), "axis 'x': a limit is NaN"),
        (lambda: Axis("x", 0, math.nan), "axis 'x': a limit is NaN"),
        (lambda: Axis("x", "0", 1), "axis 'x': limits must be numbers, found low='0', high=1"),
        (lambda: Axis("x", None, 1), "axis 'x': limits must be numbers"),
        (lambda: Axis("", 0, 1), "an axis needs a name that does not start with an underscore, found ''"),
        (lambda: Axis("_id", 0, 1), "found '_id'"),
        (lambda: Axis(3, 0, 1), "found 3"),
        (lambda: Choice("_f", ("a", "b")), "found '_f'"),
        (lambda: Choice("f", ("a",)), "choice 'f': expected two or more different options"),
        (lambda: Choice("f", ("a", "a")), "two or more different options"),
        (lambda: Choice("f", "abc"), "choice 'f': expected two or more different options, found the text 'abc'"),
        (lambda: Space(), "at least one axis"),
        (lambda: Space(X, FILTER, X), "axis given twice: x"),
    ],
)
def test_what_cannot_be_is_refused_in_words(make, words):
    with pytest.raises(SpaceError) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0, None),
        (np.float32(1.5), None),
        (np.int64(2), None),
        (5, None),
        (7, "x=7 is outside [-5, 5] mm"),
        (math.nan, "x=nan is not a finite number"),
        (-math.inf, "x=-inf is not a finite number"),
        pytest.param(10**400, "x=inf is not a finite number", id="huge"),
        ("here", "x='here' is a str, expected a number mm"),
        (None, "x=None is a NoneType, expected a number mm"),
        (True, "x=True is a bool, expected a number mm"),
        (np.True_, "x=np.True_ is a bool, expected a number mm"),
        ([1.0], "x=[1.0] is a list, expected a number mm"),
        (np.array([1.0, 2.0]), "x=array([1., 2.]) is a ndarray, expected a number mm"),
    ],
)
def test_an_axis_says_what_is_wrong_with_a_position(value, problem):
    assert X.problem(value) == problem


def test_an_axis_without_limits_takes_every_finite_number():
    free = Axis("x", -math.inf, math.inf)
    assert not free.bounded
    assert free.problem(1e300) is None
    assert free.problem(math.inf) == "x=inf is not a finite number"


@pytest.mark.parametrize(("value", "cleaned"), [(5 + 1e-9, 5.0), (-5 - 1e-9, -5.0), (1, 1.0)])
def test_rounding_at_a_limit_is_taken_off_and_no_more(value, cleaned):
    assert X.problem(value) is None
    assert X.clean(value) == cleaned
    assert type(X.clean(value)) is float
    assert X.problem(5 + 1e-7) == "x=5.0000001 is outside [-5, 5] mm"


@pytest.mark.parametrize("value", ["Fe", None, 1.0, ["Al"], math.nan, np.array(["Al", "Cu"]), np.array([1.0, 2.0])])
def test_a_choice_says_what_is_none_of_its_options(value):
    assert FILTER.problem(value) == f"filter={value!r} is none of its options ['Al', 'Cu', 'none']"


def test_a_choice_gives_its_own_option_back():
    assert Choice("slot", [1, 2, 3]).clean(np.int64(2)) == 2
    assert type(Choice("slot", [1, 2, 3]).clean(np.float64(2.0))) is int
    assert FILTER.problem("Cu") is None


def test_every_problem_of_a_point_is_named():
    point = {"x": 7, "filter": "Fe", "temperatur": 1, "_id": 3}
    assert SPACE.problems(point) == [
        "x=7 is outside [-5, 5] mm",
        "filter='Fe' is none of its options ['Al', 'Cu', 'none']",
        "y is missing",
        "'temperatur' is not an axis (the axes are x, filter, y)",
    ]
    assert SPACE.problems({"x": 0, "filter": "Al", "y": 1, "_id": 3}, ignore=()) == [
        "'_id' is not an axis (the axes are x, filter, y)"
    ]


def test_a_cleaned_point_has_plain_values_in_the_order_of_the_axes():
    cleaned = SPACE.clean({"_id": 3, "y": np.float64(1), "filter": "Cu", "x": np.int32(2)})
    assert list(cleaned.items()) == [("x", 2.0), ("filter", "Cu"), ("y", 1.0)]
    assert [type(value) for value in cleaned.values()] == [float, str, float]


def test_a_space_is_a_mapping_of_its_axes():
    assert list(SPACE) == ["x", "filter", "y"]
    assert SPACE["filter"] is FILTER
    assert len(SPACE) == 3
    assert SPACE.dimensions == 5
    assert "z" not in SPACE
    with pytest.raises(KeyError, match="z"):
        SPACE["z"]


def test_spaces_are_compared_by_what_they_say():
    assert Space(X, FILTER) == Space(Axis("x", -5, 5, units="mm"), FILTER)
    assert hash(Space(X)) == hash(Space(Axis("x", -5, 5, units="mm")))
    assert Space(X) != Space(Axis("x", -5, 5, units="um"))
    assert Space(X, FILTER) != Space(FILTER, X)


@pytest.mark.parametrize("value", [X, FILTER, SPACE], ids=lambda value: type(value).__name__)
def test_values_of_a_space_are_frozen_and_survive_a_journey(value):
    name = "axes" if value is SPACE else "name"
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")
    assert pickle.loads(pickle.dumps(value)) == value


finite_axes = st.builds(lambda low, width: Axis("x", low, low + width), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
choices = st.lists(st.text(max_size=3) | st.integers(), min_size=2, max_size=5, unique=True).map(
    lambda options: Choice("choice", options)
)


@given(finite_axes, choices, st.data())
def test_a_point_comes_back_from_the_unit_box(axis, choice, data):
    space = Space(axis, choice)
    points = data.draw(
        st.lists(
            st.fixed_dictionaries({"x": st.floats(axis.low, axis.high), "choice": st.sampled_from(choice.options)}),
            min_size=1,
            max_size=4,
        )
    )
    rows = space.to_unit(points)
    assert rows.shape == (len(points), space.dimensions)
    assert ((rows >= 0) & (rows <= 1)).all()
    for point, again in zip(points, space.from_unit(rows), strict=True):
        assert again["choice"] == point["choice"]
        assert again["x"] == pytest.approx(point["x"], abs=1e-12 * (abs(axis.low) + axis.high - axis.low))
        assert space.problems(again) == []


@given(finite_axes, st.floats(-10, 10))
def test_whatever_comes_from_the_unit_box_can_be_measured(axis, number):
    space = Space(axis)
    assert space.problems(space.from_unit(np.array([[number]]))[0]) == []


def test_the_columns_of_the_unit_box_are_as_stated():
    rows = SPACE.to_unit([{"x": 0, "filter": "Cu", "y": 10}, {"x": 7.5, "filter": "none", "y": 0}])
    assert rows.tolist() == [[0.5, 0, 1, 0, 1.0], [1.25, 0, 0, 1, 0.0]]


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"x": 0, "filter": "Al"}, "y is missing from the point"),
        ({"x": math.nan, "filter": "Al", "y": 0}, "x=nan is not a finite number"),
        ({"x": "a", "filter": "Al", "y": 0}, "x='a' is not a finite number"),
        ({"x": True, "filter": "Al", "y": 0}, "x=True is not a finite number"),
        ({"x": 0, "filter": "Fe", "y": 0}, "filter='Fe' is none of its options"),
    ],
)
def test_a_point_that_is_none_has_no_row_in_the_unit_box(point, words):
    with pytest.raises(PointError) as caught:
        SPACE.to_unit([point])
    assert words in str(caught.value)
