"""Answers about what there is to build with: the blocks, what they do, and what none of them does.

Invariant: says only what the catalog says. Callers: ``talk``.
"""

from __future__ import annotations

import re

from caddie.models.offline import schedule, words
from caddie.models.offline.guess import index
from shared.search import words as content

#: Below this a block has too little to do with what is asked for.
_NEAR = 6.0
_GENERIC = frozenset(
    "send mak do get peopl can caddi you i me someth anyth way possibl support abl us use work thing block step work "
    "flow workflow "
    "there ani integr node tool which what have connect automat on with to messag".split()
)


def capability(text: str) -> str:
    """Whether a block does what a question asks for."""
    catalog, search = index()
    if (timed := schedule.find(text)) and timed.freq and (block := catalog.get("cronjob")):
        return f"Yes, {timed.freq.lower()} and in many other ways.\n- {block.title} (`{block.type}`): {block.summary}"
    asked = (
        re.sub(
            r"^.*?\b(?:can|could|able\s+to|possible\s+to|way\s+to|support|works?\s+with|integrate|talk\s+to|"
            r"speak\s+to|blocks?|steps?|tools?|integrations?)\b",
            "",
            text,
            flags=re.I,
        )
        or text
    )
    terms = [term for term in content(asked) if term not in _GENERIC]
    known = [term for term in terms if search.search(term, 1)]
    hits = search.search(" ".join(known) if known else asked, 6)
    lost = [term for term in terms if term not in known]
    if hits and known and not lost:
        best = [hit for hit in hits if hit.score >= 0.35 * hits[0].score]
        lines = [
            f"- {block.title} (`{block.type}`): {block.summary}" for hit in best if (block := catalog.get(hit.type))
        ]
        return "Yes. These blocks do that:\n" + "\n".join(lines)
    near = [block.title for hit in hits[:3] if hit.score >= _NEAR and (block := catalog.get(hit.type))]
    told = f" The nearest {'are' if len(near) > 1 else 'is'} {words.joined(near)}." if near else ""
    return (
        f"No, there is no block for that.{told} A service with an HTTP API can be called with an HTTP request "
        "(`http-request`), and one that sends webhooks can start a workflow (`webhook`); what has neither is out of "
        "my reach."
    )


_DESCRIBE = re.compile(
    r"\b(?:difference|differ|compare|versus|vs|better)\b|^\W*(?:what\s+(?:is|are|does|do)|how\s+(?:does|do|is)|"
    r"explain|tell\s+me\s+about|when\s+(?:do|"
    r"should)\s+i\s+use)\b.*\b(?:blocks?|steps?\s+type|nodes?|triggers?)\b|^\W*what(?:'s|’s|\s+is|"
    r"\s+are)\s+an?\s+[\w-]+(?:\s+[\w-]+)?\s*\?",
    re.I,
)


#: What people call a block, when they compare it with another.
_SHORT = {
    "slack-send-message": ("slack",), "discord-send-message": ("discord",), "send-email": ("email", "e-mail", "mail"),
    "for-each": ("loop",), "human_confirmation": ("approval",), "web-search": ("search",), "cronjob": ("schedule",),
    "set-variable": ("variable",), "agent": ("agent",), "trigger_chat": ("chat",), "if": ("condition",),
    "http-request": ("http",), "extract-json": ("extract",),
}  # fmt: skip


def described(text: str, canvas: bool) -> str | None:
    """What the blocks are that a question names: "the difference between delay and wait"."""
    if not _DESCRIBE.search(text) or (canvas and re.search(r"\b(?:this|it|my|here)\b", text, re.I)):
        return None
    catalog, _ = index()
    named = [
        block
        for block in catalog.all()
        if any(
            re.search(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", text, re.I)
            for name in (
                block.type,
                block.type.replace("-", " ").replace("_", " "),
                block.title,
                *_SHORT.get(block.type, ()),
            )
        )
    ]
    lines = []
    for block in named:
        ways = f" Its branches: {words.joined([f'`{each}`' for each in block.branches])}." if block.branches else ""
        required = block.payloadSchema.get("required")
        needs = (
            f" It needs: {words.joined([f'`{each}`' for each in required])}."
            if isinstance(required, list) and required
            else ""
        )
        lines.append(f"- {block.title} (`{block.type}`): {block.summary}{needs}{ways}")
    return "\n".join(lines) or None


def listing(text: str) -> str:
    """The blocks a "which blocks …" asks for."""
    catalog, search = index()
    if re.search(r"\b(?:start|trigger|begin|launch)\w*\b", text, re.I):
        return "A workflow can start in these ways:\n" + "\n".join(
            f"- {block.title} (`{block.type}`): {block.summary}" for block in catalog.all() if block.trigger
        )
    asked = re.sub(r"^.*?\b(?:blocks?|steps?|tools?|integrations?|nodes?|ways?|options?)\b", "", text, flags=re.I)
    asked = " ".join(
        term for term in re.findall(r"[\w-]+", asked) if set(content(term)) - _GENERIC or term == "messages"
    )
    hits = search.search(asked, 10)
    best = [hit for hit in hits if hit.score >= 0.25 * hits[0].score] if hits else []
    if not best:
        return "These blocks exist: " + words.joined([f"`{block.type}`" for block in catalog.all()]) + "."
    return "These blocks fit:\n" + "\n".join(
        f"- {block.title} (`{block.type}`): {block.summary}" for hit in best if (block := catalog.get(hit.type))
    )
