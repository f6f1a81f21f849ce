"""The benchmark of the recommenders runs, judges and keeps what it found. No timing is asserted here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks._report import Spread
from benchmarks.recommenders import __main__ as command_line
from benchmarks.recommenders import (
    _library,
    _library_peers,
    _mapping,
    _optimising,
    _page,
    _sampling,
    _scenes,
    _task,
    ours,
)
from benchmarks.recommenders.__main__ import main
from benchmarks.recommenders._peers import MAKERS
from benchmarks.recommenders._problems import PROBLEMS
from benchmarks.recommenders._table import Column, Table
from benchmarks.recommenders._task import Ledger, Task
from skysteer.recommenders.library._whitened import Whitened


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_ours_and_a_peer_are_compared_cell_by_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.jsonl"
    chosen = ["--recommenders", "ours", "simple_gp", "scan_then_gp_sqrt", "random", "sobol", "grid"]
    call = ["--parts", "A", "--problems", "branin_noisy", "beamline_peak", *chosen]
    assert main([*call, "--seeds", "0", "--budget", "20", "--out", str(out)]) == 0
    found = {(row["case"], row["method"]): row for row in rows(out)}
    assert len(found) == 11  # scan_then_gp_sqrt is for counts
    assert not any("error" in row for row in found.values())
    for row in found.values():
        assert row["measured"] == 20
        assert set(row["regret"]) == {"10", "20"}
        assert row["cpu"] > 0
    assert found["branin_noisy", "ours"]["regret_of_called_best"] is not None
    assert found["branin_noisy", "random"]["regret_of_called_best"] is None
    content = json.loads(out.with_suffix(".json").read_text())
    assert [table["case"] for table in content["tables"]] == ["branin_noisy", "beamline_peak"]
    assert content["tables"][0]["verdicts"]["n=20"]["reached"] in (True, False)
    printed = capsys.readouterr().out
    assert "<= 0.68 (ax)" in printed
    assert "cells are what they are to be" in printed


def here(tasks: Sequence[Task], jobs: int, keep: Callable[[Task, dict[str, Any]], None]) -> None:
    """Run in this process: it saves a start."""
    for task in tasks:
        keep(task, _task.run(task))


def test_what_was_found_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "run_all", here)
    out = tmp_path / "found.jsonl"
    call = ["--parts", "A", "--recommenders", "random", "--problems", "branin", "--budget", "10", "--out", str(out)]
    main([*call, "--seeds", "0,1"])
    first = rows(out)
    capsys.readouterr()
    main([*call, "--seeds", "0-2"])
    assert "1 of 3 runs are to be done" in capsys.readouterr().err
    assert rows(out)[:2] == first
    assert [row["seed"] for row in rows(out)] == [0, 1, 2]


def test_an_interrupted_run_shows_what_it_has_and_leaves_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(tasks: Sequence[Task], jobs: int, keep: Callable[[Task, dict[str, Any]], None]) -> None:
        here([task for task in tasks if task.method == "random"][:1], jobs, keep)
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "run_all", interrupted)
    monkeypatch.setattr(command_line, "write_page", lambda content: pytest.fail("the page was written"))
    out = tmp_path / "found.jsonl"
    assert main(["--write-docs", "--seeds", "0", "--budget", "10", "--out", str(out)]) == 1
    assert len(rows(out)) == 1
    said = capsys.readouterr()
    assert "random (1)" in said.out
    assert "the same command goes on" in said.err
    assert "is left as it is" in said.err


def test_what_other_code_found_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("A", "branin", "ours", 0, 60)
    Ledger(tmp_path / "found.jsonl").add(task, {"cpu": 1.0})
    assert task in Ledger(tmp_path / "found.jsonl")
    monkeypatch.setattr(_task, "fingerprint", lambda part, method: "another")
    changed = Ledger(tmp_path / "found.jsonl")
    assert task not in changed
    assert changed.outdated == 1


def test_a_change_of_ours_leaves_what_the_peers_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = tmp_path / "src" / "skysteer" / "recommenders"
    sources.mkdir(parents=True)
    monkeypatch.setattr(_task, "ROOT", tmp_path)
    prints = []
    for text in ("x = 1", "x = 2"):
        (sources / "gaussian.py").write_text(text)
        monkeypatch.setattr(_task, "_FINGERPRINTS", {})
        prints.append({name: _task.fingerprint("A", name) for name in ("ours", "module:make", "simple_gp")})
    assert prints[0]["simple_gp"] == prints[1]["simple_gp"]
    assert prints[0]["ours"] != prints[1]["ours"]
    assert prints[0]["module:make"] != prints[1]["module:make"]


BROKEN = """
import os

def raises(problem, seed):
    raise ValueError("no such luck")

def dies(problem, seed):
    os._exit(3)

class Outside:
    def __init__(self, problem, seed):
        self.problem = problem
    def suggest(self, num_points):
        return [{name: high + 1 for name, (low, high) in self.problem.bounds.items()}]
"""


def test_a_recommender_that_fails_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_recommenders.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "found.jsonl"
    names = [f"broken_recommenders:{name}" for name in ("raises", "dies", "Outside")]
    call = ["--parts", "A", "--problems", "branin", "--seeds", "0", "--budget", "10", "--out", str(out)]
    main([*call, "--recommenders", *names, "random"])
    found = {row["method"]: row for row in rows(out)}
    assert found[names[0]]["error"] == "ValueError: no such luck"
    assert "BrokenProcessPool" in found[names[1]]["error"]
    assert "{'x0': 11.0, 'x1': 16.0} was suggested, outside" in found[names[2]]["error"]
    assert found["random"]["measured"] == 10
    assert f"{names[0]}: 1 failed; seed 0: ValueError: no such luck" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--problems", "brannin"], "no problem of these parts is called brannin; there are ackley5, batch"),
        (["--recommenders", "our"], "no recommender of these parts is called our; there are adaptive_curvature"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--quick", "--write-docs"], "--write-docs is for a whole run"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_named(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(tmp_path / "found.jsonl")])
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_findings_and_tables_do_not_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--quick", "--out", str(tmp_path / "found.json")])
    assert "is the name of the tables; give the findings another, such as .jsonl" in capsys.readouterr().err


def test_the_posterior_that_is_compared_grew_point_by_point(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[int] = []
    learn = Whitened.learn

    def noted(known: Whitened, rows: Any, *more: Any, **stop: Any) -> None:
        learnt.append(len(rows))
        learn(known, rows, *more, **stop)

    monkeypatch.setattr(Whitened, "learn", noted)
    monkeypatch.setattr(_sampling, "ONE_BY_ONE", 20)
    _sampling.run(Task("C", "library_exact", "ours", 0, 88))
    assert learnt.count(1) >= 19  # the first question makes the model


def test_the_runs_go_seed_by_seed_through_all_recommenders() -> None:
    tasks = list(_optimising.tasks(["branin"], ["ours", "random"], [3, 4], budget=None, quick=False))
    assert [(task.seed, task.method, task.budget) for task in tasks] == [
        (3, "ours", 60), (3, "random", 60), (4, "ours", 60), (4, "random", 60),
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "published"), [("random", [0.7, 1.5, 3.8]), ("sobol", [1.2, 2.6, 4.1])])
def test_the_problems_are_those_the_targets_were_measured_on(method: str, published: list[float]) -> None:
    runs = [_optimising.closed_loop(MAKERS[method], PROBLEMS["branin"](seed), seed, 20) for seed in range(20)]
    quartiles = np.percentile([run["regret"]["20"] for run in runs], [25, 50, 75])
    assert [float(f"{value:.2g}") for value in quartiles] == published


BEST = {
    "branin": [np.pi, 2.275],
    "himmelblau": [3, 2],
    "hartmann6": [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
    "ackley5": [0] * 5,
    "beamline_peak": np.random.default_rng(20_000).uniform(-8, 8, 2),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_optimum_of_a_problem_is_where_it_is_known_to_be(name: str) -> None:
    problem = PROBLEMS[name](0)
    best = problem.true(np.array([BEST[name.removesuffix("_noisy")]], float))[0]
    assert best == pytest.approx(problem.optimum, abs=1e-5)
    assert problem.regret(best) == pytest.approx(0, abs=1e-5)
    rng = np.random.default_rng(0)
    true = problem.true(problem.low + rng.random((2000, len(problem.bounds))) * (problem.high - problem.low))
    assert (true >= problem.optimum).all() if problem.minimise else (true <= problem.optimum).all()


def test_ours_is_made_of_what_any_harness_knows_of_a_problem() -> None:
    problem = SimpleNamespace(name="mine", bounds={"x": (0.0, 1.0)}, minimise=False)
    recommender = ours.make(problem, 1)
    (point,) = recommender.suggest(1)
    recommender.ingest([{**point, "f": 1.0}])
    assert list(recommender.space) == ["x"]


def test_an_edge_is_judged_at_its_checkpoints() -> None:
    found = {
        name: _mapping.run(Task("B", "edge", name, 0, 40)) for name in ("ours", "grid", "adaptive_curvature", "knowing")
    }
    errors = {name: [row["errors"][n]["lines"] for n in ("20", "40")] for name, row in found.items()}
    assert all(early > late for early, late in errors.values())
    assert errors["knowing"][1] < errors["adaptive_curvature"][1] < errors["grid"][1]
    assert "own" in found["ours"]["errors"]["40"]
    (table,) = _mapping.tables([{**asdict(Task("B", "edge", name, 0, 40)), **row} for name, row in found.items()])
    assert table.verdict(table.columns[0]).reached is not None
    assert table.verdict(table.columns[3]).reached is None  # 120 points were not measured


def test_a_map_is_judged_by_the_area_in_the_wrong_phase() -> None:
    found = {name: _mapping.run(Task("B", "phases", name, 0, 50)) for name in ("ours", "grid", "adaptive_default")}
    wrong = {name: row["errors"]["50"]["wrong"] for name, row in found.items()}
    assert 0 < wrong["ours"] < wrong["grid"] < 0.1
    scene = _scenes.Scene("phases", 0, 50)
    for place in _scenes.MESH:
        scene.measure(place)
    scene.judge(at=50)
    assert scene.judged["50"]["wrong"] == 0


def test_noise_is_measured_and_what_a_method_expects_itself_is_judged() -> None:
    found = _mapping.run(Task("B", "edge_noisy", "ours", 0, 20))
    assert set(found["errors"]["20"]) == {"lines", "own"}


def test_a_design_that_ends_early_is_an_error() -> None:
    task = Task("B", "no such case", "ours", 0, 30)
    assert _task.run(task)["error"].startswith("KeyError")
    done = SimpleNamespace(suggest=lambda n: [], ingest=lambda points: None)
    with pytest.raises(RuntimeError, match="after 0 of 30 points"):
        _mapping.recommended(done, ("energy",), "mu", _scenes.Scene("edge", 0, 30))


@pytest.mark.parametrize("method", ["ours", "sklearn", "sklearn_held"])
def test_the_library_is_told_and_asked(method: str) -> None:
    task = Task("C", "library", method, 0, 40)
    found = _sampling.run(task)
    assert len(found["cpu"]) == len(found["wall"]) == (15 if method == "ours" else 3)
    assert found["mb"] > 50
    (table,) = _sampling.tables([{**asdict(task), **found}])
    assert list(table.rows) == [method]


def test_the_posterior_of_ours_is_that_of_scikit_learn() -> None:
    found = _sampling.run(Task("C", "library_exact", "ours", 0, 100))
    assert 0 < found["difference_mean"] < 1e-8
    assert 0 < found["difference_sd"] < 1e-8


def test_another_kernel_is_another_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = ours.beliefs
    monkeypatch.setattr(ours, "beliefs", lambda recommender: replace(looked_at(recommender), noise=0.5))
    assert _sampling.run(Task("C", "library_exact", "ours", 0, 40))["difference_sd"] > 1e-3


def test_the_largest_question_is_found_and_a_huge_library_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sampling, "EXPOSURE", 0.0)
    found = _sampling.run(Task("C", "library_refits", "ours", 0, 60))
    assert found["cpu_most"] >= found["cpu_median"] > 0
    assert found["wall_most"] >= found["wall_median"] > 0
    monkeypatch.setattr(_sampling, "HUGE", 20_000)
    assert len(_sampling.run(Task("C", "huge", "ours", 0, 20))["cpu"]) == 5


@pytest.mark.parametrize("method", ["ours", "sklearn", "sklearn_held"])
def test_a_batch_has_eight_different_samples_and_a_worth(method: str) -> None:
    found = _sampling.run(Task("C", "batch", method, 1, 64))  # of this seed the best is worth asking for twice
    assert found["different"] == 8
    assert 1 <= found["n_eff"] <= 8


def test_copies_are_worth_one_and_strangers_are_worth_all() -> None:
    model = SimpleNamespace(
        x=np.full((1, 4), 0.5), lengths=np.full(4, 0.01), variance=1.0, noise=1e-9, lower=np.ones((1, 1))
    )
    assert _library.worth(model, np.full((8, 4), 0.1)) == pytest.approx(1, abs=1e-6)
    assert _library.worth(model, np.linspace(0, 1, 32).reshape(8, 4)) == pytest.approx(8, abs=1e-6)


def test_gpcam_takes_part(recwarn: pytest.WarningsRecorder) -> None:
    """gpCAM warns of its own code; that is its own business."""
    found = _optimising.closed_loop(MAKERS["gpcam_ucb"], PROBLEMS["branin"](0), 0, 12)
    assert found["measured"] == 12
    u = _library.candidates(256)
    step = _library_peers.gpcam(u, u[:20], _library.wells(u[:20]))
    step(u[20], 0.0)


def table(mine: Spread, peer: float = 1.0, **column: Any) -> Table:
    rows = {"ours": {"n=20": mine}, "simple_gp": {"n=20": Spread(peer, peer, peer, 10)}}
    return Table("A", "branin", "branin", [Column("n=20", **column)], rows)


@pytest.mark.parametrize(
    ("column", "reached"),
    [
        ({"target": 0.3, "of": "quartile"}, True), ({"target": 0.3, "of": "median"}, False),
        ({"target": 0.1, "of": "quartile"}, False), ({"target": 0.5, "of": "median"}, True),
        ({"target": 0.7, "of": "quartile", "kind": "at least"}, True), ({"target": 0.7, "kind": "at least"}, False),
        ({}, None),
    ],
)  # fmt: skip
def test_a_target_is_for_the_better_quartile_or_the_median(column: dict[str, Any], reached: bool | None) -> None:
    found = table(Spread(0.5, 0.2, 0.8, 10), **column)
    assert found.verdict(found.columns[0]).reached is reached


@pytest.mark.parametrize(("peer", "kind", "behind"), [
    (0.6, "at most", ()), (0.5, "at most", ("simple_gp",)), (0.4, "at least", ()), (0.5, "at least", ("simple_gp",)),
])  # fmt: skip
def test_as_good_as_a_peer_is_not_better(peer: float, kind: Any, behind: tuple[str, ...]) -> None:
    found = table(Spread(0.5, 0.2, 0.8, 10), peer, beat=("simple_gp", "not here"), kind=kind)
    assert found.verdict(found.columns[0]).behind == behind
    assert bool(found.missed) is bool(behind)


def content(found: Table) -> dict[str, Any]:
    verdicts = {column.name: asdict(found.verdict(column)) for column in found.columns}
    machine = {"processor": "a processor", "cores": 2, "python": "3.11"}
    settings = {"seeds": 10}
    return {
        "tables": [{**asdict(found), "verdicts": verdicts}], "settings": settings, "machine": machine,
        "versions": {"numpy": "2"}, "date": "2026-01-01T00:00:00",
    }  # fmt: skip


def test_the_page_gets_the_tables_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Choose\n\n{_page.BEGIN}\nold\n{_page.END}\nafter\n")
    found = table(Spread(0.5, 0.2, 0.8, 10), target=0.1, beat=("simple_gp",), target_text="<= 0.1 (ax)")
    for _ in range(2):  # again: the same
        _page.write_page(content(found), page)
        text = page.read_text()
        assert text.startswith(f"# Choose\n\n{_page.BEGIN}\n")
        assert text.endswith(f"{_page.END}\nafter\n")
        assert "old" not in text
        assert "| **GaussianProcess** | 0.5 [0.2, 0.8] |" in text
        assert "- branin, n=20: 0.5 [0.2, 0.8]; to beat at most 0.1 (ax); target missed" in text


def test_a_page_without_its_place_for_the_tables_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Choose\n")
    with pytest.raises(ValueError, match="must have the lines"):
        _page.write_page(content(table(Spread(0.5, 0.2, 0.8, 10))), page)
    assert page.read_text() == "# Choose\n"


def test_the_how_to_has_a_place_for_the_tables() -> None:
    text = _page.PAGE.read_text()
    assert text.count(_page.BEGIN) == text.count(_page.END) == 1
    assert text.index(_page.BEGIN) < text.index(_page.END)
