"""What a client may say: anything read gives is a packet of the main shapes, anything else is a violation."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caddie.realtime.packets import (
    DEPTH_MAX,
    RESERVED,
    Packet,
    Violation,
    emit_packet,
    event_frame,
    event_packet,
    read,
    websocket_frame,
)


def nested(depth: int) -> str:
    """A JSON array whose innermost value is `depth` deep, the outer one counted."""
    return "[" * depth + "1" + "]" * depth


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(0, "/", None, None)),
        ('0{"token":"t"}', Packet(0, "/", None, {"token": "t"})),
        ('0/other,{"a":1}', Packet(0, "/other", None, {"a": 1})),
        ("0/other", Packet(0, "/other", None, None)),
        ("0/other?q=1,", Packet(0, "/other", None, None)),
        ("1", Packet(1, "/", None, None)),
        ('2["message",{}]', Packet(2, "/", None, ["message", {}])),
        ('27["message"]', Packet(2, "/", 7, ["message"])),
        ('2/,7["message"]', Packet(2, "/", 7, ["message"])),
        ("37[]", Packet(3, "/", 7, [])),
    ],
)
def test_a_packet_is_read(text: str, packet: Packet) -> None:
    assert read(text) == packet


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_no_event(name: str) -> None:
    for text in (f'2["{name}"]', f'2["{name}",{{}},{{}}]', f'21["{name}"]', f'2["\\u{ord(name[0]):04x}{name[1:]}"]'):
        with pytest.raises(Violation):
            read(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "-1", "7", "9", "0{", "0[]", "0null,", '0"a"', '01{"token":"t"}', "1{}", "11", "2", "2{}", "2[]",
        "2[1]", "2[null]", '2["a"', '2["a"]x', "3", "3[]", "3{}", '31"a"', "4", '4{"message":"x"}', '450-["a"]', "450-",
        "51-", '51-["a",{"_placeholder":true,"num":0}]', '5999999999-["a"]', "61-", '60-1["a"]', '2/other["a"]',
        '2["a",NaN]', '2["a",Infinity]', '2["a",-Infinity]', '2["a",1e999]', '2["a",-1e999]', '2["a","\0"]',
        '2["a","\\u0000"]', '2["a",{"\\u0000":1}]', '2["\\u0000"]', '2["a","\\ud800"]', '2["a","\ud800"]',
        '2["a","\\udc00\\ud800"]', '2' + "1" * 16 + '["a"]', "2" + nested(100_000), "0/" + "n" * 129 + ",",
        "0/a\0,", "2\u0661[\"a\"]",
    ],
)  # fmt: skip
def test_anything_else_is_a_violation(text: str) -> None:
    with pytest.raises(Violation) as caught:
        read(text)
    assert caught.value.code == 4400


def test_the_depth_has_a_limit() -> None:
    inside = f'2["a",{nested(DEPTH_MAX - 1)}]'
    assert read(inside).kind == 2
    with pytest.raises(Violation, match="depth"):
        read(f'2["a",{nested(DEPTH_MAX)}]')
    objects = '{"a":' * DEPTH_MAX + "1" + "}" * DEPTH_MAX
    assert read("0" + objects).data is not None
    with pytest.raises(Violation, match="depth"):
        read('0{"a":' + objects + "}")


def test_a_duplicate_member_is_read_once() -> None:
    assert read('2["a",{"b":1,"b":2}]').data == ["a", {"b": 2}]


_PIECES = st.sampled_from(
    [*"0123456789[]{}\",-:/?\\", "null", "true", "NaN", "\\u0000", "\\ud800", "\0", "connect", "disconnect", '["a"]',
     '{"_placeholder":true,"num":0}', "1e400", "\ud800", "é", "\x1e", " ", "\n", "\u0661"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


def assert_sound(text: str) -> None:
    try:
        packet = read(text)
    except Violation:
        return
    assert type(packet) is Packet and packet.kind in (0, 1, 2, 3) and packet.namespace.startswith("/")
    if packet.kind == 2:
        assert packet.data[0] not in RESERVED
    _assert_finite(packet.data, 0)
    orjson.dumps(packet.data)


def _assert_finite(value: Any, depth: int) -> None:
    assert depth <= DEPTH_MAX
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, str):
        assert "\0" not in value
    elif isinstance(value, list):
        for item in value:
            _assert_finite(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            assert "\0" not in name
            _assert_finite(item, depth + 1)


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=40))
def test_any_text_is_a_packet_or_a_violation(text: str) -> None:
    assert_sound(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from("0123456"), st.sampled_from(["", "/", "/,", "/x,"]), st.sampled_from(["", "1", "12-"]), _JSON)
def test_any_json_in_any_frame_is_a_packet_or_a_violation(kind: str, namespace: str, number: str, value: Any) -> None:
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return
    assert_sound(kind + namespace + number + text)


def test_what_we_write_is_what_the_client_reads() -> None:
    assert event_packet(7, b'"type":"x"}') == b'42["event",{"index":7,"type":"x"},"7"]'
    assert emit_packet("ready", {"a": "é"}) == '42["ready",{"a":"é"}]'


@pytest.mark.parametrize("size", [0, 60, 150, 70_000])
def test_an_event_is_framed_as_a_text_message(size: int) -> None:
    body = b'"type":"%b"}' % (b"x" * size)
    assert event_frame(12, body) == websocket_frame(event_packet(12, body))


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_websocket_frame_carries_its_length(size: int, head: int) -> None:
    frame = websocket_frame(b"x" * size)
    assert len(frame) == head + size and frame[0] == 0x81
    length = frame[1] if size < 126 else int.from_bytes(frame[2:head], "big")
    assert length == size
