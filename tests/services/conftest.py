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
def world(nest: Nest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Makes scans that may be killed."""
    return World(nest, tmp_path_factory.mktemp("lives"))
