"""``python -m benchmarks.recommenders [--parts A B C] [--quick] [--jobs 2]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks._settings import progress

from . import _summary as summary
from ._page import PAGE, write_page
from ._pool import run_all
from ._task import PARTS, Ledger, Task

WIDTH = 170
OUT = Path(__file__).parents[1] / "out" / "recommenders.jsonl"

ABOUT = """\
Recommenders beside their peers on the same seeds: points, time and memory.

A  the best point of a function; B  a curve and a map; C  a library of 10,000 samples.

On two cores of its own, with --jobs 2, it takes 15 to 25 minutes, --quick 2 minutes; Ax and Xopt, where they are
installed, an hour more. Part C is timed alone, one run after the other.
What was found is kept in a file of JSON lines, and a later call runs what is not in it yet. What other code found
(ours or the benchmark's has changed since) does not count.
"""


def seeds(text: str) -> list[int]:
    """``0-9`` or ``0,3,5``."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(part) for part in text.split(",")]


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.recommenders", description=ABOUT, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    made.add_argument("--problems", nargs="+", metavar="NAME", help="of the parts chosen (default: all)")
    made.add_argument("--recommenders", nargs="+", metavar="NAME", help="and in part A also module:function")
    made.add_argument("--seeds", type=seeds, metavar="0-9", help="default 0-9, quick 0-1")
    made.add_argument("--budget", type=int, help="points of a run (default: each part's own)")
    made.add_argument("--out", type=Path, default=OUT, help="file of JSON lines, continued (default: %(default)s)")
    made.add_argument("--jobs", type=int, default=1, help="processes at a time; CPU time is measured in each")
    made.add_argument("--quick", action="store_true", help="little of each: does it run?")
    made.add_argument("--fresh", action="store_true", help="begin the file anew")
    made.add_argument("--write-docs", action="store_true", help="put the tables into the how-to")
    made.add_argument("--strict", action="store_true", help="exit code 1 if a target is missed")
    return made


def planned(given: argparse.Namespace, fail: Any) -> list[Task]:
    """The runs that were asked for."""
    modules = [importlib.import_module(f"{__package__}.{PARTS[part]}") for part in given.parts]
    known = {case for module in modules for case in module.CASES}
    if unknown := sorted(set(given.problems or ()) - known):
        fail(f"no problem of these parts is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    names = {name for module in modules for name in module.KNOWN}
    if unknown := sorted(name for name in set(given.recommenders or ()) - names if ":" not in name):
        fail(f"no recommender of these parts is called {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    wanted = given.seeds if given.seeds is not None else [0, 1] if given.quick else list(range(10))
    tasks: list[Task] = []
    for module in modules:
        cases = [case for case in module.CASES if given.problems is None or case in given.problems]
        methods = [name for name in given.recommenders or () if name in module.KNOWN or (":" in name and module.OPEN)]
        chosen = methods if given.recommenders is not None else None
        tasks += module.tasks(cases, chosen, wanted, budget=given.budget, quick=given.quick)
    return tasks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the tables and write them as JSON beside the findings."""
    made = parser()
    given = made.parse_args(arguments)
    if given.jobs < 1 or (given.budget is not None and given.budget < 2):
        made.error("--jobs must be at least 1 and --budget at least 2")
    if given.write_docs and (given.quick or given.parts != list(PARTS)):
        made.error("--write-docs is for a whole run: all parts, without --quick")
    if given.out.suffix == ".json":
        made.error(f"--out {given.out} is the name of the tables; give the findings another, such as .jsonl")
    tasks = planned(given, made.error)
    if given.fresh:
        given.out.unlink(missing_ok=True)
    ledger = Ledger(given.out)
    missing = [task for task in tasks if task not in ledger]
    old = f"; {ledger.outdated} findings of other code do not count" if ledger.outdated else ""
    progress(f"{len(missing)} of {len(tasks)} runs are to be done{old}")
    if missing:
        try:
            run_all(missing, given.jobs, ledger.add)
        except KeyboardInterrupt:
            progress("interrupted: the tables are of what was found so far, the same command goes on")
    tables = [table for part in given.parts for table in _tables(part, _rows(ledger, tasks, given.recommenders))]
    settings = {"seeds": len({task.seed for task in tasks}), "jobs": given.jobs, "quick": given.quick}
    summary.show(tables, Console(width=None if sys.stdout.isatty() else WIDTH), settings)
    path = given.out.with_suffix(".json")
    content = summary.write(tables, settings, path)
    if given.write_docs:
        if any(task not in ledger for task in tasks):
            progress(f"{os.path.relpath(PAGE)} is left as it is: not everything was run")
            return 1
        write_page(content)
        progress(f"written into {os.path.relpath(PAGE)}")
    progress(f"findings in {os.path.relpath(given.out)}, tables in {os.path.relpath(path)}")
    return 1 if given.strict and any(table.missed for table in tables) else 0


def _rows(ledger: Ledger, tasks: Sequence[Task], recommenders: Sequence[str] | None) -> list[dict[str, Any]]:
    """What was found of these tasks; without a choice, also what peers found in another environment."""
    if recommenders is not None:
        return [ledger.rows[task.key] for task in tasks if task in ledger]
    wanted = {(task.part, task.case, task.seed, task.budget) for task in tasks}
    return [row for key, row in ledger.rows.items() if (key[0], key[1], *key[3:]) in wanted]


def _tables(part: str, rows: list[dict[str, Any]]) -> list[Any]:
    module = importlib.import_module(f"{__package__}.{PARTS[part]}")
    return module.tables([row for row in rows if row["part"] == part])


if __name__ == "__main__":
    sys.exit(main())
