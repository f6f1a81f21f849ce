"""A scan that was cut off anywhere goes on as if it had not been: the plan and the recommender, without a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import Msg

from skysteer.documents import Fields, PerEvent
from skysteer.errors import TooManyFailures
from skysteer.model import (
    Asked,
    Axis,
    GivenUp,
    History,
    Observation,
    Patience,
    Progress,
    Refused,
    Space,
    Suggested,
    Suggestion,
    Told,
)
from skysteer.plans import Options, scan_from_queue
from skysteer.recommenders import Advisor, Sobol
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import Fixed, SimulatedBeamline

SPACE = Space(Axis("x", -5, 5))
POINTS = 7
INITIAL = [{"x": 1.0}, {"x": -3.0}]
FIELDS = Fields({"x": "x"}, {"det": "det"})
SIZES = [(1, 0), (2, 0), (3, 0), (1, 1), (1, 2), (2, 1), (2, 3), (3, 2)]
"""batch, lookahead"""


class Sensitive:
    """A pure recommender whose answer depends on each thing that it was told, and on the order."""

    space = SPACE

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.known: list[Any] = []
        self.failed: list[Any] = []
        self.pending: list[Any] = []

    def ingest(self, points):
        self.known += [sorted(point.items()) for point in points]

    def register_failures(self, suggestions):
        self.failed += [sorted(point.items()) for point in suggestions]

    def set_pending(self, points):
        self.pending = [sorted(point.items()) for point in points]

    def suggest(self, num_points=None):
        state = repr((self.seed, self.known, self.failed, self.pending)).encode()
        names = [hashlib.blake2b(state + bytes([number])).digest() for number in range(num_points or 1)]
        return [{"x": int.from_bytes(name[:2], "big") / 6554 - 5, "_id": name.hex()[:12]} for name in names]


@dataclass
class Life:
    """What one life of a scan left behind, in order: observations and decisions."""

    uid: str
    items: list[Any] = field(default_factory=list)


def fails_at(x: float) -> bool:
    """A device that fails at some places, always the same ones."""
    return int(abs(x) * 100) % 3 == 1


def measured(beam, fragile):
    def take_reading(devices):
        x = (yield from bps.rd(beam.x)) if fragile else 0.0
        if fragile and fails_at(x):
            raise RuntimeError(f"the detector is stuck at {x:.3f}")
        yield from bps.trigger_and_read(devices)

    return take_reading


def live(RE, beam, make, options, *, uid="first", history=None, fragile=False):
    """One life of a scan, to its end."""
    life = Life(uid)
    with Advisor(make()) as advisor:

        def tell(observation):
            life.items.append(observation)  # on record before anybody is told
            advisor.tell(observation)

        def plan():
            advisor.listen(life.items.append)
            if history is not None:
                advisor.restore(history)
            token = yield Msg("subscribe", None, PerEvent(FIELDS, tell, launch=uid), "all")
            result = yield from scan_from_queue(
                [beam.det], [beam.x], advisor.queue, options, space=SPACE, launch=uid,
                take_reading=measured(beam, fragile),
            )  # fmt: skip
            yield Msg("unsubscribe", None, token)
            return result

        result = RE(plan()).result(20).plan_result
        advisor.best().result(30)
    return life, result


def found_in(lives: list[Life]) -> tuple[Progress, History]:
    """Where a scan is, as its record says."""
    items = [item for life in lives for item in life.items]
    observations = [item for item in items if isinstance(item, Observation)]
    suggestions = [s for item in items if isinstance(item, Suggested) for s in item.suggestions]
    given_up = [item for item in items if isinstance(item, GivenUp)]
    over = {each.suggestion for each in observations} | {each.suggestion for each in given_up}
    ready = tuple(each for each in suggestions if each.id not in over)
    answered = {item.question for item in lives[-1].items if isinstance(item, Suggested)}
    asked = tuple(i for i in lives[-1].items if isinstance(i, Asked) and i.question not in answered)
    progress = Progress(
        uids=tuple(dict.fromkeys(each.run for each in observations)),
        measured=len(observations),
        failed=len(given_up),
        initial_done=frozenset(int(name.rpartition("-i")[2]) for name in over if "-i" in name),
        ready=ready,
        asked=asked,
    )
    names = tuple(each.suggestion for each in given_up)
    return progress, History(tuple(suggestions), tuple(observations), names, ready, asked)


def course(lives: list[Life]) -> dict[str, Any]:
    """What was asked, suggested and measured, without the names that differ from life to life."""
    items = [item for life in lives for item in life.items]
    point = {s.id: s.point for item in items if isinstance(item, Suggested) for s in item.suggestions}

    def where(name):
        return dict(point.get(name) or INITIAL[int(name.rpartition("-i")[2])])

    answers = [item for item in items if isinstance(item, Suggested)]
    return {
        "suggested": [[dict(each.point) for each in item.suggestions] for item in answers],
        "questions": [(item.count, item.told, item.given_up, [where(n) for n in item.pending]) for item in answers],
        "states": [item.state for item in answers],
        "measured": [item.point() for item in items if isinstance(item, Observation)],
        "given up": [where(item.suggestion) for item in items if isinstance(item, GivenUp)],
        "told": sorted({item.number for item in items if isinstance(item, Told)}),
    }


@pytest.fixture
def beam(RE):
    return SimulatedBeamline(RE, noise=False)


@pytest.mark.parametrize("fragile", [False, True], ids=["", "with failures"])
@pytest.mark.parametrize(("batch", "lookahead"), SIZES)
def test_cut_off_after_anything_a_scan_asks_suggests_and_measures_the_same(RE, beam, batch, lookahead, fragile):
    options = {"max_points": POINTS, "initial": INITIAL, "batch": batch, "lookahead": lookahead, "max_failures": 99}
    whole, result = live(RE, beam, Sensitive, Options(**options), fragile=fragile)
    assert result.measured == POINTS
    assert (result.failed > 0) is fragile
    assert any(isinstance(item, Asked) for item in whole.items) is (lookahead > 0)
    ends = [n for n, item in enumerate(whole.items) if isinstance(item, Observation)]
    for cut in range(0, ends[-1] + 1, 2 if fragile else 1):
        before = Life("first", whole.items[:cut])
        progress, history = found_in([before])
        after, again = live(
            RE, beam, Sensitive, Options(**options, progress=progress), uid="second", history=history, fragile=fragile
        )
        expected, found = course([whole]), course([before, after])
        del expected["told"], found["told"]  # what is told of last is not always on record at the cut
        assert found == expected, f"cut off after {cut} of {len(whole.items)}: {whole.items[cut - 1 : cut]}"
        assert (again.measured, again.failed) == (result.measured, result.failed)
        assert len(again.uids) == 2 if progress.measured else 1


@pytest.mark.parametrize(("batch", "lookahead"), [(1, 0), (1, 2), (2, 1)])
@pytest.mark.parametrize(
    "make",
    [lambda: Sobol(SPACE, seed=4), lambda: GaussianProcess(SPACE, maximize="det", initial=3, seed=1)],
    ids=["Sobol", "GaussianProcess"],
)
def test_ours_suggest_after_a_cut_what_they_would_have(RE, beam, make, batch, lookahead):
    options = {"max_points": POINTS, "batch": batch, "lookahead": lookahead, "max_failures": 99}
    whole, _ = live(RE, beam, make, Options(**options))
    for cut in range(3, len(whole.items), 4):
        before = Life("first", whole.items[:cut])
        progress, history = found_in([before])
        after, _ = live(RE, beam, make, Options(**options, progress=progress), uid="second", history=history)
        assert course([before, after])["suggested"] == course([whole])["suggested"]
        assert course([before, after])["states"] == course([whole])["states"]


def test_cut_off_again_and_again_it_still_is_the_same_scan(RE, beam):
    options = {"max_points": 9, "initial": INITIAL, "batch": 1, "lookahead": 2}
    whole, _ = live(RE, beam, Sensitive, Options(**options), fragile=True)
    for step in (3, 5, 8):
        lives = [Life("none")]
        for number in range(100):
            progress, history = found_in(lives)
            life, result = live(
                RE, beam, Sensitive, Options(**options, progress=progress), uid=f"life-{number}", history=history,
                fragile=True,
            )  # fmt: skip
            if len(life.items) <= step:
                break
            lives.append(Life(life.uid, life.items[:step]))
            if not any(isinstance(item, Observation | Suggested | GivenUp) for item in life.items[:step]):
                step += 1  # nothing comes of a life that always ends before it has done anything
        lives.append(life)
        expected, found = course([whole]), course(lives)
        for what in ("suggested", "measured", "given up", "states"):
            assert found[what] == expected[what], f"cut off after every {step}"
        assert result.measured == 9


def test_a_question_asked_ahead_is_answered_as_of_then(RE, beam):
    """The point of the whole of `Asked`: without it the recommender would know a point more."""
    options = {"max_points": 4, "lookahead": 1}
    whole, _ = live(RE, beam, Sensitive, Options(**options))
    second = [n for n, item in enumerate(whole.items) if isinstance(item, Observation)][1]
    asked = [item for item in whole.items[: second + 1] if isinstance(item, Asked)]
    kept = [
        item
        for item in whole.items[: second + 1]
        if not (isinstance(item, Suggested) and item.question == asked[-1].question)
    ]
    progress, history = found_in([Life("first", kept)])
    assert [each.known for each in progress.asked] == [1]
    assert progress.measured == 2
    after, _ = live(RE, beam, Sensitive, Options(**options, progress=progress), uid="second", history=history)
    answers = [item for item in after.items if isinstance(item, Suggested)]
    assert [item.told for item in answers] == [1, 2]
    expected = [item for item in whole.items if isinstance(item, Suggested)][-2:]
    assert [i.suggestions[0].point for i in answers] == [i.suggestions[0].point for i in expected]
    assert [i.state for i in answers] == [i.state for i in expected]


def test_the_result_counts_the_whole_scan(RE, beam):
    ready = (Suggestion("old-r5", {"x": 2.0}, "recommender", "five"),)
    progress = Progress(
        uids=("one", "two"), measured=3, failed=2, fallen_back=1, stale=4, replayed=5,
        initial_done=frozenset({0}), ready=ready,
    )  # fmt: skip
    options = Options(max_points=6, initial=INITIAL, progress=progress)
    life, result = live(RE, beam, Sensitive, options, history=History(suggestions=ready, ready=ready))
    assert (result.measured, result.failed, result.fallen_back, result.stale, result.replayed) == (6, 2, 1, 4, 5)
    assert result.uids[:2] == ("one", "two")
    assert len(result.uids) == 3
    seen = [item for item in life.items if isinstance(item, Observation)]
    assert [item.axes["x"] for item in seen[:2]] == [-3.0, 2.0]  # the rest of initial, then what was ready
    assert [item.suggestion for item in seen[:2]] == ["first-i1", "old-r5"]
    assert len(seen) == 3


def test_what_failed_before_counts_in_max_failures(RE, beam):
    fragile = Fixed([{"x": 0.01}] * 5)
    assert fails_at(0.01)
    options = Options(max_points=6, max_failures=3, progress=Progress(failed=2))
    with pytest.raises(TooManyFailures, match="max_failures=3") as caught:
        live(RE, beam, lambda: fragile, options, fragile=True)
    assert caught.value.failed == 3


def test_a_complete_scan_opens_no_run(RE, beam, documents):
    options = Options(max_points=2, progress=Progress(uids=("one",), measured=2))
    life, result = live(RE, beam, Sensitive, options)
    assert (result.measured, result.exit_status, result.uids) == (2, "success", ("one",))
    assert result.reason == "max_points=2 reached"
    assert not documents
    assert not life.items


def test_the_start_document_says_how_many_points_are_left(RE, beam, documents):
    live(RE, beam, Sensitive, Options(max_points=5, progress=Progress(measured=3)))
    (start,) = [doc for name, doc in documents if name == "start"]
    assert start["num_points"] == 2


def test_a_scan_is_held_before_each_measurement_and_it_costs_no_message_where_it_is_not(RE, beam):
    commands, held = [], []

    def hold():
        held.append([c for c in commands if c == "save"])
        commands.append("held")
        return
        yield

    def count(message):
        commands.append(message.command)

    RE.msg_hook = count
    live(RE, beam, Sensitive, Options(max_points=3, hold=hold))
    with_hold = [c for c in commands if c != "held"]
    assert [len(saves) for saves in held] == [0, 1, 2]
    commands.clear()
    live(RE, beam, Sensitive, Options(max_points=3))
    assert [c for c in commands if c != "wait_for"] == [c for c in with_hold if c != "wait_for"]


def test_a_hold_that_fails_ends_the_scan_with_what_was_measured(RE, beam):
    calls = []

    def hold():
        calls.append(1)
        if len(calls) == 3:
            raise TooManyFailures("the store is gone", failed=0, last={})
        return
        yield

    with pytest.raises(TooManyFailures, match="the store is gone") as caught:
        live(RE, beam, Sensitive, Options(max_points=5, hold=hold))
    assert caught.value.result.measured == 2


def test_an_answer_that_never_came_is_on_record_as_silence(RE, beam):
    """And the point that the fallback suggested is not lost by a cut."""
    from skysteer.testing import Silent

    silent = Silent(Fixed([{"x": 1.0}]), 0)
    patience = Patience(2.0, "fallback", Fixed([]))
    heard: list[Any] = []
    with Advisor(silent) as advisor, Advisor(Fixed([{"x": 2.0}, {"x": 3.0}]), origin="fallback") as fallback:
        for each in (advisor, fallback, advisor.queue, fallback.queue):
            each.listen(heard.append)
        result = RE(
            scan_from_queue(
                [beam.det], [beam.x], advisor.queue, Options(max_points=1, patience=patience), space=SPACE,
                fallback=fallback.queue, launch="uid",
            )
        ).result(20).plan_result  # fmt: skip
        silent.release()
        advisor.best().result(30)
    assert result.fallen_back == 1
    (refused,) = [item for item in heard if isinstance(item, Refused) and item.kind == "silent"]
    assert refused.origin == "recommender"
    assert refused.question == 0
    assert refused.reason == "no answer within 2 s"
    assert 0.4 < refused.latency < 30
    (answer,) = [item for item in heard if isinstance(item, Suggested) and item.origin == "fallback"]
    assert [dict(s.point) for s in answer.suggestions] == [{"x": 2.0}]
    late = [item for item in heard if isinstance(item, Refused) and item.kind == "late"]
    assert len(late) == 1
    dropped = [item for item in heard if isinstance(item, GivenUp)]
    assert [(item.kind, item.origin) for item in dropped] == [("dropped", "recommender")]
