"""Where a scan goes on, from decisions alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skysteer import Axis, Space
from skysteer.documents import Fields
from skysteer.errors import ResumeError
from skysteer.model import Asked, GivenUp, Refused, Replaced, Suggested, Suggestion, Told
from skysteer.stores import Record, Recorder, Resumption, fields_about, resume_from, space_about
from skysteer.stores.record._made_by import differences
from skysteer.testing import RunBuilder

SPACE = Space(Axis("x", -5, 5, units="mm"))
NOW = 1795241536.25
LAUNCH = "0123456789ab"
MINE = {"name": "Mine", "class": "m:Mine", "version": {"package": "m", "version": "1", "source": "s"}, "seed": 1,
        "settings": {"length": 1.0, "seed": 1}}  # fmt: skip
ABOUT: dict[str, Any] = {
    "launch": LAUNCH, "flow": "adaptive_scan", "recommender": MINE, "space": space_about(SPACE), "objectives": ["det"],
    "fields": fields_about(Fields({"x": "x"}, {"det": "det"})),
    "options": {"max_points": 9, "initial": [{"x": 0.0}, {"x": 1.0}]}, "program": {"pid": 7, "host": "here"},
}  # fmt: skip


def suggestion(name: str) -> Suggestion:
    origin = {"r": "recommender", "f": "fallback", "i": "initial"}[name[0]]
    return Suggestion(f"{LAUNCH}-{name}", {"x": float(name[1:])}, origin)  # type: ignore[arg-type]


def answer(question: int, *names: str) -> Suggested:
    made = tuple(map(suggestion, names))
    return Suggested(made[0].origin, question, made, 0, 0, (), len(made), "", NOW, 0.0, 0.0, 0.0)


def refused(question: int, kind: Any = "failed") -> Refused:
    return Refused("recommender", question, kind, "", 0, NOW, 0.0)


def asked(question: int, known: int, *pending: str) -> Asked:
    return Asked("recommender", question, 1, known, 0, tuple(map(suggestion, pending)), NOW)


def given_up(name: str, kind: Any = "device") -> GivenUp:
    return GivenUp(suggestion(name).origin, suggestion(name).id, kind, "")


def scan(folder: Path, *said: Any, measured: str = "", status: str = "", **about: Any) -> Resumption:
    """A scan that decided this, and measured these suggestions."""
    with Recorder(folder) as recorder:
        run = recorder.begin({**ABOUT, **about})
        built = RunBuilder(
            {"primary": {"x": "number", "det": "number", "suggestion_id": "string"}},
            {"skysteer": {"launch": LAUNCH, "decisions": run.uid}}, to=run.document,
        )  # fmt: skip
        for name in measured.split():
            built.event(x=float(name[1:]), det=2.0, suggestion_id=suggestion(name).id)
        for decision in said:
            run(decision)
        if status:
            built.stop(status)
            run.end(status, "so it ended")
    return resume_from(Record.read(folder))


def names(suggestions: tuple[Suggestion, ...]) -> str:
    return " ".join(each.id.rpartition("-")[2] for each in suggestions)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_what_was_suggested_and_not_measured_is_ready_in_its_order(runs):
    found = scan(runs, answer(0, "r0", "r1"), answer(1, "r2"), answer(2, "r3"), measured="i0 r0 r2")
    assert names(found.progress.ready) == names(found.histories["recommender"].ready) == "r1 r3"
    assert found.progress.measured == 3
    assert found.progress.initial_done == {0}
    assert names(found.histories["recommender"].suggestions) == "r0 r1 r2 r3"


def test_what_was_given_up_is_not_ready_and_counts(runs):
    found = scan(
        runs, given_up("i1"), answer(0, "r0", "r1", "r2"), given_up("r1"), answer(1, "r3"), given_up("r3", "dropped"),
        measured="r0",
    )  # fmt: skip
    assert names(found.progress.ready) == "r2"
    assert (found.progress.failed, found.progress.initial_done) == (2, {1})
    # Also what was dropped: it was told so.
    assert found.histories["recommender"].given_up == (suggestion("r1").id, suggestion("r3").id)


def test_the_fallback_stands_in_the_place_of_the_question_that_failed(runs):
    said = (answer(0, "r0"), refused(1), answer(2, "r2"), refused(3), answer(4, "r4"))
    fallen_back = (answer(0, "f0"), answer(1, "f1"))
    found = scan(runs, *said, *fallen_back, measured="r0")
    assert names(found.progress.ready) == "f0 r2 f1 r4"
    assert found.progress.fallen_back == 2
    assert names(found.histories["fallback"].ready) == "f0 f1"
    assert names(found.histories["recommender"].ready) == "r2 r4"


def test_what_comes_behind_a_question_without_an_answer_is_asked_for_again(runs):
    said = (asked(1, 0, "r0"), asked(2, 1, "r0"), answer(0, "r0"), refused(1), answer(2, "r2"))
    found = scan(runs, *said, measured="r0")
    assert names(found.progress.ready) == ""
    assert [each.question for each in found.progress.asked] == [1, 2]
    assert names(found.histories["recommender"].suggestions) == "r0"


def test_questions_that_knew_points_which_are_lost_are_not_asked_before_them(runs):
    found = scan(runs, answer(0, "r0", "r1", "r2"), asked(1, 1, "r1"), asked(2, 3, "r2"), measured="r0")
    assert [each.question for each in found.progress.asked] == [1]


def test_questions_that_the_next_life_did_not_come_to_are_still_to_be_asked(runs):
    first = scan(runs, answer(0, "r0"), asked(1, 0, "r0"), asked(2, 0, "r0"), measured="r0")
    again = replace(asked(1, 0, "r0"), question=0)
    found = scan(runs, again, launch="another", resumes=first.uid)
    assert [each.question for each in found.progress.asked] == [0, 2]
    found = scan(runs, launch="a third", resumes=found.uid)
    assert [each.question for each in found.progress.asked] == [0, 2]
    found = scan(runs, again, answer(0, "r5"), launch="a fourth", resumes=found.uid)
    assert [each.question for each in found.progress.asked] == [2]
    assert found.progress.measured == 1


def test_an_event_measured_again_after_a_pause_counts_once_and_the_first_counts(runs):
    with Recorder(runs) as recorder:
        run = recorder.begin(ABOUT)
        built = RunBuilder(
            {"primary": {"x": "number", "det": "number", "suggestion_id": "string"}},
            {"skysteer": {"launch": LAUNCH, "decisions": run.uid}}, to=run.document,
        )  # fmt: skip
        event = built.event(x=0.0, det=2.0, suggestion_id=suggestion("r0").id)
        built.replay(event, det=3.0)
    (history, _) = resume_from(Record.read(runs)).histories.values()
    assert [each.objectives for each in history.observations] == [{"det": 2.0}]


def test_what_was_told_is_not_reduced_again(runs):
    with Recorder(runs) as recorder:
        run = recorder.begin({**ABOUT, "fields": fields_about(Fields({"x": "x"}, {}, reduced=True))})
        built = RunBuilder(
            {"primary": {"x": "number", "det": "number", "suggestion_id": "string"}},
            {"skysteer": {"launch": LAUNCH, "decisions": run.uid}}, to=run.document,
        )  # fmt: skip
        built.event(x=0.0, det=2.0, suggestion_id=suggestion("r0").id)
        run(Told("recommender", 0, built.uid, "primary", 1, NOW, {"x": 0.0}, {"signal": 7.0}))
    (found,) = Record.read(runs).observations
    assert (found.objectives, found.data) == ({"signal": 7.0}, {})


def test_what_was_reduced_when_the_scan_went_on_is_not_reduced_again(runs):
    fields = fields_about(Fields({"x": "x"}, {}, reduced=True))
    first = scan(runs, answer(0, "r0"), measured="r0", fields=fields)
    (late,) = first.histories["recommender"].observations
    assert (late.objectives, late.data["det"]) == ({}, 2.0)
    told = Told("recommender", 0, late.run, "primary", 1, NOW, late.axes, {"signal": 7.0})
    found = scan(runs, told, launch="another", resumes=first.uid, fields=fields)
    (late,) = found.histories["recommender"].observations
    assert (late.objectives, late.data) == ({"signal": 7.0}, {})


def test_restarts_replays_and_stale_answers_are_counted_on(runs):
    told = Told("recommender", 0, "run", "primary", 1, NOW, {"x": 0.0}, {"det": 2.0}, replay=True)
    found = scan(
        runs, Replaced("recommender", "suggest", "killed", 1), told, replace(told, origin="fallback"),
        refused(0, "late"), refused(1, "stale"),
    )  # fmt: skip
    history = found.histories["recommender"]
    assert (history.restarts, history.replayed) == (1, 1)
    assert (found.progress.replayed, found.progress.stale) == (1, 2)


def test_points_known_from_before_are_a_warning(runs):
    told = Told("recommender", 5, "run", "primary", 1, NOW, {"x": 0.0}, {"det": 2.0})
    (warning,) = scan(runs, told).warnings
    assert "the recommender knew 5 points before run" in warning


def test_an_end_with_success_is_complete_and_says_how_it_ended(runs):
    with pytest.raises(ResumeError, match="is complete: it ended after 1 of 9 points, so it ended; to go on"):
        scan(runs, answer(0, "r0"), measured="r0", status="success")
    assert resume_from(Record.read(runs), max_points=10).progress.measured == 1


def test_a_scan_cut_off_behind_its_last_point_has_still_to_end(runs):
    found = scan(runs, answer(0, "r0"), measured="r0", options={"max_points": 1})
    assert found.progress.measured == 1


# ------------------------------------------------------------ what differs


def changed(**to: Any) -> dict[str, Any]:
    return {**ABOUT, **to}


def recommender(**to: Any) -> dict[str, Any]:
    return changed(recommender={**MINE, **to})


DIFFERENCES = [
    (recommender(**{"class": "m:Other"}), "its recommender was Mine, and is Other"),
    (recommender(seed=2), "the seed of its recommender was 1, and is 2"),
    (recommender(settings={"length": 2.0}), "setting of its recommender: length was 1.0, and is 2.0"),
    (recommender(settings={"length": 1.0, "new": "a"}), "setting of its recommender: new was not there, and is 'a'"),
    (changed(space=space_about(Space(Axis("y", -5, 5)))), "its axes were x, and are y"),
    (changed(space=space_about(Space(Axis("x", -5, 5, units="um")))), "its axis 'x': units was 'mm', and is 'um'"),
    (
        changed(fields=fields_about(Fields({"x": "x-readback"}, {"det": "det"}))),
        "data key of the axes: x was 'x', and is 'x-readback'",
    ),
    (changed(options={"initial": []}), "its initial points were [{'x': 0.0}, {'x': 1.0}], and are []"),
    (changed(flow="adaptive_runs"), "it is of adaptive_scan, and not of adaptive_runs"),
]


@pytest.mark.parametrize(("now", "words"), DIFFERENCES, ids=[words for _, words in DIFFERENCES])
def test_each_difference_is_said_in_words(now, words):
    assert differences(ABOUT, now) == ([words], [])


def test_the_same_is_no_difference():
    now = changed(options={**ABOUT["options"], "batch": 3, "max_points": 20}, launch="other", program={})
    assert differences(ABOUT, now) == ([], [])


def test_another_version_is_only_a_warning():
    assert differences(ABOUT, recommender(version={"package": "m", "version": "2", "source": "t"})) == (
        [], ["the recommender Mine is of m 2, and was of 1: it may suggest something else"],
    )  # fmt: skip


def test_a_setting_that_is_not_on_record_is_no_difference():
    hidden = recommender(settings={"length": "(a secret, not on record)"})
    assert differences(ABOUT, hidden) == differences(hidden, ABOUT) == ([], [])


def test_what_a_recommender_made_itself_is_only_a_warning():
    before = {**MINE, "settings": {"length": 1.0, "seed": 1, "t0": 5.0}, "made_of": ["length", "seed"]}
    after = {**before, "settings": {"length": 1.0, "seed": 1, "t0": 7.0}}
    assert differences(changed(recommender=before), changed(recommender=after)) == (
        [], ["setting of its recommender: what it made itself, t0 was 5.0, and is 7.0"],
    )  # fmt: skip
    longer = {**after, "settings": {**after["settings"], "length": 2.0}}
    assert differences(changed(recommender=before), changed(recommender=longer))[0] == [
        "setting of its recommender: length was 1.0, and is 2.0"
    ]


def test_a_setting_that_another_version_does_not_have_is_said_by_the_version():
    newer = {**MINE, "version": {"package": "m", "version": "2", "source": "s"}, "settings": {"length": 1.0, "new": 1}}
    problems, warnings = differences(ABOUT, changed(recommender=newer))
    assert (problems, len(warnings)) == ([], 1)
    longer = {**newer, "settings": {"length": 2.0, "new": 1}}
    assert differences(ABOUT, changed(recommender=longer))[0]


def test_a_class_of_a_script_is_the_same_when_the_script_is_imported():
    assert differences(ABOUT, recommender(**{"class": "__main__:Mine"})) == ([], [])
    other = {**MINE["version"], "source": "another"}
    assert differences(ABOUT, recommender(**{"class": "__main__:Mine", "version": other}))[0]


def test_another_fallback_is_only_a_warning():
    now = changed(fallback={**MINE, "seed": 2})
    assert differences({**ABOUT, "fallback": MINE}, now) == (
        [], ["the seed of its fallback was 1, and is 2"],
    )  # fmt: skip


def test_many_differences_are_not_all_written_out():
    settings = {f"setting {number}": number for number in range(20)}
    problems, _ = differences(ABOUT, recommender(settings=settings))
    assert len(problems) == 7
    assert problems[-1] == "and 15 more"
