"""`LibraryRecommender`: what it finds, and the laws it keeps."""

import copy
import math
import re
import threading

import cloudpickle
import numpy as np
import pytest
from bluesky_adaptive.protocols import Optimizer as TheirOptimizer

from skysteer.errors import PointError
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import HasBestPoints, HasReasons, HasSpace, KnowsPending, Optimizer, TrialFaultAware
from skysteer.recommenders import _fit
from skysteer.recommenders._wording import expected
from skysteer.recommenders.library import LibraryRecommender

COUNT = 300


def table(count=COUNT, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"s{number}" for number in range(count)]
    return {"sample": names, "x": rng.uniform(-5, 5, count), "y": rng.uniform(0, 2, count)}


def bowl(point):
    """Smooth, with its maximum of 2 at (1, 1)."""
    return 2.0 - 0.1 * (point["x"] - 1) ** 2 - 0.5 * (point["y"] - 1) ** 2


def library(count=COUNT, **options):
    options = options or {"maximize": "det"}
    return LibraryRecommender(table(count), features=["x", "y"], **options)


def measured(points, function=bowl):
    return [{**point, "det": function(point)} for point in points]


def taught(number, function=bowl, **options):
    """A library that asked for `number` points and learnt them one by one."""
    recommender = library(**options)
    for _ in range(number):
        recommender.ingest(measured(recommender.suggest(), function))
    return recommender


def sample_of(recommender, point):
    """The id of the sample that a suggestion of axes x and y is about."""
    samples = table()
    return samples["sample"][int(np.argmin(np.abs(samples["x"] - point["x"]) + np.abs(samples["y"] - point["y"])))]


class TestWhatItFinds:
    def test_the_best_sample_is_measured_after_a_few(self):
        samples = table()
        best = max(range(COUNT), key=lambda n: bowl({"x": samples["x"][n], "y": samples["y"][n]}))
        recommender = taught(25)
        ((name, axes, objectives),) = recommender.get_best_points()
        assert axes == {"x": samples["x"][best], "y": samples["y"][best]}
        assert objectives == {"det": bowl(axes)}
        assert name.startswith("library-")

    def test_a_minimum(self):
        ((_, axes, objectives),) = taught(25, lambda p: -bowl(p), minimize="det").get_best_points()
        assert objectives["det"] == -bowl(axes) < -1.99

    def test_the_best_point_is_the_best_by_the_model_not_the_luckiest_reading(self):
        rng = np.random.default_rng(3)
        recommender = library(maximize="det", repeats=3)
        points = recommender.suggest(60)
        lucky = min(points, key=lambda p: abs(bowl(p) - 0.5))
        told = [{**p, "det": 3.0 if p is lucky else bowl(p) + 0.3 * rng.normal()} for p in points]
        assert max(told, key=lambda p: p["det"])["_id"] == lucky["_id"]
        recommender.ingest(told)
        ((name, axes, _),) = recommender.get_best_points()
        assert name != lucky["_id"]
        assert bowl(axes) > 1.6

    def test_a_map_is_known_everywhere(self):
        recommender = taught(40, map="det")
        mean, sd = recommender.predict()
        samples = table()
        truth = np.array([bowl({"x": x, "y": y}) for x, y in zip(samples["x"], samples["y"], strict=True)])
        assert np.abs(mean - truth).max() < 0.1
        assert sd.max() < 0.3
        assert recommender.get_best_points() == []

    def test_a_cover_leaves_no_large_gap_and_needs_no_objective(self):
        recommender = library(cover=True)
        for _ in range(30):
            recommender.ingest(recommender.suggest())
        taken = recommender.states()
        chosen = [n for n in range(COUNT) if taken[f"s{n}"].state == "measured"]
        samples = table()
        rows = np.column_stack([samples["x"] / 10, samples["y"] / 2])
        gaps = np.sqrt(((rows[:, None] - rows[chosen][None]) ** 2).sum(-1)).min(axis=1)
        by_chance = np.sqrt(((rows[:, None] - rows[:30][None]) ** 2).sum(-1)).min(axis=1)
        assert gaps.max() < 0.6 * by_chance.max()
        assert recommender.get_best_points() == []

    def test_the_boundary_of_two_phases(self):
        recommender = LibraryRecommender.of_grid(Space(Axis("x", 0, 1), Axis("y", 0, 1)), 41, edges="det")

        def boundary(x):
            return 0.5 + 0.2 * math.sin(5 * x)

        near = 0
        for number in range(60):
            (point,) = recommender.suggest()
            near += number >= 30 and abs(point["y"] - boundary(point["x"])) < 0.08
            phase = math.tanh((point["y"] - boundary(point["x"])) / 0.02)
            recommender.ingest([{**point, "det": phase}])
        recommender.close()
        assert near >= 15  # of 30; 16 % of the square is that near
        mean, _ = recommender.predict()
        xs, ys = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 41), indexing="ij")
        assert ((mean > 0) != (ys.ravel() > 0.5 + 0.2 * np.sin(5 * xs.ravel()))).mean() < 0.02

    def test_edges_without_a_level_are_where_it_changes_most(self):
        recommender = LibraryRecommender.of_grid(Space(Axis("x", 0, 1), Axis("y", 0, 1)), 31, edges="det", level=None)
        near = 0
        for number in range(60):
            (point,) = recommender.suggest()
            near += number >= 30 and abs(point["x"] - 0.7) < 0.1
            # three phases: 0, 1 and 5
            recommender.ingest([{**point, "det": 0.0 if point["x"] < 0.3 else 1.0 if point["x"] < 0.7 else 5.0}])
        recommender.close()
        assert near >= 9  # of 30; a fifth of the square is that near


class TestSuggestIsAQuestion:
    @pytest.mark.parametrize("goal", ["maximize", "map", "edges"])
    @pytest.mark.parametrize("number", [0, 3, 12, 27])
    def test_asking_changes_nothing(self, goal, number):
        recommender = taught(number, **{goal: "det"})
        assert recommender.suggest(3) == recommender.suggest(3)
        assert recommender.suggest() == recommender.suggest(3)[:1]

    @pytest.mark.parametrize("goal", ["maximize", "map", "edges"])
    @pytest.mark.parametrize("number", [5, 13, 45])
    def test_one_by_one_equals_all_at_once(self, goal, number):
        one_by_one, at_once = taught(0, **{goal: "det"}), taught(0, **{goal: "det"})
        points = []
        for _ in range(number):
            points += measured(one_by_one.suggest())
            one_by_one.ingest(points[-1:])
        at_once.ingest(points)
        assert at_once.suggest(5) == one_by_one.suggest(5)
        assert at_once.states() == one_by_one.states()

    def test_one_by_one_equals_all_at_once_where_all_candidates_are_alike(self):
        """On an even grid, rounding must not decide between equals."""
        space = Space(Axis("x", 0, 1), Axis("y", 0, 1))
        one_by_one, at_once = (LibraryRecommender.of_grid(space, 11, map="det") for _ in range(2))
        points = []
        for _ in range(40):
            points += [{**point, "det": 1.0} for point in one_by_one.suggest()]
            one_by_one.ingest(points[-1:])
        at_once.ingest(points)
        assert at_once.suggest(8) == one_by_one.suggest(8)

    def test_what_was_once_pending_leaves_no_trace(self):
        recommender = taught(12)
        before = recommender.suggest(2)
        recommender.set_pending(before)
        assert recommender.state(sample_of(recommender, before[0])).state == "in flight"
        during = recommender.suggest(2)
        assert not {point["_id"] for point in before} & {point["_id"] for point in during}
        assert during == recommender.suggest(2)
        recommender.set_pending([])
        assert recommender.suggest(2) == before

    def test_a_repeated_point_changes_nothing(self):
        recommender = taught(11)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point, point])
        before, states = recommender.suggest(2), recommender.states()
        recommender.ingest([{**point, "det": 1e9}])
        recommender.register_failures([point])
        assert recommender.suggest(2) == before
        assert recommender.states() == states

    def test_a_point_that_is_both_pending_and_measured_counts_once(self):
        recommender, other = taught(11), taught(11)
        (point,) = measured(recommender.suggest())
        recommender.set_pending([point])
        for each in (recommender, other):
            each.ingest([point])
        assert recommender.suggest() == other.suggest()
        other.set_pending([point])
        assert recommender.suggest() == other.suggest()

    @pytest.mark.parametrize("number", [4, 10, 18])  # before the model, while the next is computed, between two
    def test_a_copy_goes_on_as_the_first_would(self, number):
        recommender = taught(number)
        recommender.set_pending(recommender.suggest(1))
        for other in (cloudpickle.loads(cloudpickle.dumps(recommender)), copy.deepcopy(recommender)):
            assert other.suggest(3) == recommender.suggest(3)
            assert other.states() == recommender.states()
            more = measured(recommender.suggest(3))
            other.ingest(more)
            again = copy.deepcopy(recommender)
            again.ingest(more)
            assert other.suggest(3) == again.suggest(3)

    def test_another_seed_starts_elsewhere(self):
        assert library(maximize="det", seed=1).suggest() != library(maximize="det", seed=2).suggest()

    def test_the_next_kernel_is_computed_by_a_thread_that_ends(self, monkeypatch):
        """And a suggestion before it is due does not wait for it."""
        recommender = taught(14)
        begun, go_on = threading.Event(), threading.Event()
        fitted = _fit.fitted

        def slow(*arguments):
            begun.set()
            assert go_on.wait(30)
            return fitted(*arguments)

        monkeypatch.setattr(_fit, "fitted", slow)
        (point,) = measured(recommender.suggest())
        recommender.ingest([point])  # 15 readings: the next fit
        assert begun.wait(30)
        assert "skysteer-library-15" in {entry.name for entry in threading.enumerate()}
        recommender.suggest(3)  # answers with the old kernel meanwhile
        go_on.set()
        for _ in range(6):
            recommender.ingest(measured(recommender.suggest()))
        recommender.close()
        assert not [entry for entry in threading.enumerate() if entry.name.startswith("skysteer-library")]
        monkeypatch.undo()
        assert recommender.suggest(3) == taught(21).suggest(3)


class TestStates:
    def test_every_sample_says_what_became_of_it(self):
        recommender = library(10, cover=True)
        first, second, third = recommender.suggest(3)
        names = [recommender.states()]
        assert {state.state for state in names[0].values()} == {"untouched"}
        recommender.ingest([first])
        recommender.register_failures([second])
        recommender.set_pending([third])
        recommender.retire(["s9"])
        assert recommender.report()["samples"] == {
            "untouched": 6 if recommender.state("s9").measured == 0 else 7,
            "in flight": 1,
            "measured": 1,
            "failed": 1,
            "retired": 1,
        }

    def test_a_sample_is_measured_once_and_all_used_up_is_nothing_more_to_ask(self):
        recommender = library(12, maximize="det")
        points = []
        while asked := recommender.suggest(5):
            points += asked
            recommender.ingest(measured(asked))
        assert len(points) == len({point["_id"] for point in points}) == len({point["x"] for point in points}) == 12
        assert recommender.suggest() == []
        assert {state.state for state in recommender.states().values()} == {"measured"}

    def test_more_asked_for_than_there_are_gives_all_there_are(self):
        assert len(library(12, maximize="det").suggest(99)) == 12

    def test_a_failed_sample_comes_once_more_under_another_id_and_then_never(self):
        recommender = library(5, maximize="det")
        failed = {}
        while asked := recommender.suggest():
            recommender.register_failures(asked)
            failed.setdefault(asked[0]["x"], []).append(asked[0]["_id"])
        assert len(failed) == 5
        assert all(len(ids) == len(set(ids)) == 2 for ids in failed.values())
        assert {state.state for state in recommender.states().values()} == {"failed"}
        recommender.restore(["s3"])
        assert len(recommender.suggest(9)) == 1

    @pytest.mark.parametrize("retries", [0, 2])
    def test_how_often_it_comes_again_is_the_users_choice(self, retries):
        recommender = LibraryRecommender(table(2), features=["x"], maximize="det", retries=retries)
        count = 0
        while asked := recommender.suggest():
            recommender.register_failures(asked)
            count += 1
        assert count == 2 * (1 + retries)

    def test_a_reading_that_is_not_finite_is_a_failure(self):
        recommender = library(5, maximize="det")
        (point,) = recommender.suggest()
        for value in (math.nan, math.inf):
            (point,) = recommender.suggest()
            recommender.ingest([{**point, "det": value}])
        assert recommender.report()["samples"]["failed"] == 1
        assert recommender.report()["readings"] == 0
        assert recommender.suggest()[0]["x"] != point["x"]

    def test_a_sample_may_be_measured_several_times(self):
        recommender = library(3, maximize="det", repeats=2)
        points = []
        while asked := recommender.suggest():
            points += asked
            recommender.ingest(measured(asked))
        assert len(points) == len({point["_id"] for point in points}) == 6
        assert [recommender.state(name).measured for name in ("s0", "s1", "s2")] == [2, 2, 2]

    @pytest.mark.parametrize("number", [0, 9])
    @pytest.mark.parametrize("goal", [{"maximize": "det"}, {"cover": True}])
    def test_what_is_in_flight_is_not_asked_for_and_when_all_is_there_is_nothing_to_ask(self, goal, number):
        recommender = library(12, **goal)
        recommender.ingest(measured(recommender.suggest(number)))
        flying = recommender.suggest(2)
        recommender.set_pending(flying)
        assert len(recommender.suggest(99)) == 10 - number
        recommender.set_pending(flying + recommender.suggest(99))
        assert recommender.suggest() == []
        recommender.set_pending([])
        assert len(recommender.suggest(99)) == 12 - number

    def test_a_retired_sample_is_not_asked_for_until_it_is_restored(self):
        recommender = library(4, maximize="det")
        recommender.retire(f"s{n}" for n in range(3))
        assert len(recommender.suggest(9)) == 1
        recommender.restore(["s1"])
        assert len(recommender.suggest(9)) == 2
        with pytest.raises(PointError, match=r"sample='zz' is not in the library of 4 samples: 's0', 's1'"):
            recommender.retire(["zz"])
        with pytest.raises(TypeError, match="put it into a list"):
            recommender.retire("s1")


class TestWhichSampleAPointIsAbout:
    def test_by_the_name(self):
        recommender = library(maximize="det")
        recommender.ingest([{"sample": "s7", "det": 1.0}])
        assert recommender.state("s7").measured == 1

    def test_by_the_position_although_the_readback_is_a_little_off(self):
        recommender, samples = library(maximize="det"), table()
        recommender.ingest([{"x": samples["x"][4] + 0.003, "y": samples["y"][4] - 0.001, "det": 1.0}])
        assert recommender.state("s4").measured == 1
        assert recommender.report()["readings_off_the_library"] == 0

    def test_by_the_id_although_the_readback_is_a_little_off(self):
        recommender = library(maximize="det")
        (point,) = recommender.suggest()
        recommender.ingest([{**point, "x": point["x"] + 0.01, "det": 1.0}])
        assert recommender.report()["samples"]["measured"] == 1
        assert recommender.report()["readings_off_the_library"] == 0

    def test_a_motor_that_stopped_elsewhere_is_learnt_there_and_the_sample_is_not_asked_for_again(self):
        recommender = library(maximize="det")
        (point,) = recommender.suggest()
        recommender.ingest([{**point, "x": point["x"] + 1.0, "det": 1.0}])
        assert recommender.state(sample_of(recommender, point)).state == "measured"
        assert recommender.report()["readings_off_the_library"] == 1

    def test_a_point_of_no_sample_is_learnt_if_it_has_all_features(self):
        recommender, other = library(maximize="det"), library(maximize="det")
        strange = [{"x": x, "y": y, "det": bowl({"x": x, "y": y})} for x in np.linspace(-6, 6, 7) for y in (-1, 1, 3)]
        recommender.ingest(strange)
        assert recommender.report()["readings_off_the_library"] == 21
        assert recommender.report()["samples"]["measured"] == 0
        (point,) = recommender.suggest()  # the model leads at once
        assert bowl(point) > 1.6
        assert recommender.suggest() != other.suggest()

    def test_what_has_no_features_is_refused_and_nothing_of_the_call_is_learnt(self):
        recommender = LibraryRecommender(table(9), features=["x", "y"], axes="sample", maximize="det")
        with pytest.raises(PointError, match=r"sample='zz' is not in the library of 9 samples"):
            recommender.ingest([{"sample": "s1", "det": 1.0}, {"sample": "zz", "det": 2.0}])
        with pytest.raises(PointError, match="lacks the feature 'y'"):
            recommender.ingest([{"x": 1.0, "det": 2.0}])
        assert recommender.report()["readings"] == 0

    def test_an_objective_that_is_missing_or_no_number(self):
        recommender = library(maximize="det")
        (point,) = recommender.suggest()
        with pytest.raises(PointError, match="'det' is missing from the point"):
            recommender.ingest([point])
        with pytest.raises(PointError, match="det='high' is a str, expected a number"):
            recommender.ingest([{**point, "det": "high"}])

    def test_someone_elses_id_is_matched_by_position(self):
        recommender, samples = library(maximize="det"), table()
        recommender.ingest([{"_id": "ax-3", "x": samples["x"][4], "y": samples["y"][4], "det": 1.0}])
        assert recommender.state("s4").measured == 1

    def test_names_for_a_sample_changer(self):
        recommender = LibraryRecommender(table(9), features=["x", "y"], axes="sample", maximize="det")
        assert recommender.space == Space(Choice("sample", tuple(f"s{n}" for n in range(9))))
        (point,) = recommender.suggest()
        assert recommender.space.problems(point) == []
        recommender.ingest([{**point, "det": 1.0}])
        assert recommender.state(point["sample"]).state == "measured"

    def test_where_the_changer_brought_another_sample_that_one_is_learnt(self):
        recommender = taught(20, axes="sample", maximize="det", function=lambda point: 0.0)
        (point,) = recommender.suggest()
        other = "s7" if point["sample"] != "s7" else "s8"
        before = recommender.predict([point["sample"], other])[0]
        recommender.ingest([{**point, "sample": other, "det": 5.0}])
        after = recommender.predict([point["sample"], other])[0]
        assert before[1] < 0.1
        assert after[1] > max(1.0, 2 * after[0])
        assert recommender.suggest()[0]["sample"] != point["sample"]  # it was tried

    def test_without_names_samples_are_numbered(self):
        recommender = LibraryRecommender({"x": [1.0, 2.0, 4.0]}, features=["x"], axes="sample", maximize="det")
        assert sorted(point["sample"] for point in recommender.suggest(3)) == [0, 1, 2]
        recommender.ingest([{"sample": 2.0, "det": 1.0}, {"sample": 0.98, "det": 1.0}])  # a changer reads back a float
        assert [recommender.state(n).measured for n in range(3)] == [0, 1, 1]

    def test_positions_are_suggested_while_other_columns_are_learnt(self):
        samples = {**table(30), "zinc": np.linspace(0, 1, 30) ** 2}
        recommender = LibraryRecommender(samples, features=["zinc"], axes=["x", "y"], maximize="det")
        for _ in range(12):
            (point,) = recommender.suggest()
            assert set(point) == {"x", "y", "_id"}
            number = int(np.argmin(np.abs(samples["x"] - point["x"])))
            recommender.ingest([{**point, "det": -((samples["zinc"][number] - 0.5) ** 2)}])
        ((_, axes, _),) = recommender.get_best_points()
        assert abs(samples["zinc"][int(np.argmin(np.abs(samples["x"] - axes["x"])))] - 0.5) < 0.05


class TestBatches:
    def test_members_differ_and_are_far_apart(self):
        recommender = taught(20)
        batch = recommender.suggest(8)
        assert len({(point["x"], point["y"]) for point in batch}) == 8
        alone = taught(20)
        alone_best = []  # the eight best, each judged alone
        while len(alone_best) < 8:
            alone_best += alone.suggest()
            alone.retire([sample_of(alone, alone_best[-1])])

        def nearest(points):
            rows = np.array([[p["x"] / 10, p["y"] / 2] for p in points])
            apart = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(-1)) + np.eye(len(rows)) * 9
            return np.median(apart.min(axis=1))

        assert nearest(batch) > 1.3 * nearest(alone_best)

    @pytest.mark.parametrize("number", [0, 20])
    @pytest.mark.parametrize("goal", ["maximize", "map", "edges"])
    def test_what_is_in_flight_counts_as_a_member_of_the_batch(self, goal, number):
        recommender = taught(number, **{goal: "det"})
        batch = recommender.suggest(6)
        recommender.set_pending(batch[:3])
        assert recommender.suggest(3) == batch[3:]

    def test_a_batch_comes_in_a_short_order(self):
        here, there = library(map="det", travel={"x": 1.0, "y": 0.1}), library(map="det")
        points = measured(there.suggest(20))
        for recommender in (here, there):
            recommender.ingest([{key: point[key] for key in ("x", "y", "det")} for point in points])

        def seconds(batch):
            way = [points[-1], *batch]
            return sum(max(abs(a["x"] - b["x"]), abs(a["y"] - b["y"]) / 0.1) for a, b in zip(way, batch, strict=False))

        ordered, free = here.suggest(10), there.suggest(10)
        assert {point["x"] for point in ordered} == {point["x"] for point in free}
        assert seconds(ordered) < 0.8 * seconds(free)


def step(point):
    return 10.0 if point["x"] > 0.3 else 1.0


class TestWhyItAsks:
    """The numbers in a sentence are those of `predict`, in the units of the readings."""

    def test_before_the_model_leads_and_before_any_question(self):
        recommender = library(maximize="det")
        assert recommender.get_reasons() == []
        recommender.suggest(7)
        *first, last = recommender.get_reasons()
        assert first == [f"even cover before the model leads, {number} of 6" for number in range(1, 7)]
        assert last == "even cover before the model leads, from 6 readings on"
        recommender.ingest(measured(recommender.suggest(2)))
        recommender.set_pending(recommender.suggest())
        recommender.suggest()
        assert recommender.get_reasons() == ["even cover before the model leads, 4 of 6"]

    @pytest.mark.parametrize(("goal", "sign"), [("maximize", 1.0), ("minimize", -1.0)])
    def test_an_improvement_over_the_best_that_is_expected(self, goal, sign):
        recommender = taught(7, lambda point: 300.0 + sign * 50.0 * bowl(point), **{goal: "det"})
        report = recommender.report()
        (point,) = recommender.suggest()
        (reason,) = recommender.get_reasons()
        mean, sd = (each.item() for each in recommender.predict([point]))
        best = max(sign * recommender.predict([axes])[0].item() for _, axes, _ in recommender.get_best_points()) * sign
        found = re.fullmatch(r"largest expected improvement: (.*), best expected so far (.*)", reason)
        assert found[1] == expected("det", mean, sd)
        assert float(found[2]) == pytest.approx(best, abs=0.1 * sd)
        assert recommender.report() == report

    def test_what_is_told_later_or_sent_elsewhere_changes_nothing(self):
        recommender = taught(12)
        points = recommender.suggest(2)
        reasons = recommender.get_reasons()
        recommender.ingest([{**points[0], "det": 1e6}])
        recommender.register_failures(points[1:])
        assert recommender.get_reasons() == reasons
        for other in (copy.deepcopy(recommender), cloudpickle.loads(cloudpickle.dumps(recommender))):
            assert other.get_reasons() == reasons

    def test_others_on_their_way_count(self):
        recommender = taught(12, map="det")
        recommender.set_pending(recommender.suggest())
        recommender.suggest(2)
        one, other = recommender.get_reasons()
        assert one.startswith("known least beside 1 on their way: det = ")
        assert other.startswith("known least beside 2 on their way: det = ")

    def test_a_map_and_edges(self):
        (point,) = (recommender := taught(12, map="det")).suggest()
        value = expected("det", *(each.item() for each in recommender.predict([point])))
        assert recommender.get_reasons() == [f"known least: {value}"]
        sought = {"middle": ", edge sought at 5.5", 4.0: ", edge sought at 4", None: ""}
        for level, rest in sought.items():
            recommender = taught(14, step, edges="det", level=level)
            (point,) = recommender.suggest()
            value = expected("det", *(each.item() for each in recommender.predict([point])))
            assert recommender.get_reasons() == [f"largest slope times doubt: {value}{rest}"]
        recommender = taught(14, lambda point: 3.0, edges="det")
        recommender.suggest()
        (reason,) = recommender.get_reasons()
        assert reason.startswith("no slope is seen, known least: det = 3.00 ± ")

    def test_a_cover(self):
        recommender = LibraryRecommender({"x": [0.0, 1.0, 4.0]}, features=["x"], cover=True, seed=1)
        points = recommender.suggest(3)
        first, *others = recommender.get_reasons()
        assert first == "the first of an even cover, nothing is taken yet"
        places = [point["x"] / 4 for point in points]
        gaps = [abs(places[1] - places[0]), min(abs(places[2] - places[0]), abs(places[2] - places[1]))]
        assert others == [f"farthest from all that were taken, by {gap:.3g} of the features' range" for gap in gaps]

    def test_repeats_and_retries(self):
        recommender = LibraryRecommender({"x": [0.0, 1.0]}, features=["x"], map="det", repeats=3, retries=2, initial=9)
        recommender.ingest([{"x": x, "det": x} for x in (0.0, 0.0, 1.0, 1.0)])
        recommender.retire([1])
        recommender.register_failures(recommender.suggest())
        recommender.suggest()
        cover = "even cover before the model leads, 5 of 10; reading 3 of this sample"
        assert recommender.get_reasons() == [f"{cover}; tried again after 1 failure"]
        recommender.register_failures(recommender.suggest())
        recommender.suggest()
        assert recommender.get_reasons() == [f"{cover}; tried again after 2 failures"]
        recommender.ingest([{**point, "det": 1.0} for point in recommender.suggest()])
        assert recommender.suggest() == recommender.get_reasons() == []

    def test_a_short_way_takes_the_reasons_along(self):
        here, there = taught(12, maximize="det"), taught(12, maximize="det", travel={"x": 1.0, "y": 0.1})
        points, ordered = here.suggest(8), there.suggest(8)
        by_id = {point["_id"]: reason for point, reason in zip(points, here.get_reasons(), strict=True)}
        ids = [point["_id"] for point in ordered]
        assert ids != list(by_id)
        assert there.get_reasons() == [by_id[name] for name in ids]


class TestWhatItSays:
    def test_the_protocols_it_keeps(self):
        recommender = library(maximize="det")
        ours = (Optimizer, HasSpace, HasBestPoints, HasReasons, KnowsPending, TrialFaultAware)
        for protocol in (*ours, TheirOptimizer):
            assert isinstance(recommender, protocol)

    def test_the_prediction_is_in_the_units_of_the_objective(self):
        recommender = taught(25, lambda point: 3e5 - 1e4 * bowl(point), minimize="det")
        mean, sd = recommender.predict([{"x": 1, "y": 1}, "s3"])
        assert mean.shape == sd.shape == (2,)
        assert abs(mean[0] - (3e5 - 2e4)) < 500
        assert sd[0] < 500

    def test_too_few_readings_for_a_prediction(self):
        with pytest.raises(ValueError, match="0 readings so far, and the model starts at 6 readings"):
            library(maximize="det").predict()

    def test_the_report_is_plain_values_and_says_who_leads(self):
        import json

        recommender = library(maximize="det")
        assert recommender.report()["led_by"] == "spreading: the model starts at 6 readings"
        recommender = taught(20)
        report = recommender.report()
        assert json.loads(json.dumps(report)) == report
        assert report["led_by"] == "model: log expected improvement"
        assert report["readings"] == report["samples"]["measured"] == 20
        assert set(report["length_scales"]) == {"x", "y"}

    @pytest.mark.parametrize("goal", ["maximize", "minimize", "map", "edges"])
    def test_constant_data_and_duplicate_samples_are_survived(self, goal):
        samples = {"x": [0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.0] * 4, "y": [1.0, 2.0] * 16}
        recommender = LibraryRecommender(samples, features=["x", "y"], axes="sample", **{goal: "det"})
        for _ in range(32):
            recommender.ingest([{**point, "det": 7.0} for point in recommender.suggest()])
        assert recommender.suggest() == []
        recommender.close()

    def test_a_reading_that_no_detector_gives_is_a_failure(self):
        recommender = taught(20)
        (point,) = recommender.suggest()
        recommender.ingest([{**point, "det": -1.7e308}])
        assert recommender.state(sample_of(recommender, point)).state == "failed"
        assert len(recommender.suggest(3)) == 3

    def test_a_point_at_the_end_of_the_world_is_survived(self):
        recommender = taught(20)
        recommender.ingest([{"x": 1e300, "y": -1e300, "det": 1.0}])
        assert len(recommender.suggest(3)) == 3

    def test_what_is_no_number_of_points_is_refused(self):
        for number in (-1, 1.5):
            with pytest.raises(ValueError, match=f"whole number, 0 or more, or None, found {number}"):
                library().suggest(number)

    def test_huge_and_tiny_readings_are_survived(self):
        recommender = taught(20, lambda point: 1e30 * bowl(point))
        recommender.ingest(measured(recommender.suggest(3), lambda point: -1e-30))
        assert len(recommender.suggest(3)) == 3
