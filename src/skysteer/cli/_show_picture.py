"""The picture of a recorded run: where it measured in which order, what it read, how long it waited, what came up."""
# matplotlib's functions take anything, and its types say so
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ._account import Account, Measured
from ._show_course import draw_course
from ._show_places import draw_places
from ._wording import count, day_and_time, shortened

__all__ = ["draw_account"]


def draw_account(path: Path, account: Account) -> None:
    """Write the picture as a PNG: one page."""
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    points = account.points
    halves: Any = figure.subfigures(1, 2, width_ratios=[6.3, 5.7])
    draw_places(halves[0], account, points)
    draw_course(halves[1], account, points)
    figure.suptitle(_title(account, points), fontsize=11.5, x=0.01, ha="left")
    figure.savefig(path, dpi=110, format="png")


def _title(account: Account, points: Sequence[Measured]) -> str:
    entry = account.entry
    who = f" by {entry.recommender}" if entry.recommender else ""
    state = "still being measured" if entry.running else entry.reason or entry.exit_status or "cut off"
    name = entry.flow or entry.plan_name or "run"
    many = count(len(points), "point")
    return f"{name} {account.uid[:8]}{who}, {day_and_time(account.began)}: {many}; {shortened(state, 90)}"
