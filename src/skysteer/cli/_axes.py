"""How the shell describes a space."""

from __future__ import annotations

from collections.abc import Sequence

from skysteer.model import Axis, Choice, Space

__all__ = ["parse_space"]

EXPECTED = "name=low:high[:units[:step]], or name=one,other,... for a choice"


def parse_space(axes: Sequence[str] = ()) -> Space:
    """Return the space that the shell describes.

    Parameters
    ----------
    axes
        ``name=low:high``, ``name=low:high:units``, ``name=low:high:units:step`` (of 1
        for whole numbers, with nothing for no units), or ``name=one,other,...`` for
        a choice. None are x and y from -5 to 5 mm.

    Raises
    ------
    ValueError
        If one cannot be read, or cannot be.

    Examples
    --------
    >>> parse_space(["x=-5:5:mm", "filter=Al,Cu,none"]).axes[1]
    Choice(name='filter', options=('Al', 'Cu', 'none'), units='')
    """
    return Space(*map(_axis, axes or ("x=-5:5:mm", "y=-5:5:mm")))


def _axis(text: str) -> Axis | Choice:
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name or not values:
        raise ValueError(f"the axis {text!r} cannot be read: expected {EXPECTED}")
    if ":" in values:
        parts = [part.strip() for part in values.split(":")]
        if len(parts) not in (2, 3, 4):
            raise ValueError(f"the axis {text!r} has {len(parts)} parts between colons: expected {EXPECTED}")
        low, high, units, step, *_ = *parts, "", ""
        return Axis(
            name, _limit(text, low), _limit(text, high), units, step=_limit(text, step) if len(parts) == 4 else None
        )
    options = [option.strip() for option in values.split(",")]
    if len(options) < 2:
        raise ValueError(f"the axis {text!r} has one value: expected {EXPECTED}")
    numbers = [_number(option) for option in options]
    return Choice(name, tuple(options) if None in numbers else tuple(n for n in numbers if n is not None))


def _limit(text: str, limit: str) -> float:
    number = _number(limit)
    if number is None:
        raise ValueError(f"the axis {text!r} has {limit!r} where a number is expected ({EXPECTED})")
    return number


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None
