"""Numbers, durations and times in words, as the commands that explain a record write them."""

from __future__ import annotations

import math
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

__all__ = [
    "clock",
    "count",
    "day_and_time",
    "decimals_of",
    "duration",
    "number",
    "place",
    "say",
    "shortened",
    "width",
    "wrapped",
]

MANY_DAYS = 300
"""A date so many days ago is written with its year."""


def width() -> int:
    """Return how many columns there are to write in: those of the terminal, and 80 where there is none."""
    return max(60, min(160, shutil.get_terminal_size((80, 24)).columns))


def day_and_time(epoch: float) -> str:
    """Return when, in local time: ``21 Nov 06:15``."""
    when = datetime.fromtimestamp(epoch).astimezone()
    old = abs((datetime.now().astimezone() - when).days) > MANY_DAYS
    return when.strftime("%d %b %Y" if old else "%d %b %H:%M")


def clock(epoch: float, *, fine: bool = False) -> str:
    """Return the time of day, in local time: ``06:15:34``."""
    when = datetime.fromtimestamp(epoch).astimezone()
    return when.strftime("%H:%M:%S") + (f".{when.microsecond // 1000:03d}" if fine else "")


def duration(seconds: float) -> str:
    """Return a duration with two or three digits and its unit: ``12 ms``, ``3.4 s``, ``2 min 05 s``."""
    if not math.isfinite(seconds):
        return "?"
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 0.9995:
        return f"{sign}{1000 * seconds:.2g} ms" if seconds < 0.00995 else f"{sign}{1000 * seconds:.0f} ms"
    if seconds < 99.5:
        return f"{sign}{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{sign}{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{sign}{hours} h {minutes:02d} min"
    return f"{sign}{hours // 24} d {hours % 24:02d} h"


def count(many: int, what: str) -> str:
    """Return ``1 point``, ``2 points``, ``no point``."""
    return f"{many:,} {what}{'' if many == 1 else 's'}" if many else f"no {what}"


def number(value: Any, decimals: int | None = None) -> str:
    """Return a value of a document, short: numbers with five digits where `decimals` does not say.

    Of an array, how many values there are and between which they lie.
    """
    if (shape := getattr(value, "shape", ())) or isinstance(value, list | tuple):
        return _array(value, shape)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e9 and not decimals):
        return f"{int(value)}"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.5g}" if decimals is None else f"{value:.{decimals}f}"


def _array(values: Any, shape: Sequence[int]) -> str:
    """Return ``120 values from 2 to 400``, or of a picture ``64 x 64 values from 0 to 1031``."""
    flat: list[Any] = values.ravel().tolist() if shape else list(values)
    able = [each for each in flat if isinstance(each, int | float) and math.isfinite(each)]
    size = " x ".join(map(str, shape)) if len(shape) > 1 else str(len(flat))
    text = f"{size} value{'' if len(flat) == 1 else 's'}"
    return f"{text} from {number(min(able))} to {number(max(able))}" if able else text


def decimals_of(extent: float) -> int:
    """Return how many decimals tell positions apart that lie within an extent: about 1 in 10,000 of it."""
    if not math.isfinite(extent) or extent <= 0:
        return 3
    return max(0, min(9, 4 - math.ceil(math.log10(extent))))


def place(point: Mapping[str, Any], units: Mapping[str, str], decimals: Mapping[str, int] | None = None) -> str:
    """Return ``x = 1.204 mm, y = -0.330 mm``."""
    known = decimals or {}
    return ", ".join(
        f"{name} = {number(value, known.get(name))}" + (f" {units[name]}" if units.get(name) else "")
        for name, value in point.items()
    )


def say(lines: Sequence[str]) -> None:
    """Print lines; whoever reads them may stop after the first, as ``head`` does."""
    try:
        typer.echo("\n".join(lines))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        raise typer.Exit(0) from None


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many letters; the rest is three dots."""
    return text if len(text) <= most else text[: max(0, most - 3)].rstrip() + "..."


def wrapped(label: str, text: str, columns: int, indent: int) -> list[str]:
    """Return a text in lines, behind a label and indented under itself."""
    body = textwrap.wrap(text, max(20, columns - indent), break_long_words=False, break_on_hyphens=False) or [""]
    return [label.ljust(indent) + body[0], *(" " * indent + line for line in body[1:])]
