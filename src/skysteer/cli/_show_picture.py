"""The picture of a recorded run: where it measured in which order, what it read, how long it waited, what came up."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false, reportArgumentType=false

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from skysteer.model import Axis, Verdict

from ._account import Account, Measured, Remark
from ._wording import count, day_and_time, shortened

__all__ = ["draw_account"]

MARKS: Mapping[str, tuple[str, str, str]] = {
    "given up": ("x", "#b00e3d", "given up"),
    "refused": ("v", "#8a2f7f", "no answer, or refused"),
    "worker": ("s", "#7a5c00", "worker replaced"),
    "checkpoint": ("D", "#7a5c00", "checkpoint failed"),
    "verdict": ("^", "#117a55", "verdict"),
    "steering": ("P", "#c8511b", "steered by hand"),
    "again": ("<", "0.35", "measured again"),
}
"""Kind of a remark to its marker, colour and name."""
READ, BEST, THOUGHT = "0.35", "#117a55", "#c8511b"
FEW, MANY = 40, 500
"""About so many points have their number beside them; of many none has."""


def draw_account(path: Path, account: Account) -> None:
    """Write the picture as a PNG: one page."""
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    points = account.points
    halves: Any = figure.subfigures(1, 2, width_ratios=[6.3, 5.7])
    waits = [each for each in points if each.answer is not None]
    _field(halves[0], account, points)
    below: Any = halves[1].subplots(
        3 if waits else 2, 1, sharex=True, height_ratios=[3, 2, 0.9] if waits else [3, 0.9]
    )  # fmt: skip
    _readings(below[0], account, points)
    if waits:
        _latencies(below[1], waits)
    _marks(below[-1], account)
    for axes in below:
        _resumes(axes, account)
        axes.set_xlim(0, max(2, len(points)) + 1)
    below[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    below[-1].set_xlabel("number of the point")
    figure.suptitle(_title(account, points), fontsize=11.5, x=0.01, ha="left")
    figure.savefig(path, dpi=110, format="png")


def _title(account: Account, points: Sequence[Measured]) -> str:
    entry = account.entry
    who = f" by {entry.recommender}" if entry.recommender else ""
    state = "still being measured" if entry.running else entry.reason or entry.exit_status or "cut off"
    name = entry.flow or entry.plan_name or "run"
    many = count(len(points), "point")
    return f"{name} {account.uid[:8]}{who}, {day_and_time(account.began)}: {many}; {shortened(state, 90)}"


# -- where


def _field(figure: Any, account: Account, points: Sequence[Measured]) -> None:
    axes: Axes = figure.subplots()
    space = account.space
    lines = [] if space is None else [axis for axis in space.axes if isinstance(axis, Axis)]
    failed = _failed(account)
    objective = _objective(account, points)
    if space is not None and len(lines) == len(space) == 2:
        dots = _map(axes, account, lines, points, failed)
    elif space is not None and len(lines) == len(space) == 1 and objective:
        dots = _line(axes, account, lines[0], objective, points)
    elif space is not None:
        dots = _rows(axes, account, points)
    else:
        dots = _times(axes, account, objective, points)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, frameon=False, fontsize=9)
    if dots is not None:
        by_number = dots.get_cmap().name == "plasma"
        label = "number of the point" if by_number else _labelled(objective, account.units.get(objective, ""))
        bar = figure.colorbar(dots, ax=axes, label=label, pad=0.02)
        if by_number:
            bar.ax.invert_yaxis()
            bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    title = "what it read, in time" if space is None else "where it measured, in order"
    axes.set_title(title, loc="left", fontsize=10.5, pad=14)  # above the numbers of points at the upper edge


def _style(points: Sequence[Measured]) -> dict[str, Any]:
    return {
        "c": [each.number for each in points], "cmap": "plasma", "vmin": 1, "vmax": max(2, len(points)),
        "edgecolors": "white", "linewidths": 0.6, "s": 36 * _small(len(points)) ** 2, "zorder": 4,
    }  # fmt: skip


def _small(many: int) -> float:
    """Factor of the sizes of markers: of many points each is small."""
    return max(0.25, min(1.0, math.sqrt(150 / max(1, many))))


def _map(
    axes: Axes, account: Account, lines: Sequence[Axis], points: Sequence[Measured], failed: Sequence[Mapping[str, Any]]
) -> Any:
    x, y = lines
    places = [(float(each.axes[x.name]), float(each.axes[y.name])) for each in points]
    dots = axes.scatter(
        [place[0] for place in places],
        [place[1] for place in places],
        clip_on=False,
        label="measured",
        **_style(points),
    )
    if failed:
        marker, color, name = MARKS["given up"]
        axes.plot(
            [each[x.name] for each in failed], [each[y.name] for each in failed], linestyle="none", marker=marker,
            markersize=8, markeredgewidth=1.8, color=color, label=name, zorder=5, clip_on=False,
        )  # fmt: skip
    if (best := account.best()) is not None:
        axes.plot(
            best.axes[x.name], best.axes[y.name], marker="o", markersize=14, linestyle="none", markerfacecolor="none",
            markeredgecolor="black", markeredgewidth=1.4, zorder=6, label=f"best reading (point {best.number})",
        )  # fmt: skip
    bounds = [_limits(axis, [place[n] for place in places]) for n, axis in enumerate(lines)]
    reach = [high - low for low, high in bounds]
    numbered: list[tuple[float, float]] = []
    for each, (a, b) in zip(points, places, strict=True):
        if all(math.hypot((a - c) / reach[0], (b - d) / reach[1]) > 0.03 for c, d in numbered):
            numbered.append((a, b))
            if len(points) > MANY or len(numbered) > 2 * FEW:
                break
            axes.annotate(
                str(each.number), (a, b), xytext=(4, 3.5), textcoords="offset points", fontsize=7.5, zorder=7,
                annotation_clip=False,
            )  # fmt: skip
    axes.set(xlabel=_labelled(x.name, x.units), ylabel=_labelled(y.name, y.units), xlim=bounds[0], ylim=bounds[1])
    axes.grid(alpha=0.25)
    return dots


def _line(axes: Axes, account: Account, axis: Axis, objective: str, points: Sequence[Measured]) -> Any:
    read = [(each, value) for each in points if (value := _value(each, objective)) is not None]
    dots = axes.scatter(
        [float(each.axes[axis.name]) for each, _ in read], [value for _, value in read], label="measured",
        **_style([each for each, _ in read]),
    )  # fmt: skip
    for number, place in enumerate(_failed(account)):
        axes.axvline(float(place[axis.name]), color=MARKS["given up"][1], linestyle=":", linewidth=1.2,
                     label="_" * bool(number) + "given up")  # fmt: skip
    if (best := account.best()) is not None and (value := _value(best, objective)) is not None:
        axes.plot(
            float(best.axes[axis.name]), value, marker="o", markersize=14, linestyle="none", markerfacecolor="none",
            markeredgecolor="black", markeredgewidth=1.4, zorder=6, label=f"best reading (point {best.number})",
        )  # fmt: skip
    axes.set(
        xlabel=_labelled(axis.name, axis.units), ylabel=_labelled(objective, account.units.get(objective, "")),
        xlim=_limits(axis, [float(each.axes[axis.name]) for each in points]),
    )  # fmt: skip
    axes.grid(alpha=0.25)
    return dots


def _rows(axes: Axes, account: Account, points: Sequence[Measured]) -> Any:
    """One row for each axis: the place in its range against the number of the point."""
    assert account.space is not None, "the caller looks"
    names = list(account.space)[::-1]
    ticks: list[tuple[float, str]] = []
    dots: Any = None
    objective = _objective(account, points)
    read = [_value(each, objective) for each in points]
    style = _style(points)
    if all(value is not None for value in read):  # the number is on the axis below
        style |= {"c": read, "cmap": "viridis", "vmin": None, "vmax": None}
    for row, name in enumerate(names):
        axis = account.space[name]
        axes.axhspan(row - 0.03, row + 0.87, color="0.955", zorder=0)
        if isinstance(axis, Axis):
            low, high = _limits(axis, [float(each.axes[name]) for each in points])
            where = [(float(each.axes[name]) - low) / (high - low) for each in points]
            ticks += [(row + 0.84 * share, f"{low + share * (high - low):g}") for share in (0.0, 0.5, 1.0)]
        else:
            last = len(axis.options) - 1
            where = [axis.number_of(each.axes[name]) / last for each in points]
            ticks += [(row + 0.84 * number / last, str(option)) for number, option in enumerate(axis.options)]
        dots = axes.scatter(
            [each.number for each in points], [row + 0.84 * place for place in where], **{**style, "s": 18}
        )
        axes.annotate(
            _labelled(name, axis.units), (0.006, row + 0.86), xycoords=("axes fraction", "data"), fontsize=9, va="top",
            zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
        )  # fmt: skip
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    axes.set(xlabel="number of the point", ylim=(-0.12, len(names)))
    return dots


def _times(axes: Axes, account: Account, objective: str, points: Sequence[Measured]) -> Any:
    """Without a space, what was read against the time."""
    read = [(each, value) for each in points if (value := _value(each, objective)) is not None]
    dots = axes.scatter(
        [each.time - account.began for each, _ in read], [value for _, value in read],
        **_style([each for each, _ in read]),
    )  # fmt: skip
    axes.set(xlabel="since the beginning / s", ylabel=_labelled(objective, account.units.get(objective, "")))
    axes.grid(alpha=0.25)
    return dots if read else None


# -- how it went


def _readings(axes: Axes, account: Account, points: Sequence[Measured]) -> None:
    objective = _objective(account, points)
    read = [(each.number, value) for each in points if (value := _value(each, objective)) is not None]
    axes.plot(
        [number for number, _ in read], [value for _, value in read], linestyle="none", marker="o",
        markersize=4 * _small(len(read)), color=READ, markeredgecolor="white", markeredgewidth=0.4, label="reading",
        zorder=3,
    )  # fmt: skip
    goal = account.goal
    if goal is not None and read and goal[1] == objective:
        values = [value for _, value in read]
        best = np.maximum.accumulate(values) if goal[0] > 0 else np.minimum.accumulate(values)
        axes.step(
            [number for number, _ in read], best, where="post", color=BEST, linewidth=1.8,
            label=f"{'highest' if goal[0] > 0 else 'lowest'} so far",
        )  # fmt: skip
        axes.legend(fontsize=8.5, framealpha=0.9)
    if points and not read:
        _said(axes, f"{', '.join(points[0].objectives) or 'nothing'}: no single number that can be drawn here")
        axes.set_yticks([])
    axes.set_ylabel(_labelled(objective, account.units.get(objective, "")))
    axes.set_title("what it read", loc="left", fontsize=10.5)
    _tidy(axes)


def _latencies(axes: Axes, points: Sequence[Measured]) -> None:
    numbers, size = [each.number for each in points], _small(len(points))
    answers = [each.answer for each in points if each.answer is not None]
    axes.plot(
        numbers, [max(1e-6, each.latency) for each in answers], linestyle="none", marker="o",
        markersize=4 * size, color=READ, label="from question to answer",
    )  # fmt: skip
    axes.plot(
        numbers, [max(1e-6, each.suggest_seconds) for each in answers], linestyle="none", marker="o",
        markersize=5 * size, markerfacecolor="none", markeredgecolor=THOUGHT, label="in suggest",
    )  # fmt: skip
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("s")
    axes.legend(fontsize=8.5, framealpha=0.9)
    axes.set_title("how long it took to answer", loc="left", fontsize=10.5)
    _tidy(axes)


def _marks(axes: Axes, account: Account) -> None:
    """What came up besides, each kind on a line of its own, after the point that it came after."""
    found: dict[str, list[float]] = {}
    number = 0
    for each in account.timeline:
        if isinstance(each, Measured):
            number = each.number
        elif each.kind in MARKS:
            found.setdefault((each.kind, _verdict(each)), []).append(number + 0.5)
    kinds = sorted(found, key=lambda kind: (list(MARKS).index(kind[0]), kind[1]))[::-1]
    for row, kind in enumerate(kinds):
        marker, color, _ = MARKS[kind[0]]
        axes.plot(found[kind], [row] * len(found[kind]), linestyle="none", marker=marker, color=color, clip_on=False)
    axes.set_yticks(
        range(len(kinds)), [MARKS[kind][2] + (f": {verdict}" if verdict else "") for kind, verdict in kinds], fontsize=8
    )
    axes.set_ylim(-0.6, max(0.6, len(kinds) - 0.4))
    if not kinds:
        _said(axes, "nothing else came up")
    _tidy(axes)


def _verdict(remark: Remark) -> str:
    """Which one it was: a hold is not an end."""
    if remark.kind != "verdict":
        return ""
    return next((each.value for each in Verdict if re.search(f": {each.value}( on |,)", remark.text)), "failed")


def _said(axes: Axes, words: str) -> None:
    axes.annotate(
        words, (0.5, 0.4), xycoords="axes fraction", ha="center", fontsize=9, color="0.4", zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )  # fmt: skip


def _resumes(axes: Axes, account: Account) -> None:
    number = 0
    for each in account.timeline:
        if isinstance(each, Measured):
            number = each.number
        elif each.kind == "resumed":
            axes.axvline(number + 0.5, color="#0b4f8a", linewidth=1.2, linestyle="--", zorder=1)
            if axes.get_title(loc="left") == "what it read":
                axes.annotate(
                    "resumed", (number + 0.5, 0.98), xycoords=("data", "axes fraction"), rotation=90, fontsize=8,
                    va="top", ha="right", color="#0b4f8a",
                )  # fmt: skip


def _failed(account: Account) -> list[Mapping[str, Any]]:
    """Where points were given up because a device failed."""
    return [
        account.suggestions[each.suggestion].point
        for record in account.records
        for each in record.given_up
        if each.kind == "device" and each.suggestion in account.suggestions
    ]


def _objective(account: Account, points: Sequence[Measured]) -> str:
    """The one that is looked for, or else the first number that was read."""
    if account.goal is not None:
        return account.goal[1]
    names = (name for each in points for name in each.objectives if _value(each, name) is not None)
    return next(names, "")


def _value(point: Measured, objective: str) -> float | None:
    value = point.objectives.get(objective)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _limits(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    if axis.bounded:
        return axis.low, axis.high
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _labelled(name: str, units: str) -> str:
    return f"{name} / {units}" if units else name
