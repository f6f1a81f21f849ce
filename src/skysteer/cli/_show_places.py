"""Where a recorded run measured, in which order: the left half of its picture."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from skysteer.model import Axis

from ._account import Account, Measured
from ._show_marks import MARKS, labelled, small

__all__ = ["draw_places"]

FEW, MANY = 40, 500
"""About so many points have their number beside them; of many none has."""


def draw_places(figure: Any, account: Account, points: Sequence[Measured]) -> None:
    """Draw the places on their axes; without a space, what was read in time."""
    axes: Axes = figure.subplots()
    space = account.space
    lines = [] if space is None else [axis for axis in space.axes if isinstance(axis, Axis)]
    failed = _failed(account)
    objective = account.objective
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
        label = "number of the point" if by_number else labelled(objective, account.units.get(objective, ""))
        bar = figure.colorbar(dots, ax=axes, label=label, pad=0.02)
        if by_number:
            bar.ax.invert_yaxis()
            bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    title = "what it read, in time" if space is None else "where it measured, in order"
    axes.set_title(title, loc="left", fontsize=10.5, pad=14)  # above the numbers of points at the upper edge


def _style(points: Sequence[Measured]) -> dict[str, Any]:
    return {
        "c": [each.number for each in points], "cmap": "plasma", "vmin": 1, "vmax": max(2, len(points)),
        "edgecolors": "white", "linewidths": 0.6, "s": 36 * small(len(points)) ** 2, "zorder": 4,
    }  # fmt: skip


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
    axes.set(xlabel=labelled(x.name, x.units), ylabel=labelled(y.name, y.units), xlim=bounds[0], ylim=bounds[1])
    axes.grid(alpha=0.25)
    return dots


def _line(axes: Axes, account: Account, axis: Axis, objective: str, points: Sequence[Measured]) -> Any:
    read = [(each, value) for each in points if (value := each.value(objective)) is not None]
    dots = axes.scatter(
        [float(each.axes[axis.name]) for each, _ in read], [value for _, value in read], label="measured",
        **_style([each for each, _ in read]),
    )  # fmt: skip
    for number, place in enumerate(_failed(account)):
        axes.axvline(float(place[axis.name]), color=MARKS["given up"][1], linestyle=":", linewidth=1.2,
                     label="_" * bool(number) + "given up")  # fmt: skip
    if (best := account.best()) is not None and (value := best.value(objective)) is not None:
        axes.plot(
            float(best.axes[axis.name]), value, marker="o", markersize=14, linestyle="none", markerfacecolor="none",
            markeredgecolor="black", markeredgewidth=1.4, zorder=6, label=f"best reading (point {best.number})",
        )  # fmt: skip
    axes.set(
        xlabel=labelled(axis.name, axis.units), ylabel=labelled(objective, account.units.get(objective, "")),
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
    objective = account.objective
    read = [each.value(objective) for each in points]
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
            labelled(name, axis.units), (0.006, row + 0.86), xycoords=("axes fraction", "data"), fontsize=9, va="top",
            zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
        )  # fmt: skip
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    axes.set(xlabel="number of the point", ylim=(-0.12, len(names)))
    return dots


def _times(axes: Axes, account: Account, objective: str, points: Sequence[Measured]) -> Any:
    """Without a space, what was read against the time."""
    read = [(each, value) for each in points if (value := each.value(objective)) is not None]
    dots = axes.scatter(
        [each.time - account.began for each, _ in read], [value for _, value in read],
        **_style([each for each, _ in read]),
    )  # fmt: skip
    axes.set(xlabel="since the beginning / s", ylabel=labelled(objective, account.units.get(objective, "")))
    axes.grid(alpha=0.25)
    return dots if read else None


def _failed(account: Account) -> list[Mapping[str, Any]]:
    """Where points were given up because a device failed."""
    return [
        account.suggestions[each.suggestion].point
        for record in account.records
        for each in record.given_up
        if each.kind == "device" and each.suggestion in account.suggestions
    ]


def _limits(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    if axis.bounded:
        return axis.low, axis.high
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
