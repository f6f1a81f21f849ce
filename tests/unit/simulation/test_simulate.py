"""The closed loop without an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from skysteer.errors import NoRecommendation, PointError, RecommenderError, SpaceError, SuggestionError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Grid, Sobol
from skysteer.recommenders import Sequence as Given
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.simulation import Random, Truth, simulate

LINE = Space(Axis("x", -1, 1, units="mm"))
FIELD = Space(Axis("x", -1, 1, units="mm"), Axis("y", -1, 1, units="mm"))


def bowl(point: Mapping[str, Any]) -> float:
    return float(sum(value**2 for value in point.values()))


class Listener:
    """Suggests given places, and keeps all that it is told."""

    def __init__(self, places: Sequence[float] = (0.0,) * 100) -> None:
        self.places = list(places)
        self.told: list[list[dict[str, Any]]] = []
        self.asked: list[int | None] = []

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.told.append([dict(point) for point in points])

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        self.asked.append(num_points)
        return [{"x": self.places.pop(0)} for _ in range(min(num_points or 1, len(self.places)))]


class SlowStarter(Listener):
    """Gives two at the most at a time, and knows what is pending."""

    def __init__(self) -> None:
        super().__init__(np.linspace(-1, 1, 20).tolist())
        self.pending: list[int] = []

    def set_pending(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.pending.append(len(points))

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        return super().suggest(min(2, num_points or 1))


def test_the_points_are_measured_in_order_and_told_with_their_noise() -> None:
    listener = Listener([0.5, -0.5, 0.25])
    result = simulate(listener, bowl, space=LINE, goal="minimize", noise=0.1, budget=3)
    assert [point.point for point in result.points] == [{"x": 0.5}, {"x": -0.5}, {"x": 0.25}]
    assert result.true.tolist() == [0.25, 0.25, 0.0625]
    assert [told["det"] for (told,) in listener.told] == result.read.tolist()
    assert (result.read != result.true).all()
    assert result.regret.tolist() == pytest.approx([0.25, 0.25, 0.0625], abs=1e-5)
    assert (result.reason, result.complete) == ("budget of 3 points spent", True)
    assert all(point.seconds > 0 for point in result.points)


def test_the_same_seed_gives_the_same_course_and_another_seed_another() -> None:
    def course(seed: int) -> list[float]:
        found = simulate(GaussianProcess(FIELD, minimize="det"), bowl, noise=0.1, budget=10, seed=seed)
        return found.read.tolist()

    assert course(1) == course(1)
    assert course(1) != course(2)


def test_the_luck_of_the_nth_measurement_is_the_same_for_everybody() -> None:
    one = simulate(Listener([0.1, 0.2]), bowl, space=LINE, noise=0.1, budget=2, seed=4)
    other = simulate(Listener([0.9, -0.7]), bowl, space=LINE, noise=0.1, budget=2, seed=4)
    assert one.read - one.true == pytest.approx(other.read - other.true)


def test_a_batch_is_asked_for_at_once_and_told_at_once() -> None:
    listener = Listener()
    simulate(listener, bowl, space=LINE, budget=7, batch=3)
    assert listener.asked == [3, 3, 1]
    assert [len(told) for told in listener.told] == [3, 3, 1]


def test_one_that_knows_what_is_pending_is_asked_until_the_batch_is_full() -> None:
    starter = SlowStarter()
    simulate(starter, bowl, space=LINE, budget=5, batch=5)
    assert starter.asked == [2, 2, 1]
    assert starter.pending == [0, 2, 4]
    assert [len(told) for told in starter.told] == [5]


def test_ids_come_back_with_the_points() -> None:
    grid = Grid(FIELD, 3)
    result = simulate(grid, bowl, budget=20)
    assert len(result) == 9
    assert grid.suggest() == []
    assert result.reason == "the recommender has nothing more to ask"
    assert result.complete


def test_one_that_raises_no_recommendation_ends_it_with_its_words() -> None:
    class Content(Listener):
        def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
            if len(self.told) == 2:
                raise NoRecommendation("good enough")
            return super().suggest(num_points)

    result = simulate(Content(), bowl, space=LINE, budget=20)
    assert (len(result), result.reason) == (2, "good enough")


def test_one_with_a_stopping_criterion_is_obeyed() -> None:
    class Stopping(Listener):
        def should_stop(self) -> tuple[bool, str | None]:
            return len(self.told) == 3, "converged"

    assert simulate(Stopping(), bowl, space=LINE).reason == "converged"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"x": 2.0}], r"bad suggestion from Bad: x=2 is outside \[-1, 1\] mm"),
        ([{"y": 0.0}], "x is missing"),
        ([{"x": np.nan}], "x=nan is not a finite number"),
        ([{"x": 0.0}, {"x": 0.1}], "2 suggestions for a question for 1"),
        ({"x": 0.0}, "put it into a list"),
    ],
)
def test_a_bad_suggestion_is_refused_as_in_a_live_scan_and_what_there_is_is_kept(answer: Any, words: str) -> None:
    class Bad(Listener):
        def suggest(self, num_points: int | None = None) -> Any:
            return super().suggest(num_points) if len(self.told) < 2 else answer

    with pytest.raises(SuggestionError, match=words) as caught:
        simulate(Bad(), bowl, space=LINE)
    assert len(caught.value.result) == 2
    assert not caught.value.result.complete


def test_an_id_that_was_used_before_is_refused() -> None:
    class Repeating(Listener):
        def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
            return [{"x": 0.0, "_id": "same"}]

    with pytest.raises(SuggestionError, match="_id='same' was used before"):
        simulate(Repeating(), bowl, space=LINE)


@pytest.mark.parametrize("method", ["suggest", "ingest", "get_best_points"])
def test_one_that_raises_is_an_error_that_says_where_and_keeps_what_there_is(method: str) -> None:
    class Raising(Listener):
        def get_best_points(self) -> list[Any]:
            return []

    recommender = Raising()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("oh no")

    setattr(recommender, method, fail)
    with pytest.raises(
        RecommenderError, match=f"Raising raised ZeroDivisionError in {method}, after . points: oh no"
    ) as caught:
        simulate(recommender, bowl, space=LINE, budget=3)
    assert len(caught.value.result) == {"suggest": 0, "ingest": 1, "get_best_points": 3}[method]


def test_without_a_space_nobody_knows_where_to_measure() -> None:
    with pytest.raises(SpaceError, match="neither Listener nor the truth 'bowl' says where to measure: give space="):
        simulate(Listener(), bowl)
    with pytest.raises(SpaceError, match="the truth 'branin' has the axes x, y, but suggestions have x"):
        simulate(Sobol(LINE), "branin")


def test_a_class_is_no_recommender() -> None:
    with pytest.raises(TypeError, match="is no recommender: expected an object with the methods"):
        simulate(Sobol, bowl, space=LINE)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [{"budget": 0}, {"batch": 0}, {"budget": 2.5}, {"goal": "find"}])
def test_numbers_and_words_that_cannot_be_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        simulate(Listener(), bowl, space=LINE, **arguments)


def test_an_objective_that_never_arrives_is_an_error_at_the_first_point() -> None:
    with pytest.raises(PointError, match="signal is missing") as caught:
        simulate(Listener(), lambda point: {"det": 1.0}, space=LINE, objectives="signal", reference=1.0)
    assert len(caught.value.result) == 0


def test_readings_that_are_not_finite_are_told_as_they_are_and_counted() -> None:
    listener = Listener([0.5, -0.5, 0.25])
    result = simulate(
        listener, lambda point: np.nan if point["x"] > 0.4 else point["x"], space=LINE, budget=3, reference=0.4
    )
    assert np.isnan(listener.told[0][0]["det"])
    assert result.not_finite == 1
    assert result.regret.tolist() == pytest.approx([np.nan, 0.9, 0.15], nan_ok=True)
    assert "1 readings were not finite" in str(result)
    assert json.loads(result.to_json())["regret"] == [None, pytest.approx(0.9), pytest.approx(0.15)]


def test_a_truth_that_is_never_finite_is_an_error_after_ten_points() -> None:
    with pytest.raises(PointError, match="no finite 'det' at any of the first 10 points, last nan at") as caught:
        simulate(Listener(), lambda point: np.nan, space=LINE, reference=0.0)
    assert len(caught.value.result) == 10


def test_several_objectives_are_told_and_the_first_is_judged() -> None:
    listener = Listener([0.5])
    truth = Truth("two", lambda p: {"a": p["x"], "b": -p["x"]}, space=LINE, objectives=("a", "b"), best=1.0)
    result = simulate(listener, truth, budget=1)
    assert listener.told == [[{"x": 0.5, "a": 0.5, "b": -0.5}]]
    assert result.regret.tolist() == [0.5]


def test_a_better_value_than_the_reference_becomes_the_reference() -> None:
    result = simulate(Listener([0.0, 1.0]), bowl, space=LINE, budget=2, reference=0.5)
    assert result.reference == 1.0
    assert result.regret.tolist() == [1.0, 0.0]


def test_the_point_called_best_is_judged_by_its_true_value() -> None:
    class Caller(Listener):
        def get_best_points(self) -> list[Any]:
            return [("id", {"x": 0.5}, {"det": 99.0})]

    best = simulate(Caller(), bowl, space=LINE, goal="minimize", reference=0.0, budget=3).best
    assert best is not None
    assert (best.point, best.said, best.true) == ({"x": 0.5}, {"det": 99.0}, 0.25)


def test_the_model_is_asked_for_the_map_where_it_predicts_and_else_points_are_joined() -> None:
    class Oracle(Sobol):
        def predict(self, points: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
            means = np.array([bowl(point) for point in points])
            return means, np.ones(len(points))

    own = simulate(Oracle(FIELD), bowl, goal="map", budget=20)
    linear = simulate(Oracle(FIELD), bowl, goal="map", budget=20, reconstruction="linear")
    plain = simulate(Sobol(FIELD), bowl, goal="map", budget=20)
    assert list(own.errors) == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert own.errors[20] == pytest.approx(0.0)
    assert linear.errors == plain.errors
    assert 0.05 < linear.errors[20] < linear.errors[2]
    assert own.reference is None


def test_a_model_that_cannot_predict_yet_is_on_record() -> None:
    class Late(Sobol):
        def predict(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
            if self._turns.next(1)[0] < 5:
                raise ValueError("nothing to predict from")
            return np.array([bowl(point) for point in points])

    result = simulate(Late(FIELD), bowl, goal="map", budget=10, checkpoints=[2, 4, 6, 10])
    assert result.unpredicted == (2, 4)
    assert result.errors[4] > 0.1 > result.errors[6]
    assert "no prediction after 2, 4 points: the map was made by linear interpolation" in str(result)


def test_a_prediction_of_another_shape_is_an_error() -> None:
    class Odd(Sobol):
        def predict(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
            return np.ones(3)

    with pytest.raises(RecommenderError, match=r"in predict.*array of shape \(3,\) for 2048 points"):
        simulate(Odd(FIELD), bowl, goal="map", budget=4)


def test_ctrl_c_ends_it_with_what_there_is() -> None:
    measured: list[Any] = []

    def interrupting(point: Mapping[str, Any]) -> float:
        measured.append(point)
        if len(measured) == 5:
            raise KeyboardInterrupt
        return 1.0

    result = simulate(Listener(), interrupting, space=LINE, budget=20, reference=1.0)
    assert (len(result), result.complete, result.reason) == (4, False, "interrupted after 4 of 20 points")


def test_progress_is_told_after_every_measurement() -> None:
    told: list[tuple[int, int]] = []
    simulate(Listener(), bowl, space=LINE, budget=4, batch=2, progress=lambda *how_far: told.append(how_far))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_summary_says_what_came_of_it() -> None:
    result = simulate(GaussianProcess(FIELD, minimize="det"), bowl, budget=8, goal="minimize", name="ours")
    lines = str(result).splitlines()
    assert lines[0] == "ours on bowl: 8 points, budget of 8 points spent"
    assert lines[1].startswith("best true value ")
    assert lines[2].startswith("called best: x=")
    assert lines[3].endswith(" ms a point")
    read = json.loads(result.to_json())
    assert len(read["points"]) == 8
    assert read["best"]["regret"] == result.regret_called


@pytest.mark.parametrize(
    "space",
    [
        LINE,
        FIELD,
        Space(Axis("x", -1, 1), Axis("y", -1, 1), Axis("z", 0, 2)),
        Space(Axis("x", 0, 1), Choice("c", (1, 2))),
    ],
)
def test_every_space_has_its_picture(space: Space, tmp_path: Path) -> None:
    truth = Truth("bowl", bowl, space=space, units={"det": "counts"})
    simulate(Sobol(space), truth, budget=8, goal="map" if len(space) == 1 else "minimize").plot(
        tmp_path / "picture.png", truth
    )
    picture = matplotlib.image.imread(tmp_path / "picture.png")
    assert picture.shape[1] > 1000
    assert picture[..., :3].std() > 0.05


def test_random_points_keep_their_turns() -> None:
    random, again = Random(FIELD, seed=1), Random(FIELD, seed=1)
    first = random.suggest(3)
    assert first == again.suggest(3) != Random(FIELD, seed=2).suggest(3)
    random.set_pending(first[:2])
    assert random.suggest(1) == first[2:]
    random.ingest([{**first[0], "det": 1.0}])
    random.register_failures([first[1]])
    random.set_pending([])
    assert random.suggest(1) == first[2:]
    assert len(simulate(Given([{"x": 0.0}], space=LINE), bowl)) == 1
