"""The picture of watched measurements: signal to noise as it grew, the ring current, and what was saved."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ._ring import Ring
from ._saved import Outcome
from ._tally import ENOUGH, Tally

__all__ = ["draw"]

COLOURS = ("tab:blue", "tab:red", "tab:green")
MARKERS = {"enough": "o", "abort": "X", "": "s"}
ENDS = {"enough": "good enough", "abort": "aborted", "": "all measured"}

Measured = tuple[Outcome, Tally, Ring]


def draw(path: Path, measured: Sequence[Measured]) -> None:
    """Write the picture as a PNG."""
    figure = Figure(figsize=(13.0, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(1, 2, width_ratios=[8.0, 5.0])
    left, right = halves
    growth, current = left.subplots(2, 1, height_ratios=[3.0, 1.2])
    seconds, dose = right.subplots(2, 1)
    _growth(growth, measured)
    _current(current, measured)
    outcomes = [outcome for outcome, _, _ in measured]
    _bars(seconds, outcomes, "time", "s", [(each.seconds, each.seconds_fixed) for each in outcomes])
    _bars(dose, outcomes, "dose", "kGy", [(each.dose, each.dose_fixed) for each in outcomes])
    saved = sum(each.seconds_saved for each in outcomes)
    of = sum(each.seconds_fixed for each in outcomes)
    grays = sum(each.dose_saved for each in outcomes)
    of_grays = sum(each.dose_fixed for each in outcomes)
    figure.suptitle(
        f"Watched measurements: {saved:.1f} of {of:.1f} s and {grays:.1f} of {of_grays:.1f} kGy saved",
        fontsize=12.5, x=0.01, ha="left",
    )  # fmt: skip
    figure.savefig(path, dpi=110, format="png")


def _growth(axes: Axes, measured: Sequence[Measured]) -> None:
    """Signal to noise against the number of the event; thin where a fixed length would have gone on."""
    total = max(outcome.points_fixed for outcome, _, _ in measured)
    for (outcome, tally, _), colour in zip(measured, COLOURS, strict=False):
        ratios = [point.ratio for point in tally.points]
        numbers = np.arange(1, len(ratios) + 1)
        axes.plot(numbers, ratios, color=colour, linewidth=1.8, label=f"{outcome.name}: {_end(outcome)}")
        if not ratios:
            continue
        axes.plot(
            numbers[-1], ratios[-1], marker=MARKERS[outcome.verdict], markersize=10, color=colour,
            markeredgecolor="white", linestyle="none", zorder=5, clip_on=False,
        )  # fmt: skip
    top = max([1.3 * ENOUGH, *(1.05 * p.ratio for _, tally, _ in measured for p in tally.points)])
    axes.axhline(ENOUGH, color="black", linewidth=1.0, linestyle="dashed", label=f"wanted: {ENOUGH:g}")
    last = max(outcome.points for outcome, _, _ in measured)
    if last < total:
        axes.axvspan(last, total, color="0.93", zorder=0)
        axes.text(
            (last + total) / 2, 0.05 * top, f"not measured: a fixed length has {total} points", ha="center",
            fontsize=9, color="0.35",
        )  # fmt: skip
    axes.set(xlabel="number of the event", ylabel="signal to noise", xlim=(0, total), ylim=(0, top))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1), fontsize=9, framealpha=0.95)
    axes.set_title("signal to noise, and where each measurement ended", loc="left", fontsize=11)


def _current(axes: Axes, measured: Sequence[Measured]) -> None:
    """Points of the measurements over the time, a row each, and in grey when there was no beam."""
    for row, ((outcome, tally, ring), colour) in enumerate(zip(measured, COLOURS, strict=False)):
        begin = float(tally.start["time"])
        times = np.array([point.time for point in tally.points]) - begin
        ends = [*(when - begin for when, _ in ring.history), outcome.seconds_fixed]
        for (when, value), until in zip(ring.history, ends[1:], strict=True):
            if value == 0.0:
                start = when - begin
                axes.barh(row, max(0.0, until - start), left=start, height=0.8, color="0.85", zorder=0)
        axes.plot(times, np.full(times.shape, row), marker="|", linestyle="none", markersize=11, color=colour)
        axes.plot(
            outcome.seconds, row, marker=MARKERS[outcome.verdict], markersize=9, color=colour,
            markeredgecolor="white", zorder=5,
        )  # fmt: skip
    longest = max(max(outcome.seconds, outcome.seconds_fixed) for outcome, _, _ in measured)
    axes.set(xlabel="time / s", xlim=(0, longest), ylim=(len(measured) - 0.4, -0.6))
    axes.set_yticks(range(len(measured)), [outcome.name for outcome, _, _ in measured])
    axes.set_title("when it was measured; grey: no beam", loc="left", fontsize=11)


def _bars(axes: Axes, outcomes: Sequence[Outcome], what: str, units: str, pairs: Sequence[tuple[float, float]]) -> None:
    """Taken beside the fixed length."""
    rows = np.arange(len(outcomes))
    axes.barh(rows + 0.2, [fixed for _, fixed in pairs], height=0.38, color="0.8", label="fixed length")
    axes.barh(rows - 0.2, [taken for taken, _ in pairs], height=0.38, color=COLOURS[: len(pairs)], label="watched")
    widest = max(max(pair) for pair in pairs) or 1.0
    for row, (taken, fixed) in zip(rows, pairs, strict=True):
        axes.text(taken + 0.01 * widest, row - 0.2, f"{taken:.1f}", va="center", fontsize=9)
        axes.text(fixed + 0.01 * widest, row + 0.2, f"{fixed:.1f}", va="center", fontsize=9, color="0.35")
    axes.set_yticks(rows, [outcome.name for outcome in outcomes])
    axes.invert_yaxis()
    axes.set(xlabel=f"{what} / {units}", xlim=(0, 1.12 * widest))
    axes.set_title(f"{what}: watched (colour), fixed length (grey)", loc="left", fontsize=11)


def _end(outcome: Outcome) -> str:
    return f"{ENDS[outcome.verdict]} after {outcome.points} points"
