"""The audit of one point: everything that was known when it was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._account import Account, Measured, Remark, part
from ._account_header import LABELS
from ._account_table import Columns
from ._wording import clock, count, duration, number, place, wrapped

__all__ = ["audit", "audit_dict", "point_dict"]

NEWEST = 5
"""So many of the points that it knew are shown."""


def audit(account: Account, point: Measured, columns: int) -> list[str]:
    """Return the audit as text."""
    units, places = account.units, account.decimals
    after = duration(max(0.0, point.time - account.began))
    title = f"point {point.number} of run {account.uid[:8]}, measured at {clock(point.time)}"
    lines = [*wrapped("", f"{title}, {after} after the beginning", columns, 0), ""]

    def say(label: str, text: str) -> None:
        if text:
            lines.extend(wrapped(label, text, columns, LABELS))

    say("measured at", place(point.axes, units, _finer(places)))
    if point.suggestion is not None:
        say("asked for", place(point.suggestion.point, units, _finer(places)))
    say("read", place(point.objectives, units) + _rank(account, point))
    lines.append("")
    answer = point.answer
    if answer is None:
        if point.why:
            why = f"{point.why}: no recommender was asked"
        elif account.entry.flow == "watch":
            why = "the plan that was watched went there: no recommender was asked"
        else:
            why = "nothing on record says why"
        say("why there", why)
        return lines
    who = part(account.about, answer.origin).get("name") or f"the {answer.origin}"
    asked = duration(max(0.0, answer.asked - account.began))
    say(
        "why there",
        f"{who} suggested it. It was asked for {count(answer.count, 'point')} {asked} after the beginning "
        f"(question {answer.question + 1}) and answered after {duration(answer.latency)}"
        + (f" with {count(len(answer.suggestions), 'point')}" if len(answer.suggestions) > 1 else "")
        + f": {duration(answer.suggest_seconds)} in suggest, {duration(answer.ingest_seconds)} in ingest before it.",
    )  # fmt: skip
    if point.reason:
        say("", f"It said of this point: {point.reason}.")
    if answer.origin == "fallback" and (before := _refusal_before(account, point)) is not None:
        say("", f"The fallback was asked because: {before.text}.")
    if account.goal is not None:
        sign, objective = account.goal
        say("", f"It looks for the {'highest' if sign > 0 else 'lowest'} {objective}.")
    if ", asked before the cut" in point.why:
        say("", "It was asked before the scan was cut off, and measured when the scan went on.")
    known = _known(account, point)
    say("it knew", _knew(account, answer.told, known))
    if known:
        newest = known[-NEWEST:]
        layout = Columns(account, columns - LABELS, newest, thought=False, bare=True)
        table = [*filter(str.strip, layout.heads()), *(line for one in newest for line in layout.row(one))]
        lines += [" " * LABELS + line for line in table]
        if (best := account.best(known)) is not None:
            say("", f"the best reading of these: point {best.number}, {place(best.objectives, units)} at "
                f"{place(best.axes, units, places)}")  # fmt: skip
    pending = [account.suggestions.get(name) for name in answer.pending]
    ways = "; ".join("not on record" if each is None else place(each.point, units, places) for each in pending)
    say("on the way", ways or "nothing: no other point was being measured")
    say("given up", f"it knew of {count(answer.given_up, 'suggestion')} that will not be measured")
    between = _between(account, point)
    for each in between:
        say("meanwhile", each.text)
    say("state", f"{answer.state}: the hash of what it is and of all that it had been told")
    named = "" if point.suggestion is None else f"; suggestion {point.suggestion.id}"
    say("on record", f"event {point.seq_num} of run {point.run}{named}")
    say("", f"skysteer replay {account.named} asks the same question again")
    return lines


def audit_dict(account: Account, point: Measured) -> dict[str, Any]:
    """Return the same as plain values."""
    known = _known(account, point)
    best = account.best(known)
    answer = point.answer
    return {
        **point_dict(point),
        "run_shown": account.entry.uid,
        "units": account.units,
        "goal": None if account.goal is None else {"sign": account.goal[0], "objective": account.goal[1]},
        "known": [{"number": each.number, **each.axes, **each.objectives} for each in known],
        "best_known": None if best is None else best.number,
        "on_the_way": []
        if answer is None
        else [dict(one.point) for name in answer.pending if (one := account.suggestions.get(name)) is not None],
        "given_up": None if answer is None else answer.given_up,
        "meanwhile": [each.text for each in _between(account, point)],
    }


def _finer(places: dict[str, int]) -> dict[str, int]:
    return {name: digits + 1 for name, digits in places.items()}


def _known(account: Account, point: Measured) -> Sequence[Measured]:
    """The points that the one who suggested it had been told."""
    if point.answer is None:
        return []
    return account.points[: max(0, point.answer.told - account.before)]


def _knew(account: Account, told: int, known: Sequence[Measured]) -> str:
    earlier = f", {account.before} of them from before this run" if account.before else ""
    if not told:
        return "nothing yet: no point was measured"
    return count(told, "point") + earlier + (f"; the newest {NEWEST}:" if len(known) > NEWEST else ":")


def _rank(account: Account, point: Measured) -> str:
    """Whether it was the best so far."""
    if account.goal is None:
        return ""
    earlier = account.points[: point.number - 1]
    before, now = account.best(earlier), account.best([*earlier, point])
    objective = account.goal[1]
    if before is None:
        return ""
    unit = account.units.get(objective, "")
    value = number(before.objectives[objective]) + (f" {unit}" if unit else "")
    if now is point:
        return f": the best so far; before it was point {before.number} with {value}"
    return f"; the best so far is point {before.number} with {value}"


def _between(account: Account, point: Measured) -> list[Remark]:
    """What was decided from the question to the measurement."""
    answer = point.answer
    if answer is None:
        return []
    return [each for each in account.remarks if answer.asked <= each.time <= point.time]


def _refusal_before(account: Account, point: Measured) -> Remark | None:
    found: Remark | None = None
    for each in account.timeline:
        if each is point:
            return found
        if isinstance(each, Remark) and each.kind == "refused":
            found = each
    return None


def point_dict(point: Measured) -> dict[str, Any]:
    """Return a point and what is on record of its choice as plain values."""
    answer = point.answer
    said: dict[str, Any] = {
        "kind": "point",
        "number": point.number,
        "time": point.time,
        "run": point.run,
        "seq_num": point.seq_num,
        "axes": point.axes,
        "objectives": point.objectives,
        "why": point.why,
        "suggestion": None if point.suggestion is None else point.suggestion.id,
        "origin": None if point.suggestion is None else point.suggestion.origin,
        "asked_for": None if point.suggestion is None else point.suggestion.point,
    }
    if answer is not None:
        said |= {
            "question": answer.question,
            "reason": point.reason,
            "told": answer.told,
            "pending": answer.pending,
            "latency": answer.latency,
            "suggest_seconds": answer.suggest_seconds,
            "ingest_seconds": answer.ingest_seconds,
            "state": answer.state,
        }
    return said
