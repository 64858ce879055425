"""What a surface shows of a run: its projection of events, and frames for what no event says.

Invariant: whatever happens to a log, a reader gets one terminal frame, in its own surface's words. Callers:
``gateway.routes.chat_sse`` plays views to readers; implementers: the projections of the surfaces.
"""

from __future__ import annotations

from typing import Protocol

from gateway.relay import Projection


class View(Projection, Protocol):
    """One run, shown to one reader."""

    def said(self, text: str) -> bytes:
        """A stored text."""

    def restarted(self) -> bytes:
        """Nothing of what was shown counts any more: the whole of it comes again."""

    def missed(self, reason: str) -> bytes:
        """Events are gone that this reader lacks; reason: retention or epoch."""

    def broke(self, code: str, message: str, retryable: bool) -> bytes:
        """The terminal frame of a stream that cannot go on, though its run may."""
