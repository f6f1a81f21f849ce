"""Lines of large arrays: written in parts, so that nobody waits long for the interpreter, and the same as in one."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from skysteer.stores.jsonl import _plain
from skysteer.stores.jsonl._line import decode, encode

SHAPES = [(11,), (10, 3), (3, 10), (2, 3, 11), (5, 1, 4), (11, 1), (1, 11), (2, 2, 2, 2), (0, 20), (20, 0)]


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8", "u2", "i8", "?"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_large_array_is_written_as_in_one_piece(monkeypatch, dtype, shape):
    array = (np.arange(np.prod(shape)) / 7).astype(dtype).reshape(shape)
    event = {"data": {"image": array}}
    once = encode("event", event)
    monkeypatch.setattr(_plain, "AT_ONCE", 4)
    assert encode("event", event) == once
    read = decode(once)[1]["data"]["image"]
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert np.array_equal(read, array)


def test_no_part_of_a_large_array_is_long(monkeypatch):
    sizes = []
    real = orjson.dumps
    monkeypatch.setattr(_plain.orjson, "dumps", lambda part, **how: sizes.append(np.size(part)) or real(part, **how))
    for shape in [(1_000_000,), (3, 500_000), (500_000, 2), (1000, 1000)]:
        sizes.clear()
        _plain.Plain().of({"image": np.zeros(shape)})
        assert 10 < len(sizes) < 40
        assert max(sizes) <= _plain.AT_ONCE
