"""The pictures of a simulation and of a comparison."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from skysteer.model import Axis

from ._comparison import Comparison
from ._simulation import Simulation
from ._truth import Truth, as_truth

__all__ = ["draw_comparison", "draw_simulation"]

OURS = (
    ("#0b4f8a", "-"), ("#c8511b", (0, (6, 1.5))), ("#117a55", (0, (4, 1.2, 1, 1.2))), ("#8a2f7f", (0, (2.2, 1.0))),
    ("#7a5c00", (0, (8, 1.2, 1, 1.2, 1, 1.2))), ("#b00e3d", (0, (5, 3))),
)  # fmt: skip
"""Colours and dashes of the recommenders: all dark, and told apart by the dashes in grey."""
BESIDE = {"random": ("0.62", (0, (1, 1.2))), "sobol": ("0.5", (0, (5, 1, 1, 1))), "grid": ("0.35", (0, (3, 2)))}
"""Of what stands beside: grey and thin."""
NODES = 121
"""Of a true map along one side."""
APART = 0.052
"""Of two names at the line ends, in heights of the axes."""


def draw_comparison(to: Any, comparison: Comparison) -> None:
    """Draw medians with a band from quartile to quartile, names at the line ends."""
    if isinstance(to, Axes):
        _curves(to, comparison)
        return
    figure = Figure(figsize=(8.6, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    _curves(figure.subplots(), comparison)
    _save(figure, to)


def draw_simulation(to: Any, simulation: Simulation, truth: Any = None) -> None:
    """Draw where it measured, over the truth where that is given, and how it went."""
    figure = to if isinstance(to, Figure) else Figure(figsize=(11.5, 5.4), layout="constrained")
    if figure is not to:
        FigureCanvasAgg(figure)
    known = None if truth is None else as_truth(truth, simulation.seed, objectives=simulation.objectives)
    halves: Any = figure.subfigures(1, 2, width_ratios=[6.4, 5.1])
    _field(halves[0], simulation, known)
    above, below = halves[1].subplots(2, 1, sharex=True)
    _progress(above, simulation)
    _readings(below, simulation)
    figure.suptitle(
        f"{simulation.recommender} on {simulation.truth}: {len(simulation)} points, {simulation.reason}",
        fontsize=11.5, x=0.01, ha="left",
    )  # fmt: skip
    if figure is not to:
        _save(figure, to)


# -- a comparison


def _curves(axes: Axes, comparison: Comparison) -> None:
    curves = {name: comparison.curve(name) for name in comparison.names}
    positive = [float(v) for c in curves.values() for v in (*c.low, *c.median, *c.high) if v > 0]
    # Nothing is below the lowest line of a logarithmic axis: what reached the best value is drawn there.
    found = any(bool((curve.low <= 0).any()) for curve in curves.values())
    floor = (min(positive) if positive else 1.0) / (3.0 if found else 1.0)
    ends: list[tuple[str, float, Any]] = []
    styles = dict(zip((n for n in comparison.names if n not in comparison.baselines), OURS * 9, strict=False))
    for name, curve in curves.items():
        if not curve.numbers:
            continue
        ours = name not in comparison.baselines
        color, dashes = styles[name] if ours else BESIDE[name]
        low, median, high = (np.maximum(values, floor) for values in (curve.low, curve.median, curve.high))
        axes.fill_between(curve.numbers, low, high, color=color, alpha=0.2 if ours else 0.09, linewidth=0, zorder=2)
        marker = "s" if name == "grid" and not ours else None
        axes.plot(
            curve.numbers, median, color=color, linestyle=dashes, linewidth=2.3 if ours else 1.3,
            zorder=4 if ours else 3, marker=marker, markersize=3.5, gid=name,
            clip_on=marker is None,
        )  # fmt: skip
        failed = len(comparison.failures(name))
        ends.append((f"{name} ({failed} failed)" if failed else name, float(median[-1]), color))
    _logarithmic(axes)
    axes.set(xlim=(0, comparison.budget), xlabel="points measured", ylabel=comparison.measure)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if found:
        axes.set_ylim(bottom=floor / 1.3)
        axes.axhline(floor, color="0.3", linewidth=0.6, zorder=1)
        axes.annotate(
            "0: the best there is", (0.01, floor), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", fontsize=8, color="0.3",
        )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    seeds = f"{len(comparison.seeds)} seeds" if len(comparison.seeds) > 1 else "one seed"
    state = ", interrupted" if comparison.interrupted else ""
    axes.set_title(f"{comparison.truth}: median and quartiles, {seeds}{state}", loc="left", fontsize=11)
    _name_ends(axes, ends)


def _name_ends(axes: Axes, ends: list[tuple[str, float, Any]]) -> None:
    """Write each name where its line ends, names kept apart, in the order of the ends."""
    low, high = np.log(axes.get_ylim())
    ends = sorted(ends, key=lambda end: end[1])
    places = [float((math.log(value) - low) / (high - low)) for _, value, _ in ends]
    shown = list(places)
    for number in range(1, len(shown)):
        shown[number] = max(shown[number], shown[number - 1] + APART)
    if shown and shown[-1] > 1.0:
        shown[-1] = 1.0
        for number in range(len(shown) - 2, -1, -1):
            shown[number] = min(shown[number], shown[number + 1] - APART)
    for (name, _, color), place, text in zip(ends, places, shown, strict=True):
        axes.annotate(
            name, (1.0, place), xycoords="axes fraction", xytext=(1.035, text), textcoords="axes fraction",
            va="center", ha="left", fontsize=9.5, color=color, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


# -- a simulation


def _field(figure: Any, simulation: Simulation, truth: Truth | None) -> None:
    axes: Axes = figure.subplots()
    names = list(simulation.space)
    lines = [simulation.space[name] for name in names if isinstance(simulation.space[name], Axis)]
    numbers = np.arange(1, len(simulation) + 1)
    style: Any = {
        "c": numbers, "cmap": "plasma", "vmin": 1, "vmax": max(2, len(simulation)), "edgecolors": "white",
        "linewidths": 0.6, "s": 34, "zorder": 4,
    }  # fmt: skip
    if len(names) == len(lines) == 1:
        axis = lines[0]
        if truth is not None:
            places: Any = np.linspace(axis.low, axis.high, 4 * NODES)
            true = truth.values([{axis.name: float(place)} for place in places])
            axes.plot(places, true, color="0.45", linewidth=1.2, label="truth", zorder=2)
        dots = axes.scatter([each.point[axis.name] for each in simulation.points], simulation.read, **style)
        axes.set(xlabel=_labelled(axis.name, axis.units), ylabel=_objective(simulation))
        best = simulation.best
        if best is not None:
            axes.axvline(best.point[axis.name], color="black", linewidth=0.9, linestyle=":", label="called best")
    elif len(names) == len(lines) == 2:
        dots = _map(figure, axes, simulation, truth, lines, style)
    else:
        dots = _rows(axes, simulation)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3, frameon=False, fontsize=9)
    if len(names) == len(lines) <= 2:
        figure.colorbar(dots, ax=axes, label="number of the point", pad=0.02).ax.invert_yaxis()
    else:
        figure.colorbar(dots, ax=axes, label=_objective(simulation), pad=0.02)
    axes.set_title("where it measured", loc="left", fontsize=10.5)


def _map(figure: Any, axes: Axes, simulation: Simulation, truth: Truth | None, lines: Any, style: Any) -> Any:
    x, y = lines
    if truth is not None:
        columns: Any = np.linspace(x.low, x.high, NODES)
        rows: Any = np.linspace(y.low, y.high, NODES)
        nodes = [{x.name: float(column), y.name: float(row)} for row in rows for column in columns]
        values = truth.values(nodes).reshape(NODES, NODES)
        image = axes.contourf(columns, rows, values, levels=14, cmap="Greys", alpha=0.75, zorder=1)
        figure.colorbar(image, ax=axes, label=f"true {_objective(simulation)}", location="left", pad=0.02, shrink=0.9)
    points = [each.point for each in simulation.points]
    dots = axes.scatter(
        [p[x.name] for p in points], [p[y.name] for p in points], label="measured", clip_on=False, **style
    )
    if simulation.best is not None:
        axes.plot(
            simulation.best.point[x.name], simulation.best.point[y.name], marker="o", markersize=15, linestyle="none",
            markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.6, zorder=6, label="called best",
        )  # fmt: skip
    axes.set(
        xlabel=_labelled(x.name, x.units), ylabel=_labelled(y.name, y.units), xlim=(x.low, x.high), ylim=(y.low, y.high)
    )
    return dots


def _rows(axes: Axes, simulation: Simulation) -> Any:
    """One row for each axis: the position in its range, against the number of the point."""
    numbers = np.arange(1, len(simulation) + 1)
    names = list(simulation.space)[::-1]
    dots: Any = None
    for row, name in enumerate(names):
        axis = simulation.space[name]
        where = [
            (each.point[name] - axis.low) / (axis.high - axis.low)
            if isinstance(axis, Axis)
            else axis.options.index(each.point[name]) / (len(axis.options) - 1)
            for each in simulation.points
        ]
        dots = axes.scatter(numbers, row + 0.8 * np.array(where), c=simulation.read, s=22, cmap="viridis", zorder=4)
        axes.axhspan(row, row + 0.8, color="0.93", zorder=0)
    axes.set_yticks([row + 0.4 for row in range(len(names))], [_range(simulation.space[name]) for name in names])
    axes.set(xlabel="number of the point", ylim=(-0.15, len(names)))
    return dots


def _progress(axes: Axes, simulation: Simulation) -> None:
    unit = simulation.units.get(simulation.objective, "")
    if simulation.goal == "map":
        axes.plot(list(simulation.errors), list(simulation.errors.values()), color=OURS[0][0], marker="o", markersize=4)
        axes.set_ylabel("map error / sd of the truth")
    else:
        regret = simulation.regret
        positive = regret[regret > 0]
        floor = float(positive.min()) / 3 if len(positive) else 1.0
        axes.step(
            range(1, len(regret) + 1), np.where(regret > 0, regret, floor), where="post", color=OURS[0][0], linewidth=2
        )
        axes.set_ylabel(_labelled("regret of the best so far", unit), fontsize=9)
        if (regret <= 0).any():
            axes.axhline(floor, color="0.3", linewidth=0.6)
            axes.annotate(
                "0: the best there is", (0.01, floor), xycoords=("axes fraction", "data"), xytext=(0, 3),
                textcoords="offset points", fontsize=8, color="0.3",
            )  # fmt: skip
    _logarithmic(axes)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("how it went", loc="left", fontsize=10.5)


def _readings(axes: Axes, simulation: Simulation) -> None:
    axes.plot(
        range(1, len(simulation) + 1), simulation.read, linestyle="none", marker="o", markersize=4, color="0.35",
        markeredgecolor="white", markeredgewidth=0.4,
    )  # fmt: skip
    axes.set(xlabel="points measured", ylabel=_objective(simulation), xlim=(0, max(2, len(simulation)) + 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis with plain numbers, and some between where it is short of whole decades."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _objective(simulation: Simulation) -> str:
    return _labelled(simulation.objective, simulation.units.get(simulation.objective, ""))


def _labelled(name: str, units: str) -> str:
    return f"{name} / {units}" if units else name


def _range(axis: Any) -> str:
    if isinstance(axis, Axis):
        return f"{_labelled(axis.name, axis.units)}\n{axis.low:g} to {axis.high:g}"
    return f"{axis.name}\n{', '.join(map(str, axis.options))}"


def _save(figure: Figure, path: Any) -> None:
    if not isinstance(path, Path):
        raise TypeError(f"expected the path of a picture or something of matplotlib to draw into, found {path!r}")
    figure.savefig(path, dpi=120, format="png")
