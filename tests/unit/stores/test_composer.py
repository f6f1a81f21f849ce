"""What each decision becomes in the documents of a decision run."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from uuid import UUID

import event_model
import numpy as np
import pytest

from skysteer.model import (
    Asked,
    Axis,
    Checkpointed,
    Choice,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Space,
    Steered,
    Suggested,
    Suggestion,
    Told,
    Verdict,
)
from skysteer.stores import program, space_about
from skysteer.stores.recorder._about import plain
from skysteer.stores.recorder._columns import RunNoted
from skysteer.stores.recorder._composer import Composer

SPACE = Space(Axis("x", -5, 5, units="mm"), Choice("filter", ("Al", "Cu")))
FIRST = Suggestion("abc-r0", {"x": 1.0, "filter": "Al"}, "recommender", ("a", 1))
SECOND = Suggestion("abc-r1", {"x": 2.0, "filter": "Cu"})
NOW = 1795241536.25

DECISIONS = [
    (
        "told",
        Told(
            "recommender", 3, "run", "primary", 4, NOW - 1, {"x": 1.01, "filter": "Al"}, {"det": 2.5}, "abc-r0",
            ("a", 1), time=NOW,
        ),
        {
            "origin": "recommender", "number": 3, "run": "run", "stream": "primary", "seq_num": 4, "measured": NOW - 1,
            "suggestion_id": "abc-r0", "recommender_id": '["a", 1]', "replay": False, "told_x": 1.01,
            "told_filter": "Al", "told_det": 2.5, "others": "{}",
        },
    ),
    (
        "questions",
        Asked("recommender", 2, 1, 3, 1, (FIRST,), NOW),
        {
            "origin": "recommender", "question": 2, "count": 1, "known": 3, "given_up": 1,
            "pending": '[{"id": "abc-r0", "point": {"x": 1.0, "filter": "Al"}, "origin": "recommender", '
            '"recommender_id": ["a", 1]}]',
        },
    ),
    (
        "suggestions",
        Suggested(
            "recommender", 7, (FIRST,), 3, 1, ("abc-r9",), 2, "f00d", NOW - 2, 0.5, 0.25, 0.125, ("an edge",), NOW
        ),
        {
            "origin": "recommender", "question": 7, "part": 0, "parts": 1, "count": 2, "id": "abc-r0",
            "recommender_id": '["a", 1]', "told": 3, "given_up": 1, "pending": '["abc-r9"]', "state": "f00d",
            "asked": NOW - 2, "latency": 0.5, "suggest_seconds": 0.25, "ingest_seconds": 0.125,
            "reason": "an edge",
            "suggested_x": 1.0, "suggested_filter": "Al",
        },
    ),
    (
        "refusals",
        Refused("fallback", 8, "refused", "x=9 is outside", 3, NOW - 2, 2.0, "[{'x': 9}]", NOW),
        {
            "origin": "fallback", "question": 8, "kind": "refused", "reason": "x=9 is outside", "told": 3,
            "asked": NOW - 2, "latency": 2.0, "answer": "[{'x': 9}]",
        },
    ),
    (
        "given_up",
        GivenUp("recommender", "abc-r1", "device", "FailedStatus: stuck", NOW),
        {"origin": "recommender", "suggestion_id": "abc-r1", "kind": "device", "reason": "FailedStatus: stuck"},
    ),
    (
        "workers",
        Replaced("recommender", "suggest", "killed by signal 9", 2, NOW),
        {"origin": "recommender", "during": "suggest", "reason": "killed by signal 9", "restarts": 2},
    ),
    (
        "checkpoints",
        Checkpointed("recommender", 100, 1, "f00d", 0.5, "", NOW),
        {"origin": "recommender", "told": 100, "given_up": 1, "state": "f00d", "seconds": 0.5, "error": ""},
    ),
    (
        "verdicts",
        Judged("plateau", Verdict.ENOUGH, "flat", "run", "primary", 9, 1, True, 0.01, NOW),
        {
            "watchdog": "plateau", "verdict": "enough", "reason": "flat", "run": "run", "stream": "primary",
            "seq_num": 9, "launch": 1, "accepted": True, "lag": 0.01,
        },
    ),
    (
        "verdicts",
        Judged("plateau", None, "ValueError: no", "run", "primary", 9, 1, False, 0.01, NOW),
        {
            "watchdog": "plateau", "verdict": "", "reason": "ValueError: no", "run": "run", "stream": "primary",
            "seq_num": 9, "launch": 1, "accepted": False, "lag": 0.01,
        },
    ),
    (
        "steering",
        Steered(Verdict.HOLD, "door opened", "Ada", 1, True, NOW),
        {"verdict": "hold", "reason": "door opened", "author": "Ada", "launch": 1, "accepted": True},
    ),
    (
        "runs",
        RunNoted("run", "closed", 12, "success", "enough", 9, NOW),
        {
            "run": "run", "moment": "closed", "scan_id": 12, "exit_status": "success", "reason": "enough",
            "num_events": 9,
        },
    ),
]  # fmt: skip


@pytest.fixture
def composer():
    return Composer("0" * 8 + "-decisions", NOW, {"launch": "abc", "space": space_about(SPACE)})


def valid(documents):
    """The documents as they are, once every one has passed the schema of event-model."""
    documents = list(documents)
    for name, doc in documents:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(doc)
    return documents


def event(documents):
    """The data of the one event among documents."""
    (found,) = [doc for name, doc in documents if name == "event"]
    return found["data"]


@pytest.mark.parametrize(
    ("stream", "decision", "data"), DECISIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_decision_is_an_event_of_its_stream_with_its_values(composer, stream, decision, data):
    (kind, descriptor), (_, found) = valid(composer.documents(decision))
    assert (kind, descriptor["name"]) == ("descriptor", stream)
    assert found["data"] == data
    assert list(found["timestamps"].values()) == [NOW] * len(data)
    assert (found["time"], found["seq_num"], found["descriptor"]) == (NOW, 1, descriptor["uid"])
    assert descriptor["data_keys"].keys() == data.keys()
    types = {"number": float, "integer": int, "string": str, "boolean": bool}
    for name, key in descriptor["data_keys"].items():
        assert type(data[name]) is types[key["dtype"]], name
        assert key["shape"] == []
        assert key["source"].startswith("skysteer:")


def test_every_kind_of_decision_has_a_stream():
    from typing import get_args

    from skysteer.model import Decision

    assert {type(decision) for _, decision, _ in DECISIONS} - {RunNoted} == set(get_args(Decision))


def test_columns_have_the_units_of_the_axes_and_seconds(composer):
    keys = {}
    for _, decision, _ in DECISIONS:
        for name, doc in composer.documents(decision):
            if name == "descriptor":
                keys[doc["name"]] = {key: about.get("units") for key, about in doc["data_keys"].items()}
    assert keys["told"]["told_x"] == keys["suggestions"]["suggested_x"] == "mm"
    assert keys["told"]["told_det"] is None
    assert {keys["told"]["measured"], keys["suggestions"]["latency"], keys["verdicts"]["lag"]} == {"s"}


def test_an_answer_of_several_suggestions_is_an_event_each(composer):
    answer = Suggested("recommender", 0, (FIRST, SECOND), 0, 0, (), 2, "", NOW, 0.0, 0.0, 0.0, ("", "beside it"), NOW)
    events = [doc for name, doc in valid(composer.documents(answer)) if name == "event"]
    assert [(e["data"]["id"], e["data"]["part"], e["data"]["parts"], e["data"]["reason"]) for e in events] == [
        ("abc-r0", 0, 2, ""),
        ("abc-r1", 1, 2, "beside it"),
    ]
    assert len({e["uid"] for e in events}) == 2


def test_there_is_one_descriptor_a_stream_and_the_stop_document_counts_the_events(composer):
    told = DECISIONS[0][1]
    documents = valid(
        [composer.start(), *composer.documents(told), *composer.documents(told), composer.stop("abort", "why", NOW)]
    )
    assert [name for name, _ in documents] == ["start", "descriptor", "event", "event", "stop"]
    stop = documents[-1][1]
    assert (stop["exit_status"], stop["reason"], stop["num_events"]) == ("abort", "why", {"told": 2})
    assert documents[0][1]["plan_name"] == "decisions"
    assert documents[0][1]["skysteer"]["kind"] == "decisions"


def told(objectives, axes=None):
    return Told("recommender", 0, "run", "primary", 1, NOW, axes or {"x": 0.0, "filter": "Al"}, objectives)


def test_what_has_no_column_or_does_not_fit_is_kept_beside(composer):
    assert event(composer.documents(told({"det": 1.0})))["others"] == "{}"
    odd = event(valid(composer.documents(told({"det": "saturated", "peaks": np.array([1, 2])}))))
    assert json.loads(odd["others"]) == {"det": "saturated", "peaks": [1, 2], "": {"peaks": "<i8"}}
    assert math.isnan(odd["told_det"])
    late = event(composer.documents(told({})))
    assert json.loads(late["others"]) == {"det": None}


def test_a_readback_that_is_another_kind_of_value_is_kept_beside(composer):
    found = event(valid(composer.documents(told({"det": 1.0}, {"x": 0.0, "filter": 2}))))
    assert (found["told_filter"], json.loads(found["others"])) == ("", {"filter": 2})


@pytest.mark.parametrize("value", [np.float64(2.5), np.float32(2.5), np.int64(2), np.array(2.5), 2])
def test_a_scalar_of_numpy_becomes_the_same_number_of_python(composer, value):
    found = event(composer.documents(told({"det": value})))
    assert found["told_det"] == value
    assert type(found["told_det"]) in (int, float)
    # What has fewer digits than Python's numbers says so: the same calculation may give something else.
    assert json.loads(found["others"]) == ({"": {"det": "<f4"}} if isinstance(value, np.float32) else {})


def test_a_value_that_is_not_finite_stays_what_it_was(composer):
    assert math.isnan(event(composer.documents(told({"det": math.nan})))["told_det"])
    assert event(composer.documents(told({"det": -math.inf})))["told_det"] == -math.inf


IDENTITIES = [
    (None, "null"),
    (3, "3"),
    ("a", '"a"'),
    ((), "[]"),
    (np.int64(3), '{"id": 3, "exact": {"/id": {"numpy": "<i8"}}}'),
    (frozenset(), '{"id": [], "exact": {"/id": "frozenset"}}'),
    (UUID(int=3), '{"id": "00000000-0000-0000-0000-000000000003", "exact": {"/id": "uuid"}}'),
]


def test_identifiers_of_any_kind_are_text(composer):
    for identity, words in IDENTITIES:
        point = Told("recommender", 0, "r", "primary", 1, NOW, {"x": 0.0}, {}, None, identity)
        assert event(composer.documents(point))["recommender_id"] == words


def test_an_infinite_limit_is_null_and_a_choice_lists_its_options():
    space = Space(Axis("x", 0, math.inf, step=0.5), Choice("filter", ("Al", "Cu"), units="um"))
    assert space_about(space) == [
        {"kind": "axis", "name": "x", "low": 0, "high": None, "units": "", "step": 0.5},
        {"kind": "choice", "name": "filter", "options": ["Al", "Cu"], "units": "um"},
    ]


def test_the_program_says_who_decided_and_with_what(tmp_path, monkeypatch):
    program()
    monkeypatch.chdir(tmp_path)
    about = program()
    assert about["cwd"] == str(tmp_path)  # where it is now, not where it was when it was asked first
    assert about["argv"] == sys.argv
    assert about["pid"] == os.getpid()
    assert {"skysteer", "bluesky", "event-model"} <= about["versions"].keys()
    assert all(isinstance(about[key], str) for key in ("cwd", "host", "user", "python"))


def test_metadata_of_any_kind_passes_the_schema():
    md = {
        "a.b": {1: (1, 2)},
        "n": np.float64(3.0),
        "array": np.arange(2),
        "when": time.gmtime(0),
        "who": object(),
        "none": None,
    }
    made = Composer("uid", NOW, plain({"md": md}))
    ((_, start),) = valid([made.start()])
    assert start["skysteer"]["md"]["a_b"] == {"1": [1, 2]}
    assert (start["skysteer"]["md"]["n"], start["skysteer"]["md"]["array"]) == (3.0, [0, 1])
