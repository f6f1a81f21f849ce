"""Optimizers of other projects, unchanged, drive a live scan on a real engine."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from adaptive import Learner1D, Learner2D
from bluesky_adaptive.scipy import SCP, InteractiveOptimizer, Minimize, Objective, RangeDOF, Scipy, ScipyCFG
from gest_api import Generator as Standard
from gest_api.vocs import VOCS

from skysteer import Advisor, Axis, Space, adaptive_scan
from skysteer.errors import PreflightError
from skysteer.recommenders.curve import Curve
from skysteer.recommenders.foreign import Generator, Learner, TellAsk, as_recommender

SPACE = Space(Axis("x", -5, 5), Axis("y", -5, 5))
TOP = {"x": 1.0, "y": -2.0}


def signal(data):
    """A smooth hill with its top of 10 at (1, -2), from the readbacks of an event."""
    return {"signal": 10.0 - (data["x"] - TOP["x"]) ** 2 - (data["y"] - TOP["y"]) ** 2}


def cost(data):
    return {"signal": -signal(data)["signal"]}


def scan(beam, recommender, max_points, reduce=signal, **options):
    return adaptive_scan(
        [beam.det],
        [beam.x, beam.y],
        recommender,
        objectives=["signal"],
        max_points=max_points,
        reduce=reduce,
        **options,
    )


def off(point):
    return math.hypot(point["x"] - TOP["x"], point["y"] - TOP["y"])


# ------------------------------------------------------------ SciPy, from bluesky-adaptive 1.x


def config(*, minimize=False, method=SCP.NELDER_MEAD, initial=(3.0, 1.0)):
    dofs = [RangeDOF(name=name, bounds=(-5.0, 5.0), parameter_type="float") for name in ("x", "y")]
    return ScipyCFG(dofs, Objective(name="signal", minimize=minimize), method, initial=initial, max_iter=None)


@pytest.fixture
def scipy():
    """SciPy optimizers whose threads end with the test."""
    made = []

    def make(**options):
        made.append(InteractiveOptimizer(Minimize(config(**options)), timeout=30))
        return made[-1]

    yield make
    for optimizer in made:
        end(optimizer)


def end(optimizer):
    """``close`` ends its thread only while that waits for an answer."""
    deadline = time.monotonic() + 30
    while not optimizer._active and optimizer._t.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    optimizer.close()
    optimizer._t.join(30)


def test_scipy_climbs_and_says_where_it_was_best(RE, beam, seen, scipy):
    result = RE(scan(beam, scipy(), 60, finally_move="best")).result(60).plan_result
    assert result.measured == len(seen.points) == 60
    assert off(result.best) < 0.1
    assert (beam.x.position, beam.y.position) == (pytest.approx(result.best["x"]), pytest.approx(result.best["y"]))
    assert seen.named("start")[0]["recommender"] == "InteractiveOptimizer"


def test_scipy_descends(RE, beam, scipy):
    assert off(RE(scan(beam, scipy(minimize=True), 60, reduce=cost)).result(60).plan_result.best) < 0.1


def test_a_scan_ends_where_scipy_does(RE, beam, scipy):
    result = RE(scan(beam, scipy(method=SCP.Default), 500)).result(60).plan_result
    assert result.exit_status == "success"
    assert "SciPy is done: CONVERGENCE" in result.reason
    assert 3 < result.measured < 100
    assert off(result.best) < 0.01


def test_initial_points_are_not_for_scipy_and_do_not_stop_it(RE, beam, scipy):
    result = RE(scan(beam, scipy(), 40, initial=[{"x": 4.0, "y": 4.0}, {"x": -4.0, "y": 4.0}])).result(60).plan_result
    assert (result.measured, result.exit_status) == (40, "success")


def test_scipy_goes_round_a_point_that_fails(RE, beam, seen, scipy):
    beam.det.fail_at = {4, 9}
    result = RE(scan(beam, scipy(), 50)).result(60).plan_result
    assert (result.measured, result.failed) == (50, 2)
    assert off(result.best) < 0.2


def test_scipy_may_not_be_asked_ahead_and_stays_inside_its_limits(RE, beam, scipy):
    with pytest.raises(PreflightError, match="lookahead=1 needs a recommender that knows what is pending"):
        RE(scan(beam, scipy(), 5, lookahead=1)).result(30)
    wide = config()
    wide.dofs = [RangeDOF(name=name, bounds=(-50.0, 5.0), parameter_type="float") for name in ("x", "y")]
    optimizer = InteractiveOptimizer(Minimize(wide), timeout=30)
    try:
        with pytest.raises(PreflightError, match=r"x.*-50"):
            RE(scan(beam, optimizer, 5)).result(30)
    finally:
        end(optimizer)


def test_an_agent_of_bluesky_adaptive_is_taken_for_the_optimizer_it_holds(RE, beam):
    agent = Scipy([beam.det], config(), evaluation_function=lambda uid, suggestions: [], timeout=30)
    with Advisor(agent, reduce=signal) as advisor:
        plan = adaptive_scan([beam.det], [beam.x, beam.y], advisor, objectives=["signal"], max_points=10)
        assert RE(plan).result(60).plan_result.measured == 10
    end(agent.optimizer)


# ------------------------------------------------------------ tell and ask, learners, generators


class Climber:
    """As in the tutorial of bluesky-adaptive 0.x: one point at a time, half way back from a step that was worse."""

    def __init__(self):
        self.best, self.step, self.next = None, np.array([2.0, 0.0]), np.array([0.0, 0.0])

    def tell(self, x, y):
        if self.best is None or y[0] > self.best[1]:
            self.best = (x, y[0])
        else:
            self.step = 0.7 * np.array([-self.step[1], self.step[0]])
        self.next = np.clip(self.best[0] + self.step, -5, 5)
        return {"best": self.best[1]}

    def ask(self, batch_size):
        if batch_size != 1:
            raise NotImplementedError
        return [{"step": self.step}], [self.next]


def test_an_agent_of_bluesky_adaptive_0_climbs(RE, beam):
    agent = Climber()
    result = RE(scan(beam, TellAsk(agent, ["x", "y"], ["signal"], space=SPACE), 40)).result(60).plan_result
    assert result.measured == 40
    assert agent.best[1] > 9.9


def test_a_learner_and_a_curve_draw_an_edge(RE, beam, seen):
    for recommender in (
        Learner(Learner1D(None, (7100, 7150)), "energy", "edge"),
        Curve(Axis("energy", 7100, 7150), "edge"),
    ):
        plan = adaptive_scan([beam.edge], [beam.energy], recommender, objectives=["edge"], max_points=30, lookahead=2)
        assert RE(plan).result(60).plan_result.measured == 30
    energies = seen.column("energy")
    for points in (energies[:30], energies[30:]):
        assert len(set(points)) == 30
        assert (min(points), max(points)) == (7100, 7150)


def test_a_learner_of_two_axes_looks_closer_where_there_is_something(RE, beam, seen):
    learner = as_recommender(Learner2D(None, [(-5, 5), (-5, 5)]), ["x", "y"], "signal")

    def needle(data):
        return {"signal": math.exp(-4 * off(data) ** 2)}

    result = RE(scan(beam, learner, 60, reduce=needle, batch=4)).result(60).plan_result
    assert result.measured == 60
    near = [point for point in seen.points.values() if off(point) < 1.5]
    assert len(near) > 60 * 0.15


class Halves(Standard):
    """Half way from the last point to the best one; the standard's least."""

    def __init__(self, vocs):
        super().__init__(vocs)
        self.vocs, self.results = vocs, []

    def _validate_vocs(self, vocs):
        if len(vocs.objectives) != 1:
            raise ValueError("one objective")

    def suggest(self, num_points):
        if num_points != 1:
            raise ValueError("one at a time")
        if not self.results:
            return [{"x": np.float64(4.0), "y": np.float64(4.0), "gain": 3}]
        best = max(self.results, key=lambda result: result["signal"])
        angle = 2.4 * len(self.results)
        reach = 4.0 * 0.93 ** len(self.results)
        return [
            {
                "x": float(np.clip(best["x"] + reach * math.cos(angle), -5, 5)),
                "y": float(np.clip(best["y"] + reach * math.sin(angle), -5, 5)),
                "gain": 3,
            }
        ]

    def ingest(self, results):
        assert all(result["gain"] == 3 for result in results)
        self.results += results


def test_a_generator_of_the_standard_climbs(RE, beam):
    vocs = VOCS(variables={"x": [-5, 5], "y": [-5, 5]}, objectives={"signal": "MAXIMIZE"}, constants={"gain": 3})
    generator = Halves(vocs)
    beam.det.fail_at = {5}
    result = RE(scan(beam, Generator(generator), 50)).result(60).plan_result
    assert (result.measured, result.failed) == (50, 1)
    assert len(generator.results) == 51  # the failed one as the worst
    assert max(result["signal"] for result in generator.results) > 9.5
