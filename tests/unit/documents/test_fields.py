"""`Fields`: a descriptor that cannot tell what must be told is refused in words."""

import pytest

from skysteer.documents import Fields
from skysteer.errors import FieldError
from skysteer.testing import RunBuilder, external_key


def refused(fields, keys, stream="primary"):
    descriptor = RunBuilder({stream: keys}).descriptors[stream]
    with pytest.raises(FieldError) as caught:
        fields.check(descriptor)
    return caught.value


def test_what_is_missing_is_named_beside_what_there_is():
    error = refused(Fields({"x": "stage_x"}, {"det": "det"}), {"x": "number", "det2": "number"})
    assert str(error) == (
        "stream 'primary': axis 'x' is to be read from 'stage_x', which is not there; "
        "objective 'det' is to be read from 'det', which is not there. It has: det2, x"
    )
    assert (error.stream, error.available) == ("primary", ("det2", "x"))


def test_values_in_a_file_are_refused():
    error = refused(Fields({"x": "x"}, {"det": "det"}), {"x": "number", "det": external_key()})
    assert "objective 'det' is to be read from 'det', which is kept in a file" in str(error)


def test_an_array_is_refused_with_its_shape_and_the_way_out():
    image = {"dtype": "array", "shape": [5, 4], "source": "testing"}
    error = refused(Fields({"x": "x"}, {"det": "det"}), {"x": "number", "det": image})
    assert "which is an array of shape [5, 4] (give reduce= to make a number of it)" in str(error)


def test_where_a_reduction_makes_the_objectives_arrays_are_fine_but_axes_must_be_there():
    image = {"dtype": "array", "shape": [5, 4], "source": "testing"}
    fields = Fields({"x": "x"}, reduced=True)
    fields.check(RunBuilder({"primary": {"x": "number", "det": image}}).descriptors["primary"])
    assert "axis 'x' is to be read from 'x', which is not there. It has: det" in str(refused(fields, {"det": image}))


def test_words_are_fine():
    fields = Fields({"filter": "filter"}, {"verdict": "verdict"})
    fields.check(RunBuilder({"primary": {"filter": "string", "verdict": "string"}}).descriptors["primary"])


def test_the_stream_it_names_is_its_own():
    assert str(refused(Fields({"x": "x"}, stream="fly"), {"det": "number"}, "fly")).startswith("stream 'fly':")


def test_external_keys_are_found():
    descriptor = RunBuilder({"primary": {"x": "number", "img": external_key("array", [2, 2])}}).descriptors["primary"]
    assert Fields({"x": "x"}).external(descriptor) == {"img"}
