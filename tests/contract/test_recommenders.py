"""What every recommender promises: ours keep it, and each promise is missed by a recommender that breaks just it."""

import functools
import math
import os
import pickle
import random
import sys
import threading
from pathlib import Path
from typing import ClassVar

import cloudpickle
import numpy as np
import pytest
from adaptive import Learner1D, Learner2D
from gest_api import Generator as Standard
from gest_api.vocs import VOCS
from sklearn.linear_model import BayesianRidge

from skysteer.errors import NoRecommendation
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Grid, Sequence, Sobol
from skysteer.recommenders.curve import Curve
from skysteer.recommenders.estimator import Estimator
from skysteer.recommenders.foreign import Generator, Learner, TellAsk
from skysteer.recommenders.gaussian import GaussianProcess, Travel
from skysteer.recommenders.gpcam import GpCAM
from skysteer.recommenders.library import LibraryRecommender
from skysteer.recommenders.spectra import Cluster, Decomposition
from skysteer.simulation import Random
from skysteer.testing import (
    RECOMMENDER_PROMISES,
    BrokenRecommenderPromise,
    check_recommender,
)

LINE = Space(Axis("x", -5, 5, units="mm"))
PLANE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 100, units="um"))
MIXED = Space(Axis("x", -5, 5, units="mm"), Choice("filter", ("Al", "Cu", "none")), Choice("sample", (1, 2, 3, 4)))
WHOLE = Space(Axis("x", 0, 20, step=0.5), Axis("n", 1, 9, step=1))
SPACES = {"line": LINE, "plane": PLANE, "mixed": MIXED, "whole": WHOLE}
SAMPLES = [{"sample": f"s{n}", "x": 0.5 * (n % 20) - 4.75, "y": 5.0 * (n // 20)} for n in range(210)]
HOLDER = Space(Choice("sample", tuple(sample["sample"] for sample in SAMPLES)))
PLACES = [{"x": sample["x"], "y": sample["y"]} for sample in SAMPLES]


def spectra(point):
    """Two phases beside each other: a line at 5 and a line at 14."""
    share, channel = (point["x"] + 5) / 10, np.arange(20)
    lines = (1 - share) * np.exp(-((channel - 5) ** 2) / 4) + share * np.exp(-((channel - 14) ** 2) / 4)
    return {"spectrum": lines.tolist()}


# How it is called -> how it is made in a space, and in which spaces. A new recommender of ours goes here.
OURS = {
    "Grid": (lambda space: Grid(space, 4), SPACES),
    "Random": (lambda space: Random(space, seed=3), SPACES),
    "Sobol": (lambda space: Sobol(space, seed=3), SPACES),
    "Sequence": (lambda space: Sequence(_twenty(space), space=space), SPACES),
    "GaussianProcess, maximum": (lambda space: GaussianProcess(space, maximize="det"), ["plane", "mixed"]),
    "GaussianProcess, minimum": (lambda space: GaussianProcess(space, minimize="det", counts=True), ["line"]),
    "GaussianProcess, map": (lambda space: GaussianProcess(space, map="det", initial=3), ["whole"]),
    "Library, best": (lambda space: LibraryRecommender(PLACES, features=["x", "y"], maximize="det"), ["plane"]),
    "Library, edges": (lambda space: LibraryRecommender(PLACES, features=["x", "y"], edges="det"), ["plane"]),
    "Library, cover": (lambda space: LibraryRecommender(PLACES, features=["x", "y"], cover=True), ["plane"]),
    "Library, by name": (
        lambda space: LibraryRecommender(SAMPLES, features=["x", "y"], axes="sample", map="det"),
        {"holder": HOLDER},
    ),
    "Curve": (lambda space: Curve(space["x"], "det"), ["line"]),
    "Curve, noisy": (lambda space: Curve(space["x"], "det", noise="fit"), ["line"]),
    "Estimator": (lambda space: Estimator(space, BayesianRidge(), maximize="det"), ["mixed"]),
    "GpCAM": (lambda space: GpCAM(space, maximize="det"), ["line"]),
    "GpCAM, places": (lambda space: GpCAM(PLACES, map="det"), ["plane"]),
}
# Of one that learns several objectives, or a spectrum.
OTHERS = {
    "GaussianProcess, Pareto": (
        lambda: GaussianProcess(LINE, objectives={"a": "maximize", "b": "maximize"}), LINE, ["a", "b"], None,
    ),
    "GaussianProcess, constraint": (
        lambda: GaussianProcess(LINE, maximize="a", constraints={"b": ("<=", 50.0)}), LINE, ["a", "b"], None,
    ),
    "Decomposition": (lambda: Decomposition(LINE, map="spectrum"), LINE, ["spectrum"], spectra),
    "Decomposition, NMF": (
        lambda: Decomposition(LINE, map="spectrum", method="nmf", components=2), LINE, ["spectrum"], spectra,
    ),
    "Cluster": (lambda: Cluster(LINE, map="spectrum"), LINE, ["spectrum"], spectra),
}  # fmt: skip
STEPPED = Space(Axis("n", 1, 12, step=1), Axis("y", 0, 1), Choice("filter", ("Al", "Cu")))
START = [{"x": x, "y": y} for x in (0.0, 1.0, 2.0) for y in (20.0, 30.0, 40.0, 50.0)]  # more than are underway at once
PARETO = {"a": "maximize", "b": "minimize"}
# What a Gaussian process may be asked for, in which space; `a` and `b` are measured.
PROCESSES = {
    "ucb": (PLANE, {"maximize": "a", "acquisition": "ucb"}),
    "variance": (PLANE, {"minimize": "a", "acquisition": "max_variance"}),
    "map": (PLANE, {"map": "a"}),
    "weighted": (PLANE, {"weights": {"a": 1.0, "b": -0.5}}),
    "pareto": (PLANE, {"objectives": PARETO}),
    "chebyshev": (PLANE, {"objectives": PARETO, "acquisition": "chebyshev"}),
    "constrained": (PLANE, {"maximize": "a", "constraints": {"b": ("<=", 4.0)}}),
    "safe": (PLANE, {"maximize": "a", "safe": {"b": ("<=", 1e3)}, "initial": START}),
    "steps": (STEPPED, {"maximize": "a"}),
    "stepped map": (STEPPED, {"map": "a"}),
    "travel": (PLANE, {"maximize": "a", "travel": Travel({"x": 1.0}, exposure=0.5)}),
    "given": (PLANE, {"maximize": "a", "length_scale": {"x": 2.0}, "noise": 0.1, "initial": START}),
}


class Randomly:
    """An agent with ``tell`` and ``ask``."""

    def __init__(self):
        self.random = np.random.default_rng(1)

    def ask(self, n):
        return self.random.uniform([-5, 0], [5, 100], (n, 2)).tolist()

    def tell(self, x, y): ...


class Standardly(Standard):
    """A generator of the gest-api standard."""

    def __init__(self):
        self.vocs = VOCS(variables={"x": [-5, 5], "y": [0, 100]}, objectives={"det": "MAXIMIZE"})
        super().__init__(self.vocs)
        self.random = np.random.default_rng(1)

    def _validate_vocs(self, vocs): ...

    def suggest(self, num_points):
        return [
            dict(zip("xy", self.random.uniform([-5, 0], [5, 100]).tolist(), strict=True)) for _ in range(num_points)
        ]

    def ingest(self, results): ...


# Of somebody else: how it is made, in which space, and whether it is a function of what it was told.
FOREIGN = {
    "TellAsk": (lambda: TellAsk(Randomly(), ["x", "y"], "det", space=PLANE), PLANE, False),
    "Generator": (lambda: Generator(Standardly()), PLANE, False),
    "Learner1D": (lambda: Learner(Learner1D(None, (-5, 5)), "x", "det"), LINE, True),
    "Learner2D": (lambda: Learner(Learner2D(None, [(-5, 5), (0, 100)]), ["x", "y"], "det"), PLANE, True),
}
IN_A_PROCESS = {"GaussianProcess, maximum", "Library, best"}
"""Those that are sent to a process of their own too, in the plane."""


@functools.cache
def _twenty(space):
    return [{name: point[name] for name in space} for point in Sobol(space).suggest(20)]


@pytest.mark.parametrize(("name", "where"), [(name, where) for name, (_, spaces) in OURS.items() for where in spaces])
def test_our_recommender_keeps_every_promise(name, where):
    make, space = OURS[name][0], {**SPACES, "holder": HOLDER}[where]
    process = where == "plane" and name in IN_A_PROCESS
    report = check_recommender(lambda: make(space), space, ["det"], process=process, sizes=[10])
    assert report.ok
    assert report.suggestion_seconds[10] is not None


@pytest.mark.parametrize("name", OTHERS)
def test_our_recommender_of_other_objectives_keeps_every_promise(name):
    make, space, objectives, truth = OTHERS[name]
    assert check_recommender(make, space, objectives, truth=truth, process=False, sizes=[]).ok


@pytest.mark.parametrize("name", PROCESSES)
def test_a_gaussian_process_keeps_every_promise_whatever_it_looks_for(name):
    space, options = PROCESSES[name]
    several = not {"objectives", "weights", "constraints", "safe"}.isdisjoint(options)
    objectives = ["a", "b"] if several else ["a"]
    assert check_recommender(lambda: GaussianProcess(space, **options), space, objectives, process=False, sizes=[]).ok


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_made_of_others_keeps_every_promise(name):
    make, space, pure = FOREIGN[name]
    assert check_recommender(make, space, ["det"], pure=pure, process=False, sizes=[]).ok


# -- recommenders that break one promise each


class Steady:
    """Keeps every promise: the base of those that do not.

    Its points depend on everything it knows, so that a difference in that is seen.
    """

    def __init__(self):
        self.known = []
        self.total = 0.0
        self.seen = set()
        self.failed = 0
        self.pending = []
        self.done = set()

    def ingest(self, points):
        for point in points:
            if point.get("_id") is None or point["_id"] not in self.seen:
                self.learn(point)
            self.cross_off(point)

    def learn(self, point):
        self.known.append((point.get("_id"), {"x": point["x"], "y": point["y"]}, point["det"]))
        if math.isfinite(point["det"]):
            self.total += point["det"]

    def cross_off(self, point):
        self.seen.add(point.get("_id"))

    def suggest(self, num_points=None):
        numbers = (n for n in range(10_000) if f"p{n}" not in self.seen and f"p{n}" not in self.pending)
        return [self.point(next(numbers)) for _ in range(num_points or 1)]

    def point(self, number):
        state = [number, len(self.known), round(1e3 * abs(self.total)), self.failed, len(self.pending)]
        x, y = np.random.default_rng(state).random(2).tolist()
        return {"x": 10 * x - 5, "y": 100 * y, "_id": f"p{number}"}

    def set_pending(self, points):
        self.pending = [point.get("_id") for point in points]

    def register_failures(self, suggestions):
        for suggestion in suggestions:
            self.cross_off(suggestion)
            self.failed += 1

    def get_best_points(self):
        finite = [entry for entry in self.known if math.isfinite(entry[2])]
        best = max(finite, key=lambda entry: entry[2], default=None)
        return [] if best is None else [(best[0], best[1], {"det": best[2]})]

    def should_stop(self):
        return False, None


class CannotBeMade(Steady):
    def __init__(self):
        raise RuntimeError("no licence")


class HasNoSuggest:
    def ingest(self, points):
        pass


class NeedsAPoint(Steady):
    def suggest(self, num_points=None):
        self.known[0]
        return super().suggest(num_points)


class KnowsOnlyItsOwn(Steady):
    def ingest(self, points):
        for point in points:
            int(point["_id"][1:])
        super().ingest(points)


class WantsThemInOrder(Steady):
    last = -1

    def learn(self, point):
        name = point.get("_id", "")
        if name[1:].isdigit():
            if int(name[1:]) < self.last:
                raise RuntimeError(f"{name} after p{self.last}")
            self.last = int(name[1:])
        super().learn(point)


class OneAtATime(Steady):
    def suggest(self, num_points=None):
        if num_points not in (None, 1):
            raise NotImplementedError("batches")
        return super().suggest(num_points)


class NeedsACount(Steady):
    def suggest(self, num_points):
        return super().suggest(num_points)


class IsGenerous(Steady):
    def suggest(self, num_points=None):
        return super().suggest((num_points or 1) + 1)


class TakesNoneForMany(Steady):
    def suggest(self, num_points=None):
        return super().suggest(5 if num_points is None else num_points)


class StepsOver(Steady):
    def point(self, number):
        return {**super().point(number), "x": 5.5}


class ForgetsAnAxis(Steady):
    def point(self, number):
        point = super().point(number)
        del point["y"]
        return point


class AnswersWithOnePoint(Steady):
    def suggest(self, num_points=None):
        return super().suggest(1)[0]


class AnswersNothing(Steady):
    def suggest(self, num_points=None):
        return None


class SpeaksNumPy(Steady):
    def point(self, number):
        point = super().point(number)
        return {**point, "x": np.float64(point["x"])}


class HasTuplesForIds(Steady):
    """Which JSON makes lists of."""

    def point(self, number):
        return {**super().point(number), "_id": (1, number)}

    def suggest(self, num_points=None):
        numbers = (n for n in range(10_000) if (1, n) not in self.seen and (1, n) not in self.pending)
        return [self.point(next(numbers)) for _ in range(num_points or 1)]


class HasListsForIds(Steady):
    def suggest(self, num_points=None):
        return [{**point, "_id": [point["_id"]]} for point in super().suggest(num_points)]

    def set_pending(self, points):
        super().set_pending([{**point, "_id": point["_id"][0]} for point in points])

    def register_failures(self, suggestions):
        super().register_failures([{**point, "_id": point["_id"][0]} for point in suggestions])


class GivesOneIdToAll(Steady):
    def suggest(self, num_points=None):
        points = super().suggest(num_points)
        return [{**point, "_id": points[0]["_id"]} for point in points]


class NumbersEachAnswer(Steady):
    """From zero, again and again."""

    def suggest(self, num_points=None):
        return [{**point, "_id": f"p{n}"} for n, point in enumerate(super().suggest(num_points))]


class Guesses(Steady):
    def point(self, number):
        return {**super().point(number), "x": random.uniform(-5, 5)}


class LearnsFromQuestions(Steady):
    def suggest(self, num_points=None):
        self.total += 0.01
        return super().suggest(num_points)


class NamesThemAtRandom(Steady):
    def point(self, number):
        return {**super().point(number), "_id": f"p{number}-{os.urandom(4).hex()}"}

    def cross_off(self, point):
        self.seen.add(str(point.get("_id")).partition("-")[0])

    def ingest(self, points):
        super().ingest([{**point, "_id": str(point.get("_id")).partition("-")[0]} for point in points])

    def set_pending(self, points):
        super().set_pending([{**point, "_id": str(point.get("_id")).partition("-")[0]} for point in points])


class SharesItsMemory(Steady):
    memory: ClassVar = []

    def learn(self, point):
        self.memory.append(point)
        super().learn(point)

    def point(self, number):
        point = super().point(number)
        return {**point, "x": point["x"] / (1 + len(self.memory))}


class NeverForgetsPending(Steady):
    def set_pending(self, points):
        self.pending = [*self.pending, *(point.get("_id") for point in points)]


class CountsRepeats(Steady):
    def ingest(self, points):
        for point in points:
            self.learn(point)
            self.cross_off(point)


class CountsCalls(Steady):
    def ingest(self, points):
        super().ingest(points)
        self.total += 1.0


class ChokesOnNaN(Steady):
    def learn(self, point):
        if math.isnan(point["det"]):
            raise ValueError("input contains NaN")
        super().learn(point)


class CannotCountInfinity(Steady):
    def learn(self, point):
        int(point["det"] if not math.isnan(point["det"]) else 0)
        super().learn(point)


class BecomesNaN(Steady):
    mean = 0.0

    def learn(self, point):
        super().learn(point)
        self.mean += point["det"]

    def point(self, number):
        point = super().point(number)
        return {**point, "x": point["x"] + 0 * self.mean}


class DividesByTheSpread(Steady):
    def suggest(self, num_points=None):
        values = [value for *_, value in self.known if math.isfinite(value)]
        if len(values) > 2:
            1 / (max(values) - min(values))
        return super().suggest(num_points)


class InvertsDuplicates(Steady):
    def learn(self, point):
        if any(axes == {"x": point["x"], "y": point["y"]} for _, axes, _ in self.known):
            raise np.linalg.LinAlgError("Singular matrix")
        super().learn(point)


class NeverGivesUp(Steady):
    def register_failures(self, suggestions):
        pass


class TripsOverFailures(Steady):
    def register_failures(self, suggestions):
        raise KeyError(suggestions[0]["_id"])


class GivesUpAtOnce(Steady):
    def suggest(self, num_points=None):
        if self.failed > 3:
            raise ZeroDivisionError("nothing measured")
        return super().suggest(num_points)


class AsksWhatIsPending(Steady):
    def set_pending(self, points):
        pass


class AsksTwiceInABatch(Steady):
    def suggest(self, num_points=None):
        points = super().suggest(num_points)
        return [{**points[0], "_id": point["_id"]} for point in points]


class BestIsAMapping(Steady):
    def get_best_points(self):
        return {"x": 1.0, "y": 1.0, "det": 3.0}


class HasNoBestAtFirst(Steady):
    def get_best_points(self):
        return [max(self.known, key=lambda entry: entry[2])] and super().get_best_points()


class Says(Steady):
    """Keeps every promise, and says why it asks."""

    newest = ()

    def suggest(self, num_points=None):
        self.newest = super().suggest(num_points)
        return self.newest

    def get_reasons(self):
        return [f"number {point['_id'][1:]}" for point in self.newest]


class SaysItInAWord(Says):
    def get_reasons(self):
        return "curiosity"


class SaysItOfTheFirst(Says):
    def get_reasons(self):
        return super().get_reasons()[:1]


class SaysItInNumbers(Says):
    def get_reasons(self):
        return [0.5 for _ in self.newest]


class SaysItInPrivate(Says):
    def get_reasons(self):
        raise PermissionError("not to you")


class SaysItOtherwise(Says):
    said = 0

    def get_reasons(self):
        self.said += 1
        return [f"{reason}, {self.said}" for reason in super().get_reasons()]


class ThinksWhenItSays(Says):
    def get_reasons(self):
        self.total += 0.01
        return super().get_reasons()


class ThinksUntilItIsTold(Says):
    other = 0

    def get_reasons(self):
        self.other = 1
        return super().get_reasons()

    def ingest(self, points):
        self.other = 0
        super().ingest(points)

    def point(self, number):
        return {**super().point(number), "x": float(self.other)}


class StopsInAWord(Steady):
    def should_stop(self):
        return "not yet"


class ComesBack(Steady):
    ended = False

    def suggest(self, num_points=None):
        if sum(name is not None for name, *_ in self.known) > 15 and not self.ended:
            self.ended = True
            raise NoRecommendation
        return super().suggest(num_points)


class TakesTheIdOut(Steady):
    def ingest(self, points):
        super().ingest([dict(point) for point in points])
        for point in points:
            point.pop("_id", None)


class SortsThePending(Steady):
    def set_pending(self, points):
        super().set_pending(points)
        points.append({"x": 0.0})


class HasALock(Steady):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class ForgetsOnTheWay(Steady):
    def __getstate__(self):
        return {**vars(self), "total": 0.0}


class KnowsItsProcess(Steady):
    def __init__(self):
        super().__init__()
        self.home = os.getpid()

    def suggest(self, num_points=None):
        if os.getpid() != self.home:
            raise RuntimeError("the connection was opened in another process")
        return super().suggest(num_points)


class Saved(Steady):
    """Keeps every promise, and its state in a file."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        if path.exists():
            vars(self).update(pickle.loads(path.read_bytes()))

    def state(self):
        return vars(self)

    def checkpoint(self):
        self.path.write_bytes(pickle.dumps(self.state()))


class SavesTooLittle(Saved):
    def state(self):
        return {"seen": self.seen, "known": self.known}


class CannotSave(Saved):
    def checkpoint(self):
        raise ValueError("checkpoint path is not set")


BREAKERS = {
    CannotBeMade: ("made", "make() raised RuntimeError: no licence"),
    HasNoSuggest: ("made", "make() gave an object of HasNoSuggest, which has no suggest"),
    NeedsAPoint: ("cold", "suggest raised IndexError: list index out of range"),
    KnowsOnlyItsOwn: ("strangers", "ingest raised KeyError: '_id'"),
    WantsThemInOrder: ("mix", "ingest raised RuntimeError: p2 after p3"),
    OneAtATime: ("mix", "suggest raised NotImplementedError: batches"),
    NeedsACount: ("mix", "suggest raised TypeError: NeedsACount.suggest() missing 1 required"),
    IsGenerous: ("count", "2 points for a question for 1: [{'x'"),
    TakesNoneForMany: ("count", "5 points for a question for 1: [{'x'"),
    StepsOver: ("inside", "x=5.5 is outside [-5, 5] mm"),
    ForgetsAnAxis: ("inside", "y is missing"),
    AnswersWithOnePoint: ("inside", "the answer is a single mapping, expected a sequence of mappings"),
    AnswersNothing: ("inside", "the answer is a NoneType, expected a sequence of mappings"),
    SpeaksNumPy: ("plain", "is a numpy.float64, expected a plain str, int or float"),
    HasTuplesForIds: ("plain", "_id=(1, 0) is a tuple, expected a plain str"),
    HasListsForIds: ("ids", "_id=['p0'] is a list, which is not hashable"),
    GivesOneIdToAll: ("ids", "_id='p0' is given to two points of one answer"),
    NumbersEachAnswer: ("ids", "_id='p0' is given again, after its point was measured"),
    Guesses: ("same", "another one that knows nothing answers [{'x': "),
    LearnsFromQuestions: ("same", "asked a second time, it answers"),
    NamesThemAtRandom: ("same", "another one that knows nothing answers"),
    SharesItsMemory: ("same", "one that"),
    NeverForgetsPending: ("same", "after points were pending and are no more, it answers"),
    CountsRepeats: ("repeats", "one that was told the points again answers"),
    CountsCalls: ("at-once", "one that was told the points one by one answers"),
    ChokesOnNaN: ("not-finite", "ingest raised ValueError: input contains NaN"),
    CannotCountInfinity: ("not-finite", "ingest raised OverflowError: cannot convert float infinity to integer"),
    BecomesNaN: ("not-finite", "x=nan is not a finite number"),
    DividesByTheSpread: ("constant", "suggest: raised ZeroDivisionError: float division by zero"),
    InvertsDuplicates: ("duplicates", "ingest raised LinAlgError: Singular matrix"),
    NeverGivesUp: ("failures", "of 12 suggestions, all of which failed, 12 are for {'x': "),
    TripsOverFailures: ("failures", "register_failures raised KeyError: 'p0'"),
    GivesUpAtOnce: ("failures", "after 4 failed points and nothing measured, suggest raised ZeroDivisionError"),
    AsksWhatIsPending: ("pending", "is given again while it is pending"),
    AsksTwiceInABatch: ("pending", "is given twice in one answer"),
    BestIsAMapping: ("best", "get_best_points gave {'x': 1.0, 'y': 1.0, 'det': 3.0}, expected a list of (_id, axes"),
    HasNoBestAtFirst: ("best", "raised ValueError: max() arg is an empty sequence before anything was told"),
    SaysItInAWord: ("reasons", "get_reasons gave 'curiosity', expected a list with a sentence (a str) for the point"),
    SaysItOfTheFirst: ("reasons", "(a str) for each of the 3 points"),
    SaysItInNumbers: ("reasons", "get_reasons gave [0.5], expected a list with a sentence (a str)"),
    SaysItInPrivate: ("reasons", "get_reasons raised PermissionError: not to you"),
    SaysItOtherwise: ("reasons", "get_reasons gave ['number 0, 1'], and asked a second time ['number 0, 2']"),
    ThinksWhenItSays: ("reasons", "asked for its reasons, it answers [{'x': "),
    ThinksUntilItIsTold: ("reasons", "asked for its reasons, it answers [{'x': 1.0, "),
    StopsInAWord: ("stop", "should_stop gave 'not yet', expected (whether to stop: bool, why: str or None)"),
    ComesBack: ("end", "after an empty answer, which says that there is nothing more to ask, it answers [{'x': "),
    TakesTheIdOut: ("arguments", "ingest was given [{'x': "),
    SortsThePending: ("arguments", "set_pending was given [{'x': "),
    HasALock: ("pickles", "cloudpickle raised TypeError: cannot pickle '_thread.lock' object after 0 points"),
    ForgetsOnTheWay: ("pickles", "what was unpickled after "),
    KnowsItsProcess: ("process", "in a process of its own: RuntimeError: the connection was opened in another process"),
    SavesTooLittle: ("checkpoint", "what make() gives after checkpoint() answers [{'x': "),
    CannotSave: ("checkpoint", "checkpoint raised ValueError: checkpoint path is not set"),
}


def _make(breaker, folder):
    path = Path(folder) / "state"
    if path.exists():
        path.unlink()
    return lambda: breaker(path) if issubclass(breaker, Saved) else breaker()


def _report(breaker, folder, **options):
    SharesItsMemory.memory.clear()
    process = breaker is KnowsItsProcess
    make = _make(breaker, folder)
    return check_recommender(make, PLANE, ["det"], **{"process": process, "sizes": [], **options})


@pytest.fixture(autouse=True)
def classes_travel_by_value():
    """So that a process of a recommender does not import this file, and all that it imports."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    if __name__ in cloudpickle.list_registry_pickle_by_value():
        cloudpickle.unregister_pickle_by_value(module)


def test_every_promise_has_a_recommender_that_breaks_it():
    assert {promise for promise, _ in BREAKERS.values()} == set(RECOMMENDER_PROMISES)


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.__name__)
def test_just_the_broken_promise_is_found_with_what_was_done(breaker, tmp_path):
    promise, found = BREAKERS[breaker]
    report = _report(breaker, tmp_path, on_broken="report")
    assert [(result.name, result.why) for result in report.results if result.outcome == "broken"] == [
        (promise, report.broken[0].why)
    ]
    assert found in report.broken[0].why


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.__name__)
def test_the_error_has_code_that_does_it_again(breaker, tmp_path):
    promise, _ = BREAKERS[breaker]
    with pytest.raises(BrokenRecommenderPromise) as caught:
        _report(breaker, tmp_path)
    error = caught.value
    assert (error.promise, error.name) == (RECOMMENDER_PROMISES[promise].says, promise)
    assert str(error).startswith(f"broken promise [{promise}]: {error.promise}\nfound: {error.found}\n")
    assert "a = make()" in error.code
    assert all(f"    {line}\n" in str(error) for line in error.code.splitlines())
    _run_again(error, _make(breaker, tmp_path))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _run_again(error, make):
    """Run the code, but for the last line, and then that: it raises if that was found."""
    *before, last = error.code.splitlines()
    namespace = {"make": make}
    exec("\n".join(before), namespace)
    if "  # raised " in last:
        with pytest.raises(Exception) as caught:  # noqa: PT011  whatever was found
            exec(last, namespace)
        assert str(caught.value) in last or type(caught.value).__name__ in last
    else:
        exec(last, namespace)
    if "worker" in namespace:
        namespace["worker"].close()


def test_a_recommender_that_keeps_every_promise_passes(tmp_path):
    report = _report(Steady, tmp_path)
    assert report.ok
    passed_over = {"process", "reasons", "end", "checkpoint"}
    assert {result.name for result in report.results if result.outcome != "passed"} == passed_over
    says = {result.name: result.outcome for result in _report(Says, tmp_path).results}
    assert {name for name in says if says[name] != "passed"} == passed_over - {"reasons"}
    assert _report(Saved, tmp_path).results[-1].outcome == "passed"
