"""Judges of a running measurement: enough, junk, or the beam is gone.

A judge is called with an observation and answers with a
`skysteer.model.Judgement` or ``None``, no opinion (`skysteer.protocols.Judge`).
These are pure: no threads, no clock but ``observation.time``, the same
observations give the same verdicts. They need no engine, travel to other
processes, and ``reset()`` begins anew. Every observation they are given counts.
What they say they say at every observation for which it holds.
"""

from ._beam import BeamLost
from ._combined import all_of, any_of
from ._converged import Converged
from ._counts import CountsReached
from ._debounced import debounced
from ._flat import FlatSignal
from ._limits import DoseLimit, TimeLimit
from ._plateau import Plateau
from ._saturated import Saturated
from ._signal_to_noise import SignalToNoise

__all__ = [
    "BeamLost",
    "Converged",
    "CountsReached",
    "DoseLimit",
    "FlatSignal",
    "Plateau",
    "Saturated",
    "SignalToNoise",
    "TimeLimit",
    "all_of",
    "any_of",
    "debounced",
]
