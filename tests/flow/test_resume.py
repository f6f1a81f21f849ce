"""A scan that is cut off after any document goes on from its record as if nothing had happened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skysteer import Axis, Patience, Space, adaptive_runs, adaptive_scan
from skysteer.stores import JSONLines, Record
from skysteer.testing import SimulatedBeamline

SPACE = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
TIMEOUT = 30.0
POINTS = 7
Document = tuple[str, Mapping[str, Any]]


class Wanderer:
    """Goes where a hash of all it knows says: told something twice, not, or in another order, it goes elsewhere."""

    def __init__(self, space: Space = SPACE, *, seed: int = 0, fails_at: Sequence[int] = ()) -> None:
        self.space = space
        self.seed = seed
        self.fails_at = tuple(fails_at)
        self._told: list[str] = []
        self._failed: list[str] = []
        self._pending: list[str] = []

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._told += [in_words(point) for point in points]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        self._failed += [in_words(point) for point in suggestions]

    def set_pending(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._pending = [in_words(point) for point in points]

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        if len(self._told) in self.fails_at:
            raise RuntimeError(f"knows {len(self._told)} points, which is too many")
        return [self._point(number) for number in range(num_points or 1)]

    def _point(self, number: int) -> dict[str, Any]:
        known = (self.seed, self._told, self._failed, self._pending, number)
        drawn = np.frombuffer(hashlib.sha256(repr(known).encode()).digest(), np.uint64)
        positions = {axis.name: -5 + 10 * int(d) / 2**64 for axis, d in zip(self.space.axes, drawn, strict=False)}
        return {**positions, "_id": ("w", int(drawn[-1] % 2**50))}

    def get_best_points(self) -> list[Any]:
        return []


def in_words(point: Mapping[str, Any]) -> str:
    return repr([(name, each.tobytes() if hasattr(each, "tobytes") else each) for name, each in sorted(point.items())])


class Noting(JSONLines):
    """Notes the order in which documents are written, over all files."""

    order: list[Document]

    def write(self, documents: Sequence[Document]) -> None:
        taken = list(documents)
        super().write(taken)
        self.__dict__.setdefault("order", []).extend(taken)


@dataclass
class Case:
    """A kind of scan; made anew it is the same."""

    flow: Callable[..., Any] = adaptive_scan
    fails_at: tuple[int, ...] = ()
    bad: tuple[float, float] = (9.0, 9.0)
    """Between these positions of x the detector fails."""
    options: Mapping[str, Any] = None  # type: ignore[assignment]

    def plan(self, beam: SimulatedBeamline, **also: Any) -> Any:
        options = {
            "max_points": POINTS,
            "recommender": Wanderer(fails_at=self.fails_at),
            **(self.options or {}),
            **also,
        }
        if self.fails_at:
            options["patience"] = Patience(on_timeout="fallback", timeout=20.0, fallback=Wanderer(seed=9))
        return self.flow([beam.det], [beam.x, beam.y], objectives=options.pop("objectives", ["det"]), **options)

    def beam(self, RE: Any) -> SimulatedBeamline:
        beam = SimulatedBeamline(RE, noise=False)
        truth = beam.det.truth

        def failing(x: float, y: float) -> float:
            if self.bad[0] < x < self.bad[1]:
                raise RuntimeError(f"no signal at x = {x:g} mm")
            return truth(x, y)

        beam.det.truth = failing
        return beam


def signal_of_event(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"signal": np.float32(data["det"] / 3), "shape": np.array([data["x"], data["y"]], np.float32)}


def signal_of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    return signal_of_event({key: values[-1] for key, values in run["primary"].items()})


REDUCED = {"objectives": ["signal", "shape"], "reduce": signal_of_event}
CASES = {
    "one after the other": Case(),
    "runs": Case(adaptive_runs),
    "batches": Case(options={"batch": 3}),
    "lookahead": Case(options={"lookahead": 2}),
    "batches and lookahead, in runs": Case(adaptive_runs, options={"batch": 2, "lookahead": 1}),
    "initial points and lookahead": Case(options={"initial": [{"x": 1.0, "y": 0.0}, {"x": 2, "y": 1}], "lookahead": 1}),
    "failures": Case(bad=(0.0, 2.0), options={"batch": 2, "lookahead": 1}),
    "failures in runs": Case(adaptive_runs, bad=(0.0, 2.0)),
    "initial points that fail": Case(bad=(0.0, 2.0), options={"initial": [{"x": 1.0, "y": 0.0}, {"x": 2, "y": 1}]}),
    "fallback": Case(fails_at=(2, 3, 5)),
    "fallback and lookahead": Case(fails_at=(2, 3, 5), options={"lookahead": 2}),
    "reduction": Case(options={**REDUCED, "lookahead": 1}),
    "reduction of runs": Case(adaptive_runs, options={**REDUCED, "reduce": signal_of_run}),
}


def measured(folder: Path, run: str = "last") -> list[tuple[Any, ...]]:
    """Where was measured, over all runs of a scan."""
    record = Record.read(folder, run)
    return [tuple(each.axes.values()) for one in (*record.chain, record) for each in one.observations]


def uninterrupted(RE: Any, case: Case, folder: Path) -> tuple[list[Document], Any]:
    with Noting(folder) as store:
        result = RE(case.plan(case.beam(RE), record=store)).result(TIMEOUT).plan_result
    return store.order, result


def cut_off(folder: Path, documents: Sequence[Document]) -> Path:
    """A folder in which only these documents were written by the time the process was killed."""
    with JSONLines(folder) as store:
        store.write(documents)
    return folder


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cut_off_after_any_document_a_scan_goes_the_same_way(RE, tmp_path, case):
    order, result = uninterrupted(RE, case, tmp_path / "whole")
    expected = measured(tmp_path / "whole")
    assert len(expected) == POINTS
    for length in range(1, len(order)):
        folder = cut_off(tmp_path / f"cut-{length}", order[:length])
        resumed = RE(case.plan(case.beam(RE), record=folder, resume="last")).result(TIMEOUT).plan_result
        assert measured(folder) == expected, f"cut off after {length} documents, the last a {order[length - 1][0]}"
        assert (resumed.reason, resumed.measured, resumed.failed, resumed.fallen_back) == (
            result.reason, result.measured, result.failed, result.fallen_back,
        )  # fmt: skip
