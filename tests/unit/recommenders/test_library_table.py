"""`LibraryRecommender`: the tables it takes, and those it refuses."""

import math
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from skysteer.errors import SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders.library import LibraryRecommender

ROWS = [{"sample": name, "x": x, "zinc": zinc} for name, x, zinc in (("a", 0.0, 0.1), ("b", 1.0, 0.5), ("c", 4.0, 0.2))]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def make(samples, **options):
    return LibraryRecommender(samples, **{"features": ["x", "zinc"], "maximize": "det", **options})


@pytest.mark.parametrize(
    "samples",
    [
        ROWS,
        tuple(ROWS),
        COLUMNS,
        {name: np.array(column) for name, column in COLUMNS.items()},
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS, index=[7, 7, 9]),
    ],
    ids=["rows", "tuple", "columns", "arrays", "frame", "frame with an index"],
)
def test_the_same_table_in_any_form_gives_the_same_suggestions(samples):
    assert make(samples).suggest(3) == make(ROWS).suggest(3)
    assert list(make(samples).states()) == ["a", "b", "c"]
    assert len(make(samples)) == 3


def test_without_axes_the_features_are_set_within_the_limits_of_the_table():
    assert make(ROWS, units={"x": "mm"}).space == Space(Axis("x", 0, 4, "mm"), Axis("zinc", 0.1, 0.5))


def test_a_column_of_text_may_be_set_but_not_learnt():
    rows = [{**row, "holder": holder} for row, holder in zip(ROWS, ("left", "left", "right"), strict=True)]
    recommender = make(rows, axes=["x", "holder"])
    assert recommender.space["holder"] == Choice("holder", ("left", "right"))
    (point,) = recommender.suggest()
    recommender.ingest([{**point, "det": 1.0}, {"x": 4.0, "holder": "right", "det": 2.0}])
    assert recommender.state("c").measured >= 1
    with pytest.raises(SpaceError, match="feature 'holder' of sample 'a' is the text 'left', expected a number"):
        make(rows, features=["holder"])


def test_a_constant_feature_is_left_out_and_noted():
    recommender = make([{**row, "zinc": 3.0} for row in ROWS])
    assert recommender.report()["notes"] == ["feature 'zinc' is left out: it is the same for all samples"]
    assert recommender.report()["features"] == ["x"]
    assert recommender.space["zinc"].problem(3.0) is None


def test_one_sample_is_a_library():
    recommender = make(ROWS[:1])
    (point,) = recommender.suggest(5)
    recommender.ingest([{**point, "det": 1.0}])
    assert recommender.suggest() == []


@pytest.mark.parametrize(
    ("samples", "options", "says"),
    [
        ([], {}, "the library is empty"),
        ({"x": [], "zinc": []}, {}, "the library is empty"),
        ("abc", {}, "the library is a str; expected a sequence of mappings, a mapping of columns or a DataFrame"),
        ([1.0, 2.0], {}, "row 0 of the library is a float, expected a mapping"),
        ({**COLUMNS, "x": [1.0]}, {}, r"different lengths: \{'sample': 3, 'x': 1, 'zinc': 3\}"),
        (
            ROWS,
            {"features": ["x", "zink"]},
            r"no column for the feature 'zink'; the table has \['sample', 'x', 'zinc'\]",
        ),
        (ROWS, {"features": []}, "at least one feature"),
        (ROWS, {"features": ["x", "x"]}, "feature given twice: x"),
        (ROWS, {"axes": ["y"]}, "no column for the axis 'y'"),
        ([*ROWS, ROWS[1]], {}, "a sample is in the library twice: 1 sample: 'b'"),
        ([*ROWS, {"sample": "d", "x": 1.0}], {}, r"feature 'zinc' is missing \(or not finite\) for 1 sample: 'd'"),
        ([{**row, "x": math.nan} for row in ROWS], {}, "feature 'x' is missing .* for 3 samples: 'a', 'b', 'c'"),
        ([*ROWS, {"sample": "d", "x": math.inf, "zinc": 1}], {}, "feature 'x' is missing .* for 1 sample: 'd'"),
        (
            [*ROWS, {"sample": "d", "x": [1], "zinc": 1}],
            {},
            r"feature 'x' of sample 'd' is \[1\], a list, expected a n",
        ),
        ([*ROWS, {"sample": None, "x": 1, "zinc": 1}], {}, "sample=None is no name of a sample"),
        ([{**row, "x": 1.0, "zinc": 2.0} for row in ROWS], {}, "no feature tells the samples apart"),
        (ROWS, {"travel": {"y": 1.0}}, r"travel names 'y', but the axes that move are \['x', 'zinc'\]"),
        (ROWS, {"travel": {"x": 0.0}}, "the speed of 'x' must be above 0, found 0"),
        (ROWS, {"minimize": "det"}, r"give exactly one of maximize=, minimize=, map=, edges=, cover=True; found \{"),
        (ROWS, {"maximize": None}, "found none"),
        (ROWS, {"maximize": "x"}, "maximize='x' is an axis; expected what is measured there"),
        (ROWS, {"repeats": 0}, "repeats must be a whole number of at least 1, found 0"),
        (ROWS, {"retries": -1}, "retries must be a whole number of at least 0, found -1"),
        (ROWS, {"initial": 0}, "initial must be a whole number of at least 1, found 0"),
        (ROWS, {"tolerance": -0.1}, "tolerance must be a part of the range"),
        (ROWS, {"dtype": "int8"}, "dtype must be 'float64', 'float32' or None, found 'int8'"),
        (ROWS, {"memory": 1e-9}, "memory=1e-09 GiB is not enough: 64 readings of 3 samples need"),
        (ROWS, {"level": "low"}, "level must be a finite number, 'middle' or None, found 'low'"),
        (ROWS, {"level": math.nan}, "level must be a finite number, 'middle' or None, found nan"),
        (ROWS, {"repeats": 1.5}, "repeats must be a whole number of at least 1, found 1.5"),
        (ROWS, {"seed": -1}, "seed must be a whole number of at least 0, found -1"),
        (ROWS, {"memory": math.nan}, "memory must be a number of GiB above 0, found nan"),
        ({**COLUMNS, "x": 1.0}, {}, "the column 'x' of the library is 1.0, expected a value for each sample"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) > 20 else "",
)
def test_what_cannot_be_is_refused_and_the_error_names_it(samples, options, says):
    with pytest.raises(ValueError, match=says):
        make(samples, **options)


def test_the_error_shows_a_few_names_of_many():
    samples = {"x": [math.nan] * 10_000}
    with pytest.raises(SpaceError, match=r"for 10000 samples: 0, 1, 2, 3, 4, \.\.\.$"):
        make(samples, features=["x"])


class TestAGrid:
    SPACE = Space(Axis("x", 0, 1, "mm"), Axis("y", -5, 5, "mm"))

    def test_has_the_space_it_was_made_of(self):
        recommender = LibraryRecommender.of_grid(self.SPACE, {"x": 11, "y": 5}, map="det")
        assert recommender.space == self.SPACE
        assert len(recommender) == 55

    def test_needs_limits_and_no_choice(self):
        with pytest.raises(SpaceError, match="needs finite limits on every axis, found 'x'"):
            LibraryRecommender.of_grid(Space(Axis("x", 0, math.inf)), 11, map="det")
        with pytest.raises(SpaceError, match="a grid of samples needs axes, found the choice 'filter'"):
            LibraryRecommender.of_grid(Space(Choice("filter", ("Al", "Cu"))), 11, map="det")
        with pytest.raises(ValueError, match="axis 'x': the number of points must be a whole number above 0, found 0"):
            LibraryRecommender.of_grid(self.SPACE, 0, map="det")


def test_ten_thousand_names_are_checked_quickly():
    """A sample changer that takes names: the check of a suggestion is on the critical path."""
    names = [f"sample-{number}" for number in range(10_000)]
    recommender = LibraryRecommender(
        {"sample": names, "x": np.linspace(0, 1, 10_000)}, features=["x"], axes="sample", cover=True
    )
    (point,) = recommender.suggest()
    started = time.process_time()
    for _ in range(20):
        assert recommender.space.problems(point) == []
        recommender.space.clean(point)
    assert (time.process_time() - started) / 20 < 0.005
    (problem,) = recommender.space.problems({"sample": "nobody"})
    assert problem.startswith("sample='nobody' is none of its options ['sample-0', 'sample-1', ")
    assert problem.endswith(", 'sample-19', ... (10000 in all)]")


def test_importing_it_imports_neither_scikit_learn_nor_pandas():
    code = (
        "import sys, skysteer.recommenders.library; print(*sorted(set(sys.modules) & {'sklearn', 'pandas', 'bluesky'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert run.stdout.strip() == ""


@dataclass
class Frame:
    """Looks like a DataFrame, to show that nothing else of pandas is used."""

    columns: list = field(default_factory=lambda: list(COLUMNS))

    def __getitem__(self, name):
        return COLUMNS[name]


def test_anything_with_columns_is_a_frame():
    assert make(Frame()).suggest(3) == make(ROWS).suggest(3)
