"""How a benchmark is told: what was found, what was aimed at, on which machine; as a table and as JSON."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

VERSIONS = ("skysteer", "bluesky", "bluesky-adaptive", "ophyd-async", "event-model", "numpy")


Of = Literal["median", "worst", "p95"]
"""What of the repetitions is compared with a target; p95 is the 95th percentile."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of some repetitions."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
        return cls(statistics.median(values), low, high, len(values))

    @classmethod
    def of_ratios(cls, values: Sequence[float], bases: Sequence[float]) -> Spread:
        """Of the ratios inside each repetition, which a machine that is slow for a while does not change."""
        return cls.of([value / base for value, base in zip(values, bases, strict=True)])

    def text(self, digits: int) -> str:
        """Median, and the quartiles in brackets."""
        middle = f"{self.median:.{digits}f}"
        return middle if self.n == 1 else f"{middle} [{self.low:.{digits}f} .. {self.high:.{digits}f}]"


@dataclass(frozen=True, slots=True)
class Target:
    """What a value was to be; the value is the median, or what else is said."""

    value: float
    limit: float
    kind: Literal["at most", "at least"] = "at most"
    of: Of = "median"

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.limit if self.kind == "at most" else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    condition: str
    quantity: str
    unit: str
    spread: Spread
    digits: int = 2
    target: Target | None = None
    remark: str = ""

    @classmethod
    def make(
        cls,
        condition: str,
        quantity: str,
        unit: str,
        values: Sequence[float] | Spread,
        *,
        digits: int = 2,
        at_most: float | None = None,
        at_least: float | None = None,
        of: Of = "median",
        remark: str = "",
    ) -> Row:
        """A row of repetitions, with its target if there is one. A spread is only compared by its median."""
        spread = values if isinstance(values, Spread) else Spread.of(values)
        target = None
        if at_most is not None:
            target = Target(_compared(values, of, max), at_most, "at most", of)
        elif at_least is not None:
            target = Target(_compared(values, of, min), at_least, "at least", of)
        return cls(condition, quantity, unit, spread, digits, target, remark)


def _compared(values: Sequence[float] | Spread, of: Of, worst: Callable[[Sequence[float]], float]) -> float:
    if isinstance(values, Spread):
        return values.median
    if of == "p95":
        return float(np.percentile(values, 95))
    return statistics.median(values) if of == "median" else worst(values)


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found."""

    name: str
    title: str
    settings: dict[str, Any]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """Everything else worth keeping, in the JSON only."""

    @property
    def missed(self) -> list[Row]:
        """Rows whose target is not met."""
        return [row for row in self.rows if row.target is not None and not row.target.met]

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(
            title=self.title, title_justify="left", caption_justify="left", caption=escape("\n".join(self._caption()))
        )
        for column in ("condition", "quantity"):
            table.add_column(column)
        for column in ("value", "unit", "target", ""):
            table.add_column(column, justify="right" if column in ("value", "target") else "left", no_wrap=True)
        before = ""
        for row in self.rows:
            if row.quantity != before and before:
                table.add_section()
            before = row.quantity
            text = row.spread.text(row.digits)
            aim = verdict = ""
            if row.target is not None:
                sign = "<=" if row.target.kind == "at most" else ">="
                aim = f"{sign} {row.target.limit:g}"
                verdict = "[green]met[/green]" if row.target.met else "[bold red]NOT MET[/bold red]"
                if row.target.of != "median":
                    text += f", {row.target.of} {row.target.value:.{row.digits}f}"
            table.add_row(row.condition, row.quantity, escape(text), row.unit, aim, verdict or row.remark)
        console.print(table)

    def write(self, folder: Path) -> Path:
        """Write everything as JSON; the path of the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        rows = [asdict(row) for row in self.rows]
        for row, found in zip(rows, self.rows, strict=True):
            if found.target is not None:
                row["target"]["met"] = found.target.met
        content = {**asdict(self), "rows": rows, "machine": machine(), "versions": versions(), "date": now()}
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path

    def _caption(self) -> list[str]:
        about, packages = machine(), versions()
        aims = [row for row in self.rows if row.target is not None]
        return [
            f"{len(aims) - len(self.missed)} of {len(aims)} targets met. Median [quartiles] of the repetitions; "
            "ratios are taken inside a repetition.",
            *self.notes,
            ", ".join(f"{key} {value}" for key, value in self.settings.items()),
            f"{now()}; {about['processor']}, {about['cores']} cores, load {about['load']}; Python {about['python']}, "
            + ", ".join(f"{name} {version}" for name, version in packages.items()),
        ]


def now() -> str:
    """Date and time, local."""
    return dt.datetime.now().astimezone().isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that was (load: mean number of runnable processes of a minute)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    return {name: importlib.metadata.version(name) for name in VERSIONS}
