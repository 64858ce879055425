"""The turns of phrase that open a condition, its other branch, a loop, an outcome.

Invariant: grammar only; which block a clause means is not decided here. Callers: ``reader``.
"""

from __future__ import annotations

import re

from caddie.models.offline import clauses, words
from caddie.models.offline.verbs import VERBS, third

IF = re.compile(
    r"^(?:and\s+|but\s+|only\s+)?(if|unless|when|in\s+case|whenever|once|as\s+soon\s+as|should|where)\s+"
    r"(.+)$", re.I | re.S
)
ELSE = re.compile(
    r"^(?:otherwise|else|(?:for|with|in)\s+(?:all\s+|every\s+|any\s+)?(?:the\s+)?other\s+(?!than\b)\w+s?|"
    r"if\s+(?:it\s+(?:does|is)\s+)?not(?=[\s,:]*$|\s*[,:])|if\s+(?:it\s+(?:does|"
    r"is)\s+)?not\b(?!\s+\w+\s+(?:than|to)))[\s,:]*(.*)$",
    re.I | re.S,
)
WHETHER = re.compile(
    r"^(?:check|see|verify|test|find\s+out|determine|make\s+sure)\s+(?:whether|if|that)\s+(.+)$", re.I | re.S
)
BEFORE = re.compile(r"^(.*?)\s+before\s+(?:you\s+|it\s+|we\s+|the\s+workflow\s+)?(.+)$", re.I | re.S)
SO = re.compile(r"^(?:if\s+(?:so|yes|it\s+(?:is|does)(?=\s*,))|in\s+that\s+case)[\s,:]+(.*)$", re.I | re.S)
LOOP = re.compile(
    r"^(?:(?:loop|iterate)\s+(?:over|through)|for|go\s+(?:through|over)|process|handle)\s+(?:each|every|all(?:\s+of)?|"
    r"the)\b\s*(?:of\s+the\s+|the\s+)?([\w -]+?)(?:\s+(?:in|of|"
    r"from)\s+(?:the\s+)?([\w ]+?))?(?:\s+one\s+by\s+one)?(?:\s*[:,]\s*|$|"
    r"\s+(?=(?:if|send|post|e?mail|summari[sz]e|call|log|fetch|classify|extract|ask|write|translate|reply|notify|"
    r"wait|whose|with|where|that)\b))(.*)$",
    re.I | re.S,
)


def items(loop: re.Match[str]) -> str:
    """What a loop is over: "each line in the list" are lines."""
    held = loop.group(2)
    vague = not held or re.fullmatch(
        r"(?:list|data|results?|answer|response|array|file|table|body|it|feed)", held.strip(), re.I
    )
    return str(loop.group(1) if vague else held)


OVER = re.compile(
    r"^(?:loop|iterate|go|run)\s+(?:over|through)\s+(?:it|them|this|those|that|(?:the\s+)?([a-z]\w+))\b[\s,:]*(.*)$",
    re.I | re.S,
)
ROWS = re.compile(
    r"^(?:(?:it|this|that|they|which|the\s+(?:body|data|payload|request|answer|response|json))\s+)?(?:has|"
    r"have|contains?|"
    r"carries|holds|comes\s+with|with|includes?|brings)\s+(?:an?\s+|the\s+)?(?:list|array)\s+(?:called|named|of)?\s*"
    r"[\"'`]?([a-z_]\w*)[\"'`]?$",
    re.I,
)
COPY = re.compile(
    r"^(?:with\s+)?(?:cc|copy|in\s+copy|carbon\s+copy|put|"
    r"keep)\s*:?\s*(?:to\s+)?((?:\S+@\S+[\s,]*(?:and\s+)?)+)(?:in\s+(?:cc|copy))?$",
    re.I,
)
PASSED = re.compile(
    r"^(?:pass|hand|give|send|feed)\s+(?:it\s+|along\s+|over\s+|on\s+)*(?:the\s+|all\s+)*(?:body|data|"
    r"payload|everything|"
    r"result|order|request|input|answer|message)s?(?:\s+(?:to\s+it|along|over|on))?$",
    re.I,
)
SUFFIX = re.compile(
    r"^(.+?)\s*,?\s+(?:but\s+)?(?:only\s+)?(if|unless|whenever|when|(?:every|each|any)\s*time|in\s+case|"
    r"as\s+soon\s+as|once)\s+(.+)$",
    re.I | re.S,
)
THEN = re.compile(r"^(.*?)\s*(?:,\s*then\b|\bthen\b|,|:)\s*(.+)$", re.I | re.S)
APPROVED = re.compile(
    r"^(?:it\s+|that\s+|they\s+|(?:s?he|i|we|someone|the\s+\w+|my\s+\w+)\s+)?(?:(?:is|gets|was|are|have|"
    r"has)\s+)?(approves?|approved|agrees?|confirms?|confirmed|accepts?|accepted|says?\s+(?:yes|no|ok)|declines?|"
    r"declined|rejects?|rejected|denied|den(?:y|ies)|refuses?|disapproves?)(?:\s+(?:it|that|this))?\b[,\s]*(.*)$",
    re.I | re.S,
)
DENIED = re.compile(r"^(?:declin|reject|den|refus|says?\s+no|disapp)", re.I)
VERB = re.compile(rf"\s+(?=(?:then\s+)?{clauses.LEAD})", re.I)
#: "if it is about shipping to #shipping"
PLACE = re.compile(r"\s+(?=(?:to|in)\s+(?:the\s+)?(?:#|\x00))", re.I)
#: Where somebody who does something follows a condition: "… 100 dollars a human has to approve it".
SUBJECT = re.compile(
    r"\s+(?=(?:an?|the|my|our|someone|somebody|i|we)\s+(?:[\w-]+\s+){0,2}?(?:has|have|must|should|needs?|gets?|"
    r"will|wants?)\b)|\s+(?=i\s+want\b)",
    re.I,
)
#: Where what to do can begin behind a condition.
CUTS = (VERB, SUBJECT, PLACE)
RESUMED = re.compile(
    r"^(?:it|that|this|the\s+\w+(?:\s+\w+)?|one|they)\s+(?:comes?(?:\s+in|\s+through)?|arrives?|is\s+(?:there|"
    r"received|confirmed|resumed)|resumes?|happens)\b[,\s]*(.*)$",
    re.I | re.S,
)
TIMED_OUT = re.compile(
    r"^(?:it|that|this|the\s+\w+(?:\s+\w+)?|nothing|nobody|no\s*one|none)\s+(?:times?\s+out|(?:does\s+not|"
    r"do\s+not)\s+(?:come|arrive|happen)(?:\s+in)?|never\s+\w+|comes?(?:\s+in)?|arrives?|"
    r"happens)(?:\s+in\s+time)?\b[,\s]*(.*)$",
    re.I | re.S,
)
CONTEXT = re.compile(
    r"^(?:you\s+can\s+(?:find|get|see)|(?:it|they|that|this|these|those)\s+(?:is|are)|the\s+(?:address|url|link|api|"
    r"data)\s+is|(?:available|found)\s+(?:at|under))\b.*?(?=https?:)",
    re.I | re.S,
)
MUST_NOT = re.compile(
    r"^(.*?)\s+(?:must|should|may|can|shall)\s+(?:not|never)\s+(?:get|be|become|go|rise|fall|drop|climb|run)?\s*(.+)$",
    re.I | re.S,
)
DOES = re.compile(r"(?:it|that|this|they)\s+(?:does|do|is|are|happens|did)(?:\s+so)?", re.I)
ALWAYS = re.compile(
    r"^(?:all\s+of\s+(?:them|these)|all\s+(?:gets?|receives?|should)|everyone|everybody|(?:each|every)\s+of\s+them|"
    r"in\s+(?:any|either|all|every)\s+cases?|either\s+way|regardless|(?:also\s+)?(?:log|record)\s+(?:every|each|"
    r"all))\b",
    re.I,
)
#: The part of ALWAYS that is no part of what to do.
REGARDLESS = re.compile(r"^(?:in\s+(?:any|either|all|every)\s+cases?|either\s+way|regardless)[\s,:]+", re.I)
MY_OK = re.compile(
    r"^(?:after|with|upon|on|once\s+i\s+(?:give|gave|have\s+given)(?:\s+it)?)\s+(?:my|our)\s+(?:ok(?:ay)?|approval|"
    r"confirmation|go-?ahead|blessing|consent)\b[,:\s]+(.+)$",
    re.I | re.S,
)
#: "send it after I confirmed": a yes told behind what waits for it.
_AFTER_YES = re.compile(
    r"^(.+?)\s*,?\s+(?:but\s+)?(?:only\s+)?(?:after|once|when|as\s+soon\s+as|if)\s+(?:i|we|(?:my|our|the|"
    r"a)\s+\w+|someone|somebody)\s+(?:have\s+|has\s+)?"
    r"(?:approved?s?|confirm(?:ed|s)?|okay(?:ed|s)?|sign(?:ed|s)?\s+(?:it\s+)?off|agree[ds]?|said\s+(?:yes|ok|"
    r"go)|gave\s+(?:my|our|their|his|her)\s+(?:ok|okay|"
    r"approval))(?:\s+(?:it|this|that|them|on\s+it))?$",
    re.I | re.S,
)


def consented(clause: str) -> str | None:
    """What waits for a yes, of a clause that says so before or behind it."""
    match = MY_OK.match(clause) or (None if IF.match(clause) else _AFTER_YES.match(clause))
    return match.group(1) if match else None


#: "Use Slack.", of a message that goes there already.
_WAY = re.compile(
    r"(?:please\s+)?(?:use|take|do\s+(?:it|that|this)\s+(?:on|in|via|with|over|by))\s+(slack|discord|e-?mail)"
    r"(?:\s+for\s+(?:it|that|this))?",
    re.I,
)
ELLIPSIS = re.compile(r"^(?:to|in|on|into|via|at)\s+", re.I)
FIRST = re.compile(r"^\w+")
DONE = re.compile(
    r"^(?:it|that|this|everything|all|the\s+\w+)\s+(?:is|has|was|are)\s+(?:been\s+)?(?:all\s+)?(?:done|finished|"
    r"completed?|ready|through|over|happened|sent|posted)$",
    re.I,
)
ONLY_IF = re.compile(r"^(?:but\s+)?only\s+(if|when|unless)\s+(.+)$", re.I | re.S)
#: "keep an eye on our competitor": why something else is looked for.
AIM = re.compile(
    r"^(?:keep\s+(?:an\s+eye\s+on|track\s+of|up\s+with)|stay\s+(?:up\s+to\s+date|informed|on\s+top)|follow|"
    r"be\s+informed|know)\b",
    re.I,
)
#: "take its result": what every step does anyway.
TAKEN = re.compile(
    r"(?:take|read|receive|get|accept)\s+(?:an?|the|any|each|every)\s+(?:[\w-]+['’]s\s+|\w+\s+)?(?:question|"
    r"message|text|input|request)s?\s+(?:from|in|of|via)\s+(?:the\s+|our\s+|a\s+)?chat|"
    r"(?:take|use|get|read|receive)\s+(?:its|the|their|that|this)\s+(?:\w+\s+(?=text|data|body|payload|"
    r"message))?(?:results?|output|answer|response|data|"
    r"body|payload|text|message)(?:\s+of\s+(?:it|that))?",
    re.I,
)
EMPTY = re.compile(
    r"(?:(?:take|read|receive|get|use)\s+(?:the\s+)?(?:incoming\s+|chat\s+)?(?:text|message|body|payload|input|"
    r"data)(?:\s+of\s+(?:the|an?)\s+(?:chat\s+|incoming\s+)?(?:message|web\s?hook|"
    r"request|form))?|in\s+(?:the|a)\s+chat|do|does|it|start|starts|run|runs|begin|once|twice|workflow|"
    r"automation|flow|stop|nothing|thanks?|please|\W|"
    r"do\s+nothing|thank\s+you|a\s+lot|"
    r"so\s+much|just|straight\s+away|right\s+away)+",
    re.I,
)
#: "with the status open"
WITH = re.compile(
    r"^(with\s+)(?:an?\s+|the\s+)?(?!an?\s|the\s|(?:fewer|more|less|at|over|under|above|below|no)\s)(\w+)\s+"
    r"(?:of\s+)?(?!is\b|are\b|above|below|over|under|more|less|of\b|"
    r"at\b)(\w+)(?=[\s,:]|$)",
    re.I,
)
#: What is not to be done needs no step.
NOTHING = re.compile(r"(?:do\s+not|never)\s+(?:\w+\s*){1,4}", re.I)
QUALIFIED = re.compile(
    r"^(.*?)\b(?:whose|with|where|(?:that|which)\s+(?:is|are|has|have)|(?=not\s+\w+(?:\s+yet)?$))\s*(.+)$", re.I | re.S
)


#: "looks", "sends": what a workflow does, told in the third person.
_FINITE = "|".join(sorted(VERBS, key=len, reverse=True))
_THIRD = "|".join(
    sorted((third(verb) for verb in VERBS if verb not in ("have", "do", "go", "get")), key=len, reverse=True)
)


def told(clause: str) -> str:
    """ "sends it to …" → "send it to …": a workflow told in the third person."""
    clause = re.sub(
        rf"^(?:it|this|that|(?:the\s+|an?\s+)?ai|the\s+(?:bot|workflow|flow|assistant))\s+(?=(?:{_THIRD})\b)",
        "",
        clause,
        flags=re.I,
    )
    clause = re.sub(rf"^(?:just|simply)\s+(?=(?:{_FINITE})\b)", "", clause, flags=re.I)
    first, _, rest = clause.partition(" ")
    low = first.lower()
    if low in ("runs", "starts", "works", "triggers") and not re.search(r"\bworkflow|flow\b", rest):
        return told(rest) if rest else ""
    endings = (
        low[:-2] if low.endswith("es") else "",
        low[:-1] if low.endswith("s") else "",
        f"{low[:-3]}y" if low.endswith("ies") else "",
    )
    verb = next((name for name in endings if name in VERBS), None)
    return f"{verb} {rest}".strip() if verb and low not in VERBS and rest else clause


def background(clause: str) -> bool:
    """A statement about the world, which asks for nothing."""
    return bool(
        re.match(r"^(?:an?|i|we|our|my|the|there|this|it|they|tenants|customers|people|nobody|no\s+one|everyone|he|she|"
                 r"someone|somebody)\b(?:(?!\b(?:should|must|want|"
                 r"need)\b).)*$", clause, re.I | re.S)
        and not words.url(clause) and not words.emails(clause) and not words.channel(clause)
    )  # fmt: skip


def goes(clause: str, blocks: set[str]) -> bool:
    """Whether a clause only says which way a message goes that goes this way already."""
    way = _WAY.fullmatch(clause)
    return way is not None and any(way.group(1).lower().replace("-", "").removeprefix("e") in each for each in blocks)
