"""What is measured in a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from skysteer.errors import PointError
from skysteer.model import Axis, Choice, Space
from skysteer.simulation import TRUTHS, Truth, Varying, simulate
from skysteer.simulation._goodness import MapJudge, best_value, reconstructed
from skysteer.simulation._truth import as_truth

LINE = Space(Axis("x", -1, 1, units="mm"))


def space_of(truth: Truth) -> Space:
    assert truth.space is not None
    return truth.space


@pytest.mark.parametrize("name", TRUTHS)
def test_a_named_truth_answers_everywhere_one_by_one_as_all_at_once(name: str) -> None:
    truth = as_truth(name, 3)
    points = space_of(truth).from_unit(np.random.default_rng(0).uniform(size=(20, len(space_of(truth)))))
    each = [truth.value(point)[truth.objective] for point in points]
    assert np.isfinite(each).all()
    assert truth.values(points) == pytest.approx(each)


@pytest.mark.parametrize("name", ["branin", "himmelblau", "hartmann6", "peak"])
def test_the_best_value_that_a_truth_says_is_the_best_there_is(name: str) -> None:
    truth = as_truth(name, 1)
    points = space_of(truth).from_unit(np.random.default_rng(0).uniform(size=(4000, len(space_of(truth)))))
    sign = -1 if truth.goal == "minimize" else 1
    assert truth.best is not None
    assert (sign * truth.values(points)).max() <= sign * truth.best


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("branin", {"x": np.pi, "y": 2.275}),
        ("himmelblau", {"x": 3.0, "y": 2.0}),
        (
            "hartmann6",
            dict(
                zip(
                    [f"x{n}" for n in range(1, 7)],
                    [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
                    strict=True,
                )
            ),
        ),
    ],
)
def test_the_test_functions_are_those_of_the_literature(name: str, where: dict[str, float]) -> None:
    truth = as_truth(name, 0)
    assert truth.value(where)["det"] == pytest.approx(truth.best, abs=1e-5)


@pytest.mark.parametrize("name", ["peak", "edge", "phases"])
def test_a_varying_truth_is_another_for_every_seed_and_the_same_for_the_same(name: str) -> None:
    points = space_of(as_truth(name, 0)).from_unit(
        np.random.default_rng(0).uniform(size=(50, 1 if name == "edge" else 2))
    )
    first, again, other = (as_truth(name, seed).values(points) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_peak_is_narrow_and_counted() -> None:
    truth = as_truth("peak", 2)
    points = space_of(truth).from_unit(np.random.default_rng(0).uniform(size=(20000, 2)))
    # 2.5 sigma: 2 pi sigma_x sigma_y = 6.25 * pi * 0.125 mm^2 of 100 mm^2
    assert np.mean(truth.values(points) > 20 + 1000 * np.exp(-0.5 * 2.5**2)) == pytest.approx(0.0245, abs=0.005)
    read = truth.reading({"det": 400.0}, np.random.default_rng(0))["det"]
    assert read == int(read) != 400


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no truth named 'peek'; known are branin, himmelblau, hartmann6, peak, edge"):
        as_truth("peek", 0)
    with pytest.raises(TypeError, match="42 is no truth: expected a function"):
        as_truth(42, 0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, r"truth 'function' returned None for 'det' at \{x: 0.5\}; expected a number"),
        ("high", "returned 'high' for 'det'"),
        ({"signal": 1.0}, r"returned \['signal'\] at \{x: 0.5\}: det is missing \(name what it returns by objectives="),
        ({"det": [1.0, 2.0]}, r"returned \[1.0, 2.0\] for 'det'"),
        (True, "returned True for 'det'"),
    ],
)
def test_a_truth_that_returns_no_number_is_an_error_that_says_where(value: object, words: str) -> None:
    def function(point: object) -> object:
        return value

    with pytest.raises(PointError, match=words):
        as_truth(function, 0).value({"x": 0.5})


@pytest.mark.parametrize("value", [2.0, 2, np.float64(2.0), np.array([2.0]), {"det": 2.0, "other": None}])
def test_numbers_of_every_kind_are_fine(value: object) -> None:
    assert as_truth(lambda point: value, 0).value({"x": 0.5}) == {"det": 2.0}


def test_an_error_in_the_truth_is_the_users_own_with_a_note_of_where() -> None:
    def function(point: dict[str, float]) -> float:
        return 1 / 0

    class Once:
        def ingest(self, points: object) -> None: ...

        def suggest(self, num_points: int | None = None) -> list[dict[str, float]]:
            return [{"x": 0.25}]

    with pytest.raises(ZeroDivisionError) as caught:
        simulate(Once(), function, space=LINE, reference=1.0)
    assert caught.value.__notes__ == ["in the truth 'function' at {'x': 0.25}"]


def test_noise_is_by_objective_where_it_is_a_mapping() -> None:
    truth = Truth("two", lambda point: {"a": 1.0, "b": 1.0}, objectives=("a", "b"), noise={"b": 0.1})
    read = truth.reading(truth.value({"x": 0.0}), np.random.default_rng(0))
    assert read["a"] == 1.0
    assert read["b"] != 1.0
    assert truth.reading({"a": 5.0, "b": np.nan}, np.random.default_rng(0))["a"] == 5.0
    with pytest.raises(ValueError, match="noise= names c; the objectives are a, b"):
        as_truth(truth, 0, noise={"c": 1.0})


@pytest.mark.parametrize("noise", [-1.0, np.nan, "poisson", True, None.__class__])
def test_a_noise_that_cannot_be_is_refused(noise: object) -> None:
    if noise is type(None):
        noise = [1.0]
    with pytest.raises(ValueError, match="noise must be a standard deviation, 'counts' or a function"):
        as_truth("branin", 0, noise=noise)  # type: ignore[arg-type]


def test_a_noise_of_ones_own_is_called_with_the_true_value() -> None:
    truth = Truth("own", lambda point: 3.0, noise=lambda value, generator: value + 1)
    assert truth.reading({"det": 3.0}, np.random.default_rng(0)) == {"det": 4.0}


def test_negative_counts_cannot_be() -> None:
    with pytest.raises(PointError, match="noise='counts' needs a true value of at least 0, found -1"):
        Truth("own", lambda point: -1.0, noise="counts").reading({"det": -1.0}, np.random.default_rng(0))


def test_what_is_remembered_is_not_computed_again() -> None:
    asked: list[object] = []
    truth = Truth("slow", lambda point: asked.append(point) or 1.0).remembering()
    assert truth.value({"x": 1.0}) == truth.value({"x": 1.0}) == {"det": 1.0}
    assert len(asked) == 1


def test_a_search_finds_the_best_value_of_a_function_of_axes_and_choices() -> None:
    space = Space(Axis("x", 0, 10), Axis("y", -1, 1), Choice("filter", ("Al", "Cu")))

    def function(point: dict[str, object]) -> float:
        x, y = float(point["x"]), float(point["y"])  # type: ignore[arg-type]
        return (2.0 if point["filter"] == "Cu" else 1.0) - (x - 7.3) ** 2 - y**2

    assert best_value(as_truth(function, 0), space, "maximize") == pytest.approx(2.0, abs=1e-3)
    assert best_value(as_truth(lambda p: -function(p), 0), space, "minimize") == pytest.approx(-2.0, abs=1e-3)


def test_of_choices_all_are_looked_at() -> None:
    samples = Space(Choice("sample", tuple(range(900))), Choice("filter", ("Al", "Cu")))

    def function(point: dict[str, object]) -> float:
        return 7.0 if point == {"sample": 621, "filter": "Cu"} else float(point["sample"]) / 900  # type: ignore[arg-type]

    assert best_value(as_truth(function, 0), samples, "maximize") == 7.0
    assert len(MapJudge(as_truth(function, 0), samples).points) == 1800


def test_a_truth_without_a_finite_value_has_no_best_one() -> None:
    with pytest.raises(PointError, match="has no finite 'det' at any of 1024 points"):
        best_value(as_truth(lambda point: np.nan, 0), LINE, "maximize")


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_a_plane_is_reconstructed_exactly_between_its_points(dimensions: int) -> None:
    generator = np.random.default_rng(0)
    slope = np.arange(1.0, dimensions + 1)
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * dimensions)).reshape(dimensions, -1).T
    rows = np.vstack([corners, generator.uniform(size=(20 if dimensions < 4 else 400, dimensions))])
    at = generator.uniform(size=(30, dimensions))
    guess = reconstructed(rows, rows @ slope, at)
    # linear radial basis functions are not exact for a plane
    assert guess == pytest.approx(at @ slope, abs=1e-9 if dimensions < 4 else 0.35)


@pytest.mark.parametrize(
    "rows", [[[0.5, 0.5]], [[0.1, 0.1], [0.9, 0.9]], [[0.1, 0.5], [0.4, 0.5], [0.9, 0.5]], [[0.5, 0.5]] * 4]
)
def test_points_without_area_make_a_map_of_the_nearest(rows: list[list[float]]) -> None:
    values = np.arange(1.0, len(rows) + 1)
    guess = reconstructed(np.array(rows), values, np.array([[0.0, 0.4], [1.0, 1.0]]))
    assert guess[1] == (values.mean() if rows == [[0.5, 0.5]] * 4 else values[-1])


def test_a_flat_map_has_an_error_of_one_and_a_perfect_one_of_none() -> None:
    truth = as_truth("edge", 0)
    space = space_of(truth)
    judge = MapJudge(truth, space)
    mean = float(truth.values(judge.points).mean())
    assert judge.error(lambda points: np.full(len(points), mean), [], np.empty(0)) == pytest.approx(1.0)
    assert judge.error(truth.values, [], np.empty(0)) == pytest.approx(0.0)
    places = [{"energy": float(place)} for place in np.linspace(7100, 7200, 500)]
    assert judge.error(None, places, truth.values(places)) < 0.01


def test_what_is_the_same_everywhere_cannot_be_mapped() -> None:
    with pytest.raises(PointError, match="cannot be mapped: its 'det' is the same everywhere"):
        MapJudge(as_truth(lambda point: 1.0, 0), LINE)


def test_a_varying_truth_of_ones_own_may_be_called() -> None:
    varying = Varying("mine", lambda seed: Truth("mine", lambda point: point["x"] - seed, space=LINE))
    assert varying(3)({"x": 1.0}) == {"det": -2.0}
    assert as_truth(varying, 2).value({"x": 1.0}) == {"det": -1.0}
