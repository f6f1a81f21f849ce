"""Takes the documents off the engine's loop, at once, and follows them in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from skysteer.handoff import Mailbox

__all__ = ["Follower"]

Follow = Callable[[str, Mapping[str, Any]], None]


class Follower:
    """A document callback that only hands over. Subscribe it to an engine; leave it when the engine is done.

    Parameters
    ----------
    follow
        Called with each document, in order, in this follower's thread.
    """

    def __init__(self, follow: Follow) -> None:
        self._follow = follow
        self._mailbox: Mailbox[tuple[str, Mapping[str, Any]]] = Mailbox()
        self._thread = threading.Thread(target=self._run, name="skysteer-demo-documents", daemon=True)
        self.ended: Future[None] = Future()
        """Done when every document was followed; fails as soon as one could not be."""

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document, from any thread, without waiting."""
        self._mailbox.put((name, doc))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait until everything taken was followed; what comes later is not."""
        self._mailbox.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (documents := self._mailbox.take()) is not None:
                for name, doc in documents:
                    self._follow(name, doc)
        except Exception as exc:
            self._mailbox.close()
            self.ended.set_exception(exc)
        else:
            self.ended.set_result(None)
