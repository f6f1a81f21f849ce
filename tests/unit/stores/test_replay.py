"""A recorded run is decided again: the same recommender suggests the same, or the first difference is shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bluesky.plans as bp
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info, threadpool_limits

from skysteer import Axis, Patience, Space, adaptive_runs, adaptive_scan, watch
from skysteer.errors import RecommenderError, RecordError
from skysteer.model import Choice
from skysteer.recommenders import Grid, Sobol
from skysteer.recommenders import Sequence as Given
from skysteer.recommenders.foreign import as_recommender
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.simulation import Random
from skysteer.stores import Record, replay
from skysteer.testing import Raising, SimulatedBeamline

X = Space(Axis("x", -5.0, 5.0, units="mm"))
XY = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
WAIT = 30.0


class Wanderer:
    """Goes where a hash of all it knows says: told anything else, or in another order, it goes elsewhere."""

    def __init__(self, space: Space = XY, *, seed: int = 0) -> None:
        self.space, self.seed = space, seed
        self.told: list[str] = []
        self.failed: list[str] = []
        self.pending: list[str] = []

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.told += [repr(sorted(point.items())) for point in points]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        self.failed += [repr(sorted(point.items())) for point in suggestions]

    def set_pending(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.pending = [repr(sorted(point.items())) for point in points]

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        return [self._point(number) for number in range(num_points or 1)]

    def _point(self, number: int) -> dict[str, Any]:
        drawn = hashlib.sha256(repr((self.seed, self.told, self.failed, self.pending, number)).encode()).digest()
        places = {axis.name: -5 + drawn[n] / 25.6 for n, axis in enumerate(self.space.axes)}
        return {**places, "_id": ("w", drawn.hex()[-12:])}


class Other(Wanderer):
    """Another class."""


@pytest.fixture
def beam(RE: Any) -> SimulatedBeamline:
    return SimulatedBeamline(RE, seed=1)


@pytest.fixture
def scan(RE: Any, beam: SimulatedBeamline, tmp_path: Path) -> Any:
    def scan(recommender: Any, points: int = 8, flow: Any = adaptive_scan, **options: Any) -> Path:
        motors = [beam.x, beam.y] if len(getattr(recommender, "space", XY)) == 2 else [beam.x]
        plan = flow([beam.det], motors, recommender, **{"objectives": ["det"], "max_points": points,
                    "record": tmp_path / "runs", **options})  # fmt: skip
        RE(plan).result(WAIT)
        return tmp_path / "runs"

    return scan


# -- the same


@pytest.mark.parametrize(("batch", "lookahead"), [(1, 0), (3, 0), (1, 1), (2, 3)])
@pytest.mark.parametrize("flow", [adaptive_scan, adaptive_runs])
def test_one_that_depends_on_all_it_knows_suggests_the_same(scan, flow, batch, lookahead):
    folder = scan(Wanderer(), flow=flow, batch=batch, lookahead=lookahead, initial=[{"x": 1, "y": 2}])
    done = replay(folder, Wanderer())
    assert done.same
    assert all(step.state_same for step in done.steps)
    assert done.again
    assert done.first_difference is None
    assert 7 <= done.suggestions == done.same_suggestions
    assert str(done).startswith(f"{done.suggestions} of {done.suggestions} suggestions are the same")


def test_gaussian_process_and_sobol_suggest_the_same(scan):
    for make in (
        lambda: GaussianProcess(XY, maximize="det", counts=True, seed=4),
        lambda: Sobol(XY, seed=2),
        lambda: Random(XY, seed=3),
    ):
        assert replay(scan(make(), 12, lookahead=1), make()).same


def test_what_failed_is_told_as_it_was_then(scan, beam):
    places = [{"x": x, "y": 0.0} for x in (0.0, 1.0, 2.0, 3.0, 4.0)]
    beam.det.fail_at = {3}
    done = replay(scan(Given(places, space=XY)), Given(places, space=XY))
    assert done.same
    assert [step.numbers for step in done.steps] == [(1,), (2,), (None,), (3,), (4,)]
    assert "never measured" in done.steps[2].place


def test_what_failed_counts_for_one_that_depends_on_it(scan, beam):
    beam.det.fail_at = {1, 4}
    done = replay(scan(Wanderer()), Wanderer())
    assert done.same
    assert done.steps[0].numbers == (None,)


def test_objectives_are_told_as_they_were_reduced(scan):
    folder = scan(Wanderer(), objectives=["signal"], reduce=lambda data: {"signal": data["det"] / 3})
    assert replay(folder, Wanderer()).same


def test_a_resumed_scan_is_replayed_from_its_first_run(scan, tmp_path):
    folder = scan(Wanderer(), 4, lookahead=1)
    scan(Wanderer(), 9, lookahead=1, resume="last")
    done = replay(folder, Wanderer())
    assert done.same
    assert len({step.run for step in done.steps}) == 2
    assert [number for step in done.steps for number in step.numbers] == list(range(1, 10))
    assert "resumed" in " ".join(done.notes)


def test_a_fallback_is_left_out_unless_it_is_given(scan):
    folder = scan(
        Raising(Wanderer(), at=3), patience=Patience(timeout=20.0, on_timeout="fallback", fallback=Other(seed=5))
    )
    done = replay(folder, Raising(Wanderer(), at=100))
    assert (done.suggestions, done.same) == (7, True)
    assert "1 suggestion of the fallback left out" in str(done)
    both = replay(folder, Raising(Wanderer(), at=100), fallback=Other(seed=5))
    assert (both.suggestions, both.same) == (8, True)
    assert not replay(folder, Raising(Wanderer(), at=100), fallback=Other(seed=6)).same


def test_a_path_of_a_run_and_a_record_are_taken_too(scan):
    folder = scan(Wanderer())
    record = Record.read(folder)
    for one in (record, record.entry.path, record.measurements[0].path, (folder, record.entry.uid[:8]), str(folder)):
        assert replay(one, Wanderer()).same


def test_it_computes_with_as_many_threads_as_a_worker_does(scan):
    """Else the last digits of a model are others than in the scan."""
    numbers = []

    class Counts(Wanderer):
        def suggest(self, num_points=None):
            numbers.append({each["num_threads"] for each in threadpool_info()})
            return super().suggest(num_points)

    folder = scan(Counts(), 2)
    with threadpool_limits(limits=2):
        before = {each["num_threads"] for each in threadpool_info()}
        assert replay(folder, Counts()).same
        assert {each["num_threads"] for each in threadpool_info()} == before == {2}
    assert numbers == [{1}] * 4


# -- not the same


def test_the_first_difference_is_shown_with_units(scan):
    done = replay(scan(Wanderer(X)), Wanderer(X, seed=1))
    assert not done.same
    assert done.again
    first = done.first_difference
    assert first is not None
    assert first.differences["x"] == pytest.approx(10 * first.shares["x"])
    recorded, now = first.recorded[0].point["x"], first.replayed[0]["x"]
    assert f"the first difference is at point 1: recorded x = {recorded:.12g} mm, replayed x = {now:.12g} mm" in str(
        done
    )
    assert "seed: recorded 0, now 1" in str(done)
    assert not any(step.state_same for step in done.steps)


def test_the_reasons_then_and_now_stand_beside_the_first_difference(scan):
    class Worded(Wanderer):
        def get_reasons(self):
            return [f"seed {self.seed} says so, of {len(self.told)}"]

    done = replay(scan(Worded()), Worded(seed=1))
    assert "then it said: seed 0 says so, of 0\nnow it said: seed 1 says so, of 0\n" in str(done)
    steps = done.as_dict()["steps"]
    assert [each["recorded_reasons"] for each in steps[:2]] == [["seed 0 says so, of 0"], ["seed 0 says so, of 1"]]
    assert [each["reasons"] for each in steps[:2]] == [["seed 1 says so, of 0"], ["seed 1 says so, of 1"]]
    assert "it said" not in str(replay(scan(Wanderer()), Wanderer(seed=1)))


def test_one_that_is_not_pure_is_said_to_be(scan):
    class Moody(Wanderer):
        """What it answers depends on how often it was made."""

        made = [0]  # noqa: RUF012

        def suggest(self, num_points=None):
            return [{**point, "x": point["x"] / self.made[0]} for point in super().suggest(num_points)]

    Moody.made[0] = 1
    folder = scan(Moody())
    Moody.made[0] = 2
    done = replay(folder, Moody())
    assert not done.same
    assert done.steps[0].state_same
    assert "the same question has not always the same answer" in str(done)


def test_differences_within_the_tolerance_are_none(scan):
    class Near(Wanderer):
        """Always 0.01 mm, a thousandth of the range, beside."""

        def suggest(self, num_points=None):
            return [{**point, "x": point["x"] + 0.01} for point in super().suggest(num_points)]

        def ingest(self, points):
            super().ingest([{**point, "_id": recorded[point["x"]]} for point in points])

    folder = scan(Wanderer())
    record = Record.read(folder)
    recorded = {each.axes["x"]: each.recommender_id for each in record.told}
    assert replay(record, Near(), tolerance=0.0011).same
    beside = replay(record, Near(), tolerance=0.0009)
    assert not beside.same
    assert beside.same_suggestions == 0
    with pytest.raises(ValueError, match="tolerance is a share"):
        replay(record, Near(), tolerance=2)


def test_another_recommender_says_what_it_would_have_asked(scan):
    done = replay(scan(Wanderer()), GaussianProcess(XY, maximize="det", counts=True, seed=0))
    assert not done.again
    assert str(done).startswith("GaussianProcess in place of Wanderer: 0 of 8 suggestions are the same")
    assert all(step.replayed and 0 < step.distance < 2 for step in done.steps)
    assert done.differing == ()


def test_one_that_waits_for_its_own_point_is_said_to(scan):
    assert "asked for the same place each time" in str(replay(scan(Wanderer()), Grid(XY, 5)))


def test_recorded_ids_are_told_to_the_same_class_and_to_no_other(scan):
    folder = scan(Wanderer())
    same, other = Wanderer(), Other()
    replay(folder, same)
    replay(folder, other)
    assert all("_id" in point for point in same.told)
    assert len(other.told) == 7
    assert not any("_id" in point for point in other.told)


def test_a_class_of_a_script_that_was_run_is_the_same_when_the_script_is_imported(scan):
    folder = scan(Wanderer(seed=2), points=4)
    (file,) = folder.glob("*.decisions.jsonl")
    said = file.read_text()
    assert f'"class":"{__name__}:Wanderer"' in said
    file.write_text(said.replace(f'"class":"{__name__}:Wanderer"', '"class":"__main__:Wanderer"'))
    found = replay(folder, Wanderer(seed=2))
    assert found.again
    assert found.same
    assert str(found).startswith("4 of 4 suggestions are the same")


def test_one_that_raises_at_a_question_is_asked_the_next(scan):
    done = replay(scan(Raising(Wanderer(), at=100)), Raising(Wanderer(), at=3))
    assert [bool(step.error) for step in done.steps] == [n == 2 for n in range(8)]
    assert "now Raising raised RuntimeError" in str(done)
    assert done.same_suggestions == 7


def test_one_that_raises_when_it_is_told_ends_the_replay_with_what_was_compared(scan):
    folder = scan(Wanderer())
    with pytest.raises(RecommenderError, match=r"raised RuntimeError when it was told .*question 2") as caught:
        replay(folder, Raising(Wanderer(), at=2, where="ingest"))
    assert len(caught.value.result) == 2


def test_a_suggestion_outside_the_space_is_no_answer(scan):
    class Outside(Wanderer):
        def suggest(self, num_points=None):
            return [{"x": 99.0, "y": 0.0}]

    done = replay(scan(Wanderer()), Outside())
    assert "x=99 is outside" in done.steps[0].error
    assert "8 questions have no answer now" in str(done)


def test_ctrl_c_gives_what_was_compared(scan):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    done = replay(scan(Wanderer()), Wanderer(), progress=stop)
    assert (len(done), done.interrupted) == (3, True)
    assert "(interrupted)" in str(done)


def test_a_run_without_a_recommender_is_an_error(RE, beam, tmp_path):
    RE(
        watch(bp.count([beam.det], num=2), lambda observation: None, objectives=["det"], record=tmp_path / "runs")
    ).result(WAIT)
    with pytest.raises(RecordError, match="had no recommender"):
        replay(tmp_path / "runs", Wanderer())


def test_what_it_knew_from_before_is_said(RE, beam, scan):
    from skysteer import Advisor

    with Advisor(Wanderer()) as advisor:
        scan(advisor, 3)
        folder = scan(advisor, 3)
    done = replay(folder, Wanderer())
    assert not done.same
    assert "it knew 3 points from before this run" in str(done)


# -- as JSON, as a picture


def test_json_has_every_step(scan):
    done = replay(scan(Wanderer()), Wanderer(seed=1))
    said = json.loads(done.to_json())
    assert said["first_difference"] == 0
    assert said["units"] == {"x": "mm", "y": "mm"}
    assert len(said["steps"]) == 8
    assert said["steps"][0]["differences"]["x"] == done.steps[0].differences["x"]


def test_the_picture_has_units_on_its_axes(scan, tmp_path):
    for space in (X, XY):
        done = replay(scan(Wanderer(space)), Wanderer(space, seed=1))
        done.draw(tmp_path / "replay.png")
        assert (tmp_path / "replay.png").read_bytes()[:4] == b"\x89PNG"
        figure = Figure()
        FigureCanvasAgg(figure)
        done.draw(figure)
        words = " ".join(text.get_text() for text in figure.findobj(match=lambda each: hasattr(each, "get_text")))
        assert "x / mm" in words
        assert "apart / mm" in words
        assert "number of the point" in words
    with pytest.raises(TypeError, match="expected the path of a picture"):
        done.draw(3)


def test_the_picture_says_the_same_as_the_words(scan):
    done, figure = replay(scan(Wanderer(), points=1), Wanderer()), Figure()
    FigureCanvasAgg(figure)
    done.draw(figure)
    words = [text.get_text() for text in figure.findobj(match=lambda each: hasattr(each, "get_text"))]
    assert str(done).startswith("1 of 1 suggestion is the same")
    assert "Wanderer, asked again: 1 of 1 suggestion is the same" in words


def test_a_choice_is_compared_and_drawn(RE, beam, tmp_path):
    space = Space(Axis("x", -5.0, 5.0, units="mm"), Choice("y", (0, 1, 2), units="mm"))
    RE(
        adaptive_scan(
            [beam.det],
            [beam.x, beam.y],
            Random(space, seed=1),
            objectives=["det"],
            max_points=6,
            record=tmp_path / "runs",
        )
    ).result(WAIT)
    done = replay(tmp_path / "runs", Random(space, seed=2))
    assert {step.differences["y"] for step in done.steps} <= {0.0, 1.0}
    done.draw(tmp_path / "replay.png")
    assert replay(tmp_path / "runs", Random(space, seed=1)).same


def test_what_was_measured_and_not_told_before_the_cut_is_told_before_the_next_question(scan):
    folder = scan(Wanderer(), 4)
    (decisions,) = folder.glob("*.decisions.jsonl")
    lines = decisions.read_bytes().splitlines(keepends=True)
    fourth = next(n for n, line in enumerate(lines) if b'"number":3,' in line)
    decisions.write_bytes(b"".join(lines[:fourth]))  # the event is on disk, and no Told of it
    measured = next(path for path in folder.glob("2*.jsonl") if path != decisions)
    measured.write_bytes(b"".join(measured.read_bytes().splitlines(keepends=True)[:-1]))
    (folder / "index.jsonl").unlink()
    scan(Wanderer(), 8, resume="last")
    done = replay(folder, Wanderer())
    assert done.same
    assert [number for step in done.steps for number in step.numbers] == list(range(1, 9))


def test_an_agent_of_another_library_is_said_to_promise_nothing(scan):
    class Agent:
        def tell(self, x, y):
            pass

        def ask(self, n):
            return [(0.5, 0.25)] * n

    def make():
        return as_recommender(Agent(), axes=["x", "y"], objectives=["det"], space=XY)

    done = replay(scan(make(), 2), make())
    assert "of another library, which does not promise the same answer" in str(done)
