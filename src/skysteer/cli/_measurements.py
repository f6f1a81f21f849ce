"""What measurements say themselves: the units and, where nothing was decided, their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from skysteer.stores import Record, RunEntry, documents

from ._account import Account, Measured, Remark

__all__ = ["bare_account", "events_of", "units_of"]


def bare_account(entry: RunEntry, problem: str) -> Account:
    """Return what a measurement without decisions tells: its events, and nothing of why."""
    account = Account(entry, (), (entry,), problems=[problem])
    account.timeline += events_of([entry], account.units)
    if entry.exit_status:
        said = f": {entry.reason}" if entry.reason else ""
        account.timeline.append(Remark(entry.stopped or entry.time, "end", f"the run ended, {entry.exit_status}{said}"))
    return account


def units_of(records: Iterable[Record]) -> dict[str, str]:
    """Return the units of the axes as the space says, and those of the objectives as the first descriptor says."""
    units: dict[str, str] = {}
    for record in records:
        if record.space is not None:
            units |= {axis.name: axis.units for axis in record.space.axes}
        fields = record.fields
        if fields is None or not record.measurements:
            continue
        keys = _data_keys(record.measurements[0], fields.stream)
        units |= {name: str(keys.get(key, {}).get("units") or "") for name, key in fields.objectives.items()}
        break
    return units


def events_of(entries: Iterable[RunEntry], units: dict[str, str]) -> Iterator[Measured]:
    """Yield the events of the primary streams: single values, those of the scanned devices first."""
    number = 0
    for entry in entries:
        keys: dict[str, Mapping[str, Any]] = {}
        axes: list[str] = []
        for name, doc in documents(entry.path):
            if name == "start":
                motors: Sequence[Any] = doc.get("motors") or ()
                axes = [str(each) for each in motors]
            elif name == "descriptor" and doc.get("name", "primary") == "primary":
                hints: Mapping[str, Any] = doc.get("hints") or {}
                hinted: set[str] = {key for each in hints.values() for key in each.get("fields", ())}
                keys[doc["uid"]] = single = {
                    key: said
                    for key, said in doc["data_keys"].items()
                    if said.get("dtype") in ("number", "integer", "string", "boolean") and (not hinted or key in hinted)
                }
                units |= {key: str(said.get("units") or "") for key, said in single.items()}
            elif name == "event" and doc["descriptor"] in keys:
                number += 1
                data = {key: doc["data"][key] for key in keys[doc["descriptor"]]}
                where = {key: value for key, value in data.items() if key in axes}
                read = {key: value for key, value in data.items() if key not in axes}
                yield Measured(number, doc["time"], entry.uid, doc["seq_num"], where, read, "")


def _data_keys(entry: RunEntry, stream: str) -> Mapping[str, Mapping[str, Any]]:
    for name, doc in documents(entry.path):
        if name == "descriptor" and doc.get("name", "primary") == stream:
            return doc["data_keys"]
    return {}
