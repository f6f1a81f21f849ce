"""The process of a soft IOC: started, watched and ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

__all__ = ["IocProcess"]

START_TIMEOUT = 60.0
"""Seconds until the IOC must serve: it imports much, perhaps on a busy machine."""
END_TIMEOUT = 5.0
"""Seconds until an IOC that was asked to end is killed."""


class IocProcess:
    """A soft IOC in a process of its own, on a port of loopback.

    Parameters
    ----------
    settings
        What `skysteer.testing._soft_ioc` is told.
    port
        Where it serves Channel Access.
    """

    def __init__(self, settings: Mapping[str, Any], port: int) -> None:
        loopback = {
            "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
            "EPICS_CAS_SERVER_PORT": str(port),
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        }
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "skysteer.testing._soft_ioc", json.dumps(settings)],
            env={**os.environ, **loopback},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    def close(self) -> None:
        """End the process; afterwards it is gone. May be called again."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _wait_until_ready(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # a pipe, see above
        line = b""
        while line.strip() != b"ready":
            readable, _, _ = select.select([stdout], [], [], START_TIMEOUT)
            line = stdout.readline() if readable else b""
            if not line:
                self._errors.seek(0)
                said = self._errors.read().decode(errors="replace").strip()
                raise RuntimeError(f"the soft IOC did not start within {START_TIMEOUT:g} s; it said:\n{said}")
