"""All tables: printed, and as JSON."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Sheet

from benchmarks._report import machine, now

from ._table import OURS, Table, Verdict, text

PACKAGES = (
    "skysteer",
    "numpy",
    "scipy",
    "scikit-learn",
    "gpcam",
    "adaptive",
    "bluesky-adaptive",
    "ax-platform",
    "xopt",
)


def show(tables: Sequence[Table], console: Console, settings: dict[str, Any]) -> None:
    """Print them, and after them what ours does not reach."""
    for table in tables:
        console.print(_sheet(table))
        for method, errors in table.failed.items():
            console.print(f"  {method}: {len(errors)} failed; {errors[0]}", markup=False)
    aims = [(table, column, table.verdict(column)) for table in tables for column in table.columns if column.aim]
    judged = [(table, column, verdict) for table, column, verdict in aims if verdict.reached is not None]
    reached = sum(bool(verdict.reached) and not verdict.behind for _, _, verdict in judged)
    console.print(f"\n{reached} of {len(judged)} cells are what they are to be.", markup=False, highlight=False)
    for table, column, verdict in judged:
        if not verdict.reached or verdict.behind:
            mine = text(table.rows.get(OURS, {}).get(column.name)) or "failed"
            line = f"  {table.case} {column.name}: {mine} {column.unit}, target {column.aim}: {verdict.text}"
            console.print(line, markup=False, highlight=False)
    about = machine()
    said = ", ".join(f"{key} {value}" for key, value in {**settings, **about, **versions()}.items())
    console.print(f"\n{now()}; {said}", markup=False, highlight=False)


def _sheet(table: Table) -> Sheet:
    sheet = Sheet(title=table.title, title_justify="left")
    sheet.add_column("recommender (n)", no_wrap=True)
    for column in table.columns:
        sheet.add_column(f"{column.name}\n{column.unit}".rstrip(), justify="right")
    for method, cells in table.rows.items():
        seeds = max((spread.n for spread in cells.values()), default=0)
        style = "bold" if method == OURS else None
        values = [escape(text(cells.get(column.name))) for column in table.columns]
        sheet.add_row(f"{method} ({seeds})", *values, style=style)
    sheet.add_section()
    if any(column.aim for column in table.columns):
        sheet.add_row("to beat", *(escape(column.aim) for column in table.columns))
        sheet.add_row("verdict", *(_coloured(table.verdict(column)) for column in table.columns))
    return sheet


def _coloured(verdict: Verdict) -> str:
    if verdict.reached is None and not verdict.behind:
        return ""
    colour = "green" if verdict.reached is not False and not verdict.behind else "bold red"
    return f"[{colour}]{verdict.text}[/{colour}]"


def write(tables: Sequence[Table], settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Write everything as JSON, and return it."""
    content: dict[str, Any] = {
        "tables": [
            {**asdict(table), "verdicts": {column.name: asdict(table.verdict(column)) for column in table.columns}}
            for table in tables
        ],
        "settings": settings,
        "machine": machine(),
        "versions": versions(),
        "date": now(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    return content


def versions() -> dict[str, str]:
    """Of what takes part, as far as it is installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
