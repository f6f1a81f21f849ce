"""What a command says when it fails."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

import typer

__all__ = ["INTERRUPTED", "errors_said", "hush_the_engine"]

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
        typer.echo(f"{command}: {' '.join(str(exc).split()) or type(exc).__name__}", err=True)
        raise typer.Exit(1) from None


def hush_the_engine() -> None:
    """Keep off the screen, where nobody set up logging, what the engine logs of an error that it also raises."""
    for name in ("bluesky", "ophyd_async"):
        logging.getLogger(name).addHandler(logging.NullHandler())
