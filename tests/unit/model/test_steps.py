"""Axes with steps, and choices of numbers: what may be set, and what a readback beside it means."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Grid

SHOTS = Axis("shots", 1, 10, step=1)
TENTHS = Axis("gap", 0.0, 1.05, units="mm", step=0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Axis("x", 0, 1, step=0), "axis 'x': step must be a number above 0 and at most high - low = 1, found"),
        (lambda: Axis("x", 0, 1, step=-1), "found step=-1"),
        (lambda: Axis("x", 0, 1, step=2), "found step=2"),
        (lambda: Axis("x", 0, 1, step=math.nan), "found step=nan"),
        (lambda: Axis("x", 0, 1, step="1"), "found step='1'"),
        (lambda: Axis("x", 0, 1, step=True), "found step=True"),
        (lambda: Axis("x", -math.inf, 1, step=1), "axis 'x': steps are counted from a finite low, found low=-inf"),
    ],
)
def test_steps_that_cannot_be_are_refused_in_words(make, words):
    with pytest.raises(SpaceError) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("axis", "value", "problem"),
    [
        (SHOTS, 3, None),
        (SHOTS, np.float64(3.0), None),
        (SHOTS, 10, None),
        (SHOTS, 3.6, "shots=3.6 is between the steps of 1 from 1, the nearest is 4"),
        (SHOTS, 11, "shots=11 is outside [1, 10]"),
        (TENTHS, 0.1 + 0.2, None),
        (TENTHS, 0.37, "gap=0.37 is between the steps of 0.1 from 0 mm, the nearest is 0.4"),
        (TENTHS, 1.05, "gap=1.05 is between the steps of 0.1 from 0 mm, the nearest is 1"),
        (Axis("n", 0, math.inf, step=2), 1e6, None),
        (Axis("n", 0, math.inf, step=2), 7, "n=7 is between the steps of 2 from 0, the nearest is 8"),
    ],
)
def test_a_position_between_two_steps_is_a_problem(axis, value, problem):
    assert axis.problem(value) == problem


@pytest.mark.parametrize(("value", "cleaned"), [(0.1 + 0.2, 0.3), (0.37, 0.4), (1.05, 1.0), (-3, 0.0), (9, 1.0)])
def test_a_cleaned_position_is_the_nearest_step(value, cleaned):
    assert TENTHS.clean(value) == cleaned
    assert type(TENTHS.clean(value)) is float


@given(st.floats(-1, 2), st.floats(-1e3, 1e3), st.integers(1, 50), st.floats(1e-3, 1e3))
def test_whatever_comes_from_the_unit_box_is_on_a_step(number, low, steps, step):
    space = Space(Axis("n", low, low + steps * step * 1.01, step=step))
    (point,) = space.from_unit(np.array([[number]]))
    assert space.problems(point) == []
    assert space.clean(point) == point


def test_a_readback_beside_a_step_keeps_its_place_in_the_unit_box():
    assert Space(SHOTS).to_unit([{"shots": 3.25}])[0, 0] == 0.25


def test_an_axis_with_a_step_survives_a_journey_and_is_another_axis():
    assert pickle.loads(pickle.dumps(SHOTS)) == SHOTS
    assert Axis("shots", 1, 10) != SHOTS


STAGE = Space(Choice("stage", (0, 10.0, 40)))


@pytest.mark.parametrize(("readback", "option"), [(10.003, 1), (np.float32(9.9), 1), (-2, 0), (27, 2), (10, 1)])
def test_a_readback_of_a_choice_of_numbers_means_the_nearest(readback, option):
    assert STAGE.to_unit([{"stage": readback}])[0].tolist() == np.eye(3)[option].tolist()


@pytest.mark.parametrize("readback", [5.0, 15.1, -5.1, 56.0, math.nan, math.inf, True, "10", None])
def test_a_readback_far_from_every_option_is_refused(readback):
    with pytest.raises(PointError, match="is none of its options"):
        STAGE.to_unit([{"stage": readback}])


def test_a_number_is_not_near_to_a_word():
    with pytest.raises(PointError, match="is none of its options"):
        Space(Choice("mixed", ("out", 1.0, 2.0))).to_unit([{"mixed": 1.01}])


def test_what_is_asked_for_must_be_an_option_itself():
    assert STAGE.problems({"stage": 10.003}) == ["stage=10.003 is none of its options [0, 10.0, 40]"]


@pytest.mark.parametrize(("count", "positions"), [(1, [3.0]), (3, [1.0, 3.0, 5.0]), (20, [1.0, 2.0, 3.0, 4.0, 5.0])])
def test_a_grid_on_an_axis_with_steps_has_each_position_once(count, positions):
    grid = Grid(Space(Axis("n", 1, 5, step=1)), count)
    assert [point["n"] for point in grid.suggest(99)] == positions
    assert len(grid) == len(positions)
