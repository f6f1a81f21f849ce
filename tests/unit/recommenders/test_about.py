"""What a recommender is, for the record, and the hash of its state."""

from __future__ import annotations

import enum
import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import pytest

from skysteer.model import Axis, Choice, Observation, Space
from skysteer.recommenders import Advisor, Grid, Sequence, Sobol
from skysteer.recommenders._canonical import canonical, shortened
from skysteer.recommenders._state import State
from skysteer.recommenders.foreign import as_recommender
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.recommenders.library import LibraryRecommender
from skysteer.testing import Fixed

SPACE = Space(Axis("x", -5, 5, units="mm"))


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Pair:
    one: float
    two: object


class Mine:
    """A recommender as a scientist writes it."""

    def __init__(self, seed=0, step=0.5, name="peak", table=None):
        self.seed, self.step, self._name = seed, step, name
        self.table, self.limit, self.lines = table, math.inf, ["a", "b"]
        self.model = object()

    def ingest(self, points):
        self.step = -1.0

    def suggest(self, num_points=None):
        return [{"x": 0.0}]


def about(recommender, **options):
    with Advisor(recommender, **options) as advisor:
        return advisor.about()


def state(recommender):
    with Advisor(recommender) as advisor:
        return advisor.state


# -- canonical texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (np.bool_(True), "True"),
        (3, "3"),
        (np.int32(3), "3"),
        (0.1, "0.1"),
        (np.float64(0.1), "0.1"),
        (float("nan"), "nan"),
        (-0.0, "-0.0"),
        ("word", "'word'"),
        (np.str_("word"), "'word'"),
        ((1, "a"), "(1, 'a')"),
        ([1.0, [2]], "[1.0, [2]]"),
        ({"b": 1, "a": (2,)}, "{'a': (2), 'b': 1}"),
        ({3, 1, 2}, "{1, 2, 3}"),
        (Colour.RED, "Colour.RED"),
        (Pair(1.0, "x"), "Pair(1.0, 'x')"),
        (object(), None),
        ([object()], None),
        (Pair(1.0, object()), None),
        ({object(): 1}, None),
        (len, None),
    ],
)
def test_a_value_has_one_text(value, text):
    assert canonical(value) == text


def test_arrays_are_told_apart_by_what_is_in_them_not_by_how_they_lie_in_memory():
    square = np.arange(6.0).reshape(2, 3)
    assert canonical(square) == canonical(np.asfortranarray(square))
    others = [square + 1, square.reshape(3, 2), square.astype("f4"), square.T]
    assert len({canonical(square), *map(canonical, others)}) == 5
    assert canonical(np.array(["a", 1.0], dtype=object)) == canonical(np.array(["a", 1.0], dtype=object))
    assert canonical(np.array([object()])) is None


def test_a_long_text_is_told_by_its_hash():
    assert shortened("x" * 200) == "x" * 200
    one, two = shortened("x" * 201), shortened("x" * 200 + "y")
    assert one != two
    assert len(one) < 200
    assert "201 characters" in one


# -- about


def test_a_recommender_is_described_as_it_was_when_it_was_given():
    with Advisor(recommender := Mine(seed=np.int64(4))) as advisor:
        recommender.ingest([])
        found = advisor.about()
    assert (found["name"], found["class"], found["seed"], found["worker"]) == (
        "Mine", f"{__name__}:Mine", 4, "thread",
    )  # fmt: skip
    assert found["settings"] == {
        "seed": "4", "step": 0.5, "name": "peak", "table": None, "limit": "inf", "lines": "['a', 'b']",
    }  # fmt: skip
    assert len(found["version"]["source"]) == 32
    assert json.loads(json.dumps(found, allow_nan=False)) == found


class Clocked:
    """Remembers when it was made, and what it was made of under a name of its own."""

    def __init__(self, step: float = 0.5, *, seed: int = 0) -> None:
        self._step, self.seed, self._t0, self._token = step, seed, time.time(), str(uuid4())

    def ingest(self, points):
        pass

    def suggest(self, num_points=None):
        return []


def test_what_a_recommender_makes_itself_does_not_count_in_its_state():
    with Advisor(Clocked()) as one, Advisor(Clocked()) as two, Advisor(Clocked(0.25)) as other:
        assert one.about()["settings"] != two.about()["settings"]
        assert one.about()["made_of"] == ["step", "seed"]
        assert one.state == two.state != other.state


class Renaming(Clocked):
    """Keeps what it was made of under another name: nobody can tell it from what it made itself."""

    def __init__(self, length: float = 1.0, **others) -> None:
        super().__init__(**others)
        self._scale = 2 * length


class Ours(GaussianProcess):
    """Of ours, whose arguments are kept under other names, too."""


def test_where_that_cannot_be_told_all_settings_count():
    one, other = about(Renaming()), about(Renaming(2.0))
    assert one["made_of"] == list(one["settings"])
    assert one["settings"]["scale"] != other["settings"]["scale"]
    for kind in (GaussianProcess, Ours):
        found = about(kind(SPACE, maximize="det", seed=3))
        assert found["made_of"] == list(found["settings"])
        assert "goal" in found["made_of"]


def test_ours_are_described_with_their_version_and_what_they_are_made_of():
    found = about(GaussianProcess(SPACE, maximize="det", seed=3))
    assert found["class"] == "skysteer.recommenders.gaussian._process:GaussianProcess"
    assert found["version"]["package"] == "skysteer"
    assert found["version"]["version"]
    assert found["seed"] == 3
    assert found["settings"]["initial"] == 5
    assert "pending" not in found["settings"]  # it remembers that; it was not made of it
    assert "Axis" in found["settings"]["space"]
    json.dumps(found, allow_nan=False)
    assert about(Grid(SPACE, 5))["seed"] is None


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Sobol(SPACE, seed=1), Sobol(SPACE, seed=2)),
        (Sobol(SPACE), Sobol(Space(Axis("x", -5, 4)))),
        (Sobol(SPACE), Sobol(Space(Axis("x", -5, 5, units="um")))),
        (Sobol(SPACE), Grid(SPACE, 5)),
        (Sobol(Space(Axis("x", 0, 1), Axis("y", 0, 1))), Sobol(Space(Axis("y", 0, 1), Axis("x", 0, 1)))),
        (Sequence([{"x": 1.0}]), Sequence([{"x": 1.5}])),
        (GaussianProcess(SPACE, maximize="det"), GaussianProcess(SPACE, minimize="det")),
        (GaussianProcess(SPACE, maximize="det"), GaussianProcess(SPACE, maximize="det", noise=0.1)),
        (GaussianProcess(SPACE, maximize="det"), GaussianProcess(SPACE, maximize="det", constraints={"t": ("<=", 1)})),
        (Mine(step=0.5), Mine(step=0.6)),
        (Mine(table=np.zeros(3)), Mine(table=np.ones(3))),
        (Mine(name="a" * 300), Mine(name="a" * 299 + "b")),
    ],
)
def test_another_seed_space_or_setting_is_another_state(one, two):
    assert state(one) != state(two)
    assert about(one)["settings"] != about(two)["settings"] or about(one)["class"] != about(two)["class"]


def test_the_same_recommender_made_again_has_the_same_state():
    assert state(GaussianProcess(SPACE, maximize="det")) == state(GaussianProcess(SPACE, maximize="det"))
    assert state(Mine(table=np.zeros(3))) == state(Mine(table=np.zeros(3)))


def test_the_state_is_the_same_in_another_process():
    script = (
        "from skysteer.model import Axis, Choice, Space\n"
        "from skysteer.recommenders import Advisor, Sobol\n"
        "from skysteer.model import Observation\n"
        "space = Space(Axis('x', -5, 5), Choice('s', {'b', 'a'} and ('a', 'b')))\n"
        "with Advisor(Sobol(space, seed=2)) as advisor:\n"
        "    advisor.tell(Observation('r', 'primary', 1, 0.0, {'x': 0.1, 's': 'a'}, {'d': 1e-3, 'c': {'q', 'w'}}))\n"
        "    advisor.best().result(30)\n"
        "    print(advisor.state)\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
    assert len(seen.pop().strip()) == 32


def test_a_setting_that_cannot_be_looked_at_is_left_out():
    class Nasty:
        def __iter__(self):
            raise RuntimeError("do not look")

    recommender = Mine(table=[Nasty()])
    assert "table" not in about(recommender)["settings"]


def test_no_more_than_some_dozen_settings_are_named():
    recommender = Mine()
    recommender.__dict__ |= {f"number_{n}": n for n in range(500)}
    recommender.__dict__["step"] = recommender.__dict__.pop("step")  # the last of all
    said = about(recommender)["settings"]
    assert len(said) == 36
    assert said["step"] == 0.5  # what somebody chose comes first


class Bandit:
    """Somebody else's, with tell and ask."""

    def __init__(self, seed):
        self.seed, self.arms = seed, 3

    def tell(self, x, y):
        pass

    def ask(self, n):
        return [[0.0]] * n


def test_what_is_put_around_a_foreign_optimizer_is_seen_through():
    found = about(as_recommender(Bandit(6), "x", "det"))
    assert (found["class"], found["seed"]) == (f"{__name__}:Bandit", 6)
    assert found["settings"] == {"seed": 6, "arms": 3, "taken_as": "TellAsk"}
    assert found["version"]["package"] == __name__.partition(".")[0]


def test_an_optimizer_without_a_place_to_write_to_is_not_asked_to():
    class Optimizer(Mine):
        """As those of bluesky-adaptive: the method is there, the place need not be."""

        checkpoint_path = None

        def checkpoint(self):
            raise ValueError("Checkpoint path is not set")

    with Advisor(Optimizer(), checkpoint_every=1) as advisor:
        heard = []
        advisor.listen(heard.append)
        advisor.tell(Observation("run", "primary", 1, 0.0, {"x": 0.0}, {"det": 1.0}))
        advisor.checkpoint().result(30)
        advisor.best().result(30)
    assert [type(each).__name__ for each in heard] == ["Told"]


def test_an_estimator_is_described_by_its_parameters():
    from sklearn.neighbors import KNeighborsRegressor

    assert canonical(KNeighborsRegressor(3)) == canonical(KNeighborsRegressor(3))
    assert canonical(KNeighborsRegressor(3)) != canonical(KNeighborsRegressor(4))


def test_each_of_ours_that_has_a_seed_says_it():
    from sklearn.gaussian_process import GaussianProcessRegressor

    from skysteer.recommenders.estimator import Estimator
    from skysteer.recommenders.library import LibraryRecommender
    from skysteer.recommenders.spectra import Cluster, Decomposition

    samples = [{"sample": f"s{number}", "a": float(number)} for number in range(9)]
    made = [
        Sobol(SPACE, seed=7),
        GaussianProcess(SPACE, maximize="det", seed=7),
        LibraryRecommender(samples, features=["a"], maximize="det", seed=7),
        Estimator(SPACE, GaussianProcessRegressor(), map="det", seed=7),
        Decomposition(SPACE, map="xrd", seed=7),
        Cluster(SPACE, map="xrd", seed=7),
    ]
    assert [about(each)["seed"] for each in made] == [7] * len(made)


# -- the state


def test_the_state_changes_with_every_point_and_every_given_up_suggestion():
    made = State(dict)
    seen = [str(made)]
    for change in (
        lambda: made.point({"x": 1.0, "det": 2.0}),
        lambda: made.point({"x": 1.0, "det": 2.0}),
        lambda: made.point({"x": 1.0, "det": float("nan")}),
        lambda: made.given_up({"x": 1.0}),
        lambda: made.given_up({"x": 1.0, "_id": 3}),
        lambda: made.point({"x": np.arange(3.0)}),
    ):
        change()
        seen.append(str(made))
    assert len(set(seen)) == len(seen)


def test_the_order_of_names_and_the_kind_of_number_do_not_matter_the_order_of_points_does():
    def after(*points):
        made = State(dict)
        for point in points:
            made.point(point)
        return str(made)

    assert after({"x": 1.0, "y": 2.0}) == after({"y": np.float64(2.0), "x": 1.0})
    assert after({"x": 1.0}, {"x": 2.0}) != after({"x": 2.0}, {"x": 1.0})
    assert after({"x": 1.0}) != after({"x": 1})
    assert after({"x": "1.0"}) != after({"x": 1.0})


def test_a_point_that_was_given_up_is_not_one_that_was_measured():
    one, two = State(dict), State(dict)
    one.point({"x": 1.0})
    two.given_up({"x": 1.0})
    assert str(one) != str(two)


def test_a_choice_has_a_text_too():
    assert state(Sobol(Space(Choice("s", ("a", "b"))))) != state(Sobol(Space(Choice("s", ("a", "c")))))


def test_a_warm_recommender_is_another_one():
    warm = Fixed([{"x": 1.0}])
    warm.ingest([{"x": 0.0}])
    assert state(warm) != state(Fixed([{"x": 1.0}]))


def test_arguments_are_told_from_what_it_made_itself():
    said = about(GaussianProcess(SPACE, maximize="det", initial=7))
    assert {"initial", "gate", "seed"} <= set(said["arguments"])
    assert set(said["arguments"]) < set(said["settings"])
    assert about(Mine())["arguments"] == ["seed", "step", "name", "table"]


def test_arguments_that_do_not_tell_all_that_was_chosen_are_not_told():
    class Optional(Mine):
        def __init__(self, step, **options):
            super().__init__(step=step)
            self.__dict__.update(options)

    for recommender in (Renaming(2.0), Optional(0.5, width=3.0)):
        said = about(recommender)
        assert said["arguments"] == []
        assert said["made_of"] == list(said["settings"])


def test_what_is_nobodys_business_is_not_told_wherever_it_is_held():
    @dataclass
    class Login:
        user: str
        password: str | None = None

    class Remote(Mine):
        def __init__(self, server, login, logins, **options):
            super().__init__()
            self.server, self.login, self.logins, self.options = server, login, logins, options

    one = Login("me", "hunter2")
    said = about(Remote("https://me:hunter2@model.facility/fit", one, {"fit": [one]}, pwd="hunter2", depth=3))
    assert "hunter2" not in json.dumps(said)
    held = about(Remote("https://model.facility:8000/fit", Login("me"), [], width=3))["settings"]
    assert held["server"] == "https://model.facility:8000/fit"
    assert held["login"].endswith("Login('me', None)")


def test_one_that_cannot_say_its_seed_yet_has_none():
    class Unseeded(Fixed):
        @property
        def seed(self):
            raise RuntimeError("not before the first point")

    assert about(Unseeded([{"x": 0.0}]))["seed"] is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grid(SPACE, 3),
        lambda: Sobol(SPACE),
        lambda: Sequence([{"x": 0.0}]),
        lambda: LibraryRecommender([{"sample": n, "x": n, "f": n * n} for n in range(9)], features=["f"], map="det"),
    ],
)
def test_a_question_makes_it_no_other_one(make):
    recommender = make()
    before = about(recommender)
    assert recommender.suggest()
    assert about(recommender) == before
    assert recommender.get_reasons() != [""]
    assert about(recommender) == before


def test_a_class_whose_signature_raises_is_described():
    class Odd(type):
        @property
        def __signature__(cls):
            raise RuntimeError("not here")

    class Strange(Mine, metaclass=Odd):
        pass

    said = about(Strange())
    assert said["arguments"] == []
    assert set(said["made_of"]) == set(said["settings"])
