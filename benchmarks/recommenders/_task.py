"""One run of one method, and the file of what was found, which a later call continues."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PARTS = {"A": "_optimising", "B": "_mapping", "C": "_sampling"}
"""The module of each part: its ``run(task)`` gives what was found."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be run."""

    part: str
    """Key of `PARTS`."""
    case: str
    """The problem, or what is timed."""
    method: str
    seed: int
    budget: int
    """Points of the run, or measured points at which is timed."""
    alone: bool = False
    """In a process of its own, nothing beside it: what is measured is time or memory."""

    @property
    def key(self) -> tuple[Any, ...]:
        return self.part, self.case, self.method, self.seed, self.budget

    def __str__(self) -> str:
        return f"{self.part} {self.case} {self.method} seed {self.seed} at {self.budget}"


def run(task: Task) -> dict[str, Any]:
    """Run it; a method that raises is a finding, too."""
    module = importlib.import_module(f"{__package__}.{PARTS[task.part]}")
    try:
        return module.run(task)
    except (Exception, SystemExit) as exc:
        return {"error": f"{type(exc).__name__}: {exc}"[:500]}


class Ledger:
    """Findings as JSON lines. Those of code that has changed since do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.outdated = 0
        """Lines that were found by other code."""
        if path.exists():
            for line in path.read_text().splitlines():
                self._read(json.loads(line))

    def _read(self, row: dict[str, Any]) -> None:
        if row.pop("code") == fingerprint(row["part"], row["method"]):
            self.rows[Task(row["part"], row["case"], row["method"], row["seed"], row["budget"]).key] = row
        else:
            self.outdated += 1

    def __contains__(self, task: Task) -> bool:
        return task.key in self.rows

    def add(self, task: Task, found: Mapping[str, Any]) -> None:
        """Keep a finding, at once."""
        row = {**asdict(task), **found}
        self.rows[task.key] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({**row, "code": fingerprint(task.part, task.method)}) + "\n")

    def of(self, part: str) -> list[dict[str, Any]]:
        """The rows of a part."""
        return [row for row in self.rows.values() if row["part"] == part]


USES = {
    "A": ("_problems", "_plain_gp", "_peers"),
    "B": ("_plain_gp", "_scenes", "_designs"),
    "C": ("_plain_gp", "_library", "_library_peers"),
}
"""What the module of a part is built on."""

_FINGERPRINTS: dict[tuple[str, bool], str] = {}


def fingerprint(part: str, method: str) -> str:
    """Says whether code changed: the benchmark's and, for ours, that of the package's recommenders."""
    mine = method.startswith("ours") or ":" in method
    if (part, mine) not in _FINGERPRINTS:
        files = [HERE / f"{name}.py" for name in (*USES[part], PARTS[part])]
        if mine:
            files += [HERE / "ours.py"]
            files += [
                file for name in ("recommenders", "model") for file in (ROOT / "src/skysteer" / name).rglob("*.py")
            ]
        _FINGERPRINTS[part, mine] = _digest(sorted(file for file in files if file.exists()))
    return _FINGERPRINTS[part, mine]


def _digest(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()[:12]
