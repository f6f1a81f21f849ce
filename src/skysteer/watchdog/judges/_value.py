"""The number that a judge looks at, found in an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from skysteer.errors import FieldError
from skysteer.model import Observation

Reduction = Literal["sum", "mean", "max", "min", "median"]
Reduce = Reduction | Callable[[NDArray[np.float64]], float]
"""How an array becomes a number: by name, or a function of your own such as `numpy.nansum`."""


@dataclass(frozen=True, slots=True)
class Value:
    """Finds one number in each observation."""

    key: str
    """Looked for in the objectives, then the axes, then the data (of a whole run: in those of its stream)."""
    reduce: Reduce
    """How an array becomes a number. Numbers stay as they are."""

    def __post_init__(self) -> None:
        check_key(self.key)
        if not callable(self.reduce) and self.reduce not in get_args(Reduction):
            names = ", ".join(map(repr, get_args(Reduction)))
            raise ValueError(f"reduce must be one of {names}, or a function of an array, found {self.reduce!r}")

    def of(self, observation: Observation) -> float:
        """Return the number; NaN where an array is empty, or holds NaN and `reduce` is a name.

        Raises
        ------
        FieldError
            If the observation has no such key.
        TypeError
            If it is not a number or an array of numbers.
        """
        numbers = numbers_of(observation, self.key)
        if numbers.ndim == 0:
            return float(numbers)
        if numbers.size == 0:
            return float("nan")
        with np.errstate(all="ignore"):  # an array that holds infinities
            if callable(self.reduce):
                return float(self.reduce(numbers))
            return float(getattr(np, self.reduce)(numbers))


def check_key(key: Any) -> None:
    """Refuse what cannot be a data key, by a ValueError."""
    if not isinstance(key, str) or not key:
        raise ValueError(f"key must be the name of a value, found {key!r}")


def numbers_of(observation: Observation, key: str) -> NDArray[np.float64]:
    """Return a value as an array of numbers; of shape () for a single one. ``None`` is NaN."""
    value = _look_up(observation, key)
    try:
        array: NDArray[Any] = np.asarray(value)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"found {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as exc:
        raise TypeError(
            f"{key!r} is {value!r} in observation {observation.seq_num} of stream {observation.stream!r}, "
            "expected a number or an array of numbers"
        ) from exc


def _look_up(observation: Observation, key: str) -> Any:
    data = observation.data
    inside: Any = data.get(observation.stream)
    places: dict[str, Mapping[str, Any]] = {
        "objectives": observation.objectives,
        "axes": observation.axes,
        "data": cast("Mapping[str, Any]", inside) if isinstance(inside, Mapping) else data,
    }
    for place in places.values():
        if key in place:
            return place[key]
    there = "; ".join(f"{name}: {', '.join(map(str, place)) or 'none'}" for name, place in places.items())
    raise FieldError(
        f"no {key!r} in observation {observation.seq_num} of stream {observation.stream!r} ({there})",
        stream=observation.stream,
        available=[name for place in places.values() for name in place],
    )
