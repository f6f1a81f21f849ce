"""What came of the check of a recommender: for each promise whether it is kept, and how long a suggestion takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._check_judge import BrokenPromise

__all__ = ["BrokenRecommenderPromise", "CheckReport", "PromiseResult"]


class BrokenRecommenderPromise(BrokenPromise):
    """A recommender does not keep one of the promises of `check_recommender`."""

    def __init__(self, promise: str, found: str, code: str, name: str = "") -> None:
        self.promise = promise
        """What a recommender promises."""
        self.found = found
        """What it did instead."""
        self.code = code
        """The calls that were made, in order, to paste where ``make`` is defined."""
        self.name = name
        """Name of the promise, by which it can be exempted."""
        self.observations = ()
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        label = f" [{name}]" if name else ""
        AssertionError.__init__(
            self,
            f"broken promise{label}: {promise}\nfound: {found}\n"
            f"reproduce it with the `make` that was checked (this code is `error.code`):\n{lines}",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.promise, self.found, self.code, self.name)


@dataclass(frozen=True, slots=True)
class PromiseResult:
    """What came of one promise."""

    name: str
    """Its name in `skysteer.testing.RECOMMENDER_PROMISES`."""
    promise: str
    """What a recommender promises."""
    outcome: Literal["passed", "not applicable", "broken"]
    why: str = ""
    """Why it is not applicable, or what was found."""
    seconds: float = 0.0
    """How long the check took, in seconds."""
    error: BrokenRecommenderPromise | None = None
    """What `check_recommender` raises for it."""

    def __str__(self) -> str:
        return f"{self.outcome}: {self.promise}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of the whole check. ``str()`` is a table."""

    recommender: str
    """Name of its class."""
    results: tuple[PromiseResult, ...]
    """One for each promise, in the order in which they were checked."""
    suggestion_seconds: Mapping[int, float | None]
    """Points known, to the seconds from telling one more to the suggestion that follows it (the
    median of three); ``None`` where it was not measured, because fewer points took too long already."""

    @property
    def ok(self) -> bool:
        """Whether no promise is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[PromiseResult, ...]:
        """The promises that are broken."""
        return tuple(result for result in self.results if result.outcome == "broken")

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain values, as JSON has them."""
        return {
            "recommender": self.recommender,
            "ok": self.ok,
            "promises": {
                result.name: {
                    "promise": result.promise,
                    "outcome": result.outcome,
                    "why": result.why,
                    "seconds": round(result.seconds, 4),
                    "reproduce": None if result.error is None else result.error.code,
                }
                for result in self.results
            },
            "suggestion_seconds": {str(count): seconds for count, seconds in self.suggestion_seconds.items()},
        }

    def __str__(self) -> str:
        width = max((len(result.name) for result in self.results), default=0)
        lines = [f"{self.recommender}: {len(self.broken)} of {len(self.results)} promises broken"]
        for result in self.results:
            why = f" ({result.why})" if result.why else ""
            lines.append(f"  {result.outcome:<14}  {result.name:<{width}}  {result.promise}{why}")
        for count, seconds in self.suggestion_seconds.items():
            lines.append(f"  {in_words(seconds):>14}  a suggestion at {count} points")
        return "\n".join(lines)


def in_words(seconds: float | None) -> str:
    """Return a time as people say it."""
    if seconds is None:
        return "not measured"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
