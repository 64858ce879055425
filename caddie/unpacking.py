"""Bodies that come compressed although nobody asked for it, unpacked within a bound.

Invariant: no more is ever unpacked than ``limit`` bytes and one, whatever the packed bytes promise, and no more packed
bytes are taken than a body of that size could need. Caller: ``caddie.outbound``.
"""

from __future__ import annotations

import zlib

from shared.errors import CaddieError

#: What a packed body may be longer than the unpacked one: headers, checksums, a file name.
OVERHEAD_BYTES = 65_536
_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
_CODINGS = {"": 0, "identity": 0, "gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


class Body:
    """A body of at most ``limit`` bytes. coding: the answer's Content-Encoding. Raises UNAVAILABLE for unknown ones."""

    def __init__(self, coding: str, limit: int) -> None:
        window = _CODINGS.get(coding.strip().lower())
        if window is None:
            raise CaddieError("UNAVAILABLE", "expected an answer that is plain, gzip or deflate, got another coding")
        self._window, self._limit = window, limit
        self._packing = zlib.decompressobj(window) if window else None
        self._read, self._taken = bytearray(), 0

    @property
    def full(self) -> bool:
        """Nothing more is taken: the rest would be cut anyway."""
        return len(self._read) > self._limit or self._taken > self._limit + OVERHEAD_BYTES

    def add(self, chunk: bytes) -> None:
        """Raises CaddieError UNAVAILABLE for bytes that are not what the coding says."""
        self._taken += len(chunk)
        try:
            while chunk and not self.full:
                chunk = self._unpack(chunk)
        except zlib.error:
            raise CaddieError("UNAVAILABLE", "expected a compressed answer, got one that is broken") from None

    def end(self) -> tuple[bytes, bool]:
        """The body, and whether it is cut. Raises CaddieError UNAVAILABLE when the packed bytes end too early."""
        if self._packing is not None and self._taken and not self._packing.eof and not self.full:
            raise CaddieError("UNAVAILABLE", "expected a whole compressed answer, got part of it")
        return bytes(self._read[: self._limit]), self.full

    def _unpack(self, chunk: bytes) -> bytes:
        """Takes some of the chunk in; the rest."""
        if self._packing is None:
            self._read += chunk
            return b""
        if self._packing.eof:
            # gzip may have several members, one after the other (RFC 1952, 2.2); what follows deflate is nothing.
            if self._window != _GZIP:
                return b""
            self._packing = zlib.decompressobj(self._window)
        try:
            self._read += self._packing.decompress(chunk, self._limit + 1 - len(self._read))
        except zlib.error:
            if self._window != _ZLIB or self._taken != len(chunk):
                raise
            # Some servers send deflate without the frame that RFC 9110, 8.4.1.2 asks for.
            self._window = -zlib.MAX_WBITS
            self._packing = zlib.decompressobj(self._window)
            return chunk
        return self._packing.unused_data or self._packing.unconsumed_tail
