"""A recommender that asks for a pause, or for the end, gets it."""

from __future__ import annotations

import pytest
from bluesky.utils import RequestStop, RunEngineInterrupted

from skysteer.errors import RequestPause
from skysteer.recommenders import Sequence


class Asks(Sequence):
    """Asks for a pause before its third point, once: until it is told of it by a file."""

    def __init__(self, points, request, once):
        super().__init__(points)
        self.request, self.once = request, once

    def suggest(self, num_points=None):
        found = super().suggest(num_points)
        if found and found[0]["x"] == 2.0 and not self.once.exists():
            self.once.touch()
            raise self.request
        return found


def asks(tmp_path, request):
    return Asks([{"x": float(number)} for number in range(5)], request, tmp_path / "once")


@pytest.mark.parametrize("options", [{}, {"worker": "process"}, {"lookahead": 2}, {"batch": 2}], ids=str)
def test_the_plan_pauses_and_asks_again_when_it_is_resumed(RE, beam, seen, flow, tmp_path, options):
    recommender = asks(tmp_path, RequestPause("change the sample"))
    with pytest.raises(RunEngineInterrupted):
        RE(flow([beam.det], [beam.x], recommender, objectives=["det"], max_points=5, **options)).result(20)
    assert RE.state == "paused"
    assert RE.resume().result(20).plan_result.measured == 5
    # What was asked ahead is answered before the question that is asked again.
    ahead = "lookahead" in options
    assert seen.column("x") == ([0.0, 1.0, 3.0, 2.0, 4.0] if ahead else [0.0, 1.0, 2.0, 3.0, 4.0])
    assert len(seen.primary) == 5


def test_it_may_be_aborted_in_that_pause(RE, beam, seen, flow, tmp_path):
    future = RE(flow([beam.det], [beam.x], asks(tmp_path, RequestPause()), objectives=["det"], max_points=5))
    with pytest.raises(RunEngineInterrupted):
        future.result(20)
    RE.abort("enough")
    assert seen.column("x") == [0.0, 1.0]


def test_a_request_to_stop_is_the_engines_own(RE, beam, seen, flow, tmp_path):
    recommender = asks(tmp_path, RequestStop("enough"))
    RE(flow([beam.det], [beam.x], recommender, objectives=["det"], max_points=5)).result(20)
    assert seen.column("x") == [0.0, 1.0]
    assert {status for status, _ in seen.stops} == {"success"}
