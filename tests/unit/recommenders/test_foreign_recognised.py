"""Who is recognised as what, where the methods alone could mean several things."""

import pytest

from skysteer.errors import RecommenderError
from skysteer.model import Axis, Space
from skysteer.recommenders.foreign import TellAsk, as_recommender

PLANE = Space(Axis("x", -5, 5), Axis("y", 0, 10))


class Ours:
    def ingest(self, points): ...

    def suggest(self, num_points=None):
        return [{"x": 1.0, "y": 2.0}]


class WithATell(Ours):
    """Tells people something, and not an agent."""

    def tell(self): ...


class WithoutItsVocs(Ours):
    vocs = None


class NotFittedYet(Ours):
    @property
    def model(self):
        raise RuntimeError("fit me first")


class OneByOne:
    """Is asked without a number."""

    def __init__(self, answer):
        self.answer, self.told = answer, []

    def ask(self):
        return self.answer

    def tell(self, x, y):
        self.told.append((list(x), y))


@pytest.mark.parametrize("kind", [WithATell, WithoutItsVocs, NotFittedYet])
def test_a_recommender_is_left_as_it_is_whatever_else_it_has(kind):
    recommender = kind()
    assert as_recommender(recommender) is recommender


def test_who_is_asked_without_a_number_is_asked_so():
    agent = OneByOne([1.0, 2.0])
    recommender = as_recommender(agent, ["x", "y"], "det", space=PLANE)
    assert isinstance(recommender, TellAsk)
    (point,) = recommender.suggest()
    recommender.ingest([{**point, "det": 3.0}])
    assert agent.told == [([1.0, 2.0], 3.0)]


def test_an_answer_that_is_no_point_is_an_error_that_shows_it():
    class Trial:
        def __repr__(self):
            return "<Trial 7>"

    recommender = TellAsk(OneByOne(Trial()), ["x", "y"], "det")
    with pytest.raises(RecommenderError, match=r"OneByOne answered <Trial 7>, a Trial; expected points: mappings, or"):
        recommender.suggest()
