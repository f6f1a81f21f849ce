"""TiledStore: a folder of runs that is also sent to a Tiled server."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from skysteer.errors import StoreError
from skysteer.stores import JSONLines

from ._process import Uploader
from ._upload import Delivered, Upload

__all__ = ["TiledStore", "deliver"]

logger = logging.getLogger(__name__)

ANSWER = 0.3
"""Seconds in which a process that has sent everything says so."""
NEEDED = ("tiled", "bluesky_tiled_plugins")


class TiledStore(JSONLines):
    """A folder of runs, and the same in a Tiled server.

    Documents go to the folder first, as with `skysteer.stores.JSONLines`: it is the
    record, and whoever measures never waits for a server. A process of its own reads
    the files and sends what is complete through Bluesky's ``TiledWriter``. It goes on
    by itself when the server is slow, away, restarted, wiped or full, and the next
    store on the same folder (or ``skysteer upload``) sends what this one could not.
    Every event arrives once, in order.

    Parameters
    ----------
    folder
        Folder of the runs.
    url
        Of the server, or of a container in it: ``http://host:8000``.
    api_key
        Key of the server. Without it the environment variable ``TILED_API_KEY`` is
        taken, or what the url has. It is written nowhere.
    flush_every
        As of `skysteer.stores.JSONLines`.

    Raises
    ------
    StoreError
        If the folder cannot be written, or Tiled is not installed.
    """

    def __init__(self, folder: str | Path, url: str, *, api_key: str | None = None, flush_every: float = 1.0) -> None:
        self.url, key = _without_key(url, api_key)
        """Of the server, without a key."""
        _check_installed()
        super().__init__(folder, flush_every=flush_every)
        self._uploader = Uploader(self.folder, self.url, key)
        self._ended = False

    @property
    def status(self) -> Upload:
        """How far the sending has come; from any thread, without waiting."""
        return self._uploader.status

    @property
    def pid(self) -> int | None:
        """The process that sends."""
        return self._uploader.pid

    def drained(self, timeout: float | None = None) -> bool:
        """Wait until everything that is in the folder now has arrived at the server.

        Parameters
        ----------
        timeout
            Longest time in seconds. None: as long as it takes.

        Returns
        -------
        bool
            False where it has not arrived by then. It is still going to be sent.
        """
        return self._uploader.drained(timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Close the folder, and stop sending. Again: nothing.

        Parameters
        ----------
        timeout
            How long in seconds to wait for what is not sent yet. What is left is said
            in the log; the next store on the same folder, or ``skysteer upload``, sends it.
        """
        if self._ended:
            return
        self._ended = True
        try:
            super().close()
        finally:
            sent = self._uploader.drained(max(timeout, ANSWER))
            self._uploader.end()
        left = self.status
        if not sent:
            logger.warning(
                "not all of %s was sent to %s in %g s%s; send the rest with: skysteer upload %s --tiled %s",
                self.folder,
                self.url,
                timeout,
                f" ({left.problem})" if left.problem else "",
                self.folder,
                self.url,
            )


def deliver(
    folder: str | Path,
    url: str,
    *,
    api_key: str | None = None,
    timeout: float | None = None,
    said: Callable[[Upload], None] | None = None,
) -> Delivered:
    """Send what is in a folder of runs to a Tiled server, and wait for it.

    What is there already is not sent again, and runs that are still measured are
    sent as far as they are.

    Parameters
    ----------
    folder
        Folder of the runs.
    url
        Of the server, or of a container in it.
    api_key
        As of `TiledStore`.
    timeout
        Longest time in seconds. None: as long as it takes, also while the server is away.
    said
        Called now and then with how far it has come, in the calling thread.

    Raises
    ------
    StoreError
        If there is no such folder, or Tiled is not installed.
    """
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        found = "is a file" if path.exists() else "is not there"
        raise StoreError(f"{path} {found}; give the folder into which runs were recorded")
    url, key = _without_key(url, api_key)
    _check_installed()
    uploader = Uploader(path, url, key)
    try:
        complete = uploader.drained(timeout, said)
        seconds = 0.0 if uploader.began is None else time.monotonic() - uploader.began
    finally:
        uploader.end()
    status = uploader.status
    return Delivered(complete and not status.set_aside, status, seconds)


def _check_installed() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise StoreError(f"a Tiled server needs {' and '.join(missing)}: pip install 'skysteer[tiled]'")


def _without_key(url: str, key: str | None) -> tuple[str, str | None]:
    """Take the key out of the url, which is shown and noted."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise StoreError(f"{url!r} is no address of a Tiled server; it is like http://localhost:8000")
    query = parse_qs(parts.query)
    keys = query.pop("api_key", [])
    if key is None:
        key = keys[0] if keys else os.environ.get("TILED_API_KEY")
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True))).rstrip("/"), key
