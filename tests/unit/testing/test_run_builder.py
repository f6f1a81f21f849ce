import doctest
import importlib

import pytest
from event_model import DocumentNames, DocumentRouter, EventModelValidationError, schema_validators

from skysteer.testing import RunBuilder, external_key

KEYS = {"x": "number", "det": "number"}


def test_every_document_is_valid_and_refers_to_the_one_before():
    run = RunBuilder({"primary": {**KEYS, "image": external_key("array", [1, 4, 6])}}, {"plan_name": "scan"})
    run.file("image", "file://localhost/data/image.h5", parameters={"dataset": "/entry/data"})
    run.event(x=1.0, det=2.0)
    run.frames("image", 0, 1)
    run.event_page(x=[2.0, 3.0], det=[4.0, 6.0])
    run.frames("image", 1, 3)
    run.stop()
    names = [name for name, _ in run.documents]
    assert names == [
        "start", "descriptor", "stream_resource", "event", "stream_datum", "event_page", "stream_datum", "stop",
    ]  # fmt: skip
    for name, document in run.documents:
        schema_validators[DocumentNames[name]].validate(document)
    documents = [document for _, document in run.documents]
    assert documents[0]["plan_name"] == "scan"
    assert documents[1]["run_start"] == documents[2]["run_start"] == documents[-1]["run_start"] == run.uid
    assert documents[3]["descriptor"] == documents[4]["descriptor"] == documents[1]["uid"]
    assert documents[6]["stream_resource"] == documents[2]["uid"]
    assert documents[-1]["num_events"] == {"primary": 3}


def test_numbers_go_up_by_one_in_each_stream_of_its_own():
    run = RunBuilder({"primary": KEYS, "baseline": {"temperature": "number"}})
    assert run.event(x=0.0, det=0.0)["seq_num"] == 1
    assert run.event("baseline", temperature=300.0)["seq_num"] == 1
    assert run.event_page(x=[0.0, 1.0], det=[0.0, 1.0])["seq_num"] == [2, 3]
    assert run.event(x=0.0, det=0.0)["seq_num"] == 4
    assert run.stop("abort", "beam lost")["num_events"] == {"primary": 4, "baseline": 1}


def test_a_replay_has_the_same_number_a_new_uid_and_disturbs_no_count():
    run = RunBuilder({"primary": KEYS})
    first, second = run.event(x=1.0, det=2.0), run.event(x=2.0, det=3.0)
    again = run.replay(first, det=2.5)
    assert again["seq_num"] == first["seq_num"] == 1
    assert again["uid"] != first["uid"]
    assert again["data"] == {"x": 1.0, "det": 2.5}
    assert run.event(x=3.0, det=4.0)["seq_num"] == second["seq_num"] + 1
    assert run.stop()["num_events"] == {"primary": 3}


def test_each_document_goes_to_the_listener_as_it_is_made():
    got = []
    run = RunBuilder({"primary": KEYS}, to=lambda name, document: got.append((name, document)))
    run.event(x=1.0, det=2.0)
    assert got == run.documents
    assert len(got) == 3


def test_times_are_fixed_and_go_up():
    def times(run):
        run.event(x=1.0, det=2.0)
        run.stop()
        return [document["time"] for _, document in run.documents]

    first = times(RunBuilder({"primary": KEYS}))
    assert first == times(RunBuilder({"primary": KEYS}))
    assert first == sorted(set(first))


def test_a_stream_may_begin_late_and_a_descriptor_come_again():
    run = RunBuilder({"primary": KEYS})
    run.event(x=1.0, det=2.0)
    again = run.descriptor("primary", KEYS)
    assert run.event(x=1.0, det=2.0)["descriptor"] == again["uid"]
    assert run.event(x=1.0, det=2.0)["seq_num"] == 3
    run.descriptor("flat", {"det": {"dtype": "integer", "shape": [], "source": "here"}})
    assert run.event("flat", det=2)["seq_num"] == 1


def test_hints_and_objects_are_those_of_simple_devices():
    run = RunBuilder({"primary": KEYS})
    assert run.descriptors["primary"]["hints"] == {"x": {"fields": ["x"]}, "det": {"fields": ["det"]}}
    assert run.descriptors["primary"]["object_keys"] == {"x": ["x"], "det": ["det"]}


def test_frames_say_which_events_they_belong_to():
    run = RunBuilder({"primary": {"image": external_key()}})
    run.file("image", "file://localhost/data/image.h5")
    datum = run.frames("image", 2, 5)
    assert datum["indices"] == {"start": 2, "stop": 5}
    assert datum["seq_nums"] == {"start": 3, "stop": 6}
    assert datum["descriptor"] == run.descriptors["primary"]["uid"]


def test_what_cannot_be_made_is_refused_with_what_would_be_right():
    run = RunBuilder({"primary": KEYS})
    with pytest.raises(ValueError, match="no stream 'baseline'; this run has primary"):
        run.event("baseline", x=1.0)
    with pytest.raises(EventModelValidationError):
        run.event(x=1.0)
    with pytest.raises(ValueError, match=r"one length, found \{'x': 1, 'det': 2\}"):
        run.event_page(x=[1.0], det=[1.0, 2.0])
    with pytest.raises(ValueError, match="'det' is not an external key"):
        run.file("det", "file://localhost/data")
    with pytest.raises(ValueError, match=r"call file\('det', uri\) first"):
        run.frames("det", 0, 1)
    assert [name for name, _ in run.documents] == ["start", "descriptor"]


def test_a_document_router_of_event_model_takes_them():
    seen = []

    class Router(DocumentRouter):
        def event(self, doc):
            seen.append(doc["data"])
            return doc

    run = RunBuilder({"primary": KEYS}, to=Router())
    run.event(x=1.0, det=2.0)
    run.stop()
    assert seen == [{"x": 1.0, "det": 2.0}]


@pytest.mark.parametrize("module", ["_documents", "_beamline", "_truth"])
def test_the_examples_in_the_docstrings_are_true(module):
    result = doctest.testmod(importlib.import_module(f"skysteer.testing.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
