"""How a request speaks of the webhook that starts its workflow, apart from "when …".

Invariant: what is sent to an address of somebody else is none of these. Callers: ``starts``.
"""

from __future__ import annotations

import re

NAMED = re.compile(
    r"(?:\b(?:that|which)\s+(?:(?:we|i)\s+(?:get|receive)|arrives?|comes?(?:\s+in)?|reach(?:es)?(?:\s+us)?|is|are)\s+)?"
    r"(?:(?:\b(?:sent|posted|submitted|delivered|received|coming(?:\s+in)?|arriving|reported)\s+)?\b(?:with|using|via|"
    r"from|on|by|over|through)|\b(?:sent|posted|submitted|delivered|reported|coming(?:\s+in)?|"
    r"arriving)\s+(?:in\s+)?(?:to|"
    r"at|into))\s+(?:an?\s+|the\s+|our\s+|my\s+)?(?:[\w-]+\s+){0,2}?"
    r"(?:web\s?hook|(?:contact|web|website|online|order|booking|application|feedback|support|signup|"
    r"sign-up)\s+form)(?:\s+trigger)?\b"
    r"(?:\s+(?:that|which|to))?",
    re.I,
)
#: "…: our community tool calls a webhook, …"
CALLS = re.compile(
    r"\b(?:that|which)\s+(?:hits?|reach(?:es)?|calls?)\s+(?:our|the|an?|my)\s+(?:\w+\s+)?web\s?hook\b|"
    r"\b(?:our|the|my|an?)\s+(?:[\w-]+\s+){1,4}?(?:calls?|hits?|posts?\s+to|triggers?|uses?)\s+(?:an?|the|our|"
    r"this)\s+web\s?hook\b(?:\s+(?:when|whenever|"
    r"each|every|for|with|on)\b[^,.;]*)?",
    re.I,
)
#: "receives messages from our form's webhook and …": the event, told as the first thing it does.
RECEIVES = re.compile(
    r"^(?:it\s+)?(?:receives?|gets?|takes?|accepts?|listens?\s+(?:to|for|on)|waits?\s+for|watch(?:es)?)\s+[^,.;\n]*?\b"
    r"web\s?hook\b(?:\s+(?:calls?|requests?|events?))?",
    re.I,
)
