"""Malformed input for the Socket.IO server, layer by layer, from a seed.

Invariant: every packet says what must become of its sender: it is closed with one of `codes`, or, when there are none,
it lives and is answered or ignored. Caller: ``tests/faults/test_fuzz.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import orjson

from tests.faults.raw import BINARY, CLOSE, PING, PONG, TEXT, frame

FRAME_BYTES = 65_536
PROTOCOL = frozenset({4400})
#: The parser's own codes: framing, text that is no UTF-8, size (RFC 6455, section 7.4.1). 0: it hangs up at once, so
#: bytes that were still on their way reset the connection, and the reset may overtake the close frame.
BROKEN_FRAME = frozenset({0, 1002, 1007, 1009})

ENGINE_MILD = ("6", "6x", "3", "3probe", "3" + "x" * 5_000, "2", "2" + "y" * 5_000)
ENGINE = ("", "0", "5", "7", "9", "x", "\u0661", " 4", "-1", "b", "bAAAA", "{}", "\x1e", "5probe", "0{}")
SOCKET = ("", "4", "47", "8[]", "9", "x", "-2", "\u0662[]", "5", "6", "4{}", '4"no"', "\n2[]")
SHAPES = (
    "2{}", "2[]", "2[1]", "2[null]", "2[[]]", '2"a"', "2", "20", "1{}", "112", "0[]", '0"t"', "01{}", "31{}",
    '31"a"', "3[]",
)  # fmt: skip
JSON = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "1.", "'a'", "{a:1}", "[1,]", "undefined", '"\\x"',
    '"\\u00"', '"\t"', '"\\u0000"', '{"\\u0000":1}', '{"a"}', "tru", "\ufeff1", "0x1", "//", '"',
)  # fmt: skip
SURROGATES = ("\\ud800", "\\udc00", "\\udfff\\ud800", "a\\udbffb", "\\ud83d\\u0041")
NAMESPACES = ("/admin,", "/x?y=1,", "/\0,", "/" + "n" * 129 + ",", "/" + "n" * 60_000, "/ ,", "x,")
NAMES = ("connect", "disconnect", "connect_error", "disconnecting", "newListener", "\\u0063onnect")
COMMANDS = ("message", "cancel", "answer", "refresh", "replay", "event", "ready", "__init__", "", "\u202e")
MEMBERS = ("token", "text", "requestId", "runId", "inputId", "value", "after", "__proto__", "é", "")
GOOD = '["message",{"requestId":"6f1f7a5a-6a52-4a8e-9a76-0a9d3d1c6f10","text":"hello"}]'
HTTP = (
    b"\0\0\0\0\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"G=T / HTTP/1.1\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling&sid=%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /socket.io/?" + b"a=1&" * 1_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Garbage:
    data: bytes
    codes: frozenset[int] = frozenset()


class Dump:
    """A generator of garbage: the same seed, the same heap."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self._lethal: tuple[Callable[[], Garbage], ...] = (
            self._broken_frame, self._binary, self._attachments, self._ack, self._huge_id, self._nesting,
            self._surrogate, self._cut_short,
            lambda: self._one_of(ENGINE), lambda: self._one_of(SOCKET, "4"), lambda: self._one_of(SHAPES, "4"),
            lambda: self._one_of(JSON, '42["message",', "]"), lambda: self._one_of(NAMESPACES, "42", '["message",{}]'),
            lambda: self._one_of(NAMES, '42["', '",{},{"token":"x"}]'),
        )  # fmt: skip

    def mild(self, connected: bool) -> Garbage:
        """What a connection outlives; before CONNECT twice at most, for it may count as an attempt."""
        if self.dice.random() < 0.5:
            return Garbage(frame(self.dice.choice(ENGINE_MILD)))
        return self._bad_command() if connected else self._foreign_namespace()

    def lethal(self) -> Garbage:
        return self.dice.choice(self._lethal)()

    def body(self) -> bytes:
        """A POST that ends its session."""
        dice = self.dice
        match dice.randrange(5):
            case 0:
                return dice.randbytes(dice.randrange(1, 200)) + b"\xff"
            case 1:
                return b"\x1e" * dice.randrange(1, 600)
            case 2:
                return b"b" + dice.choice((b"AAAA", b"!!", b"", b"A" * 999))
            case _:
                packets = [dice.choice(ENGINE_MILD[:4]) for _ in range(dice.randrange(4))]
                return "\x1e".join([*packets, dice.choice(ENGINE), *packets]).encode()

    def pieces(self, data: bytes) -> list[bytes]:
        """The same bytes in up to three writes."""
        first, second = sorted(self.dice.randint(0, len(data)) for _ in range(2))
        return [piece for piece in (data[:first], data[first:second], data[second:]) if piece]

    def _one_of(self, packets: tuple[str, ...], before: str = "", after: str = "") -> Garbage:
        return Garbage(frame(before + self.dice.choice(packets) + after), PROTOCOL)

    def _foreign_namespace(self) -> Garbage:
        name = "".join(self.dice.choices("abcXYZ019_-/", k=self.dice.randint(1, 100)))
        return Garbage(frame(f"40/{name},"))

    def _bad_command(self) -> Garbage:
        dice = self.dice
        name, body = dice.choice(COMMANDS), self._value(3)
        if name == "replay" and isinstance(body, dict):
            body["after"] = dice.choice((-1, 2**60, "0", None, 1.5, [], True))
        number = dice.choice(("", "0", str(dice.randrange(10**15))))
        arguments = [body] * dice.choice((0, 1, 1, 1, 2, 9))
        return Garbage(frame(f"42{number}" + orjson.dumps([name, *arguments]).decode()))

    def _value(self, depth: int) -> object:
        dice = self.dice
        match dice.randrange(8 if depth else 6):
            case 0:
                return dice.choice((None, True, False, "\u2028", ""))
            case 1:
                return dice.randrange(-(2**53), 2**53)
            case 2:
                return dice.uniform(-1e300, 1e300)
            case 6:
                return [self._value(depth - 1) for _ in range(dice.randrange(4))]
            case 7:
                return {dice.choice(MEMBERS): self._value(depth - 1) for _ in range(dice.randrange(4))}
            case _:
                return "x" * dice.randrange(300)

    def _broken_frame(self) -> Garbage:
        dice = self.dice
        text = b"6" * dice.randrange(1, 20)
        data = dice.choice((
            frame(text, dice.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))),
            frame(text, TEXT, first=0x80 | dice.choice((0x40, 0x20, 0x10, 0x70))),
            frame(b"x" * 126, dice.choice((PING, PONG, CLOSE))),
            frame(text, PING, first=0),
            frame(text, 0),
            frame(text, TEXT, first=0) + frame(text, TEXT),
            frame(b"\x03", CLOSE),
            frame(dice.choice((0, 999, 1004, 1005, 1015, 2999)).to_bytes(2, "big"), CLOSE),
            frame(b"\x03\xe8\xff\xfe", CLOSE),
            frame(b"42" + dice.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"))),
            b"\x81\xff" + dice.choice((2**63, 2**40, FRAME_BYTES + 2)).to_bytes(8, "big") + b"\0\0\0\0",
            frame("4" + "x" * (FRAME_BYTES + dice.randrange(1, 3_000))),
            frame(b"x", TEXT, first=0) + frame(b"y" * 60_000, 0, first=0) + frame(b"z" * 60_000, 0),
        ))  # fmt: skip
        return Garbage(data, BROKEN_FRAME)

    def _binary(self) -> Garbage:
        return Garbage(frame(self.dice.randbytes(self.dice.randrange(2_000)), BINARY), PROTOCOL)

    def _attachments(self) -> Garbage:
        dice = self.dice
        count = dice.choice((0, 1, 2, 7, 10**3, 10**9, 10**30))
        body = dice.choice(('["a",{"_placeholder":true,"num":0}]', '["a",{"_placeholder":true,"num":-1}]', "[]", ""))
        head = f"4{dice.choice('56')}{count}-{dice.choice(('', '1', '/x,'))}"
        return Garbage(frame(head + body) + frame(b"\0" * dice.randrange(100), BINARY) * dice.randrange(3), PROTOCOL)

    def _ack(self) -> Garbage:
        number = self.dice.choice((0, 1, 7, 10**9, 10**14))
        return Garbage(frame(f"43{number}" + self.dice.choice(("[]", '["x"]', '[{"ok":true}]'))), PROTOCOL)

    def _huge_id(self) -> Garbage:
        digits = "9" * self.dice.choice((16, 17, 20, 100, 4_000))
        return Garbage(frame(f'4{self.dice.choice("23")}{digits}["replay",{{"after":0}}]'), PROTOCOL)

    def _nesting(self) -> Garbage:
        opened, closed = self.dice.choice((("[", "]"), ('{"a":', "}")))
        depth = self.dice.choice((33, 40, 500, 999, 1_000, 1_024, 1_025, 5_000, 10_000))
        inside = opened * depth + "1" + closed * (depth if self.dice.random() < 0.7 else 0)
        return Garbage(frame(f'42["message",{inside}]'), PROTOCOL)

    def _surrogate(self) -> Garbage:
        at = self.dice.choice(('["{}",{{}}]', '["message","{}"]', '["message",{{"{}":1}}]'))
        return Garbage(frame("42" + at.format(self.dice.choice(SURROGATES))), PROTOCOL)

    def _cut_short(self) -> Garbage:
        packet = f"42{self.dice.choice(('', '7'))}{GOOD}"
        return Garbage(frame(packet[: self.dice.randrange(1, len(packet))]), PROTOCOL)
