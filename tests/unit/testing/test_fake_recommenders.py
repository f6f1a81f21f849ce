import math
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import cloudpickle
import pytest

from skysteer.model import Axis, Space
from skysteer.protocols import (
    CanRegisterSuggestions,
    Checkpointable,
    HasBestPoints,
    HasReasons,
    HasSpace,
    KnowsPending,
    Recommender,
    SupportsStoppingCriteria,
    TrialFaultAware,
)
from skysteer.testing import MAD_ANSWERS, Dying, Fixed, Mad, Raising, Recorder, Silent, Slow

ABILITIES = (
    CanRegisterSuggestions,
    Checkpointable,
    HasBestPoints,
    HasReasons,
    HasSpace,
    KnowsPending,
    SupportsStoppingCriteria,
    TrialFaultAware,
)
POINTS = [{"x": 1.0, "y": -1.0}, {"x": 2.0, "y": -2.0}, {"x": 3.0, "y": -3.0}]


class Bare:
    """A recommender without any optional ability."""

    def ingest(self, points):
        pass

    def suggest(self, num_points=None):
        return [{"x": 0.5, "y": 0.0}] * (num_points or 1)


class Able(Bare):
    """A recommender with every optional ability."""

    space = Space(Axis("x", -5, 5))

    def __init__(self):
        self.pending = None

    def checkpoint(self):
        pass

    def get_best_points(self):
        return [(1, {"x": 0.0}, {"det": 1.0})]

    def get_reasons(self):
        return ["half way"]

    def register_failures(self, suggestions):
        pass

    def register_suggestions(self, suggestions):
        return [{**point, "_id": number} for number, point in enumerate(suggestions)]

    def set_pending(self, points):
        self.pending = points

    def should_stop(self):
        return True, "enough"


def around(inner):
    return [
        Slow(inner, 0.0),
        Silent(inner, after=5),
        Raising(inner, at=100),
        Mad(inner, at=100),
        Dying(inner, at=100),
        Recorder(inner),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_fake_has_the_abilities_of_the_inner_one_and_no_other(number):
    for fake in (around(Bare())[number], pickle.loads(pickle.dumps(around(Bare())[number]))):
        assert isinstance(fake, Recommender)
        assert not any(isinstance(fake, ability) for ability in ABILITIES)
    for fake in (around(Able())[number], pickle.loads(cloudpickle.dumps(around(Able())[number]))):
        assert all(isinstance(fake, ability) for ability in ABILITIES)
        assert fake.should_stop() == (True, "enough")
        assert fake.get_reasons() == ["half way"]
        assert fake.space == Able.space
        fake.set_pending(POINTS)
        assert fake.inner.pending == POINTS, "told to the inner one of this copy"


@pytest.mark.parametrize("number", range(6))
def test_a_fake_asks_and_tells_the_inner_one(number):
    fake = around(Fixed(POINTS))[number]
    fake.ingest([{"x": 9.0, "det": 1.0}])
    assert fake.inner.told == [{"x": 9.0, "det": 1.0}]
    assert [point["x"] for point in fake.suggest(2)] == [1.0, 2.0]
    assert repr(fake).startswith(type(fake).__name__)


def test_fixed_suggests_each_point_once_in_order_and_then_nothing():
    fixed = Fixed(POINTS)
    assert [point["x"] for point in fixed.suggest()] == [1.0]
    assert [point["x"] for point in fixed.suggest(5)] == [2.0, 3.0]
    assert fixed.suggest() == []


def test_fixed_taught_again_goes_on_behind_what_it_was_told():
    first = Fixed(POINTS)
    again = pickle.loads(pickle.dumps(first))
    again.ingest([{**point, "det": 1.0} for point in first.suggest(2)])
    assert [point["x"] for point in again.suggest(2)] == [3.0]
    again = Fixed(POINTS)
    again.ingest([{"x": 1.0, "y": -1.0, "det": 1.0}])
    assert again.suggest()[0]["x"] == 1.0, "a point of somebody else does not advance it"


@pytest.mark.parametrize("burn", ["sleep", "python", "numpy"])
def test_slow_takes_its_time_and_works_for_it_as_told(burn):
    slow = Slow(Bare(), 0.2, burn)
    began, worked = time.perf_counter(), time.thread_time()
    slow.suggest()
    seconds, work = time.perf_counter() - began, time.thread_time() - worked
    assert seconds >= 0.2
    assert work < 0.1 if burn == "sleep" else work > 0.02
    began = time.perf_counter()
    Slow(Bare(), 20.0, burn).ingest([])
    assert time.perf_counter() - began < 10


def test_slow_in_python_holds_the_interpreter_and_sleep_does_not():
    def progress_beside(burn):
        """How often this thread gets its turn while the other is slow."""
        slow = threading.Thread(target=Slow(Bare(), 0.3, burn).suggest)
        slow.start()
        turns = 0
        while slow.is_alive():
            time.sleep(0.0005)
            turns += 1
        return turns

    assert progress_beside("python") < progress_beside("sleep") / 2


def test_slow_refuses_an_unknown_burn():
    with pytest.raises(ValueError, match="'sleep', 'python' or 'numpy', found 'tea'"):
        Slow(Bare(), 1.0, "tea")


def test_silent_hangs_from_its_question_on_until_it_is_released():
    silent = Silent(Bare(), after=1)
    silent.suggest()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(silent.suggest()))
    asking.start()
    assert silent.wait_until_silent(10)
    silent.ingest([])
    assert answers == []
    silent.release()
    asking.join(30)
    assert len(answers) == 1


def test_raising_raises_the_very_error_at_its_call_and_not_after():
    error = ValueError("no fit")
    raising = Raising(Bare(), at=2, error=error)
    raising.suggest()
    with pytest.raises(ValueError, match="no fit") as caught:
        raising.suggest()
    assert caught.value is error
    raising.suggest()
    telling = Raising(Fixed(POINTS), where="ingest", always=True)
    for number in (1, 2):
        with pytest.raises(RuntimeError, match=f"ingest number {number} raised"):
            telling.ingest(POINTS)
    assert telling.inner.told == []


@pytest.mark.parametrize("name", MAD_ANSWERS)
def test_each_mad_answer_is_nonsense_once(name):
    space = Space(Axis("x", -5, 5), Axis("y", -5, 5))

    def sensible(answer):
        if not isinstance(answer, list) or len(answer) != 1 or not isinstance(answer[0], dict):
            return False
        point = answer[0]
        try:
            hash(point.get("_id"))
        except TypeError:
            return False
        return not space.problems(point) and point.get("_id") != "fixed-0"

    mad = pickle.loads(pickle.dumps(Mad(Fixed(POINTS), at=2, answer=name)))
    assert mad.suggest()[0]["x"] == 1.0
    assert not sensible(mad.suggest())
    assert sensible(mad.suggest())


def test_mad_takes_the_id_of_the_answer_before_again():
    mad = Mad(Fixed(POINTS), at=2, answer="duplicate id")
    first, second = mad.suggest(), mad.suggest()
    assert first[0]["_id"] == second[0]["_id"]
    assert (first[0]["x"], second[0]["x"]) == (1.0, 2.0)


def test_mad_takes_a_function_and_refuses_an_unknown_name():
    mad = Mad(Bare(), answer=lambda points, last: [{"x": math.pi}])
    assert mad.suggest() == [{"x": math.pi}]
    with pytest.raises(ValueError, match=r"one of nan, infinite, .*found 'clever'"):
        Mad(Bare(), answer="clever")
    twice = Mad(Bare(), answer="duplicate id").suggest()
    assert [point["_id"] for point in twice] == ["twice", "twice"]


def test_dying_refuses_to_kill_the_process_it_was_made_in():
    with pytest.raises(RuntimeError, match=r"would kill this process.*process worker"):
        Dying(Bare()).suggest()


def test_dying_kills_another_process_and_only_once_where_told(tmp_path):
    marker = tmp_path / "died"
    (tmp_path / "dying").write_bytes(pickle.dumps(Dying(Fixed(POINTS), at=2, once=marker)))
    code = """
        import pickle, sys
        dying = pickle.load(open(sys.argv[1], "rb"))
        dying.suggest()
        print("alive", flush=True)
        print(dying.suggest()[0]["x"])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "dying")]
    first = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (first.returncode, first.stdout.split()) == (-9, ["alive"])
    assert marker.exists()
    second = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (second.returncode, second.stdout.split()) == (0, ["alive", "2.0"])


def test_a_recorder_keeps_all_calls_in_order_with_their_answers():
    recorder = Recorder(Fixed(POINTS))
    recorder.suggest()
    recorder.set_pending(POINTS[:1])
    recorder.ingest([{"x": 1.0, "det": 5.0}])
    recorder.register_failures([])
    assert recorder.names() == ["suggest", "set_pending", "ingest", "register_failures"]
    assert recorder.calls[0].answer[0]["x"] == 1.0
    assert recorder.calls[1].argument == POINTS[:1]
    assert recorder.points == [{"x": 1.0, "det": 5.0}]
    assert {call.thread for call in recorder.calls} == {threading.get_ident()}
    assert not recorder.overlapped


def test_a_recorder_sees_two_calls_at_once():
    silent = Silent(Bare())
    recorder = Recorder(silent)
    asking = threading.Thread(target=recorder.suggest)
    asking.start()
    assert silent.wait_until_silent(10)
    recorder.ingest([])
    silent.release()
    asking.join(30)
    assert recorder.overlapped
    assert recorder.names() == ["ingest", "suggest"]


def test_a_recorder_keeps_a_call_that_raised():
    recorder = Recorder(Raising(Bare()))
    with pytest.raises(RuntimeError, match="suggest number 1"):
        recorder.suggest()
    assert recorder.names() == ["suggest"]
    assert recorder.calls[0].answer is None
