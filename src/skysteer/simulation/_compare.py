"""Several recommenders on one truth, with random, Sobol and grid beside."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skysteer.errors import RecommenderError, SpaceError, SuggestionError
from skysteer.model import Space
from skysteer.protocols import HasSpace, Recommender
from skysteer.recommenders import Sobol

from ._baselines import Random, even_grid
from ._comparison import Comparison, Run
from ._goodness import Reconstruction, best_value
from ._simulate import Aim, aim_of, evenly, simulate
from ._simulation import Simulation
from ._truth import Goal, Noise, Truth, Varying, as_truth

__all__ = ["BASELINES", "compare"]

Maker = Callable[..., Recommender]
Progress = Callable[[int, int, str], object]
"""Called with the points done, how many there will be at the most, and who is at it."""
log = logging.getLogger(__name__)

BASELINES = ("random", "sobol", "grid")
"""What stands beside the recommenders."""


def compare(
    recommenders: Mapping[str, Maker],
    truth: Any,
    *,
    space: Space | None = None,
    objectives: Sequence[str] | str = (),
    goal: Aim | None = None,
    budget: int = 50,
    batch: int = 1,
    seeds: int | Sequence[int] = 10,
    noise: Noise | Mapping[str, Noise] | None = None,
    reference: float | None = None,
    reconstruction: Reconstruction = "own",
    budgets: Sequence[int] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Try several recommenders on one truth, each with the same seeds and the same luck.

    Random points, a Sobol sequence and the even grid of as many points are
    always beside. Runs go seed by seed through all recommenders.

    Parameters
    ----------
    recommenders
        Name to what makes a fresh one: a function of a seed, or a class or function that
        has some of the parameters ``seed``, ``space``, ``objective``, ``objectives``, and
        the goal (``maximize``, ``minimize`` or ``map``, given the objective). One named
        random, sobol or grid takes the place of ours.
    truth, space, objectives, goal, budget, batch, noise, reference, reconstruction
        As for `simulate`.
    seeds
        How many, or which.
    budgets
        Numbers of points for the table; by default four, evenly.
    progress
        Called after every measurement.

    Returns
    -------
    Comparison
        After Ctrl-C what there is by then, with `Comparison.interrupted`. A recommender
        that raises, or suggests what cannot be measured, is in it with its error, and the
        others go on.

    Raises
    ------
    SpaceError
        If nobody says where to measure, or an axis has no limits.
    PointError
        If the truth returns no number for an objective, or none that is finite.
    ValueError
        If a number cannot be, or there is no truth of this name.
    """
    numbers = _seeds(seeds)
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"budget must be a whole number above 0, found {budget!r}")
    if wrong := [number for number in budgets if not 1 <= number <= budget]:
        raise ValueError(f"budgets must be between 1 and the budget of {budget}, found {wrong}")
    for name, make in recommenders.items():
        if not callable(make):
            raise TypeError(f"{name!r} is {make!r}; expected a function of a seed that makes a recommender")
    named = [objectives] if isinstance(objectives, str) else list(objectives)
    first = as_truth(truth, numbers[0], objectives=named, noise=noise)
    aim = aim_of(first, goal)
    space = space or first.space or _space_of(recommenders, numbers[0], first, aim)
    table = tuple(sorted(set(budgets))) or evenly(budget, batch, 4)
    checkpoints = sorted({*table, *evenly(budget, batch), budget})
    contest = _Contest(recommenders, space, aim, budget, batch, checkpoints, reconstruction, progress)
    interrupted = False
    try:
        known, best = first.remembering(), reference
        for number, seed in enumerate(numbers):
            if number and isinstance(truth, str | Varying):
                known, best = as_truth(truth, seed, objectives=named, noise=noise).remembering(), reference
            if aim != "map" and best is None:
                best = best_value(known, space, aim)
            if not contest.run(known, seed, best, len(numbers)):
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
    return Comparison(
        truth=first.name, objective=first.objective, units=first.units.get(first.objective, ""), goal=aim,
        budget=budget, budgets=table, seeds=tuple(numbers), names=contest.names, baselines=contest.baselines,
        runs=tuple(_referred(contest.runs)), reconstruction=reconstruction, interrupted=interrupted,
    )  # fmt: skip


class _Contest:
    """All runs, one after the other."""

    def __init__(
        self, recommenders: Mapping[str, Maker], space: Space, goal: Goal, budget: int, batch: int,
        checkpoints: Sequence[int], reconstruction: Reconstruction, progress: Progress | None,
    ) -> None:  # fmt: skip
        beside: dict[str, Maker] = {"random": Random, "sobol": Sobol, "grid": _no_grid}
        self.baselines = frozenset(name for name in beside if name not in recommenders)
        self._makers = {**recommenders, **{name: beside[name] for name in BASELINES if name in self.baselines}}
        self.names = tuple(self._makers)
        self.runs: list[Run] = []
        self._space = space
        self._goal: Goal = goal
        self._budget, self._batch, self._checkpoints = budget, batch, checkpoints
        self._reconstruction: Reconstruction = reconstruction
        self._progress = progress
        self._done = 0
        self._total = 0

    def run(self, truth: Truth, seed: int, reference: float | None, seeds: int) -> bool:
        """Run all with one seed; False after Ctrl-C."""
        self._total = self._budget * seeds * len(self.names)
        for name, make in self._makers.items():
            if name == "grid" and name in self.baselines:
                run = self._grids(truth, seed, reference)
            else:
                run = self._one(name, make, truth, seed, reference)
            self.runs.append(run)
            self._done += self._budget
            self._tell(0, f"{name}, seed {seed}")
            if run.error is None and not run.complete:
                return False
        return True

    def _one(self, name: str, make: Maker, truth: Truth, seed: int, reference: float | None) -> Run:
        recommender = None
        try:
            recommender = _made(name, make, seed, self._space, truth, self._goal)
            return Run(name, seed, self._simulated(recommender, name, truth, seed, reference, self._budget))
        except (RecommenderError, SuggestionError, SpaceError) as exc:
            result: Any = exc.result
            return Run(name, seed, result, f"{type(exc).__name__}: {exc}")
        finally:
            # End what it may have begun beside: nobody else holds it.
            if callable(close := getattr(recommender, "close", None)):
                try:
                    close()
                except Exception:  # what it found is found
                    log.warning("%s raised in close() after seed %d", name, seed, exc_info=True)

    def _grids(self, truth: Truth, seed: int, reference: float | None) -> Run:
        grids: dict[int, Simulation] = {}
        sizes: dict[int, Simulation] = {}
        for number in self._checkpoints:
            if (grid := even_grid(self._space, number)) is None:
                continue
            size = len(grid)
            if size not in sizes:
                sizes[size] = self._simulated(grid, "grid", truth, seed, reference, size)
                if not sizes[size].complete:
                    return Run("grid", seed, sizes[size], grids=grids)
            grids[number] = sizes[size]
        if not grids:
            return Run("grid", seed, None, f"the even grid of the choices alone has more than {self._budget} points")
        return Run("grid", seed, sizes[max(sizes)], grids=grids)

    def _simulated(
        self, recommender: Recommender, name: str, truth: Truth, seed: int, reference: float | None, budget: int
    ) -> Simulation:
        return simulate(
            recommender, truth, space=self._space, goal=self._goal, budget=budget, batch=self._batch, seed=seed,
            reference=reference, reconstruction=self._reconstruction,
            checkpoints=[budget] if name == "grid" else self._checkpoints, name=name,
            progress=None if name == "grid" else lambda done, _: self._tell(done, f"{name}, seed {seed}"),
        )  # fmt: skip

    def _tell(self, done: int, what: str) -> None:
        if self._progress is not None:
            self._progress(self._done + done, self._total, what)


def _made(name: str, make: Maker, seed: int, space: Space, truth: Truth, goal: Goal) -> Recommender:
    """Make a recommender, with what its maker has parameters for."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):  # some builtins have none
        parameters = {"seed": inspect.Parameter("seed", inspect.Parameter.POSITIONAL_ONLY)}
    required = [
        p for p in parameters.values() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    said: dict[str, Any] = {goal: truth.objective, "objective": truth.objective, "objectives": list(truth.objectives)}
    first = next((each for each in said if each in parameters), None)  # one of them says it
    needed = {p.name for p in required}
    known: dict[str, Any] = {each: value for each, value in said.items() if each == first or each in needed}
    known = {"seed": seed, "space": space, **known}
    strange = [p.name for p in required if p.name not in known or p.kind is p.POSITIONAL_ONLY]
    try:
        if len(required) == 1 and strange:  # lambda s: ...
            made = make(seed)
        else:
            made = make(**{key: value for key, value in known.items() if key in parameters})
    except (Exception, SystemExit) as exc:
        raise RecommenderError(f"{name} cannot be made with seed {seed}, {type(exc).__name__}: {exc}") from exc
    if isinstance(made, type) or not isinstance(made, Recommender):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RecommenderError(f"{name} made {made!r}, which is no recommender: it needs ingest(points) and suggest()")
    return made


def _space_of(recommenders: Mapping[str, Maker], seed: int, truth: Truth, goal: Goal) -> Space:
    """The space of the first recommender that knows one, where truth and caller do not say."""
    for name, make in recommenders.items():
        parameters = inspect.signature(make).parameters
        if "space" in parameters and parameters["space"].default is inspect.Parameter.empty:
            continue
        made = _made(name, make, seed, None, truth, goal)  # pyright: ignore[reportArgumentType]  it has no such parameter
        if isinstance(made, HasSpace):
            return made.space
    raise SpaceError(f"neither the truth {truth.name!r} nor a recommender says where to measure: give space=...")


def _no_grid() -> Recommender:
    raise AssertionError("grids are made for each number of points")


def _referred(runs: Sequence[Run]) -> list[Run]:
    """Refer all regrets of one seed to the best value that any of them came upon."""

    def better(simulation: Simulation) -> Simulation:
        if simulation.reference is None:
            return simulation
        values = references[simulation.seed]
        return replace(simulation, reference=min(values) if simulation.goal == "minimize" else max(values))

    references: dict[int, list[float]] = {}
    for run in runs:
        for each in (run.simulation, *(run.grids or {}).values()):
            if each is not None and each.reference is not None:
                references.setdefault(each.seed, []).append(each.reference)
    return [
        replace(
            run,
            simulation=None if run.simulation is None else better(run.simulation),
            grids=None if run.grids is None else {number: better(each) for number, each in run.grids.items()},
        )
        for run in runs
    ]


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers or len(set(numbers)) != len(numbers) or min(numbers) < 0:
        raise ValueError(f"seeds must be how many, or different whole numbers from 0 on; found {seeds!r}")
    return numbers
