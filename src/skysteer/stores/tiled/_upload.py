"""How far a folder of runs has come into a Tiled server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Delivered", "Upload"]


@dataclass(frozen=True, slots=True)
class Upload:
    """How far the sending has come."""

    state: Literal["starting", "connecting", "sending", "idle", "waiting", "closed"] = "starting"
    """What it does: ``idle`` when everything was sent, ``waiting`` when the server does not take it now."""
    problem: str = ""
    """Why it waits; empty where nothing is wrong."""
    runs: int = 0
    """Runs of the folder that are in the server as a whole, from start to stop document."""
    events: int = 0
    """Events of all streams that were sent, or found to be there, since it was started."""
    waiting_runs: int = 0
    """Runs of which something is not sent yet."""
    waiting_bytes: int = 0
    """How much of their files that is."""
    set_aside: dict[str, str] = field(default_factory=dict[str, str])
    """Files that the server will not take, and why. They are tried again at the next start."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What `deliver` has done."""

    complete: bool
    """Everything that was in the folder is in the server."""
    status: Upload
    """How far it came."""
    seconds: float
    """How long it took in s, without the start of the process that sends (2-3 s)."""

    @property
    def waiting(self) -> int:
        """Runs of which something is not in the server."""
        return self.status.waiting_runs + len(self.status.set_aside)
