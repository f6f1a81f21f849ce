"""The check of recommenders, against those that do not even fail as others do."""

import pytest

from skysteer.model import Axis, Space
from skysteer.testing import BrokenRecommenderPromise, check_recommender

LINE = Space(Axis("x", -5, 5, units="mm"))


class Middle:
    def ingest(self, points):
        pass

    def suggest(self, num_points=None):
        return [{"x": 0.5}]


class Generating(Middle):
    def suggest(self, num_points=None):
        yield {"x": 0.5}


class Exiting(Middle):
    def suggest(self, num_points=None):
        raise SystemExit(7)


class ExitingWhenTold(Middle):
    def ingest(self, points):
        raise SystemExit(7)


class Naming(Middle):
    """Gives no ``_id``, and takes it off the points of others."""

    def ingest(self, points):
        for point in points:
            point.pop("_id", None)


class OnlyTrue(Middle):
    def should_stop(self):
        return True


class FailingLate(Middle):
    def __init__(self):
        self.known = 0

    def ingest(self, points):
        self.known += len(points)

    def suggest(self, num_points=None):
        if self.known > 40:
            raise IndexError("too many")
        return super().suggest(num_points)


def broken(kind):
    report = check_recommender(kind, LINE, ["det"], process=False, sizes=[], on_broken="report")
    return {result.name: result for result in report.broken}


def test_a_generator_is_said_to_be_no_list_of_points():
    found = broken(Generating)
    assert found["inside"].why == "the answer is a generator, expected a sequence of mappings"
    assert not any("pickle" in result.why for name, result in found.items() if name not in ("pickles", "process"))


def test_a_generator_is_said_first_where_the_check_raises():
    with pytest.raises(BrokenRecommenderPromise, match="the answer is a generator"):
        check_recommender(Generating, LINE, ["det"], process=False, sizes=[])


@pytest.mark.parametrize("kind", [Exiting, ExitingWhenTold])
def test_one_that_exits_is_one_that_raises(kind):
    assert "raised SystemExit: 7" in broken(kind)["strangers"].why


def test_a_point_keeps_its_id_also_of_one_that_gives_none():
    assert set(broken(Naming)) == {"arguments"}


def test_the_code_of_a_wrong_should_stop_calls_it():
    assert broken(OnlyTrue)["stop"].error.code.splitlines()[-1].startswith("a.should_stop()  # ")


def test_one_that_fails_with_many_points_is_not_just_left_out_of_the_times():
    assert broken(FailingLate)["strangers"].why == "suggest raised IndexError: too many, told 70 points"
