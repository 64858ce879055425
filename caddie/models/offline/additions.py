"""What somebody wants added, told as something to do: "add an email to …" → "send an email to …".

Invariant: grammar only; nothing is added to what was said. Callers: ``extension``, ``alternatives``.
"""

from __future__ import annotations

import re

from caddie.models.offline import clauses

_NOUNS = (
    (
        re.compile(r"^(?:add|append|insert|include|put)\s+(?:an?\s+|another\s+)?translation\b(?:\s+step)?", re.I),
        "translate it",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:step|node|block)\s+(?:that|to|which)\s+", re.I
        ),
        "",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+|the\s+)?(?:condition|check|filter)\s*(?:that|:|"
            r",)?\s+(?=if|when|unless)",
            re.I,
        ),
        "",
    ),
    (re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?e-?mail\b", re.I), "send an email"),
    (
        re.compile(
            r"^(?:add|append|insert|include|put)\s+(?:an?\s+|another\s+)?(?:summary|summari[sz]ation)\b(?:\s+step)?",
            re.I,
        ),
        "summarize it",
    ),
    (
        re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:delay|pause|wait)\b(?:\s+of)?", re.I),
        "wait",
    ),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:approval|confirmation)(?:\s+step)?", re.I
        ),
        "ask me for approval",
    ),
    (re.compile(r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?=(?:slack|discord)\b)", re.I), "send a "),
    (
        re.compile(
            r"^(?:add|append|insert|include)\s+(?:an?\s+|another\s+)?(?:log(?:ging)?)(?:\s+(?:step|line|entry))?", re.I
        ),
        "log it",
    ),
)


def verbal(text: str) -> str:
    """ "add an email to …" → "send an email to …"."""
    text = re.sub(
        r"^(?:and\s+|then\s+|also\s*,?\s*|in\s+addition\s*,?\s*|additionally\s*,?\s*|finally\s*,?\s*)+",
        "",
        text.strip(),
        flags=re.I,
    )
    text = re.sub(
        rf"^(?:let|make|have)\s+(?:it|this|(?:the|our|my)\s+(?:bot|assistant|workflow|flow|agent|"
        rf"ai))\s+(?={clauses.LEAD})",
        "",
        text,
        flags=re.I,
    )
    for pattern, verb in _NOUNS:
        if pattern.match(text):
            text = pattern.sub(verb, text, count=1)
            break
    return re.sub(r"\s*,?\s*(?:as\s+well|too|also)\s*[.!]?$", "", text, flags=re.I)
