"""A detector is saturated."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_number, check_verdict
from ._value import check_key, numbers_of


@dataclass(eq=False)
class Saturated:
    """*Abort* when more than a share of the pixels is at the top of their range.

    A pixel (a single number is one) counts where its value is `at` or more,
    infinity too; NaN does not, but is a pixel. It judges each observation by
    itself: for a flash that does no harm see `debounced`.
    """

    key: str
    """The image, or number. Looked for in the objectives, the axes, the data of the observation."""
    at: float
    """From this value on a pixel is saturated, e.g. 65535."""
    share: float = 0.0
    """Share of the pixels that may be (from 0, below 1); for single numbers 0."""
    _: KW_ONLY
    verdict: Verdict = Verdict.ABORT
    """What it means."""

    def __post_init__(self) -> None:
        check_key(self.key)
        check_number("at", self.at)
        check_number("share", self.share)
        if not 0 <= self.share < 1:
            raise ValueError(f"share must be from 0 on and below 1, found {self.share!r}")
        check_verdict(self.verdict, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT)

    def reset(self) -> None:
        """Keep nothing: there is nothing to forget."""

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        pixels = numbers_of(observation, self.key)
        found = int(np.count_nonzero(pixels >= self.at))
        if found <= self.share * pixels.size:
            return None
        if pixels.ndim == 0:
            return Judgement(self.verdict, f"{self.key} is saturated: {float(pixels):.6g}, the limit is {self.at:.6g}")
        return Judgement(
            self.verdict,
            f"{self.key} is saturated: {found} of {pixels.size} pixels ({found / pixels.size:.3%}) at {self.at:.6g} "
            f"or more, {self.share:.3%} may be",
        )
