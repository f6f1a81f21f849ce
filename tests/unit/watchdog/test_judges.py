"""Each judge: when it says what, in which words, and what it refuses."""

import math

import numpy as np
import pytest

from skysteer.errors import FieldError
from skysteer.model import Judgement, Observation, Verdict
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
)

NAN, INF = math.nan, math.inf


def seen(value, number=1, time=None, **more):
    return Observation("run", "primary", number, float(number if time is None else time), {}, {"det": value}, **more)


def judged(judge, values, **more):
    """The answers to one observation a value, a second apart."""
    return [judge(seen(value, number, **more)) for number, value in enumerate(values, 1)]


def verdicts(judge, values):
    return [None if answer is None else answer.verdict for answer in judged(judge, values)]


def first(judge, values):
    """Number of the first point with a verdict, and the judgement."""
    return next(((number, answer) for number, answer in enumerate(judged(judge, values), 1) if answer), None)


# -- finding the value


def test_a_value_is_looked_for_in_objectives_then_axes_then_data():
    everywhere = {"axes": {"det": 2.0}, "objectives": {"det": 1.0}, "data": {"det": 3.0}}
    for place, value in (("objectives", 1.0), ("axes", 2.0), ("data", 3.0)):
        answer = DoseLimit("det", 0.5)(Observation("run", "primary", 1, 0.0, **{"axes": {}, **everywhere}))
        assert answer.reason.startswith(f"dose by det is {value:g}, ")
        del everywhere[place]


def test_a_value_of_a_whole_run_is_found_in_its_stream():
    columns = {"primary": {"det": np.array([1.0, 2.0])}, "baseline": {"det": np.array([50.0])}}
    answer = DoseLimit("det", 0.5)(Observation("run", "primary", 1, 0.0, {}, data=columns))
    assert answer.reason.startswith("dose by det is 3, ")


def test_a_missing_key_names_what_there_is():
    observation = Observation("run", "fly", 7, 0.0, {"x": 1.0}, {"det": 2.0}, {"image": 3.0})
    with pytest.raises(FieldError) as caught:
        CountsReached("I0", 10)(observation)
    assert str(caught.value) == ("no 'I0' in observation 7 of stream 'fly' (objectives: det; axes: x; data: image)")
    assert caught.value.available == ("det", "x", "image")


@pytest.mark.parametrize("value", ["A3", 1j, [[1.0], [1.0, 2.0]], np.array(["a"])], ids=repr)
def test_what_is_no_number_is_named(value):
    with pytest.raises(TypeError, match=r"'det' is .* in observation 1 of stream 'primary', expected a number or an"):
        CountsReached("det", 10)(seen(value))


@pytest.mark.parametrize(
    ("reduce", "number"),
    [("sum", 510.0), ("mean", 127.5), ("max", 255.0), ("min", 0.0), ("median", 127.5), (np.std, 127.5)],
)
def test_an_array_becomes_a_number_as_told_and_small_integers_do_not_overflow(reduce, number):
    image = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    answer = BeamLost("det", 1e6, reduce=reduce)(seen(image))
    assert f"det is {number:g}," in answer.reason


def test_an_array_that_says_nothing_is_passed_over():
    judge = CountsReached("det", 10)
    assert judged(judge, [np.array([]), np.array([5.0, NAN]), None]) == [None] * 3
    assert CountsReached("det", 10, reduce=np.nansum)(seen(np.array([10.0, NAN]))).verdict is Verdict.ENOUGH


# -- enough


def test_signal_to_noise_is_the_mean_over_its_standard_error():
    values = list(np.random.default_rng(1).normal(10.0, 5.0, 200))
    number, answer = first(SignalToNoise("det", 20), values)
    ratios = {n: abs(np.mean(values[:n])) / (np.std(values[:n], ddof=1) / math.sqrt(n)) for n in range(5, 201)}
    assert number == next(n for n, ratio in ratios.items() if ratio >= 20) > 20
    assert answer == Judgement(
        Verdict.ENOUGH,
        f"signal to noise of det is {ratios[number]:.4g} after {number} points (noise from their scatter), 20 wanted",
    )


def test_signal_to_noise_of_a_small_scatter_on_a_large_background():
    values = 1e9 + np.random.default_rng(2).normal(3.0, 1.0, 400)
    number, _ = first(SignalToNoise("det", 20, background=1e9), values)
    expected = next(
        n for n in range(5, 401) if (np.mean(values[:n] - 1e9)) * math.sqrt(n) / np.std(values[:n] - 1e9, ddof=1) >= 20
    )
    assert number == expected


def test_a_negative_signal_is_a_signal():
    values = [-10.0, -9.0, -11.0, -10.0, -9.5]
    assert first(SignalToNoise("det", 20), values)[0] == 5


def test_signal_to_noise_of_counts_is_the_root_of_their_sum():
    assert first(SignalToNoise("det", 10, noise="poisson", points=1), [24, 25, 26, 24, 1])[0] == 5
    assert first(SignalToNoise("det", 10, noise="poisson", points=1), [24, 25, 26, 24]) is None
    # with 9 of 10 counts background: 0.1 N / sqrt(N) = 10 at N = 10 000
    number, answer = first(SignalToNoise("det", 10, noise="poisson", background=90), [100] * 200)
    assert number == 100
    assert "counting statistics" in answer.reason


def test_signal_to_noise_has_no_opinion_on_few_points_constants_or_nothing():
    assert first(SignalToNoise("det", 1e-3, points=8), [1.0, 2.0] * 3 + [1.0]) is None
    assert first(SignalToNoise("det", 1e-3, points=8), [1.0, 2.0] * 4)[0] == 8
    assert first(SignalToNoise("det", 1.0), [5.0] * 50) is None
    assert first(SignalToNoise("det", 1e-3, noise="poisson"), [0.0] * 50) is None


def test_points_that_are_not_finite_do_not_count():
    noisy = [1.0, 2.0, NAN, 1.0, INF, 2.0, -INF, 1.5]
    assert first(SignalToNoise("det", 1.0), noisy)[0] == 8
    assert first(CountsReached("det", 7), noisy)[0] == 8
    assert first(Plateau("det", 5), noisy)[0] == 8
    assert first(Converged("det", tolerance=2, points=4), noisy)[0] == 8


def test_counts_are_summed_over_all_points():
    number, answer = first(CountsReached("det", 10_000), [np.full((2, 2), 1000)] * 5)
    assert number == 3
    assert answer.reason == ("det has collected 12000 counts in 3 points (statistical error 0.91%), 10000 wanted")


def test_a_plateau_comes_when_the_change_is_within_its_standard_error():
    generator = np.random.default_rng(3)
    times = np.arange(120)
    values = 100 * (1 - np.exp(-times / 12)) + generator.normal(0.0, 1.0, 120)
    number, answer = first(Plateau("det", 20, units="K"), values)
    for end in range(20, number + 1):
        window = values[end - 20 : end]
        (slope, _), covariance = np.polyfit(np.arange(20), window, 1, cov=True)
        drift, error = 19 * slope, 19 * math.sqrt(covariance[0, 0])
        assert bool(abs(drift) <= 2 * error) is (end == number)
    assert 30 < number < 80
    assert answer.reason == (
        f"det changed by {drift:.6g} K over the last 20 points, with a standard error of {error:.6g} K; "
        f"up to {2 * error:.6g} K counts as no change"
    )


def test_a_plateau_within_a_tolerance():
    rising = [0.0, 10.0, 15.0, 17.0, 18.0, 18.4, 18.5, 18.5]
    assert first(Plateau("det", 4, tolerance=1.5), rising)[0] == 7
    assert first(Plateau("det", 4, tolerance=100), rising)[0] == 4
    assert first(Plateau("det", 4, tolerance=100, sigmas=0.5), rising) is None
    assert first(Plateau("det", 4, tolerance=0), [0.1] * 3) is None
    assert first(Plateau("det", 4, tolerance=0), [0.1] * 4)[0] == 4


def test_a_steady_rise_without_noise_is_no_plateau_and_numbers_too_large_are_none():
    assert first(Plateau("det", 5), [float(n) for n in range(50)]) is None
    assert first(Plateau("det", 5), [-float(n) for n in range(50)]) is None
    assert first(Plateau("det", 5), [1e200, -1e200] * 10) is None


def test_converged_after_so_many_points_without_a_change():
    assert first(Converged("det", tolerance=0.1, points=3), [3.0, 1.0, 0.6, 0.55, 0.52, 0.51, 0.5])[0] == 6
    assert first(Converged("det", tolerance=0.1, points=1), [5.0, 4.0, 3.95])[0] == 3
    assert first(Converged("det", tolerance=0.1, points=3), [0.0, 0.09, 0.18, 0.27, 0.36]) is None


def test_converged_follows_the_best_value_where_told():
    values = [1.0, 5.0, 2.0, 0.5, 5.05, 3.0]
    assert first(Converged("det", tolerance=0.1, points=3, best="max"), values)[0] == 5
    assert first(Converged("det", tolerance=0.1, points=3, best="min"), [-v for v in values])[0] == 5
    number, answer = first(Converged("det", tolerance=0.1, points=4, best="max", units="mm"), values)
    assert number == 6
    assert answer.reason == (
        "the largest det is 5.05 mm and changed by 0.05 mm over the last 4 points, up to 0.1 mm counts as converged"
    )


def test_converged_within_a_share_of_the_value():
    values = [1000.0, 995.0, 992.0]
    assert first(Converged("det", tolerance=0.01, points=2, relative=True), values)[0] == 3
    assert first(Converged("det", tolerance=0.01, points=2, relative=True), [-v for v in values])[0] == 3
    assert first(Converged("det", tolerance=0.01, points=2), values) is None
    assert first(Converged("det", tolerance=8, points=2), values)[0] == 3
    assert first(Converged("det", tolerance=7, points=2), values) is None


# -- junk


def test_a_lost_beam_holds_until_it_is_well_back():
    judge = BeamLost("det", 150, 190, units="mA")
    keep, hold = Verdict.KEEP_GOING, Verdict.HOLD
    values = [170, 149, 170, NAN, 189, 190, 200, 160, 150, 149.9, 190]
    assert verdicts(judge, values) == [None, hold, hold, None, hold, keep, None, None, None, hold, keep]
    lost, _, back = (answer for answer in judged(BeamLost("det", 150, 190, units="mA"), [0, NAN, 195]))
    assert lost.reason == "beam lost: det is 0 mA, lost under 150 mA and back from 190 mA on"
    assert back.reason == "beam back: det is 195 mA, back from 190 mA on"


def test_a_beam_without_hysteresis_is_back_where_it_was_lost():
    values = [150, 149, 150]
    for judge in (BeamLost("det", 150), BeamLost("det", 150, 150)):
        assert verdicts(judge, values) == [None, Verdict.HOLD, Verdict.KEEP_GOING]


def test_a_beam_that_was_never_lost_says_nothing():
    assert verdicts(BeamLost("det", 150, 190), [150, 160, INF]) == [None] * 3


def test_a_lost_beam_aborts_where_told_and_does_not_keep_going():
    judge = BeamLost("det", 150, verdict=Verdict.ABORT)
    assert verdicts(judge, [-INF, 100, 150, 200]) == [Verdict.ABORT, Verdict.ABORT, None, None]


def test_saturated_pixels_are_counted_against_their_share():
    image = np.zeros((10, 10), dtype=np.uint16)
    image[0, :2] = 65535
    assert Saturated("det", 65535, 0.02)(seen(image)) is None
    answer = Saturated("det", 65535, 0.01)(seen(image))
    assert answer == Judgement(
        Verdict.ABORT, "det is saturated: 2 of 100 pixels (2.000%) at 65535 or more, 1.000% may be"
    )


def test_a_number_is_saturated_or_not():
    abort = Verdict.ABORT
    assert verdicts(Saturated("det", 100.0), [99.9, 100.0, NAN, INF]) == [None, abort, None, abort]
    answer = Saturated("det", 100, verdict=Verdict.ENOUGH)(seen(120))
    assert answer == Judgement(Verdict.ENOUGH, "det is saturated: 120, the limit is 100")
    assert Saturated("det", 100)(seen(np.array([]))) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0] * 4, "det is dead: 0 V at the last 4 points"),
        ([NAN, INF, NAN, -INF], "det is dead: NaN or infinite at the last 4 points"),
        ([NAN, 0.0, 0.0, NAN], "det is dead: 0 V at the last 4 points, 2 of them NaN or infinite"),
        ([5.0] * 4, "det is flat: 5 V to 5 V at the last 4 points; up to 0 V counts as no difference"),
    ],
)
def test_a_flat_or_dead_signal_is_junk(values, reason):
    answers = judged(FlatSignal("det", points=4, units="V"), [9.0, *values])
    assert answers == [None] * 4 + [Judgement(Verdict.ABORT, reason)]


def test_a_signal_that_varies_is_alive():
    assert first(FlatSignal("det", points=3), [0.0, 0.0, 1.0] * 10) is None
    assert first(FlatSignal("det", points=3, tolerance=1.0), [0.0, 0.0, 1.0])[0] == 3


# -- limits


def test_a_dose_adds_up():
    number, answer = first(DoseLimit("det", 10, units="MGy"), [4.0, NAN, 4.0, 4.0])
    assert number == 4
    assert answer == Judgement(Verdict.ENOUGH, "dose by det is 12 MGy, the limit is 10 MGy; not known at 1 points")
    assert verdicts(DoseLimit("det", 10, verdict=Verdict.ABORT), [-INF, INF, 0.0]) == [None] + [Verdict.ABORT] * 2


def test_a_dose_rate_is_integrated_over_the_times_of_the_observations():
    judge = DoseLimit("det", 10, rate=True)
    answers = [judge(seen(rate, time=time)) for rate, time in [(2.0, 0), (4.0, 2), (9.0, 1), (NAN, 1.5), (2.0, 2)]]
    # 6 until 2 s; the clock is set back; 5.5 more until 2 s again
    assert [answer is None for answer in answers] == [True, True, True, True, False]
    assert answers[-1].reason == "dose by det is 11.5, the limit is 10; not known at 1 points"


def test_a_time_limit_counts_from_the_first_observation():
    judge = TimeLimit(10)
    answers = [judge(seen(0.0, time=1e9 + time)) for time in (0, 9.5, NAN, INF, 10, 11)]
    assert [answer is None for answer in answers] == [True, True, True, True, False, False]
    assert answers[-2] == Judgement(Verdict.ENOUGH, "measured for 10 s, the limit is 10 s")


# -- a new launch


@pytest.mark.parametrize(
    ("judge", "values"),
    [
        (SignalToNoise("det", 1.0), [1.0, 2.0, 1.0, 2.0, 1.0]),
        (CountsReached("det", 5), [1.0, 1.0, 3.0]),
        (Plateau("det", 3, tolerance=1), [1.0, 1.0, 1.0]),
        (Converged("det", tolerance=1, points=2), [1.0, 1.0, 1.0]),
        (FlatSignal("det", points=3), [1.0, 1.0, 1.0]),
        (DoseLimit("det", 5), [1.0, 1.0, 3.0]),
        (DoseLimit("det", 5, rate=True), [2.0, 3.0, 3.0]),
        (TimeLimit(2), [1.0, 1.0, 1.0]),
    ],
    ids=repr,
)
def test_a_judge_says_it_at_the_last_point_only_and_again_after_a_reset(judge, values):
    expected = [True] * (len(values) - 1) + [False]
    for _ in range(2):
        assert [answer is None for answer in judged(judge, values)] == expected
        judge.reset()


def test_a_reset_beam_is_there():
    judge = BeamLost("det", 150, 190)
    assert judge(seen(100)).verdict is Verdict.HOLD
    judge.reset()
    assert judge(seen(170)) is None


# -- what it refuses


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SignalToNoise("", 3), "key must be the name of a value, found ''"),
        (lambda: Saturated(3, 3), "key must be the name of a value, found 3"),
        (lambda: SignalToNoise("det", 0), "enough must be above zero, found 0"),
        (lambda: SignalToNoise("det", "3"), "enough must be a finite number, found '3'"),
        (lambda: SignalToNoise("det", 3, noise="gauss"), "noise must be one of 'scatter', 'poisson', found 'gauss'"),
        (lambda: SignalToNoise("det", 3, points=1), "points must be a whole number from 2 on, found 1"),
        (lambda: SignalToNoise("det", 3, noise="poisson", points=0), "points must be a whole number from 1 on"),
        (lambda: SignalToNoise("det", 3, background=NAN), "background must be a finite number, found nan"),
        (lambda: CountsReached("det", True), "counts must be a finite number, found True"),
        (lambda: CountsReached("det", 3, reduce="total"), "'median', or a function of an array, found 'total'"),
        (lambda: Plateau("det", 2), "points must be a whole number from 3 on, found 2"),
        (lambda: Plateau("det", 5.0), "points must be a whole number from 3 on, found 5.0"),
        (lambda: Plateau("det", 5, sigmas=0), "sigmas must be above zero, found 0"),
        (lambda: Plateau("det", 5, tolerance=-1), "tolerance must not be below zero, found -1"),
        (lambda: Converged("det", tolerance=-1), "tolerance must not be below zero, found -1"),
        (lambda: Converged("det", tolerance=1, points=0), "points must be a whole number from 1 on, found 0"),
        (lambda: Converged("det", tolerance=1, best="mean"), "best must be one of 'max', 'min', None, found 'mean'"),
        (lambda: BeamLost("det", 5, 4), "above must not be under below, found above=4 and below=5"),
        (lambda: BeamLost("det", INF), "below must be a finite number, found inf"),
        (lambda: BeamLost("det", 5, INF), "above must be a finite number, found inf"),
        (lambda: BeamLost("det", 5, verdict=Verdict.KEEP_GOING), "one of Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT"),
        (lambda: Saturated("det", NAN), "at must be a finite number, found nan"),
        (lambda: Saturated("det", 3, 1.0), "share must be from 0 on and below 1, found 1.0"),
        (lambda: Saturated("det", 3, verdict="abort"), "verdict must be one of .* found 'abort'"),
        (lambda: FlatSignal("det", points=1), "points must be a whole number from 2 on, found 1"),
        (lambda: FlatSignal("det", tolerance=INF), "tolerance must be a finite number, found inf"),
        (lambda: FlatSignal("det", verdict=None), "verdict must be one of"),
        (lambda: DoseLimit("det", -3), "limit must be above zero, found -3"),
        (lambda: DoseLimit("det", 3, verdict=None), "verdict must be one of"),
        (lambda: TimeLimit(0), "seconds must be above zero, found 0"),
        (lambda: TimeLimit(3, verdict=None), "verdict must be one of"),
    ],
)
def test_a_bad_argument_is_refused_when_the_judge_is_made(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_numbers_of_numpy_are_numbers():
    assert SignalToNoise("det", np.float32(3), points=np.int64(4)).points == 4
    assert first(Plateau("det", np.int64(3), tolerance=np.float64(1)), [1.0] * 3)[0] == 3


def test_a_judge_shows_how_it_was_made():
    assert repr(Saturated("det", 3)) == "Saturated(key='det', at=3, share=0.0, verdict=<Verdict.ABORT: 'abort'>)"
    assert repr(TimeLimit(3)) == "TimeLimit(seconds=3, verdict=<Verdict.ENOUGH: 'enough'>)"
