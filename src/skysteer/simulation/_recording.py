"""A run that was recorded: its points, from documents, from a list or from a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, cast

from skysteer.documents import Fields, PerEvent
from skysteer.errors import FieldError, PointError, RecordError, StoreError
from skysteer.model import METADATA_KEY, Axis, Choice, Observation, Space
from skysteer.stores import documents, runs

__all__ = ["Recording", "read_recording"]

Document = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Recording:
    """Points that were measured once."""

    name: str
    """For errors and pictures."""
    points: tuple[Mapping[str, Any], ...]
    """Every axis and every objective of each, with finite numbers."""
    space: Space
    """Of the axes: the limits of the motors where the documents have them, else how far the points reach."""
    objectives: tuple[str, ...]
    """What was measured."""
    units: Mapping[str, str]
    """Objective name to engineering units, where the documents say."""
    dropped: int
    """Points left out: an axis or an objective had no finite number."""


def read_recording(
    source: Any,
    *,
    axes: Sequence[str] | Mapping[str, str] | None = None,
    objectives: Sequence[str] | str | None = None,
    space: Space | None = None,
    stream: str = "primary",
) -> Recording:
    """Read the points of a recorded run.

    Parameters
    ----------
    source
        The path of the file of a run (a document a line, as `skysteer.stores.JSONLines`
        writes it), or of a folder of runs, whose newest measurement is taken; documents
        as ``(name, document)``, points (mappings of axes and objectives) or a pandas
        table with a row for each point.
    axes
        Which are axes; for documents also axis name to data key. By default those
        of `space`, or the motors in the start document.
    objectives
        Which were measured; by default what the start document names.
    space
        Where the axes reach, in place of what is recorded.
    stream
        Whose events are read.

    Raises
    ------
    FieldError
        If an axis or objective is not there, or nothing says which they are.
    PointError
        If no point is left, or an axis has one value only.
    RecordError
        If a file is no file of documents, or of decisions instead of a measurement.
    StoreError
        If it cannot be read.
    """
    wanted = [objectives] if isinstance(objectives, str) else list(objectives or ())
    named = axes if isinstance(axes, Mapping) else {name: name for name in (axes or space or ())}
    name = "recorded points"
    if isinstance(source, str | Path):
        path = _measurement(Path(source))
        name, source = path.name, _from_file(path)
    rows = _rows(source)
    if rows and isinstance(rows[0], tuple):
        points, known = _observed(cast("list[Document]", rows), dict(named), wanted, stream)
    else:
        points, known = _listed(cast("list[Mapping[str, Any]]", rows), list(named), wanted), _Known(named, wanted, {})
    whole = [point for point in points if all(_is_value(value) for value in point.values())]
    numbers = [p for p in whole if all(isinstance(p[each], Real) for each in known.objectives)]
    if not numbers:
        raise PointError(f"{name} has no point with a finite value of {', '.join([*known.axes, *known.objectives])}")
    if space is None:
        space = Space(*(_axis(axis, numbers, known.keys.get(key, {})) for axis, key in known.axes.items()))
    units = {each: str(known.keys.get(each, {}).get("units") or "") for each in known.objectives}
    dropped = len(points) - len(numbers)
    return Recording(name, tuple(numbers), space, tuple(known.objectives), units, dropped)


@dataclass(frozen=True, slots=True)
class _Known:
    axes: Mapping[str, str]
    objectives: Sequence[str]
    keys: Mapping[str, Mapping[str, Any]]
    """The data keys of the stream."""


def _measurement(path: Path) -> Path:
    """The file itself; of a folder, its newest measurement."""
    if not path.is_dir():
        return path
    measured = [entry for entry in runs(path) if entry.kind == "measurement"]
    if not measured:
        raise RecordError(f"there is no measurement in the folder {path}: expected a folder of runs, or a run's file")
    return measured[-1].path


def _from_file(path: Path) -> list[Document]:
    try:
        with path.open("rb") as file:
            pairs = file.read(1) == b"["
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    found = list(_pairs(path) if pairs else documents(path))
    if not found:
        raise RecordError(f"{path} has no document; expected a document a line, in JSON")
    for name, doc in found:
        if name == "descriptor" and "data_keys" not in doc:
            raise RecordError(
                f"{path} has a descriptor without data keys, which is no document of Bluesky: {doc!r:.60}"
            )
    _refuse_decisions(path, found)
    return found


def _refuse_decisions(path: Path, found: Sequence[Document]) -> None:
    about = found[0][1].get(METADATA_KEY)
    if not isinstance(about, Mapping) or cast("Mapping[str, Any]", about).get("kind") != "decisions":
        return
    noted = [doc["data"]["run"] for name, doc in found if name == "event" and "moment" in doc["data"]]
    measured = ", ".join(dict.fromkeys(noted))
    files = [entry.path.name for entry in runs(path.parent) if entry.uid in noted]
    there = f"give {files[0]}, which is beside it" if files else "its file is not beside it"
    raise RecordError(
        f"{path} has what was decided, and not what was measured, which is run {measured}: {there}"
        if measured
        else f"{path} has what was decided, and nothing was measured"
    )


def _pairs(path: Path) -> Iterator[Document]:
    """Documents of a file whose lines are pairs: ``["start", {...}]``."""
    *lines, _ = path.read_bytes().split(b"\n")  # a line that no newline ends is cut off
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            name, doc = json.loads(line)
            if not isinstance(doc, Mapping):
                raise TypeError("a document is a mapping")
        except (ValueError, TypeError) as exc:
            raise RecordError(
                f'line {number} of {path} is no document: expected ["name", {{...}}] as above, found {line[:60]!r}'
            ) from exc
        yield str(name), cast("Mapping[str, Any]", doc)


def _rows(source: Any) -> list[Any]:
    if hasattr(source, "to_dict") and hasattr(source, "columns"):  # a table of pandas, which need not be installed
        return list(source.to_dict("records"))
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        kind = type(cast("object", source)).__name__
        raise TypeError(f"a recorded run is a path, documents, points or a table, found a {kind}")
    return list(cast("Iterable[Any]", source))


def _listed(rows: list[Mapping[str, Any]], axes: list[str], objectives: list[str]) -> list[dict[str, Any]]:
    there = list(rows[0]) if rows else []
    if not axes or not objectives:
        raise FieldError(
            f"say which are axes=[...] and which objectives=[...]; the points have: {', '.join(map(str, there))}",
            available=there,
        )
    points: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        missing = [name for name in (*axes, *objectives) if name not in row]
        if missing:
            raise FieldError(
                f"point {number} has no {', '.join(missing)}; it has: {', '.join(map(str, row))}", available=list(row)
            )
        points.append({name: row[name] for name in (*axes, *objectives)})
    return points


def _observed(
    found: list[Document], axes: dict[str, str], objectives: list[str], stream: str
) -> tuple[list[dict[str, Any]], _Known]:
    start = next((doc for name, doc in found if name == "start"), None)
    descriptor = next((d for name, d in found if name == "descriptor" and d.get("name", "primary") == stream), None)
    if start is None or descriptor is None:
        kinds = ", ".join(sorted({name for name, _ in found}))
        raise FieldError(f"a run with events in stream {stream!r} is needed; the documents are: {kinds}", stream=stream)
    keys: Mapping[str, Mapping[str, Any]] = descriptor["data_keys"]
    motors = list(start.get("motors") or ())
    axes = {name: _key(key, descriptor) for name, key in (axes or {motor: motor for motor in motors}).items()}
    if not objectives:
        detectors = start.get("detectors") or ()
        objectives = list(start.get("objectives") or [_key(each, descriptor) for each in detectors])
    if not axes or not objectives:
        raise FieldError(
            f"the start document names no motors or no detectors: say axes=[...] and objectives=[...] of "
            f"{', '.join(sorted(keys))}",
            stream=stream, available=sorted(keys),
        )  # fmt: skip
    observed: list[Observation] = []
    adapter = PerEvent(Fields(axes, {name: name for name in objectives}, stream), observed.append)
    for name, doc in found:
        adapter(name, doc)
    # An event that was measured again after a pause has the same number: the last one counts.
    newest = {observation.identity: observation.point() for observation in observed}
    return list(newest.values()), _Known(axes, objectives, keys)


def _key(name: str, descriptor: Mapping[str, Any]) -> str:
    """The data key of a device: its name, or the one field that its hints have."""
    fields = descriptor.get("hints", {}).get(name, {}).get("fields", [])
    return fields[0] if name not in descriptor["data_keys"] and len(fields) == 1 else name


def _axis(name: str, points: Sequence[Mapping[str, Any]], key: Mapping[str, Any]) -> Axis | Choice:
    units = str(key.get("units") or "")
    values = [point[name] for point in points]
    if len({isinstance(value, Real) for value in values}) > 1:
        text = next(value for value in values if not isinstance(value, Real))
        number = next(value for value in values if isinstance(value, Real))
        raise PointError(
            f"the axis {name!r} is {text!r} at one recorded point and {number!r} at another: expected one kind"
        )
    if not isinstance(values[0], Real):
        options: tuple[str, ...] = tuple(sorted(set(map(str, values))))
        if len(options) < 2:
            raise PointError(f"the axis {name!r} is {values[0]!r} at all recorded points: leave it out")
        return Choice(name, options, units)
    low, high = float(min(values)), float(max(values))
    limits = key.get("limits", {}).get("control", {})
    if limits.get("low") is not None and limits.get("high") is not None and limits["low"] < limits["high"]:
        low, high = min(low, float(limits["low"])), max(high, float(limits["high"]))
    if low == high:
        raise PointError(f"the axis {name!r} is {low} at all recorded points: leave it out, or give space=...")
    return Axis(name, low, high, units)


def _is_value(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
