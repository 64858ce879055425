"""What a step can read: the answers of the steps before it, and the item of the loop it is in.

Invariant: every source stands before the step. Callers: ``wiring``, ``telling``, ``plan``, ``canvas``, ``repair``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from caddie.models.offline import words

#: What a block's answer is mostly used for, and of which kind it is.
PRIMARY: dict[str, tuple[str, str]] = {
    "http-request": ("result.body", "data"),
    "send-webhook": ("result.body", "data"),
    "web-search": ("result.results", "list"),
    "agent": ("result.text", "text"),
    "summarize": ("result.text", "text"),
    "extract-json": ("result.data", "data"),
    "classify": ("result.label", "label"),
    "format": ("result.text", "text"),
    "regex": ("result.text", "text"),
    "filter": ("result.items", "list"),
    "pluck": ("result.values", "list"),
    "merge": ("result.value", "data"),
    "for-each": ("result.items", "list"),
    "trigger_chat": ("result.text", "text"),
    "webhook": ("result.body", "data"),
    "trigger-workflow": ("result.output", "data"),
    "set-variable": ("result.value", "data"),
}
#: Where a pattern's finds are, by mode.
MATCHES = {"first": ("result.match", "text"), "all": ("result.matches", "list"), "test": ("result.matched", "value")}
#: What a condition compares that looks at how a call ended, and not at what it brought.
HTTP_STATUS = "HTTP status"


@dataclass(frozen=True, slots=True)
class Source:
    """Where data can be taken from: an expression path and the kind of what is there."""

    path: str
    kind: str
    label: str = ""
    block: str = ""
    #: The answer of something that was sent: seldom what the next message is about.
    receipt: bool = False
    #: What is known to be in it.
    fields: tuple[str, ...] = ()

    def expression(self) -> str:
        return "{{" + self.path + "}}"

    def member(self, name: str) -> str:
        return "{{" + f"{self.path}.{name}" + "}}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step sees: its ancestors' answers, nearest last; the item of the loop it is in."""

    sources: tuple[Source, ...] = ()
    subject: str = ""
    #: Within a branch that a label has decided.
    judged: bool = False

    def add(self, source: Source) -> Scope:
        return replace(self, sources=(*self.sources, source))

    def nearest(self, *kinds: str) -> Source | None:
        return next((s for s in reversed(self.sources) if not kinds or s.kind in kinds), None)

    def told(self, *kinds: str) -> Source | None:
        """The nearest that a message can be about."""
        return next(
            (s for s in reversed(self.sources) if s.kind in kinds and not s.receipt), None
        ) or self.nearest(*kinds)  # fmt: skip

    def of(self, *blocks: str) -> Source | None:
        return next((s for s in reversed(self.sources) if s.block in blocks), None)


def sends(block: str, payload: dict[str, Any]) -> bool:
    """Whether a step sends data, so that its answer is a receipt."""
    return block == "send-webhook" or (
        block == "http-request" and str(payload.get("method")) in ("POST", "PUT", "PATCH", "DELETE")
    )


def clean(subject: str) -> str:
    if re.fullmatch(r"(?:we|i|you|they)", subject.strip(), re.I):
        return ""
    return words.bare(re.sub(r"^(?:value|amount|level)\s+of\s+", "", words.bare(subject), flags=re.I))
