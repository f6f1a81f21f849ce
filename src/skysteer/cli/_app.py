"""Commands, options and exit codes. What a command needs is imported when it runs: ``--help`` is quick."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import skysteer

from . import _check, _compare, _replay, _resume, _run, _runs, _show, _simulate, _upload
from ._errors import INTERRUPTED, errors_said, hush_the_engine

__all__ = ["app", "main"]

MOST_SEARCHED, MOST_WATCHED = 1000, 100_000
"""Points that may be asked for: of a search, where every point makes the next take longer, and of a count."""

app = typer.Typer(
    help="Steers Bluesky experiments while they run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Worker(StrEnum):
    """Where a recommender computes."""

    thread = "thread"
    process = "process"


def main() -> None:
    """Run the command line."""
    # What a judge or a device said may have half of a character in it, and the terminal not all characters.
    out: Any = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")
    app(prog_name="skysteer")


def _print_version(wanted: bool) -> None:  # noqa: FBT001  called by typer
    if wanted:
        typer.echo(f"skysteer {skysteer.__version__}")
        raise typer.Exit


@app.callback()
def skysteer_(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Steers Bluesky experiments while they run."""


app.command()(_check.check)
app.command()(_simulate.simulate)
app.command()(_compare.compare)
app.command()(_run.run)
app.command()(_runs.runs)
app.command()(_show.show)
app.command()(_resume.resume)
app.command()(_replay.replay)
app.command()(_upload.upload)


@app.command()
def demo(
    *,
    points: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help="Points to measure: 60; with --watchdog 300, the fixed length beside which it is compared.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random: same seed, same sample, same noise.")] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for the picture and the folder of runs; what is there from before is kept.")
    ] = Path("skysteer-demo"),
    worker: Annotated[Worker, typer.Option(help="Where the recommender computes, or the judges.")] = Worker.thread,
    epics: Annotated[
        bool, typer.Option("--epics", help="Measure on a real EPICS soft IOC on this machine (Channel Access).")
    ] = False,
    dead_time: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=60.0, show_default=False, help="Seconds that each reading takes: 0; with --watchdog 0.01."
        ),
    ] = None,
    watchdog: Annotated[
        bool, typer.Option("--watchdog", help="Instead of a search: measurements that watchdogs end, hold and abort.")
    ] = False,
    tiled: Annotated[
        str | None,
        typer.Option(
            show_default=False, metavar="URL", help="A Tiled server to send the runs to; its key is in TILED_API_KEY."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and all logs.")] = False,
) -> None:
    """Search for a narrow peak on a simulated beamline, autonomously.

    A Gaussian process chooses each next position of two motors from all
    readings before it; a RunEngine measures there. At the end: the best point
    beside the true one, a picture of the search, and in the folder of runs
    everything that was measured and decided: see skysteer show and, for a demo
    that was killed, skysteer resume.

    With --watchdog a faint sample is counted three times. A watchdog ends it when
    the signal to noise is good enough; another aborts it when the beam is lost, or
    holds it until the beam is back. At the end: what was saved, in time and dose,
    beside a measurement of fixed length.

    Exit code: 0 when the demo came to its end, 1 after an error, 130 after Ctrl-C.
    """
    from ._folder import check_writable

    if watchdog and epics:
        raise typer.BadParameter("--epics is for the search; the watchdogs' measurements are simulated")
    most = MOST_WATCHED if watchdog else MOST_SEARCHED
    if points is not None and points > most:
        raise typer.BadParameter(f"at most {most} here, found {points}", param_hint="--points")
    with errors_said("skysteer demo", debug=debug):
        check_writable(out)
        from ._measuring import Interrupted

        if not debug:
            hush_the_engine()
        try:
            if watchdog:
                from ._watch import WatchSettings, run_watch_demo

                exposure = 0.01 if dead_time is None else dead_time
                run_watch_demo(WatchSettings(points or 300, seed, out, worker.value, exposure, as_json, tiled))
            else:
                from ._demo import Settings, run_demo

                run_demo(Settings(points or 60, seed, out, worker.value, epics, dead_time or 0.0, as_json, tiled))
        except Interrupted as stopped:
            typer.echo(f"skysteer demo: {stopped}", err=True)
            raise typer.Exit(INTERRUPTED) from None
