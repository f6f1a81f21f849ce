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
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Add an item, from any thread, without waiting. False once the mailbox is closed."""
        with self._changed:
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify()
            return True

    def take(self) -> list[Item] | None:
        """Wait for items and take all of them; ``None`` when the mailbox is closed and empty."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if not self._items:
                return None
            items = list(self._items)
            self._items.clear()
            return items

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
