"""The repository itself: what is pinned, what no file may hold, and the check for what tests leave behind."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def tracked_files() -> list[Path]:
    # The folder may belong to another user (CI), and an unpacked archive has no git.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    if (ROOT / ".git").exists():
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=True)
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        folders = ["src", "tests", "docs", "agents", "benchmarks", "notebooks"]
        paths = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return [path for path in paths if path.is_file()]


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    names = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines]
    assert len(set(names)) == len(names)


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    wanted = [*project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        wanted += requirements if extra != "ax" else []
    names = {re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", text)[0]).lower() for text in wanted}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert names - {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines} == set()


def test_every_extra_says_which_leaf_it_serves() -> None:
    table = PYPROJECT.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]
    for extra in extras:
        comment = re.search(rf"^# (.+)\n{extra} = ", table, re.MULTILINE)
        assert comment, f"no comment above the extra {extra!r}"
        if extra not in ("dev", "notebook"):
            assert "skysteer." in comment[1], f"the comment above the extra {extra!r} names no module"


def test_make_installs_every_extra_but_ax() -> None:
    extras = tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]
    installed = re.search(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert installed
    assert set(installed[1].split(",")) == set(extras) - {"ax"}


# Put together here, so that this file does not hold them itself.
REGISTRIES = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "--index" + "-url",
    "--extra-index" + "-url",
    "--find" + "-links",
]
REGISTRIES += ["--trusted" + "-host", "registry.npm" + "js", "conda" + ".anaconda"]
MACHINE_PATHS = ["/" + "home/", "/" + "root/", "/" + "Users/", "/" + "work/", "file:" + "///", "C:" + "\\"]


@pytest.mark.parametrize("words", [REGISTRIES, MACHINE_PATHS], ids=["registry addresses", "machine paths"])
def test_no_tracked_file_holds(words: list[str]) -> None:
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


LEAKY_TESTS = """
import asyncio, subprocess, sys, threading
import pytest

stay = threading.Event()

def test_clean():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    subprocess.run([sys.executable, "-c", ""], check=True)
    asyncio.run(asyncio.sleep(0))

def test_slow_to_end():  # within the grace: not a leak
    threading.Timer(0.1, lambda: None).start()

def test_thread():
    threading.Thread(target=stay.wait, name="lost-thread", daemon=True).start()

left = []

def test_process():
    left.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"]))

def test_the_process_was_ended():
    assert left[0].wait(10) == -9

def test_not_waited_for():
    left.append(subprocess.Popen([sys.executable, "-c", ""]))

def test_loop():
    left.append(asyncio.new_event_loop())

begun = threading.Event()

async def lost_coroutine():
    begun.set()
    await asyncio.Event().wait()

def leave_a_task(loop):
    begun.clear()
    left.append(asyncio.run_coroutine_threadsafe(lost_coroutine(), loop))
    assert begun.wait(10)

def test_task():
    loop = asyncio.new_event_loop()
    async def main():
        left.append(asyncio.create_task(lost_coroutine()))
    loop.run_until_complete(main())
    loop.close()

def test_engine_task(RE):
    leave_a_task(RE.loop)

def test_engine_left_running(RE, documents):
    import bluesky.plan_stubs as bps
    from bluesky.preprocessors import run_wrapper
    started = threading.Event()
    RE.subscribe(lambda name, doc: started.set())
    left.append(RE(run_wrapper(bps.sleep(50))))
    assert started.wait(10)
    assert [name for name, _ in documents] == ["start"]

def test_stock_engine_task(stock_RE):
    leave_a_task(stock_RE.loop)

def test_stock_engine(stock_RE):
    import bluesky.plan_stubs as bps
    assert stock_RE(bps.null()).exit_status == "success"

def test_last_is_clean():
    pass
"""

LEFT = {
    "test_thread": r"thread 'lost-thread' \(daemon\)",
    "test_process": r"process \d+ \(.*time\.sleep\(50\)\)",
    "test_not_waited_for": r"process \d+, which ended but was not waited for",
    "test_loop": r"open event loop <_UnixSelectorEventLoop",
    "test_task": r"task Task-\d+ \(lost_coroutine\)",
    "test_engine_task": r"task Task-\d+ \(lost_coroutine\)",
    "test_stock_engine_task": r"task Task-\d+ \(lost_coroutine\)",
}


def test_a_test_that_leaves_something_behind_fails_and_is_told_what(pytester: pytest.Pytester) -> None:
    conftest = (ROOT / "tests" / "conftest.py").read_text()
    assert "\nGRACE = 20.0\n" in conftest
    pytester.makeconftest(conftest.replace("\nGRACE = 20.0\n", "\nGRACE = 1.0\n"))
    pytester.makepyfile(test_leaky=LEAKY_TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=50)
    text = result.stdout.str()
    result.assert_outcomes(passed=LEAKY_TESTS.count("def test_"), errors=len(LEFT))
    for test, what in LEFT.items():
        report = re.search(rf"ERROR at teardown of {test} _+\n(.*?)(?=\n_{{5,}} |\n=+ )", text, re.DOTALL)
        assert report, text
        assert re.search(what, report[1]), f"{test}: {report[1]}"
