"""What a recommender promises about why it asks: a sentence for each point, and the question changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from skysteer.protocols import HasReasons

from ._recommender_bench import COUNTS, Bench, Broken, NotApplicable
from ._recommender_subject import Answer, Subject, difference


def says_why(bench: Bench) -> None:
    """Asked why after every answer, beside a twin that never is."""
    if not isinstance(bench.fresh("a").recommender, HasReasons):
        raise NotApplicable("it has no get_reasons")
    story = bench.story
    twins = bench.pure and bench.keeps("same")
    bench.begin()
    asked, quiet = bench.fresh("a"), bench.fresh("b")
    for number, points in enumerate([[], *story]):
        if points:
            asked.tell(points)
            quiet.tell(points)
        count = COUNTS[number % len(COUNTS)]
        answer = asked.ask(count)
        if twins:
            _compare(bench, quiet.ask(count), answer)
        if answer.points:  # whatever else it answers is for other checks
            _refuse_reasons(asked, len(answer.points))
    if twins:  # what is forgotten when a point is told has changed something all the same
        _compare(bench, quiet.ask(2), asked.ask(2))


def _refuse_reasons(subject: Subject, many: int) -> None:
    reasons, again = subject.reasons(), subject.reasons()
    if isinstance(reasons, Answer):
        raise Broken(f"get_reasons {reasons}")
    of = "the point" if many == 1 else f"each of the {many} points"
    expected = f"expected a list with a sentence (a str) for {of}"
    if not isinstance(reasons, Sequence) or isinstance(reasons, str | bytes):
        raise Broken(f"get_reasons gave {reasons!r}, {expected}")
    found = cast("Sequence[Any]", reasons)
    if len(found) != many or not all(isinstance(each, str) for each in found):
        raise Broken(f"get_reasons gave {reasons!r}, {expected}")
    if repr(again) != repr(found):
        raise Broken(f"get_reasons gave {found!r}, and asked a second time {again!r}")


def _compare(bench: Bench, expected: Answer, found: Answer) -> None:
    if (found_difference := difference(expected, found, bench.world)) is not None:
        raise Broken(f"asked for its reasons, it {found_difference}, as one does that was not asked for them")
