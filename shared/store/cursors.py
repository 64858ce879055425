"""Opaque cursors of lists: where the next page begins, as text a client hands back unread.

Invariant: a cursor that was not made here is INVALID, never a fault inside. Callers: the repositories that list.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import orjson

from shared.errors import CaddieError, Fault

LIMIT_MAX = 200


def bounded(limit: int) -> int:
    return max(1, min(limit, LIMIT_MAX))


def encode(moment: datetime, key: str | int) -> str:
    """The cursor after the item that has this time and key."""
    raw = orjson.dumps([int(moment.timestamp() * 1000 + 0.5), key])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str, kind: type[str] | type[int]) -> tuple[datetime, str | int]:
    """Time and key of the last item of the page before; ``kind`` is the key's type."""
    try:
        moment, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(moment) is not int or type(key) is not kind:
            raise ValueError
        if isinstance(key, int) and not 0 <= key < 2**63:
            raise ValueError
        return datetime.fromtimestamp(moment / 1000, UTC), key
    except (ValueError, TypeError, OverflowError, OSError, binascii.Error):
        message = "expected a cursor of an earlier page, got something else"
        raise CaddieError("INVALID", message, faults=(Fault("cursor", message),)) from None
