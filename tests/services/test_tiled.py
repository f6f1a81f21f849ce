"""The same record in a real Tiled server: every event once and in order, whatever happens to either side."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import resource
import time
import uuid
from pathlib import Path
from typing import Any

import dask.config
import numpy as np
import psutil
import pyarrow as pa
import pytest
from event_model import compose_run
from tiled.client import from_uri

from skysteer.errors import StoreError
from skysteer.stores import JSONLines, documents, runs
from skysteer.stores.tiled import TiledStore, deliver
from tests.services.tiled_server import KEY, Forks, TiledServer, Wire

pytestmark = pytest.mark.timeout(300)  # 20 s at most on a machine that does nothing else

NUMBER = {"dtype": "number", "shape": [], "source": "test"}
KEYS = {
    "x": {**NUMBER, "units": "mm"},
    "count": {**NUMBER, "dtype": "integer"},
    "said": {**NUMBER, "dtype": "string"},
    "good": {**NUMBER, "dtype": "boolean"},
}


# -- runs


def values_of(number: int) -> dict[str, Any]:
    x = {3: math.nan, 5: math.inf}.get(number, number / 10)
    return {"x": x, "count": number, "said": f"zeile\n{number} µ", "good": number % 2 == 0}


def event_of(descriptor, data, seq_num=None):
    stamps = dict.fromkeys(data, 1.5)
    doc = descriptor.compose_event(data=data, timestamps=stamps, validate=False)
    return ("event", doc if seq_num is None else {**doc, "seq_num": seq_num})


class Written:
    """A run that is written step by step."""

    def __init__(self, store, keys=None, **md):
        self.store = store
        self.bundle = compose_run(metadata=md)
        self.uid = self.bundle.start_doc["uid"]
        self.count = 0
        self.store.write([("start", self.bundle.start_doc)])
        self.streams = {}
        self.stream("primary", keys or KEYS)

    def stream(self, name, keys):
        self.streams[name] = self.bundle.compose_descriptor(name=name, data_keys=keys)
        self.store.write([("descriptor", self.streams[name].descriptor_doc)])

    def events(self, count, values=values_of, stream="primary"):
        documents = [event_of(self.streams[stream], values(self.count + n)) for n in range(count)]
        self.count += count
        self.store.write(documents)

    def stop(self):
        self.store.write([("stop", self.bundle.compose_stop())])


def a_run(store, count=3, **more):
    run = Written(store, **more)
    run.events(count)
    run.stop()
    return run.uid


# -- the server


@pytest.fixture(scope="module")
def forks():
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def server(forks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiled")
    (folder / "data").mkdir()
    server = TiledServer(forks, folder / "data", readable=folder.parent)
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("skysteer.stores.tiled._process.PAUSES", (0.1, 1.0))


@pytest.fixture
def wire(server):
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture
def client(server):
    client = from_uri(server.url, api_key=KEY)
    with dask.config.set(scheduler="synchronous"):  # the client reads tables with it, and its threads would stay
        yield client
    client.context.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory, server):
    """A store for the tests in which nothing goes wrong."""
    store = TiledStore(tmp_path_factory.mktemp("store") / "runs", server.url, api_key=KEY)
    a_run(store)
    assert store.drained(60)  # its threads and its process are there before a test looks for what it leaves behind
    yield store
    store.close(timeout=0.0)


def same(found, given) -> bool:
    if isinstance(given, float):
        return found == given or (math.isnan(given) and math.isnan(found))
    return found == given


def assert_arrived(client, folder: Path, uid: str) -> None:
    """The server has every event of the file once, in its order, with the same values; and start and stop."""
    path = next(entry.path for entry in runs(folder) if entry.uid == uid)
    node = client[uid]
    names, rows = {}, {}
    for name, doc in documents(path):
        if name in {"start", "stop"}:
            assert node.metadata[name]["uid"] == doc["uid"]
        elif name == "descriptor":
            names[doc["uid"]] = doc["name"]
        elif name == "event":
            rows.setdefault(names[doc["descriptor"]], []).append(doc)
    assert set(node) == set(names.values())
    for stream, expected in rows.items():
        table = node[stream].base["internal"].read()
        assert list(table["seq_num"]) == [doc["seq_num"] for doc in expected]
        for key in expected[0]["data"]:
            if key in table:
                given = [doc["data"][key] for doc in expected]
                assert all(same(one, other) for one, other in zip(table[key], given, strict=True)), (stream, key)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# -- what arrives


def test_a_run_arrives_while_it_is_measured(store, client) -> None:
    before = store.status
    run = Written(store, plan_name="count", sample={"name": "Fe", "limits": [math.nan, 2**60]})
    run.events(2)
    assert store.drained(30)
    assert list(client[run.uid]["primary"].base["internal"].read()["seq_num"]) == [1, 2]
    assert "stop" not in client[run.uid].metadata
    run.events(5)
    run.stream("told", {"number": {**NUMBER, "dtype": "integer"}})
    run.events(2, lambda number: {"number": number}, "told")
    run.stop()
    assert store.drained(30)
    assert_arrived(client, store.folder, run.uid)
    assert client[run.uid].metadata["stop"]["num_events"] == {"primary": 7, "told": 2}
    status = store.status
    assert (status.state, status.problem, status.waiting_runs, status.waiting_bytes) == ("idle", "", 0, 0)
    assert (status.runs - before.runs, status.events - before.events) == (1, 9)


def test_arrays_and_images_arrive_with_their_values(store, client) -> None:
    keys = {
        "x": NUMBER,
        "trace": {**NUMBER, "dtype": "array", "shape": [4]},
        "small": {**NUMBER, "dtype": "array", "shape": [2, 2]},
        "image": {**NUMBER, "dtype": "array", "shape": [8, 10], "dtype_numpy": "<u2"},
        "names": {**NUMBER, "dtype": "array", "shape": [2], "dtype_numpy": "<U8"},
        "any_length": {**NUMBER, "dtype": "array", "shape": [None]},
    }

    def values(n):
        return {
            "x": np.float32(n),
            "trace": np.array([n, math.nan, -1.0, 0.5]),
            "small": [[n, 1], [2, 3]],
            "image": np.full((8, 10), n, dtype=np.uint16),
            "names": ["iron", f"n{n}" * n],
            "any_length": list(range(n + 1)),
        }

    run = Written(store, keys)
    for _ in range(3):
        run.events(3, values)
        assert store.drained(30)
    run.stop()
    assert store.drained(30)
    stream = client[run.uid]["primary"]
    assert not store.status.set_aside
    expected = [values(n) for n in range(9)]
    np.testing.assert_array_equal(stream["x"].read(), range(9))
    np.testing.assert_array_equal(stream["trace"].read(), [e["trace"] for e in expected])
    np.testing.assert_array_equal(stream["image"].read(), [e["image"] for e in expected])
    assert stream["image"].dtype == np.uint16
    assert stream["names"].read().tolist() == [e["names"] for e in expected]
    schema = stream.base["internal"].structure().arrow_schema_decoded
    assert str(schema.field("any_length").type).startswith("list")
    assert str(schema.field("small").type).startswith("list")


def test_a_replayed_event_is_there_twice_as_in_the_file(store, client) -> None:
    run = Written(store)
    run.events(2)
    store.write([event_of(run.streams["primary"], values_of(1), seq_num=2)])
    run.stop()
    assert store.drained(30)
    assert_arrived(client, store.folder, run.uid)
    assert list(client[run.uid]["primary"].base["internal"].read()["seq_num"]) == [1, 2, 2]


def test_a_value_that_does_not_fit_its_data_key_is_not_lost(store, client) -> None:
    # Devices that were made with 0 say "integer", and read 0.5 later.
    values = [{"count": 1, "x": 1.0}, {"count": 0.5, "x": 2.0}, {"count": 2**70, "x": "broken"}]
    run = Written(store, {key: KEYS[key] for key in ("x", "count")})
    run.events(1, lambda n: values[n])
    assert store.drained(30)
    run.events(2, lambda n: values[n])
    run.stop()
    assert store.drained(30)
    table = client[run.uid]["primary"].base["internal"].read()
    assert list(table["count"]) == [1.0, 0.5, float(2**70)]
    assert list(table["x"]) == ["1.0", "2.0", "broken"]
    assert len(table) == 3


def test_a_changed_descriptor_of_a_stream_arrives_once(store, client) -> None:
    run = Written(store)
    run.events(2)
    run.stream("primary", KEYS)
    run.events(2)
    run.stop()
    assert store.drained(30)
    assert_arrived(client, store.folder, run.uid)
    assert len(client[run.uid]["primary"].metadata["_config_updates"]) == 1


def test_files_of_detectors_are_passed_on(store, client, tmp_path, RE) -> None:
    from bluesky import plans as bp
    from ophyd_async.core import StaticFilenameProvider, StaticPathProvider, init_devices
    from ophyd_async.sim import PatternGenerator, SimBlobDetector

    async def made():
        async with init_devices():
            return SimBlobDetector(
                StaticPathProvider(StaticFilenameProvider("images"), tmp_path), PatternGenerator(), name="cam"
            )

    import asyncio

    cam = asyncio.run_coroutine_threadsafe(made(), RE.loop).result(30)
    RE(bp.count([cam], num=4), lambda name, doc: store.write([(name, doc)])).result(30)
    assert store.drained(30)
    uid = runs(store.folder)[-1].uid
    assert_arrived(client, store.folder, uid)
    stream = client[uid]["primary"]
    assert stream["cam"].shape[0] == 4
    assert stream["cam"].read().any()
    assert not store.status.set_aside


def test_a_file_that_the_server_cannot_read_does_not_stop_the_events(store, client) -> None:
    run = Written(store, {"x": NUMBER, "cam": {**NUMBER, "dtype": "array", "shape": [1, 4, 4], "external": "STREAM:"}})
    resource, compose_datum = run.bundle.compose_stream_resource(
        mimetype="application/x-unheard-of", uri="file://localhost/none.dat", data_key="cam", parameters={}
    )
    store.write([("stream_resource", resource)])
    descriptor = run.streams["primary"]
    for n in range(3):
        store.write([event_of(descriptor, {"x": float(n)})])
        datum = compose_datum(
            indices={"start": n, "stop": n + 1},
            seq_nums={"start": n + 1, "stop": n + 2},
            descriptor=descriptor.descriptor_doc,
        )
        store.write([("stream_datum", datum)])
    run.stop()
    assert store.drained(30)
    assert list(client[run.uid]["primary"].base["internal"].read()["x"]) == [0.0, 1.0, 2.0]
    assert "stop" in client[run.uid].metadata


def test_many_short_runs_arrive_in_their_order(store, client) -> None:
    uids = [a_run(store, 1) for _ in range(12)]
    assert store.drained(60)
    assert [uid for uid in client if uid in set(uids)] == uids
    for uid in uids:
        assert_arrived(client, store.folder, uid)


def test_ten_thousand_events_that_waited_arrive_as_they_are(server, tmp_path, client) -> None:
    store = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    try:
        run = Written(store, {"x": NUMBER, "y": NUMBER, "det": NUMBER})
        run.events(10_000, lambda n: {"x": n / 7, "y": -n / 3, "det": math.sin(n)})
        run.stop()
        assert store.drained(60)
        assert_arrived(client, store.folder, run.uid)
    finally:
        store.close(timeout=0.0)


# -- what goes wrong at the server


def mixed_runs(lines, count):
    """Runs of two streams, with arrays."""
    uids = []
    for _ in range(count):
        run = Written(lines)
        uids.append(run.uid)
        run.events(20)
        trace = {**NUMBER, "dtype": "array", "shape": [20]}
        run.stream("told", {"number": {**NUMBER, "dtype": "integer"}, "trace": trace})
        run.events(4, lambda n: {"number": n, "trace": np.arange(20.0) + n}, "told")
        run.stop()
    return uids


def test_a_connection_cut_at_any_byte_loses_and_doubles_nothing(wire, forks, tmp_path, client) -> None:
    rng = random.Random(5)
    folder = tmp_path / "runs"
    lines = JSONLines(folder)
    uids = mixed_runs(lines, 1)
    forks.send(folder, wire.url)
    assert forks.ended() == 0
    # So that a run is cut once or twice, wherever it is.
    whole = wire.carried
    uids += mixed_runs(lines, 12)
    lines.close()
    cuts = [rng.randrange(whole * 5 // 4) for _ in range(40)]
    wire.cut(lambda: cuts.pop() if cuts else None)
    forks.send(folder, wire.url)
    assert forks.ended() == 0
    assert wire.cuts >= 30, (wire.cuts, whole)
    for uid in uids:
        assert_arrived(client, folder, uid)
    for uid in uids:
        found = client[uid]["told"]["trace"].read()
        np.testing.assert_array_equal(found, [np.arange(20.0) + n for n in range(20, 24)])


def test_a_sender_killed_at_any_moment_is_followed_by_one_that_loses_and_doubles_nothing(
    wire, forks, tmp_path, client
) -> None:
    rng = random.Random(6)
    folder = tmp_path / "runs"
    lines = JSONLines(folder)
    uids = mixed_runs(lines, 1)
    forks.send(folder, wire.url)
    assert forks.ended() == 0
    whole = wire.carried
    killed = 0
    while killed < 30:
        run = Written(lines)
        uids.append(run.uid)
        for _ in range(4):
            run.events(4)
            moment = wire.carried + rng.randrange(whole)
            pid = forks.send(folder, wire.url)
            while wire.carried < moment and is_running(pid):
                time.sleep(0.001)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
            killed += forks.ended() == -9
        run.stop()
    lines.close()
    forks.send(folder, wire.url)
    assert forks.ended() == 0
    for uid in uids:
        assert_arrived(client, folder, uid)


def test_rows_of_a_request_that_came_through_late_are_not_there_twice(server, forks, tmp_path, client) -> None:
    folder = tmp_path / "runs"
    with JSONLines(folder) as lines:
        run = Written(lines)
        other = Written(lines)
        for each in (run, other):
            each.events(5)
        forks.send(folder, server.url)
        assert forks.ended() == 0
        # Sent, answer lost, sent again: the first one is carried out as well.
        table = client[run.uid]["primary"].base["internal"]
        rows = pa.Table.from_pandas(table.read().iloc[-2:], preserve_index=False)
        table.append_partition(0, rows)
        forks.send(folder, server.url)
        assert forks.ended() == 0
        assert_arrived(client, folder, run.uid)
        run.stop()
        # It comes through only when the run is being ended.
        store = TiledStore(folder, server.url, api_key=KEY)
        try:
            assert store.drained(30)
            client[other.uid]["primary"].base["internal"].append_partition(0, rows)
            other.events(3)
            other.stop()
            assert store.drained(30)
            for each in (run, other):
                assert_arrived(client, folder, each.uid)
        finally:
            store.close(timeout=0.0)


def test_a_disk_that_is_full_at_the_server_is_waited_for(forks, tmp_path) -> None:
    """To the server a limit to its files is a full disk: nothing more can be written."""
    full = TiledServer(forks, tmp_path / "data", readable=tmp_path)
    full.folder.mkdir()
    store = TiledStore(tmp_path / "runs", full.url, api_key=KEY)
    try:
        full.start()
        uids = [a_run(store)]
        assert store.drained(60)
        _, most = resource.prlimit(full.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(full.pid, resource.RLIMIT_FSIZE, (1, most))
        uids += [a_run(store, 50) for _ in range(2)]
        # It says that it fails; where it did not survive that, it is not there.
        wait_until(lambda: store.status.problem, 60)
        assert not store.drained(0.5)
        full.kill()  # some databases do not recover by themselves
        full.start()
        assert store.drained(60)
        with dask.config.set(scheduler="synchronous"):
            client = from_uri(full.url, api_key=KEY)
            for uid in uids:
                assert_arrived(client, store.folder, uid)
            client.context.close()
    finally:
        store.close(timeout=0.0)
        full.kill()


def test_a_sender_that_dies_is_replaced(server, tmp_path, client) -> None:
    store = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    try:
        run = Written(store)
        for _ in range(2):
            run.events(5)
            assert store.drained(60)
            pid = store.pid
            os.kill(pid, 9)
            wait_until(lambda pid=pid: store.pid not in {pid, None})
        run.events(5)
        run.stop()
        assert store.drained(60)
        assert_arrived(client, store.folder, run.uid)
    finally:
        store.close(timeout=0.0)


def test_a_slow_server_is_not_waited_for(server, wire, tmp_path, client) -> None:
    wire.delay = 0.1
    store = TiledStore(tmp_path / "runs", wire.url, api_key=KEY)
    try:
        begun = time.thread_time()
        uids = [a_run(store, 5) for _ in range(2)]
        assert time.thread_time() - begun < 0.5
        assert not store.drained(0.0)
        assert store.drained(60)
        for uid in uids:
            assert_arrived(client, store.folder, uid)
    finally:
        store.close(timeout=0.0)


def test_a_server_that_stands_still_does_not_hold_the_scan(RE, server, tmp_path, client) -> None:
    from skysteer import Axis, Space, adaptive_scan
    from skysteer.recommenders import Grid
    from skysteer.testing import SimulatedBeamline

    beam = SimulatedBeamline(RE)
    store = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    try:
        a_run(store)
        assert store.drained(30)
        longest = Longest(RE.loop)
        with server.stopped(), longest:
            space = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
            scan = adaptive_scan(
                [beam.det], [beam.x, beam.y], Grid(space, 5), objectives=["det"], max_points=25, record=store
            )
            assert RE(scan).result(30).plan_result.measured == 25
            assert not store.drained(1.0)
        # Of this process nothing waits for a server; the rest is what the engine does itself on a busy machine.
        assert longest.seconds < 2.0
        assert store.drained(60)
        found = [entry.uid for entry in runs(store.folder)]
        assert len(found) == 3
        for uid in found:
            assert_arrived(client, store.folder, uid)
    finally:
        store.close(timeout=0.0)


class Longest:
    """The longest time in seconds for which a loop did nothing else."""

    def __init__(self, loop):
        self.loop = loop
        self.seconds = 0.0
        self._task = None

    async def _look(self):
        import asyncio

        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            self.seconds = max(self.seconds, time.monotonic() - begun - 0.01)

    def __enter__(self):
        import asyncio

        self._task = asyncio.run_coroutine_threadsafe(self._look(), self.loop)
        return self

    def __exit__(self, *exc):
        self._task.cancel()


def test_a_wrong_key_is_said_and_the_right_one_sends_what_waited(server, tmp_path, client, caplog) -> None:
    caplog.set_level(logging.WARNING, "skysteer")
    wrong = f"wrong-{uuid.uuid4()}"
    store = TiledStore(tmp_path / "runs", server.url, api_key=wrong)
    uid = a_run(store)
    wait_until(lambda: "refuses the API key" in store.status.problem)
    assert store.status.state == "waiting"
    store.close(timeout=0.2)
    said = [record.getMessage() for record in caplog.records]
    assert any("refuses the API key" in text for text in said)
    assert f"send the rest with: skysteer upload {store.folder}" in said[-1]
    store = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    assert store.drained(30)
    store.close()
    assert_arrived(client, store.folder, uid)
    kept = b"".join(path.read_bytes() for path in store.folder.iterdir())
    assert wrong.encode() not in kept
    assert KEY.encode() not in kept
    assert not any(wrong in text or KEY in text for text in (record.getMessage() for record in caplog.records))


def test_two_stores_of_one_folder_send_it_once(server, tmp_path, client) -> None:
    first = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    uid = a_run(first)
    assert first.drained(30)
    second = TiledStore(tmp_path / "runs", server.url, api_key=KEY)
    other = a_run(second)
    wait_until(lambda: "another process" in second.status.problem)
    assert first.drained(30)
    first.close()
    assert second.drained(30)
    second.close()
    for each in (uid, other):
        assert_arrived(client, first.folder, each)


# -- a server that dies


def test_a_server_that_is_down_killed_restarted_or_wiped_has_everything_in_the_end(tmp_path, forks) -> None:
    folder = tmp_path / "mortal"
    folder.mkdir()
    mortal = TiledServer(forks, folder, readable=tmp_path)
    store = TiledStore(tmp_path / "runs", mortal.url, api_key=KEY)
    uids = []
    try:
        # Down at the start.
        uids.append(a_run(store))
        wait_until(lambda: "cannot be reached" in store.status.problem)
        long = Written(store)
        uids.append(long.uid)
        rng = random.Random(7)
        for turn in range(5):
            mortal.start()
            # Killed in the middle of sending, at any moment.
            wait_until(lambda: not store.status.problem and store.status.state in {"sending", "idle"})
            for _ in range(rng.randrange(2, 6)):
                long.events(5)
                uids.append(a_run(store, 2))
                time.sleep(rng.uniform(0.0, 0.3))
            mortal.kill()
            if turn == 3:
                mortal.wipe()
        mortal.start()
        long.stop()
        assert store.drained(60)
        client = from_uri(mortal.url, api_key=KEY)
        with dask.config.set(scheduler="synchronous"):
            for uid in uids:
                assert_arrived(client, store.folder, uid)
        assert len(client) == len(uids)
        client.context.close()
    finally:
        store.close(timeout=0.0)
        mortal.kill()


# -- by hand


def test_a_folder_is_delivered_by_a_function_and_by_a_command(server, tmp_path, client) -> None:
    from typer.testing import CliRunner

    from skysteer.cli import app

    folder = tmp_path / "runs"
    with JSONLines(folder) as lines:
        uid = a_run(lines)
    delivered = deliver(folder, f"{server.url}?api_key={KEY}", timeout=30)
    assert delivered.complete
    assert (delivered.status.runs, delivered.status.events) == (1, 3)
    assert_arrived(client, folder, uid)
    with JSONLines(folder) as lines:
        other = a_run(lines)
    run = CliRunner(env={"TILED_API_KEY": KEY}).invoke(app, ["upload", str(folder), "--tiled", server.url])
    assert run.exit_code == 0, run.output
    assert "2 runs" in run.output
    assert_arrived(client, folder, other)


def test_what_cannot_be_sent_is_refused_at_once(tmp_path) -> None:
    with pytest.raises(StoreError, match="is no address of a Tiled server"):
        TiledStore(tmp_path, "localhost:8000")
    with pytest.raises(StoreError, match="is not there; give the folder into which runs were recorded"):
        deliver(tmp_path / "none", "http://localhost:1")


def test_a_delivery_that_takes_too_long_says_why(tmp_path) -> None:
    with JSONLines(tmp_path / "runs") as lines:
        a_run(lines)
    delivered = deliver(tmp_path / "runs", "http://127.0.0.1:9", api_key="any", timeout=20.0)
    assert not delivered.complete
    assert "cannot be reached" in delivered.status.problem
