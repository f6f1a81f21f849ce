"""Why each point of the newest answer is asked for, kept apart from what a recommender is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Said = Iterable[object]
"""One for each point; its text is the sentence."""


class Reasons:
    """Those of the newest answer, each put into words once, when somebody asks.

    It is an object of its own, not a list among the attributes of a
    recommender, because it must not count as one of the settings: the same
    recommender has the same state before a question and after it.

    Parameters
    ----------
    reasons
        One for each point, or a function that returns them.
    """

    def __init__(self, reasons: Said | Callable[[], Said] = ()) -> None:
        self._reasons = reasons if callable(reasons) else list(reasons)

    def sentences(self) -> list[str]:
        """Return one for each point; what they were made of is then let go."""
        reasons = self._reasons() if callable(self._reasons) else self._reasons
        sentences = [str(reason) for reason in reasons]
        self._reasons = sentences
        return list(sentences)
