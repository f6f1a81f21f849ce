"""Wrappers of other projects' optimizers: who is recognised, what is filled in, what is promised."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import time

import cloudpickle
import numpy as np
import pytest
from adaptive import AverageLearner1D, Learner1D, Learner2D, LearnerND
from bluesky_adaptive.scipy import SCP, InteractiveOptimizer, Minimize, Objective, RangeDOF, ScipyCFG
from gest_api import Generator as Standard
from gest_api.vocs import VOCS

from skysteer.errors import NoRecommendation, PointError, RecommenderError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasBestPoints, HasReasons, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders import Sobol
from skysteer.recommenders.foreign import BlueskyAdaptive, Generator, Learner, TellAsk, as_recommender
from skysteer.testing import check_recommender, recommender_checks

SPACE = Space(Axis("x", -5, 5), Axis("y", 0, 10))


class Randomly:
    """As scikit-optimize: ``tell(x, y)``, ``ask(n)``, lists, smaller is better; remembers what it was told."""

    def __init__(self):
        self.random, self.told = np.random.default_rng(1), []

    def ask(self, n_points=None):
        points = [[float(x), float(y)] for x, y in self.random.uniform([-5, 0], [5, 10], (n_points or 1, 2))]
        return points if n_points else points[0]

    def tell(self, x, y):
        self.told.append((x, y))


class Agent0:
    """As the agents of bluesky-adaptive 0.x: ``ingest_many(xs, ys)``, ``suggest(n) -> (documents, points)``."""

    def __init__(self):
        self.random, self.told = np.random.default_rng(1), []

    def ingest(self, x, y):
        self.told.append((x, y))
        return {"known": len(self.told)}

    def ingest_many(self, xs, ys):
        return [self.ingest(x, y) for x, y in zip(xs, ys, strict=True)]

    def suggest(self, batch_size):
        points = self.random.uniform([-5, 0], [5, 10], (batch_size, 2))
        return [{"known": len(self.told)} for _ in points], list(points)


class Fixedly:
    """Answers what it was made with, for ever."""

    def __init__(self, answer):
        self.answer, self.told = answer, []

    def ask(self, n):
        return self.answer

    def tell(self, x, y):
        self.told.append((x, y))


VARIABLES = {"x": [-5, 5], "y": [0, 10]}


class Standardly(Standard):
    """The least of a gest-api generator; refuses what the standard says it may refuse."""

    def __init__(self, vocs=None, *, most=99, named=False):
        vocs = vocs or VOCS(variables=VARIABLES, objectives={"det": "MAXIMIZE"})
        super().__init__(vocs)
        self.vocs, self.most, self.returns_id = vocs, most, named
        self.random, self.told, self.count = np.random.default_rng(1), [], 0

    def _validate_vocs(self, vocs):
        pass

    def suggest(self, num_points):
        if num_points is not None and num_points > self.most:
            raise ValueError("not that many")
        points = []
        for _ in range(num_points or 3):
            point = {
                name: np.float64(self.random.uniform(*self.vocs.variables[name].domain)) for name in self.vocs.variables
            }
            point |= {name: constant.value for name, constant in self.vocs.constants.items()}
            self.count += 1
            points.append({**point, "_id": self.count} if self.returns_id else point)
        return points

    def ingest(self, results):
        for result in results:
            if "_id" in result and not (self.returns_id and result["_id"] <= self.count):
                raise ValueError(f"unknown {result['_id']}")
        self.told += results


def scipy_config(*, minimize=True, method=SCP.NELDER_MEAD):
    dofs = [RangeDOF(name="x", bounds=(-5.0, 5.0), parameter_type="float")]
    return ScipyCFG(dofs, Objective(name="det", minimize=minimize), method, initial=(3.0,), max_iter=None)


@pytest.fixture
def scipy():
    made = []

    def make(timeout=30, **options):
        made.append(InteractiveOptimizer(Minimize(scipy_config(**options)), timeout=timeout))
        return made[-1]

    yield make
    for optimizer in made:
        wait_for_a_question(optimizer)
        optimizer.close()
        optimizer._t.join(30)


def wait_for_a_question(optimizer):
    """``close`` ends its thread only while that waits for an answer."""
    deadline = time.monotonic() + 30
    while not optimizer._active and optimizer._t.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# ------------------------------------------------------------ what our check says of them


def learner_1d():
    return Learner(Learner1D(None, (-5, 5)), "x", "det")


def learner_2d():
    return Learner(Learner2D(None, [(-5, 5), (0, 10)]), ["x", "y"], "det")


def learner_3d():
    return Learner(LearnerND(None, [(-5, 5), (0, 10), (0, 1)]), ["x", "y", "z"], "det")


def by_order():
    return TellAsk(Randomly(), ["x", "y"], "det", space=SPACE, minimizes=True)


def of_old():
    return TellAsk(Agent0(), ["x", "y"], ["det"], space=SPACE)


def standard():
    return Generator(Standardly())


LINE = Space(SPACE["x"])
BOX = Space(*SPACE.axes, Axis("z", 0, 1))
CASES = [
    *((make.__name__, check) for make in (learner_1d,) for check in recommender_checks(make, LINE, ["det"])),
    *(("learner_2d", check) for check in recommender_checks(learner_2d, SPACE, ["det"], process=False)),
    *(  # slow: those that look at what is special of it
        ("learner_3d", check)
        for check in recommender_checks(learner_3d, BOX, ["det"], process=False)
        if check.name in ("same", "failures", "pending", "duplicates", "not-finite")
    ),
    *(
        (make.__name__, check)
        for make in (by_order, of_old, standard)
        for check in recommender_checks(make, SPACE, ["det"], pure=False, process=False)
    ),
]


@pytest.mark.parametrize("check", [check for _, check in CASES], ids=[f"{name}-{check}" for name, check in CASES])
def test_a_wrapped_one_keeps_the_promises_of_a_recommender(check):
    check()


# ------------------------------------------------------------ who is recognised


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (Randomly(), TellAsk),
        (Agent0(), TellAsk),
        (Standardly(), Generator),
        (Learner1D(None, (0, 1)), Learner),
        (Sobol(SPACE), Sobol),
    ],
)
def test_what_can_be_asked_for_points_is_made_a_recommender(agent, kind):
    axes = ["x"] if isinstance(agent, Learner1D) else ["x", "y"]
    recommender = as_recommender(agent, axes, "det")
    assert type(recommender) is kind
    assert isinstance(recommender, Recommender)


def test_an_optimizer_of_bluesky_adaptive_1_is_recognised(scipy):
    recommender = as_recommender(scipy())
    assert isinstance(recommender, BlueskyAdaptive)
    assert isinstance(recommender, HasBestPoints)
    assert not isinstance(recommender, KnowsPending)


def test_an_agent_of_0_with_ingest_of_two_alone_is_recognised():
    class Old:
        def ingest(self, x, y): ...

        def suggest(self, batch_size): ...

    assert isinstance(as_recommender(Old(), ["x"], "det"), TellAsk)


def test_what_cannot_is_refused_by_an_error_that_says_what_was_found():
    with pytest.raises(TypeError, match=r"Event is no recommender.*found the methods.*wait; expected ingest\(points\)"):
        as_recommender(__import__("threading").Event())
    with pytest.raises(TypeError, match=r"Randomly knows no names: give as_recommender\(agent, axes="):
        as_recommender(Randomly())
    with pytest.raises(TypeError, match=r"Randomly is a class: make one, Randomly\(...\)"):
        as_recommender(Randomly)
    with pytest.raises(TypeError, match="AverageLearner1D is none of Learner1D, Learner2D, LearnerND"):
        Learner(AverageLearner1D(None, (0, 1)), "x", "det")
    with pytest.raises(ValueError, match="Learner2D has 2 coordinates, found the axes"):
        Learner(Learner2D(None, [(0, 1), (0, 1)]), ["x"], "det")
    with pytest.raises(TypeError, match="says no VOCS"):
        Generator(Agent0())


def test_nothing_foreign_is_imported():
    code = (
        "import sys, skysteer.recommenders.foreign\n"
        "print(sorted({'adaptive', 'gest_api', 'bluesky', 'bluesky_adaptive', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


# ------------------------------------------------------------ tell and ask


def told(recommender, count=1, **outcome):
    points = recommender.suggest(count)
    recommender.ingest([{**point, **({"det": 1.0} | outcome)} for point in points])
    return points


def test_an_agent_is_asked_once_for_a_point_and_again_only_after_the_answer():
    recommender = TellAsk(Randomly(), ["x", "y"], "det")
    first = recommender.suggest(2)
    assert recommender.suggest(2) == first
    recommender.ingest([{**first[0], "det": 1.0}])
    assert recommender.suggest(2)[0] == first[1]


def test_an_agent_is_told_readbacks_once_in_the_form_it_wants():
    old, new = Agent0(), Randomly()
    for agent, objectives in ((old, ["det"]), (new, "det")):
        recommender = TellAsk(agent, ["x", "y"], objectives, plain=agent is new)
        (point,) = recommender.suggest()
        there = {**point, "x": 1.25, "y": 2, "det": 3.0}
        recommender.ingest([there, there])
        recommender.ingest([there, {"y": 0.0, "x": 1.0, "det": 4}])
    assert [(list(x), list(y)) for x, y in old.told] == [([1.25, 2.0], [3.0]), ([1.0, 0.0], [4.0])]
    assert all(isinstance(x, np.ndarray) and isinstance(y, np.ndarray) for x, y in old.told)
    assert new.told == [([1.25, 2], 3.0), ([1.0, 0.0], 4.0)]
    assert all(type(x) is list and type(y) is float for x, y in new.told)


def test_a_maximum_is_told_to_who_minimizes_as_the_negative():
    agent = Randomly()
    told(TellAsk(agent, ["x", "y"], "det", negate=True), det=5.0)
    assert agent.told[0][1] == -5.0


@pytest.mark.parametrize(
    "answer",
    [
        [1.0, 2.0],
        np.array([1.0, 2.0]),
        [[1.0, 2.0]],
        ({"why": 1}, [[1.0, 2.0]]),
        ([{"why": 1}], [np.array([1.0, 2.0])]),
        {"x": 1.0, "y": 2.0},
        [{"x": np.float64(1.0), "y": np.float32(2.0)}],
        ({"y": 2.0, "x": 1.0},),
    ],
)
def test_one_point_may_be_answered_in_many_forms(answer):
    (point,) = TellAsk(Fixedly(answer), ["x", "y"], "det").suggest()
    assert {name: point[name] for name in ("x", "y")} == {"x": 1.0, "y": 2.0}
    assert type(point["x"]) is float


def test_along_one_axis_numbers_are_points():
    assert [point["x"] for point in TellAsk(Fixedly([1.0, 2.0, 3.0]), ["x"], "det").suggest(3)] == [1.0, 2.0, 3.0]


def test_an_agent_that_has_no_more_ends_the_scan():
    class NoRecommendation0(Exception): ...

    NoRecommendation0.__name__ = "NoRecommendation"

    class Done(Fixedly):
        def ask(self, n):
            raise NoRecommendation0("all done")

    assert TellAsk(Fixedly(None), ["x"], "det").suggest() == []
    assert TellAsk(Fixedly([]), ["x"], "det").suggest() == []
    with pytest.raises(NoRecommendation, match="all done"):
        TellAsk(Done(None), ["x"], "det").suggest()


def test_a_point_of_too_many_coordinates_is_refused():
    with pytest.raises(RecommenderError, match=r"Fixedly answered \[1, 2, 3\]: 3 coordinates, expected 2 \(x, y\)"):
        TellAsk(Fixedly([[1, 2, 3]]), ["x", "y"], "det").suggest()


@pytest.mark.parametrize("lost", ["failed", math.nan, math.inf])
@pytest.mark.parametrize("minimizes", [True, False])
def test_a_lost_point_is_told_as_the_worst_so_far(lost, minimizes):
    agent = Randomly()
    recommender = TellAsk(agent, ["x", "y"], "det", minimizes=minimizes)
    (first,) = recommender.suggest()
    if lost == "failed":  # before there is any reading: it is told later
        recommender.register_failures([first])
    else:
        recommender.ingest([{**first, "det": lost}])
    assert agent.told == []
    told(recommender, det=7.0)
    told(recommender, det=3.0)
    second = recommender.suggest()
    recommender.register_failures(second)
    recommender.register_failures(second)
    assert [y for _, y in agent.told] == [7.0, 7.0, 3.0, 7.0 if minimizes else 3.0]


def test_an_agent_that_asks_again_for_what_failed_ends_the_scan_with_an_error():
    recommender = TellAsk(Fixedly([[1.0, 2.0]]), ["x", "y"], "det")
    recommender.register_failures(recommender.suggest())
    with pytest.raises(RecommenderError, match=r"asks again for .*which failed.*minimizes=True"):
        recommender.suggest()


def test_ids_are_not_used_again_after_a_restart():
    first = TellAsk(Randomly(), ["x", "y"], "det")
    points = told(first, 3)
    second = TellAsk(Randomly(), ["x", "y"], "det")
    second.ingest([{**point, "det": 1.0} for point in points])
    assert {point["_id"] for point in second.suggest(3)}.isdisjoint(point["_id"] for point in points)


def test_bad_points_are_refused_and_none_beside_them_is_told():
    for recommender, agent in ((TellAsk(a := Randomly(), ["x", "y"], "det"), a), (Generator(g := Standardly()), g)):
        good = {"x": 1.0, "y": 2.0, "det": 1.0}
        for bad in ({"x": 1.0, "y": 2.0}, {"x": 1.0, "det": 1.0}, {"x": 1.0, "y": 2.0, "det": "much"}):
            with pytest.raises(PointError, match=r"missing|expected a number"):
                recommender.ingest([good, bad])
        assert agent.told == []


class Telling(Randomly):
    """Says why, too."""

    def ask(self, n_points=None):
        points = super().ask(n_points)
        self.why = [f"for {x:.4g}" for x, _ in points]
        return points

    def get_reasons(self):
        return self.why


def test_an_agent_that_says_why_is_passed_on_with_each_of_its_points():
    assert not isinstance(TellAsk(Randomly(), ["x", "y"], "det"), HasReasons)
    recommender = TellAsk(Telling(), ["x", "y"], "det")
    assert isinstance(recommender, HasReasons)
    assert recommender.get_reasons() == []
    points = recommender.suggest(2)
    assert recommender.get_reasons() == [f"for {point['x']:.4g}" for point in points]
    recommender.ingest([{**points[0], "det": 1.0}])
    assert len(recommender.get_reasons()) == 2, "as of the newest question"
    more = recommender.suggest(3)
    assert more[0] == points[1]
    assert recommender.get_reasons() == [f"for {point['x']:.4g}" for point in more], "also of what was asked before"
    recommender = cloudpickle.loads(cloudpickle.dumps(recommender))
    assert recommender.get_reasons() == [f"for {point['x']:.4g}" for point in more]
    recommender.ingest([{**point, "det": 1.0} for point in more])
    recommender.suggest()
    recommender.suggest(2)
    assert [bool(reason) for reason in recommender.get_reasons()] == [False, True], "nobody asked why in between"
    recommender.suggest()
    assert recommender.get_reasons() == [""]


@pytest.mark.parametrize("found", ["no", ["one"]])
def test_an_agent_that_does_not_say_why_for_each_point_is_refused(found):
    agent = Telling()
    agent.get_reasons = lambda: found
    recommender = TellAsk(agent, ["x", "y"], "det")
    recommender.suggest(2)
    with pytest.raises(TypeError, match="expected a sentence for each of 2 points, found"):
        recommender.get_reasons()


# ------------------------------------------------------------ generators


def test_a_generator_that_says_why_is_passed_on_behind_the_first_points():
    class Says(Standardly):
        def suggest(self, num_points):
            points = super().suggest(num_points)
            self.why = [f"for {point['x']:.4g}" for point in points]
            return points

        def get_reasons(self):
            return self.why

    assert not isinstance(Generator(Standardly()), HasReasons)
    recommender = Generator(Says(), initial=3)
    first = [f"even cover before the generator is asked, {number} of 3" for number in (1, 2, 3)]
    recommender.suggest(2)
    assert recommender.get_reasons() == first[:2]
    points = recommender.suggest(5)
    assert recommender.get_reasons() == [*first, *(f"for {point['x']:.4g}" for point in points[3:])]
    report = check_recommender(lambda: Generator(Says()), SPACE, ["det"], pure=False, process=False, sizes=())
    assert {result.name: result.outcome for result in report.results}["reasons"] == "passed"


def test_names_limits_and_choices_of_a_generator_are_those_of_its_vocs():
    vocs = VOCS(variables={"x": [-5, 5], "filter": {"Cu", "Al"}}, objectives={"det": "MINIMIZE"})
    assert Generator(Standardly(vocs)).space == Space(Axis("x", -5, 5), Choice("filter", ("Al", "Cu")))
    one = VOCS(variables={"x": [-5, 5], "filter": {"Cu"}}, objectives={"det": "MINIMIZE"})
    with pytest.raises(ValueError, match="every variable must be continuous, or discrete with two or more values"):
        Generator(Standardly(one))


def test_a_generator_gets_its_own_ids_its_constants_and_every_output_and_no_more():
    vocs = VOCS(variables=VARIABLES, objectives={"det": "MAXIMIZE"}, constants={"gain": 3}, observables=["temperature"])
    generator = Standardly(vocs, named=True)
    recommender = Generator(generator)
    (point,) = recommender.suggest()
    assert point == {"x": point["x"], "y": point["y"], "_id": 1}
    assert type(point["x"]) is float
    with pytest.raises(PointError, match="'temperature' is missing"):
        recommender.ingest([{**point, "det": 1.0}])
    others = {"x": 0.0, "y": 0.0, "det": 2.0, "temperature": 4.0, "_id": "somebody's", "other": 1}
    recommender.ingest([{**point, "det": 1.0, "temperature": 300.0}, others])
    assert generator.told[0] == {**point, "gain": 3, "det": 1.0, "temperature": 300.0}
    assert generator.told[1] == {"x": 0.0, "y": 0.0, "gain": 3, "det": 2.0, "temperature": 4.0}


def test_a_generator_that_makes_its_own_number_of_points_is_asked_for_that():
    recommender = Generator(Standardly(most=1))
    first = recommender.suggest(5)
    assert len(first) == 3
    rest = Generator(Standardly(most=0)).suggest(1)
    assert len(rest) == 1


def test_a_generator_that_needs_data_gets_points_first():
    class Needs(Standardly):
        def suggest(self, num_points):
            assert len(self.told) >= 4
            return super().suggest(num_points)

    recommender = Generator(Needs(), initial=4)
    told(recommender, 3)
    told(recommender, 1)
    assert SPACE.problems(recommender.suggest()[0]) == []


@pytest.mark.parametrize(("goal", "worst"), [("MAXIMIZE", 3.0), ("MINIMIZE", 7.0)])
def test_a_lost_point_of_a_generator_is_told_as_the_worst_so_far_unless_forgotten(goal, worst):
    for failed in ("worst", "forget"):
        generator = Standardly(VOCS(variables=VARIABLES, objectives={"det": goal}))
        recommender = Generator(generator, failed=failed)
        told(recommender, det=7.0)
        told(recommender, det=3.0)
        (lost,) = told(recommender, det=math.nan)
        recommender.register_failures(recommender.suggest())
        assert [point["det"] for point in generator.told] == [7.0, 3.0] + [worst] * 2 * (failed == "worst")
        if failed == "worst":
            assert generator.told[2]["x"] == lost["x"]


# ------------------------------------------------------------ learners


def test_what_a_learner_knew_counts_and_it_is_left_as_it_is():
    learner = Learner1D(None, (0, 1))
    learner.tell(0.0, 0.0)
    learner.tell(1.0, 5.0)
    recommender = Learner(learner, "x", "det")
    assert [point["x"] for point in recommender.suggest(1)] == [0.5]
    told(recommender, 5)
    assert len(learner.data) == 2
    assert not learner.pending_points


def test_a_learner_learns_vectors():
    recommender = Learner(Learner1D(None, (0, 1)), "x", ["a", "b"])
    for _ in range(8):
        recommender.ingest([{**point, "a": point["x"], "b": point["x"] ** 2} for point in recommender.suggest()])
    assert len({point["x"] for point in recommender.suggest(4)}) == 4


@pytest.mark.parametrize("make", [learner_1d, learner_2d, learner_3d])
def test_a_motor_beside_its_corners_does_not_keep_a_learner_there(make):
    recommender, asked = make(), []
    for _ in range(24):
        (point,) = recommender.suggest()
        asked.append(tuple(point[name] for name in recommender.space))
        short = {
            name: 0.99 * point[name] + 0.01 * (axis.low + axis.high) / 2 for name, axis in recommender.space.items()
        }
        recommender.ingest([{**point, **short, "det": math.sin(sum(short.values()))}])
    assert len(set(asked)) == 24


@pytest.mark.parametrize("make", [learner_1d, learner_2d])
def test_points_beside_the_corners_stand_for_them_in_a_warm_start(make):
    recommender = make()
    beside = [(axis.low + 0.05, axis.high - 0.05) for axis in recommender.space.axes]
    corners = [dict(zip(recommender.space, at, strict=True)) for at in itertools.product(*beside)]
    recommender.ingest([{**corner, "det": corner["x"]} for corner in corners])
    ends = [{axis.low, axis.high} for axis in recommender.space.axes]
    for point in recommender.suggest(3):
        assert any(point[name] not in end for name, end in zip(recommender.space, ends, strict=True))


@pytest.mark.parametrize("make", [learner_1d, learner_2d, learner_3d])
def test_a_learner_goes_on_where_points_fail_or_have_no_reading(make):
    recommender, asked = make(), []
    for number in range(24):
        (point,) = recommender.suggest()
        asked.append(tuple(point[name] for name in recommender.space))
        if number % 3:
            recommender.ingest([{**point, "det": math.sin(point["x"]) if number % 3 == 1 else math.nan}])
        else:
            recommender.register_failures([point])
    assert len(set(asked)) == 24


def test_a_learner_on_its_way_to_a_process_knows_what_it_knew():
    recommender = learner_2d()
    told(recommender, 9)
    assert cloudpickle.loads(cloudpickle.dumps(recommender)).suggest(2) == recommender.suggest(2)


# ------------------------------------------------------------ SciPy, of bluesky-adaptive 1.x


def parabola(point):
    return {**point, "det": (point["x"] - 1.0) ** 2}


def test_the_bare_optimizer_of_scipy_still_needs_what_is_filled_in(scipy):
    """The reasons for the wrapper. Where this fails, bluesky-adaptive has become better and the wrapper may go."""
    bare = scipy(minimize=False)
    (point,) = bare.suggest(1)
    with pytest.raises(KeyError):
        bare.ingest([{"x": 1.0, "det": 1.0}])
    with pytest.raises(ValueError, match="did not expect"):
        bare.ingest([{"x": 1.0, "det": 1.0, "_id": 77}])
    with pytest.raises(ValueError, match="no optimization epoch"):
        bare.get_best_points()
    assert bare.suggest(1) == [point]  # the same _id again
    # Nobody turns the sign: told ever larger readings it goes the other way.
    (first,) = bare.suggest(1)
    for _ in range(6):
        (point,) = bare.suggest(1)
        bare.ingest([{"det": -((point["x"] - 1.0) ** 2), "_id": point["_id"]}])
        wait_for_a_question(bare)
    assert abs(bare.suggest(1)[0]["x"] - 1.0) > abs(first["x"] - 1.0)


@pytest.mark.parametrize("minimize", [True, False])
def test_scipy_finds_the_best_in_the_direction_it_was_given(scipy, minimize):
    recommender = BlueskyAdaptive(scipy(minimize=minimize, method=SCP.Default))
    assert recommender.get_best_points() == []
    sign = 1.0 if minimize else -1.0
    try:
        for _ in range(100):
            recommender.ingest([{**point, "det": sign * parabola(point)["det"]} for point in recommender.suggest()])
    except NoRecommendation as exc:
        assert "SciPy is done" in str(exc)  # noqa: PT017
    else:
        pytest.fail("SciPy should have come to its end")
    ((name, axes, objectives),) = recommender.get_best_points()
    assert axes["x"] == pytest.approx(1.0, abs=1e-3)
    assert objectives["det"] == pytest.approx(0.0, abs=1e-3)
    assert isinstance(name, int)


def test_a_lost_point_is_the_worst_so_far_for_scipy(scipy):
    recommender = BlueskyAdaptive(scipy())
    for number in range(30):
        (point,) = recommender.suggest()
        if number == 3:
            recommender.register_failures([point])
        else:
            recommender.ingest([{**point, "det": math.nan} if number == 5 else parabola(point)])
    assert recommender.get_best_points()[0][1]["x"] == pytest.approx(1.0, abs=0.1)


def test_scipy_cannot_go_on_after_a_first_point_that_failed_and_says_so(scipy):
    recommender = BlueskyAdaptive(scipy())
    recommender.register_failures(recommender.suggest())
    with pytest.raises(RecommenderError, match="a point failed, and SciPy cannot go on without a value for it"):
        recommender.suggest()


def test_scipy_says_that_it_waited_too_long(scipy):
    optimizer = scipy(timeout=0.05)
    optimizer._t.join(30)
    with pytest.raises(RecommenderError, match=r"SciPy waited more than 0.05 s for a reading"):
        BlueskyAdaptive(optimizer).suggest()


def test_points_of_others_and_repeats_are_not_for_scipy(scipy):
    recommender = BlueskyAdaptive(scipy())
    (point,) = recommender.suggest()
    stranger = {"x": 1.0, "det": -100.0}
    recommender.ingest([stranger, {**stranger, "_id": "somebody's"}, parabola(point)])
    recommender.ingest([{**parabola(point), "det": -50.0}])
    assert recommender.get_best_points() == [(0, {"x": point["x"]}, {"det": parabola(point)["det"]})]
    with pytest.raises(PointError, match="'det' missing from the point"):
        recommender.ingest([{"x": 1.0}])


# ------------------------------------------------------------ any other optimizer with their methods


class Theirs:
    """Speaks numpy, repeats nothing, knows no failures; gives ids itself."""

    def __init__(self):
        self.told, self.count = [], 0

    def suggest(self, num_points=None):
        self.count += 1
        return [{"x": np.float64(self.count), "_id": np.int64(self.count)}]

    def ingest(self, points):
        self.told += points

    def get_best_points(self):
        return [(1, {"x": np.float64(1.0)}, {"det": (np.float64(2.0), np.float64(0.1))})]


def test_any_optimizer_with_their_methods_may_be_wrapped():
    optimizer = Theirs()
    recommender = BlueskyAdaptive(optimizer, space=LINE)
    assert recommender.space is LINE
    (point,) = recommender.suggest()
    assert point == {"x": 1.0, "_id": 1}
    assert (type(point["x"]), type(point["_id"])) == (float, int)
    assert recommender.get_best_points() == []
    recommender.ingest([{**point, "det": 2.0}, {"x": 3.0, "det": 1.0, "_id": "other"}, {**point, "det": math.nan}])
    recommender.ingest([{**point, "det": 9.0}, {"x": 3.0, "det": 9.0, "_id": "other"}])
    assert optimizer.told == [{**point, "det": 2.0}, {"x": 3.0, "det": 1.0}]
    assert recommender.get_best_points() == [(1, {"x": 1.0}, {"det": 2.0})]
    assert not isinstance(recommender, HasReasons)
    assert isinstance(recommender, TrialFaultAware)
    recommender.register_failures(recommender.suggest())


def test_an_optimizer_that_says_why_is_passed_on():
    optimizer = Theirs()
    optimizer.get_reasons = lambda: [f"number {optimizer.count}"]
    recommender = BlueskyAdaptive(optimizer, space=LINE)
    assert isinstance(recommender, HasReasons)
    recommender.suggest()
    assert recommender.get_reasons() == ["number 1"]


def test_a_bad_option_is_refused():
    with pytest.raises(ValueError, match="failed must be 'worst' or 'forget', found 'retry'"):
        BlueskyAdaptive(Theirs(), failed="retry")


def test_scipy_keeps_the_promises_of_a_recommender(scipy):
    """But its thread cannot be pickled, and before the first reading there is no value to tell it for a failure."""
    report = check_recommender(
        lambda: BlueskyAdaptive(scipy()), Space(Axis("x", -5, 5)), ["det"],
        pure=False, process=False, exempt=("pickles", "not-finite", "failures"), sizes=(10,), on_broken="report",
    )  # fmt: skip
    assert report.ok, str(report)


def test_scipy_whose_first_point_fails_says_that_it_cannot_go_on(scipy):
    recommender = BlueskyAdaptive(scipy())
    (point,) = recommender.suggest()
    recommender.register_failures([point])
    with pytest.raises(RecommenderError, match="SciPy cannot go on without a value for it: there is no reading yet"):
        recommender.suggest()
