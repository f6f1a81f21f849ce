"""What was decided between two points, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from skysteer.model import Checkpointed, Decision, GivenUp, Judged, Refused, Replaced, Steered

from ._account import Remark
from ._wording import duration

__all__ = ["remark_on"]


def remark_on(decision: Decision, watchdogs: Collection[str], where: Callable[[str], str]) -> Remark | None:
    """Return what there is to say of a decision; ``None`` where that is nothing.

    Parameters
    ----------
    decision
        The decision.
    watchdogs
        Those whose verdicts are told: their steering is not told again.
    where
        Says which place a suggestion of this id is.
    """
    match decision:
        case Refused(origin=origin, kind=kind, reason=reason):
            who = "the fallback" if origin == "fallback" else "the recommender"
            text = {
                "finished": f"{who} had nothing more to ask: {reason}",
                "refused": f"an answer of {who} was refused: {reason}",
                "failed": f"{who} failed: {reason}",
                "silent": f"{who} was silent: {reason}",
                "late": f"{who} answered question {decision.question + 1} after {duration(decision.latency)}, "
                "when nobody waited for it any more",
                "stale": f"{who} answered a question of an earlier scan: {reason}",
            }[kind]
            return Remark(decision.time, "refused", text)
        case GivenUp(suggestion=name, kind=kind, reason=reason):
            words = {"device": "given up", "dropped": "dropped", "abandoned": "not measured any more"}[kind]
            return Remark(decision.time, "given up", f"{words}: {where(name)}: {_cause(reason)}")
        case Replaced(during=during, reason=reason, restarts=restarts):
            text = f"the worker process died in {during} and was replaced (for the {_nth(restarts)} time): {reason}"
            return Remark(decision.time, "worker", text)
        case Checkpointed(error=error) if error:
            return Remark(decision.time, "checkpoint", f"a checkpoint could not be written: {error}")
        case Judged(watchdog=name, verdict=verdict, reason=reason):
            late = "" if decision.accepted or verdict is None else " (too late, it had no effect)"
            event = f" on event {decision.seq_num}" if decision.seq_num else ""
            event += f" of {decision.stream}" if decision.stream not in ("", "primary") else ""
            text = (
                f"the judge of watchdog {name} failed{event}: {reason}"
                if verdict is None
                else f"watchdog {name}: {verdict.value}{event}, {duration(decision.lag)} after it: {reason}{late}"
            )
            return Remark(decision.time, "verdict", text)
        case Steered(author=author) if author in watchdogs:
            return None  # its verdict is told
        case Steered(verdict=verdict, reason=reason, author=author):
            late = "" if decision.accepted else " (it had no effect: nothing was running)"
            who = f"{author} asked for" if author else "somebody asked, without a name, for"
            said = f": {reason}" if reason and reason != author else ""
            return Remark(decision.time, "steering", f"{who} {verdict.value!r}{said}{late}")
        case _:
            return None  # a question that was asked ahead, a checkpoint that was written


def _cause(reason: str) -> str:
    """What a device said, without the repr of the status that said it."""
    found = re.fullmatch(r"\w+: <.*> \((.*)\)", reason, flags=re.DOTALL)
    return reason if found is None else found[1]


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
