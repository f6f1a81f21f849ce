"""What `GaussianProcess` says of itself, what it was told beforehand, and the cost of its ways."""

import logging
import math

import numpy as np
import pytest

from skysteer.errors import NoRecommendation, PointError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import _fit
from skysteer.recommenders.gaussian import GaussianProcess, Travel, _surrogate

SPACE = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 1))


def bowl(point):
    return 2 - 0.1 * (point["x"] - 1) ** 2 - (point["y"] - 0.3) ** 2


def taught(count, truth=bowl, space=SPACE, **options):
    recommender = GaussianProcess(space, **{"maximize": "a", **options})
    for _ in range(count):
        recommender.ingest([{**point, "a": truth(point)} for point in recommender.suggest()])
    return recommender


class TestTheReport:
    def test_says_what_is_believed_in_the_units_of_axes_and_objective(self):
        rng = np.random.default_rng(0)
        recommender = GaussianProcess(SPACE, maximize="a")
        places = [{"x": x, "y": y} for x in np.linspace(-5, 5, 9) for y in np.linspace(0, 1, 7)]
        recommender.ingest([{**p, "a": 100 * bowl(p) + 3.0 * rng.normal()} for p in places])
        report = recommender.report()
        assert (report["goal"], report["acquisition"]) == ("maximize a", "log_ei")
        assert (report["readings"], report["leads"], report["because"]) == (63, "the model", None)
        about = report["outcomes"]["a"]
        assert 1.5 < about["noise_sd"] < 6
        assert about["length_scales"]["x"] > 2
        assert about["fitted_to"] <= 63
        (best,) = report["best"]
        assert abs(best["axes"]["x"] - 1) < 1
        assert abs(best["expected"]["a"] - 200) < 10
        assert 0 < best["sd"]["a"] < 5

    def test_counts_what_was_pending_failed_not_finite_and_outside(self, caplog):
        recommender = taught(3)
        recommender.set_pending(recommender.suggest(2))
        recommender.ingest([{"x": 0, "y": 0.1, "a": math.nan}, {"x": 5.001, "y": 0.1, "a": 1.0}])
        with caplog.at_level(logging.WARNING):
            recommender.ingest([{"x": 5000.0, "y": 0.1, "a": 1.0}])
        assert "outside the space (are the units right?)" in caplog.text
        recommender.register_failures([{"x": 0, "y": 0.9}])
        report = recommender.report()
        found = [report[name] for name in ("readings", "pending", "failed", "not_finite", "outside")]
        assert found == [5, 2, 1, 1, 1]
        assert SPACE.problems(recommender.suggest()[0]) == []

    def test_names_the_space_filling_and_why(self):
        recommender = taught(0)
        assert recommender.report()["because"] == "a model needs two finite readings, there are 0"
        assert recommender.report()["last_fallback"] is None
        recommender = taught(4)
        report = recommender.report()
        assert report["leads"] == "space filling"
        assert report["because"] == "4 of 5 initial points are measured or on their way"
        rng = np.random.default_rng(0)
        recommender = taught(14, lambda _: rng.normal())
        assert recommender.report()["because"] == "nothing stands out and the readings look like noise"
        assert recommender.report()["last_fallback"] == "nothing stands out and the readings look like noise"

    def test_remembers_why_after_the_model_leads_again(self):
        report = taught(8, gate=None).report()
        assert report["leads"] == "the model"
        assert report["last_fallback"] == "4 of 5 initial points are measured or on their way"

    def test_all_points_failed_is_said_and_the_space_filling_goes_on_elsewhere(self):
        recommender = taught(0)
        places = []
        for _ in range(8):
            (point,) = recommender.suggest()
            places.append((point["x"], point["y"]))
            recommender.register_failures([point])
        assert len(set(places)) == 8
        assert recommender.report()["because"] == "all 8 points failed or gave no finite reading"

    def test_a_fit_that_fails_is_counted_and_named(self, monkeypatch, caplog):
        recommender = taught(6)
        assert recommender.report()["fits_failed"] == 0

        def nowhere(_, theta):
            return math.inf, np.zeros_like(theta)

        monkeypatch.setattr(_fit._LogPosterior, "loss", nowhere)
        recommender.ingest([{"x": 0.0, "y": 0.5, "a": 1.0}])
        with caplog.at_level(logging.WARNING):
            assert SPACE.problems(recommender.suggest()[0]) == []
        assert "no kernel could be fitted to 7 readings" in caplog.text
        report = recommender.report()
        assert report["fits_failed"] == 1
        assert report["failures"] == ["a: no kernel could be fitted to 7 readings"]

    def test_a_posterior_that_cannot_be_solved_gets_more_noise_and_is_named(self, monkeypatch):
        recommender = taught(6, gate=None)
        real, noises = _surrogate.Posterior, []

        def once_failing(rows, values, hyper):
            noises.append(hyper.noise)
            if len(noises) == 1:
                raise np.linalg.LinAlgError("not positive definite")
            return real(rows, values, hyper)

        monkeypatch.setattr(_surrogate, "Posterior", once_failing)
        recommender.ingest([{"x": 0.0, "y": 0.5, "a": 1.0}])
        assert SPACE.problems(recommender.suggest()[0]) == []
        assert noises[1] > noises[0]
        assert "not positive definite, with a noise variance" in recommender.report()["failures"][0]

    def test_an_objective_that_never_arrives_is_refused(self):
        recommender = GaussianProcess(SPACE, maximize="a", constraints={"t": ("<=", 1.0)})
        with pytest.raises(PointError, match="'t' is missing from the point"):
            recommender.ingest([{"x": 0.0, "y": 0.5, "a": 1.0}])


class TestWhatIsKnownBeforehand:
    def test_lengths_and_noise_are_kept_as_given(self):
        about = taught(9, length_scale={"x": 3.0}, noise=0.05).report()["outcomes"]["a"]
        assert about["length_scales"]["x"] == pytest.approx(3.0)
        assert about["noise_sd"] == pytest.approx(0.05)

    def test_known_noise_smooths_and_its_absence_does_not(self):
        rough = [{"x": x, "y": 0.5, "a": (-1.0) ** n} for n, x in enumerate(np.linspace(-4, 4, 9))]
        spans = []
        for noise in (0.01, 3.0):
            recommender = GaussianProcess(SPACE, maximize="a", noise=noise)
            recommender.ingest(rough)
            spans.append(np.ptp(recommender.predict(rough)[0]))
        assert spans[0] > 1.9
        assert spans[1] < 0.5

    def test_the_points_to_measure_first_come_first_and_as_given(self):
        first = [{"x": 1, "y": 0.25}, {"x": -2, "y": 0.75}]
        recommender = GaussianProcess(SPACE, maximize="a", initial=first)
        asked = recommender.suggest(3)
        assert [{"x": p["x"], "y": p["y"]} for p in asked[:2]] == first
        assert SPACE.problems(asked[2]) == []


class TestTravel:
    SQUARE = Space(Axis("x", 0, 1), Axis("y", 0, 1))

    def path(self, truth, seed, **options):
        recommender = GaussianProcess(self.SQUARE, maximize="a", seed=seed, **options)
        places, best = [], -math.inf
        for _ in range(16):
            (point,) = recommender.suggest()
            recommender.ingest([{**point, "a": truth(point)}])
            places.append((point["x"], point["y"]))
            best = max(best, truth(point))
        places = np.array(places[5:])  # the start is the same
        return np.abs(np.diff(places, axis=0)).max(axis=1).sum(), best

    def test_the_way_is_shorter_and_the_best_as_good(self):
        def smooth(point):
            return -((point["x"] - 0.3) ** 2) - (point["y"] - 0.6) ** 2 + 0.1 * math.sin(9 * point["x"])

        travel = Travel({"x": 0.02, "y": 0.02}, exposure=1.0)
        free = [self.path(smooth, seed) for seed in range(2)]
        paid = [self.path(smooth, seed, travel=travel) for seed in range(2)]
        assert np.mean([way for way, _ in paid]) < 0.85 * np.mean([way for way, _ in free])
        assert min(best for _, best in paid) > min(best for _, best in free) - 2e-3

    def test_it_starts_from_the_last_point_that_is_pending_or_told(self):
        recommender = taught(9, travel=Travel({"x": 0.001, "y": 0.001}, exposure=0.1), map="a", maximize=None)
        for x in (-4.0, 4.0):
            recommender.set_pending([{"x": x, "y": 0.5}])
            assert abs(recommender.suggest()[0]["x"] - x) < 3
        recommender.set_pending([])
        recommender.ingest([{"x": -4.5, "y": 0.9, "a": math.nan}])
        assert abs(recommender.suggest()[0]["x"] + 4.5) < 3

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: Travel({"x": 0.0}), "Travel: the speed of 'x' must be a positive number, found 0.0"),
            (lambda: Travel({"x": 1.0}, exposure=-1), "Travel: exposure must be a positive number, found -1"),
            (
                lambda: GaussianProcess(SPACE, maximize="a", travel=Travel({"z": 1.0})),
                r"Travel: 'z' is no axis of the space, found there: \['x', 'y'\]",
            ),
            (
                lambda: GaussianProcess(SPACE, maximize="a", travel=Travel({}, changes={"x": 1.0})),
                r"Travel: 'x' is no choice of the space, found there: \[\]",
            ),
            (
                lambda: GaussianProcess(SPACE, maximize="a", travel=Travel({"x": 1.0}), acquisition="ucb"),
                "travel= needs an acquisition that is a gain, not 'ucb'",
            ),
        ],
    )
    def test_a_travel_that_cannot_be_is_refused_in_words(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()


class TestSteps:
    SHOTS = Space(Axis("n", 1, 30, step=1), Axis("x", 0, 1))

    def test_the_best_whole_number_is_found(self):
        recommender = taught(16, lambda p: -0.01 * (p["n"] - 17) ** 2 - (p["x"] - 0.3) ** 2, self.SHOTS)
        ((_, axes, _),) = recommender.get_best_points()
        assert axes["n"] == 17
        assert abs(axes["x"] - 0.3) < 0.05

    def test_the_readback_of_a_stage_with_numbered_places_is_learnt(self):
        space = Space(Choice("slot", (1, 2, 3)), Axis("x", 0, 1))
        recommender = GaussianProcess(space, maximize="a")
        for _ in range(9):
            (point,) = recommender.suggest()
            told = {**point, "slot": point["slot"] + 0.003, "x": point["x"] + 1e-4}
            recommender.ingest([{**told, "a": point["slot"] - (point["x"] - 0.5) ** 2}])
        assert recommender.suggest()[0]["slot"] in (1, 2, 3)
        ((_, axes, _),) = recommender.get_best_points()
        assert round(axes["slot"]) == 3

    def test_a_space_of_few_places_is_seen_whole_before_one_comes_twice(self):
        few = Space(Axis("n", 1, 4, step=1), Choice("filter", ("Al", "Cu")))
        recommender = GaussianProcess(few, map="a", initial=3)
        places = []
        for _ in range(8):
            (point,) = recommender.suggest()
            places.append((point["n"], point["filter"]))
            recommender.ingest([{**point, "a": point["n"] ** 2 + (point["filter"] == "Cu")}])
        assert len(set(places)) == 8
        assert len(recommender.suggest(3)) == 3  # once more: readings have noise

    @pytest.mark.parametrize("measured", [0, 3])
    def test_where_every_place_failed_there_is_nothing_more_to_ask(self, measured):
        recommender = taught(measured, lambda p: p["n"] ** 2.0, Space(Axis("n", 1, 6, step=1)), gate=None)
        for _ in range(6):
            recommender.register_failures(recommender.suggest())
        with pytest.raises(NoRecommendation, match="every place of the space failed"):
            recommender.suggest()
