"""The tree of errors: as drawn, each also a builtin, and each survives a journey between processes."""

import inspect
import pickle
import re

import pytest

from skysteer import errors
from skysteer.errors import (
    EngineBusy,
    FieldError,
    NoRecommendation,
    PointError,
    PreflightError,
    RecommenderError,
    RecordError,
    RequestPause,
    ResumeError,
    SilentRecommender,
    SkysteerError,
    SpaceError,
    SteeringBusy,
    StoreError,
    SuggestionError,
    TooManyFailures,
    WorkerDied,
)
from skysteer.model import AdaptiveResult

EXAMPLES = [
    SkysteerError("something"),
    SpaceError("axis 'x'"),
    PreflightError(["no motors", "no objectives"]),
    FieldError("'det' is not there", stream="primary", available=["x", "y"]),
    PointError("x is missing"),
    SuggestionError(["x is missing", "y is missing"], recommender="Grid", answer=[{"z": 1}]),
    RecommenderError("raised"),
    WorkerDied("signal 9"),
    SilentRecommender("5 s"),
    TooManyFailures("on_failure='stop'", failed=2, last={"x": 1.0}),
    StoreError("the disk is full"),
    RecordError("no such run"),
    ResumeError("it is complete"),
    EngineBusy("busy"),
    SteeringBusy("busy"),
    NoRecommendation("done"),
    RequestPause("look"),
]


def drawn():
    """Name -> (parent, builtin or None) as in the docstring."""
    found, parents = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    (?P<lines>[│├└─ ]*)(?P<name>[A-Z]\w+)( \((?P<builtin>\w+)\))?(  |$)", line)
        if match is None:
            continue
        depth = len(match["lines"]) // 4
        parents = [*parents[:depth], match["name"]]
        found[match["name"]] = (parents[-2] if depth else None, match["builtin"])
    return found


def defined():
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }


def test_the_tree_in_the_docstring_has_every_class_and_no_other():
    assert set(drawn()) == set(defined()) == set(errors.__all__)
    assert len(drawn()) == 17


@pytest.mark.parametrize("name", errors.__all__)
def test_each_error_has_the_parent_and_the_builtin_that_are_drawn(name):
    parent, builtin = drawn()[name]
    expected = [parent, builtin] if parent else [builtin or "Exception"]
    assert [base.__name__ for base in getattr(errors, name).__bases__] == [base for base in expected if base]


def test_every_error_is_here():
    assert {type(error) for error in EXAMPLES} == set(defined().values())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_says_and_carries_the_same_after_a_journey_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(
    "error",
    [
        PreflightError(["no motors"]),
        SuggestionError(["x is missing"], recommender="Grid"),
        TooManyFailures("max_failures=2", failed=2, last={"x": 1.0}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_measured_and_notes_make_the_journey_too(error):
    error.result = AdaptiveResult("it failed", "fail", ("uid",), 3)
    error.add_note("in the recommender's process")
    copy = pickle.loads(pickle.dumps(error))
    assert copy.result == error.result
    assert copy.__notes__ == error.__notes__


def test_a_preflight_error_has_a_line_for_each_problem():
    error = PreflightError(["no motors", "no objectives"])
    assert str(error) == "the scan cannot start, 2 problems; nothing has moved:\n  - no motors\n  - no objectives"
    assert str(PreflightError(["no motors"])) == "the scan cannot start, one problem; nothing has moved:\n  - no motors"


def test_a_field_error_prints_its_sentence_and_not_a_repr_of_it():
    error = FieldError("'det' is not there", stream="primary", available=["x"])
    assert str(error) == "'det' is not there"
    assert (error.stream, error.available) == ("primary", ("x",))


def test_a_suggestion_error_names_recommender_and_problems_and_keeps_the_answer():
    error = SuggestionError(["x is missing", "y=nan"], recommender="Grid", answer=42)
    assert str(error) == "bad suggestion from Grid: x is missing; y=nan"
    assert error.answer == 42
