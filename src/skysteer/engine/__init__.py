"""The engine that runs plans without blocking its caller, and the status a device answers with."""

from skysteer.engine._engine import EngineClosed, RunEngine
from skysteer.engine._status import InvalidState, Status, StatusTimeoutError, WaitTimeoutError

__all__ = ["EngineClosed", "InvalidState", "RunEngine", "Status", "StatusTimeoutError", "WaitTimeoutError"]
