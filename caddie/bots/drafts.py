"""Text as it streams in: what the deltas of a message add up to has to be its completed text.

Invariant: only messages whose beginning this reader saw are judged; what a restarted run takes back does not count.
Caller: ``caddie.bots.tab``, with the events in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Draft:
    run: str | None
    begun: int
    parts: list[tuple[int, str]] = field(default_factory=list)


class Drafts:
    """The open messages of one reader."""

    def __init__(self) -> None:
        self._open: dict[str, _Draft] = {}

    def __len__(self) -> int:
        return len(self._open)

    def take(self, kind: str, index: int, run: str | None, data: dict[str, Any]) -> str:
        """Account for one event; what is wrong with it, or ""."""
        match kind:
            case "message.started":
                self._open[data["messageId"]] = _Draft(run, index)
            case "message.delta":
                if draft := self._open.get(data["messageId"]):
                    draft.parts.append((index, data["text"]))
            case "message.completed":
                return self._complete(data["messageId"], data["text"])
            case "run.restarted":
                self._take_back(run, data["keepThrough"])
            case "run.finished" | "run.failed":
                # A message that was cut has no completed event.
                self._open = {name: draft for name, draft in self._open.items() if draft.run != run}
        return ""

    def forget(self) -> None:
        """The reader jumped: open messages can no longer be judged."""
        self._open.clear()

    def _complete(self, message: str, text: str) -> str:
        draft = self._open.pop(message, None)
        if draft is None:
            return ""
        streamed = "".join(part for _, part in draft.parts)
        if streamed == text:
            return ""
        same = next((n for n, (a, b) in enumerate(zip(streamed, text, strict=False)) if a != b), None)
        place = min(len(streamed), len(text)) if same is None else same
        return (
            f"message {message}: expected {len(text)} characters, got {len(streamed)} from its deltas,"
            f" alike up to character {place}"
        )

    def _take_back(self, run: str | None, keep: int) -> None:
        for name, draft in list(self._open.items()):
            if draft.run != run:
                continue
            if draft.begun > keep:
                del self._open[name]
            else:
                draft.parts = [(index, text) for index, text in draft.parts if index <= keep]
