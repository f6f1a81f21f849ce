"""Observations of all kinds, for a judge to be shown: some as they are, some as nobody wants them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from skysteer.model import Observation

Series = Sequence[Observation]


def example() -> list[Observation]:
    """Make forty observations of a peak: an axis ``x``, an objective ``det``, and an ``image`` in the data."""
    generator = np.random.default_rng(0)
    observations: list[Observation] = []
    for number in range(1, 41):
        x = -2.0 + 0.1 * number
        counts = float(generator.poisson(10 + 1000 * math.exp(-x * x)))
        observations.append(
            Observation(
                run="run",
                stream="primary",
                seq_num=number,
                time=1_700_000_000.0 + number,
                axes={"x": x},
                objectives={"det": counts},
                data={"x": x, "det": counts, "image": generator.poisson(counts / 16, (4, 4)), "sample": "A3"},
            )
        )
    return observations


def all_series(given: list[Observation]) -> Iterator[tuple[str, Series]]:
    """Make (name, series) of all kinds, the given one first.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not given:
        raise ValueError("observations is empty: give at least one, or leave it out")
    yield "as given", given
    yield "one point", given[:1]
    yield (
        "all the same",
        [replace(given[0], seq_num=each.seq_num, time=each.time, suggestion=each.suggestion) for each in given],
    )
    for name, number in {"NaN": math.nan, "inf": math.inf, "-inf": -math.inf, "zero": 0.0, "huge": 1e300}.items():
        yield name, [_with_all(each, number) for each in given]
    yield "huge of both signs", [_with_all(each, 1e300 * (-1) ** n) for n, each in enumerate(given)]
    yield "NaN now and then", [_with_all(each, math.nan) if n % 3 == 0 else each for n, each in enumerate(given)]
    yield "inf in turns", [_with_all(each, math.inf * (-1) ** n) for n, each in enumerate(given)]
    yield "a clock that stands", [replace(each, time=given[0].time) for each in given]
    yield "a clock that goes backwards", [replace(each, time=given[0].time - n) for n, each in enumerate(given)]


def _with_all(observation: Observation, number: float) -> Observation:
    return replace(
        observation,
        objectives={key: _filled(value, number) for key, value in observation.objectives.items()},
        axes={key: _filled(value, number) for key, value in observation.axes.items()},
        data={key: _filled(value, number) for key, value in observation.data.items()},
    )


def _filled(value: Any, number: float) -> Any:
    """`value` with all its numbers replaced; what is no number stays."""
    if isinstance(value, Mapping):
        return {key: _filled(each, number) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_filled(each, number) for each in cast("Sequence[Any]", value)]
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        return np.full(array.shape, number) if array.dtype.kind in "iuf" else array
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return number
    return cast("Any", value)
