"""The Channel Access client of this process, pointed at one port of loopback.

The client library reads its settings from the environment once, when it is
first used, and keeps them until the process ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading

import aioca  # pyright: ignore[reportMissingTypeStubs]
from aioca import _catools  # pyright: ignore[reportMissingTypeStubs, reportPrivateUsage]

__all__ = ["forget", "join", "leave"]

_lock = threading.Lock()
_port: int | None = None
_user: object | None = None


def join(user: object) -> int:
    """Take the client for one user; return the port where it looks for servers.

    Raises
    ------
    RuntimeError
        If there is a user already, or if the client was in use before with settings that are not ours.
    """
    global _port, _user
    with _lock:
        if _user is not None:
            raise RuntimeError(
                f"{_user!r} is open: one at a time, because Channel Access takes its port for good. Close it first"
            )
        if _port is None:
            if _catools._Context._ca_context is not None:  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
                found = os.environ.get("EPICS_CA_ADDR_LIST"), os.environ.get("EPICS_CA_SERVER_PORT")
                raise RuntimeError(
                    "Channel Access is in use in this process already, and keeps the settings it began with "
                    f"(now EPICS_CA_ADDR_LIST={found[0]!r}, EPICS_CA_SERVER_PORT={found[1]!r}): "
                    "make the EpicsBeamline before any other EPICS device, or in a process of its own"
                )
            _port = _free_port()
            os.environ.update(
                EPICS_CA_AUTO_ADDR_LIST="NO",
                EPICS_CA_ADDR_LIST="127.0.0.1",
                EPICS_CA_SERVER_PORT=str(_port),
                EPICS_CA_REPEATER_PORT=str(_free_port()),
            )
        _user = user
        return _port


def leave(user: object) -> None:
    """Give the client free. May be called again."""
    global _user
    with _lock:
        if _user is user:
            _user = None


def forget(prefix: str, loop: asyncio.AbstractEventLoop) -> None:
    """Close the channels of a server that is to end, or the client would look for it for ever."""

    async def close_channels() -> None:
        # Channels of others would be closed too: leave it then.
        if all(info.name.startswith(prefix) for info in aioca.get_channel_infos()):
            aioca.purge_channel_caches()

    if loop.is_running():
        asyncio.run_coroutine_threadsafe(close_channels(), loop).result(5.0)


def _free_port() -> int:
    """A port that is free for both TCP and UDP now; the search uses the one, the data the other."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
