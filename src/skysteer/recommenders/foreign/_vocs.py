"""The variables of a gest-api VOCS as a space."""

from __future__ import annotations

from typing import Any

from skysteer.model import Axis, Choice, Space


def space_of(vocs: Any) -> Space | None:
    """Read a space from the variables of a gest-api VOCS; ``None`` where one of them has no place in a space."""
    axes: list[Axis | Choice] = []
    for name, variable in vocs.variables.items():
        if type(variable).__name__ == "ContextualVariable":
            return None
        if hasattr(variable, "domain"):
            axes.append(Axis(name, float(variable.domain[0]), float(variable.domain[1])))
        elif len(variable.values) > 1:
            axes.append(Choice(name, tuple(sorted(variable.values, key=lambda value: (str(type(value)), value)))))
        else:
            return None
    return Space(*axes)
