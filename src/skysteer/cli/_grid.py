"""How fine a regular grid has to be to come as close to a peak as a search did."""

from __future__ import annotations

import math
from dataclasses import dataclass

from skysteer.testing import Peak

__all__ = ["Grid", "equal_grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A square grid over a square field, with nodes at its edges."""

    side: int
    """Nodes along one side."""
    points: int
    """Nodes altogether."""
    spacing: float
    """Between two nodes, in mm."""


def equal_grid(peak: Peak, share: float, *, width: float = 10.0) -> Grid:
    """Return the coarsest square grid that has, on average, one node where the peak reaches a share of its height.

    The part of the field where a Gaussian peak reaches that share is an
    ellipse; wherever it lies, a grid has area / spacing² nodes in it on
    average. So the spacing is the square root of the ellipse's area.

    What one reading cannot tell from the top is not asked of a grid: a share
    counts up to one standard deviation (of Poisson counts) below the top.

    Parameters
    ----------
    share
        Of the peak's height, background included.
    width
        Of the field, in mm.

    Examples
    --------
    >>> equal_grid(Peak(x=0, y=0), 0.9)
    Grid(side=36, points=1296, spacing=0.2857142857142857)
    """
    share = min(share, 1 - 1 / math.sqrt(peak.height))
    above = share * peak.height - peak.background
    if above <= 0:  # as good as anywhere
        return Grid(1, 1, width)
    area = math.pi * peak.sigma[0] * peak.sigma[1] * 2 * math.log(peak.amplitude / above)
    side = max(2, math.ceil(width / math.sqrt(area)) + 1)
    return Grid(side, side**2, width / (side - 1))
