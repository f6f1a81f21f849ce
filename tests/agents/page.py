"""Follows a page of the documentation by hand: writes its files, runs its commands, compares what is printed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

BLOCK = re.compile(
    r"^```(?:\{code-block\} python\n:caption: (?P<caption>[^\n]+)\n\n|(?P<language>console)\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
ENOUGH_EVENTS = 12
"""So many it has put on record when a page kills what it started."""


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
        self._before = 0

    def run(self, command: str) -> str:
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        if command.endswith(" &"):
            self._before = self._events()
            self.job = self._start("exec " + command.removesuffix(" &"))
            if "--port " in command:
                _answers(int(command.split("--port ")[1].split(maxsplit=1)[0]))
            return ""
        if command == "kill -9 %1":
            return self._kill()
        process = self._start(command)
        try:
            return process.communicate(timeout=100)[0]
        finally:
            self._end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        deadline = time.monotonic() + 120
        while self._events() < self._before + ENOUGH_EVENTS:
            assert self.job.poll() is None, self.job.communicate()[0]
            assert time.monotonic() < deadline, f"{self._events()} events are on record after two minutes"
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


def _answers(port: int) -> None:
    """Wait for a server."""
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "no answer after 90 s"
            time.sleep(0.2)


IDS = r"\b[0-9a-f]{8}(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?\b|\b[0-9a-f]{12}-[a-z]\d+\b|\b[0-9a-f]{32}\b"
WHEN = r"\d{4}-\d\d-\d\dT[\d-]+|\b\d{1,2} [A-Z][a-z]{2} (?=\d\d:)|\b\d\d:\d\d(?::\d\d)?\b"
HOW_LONG = r"[\d.]+ (?:us|ms|s|min)\b"
READ = r"-?\d+(?= TIME| counts\b)"
"""Counts, which are drawn."""
SO_FAR = r"\d+(?=/\d+ | of \d+ points| of \d+ suggestions| of them measured)"
"""How far it came before it was killed, or before two models went apart."""
WHICH = r"(?<=point )\d+"
"""Where two models went apart, or the best reading was."""


def told(text: str) -> str:
    """The words without what is another each time, or on another machine: ids, times, and the digits of numbers."""
    words = " ".join(text.split())
    for pattern, name in (
        (IDS, "ID"),
        (WHEN, "TIME"),
        (HOW_LONG, "TIME"),
        (r"[-+]?\d+\.\d+", "#"),
        (READ, "#"),
        (SO_FAR, "#"),
    ):
        words = re.sub(pattern, name, words)
    return words


def agrees(printed: str, shown: str) -> bool:
    """Whether what is printed is what is shown. ``...`` is any text."""
    pattern = ".*".join(re.escape(part) for part in told(shown).split("..."))
    return re.fullmatch(pattern, told(printed)) is not None


def followed(page: Path, folder: Path, adapted: Mapping[str, str] | None = None) -> list[str]:
    """Do what a page says, in an empty folder; what is printed otherwise than shown.

    Parameters
    ----------
    adapted
        What is said otherwise here than on the page, as the port of a server.
    """
    different: list[str] = []
    with Shell(folder) as shell:
        for kind, text in blocks(page):
            here = text
            for said, meant in (adapted or {}).items():
                here = here.replace(said, meant)
            if kind != "console":
                (folder / kind).write_text(here)
                continue
            for command, shown in commands(here):
                printed = shell.run(command)
                if not agrees(printed, shown):
                    different.append(f"$ {command}\n--- shown\n{shown}--- printed\n{printed}")
    return different
