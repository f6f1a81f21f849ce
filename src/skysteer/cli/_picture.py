"""The picture of a search: what the model believes, where it looked, and how it went."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import Peak

from ._course import Course, Reading
from ._summary import Summary

__all__ = ["draw"]

EDGE = 5.0
"""The field is this far from its middle to each side, in mm."""
NODES = 121
"""Of the map, along one side."""
HALO: Any = [withStroke(linewidth=2.0, foreground="white")]


def draw(path: Path, course: Course, summary: Summary, peak: Peak, model: GaussianProcess) -> None:
    """Write the picture of a search as a PNG.

    Parameters
    ----------
    model
        That has learnt all points of the course.
    """
    figure = Figure(figsize=(13.0, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(1, 2, width_ratios=[7.6, 5.4])
    left, right = halves
    field: Axes = left.subplots()
    close, climb = right.subplots(2, 1, height_ratios=[1.5, 1.0])

    half = min(EDGE, max(0.9, 1.5 * summary.distance))
    image = _map(field, model, peak, (-EDGE, EDGE), (-EDGE, EDGE))
    _map(close, model, peak, (peak.x - half, peak.x + half), (peak.y - half, peak.y + half))
    dots = _points(field, course.readings, summary, apart=0.34, size=30, clipped=False)
    _points(close, course.readings, summary, apart=half * 0.11, size=42, clipped=True)

    field.set_title(f"{summary.points} points over the field, and the model's map", loc="left", fontsize=11, pad=14)
    close.set_title("around the true peak", loc="left", fontsize=11)
    # a frame on the field shows what the close-up shows
    corner = (peak.x - half, peak.y - half)
    field.add_patch(_rectangle(corner, 2 * half))
    field.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=4, frameon=False, fontsize=9)
    left.colorbar(image, ax=field, label="counts, as the model expects them", shrink=0.8, pad=0.01)
    bar = right.colorbar(dots, ax=close, label="number of the point", pad=0.02)
    bar.ax.invert_yaxis()
    _climb(climb, course.readings, summary)
    compared = (
        f"a regular grid needs about {summary.grid.points:,}" if summary.found else "the peak was not found this time"
    )
    figure.suptitle(
        f"Search for a narrow peak: {100 * summary.share_of_top:.1f} % of the top after {summary.points} points, "
        f"{summary.distance:.3f} mm from it; {compared}",
        fontsize=12.5, x=0.01, ha="left",
    )  # fmt: skip
    figure.savefig(path, dpi=110, format="png")


def _map(axes: Axes, model: GaussianProcess, peak: Peak, x: tuple[float, float], y: tuple[float, float]) -> Any:
    columns, rows = np.linspace(*x, NODES), np.linspace(*y, NODES)
    inside = [
        {"x": float(np.clip(column, -EDGE, EDGE)), "y": float(np.clip(row, -EDGE, EDGE))}
        for row in rows
        for column in columns
    ]
    mean, _ = model.predict(inside)
    # Less than linear, so that the background stays visible
    norm = PowerNorm(0.6, vmin=0.0, vmax=peak.height)
    image = axes.pcolormesh(
        columns, rows, np.clip(mean, 0.0, None).reshape(NODES, NODES), cmap="Blues", norm=norm, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    truth = np.array([[peak(float(column), float(row)) for column in columns] for row in rows])
    middle = peak.background + peak.amplitude / 2
    axes.contour(columns, rows, truth, levels=[middle], colors=["black"], linewidths=1.0, linestyles="dashed")
    axes.plot([], [], color="black", linewidth=1.0, linestyle="dashed", label="true peak, half height")
    axes.plot(
        peak.x, peak.y, marker="+", markersize=16, markeredgewidth=2.2, color="black", linestyle="none", zorder=6,
        label="true peak", path_effects=HALO,
    )  # fmt: skip
    axes.set(xlim=x, ylim=y, aspect="equal", xlabel="x / mm", ylabel="y / mm")
    return image


def _points(
    axes: Axes, readings: Sequence[Reading], summary: Summary, *, apart: float, size: float, clipped: bool
) -> Any:
    """Draw the points, coloured in their order; number those that are `apart` mm from others with a number."""
    numbers = [reading.number for reading in readings]
    dots = axes.scatter(
        [reading.x for reading in readings], [reading.y for reading in readings], c=numbers, s=size, cmap="plasma",
        vmin=1, vmax=max(2, len(readings)), edgecolors="white", linewidths=0.7, zorder=4, label="measured, in order",
        clip_on=clipped,
    )  # fmt: skip
    best = summary.best
    axes.scatter(
        best.x, best.y, s=230, marker="o", facecolors="none", edgecolors="tab:green", linewidths=2.4, zorder=7,
        label="best point", path_effects=HALO,
    )  # fmt: skip
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    numbered: list[Reading] = []
    for reading in readings:
        inside = left <= reading.x <= right and bottom <= reading.y <= top
        if inside and all(math.hypot(reading.x - each.x, reading.y - each.y) > apart for each in numbered):
            numbered.append(reading)
            axes.annotate(
                str(reading.number), (reading.x, reading.y), xytext=(4, 3.5), textcoords="offset points", fontsize=7.5,
                zorder=8, path_effects=HALO, clip_on=clipped,
            )  # fmt: skip
    return dots


def _rectangle(corner: tuple[float, float], side: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, side, side, fill=False, edgecolor="0.35", linewidth=0.9, zorder=3)


def _climb(axes: Axes, readings: Sequence[Reading], summary: Summary) -> None:
    """Each reading and the best so far, against the number of the point."""
    numbers = [reading.number for reading in readings]
    counts = [reading.counts for reading in readings]
    axes.axhline(summary.truth.counts, color="black", linewidth=1.0, linestyle="dashed", label="top of the true peak")
    axes.step(
        numbers, np.maximum.accumulate(counts), where="post", color="tab:green", linewidth=2.0, label="best so far"
    )
    axes.scatter(
        numbers, counts, c=numbers, s=18, cmap="plasma", vmin=1, vmax=max(2, len(readings)), edgecolors="0.4",
        linewidths=0.4, zorder=3, label="reading",
    )  # fmt: skip
    axes.set(xlabel="number of the point", ylabel="counts", xlim=(0, max(2, len(readings)) + 1))
    axes.set_ylim(0, 1.15 * max(summary.truth.counts, *counts))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", fontsize=8.5, framealpha=0.9)
    axes.set_title("how it went", loc="left", fontsize=11)
