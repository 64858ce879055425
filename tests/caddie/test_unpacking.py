"""Compressed bodies: unpacked whatever the chunks, and never further than the limit."""

from __future__ import annotations

import gzip
import zlib

import pytest

from caddie.unpacking import OVERHEAD_BYTES, Body
from shared.errors import CaddieError


def unpacked(coding: str, packed: bytes, limit: int = 100_000, step: int = 7) -> tuple[bytes, bool]:
    body = Body(coding, limit)
    for start in range(0, len(packed), step):
        if body.full:
            break
        body.add(packed[start : start + step])
    return body.end()


def raw(content: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(content) + machine.flush()


@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_every_coding_gives_what_was_packed(step: int) -> None:
    content = b"hello " * 1_000
    for coding, packed in (
        ("", content), ("identity", content), ("gzip", gzip.compress(content)), ("X-GZIP ", gzip.compress(content)),
        ("gzip", gzip.compress(content[:100]) + gzip.compress(content[100:])), ("deflate", zlib.compress(content)),
        ("gzip", b""),
    ):  # fmt: skip
        assert unpacked(coding, packed, step=step) == (content if packed else b"", False), coding
    assert unpacked("deflate", raw(content), step=65_536) == (content, False)


def test_a_bomb_is_cut_at_the_limit() -> None:
    machine = zlib.compressobj(9, wbits=31)
    bomb = machine.compress(bytes(50_000_000)) + machine.flush()
    assert unpacked("gzip", bomb, limit=1_000, step=65_536) == (bytes(1_000), True)
    # Packed bytes that give nothing are bounded, too.
    empty, body = gzip.compress(b""), Body("gzip", 1_000)
    for _ in range(2 * (OVERHEAD_BYTES + 1_000) // len(empty)):
        body.add(empty)
    assert body.end() == (b"", True)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", b"hello"), ("gzip", gzip.compress(b"x" * 1_000, mtime=0)[:-9]), ("deflate", b"\xff\xff\xff\xff"),
     ("gzip", gzip.compress(b"x", mtime=0)[:-8] + b"\0" * 8), ("deflate", zlib.compress(b"x" * 100)[:4])],
)  # fmt: skip
def test_broken_ones_are_refused(coding: str, packed: bytes) -> None:
    with pytest.raises(CaddieError) as caught:
        unpacked(coding, packed, step=65_536)
    assert caught.value.code == "UNAVAILABLE"
    for other in ("br", "zstd", "gzip, gzip"):
        with pytest.raises(CaddieError):
            Body(other, 10)
