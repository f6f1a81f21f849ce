"""The model of a library for every number of readings: when it is fitted anew, and who computes it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders import _fit
from skysteer.recommenders._matern import Array, Hyperparameters

from ._whitened import Columns, Whitened

logger = logging.getLogger(__name__)

MOST_FITTED = 256
"""The kernel is fitted to so many readings at the most: spread evenly over those that were there."""
CATCH_UP = 8
"""A model that waits for its turn learns so many readings at the most with each new one."""
LAST_FIT = 2000
"""With more readings than this the kernel stays as it is."""
GIB = 1 << 30


def fit_sizes(initial: int) -> Iterator[int]:
    """At how many readings the kernel is fitted: half as many again each time, later twice as many."""
    size = initial
    while size <= LAST_FIT:
        yield size
        size = size + max(1, size // 2) if size < 100 else 2 * size


def taken_over(size: int) -> int:
    """At how many readings the kernel fitted to `size` of them is used: until then there is time to compute."""
    return size + max(1, size // 8)


@dataclass(slots=True)
class Model:
    """A kernel and what it makes of the readings."""

    size: int
    """How many readings the kernel was fitted to (or spread over)."""
    shift: float
    width: float
    """Value = shift + width * standardised value."""
    posterior: Whitened
    active: Columns
    """Which samples the posterior is kept for, ascending; all, but where the memory ends."""
    columns: Columns
    """(samples,) the column of each, or -1."""
    screens: int
    """How often samples were left out."""


class Models:
    """Readings in the order in which they came, and the model that belongs to their number.

    A kernel fitted to the first m readings takes over at ``taken_over(m)``
    readings and is computed by a thread of its own meanwhile: which model
    answers depends on the number of readings only, never on the clock. Who
    asks too early waits for it.

    For one thread at a time.

    Parameters
    ----------
    rows
        (M, features) of the samples.
    initial
        The first fit.
    dtype
        Of the large matrix.
    memory
        Bytes that the large matrix may take. When the readings would need
        more, the samples least worth measuring are left out, half of them each
        time: those that are kept are still exact.
    most
        A kernel is fitted to so many readings at the most.
    widest
        No correlation length is believed to be longer than this part of a feature's range.
    worth
        What decides that: from a model and its readings to (active,) numbers.
    """

    def __init__(
        self,
        rows: Array,
        *,
        initial: int,
        dtype: type[np.floating[Any]],
        memory: float,
        most: int,
        widest: float,
        worth: Callable[[Model, Array], Array],
    ) -> None:
        self._library, self._dtype = rows, dtype
        self._most, self._widest, self._worth = most, widest, worth
        self._sizes = tuple(fit_sizes(initial))
        self.capacity = int(memory // (len(rows) * np.dtype(dtype).itemsize))
        """So many readings fit into the memory with all samples."""
        self._rows: list[Array] = []
        self._columns: list[int] = []
        self._values: list[float] = []
        self.kernels: dict[int, Hyperparameters] = {}
        """The kernel fitted to each number of readings."""
        self._screens: list[Columns] = []
        self._model: Model | None = None
        self._next: _Build | None = None
        self._ending: list[_Build] = []

    def __getstate__(self) -> dict[str, Any]:
        # Threads do not travel, and models are made again.
        here: dict[str, Any] = {"kernels": dict(self.kernels), "_model": None, "_next": None, "_ending": []}
        return {**vars(self), **here}

    @property
    def count(self) -> int:
        """How many readings there are."""
        return len(self._values)

    @property
    def rows(self) -> Array:
        """(count, features) where they are."""
        return np.array(self._rows)

    @property
    def values(self) -> NDArray[np.float64]:
        """(count,) readings."""
        return np.array(self._values)

    def samples(self, count: int | None = None) -> Columns:
        """Which sample each of the first `count` readings is of (all, if ``None``), or -1: (count,)."""
        return np.array(self._columns[:count], np.intp)

    @property
    def size(self) -> int | None:
        """How many readings the kernel in use was fitted to, or ``None`` where there are too few."""
        return self._size(self.count)

    @property
    def left_out(self) -> int:
        """How many samples were left out for want of memory."""
        return len(self._library) - len(self._screens[-1]) if self._screens else 0

    def add(self, row: Array, column: int, value: float) -> None:
        """Add a reading of a sample, or (-1) of something that is not in the library."""
        self._rows.append(row)
        self._columns.append(column)
        self._values.append(value)

    def prepare(self) -> None:
        """Start to compute the next model, if its readings are there."""
        size = next((m for m in reversed(self._sizes) if m <= self.count), None)
        if size is None or taken_over(size) <= self.count or (self._next is not None and self._next.size == size):
            return
        if self._next is not None:
            self._next.stop()
            self._ending = [build for build in [*self._ending, self._next] if build.is_alive]
        count, active = self.count, self._active()
        self._next = _Build(size, lambda stop: self._made(size, count, active, stop))

    def current(self) -> Model | None:
        """Return the model of all readings, or ``None`` where there are too few."""
        if self.size is None:
            return None
        while (limit := self.capacity << len(self._screens)) <= self.count and self._size(limit) is not None:
            self._screen(self._of(limit))
        model = self._of(self.count)
        if self._next is not None and (following := self._next.made) is not None:
            # A few at a time, so that none are left to do when it takes over.
            self._learn(following, min(self.count, following.posterior.count + CATCH_UP), lambda: False)
        return model

    def close(self) -> None:
        """End the thread that computes the next model; it is then computed when it is needed."""
        for build in [*self._ending, self._next] if self._next is not None else self._ending:
            build.close()
        self._next, self._ending = None, []

    def _size(self, count: int) -> int | None:
        return next((m for m in reversed(self._sizes) if taken_over(m) <= count), None)

    def _active(self) -> Columns:
        return self._screens[-1] if self._screens else np.arange(len(self._library))

    def _of(self, count: int) -> Model:
        """The model that belongs to the first `count` readings."""
        size = self._size(count)
        assert size is not None
        model = self._model
        if model is None or model.size != size or model.posterior.count > count:
            if self._next is not None and self._next.size == size:
                build, self._next = self._next, None
                model = build.result()
            else:
                model = None
            if model is None or model.posterior.count > count:
                made = self._made(size, count, self._active(), lambda: False)
                assert made is not None
                model = made
            self._model = model
        if len(model.active) > len(self._active()):
            _narrow(model, self._active())
        self._learn(model, count, lambda: False)
        return model

    def _made(self, size: int, count: int, active: Columns, stop: Callable[[], bool]) -> Model | None:
        values = np.array(self._values[:size])
        spread = float(values.std())
        # Equal readings may differ by rounding: that is no width to measure by.
        width = spread if spread > 1e-12 * float(np.abs(values).max()) else 1.0
        shift = float(values.mean())
        kernel = self.kernels.get(size)
        if kernel is None:
            chosen = np.linspace(0, size - 1, min(size, self._most)).round().astype(int)
            kernel = _fit.fitted(np.array(self._rows[:size])[chosen], (values[chosen] - shift) / width)
            kernel = replace(kernel, scale=np.minimum(kernel.scale, self._widest))
            self.kernels[size] = kernel
        if stop():
            return None
        posterior = Whitened(self._library[active], kernel, self._dtype)
        columns = np.full(len(self._library), -1)
        columns[active] = np.arange(len(active))
        model = Model(size, shift, width, posterior, active, columns, len(self._screens))
        self._learn(model, count, stop)
        return model

    def _learn(self, model: Model, count: int, stop: Callable[[], bool]) -> None:
        new = slice(model.posterior.count, count)
        if new.start == new.stop:
            return
        samples = np.array(self._columns[new])
        columns = np.where(samples >= 0, model.columns[samples], -1)
        values = (np.array(self._values[new]) - model.shift) / model.width
        model.posterior.learn(np.array(self._rows[new]), values, columns, stop=stop)

    def _screen(self, model: Model) -> None:
        """Keep what was measured, and the better half of the rest."""
        measured = np.zeros(len(self._library), bool)
        samples = self.samples(model.posterior.count)
        measured[samples[samples >= 0]] = True
        worth = np.where(measured[model.active], np.inf, self._worth(model, self.values[: model.posterior.count]))
        kept = np.sort(np.argsort(-worth, kind="stable")[: max(1, len(worth) // 2)])
        _narrow(model, model.active[kept])
        self._screens.append(model.active)
        logger.warning(
            "%d of %d samples are left out from %d readings on: all would need more than the memory= given",
            self.left_out,
            len(self._library),
            model.posterior.count,
        )


def _narrow(model: Model, active: Columns) -> None:
    model.posterior.keep(model.columns[active])
    model.active = active
    model.columns = np.full(len(model.columns), -1)
    model.columns[active] = np.arange(len(active))


class _Build:
    """A model that is computed by a thread of its own, which ends with it."""

    def __init__(self, size: int, make: Callable[[Callable[[], bool]], Model | None]) -> None:
        self.size = size
        self._make = make
        self._stop = threading.Event()
        self._made: Model | None = None
        self._error: BaseException | None = None
        # No daemon: the interpreter would tear it out of the numerical libraries, which abort then.
        self._thread = threading.Thread(target=self._run, name=f"skysteer-library-{size}", daemon=False)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread is still there."""
        return self._thread.is_alive()

    @property
    def made(self) -> Model | None:
        """The model, once the thread has ended."""
        return None if self.is_alive else self._made

    def result(self) -> Model | None:
        """Wait for the model."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made

    def stop(self) -> None:
        """Ask the thread to end: the model is no longer wanted."""
        self._stop.set()

    def close(self) -> None:
        """Ask the thread to end, and wait until it did."""
        self.stop()
        self._thread.join()

    def _is_over(self) -> bool:
        return self._stop.is_set() or not threading.main_thread().is_alive()

    def _run(self) -> None:
        try:
            self._made = self._make(self._is_over)
        except BaseException as exc:  # raised again where the model is asked for
            self._error = exc
