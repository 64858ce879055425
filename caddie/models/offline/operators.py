"""The operators of comparisons, in the words people use for them.

Invariant: longer phrases stand before the shorter ones they hold. Callers: ``conditions``, ``repair``, ``starts``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words

_BE = (
    r"(?:is|are|was|were|be|gets?|goes?|becomes?|rises?|falls?|drops?|climbs?|stays?|moves?|dips?|sinks?|grows?|"
    r"runs?|has\s+been|has|have|costs?|'s)"
)
BEFORE = rf"(?:{_BE}\s+)?(?:currently\s+|now\s+|already\s+)?"
_NOT = r"(?:is\s+not|are\s+not|isn['’]t|aren['’]t|was\s+not|wasn['’]t)"
_GIVEN = (
    r"(?:set|present|provided|given|filled\s+(?:in|out)|filled|entered|specified|supplied|available|attached|included)"
)
_DOES_NOT = r"(?:does\s+not|doesn['’]t|do\s+not|don['’]t|did\s+not|didn['’]t)"
#: Longer phrases first: "not above" before "above".
_OPERATORS: tuple[tuple[str, str], ...] = (
    (rf"{_NOT}\s+(?:above|over|greater\s+than|more\s+than|higher\s+than|older\s+than)|{_DOES_NOT}\s+exceed", "lte"),
    (rf"{_NOT}\s+(?:below|under|less\s+than|lower\s+than|younger\s+than)", "gte"),
    (rf"{_NOT}\s+at\s+least|{_DOES_NOT}\s+(?:reach|hit|get\s+to)", "lt"),
    (rf"{_NOT}\s+(?:empty|blank|missing)|{_BE}\s+(?:non-?empty|{_GIVEN})|(?:exists?|was\s+found|is\s+there)\b",
     "exists"),
    (rf"{_BE}\s+(?:empty|missing|blank|not\s+set|not\s+there|left\s+(?:out|empty|blank))|{_DOES_NOT}\s+exist|"
     rf"(?:{_NOT}|has\s+not\s+been|{_BE}\s+not)\s+(?:there|{_GIVEN})", "empty"),
    (rf"{_DOES_NOT}\s+(?:contain|include|mention|say)|do\s+not\s+(?:contain|include|mention)", "not_contains"),
    (rf"{BEFORE}(?:at\s+least|>=|≥|(?:no|not)\s+(?:less|fewer|lower)\s+than|a\s+minimum\s+of|at\s+or\s+(?:above|over)|"
     rf"(?:greater|more|higher)\s+than\s+or\s+equal\s+to|equal\s+to\s+or\s+(?:above|over|(?:greater|more|higher)\s+than))|"
     rf"reach(?:es|ed)?|hits?", "gte"),
    (rf"{BEFORE}(?:at\s+most|<=|≤|(?:no|not)\s+(?:more|higher|greater)\s+than|up\s+to|a\s+maximum\s+of|at\s+or\s+(?:below|under)|"
     rf"(?:less|lower|smaller|fewer)\s+than\s+or\s+equal\s+to|equal\s+to\s+or\s+(?:below|under|(?:less|lower)\s+than))",
     "lte"),
    (rf"{BEFORE}(?:above|over|greater\s+than|more\s+than|higher\s+than|larger\s+than|bigger\s+than|"
     rf"warmer\s+than|hotter\s+than|heavier\s+than|longer\s+than|older\s+than|exceed(?:s|ing)?|past|>)", "gt"),
    (rf"{BEFORE}(?:below|under|less\s+than|lower\s+than|smaller\s+than|fewer\s+than|colder\s+than|"
     rf"cheaper\s+than|lighter\s+than|shorter\s+than|younger\s+than|beneath|<)", "lt"),
    (r"(?:contains?|includes?|mentions?|has\s+the\s+words?|says?|writes?\s+(?:something|anything)\s+(?:with|like|"
     r"about)|talks?\s+about)", "contains"),
    (r"(?:starts?|begins?)\s+with", "starts_with"),
    (r"ends?\s+(?:with|in)", "ends_with"),
    (r"match(?:es)?", "matches"),
    (rf"(?:{_BE}|returns?|gives?)\s+(?:anything|something)\s+(?:other\s+than|but|except)", "neq"),
    (rf"{_NOT}(?:\s+equal\s+to)?|{_DOES_NOT}\s+(?:equal|return|give|(?:answer|respond|reply|"
        rf"come\s+back)(?:\s+with)?)|!=|≠|differs\s+from", "neq"),
    (r"(?:(?:ha(?:s|ve)|is|was|are)\s+)?(?:changed|changes|different)(?:\s+(?:from|than|since|compared\s+(?:to|with))\s+"
     r"(?:what\s+it\s+was\s+)?(?:the\s+)?(?:last|previous|before|yesterday)\b.*)?(?=\W*$)", "changed"),
    (rf"(?:equals?(?:\s+to)?|returns?|(?:answers?|responds?|replies)\s+with|==?|{_BE}\s+(?:equal\s+to|exactly)|"
     rf"{_BE}(?=\s))", "eq"),
)  # fmt: skip
_COMPILED = tuple((re.compile(rf"(?<![\w'’])(?:{pattern})(?!\w)", re.I), op) for pattern, op in _OPERATORS)


def operator(text: str) -> tuple[re.Match[str], str] | None:
    """The first comparison in a text: where it stands, and its operator."""
    shadow = words.masked(text)
    for pattern, op in _COMPILED:
        if match := pattern.search(shadow):
            return match, op
    return None
