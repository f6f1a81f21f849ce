"""Who follows the pages on the record by hand, from an empty folder, sees what they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import pytest

from skysteer.model import (
    Asked,
    Checkpointed,
    Decision,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Suggestion,
    Told,
    Verdict,
)
from skysteer.stores import Recorder, documents, runs

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["resume-after-a-crash", "audit-a-decision"]
BLOCK = re.compile(
    r"^```(?:\{code-block\} python\n:caption: (?P<caption>[^\n]+)\n\n|(?P<language>console)\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
ENOUGH_EVENTS = 12
"""So many are on record when a page kills what it started."""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The name of a file, or ``console``, and the text."""
    for match in BLOCK.finditer(page.read_text()):
        yield match["caption"] or match["language"], match["text"]


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Each command and what is printed below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


class Shell:
    """A shell in a folder, in which skysteer is installed. ``&`` and ``kill -9 %1`` are its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
        self.job: subprocess.Popen[str] | None = None

    def run(self, command: str) -> str:
        if command.endswith(" &"):
            self.job = self._start("exec " + command.removesuffix(" &"))
            return ""
        if command == "kill -9 %1":
            return self._kill()
        process = self._start(command)
        try:
            return process.communicate(timeout=100)[0]
        finally:
            self._end(process)

    def close(self) -> None:
        if self.job is not None:
            self._end(self.job)

    def _start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _kill(self) -> str:
        """Kill what was started, not before it has measured something."""
        assert self.job is not None
        deadline = time.monotonic() + 60
        while self._events() < ENOUGH_EVENTS:
            assert self.job.poll() is None, self.job.communicate()[0]
            assert time.monotonic() < deadline, f"{self._events()} events are on record after a minute"
            time.sleep(0.05)
        self.job.kill()
        self.job.communicate()
        return ""

    def _events(self) -> int:
        runs = [path for path in self.folder.rglob("*.jsonl") if not path.name.endswith(".decisions.jsonl")]
        return sum(path.read_bytes().count(b'{"name":"event"') for path in runs)

    def _end(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "empty"
    folder.mkdir()
    shell = Shell(folder)
    yield shell
    shell.close()


def lines(text: str) -> list[str]:
    """Without what hangs on the width of columns."""
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def agrees(printed: list[str], shown: list[str]) -> bool:
    """Whether lines are as shown. A ``*`` is any text, and ``...`` alone any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(agrees(printed[start:], shown[1:]) for start in range(len(printed) + 1))
    pattern = shown[0].replace("[", "[[]").replace("?", "[?]")
    return bool(printed) and fnmatchcase(printed[0], pattern) and agrees(printed[1:], shown[1:])


@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", PAGES)
def test_followed_from_an_empty_folder_a_page_prints_what_it_shows(page: str, shell: Shell) -> None:
    different: list[str] = []
    for kind, text in blocks(DOCS / "how-to" / f"{page}.md"):
        if kind != "console":
            (shell.folder / kind).write_text(text)
            continue
        for command, shown in commands(text):
            printed = shell.run(command)
            if not agrees(lines(printed), lines(shown)):
                different.append(f"$ {command}\n--- shown\n{shown}--- printed\n{printed}")
    assert different == [], "\n".join(different)


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("37 of 60\nend\n", "* of 60\nend\n", True),
        ("37 of 60\nend\n", "* of 61\nend\n", False),
        ("a\nb\nc\nend\n", "a\n...\nend\n", True),
        ("a\nb\nc\n", "a\n...\nend\n", False),
        ("a\nb\n", "a\n", False),
        ("[1] what?\n", "[1] what?\n", True),
    ],
)
def test_a_word_that_is_printed_otherwise_is_noticed(printed: str, shown: str, same: bool) -> None:
    assert agrees(lines(printed), lines(shown)) is same


def test_the_pictures_of_a_page_are_beside_it() -> None:
    for page in PAGES:
        text = (DOCS / "how-to" / f"{page}.md").read_text()
        named = re.findall(r"^!\[.*\]\((.+)\)$", text, re.MULTILINE)
        assert [name for name in named if not (DOCS / "how-to" / name).is_file()] == []


# -- the table of streams and keys


Key = tuple[str, str, str]
"""Name, dtype and units."""


def documented() -> dict[str, list[Key]]:
    """Stream to keys, as the page has them."""
    streams: dict[str, list[Key]] = {}
    page = (DOCS / "reference" / "decision-run.md").read_text()
    for stream, section in re.findall(r"^## Stream `(\w+)`\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE):
        rows = re.findall(r"^\| `([^`]+)` \| ([^|]*)\| ([^|]*)\|", section, re.MULTILINE)
        streams[stream] = [(name, dtype.strip(), units.strip()) for name, dtype, units in rows]
    return streams


WHEN: dict[str, Any] = {"time": 1000.0}
ONE_OF_EACH: list[Any] = [
    Suggested(
        "recommender",
        0,
        (Suggestion("s", {"x": 1.0, "filter": "Cu"}),),
        0,
        0,
        (),
        1,
        "ab",
        999.0,
        1.0,
        0.5,
        0.25,
        **WHEN,
    ),
    Asked("recommender", 1, 1, 0, 0, (Suggestion("s", {"x": 1.0}),), **WHEN),
    Told("recommender", 0, "run", "primary", 1, 999.5, {"x": 1.0, "filter": "Cu"}, {"det": 7.0}, "s", **WHEN),
    Refused("recommender", 1, "failed", "it raised", 1, 999.0, 1.0, **WHEN),
    GivenUp("recommender", "s", "device", "stuck", **WHEN),
    Replaced("recommender", "ingest", "killed", 1, **WHEN),
    Checkpointed("recommender", 1, 0, "ab", 0.1, **WHEN),
    Judged("good enough", Verdict.ENOUGH, "30", "run", "primary", 1, 1, True, 0.01, **WHEN),
    Steered(Verdict.ENOUGH, "30", "somebody", 1, True, **WHEN),
]
SPACE = [
    {"kind": "axis", "name": "x", "low": -5.0, "high": 5.0, "units": "mm", "step": None},
    {"kind": "choice", "name": "filter", "options": ["Cu", "Al"], "units": ""},
]
RUN: list[tuple[str, dict[str, Any]]] = [
    ("start", {"uid": "run", "time": 999.0, "skysteer": {"launch": "one"}}),
    ("stop", {"uid": "stop", "run_start": "run", "time": 1001.0, "exit_status": "success", "reason": ""}),
]
NAMED = {"x": "<axis>", "filter": "<axis>", "det": "<objective>"}
SETTLED_BY = {"<axis>": "of the axis", "<objective>": "of the objective"}


def emitted(folder: Path) -> dict[str, list[Key]]:
    """Stream to keys of a decision run with one decision of each kind; axes and objectives by what they are."""
    recorder = Recorder(folder)
    decisions = recorder.begin({"launch": "one", "space": SPACE, "objectives": ["det"]})
    for name, doc in RUN:
        decisions.document(name, doc)
    for decision in ONE_OF_EACH:
        decisions(decision)
    decisions.end("success", "")
    recorder.close().result(timeout=20)
    (entry,) = [entry for entry in runs(folder) if entry.kind == "decisions"]
    streams: dict[str, list[Key]] = {}
    for name, doc in documents(entry.path):
        if name == "descriptor":
            keys = [_key(column, key) for column, key in doc["data_keys"].items()]
            streams[doc["name"]] = list(dict.fromkeys(keys))
    return streams


def _key(column: str, key: dict[str, Any]) -> Key:
    assert key["shape"] == []
    assert key["source"].startswith("skysteer:")
    begin, _, name = column.partition("_")
    if begin in ("told", "suggested") and name in NAMED:
        kind = NAMED[name]
        assert (key["dtype"], key.get("units", "")) == {
            "x": ("number", "mm"), "filter": ("string", ""), "det": ("number", "")
        }[name]  # fmt: skip
        return f"{begin}_{kind}", SETTLED_BY[kind], SETTLED_BY[kind]
    return column, key["dtype"], key.get("units", "")


def test_the_table_of_streams_and_keys_is_that_of_a_decision_run(tmp_path: Path) -> None:
    shown, real = documented(), emitted(tmp_path)
    assert sorted(shown) == sorted(real)
    assert {stream: sorted(keys) for stream, keys in shown.items()} == {
        stream: sorted(keys) for stream, keys in real.items()
    }


def test_the_table_has_a_row_for_every_kind_of_decision() -> None:
    assert {type(decision) for decision in ONE_OF_EACH} == set(get_args(Decision))
