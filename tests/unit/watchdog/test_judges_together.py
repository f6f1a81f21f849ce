"""`any_of`, `all_of` and `debounced`: who is heard, and when."""

import pytest

from skysteer.model import Judgement, Observation, Verdict
from skysteer.watchdog.judges import BeamLost, CountsReached, all_of, any_of, debounced

KEEP, HOLD, ENOUGH, ABORT = Verdict.KEEP_GOING, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT


class Says:
    """Says one verdict after the other."""

    def __init__(self, *said):
        self.said, self.number, self.resets = said, 0, 0

    def __call__(self, observation):
        self.number += 1
        verdict = self.said[self.number - 1]
        return None if verdict is None else Judgement(verdict, f"{verdict.value} {self.number}")

    def reset(self):
        self.number, self.resets = 0, self.resets + 1


def seen(number=1, value=1.0):
    return Observation("run", "primary", number, float(number), {}, {"det": value})


def verdicts(judge, count):
    answers = [judge(seen(number)) for number in range(1, count + 1)]
    return [None if answer is None else answer.verdict for answer in answers]


def test_any_of_says_the_strongest():
    judge = any_of(Says(None, None, KEEP, HOLD, ENOUGH), Says(None, KEEP, HOLD, ENOUGH, ABORT))
    assert verdicts(judge, 5) == [None, KEEP, HOLD, ENOUGH, ABORT]


def test_any_of_gives_the_reasons_of_all_that_said_the_same():
    assert any_of(Says(ENOUGH), Says(HOLD), Says(ENOUGH))(seen()).reason == "enough 1; enough 1"


def test_any_of_shows_every_judge_every_observation():
    judges = Says(ABORT, ABORT), Says(None, None), Says(ENOUGH, ENOUGH)
    verdicts(any_of(*judges), 2)
    assert [judge.number for judge in judges] == [2, 2, 2]


def test_all_of_says_the_weakest_of_what_all_say():
    first, second = Says(None, KEEP, HOLD, ENOUGH, ABORT, ABORT), Says(ABORT, ABORT, ENOUGH, ABORT, ABORT, None)
    assert verdicts(all_of(first, second), 6) == [None, KEEP, HOLD, ENOUGH, ABORT, None]
    assert all_of(Says(ABORT), Says(ENOUGH))(seen()) == Judgement(ENOUGH, "abort 1; enough 1")


def test_all_of_shows_every_judge_every_observation():
    judges = Says(None, None), Says(ENOUGH, ENOUGH)
    verdicts(all_of(*judges), 2)
    assert [judge.number for judge in judges] == [2, 2]


def test_all_of_goes_on_after_one_of_two_beams_is_back():
    judge = all_of(BeamLost("det", 5), BeamLost("det", 10))
    answers = [judge(seen(number, value)) for number, value in enumerate([7.0, 4.0, 7.0, 20.0], 1)]
    assert [None if answer is None else answer.verdict for answer in answers] == [None, HOLD, KEEP, None]


def test_debounced_waits_until_it_was_said_so_many_times_in_a_row():
    judge = debounced(Says(ENOUGH, ENOUGH, None, ENOUGH, ENOUGH, ENOUGH, ENOUGH, None, ENOUGH), 3)
    assert verdicts(judge, 9) == [None] * 5 + [ENOUGH, ENOUGH, None, None]
    assert debounced(Says(ENOUGH, ENOUGH), 2)(seen()) is None


def test_a_changed_verdict_starts_the_count_again():
    judge = debounced(Says(ENOUGH, ABORT, ENOUGH, ABORT, ABORT, ENOUGH), 2)
    assert verdicts(judge, 6) == [None, None, None, None, ABORT, None]


def test_debounced_says_the_newest_reason_and_how_often():
    judge = debounced(Says(HOLD, HOLD, HOLD), 2)
    assert [judge(seen()), judge(seen()), judge(seen())][1:] == [
        Judgement(HOLD, "hold 2 (2 times in a row)"),
        Judgement(HOLD, "hold 3 (3 times in a row)"),
    ]


def test_debounced_once_passes_everything_on():
    said = [HOLD, None, KEEP, ENOUGH, None, HOLD, KEEP, ABORT]
    judge = debounced(Says(*said), 1)
    assert verdicts(judge, 8) == said
    assert debounced(Says(HOLD), 1)(seen()).reason == "hold 1"


def test_a_debounced_hold_ends_when_keep_going_has_stood_long_enough():
    judge = debounced(Says(HOLD, HOLD, HOLD, KEEP, None, HOLD, KEEP, None, None, None, None), 3)
    assert verdicts(judge, 11) == [None, None, HOLD, None, None, None, None, None, KEEP, None, None]


def test_keep_going_after_a_hold_that_nobody_heard_is_not_passed_on():
    judge = debounced(Says(HOLD, KEEP, None, None, HOLD, HOLD, KEEP, None), 2)
    assert verdicts(judge, 8) == [None, None, None, None, None, HOLD, None, KEEP]


def test_keep_going_without_any_hold_is_passed_on():
    assert verdicts(debounced(Says(KEEP, KEEP, KEEP), 2), 3) == [None, KEEP, None]


def test_a_reset_reaches_every_judge_that_can_be_reset():
    def silent(observation):
        return None

    inner = Says(ENOUGH, ENOUGH, ENOUGH)
    judge = any_of(silent, all_of(debounced(inner, 2)))
    assert verdicts(judge, 2) == [None, ENOUGH]
    judge.reset()
    assert inner.resets == 1
    assert verdicts(judge, 2) == [None, ENOUGH]


def test_after_a_reset_an_old_hold_is_forgotten():
    judge = debounced(Says(HOLD, KEEP), 2)
    judge(seen())
    judge.reset()
    judge.judge.said = (KEEP, None)
    assert verdicts(judge, 2) == [None, KEEP]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (any_of, "any_of needs at least one judge"),
        (all_of, "all_of needs at least one judge"),
        (lambda: any_of(Says(), 3), "any_of takes judges .* found 3"),
        (lambda: all_of([Says()]), "all_of takes judges .* found \\[<"),
        (lambda: debounced(CountsReached, 2), "debounced takes judges .* found <class"),
        (lambda: debounced(Says(), 0), "times must be a whole number from 1 on, found 0"),
        (lambda: debounced(Says(), 1.5), "times must be a whole number from 1 on, found 1.5"),
    ],
)
def test_a_bad_argument_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_it_shows_how_it_was_made():
    judge = any_of(CountsReached("det", 5), all_of(debounced(BeamLost("I0", 3), 2)))
    assert repr(judge).startswith("any_of(CountsReached(key='det', counts=5, reduce='sum'), all_of(debounced(BeamLost(")
    assert repr(judge).endswith(", 2)))")
