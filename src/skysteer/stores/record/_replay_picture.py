"""The picture of a replay: where was asked then, where now, and how far that is apart."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from skysteer.model import Axis, Space

from ._replayed import Replay, apart

__all__ = ["draw_replay"]

THEN, NOW = "#0b4f8a", "#c8511b"
"""Colours of what is on record and of what is suggested now; they differ in grey too."""


@dataclass(frozen=True, slots=True)
class _Pair:
    number: float
    """Of the point; of what was never measured half a point after the last one known."""
    then: Any
    now: Any
    share: float
    length: float | None
    """In the units of the axes, where they have one unit."""


def _small(many: int) -> float:
    """Factor of the sizes of markers: of many points each is small."""
    return max(0.18, min(1.0, math.sqrt(150 / max(1, many))))


def draw_replay(to: Any, replay: Replay) -> None:
    """Draw the places on the left, and on the right the distance and the time of each suggestion."""
    figure = to if isinstance(to, Figure) else Figure(figsize=(11.5, 5.4), layout="constrained")
    if figure is not to:
        if not isinstance(to, Path):
            raise TypeError(f"expected the path of a picture or a figure of matplotlib to draw into, found {to!r}")
        FigureCanvasAgg(figure)
    pairs = _pairs(replay)
    halves: Any = figure.subfigures(1, 2, width_ratios=[6.4, 5.1])
    field: Axes = halves[0].subplots()
    lines = [axis for axis in replay.space.axes if isinstance(axis, Axis)]
    if len(lines) == len(replay.space) == 2:
        _map(field, replay, pairs, lines)
    else:
        _rows(field, replay.space, pairs)
    _legend(field, replay)
    above, below = halves[1].subplots(2, 1, sharex=True)
    _distances(above, replay, pairs)
    _times(below, replay)
    halves[0].suptitle("where it was asked to measure", fontsize=10.5, x=0.02, ha="left")
    figure.suptitle(f"{_title(replay)}", fontsize=11.5, x=0.01, ha="left")
    if isinstance(to, Path):
        figure.savefig(to, dpi=120, format="png")


def _title(replay: Replay) -> str:
    who = f"{replay.recorded}, asked again" if replay.again else f"{replay.recommender} in place of {replay.recorded}"
    first = replay.first_difference
    where = f"; the first difference is at {first.place}" if first is not None and replay.again else ""
    return f"{who}: {replay.same_share}{where}"


def _pairs(replay: Replay) -> list[_Pair]:
    units = {axis.units for axis in replay.space.axes if isinstance(axis, Axis)}
    one_unit = len(units) == 1 and all(isinstance(axis, Axis) for axis in replay.space.axes)
    pairs: list[_Pair] = []
    for step in replay.steps:
        for one, other, number in zip(step.recorded, step.replayed, step.numbers, strict=False):
            differences, shares = apart(replay.space, one.point, other)
            pairs.append(
                _Pair(
                    step.told + 0.5 if number is None else number, one.point, other, math.hypot(*shares.values()),
                    math.hypot(*differences.values()) if one_unit else None,
                )
            )  # fmt: skip
    return pairs


def _map(axes: Axes, replay: Replay, pairs: list[_Pair], lines: list[Axis]) -> None:
    x, y = lines
    size = _small(len(pairs))
    for pair in pairs:
        if pair.share:
            axes.plot(
                [pair.then[x.name], pair.now[x.name]], [pair.then[y.name], pair.now[y.name]], color="0.55",
                linewidth=0.6, zorder=2,
            )  # fmt: skip
    axes.plot(
        [p.then[x.name] for p in pairs], [p.then[y.name] for p in pairs], linestyle="none", marker="o",
        markersize=5.5 * size, color=THEN, markeredgecolor="white", markeredgewidth=0.5, zorder=4, clip_on=False,
    )  # fmt: skip
    axes.plot(
        [p.now[x.name] for p in pairs], [p.now[y.name] for p in pairs], linestyle="none", marker="o",
        markersize=9.5 * size, markerfacecolor="none", markeredgecolor=NOW, markeredgewidth=1.2, zorder=5,
        clip_on=False,
    )  # fmt: skip
    first = replay.first_difference
    if first is not None and replay.again and first.recorded and first.replayed:
        axes.annotate(
            first.place.split(" after")[0], (first.recorded[0].point[x.name], first.recorded[0].point[y.name]),
            xytext=(12, 10), textcoords="offset points", fontsize=8.5, zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
            arrowprops={"arrowstyle": "-", "linewidth": 0.7},
        )  # fmt: skip
    axes.set(xlabel=_labelled(x), ylabel=_labelled(y))
    if x.bounded and y.bounded:
        axes.set(xlim=(x.low, x.high), ylim=(y.low, y.high))
    axes.grid(alpha=0.25)


def _rows(axes: Axes, space: Space, pairs: list[_Pair]) -> None:
    """One row for each axis, the place in its range against the number of the point."""
    numbers, size = [pair.number for pair in pairs], _small(len(pairs))
    names = list(space)[::-1]
    ticks: list[tuple[float, str]] = []
    for row, name in enumerate(names):
        axis = space[name]
        then, now = ([point[name] for point in points] for points in ([p.then for p in pairs], [p.now for p in pairs]))
        low, high = _limits(axis, [*then, *now])
        where = [[row + 0.84 * _place(axis, value, low, high) for value in values] for values in (then, now)]
        axes.axhspan(row - 0.03, row + 0.87, color="0.955", zorder=0)
        axes.vlines(numbers, where[0], where[1], color="0.55", linewidth=0.6, zorder=2)
        axes.plot(
            numbers, where[0], linestyle="none", marker="o", markersize=4.5 * size, color=THEN, markeredgecolor="white",
            markeredgewidth=0.4, zorder=4,
        )  # fmt: skip
        axes.plot(
            numbers, where[1], linestyle="none", marker="o", markersize=8 * size, markerfacecolor="none",
            markeredgecolor=NOW, markeredgewidth=1.1, zorder=5,
        )  # fmt: skip
        if isinstance(axis, Axis):
            ticks += [(row + 0.84 * share, f"{low + share * (high - low):g}") for share in (0.0, 0.5, 1.0)]
        else:
            ticks += [(row + 0.84 * _place(axis, option, low, high), str(option)) for option in axis.options]
        axes.annotate(
            _labelled(axis), (0.006, row + 0.86), xycoords=("axes fraction", "data"), fontsize=9, va="top", zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
        )  # fmt: skip
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    axes.set(xlabel="number of the point", ylim=(-0.12, len(names)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _limits(axis: Any, values: list[Any]) -> tuple[float, float]:
    if not isinstance(axis, Axis):
        return 0.0, float(len(axis.options) - 1)
    if axis.bounded:
        return axis.low, axis.high
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _place(axis: Any, value: Any, low: float, high: float) -> float:
    number = float(value) if isinstance(axis, Axis) else float(axis.options.index(value))
    return (number - low) / (high - low)


def _legend(axes: Axes, replay: Replay) -> None:
    axes.plot([], [], linestyle="none", marker="o", color=THEN, label=f"on record ({replay.recorded})")
    axes.plot(
        [], [], linestyle="none", marker="o", markersize=9, markerfacecolor="none", markeredgecolor=NOW,
        markeredgewidth=1.2, label=f"now ({replay.recommender})",
    )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2, frameon=False, fontsize=9)


def _distances(axes: Axes, replay: Replay, pairs: list[_Pair]) -> None:
    unit = next((axis.units for axis in replay.space.axes if isinstance(axis, Axis)), "")
    in_units = all(pair.length is not None for pair in pairs)
    values = np.array([pair.length if in_units else 100 * pair.share for pair in pairs], dtype=float)
    numbers = [pair.number for pair in pairs]
    axes.vlines(numbers, 0, values, color="0.7", linewidth=0.8, zorder=2)
    axes.plot(
        numbers, values, linestyle="none", marker="o", markersize=4, color="0.2", markeredgecolor="white",
        markeredgewidth=0.4, zorder=3,
    )  # fmt: skip
    label = f"apart / {unit}" if in_units and unit else "apart" if in_units else "apart / % of the range"
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0, top=None if values.any() else 1)
    if len(values) and not values.any():
        axes.annotate("0 everywhere: all are the same", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=9)
    failed = [step.told + 1 for step in replay.steps if step.error]
    if failed:
        axes.plot(
            failed, [0] * len(failed), linestyle="none", marker="x", color=NOW, label="no answer now", clip_on=False
        )
        axes.legend(fontsize=8.5, framealpha=0.9)
    axes.set_title("how far that is apart", loc="left", fontsize=10.5)
    _tidy(axes)


def _times(axes: Axes, replay: Replay) -> None:
    size = _small(len(replay.steps))
    numbers = [next((n for n in step.numbers if n is not None), step.told + 0.5) for step in replay.steps]
    then, now = ([max(1e-6, value) for value in values] for values in (
        [step.recorded_seconds for step in replay.steps], [step.seconds for step in replay.steps])
    )  # fmt: skip
    axes.plot(numbers, then, linestyle="none", marker="o", markersize=4 * size, color=THEN, label="on record")
    axes.plot(
        numbers, now, linestyle="none", marker="o", markersize=6 * size, markerfacecolor="none", markeredgecolor=NOW,
        label="now",
    )  # fmt: skip
    if numbers:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="number of the point", ylabel="s a suggestion")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("how long it thought", loc="left", fontsize=10.5)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _labelled(axis: Any) -> str:
    return f"{axis.name} / {axis.units}" if axis.units else axis.name
