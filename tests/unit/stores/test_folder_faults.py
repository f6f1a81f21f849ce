"""Real faults of a folder: full, read-only, missing, gone in the middle. Nothing is doubled, and nothing missing."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skysteer.errors import StoreError
from skysteer.stores import JSONLines, documents, find, runs
from skysteer.stores.jsonl import _runfile
from skysteer.testing import RunBuilder

from .conftest import decisions_of, run_of


def mounted(where: Path, *options: str) -> bool:
    """Mount something, where one may."""
    return not subprocess.run(["mount", *options, str(where)], capture_output=True, check=False).returncode


def unmount(where: Path) -> None:
    subprocess.run(["umount", "--lazy", str(where)], capture_output=True, check=False)


def written_in_the_end(store: JSONLines, several: list[tuple[str, Any]], between: Any) -> int:
    """Write as a caller does that tries again; return how often it failed."""
    failures, left = 0, list(several)
    while left:
        try:
            store.write(left)
        except StoreError:
            del left[: store.written]
            failures += 1
            assert failures < 1000
            between(failures)
        else:
            break
    return failures


# -- at the start, before anything moves


def test_a_folder_whose_parent_is_missing_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"none/runs cannot be made: .*none, is not there; make it, or give another"):
        JSONLines(tmp_path / "none" / "runs")
    assert not (tmp_path / "none").exists()


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file, is a file"):
        JSONLines(tmp_path / "file" / "runs")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(StoreError, match="runs is a file, not a folder; give the folder"):
        JSONLines(tmp_path / "runs")
    assert (tmp_path / "runs").read_text() == "mine"


def test_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"runs is a link to .*gone, which is not there"):
        JSONLines(tmp_path / "runs")


def test_a_folder_that_is_there_is_used_and_left_clean(folder):
    folder.mkdir()
    JSONLines(folder).close()
    assert list(folder.iterdir()) == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written: for root too, where one may mount; else not for this user."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if not mounted(folder, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs"):
        folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root without the right to mount
        folder.rmdir()
        folder = Path("/proc/self/fd")  # nobody makes a file there
    yield folder
    unmount(folder)
    folder.chmod(0o700) if folder.is_relative_to(tmp_path) else None


def test_a_folder_that_cannot_be_written_is_refused(read_only):
    with pytest.raises(StoreError, match=f"{read_only} cannot be written .*: .*(give a folder that can|make it again)"):
        JSONLines(read_only)


def test_a_folder_that_cannot_be_made_is_refused(read_only):
    with pytest.raises(StoreError, match=f"{read_only}/runs cannot be written"):
        JSONLines(read_only / "runs")


# -- a full disk


class Small:
    """A place with little room, that can be given more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def free(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class SmallDisk(Small):
    """A file system of 128 kB in memory, most of it taken."""

    def __init__(self, where: Path) -> None:
        super().__init__(where / "runs")
        self._where = where
        (where / "filler").write_bytes(b"x" * 40_000)

    def free(self) -> None:
        (self._where / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        unmount(self._where)


class SmallFiles(Small):
    """A limit to the size of the files of this process; works for everybody."""

    def __init__(self, where: Path) -> None:
        super().__init__(where / "runs")
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.set(70_000)

    def set(self, size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    def close(self) -> None:
        self.free()


WAYS = ["a limit of the process"]
if not subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
    WAYS.append("a full disk")


@pytest.fixture(params=WAYS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Small]:
    if request.param == "a full disk":
        assert mounted(tmp_path, "-t", "tmpfs", "-o", "size=128k", "tmpfs")
        place: Small = SmallDisk(tmp_path)
    else:
        place = SmallFiles(tmp_path)
    try:
        yield place
    finally:
        place.close()


def long_run() -> RunBuilder:
    """A run of about 200 lines of many lengths, about 110 kB."""
    run = RunBuilder({"primary": {"x": "number", "word": "string"}})
    for number in range(200):
        run.event(x=float(number), word="µ" * (number * 7 % 311))
    run.stop()
    return run


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_a_disk_that_is_full_in_the_middle_doubles_nothing_and_loses_nothing(small, at_once):
    run = long_run()
    with JSONLines(small.folder, flush_every=0.01) as store:
        failures = 0
        for first in range(0, len(run.documents), at_once):
            part = run.documents[first : first + at_once]

            def between(count: int) -> None:
                path = next(small.folder.glob("2*.jsonl"))
                content = path.read_bytes()
                assert content.endswith(b"\n"), "half a line was left"
                whole = list(documents(path))
                assert whole == run.documents[: len(whole)]
                if count == 3:
                    small.free()

            failures += written_in_the_end(store, part, between)
        assert failures == 3, "the disk was never full"
        assert list(documents(find(small.folder, run.uid).path)) == run.documents
    assert find(small.folder, run.uid).exit_status == "success"


def test_the_error_says_what_is_full_and_what_would_help(small):
    with JSONLines(small.folder) as store:
        with pytest.raises(StoreError) as caught:
            store.write(long_run().documents)
        assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert f"{small.folder} cannot be written (" in str(caught.value)
        assert "free some space" in str(caught.value) or "larger than" in str(caught.value)
        assert 0 < store.written < 200
        small.free()


def test_a_disk_without_any_room_is_refused_at_the_start(small):
    small.set(10) if isinstance(small, SmallFiles) else (small.folder.parent / "more").write_bytes(
        b"x" * shutil.disk_usage(small.folder.parent).free
    )
    with pytest.raises(StoreError, match=r"cannot be written \((No space|File too large)"):
        JSONLines(small.folder)
    small.free()
    assert list(small.folder.iterdir()) == []


def test_a_run_that_cannot_be_begun_begins_when_it_can(folder, monkeypatch):
    run = run_of(3)
    with JSONLines(folder) as store:
        real, failures = os.open, iter([errno.ENOSPC, errno.EMFILE, errno.EDQUOT])

        def fails(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & os.O_EXCL and (number := next(failures, None)):
                raise OSError(number, "no")
            return real(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", fails)
        assert written_in_the_end(store, run.documents, lambda count: None) == 3
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_run_whose_first_line_cannot_be_written_begins_when_it_can(folder, monkeypatch):
    run = run_of(3)
    real, failures = os.write, iter([errno.ENOSPC] * 3)

    def fails(file: int, data: Any) -> int:
        if bytes(data).startswith(b'{"name":"start"') and (number := next(failures, None)):
            raise OSError(number, "full")
        return real(file, data)

    with JSONLines(folder) as store:
        monkeypatch.setattr(os, "write", fails)
        assert written_in_the_end(store, run.documents, lambda count: None) == 3
        assert list(documents(find(folder, run.uid).path)) == run.documents
    assert len(list(folder.glob("2*"))) == 1


def test_writes_that_are_cut_short_anywhere_are_finished(folder, monkeypatch):
    """Every write stops after a few bytes, and every third fails, also in the middle of a letter."""
    run = long_run()
    real, count = os.write, 0

    def short(file: int, data: Any) -> int:
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise OSError(errno.EIO, "the disk failed")
        return real(file, bytes(data)[: 200 + count * 37 % 900])

    with JSONLines(folder) as store:
        monkeypatch.setattr(os, "write", short)
        failures = written_in_the_end(store, run.documents, lambda count: None)
        monkeypatch.setattr(os, "write", real)
        assert failures > 20
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_half_line_that_cannot_be_cut_off_is_cut_off_before_the_next(folder, monkeypatch):
    run = run_of(3)
    real_write, real_cut = os.write, os.ftruncate
    broken = True

    def half(file: int, data: Any) -> int:
        if broken and len(data) != 13:
            real_write(file, bytes(data)[:13])
            raise OSError(errno.EIO, "the disk failed")
        return real_write(file, data)

    def no_cut(file: int, size: int) -> None:
        if broken:
            raise OSError(errno.EIO, "the disk failed")
        real_cut(file, size)

    with JSONLines(folder) as store:
        store.write(run.documents[:3])
        monkeypatch.setattr(os, "write", half)
        monkeypatch.setattr(os, "ftruncate", no_cut)
        for _ in range(2):
            with pytest.raises(StoreError, match="the disk failed"):
                store.write(run.documents[3:])
            assert store.written == 0
        broken = False
        store.write(run.documents[3:])
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_disk_that_fails_to_flush_is_said_once_and_tried_again(folder, monkeypatch, caplog):
    real, broken = os.fsync, True
    tried = threading.Semaphore(0)

    def fsync(file: int) -> None:
        tried.release()
        if broken:
            raise OSError(errno.EIO, "the disk failed")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    run = run_of(3)
    with JSONLines(folder, flush_every=0.01) as store:
        store.write(run.documents)
        for _ in range(4):
            assert tried.acquire(timeout=30)
        with pytest.raises(StoreError, match="the disk failed"):
            store.flush()
        broken = False
        store.flush()
        deadline = time.monotonic() + 30
        while "again" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.005)
    said = [record.getMessage() for record in caplog.records]
    assert sum("cannot be flushed" in words for words in said) == 1
    assert find(folder, run.uid).exit_status == "success"


# -- the folder vanishes in the middle


def edited(path: Path) -> None:
    """Replace a file as an editor does: by another with the same content, under the same name."""
    copy = path.with_suffix(".new")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Have every write look whether its file is still there, not the first after a while."""
    monkeypatch.setattr(_runfile, "LOOK_EVERY", 0.0)


VANISHING = {
    "removed": lambda folder: shutil.rmtree(folder),
    "renamed": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "file removed": lambda folder: [path.unlink() for path in folder.glob("2*")],
    "file replaced": lambda folder: [(path.unlink(), path.write_text("rubbish\n")) for path in folder.glob("2*")],
    "file saved by an editor": lambda folder: [edited(path) for path in folder.glob("2*")],
    "a file in its place": lambda folder: (shutil.rmtree(folder), folder.write_text("rubbish")),
}


@pytest.mark.parametrize("way", ["removed", "renamed", "file removed", "file replaced", "file saved by an editor"])
def test_what_vanished_is_made_again_whole(folder, way, caplog):
    run, decisions = run_of(40), decisions_of(20)
    turns = [run.documents[:1], decisions.documents[:3], run.documents[1:20], decisions.documents[3:10]]
    rest = [*run.documents[20:], *decisions.documents[10:]]
    with JSONLines(folder) as store:
        for turn in turns:
            store.write(turn)
        VANISHING[way](folder)
        store.write(rest)
        for one in (run, decisions):
            assert list(documents(find(folder, one.uid).path)) == one.documents
    assert "made again" in caplog.text
    assert {entry.exit_status for entry in runs(folder)} == {"success"}


@pytest.mark.parametrize("way", ["removed", "renamed"])
@pytest.mark.parametrize("then", ["flush", "close"])
def test_what_vanished_is_noticed_without_another_document(folder, way, then):
    run = run_of(5, stop=False)
    with JSONLines(folder, flush_every=1000) as store:
        store.write(run.documents)
        VANISHING[way](folder)
        store.flush() if then == "flush" else store.close()
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_what_cannot_be_made_again_takes_nothing_until_it_can(tmp_path, monkeypatch):
    """Nothing is written where no path leads, to be said to be on record."""
    disk, run = tmp_path / "disk", run_of(5)
    disk.mkdir()
    monkeypatch.setattr(_runfile, "LOOK_EVERY", 0.0)
    with JSONLines(disk / "runs", flush_every=1000) as store:
        store.write(run.documents[:3])
        monkeypatch.setattr(_runfile, "LOOK_EVERY", 1000.0)
        disk.rename(tmp_path / "unplugged")
        for _ in range(3):
            with pytest.raises(StoreError, match="the folder it lies in is gone"):
                store.write(run.documents[3:])
            assert store.written == 0
        disk.mkdir()
        store.write(run.documents[3:])
        assert list(documents(find(disk / "runs", run.uid).path)) == run.documents


def test_it_is_noticed_within_flush_every(folder):
    run = run_of(5, stop=False)
    with JSONLines(folder, flush_every=0.05) as store:
        store.write(run.documents)
        shutil.rmtree(folder)
        store._flusher.due()  # as after any document
        deadline = time.monotonic() + 30
        while not list(folder.glob("2*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.005)
        store.flush()
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_folder_that_vanishes_again_and_again_loses_nothing(folder):
    run = run_of(60)
    with JSONLines(folder, flush_every=0.001) as store:
        for number, document in enumerate(run.documents):
            if number % 7 == 3:
                shutil.rmtree(folder, ignore_errors=True)  # the other thread may make it again meanwhile
            store.write([document])
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_folder_that_vanishes_while_it_is_flushed_by_its_thread_and_written_is_whole(folder):
    """Both threads may notice at once."""
    run = run_of(300, stop=False)
    over = threading.Event()

    def remove() -> None:
        while not over.wait(0.002):
            shutil.rmtree(folder, ignore_errors=True)

    remover = threading.Thread(target=remove)
    with JSONLines(folder, flush_every=0.0005) as store:
        store.write(run.documents[:1])
        remover.start()
        try:
            for document in run.documents[1:]:
                written_in_the_end(store, [document], lambda count: time.sleep(0.001))
        finally:
            over.set()
            remover.join(30)
        store.flush()
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_what_cannot_be_made_again_waits_until_it_can(tmp_path):
    run = run_of(20)
    (tmp_path / "parent").mkdir()
    folder = tmp_path / "parent" / "runs"
    with JSONLines(folder) as store:
        store.write(run.documents[:10])
        (tmp_path / "parent").rename(tmp_path / "moved")
        for _ in range(3):
            with pytest.raises(StoreError, match="the folder it lies in is gone: make it again"):
                store.write(run.documents[10:])
            assert store.written == 0
        (tmp_path / "parent").write_text("rubbish")
        with pytest.raises(StoreError, match="something on its path is a file"):
            store.write(run.documents[10:])
        (tmp_path / "parent").unlink()
        (tmp_path / "parent").mkdir()
        store.write(run.documents[10:])
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_file_in_the_place_of_the_folder_is_said(folder):
    run = run_of(20)
    with JSONLines(folder) as store:
        store.write(run.documents[:10])
        VANISHING["a file in its place"](folder)
        with pytest.raises(StoreError, match="file"):
            store.write(run.documents[10:])
        folder.unlink()
        store.write(run.documents[10:])
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_copy_that_finds_no_room_leaves_nothing_and_is_tried_again(folder, monkeypatch):
    run = run_of(20)
    real, broken = os.fsync, True

    def fsync(file: int) -> None:
        if broken:
            raise OSError(errno.ENOSPC, "full")
        real(file)

    with JSONLines(folder, flush_every=1000) as store:
        store.write(run.documents[:10])
        store.flush()
        shutil.rmtree(folder)
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StoreError, match="free some space"):
            store.write(run.documents[10:])
        assert not folder.exists()
        broken = False
        store.write(run.documents[10:])
        assert list(documents(find(folder, run.uid).path)) == run.documents


def test_a_run_begins_in_a_folder_that_vanished_while_nothing_was_open(folder):
    one, other = run_of(2), run_of(2)
    with JSONLines(folder) as store:
        store.write(one.documents)
        store.flush()
        shutil.rmtree(folder)
        store.write(other.documents)
    assert [entry.uid for entry in runs(folder)] == [other.uid]


# -- locks and processes


def test_a_forked_process_does_not_hold_the_lock(folder):
    read, write = os.pipe()
    lives, living = os.pipe()
    with JSONLines(folder) as store:
        run = run_of(2, stop=False)
        store.write(run.documents)
        child = os.fork()
        if child == 0:
            os.close(write)
            os.write(living, b".")
            os.read(read, 1)  # lives as long as the test
            os._exit(0)
    try:
        assert os.read(lives, 1) == b"."
        assert not find(folder, run.uid).running
    finally:
        for each in (read, write, lives, living):
            os.close(each)
        os.waitpid(child, 0)


def test_a_store_that_was_forked_does_not_write(folder):
    run = run_of(3)
    with JSONLines(folder) as store:
        store.write(run.documents[:2])
        child = os.fork()
        if child == 0:
            try:
                store.write(run.documents[2:])
            except StoreError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        store.write(run.documents[2:])
    assert list(documents(find(folder, run.uid).path)) == run.documents


def test_an_index_that_another_process_keeps_locked_delays_nothing(folder):
    run = run_of(3)
    with JSONLines(folder) as store:
        store.write(run_of(1).documents)
        store.flush()
        with (folder / "index.jsonl").open("rb") as index:
            fcntl.flock(index, fcntl.LOCK_EX)
            begun = time.monotonic()
            for document in run.documents:
                store.write([document])
            assert time.monotonic() - begun < 10  # it is locked until all is written
            assert len(runs(folder)) == 2
    assert len(runs(folder)) == 2


def test_an_index_that_cannot_be_written_stops_nothing(folder):
    folder.mkdir()
    (folder / "index.jsonl").mkdir()
    run = run_of(3)
    with JSONLines(folder) as store:
        store.write(run.documents)
    assert [entry.uid for entry in runs(folder)] == [run.uid]
