from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.body import DEPTH_MAX, parse_json, validate
from shared.errors import CaddieError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\ü', max_size=3), inner, max_size=4),
    max_leaves=20,
)


def refusal(raw: bytes) -> str:
    with pytest.raises(CaddieError) as caught:
        parse_json(raw)
    assert caught.value.code == "MALFORMED"
    assert caught.value.message.startswith("expected ")
    return caught.value.message


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (b"", "an empty body"),
        (b"  \n", "an empty body"),
        (b"{", "line 1 column 2"),
        (b"nope", "line 1"),
        (b'{"a":1}{}', "Extra data"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "range of a double"),
        (b'{"a":9223372036854775808}', "64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "64 bits"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":["x",{"b":"\\udfff"}]}', "surrogate"),
        (b'{"a":"\x00"}', "control character"),
        (b'{"a":1,"a":1}', "'a' twice"),
        (b'{"b":{"a":1,"c":2,"a":3}}', "'a' twice"),
        (b'{"a":"\xff"}', "invalid byte at offset 6"),
        (b'\xef\xbb\xbf{"a":1}', "line 1"),
        (b"\xff\xfe{\x00}\x00", "invalid byte"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "deeper"),
        (b"[" * 500_000, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
    ],
)
def test_what_is_no_clean_json_is_malformed_and_says_so(raw: bytes, got: str) -> None:
    assert got in refusal(raw)


def test_depth_counts_brackets_outside_strings_only() -> None:
    deep = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    assert parse_json(deep) is not None
    assert parse_json(b'{"a":"' + b"[{" * 1000 + b'\\"[[["}') == {"a": "[{" * 1000 + '"[[['}


def test_a_surrogate_pair_is_text() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "raw", [b'"' + b'\\"' * 1_000_000, b'{"a":"' + b"x" * 4_000_000, b'{"a":1,' * 1 + b'"b":1,' * 200_000]
)
def test_hostile_bodies_are_refused_in_linear_time(raw: bytes) -> None:
    begun = time.perf_counter()
    refusal(raw)
    assert time.perf_counter() - begun < 3


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_clean_json_comes_out_as_it_went_in(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0dnullINa1e-.', max_size=40).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_json_or_malformed(raw: bytes) -> None:
    try:
        parse_json(raw)
    except CaddieError as error:
        assert error.code == "MALFORMED"


class Sample(BaseModel):
    count: int
    name: str | None = None


def test_validation_names_every_fault_without_the_value() -> None:
    with pytest.raises(CaddieError) as caught:
        validate(Sample, {"count": "canary-17", "name": 5})
    faults = {fault.field: fault.message for fault in caught.value.faults}
    assert faults == {
        "count": "expected a valid integer, got string of length 9",
        "name": "expected a valid string, got integer",
    }
    assert "canary" not in str(caught.value)


def test_nothing_is_coerced() -> None:
    for count in ("1", 1.0, True, None):
        with pytest.raises(CaddieError):
            validate(Sample, {"count": count})


@pytest.mark.parametrize(
    ("value", "got"), [([], "array"), ("x", "string"), (1, "integer"), (None, "null"), (True, "boolean")]
)
def test_a_body_that_is_no_object_is_malformed(value: Any, got: str) -> None:
    with pytest.raises(CaddieError, match=f"expected a JSON object, got {got}"):
        validate(Sample, value)
