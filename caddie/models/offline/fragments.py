"""A request told in pieces, one message after another: "remind me", "tomorrow at 9", "to call mum".

Invariant: pieces are put together only when together they make a whole request that leaves nothing out. Callers:
``dialogue``.
"""

from __future__ import annotations

from caddie.models.offline import inquiry
from caddie.models.offline.request import Request
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

#: How the answer begins to a change that was not understood.
LOST = "I do not know what to change"
#: So many messages back a request may have begun.
PIECES = 3
CHARS = 400


def continued(said: Talk) -> str | None:
    """A change told in two messages, of which the first alone said nothing to this model."""
    if said.answers or len(said.nodes) < 2 or not said.earlier or not said.told.startswith(LOST):
        return None
    return f"{said.earlier[-1].strip().rstrip('.!?,')} {said.request}" if len(said.earlier[-1]) <= CHARS else None


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
