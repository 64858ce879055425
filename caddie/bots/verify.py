"""`caddie verify`: judges a transcript by the same rules as the bots while they run.

Invariant: it needs nothing but the file, and reads it line by line. Format: docs/operations.md, "Transcripts".
Caller: ``caddie.cli``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from caddie.bots.faults import Faults
from caddie.bots.invariants import Conversation, Reader, Sight
from caddie.bots.transcript import ACCEPTED, CONNECTED, RESYNC
from shared.errors import CaddieError


@dataclass(slots=True)
class Verifier:
    """`take` each line, then `finish` once."""

    faults: Faults = field(default_factory=Faults)
    events: int = 0
    conversations: dict[str, Conversation] = field(default_factory=dict)
    readers: dict[tuple[str, str], Reader] = field(default_factory=dict)

    @property
    def seen(self) -> str:
        """How much there was to judge."""
        numbers = {"events": self.events, "connections": len(self.readers), "conversations": len(self.conversations)}
        return ", ".join(f"{number:,} {name}" for name, number in numbers.items())

    def take(self, line: dict[str, Any]) -> None:
        """Raises KeyError, TypeError and ValueError on a line that is none of the format."""
        name, kind = str(line["conversation"]), str(line["type"])
        conversation = self.conversations.get(name)
        if conversation is None:
            conversation = self.conversations[name] = Conversation(name, self.faults)
        if "index" in line:
            self._event(conversation, line)
        elif kind == ACCEPTED:
            conversation.accept(str(line["runId"]))
        elif kind in (CONNECTED, RESYNC):
            conversation.begin_epoch(str(line.get("epoch", "")))
            if kind == RESYNC:
                conversation.open_runs &= {line.get("runId")}
            self._reader(conversation, str(line["connection"])).begin(_integer(line["after"]))
        else:
            raise ValueError(f"type: expected an event with an index, or a marker, got {kind}")

    def _event(self, conversation: Conversation, line: dict[str, Any]) -> None:
        index = _integer(line["index"])
        run = line.get("runId")
        start = _integer(line.get("from", index))
        sight = Sight(index, start, str(line["type"]), None if run is None else str(run), int(line["hash"], 16) or 1)
        self.events += 1
        self._reader(conversation, str(line["connection"])).take(sight)

    def _reader(self, conversation: Conversation, connection: str) -> Reader:
        key = (conversation.name, connection)
        if key not in self.readers:
            self.readers[key] = Reader(conversation, f"{conversation.name} {connection}")
        return self.readers[key]

    def finish(self) -> None:
        for conversation in self.conversations.values():
            conversation.finish()


def verify(path: Path) -> Verifier:
    """Raises CaddieError INVALID naming the first line that is none of the format."""
    verifier = Verifier()
    try:
        with path.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                try:
                    verifier.take(_object(raw))
                except (KeyError, TypeError, ValueError) as error:
                    raise CaddieError("INVALID", f"{path}, line {number}: {_wrong(error)}") from error
    except OSError as error:
        raise CaddieError("INVALID", f"cannot read {path}: {error.strerror}") from error
    verifier.finish()
    return verifier


def _object(raw: bytes) -> dict[str, Any]:
    value = orjson.loads(raw)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def _integer(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected an integer ≥ 0, got {value!r}")
    return value


def _wrong(error: Exception) -> str:
    return f"expected the member {error}, got none" if isinstance(error, KeyError) else str(error)
