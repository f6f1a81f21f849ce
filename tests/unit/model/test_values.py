"""`Patience`, suggestions, observations and results: what they refuse and what they say."""

import math
import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from skysteer.model import AdaptiveResult, Finished, Observation, Patience, Suggestion
from skysteer.testing import Fixed

VALUES = [
    Patience(2.0, "finish"),
    Suggestion("s0", {"x": 1.0}, "recommender", 7),
    Observation("run", "primary", 1, 0.0, {"x": 1.0}, {"det": 2.0}, suggestion="s0"),
    Finished("nothing more to ask"),
    AdaptiveResult("done", "success", ("uid",), 3),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_and_survive_a_journey(value):
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)
    assert not hasattr(value, "__dict__")
    assert pickle.loads(pickle.dumps(value)) == value


def test_patience_is_without_end_unless_told():
    assert (Patience().timeout, Patience().on_timeout, Patience().fallback) == (None, "wait", None)


@pytest.mark.parametrize("timeout", [0, -1.0, math.nan, math.inf, "5", True])
def test_a_timeout_is_a_positive_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="timeout must be a positive number of seconds or None, found"):
        Patience(timeout)


def test_patience_knows_four_ways():
    with pytest.raises(ValueError, match="'wait', 'fallback', 'finish' or 'abort', found 'explode'"):
        Patience(1.0, "explode")


def test_fallback_and_the_word_for_it_go_together():
    fallback = Fixed([])
    assert Patience(1.0, "fallback", fallback).fallback is fallback
    for wrong in ({"on_timeout": "fallback"}, {"fallback": fallback}, {"on_timeout": "wait", "fallback": fallback}):
        with pytest.raises(ValueError, match="go together"):
            Patience(1.0, **wrong)


def test_a_suggestion_is_told_with_the_recommenders_own_id():
    assert Suggestion("s0", {"x": 1.0}, recommender_id=0).told() == {"x": 1.0, "_id": 0}
    assert Suggestion("s0", {"x": 1.0}).told() == {"x": 1.0}


def test_a_replayed_observation_has_the_same_identity():
    first = Observation("run", "primary", 4, 1.0, {"x": 1.0}, {"det": 2.0})
    again = Observation("run", "primary", 4, 2.0, {"x": 1.1}, {"det": 2.1})
    assert first.identity == again.identity == ("run", "primary", 4)
    assert again.point() == {"x": 1.1, "det": 2.1}
