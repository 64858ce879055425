"""From a CONNECT packet to an authenticated connection: who it is, and where it starts to read.

Invariant: a ``Connection`` exists only for a verified, unrevoked token; first connect, resume and recovery differ in
nothing but the cursor they start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.errors import CaddieError
from shared.log import Head
from shared.tokens import Session, Tokens

INDEX_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Start:
    """Where a connection begins. pid: the browser's recovery id, `<epoch>.<random>`; reason: why replay lacks some."""

    cursor: int
    pid: str
    recovered: bool = False
    reason: str | None = None


def authenticate(auth: Any, tokens: Tokens) -> Session:
    """The session a CONNECT payload proves, as far as the token tells. Raises CaddieError TOKEN_*, FORBIDDEN."""
    if not isinstance(auth, dict):
        raise CaddieError("TOKEN_MALFORMED", f"auth: expected an object with a token, got {type(auth).__name__}")
    session = tokens.verify(auth.get("token", auth.get("sessionToken")))
    if "read" not in session.scopes:
        raise CaddieError("FORBIDDEN", "expected a session with the scope read", scope_needed="read")
    return session


def start(auth: dict[str, Any], head: Head, epoch: str) -> Start:
    """The offset of the browser's recovery, else `lastEventIndex`, else the active run's beginning, else the head.

    Raises CaddieError INVALID for values that are no index.
    """
    fresh = f"{epoch}.{uuid4().hex[:16]}"
    pid, offset = auth.get("pid"), auth.get("offset")
    if isinstance(pid, str) and isinstance(offset, str) and offset.isdecimal() and len(offset) <= 16:
        return _resume(int(offset), pid.partition(".")[0], head, epoch, fresh, pid[:64])
    last = auth.get("lastEventIndex")
    if last is not None:
        if type(last) is not int or not 0 <= last < INDEX_MAX:
            raise CaddieError("INVALID", "lastEventIndex: expected an integer ≥ 0, got something else")
        known = auth.get("epoch")
        return _resume(last, known if isinstance(known, str) and known else epoch, head, epoch, fresh, None)
    return Start(head.first - 1 if head.run_id and head.first else head.index, fresh)


def _resume(cursor: int, known_epoch: str, head: Head, epoch: str, fresh: str, pid: str | None) -> Start:
    if known_epoch != epoch:
        return Start(-1, fresh, reason="epoch")
    if cursor > head.index:
        return Start(-1, fresh, reason="ahead")
    if cursor + 1 < head.oldest:
        return Start(-1, fresh, reason="retention")
    return Start(cursor, pid or fresh, recovered=pid is not None)
