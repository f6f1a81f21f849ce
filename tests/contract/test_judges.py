"""What every judge promises: ours keep it, and each promise is missed by a judge that breaks just it."""

import itertools
import math
import pickle
import random
import threading

import cloudpickle
import numpy as np
import pytest

from skysteer.model import Judgement, Observation, Verdict
from skysteer.protocols import Judge
from skysteer.testing import JUDGE_PROMISES, BrokenPromise, check_judge
from skysteer.watchdog import judges
from skysteer.watchdog.judges import (
    BeamLost,
    Converged,
    CountsReached,
    DoseLimit,
    FlatSignal,
    Plateau,
    Saturated,
    SignalToNoise,
    TimeLimit,
    all_of,
    any_of,
    debounced,
)

OURS = {
    "signal to noise": lambda: SignalToNoise("det", 5),
    "signal to noise of counts": lambda: SignalToNoise("image", 5, noise="poisson", background=1),
    "counts": lambda: CountsReached("det", 500),
    "counts of an image": lambda: CountsReached("image", 500, reduce=np.nansum),
    "plateau": lambda: Plateau("det", 5),
    "plateau within a tolerance": lambda: Plateau("image", 5, tolerance=1000),
    "converged": lambda: Converged("det", tolerance=100, points=3),
    "converged best, relative": lambda: Converged("det", tolerance=0.1, points=3, best="max", relative=True),
    "beam lost": lambda: BeamLost("det", 500, 600),
    "beam lost for good": lambda: BeamLost("image", 30, verdict=Verdict.ABORT),
    "saturated": lambda: Saturated("image", 60, 0.1),
    "saturated number": lambda: Saturated("det", 900),
    "flat": lambda: FlatSignal("det", points=3, tolerance=100),
    "dose": lambda: DoseLimit("det", 5000),
    "dose rate": lambda: DoseLimit("image", 5000, rate=True),
    "time": lambda: TimeLimit(20),
    "any of": lambda: any_of(BeamLost("det", 500, 600), CountsReached("det", 5000), TimeLimit(30)),
    "all of": lambda: all_of(CountsReached("det", 5000), TimeLimit(30)),
    "debounced": lambda: debounced(BeamLost("det", 500, 600), 3),
}


@pytest.mark.parametrize("name", OURS)
def test_our_judge_keeps_every_promise(name):
    check_judge(OURS[name])
    assert isinstance(OURS[name](), Judge)


def test_every_judge_of_ours_is_checked():
    made = " ".join(repr(make()) for make in OURS.values())
    assert [name for name in judges.__all__ if f"{name}(" not in made] == []


# -- judges that break one promise each


class Counts:
    """Keeps every promise: the base of those that do not."""

    def __init__(self):
        self.seen = 0

    def __call__(self, observation):
        self.seen += 1
        return Judgement(Verdict.ENOUGH, f"{self.seen} points") if self.seen >= 5 else None

    def reset(self):
        self.seen = 0


class DividesByTheSignal(Counts):
    def __call__(self, observation):
        return super().__call__(observation) if 1 / observation.objectives["det"] < 1e9 else None


class DividesByTheTime(Counts):
    last = 0.0

    def __call__(self, observation):
        rate, self.last = 1 / (observation.time - self.last), observation.time
        return super().__call__(observation) if rate else None

    def reset(self):
        self.seen, self.last = 0, 0.0


class OverflowsOnInfinity(Counts):
    def __call__(self, observation):
        value = observation.objectives["det"]
        return super().__call__(observation) if math.isnan(value) or int(value) is not None else None


class AnswersInWords(Counts):
    def __call__(self, observation):
        return "enough" if super().__call__(observation) else None


class AnswersWithAVerdictAlone(Counts):
    def __call__(self, observation):
        return Verdict.ENOUGH if super().__call__(observation) else None


class GivesNoReason(Counts):
    def __call__(self, observation):
        return Judgement(Verdict.ABORT) if super().__call__(observation) else None


class GivesANumberForAReason(Counts):
    def __call__(self, observation):
        return Judgement(Verdict.ABORT, 5) if super().__call__(observation) else None


class SubtractsInPlace(Counts):
    def __call__(self, observation):
        observation.data["image"][...] -= 1
        return super().__call__(observation)


class AddsAnObjective(Counts):
    def __call__(self, observation):
        observation.objectives["mean"] = 1.0
        return super().__call__(observation)


class Guesses(Counts):
    generator = random.Random(1)

    def __call__(self, observation):
        return Judgement(Verdict.ENOUGH, f"a feeling: {self.generator.random()}")

    def __reduce__(self):
        return Guesses, ()


class SharesItsCount(Counts):
    """Two at a time disturb each other; one after the other they do not."""

    total = itertools.count()

    def __init__(self):
        self.reset()

    def __call__(self, observation):
        number = next(SharesItsCount.total)
        return Judgement(Verdict.ENOUGH, f"{number} points") if number >= 5 else None

    def reset(self):
        SharesItsCount.total = itertools.count()


class HasALock(Counts):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class ForgetsOnTheWay(Counts):
    def __getstate__(self):
        return {}

    def __setstate__(self, state):
        self.seen = 0


class NeverForgets(Counts):
    def reset(self):
        pass


class CannotForget(Counts):
    def reset(self):
        raise NotImplementedError


(RAISES, ANSWERS, REASON, CHANGES, SAME, PICKLED, RESET) = JUDGE_PROMISES

BREAKERS = {
    DividesByTheSignal: (RAISES, "zero", "raised ZeroDivisionError: float division by zero at observation 1"),
    DividesByTheTime: (RAISES, "a clock that stands", "raised ZeroDivisionError"),
    OverflowsOnInfinity: (RAISES, "inf", "raised OverflowError: cannot convert float infinity to integer"),
    AnswersInWords: (ANSWERS, "as given", "answered 'enough' (str) at observation 5"),
    AnswersWithAVerdictAlone: (ANSWERS, "as given", "answered <Verdict.ENOUGH: 'enough'> (Verdict) at observation 5"),
    GivesNoReason: (REASON, "as given", "reason='') at observation 5"),
    GivesANumberForAReason: (REASON, "as given", "reason=5) at observation 5"),
    SubtractsInPlace: (CHANGES, "as given", "observation 1 was changed to Observation("),
    AddsAnObjective: (CHANGES, "as given", "'mean': 1.0}"),
    Guesses: (SAME, "as given", "another fresh judge says Judgement("),
    SharesItsCount: (SAME, "as given", "one of two judges that are shown the same in turns"),
    HasALock: (PICKLED, "as given", "after 0 observations: TypeError: cannot pickle '_thread.lock' object"),
    ForgetsOnTheWay: (PICKLED, "as given", "pickled after 20 observations, what was unpickled says None at"),
    NeverForgets: (RESET, "as given", "after a reset it says Judgement("),
    CannotForget: (RESET, "as given", "reset raised NotImplementedError"),
}


def test_every_promise_has_a_judge_that_breaks_it():
    assert {promise for promise, _, _ in BREAKERS.values()} == set(JUDGE_PROMISES)


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.__name__)
def test_a_broken_promise_is_named_with_what_was_found(breaker):
    promise, series, found = BREAKERS[breaker]
    with pytest.raises(BrokenPromise) as caught:
        check_judge(breaker)
    assert caught.value.promise == promise
    assert found in caught.value.found
    words = str(caught.value)
    assert words.startswith(f"broken promise: {promise}\nfound: {caught.value.found}\n")
    assert f"observations of the series {series!r}" in words
    assert "    answers = [judge(observation) for observation in error.observations]\n" in words


# A judge that guesses is not the same after a journey or a reset either: that is one fault, seen three times.
ALSO = {
    Guesses: {PICKLED, RESET},
    SharesItsCount: {PICKLED},
}


@pytest.mark.parametrize("breaker", BREAKERS, ids=lambda breaker: breaker.__name__)
def test_only_the_broken_promise_is_missed(breaker):
    with pytest.raises(BrokenPromise) as caught:
        check_judge(breaker)
    missed = {promise for promise, check in JUDGE_PROMISES.items() if check(breaker, caught.value.observations)}
    assert missed - ALSO.get(breaker, set()) == {BREAKERS[breaker][0]}


def test_the_observations_of_the_error_show_it_again():
    with pytest.raises(BrokenPromise) as caught:
        check_judge(DividesByTheTime)
    judge = DividesByTheTime()
    with pytest.raises(ZeroDivisionError):
        [judge(observation) for observation in caught.value.observations]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.promise) == (str(caught.value), caught.value.promise)


def test_a_judge_that_keeps_every_promise_passes():
    check_judge(Counts)


def test_a_function_is_a_judge_and_needs_no_reset():
    def bright(observation):
        return Judgement(Verdict.ABORT, "too bright") if observation.objectives["det"] > 500 else None

    check_judge(lambda: bright)


def test_the_same_judge_every_time_is_no_fresh_one():
    judge = Counts()
    with pytest.raises(BrokenPromise, match="the same observations give the same verdicts\nfound: another fresh judge"):
        check_judge(lambda: judge)


def test_what_cannot_be_called_is_no_judge():
    with pytest.raises(BrokenPromise, match="which cannot be called with an observation"):
        check_judge(lambda: Verdict.ENOUGH)


def test_a_judge_of_another_value_is_checked_with_observations_that_hold_it():
    with pytest.raises(BrokenPromise, match=r"no 'I0' in .*; give `observations` that hold what it looks for"):
        check_judge(lambda: CountsReached("I0", 30))
    own = [Observation("r", "fly", n, float(n), {}, data={"fly": {"I0": [n, 2.0], "on": True}}) for n in range(1, 9)]
    check_judge(lambda: CountsReached("I0", 30), own)
    check_judge(lambda: CountsReached("on", 3), own)


def test_no_observations_are_refused():
    with pytest.raises(ValueError, match="observations is empty"):
        check_judge(Counts, [])


def test_the_observations_given_stay_as_they_are():
    own = [Observation("r", "primary", n, float(n), {"x": 1.0}, {"det": 2.0}, {"image": np.ones(3)}) for n in range(9)]
    before = cloudpickle.dumps(own)
    with pytest.raises(BrokenPromise):
        check_judge(SubtractsInPlace, own)
    assert cloudpickle.dumps(own) == before
