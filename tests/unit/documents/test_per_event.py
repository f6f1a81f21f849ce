"""`PerEvent`: one observation an event of the stream, whatever else is said."""

from __future__ import annotations

import pytest

from skysteer.documents import Fields, PerEvent
from skysteer.errors import FieldError
from skysteer.model import Observation
from skysteer.testing import RunBuilder, external_key

KEYS = {"x": "number", "det": "number"}


def test_an_event_becomes_an_observation(heard):
    fields = Fields({"stage": "x"}, {"signal": "det"})
    run = RunBuilder({"primary": {**KEYS, "suggestion_id": "string"}}, to=PerEvent(fields, heard))
    event = run.event(x=1.0, det=2.0, suggestion_id="abc-r0")
    assert heard.heard == [
        Observation(run.uid, "primary", 1, event["time"], {"stage": 1.0}, {"signal": 2.0}, {}, "abc-r0")
    ]


def test_an_event_that_answers_no_suggestion_says_so(heard, fields):
    RunBuilder({"primary": KEYS}, to=PerEvent(fields, heard)).event(x=1.0, det=2.0)
    assert heard.heard[0].suggestion is None


def test_events_and_event_pages_give_the_same_observations(heard, fields):
    one, page = (
        RunBuilder({"primary": KEYS}, to=PerEvent(fields, heard)),
        RunBuilder({"primary": KEYS}, to=PerEvent(fields, heard)),
    )
    for number in range(3):
        one.event(x=float(number), det=number**2)
    singles = heard.heard[:]
    del heard.heard[:]
    page.event_page(x=[0.0, 1.0, 2.0], det=[0, 1, 4])
    assert [(o.seq_num, o.point()) for o in heard.heard] == [(o.seq_num, o.point()) for o in singles]
    assert [o.seq_num for o in heard.heard] == [1, 2, 3]
    assert {o.run for o in heard.heard} == {page.uid}


def test_baseline_and_monitors_do_not_disturb(heard, fields):
    streams = {"baseline": {"x": "number", "temperature": "number"}, "primary": KEYS, "det_monitor": {"det": "number"}}
    run = RunBuilder(streams, to=PerEvent(fields, heard))
    run.event("baseline", x=0.0, temperature=300.0)
    run.event("det_monitor", det=99.0)
    run.event(x=1.0, det=2.0)
    run.event_page("det_monitor", det=[98.0, 97.0])
    run.event("baseline", x=0.0, temperature=301.0)
    run.stop()
    assert heard.points == [{"x": 1.0, "det": 2.0}]


def test_it_listens_to_the_stream_it_is_told(heard):
    adapter = PerEvent(Fields({"x": "x"}, {"det": "det"}, stream="fly"), heard)
    run = RunBuilder({"primary": {"other": "number"}, "fly": KEYS}, to=adapter)
    run.event("primary", other=1.0)
    run.event("fly", x=3.0, det=4.0)
    assert heard.points == [{"x": 3.0, "det": 4.0}]
    assert heard.heard[0].stream == "fly"


def test_a_descriptor_without_the_values_is_refused_before_any_event(fields, heard):
    with pytest.raises(FieldError, match=r"objective 'det' is to be read from 'det', which is not there\. It has: x"):
        RunBuilder({"primary": {"x": "number"}}, to=PerEvent(fields, heard))


def test_a_replayed_event_is_heard_with_the_same_identity(heard, fields):
    run = RunBuilder({"primary": KEYS}, to=PerEvent(fields, heard))
    run.event(x=1.0, det=2.0)
    run.replay(run.event(x=2.0, det=3.0), det=3.5)
    run.event(x=3.0, det=4.0)
    assert [o.seq_num for o in heard.heard] == [1, 2, 2, 3]
    assert heard.heard[1].identity == heard.heard[2].identity
    assert heard.heard[2].objectives == {"det": 3.5}


def test_only_runs_of_its_launch_are_heard(heard, fields):
    adapter = PerEvent(fields, heard, launch="mine")
    others = ({}, {"skysteer": {}}, {"skysteer": "v1"}, {"skysteer": {"launch": "other"}})
    for start in (*others, {"skysteer": {"launch": "mine"}}):
        run = RunBuilder({"primary": KEYS}, start, to=adapter)
        run.event(x=1.0, det=2.0)
        run.event_page(x=[2.0], det=[2.0])
        run.stop()
    assert [(o.run, o.seq_num) for o in heard.heard] == [(run.uid, 1), (run.uid, 2)]


def test_a_foreign_run_may_lack_everything(heard, fields):
    RunBuilder({"primary": {"other": "number"}}, to=PerEvent(fields, heard, launch="mine")).event(other=1.0)
    assert heard.heard == []


def test_two_runs_may_be_interleaved(heard, fields):
    adapter = PerEvent(fields, heard)
    first, second = RunBuilder({"primary": KEYS}, to=adapter), RunBuilder({"primary": KEYS}, to=adapter)
    first.event(x=1.0, det=1.0)
    second.event(x=2.0, det=2.0)
    first.stop()
    second.event(x=3.0, det=3.0)
    assert [(o.run, o.seq_num) for o in heard.heard] == [(first.uid, 1), (second.uid, 1), (second.uid, 2)]


def test_a_second_descriptor_of_the_stream_goes_on_with_it(heard, fields):
    run = RunBuilder({"primary": KEYS}, to=PerEvent(fields, heard))
    run.event(x=1.0, det=1.0)
    run.descriptor("primary", KEYS)
    run.event(x=2.0, det=2.0)
    assert heard.points == [{"x": 1.0, "det": 1.0}, {"x": 2.0, "det": 2.0}]


def test_a_reduction_is_handed_all_that_is_in_the_event_and_nothing_that_is_in_a_file(heard):
    image = {"dtype": "array", "shape": [2], "source": "testing"}
    keys = {"x": "number", "img": image, "frames": external_key("array", [2, 2])}
    adapter = PerEvent(Fields({"x": "x"}, reduced=True), heard)
    RunBuilder({"primary": keys}, to=adapter).event(x=1.0, img=[1, 2])
    assert heard.heard[0].data == {"x": 1.0, "img": [1, 2]}
    assert heard.heard[0].objectives == {}


def test_file_documents_are_none_of_its_business(heard):
    adapter = PerEvent(Fields({"x": "x"}), heard)
    run = RunBuilder({"primary": {"x": "number", "img": external_key("array", [2, 2])}}, to=adapter)
    run.file("img", "file://localhost/img.h5")
    run.event(x=1.0)
    run.frames("img", 0, 1)
    run.stop()
    assert heard.points == [{"x": 1.0}]


def test_documents_of_an_unknown_run_are_passed_over(heard, fields):
    adapter = PerEvent(fields, heard)
    run = RunBuilder({"primary": KEYS})
    run.event(x=1.0, det=2.0)
    run.stop()
    for name, document in run.documents[1:]:  # subscribed in the middle of it
        adapter(name, document)
    assert heard.heard == []


def test_nothing_is_kept_of_runs_that_ended(fields):
    adapter = PerEvent(fields, lambda observation: None)
    for _ in range(20):
        run = RunBuilder({"primary": KEYS, "baseline": {"t": "number"}}, to=adapter)
        run.event(x=1.0, det=2.0)
        run.stop("fail")
    assert (adapter._runs, adapter._streams) == ({}, {})
