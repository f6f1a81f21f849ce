"""Recorded runs that are odd."""

import pytest

from skysteer.errors import PointError
from skysteer.simulation import Recorded


@pytest.mark.parametrize("values", [(1.0, "a", 2.0), ("a", 1.0, 2.0)])
def test_an_axis_of_numbers_and_texts_is_said(values):
    points = [{"x": value, "det": 1.0} for value in values]
    with pytest.raises(PointError, match=r"the axis 'x' is 'a' at one recorded point and 1\.0 at another"):
        Recorded(points, axes=["x"], objectives="det")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xff\xfe\n\x00\n", b"[\xff\xfe\n"])
def test_a_file_that_is_no_text_is_said_with_its_name(tmp_path, content):
    path = tmp_path / "image.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"image\.jsonl (has|is) no document"):
        Recorded(path)


@pytest.mark.parametrize("line", ['["start", 5]', '["descriptor", {}]', "3", '{"name": "start"}'])
def test_a_line_that_is_no_document_is_said_with_its_number(tmp_path, line):
    path = tmp_path / "run.jsonl"
    path.write_text('["start", {"uid": "run"}]\n' + line + "\n")
    with pytest.raises(ValueError, match=r"line 2 of .*run\.jsonl is no document|a descriptor without data keys"):
        Recorded(path)
