"""A scan that is cut off after any document goes on from its record as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skysteer import Advisor, Axis, Patience, Space, adaptive_runs, adaptive_scan
from skysteer.errors import RecordError, ResumeError, TooManyFailures
from skysteer.recommenders import Sequence as PointSequence
from skysteer.recommenders import _about
from skysteer.stores import JSONLines, Record, documents
from skysteer.testing import SimulatedBeamline

SPACE = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
TIMEOUT = 30.0
POINTS = 7
Document = tuple[str, Mapping[str, Any]]


class Wanderer:
    """Goes where a hash of all it knows says: told something twice, not, or in another order, it goes elsewhere."""

    def __init__(self, space: Space = SPACE, *, seed: int = 0, fails_at: Sequence[int] = ()) -> None:
        self.space = space
        self.seed = seed
        self.fails_at = tuple(fails_at)
        self._told: list[str] = []
        self._failed: list[str] = []
        self._pending: list[str] = []

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._told += [in_words(point) for point in points]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        self._failed += [in_words(point) for point in suggestions]

    def set_pending(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._pending = [in_words(point) for point in points]

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        if len(self._told) in self.fails_at:
            raise RuntimeError(f"knows {len(self._told)} points, which is too many")
        return [self._point(number) for number in range(num_points or 1)]

    def _point(self, number: int) -> dict[str, Any]:
        known = (self.seed, self._told, self._failed, self._pending, number)
        drawn = np.frombuffer(hashlib.sha256(repr(known).encode()).digest(), np.uint64)
        positions = {axis.name: -5 + 10 * int(d) / 2**64 for axis, d in zip(self.space.axes, drawn, strict=False)}
        return {**positions, "_id": ("w", int(drawn[-1] % 2**50))}

    def get_best_points(self) -> list[Any]:
        return []


def in_words(point: Mapping[str, Any]) -> str:
    return repr([(name, each.tobytes() if hasattr(each, "tobytes") else each) for name, each in sorted(point.items())])


class Noting(JSONLines):
    """Notes the order in which documents are written, over all files."""

    order: list[Document]

    def write(self, documents: Sequence[Document]) -> None:
        taken = list(documents)
        super().write(taken)
        self.__dict__.setdefault("order", []).extend(taken)


@dataclass
class Case:
    """A kind of scan; made anew it is the same."""

    flow: Callable[..., Any] = adaptive_scan
    fails_at: tuple[int, ...] = ()
    bad: tuple[float, float] = (9.0, 9.0)
    """Between these positions of x the detector fails."""
    options: Mapping[str, Any] = None  # type: ignore[assignment]

    def plan(self, beam: SimulatedBeamline, **also: Any) -> Any:
        options = {
            "max_points": POINTS,
            "recommender": Wanderer(fails_at=self.fails_at),
            **(self.options or {}),
            **also,
        }
        if self.fails_at:
            options["patience"] = Patience(on_timeout="fallback", timeout=20.0, fallback=Wanderer(seed=9))
        return self.flow([beam.det], [beam.x, beam.y], objectives=options.pop("objectives", ["det"]), **options)

    def beam(self, RE: Any) -> SimulatedBeamline:
        beam = SimulatedBeamline(RE, noise=False)
        truth = beam.det.truth

        def failing(x: float, y: float) -> float:
            if self.bad[0] < x < self.bad[1]:
                raise RuntimeError(f"no signal at x = {x:g} mm")
            return truth(x, y)

        beam.det.truth = failing
        return beam


def signal_of_event(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"signal": np.float32(data["det"] / 3), "shape": np.array([data["x"], data["y"]], np.float32)}


def signal_of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    return signal_of_event({key: values[-1] for key, values in run["primary"].items()})


REDUCED = {"objectives": ["signal", "shape"], "reduce": signal_of_event}
CASES = {
    "one after the other": Case(),
    "runs": Case(adaptive_runs),
    "batches": Case(options={"batch": 3}),
    "lookahead": Case(options={"lookahead": 2}),
    "batches and lookahead, in runs": Case(adaptive_runs, options={"batch": 2, "lookahead": 1}),
    "initial points and lookahead": Case(options={"initial": [{"x": 1.0, "y": 0.0}, {"x": 2, "y": 1}], "lookahead": 1}),
    "failures": Case(bad=(0.0, 2.0), options={"batch": 2, "lookahead": 1}),
    "failures in runs": Case(adaptive_runs, bad=(0.0, 2.0)),
    "initial points that fail": Case(bad=(0.0, 2.0), options={"initial": [{"x": 1.0, "y": 0.0}, {"x": 2, "y": 1}]}),
    "fallback": Case(fails_at=(2, 3, 5)),
    "fallback and lookahead": Case(fails_at=(2, 3, 5), options={"lookahead": 2}),
    "reduction": Case(options={**REDUCED, "lookahead": 1}),
    "reduction of runs": Case(adaptive_runs, options={**REDUCED, "reduce": signal_of_run}),
}


def measured(folder: Path, run: str = "last") -> list[tuple[Any, ...]]:
    """Where was measured, over all runs of a scan."""
    record = Record.read(folder, run)
    return [tuple(each.axes.values()) for one in (*record.chain, record) for each in one.observations]


def uninterrupted(RE: Any, case: Case, folder: Path) -> tuple[list[Document], Any]:
    with Noting(folder) as store:
        result = RE(case.plan(case.beam(RE), record=store)).result(TIMEOUT).plan_result
    return store.order, result


def cut_off(folder: Path, documents: Sequence[Document]) -> Path:
    """A folder in which only these documents were written by the time the process was killed."""
    with JSONLines(folder) as store:
        store.write(documents)
    return folder


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cut_off_after_any_document_a_scan_goes_the_same_way(RE, tmp_path, case):
    order, result = uninterrupted(RE, case, tmp_path / "whole")
    expected = measured(tmp_path / "whole")
    assert len(expected) == POINTS
    for length in range(1, len(order)):
        folder = cut_off(tmp_path / f"cut-{length}", order[:length])
        resumed = RE(case.plan(case.beam(RE), record=folder, resume="last")).result(TIMEOUT).plan_result
        assert measured(folder) == expected, f"cut off after {length} documents, the last a {order[length - 1][0]}"
        assert (resumed.reason, resumed.measured, resumed.failed, resumed.fallen_back) == (
            result.reason, result.measured, result.failed, result.fallen_back,
        )  # fmt: skip


def test_a_recommender_in_a_process_is_taught_again(RE, tmp_path):
    case = Case(options={"worker": "process", "lookahead": 1})
    order, _ = uninterrupted(RE, case, tmp_path / "whole")
    for length in (5, len(order) // 2, len(order) - 6):
        folder = cut_off(tmp_path / f"cut-{length}", order[:length])
        RE(case.plan(case.beam(RE), record=folder, resume="last")).result(TIMEOUT)
        assert measured(folder) == measured(tmp_path / "whole")


def test_a_resumed_scan_that_is_cut_off_is_resumed_again_and_again(RE, tmp_path):
    case = Case(fails_at=(3,), bad=(0.0, 2.0), options={"batch": 2, "lookahead": 2, "initial": [{"x": 1.0, "y": 0.0}]})
    whole, result = uninterrupted(RE, case, tmp_path / "whole")
    documents, step = whole[:9], 9
    for life in range(30):
        folder = cut_off(tmp_path / f"life-{life}", documents)
        with Noting(folder) as store:
            resumed = RE(case.plan(case.beam(RE), record=store, resume="last")).result(TIMEOUT).plan_result
        if len(store.order) <= step:
            break
        documents = [*documents, *store.order[:step]]
    assert life > 3
    assert measured(folder) == measured(tmp_path / "whole")
    assert (resumed.measured, resumed.failed, resumed.fallen_back) == (POINTS, result.failed, result.fallen_back)
    chain = Record.read(folder).chain
    assert len(chain) == life + 1
    assert resumed.uids == tuple(run.uid for one in (*chain, Record.read(folder)) for run in one.measurements)


def test_two_scans_that_go_on_leave_one_chain_that_names_each_other(RE, tmp_path):
    case = Case()
    order, _ = uninterrupted(RE, case, tmp_path / "whole")
    folder = cut_off(tmp_path / "cut", order[: len(order) // 2])
    old = Record.read(folder)
    RE(case.plan(case.beam(RE), record=folder, resume=old.measurements[0].uid[:8])).result(TIMEOUT)
    new = Record.read(folder)
    assert (new.resumes, [each.entry.uid for each in new.chain]) == (old.entry.uid, [old.entry.uid])
    starts = {name: doc for run in new.measurements for name, doc in documents(run.path) if name == "start"}
    assert starts["start"]["skysteer"]["resumes"] == old.entry.uid
    closed = Record.read(folder, old.entry.uid)
    assert [run.exit_status for run in (closed.entry, *closed.measurements)] == ["fail", "fail"]
    assert closed.entry.resumed_by == new.entry.uid


def test_points_lost_in_a_power_cut_are_measured_again_where_they_were(RE, tmp_path):
    """The file of the decisions is synced first: it may know of points whose events are lost."""
    case = Case(options={"batch": 2, "lookahead": 2})
    uninterrupted(RE, case, tmp_path / "whole")
    expected = measured(tmp_path / "whole")
    record = Record.read(tmp_path / "whole")
    run, decided = record.measurements[0].path, record.entry.path
    for lost in range(1, POINTS):
        for torn in (0, 7):
            folder = tmp_path / f"lost-{lost}-{torn}"
            folder.mkdir()
            # Without the stop documents; the last event is torn.
            lines = run.read_bytes().splitlines(keepends=True)[:-1]
            kept = b"".join(lines[: len(lines) - lost])
            (folder / run.name).write_bytes(kept[: len(kept) - torn])
            said = decided.read_bytes().splitlines(keepends=True)[:-1]
            (folder / decided.name).write_bytes(b"".join(said))
            RE(case.plan(case.beam(RE), record=folder, resume="last")).result(TIMEOUT)
            assert measured(folder) == expected


def test_an_answer_of_which_a_part_is_lost_is_asked_for_again(RE, tmp_path):
    case = Case(options={"batch": 3})
    order, _ = uninterrupted(RE, case, tmp_path / "whole")
    first = next(place for place, (_, doc) in enumerate(order) if "part" in doc.get("data", {}))
    folder = cut_off(tmp_path / "cut", order[: first + 2])
    assert len(Record.read(folder).incomplete) == 1
    RE(case.plan(case.beam(RE), record=folder, resume="last")).result(TIMEOUT)
    assert measured(folder) == measured(tmp_path / "whole")


# ------------------------------------------------------------ what may not go on


@pytest.fixture
def cut(RE: Any, tmp_path: Path) -> Path:
    """A folder with a scan that was cut off."""
    order, _ = uninterrupted(RE, Case(), tmp_path / "whole")
    return cut_off(tmp_path / "cut", order[: len(order) // 2])


def refused(RE: Any, plan: Any, kind: type[Exception] = ResumeError) -> str:
    """The words of the error with which a plan is refused; no motor moved, and no run was opened."""
    begun: list[Any] = []
    RE.subscribe(lambda name, _: begun.append(name))
    with pytest.raises(kind) as caught:
        RE(plan).result(TIMEOUT)
    assert begun == []
    return str(caught.value)


OTHERS = {
    "another seed": ({"recommender": Wanderer(seed=5)}, "the seed of its recommender was 0, and is 5"),
    "another setting": (
        {"recommender": Wanderer(fails_at=(90,))}, "setting of its recommender: fails_at was '()', and is '(90)'",
    ),
    "another space": (
        {"recommender": Wanderer(Space(Axis("x", -5.0, 4.0, units="mm"), Axis("y", -5.0, 5.0, units="mm")))},
        "its axis 'x': high was 5.0, and is 4.0",
    ),
    "other initial points": ({"initial": [{"x": 0.0, "y": 0.0}]}, "its initial points were []"),
    "a reduction": (
        {"objectives": ["signal"], "reduce": signal_of_event}, "its objectives were det, and are signal",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "words"), OTHERS.values(), ids=OTHERS)
def test_what_is_not_the_same_scan_is_refused_and_says_what_differs(RE, cut, options, words):
    case = Case()
    said = refused(RE, case.plan(case.beam(RE), record=cut, resume="last", **options))
    assert "was made by something else" in said
    assert words in said
    # It can still be resumed by what made it.
    RE(case.plan(case.beam(RE), record=cut, resume="last")).result(TIMEOUT)


class Stranger(Wanderer):
    """Another class."""


def test_another_class_of_recommenders_is_refused(RE, cut):
    case = Case(options={"recommender": Stranger()})
    said = refused(RE, case.plan(case.beam(RE), record=cut, resume="last"))
    assert "its recommender was Wanderer, and is Stranger" in said


def test_the_other_flow_is_refused(RE, cut):
    case = Case(adaptive_runs)
    assert "it is of adaptive_scan, and not of adaptive_runs" in refused(
        RE, case.plan(case.beam(RE), record=cut, resume="last")
    )


def test_a_complete_run_is_refused_and_a_larger_budget_opens_it_again(RE, tmp_path):
    case = Case()
    folder = tmp_path / "runs"
    RE(case.plan(case.beam(RE), record=folder)).result(TIMEOUT)
    assert f"is complete: {POINTS} of {POINTS} points were measured" in refused(
        RE, case.plan(case.beam(RE), record=folder, resume="last")
    )
    result = RE(case.plan(case.beam(RE), record=folder, resume="last", max_points=POINTS + 3)).result(TIMEOUT)
    assert result.plan_result.measured == POINTS + 3
    RE(case.plan(case.beam(RE), record=tmp_path / "longer", max_points=POINTS + 3)).result(TIMEOUT)
    assert measured(folder) == measured(tmp_path / "longer")


def test_fewer_points_than_were_measured_are_complete(RE, cut):
    case = Case()
    said = refused(RE, case.plan(case.beam(RE), record=cut, resume="last", max_points=1))
    assert "is complete: " in said
    assert "3 points, more than 1, were measured" in said


def test_a_scan_whose_recommender_had_nothing_more_to_ask_says_so(RE, tmp_path):
    def scan(**options: Any) -> Any:
        points = PointSequence([{"x": 0.0}, {"x": 1.0}])
        beam = SimulatedBeamline(RE)
        return adaptive_scan([beam.det], [beam.x], points, objectives=["det"], record=tmp_path / "runs", **options)

    RE(scan(max_points=5)).result(TIMEOUT)
    said = refused(RE, scan(max_points=5, resume="last"))
    assert "it ended after 2 of 5 points, the recommender has nothing more to ask" in said


def test_a_run_that_goes_on_already_names_the_one_that_does(RE, cut):
    case = Case()
    old = Record.read(cut).entry.uid
    RE(case.plan(case.beam(RE), record=cut, resume=old)).result(TIMEOUT)
    said = refused(RE, case.plan(case.beam(RE), record=cut, resume=old))
    assert f"run {old[:8]} goes on already in {Record.read(cut).entry.uid[:8]}: resume that one" in said


def test_a_run_that_is_still_written_is_refused_and_names_its_process(RE, tmp_path):
    case = Case()
    order, _ = uninterrupted(RE, case, tmp_path / "whole")
    with JSONLines(tmp_path / "runs") as store:
        store.write(order[: len(order) // 2])
        said = refused(RE, case.plan(case.beam(RE), record=tmp_path / "runs", resume="last"))
        assert f"is still running: process {os.getpid()} on {socket.gethostname()}" in said


def test_a_measurement_without_its_decisions_says_what_can_still_be_done(RE, cut):
    record = Record.read(cut)
    record.entry.path.unlink()
    case = Case()
    said = refused(RE, case.plan(case.beam(RE), record=cut, resume=record.measurements[0].uid), RecordError)
    assert f"the decision run {record.entry.uid} of run {record.measurements[0].uid} is not in {cut}" in said
    assert "What was measured is whole, 3 points" in said


def test_a_folder_and_a_file_of_another_are_refused(RE, cut, tmp_path):
    case = Case()
    file = Record.read(cut).entry.path
    said = refused(RE, case.plan(case.beam(RE), record=tmp_path / "whole", resume=file), RecordError)
    assert f"leave record= out, or give {cut}" in said
    said = refused(RE, case.plan(case.beam(RE), resume="last"), RecordError)
    assert "resume='last' is no file: give the folder of runs too, record=..." in said
    RE(case.plan(case.beam(RE), resume=file)).result(TIMEOUT)
    assert len(measured(cut)) == POINTS


def test_a_changed_source_is_a_warning_that_is_logged_and_on_record(RE, cut, caplog, monkeypatch):
    case = Case()
    monkeypatch.setattr("skysteer.recommenders._about._source", lambda kind: "changed")
    _about._version.cache_clear()
    try:
        RE(case.plan(case.beam(RE), record=cut, resume="last")).result(TIMEOUT)
    finally:
        _about._version.cache_clear()
    words = "the source of the recommender Wanderer was changed since: it may suggest something else"
    assert words in caplog.text
    assert Record.read(cut).about["warnings"] == [words]


def test_batch_lookahead_and_patience_may_be_chosen_anew(RE, cut):
    case = Case(options={"batch": 2, "lookahead": 1, "patience": Patience(20.0, "finish")})
    result = RE(case.plan(case.beam(RE), record=cut, resume="last")).result(TIMEOUT).plan_result
    assert result.measured == POINTS


def test_a_scan_that_was_aborted_or_failed_goes_on(RE, tmp_path):
    case = Case(bad=(-5.0, 5.0), options={"on_failure": "stop"})
    with pytest.raises(TooManyFailures):
        RE(case.plan(case.beam(RE), record=tmp_path / "runs")).result(TIMEOUT)
    assert Record.read(tmp_path / "runs").entry.exit_status == "fail"
    whole = Case()
    result = RE(whole.plan(whole.beam(RE), record=tmp_path / "runs", resume="last")).result(TIMEOUT).plan_result
    assert (result.measured, result.failed) == (POINTS, 1)


# ------------------------------------------------------------ checkpoints


class Keeper(Wanderer):
    """Writes what it was told into a file, and reads it again."""

    def __init__(self, checkpoint_path: Path) -> None:
        super().__init__()
        self.checkpoint_path = str(checkpoint_path)
        self._ingested = 0

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        super().ingest(points)
        self._ingested += len(points)

    def checkpoint(self) -> None:
        Path(self.checkpoint_path).write_text(json.dumps(self._told))

    def restore(self, points: Sequence[Mapping[str, Any]]) -> int:
        path = Path(self.checkpoint_path)
        told = json.loads(path.read_text()) if path.exists() else []
        if told != [in_words(point) for point in points[: len(told)]]:
            return 0  # it was made of other points
        self._told = told
        return len(told)


def test_a_recommender_restores_its_checkpoint_and_is_told_what_came_after(RE, tmp_path):
    kept = tmp_path / "kept.json"
    case = Case()
    order, _ = uninterrupted(RE, Case(options={"recommender": Keeper(kept)}), tmp_path / "whole")
    expected, length = measured(tmp_path / "whole"), len(order) - 12
    folder = cut_off(tmp_path / "cut", order[:length])
    known = len(Record.read(folder).observations)
    kept.write_text(json.dumps(json.loads(kept.read_text())[: known - 2]))  # as it was some points before
    keeper = Keeper(kept)
    with Advisor(keeper, checkpoint_every=2) as one:
        RE(case.plan(case.beam(RE), recommender=one, record=folder, resume="last")).result(TIMEOUT)
    assert measured(folder) == expected
    assert keeper._ingested == POINTS - (known - 2)


def test_a_checkpoint_of_another_run_is_not_used(RE, tmp_path):
    kept = tmp_path / "kept.json"
    case = Case(options={"recommender": Keeper(kept)})
    order, _ = uninterrupted(RE, case, tmp_path / "whole")
    folder = cut_off(tmp_path / "cut", order[: len(order) - 12])
    kept.write_text(json.dumps(["another point", "and another"]))
    keeper = Keeper(kept)
    RE(case.plan(case.beam(RE), recommender=keeper, record=folder, resume="last")).result(TIMEOUT)
    assert measured(folder) == measured(tmp_path / "whole")
    assert keeper._ingested == POINTS
