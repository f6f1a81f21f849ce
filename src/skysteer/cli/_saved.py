"""What watching has saved: each measurement beside the one of fixed length that nobody watches."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from skysteer.model import Verdict

from ._ring import FULL, Ring
from ._tally import DOSE_RATE, ENOUGH, Tally

__all__ = ["Outcome", "Savings", "outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one measurement came out."""

    name: str
    """Which."""
    verdict: str
    """What ended it: ``"enough"`` or ``"abort"``; ``""`` if all points were measured."""
    exit_status: str
    """Of the stop document."""
    reason: str
    """Of the stop document: who said it, and why."""
    points: int
    """Points measured."""
    points_fixed: int
    """Of the measurement of fixed length."""
    dark: int
    """Points measured while the beam was down."""
    dark_fixed: int
    """As many would have been in the measurement of fixed length."""
    signal_to_noise: float | None
    """At the end; ``None`` before the first count."""
    seconds: float
    """From the start document to the stop document."""
    seconds_fixed: float
    """What all points would have taken at the same pace, in seconds."""
    dose: float
    """In kGy."""
    dose_fixed: float
    """In kGy."""
    held: float
    """Seconds for which it was held."""
    acted_in: float | None
    """Seconds from the loss of the beam to the stop document, where that aborted it."""
    uid: str
    """Of the run."""

    @property
    def seconds_saved(self) -> float:
        """Negative where holding took longer."""
        return self.seconds_fixed - self.seconds

    @property
    def dose_saved(self) -> float:
        """In kGy."""
        return self.dose_fixed - self.dose

    def as_rows(self) -> list[tuple[str, str]]:
        """Return some lines for a person."""
        how = {"enough": "good enough", "abort": "aborted", "": "all measured"}[self.verdict]
        ratio = "" if self.signal_to_noise is None else f", S/N {self.signal_to_noise:.1f} of {ENOUGH:.0f}"
        rows = [(self.name, f"{how} after {self.points} of {self.points_fixed} points{ratio}")]
        if self.acted_in is not None:
            rows.append(("", f"its run was closed {1000 * self.acted_in:.1f} ms after the beam was lost"))
        if self.held > 0:
            rows.append(("", f"held for {self.held:.2f} s while the beam was down"))
        if self.dark_fixed:
            rows.append(("", f"{self.dark} points without beam, and in a fixed length {self.dark_fixed}"))
        rows.append(("", f"stop document: {self.exit_status}{', ' if self.reason else ''}{self.reason}"))
        rows.append(("", _saved(self.seconds_saved, self.seconds_fixed, self.dose_saved, self.dose_fixed)))
        return rows


@dataclass(frozen=True, slots=True)
class Savings:
    """How all measurements came out."""

    outcomes: Sequence[Outcome]
    """In order."""
    files: Mapping[str, str]
    """What was written, and where."""
    seed: int
    """Of everything random."""
    tiled: Mapping[str, Any] | None = None
    """What arrived at a Tiled server, where there is one."""

    def as_json(self) -> str:
        """Return one JSON object."""
        measurements = [
            {
                **{_UNITS.get(key, key): value for key, value in asdict(each).items()},
                "seconds_saved": each.seconds_saved,
                "dose_saved_kGy": each.dose_saved,
            }
            for each in self.outcomes
        ]
        values = {
            "measurements": measurements,
            "seconds_saved": sum(each.seconds_saved for each in self.outcomes),
            "dose_saved_kGy": sum(each.dose_saved for each in self.outcomes),
            "signal_to_noise_wanted": ENOUGH,
            "files": dict(self.files),
            "seed": self.seed,
            "beamline": "simulated",
            **({} if self.tiled is None else {"tiled": dict(self.tiled)}),
        }
        return json.dumps(values, indent=2, allow_nan=False)

    def as_text(self) -> str:
        """Return some lines for a person."""
        rows = [row for each in self.outcomes for row in each.as_rows()]
        in_all = _saved(
            sum(each.seconds_saved for each in self.outcomes),
            sum(each.seconds_fixed for each in self.outcomes),
            sum(each.dose_saved for each in self.outcomes),
            sum(each.dose_fixed for each in self.outcomes),
        )
        rows += [("in all", in_all), *self.files.items()]
        return "\n".join(f"{name:<11}{text}" for name, text in rows)


_UNITS = {"dose": "dose_kGy", "dose_fixed": "dose_fixed_kGy", "held": "seconds_held", "acted_in": "seconds_to_act"}


def outcome(name: str, tally: Tally, ring: Ring) -> Outcome:
    """Compare a measurement that is over with one of fixed length at the same pace, under the same ring."""
    stop = tally.stop
    begin, end = float(tally.start["time"]), float(stop["time"])
    times = [point.time for point in tally.points]
    pace = statistics.median(b - a for a, b in pairwise(times)) if times[1:] else tally.exposure
    lost = next((when for when, current in ring.history if current < FULL / 2), None)
    # Until the beam was lost they are the same points; from then on nobody holds or ends it.
    same = [begin, *(when for when in times if lost is None or when < lost)]
    ends = [*same[1:], *(same[-1] + pace * number for number in range(1, tally.total - len(same) + 2))]
    fixed = [ring.at(when) for when in ends]
    newest = tally.points[-1] if tally.points else None
    enders = [each for each in tally.requests if each.verdict in (Verdict.ENOUGH, Verdict.ABORT)]
    early = enders and str(enders[-1]) == stop.get("reason")
    aborted, held = stop["exit_status"] == "abort", _held(tally, end)
    return Outcome(
        name=name,
        verdict=enders[-1].verdict.value if early else "",
        exit_status=stop["exit_status"],
        reason=stop.get("reason", ""),
        points=tally.count,
        points_fixed=tally.total,
        dark=sum(point.current < FULL / 2 for point in tally.points),
        dark_fixed=sum(current < FULL / 2 for current in fixed),
        signal_to_noise=newest.ratio if newest is not None and math.isfinite(newest.ratio) else None,
        seconds=end - begin,
        seconds_fixed=ends[-1] - begin if early or held else end - begin,
        dose=0.0 if newest is None else newest.dose,
        dose_fixed=sum(DOSE_RATE * tally.exposure * current / FULL for current in fixed),
        held=held,
        acted_in=end - lost if aborted and lost is not None else None,
        uid=str(tally.start["uid"]),
    )


def _held(tally: Tally, end: float) -> float:
    """Seconds from each hold to what ended it."""
    held, since = 0.0, None
    for request in tally.requests:
        if request.verdict is Verdict.HOLD:
            since = request.time if since is None else since
        elif since is not None:
            held, since = held + request.time - since, None
    return held if since is None else held + end - since


def _saved(seconds: float, of_seconds: float, dose: float, of_dose: float) -> str:
    return f"saved {seconds:.1f} of {of_seconds:.1f} s and {dose:.1f} of {of_dose:.1f} kGy"
