"""``skysteer runs``: what is on record in a folder, one line a launch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import errors_said

if TYPE_CHECKING:
    from skysteer.stores import RunEntry

__all__ = ["FOLDER", "Listed", "listed", "runs"]

FOLDER = Path("skysteer-runs")
"""Where the shell looks for runs where nobody says."""
NEWEST = 50
"""So many lines are shown where nobody says."""
ENDS = {"success": "complete", "abort": "aborted", "fail": "failed"}
"""Exit status to how it is called here."""


def runs(
    folder: Annotated[Path, typer.Argument(show_default=True, metavar="FOLDER", help="The folder of runs.")] = FOLDER,
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show the newest N.")] = NEWEST,
    everything: Annotated[
        bool, typer.Option("--all", help="Measurement runs and decision runs, each on a line of its own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """List the runs in a folder: when, what, how far they came and how they ended. The newest is last.

    A scan and the decisions that were made in it are one line. "cut off" is a run
    whose process ended without closing it: skysteer resume goes on with it.

    Exit code: 0, or 1 after an error.
    """
    with errors_said("skysteer runs", debug=debug):
        from skysteer.stores import runs as entries
        from skysteer.stores.jsonl import below

        if folder == FOLDER and not folder.exists():
            raise ValueError(
                f"there is no folder {folder} here: name the one that was given as record=, "
                "e.g. skysteer runs skysteer-demo/runs"
            )
        found = listed(entries(folder), everything=everything)
        shown = found[-limit:]
        if as_json:
            typer.echo(json.dumps([each.as_dict() for each in shown], indent=2, allow_nan=False))
            return
        if not found:
            how = below(folder) or f" yet: give record={str(folder)!r} to adaptive_scan, adaptive_runs or watch"
            typer.echo(f"no runs in {folder}{how}")
            return
        from ._wording import say, width

        lines = _lines(shown, width(), everything=everything)
        if len(shown) < len(found):
            lines.append(f"the newest {len(shown):,} of {len(found):,}; --limit {len(found)} shows all")
        if (cut := [each for each in shown if each.resumable]) and not everything:
            again = f"skysteer resume {cut[-1].uid[:8]}" + ("" if folder == FOLDER else f" --folder {folder}")
            lines.append(f"{again} goes on with the one that was cut off{' last' if len(cut) > 1 else ''}")
        say(lines)


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list: a launch, or a run."""

    uid: str
    """Of the run that it is found by."""
    time: float
    """When it began, in seconds since the epoch."""
    kind: str
    """``"launch"``, or the kind of the run."""
    plan: str
    recommender: str
    points: int
    """Measured so far, with those of runs that it resumes."""
    max_points: int | None
    state: str
    """``"complete"``, ``"aborted"``, ``"failed"``, ``"running"`` or ``"cut off"``."""
    reason: str
    """Why it ended."""
    resumes: str
    """Uid of the decision run that it resumes."""
    resumed_by: str
    """Uid of the run that goes on with it."""
    runs: tuple[str, ...]
    """Uids of all its runs."""
    files: tuple[str, ...]
    """Their files."""

    @property
    def resumable(self) -> bool:
        """Whether it was cut off, and nothing went on with it."""
        return self.state == "cut off" and not self.resumed_by and self.plan in ("adaptive_scan", "adaptive_runs")

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def listed(entries: Iterable[RunEntry], *, everything: bool = False) -> list[Listed]:
    """Return one line for each launch, or for each run, in the order in which they were begun."""
    launches: dict[str, list[RunEntry]] = {}
    for each in entries:
        key = each.uid if everything else each.decisions or each.uid
        launches.setdefault(key, []).append(each)
    lines = {key: _listed(group) for key, group in launches.items()}
    if everything:
        return [*lines.values()]
    return [  # the run that went on, as it is called in this list
        replace(each, resumed_by=lines[each.resumed_by].uid) if each.resumed_by in lines else each
        for each in lines.values()
    ]


def _listed(group: Sequence[RunEntry]) -> Listed:
    decisions = next((each for each in group if each.kind == "decisions"), None)
    measured = [each for each in group if each.kind == "measurement"]
    first = min(group, key=lambda each: each.time)
    about = decisions or first
    named = measured[0] if len(measured) == 1 else about
    points = sum(each.num_points for each in measured)
    if decisions is not None and decisions.flow != "watch":
        if decisions.flow == "adaptive_runs":  # a run is a point, however many events it has
            points = sum(each.exit_status == "success" for each in measured)
        points = max(points, decisions.num_points)
    last = decisions if decisions is not None and len(measured) != 1 else (measured or group)[-1]
    if about.flow == "watch":
        plan = " + ".join(["watch", *dict.fromkeys(each.plan_name for each in measured if each.plan_name)])
    else:
        plan = about.flow or about.plan_name or "a run"
    kind = "launch" if decisions is not None and measured else first.kind
    return Listed(
        named.uid, first.time, kind, plan, about.recommender, points, about.max_points, _state(group, last),
        last.reason or about.reason, about.resumes, about.resumed_by, tuple(each.uid for each in group),
        tuple(each.path.name for each in group),
    )  # fmt: skip


def _state(group: Sequence[RunEntry], last: RunEntry) -> str:
    if any(each.running for each in group):
        return "running"
    if any(each.resumed_by for each in group) or not all(each.exit_status for each in group):
        return "cut off" if last.exit_status in ("", "fail") else ENDS.get(last.exit_status, last.exit_status)
    return ENDS.get(last.exit_status, last.exit_status)


def _lines(shown: Sequence[Listed], columns: int, *, everything: bool = False) -> list[str]:
    from ._wording import day_and_time, shortened

    rows = [
        (
            day_and_time(each.time),
            each.uid[:8],
            each.kind if everything else shortened(each.plan, 24),
            shortened(each.recommender, 20),
            # Of a single measurement run: its own events.
            f"{each.points}/{each.max_points}" if each.max_points and each.kind != "measurement" else str(each.points),
            each.state + (f", resumed by {each.resumed_by[:8]}" if each.resumed_by else ""),
        )
        for each in shown
    ]
    heads = ("begun", "run", "kind" if everything else "plan", "recommender", "points", "state")
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    if not any(each.recommender for each in shown):
        widths[3] = 0
    left = columns - sum(widths) - 2 * sum(width > 0 for width in widths)
    lines: list[str] = []
    for row, reason in zip([heads, *rows], ["why", *(each.reason for each in shown)], strict=True):
        cells = [
            cell.rjust(width) if heads[column] == "points" else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        if left >= 16:
            cells.append(shortened(" ".join(reason.split()), left))
        lines.append("  ".join(cells).rstrip())
    return lines
