"""Try before beamtime: a recommender against a truth, and several of them side by side. No engine, no hardware.

A truth is a function of a point, an `Emulator` fitted to a recorded run, the
`Recorded` run itself, or one of `TRUTHS`.
"""

from ._baselines import Random
from ._compare import BASELINES, compare
from ._comparison import Comparison, Curve, Run
from ._emulator import Emulator
from ._functions import TRUTHS
from ._goodness import Reconstruction
from ._recorded import Recorded
from ._recording import Recording, read_recording
from ._simulate import Aim, simulate
from ._simulation import Called, Measured, Simulation
from ._truth import Goal, Noise, Truth, Varying

__all__ = [
    "BASELINES",
    "TRUTHS",
    "Aim",
    "Called",
    "Comparison",
    "Curve",
    "Emulator",
    "Goal",
    "Measured",
    "Noise",
    "Random",
    "Reconstruction",
    "Recorded",
    "Recording",
    "Run",
    "Simulation",
    "Truth",
    "Varying",
    "compare",
    "read_recording",
    "simulate",
]
