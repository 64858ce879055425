"""A transcript: one JSON line for every event a connection received, and for what has to be known to judge them.

Format: docs/operations.md, "Transcripts". Invariant: lines are written in the order things happened to the bots, and
streamed, so a transcript may be larger than memory. Callers: the bots write, ``caddie.bots.verify`` reads.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from caddie.bots.invariants import Sight
from shared.errors import CaddieError

CONNECTED, RESYNC, ACCEPTED = "connected", "resync", "accepted"
#: A local append of this size costs the event loop less than a thread would.
BUFFER_BYTES = 262_144


class Transcript:
    """Writes lines to `path`; to nowhere without one. A context manager. Raises CaddieError INVALID."""

    def __init__(self, path: Path | None) -> None:
        try:
            self._file = path.open("wb", buffering=BUFFER_BYTES) if path else None
        except OSError as error:
            raise CaddieError("INVALID", f"--transcript: cannot write {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def event(self, conversation: str, connection: str, sight: Sight) -> None:
        if self._file is None:
            return
        line: dict[str, Any] = {"conversation": conversation, "connection": connection, "index": sight.index}
        if sight.start != sight.index:
            line["from"] = sight.start
        line["type"] = sight.type
        if sight.run is not None:
            line["runId"] = sight.run
        line["hash"] = f"{sight.digest:016x}"
        self._write(line)

    def marker(self, conversation: str, connection: str, kind: str, **members: Any) -> None:
        """A line that is no event: no `index`, its `type` is one of this module's three."""
        if self._file is not None:
            self._write({"conversation": conversation, "connection": connection, "type": kind, **members})

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        line["at"] = round(time.time(), 3)
        self._file.write(orjson.dumps(line) + b"\n")
