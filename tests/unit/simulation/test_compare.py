"""Several recommenders on one truth."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Grid, Sobol
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.simulation import Comparison, Random, Recorded, Truth, Varying, compare
from skysteer.simulation._baselines import even_grid

FIELD = Space(Axis("x", -1, 1, units="mm"), Axis("y", -1, 1, units="mm"))
BOWL = Truth(
    "bowl", lambda point: point["x"] ** 2 + (point["y"] - 0.5) ** 2, space=FIELD, goal="minimize", best=0.0,
    noise=0.01, units={"det": "counts"},
)  # fmt: skip


class Guesser(Sobol):
    """Knows the answer at its fifth question."""

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        found = super().suggest(num_points)
        return [{**found[0], "x": 0.0, "y": 0.5}] if found[0]["_id"].endswith("-4") else found


class Failing(Sobol):
    """Raises at its seventh question, with odd seeds."""

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        found = super().suggest(num_points)
        if found[0]["_id"].endswith("-6") and self._seed % 2:
            raise ZeroDivisionError("seven")
        return found


@pytest.fixture(scope="module")
def contest() -> Comparison:
    return compare({"guesser": Guesser, "failing": Failing}, BOWL, budget=12, seeds=4)


def test_random_sobol_and_grid_are_always_beside(contest: Comparison) -> None:
    assert contest.names == ("guesser", "failing", "random", "sobol", "grid")
    assert contest.baselines == {"random", "sobol", "grid"}
    assert compare({"sobol": Guesser}, BOWL, budget=3, seeds=1).names == ("sobol", "random", "grid")
    assert compare({}, BOWL, budget=3, seeds=1).names == ("random", "sobol", "grid")


def test_medians_and_quartiles_are_those_of_the_runs(contest: Comparison) -> None:
    each = np.array([run.simulation.regret for run in contest.of("random") if run.simulation is not None])
    assert each.shape == (4, 12)
    curve = contest.curve("random")
    assert curve.numbers == tuple(range(1, 13))
    assert curve.median == pytest.approx(np.median(each, axis=0))
    assert np.array([curve.low, curve.high]) == pytest.approx(np.percentile(each, [25, 75], axis=0))
    assert curve.at(12) == (curve.low[-1], curve.median[-1], curve.high[-1])
    assert curve.at(0) is None


def test_who_knows_the_answer_is_seen_to_know_it(contest: Comparison) -> None:
    curve = contest.curve("guesser")
    assert curve.median[3] > 0
    assert curve.high[4] == 0.0


def test_one_that_raises_is_on_record_with_its_error_and_the_others_go_on(contest: Comparison) -> None:
    assert [run.seed for run in contest.failures("failing")] == [1, 3]
    assert contest.failures("failing")[0].error == (
        "RecommenderError: failing raised ZeroDivisionError in suggest, after 6 points: seven"
    )
    assert "failing failed in 2 of 4 runs; seed 1: RecommenderError: failing raised ZeroDivisionError" in str(contest)
    assert all(len(run.simulation or ()) == 12 for run in contest.of("sobol"))
    # what it had reached when it failed is what that experiment has
    values = contest.failures("failing")[0].values(12)
    assert values[12] == values[6]


def test_the_same_comparison_gives_the_same_numbers(contest: Comparison) -> None:
    def numbers(result: Comparison) -> dict[str, Any]:
        return {name: [run.values(12) for run in result.of(name)] for name in result.names}

    assert numbers(compare({"guesser": Guesser, "failing": Failing}, BOWL, budget=12, seeds=4)) == numbers(contest)


def test_all_have_the_same_seeds_and_the_same_luck(contest: Comparison) -> None:
    for seed in range(4):
        lucks = [
            run.simulation.read - run.simulation.true
            for run in contest.runs
            if run.seed == seed and run.simulation is not None
        ]
        assert all(luck[:6] == pytest.approx(lucks[0][:6]) for luck in lucks)


def test_a_truth_that_varies_is_the_same_one_for_all_of_a_seed() -> None:
    made: list[int] = []

    def make(seed: int) -> Truth:
        made.append(seed)
        return Truth("moving", lambda point: -abs(point["x"] - 0.1 * seed), space=FIELD, best=0.0)

    result = compare({"ours": Sobol}, Varying("moving", make), budget=4, seeds=[3, 5])
    assert set(made) == {3, 5}
    assert [run.seed for run in result.of("ours")] == [3, 5]


def test_regrets_of_one_seed_refer_to_the_best_that_anybody_saw() -> None:
    spike = Truth("spike", lambda point: 5.0 if point == {"x": 0.0, "y": 0.5} else 0.0, space=FIELD)
    result = compare({"guesser": Guesser}, spike, budget=6, seeds=2)
    assert all(run.simulation is not None and run.simulation.reference == 5.0 for run in result.runs)
    assert result.curve("random").median.tolist() == [5.0] * 6
    assert result.curve("grid").median.tolist()[-1] == 5.0


def test_the_grid_is_the_largest_even_one_for_each_number_of_points() -> None:
    assert [len(even_grid(FIELD, most) or ()) for most in (1, 2, 3, 4, 5, 6, 9, 50)] == [1, 2, 2, 4, 4, 6, 9, 49]
    six = Space(*(Axis(f"x{number}", 0, 1) for number in range(6)))
    assert len(even_grid(six, 60) or ()) == 32
    chosen = Space(Axis("x", 0, 1), Choice("c", ("a", "b", "c")))
    assert (even_grid(chosen, 2), len(even_grid(chosen, 8) or ())) == (None, 6)
    assert len(even_grid(Space(Choice("c", (1, 2))), 9) or ()) == 2


def test_a_grid_that_ends_early_keeps_what_it_has() -> None:
    result = compare({"short": lambda seed: Grid(FIELD, 2)}, BOWL, budget=20, seeds=2)
    curve = result.curve("short")
    assert curve.numbers == (1, 2, 3, 4, 20)
    assert curve.median[-1] == curve.median[-2]
    assert "nothing more to ask" in (result.of("short")[0].simulation or "").reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: Sobol(FIELD, seed=seed),
        lambda s: Sobol(FIELD, seed=s),
        lambda space, seed=0: Sobol(space, seed=seed),
        Sobol,
        Random,
    ],
)
def test_recommenders_are_made_with_the_seed_by_whatever_they_are_made_of(make: Callable[..., Any]) -> None:
    result = compare({"one": make}, BOWL, budget=2, seeds=2)
    first, second = (run.simulation for run in result.of("one"))
    assert first is not None
    assert second is not None
    assert first.points[0].point != second.points[0].point


def test_each_one_is_closed_when_its_run_is_over() -> None:
    closed: list[int] = []

    class Closing(Failing):
        def close(self) -> None:
            closed.append(self._seed)

    compare({"closing": Closing}, BOWL, budget=8, seeds=2)
    assert closed == [0, 1]


def test_a_class_is_given_the_goal_by_its_name() -> None:
    result = compare({"ours": GaussianProcess}, BOWL, budget=3, seeds=1)
    assert result.failures("ours") == []
    assert result.regret_called("ours") is not None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda seed: 42, "broken made 42, which is no recommender: it needs"),
        (lambda seed: 1 / 0, "broken cannot be made with seed 0, ZeroDivisionError: division by zero"),
        (lambda seed: Sobol(Space(Axis("z", 0, 1)), seed=seed), "z"),
    ],
)
def test_one_that_cannot_be_made_or_asks_elsewhere_is_on_record(make: Callable[[int], Any], words: str) -> None:
    result = compare({"broken": make}, BOWL, budget=3, seeds=1)
    (failed,) = result.failures("broken")
    assert words in (failed.error or "")
    assert len(result.curve("sobol").numbers) == 3


@pytest.mark.parametrize("reference", [None, 1.0])
def test_a_bad_truth_is_nobodys_failure_but_an_error(reference: float | None) -> None:
    with pytest.raises(PointError, match="returned None for 'det'"):
        compare({"ours": Sobol}, lambda point: None, space=FIELD, budget=3, seeds=1, reference=reference)


@pytest.mark.parametrize(
    ("recommenders", "arguments", "error", "words"),
    [
        ({"ours": Sobol(FIELD)}, {}, TypeError, "'ours' is .*; expected a function of a seed"),
        ({"ours": Sobol}, {"budget": 0}, ValueError, "budget must be a whole number above 0, found 0"),
        ({"ours": Sobol}, {"seeds": 0}, ValueError, "seeds must be how many, or different whole numbers"),
        ({"ours": Sobol}, {"seeds": [1, 1]}, ValueError, "seeds must be"),
        ({"ours": Sobol}, {"budget": 5, "budgets": [9]}, ValueError, r"between 1 and the budget of 5, found \[9\]"),
        ({"ours": Sobol}, {"space": Space(Axis("x", 0, float("inf")))}, SpaceError, "inf"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    recommenders: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        compare(recommenders, BOWL, **arguments)


def test_the_space_is_that_of_a_recommender_where_the_truth_has_none() -> None:
    result = compare({"a": Sobol, "ours": lambda seed: Sobol(FIELD, seed=seed)}, lambda p: p["x"], budget=2, seeds=1)
    assert result.failures("ours") == []
    with pytest.raises(SpaceError, match="neither the truth 'bool' nor a recommender says where to measure"):
        compare({"a": Sobol}, bool)


@pytest.mark.parametrize("when", [1, 30, 80])
def test_ctrl_c_leaves_what_there_is(when: int) -> None:
    asked: list[Any] = []

    def function(point: Mapping[str, Any]) -> float:
        asked.append(point)
        if len(asked) == when:
            raise KeyboardInterrupt
        return float(point["x"])

    result = compare({"ours": Guesser}, Truth("f", function, space=FIELD, best=1.0), budget=10, seeds=10)
    assert result.interrupted
    assert 1 <= len(result.runs) < 40
    assert "interrupted: runs of" in str(result)
    json.loads(result.to_json())


def test_maps_are_compared_by_their_error() -> None:
    result = compare({"model": GaussianProcess}, BOWL, goal="map", budget=20, seeds=2)
    assert result.measure == "map error / sd of the truth"
    curve = result.curve("model")
    assert curve.numbers == (2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20)
    assert curve.median[-1] < result.curve("random").median[-1]
    assert curve.median[-1] < 0.1


def test_progress_goes_up_to_the_end_and_says_who_is_at_it() -> None:
    told: list[tuple[int, int, str]] = []
    compare({"ours": Sobol}, BOWL, budget=3, seeds=2, progress=lambda *how_far: told.append(how_far))
    done = [each[0] for each in told]
    assert done == sorted(done)
    assert told[-1] == (24, 24, "grid, seed 1")
    assert (1, 24, "ours, seed 0") in told


def test_the_table_shows_medians_quartiles_and_times_to_people_and_terminals(contest: Comparison) -> None:
    lines = str(contest).splitlines()
    assert lines[0] == "bowl, minimize det: regret / counts, median and quartiles over 4 seeds"
    assert lines[1].split() == ["3", "6", "9", "12", "ms", "a"]
    guesser = next(line for line in lines if line.startswith("guesser"))
    assert guesser.split()[2:5] == ["0", "0", "0"]
    assert guesser.split()[-1] == "4"
    assert max(map(len, lines)) <= 110
    terminal = io.StringIO()
    Console(file=terminal, width=80, force_terminal=True).print(contest)
    assert "guesser" in terminal.getvalue()


def test_json_has_every_run_and_no_number_that_json_does_not_know(contest: Comparison) -> None:
    read = json.loads(contest.to_json(), parse_constant=pytest.fail)
    assert read["recommenders"]["random"]["median"] == pytest.approx(contest.curve("random").median.tolist())
    assert len(read["recommenders"]["failing"]["runs"]) == 4
    assert read["recommenders"]["failing"]["runs"][1]["error"].startswith("RecommenderError")
    assert list(read["recommenders"]["grid"]["runs"][0]["values"])[-1] == "12"


def test_the_picture_names_every_line_at_its_end_and_no_two_names_meet(contest: Comparison, tmp_path: Path) -> None:
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    contest.plot(axes)
    assert {line.get_gid() for line in axes.lines} >= set(contest.names)
    names = [text for text in axes.texts if text.get_text() != "0: the best there is"]
    assert sorted(text.get_text() for text in names) == ["failing (2 failed)", "grid", "guesser", "random", "sobol"]
    heights = sorted(text.xyann[1] for text in names)
    assert min(np.diff(heights)) >= 0.05
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("points measured", "regret / counts", "log")
    equal = Figure().subplots()
    compare({"one": Sobol, "other": Sobol}, BOWL, budget=4, seeds=1).plot(equal)
    heights = sorted(text.xyann[1] for text in equal.texts)
    assert (len(heights), min(np.diff(heights)) >= 0.05, heights[-1] <= 1.0) == (5, True, True)
    contest.plot(str(tmp_path / "picture.png"))
    assert matplotlib.image.imread(tmp_path / "picture.png").shape[1] > 900
    with pytest.raises(TypeError, match="expected the path of a picture"):
        contest.plot(42)


def test_a_recorded_run_can_be_compared_on() -> None:
    places = np.random.default_rng(0).uniform(-1, 1, size=(60, 2)).tolist()
    run = Recorded([{"x": x, "y": y, "det": -(x**2)} for x, y in places], axes=["x", "y"], objectives="det")
    result = compare({"ours": Sobol}, run, budget=5, seeds=2)
    assert result.truth == "recorded points"
    assert not result.failures("ours")


def test_what_was_not_compared_is_told_what_was(contest: Comparison) -> None:
    with pytest.raises(KeyError, match="no 'gp' was compared; there are guesser, failing, random, sobol, grid"):
        contest.curve("gp")
