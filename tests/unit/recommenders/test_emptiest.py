"""The emptiest place: far from all that is taken, and sooner on a small spot than a Sobol sequence."""

from __future__ import annotations

import numpy as np
import pytest

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._sobol import sobol_rows
from skysteer.recommenders.gaussian._emptiest import FROM_A_LIMIT, emptiest

PLANE = Space(Axis("x", 0, 1), Axis("y", -5, 5))


def box(axes):
    return Space(*(Axis(f"x{number}", 0, 1) for number in range(axes)))


def place(taken, *, space=PLANE, numbers=None, seed=(0, 0)):
    numbers = np.ones(space.dimensions, bool) if numbers is None else numbers
    return emptiest(space, numbers, np.array(taken, dtype=float).reshape(-1, space.dimensions), seed)


def first_inside(course, where, radius):
    """How many places of a course are looked at until one is in a spot."""
    inside = np.flatnonzero(np.linalg.norm(np.array(course) - where, axis=1) < radius)
    return inside[0] + 1 if len(inside) else len(course)


def test_a_spot_of_a_fortieth_of_the_plane_is_found_with_three_quarters_of_the_points_of_a_sobol_sequence():
    looked_at = []
    for seed in range(30):
        course = [np.array([0.5, 0.5])]
        while len(course) < 80:
            course.append(place(course, seed=(seed, len(course))))
        sobol = np.vstack([course[:1], sobol_rows(PLANE, seed, 0, 79)])
        spots = np.random.default_rng([seed, 5]).uniform(0.1, 0.9, (20, 2))
        radius = np.sqrt(0.025 / np.pi)
        looked_at += [[first_inside(each, spot, radius) for each in (course, sobol)] for spot in spots]
    ours, others = np.median(looked_at, axis=0)
    assert ours < 0.75 * others
    ours, others = np.percentile(looked_at, 90, axis=0)
    assert ours < 0.75 * others


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_long_course_never_comes_to_a_taken_place_and_leaves_no_large_hole(axes):
    space, taken = box(axes), []
    for number in range(60):
        row = place(taken, space=space, seed=(1, number))
        assert ((row >= 0) & (row <= 1)).all()
        if taken:
            assert np.linalg.norm(np.array(taken) - row, axis=1).min() > 0.3 * 60 ** (-1 / axes)
        taken.append(row)
    everywhere = sobol_rows(space, 9, 0, 1024)
    hole = np.linalg.norm(everywhere[:, None] - np.array(taken)[None], axis=2).min(axis=1).max()
    assert hole < 1.2 * np.sqrt(axes) * 60 ** (-1 / axes)


def test_with_nothing_taken_it_is_near_the_middle():
    assert place([]) == pytest.approx([0.5, 0.5], abs=0.06)


def test_it_is_in_the_larger_half_that_is_left():
    assert place([[0.3, 0.5]])[0] > 0.55


def test_a_limit_is_a_neighbour_at_a_part_of_its_distance():
    row = place([[0.0]], space=box(1))[0]
    assert row == pytest.approx(1 / (1 + FROM_A_LIMIT), abs=0.02)  # as far from 0 as 1 / FROM_A_LIMIT times from 1


def test_the_same_question_has_the_same_answer_and_another_seed_another():
    taken = [[0.2, 0.3], [0.7, 0.9]]
    assert place(taken, seed=(3, 2)).tolist() == place(taken, seed=(3, 2)).tolist()
    assert place(taken, seed=(3, 2)).tolist() != place(taken, seed=(4, 2)).tolist()


def test_the_order_of_what_is_taken_does_not_matter():
    taken = np.random.default_rng(0).uniform(size=(9, 2))
    assert place(taken).tolist() == place(taken[::-1]).tolist()


def test_in_more_than_three_axes_and_in_none_there_is_no_such_place():
    assert place([], space=box(4)) is None
    assert place([[0.5] * 5], space=box(5)) is None
    choices = Space(Choice("filter", ("thin", "thick")))
    assert emptiest(choices, np.zeros(2, bool), np.empty((0, 2)), (0,)) is None


def test_options_of_a_choice_are_whole_and_another_option_is_far_away():
    space = Space(Axis("x", 0, 1), Choice("filter", ("thin", "thick")))
    numbers = np.array([True, False, False])
    thin = [[x, 1.0, 0.0] for x in np.linspace(0, 1, 30)]
    row = place(thin, space=space, numbers=numbers)
    assert row[1:].tolist() == [0.0, 1.0]


def test_what_is_taken_outside_the_box_or_twice_changes_nothing_near():
    taken = [[0.2, 0.3], [0.7, 0.9]]
    assert place([*taken, *taken, [7.0, -3.0]]).tolist() == place(taken).tolist()
