"""How a recorded run went, point by point: the right half of its picture."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false, reportArgumentType=false

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from skysteer.model import Verdict

from ._account import Account, Measured, Remark
from ._show_marks import MARKS, labelled, small

__all__ = ["draw_course"]

READ, BEST, THOUGHT = "0.35", "#117a55", "#c8511b"


def draw_course(figure: Any, account: Account, points: Sequence[Measured]) -> None:
    """Draw what it read, how long it waited for answers, and what came up besides, below each other."""
    waits = [each for each in points if each.answer is not None]
    below: Any = figure.subplots(3 if waits else 2, 1, sharex=True, height_ratios=[3, 2, 0.9] if waits else [3, 0.9])
    _readings(below[0], account, points)
    if waits:
        _latencies(below[1], waits)
    _marks(below[-1], account)
    for axes in below:
        _resumes(axes, account)
        axes.set_xlim(0, max(2, len(points)) + 1)
    below[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    below[-1].set_xlabel("number of the point")


def _readings(axes: Axes, account: Account, points: Sequence[Measured]) -> None:
    objective = account.objective
    read = [(each.number, value) for each in points if (value := each.value(objective)) is not None]
    axes.plot(
        [number for number, _ in read], [value for _, value in read], linestyle="none", marker="o",
        markersize=4 * small(len(read)), color=READ, markeredgecolor="white", markeredgewidth=0.4, label="reading",
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
    axes.set_ylabel(labelled(objective, account.units.get(objective, "")))
    axes.set_title("what it read", loc="left", fontsize=10.5)
    _tidy(axes)


def _latencies(axes: Axes, points: Sequence[Measured]) -> None:
    numbers, size = [each.number for each in points], small(len(points))
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


def _tidy(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
