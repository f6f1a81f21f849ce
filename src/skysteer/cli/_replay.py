"""``skysteer replay``: a recorded run, decided again without hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import INTERRUPTED, errors_said, only_ours_printed
from ._folder import check_picture
from ._runs import FOLDER
from ._show import FolderOption, RunArgument

if TYPE_CHECKING:
    from skysteer.protocols import Recommender
    from skysteer.stores import Record

__all__ = ["remade", "replay"]


def replay(
    run: RunArgument = "last",
    *,
    folder: FolderOption = FOLDER,
    recommender: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            show_default=False,
            help="Another one to ask: gaussian, sobol, random, grid; module:Class; path/to/file.py:Class. "
            "Default: the one on record, made again.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, show_default=False, help="Of the recommender; by default that on record.")
    ] = None,
    maximize: Annotated[bool, typer.Option("--maximize", help="Of SPEC: look for the largest value.")] = False,
    minimize: Annotated[bool, typer.Option("--minimize", help="Of SPEC: look for the smallest value.")] = False,
    map_: Annotated[bool, typer.Option("--map", help="Of SPEC: make a map.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of an axis's range up to which positions are the same.")
    ] = 0.0,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Draw both into this file (PNG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Ask every question of a recorded run again, without hardware.

    The recommender is told before each question what that on record knew, and
    what it suggests is compared: the same version with the same seed suggests
    the same, else the first difference is shown. Or ask another recommender
    what it would have suggested.

    Exit code: 0 when all are the same (or another recommender was asked), 3 when
    they differ, 1 after an error, 130 after Ctrl-C.
    """
    with errors_said("skysteer replay", debug=debug):
        from skysteer.stores import Record
        from skysteer.stores import replay as ask_again

        from ._truths import progress_bar

        goals = [name for name, given in (("maximize", maximize), ("minimize", minimize), ("map", map_)) if given]
        if len(goals) > 1:
            raise typer.BadParameter(f"--{goals[0]} and --{goals[1]}: one goal, please")
        if goals and recommender is None:
            raise typer.BadParameter(f"--{goals[0]} is for --recommender; that on record has its own goal")
        if picture is not None:
            check_picture(picture)
        path = Path(run).expanduser()
        record = Record.read(path.absolute().parent, path.name) if path.is_file() else Record.read(folder, run)
        with progress_bar(silent=as_json) as bar, only_ours_printed(as_json=as_json):
            if recommender is None:
                one = remade(record, seed)
            else:
                one = _named(record, recommender, seed, goals[0] if goals else None)
            done = ask_again(
                record, one, tolerance=tolerance,
                progress=None if bar is None else lambda done, total: bar(done, total, "questions"),
            )  # fmt: skip
        if as_json:
            typer.echo(done.to_json())
        else:
            typer.echo(str(done))
        if picture is not None:
            done.draw(picture)
            typer.echo(f"picture: {picture}", err=as_json)
        if done.interrupted:
            raise typer.Exit(INTERRUPTED)
        if done.again and not done.same:
            raise typer.Exit(DIFFERENT)


DIFFERENT = 3
"""Exit code when the same recommender suggests something else."""


def remade(record: Record, seed: int | None = None) -> Recommender:
    """Make the recommender on record again, from its class, space, seed and settings.

    Raises
    ------
    ValueError
        If what comes of it is not what is on record: says what differs.
    """
    from skysteer.recommenders._about import About
    from skysteer.stores.record import differing

    from ._account import part

    about = part(record.about, "recommender")
    spec = str(about.get("class") or "")
    name = str(about.get("name") or "the recommender")
    if not spec or record.space is None:
        raise ValueError(f"run {record.entry.uid} had no recommender: there is nothing to ask again")
    used: Any = about.get("seed") if seed is None else seed
    then = {**about, "seed": used}
    then = _without_turns(then) if seed is not None else then
    told: list[str] = []
    for make in _makers(record, spec):
        try:
            made = make(used or 0)
            now = About(made).document()
            apart = [f"it would be a {now['class']}"] if now["class"] != spec else []
            apart += differing(then, _without_turns(now) if seed is not None else now, code=False)
        except Exception as exc:  # whatever somebody's class may raise when it is made with these
            apart, made = [str(exc)], None
        if made is not None and not apart:
            return made
        told += [each for each in apart if each not in told]
    raise ValueError(
        f"{name} of run {record.entry.uid[:8]} cannot be made again from its record alone "
        f"({told[0] if told else spec}): name what makes it, --recommender path/to/file.py:function, "
        "or use skysteer.stores.replay(run, recommender) in Python"
    )


def _without_turns(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """A description without what the ids begin with: of ours it says the seed too."""
    from ._account import part

    return {**about, "settings": {name: each for name, each in part(about, "settings").items() if name != "turns"}}


def _makers(record: Record, spec: str) -> Iterator[Callable[[int], Recommender]]:
    """Ways in which it may have been made, to be tried; what comes of them is compared with the record."""
    from ._account import part
    from ._named import make_named

    if "demo" in part(record.about, "program").get("argv", [])[1:2]:
        from ._demo import recommender

        yield recommender
    settings = part(part(record.about, "recommender"), "settings")
    objectives = record.about.get("objectives") or ["det"]

    def make(goal: Any, besides: Mapping[str, Any], seed: int) -> Recommender:
        assert record.space is not None, "the caller looks"
        named = make_named(spec, space=record.space, objective=str(objectives[0]), goal=goal)
        simple = {
            name: value
            for name, value in {**settings, **besides}.items()
            if name in named.signature.parameters
            and name not in {*named.given, "seed"}
            and isinstance(value, bool | int | float)
        }
        return replace(named, given={**named.given, **simple})(seed)

    for goal in ("maximize", "minimize", "map"):
        yield partial(make, goal, {})
        yield partial(make, goal, {"counts": True})  # what was counted is no setting of its own


def _named(record: Record, spec: str, seed: int | None, goal: str | None) -> Recommender:
    from ._account import part
    from ._named import make_named
    from ._teller import account_of

    if record.space is None:
        raise ValueError(f"run {record.entry.uid} had no recommender: there is nothing to ask again")
    known = account_of(record).goal if goal is None else None
    wanted: Any = goal or ("minimize" if known is not None and known[0] < 0 else "maximize")
    objectives = record.about.get("objectives") or ["det"]
    recorded: Any = part(record.about, "recommender").get("seed")
    named = make_named(spec, space=record.space, objective=known[1] if known else str(objectives[0]), goal=wanted)
    return named(recorded or 0 if seed is None else seed)
