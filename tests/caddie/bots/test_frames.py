"""Frames as the product writes them, and what is refused."""

from __future__ import annotations

import pytest

from caddie.bots.frames import Malformed, command_frame, read_acknowledgement, read_emitted, read_object, split_event


def test_an_event_is_split_without_changing_its_bytes() -> None:
    raw = b'{"index":3,"type":"thinking","data":{"text":"a,\\"b\\"]"}}'
    assert split_event(b'42["event",' + raw + b',"3"]') == (raw, "3")


@pytest.mark.parametrize("frame", [b'42["event",{"index":3}]', b'42["event",7,"3"]', b'42["event",{"index":3},"3"'])
def test_an_event_without_object_or_offset_is_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        split_event(frame)


def test_a_control_message_and_an_acknowledgement_are_read() -> None:
    assert read_emitted(b'42["ready",{"head":4}]')[:2] == ("ready", {"head": 4})
    assert read_acknowledgement(b'4312[{"ok":true}]') == ("", {"ok": True}, 12)
    assert read_object(b'44{"message":"no"}', b"44") == {"message": "no"}


@pytest.mark.parametrize("frame", [b"43[{}]", b'43x[{"ok":true}]', b"4312[]", b"4312[7]", b"4312[{"])
def test_an_acknowledgement_of_another_shape_is_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        read_acknowledgement(frame)


def test_a_command_asks_for_its_acknowledgement() -> None:
    assert command_frame(5, "replay", {"after": 1}) == '425["replay",{"after":1}]'
