"""Which values of a document the recommender is told, and under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skysteer.errors import FieldError


@dataclass(frozen=True, slots=True)
class Fields:
    """Axis and objective names, each with the data key it is read from."""

    axes: Mapping[str, str]
    """Axis name to the data key of its readback."""
    objectives: Mapping[str, str] = field(default_factory=dict[str, str])
    """Objective name to data key; empty where a ``reduce`` computes them."""
    stream: str = "primary"
    """The stream that is listened to. Others do not disturb."""
    reduced: bool = False
    """Whether a ``reduce`` computes the objectives: then it is handed all data, arrays too."""

    def check(self, descriptor: Mapping[str, Any]) -> None:
        """See that a descriptor of the stream has every value, as a plain number or word.

        Raises
        ------
        FieldError
            Names every key that is missing, an array, or kept in a file, and lists what there is.
        """
        keys: Mapping[str, Mapping[str, Any]] = descriptor["data_keys"]
        problems: list[str] = []
        for kind, names in (("axis", self.axes), ("objective", self.objectives)):
            for name, key in names.items():
                problem = _problem(keys.get(key))
                if problem is not None:
                    problems.append(f"{kind} {name!r} is to be read from {key!r}, which {problem}")
        if problems:
            there = sorted(keys)
            raise FieldError(
                f"stream {self.stream!r}: {'; '.join(problems)}. It has: {', '.join(there) or 'nothing'}",
                stream=self.stream,
                available=there,
            )

    def external(self, descriptor: Mapping[str, Any]) -> frozenset[str]:
        """Data keys of a descriptor whose values are in files, not in the events."""
        return frozenset(name for name, key in descriptor["data_keys"].items() if "external" in key)


def _problem(key: Mapping[str, Any] | None) -> str | None:
    if key is None:
        return "is not there"
    if "external" in key:
        return "is kept in a file (reading detector files is not supported yet)"
    if key.get("dtype") == "array":
        return f"is an array of shape {list(key.get('shape', []))} (give reduce= to make a number of it)"
    return None
