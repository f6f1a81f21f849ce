"""What came of a search: beside the truth, in words and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skysteer.model import AdaptiveResult
from skysteer.testing import Peak

from ._grid import Grid, equal_grid

__all__ = ["FOUND", "Spot", "Summary", "summarize"]

FOUND = 0.9
"""A search that reaches this share of the top has found the peak."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place and what is there."""

    x: float
    """In mm."""
    y: float
    """In mm."""
    counts: float
    """Counts, measured or true."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How a search came out."""

    best: Spot
    """The best point, in the model's view, and its reading."""
    truth: Spot
    """The top of the true peak."""
    distance: float
    """From the best point to the true top, in mm."""
    true_counts: float
    """What the detector would count at the best point without noise."""
    share_of_top: float
    """The same as a share of the true top."""
    points: int
    """Points measured."""
    grid: Grid
    """The regular grid that comes as close, within the noise of a reading."""
    seconds: float
    """From the first message to the last, in seconds."""
    seconds_a_suggestion: float | None
    """Median time from a question to the recommender's answer, in seconds."""
    reason: str
    """Why it ended."""
    uids: tuple[str, ...]
    """Of the runs."""
    files: Mapping[str, str]
    """What was written, and where."""
    seed: int
    """Of everything random."""
    beamline: str
    """What it was measured on."""
    tiled: Mapping[str, Any] | None = None
    """What arrived at a Tiled server, where there is one."""

    @property
    def found(self) -> bool:
        """Whether the best point is on the peak."""
        return self.share_of_top >= FOUND

    def as_json(self) -> str:
        """Return one JSON object. Positions are in mm."""
        values: dict[str, Any] = {
            "found": self.found,
            "best": asdict(self.best),
            "truth": asdict(self.truth),
            "distance_mm": self.distance,
            "true_counts_at_best": self.true_counts,
            "share_of_top": self.share_of_top,
            "points": self.points,
            "grid_points": self.grid.points,
            "grid_spacing_mm": self.grid.spacing,
            "seconds": self.seconds,
            "seconds_a_suggestion": self.seconds_a_suggestion,
            "reason": self.reason,
            "uids": self.uids,
            "files": dict(self.files),
            "seed": self.seed,
            "beamline": self.beamline,
            **({} if self.tiled is None else {"tiled": dict(self.tiled)}),
        }
        return json.dumps(values, indent=2, allow_nan=False)

    def as_text(self) -> str:
        """Return some lines for a person."""
        pace = (
            ""
            if self.seconds_a_suggestion is None
            else f"; the recommender took {_time(self.seconds_a_suggestion)} a suggestion"
        )
        if self.found:
            comparison = (
                f"within the noise, a regular grid comes as close with about {self.grid.points:,} points "
                f"({self.grid.side} x {self.grid.side}, {self.grid.spacing:.2g} mm apart)"
            )
        else:
            comparison = "the peak was not found; try more --points, or another --seed"
        rows = [
            (
                "best point",
                f"x = {self.best.x:+.3f} mm, y = {self.best.y:+.3f} mm, {self.best.counts:.0f} counts measured",
            ),
            ("true peak", f"x = {self.truth.x:+.3f} mm, y = {self.truth.y:+.3f} mm, {self.truth.counts:.0f} counts"),
            (
                "distance",
                f"{self.distance:.3f} mm; {self.true_counts:.0f} counts are to be expected there, "
                f"{100 * self.share_of_top:.1f} % of the top",
            ),
            ("points", f"{self.points} in {self.seconds:.1f} s{pace}"),
            ("compare", comparison),
            ("end", self.reason),
            *((name, path) for name, path in self.files.items()),
        ]
        return "\n".join(f"{name:<11}{text}" for name, text in rows)


def summarize(
    result: AdaptiveResult,
    peak: Peak,
    *,
    fallback: Mapping[str, Any] | None,
    seconds: float,
    files: Mapping[str, Path],
    seed: int,
    beamline: str,
    tiled: Mapping[str, Any] | None = None,
) -> Summary:
    """Compare the best point of a search with the truth.

    Parameters
    ----------
    fallback
        The best reading, for a recommender that does not say which point is best.
    seconds
        That the search took.

    Raises
    ------
    RuntimeError
        If nothing was measured.
    """
    found = fallback if result.best is None else result.best
    if found is None:
        raise RuntimeError(f"nothing was measured: {result.reason}")
    best = Spot(float(found["x"]), float(found["y"]), float(found["det"]))
    true_counts = peak(best.x, best.y)
    share = true_counts / peak.height
    return Summary(
        best=best,
        truth=Spot(peak.x, peak.y, peak.height),
        distance=math.hypot(best.x - peak.x, best.y - peak.y),
        true_counts=true_counts,
        share_of_top=share,
        points=result.measured,
        grid=equal_grid(peak, share),
        seconds=seconds,
        seconds_a_suggestion=result.seconds_a_suggestion,
        reason=result.reason,
        uids=result.uids,
        files={name: str(path) for name, path in files.items()},
        seed=seed,
        beamline=beamline,
        tiled=tiled,
    )


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
