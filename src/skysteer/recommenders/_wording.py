"""Numbers in the sentences that say why a point is asked for."""

from __future__ import annotations

import math
from decimal import Decimal

PLAIN = range(-3, 6)
"""Powers of ten of numbers that are written without an exponent."""
EXACT = 8
"""So many digits are written of a mean that is known better than that."""
LONGEST = 11
"""No digit is written that is so many powers of ten below the first."""


def expected(name: str, mean: float, sd: float) -> str:
    """Return what is expected of an outcome, with two digits of its standard deviation.

    >>> expected("det", 38.04, 6.18)
    'det = 38.0 ± 6.2'
    >>> expected("det", 12345678.0, 91234.0)
    'det = (1.2346 ± 0.0091)e7'

    Without a standard deviation (0, or not a number) the mean stands alone.
    """
    mean, sd = float(mean), float(sd)
    if not math.isfinite(mean) or math.isnan(sd) or sd <= 0.0:
        return f"{name} = {written(mean, digits=6)}"
    if math.isinf(sd):
        return f"{name} = {written(mean)} ± inf"
    sd = float(f"{sd:.1e}")
    power = max(_power(mean), _power(sd))
    last = _power(sd) - 1  # the power of ten of the last digit that is written
    if power - last > EXACT:
        return f"{name} = {written(mean, digits=EXACT)} ± {written(sd, digits=2)}"
    if power in PLAIN:
        return f"{name} = {_rounded(mean, last)} ± {_rounded(sd, last)}"
    return f"{name} = ({_rounded(mean, last, power)} ± {_rounded(sd, last, power)})e{power}"


def written(value: float, sd: float = math.nan, *, digits: int = 4) -> str:
    """Return a number as it stands beside what is expected: so many digits, more where `sd` is smaller than these.

    >>> written(958.34, 24.0), written(12345.001, 0.046), written(1.2345e17)
    ('958.3', '12345.001', '1.234e17')
    >>> written(-5.6e-17, 0.33)  # nothing, beside such a doubt
    '0'
    """
    value, sd = float(value), float(sd)
    if not math.isfinite(value):
        return f"{value}"
    power = _power(value)
    last = power - digits + 1
    if 0.0 < sd < math.inf:
        doubt = _power(sd) - 1  # the last digit of `expected`
        last = max(min(last, doubt), doubt - 2, power - LONGEST)
    if not value or power < last:
        return "0"
    if power in PLAIN:
        return _short(_rounded(value, min(last, 0)))
    return f"{_short(_rounded(value, last, power))}e{power}"


def _power(value: float) -> int:
    """The power of ten of the first digit; of 0 one below that of any float."""
    return int(f"{value:e}".partition("e")[2]) if value else -400


def _short(digits: str) -> str:
    """Without zeros at the end of a fraction."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _rounded(value: float, last: int, power: int = 0) -> str:
    """A number in units of one power of ten, rounded to the digit of another."""
    digits = Decimal(round(Decimal(value).scaleb(-last)))
    return f"{digits.scaleb(last - power):.{max(power - last, 0)}f}"
