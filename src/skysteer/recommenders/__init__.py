"""Recommenders, and the `Advisor` that owns one and its worker. Free of Bluesky.

`skysteer.recommenders.gaussian` needs scikit-learn and is imported by name.
"""

from ._advisor import Advisor
from ._grid import Grid
from ._sequence import Sequence
from ._session import Reduce
from ._sobol import Sobol

__all__ = ["Advisor", "Grid", "Reduce", "Sequence", "Sobol"]
