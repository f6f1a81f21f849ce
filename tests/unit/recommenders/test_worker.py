"""Recommenders in a process of their own: what travels there, what dies there, and that nothing stays."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import cloudpickle
import psutil
import pytest
import threadpoolctl

from skysteer.errors import RecommenderError, SuggestionError, WorkerDied
from skysteer.model import Axis, Finished, Observation, Space
from skysteer.recommenders import Advisor
from skysteer.recommenders._pupil import LIVES
from skysteer.recommenders._session import Session
from skysteer.testing import Dying, Fixed, Mad, Silent
from skysteer.workers import ProcessWorker, ThreadWorker

SPACE = Space(Axis("x", -5, 5, units="mm"))
POINTS = [{"x": float(number)} for number in range(5)]
PATIENCE = 20.0
"""Seconds for a process to start on a busy machine."""


class Memory:
    """Suggests a number made of all points it was told, in their order."""

    def __init__(self):
        self.told = []

    def ingest(self, points):
        self.told += [point["x"] for point in points]

    def suggest(self, num_points=None):
        number = 0.0
        for x in self.told:
            number = (number * 0.7 + x) % 5.0
        return [{"x": number}]


class Where:
    """Says in which process it is, and what it sees there."""

    def ingest(self, points):
        pass

    def suggest(self, num_points=None):
        return [{"x": 0.0}]

    def get_best_points(self):
        return [(None, {"pid": os.getpid()}, self.look())]

    def look(self):
        return {}


class CustomError(Exception):
    """An error with a class of its own."""

    def __init__(self, code, *, station):
        super().__init__(f"code {code} at {station}")
        self.code = code


def observation(number, x, suggestion=None, **data):
    return Observation("run", "primary", number, 0.0, {"x": x}, {} if data else {"det": 10 * x}, data, suggestion)


def answer(advisor, ticket, timeout=PATIENCE):
    there = threading.Event()
    advisor.queue.when_answered(ticket, there.set)
    assert there.wait(timeout), f"no answer; the recommender is {advisor.busy}"
    return advisor.queue.peek(ticket)


def ask(advisor, count=1, **more):
    return answer(advisor, advisor.queue.ask(count, **more))


def pid(advisor):
    return advisor._desk._worker.pid


@pytest.fixture
def advise():
    """Makes advisors with a process worker, launched, and sees that they end."""
    made = []

    def make(recommender, **options):
        advisor = Advisor(recommender, worker="process", **options)
        made.append(advisor)
        advisor.queue.launch(SPACE, "abcdefgh-1234")
        return advisor

    yield make
    for advisor in made:
        advisor.close()
        advisor.closed.result(30)
        assert pid(advisor) is None


@pytest.fixture(autouse=True)
def by_value(request):
    """Classes of this file go to their process as those of a script do: without its imports, which take a second."""
    if "by_reference" in request.fixturenames:
        yield
        return
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    yield
    cloudpickle.unregister_pickle_by_value(here)


@pytest.fixture
def by_reference():
    """Classes of this file are imported in their process."""


@pytest.fixture
def script(tmp_path):
    """Runs a script on its own and returns what it printed."""

    def run(text, *arguments, folder=tmp_path):
        path = folder / "script.py"
        path.write_text(textwrap.dedent(text))
        done = subprocess.run(
            [sys.executable, "-W", "error", path, *arguments], capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return run


# -- what travels


def test_it_computes_in_another_process_with_one_thread_for_linear_algebra(advise):
    class Threads(Where):
        def look(self):
            import numpy as np

            np.linalg.inv(np.eye(3))
            libraries = threadpoolctl.threadpool_info()
            return {"libraries": len(libraries), "threads": [library["num_threads"] for library in libraries]}

    advisor = advise(Threads())
    assert ask(advisor)[0].point == {"x": 0.0}
    best = advisor.best().result(PATIENCE)
    assert best["pid"] == pid(advisor) != os.getpid()
    assert best["libraries"] >= 1
    assert set(best["threads"]) == {1}


def test_a_class_of_a_test_module_travels(advise, by_reference):
    advisor = advise(Memory())
    for number, x in enumerate([1.0, 2.0, 3.0], 1):
        advisor.tell(observation(number, x))
    expected = Memory()
    expected.ingest([{"x": 1.0}, {"x": 2.0}, {"x": 3.0}])
    assert ask(advisor)[0].point == expected.suggest()[0]


def test_a_class_made_in_a_function_and_a_lambda_travel(advise):
    class Local(Memory):
        pass

    advisor = advise(Local(), reduce=lambda data: {"total": sum(data["trace"])}, objectives=["total"])
    advisor.tell(observation(1, 2.0, trace=[1, 2]))
    assert ask(advisor)[0].point == {"x": 2.0}


def test_a_script_without_a_guard_runs_once(script):
    printed = script("""
        import os
        from skysteer.model import Axis, Space
        from skysteer.recommenders import Advisor

        print("top level")

        class Halfway:  # a class of the script itself
            def ingest(self, points):
                pass

            def suggest(self, num_points=None):
                return [{"x": OFFSET}]

        OFFSET = 1.5
        with Advisor(Halfway(), worker="process") as advisor:
            advisor.queue.launch(Space(Axis("x", 0, 2)), "uid")
            ticket = advisor.queue.ask()
            advisor.best().result(20)
            print(advisor.queue.peek(ticket)[0].point, advisor._desk._worker.pid != os.getpid())
        advisor.closed.result(30)
    """)
    assert printed.splitlines() == ["top level", "{'x': 1.5} True"]


def test_modules_found_through_sys_path_are_found_there_too(script, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "ours.py").write_text(
        "class Ours:\n"
        "    def ingest(self, points): pass\n"
        "    def suggest(self, num_points=None): return [{'x': 0.25}]\n"
    )
    printed = script(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from ours import Ours
        from skysteer.model import Axis, Space
        from skysteer.recommenders import Advisor

        with Advisor(Ours(), worker="process") as advisor:
            advisor.queue.launch(Space(Axis("x", 0, 2)), "uid")
            ticket = advisor.queue.ask()
            advisor.best().result(20)
            print(advisor.queue.peek(ticket)[0].point)
        advisor.closed.result(30)
        """,
        str(tmp_path / "lab"),
    )
    assert printed.strip() == "{'x': 0.25}"


def test_the_worker_is_started_before_the_first_question_if_that_is_asked_for(advise):
    advisor = advise(Memory())
    assert pid(advisor) is None
    advisor.start().result(PATIENCE)
    assert psutil.pid_exists(pid(advisor))
    assert advisor.start().result(PATIENCE) is None


def test_what_cannot_be_sent_is_an_error_that_says_what_to_do(advise):
    class Stuck(Memory):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    advisor = advise(Stuck())
    words = "Stuck cannot be sent to a process of its own .*lock.*make it picklable, or use worker='thread'"
    with pytest.raises(RecommenderError, match=words):
        advisor.start().result(PATIENCE)
    assert isinstance(ask(advisor).error, RecommenderError)


def test_what_cannot_be_unpacked_there_is_an_error(advise):
    class Trap:
        def __reduce__(self):
            return os.path.basename, (3,)

    recommender = Memory()
    recommender.trap = Trap()
    advisor = advise(recommender)
    with pytest.raises(RecommenderError, match="the worker of Memory does not start: expected str, bytes") as caught:
        advisor.start().result(PATIENCE)
    assert "In the worker's process:" in caught.value.__cause__.__notes__[0]


def test_the_recommender_of_the_caller_is_not_touched(advise):
    mine = Memory()
    advisor = advise(mine)
    advisor.tell(observation(1, 2.0))
    assert ask(advisor)[0].point == {"x": 2.0}
    assert mine.told == []


# -- errors there


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: ValueError("the matrix is singular"), ValueError),
        (lambda: OSError(5, "no such beam"), OSError),
        (lambda: CustomError(3, station="I22"), RuntimeError),  # it cannot be unpickled
    ],
)
def test_an_error_there_has_its_words_and_the_traceback_of_there(advise, make, kind):
    class Raises(Memory):
        def suggest(self, num_points=None):
            self.suggest = super().suggest
            raise make()

    error = make()
    advisor = advise(Raises())
    finished = ask(advisor)
    assert isinstance(finished.error, RecommenderError)
    assert str(error) in finished.reason
    cause = finished.error.__cause__
    assert type(cause) is kind
    assert type(error).__name__ in finished.reason
    (note,) = cause.__notes__
    assert note.startswith("In the worker's process:\nTraceback")
    assert "in suggest" in note
    assert ask(advisor)[0].point == {"x": 0.0}


def test_an_answer_that_cannot_be_sent_back_is_an_error(advise):
    class Unsendable(Memory):
        def suggest(self, num_points=None):
            return [{"x": threading.Lock()}]

    assert "the answer cannot be sent" in ask(advise(Unsendable())).reason


def test_a_bad_answer_from_there_is_named(advise):
    finished = ask(advise(Mad(Fixed(POINTS), answer="nan")))
    assert isinstance(finished.error, SuggestionError)
    assert finished.reason == "bad suggestion from Mad: x=nan is not a finite number"


def test_what_it_prints_does_not_disturb(advise, capfd):
    class Chatty(Memory):
        def suggest(self, num_points=None):
            print("thinking")
            os.write(1, b"hard\n")
            sys.stdout.flush()
            return super().suggest()

    assert ask(advise(Chatty()))[0].point == {"x": 0.0}
    assert sorted(capfd.readouterr().out.split()) == ["hard", "thinking"]


# -- death


def taught(advisor, upto):
    for number in range(1, upto + 1):
        advisor.tell(observation(number, number / 3))
        (suggestion,) = ask(advisor, known=number)
    return suggestion.point


@pytest.fixture
def undisturbed():
    expected = Memory()
    expected.ingest([{"x": number / 3} for number in range(1, 8)])
    return expected.suggest()[0]


@pytest.mark.parametrize(("where", "at"), [("suggest", 1), ("suggest", 5), ("ingest", 1), ("ingest", 5)])
def test_a_process_that_is_killed_is_replaced_and_taught_again(advise, tmp_path, caplog, undisturbed, where, at):
    advisor = advise(Dying(Memory(), at=at, where=where, once=tmp_path / "died"))
    assert taught(advisor, 7) == undisturbed
    assert advisor.restarts == 1
    assert "ended (signal 9)" in caplog.text
    assert "it is replaced and taught again" in caplog.text


def test_a_process_that_is_killed_while_idle_is_replaced_and_taught_again(advise, undisturbed, caplog):
    advisor = advise(Memory())
    taught(advisor, 6)
    first = pid(advisor)
    os.kill(first, signal.SIGKILL)
    advisor.tell(observation(7, 7 / 3))
    assert ask(advisor, known=7)[0].point == undisturbed
    assert advisor.restarts == 1
    assert pid(advisor) != first


def test_one_that_exits_by_itself_is_replaced_too(advise, tmp_path, caplog, undisturbed):
    class Exits(Memory):
        def suggest(self, num_points=None):
            if len(self.told) == 3 and not (tmp_path / "left").exists():
                (tmp_path / "left").touch()
                os._exit(7)
            return super().suggest()

    advisor = advise(Exits())
    assert taught(advisor, 7) == undisturbed
    assert "ended (exit code 7)" in caplog.text


def test_one_that_dies_again_and_again_is_given_up_in_words(advise, caplog):
    advisor = advise(Dying(Memory(), at=1))
    finished = ask(advisor)
    assert isinstance(finished, Finished)
    assert isinstance(finished.error, WorkerDied)
    assert f"suggest of Dying is given up after {LIVES} tries: the process" in finished.reason
    assert "ended (signal 9)" in finished.reason
    assert advisor.restarts == LIVES - 1


def test_after_it_was_given_up_the_next_question_tries_again(advise, caplog, tmp_path):
    class Fragile(Memory):
        def suggest(self, num_points=None):
            if not (tmp_path / "mended").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            return super().suggest()

    advisor = advise(Fragile())
    advisor.tell(observation(1, 2.0))
    assert isinstance(ask(advisor, known=1), Finished)
    (tmp_path / "mended").touch()
    assert ask(advisor, known=1)[0].point == {"x": 2.0}


def test_failures_are_told_again_too(advise, caplog):
    class Tells(Fixed):
        def get_best_points(self):
            return [(None, {"told": [p["_id"] for p in self.told]}, {"failed": [p["_id"] for p in self.failures]})]

    advisor = advise(Tells(POINTS))
    first, second = ask(advisor, 2)
    advisor.tell(observation(1, 0.0, first.id))
    advisor.queue.failed(second)
    expected = {"told": ["fixed-0"], "failed": ["fixed-1"]}
    assert advisor.best().result(PATIENCE) == expected
    os.kill(pid(advisor), signal.SIGKILL)
    assert advisor.best().result(PATIENCE) == expected
    assert ask(advisor)[0].point == {"x": 2.0}


def test_one_that_gives_the_ids_itself_counts_anew_after_its_death(advise, tmp_path, caplog):
    class Counts(Memory):
        """Numbers its suggestions and knows no number but its own."""

        def __init__(self):
            super().__init__()
            self.given = []
            self.heard = []
            self.failures = []
            self.pending = []

        def ingest(self, points):
            super().ingest(points)
            self.heard += [point.get("_id") for point in points]
            assert all(point["_id"] in self.given for point in points if "_id" in point)

        def set_pending(self, points):
            self.pending = [point.get("_id") for point in points]

        def register_suggestions(self, suggestions):
            self.given += range(len(self.given), len(self.given) + len(suggestions))
            return [
                {**point, "_id": number}
                for point, number in zip(suggestions, self.given[-len(suggestions) :], strict=True)
            ]

        def register_failures(self, suggestions):
            self.failures += [point["_id"] for point in suggestions]
            assert set(self.failures) <= set(self.given)

        def get_best_points(self):
            return [(None, {"heard": self.heard}, {"failures": self.failures, "pending": self.pending})]

    advisor = advise(Counts())
    measured, failed, open_one = (ask(advisor)[0] for _ in range(3))
    advisor.tell(observation(1, 0.0, measured.id))
    advisor.queue.failed(failed)
    assert advisor.best().result(PATIENCE) == {"heard": [0], "failures": [1], "pending": [0, 1]}
    os.kill(pid(advisor), signal.SIGKILL)
    (again,) = ask(advisor, known=1)
    assert again.recommender_id == 0
    advisor.tell(observation(2, 0.0, open_one.id))
    advisor.tell(observation(3, 0.0, again.id))
    assert advisor.best().result(PATIENCE) == {"heard": [None, None, 0], "failures": [], "pending": [None]}
    (last,) = ask(advisor)
    advisor.queue.failed(last)
    assert advisor.best().result(PATIENCE)["failures"] == [1]


def test_a_forked_child_of_the_recommender_does_not_hide_its_death(advise, tmp_path, caplog):
    class Forks(Memory):
        def suggest(self, num_points=None):
            if not (tmp_path / "pid").exists():
                child = os.fork()
                if child == 0:
                    time.sleep(30)
                    os._exit(0)
                (tmp_path / "pid").write_text(str(child))
                os.kill(os.getpid(), signal.SIGKILL)
            return super().suggest()

    advisor = advise(Forks())
    try:
        assert ask(advisor)[0].point == {"x": 0.0}
        assert advisor.restarts == 1
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


# -- the end


def test_closing_while_it_computes_ends_the_process_at_once(advise, monkeypatch):
    monkeypatch.setattr("skysteer.workers._process.GOODBYE", 50.0)  # only one that is idle is given time
    advisor = advise(Silent(Memory()))
    advisor.start().result(PATIENCE)
    process = psutil.Process(pid(advisor))
    advisor.queue.ask()
    until(lambda: advisor.busy is not None and advisor.busy[0] == "suggest")
    began = time.monotonic()
    advisor.close()
    advisor.closed.result(30)
    assert time.monotonic() - began < 20
    assert not process.is_running()


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.01, 0.03, 0.1])
def test_closing_at_any_moment_ends_the_process(advise, delay):
    advisor = advise(Silent(Memory()))
    advisor.tell(observation(1, 1.0))
    advisor.queue.ask()
    time.sleep(delay)
    advisor.close()
    advisor.closed.result(30)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_idle_process_leaves_by_itself_when_it_is_closed(advise, monkeypatch):
    monkeypatch.setattr("skysteer.workers._process.GOODBYE", 50.0)
    advisor = advise(Memory())
    advisor.start().result(PATIENCE)
    process = psutil.Process(pid(advisor))
    began = time.monotonic()
    advisor.close()
    advisor.closed.result(30)
    assert time.monotonic() - began < 20  # before it would have been killed
    assert not process.is_running()


def test_no_file_stays_open_behind_a_process(advise, caplog, tmp_path):
    def run():
        advisor = advise(Dying(Memory(), at=1, once=tmp_path / f"died{len(list(tmp_path.iterdir()))}"))
        assert ask(advisor)[0].point == {"x": 0.0}
        advisor.close()
        advisor.closed.result(30)

    run()
    before = set(os.listdir("/proc/self/fd"))
    run()
    assert set(os.listdir("/proc/self/fd")) == before


PARENT = """
    import sys, time
    from skysteer.model import Axis, Space
    from skysteer.recommenders import Advisor

    class Computes:
        def ingest(self, points):
            pass

        def suggest(self, num_points=None):
            time.sleep(60)

    advisor = Advisor(Computes(), worker="process")
    advisor.start().result(20)
    print(advisor._desk._worker.pid, flush=True)
    if sys.argv[1] == "busy":
        advisor.queue.launch(Space(Axis("x", 0, 1)), "uid")
        advisor.queue.ask()
        while advisor.busy is None or advisor.busy[0] != "suggest":
            time.sleep(0.001)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("state", ["busy", "idle"])
def test_it_ends_when_its_parent_is_killed(tmp_path, state):
    path = tmp_path / "parent.py"
    path.write_text(textwrap.dedent(PARENT))
    with subprocess.Popen([sys.executable, path, state], stdout=subprocess.PIPE, text=True) as parent:
        try:
            child = psutil.Process(int(parent.stdout.readline()))
            assert parent.stdout.readline() == "ready\n"
            assert child.is_running()
        finally:
            parent.kill()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert alive == []


def test_a_process_worker_that_was_not_started_says_so():
    worker = ProcessWorker(Session(Memory()))
    assert worker.kill() is True
    with pytest.raises(WorkerDied, match="was not started"):
        worker.call("suggest", 1, [])
    worker.close()


def test_it_is_not_a_child_that_multiprocessing_would_wait_for(advise):
    advisor = advise(Memory())
    ask(advisor)
    assert multiprocessing.active_children() == []


def test_ctrl_c_in_the_terminal_is_for_the_parent(advise):
    advisor = advise(Memory())
    ask(advisor)
    os.kill(pid(advisor), signal.SIGINT)
    advisor.tell(observation(1, 2.0))
    assert ask(advisor, known=1)[0].point == {"x": 2.0}
    assert advisor.restarts == 0


# -- a thread


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_thread_workers_use_one_thread_for_linear_algebra_and_the_last_gives_the_others_back(first_to_end):
    def threads():
        return {library["num_threads"] for library in threadpoolctl.threadpool_info()}

    with threadpoolctl.threadpool_limits(limits=2):
        before = threads()
        workers = [ThreadWorker(Session(Memory())) for _ in range(2)]
        for worker in workers:
            worker.start()
        assert threads() == {1}
        workers.pop(first_to_end).close()
        assert threads() == {1}
        workers[0].close()
        workers[0].close()
        assert threads() == before


def test_a_thread_worker_cannot_be_killed():
    worker = ThreadWorker(Session(Memory()))
    assert worker.kill() is False
    assert worker.call("suggest", 1, []) == [{"x": 0.0}]


def test_the_file_of_the_process_does_not_import_the_package(script):
    child = Path(sys.modules[ProcessWorker.__module__].__file__).with_name("_child.py")
    printed = script(f"""
        import runpy, sys
        runpy.run_path({str(child)!r}, run_name="child")
        print([name for name in sys.modules if name.startswith(("skysteer", "bluesky"))])
    """)
    assert printed.strip() == "[]"


def test_an_agent_that_was_loaded_from_a_file_by_its_path_works(advise, tmp_path, monkeypatch):
    path = tmp_path / "my_agent_file.py"
    path.write_text(
        "class FileAgent:\n"
        "    def ingest(self, points): pass\n"
        "    def suggest(self, num_points=None): return [{'x': 2.5}]\n"
    )
    spec = importlib.util.spec_from_file_location("my_agent_file", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "my_agent_file", module)
    spec.loader.exec_module(module)
    assert ask(advise(module.FileAgent()))[0].point == {"x": 2.5}
