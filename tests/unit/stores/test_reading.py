"""What a crash or a power cut left at the end of a file is left out; a bad line in the middle is an error."""

from __future__ import annotations

import pytest

from skysteer.errors import RecordError, StoreError
from skysteer.stores import documents, runs
from skysteer.stores.jsonl._line import encode
from skysteer.stores.jsonl._reading import backwards, lines_from

from .conftest import run_of

RUBBISH = [
    b'{"name":"ev',
    b"\x00" * 5000,
    b"\x00" * 5000 + b"\n",
    b"\xff\xfe\n\n{}\nnull\n",
    b'{"name":"event","doc":{}}',  # whole, but for the newline
    b'{"name":"event","doc":7}\n',
    b"\xc3",
]


@pytest.fixture
def run(tmp_path):
    run = run_of(4, word="µ, ℃ and 🧊")
    (tmp_path / "run.jsonl").write_bytes(b"".join(encode(name, doc) for name, doc in run.documents))
    return run


@pytest.fixture
def path(tmp_path, run):
    return tmp_path / "run.jsonl"


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_what_is_no_whole_line_at_the_end_is_left_out_and_said(path, run, rubbish):
    path.write_bytes(path.read_bytes() + rubbish)
    problems: list[str] = []
    assert list(documents(path, problems)) == run.documents
    assert len(problems) == 1
    assert "left out" in problems[0]
    assert list(backwards(path)) == run.documents[::-1]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_bad_line_in_the_middle_is_an_error_that_says_where(path, run, rubbish):
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(3, rubbish.split(b"\n")[0] + b"\n" if b"{}}" not in rubbish else b"{}\n")
    path.write_bytes(b"".join(lines))
    read = []
    with pytest.raises(RecordError) as caught:
        read.extend(documents(path))
    assert f"{path}: line 4" in str(caught.value)
    assert f"byte {sum(map(len, lines[:3]))}" in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_file_cut_off_at_every_byte_gives_what_was_whole(path, run):
    whole = path.read_bytes()
    ends = [offset for *_, offset in lines_from(path)]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        problems: list[str] = []
        expected = run.documents[: sum(end <= size for end in ends)]
        assert list(documents(path, problems)) == expected
        assert bool(problems) == (size not in (0, *ends))
        assert list(backwards(path)) == expected[::-1]


def test_a_file_is_followed_while_it_grows(path, run):
    whole = path.read_bytes()
    read, at = [], 0
    for size in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        for name, doc, offset in lines_from(path, at):
            read.append((name, doc))
            at = offset
    path.write_bytes(whole)
    assert [*read, *((name, doc) for name, doc, _ in lines_from(path, at))] == run.documents


@pytest.mark.parametrize("length", [1, 1 << 15, 1 << 16, (1 << 16) + 1, 1 << 20])
def test_a_file_is_read_backwards_whatever_the_length_of_its_lines(path, length):
    written = [("event", {"number": number, "text": "x" * length}) for number in range(4)]
    path.write_bytes(b"".join(encode(name, doc) for name, doc in written))
    assert list(backwards(path)) == written[::-1]


def test_an_empty_file_has_no_documents(path):
    path.write_bytes(b"")
    assert list(documents(path)) == []
    assert list(backwards(path)) == []


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreError, match=r"none\.jsonl cannot be read"):
        list(documents(tmp_path / "none.jsonl"))


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreError, match="no folder of runs"):
        runs(tmp_path / "none")
