"""The command ``skysteer run``: runs an agent, a script with settings at the top and a ``main``."""

from __future__ import annotations

import ast
import inspect
import tokenize
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import errors_said, hush_the_engine

if TYPE_CHECKING:
    from skysteer.stores import Record

__all__ = ["run", "run_agent"]

BUDGETS = ("MAX_POINTS", "MAX_RUNS")
"""Settings that say how many points an agent measures."""


def run(
    agent: Annotated[
        Path, typer.Argument(show_default=False, metavar="AGENT", help="The agent's file, e.g. agents/peak_hunter.py.")
    ],
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            show_default=False,
            metavar="NAME=VALUE",
            help="Another value for one of the settings at the top of the file; once for each.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            show_default=False,
            metavar="RUN",
            help="Go on with a run that was cut off: the path of its file.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--settings", help="List the settings with their values, and run nothing.")] = (
        False
    ),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Run an agent: a Python file with settings in capitals at the top and a function main.

    The agents of skysteer run against the simulated beamline as they are; to deploy
    one, copy it and put your devices into its main.

    Exit code: 0 when the agent came to its end, 1 after an error, 130 after Ctrl-C.
    """
    with errors_said("skysteer run", debug=debug):
        if not debug:
            hush_the_engine()
        if show:
            module = _loaded(agent, settings or [])
            for name, said in _settings(module).items():
                typer.echo(f"{name} = {getattr(module, name)!r}" + (f"\n    {said}" if said else ""))
        elif resume is None:
            _loaded(agent, settings or []).main()
        else:
            from skysteer.stores import Record

            run_agent(agent, settings or [], resume=_record(Record, resume))


def run_agent(agent: Path, settings: list[str], *, resume: Record, points: int | None = None) -> None:
    """Run an agent that goes on with a run, with other settings where they are given.

    Raises
    ------
    ValueError
        If it cannot go on: its main takes no ``resume``.
    """
    module = _loaded(agent, settings)
    if "resume" not in inspect.signature(module.main).parameters:
        raise ValueError(
            f"{agent} cannot go on with a run, its main() takes none: let it be main(resume=None), and give it to the "
            "flow, as in adaptive_scan(..., record=RECORD, resume=resume)"
        )
    if "RECORD" in _settings(module):  # the folder may have been moved
        module.RECORD = str(resume.folder)  # pyright: ignore[reportAttributeAccessIssue]
    if points is not None:
        name = next((each for each in BUDGETS if each in _settings(module)), None)
        if name is None:
            raise ValueError(
                f"{agent} has no setting {' or '.join(BUDGETS)}: it says itself how many points it measures"
            )
        setattr(module, name, points)
    module.main(resume=str(resume.entry.path))


def _record(reader: type[Record], run: str) -> Record:
    path = Path(run).expanduser()
    if not path.is_file():
        raise ValueError(f"--resume {run}: expected the path of the file of a run, in its folder of runs")
    return reader.read(path.parent, path)


def _loaded(agent: Path, settings: list[str]) -> ModuleType:
    """Return the agent, with its settings changed."""
    from ._found import load_file

    if agent.suffix != ".py":
        raise ValueError(f"{agent} is no agent: expected a Python file, its name ending in .py")
    module = load_file(str(agent), str(agent))
    if not callable(getattr(module, "main", None)):
        raise ValueError(f"{agent} is no agent: it has no function main()")
    _set(module, settings)
    return module


def _settings(module: ModuleType) -> dict[str, str]:
    """The names in capitals that the file itself assigns, and the docstring under each."""
    assert module.__file__ is not None
    with tokenize.open(module.__file__) as file:  # in the encoding that the file says
        body = ast.parse(file.read()).body
    found: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        said = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            said = " ".join(after.value.value.split())
        for target in targets:
            if isinstance(target, ast.Name) and target.id.isupper() and hasattr(module, target.id):
                found[target.id] = said
    return {name: said for name, said in found.items() if not name.startswith("_")}


def _set(module: ModuleType, assignments: list[str]) -> None:
    known = _settings(module)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or name not in known:
            has = ", ".join(known) or "none"
            raise ValueError(f"--set {assignment}: expected NAME=VALUE with one of the settings of the file: {has}")
        setattr(module, name, _like(getattr(module, name), text, f"--set {assignment}", name))


def _like(before: Any, text: str, spec: str, name: str) -> Any:
    """The value that a text stands for, of the type of the one before."""
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, TypeError, ValueError):
        value = text  # a word needs no quotes in a shell
    if isinstance(before, str) and not isinstance(value, str):
        return text  # the sample may be named 12
    if isinstance(before, float) and type(value) is int:
        return float(value)
    if before is not None and type(value) is not type(before):
        raise ValueError(
            f"{spec}: {value!r} is of type {type(value).__name__}, expected {type(before).__name__} "
            f"as in {name} = {before!r}"
        )
    return value
