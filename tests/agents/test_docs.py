"""What the how-to guides, and the picture of an explanation, show works as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    page
    for page in [*DOCS.glob("how-to/*.md"), DOCS / "explanations" / "acquisition-functions.md"]
    if "```python" in page.read_text()
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_there_are_pages_to_test() -> None:
    names = {page.stem for page in PAGES}
    assert {"end-a-measurement-when-it-is-good-enough", "hold-while-the-beam-is-down"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_one_after_the_other_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    shown = "".join(blocks(page, "text")).splitlines()  # a * is a number
    printed = done.stdout.splitlines()
    assert len(printed) == len(shown), done.stdout
    literal = [line.replace("[", "[[]") for line in shown]
    assert [line for line, pattern in zip(printed, literal, strict=True) if not fnmatchcase(line, pattern)] == []
