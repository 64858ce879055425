"""Engine.IO 4 and Socket.IO 5 text frames, as a client reads and writes them (docs/protocol.md).

Invariant: an event's bytes are handed on exactly as the server sent them, so that their hash is the same for every
reader. Caller: ``caddie.bots.connection``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

EVENT_PREFIX = b'42["event",'
OPEN, CLOSE, PING, PONG = b"0", b"1", b"2", b"3"
CONNECTED, DISCONNECTED, EMITTED, ACKNOWLEDGED, REFUSED = b"40", b"41", b"42", b"43", b"44"
LEAVE = "41"


class Malformed(Exception):
    """The server sent what the protocol does not know."""


class Emitted(NamedTuple):
    """A control message, or the answer to a command (then `number` is the command's)."""

    name: str
    data: Any
    number: int = -1


def split_event(frame: bytes) -> tuple[bytes, str]:
    """The event object's bytes and the offset string of ``42["event",{…},"N"]``. Raises Malformed."""
    end = frame.rfind(b',"')
    if end < 0 or not frame.endswith(b'"]') or frame[len(EVENT_PREFIX) : len(EVENT_PREFIX) + 1] != b"{":
        raise Malformed("event: expected an object and an offset string")
    return frame[len(EVENT_PREFIX) : end], frame[end + 2 : -2].decode(errors="replace")


def read_emitted(frame: bytes) -> Emitted:
    """A ``42["name", data]``. Raises Malformed."""
    value = _json(frame[2:])
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise Malformed("emit: expected an array that begins with a name")
    return Emitted(value[0], value[1] if len(value) > 1 else None)


def read_acknowledgement(frame: bytes) -> Emitted:
    """A ``43<number>[reply]``. Raises Malformed."""
    start = frame.find(b"[")
    if start < 3 or not frame[2:start].isdigit():
        raise Malformed("acknowledgement: expected a number and an array")
    value = _json(frame[start:])
    if not value or not isinstance(value[0], dict):
        raise Malformed("acknowledgement: expected an object")
    return Emitted("", value[0], int(frame[2:start]))


def read_object(frame: bytes, prefix: bytes) -> dict[str, Any]:
    """The JSON object behind `prefix`. Raises Malformed."""
    value = _json(frame[len(prefix) :])
    if not isinstance(value, dict):
        raise Malformed(f"packet {prefix.decode()}: expected an object")
    return value


def connect_frame(auth: dict[str, Any]) -> str:
    return "40" + orjson.dumps(auth).decode()


def command_frame(number: int, name: str, body: dict[str, Any]) -> str:
    return f"42{number}" + orjson.dumps([name, body]).decode()


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("packet: expected JSON") from None
