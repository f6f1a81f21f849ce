"""Where a demo keeps its runs: a folder beside the picture, sent on to a Tiled server where one is named."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from skysteer.stores import JSONLines

if TYPE_CHECKING:
    from skysteer.stores.tiled import TiledStore

__all__ = ["Logbook", "points_of"]

RUNS = "runs"
"""Name of the folder."""
PATIENCE = 30.0
"""Seconds that are waited at the end for what is not yet sent, while nothing is wrong."""


def points_of(folder: Path, run: str) -> list[Mapping[str, Any]]:
    """Return what a search that was cut off had measured, over all its runs, in order.

    Parameters
    ----------
    folder
        The folder of the demo.

    Raises
    ------
    RecordError
        If there is no such run.
    """
    from skysteer.stores import Record

    record = Record.read(folder / RUNS, run)
    return [each.point() for one in (*record.chain, record) for each in one.observations]


class Logbook:
    """The folder of runs of a demo, with those of the demos before.

    Parameters
    ----------
    out
        The folder of the demo, which exists.
    tiled
        Address of a Tiled server; its key is taken from the environment (``TILED_API_KEY``).

    Raises
    ------
    StoreError
        If the folder cannot be written, or Tiled is not installed.
    """

    def __init__(self, out: Path, tiled: str | None = None) -> None:
        self.folder = out / RUNS
        """Where the runs are."""
        self._tiled: TiledStore | None = None
        self._arrived = False
        if tiled is None:
            self.store = JSONLines(self.folder)
        else:
            from skysteer.stores.tiled import TiledStore

            # What is left to be sent is said by `words`, where the summary is.
            logging.getLogger("skysteer.stores.tiled").addHandler(logging.NullHandler())
            self.store = self._tiled = TiledStore(self.folder, tiled)

    def close(self) -> None:
        """Close the folder. What is not yet sent to a server is waited for a little."""
        if self._tiled is None:
            self.store.close()
        else:
            deadline = time.monotonic() + PATIENCE
            while not (self._arrived or self._tiled.status.problem) and time.monotonic() < deadline:
                self._arrived = self._tiled.drained(1.0)
            self._tiled.close(0.0)

    def words(self, shown: str) -> str:
        """Say how the record is looked at, what `shown` is, and, once it is closed, what arrived at the server."""
        looked = f"{shown}: skysteer show last --folder {self.folder}"
        return looked if self._tiled is None else f"{self._sent(self._tiled)}\n{looked}"

    def arrival(self) -> dict[str, Any] | None:
        """Say what arrived at the server, for JSON; nothing without a server."""
        if self._tiled is None:
            return None
        status = self._tiled.status
        return {
            "url": self._tiled.url,
            "arrived": self._arrived,
            "runs": status.runs,
            "waiting_runs": status.waiting_runs,
            "problem": status.problem,
        }

    def _sent(self, tiled: TiledStore) -> str:
        if self._arrived:
            return f"all of it is in the Tiled server at {tiled.url}"
        problem = tiled.status.problem or f"{tiled.url} did not take all of it within {PATIENCE:.0f} s"
        return (
            f"not all of it is in the Tiled server: {problem}\n"
            f"nothing is lost; send it later with: skysteer upload {self.folder} --tiled {tiled.url}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
