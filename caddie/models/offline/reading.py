"""Readings that several recognisers share: dictated words, what a clause is about, a field or its open slot.

Invariant: pure functions of the clause. Callers: ``actions``, ``outside``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import words
from caddie.models.offline.request import Action, Slot

LATER = ("later", "Leave it open, I fill it in later")


_SAYING = re.compile(
    r"\b(?:saying|that\s+says|which\s+says|(?:with|and)\s+the\s+(?:text|message|words)|reading|(?:text|"
    r"body)(?=\s*:?\s*[\"“]))\s*:?\s+(.+)$",
    re.I,
)
_THAT = re.compile(
    r"\b(?:remind|tell|inform|notify|warn|alert|announce|let|reminding|saying|telling)\b[^.]*?\bthat\s+(.+)$|"
    r"\bthat\s+((?:the|it|we|our|there|an?|your|all|this|their|my|no|some|they|you|i)\b.+)$|\b(?:remind|tell|"
    r"ask|warn|ping|nudge|message|alert|"
    r"notify)\s+(?:[#@]?[\w.-]+(?:@[\w.-]+)?\s+){0,3}?(?:(?:in|on)\s+(?:(?:the|our)\s+)?(?:slack\s+|discord\s+)?(?:channel\s+)?#[\w-]+\s+(?:channel\s+)?)?(?:(?:on|in)\s+(?:slack|"
    r"discord)\s+)?to\s+(\w+\s+.+)$|\b(?:tell|remind|warn)\s+\S+\s+to\s+(\w+)$|\b(?:tell|inform|warn|remind|let)\s+"
    r"(?:[#@]?[\w.-]+(?:@[\w.-]+)?\s+){1,2}?(?:know\s+)?((?:it|they|we|everything|all|there|i|"
    r"the\s+\w+)\s+(?:is|are|has|have|"
    r"was|were|will|can|went)\b.+)$|"
    r"^(?:post|send|e-?mail|mail|write|message|announce)\b[^.]*?\bthat\s+((?!(?:is|are|was|were|has|have|had|comes?|came|"
    r"contains?|includes?|mentions?|says?|matters?|to|in|into|on|via|by|at|for|with|from|as|and|"
    r"we|you|i)\b)\w+\s+.+)$",
    re.I,
)


_IT = re.compile(
    r"^(?:it|them|this|that|these|those|the\s+(?:result|results|answer|output|data|response|text|content|summary|"
    r"message)s?)$",
    re.I,
)


def dictated(clause: str) -> str | None:
    if match := _SAYING.search(clause):
        return words.quoted(match.group(1)) or match.group(1).strip()
    if (quote := words.quoted(clause)) is not None:
        return quote
    if match := _THAT.search(clause):
        return words.sentence(
            re.sub(
                r"\s+(?:on|in|to)\s+(?:slack|discord|the\s+#.*|#\S+)$",
                "",
                next(filter(None, match.groups())),
                flags=re.I,
            )
        )
    return None


def needs(action: Action, slot: Slot, value: Any) -> Action:
    """The action with the field filled, or with its slot open."""
    if value:
        action.payload[slot.field] = value
    else:
        action.missing.append(slot)
    return action


def about_what(clause: str, verb: re.Pattern[str]) -> str:
    """The noun phrase behind the verb, without its prepositions: what the step is about."""
    match = verb.search(words.masked(clause))
    rest = clause[match.end() :] if match else clause
    rest = re.split(
        r"\b(?:to|from|on|in|at|via|with|by|for|if|when|into|as|every|saying|using)\b",
        words.masked(rest),
        maxsplit=1,
        flags=re.I,
    )[0]
    phrase = words.bare(rest.replace("\x00", "").strip(" ,.;:"))
    phrase = words.bare(re.sub(r"^(?:of|about)\s+|\s+(?:of|about)$", "", phrase, flags=re.I))
    phrase = re.sub(r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD)\b", "", phrase).strip()
    return (
        ""
        if _IT.match(phrase) or re.match(r"(?:me|us|him|them|everyone|someone)\b|#", phrase, re.I) or len(phrase) > 40
        else phrase
    )
