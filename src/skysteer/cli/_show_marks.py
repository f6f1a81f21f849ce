"""How points and remarks are drawn in the picture of a recorded run."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["MARKS", "labelled", "small"]

MARKS: Mapping[str, tuple[str, str, str]] = {
    "given up": ("x", "#b00e3d", "given up"),
    "refused": ("v", "#8a2f7f", "no answer, or refused"),
    "worker": ("s", "#7a5c00", "worker replaced"),
    "checkpoint": ("D", "#7a5c00", "checkpoint failed"),
    "verdict": ("^", "#117a55", "verdict"),
    "steering": ("P", "#c8511b", "steered by hand"),
    "again": ("<", "0.35", "measured again"),
}
"""Kind of a remark to its marker, colour and name."""


def small(many: int) -> float:
    """Return the factor of the sizes of markers: of many points each is small."""
    return max(0.25, min(1.0, math.sqrt(150 / max(1, many))))


def labelled(name: str, units: str) -> str:
    """Return the label of an axis: ``x / mm``."""
    return f"{name} / {units}" if units else name
