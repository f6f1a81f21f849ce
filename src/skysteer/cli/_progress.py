"""What a demo shows while it runs: one live line on a terminal, a plain line now and then elsewhere."""

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

__all__ = ["Display", "News", "display", "display_news", "say"]

EVERY = 10
"""Points of a search between two plain lines."""


class News(Protocol):
    """The words: how far, how good, how fast. Looked up from any thread."""

    @property
    def total(self) -> int:
        """Points at the most."""
        ...

    @property
    def count(self) -> int:
        """Points measured."""
        ...

    def progress(self) -> str:
        """How far."""
        ...

    def standing(self) -> str:
        """How good."""
        ...

    def pace(self) -> str:
        """How fast."""
        ...


class Display(Protocol):
    """Shows a demo while it runs."""

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
    return display_news(console, _SearchNews(course, queue, total), every=0 if silent else EVERY)


def display_news(console: Console, news: News, *, every: int) -> Display:
    """Return what suits where the output goes: a line every so many points where it is no terminal, none for 0."""
    if console.is_terminal:
        return _OnTerminal(console, news)
    return _InLines(console, news, every=every)


def say(console: Console, text: str) -> None:
    """Print words as they are; above the live line, where there is one."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class _SearchNews:
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

    def standing(self) -> str:
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

    def __init__(self, console: Console, news: News) -> None:
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
        whole.add_row(Text(self._news.standing(), style="green", no_wrap=True, overflow="ellipsis"))
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

    def __init__(self, console: Console, news: News, *, every: int) -> None:
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
            say(self._console, f"{news.progress()}, {news.standing()}, {news.pace()}")
