"""`Decomposition` and `Cluster`: that they measure where spectra change, and the laws they keep."""

import json
import math
import re

import cloudpickle
import numpy as np
import pytest

from skysteer import adaptive_scan
from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasSpace, KnowsPending, Recommender, TrialFaultAware
from skysteer.recommenders._sobol import sobol_rows
from skysteer.recommenders.spectra import Cluster, Decomposition
from skysteer.recommenders.spectra._signals import Changes, signals
from skysteer.testing import SimulatedBeamline

SPACE = Space(Axis("x", 0, 1), Axis("T", 300, 900, units="K"))
LINE = Space(Axis("x", 0, 1))
CHANNELS = np.linspace(0, 1, 60)


def peaks(*centres):
    return sum(np.exp(-0.5 * ((CHANNELS - centre) / 0.03) ** 2) for centre in centres)


PURE = np.array([peaks(0.2, 0.6), peaks(0.3, 0.75), peaks(0.45, 0.85)])


def phase(x, T):
    """Three phases: a wavy border, and a round island."""
    y = (np.asarray(T) - 300) / 600
    x = np.asarray(x)
    return np.where(y > 0.55 + 0.2 * np.sin(5 * x), 2, np.where((x - 0.75) ** 2 + (y - 0.2) ** 2 < 0.06, 1, 0))


def pattern(point, rng):
    """A noisy spectrum of its phase; the beam is not always as bright."""
    return (PURE[int(phase(**point))] * rng.uniform(0.8, 1.2) + 0.1 + 0.05 * rng.normal(size=60)).tolist()


def measured(points, rng=None, noise=0.0):
    """Spectra of a border at x = 0.3."""
    rng = rng or np.random.default_rng(0)
    return [{**point, "xrd": (PURE[int(point["x"] > 0.3)] + noise * rng.normal(size=60)).tolist()} for point in points]


MAKE = {
    "pca": lambda space=LINE, **options: Decomposition(space, map="xrd", **options),
    "nmf": lambda space=LINE, **options: Decomposition(space, map="xrd", method="nmf", **options),
    "cluster": lambda space=LINE, **options: Cluster(space, map="xrd", **options),
}


def taught(name, count, **options):
    recommender = MAKE[name](**options)
    for _ in range(count):
        recommender.ingest(measured(recommender.suggest()))
    return recommender


@pytest.fixture(params=MAKE)
def name(request):
    return request.param


class TestWhereItMeasures:
    def test_near_a_border(self, name):
        recommender = taught(name, 16)
        border = [axes["x"] for _, axes in recommender._points[5:]]
        assert sum(abs(x - 0.3) < 0.03 for x in border) >= 5
        assert sum(x > 0.6 for x in border) <= 3

    def test_fewer_are_in_the_wrong_phase_than_of_a_grid_or_an_even_cover(self, name):
        """At 80 spectra, each place of the map taken for what the nearest spectrum is: medians over seeds."""
        unit = np.stack(np.meshgrid(*[np.linspace(0, 1, 61)] * 2), -1).reshape(-1, 2)
        truth = phase(unit[:, 0], 300 + 600 * unit[:, 1])

        def wrong(rows):
            nearest = np.square(unit[:, None] - rows[None]).sum(axis=2).argmin(axis=1)
            return float((phase(rows[:, 0], 300 + 600 * rows[:, 1])[nearest] != truth).mean())

        def adaptive(seed):
            rng = np.random.default_rng(seed)
            recommender = MAKE[name](SPACE, seed=seed)
            for _ in range(80):
                (point,) = recommender.suggest()
                point.pop("_id")
                recommender.ingest([{**point, "xrd": pattern(point, rng)}])
            assert recommender.report()["fallbacks"] == 0
            return wrong(np.array(recommender._rows))

        ours = float(np.median([adaptive(seed) for seed in range(3)]))
        even = float(np.median([wrong(sobol_rows(SPACE, seed, 0, 80)) for seed in range(9)]))
        middle = (np.arange(9) + 0.5) / 9
        grid = wrong(np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2))  # 81
        assert ours < 0.85 * grid
        assert ours < 0.8 * even

    def test_in_a_gradual_mixture_it_goes_where_the_mixture_changes(self):
        recommender = Decomposition(LINE, map="xrd")
        for _ in range(25):
            (point,) = recommender.suggest()
            share = 1 / (1 + math.exp(-(point["x"] - 0.7) / 0.03))
            recommender.ingest([{**point, "xrd": (1 - share) * PURE[0] + share * PURE[1]}])
        xs = np.array([axes["x"] for _, axes in recommender._points[5:]])
        assert (abs(xs - 0.7) < 0.15).mean() > 0.6

    def test_a_brighter_beam_is_no_change(self, name):
        recommender = MAKE[name]()
        for _ in range(14):
            (point,) = recommender.suggest()
            recommender.ingest([{**point, "xrd": (1 + 9 * (point["x"] > 0.8)) * PURE[int(point["x"] > 0.3)]}])
        assert sum(abs(axes["x"] - 0.8) < 0.03 for _, axes in recommender._points[5:]) <= 1

    def test_samples_of_a_list_with_features(self, name):
        samples = [{"sample": f"S{n}", "iron": n / 50} for n in range(51)]
        recommender = MAKE[name](samples, features=["iron"])
        for _ in range(18):
            (point,) = recommender.suggest()
            assert set(point) == {"sample", "_id"}
            recommender.ingest([{**point, "xrd": PURE[int(int(point["sample"][1:]) / 50 > 0.31)]}])
        names = {axes["sample"] for _, axes in recommender._points}
        assert {"S15", "S16"} <= names  # both sides of the border, as near as there are samples
        assert len(names) == 18

    def test_a_list_comes_to_its_end(self, name):
        recommender = taught(name, 7, space=[{"x": n / 6} for n in range(7)])
        assert recommender.suggest() == []


class TestWhatItSays:
    def test_components_and_weights_rebuild_the_spectra(self):
        recommender = taught("nmf", 15, normalize=False)
        places, weights = recommender.weights()
        assert [place["x"] for place in places] == [axes["x"] for _, axes in recommender._points]
        assert np.abs(weights @ recommender.components() - np.array(recommender._values)).max() < 0.05
        assert recommender.report()["components"] == 2
        assert recommender.report()["explained"] > 0.99

    def test_weights_are_expected_between_the_places(self):
        recommender = taught("pca", 20)
        places, weights = recommender.weights()
        xs = sorted(place["x"] for place in places)
        border = (max(x for x in xs if x < 0.3) + min(x for x in xs if x > 0.3)) / 2
        mean, scatter = recommender.predict([{"x": 0.1}, {"x": 0.9}, {"x": border}])
        left = weights[[place["x"] < 0.3 for place in places]].mean()
        right = weights[[place["x"] > 0.3 for place in places]].mean()
        assert mean[0, 0] == pytest.approx(left, rel=0.1)
        assert mean[1, 0] == pytest.approx(right, rel=0.1)
        assert scatter[2, 0] > 3 * max(scatter[0, 0], scatter[1, 0])

    def test_clusters_are_numbered_as_they_were_met(self):
        recommender = taught("cluster", 20)
        places, labels = recommender.labels()
        assert labels[0] == 0
        sides = {(place["x"] > 0.3, int(label)) for place, label in zip(places, labels, strict=True)}
        assert len(sides) == 2
        xs = sorted(place["x"] for place in places)
        border = (max(x for x in xs if x < 0.3) + min(x for x in xs if x > 0.3)) / 2
        labels, undecided = recommender.predict([{"x": 0.1}, {"x": 0.9}, {"x": border}])
        assert labels[0] != labels[1]
        assert undecided[2] > 0.9 > 0.1 > max(undecided[:2])
        assert recommender.components().shape == (2, 60)
        assert sum(recommender.report()["members"]) == 20

    @pytest.mark.parametrize("many", [1, 2, 4])
    def test_as_many_as_were_asked_for(self, many):
        assert taught("nmf", 12, components=many).components().shape == (many, 60)
        recommender = Cluster(LINE, map="xrd", clusters=max(2, many))
        recommender.ingest(measured([{"x": x} for x in np.linspace(0, 1, 12)], noise=0.1))
        assert recommender.report()["clusters"] == max(2, many)

    def test_noise_is_no_component(self):
        rng = np.random.default_rng(1)
        noise = rng.normal(size=(40, 60))
        assert signals(noise, 0.99, 8) == 1
        assert signals(noise * 0.05 + PURE[rng.integers(3, size=40)], 0.99, 8) == 2
        assert signals(PURE[[0, 1, 0, 1, 2]], 0.99, 8) == 2

    def test_nothing_is_known_of_one_spectrum(self, name):
        recommender = taught(name, 1)
        with pytest.raises(ValueError, match="1 spectra are too few"):
            recommender.predict([{"x": 0.5}])
        assert json.loads(json.dumps(recommender.report()))["readings"] == 1

    def test_a_change_is_halfway_between_two_places(self):
        changes = Changes(np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [2.0], [2.0]]))
        at = changes(np.array([[0.5], [0.9], [2.0]]))
        assert at[0] == pytest.approx(2.0)
        assert at[1] < 0.03
        assert at[2] < 0.15


class TestSuggestIsAQuestion:
    @pytest.mark.parametrize("count", [0, 1, 6, 15])
    def test_asking_changes_nothing_and_the_order_of_telling_neither(self, name, count):
        recommender = taught(name, count)
        assert recommender.suggest(3) == recommender.suggest(3)
        assert recommender.suggest() == recommender.suggest(3)[:1]
        at_once = MAKE[name]()
        at_once.ingest(measured([{**axes, "_id": identity} for identity, axes in recommender._points]))
        assert at_once.suggest(2) == recommender.suggest(2)
        assert cloudpickle.loads(cloudpickle.dumps(recommender)).suggest(2) == recommender.suggest(2)

    def test_it_holds_also_where_it_is_fitted_in_steps(self, name):
        one_by_one, at_once = MAKE[name](), MAKE[name]()
        points = measured([{"x": x} for x in np.random.default_rng(0).uniform(size=64)], noise=0.05)
        for point in points:
            one_by_one.ingest([point])
            if len(one_by_one._rows) > 50:
                one_by_one.suggest()
        at_once.ingest(points)
        assert at_once.suggest(3) == one_by_one.suggest(3)

    def test_a_repeated_point_changes_nothing(self, name):
        recommender = taught(name, 9)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point, point])
        before = recommender.suggest()
        recommender.ingest([{**point, "xrd": np.ones(60)}])
        recommender.register_failures([point])
        assert recommender.suggest() == before

    def test_what_was_once_pending_leaves_no_trace(self, name):
        recommender = taught(name, 9)
        before = recommender.suggest(2)
        recommender.set_pending(before)
        assert not {p["_id"] for p in before} & {p["_id"] for p in recommender.suggest(2)}
        recommender.set_pending([])
        assert recommender.suggest(2) == before

    def test_the_points_of_a_batch_differ(self, name):
        xs = sorted(point["x"] for point in taught(name, 9).suggest(4))
        assert min(np.diff(xs)) > 0.004

    def test_it_has_the_abilities(self, name):
        for ability in (Recommender, HasSpace, KnowsPending, TrialFaultAware):
            assert isinstance(MAKE[name](), ability)

    def test_values_are_plain(self, name):
        recommender = taught(name, 8, space=Space(Axis("x", 0, 1), Choice("slit", (1, 2))))
        for point in recommender.suggest(2):
            assert json.loads(json.dumps(point)) == point


class TestReasons:
    @pytest.mark.parametrize("name", ["pca", "nmf"])
    def test_where_components_change(self, name):
        recommender = taught(name, 8)
        (point,) = recommender.suggest()
        away = min(abs(axes["x"] - point["x"]) for _, axes in recommender._points)
        (reason,) = recommender.get_reasons()
        # One border, halfway between the two nearest places: of two kinds, the difference is about twice the spread.
        assert re.fullmatch(
            rf"xrd changes here \((1\.9|2|2\.\d) of its spread\), {away:.2g} of the range from any spectrum", reason
        )

    def test_between_which_clusters(self):
        recommender = MAKE["cluster"](clusters=3)
        border = {0.1: 0, 0.3: 0, 0.5: 1, 0.7: 1, 0.9: 2, 0.95: 2}
        recommender.ingest([{"x": x, "xrd": PURE[kind].tolist()} for x, kind in border.items()])
        (point,) = recommender.suggest()
        assert 0.7 < point["x"] < 0.9 or 0.3 < point["x"] < 0.5
        pair = "1 and 2" if point["x"] > 0.6 else "0 and 1"
        (reason,) = recommender.get_reasons()
        assert reason.startswith(f"border of clusters {pair} of xrd (undecided to ")
        assert reason.endswith("), 0.1 of the range from any spectrum")

    @pytest.mark.parametrize("name", ["pca", "cluster"])
    def test_a_gap_that_is_only_wide(self, name):
        recommender = MAKE[name](explore=5.0)
        recommender.ingest(measured([{"x": x} for x in (0.0, 0.1, 0.2, 0.4, 0.45, 1.0)]))
        (point,) = recommender.suggest()
        assert point["x"] == pytest.approx(0.725, abs=0.02)
        words = "wide gap where xrd changes little" if name == "pca" else "wide gap in cluster 1 of xrd"
        assert recommender.get_reasons()[0].startswith(f"{words}, 0.2")

    @pytest.mark.parametrize("kind", [Decomposition, Cluster])
    def test_no_gap_at_all_is_not_called_wide(self, kind):
        places = [{"x": float(n), "alike": float(n % 3)} for n in range(9)]
        recommender = kind(places, map="xrd", features=["alike"], initial=2, explore=5.0)
        recommender.ingest([{"x": float(n), "xrd": PURE[n].tolist()} for n in range(3)])
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert reason.startswith("no wide gap is left; a place ")
        assert reason.endswith(", 0 of the range from any spectrum")

    def test_spectra_that_are_all_the_same(self):
        recommender = MAKE["cluster"]()
        for _ in range(6):
            recommender.ingest([{**point, "xrd": [1.0] * 9} for point in recommender.suggest()])
        recommender.suggest()
        assert recommender.get_reasons() == [
            "even cover, as the model cannot lead: the spectra are the same everywhere"
        ]

    @pytest.mark.parametrize("name", MAKE)
    def test_they_stay_as_they_were(self, name):
        recommender = taught(name, 9)
        points = recommender.suggest(3)
        reasons = recommender.get_reasons()
        assert [", with 1 underway" in reason for reason in reasons] == [False, True, False]
        other = cloudpickle.loads(cloudpickle.dumps(recommender))
        other.ingest(measured(points))
        assert other.get_reasons() == reasons


class TestBadSpectra:
    @pytest.mark.parametrize(
        ("spectrum", "words"),
        [
            (np.ones(59), "has 59 values, the spectra before it 60"),
            ("peak", "is no list of numbers"),
            (3.0, r"has the shape \(\), expected one spectrum"),
            ([1.0], r"has the shape \(1,\)"),
            (np.ones((2, 60)), r"has the shape \(2, 60\)"),
            ([[1.0, 2.0], [1.0]], "is no list of numbers"),
        ],
    )
    def test_it_says_what_is_wrong_and_learns_nothing(self, name, spectrum, words):
        recommender = taught(name, 6)
        before = recommender.suggest()
        with pytest.raises(PointError, match=words):
            recommender.ingest([*measured([{"x": 0.5}]), {"x": 0.6, "xrd": spectrum}])
        assert recommender.suggest() == before

    def test_it_is_missing(self, name):
        with pytest.raises(PointError, match="'xrd' is missing"):
            MAKE[name]().ingest([{"x": 0.5}])

    def test_a_spectrum_of_a_run_of_one_event_is_one_spectrum(self, name):
        recommender = taught(name, 6)
        recommender.ingest([{"x": 0.5, "xrd": PURE[:1]}])
        assert recommender.report()["readings"] == 7

    def test_a_few_dead_channels_are_bridged(self, name):
        whole, gaps = taught(name, 8), taught(name, 8)
        (point,) = measured(whole.suggest())
        whole.ingest([point])
        spectrum = np.array(point["xrd"])
        spectrum[[0, 30]] = math.nan  # where nothing is
        gaps.ingest([{**point, "xrd": spectrum}])
        assert gaps.report()["readings"] == 9
        assert gaps._values[-1] == pytest.approx(whole._values[-1], abs=0.15)

    @pytest.mark.parametrize("bad", [np.full(60, math.nan), np.full(60, math.inf)])
    def test_a_dead_spectrum_is_left_out_and_its_place_not_asked_again(self, name, bad):
        recommender = taught(name, 9)
        (point,) = recommender.suggest()
        recommender.ingest([{**point, "xrd": bad}])
        assert recommender.report()["left_out"] == 1
        assert abs(recommender.suggest()[0]["x"] - point["x"]) > 0.004

    def test_a_failed_point_is_not_asked_again(self, name):
        recommender = taught(name, 9)
        for _ in range(4):
            (failed,) = recommender.suggest()
            recommender.register_failures([failed])
            assert abs(recommender.suggest()[0]["x"] - failed["x"]) > 0.004

    def test_a_little_below_zero_is_noise_to_nmf_and_much_is_an_error(self):
        recommender = taught("nmf", 6)
        recommender.ingest([{"x": 0.5, "xrd": PURE[1] - 0.01}])
        assert recommender._values[-1].min() == 0.0
        with pytest.raises(PointError, match=r"more below zero .* method='pca'"):
            recommender.ingest([{"x": 0.6, "xrd": -PURE[1]}])

    @pytest.mark.parametrize("spectrum", [np.ones(60), np.zeros(60), np.full(60, 1e300)])
    def test_spectra_that_are_all_the_same_are_said_and_the_space_is_filled(self, name, spectrum, caplog):
        recommender = MAKE[name]()
        for _ in range(8):
            recommender.ingest([{**point, "xrd": spectrum} for point in recommender.suggest()])
        assert LINE.problems(recommender.suggest()[0]) == []
        assert recommender.report()["fallbacks"] == 4
        assert "same everywhere" in recommender.report()["last_fallback"]

    def test_the_same_place_again_and_again(self, name):
        recommender = taught(name, 8)
        recommender.ingest(measured([{"x": 0.5}] * 6, noise=0.1))
        assert LINE.problems(recommender.suggest()[0]) == []


class TestBadArguments:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"map": "x"}, "is an axis of the space"),
            ({"map": "xrd", "method": "ica"}, "method must be one of"),
            ({"map": "xrd", "components": 0}, "components must be a whole number from 1 on"),
            ({"map": "xrd", "explained": 1.5}, "explained must be"),
            ({"map": "xrd", "explore": -1}, "explore must be"),
        ],
    )
    def test_a_decomposition_that_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            Decomposition(LINE, **options)

    def test_clusters_that_cannot_be(self):
        with pytest.raises(ValueError, match="clusters must be a whole number from 2 on"):
            Cluster(LINE, map="xrd", clusters=1)

    def test_a_space_without_limits(self, name):
        with pytest.raises(SpaceError, match="finite limits"):
            MAKE[name](Space(Axis("x", 0, math.inf)))


def test_a_live_scan_hands_spectra_over(RE):
    """The detector counts; the reduction makes the spectrum, as it would take an array out of the event."""
    beam = SimulatedBeamline(RE)
    space = Space(Axis("x", -5, 5, units="mm"))
    recommender = Decomposition(space, map="xrd")

    def reduce(data):
        return {"xrd": PURE[int(data["x"] > 1)]}

    plan = adaptive_scan([beam.det], [beam.x], recommender, objectives=["xrd"], reduce=reduce, max_points=15)
    result = RE(plan).result(timeout=30).plan_result
    assert (result.measured, result.exit_status) == (15, "success")
    places, _ = recommender.weights()
    assert sum(abs(place["x"] - 1) < 0.5 for place in places) >= 5
