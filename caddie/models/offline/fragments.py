"""A request told in pieces, one message after another: "remind me", "tomorrow at 9", "to call mum".

Invariant: pieces are put together only when together they make a whole request that leaves nothing out. Callers:
``dialogue``.
"""

from __future__ import annotations

from caddie.models.offline import inquiry
from caddie.models.offline.request import Request
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

#: So many messages back a request may have begun.
PIECES = 3
CHARS = 400


def joined(said: Talk, request: Request) -> tuple[str, Request] | None:
    """(the text, the request) of the last messages together; None when the message stands for itself."""
    whole = request.trigger is not None and request.steps and not request.unknown
    if said.answers or said.wishes or whole or len(said.nodes) > 1 or not said.earlier:
        return None
    pieces = [said.request]
    for before in reversed(said.earlier[-PIECES:]):
        if inquiry.asks(before) or len(before) > CHARS:
            return None
        pieces.insert(0, before.strip().rstrip(".!?,"))
        text = " ".join(pieces)
        found = understand(text, said.context.timezone, said.context.now)
        if found.trigger is not None and found.steps and not found.unknown:
            return text, found
    return None
