"""What a command adds to the path of imports goes with its test."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own `sys.path`: a module of the same name in the folder of an earlier one is not found."""
    monkeypatch.setattr(sys, "path", list(sys.path))
