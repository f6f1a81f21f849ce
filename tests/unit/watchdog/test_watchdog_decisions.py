"""What a watchdog says of its judge: every verdict with its reason, and every failure to judge."""

from __future__ import annotations

import threading

import pytest

from skysteer.documents import Fields
from skysteer.handoff import Steering
from skysteer.model import Judged, Judgement, Observation, Steered, Verdict
from skysteer.watchdog import Watchdog

FIELDS = Fields({}, {"det": "det"})
KEEP_GOING, HOLD, ENOUGH, ABORT = Verdict.KEEP_GOING, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT


def observation(number, det=0.0):
    return Observation("run", "primary", number, 0.0, {}, {"det": det})


class Says:
    """A judge that says what it is told, in order."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, observation):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def watch():
    made = []

    def make(judge, **options):
        steering = Steering()
        dog = Watchdog(judge, steering, FIELDS, **options)
        made.append(dog)
        heard, there = [], threading.Semaphore(0)

        def listen(decision):
            heard.append(decision)
            there.release()

        dog.listen(listen)
        steering.launch()

        def wait(count):
            for _ in range(count):
                assert there.acquire(timeout=30), f"only {heard}"

        return dog, steering, heard, wait

    yield make
    for dog in made:
        dog.close()
        dog.closed.result(30)


def test_a_verdict_is_said_with_its_reason_and_the_event_it_is_about(watch):
    dog, steering, heard, wait = watch(Says(None, Judgement(ENOUGH, "S/N 12")), name="quality")
    dog.tell(observation(4))
    dog.tell(observation(5))
    wait(1)
    (said,) = heard  # no opinion is no verdict
    assert isinstance(said, Judged)
    assert (said.watchdog, said.verdict, said.reason) == ("quality", ENOUGH, "S/N 12")
    assert (said.run, said.stream, said.seq_num, said.launch) == ("run", "primary", 5, 1)
    assert said.accepted
    assert 0 <= said.lag < 10
    assert steering.enough.latch.is_set()


def test_keep_going_has_an_effect_only_where_it_ends_its_own_hold(watch):
    dog, _, heard, wait = watch(
        Says(Judgement(KEEP_GOING, "fine"), Judgement(HOLD, "beam lost"), Judgement(KEEP_GOING, "beam back"))
    )
    for number in (1, 2, 3):
        dog.tell(observation(number))
    wait(3)
    assert [(each.reason, each.accepted) for each in heard] == [
        ("fine", False), ("beam lost", True), ("beam back", True),
    ]  # fmt: skip


def test_a_verdict_that_comes_too_late_is_said_to_have_no_effect(watch):
    hold = threading.Event()

    def judge(observation):
        hold.wait(30)
        return Judgement(ABORT, "dose")

    dog, steering, heard, wait = watch(judge)
    dog.tell(observation(1))
    steering.end(1)
    hold.set()
    wait(1)
    assert [(each.verdict, each.launch, each.accepted) for each in heard] == [(ABORT, 1, False)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(ValueError("no counts"), "ValueError: no counts"), ("stop!", "it returned 'stop!', expected a Judgement")],
    ids=["raises", "nonsense"],
)
@pytest.mark.parametrize("on_error", ["ignore", "abort"])
def test_a_judge_that_fails_is_said_with_what_went_wrong(watch, answer, reason, on_error):
    dog, steering, heard, wait = watch(Says(answer), on_error=on_error)
    dog.tell(observation(7))
    wait(1)
    (said,) = heard
    assert said.verdict is None
    assert reason in said.reason
    assert (said.run, said.seq_num) == ("run", 7)
    assert said.accepted is (on_error == "abort")
    assert steering.abort.latch.is_set() is (on_error == "abort")


def test_a_judge_that_cannot_be_started_is_said_without_an_event(watch):
    dog, _, heard, wait = watch(Says(threading.Lock()), worker="process")  # a lock cannot be sent
    dog.start()
    wait(1)
    (said,) = heard
    assert (said.verdict, said.run, said.stream, said.seq_num, said.lag) == (None, "", "", 0, 0.0)
    assert "cannot be sent" in said.reason


def test_a_silent_judge_that_ends_the_measurement_is_said(watch):
    release = threading.Event()
    dog, _steering, heard, wait = watch(
        lambda observation: release.wait(20) and None, on_error="abort", silent_after=0.01
    )
    dog.tell(observation(1))
    while dog.status.busy_for is None or dog.status.busy_for < 0.02:
        assert release.wait(0.005) is False
    dog.tell(observation(2))
    wait(1)
    release.set()
    assert (heard[0].verdict, heard[0].seq_num, heard[0].accepted) == (None, 2, True)
    assert heard[0].reason.startswith("no judgement for")


def test_the_steering_says_it_too_with_the_watchdog_as_author(watch):
    dog, steering, _, wait = watch(Says(Judgement(ENOUGH, "S/N 12")), name="quality")
    steered = []
    steering.listen(steered.append)
    dog.tell(observation(1))
    wait(1)
    assert [(type(each), each.author, each.verdict) for each in steered] == [(Steered, "quality", ENOUGH)]


def test_who_listens_no_more_hears_nothing(watch):
    dog, _, _, wait = watch(Says(Judgement(ENOUGH, "one"), Judgement(ENOUGH, "two")))
    more = []
    forget = dog.listen(more.append)
    dog.tell(observation(1))
    wait(1)
    forget()
    dog.tell(observation(2))
    wait(1)
    assert len(more) <= 1
