"""One document as one line: nothing of a value is lost, and any consumer can read it."""

from __future__ import annotations

import datetime as dt
import enum
import json
import logging
import math
import time
from collections import ChainMap, OrderedDict
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from skysteer.stores.jsonl._line import decode, encode


class Colour(enum.Enum):
    RED = "red"


class Mode(str, enum.Enum):  # noqa: UP042, as devices have it
    FAST = "fast"


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words for it")


def again(value: Any) -> Any:
    line = encode("event", {"data": {"key": value}})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    return decode(line)[1]["data"]["key"]


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type down to the sign of zero, dtype and shape."""
    if isinstance(one, np.ndarray):
        if one.dtype == object:
            alike = all(map(same, one.ravel(), other.ravel()))
        else:
            alike = np.array_equal(one, other, equal_nan=one.dtype.kind in "fcmM")
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and one.shape == other.shape and alike
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return type(one) is type(other) and one == other
    if isinstance(one, float):
        return type(one) is type(other) and (
            (math.isnan(one) and math.isnan(other))
            or (one == other and math.copysign(1, one) == math.copysign(1, other))
        )
    if isinstance(one, complex | np.complexfloating):
        return type(one) is type(other) and same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, np.longdouble | np.float16 | np.float32 | np.datetime64) and one != one:
        return type(one) is type(other) and other != other
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        -0.0,
        5e-324,
        2**63,
        -(2**63),
        2**64,
        -(10**40),
        None,
        "null",
        ":null",
        "",
        "\x00 \n \r \u2028 \u2029 \x85 \x1f ~ / ~1",
        "\ud800",
        "half \udc00 a pair",
        "\ud83d\ude00",
        b"",
        b"\x00\xff",
        1 + 2j,
        complex(math.nan, -math.inf),
        [math.nan, None, [math.inf]],
        {1: math.nan, "1": 2, (1, (2, None)): 3, None: 4, False: 5, 2.5: 6, "\ud800": 7},
        {"a/b": {"~c": math.nan, "~1": math.inf}},
        {"/": {"": {"": math.nan}}, "": -math.inf},
        {math.inf: 1},
        {1, 2, (3, 4)},
        frozenset({"a"}),
        dt.datetime(2026, 11, 21, 6, 3, 11, 5),
        dt.datetime(2026, 11, 21, 6, 3, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
        dt.date(1, 1, 1),
        dt.time(23, 59, 59, 999999),
        dt.timedelta(days=-1, microseconds=1),
        Path("/a/b"),
        Path("half \udc80 a name"),
        np.float64(1.5),
        np.float64("nan"),
        np.float32(0.1),
        np.float32("-inf"),
        np.float16(1e-7),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.complex64(1 + 2j),
        np.datetime64("2026-11-21T06:03:11.123456789"),
        np.datetime64("NaT"),
        np.timedelta64(3, "ms"),
        np.longdouble(1) / 3,
        np.bytes_(b"a\x00b"),
        np.array(3.0),
        np.array(math.nan),
        np.array([]),
        np.zeros((0, 3)),
        np.zeros((2, 0, 4), dtype="u2"),
        np.array([1.0, math.nan, math.inf, -math.inf, -0.0]),
        np.array([[math.nan, 1], [2, -math.inf]], dtype="f4"),
        np.array([0.1, 3.4e38, 1e-45], dtype="f4"),
        np.array([1, 2], dtype=">i4"),
        np.array([1.5, math.inf], dtype=">f8"),
        np.arange(12).reshape(3, 4).T,
        np.arange(10)[::-2],
        np.array([True, False]),
        np.array(["a", "", "b\x00c", "\u2028"]),
        np.array(["\ud800"]),
        np.array("word"),
        np.array([b"a", b"\x00b"]),
        np.array([1 + 2j, complex(math.nan, 1)]),
        np.array(["2026-11-21", "NaT"], dtype="M8[s]"),
        np.array([1, 2], dtype=np.longdouble) / 3,
        np.array([(1, 2.5, "a")], dtype=[("n", "i4"), ("x", "f8"), ("s", "U3")]),
        np.array([None, "word", {1: math.nan}, [1, 2], np.array([1.0])], dtype=object),
        np.array([["a", 1], [None, 2**70]], dtype=object),
        np.empty((0, 2), dtype=object),
    ],
    ids=repr,
)
def test_a_value_comes_back_exactly(value):
    assert same(value, again(value))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ((1, (2, math.nan)), [1, [2, math.nan]]),
        (Colour.RED, "red"),
        (Mode.FAST, "fast"),
        (np.str_("word"), "word"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (bytearray(b"a"), b"a"),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": math.nan}), {"a": math.nan}),
        (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (range(3), [0, 1, 2]),
    ],
    ids=repr,
)
def test_a_value_of_another_kind_comes_back_as_the_plain_one(value, read, caplog):
    found = again(value)
    assert same(read, found), found


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4"])
def test_a_consumer_of_plain_json_reads_the_same_numbers(dtype):
    values = np.array([0.1, 1 / 3, 1e-7], dtype=dtype)
    line = json.loads(encode("event", {"data": {"several": values, "one": values[0]}}))
    assert line["doc"]["data"] == {"several": [float(value) for value in values], "one": float(values[0])}


def test_a_masked_array_comes_back_with_its_mask():
    read = again(np.ma.array([1.5, math.nan, 3.0], mask=[False, False, True]))
    assert read.mask.tolist() == [False, False, True]
    assert same(np.array([1.5, math.nan, 3.0]), np.asarray(read.data))


@pytest.fixture
def forget_warnings(monkeypatch):
    monkeypatch.setattr("skysteer.stores.jsonl._plain._warned", set())


@pytest.mark.usefixtures("forget_warnings")
def test_what_cannot_be_kept_becomes_its_repr_with_a_mark_and_one_warning(caplog):
    for _ in range(3):
        line = encode("event", {"data": {"key": Decimal("1.5"), "other": object}})
    written = json.loads(line)
    assert written["doc"]["data"]["key"] == "Decimal('1.5')"
    assert written["exact"]["/data/key"] == {"repr": "decimal.Decimal"}
    assert decode(line)[1]["data"]["key"] == "Decimal('1.5')"
    assert sum("decimal.Decimal at /data/key" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.usefixtures("forget_warnings")
def test_no_value_stops_a_scan(caplog):
    caplog.set_level(logging.CRITICAL)  # the warnings are another test's
    endless: list[Any] = []
    endless.append(endless)
    deep: Any = 1.5
    for _ in range(500):
        deep = {"deeper": deep}
    broken = np.zeros(1, dtype=[("o", object)])
    for value in (endless, deep, Unprintable(), {Unprintable(): 1}, broken, (n for n in range(3)), lambda: None):
        assert isinstance(again(value), str | list | dict)


def test_an_unusual_document_as_a_whole_is_read_back():
    doc = {1: "one", "uid": "u", "nan": math.nan}
    name, read = decode(encode("start", doc))
    assert (name, list(read)) == ("start", [1, "uid", "nan"])
    assert math.isnan(read["nan"])


@pytest.mark.parametrize(
    "line", [b"", b"null", b"[]", b'{"name": 1, "doc": {}}', b'{"name": "stop"}', b"\x00\x00", b"{"]
)
def test_a_line_of_something_else_is_refused(line):
    with pytest.raises(ValueError, match=r"\w"):
        decode(line)


def test_the_mark_of_a_later_version_leaves_the_value_as_it_is():
    line = b'{"name":"event","doc":{"x":1},"exact":{"/x":{"quaternion":7}}}'
    assert decode(line) == ("event", {"x": 1})


texts = st.text(st.characters(exclude_categories=()), max_size=8)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=8),
    st.complex_numbers(),
    st.datetimes(),
    st.timedeltas(),
)
keys = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False), st.tuples(texts))
arrays = npst.arrays(
    st.one_of(
        npst.integer_dtypes(endianness="?"),
        npst.floating_dtypes(endianness="?"),
        npst.complex_number_dtypes(endianness="?"),
        npst.boolean_dtypes(),
        npst.unicode_string_dtypes(endianness="?", max_len=3),
        npst.byte_string_dtypes(max_len=3),
        npst.datetime64_dtypes(),
    ),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
values = st.recursive(
    st.one_of(scalars, arrays),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(values)
def test_any_value_comes_back_exactly(value):
    assert same(value, again(value))


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(texts, values, max_size=4), st.sampled_from(["start", "event", "stop"]))
def test_any_document_is_one_line_of_strict_json(doc, name):
    line = encode(name, doc)
    assert line.index(b"\n") == len(line) - 1
    read = json.loads(line, parse_constant=lambda constant: pytest.fail(constant))
    assert read["name"] == name
    assert set(read) <= {"name", "doc", "exact"}


@pytest.mark.parametrize("det", [2.25, np.float64(2.25), math.nan], ids=["plain", "numpy", "nan"])
def test_the_line_of_a_small_event_takes_little_time(det):
    event = {
        "uid": "x" * 36,
        "time": 1234567890.123,
        "data": {"x": 1.5, "det": det, "x_set": 1.5},
        "timestamps": {"x": 1.1e9, "det": 1.1e9, "x_set": 1.1e9},
        "seq_num": 5,
        "filled": {},
        "descriptor": "y" * 36,
    }

    def seconds() -> float:
        begun = time.thread_time()
        for _ in range(300):
            encode("event", event)
        return (time.thread_time() - begun) / 300

    assert min(seconds() for _ in range(7)) < 20e-6  # measured: 1 us; 9 us where a value is unusual
