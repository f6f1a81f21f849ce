"""Our recommenders under the plans of bluesky-adaptive 1.x, on a stock engine."""

from __future__ import annotations

import pytest
from bluesky_adaptive.plans import optimize, optimize_in_run, sample_suggestions
from bluesky_adaptive.protocols import OptimizationProblem, Optimizer

from skysteer.model import Axis, Space
from skysteer.recommenders import Grid, Sobol
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import Peak, SimulatedBeamline

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


def gaussian():
    return GaussianProcess(SPACE, maximize="det", seed=1)


def sobol():
    return Sobol(SPACE, seed=1)


def grid():
    return Grid(SPACE, 4)


class Evaluation:
    """Reads the runs of an acquisition from the documents, and keeps what it found."""

    def __init__(self, engine):
        self.events = {}
        self.order = {}
        self.descriptors = {}
        self.told = []
        engine.subscribe(self.take)

    def take(self, name, doc):
        if name == "start":
            self.events[doc["uid"]] = []
            self.order[doc["uid"]] = doc.get("blop_acquisition_order")
        elif name == "descriptor":
            self.descriptors[doc["uid"]] = doc["run_start"]
        elif name == "event":
            self.events[self.descriptors[doc["descriptor"]]].append(doc["data"])

    def __call__(self, uid, suggestions):
        found = [
            {"_id": identity, "x": data["x"], "y": data["y"], "det": data["det"]}
            for identity, data in zip(self.order[uid], self.events[uid], strict=True)
        ]
        self.told += found
        return found


@pytest.fixture
def beam(stock_RE):
    return SimulatedBeamline(stock_RE, peak=Peak(1.0, -2.0, sigma=(1.5, 1.5)), noise=False)


@pytest.fixture
def problem(stock_RE, beam):
    def make(recommender):
        return OptimizationProblem(recommender, [beam.x, beam.y], [beam.det], Evaluation(stock_RE))

    return make


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("make", [gaussian, sobol, grid])
def test_it_runs_under_optimize_and_asks_for_nothing_twice(stock_RE, problem, make, batch):
    asked = problem(make())
    stock_RE(optimize(asked, iterations=4, n_points=batch))
    told = asked.evaluation_function.told
    assert len(told) == 4 * batch
    assert len({point["_id"] for point in told}) == 4 * batch
    assert len({(point["x"], point["y"]) for point in told}) == 4 * batch


def test_it_goes_where_it_would_under_our_own_plan(stock_RE, problem):
    asked = problem(gaussian())
    stock_RE(optimize(asked, iterations=8))
    alone, beside = gaussian(), []
    for told in asked.evaluation_function.told:
        (point,) = alone.suggest(1)
        beside.append((point["x"], point["y"]))
        alone.ingest([told])
    assert [(point["x"], point["y"]) for point in asked.evaluation_function.told] == beside


def test_an_optimizer_finds_the_peak_there(stock_RE, problem):
    recommender = gaussian()
    assert isinstance(recommender, Optimizer)
    asked = problem(recommender)
    stock_RE(optimize(asked, iterations=25))
    ((_, best, outcomes),) = recommender.get_best_points()
    assert (best["x"], best["y"]) == pytest.approx((1.0, -2.0), abs=0.3)
    assert outcomes["det"] > 0


def test_points_of_others_are_told_and_the_grid_goes_on(stock_RE, problem):
    asked = problem(grid())
    stock_RE(optimize(asked, iterations=2))
    stock_RE(sample_suggestions(asked, [{"x": 0.1, "y": 0.1, "_id": "by hand"}]))
    stock_RE(optimize(asked, iterations=2))
    told = asked.evaluation_function.told
    assert [point["_id"] == "by hand" for point in told] == [False, False, True, False, False]
    assert len({point["_id"] for point in told}) == 5


def test_a_point_that_fails_is_not_asked_for_again(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False, fail_at=[2])
    evaluation = Evaluation(stock_RE)
    problem = OptimizationProblem(grid(), [beam.x, beam.y], [beam.det], evaluation)
    with pytest.raises(Exception, match="det"):
        stock_RE(optimize(problem, iterations=3))
    stock_RE(optimize(problem, iterations=3))
    expected = [(point["x"], point["y"]) for point in grid().suggest(5)]
    assert [(point["x"], point["y"]) for point in evaluation.told] == [expected[0], *expected[2:5]]


def test_it_runs_in_one_run_too(stock_RE, beam):
    events = []
    stock_RE.subscribe(lambda name, doc: events.append(doc["data"]), "event")

    def acquired():
        return [data for data in events if set(data) == {"x", "y", "det"}]

    def evaluate(ids, suggestions):
        newest = acquired()[-len(ids) :]
        return [{"_id": identity, **data} for identity, data in zip(ids, newest, strict=True)]

    problem = OptimizationProblem(sobol(), [beam.x, beam.y], [beam.det], evaluate)
    stock_RE(optimize_in_run(problem, iterations=3, n_points=2))
    assert len(acquired()) == 6
