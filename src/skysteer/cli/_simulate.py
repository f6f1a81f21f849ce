"""``skysteer simulate``: a recommender against a truth, before beamtime."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ._errors import INTERRUPTED, errors_said, only_ours_printed

__all__ = [
    "Axes",
    "Batch",
    "Budget",
    "Debug",
    "Json",
    "Linear",
    "Map",
    "Maximize",
    "Minimize",
    "Nearest",
    "NoiseText",
    "Objective",
    "TruthName",
    "simulate",
]


TruthName = Annotated[
    str,
    typer.Option(
        metavar="TRUTH",
        help="What is measured: peak, edge, phases, branin, himmelblau, hartmann6; module:function or "
        "path/to/file.py:function (of a point); or a recorded run: its .jsonl, or a folder of runs for the newest.",
    ),
]
Axes = Annotated[
    list[str] | None,
    typer.Option("--axis", help="x=-5:5:mm, or filter=Al,Cu for a choice; once for each. Default: what the truth has."),
]
Objective = Annotated[str | None, typer.Option(help="What is measured; by default what the truth names, or det.")]
Maximize = Annotated[bool, typer.Option("--maximize", help="Look for the largest value.")]
Minimize = Annotated[bool, typer.Option("--minimize", help="Look for the smallest value.")]
Map = Annotated[bool, typer.Option("--map", help="Judge the map that the points make. Default: what the truth is for.")]
Budget = Annotated[int, typer.Option(min=1, max=100_000, help="Points to measure.")]
Batch = Annotated[int, typer.Option(min=1, help="Points asked for and measured at a time.")]
NoiseText = Annotated[
    str | None,
    typer.Option("--noise", help="Of a reading: a standard deviation, or 'counts'. Default: the truth's own."),
]
Nearest = Annotated[
    bool, typer.Option("--nearest", help="Of a recorded run: the nearest measured point, and no emulator.")
]
Linear = Annotated[
    bool, typer.Option("--linear", help="Make maps by linear interpolation, also where the recommender predicts.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the numbers in JSON, and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def simulate(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="gaussian, sobol, random, grid; module:Class; path/to/file.py:Class.")
    ],
    *,
    truth: TruthName = "peak",
    axis: Axes = None,
    objective: Objective = None,
    maximize: Maximize = False,
    minimize: Minimize = False,
    map_: Map = False,
    budget: Budget = 50,
    batch: Batch = 1,
    noise: NoiseText = None,
    nearest: Nearest = False,
    linear: Linear = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the recommender, of the noise and of the truth.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the picture and the numbers.")] = Path("skysteer-simulation"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try a recommender on a function or on a recorded run, before beamtime.

    It is asked, the truth is read at the point it suggests, and it is told, as
    in a live scan but without engine and hardware. At the end: the best point,
    the regret (or the error of the map), the time of a suggestion, a picture.

    Exit code: 0 when it came to its end, 1 after an error, 130 after Ctrl-C
    (what there is by then is shown and kept).
    """
    with errors_said("skysteer simulate", debug=debug):
        from skysteer.errors import SkysteerError
        from skysteer.simulation import Simulation
        from skysteer.simulation import simulate as run

        from ._folder import check_writable, put_results
        from ._named import make_named
        from ._truths import progress_bar, trial_of

        with only_ours_printed(as_json=as_json):
            trial = trial_of(
                truth,
                axis or [],
                objective,
                maximize=maximize,
                minimize=minimize,
                map_=map_,
                noise=noise,
                nearest=nearest,
            )
            recommender = make_named(spec, space=trial.space, objective=trial.objective, goal=trial.goal)(seed)
        check_writable(out)
        failed: SkysteerError | None = None
        with progress_bar(silent=as_json) as bar, only_ours_printed(as_json=as_json):
            try:
                result = run(
                    recommender, trial.truth, space=trial.space, objectives=objective or (), goal=trial.goal,
                    budget=budget, batch=batch, noise=trial.noise, seed=seed,
                    reconstruction="linear" if linear else "own",
                    progress=None if bar is None else lambda done, total: bar(done, total, "points"),
                )  # fmt: skip
            except SkysteerError as exc:
                if not isinstance(exc.result, Simulation) or not len(exc.result):
                    raise
                result, failed = exc.result, exc
        draw = partial(result.plot, truth=trial.truth) if len(result) else None
        files = put_results(out, "simulation", result.to_json(), draw)
        if as_json:
            typer.echo(json.dumps({**result.as_dict(), "files": files}, indent=2, allow_nan=False))
        else:
            typer.echo("\n".join([str(result), *(f"{name}: {path}" for name, path in files.items())]))
        if failed is not None:
            raise failed
        if not result.complete:
            raise typer.Exit(INTERRUPTED)
