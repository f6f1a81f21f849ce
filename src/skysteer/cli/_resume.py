"""``skysteer resume``: goes on with a scan that was cut off, by the command that began it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import INTERRUPTED, errors_said, hush_the_engine
from ._runs import FOLDER

if TYPE_CHECKING:
    from skysteer.stores import Record, Resumption

__all__ = ["resume"]

COMMANDS = ("demo", "run")
"""The commands of ours that begin scans which can go on."""


def resume(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Its uid, or the first letters of it (4 or more), the name or path of its file, or last: the newest.",
        ),
    ],
    *,
    folder: Annotated[Path, typer.Option("--folder", help="The folder of runs.")] = FOLDER,
    points: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default=False, help="Measure N points in all, and not as many as begun."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and all logs.")] = False,
) -> None:
    """Go on with a scan whose process was killed, or that failed or was aborted.

    The record says by which command it was begun: skysteer demo and skysteer run are
    run again as they were. The recommender is taught what was measured, and the rest
    is measured in a new run that names the old.

    Exit code: 0 when the scan came to its end, 1 after an error or where there is
    nothing to go on with, 130 after Ctrl-C.
    """
    with errors_said("skysteer resume", debug=debug):
        from skysteer.stores import Record, find, resume_from

        from ._measuring import Interrupted

        if not debug:
            hush_the_engine()
        entry = find(folder, run)
        record = Record.read(entry.path.parent, entry.decisions or entry.uid)
        found = resume_from(record, max_points=points)
        command = _Command.of(found)
        typer.echo(_in_words(found, points))
        for warning in found.warnings:
            typer.echo(f"  {warning}", err=True)
        try:
            command.again(found.record, points)
        except Interrupted as stopped:
            typer.echo(f"skysteer resume: {stopped}", err=True)
            raise typer.Exit(INTERRUPTED) from None


@dataclass(frozen=True, slots=True)
class _Command:
    """The command that began a scan, as its record says."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """As its function is given them."""
    folder: Path = Path()
    """The folder that it was called in."""

    @classmethod
    def of(cls, found: Resumption) -> _Command:
        """The command that began the first of the runs.

        Raises
        ------
        ValueError
            If it was none of ours: then a line of Python goes on with it.
        """
        first = (*found.record.chain, found.record)[0]
        program: Mapping[str, Any] = first.about.get("program", {})
        words: list[str] = program.get("argv", [])
        ours = words and Path(words[0]).name in ("skysteer", "__main__.py")
        if not ours or words[1:2] == [] or words[1] not in COMMANDS:
            raise ValueError(_for_a_script(found, " ".join(words)))
        from typer.main import get_command

        from ._app import app

        command: Any = get_command(app)
        context = command.commands[words[1]].make_context(words[1], words[2:])
        return cls(words[1], context.params, Path(program.get("cwd") or "."))

    def again(self, record: Record, points: int | None) -> None:
        """Run it again, with the run to go on with."""
        if self.name == "demo":
            self._demo(record, points)
        else:
            self._agent(record, points)

    def _demo(self, record: Record, points: int | None) -> None:
        from ._demo import Settings, run_demo
        from ._logbook import RUNS

        options = self.options
        if record.folder.name != RUNS:
            raise ValueError(f"a demo keeps its runs in a folder {RUNS!r}, found them in {record.folder}: rename it")
        planned = record.about["options"]["max_points"]
        run_demo(
            Settings(
                points or planned,
                options["seed"],
                record.folder.parent,
                options["worker"].value,
                options["epics"],
                options["dead_time"] or 0.0,
                options["as_json"],
                options["tiled"],
                record.entry.uid,
            )
        )

    def _agent(self, record: Record, points: int | None) -> None:
        from ._run import run_agent

        agent = self.folder / self.options["agent"]
        run_agent(agent, self.options["settings"] or [], resume=record, points=points)


def _in_words(found: Resumption, points: int | None) -> str:
    """How far it came."""
    from ._account import known_by
    from ._wording import day_and_time

    record, progress = found.record, found.progress
    planned = points or record.about["options"]["max_points"]
    facts = [f"{progress.measured} of {planned} points measured"]
    if progress.failed:
        facts.append(f"{progress.failed} given up")
    times = [each.time for one in (*record.chain, record) for each in one.observations]
    if times:
        facts.append(f"the last on {day_and_time(max(times))}")
    entry = record.entry
    if entry.exit_status == "success":
        how = f"it was complete ({entry.reason})"
    elif entry.exit_status and record.about.get("options") and not _cut_off(record):
        how = f"it ended as {entry.exit_status!r}" + (f" ({entry.reason})" if entry.reason else "")
    elif progress.measured >= planned:
        how = "cut off behind its last point"
    elif progress.ready or progress.measured or record.measurements:
        how = f"cut off in the middle of point {progress.measured + 1}"
    else:
        how = "cut off before its first point"
    return f"run {known_by(record)[:8]}, {record.flow} by {entry.recommender}: {', '.join(facts)}; {how}. It goes on."


def _cut_off(record: Record) -> bool:
    """Whether its stop document was written in its place, when it was taken over."""
    from skysteer.stores import ENDED

    return record.entry.reason.startswith(ENDED)


def _for_a_script(found: Resumption, words: str) -> str:
    record = found.record
    return (
        f"run {record.entry.uid[:8]} was begun by a program of its own ({words or 'nothing says which'}): "
        f"only the program has its devices. In it, let the same call go on, with the recommender as it was at its "
        f"beginning: {record.flow}(..., record={str(record.folder)!r}, resume={record.entry.uid!r}); "
        f"an agent with main(resume=None) goes on by: skysteer run AGENT --resume {record.entry.path}"
    )
