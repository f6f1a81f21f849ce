"""``skysteer compare``: several recommenders against one truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ._errors import INTERRUPTED, errors_said, only_ours_printed
from ._simulate import (
    Axes,
    Batch,
    Budget,
    Debug,
    Json,
    Linear,
    Map,
    Maximize,
    Minimize,
    Nearest,
    NoiseText,
    Objective,
    TruthName,
)

__all__ = ["compare"]


def compare(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC...", help="gaussian; module:Class; path/to/file.py:Class; one or more."),
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
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="How often each is run, from seed 0 on.")] = 10,
    out: Annotated[Path, typer.Option(help="Folder for the picture and the numbers.")] = Path("skysteer-comparison"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare recommenders on a function or on a recorded run, before beamtime.

    All have the same seeds and the same noise; random points, a Sobol sequence
    and the even grid of as many points are always beside. At the end: regret
    (or the error of the map) after so many points, median and quartiles, as a
    table and as a picture.

    Exit code: 0 when all came to their end, 1 after an error or where a
    recommender failed (the others are shown), 130 after Ctrl-C (what there is
    by then is shown and kept).
    """
    with errors_said("skysteer compare", debug=debug):
        from rich.console import Console

        from skysteer.protocols import Recommender
        from skysteer.simulation import compare as run

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
            makers: dict[str, Callable[[int], Recommender]] = {
                name: make_named(spec, space=trial.space, objective=trial.objective, goal=trial.goal)
                for name, spec in _labels(specs).items()
            }
        check_writable(out)
        with progress_bar(silent=as_json) as bar, only_ours_printed(as_json=as_json):
            result = run(
                makers, trial.truth, space=trial.space, objectives=objective or (), goal=trial.goal, budget=budget,
                batch=batch, noise=trial.noise, seeds=seeds, reconstruction="linear" if linear else "own", progress=bar,
            )  # fmt: skip
        drawn = any(result.curve(name).numbers for name in result.names)
        files = put_results(out, "comparison", result.to_json(), result.plot if drawn else None)
        if as_json:
            typer.echo(json.dumps({**result.as_dict(), "files": files}, indent=2, allow_nan=False))
        else:
            console = Console(highlight=False, soft_wrap=False)
            console.print(result if console.is_terminal else str(result), markup=False, soft_wrap=True)
            typer.echo("\n".join(f"{name}: {path}" for name, path in files.items()))
        if result.interrupted:
            raise typer.Exit(INTERRUPTED)
        if any(result.failures(name) for name in makers):
            raise typer.Exit(1)


def _labels(specs: Sequence[str]) -> dict[str, str]:
    """Name to spec; what stands beside anyway is not named twice."""
    from skysteer.simulation import BASELINES

    wanted = [spec for spec in dict.fromkeys(specs) if spec not in BASELINES]
    short = [spec.rpartition(":")[2] for spec in wanted]
    return {name if short.count(name) == 1 else spec: spec for name, spec in zip(short, wanted, strict=True)}
