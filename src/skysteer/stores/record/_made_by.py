"""Whether a scan that is to go on is the one that is on record: the differences, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from skysteer.recommenders._about import HIDDEN

__all__ = ["differences", "same_class"]

Said = Mapping[str, Any]
"""What a start document says under ``"skysteer"``, or a part of it."""
SHOWN = 60
"""Characters of a value in an error."""
MOST = 6
"""So many differences of a kind are written out."""


def differences(recorded: Said, now: Said) -> tuple[list[str], list[str]]:
    """Return what keeps a scan from going on, and what may lead it another way, one sentence each.

    How many points it asks for at a time, how long it waits and what it does then may be chosen anew.
    """
    problems: list[str] = []
    if recorded.get("flow") != now.get("flow"):
        problems.append(f"it is of {recorded.get('flow')}, and not of {now.get('flow')}")
    found, warnings = _recommender("recommender", recorded, now)
    problems += found
    # A fallback is part of the patience.
    beside, doubts = _recommender("fallback", recorded, now)
    warnings += [*beside, *doubts]
    if recorded.get("objectives") != now.get("objectives"):
        problems.append(f"its objectives were {_words(recorded, 'objectives')}, and are {_words(now, 'objectives')}")
    problems += _space(_list(recorded, "space"), _list(now, "space"))
    fields, newly = part(recorded, "fields"), part(now, "fields")
    for what in ("axes", "objectives"):
        problems += _values(f"data key of the {what}: ", part(fields, what), part(newly, what))
    if bool(fields.get("reduced")) != bool(newly.get("reduced")):
        had = "with" if fields.get("reduced") else "without"
        problems.append(f"its objectives were made {had} reduce=")
    initial, given = (_list(part(each, "options"), "initial") for each in (recorded, now))
    if initial != given:
        problems.append(f"its initial points were {_shown(initial)}, and are {_shown(given)}")
    return problems, warnings


def part(said: Said, name: str) -> Said:
    """A mapping in what is said; an empty one where it is not there."""
    return cast("Said", said.get(name) or {})


def _recommender(which: str, recorded: Said, now: Said) -> tuple[list[str], list[str]]:
    old, new = part(recorded, which), part(now, which)
    if not old or not new:
        return [], []
    if not same_class(old, new):
        return [f"its {which} was {_class(old)}, and is {_class(new)}"], []
    problems: list[str] = []
    if old.get("seed") != new.get("seed"):
        problems.append(f"the seed of its {which} was {old.get('seed')}, and is {new.get('seed')}")
    chosen, others = _settings(old, new)
    begin = f"setting of its {which}: "
    problems += _values(begin, *chosen)
    warnings = _values(f"{begin}what it made itself, ", *others)
    return problems, [] if problems else [*_version(which, old, new), *_reduction(old, new), *warnings]


def _settings(old: Said, new: Said) -> tuple[tuple[Said, Said], tuple[Said, Said]]:
    """What somebody chose, then and now; and what the recommender made of it, or of its process.

    What only one version of a class has is said by the version.
    """
    before, after = part(old, "settings"), part(new, "settings")
    names = {*before, *after} - ({"seed"} if old.get("seed") is not None else set())
    names -= {name for name in names if HIDDEN in (before.get(name), after.get(name))}  # what it is nobody knows
    if _version("", old, new):
        names = {name for name in names if name in before and name in after}
    made_of = {*_list(old, "made_of"), *_list(new, "made_of")} if "made_of" in old else names

    def of(said: Said, wanted: set[str]) -> Said:
        return {name: value for name, value in said.items() if name in wanted}

    return (
        (of(before, names & made_of), of(after, names & made_of)),
        (of(before, names - made_of), of(after, names - made_of)),
    )


def same_class(old: Said, new: Said) -> bool:
    """Whether two descriptions are of recommenders of one class."""
    if old.get("class") == new.get("class"):
        return True
    # A script is the module __main__ when it is run, and another when it is imported.
    source = part(old, "version").get("source")
    return bool(source) and source == part(new, "version").get("source") and _class(old) == _class(new)


def _version(which: str, old: Said, new: Said) -> list[str]:
    before, after = part(old, "version"), part(new, "version")
    name = f"the {which} {_class(new)}"
    if before.get("version") != after.get("version"):
        return [
            f"{name} is of {after.get('package')} {after.get('version') or '(no version)'}, and was of "
            f"{before.get('version') or '(no version)'}: it may suggest something else"
        ]
    if before.get("source") != after.get("source"):
        return [f"the source of {name} was changed since: it may suggest something else"]
    return []


def _reduction(old: Said, new: Said) -> list[str]:
    before, after = part(old, "reduce"), part(new, "reduce")
    if not before or not after or before.get("source") == after.get("source"):
        return []
    return [f"the source of reduce= {_named(after)} was changed since: what was told before stays as it was told"]


def _named(function: Said) -> str:
    return str(function.get("name", "?")).rpartition(":")[2]


def _space(old: list[Said], new: list[Said]) -> list[str]:
    names = [each["name"] for each in old], [each["name"] for each in new]
    if names[0] != names[1]:
        return [f"its axes were {', '.join(names[0])}, and are {', '.join(names[1])}"]
    return [
        f"its axis {before['name']!r}: {', '.join(_values('', before, after))}"
        for before, after in zip(old, new, strict=True)
        if before != after
    ]


def _values(begin: str, old: Said, new: Said) -> list[str]:
    """Every value that is another one, or is there only once."""
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name) or (name in old) != (name in new)]
    found = [f"{begin}{name} was {_of(old, name)}, and is {_of(new, name)}" for name in changed[:MOST]]
    return [*found, f"and {len(changed) - MOST} more"] if len(changed) > MOST else found


def _of(said: Said, name: str) -> str:
    return _shown(said[name]) if name in said else "not there"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _class(said: Said) -> str:
    return str(said.get("class", "?")).rpartition(":")[2]


def _words(said: Said, name: str) -> str:
    return ", ".join(map(str, _list(said, name))) or "none"


def _list(said: Said, name: str) -> list[Any]:
    return cast("list[Any]", said.get(name) or [])
