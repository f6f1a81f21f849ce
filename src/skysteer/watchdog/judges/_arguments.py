"""What a judge may be told: refused when it is made, not in the middle of a measurement."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from skysteer.model import Verdict


def check_number(name: str, value: Any) -> None:
    """Refuse what is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, found {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Refuse what is not a finite number above zero."""
    check_number(name, value)
    if not value > 0:
        raise ValueError(f"{name} must be above zero, found {value!r}")


def check_not_negative(name: str, value: Any) -> None:
    """Refuse what is not a finite number from zero on."""
    check_number(name, value)
    if value < 0:
        raise ValueError(f"{name} must not be below zero, found {value!r}")


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number from {least} on, found {value!r}")


def check_one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse what is not among the allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, found {value!r}")


def check_verdict(verdict: Any, *allowed: Verdict) -> None:
    """Refuse what is not among the allowed verdicts."""
    if verdict not in allowed:
        names = ", ".join(f"Verdict.{each.name}" for each in allowed)
        raise ValueError(f"verdict must be one of {names}, found {verdict!r}")


def with_units(value: float, units: str) -> str:
    """Write a number for people."""
    return f"{value:.6g} {units}".rstrip()
