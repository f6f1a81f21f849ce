"""What a command says when it fails."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout

import typer

__all__ = ["INTERRUPTED", "errors_said", "hush_the_engine", "only_ours_printed"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@contextmanager
def errors_said(command: str, *, debug: bool) -> Generator[None]:
    """Say an error in one line and exit with 1, or with 130 after Ctrl-C; with `debug` show its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"{command}: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as exc:
        if debug:
            raise
        # The notes say where: at which point a truth raised.
        said = " ".join([str(exc) or type(exc).__name__, *getattr(exc, "__notes__", ())])
        typer.echo(f"{command}: {' '.join(said.split())}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def only_ours_printed(*, as_json: bool) -> Generator[None]:
    """With JSON, what somebody's recommender or truth prints goes to stderr: stdout has one object and nothing else."""
    if not as_json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # for the processes that are started meanwhile
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def hush_the_engine() -> None:
    """Keep off the screen, where nobody set up logging, what the engine logs of an error that it also raises."""
    for name in ("bluesky", "ophyd_async"):
        logging.getLogger(name).addHandler(logging.NullHandler())
