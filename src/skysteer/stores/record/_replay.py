"""A recorded run, decided again question by question, without hardware."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from skysteer.errors import RecommenderError, RecordError, SkysteerError
from skysteer.model import Finished, Space, Suggestion
from skysteer.protocols import CanRegisterSuggestions, Recommender
from skysteer.recommenders._about import About
from skysteer.recommenders._session import Session
from skysteer.recommenders._state import State
from skysteer.recommenders._validate import check_answer
from skysteer.recommenders.foreign._optimizer import BlueskyAdaptive, adapted
from skysteer.workers import one_blas_thread

from ._made_by import same_class
from ._questions import Life, Question, life_of
from ._record import Record
from ._replayed import Replay, ReplayStep, apart

__all__ = ["differing", "replay"]


def replay(
    record: Record | str | Path | tuple[str | Path, str],
    recommender: Recommender,
    *,
    fallback: Recommender | None = None,
    tolerance: float = 0.0,
    progress: Callable[[int, int], object] | None = None,
) -> Replay:
    """Ask every question of a recorded run again, of a recommender that is told the same.

    Before each question it is told what the one on record had been told by
    then, in the same order and under the same ``_id``: measured points,
    suggestions given up, suggestions on their way. What it suggests is
    compared with what is on record and then forgotten: the next question
    knows what was measured, not what would have been. Nothing moves.

    Parameters
    ----------
    record
        What is on record: a `Record`, the path of the file of a run, or a folder of runs and a run in
        it, as `Record.read` takes them. A run that resumed others is replayed with them, from the first.
    recommender
        A fresh one: made as that on record was, to see whether it suggests the same;
        or another, to see what that one would have asked. It keeps what it was told.
    fallback
        A fresh one that stands for the fallback of `Patience`; without it the fallback's answers are left out.
    tolerance
        Shares of the range of an axis up to which two positions are the same.
    progress
        Called with how many questions were asked again, and how many there are.

    Returns
    -------
    Replay

    Raises
    ------
    RecordError
        If there is no such run, or nothing says what was decided in it.
    RecommenderError
        If the recommender raises when it is told a point; what was compared by then is in ``error.result``.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance is a share of the range of an axis, 0 or more and below 1, found {tolerance!r}")
    read = _read(record)
    space = read.space
    if space is None:
        raise RecordError(f"run {read.entry.uid} had no recommender: nothing was suggested that could be asked again")
    about = _part(read.about, "recommender")
    mine = _described(recommender)
    again = same_class(about, mine)
    lives = [life_of(read, "recommender")] + ([life_of(read, "fallback")] if fallback is not None else [])
    total = sum(len(life.questions) for life in lives)
    steps: list[ReplayStep] = []
    notes = [*lives[0].notes, *_notes(read, recommender, fallback)]

    def result(*, interrupted: bool = False) -> Replay:
        return Replay(
            read.entry.uid, str(about.get("name", "?")), str(mine["name"]), again, space, tuple(steps), tolerance,
            tuple(differing(about, mine)) if again else (), (*notes, *_repeats(steps)), interrupted,
        )  # fmt: skip

    try:
        for life, who in zip(lives, (recommender, fallback), strict=False):
            assert who is not None, "there is a life for each that was given"
            ids = again if who is recommender else same_class(_part(read.about, "fallback"), _described(who))
            with one_blas_thread():
                for step in _asked_again(life, who, space, tolerance, ids=ids):
                    steps.append(step)
                    if progress is not None:
                        progress(len(steps), total)
    except KeyboardInterrupt:
        return result(interrupted=True)
    except SkysteerError as exc:
        exc.result = result(interrupted=True)
        raise
    return result()


def _read(record: Record | str | Path | tuple[str | Path, str]) -> Record:
    if isinstance(record, Record):
        return record
    if isinstance(record, tuple):
        return Record.read(*record)
    path = Path(record)
    if path.is_dir():
        return Record.read(path)
    return Record.read(path.parent, str(path))


# -- the same questions


def _asked_again(
    life: Life, recommender: Recommender, space: Space, tolerance: float, *, ids: bool
) -> Iterator[ReplayStep]:
    """Ask one question after the other, each knowing what it knew."""
    name, described = type(recommender).__name__, About(recommender)
    recommender = adapted(recommender)
    session, state = Session(recommender), State(described.chosen)
    numbered = not isinstance(recommender, CanRegisterSuggestions)
    taught = given_up = 0
    for question in life.questions:
        points = [life.point(number, ids=ids) for number in range(taught, question.points)]
        lost = [_told(each, ids=ids) for each in life.given_up[given_up : question.given_up]]
        try:
            if points:
                session.ingest(points)
            if lost:
                session.give_up(lost)
        except Exception as exc:  # whatever somebody's recommender may raise
            raise RecommenderError(
                f"{name} raised {type(exc).__name__} when it was told what question {question.suggested.question} "
                f"of run {question.run} knew ({question.points} points): {exc}"
            ) from exc
        for point in points:
            state.point(point if numbered else {key: value for key, value in point.items() if key != "_id"})
        for each in life.given_up[given_up : question.given_up]:
            state.given_up(_told(each, ids=ids and numbered))
        taught, given_up = max(taught, question.points), max(given_up, question.given_up)
        step = _step(question, session, space, tolerance, name, ids=ids)
        yield replace(step, state_same=str(state) == question.suggested.state)


def _step(question: Question, session: Session, space: Space, tolerance: float, name: str, *, ids: bool) -> ReplayStep:
    suggested, answered, error = question.suggested, cast("list[Mapping[str, Any]]", []), ""
    pending = [_told(each, ids=ids) if mine else dict(each.point) for each, mine in question.pending]
    began, took, reasons = time.perf_counter(), 0.0, ()
    try:
        answer, reasons = session.explained(suggested.count, pending)
        took = time.perf_counter() - began
        if isinstance(answer, Finished):
            error = f"{name} has ended: {answer.reason}"
        else:
            checked = check_answer(
                answer, count=suggested.count, space=space, known=lambda _: False, recommender=name
            )  # an id may come again: nothing that it suggests is measured
            answered = [point for point, _ in checked]
    except SkysteerError as exc:
        error = str(exc)
    except Exception as exc:  # whatever somebody's recommender may raise
        error = f"{name} raised {type(exc).__name__}: {exc}"
    took = took or time.perf_counter() - began
    differences: dict[str, float] = dict.fromkeys(space, 0.0)
    shares: dict[str, float] = dict.fromkeys(space, 0.0)
    same = len(answered) == len(suggested.suggestions)
    for recorded, now in zip(suggested.suggestions, answered, strict=False):
        away, share = apart(space, recorded.point, now)
        for axis in space:
            same &= away[axis] == 0 or share[axis] <= tolerance
            differences[axis], shares[axis] = max(differences[axis], away[axis]), max(shares[axis], share[axis])
    return ReplayStep(
        question.run, suggested.question, suggested.origin, question.points, suggested.suggestions,
        question.numbers, tuple(answered), differences, shares, same, suggested.suggest_seconds, took, error,
        recorded_reasons=suggested.reasons, reasons=reasons if answered else (),
    )  # fmt: skip


def _told(suggestion: Suggestion, *, ids: bool) -> dict[str, Any]:
    return suggestion.told() if ids else dict(suggestion.point)


# -- what is to be known of it


def _part(about: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping in a description, empty where it is not there."""
    return about.get(key) or {}


def _described(recommender: Recommender) -> Mapping[str, Any]:
    """As `Advisor.about` describes it."""
    return {"name": type(recommender).__name__, **About(recommender).document()}


def differing(then: Mapping[str, Any], now: Mapping[str, Any], *, code: bool = True) -> list[str]:
    """What two descriptions of a recommender of one class do not share, in sentences; `code`: also its version."""
    differing: list[str] = []
    versions = [_part(each, "version") for each in (then, now)]
    if code and versions[0].get("version") != versions[1].get("version"):
        package = versions[1].get("package") or "its package"
        differing.append(
            f"version of {package}: recorded {_said(versions[0].get('version'))}, now "
            f"{_said(versions[1].get('version'))}"
        )
    if code and versions[0].get("source") != versions[1].get("source"):
        differing.append("the code of its class was changed")
    if then.get("seed") != now.get("seed"):
        differing.append(f"seed: recorded {_said(then.get('seed'))}, now {_said(now.get('seed'))}")
    settings = [_part(each, "settings") for each in (then, now)]
    for name in dict.fromkeys([*settings[0], *settings[1]]):
        one, other = (each.get(name) for each in settings)
        if _plain(one) != _plain(other) and name != "seed":
            differing.append(f"{name}: recorded {_said(one)}, now {_said(other)}")
    return differing


def _plain(value: Any) -> Any:
    """As JSON gives it back: tuples are lists there."""
    return [_plain(each) for each in cast("list[Any]", value)] if isinstance(value, list | tuple) else value


def _said(value: Any) -> str:
    return "none" if value in (None, "") else str(value)


def _notes(record: Record, recommender: Recommender, fallback: Recommender | None) -> list[str]:
    notes: list[str] = []
    one = adapted(recommender)
    if isinstance(one, BlueskyAdaptive) or type(one).__module__.startswith("skysteer.recommenders.foreign"):
        notes.append(
            f"{type(recommender).__name__} is of another library, which does not promise the same answer to the same "
            "question"
        )
    chain = (*record.chain, record)
    if len(chain) > 1:
        notes.append(f"the run was resumed {_many(len(chain) - 1, 'time')}; all of it is compared")
    fallen = sum(len(each.suggestions) for one in chain for each in one.suggested if each.origin == "fallback")
    if fallen and fallback is None:
        notes.append(f"{_many(fallen, 'suggestion')} of the fallback left out: give fallback= to compare them too")
    return notes


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _repeats(steps: Sequence[ReplayStep]) -> list[str]:
    """Whoever waits for its own suggestion to be measured asks for the same again and again."""
    places = [tuple(sorted(each.replayed[0].items())) for each in steps if each.replayed]
    if len(places) > 2 and len(set(places)) == 1 and not all(each.same for each in steps):
        return ["it asked for the same place each time: it waits for that to be measured before it goes on"]
    return []
