"""Who follows the page on Tiled by hand, from an empty folder, with a real server, sees what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.page import followed
from tests.services.tiled_server import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "send-the-record-to-tiled.md"


@pytest.mark.timeout(200)
def test_followed_from_an_empty_folder_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    different = followed(PAGE, folder, {"8000": str(free_port())})
    assert different == [], "\n".join(different)
