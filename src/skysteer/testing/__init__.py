"""To try out recommenders, judges and plans: a simulated beamline, misbehaving recommenders, documents.

`skysteer.testing.epics` has the same experiment on a real EPICS server.
"""

from ._beamline import SimulatedBeamline
from ._check_judge import JUDGE_PROMISES, BrokenPromise, check_judge
from ._check_recommender import RECOMMENDER_PROMISES, RecommenderCheck, check_recommender, recommender_checks
from ._detector import SimulatedDetector
from ._documents import RunBuilder, external_key
from ._faults import Dying, Raising, Silent, Slow
from ._fixed import Fixed
from ._mad import MAD_ANSWERS, Mad
from ._motor import SimulatedMotor
from ._recommender_report import BrokenRecommenderPromise, CheckReport, PromiseResult
from ._recorder import Call, Recorder
from ._truth import Edge, Peak
from ._wafer import Phases, SimulatedDiffractometer, SimulatedWafer

__all__ = [
    "JUDGE_PROMISES",
    "MAD_ANSWERS",
    "RECOMMENDER_PROMISES",
    "BrokenPromise",
    "BrokenRecommenderPromise",
    "Call",
    "CheckReport",
    "Dying",
    "Edge",
    "Fixed",
    "Mad",
    "Peak",
    "Phases",
    "PromiseResult",
    "Raising",
    "RecommenderCheck",
    "Recorder",
    "RunBuilder",
    "Silent",
    "SimulatedBeamline",
    "SimulatedDetector",
    "SimulatedDiffractometer",
    "SimulatedMotor",
    "SimulatedWafer",
    "Slow",
    "check_judge",
    "check_recommender",
    "external_key",
    "recommender_checks",
]
