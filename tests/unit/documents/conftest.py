"""Who listens to an adapter."""

from __future__ import annotations

from typing import Any

import pytest

from skysteer.documents import Fields
from skysteer.model import Observation

KEYS = {"x": "number", "det": "number"}


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[Observation] = []

    def __call__(self, observation: Observation) -> None:
        self.heard.append(observation)

    @property
    def points(self) -> list[dict[str, Any]]:
        return [observation.point() for observation in self.heard]


@pytest.fixture
def heard() -> Listener:
    return Listener()


@pytest.fixture
def fields() -> Fields:
    return Fields({"x": "x"}, {"det": "det"})
