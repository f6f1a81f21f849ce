"""Recommenders and judges on a Dask cluster: what travels there, what dies there, and that nothing stays."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
import threadpoolctl
from distributed import Client

from skysteer import Steering, adaptive_scan
from skysteer.documents import Fields
from skysteer.errors import RecommenderError, WorkerDied
from skysteer.model import Axis, Finished, History, Judgement, Observation, Space, Verdict
from skysteer.recommenders import Advisor
from skysteer.testing import SimulatedBeamline
from skysteer.watchdog import Watchdog
from skysteer.workers import ThreadWorker

SPACE = Space(Axis("x", -5, 5, units="mm"))
PATIENCE = 45.0
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


class Where(Memory):
    """Says what there is where it computes."""

    def get_best_points(self):
        np.linalg.inv(np.eye(3))
        threads = {library["num_threads"] for library in threadpoolctl.threadpool_info()}
        return [(None, {"pid": os.getpid(), "beside": os.getppid()}, {"threads": sorted(threads)})]


class EndsItsMachine(Memory):
    """Has its Dask worker killed, once, in the middle of a call."""

    def __init__(self, where, at, once):
        super().__init__()
        self.where, self.at, self.once = where, at, once

    def ingest(self, points):
        super().ingest(points)
        self.end("ingest")

    def suggest(self, num_points=None):
        self.end("suggest")
        return super().suggest()

    def end(self, where):
        if where == self.where and len(self.told) == self.at and not self.once.exists():
            self.once.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)


class Hangs(Memory):
    """Says that it has begun, and does not come back."""

    def __init__(self, begun):
        super().__init__()
        self.begun = begun

    def suggest(self, num_points=None):
        self.begun.write_text(str(os.getpid()))
        time.sleep(60)


def observation(number):
    return Observation("run", "primary", number, 0.0, {"x": number / 3}, {"det": 1.0})


def expected(upto):
    memory = Memory()
    memory.ingest([{"x": number / 3} for number in range(1, upto + 1)])
    return memory.suggest()[0]


def answer(advisor, ticket, timeout=PATIENCE):
    there = threading.Event()
    advisor.queue.when_answered(ticket, there.set)
    assert there.wait(timeout), f"no answer; the recommender is {advisor.busy}"
    return advisor.queue.peek(ticket)


def ask(advisor, known=0):
    return answer(advisor, advisor.queue.ask(1, known=known))


def taught(advisor, upto, first=1):
    for number in range(first, upto + 1):
        advisor.tell(observation(number))
        found = ask(advisor, known=number)
        assert isinstance(found, tuple), found
    return found[0].point


def address(advisor):
    return advisor._desk._worker.address


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class Cluster:
    def __init__(self, workers):
        program = Path(__file__).with_name("dask_cluster.py")
        self.process = subprocess.Popen(
            [sys.executable, program, str(workers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.process.wait()  # its child goes on, and is nobody's
        self.address, pid = self.process.stdout.readline().split()
        self.pid = int(pid)

    def servants(self):
        """Process of each servant, and of the Dask worker beside it."""
        found = {}
        tree = {process.pid: process for process in psutil.Process(self.pid).children(recursive=True)}
        for pid, process in tree.items():
            with suppress(psutil.Error):  # gone meanwhile
                if "_child.py" in " ".join(process.cmdline()) and process.ppid() in tree:
                    found[pid] = process.ppid()
        return found

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        wait_for(lambda: gone(self.pid))


@pytest.fixture(scope="module")
def cluster():
    """Two Dask workers, each of which is started again when it is killed."""
    cluster = Cluster(2)
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster.address) as client:
        yield client


@pytest.fixture
def pid_of(client):
    """The process of the Dask worker where an advisor's recommender is."""
    return lambda advisor: client.run(os.getpid)[address(advisor)]


@pytest.fixture
def advise(cluster, client):
    """Makes advisors on the cluster, launched, and sees that nothing of them stays."""
    made = []

    def make(recommender, **options):
        advisor = Advisor(recommender, worker=options.pop("worker", client), **options)
        made.append(advisor)
        advisor.queue.launch(SPACE, "abcdefgh-1234")
        return advisor

    yield make
    for advisor in made:
        advisor.close()
        advisor.closed.result(30)
        assert address(advisor) is None
    wait_for(lambda: not cluster.servants())
    wait_for(lambda: not client.who_has())
    assert client.status == "running"


@pytest.fixture(autouse=True)
def by_value():
    """Classes of this file go there as those of a script do."""
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    yield
    cloudpickle.unregister_pickle_by_value(here)


# -- what travels


def test_it_computes_beside_a_dask_worker_with_one_thread_for_linear_algebra(advise, client, pid_of):
    advisor = advise(Where())
    assert taught(advisor, 3) == expected(3)
    assert advisor.worker == "dask"
    assert "Advisor of Where on Dask, told 3 points" in repr(advisor)
    best = advisor.best().result(PATIENCE)
    assert best["beside"] == pid_of(advisor)
    assert best["pid"] not in (os.getpid(), best["beside"])
    assert best["threads"] == [1]
    assert client.submit(sum, [1, 2]).result(PATIENCE) == 3  # its threads are free for others


def test_the_recommender_of_the_caller_is_not_touched(advise):
    recommender = Memory()
    taught(advise(recommender), 2)
    assert recommender.told == []


def test_an_error_there_has_its_words(advise):
    class Fails(Memory):
        def suggest(self, num_points=None):
            raise ZeroDivisionError("no beam")

    finished = ask(advise(Fails()))
    assert finished.reason == "Fails raised ZeroDivisionError in suggest: no beam"


def test_what_cannot_be_sent_is_an_error_that_says_what_to_do(advise):
    recommender = Memory()
    recommender.lock = threading.Lock()
    finished = ask(advise(recommender))
    assert isinstance(finished.error, RecommenderError)
    assert "Memory cannot be sent to a Dask worker" in finished.reason
    assert "make it picklable, or use worker='thread'" in finished.reason


def test_a_module_that_is_not_there_is_an_error_that_names_it(advise, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(
        "class Mine:\n    def ingest(self, points): ...\n    def suggest(self, num_points=None): return [{'x': 1.0}]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    finished = ask(advise(only_here.Mine()))
    assert isinstance(finished.error, RecommenderError)
    assert "No module named 'only_here'" in finished.reason


def test_a_cluster_without_skysteer_is_refused_in_words(advise, tmp_path, monkeypatch):
    (tmp_path / "our_host.py").write_text("class Host:\n    def __init__(self, token, name): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    import our_host

    monkeypatch.setattr("skysteer.workers.dask.Host", our_host.Host)  # stands for a module that is only here
    finished = ask(advise(Memory()))
    assert isinstance(finished.error, RecommenderError)
    assert "no Dask worker can take Memory: " in finished.reason
    assert "skysteer must be installed on the workers and on the scheduler, as it is here" in finished.reason


def test_another_version_there_is_refused_before_anything_travels(advise, monkeypatch):
    monkeypatch.setattr("skysteer.workers.dask.version", lambda name: "99.0")
    finished = ask(advise(Memory()))
    assert isinstance(finished.error, RecommenderError)
    assert "here it is Python 3." in finished.reason
    assert "skysteer 99.0: a servant travels between equal versions only" in finished.reason


def test_what_is_no_client_is_refused():
    with pytest.raises(
        ValueError, match=r"'process' or a distributed\.Client, found <class 'distributed.client.Client'>"
    ):
        Advisor(Memory(), worker=Client)


# -- death


@pytest.mark.parametrize(("where", "at"), [("suggest", 0), ("suggest", 4), ("ingest", 1), ("ingest", 4)])
def test_a_dask_worker_that_is_killed_in_a_call_is_replaced_and_taught_again(advise, tmp_path, caplog, where, at):
    advisor = advise(EndsItsMachine(where, at, tmp_path / "died"))
    ask(advisor)
    assert taught(advisor, 6) == expected(6)
    assert advisor.restarts == 1
    assert "is gone" in caplog.text
    assert "it is replaced and taught again" in caplog.text


def test_a_dask_worker_that_is_killed_while_idle_is_replaced_and_taught_again(advise, pid_of):
    advisor = advise(Memory())
    taught(advisor, 3)
    first = address(advisor)
    os.kill(pid_of(advisor), signal.SIGKILL)
    began = time.monotonic()
    assert taught(advisor, 4, first=4) == expected(4)
    assert time.monotonic() - began < 25  # not the half minute after which Dask gives a connection up
    assert advisor.restarts == 1
    assert address(advisor) != first


def test_a_dask_worker_that_hangs_is_replaced_when_the_scheduler_gives_it_up(advise, client, pid_of, tmp_path):
    begun = tmp_path / "begun"

    class HangsOnce(Hangs):
        def suggest(self, num_points=None):
            return Memory.suggest(self) if begun.exists() else super().suggest()

    advisor = advise(HangsOnce(begun))
    ticket = advisor.queue.ask(1)
    wait_for(begun.exists)
    first, stopped = address(advisor), pid_of(advisor)
    os.kill(stopped, signal.SIGSTOP)

    async def give_up(dask_scheduler):
        await dask_scheduler.remove_worker(first, stimulus_id="as after worker-ttl")

    client.run_on_scheduler(give_up)
    assert answer(advisor, ticket)[0].point == expected(0)
    assert advisor.restarts == 1
    os.kill(stopped, signal.SIGKILL)


def test_a_process_that_is_killed_beside_a_dask_worker_that_lives_is_replaced_too(advise, cluster, caplog):
    advisor = advise(Memory())
    taught(advisor, 3)
    (servant,) = cluster.servants()
    os.kill(servant, signal.SIGKILL)
    assert taught(advisor, 4, first=4) == expected(4)
    assert advisor.restarts == 1
    assert "of Memory ended (signal 9)" in caplog.text


@pytest.mark.timeout(180)  # some thirty processes
def test_kills_at_any_moment_lose_nothing_and_change_nothing(advise, cluster):
    moments = random.Random(5)

    class Slow(Memory):
        def ingest(self, points):
            time.sleep(0.01)
            super().ingest(points)

        def suggest(self, num_points=None):
            time.sleep(0.01)
            return super().suggest()

    advisor = advise(Slow())
    taught(advisor, 1)
    killed, number = 0, 1
    while killed < 20:
        number += 1
        advisor.tell(observation(number))
        ticket = advisor.queue.ask(1, known=number)
        time.sleep(moments.uniform(0, 0.04))
        for servant, worker in cluster.servants().items():  # none while it is being replaced
            with suppress(ProcessLookupError):
                os.kill(worker if number % 3 == 0 else servant, signal.SIGKILL)
                killed += 1
        assert answer(advisor, ticket, timeout=60)[0].point == expected(number)
    assert taught(advisor, number + 1, first=number + 1) == expected(number + 1)
    assert advisor.told == number + 1
    assert advisor.restarts >= 10


def test_a_worker_that_died_just_before_it_is_called_is_not_waited_for(advise, client, pid_of, monkeypatch):
    """The scheduler tries for half a minute to connect to a worker of which it does not know yet that it is dead."""
    advisor = advise(Memory())
    taught(advisor, 1)
    run, dead, pid = client.run, address(advisor), pid_of(advisor)

    def connecting(function, *args, workers=None, **options):
        return asyncio.sleep(50) if workers == [dead] else run(function, *args, workers=workers, **options)

    monkeypatch.setattr(client, "run", connecting)
    os.kill(pid, signal.SIGKILL)
    assert taught(advisor, 2, first=2) == expected(2)
    assert advisor.restarts == 1


def test_one_that_dies_again_and_again_is_given_up_in_words(advise):
    class Fragile(Memory):
        def suggest(self, num_points=None):
            os.kill(os.getpid(), signal.SIGKILL)

    advisor = advise(Fragile())
    finished = ask(advisor)
    assert isinstance(finished, Finished)
    assert isinstance(finished.error, WorkerDied)
    assert "suggest of Fragile is given up after 3 tries: Dask worker tcp://127.0.0.1:" in finished.reason


@pytest.mark.parametrize("where", ["suggest", "ingest"])
def test_a_plan_goes_on_when_the_dask_worker_is_killed(RE, documents, client, tmp_path, where):
    beam = SimulatedBeamline(RE, dead_time=0.0, noise=False)
    recommender = EndsItsMachine(where, 2, tmp_path / "died")
    plan = adaptive_scan([beam.det], [beam.x], recommender, objectives=["det"], max_points=4, worker=client)
    result = RE(plan).result(50).plan_result
    assert result.measured == 4
    assert (tmp_path / "died").exists()
    events = [doc["data"] for name, doc in documents if name == "event"]
    memory = Memory()
    for event in events:
        assert event["suggested_x"] == memory.suggest()[0]["x"]
        memory.ingest([{"x": event["x"]}])
    wait_for(lambda: not client.who_has())


def test_a_judge_is_shown_the_data_there_and_replaced_when_its_dask_worker_is_killed(client, cluster):
    class Enough:
        def __call__(self, observation):
            return Judgement(Verdict.ENOUGH, f"judged by {os.getppid()}") if observation.seq_num > 1 else None

    steering = Steering()
    with Watchdog(Enough(), steering, Fields({}, {"det": "det"}), worker=client, name="dog") as dog:
        dog.tell(observation(1))
        wait_for(lambda: dog.status.judged == 1)
        os.kill(client.run(os.getpid)[dog._desk._worker.address], signal.SIGKILL)
        dog.tell(observation(2))
        wait_for(lambda: dog.status.restarts == 1)
        dog.tell(observation(3))
        wait_for(lambda: dog.status.judged == 2)
        assert dog.status.last.reason.startswith("judged by ")
    dog.closed.result(30)
    wait_for(lambda: not cluster.servants())


# -- the end


def test_closing_while_it_computes_ends_the_call_at_once_and_the_process_there(advise, tmp_path):
    advisor = advise(Hangs(tmp_path / "begun"))
    advisor.queue.ask(1)
    pid = int(wait_for(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text()))
    began = time.monotonic()
    assert advisor.close()
    advisor.closed.result(30)
    wait_for(lambda: gone(pid))
    assert time.monotonic() - began < 20  # the call takes a minute


def test_the_process_there_ends_when_its_client_is_gone_in_the_middle_of_a_call(advise, cluster, tmp_path):
    with Client(cluster.address, set_as_default=False) as other:
        advisor = advise(Hangs(tmp_path / "begun"), worker=other)
        ticket = advisor.queue.ask(1)
        pid = int(wait_for(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text()))
    finished = answer(advisor, ticket)
    assert "the Dask client is closed, or its scheduler is gone" in finished.reason
    wait_for(lambda: gone(pid))


def test_a_closed_client_is_an_error(advise, cluster):
    with Client(cluster.address, set_as_default=False) as other:
        pass
    finished = ask(advise(Memory(), worker=other))
    assert isinstance(finished.error, RecommenderError)
    assert "the Dask client is closed" in finished.reason


def test_a_cluster_without_workers_is_waited_for_and_a_scheduler_that_is_killed_is_an_error(caplog, monkeypatch):
    monkeypatch.setattr("skysteer.workers.dask.COMPLAIN", 0.1)
    cluster = Cluster(0)
    with Client(cluster.address, timeout=1, set_as_default=False) as client:
        advisor = Advisor(Memory(), worker=client)
        advisor.queue.launch(SPACE, "abcdefgh-1234")
        ticket = advisor.queue.ask(1)
        wait_for(lambda: "no Dask worker has taken Memory for" in caplog.text)
        os.kill(cluster.pid, signal.SIGKILL)
        finished = answer(advisor, ticket)
        assert isinstance(finished.error, RecommenderError)
        assert "the Dask client is closed, or its scheduler is gone" in finished.reason
        advisor.close()
        advisor.closed.result(30)
        client._loop_runner.stop()  # a client that has given its scheduler up leaves its loop running
    cluster.end()


def test_closing_ends_the_wait_for_a_dask_worker(client):
    advisor = Advisor(Memory(), worker=client)
    advisor.queue.launch(SPACE, "abcdefgh-1234")
    worker = advisor._desk._worker
    worker._client = _Busy(client)
    advisor.queue.ask(1)
    wait_for(lambda: advisor.busy)
    began = time.monotonic()
    advisor.close()
    advisor.closed.result(30)
    assert time.monotonic() - began < 20  # nobody takes it, ever


class _Busy:
    """A client whose actors nobody takes."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def submit(self, *args, **options):
        return self._client.submit(*args, workers=["tcp://127.0.0.1:1"], **options)


def test_a_thread_worker_is_as_it_was():
    assert ThreadWorker(Memory()).call("suggest") == [{"x": 0.0}]


# -- a state that was written


class Keeps(EndsItsMachine):
    """Writes what it was told to a file that all machines see, and reads it again."""

    def __init__(self, file, where="never", at=0, once=None):
        super().__init__(where, at, once)
        self.file, self.calls = file, []

    def ingest(self, points):
        self.calls.append(("ingest", len(points)))
        super().ingest(points)

    def get_best_points(self):
        return [(None, {"calls": self.calls}, {"told": len(self.told)})]

    def checkpoint(self):
        self.file.write_text(repr(self.told))

    def restore(self, points):
        if not self.file.exists():
            return 0
        self.told = [float(number) for number in self.file.read_text().strip("[]").split(", ")]
        self.calls.append(("restore", len(self.told)))
        return len(self.told)


def test_a_machine_that_is_replaced_goes_on_from_the_checkpoint(advise, tmp_path):
    advisor = advise(Keeps(tmp_path / "state", "suggest", 4, tmp_path / "once"), checkpoint_every=3)
    assert taught(advisor, 5) == expected(5)
    assert advisor.restarts == 1
    best = advisor.best().result(PATIENCE)
    assert best == {"calls": [("restore", 3), ("ingest", 1), ("ingest", 1)], "told": 5}


def test_a_scan_that_goes_on_there_is_taught_what_came_after_the_checkpoint(advise, tmp_path):
    (tmp_path / "state").write_text(repr([number / 3 for number in (1, 2)]))
    advisor = advise(Keeps(tmp_path / "state"))
    advisor.restore(History(observations=tuple(observation(number) for number in (1, 2, 3)))).result(PATIENCE)
    advisor.queue.launch(SPACE, "the-next-launch", known=3)
    assert ask(advisor, known=3)[0].point == expected(3)
    assert advisor.best().result(PATIENCE)["calls"] == [("restore", 2), ("ingest", 1)]
