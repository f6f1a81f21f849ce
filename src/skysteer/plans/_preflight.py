"""What is looked at before anything moves: every problem, in one error."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bluesky.protocols import Checkable, Movable, Readable

from skysteer.errors import PreflightError
from skysteer.model import Axis, Choice, Space

from ._moving import resolved
from ._options import Options
from ._tag import SuggestionTag
from ._waiting import Plan, run_coroutine

DataKeys = Mapping[str, Mapping[str, Any]]

MOST_TRIED = 50
"""So many options of a choice a motor is asked about before a plan starts."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What the preflight found out."""

    space: Space
    """The recommender's space, or else what the motors reach."""
    axes: Mapping[str, str]
    """Axis name to the data key of its readback: the first hinted field of the motor."""
    objectives: Mapping[str, str]
    """Objective name to data key."""


def preflight(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    options: Options,
    *,
    space: Space | None,
    objectives: Sequence[str],
    reduced: bool = False,
    found: Sequence[str] = (),
) -> Plan[Cleared]:
    """Check that an adaptive plan can start. Nothing is staged, moved or opened.

    Parameters
    ----------
    detectors, motors, options
        As the plan will be given them.
    space
        Where the recommender may suggest, or ``None`` if it does not say.
    objectives
        Names of data keys, or of detectors with one hinted field.
    reduced
        Whether the objectives are computed by a ``reduce``.
    found
        Problems that the caller found itself.

    Raises
    ------
    PreflightError
        Lists every problem: devices that cannot move or be read, an axis
        without a motor, units or limits that disagree, an objective without a
        data key, initial points outside the space.
    """
    problems: list[str] = []
    problems += [f"{d!r} in motors cannot be moved" for d in motors if not isinstance(d, Movable)]
    problems += [f"{d!r} cannot be read" for d in [*motors, *detectors] if not isinstance(d, Readable)]
    names = [device.name for device in [*detectors, *motors] if hasattr(device, "name")]
    problems += [f"two devices are called {name!r}" for name in sorted(set(names)) if names.count(name) > 1]
    if SuggestionTag.name in names:
        problems.append(f"a device is called {SuggestionTag.name!r}, as what skysteer itself adds to an event is")
    if not motors:
        problems.append("no motors were given")
    wrong = [*found, *options.problems]
    if isinstance(objectives, str):
        wrong.append(f"objectives must be a sequence of names, found the text {objectives!r}: give [{objectives!r}]")
        objectives = [objectives]
    elif not objectives:
        wrong.append("no objectives were given: say which values the recommender is to be told")
    if problems:  # the devices cannot even be asked
        raise PreflightError([*wrong, *problems])

    async def look() -> tuple[list[DataKeys | None], list[DataKeys | None], dict[str, str]]:
        described = await asyncio.gather(*map(_describe, [*motors, *detectors]))
        reach = {} if space is None else await _out_of_reach(motors, space)
        return list(described[: len(motors)]), list(described[len(motors) :]), reach

    moving, measuring, refused = yield from run_coroutine(look)
    problems = wrong
    described = {motor.name: keys or {} for motor, keys in zip(motors, moving, strict=True)}
    readbacks = {motor.name: _readback(motor, described[motor.name]) for motor in motors}
    reach = Space(*(_reach(motor, described[motor.name].get(readbacks[motor.name], {})) for motor in motors))
    cleared = reach if space is None else space
    problems += _axis_problems(cleared, reach, refused)
    problems += _point_problems(options.initial, cleared)
    found_keys: dict[str, str] = {}
    if not reduced:
        found_keys, missing = _objective_keys(objectives, detectors, measuring)
        problems += missing
    problems += _clashes([*motors, *detectors], [*moving, *measuring])
    problems += [f"objective {name!r} is called as an axis is" for name in objectives if name in cleared]
    if "_id" in objectives:
        problems.append("objective '_id' is called as the identity of a point is")
    there = {key for keys in [*moving, *measuring] for key in keys or {}}
    taken = sorted(there & set(SuggestionTag.keys(cleared)))
    problems += [f"data key {key!r} of a device is one that skysteer writes itself" for key in taken]
    if problems:
        raise PreflightError(problems)
    return Cleared(cleared, {name: readbacks[name] for name in cleared}, found_keys)


async def _describe(device: Any) -> DataKeys | None:
    """Data keys of a device, or None where it cannot say before it is staged: then its first descriptor is checked."""
    try:
        return await resolved(device.describe())
    except Exception:
        return None


async def _out_of_reach(motors: Sequence[Any], space: Space) -> dict[str, str]:
    """What motors that check a value say of the ends of their axis, or of the options of their choice."""
    refused: dict[str, str] = {}
    for motor in motors:
        axis, checks = space.get(motor.name), isinstance(motor, Checkable)
        if axis is None or not checks:
            continue
        for value in _tried(axis) if isinstance(axis, Choice) else (axis.low, axis.high):
            if isinstance(value, float) and not math.isfinite(value):
                continue
            try:
                await resolved(motor.check_value(value))
            except Exception as exc:
                refused[motor.name] = f"motor {motor.name!r} refuses {axis.name}={value}, which is in the space: {exc}"
    return refused


def _tried(choice: Choice) -> Sequence[Any]:
    """All options of a choice; of a sample changer's ten thousand some from all over the list, and the extremes."""
    options = choice.options
    if len(options) <= MOST_TRIED:
        return options
    numbers = [option for option in options if not isinstance(option, str)]
    extremes = [min(numbers), max(numbers)] if numbers else []
    even = [options[n * (len(options) - 1) // (MOST_TRIED - 1)] for n in range(MOST_TRIED)]
    return list(dict.fromkeys([*extremes, *even]))


def _readback(motor: Any, described: DataKeys) -> str:
    hinted = getattr(motor, "hints", {}).get("fields", [])
    return next((key for key in [*hinted, motor.name, *described] if key in described), motor.name)


def _reach(motor: Any, key: Mapping[str, Any]) -> Axis:
    """How far a motor goes, and in which units, as its data key or (classic ophyd) its ``limits`` say."""
    limits: dict[str, Any] = key.get("limits") or {}
    control: dict[str, Any] = limits.get("control") or {}
    low, high = control.get("low"), control.get("high")
    if low is None and high is None:
        pair = getattr(motor, "limits", None)
        low, high = pair if isinstance(pair, tuple | list) and len(pair) == 2 else (None, None)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    bottom, top = -math.inf if low is None else float(low), math.inf if high is None else float(high)  # pyright: ignore[reportUnknownArgumentType]
    if not bottom < top:  # EPICS: equal limits are no limits
        bottom, top = -math.inf, math.inf
    return Axis(motor.name, bottom, top, units=key.get("units") or "")


def _axis_problems(space: Space, reach: Space, refused: Mapping[str, str]) -> list[str]:
    problems = [
        f"motor {name!r} is no axis of the recommender (its axes are {', '.join(space)})"
        for name in reach
        if name not in space
    ]
    for axis in space.axes:
        motor = reach.get(axis.name)
        if motor is None:
            problems.append(f"axis {axis.name!r} has no motor of that name (the motors are {', '.join(reach)})")
            continue
        if axis.units and motor.units and axis.units != motor.units:
            problems.append(f"axis {axis.name!r} is in {axis.units}, its motor in {motor.units}")
        if isinstance(axis, Axis) and isinstance(motor, Axis) and (axis.low < motor.low or axis.high > motor.high):
            problems.append(
                f"axis {axis.name!r} is [{axis.low:.12g}, {axis.high:.12g}] {axis.units}, "
                f"beyond the limits of its motor [{motor.low:.12g}, {motor.high:.12g}] {motor.units}"
            )
        elif axis.name in refused:
            problems.append(refused[axis.name])
    return problems


def _clashes(devices: Sequence[Any], described: Sequence[DataKeys | None]) -> list[str]:
    """An event can have a data key from one device only."""
    owner: dict[str, str] = {}
    problems: list[str] = []
    for device, keys in zip(devices, described, strict=True):
        for key in keys or {}:
            if key in owner:
                problems.append(f"data key {key!r} is both of {owner[key]!r} and of {device.name!r}")
            owner.setdefault(key, device.name)
    return problems


def _objective_keys(
    objectives: Sequence[str], detectors: Sequence[Any], described: Sequence[DataKeys | None]
) -> tuple[dict[str, str], list[str]]:
    """The data key of each objective, and what is wrong."""
    there = {key: about for keys in described for key, about in (keys or {}).items()}
    hinted = {detector.name: getattr(detector, "hints", {}).get("fields", []) for detector in detectors}
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name in objectives:
        fields = [field for field in hinted.get(name, []) if field in there]
        if name in there:
            keys[name] = name
        elif len(fields) == 1:
            keys[name] = fields[0]
        elif fields:
            problems.append(f"objective {name!r} may be any of the fields {', '.join(fields)}: name one of them")
            continue
        elif None in described:  # a detector that only knows once it is staged: its descriptor is checked
            keys[name] = name
            continue
        else:
            problems.append(
                f"objective {name!r} is no data key of the detectors (they have {', '.join(there) or 'none'})"
            )
            continue
        about = there[keys[name]]
        if "external" in about:
            problems.append(f"objective {name!r} is kept in a file (reading detector files is not supported yet)")
        elif about.get("dtype") == "array":
            shape = list(about.get("shape", []))
            problems.append(f"objective {name!r} is an array of shape {shape}: give reduce= to make a number of it")
    return keys, problems


def _point_problems(initial: Any, space: Space) -> list[str]:
    problems: list[str] = []
    if not isinstance(initial, Sequence):  # the options say so
        return problems
    initial = cast("Sequence[Any]", initial)
    for number, point in enumerate(initial):
        if not isinstance(point, Mapping):
            problems.append(
                f"initial point {number} is a {type(point).__name__}, expected a mapping of axis to position"
            )
        else:
            found = space.problems(cast(Mapping[str, Any], point), ignore=())
            problems += [f"initial point {number}: {problem}" for problem in found]
    return problems
