"""Commands, options and exit codes. What a command needs is imported when it runs: ``--help`` is quick."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import skysteer

__all__ = ["app", "main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

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


@app.command()
def demo(
    *,
    points: Annotated[int, typer.Option(min=1, max=1000, help="Points to measure.")] = 60,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the peak, its noise and the search: same seed, same points.")
    ] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for search.png and documents.jsonl; what is there from before is kept.")
    ] = Path("skysteer-demo"),
    worker: Annotated[Worker, typer.Option(help="Where the recommender computes.")] = Worker.thread,
    epics: Annotated[
        bool, typer.Option("--epics", help="Measure on a real EPICS soft IOC on this machine (Channel Access).")
    ] = False,
    dead_time: Annotated[float, typer.Option(min=0.0, max=60.0, help="Seconds that each reading takes.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and all logs.")] = False,
) -> None:
    """Search for a narrow peak on a simulated beamline, autonomously.

    A Gaussian process chooses each next position of two motors from all
    readings before it; a RunEngine measures there. At the end: the best point
    beside the true one, a picture of the search and the documents of the run.

    Exit code: 0 when the search came to its end, 1 after an error, 130 after Ctrl-C.
    """
    from ._folder import check_writable

    try:
        check_writable(out)
        from ._demo import Interrupted, Settings, run_demo

        if not debug:  # the engine logs the traceback of what it also raises
            for name in ("bluesky", "ophyd_async"):
                logging.getLogger(name).addHandler(logging.NullHandler())
        settings = Settings(points, seed, out, worker.value, epics, dead_time, as_json)
        try:
            run_demo(settings)
        except Interrupted as stopped:
            typer.echo(f"skysteer demo: {stopped}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    except KeyboardInterrupt:
        typer.echo("skysteer demo: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as exc:
        if debug or isinstance(exc, typer.Exit):
            raise
        typer.echo(f"skysteer demo: {' '.join(str(exc).split()) or type(exc).__name__}", err=True)
        raise typer.Exit(1) from None
