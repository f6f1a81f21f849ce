"""`PerRun`: one observation for each run that ends with success."""

from __future__ import annotations

import numpy as np
import pytest

from skysteer.documents import Fields, PerRun
from skysteer.errors import FieldError
from skysteer.testing import RunBuilder, external_key

KEYS = {"x": "number", "det": "number"}
REDUCED = Fields({"x": "x"}, reduced=True)


def test_the_last_event_is_told_when_the_run_ends(heard, fields):
    start = {"skysteer": {"launch": "mine", "suggestion": {"id": "abc-r3"}}}
    run = RunBuilder({"primary": KEYS}, start, to=PerRun(fields, heard, launch="mine"))
    run.event(x=1.0, det=2.0)
    last = run.event(x=1.1, det=3.0)
    assert heard.heard == []
    run.stop()
    (observation,) = heard.heard
    assert (observation.point(), observation.suggestion, observation.data) == ({"x": 1.1, "det": 3.0}, "abc-r3", {})
    assert (observation.run, observation.stream, observation.seq_num) == (run.uid, "primary", 2)
    assert observation.time == last["time"]


def test_a_page_is_as_good_as_events(heard, fields):
    run = RunBuilder({"primary": KEYS}, to=PerRun(fields, heard))
    run.event_page(x=[1.0, 2.0], det=[3.0, 4.0])
    run.stop()
    assert heard.points == [{"x": 2.0, "det": 4.0}]
    assert heard.heard[0].suggestion is None


def test_images_of_different_shape_are_handed_over_too(heard):
    image = {"dtype": "array", "shape": [2, None], "source": "testing"}
    run = RunBuilder({"primary": {"x": "number", "img": image}}, to=PerRun(REDUCED, heard))
    run.event(x=1.0, img=np.zeros((2, 3)).tolist())
    run.event(x=1.0, img=np.zeros((2, 4)).tolist())
    run.stop()
    assert [each.shape for each in heard.heard[0].data["primary"]["img"]] == [(2, 3), (2, 4)]


@pytest.mark.parametrize("status", ["fail", "abort"])
def test_a_run_that_did_not_succeed_tells_nothing(heard, fields, status):
    run = RunBuilder({"primary": KEYS}, to=PerRun(fields, heard))
    run.event(x=1.0, det=2.0)
    run.stop(status)
    assert heard.heard == []


@pytest.mark.parametrize("streams", [{}, {"baseline": {"t": "number"}}, {"primary": KEYS}])
def test_a_run_without_an_event_in_the_stream_tells_nothing_and_a_warning_lists_what_it_had(
    heard, fields, streams, caplog
):
    run = RunBuilder(streams, to=PerRun(fields, heard))
    run.stop()
    assert heard.heard == []
    assert run.uid in caplog.text
    assert f"without an event in stream 'primary' (its streams: {', '.join(streams) or 'none'})" in caplog.text


def test_a_run_of_another_launch_is_passed_over_in_silence(heard, fields, caplog):
    RunBuilder({}, to=PerRun(fields, heard, launch="mine")).stop()
    assert heard.heard == []
    assert caplog.text == ""


def test_a_reduction_is_handed_every_event_of_every_stream_as_arrays(heard):
    image = {"dtype": "array", "shape": [2, 3], "source": "testing"}
    streams = {
        "baseline": {"temperature": "number"},
        "primary": {"x": "number", "img": image, "frames": external_key("array", [9, 9])},
        "ring": {"current": "number", "mode": "string"},
    }
    run = RunBuilder(streams, to=PerRun(REDUCED, heard))
    run.event("baseline", temperature=300.0)
    for number in range(4):
        run.event(x=float(number), img=np.full((2, 3), number).tolist())
    run.event_page("ring", current=[1.0, 2.0, 3.0], mode=["a", "b", "c"])
    run.event("baseline", temperature=301.0)
    run.stop()
    (observation,) = heard.heard
    assert observation.axes == {"x": 3.0}
    assert observation.objectives == {}
    shapes = {
        stream: {key: array.shape for key, array in columns.items()} for stream, columns in observation.data.items()
    }
    assert shapes == {
        "baseline": {"temperature": (2,)},
        "primary": {"x": (4,), "img": (4, 2, 3)},
        "ring": {"current": (3,), "mode": (3,)},
    }
    assert observation.data["primary"]["img"][2].tolist() == [[2] * 3] * 2
    assert observation.data["baseline"]["temperature"].tolist() == [300.0, 301.0]


def test_arrays_of_different_length_are_handed_over_too(heard):
    trace = {"dtype": "array", "shape": [None], "source": "testing"}
    run = RunBuilder({"primary": {"x": "number", "trace": trace}}, to=PerRun(REDUCED, heard))
    run.event(x=1.0, trace=[1.0])
    run.event(x=1.0, trace=[1.0, 2.0])
    run.stop()
    traces = heard.heard[0].data["primary"]["trace"]
    assert traces.shape == (2,)
    assert [list(each) for each in traces] == [[1.0], [1.0, 2.0]]


def test_a_replayed_event_takes_the_place_of_the_first(heard):
    run = RunBuilder({"primary": KEYS}, to=PerRun(REDUCED, heard))
    run.event(x=1.0, det=1.0)
    run.replay(run.event(x=2.0, det=2.0), det=2.5)
    run.event(x=3.0, det=3.0)
    run.stop()
    assert heard.heard[0].data["primary"]["det"].tolist() == [1.0, 2.5, 3.0]
    assert heard.heard[0].data["primary"]["x"].tolist() == [1.0, 2.0, 3.0]


def test_several_replayed_events_take_the_places_of_the_first_ones(heard):
    run = RunBuilder({"primary": KEYS}, to=PerRun(REDUCED, heard))
    run.event(x=1.0, det=1.0)
    since_the_checkpoint = [run.event(x=2.0, det=2.0), run.event(x=3.0, det=3.0)]
    for event in since_the_checkpoint:
        run.replay(event, det=event["data"]["det"] + 0.5)
    run.event(x=4.0, det=4.0)
    run.stop()
    assert heard.heard[0].data["primary"]["det"].tolist() == [1.0, 2.5, 3.5, 4.0]


def test_of_a_replayed_last_event_the_second_is_told(heard, fields):
    run = RunBuilder({"primary": KEYS}, to=PerRun(fields, heard))
    run.replay(run.event(x=2.0, det=2.0), det=2.5)
    run.stop()
    assert heard.points == [{"x": 2.0, "det": 2.5}]


def test_two_runs_may_be_interleaved(heard):
    adapter = PerRun(REDUCED, heard)
    first, second = RunBuilder({"primary": KEYS}, to=adapter), RunBuilder({"primary": KEYS}, to=adapter)
    first.event(x=1.0, det=1.0)
    second.event(x=2.0, det=2.0)
    first.event(x=1.0, det=1.5)
    second.stop()
    first.stop()
    told = {o.run: o.data["primary"]["det"].tolist() for o in heard.heard}
    assert told == {second.uid: [2.0], first.uid: [1.0, 1.5]}
    assert [o.run for o in heard.heard] == [second.uid, first.uid]


def test_a_descriptor_without_the_values_is_refused(heard, fields):
    with pytest.raises(FieldError, match="which is not there"):
        RunBuilder({"primary": {"x": "number"}}, to=PerRun(fields, heard))


def test_nothing_is_kept_of_runs_that_ended():
    adapter = PerRun(REDUCED, lambda observation: None)
    for status in ("success", "fail", "abort"):
        run = RunBuilder({"primary": KEYS, "baseline": {"t": "number"}}, to=adapter)
        run.event("baseline", t=1.0)
        run.event(x=1.0, det=2.0)
        run.stop(status)
    assert (adapter._runs, adapter._streams) == ({}, {})
