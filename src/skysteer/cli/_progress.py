"""What a search shows while it runs: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ._course import Course
from ._stopwatch import TimedQueue

__all__ = ["Display", "display"]

EVERY = 10
"""Points between two plain lines."""


class Display(Protocol):
    """Shows a search while it runs."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def measured(self) -> None:
        """One more point was measured, or the run began or ended."""
        ...


def display(console: Console, course: Course, queue: TimedQueue, total: int, *, silent: bool) -> Display:
    """Return what suits where the output goes.

    Parameters
    ----------
    silent
        Show nothing where it is not a terminal.
    """
    news = _News(course, queue, total)
    if console.is_terminal:
        return _OnTerminal(console, news)
    return _InLines(console, news, every=0 if silent else EVERY)


class _News:
    """The words: how far, how good, how fast."""

    def __init__(self, course: Course, queue: TimedQueue, total: int) -> None:
        self._course = course
        self._queue = queue
        self.total = total
        self._began = time.monotonic()

    @property
    def count(self) -> int:
        return len(self._course.readings)

    def progress(self) -> str:
        return f"{self.count:>{len(str(self.total))}}/{self.total} points"

    def best(self) -> str:
        best = self._course.best
        if best is None:
            return "nothing measured yet"
        return f"best so far {best.counts:.0f} counts at x = {best.x:+.2f} mm, y = {best.y:+.2f} mm"

    def pace(self) -> str:
        seconds = self._queue.seconds
        asked = "" if seconds is None else f"{1000 * seconds:.0f} ms a suggestion, "
        return f"{asked}{time.monotonic() - self._began:.1f} s"


class _OnTerminal:
    """Two lines that are drawn again ten times a second, by a thread of rich."""

    def __init__(self, console: Console, news: _News) -> None:
        self._news = news
        self._live = Live(self, console=console, refresh_per_second=10)

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=False)
        bar = ProgressBar(total=self._news.total, completed=self._news.count, width=30)
        table.add_row(
            bar, Text(self._news.progress(), no_wrap=True), Text(self._news.pace(), style="dim", no_wrap=True)
        )
        whole = Table.grid()
        whole.add_row(table)
        whole.add_row(Text(self._news.best(), style="green", no_wrap=True, overflow="ellipsis"))
        return whole

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def measured(self) -> None:
        """Nothing: what is drawn is looked up when it is drawn."""


class _InLines:
    """A line every so many points; ``every=0`` is silence."""

    def __init__(self, console: Console, news: _News, *, every: int) -> None:
        self._console = console
        self._news = news
        self._every = every
        self._said = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def measured(self) -> None:
        count, news = self._news.count, self._news
        due = self._every > 0 and (count % self._every == 0 or count == news.total)
        if due and count > self._said:
            self._said = count
            self._console.print(
                f"{news.progress()}, {news.best()}, {news.pace()}", markup=False, highlight=False, soft_wrap=True
            )
