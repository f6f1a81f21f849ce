"""Recommenders with one fault each, around any other: slow, silent, raising, dying.

Each passes on the optional abilities that the inner one has, and only those,
so that ``isinstance(fake, KnowsPending)`` says of the fake what it says of the
inner one. All can be pickled. Numbers of calls start at 1.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skysteer.protocols import Recommender

from ._around import Around, Where

__all__ = ["Dying", "Raising", "Silent", "Slow"]


class Slow(Around):
    """Takes its time.

    Parameters
    ----------
    seconds
        How long each call takes, more than the inner one's.
    burn
        What it does meanwhile: ``"sleep"`` needs no processor, ``"python"``
        computes and holds the interpreter's lock, ``"numpy"`` computes and
        gives it free.
    where
        Which call is slow.
    """

    def __init__(
        self,
        inner: Recommender,
        seconds: float,
        burn: Literal["sleep", "python", "numpy"] = "sleep",
        where: Where = "suggest",
    ) -> None:
        if burn not in ("sleep", "python", "numpy"):
            raise ValueError(f"burn must be 'sleep', 'python' or 'numpy', found {burn!r}")
        super().__init__(inner)
        self.seconds, self.burn, self.where = seconds, burn, where

    def before(self, where: Where, number: int) -> None:
        """Take the time."""
        if where != self.where:
            return
        if self.burn == "sleep":
            time.sleep(self.seconds)
            return
        matrix = np.eye(300)
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            if self.burn == "numpy":
                matrix = matrix @ matrix
            else:
                sum(range(1000))


class Silent(Around):
    """Never answers from a certain question on.

    The call hangs until `release` is called, from any thread; then it answers
    as the inner one does. In a process of its own nobody can release it.

    Parameters
    ----------
    after
        How many calls are answered before it falls silent.
    where
        Which call hangs.
    """

    def __init__(self, inner: Recommender, after: int = 0, where: Where = "suggest") -> None:
        super().__init__(inner)
        self.after, self.where = after, where
        self._make_events()

    def before(self, where: Where, number: int) -> None:
        """Hang, if it is time."""
        if where == self.where and number > self.after:
            self._hanging.set()
            self._released.wait()

    def release(self) -> None:
        """Let the hanging call and all later ones go on."""
        self._released.set()

    def wait_until_silent(self, timeout: float) -> bool:
        """Wait until a call hangs; return whether one does."""
        return self._hanging.wait(timeout)

    def _make_events(self) -> None:
        self._released = threading.Event()
        self._hanging = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_released", "_hanging")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._make_events()


class Raising(Around):
    """Raises at one call, before the inner one hears of it.

    Parameters
    ----------
    at
        Number of the call that raises; 1 is the first.
    where
        Which call.
    error
        What it raises, the very object; by default a RuntimeError that says which call it was.
    always
        Whether all later calls raise too.
    """

    def __init__(
        self,
        inner: Recommender,
        at: int = 1,
        where: Where = "suggest",
        error: BaseException | None = None,
        *,
        always: bool = False,
    ) -> None:
        super().__init__(inner)
        self.at, self.where, self.error, self.always = at, where, error, always

    def before(self, where: Where, number: int) -> None:
        """Raise, if it is time."""
        if where == self.where and (number == self.at or (self.always and number > self.at)):
            if self.error is not None:
                raise self.error
            raise RuntimeError(f"{where} number {number} raised, as Raising was told")


class Dying(Around):
    """Kills the process it runs in, as a crash of a compiled library or the kernel's memory killer would.

    Parameters
    ----------
    at
        Number of the call that kills; 1 is the first. A worker that is
        replaced counts from 1 again.
    where
        Which call.
    once
        A file that is made before it dies. Where it exists, nobody dies: so
        the process that replaces the first lives.

    Raises
    ------
    RuntimeError
        By the call, in the process in which the recommender was made: there it would kill the caller.
    """

    def __init__(
        self, inner: Recommender, at: int = 1, where: Where = "suggest", *, once: Path | str | None = None
    ) -> None:
        super().__init__(inner)
        self.at, self.where = at, where
        self.once = None if once is None else Path(once)
        self.home = os.getpid()
        """The process in which it was made, and which it will not kill."""

    def before(self, where: Where, number: int) -> None:
        """Die, if it is time."""
        if where != self.where or number != self.at:
            return
        if os.getpid() == self.home:
            raise RuntimeError(
                f"Dying would kill this process, in which it was made (pid {self.home}): use a process worker"
            )
        if self.once is not None:
            if self.once.exists():
                return
            self.once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
