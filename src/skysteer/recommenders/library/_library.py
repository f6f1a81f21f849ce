"""Chooses among the samples of a library: a table of candidates with features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, cast
from zlib import crc32

import numpy as np

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Space
from skysteer.recommenders._bounded import bounded
from skysteer.recommenders._matern import Array
from skysteer.recommenders._reasons import Reasons
from skysteer.recommenders._turns import Point, Turns
from skysteer.recommenders.gaussian._readings import LARGEST

from ._chooser import Chooser, nearest
from ._goals import Cover
from ._match import Match
from ._models import GIB, MOST_FITTED, Model, Models, taken_over
from ._reasons import Goal, Pick, Question
from ._route import short_way
from ._samples import Samples, grid_samples, read_samples
from ._states import SampleState, SampleStates, State

__all__ = ["LibraryRecommender", "SampleState", "State"]

Id = str | int | float

EXPECTED = 5000
"""With ``dtype=None``, so many readings must fit into the memory in float64; else it is float32."""
FEWEST = 64
"""A library of which not even so many readings fit into the memory is refused."""
EDGE_FITTED = 100
"""Looking for edges, the kernel is fitted to so many readings at the most; more only say that edges are narrow."""
WIDEST_EDGE = 0.2
"""Looking for edges, no correlation longer than this part of a feature's range is believed."""

SLACK: dict[type[np.floating[Any]], float] = {np.float64: 1e-7, np.float32: 1e-3}
"""Samples whose worths (logarithms) differ by less are equals, and the first one is taken."""
WORTHS = {
    "maximize": "log expected improvement",
    "minimize": "log expected improvement",
    "map": "largest variance",
    "edges": "slope times standard deviation",
}


class LibraryRecommender:
    """Learns one objective over a table of samples and suggests which sample to measure next.

    A Gaussian process with a Matern-5/2 kernel on the features knows what to
    expect of *every* sample; each reading costs it one row of work, not a new
    fit. A table of 10,000 samples answers in milliseconds.

    Parameters
    ----------
    samples
        A sequence of mappings (one a sample), a mapping of columns, or a
        pandas ``DataFrame``.
    features
        Columns of numbers that the model learns from.
    axes
        Columns that a suggestion sets; by default the features. ``axes="sample"``
        suggests the sample's name, for a device that takes names.
    id_column
        The column with the samples' names; without such a column they are numbered.
    maximize, minimize, map, edges, cover
        Exactly one: the name of the objective whose largest or smallest value
        is looked for (log expected improvement), that is to be known
        everywhere (largest variance), or whose boundaries are looked for
        (`level`); or ``cover=True``, which spreads over the features and
        needs no objective.
    level
        The objective's value on the boundary between two phases, for `edges`;
        ``"middle"`` is halfway between the smallest and the largest reading,
        ``None`` finds every place where the objective changes.
    seed
        Another seed, other first samples.
    initial
        How many readings are spread over the features before the model leads;
        by default 5, or two for each feature if that is more, and 10 for `edges`.
    repeats
        So often a sample is measured at the most.
    retries
        So often a sample that failed is asked for again.
    tolerance
        A point without a known ``_id`` or name belongs to the nearest sample
        if no axis is off by more than this part of the axis's range.
    travel
        Speeds of the axes, in their units per second: a batch comes in an
        order that makes a short way from where the last point was.
    units
        Of the axes.
    dtype
        Of the large matrix: ``"float64"``, ``"float32"`` (half the memory, good to
        1e-3 standard deviations; a reading counts as having a noise of 1 % of the
        signal at least; of near equals it may then choose another, told at once
        or one by one), or ``None``: float64 where 5000 readings fit.
    memory
        GiB for the large matrix; while the next kernel is prepared there are
        two. With more readings than fit, the samples least worth measuring
        (for a maximum: by their mean and three standard deviations) are left
        out, half of them each time; a warning and `report` say so.

    Raises
    ------
    SpaceError
        If a feature is missing for a sample, a name is there twice, or the table cannot be.
    ValueError
        If not exactly one goal is given, or a number cannot be.

    Notes
    -----
    The kernel is fitted when there are half as many readings again (from 100
    on: twice as many), to at most 256 of them (edges: 100) spread evenly over
    those that are there, the last time before 2000. It takes over when there
    is an eighth more, and is computed by a thread meanwhile: which kernel
    answers depends on the number of readings only. One who learnt all points
    at once suggests what one who learnt them one by one does; the two
    posteriors differ by rounding, which does not decide between equals.

    Examples
    --------
    >>> table = {"sample": ["a", "b", "c"], "zinc": [0.0, 0.4, 1.0]}
    >>> library = LibraryRecommender(table, features=["zinc"], axes="sample", maximize="det")
    >>> sorted(point["sample"] for point in library.suggest(3))
    ['a', 'b', 'c']
    """

    def __init__(
        self,
        samples: Any,
        *,
        features: Sequence[str],
        axes: Sequence[str] | str | None = None,
        id_column: str = "sample",
        maximize: str | None = None,
        minimize: str | None = None,
        map: str | None = None,  # noqa: A002  the word for it
        edges: str | None = None,
        cover: bool = False,
        level: float | Literal["middle"] | None = "middle",
        seed: int = 0,
        initial: int | None = None,
        repeats: int = 1,
        retries: int = 1,
        tolerance: float = 0.01,
        travel: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        dtype: Literal["float64", "float32"] | None = None,
        memory: float = 2.0,
    ) -> None:
        given = {"maximize": maximize, "minimize": minimize, "map": map, "edges": edges, "cover": cover or None}
        goals: list[tuple[Any, Any]] = [(goal, name) for goal, name in given.items() if name is not None]
        if len(goals) != 1:
            raise ValueError(
                f"give exactly one of maximize=, minimize=, map=, edges=, cover=True; found {dict(goals) or 'none'}"
            )
        _check_numbers(seed=(seed, 0), initial=(initial, 1), repeats=(repeats, 1), retries=(retries, 0))
        if not tolerance >= 0:
            raise ValueError(f"tolerance must be a part of the range, 0 or more, found {tolerance}")
        if level not in ("middle", None) and not (isinstance(level, Real) and np.isfinite(float(level))):
            raise ValueError(f"level must be a finite number, 'middle' or None, found {level!r}")
        if not (isinstance(memory, Real) and 0 < memory < np.inf):
            raise ValueError(f"memory must be a number of GiB above 0, found {memory!r}")
        self._goal: Goal = goals[0][0]
        self._objective: str | None = None if cover else goals[0][1]
        if not isinstance(samples, Samples):
            names = [axes] if isinstance(axes, str) else axes
            samples = read_samples(samples, features=features, axes=names, id_column=id_column, units=units or {})
        self._samples = samples
        if self._objective is not None and self._objective in self._samples.space:
            raise ValueError(f"{self._goal}={self._objective!r} is an axis; expected what is measured there")
        self._match = Match(self._samples, tolerance)
        self._speeds = _speeds(travel, self._samples.space)
        dimensions = self._samples.rows.shape[1]
        usual = 10 if self._goal == "edges" else max(5, 2 * dimensions)
        self._initial = usual if initial is None else initial
        self._seed = seed
        self._dtype = _dtype(dtype, len(self._samples), memory)
        self._chooser = Chooser(self._samples.rows, self._goal, level, seed, slack=SLACK[self._dtype])
        self._models = Models(
            self._samples.rows,
            initial=max(2, self._initial),
            dtype=self._dtype,
            memory=memory * GIB,
            most=EDGE_FITTED if self._goal == "edges" else MOST_FITTED,
            widest=WIDEST_EDGE if self._goal == "edges" else np.inf,
            worth=self._chooser.keeping,
        )
        if self._goal != "cover" and self._models.capacity < min(FEWEST, len(self._samples)):
            needed = FEWEST * len(self._samples) * np.dtype(self._dtype).itemsize / GIB
            raise ValueError(
                f"memory={memory} GiB is not enough: {FEWEST} readings of {len(self._samples)} samples need "
                f"{needed:.2g} GiB in {np.dtype(self._dtype)}; give more memory= or fewer samples"
            )
        self._states = SampleStates(len(self._samples), repeats=repeats, retries=retries)
        table = crc32(self._samples.rows.tobytes(), crc32(repr(self._samples.ids).encode()))
        self._turns = Turns("library", (table, self._samples.space, goals, level, seed, initial))
        self._known: set[Any] = set()
        self._told: list[tuple[Any, dict[str, Any], float]] = []
        self._pending: list[tuple[Any, int, Array | None]] = []
        self._taken = Cover(self._samples.rows)
        self._last = -1  # the sample that was measured last
        self._reasons = Reasons()

    # ------------------------------------------------------------ what a recommender does

    @classmethod
    def of_grid(cls, space: Space, num_points_per_axis: int | Mapping[str, int], **options: Any) -> LibraryRecommender:
        """Make a library of the points of an even grid, for an adaptive map.

        Parameters
        ----------
        space
            The grid reaches from limit to limit of every axis.
        num_points_per_axis
            How many positions on every axis, or for each axis by name.
        options
            As for the class: the goal, `seed`, `travel`, ...

        Raises
        ------
        SpaceError
            If an axis has no limits, or is a choice.
        """
        table = grid_samples(bounded(space, "LibraryRecommender.of_grid"), num_points_per_axis)
        samples = read_samples(table, features=list(space), axes=None, id_column="", units={})
        return cls(replace(samples, space=space), features=samples.features, **options)

    @property
    def space(self) -> Space:
        """What a suggestion sets."""
        return self._samples.space

    def __len__(self) -> int:
        return len(self._samples)

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        A point belongs to a sample by its ``_id``, by the sample's name, or by
        its position. What belongs to none is learnt too if it has all features.
        A reading that is not finite, or beyond 1e100, counts as a failure of its sample.

        Raises
        ------
        PointError
            If a point lacks the objective, or belongs to no sample and lacks a
            feature; then none of the points is learnt.
        """
        found = [(point, *self._found(point), self._reading(point)) for point in points]
        for point, number, row, reading in found:
            if self._is_known(point):
                continue
            if not abs(reading) <= LARGEST:
                self._fail(number)
                continue
            at = self._samples.rows[number] if row is None else row
            if number >= 0:
                self._states.measured[number] += 1
                self._last = number
            if self._goal == "cover":
                self._taken.take(at)
            axes = {axis: point[axis] for axis in self.space if axis in point}
            if not axes and number >= 0:
                axes = self._samples.place(number)
            self._told.append((point.get("_id"), axes, reading))
            self._models.add(at, number if row is None else -1, -reading if self._goal == "minimize" else reading)
        self._land()
        if self._goal != "cover":
            self._models.prepare()

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return up to that many samples to measure next (``None`` is one), the best first, or in short order.

        Empty when every sample was measured, failed too often, or was retired.

        Raises
        ------
        ValueError
            If `num_points` is not a whole number, or below 0.
        """
        picks = self._chosen(_count(num_points))
        numbers = [pick.number for pick in picks]
        if self._speeds and len(numbers) > 1:
            order = short_way(self._seconds(numbers), self._start())
            picks, numbers = [picks[n] for n in order], [numbers[n] for n in order]
        tried = [(int(self._states.measured[n]), int(self._states.failed[n])) for n in numbers]
        begun = self._models.count + len(self._pending)
        question = Question(self._goal, self._objective or "", tuple(picks), tuple(tried), begun, self._first)
        self._reasons = Reasons(question.reasons)
        return [{**self._samples.place(n), "_id": self._turns.id(self._attempt(n))} for n in numbers]

    def get_reasons(self) -> list[str]:
        """Say for each sample of the newest answer what was expected of it, or how far it is from the others."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are taken to come out as expected."""
        pending = [(point.get("_id"), *self._found(point)) for point in points]
        self._pending = [entry for entry in pending if entry[0] is None or entry[0] not in self._known]
        self._land()

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these were not measured. A sample that failed is asked for `retries` more times."""
        for point in suggestions:
            try:
                number, _ = self._found(point)
            except PointError:
                number = -1  # nothing is lost: it is no sample of ours
            if not self._is_known(point):
                self._fail(number)
        self._land()

    def get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, float]]]:
        """Return ``(_id, axes, objectives)`` of the measured sample with the best expected value.

        The best expectation, not the best reading: a lucky reading does not
        win. Empty for a map, edges or a cover, and before the first finite reading.
        """
        if self._goal not in ("maximize", "minimize") or not self._told or self._objective is None:
            return []
        model = self._models.current()
        values = self._models.values if model is None else self._expected(model)
        name, axes, reading = self._told[int(np.argmax(values))]
        return [(name, dict(axes), {self._objective: reading})]

    def close(self) -> None:
        """End the thread that computes the next model, if there is one. The library can be used on."""
        self._models.close()

    # ------------------------------------------------------------ the samples

    def state(self, name: Id) -> SampleState:
        """What became of a sample."""
        return self._state(self._samples.number(name))

    def states(self) -> dict[Id, SampleState]:
        """What became of every sample."""
        return {name: self._state(number) for number, name in enumerate(self._samples.ids)}

    def retire(self, names: Iterable[Id]) -> None:
        """Do not ask for these samples any more; what was learnt of them stays."""
        self._states.retired[[self._samples.number(name) for name in _several(names)]] = True

    def restore(self, names: Iterable[Id]) -> None:
        """Ask for these samples again: they are neither retired nor failed."""
        numbers = [self._samples.number(name) for name in _several(names)]
        self._states.restore(numbers)

    # ------------------------------------------------------------ what it believes

    def predict(self, which: Sequence[Id | Point] | None = None) -> tuple[Array, Array]:
        """Return what the model expects of n samples or points.

        Parameters
        ----------
        which
            Names of samples, or points with a sample's name, all axes, or all
            features; all samples in the order of the table if ``None``.

        Returns
        -------
        mean, sd
            (n,) arrays in the units of the objective: the expected value and
            its standard deviation, without the noise of a reading.

        Raises
        ------
        ValueError
            If there are too few readings for a model yet.
        """
        model = None if self._goal == "cover" else self._models.current()
        if model is None:
            least = "a cover has no model" if self._goal == "cover" else f"the model starts at {self._first} readings"
            raise ValueError(f"nothing to predict from: {self._models.count} readings so far, and {least}")
        posterior = model.posterior
        if which is None and len(model.active) == len(self._samples):
            mean, sd = posterior.mean.copy(), posterior.sd
        else:
            rows = self._samples.rows if which is None else np.array([self._row(entry) for entry in which])
            mean, sd = posterior.at(rows.reshape(-1, self._samples.rows.shape[1]))
        mean = model.shift + model.width * mean
        return -mean if self._goal == "minimize" else mean, model.width * sd

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        model = None if self._goal == "cover" else self._models.current()
        told = {
            "goal": self._goal,
            "objective": self._objective,
            "samples": self._states.counts(),
            "features": list(self._samples.features),
            "readings": len(self._told),
            "readings_off_the_library": int((self._models.samples() < 0).sum()),
            "notes": list(self._samples.notes),
            "led_by": self._leader(model),
        }
        if model is not None:
            kernel = model.posterior.hyper
            lengths = kernel.scale * self._samples.width
            told |= {
                "fitted_to": model.size,
                "fits_that_failed": sum(not np.isfinite(kernel.loss) for kernel in self._models.kernels.values()),
                "length_scales": dict(zip(self._samples.features, lengths.tolist(), strict=True)),
                "signal_sd": float(model.width * np.sqrt(kernel.variance)),
                "noise_sd": float(model.width * np.sqrt(kernel.noise)),
                "dtype": str(np.dtype(self._dtype)),
                "megabytes": model.posterior.nbytes / 1e6,
                "readings_that_fit_into_memory": self._models.capacity,
                "samples_left_out_for_memory": self._models.left_out,
            }
        return told

    # ------------------------------------------------------------ inside

    @property
    def _first(self) -> int:
        return taken_over(max(2, self._initial))

    def _leader(self, model: Model | None) -> str:
        if self._goal == "cover":
            return "distance: the sample farthest from all that were taken"
        if model is None:
            return f"spreading: the model starts at {self._first} readings"
        return f"model: {WORTHS[self._goal]}"

    def _found(self, point: Point) -> tuple[int, Array | None]:
        name = point.get("_id")
        asked = int(name.rsplit("-", 1)[1]) % len(self._samples) if self._turns.owns(name) else -1
        return self._match(point, asked)

    def _row(self, entry: Any) -> Array:
        if not isinstance(entry, Mapping):
            return self._samples.rows[self._samples.number(entry)]
        point = cast("Point", entry)
        if (row := self._samples.row_of(point)) is not None:
            return row
        return self._samples.rows[self._found(point)[0]]

    def _reading(self, point: Point) -> float:
        if self._objective is None:
            return 0.0
        if self._objective not in point:
            raise PointError(f"{self._objective!r} is missing from the point {dict(point)}")
        found = point[self._objective]
        try:
            return float(found)
        except (TypeError, ValueError) as exc:
            raise PointError(f"{self._objective}={found!r} is a {type(found).__name__}, expected a number") from exc

    def _is_known(self, point: Point) -> bool:
        """Whether a point of this ``_id`` came before; from now on it did."""
        name = point.get("_id")
        if name is None or name in self._known:
            return name is not None
        self._known.add(name)
        return False

    def _fail(self, number: int) -> None:
        if number >= 0:
            self._states.failed[number] += 1

    def _land(self) -> None:
        """Let those that are known by now be in flight no longer."""
        self._pending = [entry for entry in self._pending if entry[0] is None or entry[0] not in self._known]
        self._states.pending = sorted({number for _, number, _ in self._pending if number >= 0})

    def _attempt(self, number: int) -> int:
        """What makes the ``_id`` of a suggestion: the sample, and how often it was tried before."""
        return number + len(self._samples) * self._states.attempt(number)

    def _state(self, number: int) -> SampleState:
        states = self._states
        return SampleState(
            self._samples.ids[number], states.of(number), int(states.measured[number]), int(states.failed[number])
        )

    def _chosen(self, count: int) -> list[Pick]:
        askable, rows = self._states.askable(), self._samples.rows
        underway = [rows[number] if row is None else row for _, number, row in self._pending]
        if self._goal == "cover":
            return self._chooser.far(count, askable, self._taken, underway)
        if (model := self._models.current()) is None:
            return self._chooser.spread(count, askable, [*self._models.rows], underway)
        # What is in flight to a place off the library counts as the sample next to it.
        flying = [
            number if number >= 0 else nearest(rows, row)
            for row, (_, number, _) in zip(underway, self._pending, strict=True)
        ]
        measured = np.flatnonzero(self._states.measured)
        return self._chooser.led(count, askable, model, measured, flying, self._models.values)

    def _expected(self, model: Model) -> Array:
        """What is expected where each reading was taken, in standardised units."""
        samples = self._models.samples()
        columns = np.where(samples >= 0, model.columns[samples], -1)
        expected = model.posterior.mean[columns]
        if (outside := columns < 0).any():
            expected[outside] = model.posterior.at(self._models.rows[outside])[0]
        return expected

    def _seconds(self, numbers: Sequence[int]) -> Array:
        """(n, axes that take time) positions over speeds."""
        places = self._samples.places
        return np.array([[places[axis][n] / speed for axis, speed in self._speeds.items()] for n in numbers])

    def _start(self) -> Array | None:
        flying = [number for _, number, _ in self._pending if number >= 0]
        last = flying[-1] if flying else self._last
        return self._seconds([last])[0] if last >= 0 else None


def _count(num_points: int | None) -> int:
    if num_points is None:
        return 1
    if not isinstance(num_points, Integral) or num_points < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"num_points must be a whole number, 0 or more, or None, found {num_points!r}")
    return int(num_points)


def _check_numbers(**given: tuple[Any, int]) -> None:
    for name, (number, least) in given.items():
        if number is None and name == "initial":
            continue
        if type(number) is bool or not isinstance(number, Integral) or number < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, found {number!r}")


def _several(names: Any) -> list[Any]:
    if isinstance(names, str | int | float):
        raise TypeError(f"expected several names of samples, found {names!r}: put it into a list")
    return list(names)


def _speeds(travel: Mapping[str, float] | None, space: Space) -> dict[str, float]:
    for name, speed in (travel or {}).items():
        if not isinstance(space.get(name), Axis):
            axes = [axis for axis in space if isinstance(space[axis], Axis)]
            raise SpaceError(f"travel names {name!r}, but the axes that move are {axes}")
        if not speed > 0:
            raise ValueError(f"the speed of {name!r} must be above 0, found {speed}")
    return dict(travel or {})


def _dtype(wanted: str | None, count: int, memory: float) -> type[np.floating[Any]]:
    if wanted not in (None, "float64", "float32"):
        raise ValueError(f"dtype must be 'float64', 'float32' or None, found {wanted!r}")
    if wanted is None:
        wanted = "float64" if min(EXPECTED, count) * count * 8 <= memory * GIB else "float32"
    return np.float64 if wanted == "float64" else np.float32
