"""Strict reading of Socket.IO packets (protocol version 5) and the frames we write.

The library's own decoder believes declared attachment counts, wedges on some malformed packets and hands reserved
event names to the application. Invariant: what ``read`` returns is one CONNECT, DISCONNECT, EVENT or ACK of the main
namespace with bounded, finite JSON; anything else is a ``Violation``.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from struct import Struct
from typing import Any

import orjson
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT

DEPTH_MAX = 32
#: Names the Socket.IO protocol keeps for itself; a client that sends them forges.
RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
_EVENT = b'42["event",{"index":%d,%b,"%d"]'
_medium_head = Struct("!BBH").pack
_HEAD = re.compile(r"([0-6])(?:(/[^,\x00-\x1f\ud800-\udfff]{0,128})(?:,|$))?([0-9]{1,15})?")


class Violation(Exception):
    """The client broke the protocol: its transport is closed with `code`."""

    def __init__(self, reason: str, code: int = 4400) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


@dataclass(frozen=True, slots=True)
class Packet:
    kind: int
    namespace: str
    id: int | None
    data: Any


def read(text: str) -> Packet:
    """Raises Violation."""
    match = _HEAD.match(text)
    if match is None:
        raise Violation("packet: expected a type 0–6, got something else")
    kind, namespace, number = int(match[1]), match[2] or "/", match[3]
    if kind not in (CONNECT, DISCONNECT, EVENT, ACK):
        raise Violation(f"packet: expected CONNECT, DISCONNECT, EVENT or ACK, got type {kind}")
    rest = text[match.end() :]
    data = _json(rest) if rest else None
    packet = Packet(kind, namespace.split("?", 1)[0], int(number) if number else None, data)
    _check_shape(packet)
    return packet


def _check_shape(packet: Packet) -> None:
    data = packet.data
    match packet.kind:
        case 0 if (data is None or isinstance(data, dict)) and packet.id is None:
            return
        case 1 if data is None and packet.id is None:
            return
        case 2 if isinstance(data, list) and data and isinstance(data[0], str) and data[0] not in RESERVED:
            return
        case 3 if isinstance(data, list) and packet.id is not None:
            return
    raise Violation(f"packet: expected the shape of type {packet.kind}, got another")


def _json(text: str) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Violation("packet: expected JSON, got something else") from None
    check_json(value)
    return value


def check_json(value: Any) -> None:
    """Depth ≤ 32 and no NUL anywhere; orjson has refused NaN, Infinity and lone surrogates. Raises Violation."""
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if "\0" in item:
                    raise Violation("packet: expected text without NUL, got NUL")
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise Violation(f"packet: expected a depth of at most {DEPTH_MAX}, got more")


def event_packet(index: int, body: bytes) -> bytes:
    """An event of the log as an Engine.IO message; the last argument is its offset (connection state recovery)."""
    return _EVENT % (index, body, index)


def emit_packet(name: str, data: Any) -> str:
    """A control message as an Engine.IO message."""
    return "42" + orjson.dumps([name, data]).decode()


def websocket_frame(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if 125 < size < 65_536:
        return _medium_head(0x81, 126, size) + payload
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def event_frame(index: int, body: bytes) -> bytes:
    """``event_packet`` in its frame; once per event and conversation, so without the calls it could be made of."""
    packet = _EVENT % (index, body, index)
    size = len(packet)
    if 125 < size < 65_536:
        return _medium_head(0x81, 126, size) + packet
    return websocket_frame(packet)


def packet_frame(packet: str) -> bytes:
    """The frame of an Engine.IO packet; a binary one, `b` and base64 as in a polling body, becomes a binary frame."""
    if packet.startswith("b"):
        return b"\x82" + websocket_frame(b64decode(packet[1:]))[1:]
    return websocket_frame(packet.encode())


class Json:
    """The json module python-socketio encodes with."""

    JSONDecodeError = orjson.JSONDecodeError

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes) -> Any:
        return orjson.loads(text)
