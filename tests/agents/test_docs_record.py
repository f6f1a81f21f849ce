"""Who follows the pages on the record by hand, from an empty folder, sees what they print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from skysteer.model import (
    Asked,
    Checkpointed,
    Decision,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Suggestion,
    Told,
    Verdict,
)
from skysteer.stores import Recorder, documents, runs
from tests.agents.page import agrees, followed

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["resume-after-a-crash", "audit-a-decision"]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", PAGES)
def test_followed_from_an_empty_folder_a_page_prints_what_it_shows(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    different = followed(DOCS / "how-to" / f"{page}.md", folder)
    assert different == [], "\n".join(different)


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("12 of 60 points, run 1c225150\nbest: x = 0.1 mm", "37 of 60 points, run 0d0d0d0d best: x = 0.2 mm", True),
        ("12 of 60 points", "12 of 61 points", False),
        ("12 of 60 points", "12 of 60 runs", False),
        (" 5  0.1   -2.0   899  9.9 ms  question 5", "5 0.2 3.0 17 12 ms question 5", True),
        (" 5  0.1   -2.0   899  9.9 ms  question 5", "5 0.2 3.0 17 12 ms question 6", False),
        ("a\nb\nc\nend\n", "a\n...\nend\n", True),
        ("a\nb\nc\n", "a\n...\nend\n", False),
        ("a\nb\n", "a\n", False),
    ],
)
def test_a_word_that_is_printed_otherwise_is_noticed(printed: str, shown: str, *, same: bool) -> None:
    assert agrees(printed, shown) is same


def test_the_pictures_of_a_page_are_beside_it() -> None:
    for page in PAGES:
        text = (DOCS / "how-to" / f"{page}.md").read_text()
        named = re.findall(r"^!\[.*\]\((.+)\)$", text, re.MULTILINE)
        assert [name for name in named if not (DOCS / "how-to" / name).is_file()] == []


# -- the table of streams and keys


Key = tuple[str, str, str]
"""Name, dtype and units."""


def documented() -> dict[str, list[Key]]:
    """Stream to keys, as the page has them."""
    streams: dict[str, list[Key]] = {}
    page = (DOCS / "reference" / "decision-run.md").read_text()
    for stream, section in re.findall(r"^## Stream `(\w+)`\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE):
        rows = re.findall(r"^\| `([^`]+)` \| ([^|]*)\| ([^|]*)\|", section, re.MULTILINE)
        streams[stream] = [(name, dtype.strip(), units.strip()) for name, dtype, units in rows]
    return streams


WHEN: dict[str, Any] = {"time": 1000.0}
ONE_OF_EACH: list[Any] = [
    Suggested(
        "recommender",
        0,
        (Suggestion("s", {"x": 1.0, "filter": "Cu"}),),
        0,
        0,
        (),
        1,
        "ab",
        999.0,
        1.0,
        0.5,
        0.25,
        **WHEN,
    ),
    Asked("recommender", 1, 1, 0, 0, (Suggestion("s", {"x": 1.0}),), **WHEN),
    Told("recommender", 0, "run", "primary", 1, 999.5, {"x": 1.0, "filter": "Cu"}, {"det": 7.0}, "s", **WHEN),
    Refused("recommender", 1, "failed", "it raised", 1, 999.0, 1.0, **WHEN),
    GivenUp("recommender", "s", "device", "stuck", **WHEN),
    Replaced("recommender", "ingest", "killed", 1, **WHEN),
    Checkpointed("recommender", 1, 0, "ab", 0.1, **WHEN),
    Judged("good enough", Verdict.ENOUGH, "30", "run", "primary", 1, 1, True, 0.01, **WHEN),
    Steered(Verdict.ENOUGH, "30", "somebody", 1, True, **WHEN),
]
SPACE = [
    {"kind": "axis", "name": "x", "low": -5.0, "high": 5.0, "units": "mm", "step": None},
    {"kind": "choice", "name": "filter", "options": ["Cu", "Al"], "units": ""},
]
RUN: list[tuple[str, dict[str, Any]]] = [
    ("start", {"uid": "run", "time": 999.0, "skysteer": {"launch": "one"}}),
    ("stop", {"uid": "stop", "run_start": "run", "time": 1001.0, "exit_status": "success", "reason": ""}),
]
NAMED = {"x": "<axis>", "filter": "<axis>", "det": "<objective>"}
SETTLED_BY = {"<axis>": "of the axis", "<objective>": "of the objective"}


def emitted(folder: Path) -> dict[str, list[Key]]:
    """Stream to keys of a decision run with one decision of each kind; axes and objectives by what they are."""
    recorder = Recorder(folder)
    decisions = recorder.begin({"launch": "one", "space": SPACE, "objectives": ["det"]})
    for name, doc in RUN:
        decisions.document(name, doc)
    for decision in ONE_OF_EACH:
        decisions(decision)
    decisions.end("success", "")
    recorder.close().result(timeout=20)
    (entry,) = [entry for entry in runs(folder) if entry.kind == "decisions"]
    streams: dict[str, list[Key]] = {}
    for name, doc in documents(entry.path):
        if name == "descriptor":
            keys = [_key(column, key) for column, key in doc["data_keys"].items()]
            streams[doc["name"]] = list(dict.fromkeys(keys))
    return streams


def _key(column: str, key: dict[str, Any]) -> Key:
    assert key["shape"] == []
    assert key["source"].startswith("skysteer:")
    begin, _, name = column.partition("_")
    if begin in ("told", "suggested") and name in NAMED:
        kind = NAMED[name]
        assert (key["dtype"], key.get("units", "")) == {
            "x": ("number", "mm"), "filter": ("string", ""), "det": ("number", "")
        }[name]  # fmt: skip
        return f"{begin}_{kind}", SETTLED_BY[kind], SETTLED_BY[kind]
    return column, key["dtype"], key.get("units", "")


def test_the_table_of_streams_and_keys_is_that_of_a_decision_run(tmp_path: Path) -> None:
    shown, real = documented(), emitted(tmp_path)
    assert sorted(shown) == sorted(real)
    assert {stream: sorted(keys) for stream, keys in shown.items()} == {
        stream: sorted(keys) for stream, keys in real.items()
    }


def test_the_table_has_a_row_for_every_kind_of_decision() -> None:
    assert {type(decision) for decision in ONE_OF_EACH} == set(get_args(Decision))
