"""What the tests that kill scans share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ._lives import Nest, World


@pytest.fixture(scope="session")
def nest() -> Iterator[Nest]:
    """A process that has imported everything, and is forked for each scan."""
    nest = Nest()
    yield nest
    nest.close()


@pytest.fixture(scope="session")
def everything(nest: Nest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What all tests know of scans that nobody disturbed."""
    return World(nest, tmp_path_factory.mktemp("lives"))


@pytest.fixture
def world(everything: World) -> Iterator[World]:
    """Makes scans that may be killed."""
    yield everything
    everything.nest.end_all()
