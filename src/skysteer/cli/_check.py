"""The command ``skysteer check``: its options, and what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ._errors import errors_said, only_ours_printed

if TYPE_CHECKING:
    from rich.console import Console

    from skysteer.testing import CheckReport, PromiseResult

__all__ = ["check"]

MARKS = {"passed": "[green]passed[/]", "not applicable": "[dim]not applicable[/]", "broken": "[bold red]BROKEN[/]"}


def check(
    recommender: Annotated[
        str,
        typer.Argument(
            show_default=False,
            metavar="RECOMMENDER",
            help="module:Class, path/to/file.py:Class (or a function that makes one), or a short name of ours: "
            "gaussian, grid, random, sobol.",
        ),
    ],
    *,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            show_default=False,
            help="An axis as name=low:high[:units[:step]], a choice as name=one,other,...; once for each. "
            "Without any: x and y, -5 to 5 mm.",
        ),
    ] = None,
    objective: Annotated[str, typer.Option(help="Name of what is measured.")] = "det",
    minimize: Annotated[bool, typer.Option("--minimize", help="A small objective is a good one.")] = False,
    map_: Annotated[bool, typer.Option("--map", help="The objective is to be known everywhere.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Given to the recommender, if it takes one.")] = 0,
    impure: Annotated[
        bool,
        typer.Option(
            "--impure",
            help="It may answer differently when it knows the same, as Ax does: what compares answers is left out.",
        ),
    ] = False,
    exempt: Annotated[
        list[str] | None, typer.Option(show_default=False, help="Name of a promise that is not checked; once for each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Check that a recommender keeps what a scan counts on.

    It is asked and told as a scan does it, with made-up data, good and bad, in
    this process and in one of its own. For each promise: whether it is kept. For one
    that is broken: what was found, and the calls that show it again, as code. At the
    end: how long a suggestion takes at 10, 100 and 1000 points.

    Exit code: 0 when all promises are kept, 1 when one is broken or after an error,
    130 after Ctrl-C.
    """
    if minimize and map_:
        raise typer.BadParameter("give --minimize or --map, not both")
    with errors_said("skysteer check", debug=debug):
        from ._named import make_named, parse_space

        space = parse_space(axis or [])
        with only_ours_printed(as_json=as_json):
            named = make_named(
                recommender, space=space, objective=objective,
                goal="minimize" if minimize else "map" if map_ else "maximize",
            )  # fmt: skip
            named(seed)  # what cannot be made at all is said in one sentence

        from rich.console import Console

        from skysteer.testing import check_recommender

        console = Console(highlight=False)
        if not as_json:
            console.print(f"Checking {recommender} on {', '.join(space)} with the objective {objective}", markup=False)
        with only_ours_printed(as_json=as_json):
            report = check_recommender(
                lambda: named(seed), space, [objective], pure=not impure, exempt=exempt or [], on_broken="report",
                progress=None if as_json else lambda result: _show(console, result),
            )  # fmt: skip
        if as_json:
            typer.echo(json.dumps(report.as_dict(), indent=2))
        else:
            _show_end(console, report, named.code(seed))
        if not report.ok:
            raise typer.Exit(1)


def _show(console: Console, result: PromiseResult) -> None:
    mark = MARKS[result.outcome] + " " * (16 - len(result.outcome))
    why = f" ({result.why})" if result.outcome == "not applicable" else ""
    console.print(f"{mark}{result.seconds:6.2f} s  ", end="")
    console.print(f"{result.name:<12}{result.promise}{why}", markup=False, soft_wrap=True)


def _show_end(console: Console, report: CheckReport, made: str) -> None:
    _show_times(console, report)
    for result in report.broken:
        _show_broken(console, result, made)
    kept = sum(result.outcome == "passed" for result in report.results)
    left = len(report.results) - kept - len(report.broken)
    console.print(
        f"{report.recommender}: {kept} promises kept, {len(report.broken)} broken, {left} not applicable",
        style="bold red" if report.broken else "bold green",
    )


def _show_times(console: Console, report: CheckReport) -> None:
    from rich.table import Table

    from skysteer.testing._recommender_report import in_words

    table = Table()
    table.add_column("points known", justify="right")
    table.add_column("one more told, the next suggested in", justify="right")
    for count, seconds in report.suggestion_seconds.items():
        table.add_row(str(count), in_words(seconds))
    console.print(table)


def _show_broken(console: Console, result: PromiseResult, made: str) -> None:
    assert result.error is not None, "that is what broken means"
    console.print(f"\nBroken promise: {result.promise}", style="bold red", markup=False)
    console.print(f"Found: {result.why}\nThis shows it again:\n", markup=False, soft_wrap=True)
    console.print(f"{made}\n{result.error.code}\n", markup=False, soft_wrap=True)
