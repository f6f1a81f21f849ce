"""Ax and Xopt, as bluesky-adaptive 1.x brings them, drive a live scan. Only where they are installed (PyTorch)."""

from __future__ import annotations

import math

import cloudpickle
import pytest

from skysteer import Axis, Choice, Space, adaptive_scan
from skysteer.errors import PreflightError
from skysteer.recommenders.foreign import BlueskyAdaptive, Generator
from skysteer.testing import check_recommender

pytestmark = [
    pytest.mark.filterwarnings("default"),  # theirs are many
    pytest.mark.timeout(300),
]
TOP = {"x": 1.0, "y": -2.0}


def off(point):
    return math.hypot(point["x"] - TOP["x"], point["y"] - TOP["y"])


def signal(data):
    """A hill with its top of 10 at (1, -2). Not "det": Ax reads objectives with SymPy, where that is a function."""
    return {"signal": 10.0 - off(data) ** 2}


def scan(beam, recommender, max_points, reduce=signal, **options):
    options = {"objectives": ["signal"], "reduce": reduce, **options}
    return adaptive_scan([beam.det], [beam.x, beam.y], recommender, max_points=max_points, **options)


@pytest.fixture
def ax():
    pytest.importorskip("ax")
    from ax import ChoiceParameterConfig, RangeParameterConfig
    from bluesky_adaptive.ax.optimizer import AxOptimizer

    def make(more=(), **options):
        axes = [RangeParameterConfig(name=name, bounds=(-5.0, 5.0), parameter_type="float") for name in ("x", "y")]
        axes += [(ChoiceParameterConfig if "values" in given else RangeParameterConfig)(**given) for given in more]
        return AxOptimizer(axes, objective="signal", client_kwargs={"random_seed": 1}, **options)

    return make


@pytest.fixture
def xopt():
    pytest.importorskip("xopt")
    from bluesky_adaptive.xopt.optimizer import XoptOptimizer
    from xopt import VOCS
    from xopt.generators.bayesian import UpperConfidenceBoundGenerator

    def make(**options):
        vocs = VOCS(variables={"x": [-5.0, 5.0], "y": [-5.0, 5.0]}, objectives={"signal": "MAXIMIZE"})
        generator = UpperConfidenceBoundGenerator(vocs=vocs)
        generator.numerical_optimizer.n_restarts = 2
        return XoptOptimizer(generator, **options)

    return make


# ------------------------------------------------------------ Ax


def test_ax_climbs_ahead_of_the_measurement_with_initial_points_and_a_point_that_fails(RE, beam, seen, ax):
    beam.det.fail_at = {4}
    initial = [{"x": 4.0, "y": 4.0}, {"x": -4.0, "y": 4.0}]
    plan = scan(beam, ax(), 18, initial=initial, lookahead=1, finally_move="best")
    result = RE(plan).result(200).plan_result
    assert (result.measured, result.failed, result.exit_status) == (18, 1, "success")
    assert off(result.best) < 1.0
    assert all(type(value) is float for value in result.best.values())
    assert beam.x.position == pytest.approx(result.best["x"])


def test_ax_asks_in_batches_for_points_that_differ(RE, beam, seen, ax):
    result = RE(scan(beam, ax(), 12, batch=4)).result(200).plan_result
    assert result.measured == 12
    assert len(set(zip(seen.column("x"), seen.column("y"), strict=True))) == 12


def test_ax_in_a_process_does_as_in_a_thread(RE, beam, ax):
    assert RE(scan(beam, ax(), 7, worker="process")).result(200).plan_result.measured == 7


def test_limits_of_ax_are_checked_before_anything_moves(RE, beam, ax):
    wide = ax()
    wide.reconfigure_search_space({"x": (-50.0, 5.0)})
    with pytest.raises(PreflightError, match=r"x.*-50"):
        RE(scan(beam, wide, 5)).result(60)


def test_a_place_that_failed_is_not_asked_for_again_by_ax(ax):
    optimizer = BlueskyAdaptive(ax())
    for _ in range(8):
        optimizer.ingest([{**point, **signal(point)} for point in optimizer.suggest()])
    places = []
    for _ in range(3):
        (point,) = optimizer.suggest()
        places.append((point["x"], point["y"]))
        optimizer.register_failures([point])
    assert len(set(places)) == 3


def test_ax_knows_whole_numbers_and_choices_and_is_told_readbacks_of_others(ax):
    more = [
        {"name": "n", "bounds": (1, 9), "parameter_type": "int"},
        {"name": "filter", "values": ["Al", "Cu"], "parameter_type": "str", "is_ordered": False},
    ]
    optimizer = BlueskyAdaptive(ax(more))
    assert optimizer.space["n"] == Axis("n", 1, 9)
    assert optimizer.space["filter"] == Choice("filter", ("Al", "Cu"))
    optimizer.ingest([{"x": 1, "y": 5.0003, "n": 3.0, "filter": "Cu", "signal": 1.0}])
    points = optimizer.suggest(2)
    assert [optimizer.space.problems(point) for point in points] == [[], []]
    optimizer.ingest([{**points[0], "n": float(points[0]["n"]), "signal": 2.0}])
    ((_, axes, objectives),) = optimizer.get_best_points()
    assert (axes, objectives) == ({k: v for k, v in points[0].items() if k != "_id"}, {"signal": 2.0})


def test_ax_survives_repeats_strange_ids_and_readings_that_are_not_finite(ax):
    optimizer = BlueskyAdaptive(ax())
    assert optimizer.get_best_points() == []
    first, second, third = optimizer.suggest(3)
    optimizer.ingest([{**first, "signal": 1.0}, {**second, "signal": math.nan}, {**third, "signal": math.inf}])
    optimizer.ingest([{**first, "signal": 99.0}, {"x": 1.0, "y": 1.0, "signal": 3.0, "_id": "somebody's"}])
    assert optimizer.get_best_points()[0][2] == {"signal": 3.0}
    for _ in range(4):
        optimizer.ingest([{**point, **signal(point)} for point in optimizer.suggest()])
    assert optimizer.should_stop() == (False, None)


def test_ax_goes_on_from_its_checkpoint(RE, beam, ax, tmp_path):
    from bluesky_adaptive.ax.optimizer import AxOptimizer

    path = str(tmp_path / "ax.json")
    optimizer = ax(checkpoint_path=path)
    RE(scan(beam, optimizer, 6)).result(200)
    BlueskyAdaptive(optimizer).checkpoint()
    restored = AxOptimizer.from_checkpoint(path)
    result = RE(scan(beam, restored, 3)).result(200).plan_result
    assert (result.measured, result.exit_status) == (3, "success")
    assert len(restored.ax_client._experiment.trials) == 9


def test_what_ax_pickles_knows_what_it_knew(ax):
    optimizer = BlueskyAdaptive(ax())
    points = optimizer.suggest(2)
    optimizer.ingest([{**points[0], "signal": 5.0}])
    copy = cloudpickle.loads(cloudpickle.dumps(optimizer))
    copy.ingest([{**points[0], "signal": 50.0}, {**points[1], "signal": 7.0}])
    assert copy.get_best_points()[0][2] == {"signal": 7.0}
    assert optimizer.get_best_points()[0][2] == {"signal": 5.0}


def test_ax_keeps_the_promises_of_a_recommender(ax):
    space = Space(Axis("x", -5, 5), Axis("y", -5, 5))
    report = check_recommender(lambda: BlueskyAdaptive(ax()), space, ["signal"], pure=False, process=False, sizes=[])
    assert report.ok
    assert {"strangers", "mix", "not-finite", "failures", "pending", "pickles"} <= {
        result.name for result in report.results if result.outcome == "passed"
    }


# ------------------------------------------------------------ Xopt


def test_xopt_climbs_although_its_first_two_points_fail(RE, beam, seen, xopt):
    beam.det.fail_at = {1, 2, 6}
    result = RE(scan(beam, xopt(), 14, initial=[])).result(200).plan_result
    assert (result.measured, result.failed, result.exit_status) == (14, 3, "success")
    assert off(result.best) < 1.5
    assert all(type(value) is float for value in result.best.values())


def test_xopt_survives_readings_that_are_not_finite_repeats_and_points_of_others(xopt):
    optimizer = BlueskyAdaptive(xopt())
    assert optimizer.get_best_points() == []
    points = optimizer.suggest(4)
    optimizer.ingest([{**point, **signal(point)} for point in points[:2]])
    optimizer.ingest([{**points[2], "signal": math.nan}, {**points[3], "signal": -math.inf}])
    optimizer.ingest([{**points[0], "signal": 99.0}, {"x": 1.0, "y": -2.0, "signal": 10.0, "_id": "somebody's"}])
    assert optimizer.get_best_points()[0][1:] == ({"x": 1.0, "y": -2.0}, {"signal": 10.0})
    assert len(optimizer.suggest(2)) == 2


def test_a_place_that_failed_is_not_asked_for_again_by_xopt(xopt):
    optimizer = BlueskyAdaptive(xopt())
    for _ in range(5):
        optimizer.ingest([{**point, **signal(point)} for point in optimizer.suggest()])
    places = []
    for _ in range(4):
        (point,) = optimizer.suggest()
        places.append((round(point["x"], 2), round(point["y"], 2)))
        optimizer.register_failures([point])
    assert len(set(places)) == 4


def test_xopt_goes_on_from_its_checkpoint(RE, beam, xopt, tmp_path):
    from bluesky_adaptive.xopt.optimizer import XoptOptimizer

    path = str(tmp_path / "xopt.json")
    optimizer = xopt(checkpoint_path=path)
    RE(scan(beam, optimizer, 5)).result(200)
    BlueskyAdaptive(optimizer).checkpoint()
    restored = XoptOptimizer.from_checkpoint(path)
    assert RE(scan(beam, restored, 3)).result(200).plan_result.exit_status == "success"
    assert len(restored.generator.data) == 8


def test_a_generator_of_xopt_is_one_of_the_standard(RE, beam, xopt):
    generator = xopt().generator
    result = RE(scan(beam, Generator(generator, initial=4), 10)).result(200).plan_result
    assert result.measured == len(generator.data) == 10
