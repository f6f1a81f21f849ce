"""Who wants to hear of decisions, told one after the other by whoever decides."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from skysteer.model import Decision, DecisionListener

log = logging.getLogger(__name__)


class Listeners:
    """Listeners of one who decides. True while there is any: without one, a decision need not even be made a value.

    `add` and what it returns may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[DecisionListener, ...] = ()

    def add(self, listener: DecisionListener) -> Callable[[], None]:
        """Tell ``listener`` of every decision from now on; returns what ends that."""

        def told(decision: Decision) -> object:  # a value of our own: one listener may be added twice
            return listener(decision)

        with self._lock:
            self._listeners = (*self._listeners, told)

        def forget() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not told)

        return forget

    def tell(self, decision: Decision) -> None:
        """Hand a decision over. A listener that raises is logged: it is not to disturb what it listens to."""
        for listener in self._listeners:
            try:
                listener(decision)
            except Exception:
                log.exception("a listener failed with %s", type(decision).__name__)

    def __bool__(self) -> bool:
        return bool(self._listeners)
