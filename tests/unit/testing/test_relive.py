"""A simulated detector that goes on where one of an earlier life ended."""

from __future__ import annotations

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest

from skysteer.engine import RunEngine
from skysteer.testing import SimulatedBeamline

PLACES = [(0.5, -1.0), (1.0, 2.0), (-3.0, 0.25), (0.0, 0.0), (1.5, 1.5)]


def readings(beam: SimulatedBeamline, RE: RunEngine, places: list[tuple[float, float]]) -> list[float]:
    read: list[float] = []

    def plan():
        for x, y in places:
            yield from bps.mv(beam.x, x, beam.y, y)
            yield from bp.count([beam.det])

    RE(plan(), lambda name, doc: read.append(doc["data"]["det"]) if name == "event" else None).result(timeout=20)
    return read


@pytest.mark.parametrize("lived", range(len(PLACES)))
def test_the_noise_goes_on_as_if_it_had_never_ended(RE: RunEngine, lived: int) -> None:
    whole = readings(SimulatedBeamline(RE, seed=4), RE, PLACES)
    again = SimulatedBeamline(RE, seed=4)
    again.det.relive(PLACES[:lived])
    assert again.det.triggers == lived
    assert readings(again, RE, PLACES[lived:]) == whole[lived:]
