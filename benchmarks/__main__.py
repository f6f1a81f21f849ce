"""``python -m benchmarks [closed_loop stall growth steering recording] [--quick] [--reps N]``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from ._settings import Settings, progress

BENCHMARKS = ("closed_loop", "stall", "growth", "steering", "recording")
WIDTH = 170


def main() -> int:
    """Run benchmarks, print a table of each and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside the peers, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="little of each: does it run?")
    parser.add_argument("--reps", type=int, help="repetitions (default: each benchmark's own)")
    parser.add_argument("--n", type=int, help="points a run, and at the most of growth")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="folder for the JSON files")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a target is missed")
    given = parser.parse_args()
    names = given.names or BENCHMARKS
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if any(value is not None and value < least for value, least in ((given.reps, 1), (given.n, 2))):
        parser.error("--reps must be at least 1, and --n at least 2")
    settings = Settings(given.quick, given.reps, given.n)
    # Plans that are aborted on purpose, and recommenders that are left computing, say so at length.
    logging.getLogger("bluesky").setLevel(logging.CRITICAL)
    logging.getLogger("skysteer").setLevel(logging.ERROR)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    missed = 0
    for name in names:
        begun = time.monotonic()
        report = importlib.import_module(f"benchmarks.{name}").measure(settings)
        report.show(console)
        path = report.write(given.out)
        progress(f"{name}: {time.monotonic() - begun:.0f} s, written to {os.path.relpath(path)}")
        missed += len(report.missed)
    return 1 if given.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
