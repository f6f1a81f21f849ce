"""How the shell names a truth, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from skysteer.model import Space
from skysteer.simulation import TRUTHS, Emulator, Goal, Noise, Recorded, Truth
from skysteer.simulation._simulate import aim_of
from skysteer.simulation._truth import as_truth

from ._axes import parse_space
from ._found import found

__all__ = ["Trial", "progress_bar", "trial_of"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be simulated."""

    truth: Any
    """As `skysteer.simulation.simulate` takes it."""
    space: Space
    """Where to suggest."""
    objective: str
    """What is judged."""
    goal: Goal
    """What is wanted of it."""
    noise: Noise | None
    """In place of the truth's own."""


def trial_of(
    truth: str, axes: Sequence[str], objective: str | None, *, maximize: bool, minimize: bool, map_: bool,
    noise: str | None, nearest: bool,
) -> Trial:  # fmt: skip
    """Return what the options of the shell mean.

    Parameters
    ----------
    truth
        A name of `TRUTHS`, ``module:name``, ``path/to/file.py:name`` (a function of a point, or a
        `Truth`), or the path of a recorded run or of a folder of runs.
    axes
        As `parse_space` takes them; for none what the truth says, or else x and y from -5 to 5 mm.
    nearest
        Of a recorded run: the nearest measured point, and not an emulator.

    Raises
    ------
    ValueError
        If there is no such truth, or a number cannot be read.
    """
    given = [goal for goal, wanted in (("maximize", maximize), ("minimize", minimize), ("map", map_)) if wanted]
    if len(given) > 1:
        raise typer.BadParameter(f"--{given[0]} and --{given[1]}: one goal, please")
    asked: Any = given[0] if given else None
    read: Noise | None = None if noise is None else _noise(noise)
    space = parse_space(axes) if axes else None
    one = _truth(truth, space, objective, counts=read == "counts", nearest=nearest)
    known: Truth = as_truth(one, 0, objectives=[objective] if objective else (), noise=read)
    return Trial(one, space or known.space or parse_space(), known.objective, aim_of(known, asked), read)


@contextmanager
def progress_bar(*, silent: bool) -> Generator[Callable[[int, int, str], None] | None]:
    """Show a bar while something long runs: on a terminal only, and never in what is printed."""
    console = Console(stderr=True)
    if silent or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=None)

        def advance(done: int, total: int, what: str) -> None:
            shown.update(task, completed=done, total=total, description=what)

        yield advance


def _truth(truth: str, space: Space | None, objective: str | None, *, counts: bool, nearest: bool) -> Any:
    if truth in TRUTHS:
        return truth
    path = Path(truth)
    if ":" in truth and not path.exists():
        return found(truth, {})[2]
    if path.suffix in (".jsonl", ".json") or path.is_dir():
        if not path.exists():
            raise ValueError(f"there is no file {path.resolve()}")
        if nearest:
            return Recorded(path, objectives=objective, space=space)
        return Emulator(path, objectives=objective, space=space, counts=counts)
    raise ValueError(
        f"there is no truth named {truth!r}; known are {', '.join(TRUTHS)}, module:function, path/to/file.py:function "
        "path/to/run.jsonl and a folder of runs"
    )


def _noise(text: str) -> float | Literal["counts"]:
    if text == "counts":
        return "counts"
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--noise must be a standard deviation or 'counts', found {text!r}") from None
