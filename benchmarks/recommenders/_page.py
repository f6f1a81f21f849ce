"""Writes what was found into the page *choose a recommender*, between two comment lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._table import OURS, number

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-recommender.md"
BEGIN = "<!-- What follows was written by `python -m benchmarks.recommenders --write-docs`. -->"
END = "<!-- End of what was written. -->"

NAMES = {"A": "Looking for the best point", "B": "Knowing a curve or a map", "C": "Choosing among samples"}
CLASSES = {"A": "GaussianProcess", "edge": "Curve", "edge_noisy": "Curve"}
"""Ours, by part or by case; elsewhere it is the library."""

Content = Mapping[str, Any]


def write_page(content: Content, page: Path = PAGE) -> None:
    """Put the tables in place of the former ones.

    Parameters
    ----------
    content
        As it is written as JSON.

    Raises
    ------
    ValueError
        If the page has not the two comment lines, once and in order.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in before:
        raise ValueError(f"{page} must have the lines {BEGIN!r} and {END!r}, once and in this order")
    page.write_text(before + begin + "\n" + "\n".join(_lines(content)) + "\n" + end + after)


def _lines(content: Content) -> Iterator[str]:
    settings, machine, versions = content["settings"], content["machine"], content["versions"]
    said = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "skysteer")
    yield f"Measured on {content['date'][:10]} with {settings['seeds']} seeds, one BLAS thread a process, on"
    yield f"{machine['processor']} ({machine['cores']} cores), Python {machine['python']}, {said}."
    yield "A cell is the median over the seeds, with the quartiles in brackets."
    tables = content["tables"]
    for part, heading in NAMES.items():
        mine = [table for table in tables if table["part"] == part]
        if not mine:
            continue
        yield f"\n## {heading}\n"
        if part == "A":
            yield from _overview(mine)
        for table in mine:
            yield from _table(table)
    yield "\n## What ours does not reach\n"
    yield from _short(tables)


def _overview(tables: Sequence[Content]) -> Iterator[str]:
    """Medians of all problems on one screen."""
    methods = list(dict.fromkeys(method for table in tables for method in table["rows"]))
    yield "Medians after 20 / 40 / 60 points. Simple regret, smaller is better; for `beamline_peak` the share of the"
    yield "seeds that came within 10 % of the top, larger is better.\n"
    yield _row(["problem", *(_name(method, "A", "") for method in methods)])
    yield _row(["---"] * (1 + len(methods)))
    for table in tables:
        rows = [table["rows"].get(method, {}) for method in methods]
        yield _row([table["case"], *(_medians([row.get(f"n={n}") for n in (20, 40, 60)]) for row in rows)])
    yield ""


def _table(table: Content) -> Iterator[str]:
    columns = [column for column in table["columns"] if any(column["name"] in row for row in table["rows"].values())]
    yield f"\n**{table['title']}**\n"
    if not columns:
        yield "Not measured."
        return
    yield _row([f"{column['name']} {column['unit']}".strip() for column in [{"name": "", "unit": ""}, *columns]])
    yield _row(["---"] * (1 + len(columns)))
    for method, cells in table["rows"].items():
        if cells:
            yield _row([_name(method, table["part"], table["case"]), *(_cell(cells.get(c["name"])) for c in columns)])
    if any(column["target"] is not None for column in columns):
        yield _row(["*to beat*", *(_aim(column) for column in columns)])
    for method, errors in table["failed"].items():
        yield f"\n{_name(method, table['part'], table['case'])} failed {len(errors)} times: {errors[0]}"
    yield ""


def _short(tables: Sequence[Content]) -> Iterator[str]:
    found = False
    for table in tables:
        for column in table["columns"]:
            verdict = table["verdicts"][column["name"]]
            missed = ["target missed"] if verdict["reached"] is False else []
            missed += ["not better than " + ", ".join(f"`{name}`" for name in verdict["behind"])] * bool(
                verdict["behind"]
            )
            if missed:
                found = True
                cell = _cell(table["rows"].get(OURS, {}).get(column["name"])) or "failed"
                what = f"{table['case']}, {column['name']}: {cell} {column['unit']}".rstrip()
                yield f"- {what}; to beat {_aim(column) or 'the median'}; {', '.join(missed)}"
    if not found:
        yield "Nothing: every cell is what it was to be."


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _name(method: str, part: str, case: str) -> str:
    return f"**{CLASSES.get(part) or CLASSES.get(case, 'LibraryRecommender')}**" if method == OURS else f"`{method}`"


def _medians(spreads: Sequence[Content | None]) -> str:
    found = ["-" if spread is None else number(spread["median"]) for spread in spreads]
    return " / ".join(found) if any(spreads) else ""


def _cell(spread: Content | None) -> str:
    if spread is None:
        return ""
    if spread["low"] == spread["high"]:
        return number(spread["median"])
    return f"{number(spread['median'])} [{number(spread['low'])}, {number(spread['high'])}]"


def _aim(column: Content) -> str:
    if column["target"] is None:
        return ""
    sign = "at most" if column["kind"] == "at most" else "at least"
    who = column["target_text"].partition(" (")[2].rstrip(")")
    return f"{sign} {number(column['target'])}" + (f" ({who})" if who else "")
