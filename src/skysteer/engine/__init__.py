"""The engine that runs plans without blocking its caller, and the status a device answers with."""

from skysteer.engine._engine import EngineClosed, RunEngine

__all__ = ["EngineClosed", "RunEngine"]
