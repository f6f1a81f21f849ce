"""What was found, case by case: ours and the peers in the rows, what is asked for in the columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks._report import Spread

OURS = "ours"
Row = Mapping[str, Any]
Read = Callable[[Sequence[Row]], Spread | None]


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity, and what it is to be."""

    name: str
    unit: str = ""
    target: float | None = None
    """The value to reach."""
    kind: Literal["at most", "at least"] = "at most"
    of: Literal["quartile", "median"] = "median"
    """What of ours is compared with the target: the better quartile or the median."""
    beat: tuple[str, ...] = ()
    """Peers whose medians ours is to be better than."""
    target_text: str = ""
    """How the target is written, where a number alone would mislead."""

    @property
    def aim(self) -> str:
        """The target in a few characters."""
        if self.target is None:
            return ""
        return self.target_text or f"{'<=' if self.kind == 'at most' else '>='} {number(self.target)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether ours is what it is to be."""

    reached: bool | None
    """Whether the target is; None without a target, or without a finding."""
    behind: tuple[str, ...]
    """Peers that are as good or better, by the median of the same run."""

    @property
    def text(self) -> str:
        words = [] if self.reached is None else ["reached" if self.reached else "NOT REACHED"]
        return ", ".join([*words, *([f"not better than {' and '.join(self.behind)}"] if self.behind else [])])


@dataclass(frozen=True, slots=True)
class Table:
    """One case."""

    part: str
    case: str
    title: str
    columns: list[Column]
    rows: dict[str, dict[str, Spread]]
    """Method, name of a column, what was found."""
    failed: dict[str, list[str]] = field(default_factory=dict)
    """Method, errors."""

    def verdict(self, column: Column) -> Verdict:
        """Of ours in one column."""
        mine = self.rows.get(OURS, {}).get(column.name)
        if mine is None:
            lost = column.target is not None and OURS in self.failed
            return Verdict(False if lost else None, ())
        sign = 1 if column.kind == "at most" else -1
        reached = None
        if column.target is not None:
            best = min(sign * mine.low, sign * mine.high) if column.of == "quartile" else sign * mine.median
            reached = best <= sign * column.target
        peers = {name: self.rows.get(name, {}).get(column.name) for name in column.beat}
        behind = [name for name, of in peers.items() if of is not None and sign * of.median <= sign * mine.median]
        return Verdict(reached, tuple(behind))

    @property
    def missed(self) -> list[Column]:
        """Columns in which ours falls short."""
        verdicts = [(column, self.verdict(column)) for column in self.columns]
        return [column for column, verdict in verdicts if verdict.reached is False or verdict.behind]


def each(read: Callable[[Row], float | None]) -> Read:
    """Read a value from every row that has it."""

    def spread(rows: Sequence[Row]) -> Spread | None:
        values = [value for value in map(read, rows) if value is not None]
        return Spread.of(values) if values else None

    return spread


def gather(
    part: str,
    case: str,
    title: str,
    columns: Sequence[tuple[Column, Read]],
    rows: Sequence[Row],
    order: Sequence[str],
) -> Table:
    """A table of the rows of a case; what stands beside a column reads it from the rows of a method."""
    names = {row["method"] for row in rows}
    found: dict[str, dict[str, Spread]] = {}
    failed: dict[str, list[str]] = {}
    for method in [name for name in order if name in names] + sorted(names - set(order)):
        mine = [row for row in rows if row["method"] == method]
        good = [row for row in mine if "error" not in row]
        if len(good) < len(mine):
            failed[method] = [f"seed {row['seed']}: {row['error']}" for row in mine if "error" in row]
        spreads = {column.name: read(good) for column, read in columns}
        found[method] = {name: spread for name, spread in spreads.items() if spread is not None}
    return Table(part, case, title, [column for column, _ in columns], found, failed)


def number(value: float) -> str:
    """Two digits that count, without an exponent where that is short."""
    if value == 0 or not 1e-4 <= abs(value) < 1e5:
        return f"{value:.2g}"
    return f"{value:.0f}" if abs(value) >= 10 else f"{float(f'{value:.2g}'):.6f}".rstrip("0").rstrip(".")


def text(spread: Spread | None) -> str:
    """Median and quartiles."""
    if spread is None:
        return ""
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} [{number(spread.low)}, {number(spread.high)}]"
