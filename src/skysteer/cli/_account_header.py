"""The head of an account as text: what was looked for, where, by whom, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from skysteer.model import Axis

from ._account import Account, known_by, part
from ._wording import clock, count, day_and_time, duration, place, wrapped

__all__ = ["LABELS", "header"]

LABELS = 12
"""Columns of the words at the left of a header."""
COUNTED: Mapping[str, str] = {
    "given up": "suggestion{s} given up", "refused": "question{s} without an answer",
    "worker": "worker{s} replaced", "verdict": "verdict{s}", "steering": "time{s} steered by hand",
}  # fmt: skip
"""Kinds of remarks that are counted, and how they are called."""


def header(account: Account, columns: int) -> list[str]:
    """Say what was looked for, where, by whom, and what came of it."""
    about, entry = account.about, account.entry
    ended = entry.stopped or (account.timeline[-1].time if account.timeline else entry.time)
    name = entry.flow or entry.plan_name or "a run"
    if entry.flow == "watch" and (plans := dict.fromkeys(each.plan_name for each in account.entries)):
        name = " + ".join([name, *filter(None, plans)])
    lines = [f"{name} {account.uid}", ""]

    def say(label: str, text: str) -> None:
        if text:
            lines.extend(wrapped(label, text, columns, LABELS))

    say("when", f"{day_and_time(account.began)}, from {clock(account.began)} to {clock(ended)} "
        f"({duration(max(0.0, ended - account.began))})")  # fmt: skip
    say("by", _recommender(about.get("recommender"), account))
    if about.get("fallback"):
        say("fallback", _recommender(about.get("fallback"), None))
    say("settings", _settings(part(about, "recommender"), account))
    if account.space is not None:
        say("where", "; ".join(_range(axis) for axis in account.space.axes))
    say("reads", ", ".join(_objectives(account)))
    say("asked for", _options(part(about, "options")))
    for dog in about.get("watchdogs") or ():
        say("watchdog", _watchdog(dog))
    say("came to", _outcome(account))
    say("program", _program(part(about, "program")))
    say("metadata", _metadata(part(about, "md")))
    if len(account.records) > 1:
        say("resumed", " -> ".join(known_by(each)[:8] for each in account.records))
    say("files", ", ".join([each.path.name for each in account.entries[-3:]] +
                           ([entry.path.name] if entry.kind == "decisions" else [])))  # fmt: skip
    for problem in account.problems:
        say("note", problem)
    return lines


def _recommender(said: Mapping[str, Any] | None, account: Account | None) -> str:
    if not said:
        return ""
    version = part(said, "version")
    package = f"{version.get('package', '')} {version.get('version', '')}".strip()
    seed = f"seed {said['seed']}" if said.get("seed") is not None else "no seed"
    text = (
        f"{said.get('name')} ({', '.join(filter(None, [package, seed, 'in a ' + str(said.get('worker', 'thread'))]))})"
    )
    if account is not None and account.goal is not None:
        sign, objective = account.goal
        text += f", looking for the {'highest' if sign > 0 else 'lowest'} {objective}"
    return text


def _settings(recommender: Mapping[str, Any], account: Account) -> str:
    """What is not said elsewhere, and is not empty: the arguments of its constructor, where any is among them."""
    settings = part(recommender, "settings")
    if arguments := recommender.get("arguments"):
        settings = {name: settings[name] for name in arguments}
    left_out = {"space", "seed", "objective", "objectives", "turns"}
    left_out |= {"goal", "maximize", "minimize"} if account.goal is not None else set()
    said = {
        name: value
        for name, value in settings.items()
        if name not in left_out and value not in (None, "", "[]", "{}", "()") and len(str(value)) <= 60
    }
    return ", ".join(f"{name} = {value}" for name, value in said.items())


def _range(axis: Any) -> str:
    units = f" {axis.units}" if axis.units else ""
    if not isinstance(axis, Axis):
        return f"{axis.name}: {', '.join(map(str, axis.options))}{units}"
    step = "" if axis.step is None else f" in steps of {axis.step:g}"
    return f"{axis.name} from {axis.low:g} to {axis.high:g}{units}{step}"


def _objectives(account: Account) -> list[str]:
    fields = part(account.about, "fields")
    names: Sequence[str] = account.about.get("objectives") or list(fields.get("objectives") or ())
    reduced = " (reduced from what was measured)" if fields.get("reduced") else ""
    return [f"{name}{_in(account.units.get(name, ''))}{reduced}" for name in names]


def _in(units: str) -> str:
    return f" / {units}" if units else ""


def _options(options: Mapping[str, Any]) -> str:
    if not options:
        return ""
    parts = [count(int(options.get("max_points") or 0), "point")]
    if initial := options.get("initial"):
        parts.append(f"{len(initial)} of them given at the start")
    if (batch := options.get("batch", 1)) > 1:
        parts.append(f"{batch} a question")
    if lookahead := options.get("lookahead"):
        parts.append(f"{lookahead} asked ahead while measuring")
    patience = part(options, "patience")
    if patience.get("timeout") is not None:
        then = {"wait": "then a warning", "fallback": "then the fallback is asked", "finish": "then the scan ends",
                "abort": "then the scan is aborted"}.get(str(patience.get("on_timeout")), "")  # fmt: skip
        parts.append(f"patience {duration(float(patience['timeout']))}, {then}")
    if options.get("on_failure", "skip") != "skip":
        parts.append(f"where a device fails: {options['on_failure']}")
    if options.get("finally_move", "stay") != "stay":
        parts.append(f"at the end to the {options['finally_move']}")
    return "; ".join(parts)


def _watchdog(dog: Mapping[str, Any]) -> str:
    every = dog.get("every") or "event"
    rest = [f"looks at every {every}" if isinstance(every, str) else f"looks at every {every}th event"]
    if dog.get("silent_after"):
        rest.append(f"called silent after {duration(float(dog['silent_after']))}")
    judge = re.sub(r"<\w+\.\w+: ('?\w+'?)>", r"\1", str(dog.get("judge") or ""))  # a member of an enum: its value
    said = f" ({judge})" if judge and judge != dog.get("name") else ""
    return f"{dog.get('name')}{said}, {', '.join(rest)}"


def _outcome(account: Account) -> str:
    points = account.points
    kinds = [each.kind for each in account.remarks]
    parts = [count(len(points), "point")]
    parts += [
        f"{(many := kinds.count(kind))} {words.format(s='' if many == 1 else 's')}"
        for kind, words in COUNTED.items()
        if kind in kinds
    ]  # fmt: skip
    text = ", ".join(parts)
    if (best := account.best()) is not None:
        read = place(best.objectives, account.units)
        text += (
            f"; the best reading is point {best.number}: {read} at {place(best.axes, account.units, account.decimals)}"
        )
    return text


def _program(program: Mapping[str, Any]) -> str:
    if not program:
        return ""
    argv = [str(word) for word in program.get("argv") or ()]
    versions = part(program, "versions")
    main = [f"{name} {versions[name]}" for name in ("skysteer", "bluesky") if versions.get(name)]
    command = " ".join([argv[0].rsplit("/", 1)[-1], *argv[1:]]) if argv else "?"
    return (
        f"{command}, by {program.get('user') or 'somebody'} on {program.get('host') or 'some machine'} in "
        f"{program.get('cwd') or '?'} (Python {program.get('python', '?')}{''.join(', ' + each for each in main)})"
    )


def _metadata(md: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in md.items() if isinstance(value, str | int | float))
