"""`Grid`: an even scan of the whole space."""

import math
import pickle
from itertools import pairwise

import pytest

from skysteer.errors import SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasReasons, HasSpace, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders import Grid

SPACE = Space(Axis("y", 0, 2, units="mm"), Axis("x", -1, 1, units="mm"))


def positions(points, *names):
    return [tuple(point[name] for name in names) for point in points]


def test_a_snake_goes_back_and_forth():
    grid = Grid(SPACE, {"y": 3, "x": 2})
    assert positions(grid.suggest(9), "y", "x") == [(0, -1), (0, 1), (1, 1), (1, -1), (2, -1), (2, 1)]


def test_without_snake_every_line_starts_at_the_same_end():
    grid = Grid(SPACE, {"y": 2, "x": 3}, snake=False)
    assert positions(grid.suggest(9), "y", "x") == [(0, -1), (0, 0), (0, 1), (2, -1), (2, 0), (2, 1)]


@pytest.mark.parametrize("counts", [{"a": 3, "b": 3, "c": 4}, {"a": 2, "b": 4, "c": 3}, {"a": 4, "b": 1, "c": 2}])
def test_every_step_of_a_snake_is_one_step_on_one_axis(counts):
    space = Space(*(Axis(name, 0, max(count - 1, 1)) for name, count in counts.items()))
    points = positions(Grid(space, counts).suggest(1000), *counts)
    assert len(points) == len(set(points)) == math.prod(counts.values())
    for one, other in pairwise(points):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) == 1


def test_a_choice_takes_every_option_without_a_number():
    space = Space(Choice("filter", ("Al", "Cu", "none")), Axis("x", 0, 1))
    points = positions(Grid(space, 2).suggest(99), "filter", "x")
    assert points == [("Al", 0), ("Al", 1), ("Cu", 1), ("Cu", 0), ("none", 0), ("none", 1)]
    assert Grid(space, {"x": 2}).suggest(99) != []


def test_one_point_on_an_axis_is_its_middle():
    assert positions(Grid(SPACE, 1).suggest(9), "y", "x") == [(1.0, 0.0)]


def test_it_goes_on_where_it_is_and_ends():
    grid = Grid(SPACE, 2)
    first, second, third = grid.suggest(3)
    grid.ingest([first])
    grid.register_failures([second])
    grid.set_pending([third])
    assert positions(grid.suggest(9), "y", "x") == [(2, -1)]
    grid.ingest([third, *grid.suggest(9)])
    assert grid.suggest() == []
    assert len(grid) == 4


def test_asking_changes_nothing_and_the_answers_lie_in_the_space():
    grid = Grid(Space(Axis("x", 0.1, 0.7), Axis("y", -1e-3, 3e5)), 7)
    points = grid.suggest(49)
    assert points == grid.suggest(49)
    assert len({point["_id"] for point in points}) == 49
    for point in points:
        assert grid.space.problems(point) == []
        assert type(point["x"]) is float


def test_it_says_which_point_of_the_grid_each_is():
    grid = Grid(SPACE, 2)
    assert grid.get_reasons() == []
    first, second, third, _ = grid.suggest(4)
    assert grid.get_reasons() == [f"grid, point {number} of 4" for number in (1, 2, 3, 4)]
    grid.ingest([first])
    grid.set_pending([third])
    assert grid.get_reasons()[0] == "grid, point 1 of 4", "as of the newest question, whatever was told since"
    assert grid.suggest() == [second]
    assert pickle.loads(pickle.dumps(grid)).get_reasons() == ["grid, point 2 of 4"]
    grid.ingest(grid.suggest(4))
    grid.set_pending([third])
    grid.suggest()
    assert grid.get_reasons() == []


def test_grids_of_different_shape_do_not_take_each_others_points():
    grid = Grid(SPACE, 3)
    grid.ingest(Grid(SPACE, 2).suggest(2))
    assert grid.suggest() == Grid(SPACE, 3).suggest()


def test_an_axis_without_limits_is_refused():
    with pytest.raises(SpaceError, match=r"Grid needs finite limits on every axis, found 'x' \(low=0, high=inf\)"):
        Grid(Space(Axis("x", 0, math.inf)), 3)


@pytest.mark.parametrize("counts", [0, -1, 2.5, {"y": 2}])
def test_a_number_of_points_that_cannot_be_is_refused(counts):
    with pytest.raises(ValueError, match=r"axis '.': the number of points must be a whole number above 0"):
        Grid(SPACE, counts)


def test_a_number_for_an_unknown_axis_is_refused():
    with pytest.raises(SpaceError, match=r"names \['z'\], but the axes are \['y', 'x'\]"):
        Grid(SPACE, {"x": 2, "y": 2, "z": 2})


def test_it_has_the_abilities_it_should():
    abilities = (Recommender, HasReasons, HasSpace, KnowsPending, TrialFaultAware)
    assert all(isinstance(Grid(SPACE, 2), ability) for ability in abilities)
