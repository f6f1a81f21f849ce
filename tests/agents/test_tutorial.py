"""Who follows the tutorials by hand, from an empty folder, sees what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = sorted(page for page in TUTORIALS.glob("*.md") if "```console" in page.read_text())
BLOCK = re.compile(
    r"^```(?:\{code-block\} python\n:caption: (?P<caption>[^\n]+)\n\n|(?P<language>console|text)\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
CELLS = """
import sys
import nbformat
from nbclient import NotebookClient

cell = nbformat.v4.new_code_cell(sys.stdin.read())
NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=150, kernel_name="python3").execute()
print("".join(output["text"] for output in cell.outputs), end="")
"""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The caption of a file or cell, or the language, and the text."""
    for match in BLOCK.finditer(page.read_text()):
        yield match["caption"] or match["language"], match["text"]


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Each command and what is printed below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def told(printed: str) -> list[str]:
    """Lines without what is another number each time: times, dice without a seed, what hangs on the last digits."""
    lines: list[str] = []
    gaussian = False
    for line in printed.splitlines():
        kept = re.sub(r"[\d.]+ (s|ms|us)\b", r"# \1", line)
        kept = re.sub(r"-?\d+\.\d{6,}", "#", kept)
        kept = re.sub(r"[\d.]+(?= +\d+$)", "#", kept)  # milliseconds a point, before the number of runs
        gaussian = line.startswith("gaussian") or (gaussian and line.startswith(" "))
        kept = re.sub(r"\d[\d.]*", "#", kept) if gaussian else kept
        lines.append(re.sub(r"\s+", " ", kept).strip())
    return lines


def at_hand(folder: Path) -> dict[str, str]:
    """The environment of a shell in which skysteer is installed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "IPYTHONDIR": str(folder.parent / "ipython")}


def ran(command: str, folder: Path) -> str:
    done = subprocess.run(
        command, shell=True, cwd=folder, env=at_hand(folder), text=True, timeout=100, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def ran_in_a_kernel(cell: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CELLS], cwd=folder, env=at_hand(folder), input=cell, text=True, timeout=100, check=False,
        capture_output=True,
    )  # fmt: skip
    # The kernel has words of its own for the standard error; what the cell writes there is in its output.
    return done.stdout if done.returncode == 0 else done.stderr


def difference(command: str, shown: str, printed: str) -> str:
    return "\n".join(unified_diff(told(shown), told(printed), "shown", f"printed by {command}", lineterm="", n=0))


def test_there_is_a_page_to_follow() -> None:
    assert [page.stem for page in PAGES] == ["write-your-recommender"]
    console = "".join(text for kind, text in blocks(PAGES[0]) if kind == "console")
    words = [command.split()[:2] for command, _ in commands(console)]
    assert [name for tool, name in words if tool == "skysteer"] == ["check"] * 3 + [
        "simulate",
        "compare",
        "run",
        "check",
    ]
    assert ["python", "scan.py"] in words


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_followed_from_an_empty_folder_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    different: list[str] = []
    printed = ""
    for kind, text in blocks(page):
        if kind == "console":
            for command, shown in commands(text):
                printed = ran(command, folder)
                different.append(difference(command, shown, printed))
        elif kind == "text":
            different.append(difference("the cell", text, printed))
        elif kind == "a notebook cell":
            printed = ran_in_a_kernel(text, folder)
        else:
            (folder / kind).write_text(text)
    assert "".join(different) == "", "\n".join(different)
    pictures = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.png")}
    assert pictures == {"skysteer-simulation/simulation.png", "skysteer-comparison/comparison.png"}


def test_the_pictures_of_a_page_are_beside_it() -> None:
    for page in PAGES:
        named = re.findall(r"^!\[.*\]\((.+)\)$", page.read_text(), re.MULTILINE)
        assert named
        assert [name for name in named if not (TUTORIALS / name).is_file()] == []


def test_a_word_that_is_printed_otherwise_is_noticed() -> None:
    shown = "Climber  996   985   0.02    10\n best: 0.123456789 of 12.5 in 0.1 s\ngaussian  12  5\n     8 - 9"
    assert difference("x", shown, "Climber 996 985 7.1 10\nbest: 0.3333333 of 12.5 in 9 s\ngaussian 1 4\n  1 - 2") == ""
    for other in (shown.replace("985", "986"), shown.replace("12.5", "12.6"), shown.replace("best", "last")):
        assert difference("x", shown, other)
