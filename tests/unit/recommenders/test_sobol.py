"""`Sobol`: even cover without end."""

import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from skysteer.errors import SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasReasons, HasSpace, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders import Sobol

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 10, units="mm"))


def test_sixteen_points_fill_sixteen_squares():
    rows = SPACE.to_unit(Sobol(SPACE, seed=3).suggest(16))
    assert len({tuple(square) for square in np.floor(rows * 4).astype(int)}) == 16


def test_one_at_a_time_gives_the_same_points_as_all_at_once():
    sobol = Sobol(SPACE)
    expected = Sobol(SPACE).suggest(20)
    found = []
    for _ in expected:
        found += sobol.suggest()
        sobol.ingest(found[-1:])
    assert found == expected


def test_options_of_a_choice_come_equally_often():
    space = Space(Choice("filter", ("Al", "Cu", "Ni", "none")), Axis("x", 0, 1))
    counts = Counter(point["filter"] for point in Sobol(space).suggest(32))
    assert counts == {"Al": 8, "Cu": 8, "Ni": 8, "none": 8}


def test_pending_and_failed_points_are_passed_over_and_the_gap_is_filled_later():
    sobol = Sobol(SPACE)
    first, second, third, fourth = sobol.suggest(4)
    sobol.register_failures([first])
    sobol.set_pending([second])
    sobol.ingest([third])
    assert sobol.suggest() == [fourth]
    sobol.set_pending([])
    assert sobol.suggest(2) == [second, fourth]


def test_it_says_the_number_of_each_point():
    sobol = Sobol(SPACE)
    assert sobol.get_reasons() == []
    points = sobol.suggest(3)
    sobol.ingest(points)
    assert sobol.get_reasons() == [f"Sobol sequence, number {number}" for number in (1, 2, 3)]
    sobol.suggest()
    assert sobol.get_reasons() == ["Sobol sequence, number 4"]


def test_another_seed_gives_other_points():
    assert Sobol(SPACE, seed=0).suggest() != Sobol(SPACE, seed=1).suggest()


def test_the_answers_are_plain_numbers_in_the_space_with_an_id_each():
    points = Sobol(SPACE).suggest(33)
    assert points == Sobol(SPACE).suggest(33)
    assert len({point["_id"] for point in points}) == 33
    assert all(SPACE.problems(point) == [] and type(point["x"]) is float for point in points)


def test_an_axis_without_limits_is_refused():
    with pytest.raises(SpaceError, match=r"Sobol needs finite limits on every axis, found 'x' \(low=-inf, high=0\)"):
        Sobol(Space(Axis("x", -math.inf, 0)))


def test_it_has_the_abilities_it_should():
    abilities = (Recommender, HasReasons, HasSpace, KnowsPending, TrialFaultAware)
    assert all(isinstance(Sobol(SPACE), ability) for ability in abilities)


def test_the_slow_library_is_not_imported_before_the_first_question():
    code = "import sys, skysteer.recommenders; print('scipy.stats' in sys.modules, 'bluesky' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
