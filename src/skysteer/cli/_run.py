"""The command ``skysteer run``: runs an agent, a script with settings at the top and a ``main``."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from ._errors import errors_said

__all__ = ["run"]


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
        from ._found import load_file

        module = load_file(str(agent), str(agent))
        main = getattr(module, "main", None)
        if not callable(main):
            raise ValueError(f"{agent} is no agent: it has no function main()")
        _set(module, settings or [])
        if show:
            for name, value in _settings(module).items():
                typer.echo(f"{name} = {value!r}")
        else:
            main()


def _settings(module: ModuleType) -> dict[str, Any]:
    """The names in capitals that the file itself assigns."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names = [target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()]
    return {name: getattr(module, name) for name in names}


def _set(module: ModuleType, assignments: list[str]) -> None:
    known = _settings(module)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in known:
            has = ", ".join(known) or "none"
            raise ValueError(f"--set {assignment}: expected NAME=VALUE with one of the settings of the file: {has}")
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text  # a word needs no quotes in a shell
        before = known[name]
        if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if before is not None and type(value) is not type(before):
            raise ValueError(
                f"--set {assignment}: {value!r} is a {type(value).__name__}, expected a {type(before).__name__} "
                f"as in {name} = {before!r}"
            )
        setattr(module, name, value)
