"""The timeline of an account as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from ._account import Account, Measured, Remark
from ._wording import duration, number, place, wrapped

__all__ = ["Columns", "rows"]

NARROW = 26
"""Columns that the reasons need; else they get lines of their own."""
WORDY = 72
"""Columns for reasons in words, before there is a column that only says how long the recommender thought."""
COLOURS: Mapping[str, str] = {
    "given up": "yellow", "refused": "yellow", "worker": "yellow", "checkpoint": "yellow", "again": "cyan",
    "verdict": "magenta", "steering": "magenta", "resumed": "cyan", "run": "cyan", "end": "green",
}  # fmt: skip


@dataclass
class Columns:
    """How the rows of one table are written."""

    account: Account
    width: int
    shown: Sequence[Measured]
    """The points that the widths are made for."""
    thought: bool = True
    """Whether there is a column with the time in ``suggest``."""
    bare: bool = False
    """Whether there is nothing but places and readings."""

    def __post_init__(self) -> None:
        self._decimals = self.account.decimals
        self._places = self._names("axes", self.account.space)
        self._reads = self._names("objectives", None)
        self._worded = any(each.reason for each in self.shown)
        self._waits = not self.bare and any(each.answer is not None for each in self.shown)
        times = [each.time - self.account.began for each in self.account.timeline]
        self._span = max(times, default=0.0)
        self._fit()

    def heads(self) -> list[str]:
        """Return two lines: names, and units."""
        names, units = ["#", "after"], ["", self._time_unit()]
        if not self._tall:
            for name in (*self._places, *self._reads):
                names.append(name)
                units.append(self.account.units.get(name, ""))
            if self._waits:
                names.append("waited")
                units.append("")
            if self.thought and self._waits:
                names.append("thought")
                units.append("")
        lines = [self._line(names), self._line(units)]
        if not self.bare and any(each.why for each in self.shown):
            lines[0] = f"{lines[0]}  {'where, and why there' if self._tall else 'why there'}"
        return [line.rstrip() for line in lines]

    def row(self, point: Measured) -> list[str]:
        """Return one point, in one line or, where there are too many columns, in two."""
        first = self._line(self._cells(point))
        if self._tall:
            units = self.account.units
            text = f"{place(point.axes, units, self._decimals)}; {place(point.objectives, units)}"
            said = [] if self.bare or not point.why else wrapped("", point.why, self.width, self._indent)
            return [*wrapped(f"{first}  ", text, self.width, self._indent), *said]
        if self.bare or not point.why:
            return [first.rstrip()]
        return wrapped(f"{first}  ", point.why, self.width, len(first) + 2)

    def remark(self, remark: Remark) -> list[str]:
        """Return what was decided in between."""
        when = self._elapsed(remark.time)
        label = f"{'':>{self._widths[0]}}  {when:>{self._widths[1]}}  "
        mark = "-- " if remark.kind in ("resumed", "end") else "* "
        lines = wrapped(label + mark, " ".join(remark.text.split()), self.width, len(label) + len(mark))
        return [typer.style(line, fg=COLOURS.get(remark.kind)) for line in lines]

    def _names(self, part: str, wanted: Any) -> list[str]:
        found = dict.fromkeys(wanted or ())
        for each in self.shown:
            found |= dict.fromkeys(getattr(each, part))
        return list(found)

    def _fit(self) -> None:
        self._tall = False
        while True:
            rows = [self._cells(each) for each in self.shown]
            names = ["#", "after"] + ([] if self._tall else [*self._places, *self._reads])
            names += [] if self._tall else ["waited"] * self._waits + ["thought"] * (self._waits and self.thought)
            units = ["", self._time_unit(), *(self.account.units.get(name, "") for name in names[2:])]
            self._widths = [max(map(len, cells)) for cells in zip(names, units, *rows, strict=True)]
            self._indent = self._widths[0] + self._widths[1] + 4
            left = self.width - sum(self._widths) - 2 * len(self._widths)
            if (
                self._tall
                or (self.bare and left >= 0)
                or left >= (WORDY if self._worded else NARROW + 8)
                or (left >= NARROW and not (self.thought and self._waits))
            ):
                return
            if self.thought and self._waits:
                self.thought = False
            else:
                self._tall = True

    def _cells(self, point: Measured) -> list[str]:
        cells = [str(point.number), self._elapsed(point.time)]
        if self._tall:
            return cells
        cells += [number(point.axes[n], self._decimals.get(n)) if n in point.axes else "" for n in self._places]
        cells += [number(point.objectives[n]) if n in point.objectives else "" for n in self._reads]
        if self._waits:
            cells.append("" if point.answer is None else duration(point.answer.latency))
        if self._waits and self.thought:
            cells.append("" if point.answer is None else duration(point.answer.suggest_seconds))
        return cells

    def _line(self, cells: Sequence[str]) -> str:
        return "  ".join(cell.rjust(size) for cell, size in zip(cells, self._widths, strict=True))

    def _time_unit(self) -> str:
        return "s" if self._span < 100 else "min:s" if self._span < 6000 else "h:min:s"

    def _elapsed(self, time: float) -> str:
        seconds = max(0.0, time - self.account.began)
        if self._span < 100:
            return f"{seconds:.2f}"
        minutes, rest = divmod(int(seconds), 60)
        if self._span < 6000:
            return f"{minutes}:{rest:02d}"
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def rows(account: Account, columns: int, shown: Sequence[Measured | Remark | str]) -> list[str]:
    """Return a part of the timeline as a table; a text stands for itself."""
    points = [each for each in shown if isinstance(each, Measured)]
    layout = Columns(account, columns, points)
    lines = layout.heads() if points else []
    for each in shown:
        match each:
            case Measured():
                lines += layout.row(each)
            case Remark():
                lines += layout.remark(each)
            case _:
                lines += ["", f"  {each}", ""]
    return lines
