"""What a scan that goes on must not lose: names and ids of any kind, short answers, its place beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from ophyd_async.core import StrictEnum, init_devices, soft_signal_rw

from skysteer import Axis, Choice, Space, adaptive_scan, watch
from skysteer.stores import Record, program, runs
from skysteer.testing import SimulatedBeamline

from .test_resume import TIMEOUT, Noting, Wanderer, cut_off, measured

POINTS = 6


def same_after_every_cut(RE: Any, tmp_path: Path, plan: Callable[..., Any]) -> Path:
    """Cut a scan off after any document; the rest goes the same way. Returns the folder of the whole one."""
    with Noting(tmp_path / "whole") as store:
        RE(plan(record=store)).result(TIMEOUT)
    expected = measured(tmp_path / "whole")
    assert len(expected) == POINTS
    for length in range(1, len(store.order)):
        folder = cut_off(tmp_path / f"cut-{length}", store.order[:length])
        RE(plan(record=folder, resume="last")).result(TIMEOUT)
        assert measured(folder) == expected, f"cut off after {length} documents, {store.order[length - 1]}"
    return tmp_path / "whole"


def scan_of(RE: Any, make: Callable[[], Any], flow: Callable[..., Any] = adaptive_scan, **options: Any) -> Any:
    beam = SimulatedBeamline(RE, noise=False)

    def plan(**also: Any) -> Any:
        return flow(
            [beam.det], [beam.x, beam.y], make(), **{"objectives": ["det"], "max_points": POINTS} | options | also
        )

    return plan


# ------------------------------------------------------------ what a recommender says and is told


class Sparing(Wanderer):
    """Answers with fewer points than it is asked for, now and then."""

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        return super().suggest(num_points)[: 1 + len(self._told) % 2]


def test_of_an_answer_shorter_than_its_question_nothing_is_asked_sooner(RE, tmp_path):
    same_after_every_cut(RE, tmp_path, scan_of(RE, Sparing, batch=3, lookahead=2))


class Named(Wanderer):
    """Gives its suggestions ids of any kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def _point(self, number: int) -> dict[str, Any]:
        point = super()._point(number)
        return {**point, "_id": KINDS[self.kind](point["_id"][1])}


KINDS: dict[str, Callable[[int], Any]] = {
    "number of numpy": np.int64,
    "uuid": lambda number: UUID(int=number),
    "bytes": lambda number: number.to_bytes(8, "big"),
    "frozen set": lambda number: frozenset({number}),
    "tuple of numpy": lambda number: ("w", np.int32(number % 1000), b"\xff"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_is_told_again_as_it_was(RE, tmp_path, kind):
    folder = same_after_every_cut(RE, tmp_path, scan_of(RE, lambda: Named(kind), lookahead=1))
    record = Record.read(folder)
    given = [each.recommender_id for answer in record.suggested for each in answer.suggestions]
    assert [type(each) for each in given] == [type(KINDS[kind](5))] * POINTS
    assert [each.recommender_id for each in record.told] == given


class Filter(StrictEnum):
    """Of a filter wheel."""

    AL = "Al"
    CU = "Cu foil"


class Chooser(Wanderer):
    """Chooses a filter too."""

    def _point(self, number: int) -> dict[str, Any]:
        point = super()._point(number)
        return {**point, "y": [each.value for each in Filter][point["_id"][1] % 2]}


def test_a_word_of_an_enumerated_signal_is_told_again_as_it_was(RE, tmp_path):
    beam = SimulatedBeamline(RE, noise=False)
    with init_devices():
        wheel = soft_signal_rw(Filter, Filter.AL, name="y")
    space = Space(Axis("x", -5.0, 5.0, "mm"), Choice("y", ("Al", "Cu foil")))
    told: list[Any] = []

    class Listening(Chooser):
        def ingest(self, points: Sequence[Any]) -> None:
            super().ingest(points)
            told.extend(type(point["y"]) for point in points)

    def plan(**also: Any) -> Any:
        return adaptive_scan(
            [beam.det], [beam.x, wheel], Listening(space), objectives=["det"], max_points=POINTS, lookahead=1, **also
        )

    same_after_every_cut(RE, tmp_path, plan)
    assert set(told) == {str}


def test_an_objective_may_have_a_name_that_no_data_key_may_have(RE, tmp_path, caplog):
    plan = scan_of(
        RE, Wanderer, objectives=["I/I0", "mu.x"], reduce=lambda data: {"I/I0": data["det"] / 3, "mu.x": 0.5}
    )
    record = Record.read(same_after_every_cut(RE, tmp_path, plan))
    assert len(record.told) == POINTS
    assert [set(each.objectives) for each in record.told] == [{"I/I0", "mu.x"}] * POINTS
    assert "cannot be put on record" not in caplog.text


def test_what_a_secret_setting_holds_is_not_on_record(RE, tmp_path):
    class Remote(Wanderer):
        def __init__(self) -> None:
            super().__init__()
            self._api_key = "hunter2"
            self.login = {"user": "me", "password": "hunter2"}
            self.max_tokens = 7

    RE(scan_of(RE, Remote)(record=tmp_path / "runs")).result(TIMEOUT)
    assert not any("hunter2" in file.read_text() for file in (tmp_path / "runs").iterdir())
    settings = Record.read(tmp_path / "runs").about["recommender"]["settings"]
    assert (settings["api_key"], settings["max_tokens"]) == ("(a secret, not on record)", 7)


# ------------------------------------------------------------ beside others


def test_last_is_the_newest_scan_also_inside_a_watch_that_began_after_it(RE, tmp_path):
    scan = scan_of(RE, Wanderer)
    with Noting(tmp_path / "whole") as store:
        RE(scan(record=store)).result(TIMEOUT)
    folder = cut_off(tmp_path / "cut", store.order[: len(store.order) // 2])

    def slow_to_begin(**options: Any) -> Any:
        from bluesky.plan_stubs import sleep

        yield from sleep(0.2)  # by then the decision run of the watch is on the disk
        return (yield from scan(**options))

    RE(watch(slow_to_begin(record=folder, resume="last"), lambda points: None, record=folder)).result(TIMEOUT)
    newest = [each for each in runs(folder) if each.flow == "adaptive_scan" and each.kind == "decisions"][-1]
    assert measured(folder, newest.uid) == measured(tmp_path / "whole")


def test_the_engine_holds_a_subscription_of_a_record_until_it_is_taken_back(RE, tmp_path):
    """Held weakly, it was forgotten when the decision run of an earlier scan died in another thread."""
    found: list[Any] = []

    def looking(devices: Sequence[Any]) -> Any:
        from bluesky.plan_stubs import trigger_and_read

        yield from trigger_and_read(devices)
        registry = RE.dispatcher.cb_registry
        found.extend(each.inst for proxies in registry.callbacks.values() for each in proxies.values())

    RE(scan_of(RE, Wanderer, take_reading=looking)(record=tmp_path / "runs")).result(TIMEOUT)
    assert found
    assert all(each is None for each in found), "an object is held weakly"


def test_a_key_in_the_command_line_is_not_on_record(monkeypatch):
    words = ["skysteer", "demo", "--tiled", "http://h:80?api_key=hunter2", "--max-tokens", "7", "--password=hunter2"]
    monkeypatch.setattr("sys.argv", words)
    assert program()["argv"] == ["skysteer", "demo", "--tiled", "http://h:80", "--max-tokens", "7", ""]


def halved(data: Any) -> dict[str, Any]:
    return {"signal": data["det"] / 2}


def thirds(data: Any) -> dict[str, Any]:
    return {"signal": data["det"] / 3}


def test_another_reduction_is_a_warning_that_is_on_record(RE, tmp_path):
    with Noting(tmp_path / "whole") as store:
        RE(scan_of(RE, Wanderer, objectives=["signal"], reduce=halved)(record=store)).result(TIMEOUT)
    for reduce, words in ((halved, []), (thirds, ["the source of reduce= thirds was changed since"])):
        folder = cut_off(tmp_path / f"cut-{reduce.__name__}", store.order[: len(store.order) // 2])
        plan = scan_of(RE, Wanderer, objectives=["signal"], reduce=reduce)
        RE(plan(record=folder, resume="last")).result(TIMEOUT)
        assert [each.partition(":")[0] for each in Record.read(folder).about["warnings"]] == words


def test_points_whose_suggestions_are_lost_are_told_and_said(RE, tmp_path):
    scan = scan_of(RE, Wanderer)
    RE(scan(record=tmp_path / "runs")).result(TIMEOUT)
    record = Record.read(tmp_path / "runs")
    decided, measurement = record.entry.path, record.measurements[0].path
    lines = decided.read_bytes().splitlines(keepends=True)
    third = next(place for place, line in enumerate(lines) if record.suggested[2].suggestions[0].id.encode() in line)
    decided.write_bytes(b"".join(lines[:third]))
    measurement.write_bytes(b"".join(measurement.read_bytes().splitlines(keepends=True)[:-2]))
    result = RE(scan(record=tmp_path / "runs", resume="last")).result(TIMEOUT).plan_result
    assert result.measured == POINTS
    (said,) = Record.read(tmp_path / "runs").about["warnings"]
    assert said.startswith("3 points were measured whose suggestions are not on record")


def test_two_names_of_a_folder_are_one_record(RE, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    scan = scan_of(RE, Wanderer)
    RE(watch(scan(record=tmp_path / "link"), lambda points: None, record=tmp_path / "runs")).result(TIMEOUT)
    assert len([each for each in (tmp_path / "runs").glob("*.jsonl") if each.name != "index.jsonl"]) == 3


def test_a_launch_that_had_nothing_left_to_measure_has_the_points_of_the_one_before(RE, tmp_path):
    scan = scan_of(RE, Wanderer)
    with Noting(tmp_path / "whole") as store:
        RE(scan(record=store)).result(TIMEOUT)
    last = next(place for place, (_, doc) in enumerate(store.order) if doc.get("data", {}).get("number") == POINTS - 1)
    folder = cut_off(tmp_path / "cut", store.order[: last + 1])
    RE(scan(record=folder, resume="last")).result(TIMEOUT)
    assert [each.num_points for each in runs(folder) if each.kind == "decisions"] == [POINTS, POINTS]
