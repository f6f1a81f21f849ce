"""First in, first out, from any thread to the one that takes."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Items from many threads for one taker, in the order in which they came.

    Nothing is ever dropped: who takes slowly takes more at once.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._closed = False
        self._hurry = False
        self._dozing = False
        self._changed = threading.Condition()
        self.received = 0
        """How many items were ever put in."""
        self.hurried = 0
        """How many there were with the newest that was put in with ``hurry``."""

    def put(self, item: Item, *, hurry: bool = True) -> bool:
        """Add an item, from any thread, without waiting. False once the mailbox is closed.

        Without ``hurry`` a taker that lingers is not woken for it.
        """
        with self._changed:
            if self._closed:
                return False
            self._items.append(item)
            self.received += 1
            if hurry:
                self.hurried = self.received
                self._hurry = True
                self._changed.notify()
            elif not self._dozing:
                self._changed.notify()
            return True

    def take(self, *, linger: float = 0.0) -> list[Item] | None:
        """Wait for items and take all of them; ``None`` when the mailbox is closed and empty.

        Parameters
        ----------
        linger
            Seconds that an item which was put in without ``hurry`` may lie there, so
            that it is taken together with what follows it: one wake-up for both.
        """
        with self._changed:
            if linger:
                self._doze(linger)
            if not self._items and not self._closed:
                while not self._items and not self._closed:
                    self._changed.wait()
                if linger:
                    self._doze(linger)
            self._hurry = False
            if not self._items:
                return None
            items = list(self._items)
            self._items.clear()
            return items

    def hurry(self) -> None:
        """Have what lies there taken now. From any thread."""
        with self._changed:
            if self._items:
                self._hurry = True
                self._changed.notify()

    def _doze(self, seconds: float) -> None:
        """Wait until somebody is in a hurry, for so long at most."""
        if self._hurry or self._closed:
            return
        self._dozing = True
        self._changed.wait(seconds)
        self._dozing = False

    def close(self) -> None:
        """Take nothing more in, and let the taker go once it has taken the rest. From any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)
