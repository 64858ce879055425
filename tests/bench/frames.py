"""What a small fake server sends: the open packet and unmasked text frames. Used by the tests of the load clients."""

from __future__ import annotations

HANDSHAKE = b'0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def frame(text: bytes) -> bytes:
    return b"\x81" + (bytes((len(text),)) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")) + text
