"""To try out recommenders, judges and plans: a simulated beamline, misbehaving recommenders, documents.

`skysteer.testing.epics` has the same experiment on a real EPICS server.
"""

from ._beamline import SimulatedBeamline
from ._detector import SimulatedDetector
from ._motor import SimulatedMotor
from ._truth import Edge, Peak

__all__ = ["Edge", "Peak", "SimulatedBeamline", "SimulatedDetector", "SimulatedMotor"]
