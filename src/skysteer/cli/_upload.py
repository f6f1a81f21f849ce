"""The command ``skysteer upload``: what is recorded goes to a Tiled server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._errors import errors_said

if TYPE_CHECKING:
    from skysteer.stores.tiled import Upload

__all__ = ["upload"]


def upload(
    folder: Annotated[Path, typer.Argument(help="Folder into which runs were recorded.")] = Path("skysteer-runs"),
    *,
    tiled: Annotated[
        str,
        typer.Option(
            show_default=False,
            metavar="URL",
            help="Tiled server, as http://host:8000. Its key is read from the environment variable TILED_API_KEY.",
        ),
    ],
    timeout: Annotated[
        float | None,
        typer.Option(min=0.0, show_default=False, help="Seconds after which to give up; without: as long as it takes."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Send recorded runs to a Tiled server, and wait until they are there.

    What the server has is not sent again; a run that is still measured is sent as
    far as it is. While the server is away, it is tried again. After Ctrl-C or
    --timeout the next upload goes on.

    Exit code: 0 when everything has arrived, 1 when not, 130 after Ctrl-C.
    """
    from rich.console import Console

    with errors_said("skysteer upload", debug=debug):
        from skysteer.errors import StoreError
        from skysteer.stores.jsonl import below
        from skysteer.stores.tiled import deliver

        if folder.is_dir() and not any(folder.glob("*.jsonl")):
            raise StoreError(f"there is no run in {folder}{below(folder)}")
        console = Console(stderr=True)
        with console.status("starting") as shown:

            def say(status: Upload) -> None:
                shown.update(_progress(status))

            done = deliver(folder, tiled, timeout=timeout, said=say)
        for name, why in done.status.set_aside.items():
            typer.echo(f"{name}: {why}", err=True)
        if not done.complete:
            left = done.status
            if left.set_aside:
                raise StoreError(f"{len(left.set_aside)} runs were not taken; all others have arrived")
            many = f"{left.waiting_runs} runs are" if left.waiting_runs else "what is to be sent is"
            raise StoreError(f"{many} not sent in the time given" + (f": {left.problem}" if left.problem else ""))
        typer.echo(f"{done.status.runs} runs are in {tiled.partition('?')[0]}; sent now: {done.status.events} events")


def _progress(status: Upload) -> str:
    if status.problem:
        return status.problem
    return (
        f"{status.state}: {status.events} events sent, {status.waiting_runs} runs "
        f"({status.waiting_bytes / 1e6:.1f} MB) to go"
    )
