"""Two devices that are none: one writes the suggestion into each event, one notices interruptions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from skysteer.model import SUGGESTION_ID, SUGGESTION_ORIGIN, Choice, Space, Suggestion, suggested


class SuggestionTag:
    """Read with the detectors, so that every event names the suggestion it answers."""

    parent = None
    name = "suggestion"

    def __init__(self, space: Space) -> None:
        self._keys = self.keys(space)
        self._reading: dict[str, dict[str, Any]] = {}

    @staticmethod
    def keys(space: Space) -> dict[str, dict[str, Any]]:
        """Data keys it adds to an event."""
        word: dict[str, Any] = {"source": "skysteer", "dtype": "string", "shape": []}
        keys: dict[str, dict[str, Any]] = {SUGGESTION_ID: word, SUGGESTION_ORIGIN: word}
        for axis in space.axes:
            number = not isinstance(axis, Choice) or not any(isinstance(option, str) for option in axis.options)
            key: dict[str, Any] = {**word, "dtype": "number" if number else "string"}
            keys[suggested(axis.name)] = {**key, "units": axis.units} if axis.units else key
        return keys

    def now(self, suggestion: Suggestion) -> None:
        """Set the suggestion that the next event answers."""
        stamp = time.time()
        values: dict[str, Any] = {SUGGESTION_ID: suggestion.id, SUGGESTION_ORIGIN: suggestion.origin}
        values |= {suggested(name): value for name, value in suggestion.point.items()}
        self._reading = {key: {"value": value, "timestamp": stamp} for key, value in values.items()}

    def read(self) -> dict[str, dict[str, Any]]:
        """As of a device."""
        return self._reading

    def describe(self) -> dict[str, dict[str, Any]]:
        """As of a device."""
        return self._keys

    def read_configuration(self) -> dict[str, Any]:
        """As of a device: nothing."""
        return {}

    def describe_configuration(self) -> dict[str, Any]:
        """As of a device: nothing."""
        return {}

    @property
    def hints(self) -> Mapping[str, Any]:
        """Nothing to plot."""
        return {"fields": []}


class Interruptions:
    """Counts pauses and suspensions: the engine tells every object it has seen in a message."""

    name = "interruptions"

    def __init__(self) -> None:
        self.count = 0
        """How many there were."""

    def pause(self) -> None:
        """Called by the engine when it pauses or suspends."""
        self.count += 1

    def resume(self) -> None:
        """Called by the engine when it goes on."""
