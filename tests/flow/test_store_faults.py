"""A folder of runs that cannot be written when a scan begins, or vanishes while it is measured."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skysteer.errors import PreflightError
from skysteer.recommenders import Sequence

from .conftest import Seen

MOMENTS = 10
"""Moments for each way to vanish."""


def mounted(where: Path, options: str) -> bool:
    """Mount a file system in memory, where one may."""
    return not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], capture_output=True, check=False
    ).returncode


# ------------------------------------------------------------ at the start


def not_there(path: Path) -> tuple[Path, str]:
    return path / "not there" / "runs", "not there"


def a_file(path: Path) -> tuple[Path, str]:
    (path / "runs").write_text("what I did last summer")
    return path / "runs", "folder"


def below_a_file(path: Path) -> tuple[Path, str]:
    (path / "file").touch()
    return path / "file" / "runs", "file"


def a_broken_link(path: Path) -> tuple[Path, str]:
    (path / "runs").symlink_to(path / "gone" / "runs")
    return path / "runs", "runs"


def forbidden(path: Path) -> tuple[Path, str]:
    """Nobody may write there; root may write where the mode forbids it, but in no file system that is read-only."""
    folder = path / "runs"
    folder.mkdir()
    if not mounted(folder, "ro,size=64k"):
        folder.chmod(0o500)
    return folder, "runs"


def forbidden_parent(path: Path) -> tuple[Path, str]:
    folder, _ = forbidden(path)
    return folder / "of today", "of today"


def without_room(path: Path) -> tuple[Path, str]:
    """Where one may not mount a full disk, there is one that is always full."""
    folder = path / "runs"
    folder.mkdir()
    if mounted(folder, "size=64k"):
        (folder / "filler").write_bytes(b"x" * shutil.disk_usage(folder).free)
        return folder, "space"
    folder.rmdir()
    return Path("/dev/full"), "full"


@pytest.fixture(
    params=[not_there, a_file, below_a_file, a_broken_link, forbidden, forbidden_parent, without_room],
    ids=lambda way: way.__name__,
)
def unfit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that cannot be one, and a word that says why."""
    yield request.param(tmp_path)
    subprocess.run(["umount", str(tmp_path / "runs")], capture_output=True, check=False)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_moves(RE, beam, seen, unfit, flow):
    folder, word = unfit
    plan = flow([beam.det], [beam.x], Sequence([{"x": 1.0}]), objectives=["det"], max_points=1, record=folder)
    with pytest.raises(PreflightError) as caught:
        RE(plan).result(20)
    assert word in str(caught.value)
    assert str(folder) in str(caught.value)
    assert seen.documents == [], "a run was opened"
    assert beam.x.position == 0.0
    assert beam.det.triggers == 0
    assert beam.det.staged == 0


def test_it_is_refused_together_with_what_else_is_wrong(RE, beam, tmp_path):
    plan = flow_of(RE, beam, tmp_path / "not there" / "runs", objectives=["no such"])
    with pytest.raises(PreflightError) as caught:
        RE(plan).result(20)
    assert "not there" in str(caught.value)
    assert "no such" in str(caught.value)


def flow_of(RE: Any, beam: Any, folder: Path, *, points: int = 12, **other: Any) -> Any:
    from skysteer import adaptive_scan

    along = Sequence([{"x": number / 4} for number in range(points)])
    return adaptive_scan(
        [beam.det], [beam.x], along, **{"objectives": ["det"], "max_points": points, "record": folder, **other}
    )


# ------------------------------------------------------------ in the middle


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def renamed(folder: Path) -> None:
    folder.rename(tempfile.mkdtemp(dir=folder.parent))


def replaced_by_an_empty_one(folder: Path) -> None:
    renamed(folder)
    folder.mkdir()


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("vanish", [removed, renamed, replaced_by_an_empty_one, emptied])
def test_a_folder_that_vanishes_in_the_middle_is_made_again_with_everything(RE, beam, seen, tmp_path, vanish):
    """At any message until the run is closed: what was written before is in it too."""
    commands = []
    RE.msg_hook = lambda message: commands.append(message.command)
    RE(flow_of(RE, beam, tmp_path / "counted")).result(20)
    messages = commands.index("close_run") + 1
    for number in range(MOMENTS):
        seen.documents.clear()
        folder, moment = tmp_path / f"runs-{number}", random.Random(f"{vanish.__name__} {number}").randint(1, messages)
        RE.msg_hook = vanishing(folder, vanish, moment)
        try:
            result = RE(flow_of(RE, beam, folder)).result(20).plan_result
            assert result.measured == 12
            assert_complete(folder, seen)
        except BaseException as exc:
            exc.add_note(f"{vanish.__name__} at message {moment} of {messages}, {folder}")
            raise


def vanishing(folder: Path, vanish: Callable[[Path], None], moment: int) -> Callable[[Any], None]:
    """Let the folder vanish at a message, or at the first after it at which there is a folder."""
    count, gone = 0, False

    def hook(message: Any) -> None:
        nonlocal count, gone
        count += 1
        # Waiting takes more messages one time and fewer another: at the latest when the run is closed.
        if (count >= moment or message.command == "close_run") and not gone and folder.exists():
            gone = True
            try:
                vanish(folder)
            except FileNotFoundError:  # a file came or went meanwhile
                gone = False
            except OSError:  # a file came meanwhile
                gone = False
        gone = gone or message.command == "close_run"

    return hook


def test_a_parent_that_vanishes_holds_the_scan_until_it_is_back(RE, beam, seen, tmp_path, caplog):
    parent = tmp_path / "disk"
    parent.mkdir()
    gone, waiting = threading.Event(), threading.Event()

    def hook(message):
        if message.command == "save" and beam.det.triggers == 4 and not gone.is_set():
            parent.rename(tmp_path / "unplugged")
            beam.det.dead_time = 0.5
            gone.set()

    RE.msg_hook = hook
    caplog.handler.addFilter(
        lambda record: "nothing can be written" not in record.getMessage() or waiting.set() is None
    )
    future = RE(flow_of(RE, beam, parent / "runs"))
    assert gone.wait(20)
    assert waiting.wait(20)  # it is noticed within a quarter of a second
    beam.det.dead_time = 0.08
    triggers = beam.det.triggers
    time.sleep(0.7)  # it is tried again twice
    assert beam.det.triggers <= triggers + 1 < 12
    assert not future.done()
    parent.mkdir()
    assert future.result(20).plan_result.measured == 12
    assert_complete(parent / "runs", seen)


def assert_complete(folder: Path, seen: Seen) -> None:
    """Everything that the engine emitted is on disk, once and in order, and so is every decision."""
    files = [path for path in folder.glob("*.jsonl") if path.name != "index.jsonl"]
    read = {path: [json.loads(line) for line in path.read_text().splitlines()] for path in files}
    [measurement] = [lines for path, lines in read.items() if "decisions" not in path.name]
    [decisions] = [lines for path, lines in read.items() if "decisions" in path.name]
    uids = [line["doc"].get("uid") for line in measurement]
    assert uids == [doc.get("uid") for _, doc in seen.documents]
    assert [line["name"] for line in measurement] == [name for name, _ in seen.documents]
    streams = {line["doc"]["uid"]: line["doc"]["name"] for line in decisions if line["name"] == "descriptor"}
    events = [line["doc"] for line in decisions if line["name"] == "event"]
    told = [event["data"]["seq_num"] for event in events if streams[event["descriptor"]] == "told"]
    suggested = [event["data"]["id"] for event in events if streams[event["descriptor"]] == "suggestions"]
    assert told == list(range(1, 13))
    assert len(set(suggested)) == len(suggested) == 12
    assert [line["name"] for line in decisions][-1] == "stop"
    index = (folder / "index.jsonl").read_text()
    assert all(path.stem.split(".")[0] in index for path in files), "not in the index"
