"""gpCAM's Gaussian process as a recommender: its acquisition functions, training and cost. Needs gpCAM."""

from __future__ import annotations

import copy
import gc
import importlib.util
import math
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any, Literal

import numpy as np
from gpcam import GPOptimizer as _GPOptimizer
from gpcam import kernels as _kernels

from skysteer.errors import PointError
from skysteer.model import Choice, Space

from ._candidates import SAME, TOO_NEAR, Array, Box, Offers, places, within
from ._led import Chosen, Goal, Led, ModelError, Why, scaling
from ._turns import Point
from ._wording import written

__all__ = ["ACQUISITIONS", "TRAINING_METHODS", "GpCAM"]

GPOptimizer: Any = _GPOptimizer  # they have no types
kernels: Any = _kernels

ACQUISITIONS: Mapping[str, str | None] = {
    "expected improvement": None,
    "noisy expected improvement": None,
    "probability of improvement": None,
    "knowledge gradient": None,
    "ucb": "maximize",
    "maximum": "maximize",
    "lcb": "minimize",
    "minimum": "minimize",
    "variance": None,
    "gradient": None,
    "target probability": None,
    "relative information entropy": None,
    "relative information entropy set": None,
    "total correlation": None,
}
"""gpCAM's acquisition functions by name, and the goal that one belongs to where it is for that goal only."""
JOINT = frozenset({"relative information entropy", "total correlation"})
"""Those that say one number of all the places they are given: they are asked of one place at a time."""
SIGNED = frozenset({"ucb", "lcb", "maximum", "minimum", *JOINT, "relative information entropy set"})
"""Those that may be below zero: what is divided by a cost then prefers dear places."""
REASONS: Mapping[str, tuple[str, str]] = {
    "expected improvement": ("largest expected improvement of {name}:", "width"),
    "noisy expected improvement": ("largest noisy expected improvement of {name}:", "width"),
    "probability of improvement": ("largest probability of an improvement of {name}:", "part"),
    "knowledge gradient": ("largest knowledge gradient of {name}:", "width"),
    "ucb": ("highest mean + 3 standard deviations: {name} =", "reading"),
    "lcb": ("lowest mean - 3 standard deviations: {name} =", "reading"),
    "maximum": ("highest expected value: {name} =", "reading"),
    "minimum": ("lowest expected value: {name} =", "reading"),
    "variance": ("largest uncertainty: {name} ±", "width"),
    "gradient": ("largest slope times standard deviation of {name}", ""),
    "target probability": ("largest probability that {name} is in {low}...{high}:", "part"),
}
"""What is said of what a place is worth, and whether that is a reading, in their units, or a part of 1."""

Training = Literal["local", "global", "mcmc", "adam", "bo"]
TRAINING_METHODS: Mapping[str, int] = {"local": 200, "global": 60, "mcmc": 1000, "adam": 300, "bo": 60}
"""How gpCAM may train its hyperparameters, and the most iterations it is given."""
LATER = (20, 40, 80, 160, 320)
"""Where it is trained again by default. Training takes a second at 200 readings and half a minute at 1000."""

BLOCK = 256
"""So many places are scored at once: gpCAM makes a square matrix of them."""
JOINT_OFFERED = 128
"""So many places are looked at where only one can be scored at a time."""

AcquisitionFunction = Callable[[Array, Any], Array]
CostFunction = Callable[[Array, Array], Array]


class GpCAM(Led):
    """Asks gpCAM where to measure next.

    The first points fill the space. Then a gpCAM `GPOptimizer`, held here and
    told each reading by a rank-one update, is asked.

    Parameters
    ----------
    space
        Where to suggest: a `Space` whose axes have limits, or a list of
        candidates (mappings of numbers and words), of which each is suggested once.
    maximize, minimize, map
        The name of the objective: exactly one of the three.
    acquisition
        One of gpCAM's by its name (`ACQUISITIONS`), or a function
        ``f(x, gp) -> (n,)`` as gpCAM takes it, larger is better. By default
        ``"expected improvement"``, and ``"variance"`` for a map;
        ``"gradient"`` maps borders.
    target
        ``(low, high)`` of ``"target probability"``, in the units of the objective.
    training
        At how many readings the hyperparameters are trained: numbers, or
        numbers to methods (`TRAINING_METHODS`); ``"local"`` by default. By
        default at `initial`, then at 20, 40, 80, 160 and 320.
    noise
        Standard deviation of a reading, in the units of the objective;
        ``"poisson"`` for counts; a function of the point as it was told; or
        ``None``, then one noise for all is trained.
    cost
        What a move costs: speeds, axis name to units per second, of axes that
        move at the same time; or a function ``f(origin, x) -> (n,)`` of a
        (dimensions,) and a (n, dimensions) array in the units of the axes,
        above zero, as gpCAM takes it. The acquisition is divided by it.
    exposure
        Seconds that are added to the time of a move by `speeds`.
    search
        How gpCAM searches a space: ``"global"`` (differential evolution) or ``"local"``.
    gp2scale, dask_client, block
        Let gpCAM's gp2Scale compute a sparse covariance on the workers of a
        Dask client (which stays the caller's), `block` points a task. Needs the package imate; it trains by
        ``"mcmc"`` or ``"bo"`` only.
    options
        More arguments of `gpcam.GPOptimizer`, such as ``kernel_function``
        with ``init_hyperparameters``; then give `hyperparameter_bounds` too.
    hyperparameter_bounds
        (n, 2) array for training. By default those of gpCAM's own kernel here:
        variance, one correlation length a column, and the noise where it is trained.
    seed
        The same seed and the same points: the same suggestions.
    initial
        How many readings before gpCAM leads; by default 5, or two for each
        axis if that is more.
    features
        Names of the candidates that describe them and are not moved; gpCAM
        then learns from these alone.

    Raises
    ------
    SpaceError
        If an axis has no limits, or the candidates are no table.
    ValueError
        If an argument cannot be.
    ImportError
        For gp2Scale without the package imate.

    Notes
    -----
    gpCAM sees columns in 0...1 (a choice has one for each option) and
    standardised readings, larger is better; so do an acquisition function, a
    kernel and `options` of your own. What is underway is taken to come out as
    gpCAM expects, so batches spread out.

    gpCAM draws from NumPy's global random state; it is seeded around each call
    and put back as it was.

    A list of candidates is scored in blocks. gpCAM by itself makes a square
    matrix of all of them.

    One with a Dask client cannot be pickled: run it in a thread.
    """

    def __init__(
        self,
        space: Space | Sequence[Mapping[str, Any]],
        *,
        maximize: str | None = None,
        minimize: str | None = None,
        map: str | None = None,  # noqa: A002  the word for it
        acquisition: str | AcquisitionFunction | None = None,
        target: tuple[float, float] | None = None,
        training: Sequence[int] | Mapping[int, Training] | None = None,
        noise: float | Literal["poisson"] | Callable[[Point], float] | None = None,
        cost: Mapping[str, float] | CostFunction | None = None,
        exposure: float = 1.0,
        search: Literal["global", "local"] = "global",
        gp2scale: bool = False,
        dask_client: Any = None,
        block: int = 10_000,
        options: Mapping[str, Any] | None = None,
        hyperparameter_bounds: Array | None = None,
        seed: int = 0,
        initial: int | None = None,
        features: Sequence[str] = (),
    ) -> None:
        found = places(space, features, "GpCAM")
        self._goal = Goal.of(found.space, maximize, minimize, map)
        self._acquisition = _acquisition(acquisition, self._goal)
        self._target = _target(target, self._acquisition)
        self._noise: Any = _noise(noise)
        if search not in ("global", "local"):
            raise ValueError(f"search must be 'global' or 'local', found {search!r}")
        if cost is not None and self._acquisition in SIGNED:
            raise ValueError(f"{self._acquisition!r} may be below zero and cannot be divided by a cost")
        made_of = (self._goal, acquisition, target, training, noise, cost, exposure, search, gp2scale, options)
        super().__init__("gpcam", found, made_of, seed=seed, initial=initial)
        self._cost = None if cost is None else _Cost(found.space, found.dimensions, cost, exposure)
        self._search = search
        self._training = _schedule(training, self._initial, "mcmc" if gp2scale else "local")
        self._dask = _dask(gp2scale, dask_client, block, self._training)
        self._options = dict(options or {})
        if "init_hyperparameters" in self._options and hyperparameter_bounds is None and self._training:
            raise ValueError("init_hyperparameters of your own need hyperparameter_bounds, or training=()")
        self._bounds = None if hyperparameter_bounds is None else np.asarray(hyperparameter_bounds, float)
        self._trained: dict[int, Array] = {}  # readings trained on -> hyperparameters
        self._rejected: dict[int, str] = {}  # readings trained on -> why that training is not used
        self._held: tuple[int, Any] | None = None  # readings told to it, and gpCAM

    # ------------------------------------------------------------ what it says

    def get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, float]]]:
        """Return ``(_id, axes, objectives)`` of the measured point with the best expected value.

        Empty for a map, and before the first finite reading.
        """
        if self._goal.kind == "map" or not self._count:
            return []
        try:
            expected, _ = self._expected(self._stack(self._rows))
        except ModelError:
            expected = np.array([value for value, _ in self._values])
        best = int(np.argmax(expected))
        name, axes = self._points[best]
        return [(name, dict(axes), {self._goal.objective: self._goal.sign * self._values[best][0]})]

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return mean and standard deviation, (n,) each, that gpCAM expects at n points.

        In the units of the objective, without the noise of a reading.

        Raises
        ------
        ValueError
            If there are fewer than two readings to learn from.
        """
        try:
            mean, sd = self._expected(self._places.rows(points))
        except ModelError as exc:
            raise ValueError(f"nothing to predict from: {exc}") from exc
        shift, width = self._scaling(self._anchor())
        return self._goal.sign * (mean * width + shift), sd * width

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        used = self._trained[max(self._trained)] if self._trained else None
        best = self.get_best_points()
        return {
            **super().report(),
            "objective": self._goal.objective,
            "goal": self._goal.kind,
            "acquisition": self._acquisition if isinstance(self._acquisition, str) else _name(self._acquisition),
            "trained_at": sorted(number for number in self._trained if number),
            "hyperparameters": None if used is None else used.tolist(),
            "trainings_rejected": len(self._rejected),
            "last_rejected": self._rejected[max(self._rejected)] if self._rejected else None,
            "best": {**best[0][1], **best[0][2]} if best else None,
        }

    def __repr__(self) -> str:
        return f"<GpCAM, {self._goal.kind} {self._goal.objective!r}>"

    def __getstate__(self) -> dict[str, Any]:
        if self._dask.get("dask_client") is not None:
            raise TypeError("a GpCAM with a Dask client cannot travel to another process: run it in a thread")
        # gpCAM is made again from the readings, and is the same.
        return {**vars(self), "_held": None}

    # ------------------------------------------------------------ how it chooses

    def _read(self, point: Point) -> tuple[float, float] | None:
        """The reading and its variance (NaN where it is trained)."""
        value = self._goal.read(point)
        if value is None:
            return None
        if self._noise is None:
            return value, math.nan
        if self._noise == "poisson":
            return value, max(abs(value), 1.0)
        sd = self._noise(point) if callable(self._noise) else self._noise
        if not (isinstance(sd, int | float) and math.isfinite(sd) and sd > 0):
            raise PointError(f"noise gave {sd!r} for a point, expected a standard deviation above zero")
        return value, float(sd) ** 2

    def _worth(self, rows: Array, underway: Array) -> tuple[Array, Why]:
        gp = self._believing(underway)
        size = 1 if self._acquisition in JOINT else BLOCK
        scored = [
            np.asarray(
                gp.evaluate_acquisition_function(
                    rows[at], acquisition_function=self._function(), origin=self._origin(underway)
                ),
                float,
            ).reshape(-1)
            for at in np.array_split(np.arange(len(rows)), math.ceil(len(rows) / size))
        ]
        worth = np.concatenate(scored)

        def why(number: int) -> str:
            alike = f"all {len(worth)} places are alike: " if worth.max() <= worth.min() else ""
            return alike + self._because(float(worth[number]))

        return worth, why

    def _likes_most(self, offers: Offers, underway: Array) -> Chosen:
        known = self._count + len(self._avoid)
        with _random((self._seed, known, len(underway))), _as_model_error():
            if self._acquisition in JOINT and len(offers) > JOINT_OFFERED:
                offers = offers.some(np.random.permutation(len(offers))[:JOINT_OFFERED])  # noqa: NPY002  seeded above
            elif isinstance(self._places, Box) and not _has_choice(self.space):
                asked, worth = self._asked_for(underway)
                row = self.space.to_unit(self.space.from_unit(asked))
                avoid = self._stack([*self._avoid, *underway])
                near = within(row, avoid, TOO_NEAR) | within(row, self._stack(self._rows), SAME)
                if not near[0]:
                    local = "local search for the " if self._search == "local" else ""
                    return Chosen(row[0], dict(self.space.from_unit(row)[0]), local + self._because(worth))
            return super()._likes_most(offers, underway)

    def _asked_for(self, underway: Array) -> tuple[Array, float]:
        """The (1, dimensions) row that gpCAM asks for, and what it is worth."""
        bounds = np.tile([0.0, 1.0], (self._places.dimensions, 1))
        answer = self._believing(underway).ask(
            bounds, acquisition_function=self._function(), position=self._origin(underway), method=self._search
        )
        row = np.asarray(answer["x"], float).reshape(1, -1)
        if not np.isfinite(row).all():
            raise ModelError("gpCAM asked for NaN")
        return np.clip(row, 0.0, 1.0), float(np.asarray(answer["f_a(x)"], float).reshape(-1)[0])

    def _because(self, worth: float) -> str:
        """Say what is the largest there, of its standardised value."""
        if not isinstance(self._acquisition, str):
            return f"largest value of {_name(self._acquisition)}: {written(worth, digits=3)}{self._per()}"
        if self._acquisition not in REASONS:
            return f"largest value of gpCAM's {self._acquisition!r}{self._per()}"
        shift, width = self._scaling(self._anchor())
        words, unit = REASONS[self._acquisition]
        low, high = self._target or (math.nan, math.nan)
        why = words.format(name=self._goal.objective, low=written(low, digits=8), high=written(high, digits=8))
        if unit:
            values = {"reading": self._goal.sign * (worth * width + shift), "width": worth * width, "part": worth}
            why = f"{why} {written(values[unit], digits=3)}"
        why += self._per()
        if self._acquisition not in ("expected improvement", "probability of improvement"):
            return why
        best = self._goal.sign * max(value for value, _ in self._values)
        return f"{why}, best reading {written(best)}"

    def _per(self) -> str:
        if self._cost is None:
            return ""
        return " per second" if self._cost.in_seconds else " per cost"

    def _function(self) -> Any:
        if self._acquisition in ("lcb", "minimum"):  # it learns what is to be minimized with the other sign
            return {"lcb": "ucb", "minimum": "maximum"}[str(self._acquisition)]
        return self._acquisition

    def _origin(self, underway: Array) -> Array | None:
        if self._cost is None:
            return None
        return underway[-1] if len(underway) else self._last

    # ------------------------------------------------------------ gpCAM

    def _anchor(self) -> int:
        """With how many of the readings gpCAM is made; the later ones are told to it one by one."""
        doubled = (1 << power for power in range(1, self._count.bit_length()))
        return max((n for n in (*doubled, *self._training) if n <= self._count), default=0)

    def _scaling(self, anchor: int) -> tuple[float, float]:
        return scaling(np.array([value for value, _ in self._values[:anchor]]))

    def _data(self, anchor: int, first: int, last: int) -> tuple[Array, Array, Array | None]:
        """Rows, values and noise variances of some readings, in units of the first `anchor` ones."""
        shift, width = self._scaling(anchor)
        values = np.array([value for value, _ in self._values[first:last]])
        variances = np.array([variance for _, variance in self._values[first:last]])
        noise = None if self._noise is None else np.maximum(variances / width**2, 1e-8)
        return self._stack(self._rows[first:last]), (values - shift) / width, noise

    def _gp(self) -> Any:
        anchor = self._anchor()
        if anchor < 2:
            raise ModelError(f"{self._count} finite readings are too few")
        told, gp = self._held or (0, None)
        if gp is None or told < anchor:
            gp = self._held = None
            told, gp = anchor, self._made(anchor, self._hyperparameters(anchor))
        while told < self._count:  # one by one, however they were learnt: the same rounding, the same suggestions
            rows, values, noise = self._data(anchor, told, told + 1)
            gp.tell(rows, values, noise_variances=noise, append=True)
            told += 1
        self._held = told, gp
        return gp

    def _hyperparameters(self, anchor: int) -> Array:
        """What was trained last, of the first readings alone: whoever knows them has the same."""
        at = max((n for n in self._training if n <= anchor), default=0)
        if at not in self._trained:
            with _random((self._seed, at)):
                self._trained[at] = self._train(at, self._start(), self._training[at]) if at else self._start()
        return self._trained[at]

    def _train(self, anchor: int, start: Array, method: str) -> Array:
        gp = self._made(anchor, start)
        before = float(gp.log_likelihood())
        bounds = self._default_bounds() if self._bounds is None else self._bounds
        try:
            with warnings.catch_warnings():
                # It warns where a budget was short or nothing better was found: the likelihoods tell that.
                warnings.simplefilter("ignore", UserWarning)
                found = gp.train(
                    hyperparameter_bounds=bounds,
                    init_hyperparameters=start,
                    method=method,
                    max_iter=TRAINING_METHODS[method],
                    accept_only_if_improved=False,
                )
            found = np.clip(np.asarray(found, float), bounds[:, 0], bounds[:, 1])
            gp.set_hyperparameters(found)
            after = float(gp.log_likelihood())
        except Exception as exc:  # whatever gpCAM may raise
            self._rejected[anchor] = f"{method} at {anchor} readings: {type(exc).__name__}: {exc}"
            return start
        if not after >= before:
            self._rejected[anchor] = f"{method} at {anchor} readings made the likelihood worse"
            return start
        return found

    def _made(self, count: int, hyperparameters: Array) -> Any:
        if self._dask:  # a client serves one gpCAM only: what is left of the one before has to go first
            gc.collect()
            self._dask["dask_client"].run(_nothing)
        rows, values, noise = self._data(count, 0, count)
        given: dict[str, Any] = {"noise_variances": noise}
        if noise is None and "noise_function" not in self._options:
            given = {"noise_function": _last, "noise_function_grad": _last_slope}
        if self._dask:
            given["kernel_function"] = kernels.wendland_anisotropic_gp2Scale_cpu
        options = {**given, **self._dask, **self._options, "init_hyperparameters": hyperparameters}
        return GPOptimizer(rows, values, cost_function=self._cost, args=self._args(count), **options)

    def _args(self, anchor: int) -> dict[str, float] | None:
        if self._target is None:
            return None
        shift, width = self._scaling(anchor)
        low, high = sorted((self._goal.sign * limit - shift) / width for limit in self._target)
        return {"a": low, "b": high}

    def _start(self) -> Array:
        if "init_hyperparameters" in self._options:
            return np.asarray(self._options["init_hyperparameters"], float)
        trains_noise = self._noise is None and "noise_function" not in self._options
        return np.array([1.0, *[0.3] * self._places.dimensions, *([0.01] if trains_noise else [])])

    def _default_bounds(self) -> Array:
        trains_noise = self._noise is None and "noise_function" not in self._options
        lengths = [[0.02, 20.0]] * self._places.dimensions
        return np.array([[0.01, 100.0], *lengths, *([[1e-6, 1.0]] if trains_noise else [])])

    def _believing(self, underway: Array) -> Any:
        """Return gpCAM as it would be if what is underway came out as it expects."""
        gp = self._gp()
        if not len(underway) or self._dask:  # a sparse one has its data on the workers: it is not copied
            return gp
        believer = copy.deepcopy(gp)
        expected = np.asarray(believer.posterior_mean(underway)["m(x)"], float).reshape(-1)
        _, _, known = self._data(self._anchor(), 0, self._count)
        noise = None if known is None else np.full(len(underway), float(known.mean()))
        believer.tell(underway, expected, noise_variances=noise, append=True)
        return believer

    def _expected(self, rows: Array) -> tuple[Array, Array]:
        with _as_model_error():
            gp = self._gp()
            means: list[Array] = []
            variances: list[Array] = []
            for at in np.array_split(np.arange(len(rows)), math.ceil(len(rows) / BLOCK)):
                means.append(np.asarray(gp.posterior_mean(rows[at])["m(x)"], float).reshape(-1))
                found = gp.posterior_covariance(rows[at], variance_only=True)["v(x)"]
                variances.append(np.asarray(found, float).reshape(-1))
        return np.concatenate(means), np.sqrt(np.maximum(np.concatenate(variances), 0.0))


class _Cost:
    """What a move costs, as gpCAM asks for it."""

    def __init__(
        self, space: Space, dimensions: int, cost: Mapping[str, float] | CostFunction, exposure: float
    ) -> None:
        if _has_choice(space) or dimensions != len(space):
            raise ValueError("a cost needs a space, or candidates, of axes with numbers only, and no features")
        limits: list[Any] = list(space.axes)
        self._low = np.array([axis.low for axis in limits])
        self._width = np.array([axis.high - axis.low for axis in limits])
        self._function = None
        self.in_seconds = isinstance(cost, Mapping)
        if not isinstance(cost, Mapping):
            self._function = cost
            return
        speeds: dict[str, float] = dict(cost)  # pyright: ignore[reportUnknownArgumentType]
        if set(speeds) != set(space) or not all(speed > 0 for speed in speeds.values()):
            raise ValueError(f"cost must give a speed above zero for each of {list(space)}, found {speeds}")
        if not exposure > 0:
            raise ValueError(f"exposure must be above zero seconds, found {exposure}")
        self._speeds = np.array([speeds[name] for name in space])
        self._exposure = exposure

    def __call__(self, origin: Array, x: Array) -> Array:
        x = np.atleast_2d(x)
        if self._function is not None:
            here = self._low + self._width * np.asarray(origin, float).reshape(-1)
            return np.asarray(self._function(here, self._low + self._width * x), float)
        seconds = np.abs(x - origin) * self._width / self._speeds
        return self._exposure + seconds.max(axis=1)


def _nothing() -> None:
    """Make each Dask worker answer, and thereby free what it no longer needs."""


def _last(x: Array, hyperparameters: Array) -> Array:
    """The noise variance is the last hyperparameter; training by "adam" knows no bounds."""
    return np.full(len(x), max(float(hyperparameters[-1]), 1e-6))


def _last_slope(x: Array, hyperparameters: Array) -> Array:
    slope = np.zeros((len(hyperparameters), len(x)))
    slope[-1] = 1.0
    return slope


@contextmanager
def _random(seed: Sequence[int]) -> Generator[None]:
    """Seed NumPy's global random state, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002  gpCAM draws from it
    np.random.seed([number % 2**32 for number in seed])  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@contextmanager
def _as_model_error() -> Generator[None]:
    """What gpCAM raises is said and recorded, and the space filling goes on."""
    try:
        yield
    except ModelError:
        raise
    except Exception as exc:
        raise ModelError(f"gpCAM raised {type(exc).__name__}: {exc}") from exc


def _acquisition(given: str | AcquisitionFunction | None, goal: Goal) -> str | AcquisitionFunction:
    if given is None:
        return "variance" if goal.kind == "map" else "expected improvement"
    if callable(given):
        return given
    if given not in ACQUISITIONS:
        raise ValueError(f"acquisition must be a function or one of {list(ACQUISITIONS)}, found {given!r}")
    needed = ACQUISITIONS[given]
    if needed is not None and needed != goal.kind:
        raise ValueError(f"{given!r} is for {needed}=, found {goal.kind}={goal.objective!r}")
    return given


def _target(target: tuple[float, float] | None, acquisition: str | AcquisitionFunction) -> tuple[float, float] | None:
    if (target is None) == (acquisition == "target probability"):
        raise ValueError("acquisition='target probability' and target=(low, high) go together: give both or neither")
    if target is not None and not (len(target) == 2 and target[0] < target[1]):
        raise ValueError(f"target must be (low, high) with low below high, found {target}")
    return target


def _noise(noise: Any) -> Any:
    if noise is None or callable(noise) or noise == "poisson":
        return noise
    if not isinstance(noise, int | float) or not (math.isfinite(noise) and noise > 0):
        raise ValueError(
            f"noise must be a standard deviation above zero, 'poisson', a function or None, found {noise!r}"
        )
    return float(noise)


def _schedule(training: Sequence[int] | Mapping[int, Training] | None, initial: int, method: str) -> dict[int, str]:
    if training is None:
        return dict.fromkeys((initial, *(later for later in LATER if later > initial)), method)
    given = dict(training) if isinstance(training, Mapping) else dict.fromkeys(training, method)
    for number, how in given.items():
        if not isinstance(number, Integral) or number < 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"training must be at whole numbers of readings from 2 on, found {number!r}")
        if how not in TRAINING_METHODS:
            raise ValueError(f"training must be by one of {list(TRAINING_METHODS)}, found {how!r} at {number}")
    return {int(number): str(how) for number, how in given.items()}


def _dask(wanted: bool, client: Any, block: int, training: Mapping[int, str]) -> dict[str, Any]:  # noqa: FBT001
    if not wanted:
        if client is not None:
            raise ValueError("dask_client is for gp2Scale: give gp2scale=True too")
        return {}
    if client is None:
        raise ValueError("gp2scale=True needs dask_client=, a distributed.Client")
    if importlib.util.find_spec("imate") is None:
        raise ImportError("gp2Scale needs the package imate, which is not installed")
    if wrong := sorted({how for how in training.values() if how not in ("mcmc", "bo")}):
        raise ValueError(f"gp2Scale trains by 'mcmc' or 'bo', found {wrong}")
    return {"gp2Scale": True, "dask_client": client, "gp2Scale_batch_size": block}


def _has_choice(space: Space) -> bool:
    return any(isinstance(axis, Choice) for axis in space.axes)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
