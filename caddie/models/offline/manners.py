"""How people wrap a wish for a change: as a question, with a reason, with a complaint in front of it.

Invariant: takes away only what tells no part of the wish; quotes and addresses stay. Callers: ``change``, ``dialogue``.
"""

from __future__ import annotations

import re

from caddie.models.offline.phrasing import Guard, plainly

#: What a wish for a change begins with.
CHANGES = (
    r"(?:add|also|remove|delete|drop|get\s+rid\s+of|take|throw|cut|kill|ditch|scrap|skip|omit|leave|lose|change|set|"
    r"make|switch|swap|replace|use|move|shift|put|rename|call|duplicate|copy|clone|turn|raise|lower|increase|decrease|"
    r"reduce|bump|limit|cap|shorten|extend|wait|pause|delay|retry|try|send|post|mail|e-?mail|cc|bcc|notify|tell|ping|"
    r"inform|log|include|mention|insert|append|connect|disconnect|detach|unhook|link|reorder|run|start|trigger|stop|"
    r"only|"
    r"have|let|give|filter|exclude|ignore|translate|summari[sz]e|ask|keep|do|write|say|search|fetch|check|allow|adjust|"
    r"update|edit|correct|reverse|flip|invert|merge|split|go|say|reply|answer|forward|share|store|save)"
)
_ASKED = re.compile(
    r"^(?:(?:(?:can|could|may|might|shall|should|would|do|will)\s+(?:we|i|it|you)\s+(?:not\s+|maybe\s+|perhaps\s+|"
    r"please\s+|just\s+|"
    r"also\s+|possibly\s+|kindly\s+|mind\s+(?=\w+ing\b))*)|(?:(?:is|would|will)\s+(?:it|"
    r"there)\s+(?:be\s+)?(?:possible|okay|ok|"
    r"fine|feasible|(?:a|any)\s+way)\s+(?:to|if\s+(?:we|you|it)(?:\s+could)?)\s+)|(?:(?:how|what)\s+about\s+(?:we\s+|"
    r"if\s+we\s+)?)|"
    r"(?:why\s+(?:not|do\s+(?:we|you)\s+not|do\s+not\s+(?:we|you))\s+)|let\s+us\s+(?:also\s+|maybe\s+)?|"
    r"(?:it\s+would\s+be\s+(?:nice|great|good|better|cool|lovely|helpful|best)\s+(?:if\s+(?:it|we|you)\s+(?:could|"
    r"would)?\s*|to\s+))|"
    r"(?:(?:i|we)\s+(?:think|guess|feel|believe|reckon)\s+)?(?:(?:we|i|you)\s+(?:should|could|must|ought\s+to|"
    r"might\s+want\s+to|"
    r"had\s+better|better|have\s+to)\s+(?:also\s+|probably\s+|maybe\s+|rather\s+)*)|"
    r"(?:(?:i|we)\s+(?:(?:would|also|really|just|now)\s+)*(?:like|love|want|need|wish|prefer|have|am\s+hoping|"
    r"are\s+hoping)\s+"
    r"(?:you\s+|it\s+|this\s+|for\s+it\s+)?to\s+)|(?:make\s+sure|see\s+to\s+it|ensure)\s+(?:that\s+)?(?:you\s+|we\s+|"
    r"to\s+)?)",
    re.I,
)
_CHANGING = re.compile(rf"^(?:{CHANGES})\b", re.I)
#: "I only want the urgent ones"
_ONLY = re.compile(
    r"^(?:i|we|he|she|they|my\s+\w+|the\s+\w+)\s+(?:(?:am|are|is)\s+)?(?:really\s+)?(?:only|just)\s+(?:(?:want|need|"
    r"like|care)s?(?:\s+about)?|interested\s+in|"
    r"read|use)(?:\s+to\s+(?:see|get|have|receive|know\s+about|hear\s+about))?\s+|^(?:i|we)\s+(?:want|need)\s+only\s+",
    re.I,
)
_WHAT_IF = re.compile(r"^(?:and\s+)?what\s+if\s+(.+?)\?\s*(?:then\s+|in\s+that\s+case\s+)?(?=\w)", re.I)
_PLACED = re.compile(rf"^(?:(?:before|after|if|when|whenever|once|between|inside|in|for)\b|{CHANGES}\b)", re.I)
#: Why, said behind the wish.
_WHY = re.compile(
    r"\s*,?\s+(?:so\s+(?:that\s+)?(?=(?:i|we|they|it|he|she|people|nobody|no\s+one|everyone|the\s+\w+|you|one)\b)|"
    r"because\b|cause\b|cuz\b|in\s+"
    r"order\s+(?:to|not\s+to)\b|(?<=,)\s*since\b|(?<=,\s)as\s+(?=(?:it|we|i|they|the)\b)|otherwise\s+(?=(?:it|we|i|"
    r"they|the|nobody|people|you|"
    r"our|my)\s+(?:\w+\s+)?(?:is|are|was|get|gets|will|would|do|does|can|could|might|may|forget|miss|just|have|has|"
    r"lose|run|runs|"
    r"look|looks)\b)|or\s+(?=(?:else|nobody|people\s+(?:will|get))\b))(?P<why>[^;]*)$",
    re.I,
)
#: "…, it is way too long", "…. Nobody reads it."
_OPINION = re.compile(
    r"\s*[,;.]\s*(?:it|that|this|they|those|nobody|no\s+one|people|everyone|everybody|we|i|he|she|(?:the|my|our|his|"
    r"her)\s+[\w-]+)\s+"
    r"(?:is|are|was|were|does|do|did|can|could|keeps?|gets?|always|never|hates?|loves?|finds?|has|have|asked|"
    r"complained?|already|really|"
    r"just|looks?|feels?|seems?|reads?|needs?\s+(?:it|that|them)|prefers?|likes?|wants?\s+(?:it|that)|forgot|made|"
    r"had|work)\b"
    r"[^,;.#@\x02\d]*$",
    re.I,
)
#: "the log is useless, take it out"
_COMPLAINT = re.compile(
    r"^(?P<what>(?:(?:the|that|this|those|these|our|my|all)\s+)?(?!it\b|that\b|this\b|there\b|if\b|when|we\b|i\b|"
    r"they\b)[\w\x02' -]{2,40}?)\s+"
    r"(?:is|are|was|were|seems?|feels?|looks?|sounds?|has|have|does|do|keeps?|goes|comes|makes?|takes?|annoys?|"
    r"contains?)\b[^,;.]*\s*[,;.]\s*(?:so\s+|and\s+|please\s+|can\s+(?:you|we)\s+|could\s+(?:you|we)\s+|let\s+us\s+|"
    r"just\s+|better\s+)*"
    rf"(?P<wish>{CHANGES}\b.*)$",
    re.I,
)
_POINTS = re.compile(r"\b(it|them|that|this|those)\b(?!\s+(?:is|are|was|should|it)\b)", re.I)


def direct(text: str) -> str:
    """The wish itself, told as an order where it was wrapped; a text that is no wish comes back as it was."""
    guard = Guard(text.strip())
    told = _ONLY.sub("only ", guard.text)
    told = _WHAT_IF.sub(r"if \1, ", told)
    for _ in range(3):
        asked = _ASKED.match(told)
        rest = told[asked.end() :].strip() if asked else ""
        rest = plainly(rest) if rest else rest
        if not asked or not _CHANGING.match(rest):
            break
        told = rest.rstrip(" ?")
    return guard.restored(told) if told != guard.text else text


def unexplained(text: str) -> str:
    """A wish without the reasons given for it; a complaint's subject in the place of "it"."""
    guard = Guard(text.strip())
    told = guard.text
    if (complaint := _COMPLAINT.match(told)) and _POINTS.search(complaint.group("wish")):
        told = _POINTS.sub(complaint.group("what").strip(), complaint.group("wish"), count=1)
    for pattern in (_WHY, _OPINION):
        cut = pattern.search(told)
        left = told[: cut.start()].strip(" ,.;") if cut else ""
        if left and len(left.split()) > 1 and _PLACED.match(left):
            told = left
    return guard.restored(told)
