"""To try out recommenders, judges and plans: a simulated beamline, misbehaving recommenders, documents.

`skysteer.testing.epics` has the same experiment on a real EPICS server.
"""

from ._beamline import SimulatedBeamline
from ._check_judge import JUDGE_PROMISES, BrokenPromise, check_judge
from ._detector import SimulatedDetector
from ._documents import RunBuilder, external_key
from ._faults import Dying, Raising, Silent, Slow
from ._fixed import Fixed
from ._mad import MAD_ANSWERS, Mad
from ._motor import SimulatedMotor
from ._recorder import Call, Recorder
from ._truth import Edge, Peak

__all__ = [
    "JUDGE_PROMISES",
    "MAD_ANSWERS",
    "BrokenPromise",
    "Call",
    "Dying",
    "Edge",
    "Fixed",
    "Mad",
    "Peak",
    "Raising",
    "Recorder",
    "RunBuilder",
    "Silent",
    "SimulatedBeamline",
    "SimulatedDetector",
    "SimulatedMotor",
    "Slow",
    "check_judge",
    "external_key",
]
