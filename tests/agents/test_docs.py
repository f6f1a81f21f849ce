"""What the how-to guides, and the picture of an explanation, show works as it is printed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
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
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stderr) == (0, "")
    shown = "".join(blocks(page, "text")).splitlines()  # a * is a number
    printed = done.stdout.splitlines()
    assert len(printed) == len(shown), done.stdout
    literal = [line.replace("[", "[[]") for line in shown]
    assert [line for line, pattern in zip(printed, literal, strict=True) if not fnmatchcase(line, pattern)] == []


def public_modules() -> set[str]:
    paths = [path.relative_to(ROOT / "src").with_suffix("") for path in (ROOT / "src").rglob("*.py")]
    parts = [path.parts[:-1] if path.name == "__init__" else path.parts for path in paths]
    return {".".join(part) for part in parts if not any(name.startswith("_") for name in part)}


def test_every_public_module_has_a_page_in_the_reference() -> None:
    tree = ast.parse((DOCS / "conf.py").read_text())
    assigned = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    listed = ast.literal_eval(assigned["PUBLIC"])
    assert len(listed) == len(set(listed))
    # What skysteer passes on is on the pages of its modules; the shell's commands have --help. What
    # the packages of skysteer.stores have for others, it passes on itself.
    passed_on = {"skysteer.stores.jsonl", "skysteer.stores.record", "skysteer.stores.recorder"}
    assert public_modules() - set(listed) == {"skysteer", "skysteer.cli"} | passed_on


def test_every_page_is_reached_from_the_index() -> None:
    toctrees = [re.findall(r"^```{toctree}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
                for page in (DOCS / "index.md", DOCS / "reference" / "index.md")]  # fmt: skip
    entries = [line for tree in toctrees[0] for line in tree.splitlines() if line and not line.startswith(":")]
    entries += [f"reference/{line}" for tree in toctrees[1] for line in tree.splitlines() if line and line[0] != ":"]
    pages = [page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")]
    left = [page for page in pages if not page.startswith("_") and not any(fnmatchcase(page, e) for e in entries)]
    assert left == ["index"]


def test_every_link_of_a_page_leads_to_a_file() -> None:
    pages = [page for page in [*DOCS.rglob("*.md"), ROOT / "README.md"] if "_build" not in page.parts]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_commands_and_options_that_the_pages_name_are_there() -> None:
    pages = [page for page in [*DOCS.rglob("*.md"), ROOT / "README.md"] if "_build" not in page.parts]
    named: dict[str, set[str]] = {}
    for page in pages:
        for command, rest in re.findall(r"^(?:\$ )?skysteer ([a-z]+)(.*)$", page.read_text(), re.MULTILINE):
            named.setdefault(command, set()).update(re.findall(r"(?<= )--[a-z]+", rest))
    assert {"check", "simulate", "compare", "run"} <= set(named)
    for command, options in named.items():
        done = subprocess.run(
            [sys.executable, "-m", "skysteer.cli", command, "--help"], capture_output=True, text=True, timeout=150,
            env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        assert (command, done.returncode, done.stderr) == (command, 0, "")
        assert [option for option in options if option not in done.stdout] == []
