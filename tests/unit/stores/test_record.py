"""What is on record comes back as the values it was."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skysteer import Axis, Choice, Space
from skysteer.documents import Fields
from skysteer.errors import RecordError
from skysteer.model import (
    Asked,
    Checkpointed,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Suggestion,
    Told,
    Verdict,
)
from skysteer.stores import JSONLines, Record, Recorder, fields_about, resume_from, space_about
from skysteer.testing import RunBuilder

SPACE = Space(
    Axis("x", -5, 5, units="mm"),
    Axis("n", 0, float("inf"), step=1),
    Choice("filter", ("Al", "Cu")),
    Choice("slit", (1, 2.5)),
)
FIELDS = Fields({name: name for name in SPACE}, {"det": "det"})
NOW = 1795241536.25
POINT = {"x": 0.1, "n": 3.0, "filter": "Cu", "slit": 2.5}
FIRST = Suggestion("launch-r0", POINT, "recommender", ("tuple", 1, ("nested",)))
SECOND = Suggestion("launch-r1", {**POINT, "filter": "Al", "slit": 1}, "recommender")
BESIDE = Suggestion("launch-f0", POINT, "fallback", "mine")


def told(**values: Any) -> Told:
    point = Told("recommender", 0, "run", "primary", 1, NOW - 1, POINT, {"det": 2.5}, "launch-r0", 7, time=NOW)
    return replace(point, **values)


def suggested(*suggestions: Suggestion, **values: Any) -> Suggested:
    answer = Suggested(
        suggestions[0].origin, 3, suggestions, 12, 1, ("launch-r7",), 2, "abc", NOW, 0.25, 0.125, 0.5, time=NOW + 0.25
    )
    return replace(answer, **values)


DECISIONS = [
    told(),
    told(number=1, seq_num=2, recommender_id="a", axes={**POINT, "filter": 2}),
    told(number=2, objectives={"det": float("nan")}, suggestion=None, recommender_id=None),
    told(number=3, objectives={"det": -float("inf"), "word": "saturated"}, replay=True),
    told(number=4, objectives={}),
    Asked("recommender", 4, 2, 10, 1, (FIRST, SECOND, BESIDE), NOW),
    suggested(FIRST, SECOND),
    suggested(BESIDE, question=0, pending=()),
    suggested(SECOND, question=4, reasons=("largest expected improvement: det = 3 ± 1",)),
    suggested(FIRST, SECOND, question=5, reasons=("", "beside it")),
    suggested(FIRST, SECOND, question=6, reasons=("an edge", "")),
    Refused("recommender", 5, "failed", "it raised\nRuntimeError", 3, NOW, 0.5, "[{'x': 7}]", NOW),
    GivenUp("initial", "launch-i0", "device", "FailedStatus: stuck", NOW),
    Replaced("fallback", "ingest", "killed by signal 9", 2, NOW),
    Checkpointed("recommender", 100, 2, "abc", 0.25, "", NOW),
    Judged("beam", Verdict.ABORT, "dose", "run", "primary", 3, 1, True, 0.01, NOW),
    Judged("beam", None, "it raised", "run", "primary", 0, 1, False, 0.01, NOW),
    Steered(Verdict.ENOUGH, "tea", "Ada", 2, True, NOW),
]


def about(**more: Any) -> dict[str, Any]:
    said = {
        "launch": "launch", "flow": "adaptive_scan", "space": space_about(SPACE), "fields": fields_about(FIELDS),
        "recommender": {"name": "Mine"}, "options": {"max_points": 10}, **more,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def written(folder: Path, *decisions: Any, **more: Any) -> Record:
    with Recorder(folder) as recorder:
        run = recorder.begin(about(**more))
        for decision in decisions:
            run(decision)
        run.end("success", "done")
    return Record.read(folder)


def test_every_decision_comes_back_as_it_was_in_order(tmp_path):
    record = written(tmp_path / "runs", *DECISIONS)
    # NaN is not equal to itself.
    assert [repr(each) for each in record.decisions] == [repr(each) for each in DECISIONS]
    kinds = (
        record.told, record.asked, record.suggested, record.refused, record.given_up, record.replaced,
        record.checkpointed, record.judged, record.steered,
    )  # fmt: skip
    assert sum(map(len, kinds)) == len(DECISIONS)
    assert record.problems == ()
    assert record.incomplete == ()


def test_a_record_from_before_there_were_reasons_is_read(tmp_path):
    answer = suggested(FIRST, SECOND)
    written(tmp_path / "runs", answer)
    (path,) = (tmp_path / "runs").glob("2*.jsonl")
    path.write_text(path.read_text().replace(',"reason":""', ""))
    assert "reason" not in json.loads(path.read_text().splitlines()[-2])["doc"]["data"]
    assert repr(Record.read(tmp_path / "runs").decisions) == repr((answer,))


@pytest.mark.parametrize(
    "value",
    [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2]), np.float32(0.1), np.array(["a", "bc"])],
    ids=repr,
)
def test_what_was_told_of_numpy_comes_back_of_its_kind(tmp_path, value):
    (found,) = written(tmp_path / "runs", told(objectives={"det": value})).told
    there = found.objectives["det"]
    assert there.dtype == value.dtype
    assert np.array_equal(there, value)


def test_the_space_and_the_fields_come_back(tmp_path):
    record = written(tmp_path / "runs")
    assert record.space == SPACE
    assert record.fields == FIELDS


def test_a_run_of_a_watched_plan_has_no_space_and_no_observations(tmp_path):
    record = written(tmp_path / "runs", DECISIONS[-1], flow="watch", launch=None, space=None, fields=None)
    assert (record.space, record.fields, record.observations, record.flow) == (None, None, (), "watch")
    with pytest.raises(RecordError, match="is of watch, whose plan is anybody's: only adaptive_scan and adaptive_runs"):
        resume_from(record)


def test_a_run_recorded_without_decisions_says_so(tmp_path):
    with Recorder(tmp_path / "runs") as recorder:
        run = RunBuilder({"primary": {"x": "number"}}, to=recorder)
        run.event(x=1.0)
        run.stop()
    with pytest.raises(RecordError, match="was recorded without decisions: what it measured is in"):
        Record.read(tmp_path / "runs")


def test_a_chain_that_bites_its_own_tail_is_refused(tmp_path):
    with JSONLines(tmp_path / "runs") as store:
        for uid, other in (("a" * 8, "b" * 8), ("b" * 8, "a" * 8)):
            start = {
                "uid": uid,
                "time": NOW,
                "plan_name": "decisions",
                "skysteer": {"kind": "decisions", "resumes": other},
            }
            store.write([("start", start)])
    with pytest.raises(RecordError, match="goes on with itself: its record was changed by hand"):
        _ = Record.read(tmp_path / "runs", "a" * 8).chain


def test_a_chain_whose_beginning_was_removed_names_what_is_missing(tmp_path):
    record = written(tmp_path / "runs", resumes="gone-away")
    with pytest.raises(RecordError, match=f"run {record.entry.uid} goes on with run gone-away, but: there is no run"):
        _ = record.chain


def test_ten_thousand_points_are_read_in_a_few_seconds(tmp_path):
    decisions: list[Any] = []
    for number in range(10_000):
        suggestion = Suggestion(f"launch-r{number}", POINT, "recommender", number)
        decisions.append(suggested(suggestion, question=number, told=number, pending=()))
        decisions.append(told(number=number, seq_num=number + 1, suggestion=suggestion.id))
    written(tmp_path / "runs", *decisions)
    began = time.process_time()
    record = Record.read(tmp_path / "runs")
    assert len(record.told) == len(record.suggested) == 10_000
    assert time.process_time() - began < 5.0
