"""Everyday phrasing made plain before it is read: slips, contractions, list marks, politeness, the passive.

Invariant: quotes, addresses and expressions come out as they went in; a rule is about grammar, never about one request.
Callers: ``understand``, ``change``.
"""

from __future__ import annotations

import re

from caddie.models.offline import pointing, spelling, words
from caddie.models.offline.verbs import PARTICIPLES, VERBS

_PROTECTED = re.compile(
    rf"{{{{[^{{}}]*}}}}|{words.URL.pattern}|{words.QUOTE.pattern}|{words.EMAIL.pattern}|{words.CHANNEL.pattern}", re.I
)
_MARK = re.compile(r"\x02(\d+)\x02")
_SHORT = (
    (r"\b(do|does|did|is|are|was|were|has|have|had|should|would|could|must)n['’]?t\b", r"\1 not"),
    (r"\b(it|that|there|what)s(?=\s+(?:ok|okay|fine|too|not|all|a|an|the|wrong|empty|over|under|below|above|late)\b)",
     r"\1 is"), (r"\bcant\b", "can not"), (r"\bwont\b", "will not"),
    (r"\b(?:can['’]t|cannot)\b", "can not"), (r"\bwon['’]t\b", "will not"),
    (r"\b(i|you|we|they)['’]d\b", r"\1 would"), (r"\b(i|you|we|they)['’]ll\b", r"\1 will"),
    (r"\b(you|we|they)['’]re\b", r"\1 are"), (r"\bi['’]m\b", "i am"), (r"\b(it|that|there|here|what)['’]s\b", r"\1 is"),
    (r"\blet['’]s\b", "let us"), (r"\b(i|we|you|they)['’]ve\b", r"\1 have"), (r"\bgonna\b", "going to"),
    (r"\bwanna\b", "want to"), (r"\b(?:as\s+long\s+as|provided(?:\s+that)?|in\s+the\s+event\s+that|"
     r"assuming(?:\s+that)?)\b", "if"), (r"\bpls\b|\bplz\b", "please"),
)  # fmt: skip
_POLITE = re.compile(
    r"^\s*(?:(?:hi|hello|hey|ok(?:ay)?|alright|so|well|now|please|and|then|caddie|thx|"
    r"thank\s+you(?:\s+so\s+much)?|thanks(?:\s+(?:a\s+lot|"
    r"so\s+much))?|"
    r"dear\s+\w+)(?:\s+(?:there|caddie|all|everyone))?(?=[\s,!.:]|$)[\s,!.:]*)?"
    r"(?:(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?|please\s+|kindly\s+|"
    r"(?:i|we)\s+(?:(?:would|really)\s+)*(?:like|love|want|need)\s+(?:you\s+)?(?:to\s+have\s+|to\s+|(?:this|"
    r"the\s+following)\s*:\s*|"
    r"an?\s+(?:new\s+|simple\s+|little\s+)?(?:workflow|automation|flow|pipeline)\s+(?:that|to|which)\s+)|"
    r"(?:build|create|make|set\s+up|design|write|give)\s+(?:me\s+|us\s+)?(?:something|sth|a\s+(?:thing|process|system|"
    r"helper|setup))\s+(?:so\s+that|so|that|which|to|where)\s+|"
    r"(?:i|we)\s+(?:(?:would|really)\s+)*(?:like|love|want|need)\s+(?:something|a\s+(?:thing|process|system|helper|"
    r"setup))\s+(?:that|which|to)\s+|"
    r"(?:can|could|may)\s+(?:we|i)\s+(?:please\s+)?(?:have|get)\s+(?:something|an?\s+(?:workflow|automation|"
    r"thing|bot))\s+(?:that|which|to)\s+|"
    r"(?:build|create|make|set\s+up|do)\s*:\s*|"
    r"(?:i\s+am|we\s+are)\s+(?:looking\s+for|after|in\s+need\s+of)\s+(?:something|an?\s+(?:\w+\s+)?(?:workflow|"
    r"automation|flow|tool|system|"
    r"solution|way))\s+(?:that|which|to|where)\s+|"
    r"(?:here\s+is\s+)?(?:what\s+(?:i|we)\s+(?:need|want|would\s+like)|(?:my|our|the)\s+(?:idea|plan|goal|task|"
    r"wish|job)|task|goal|idea|request|wanted|needed)(?:\s+is)?\s*:\s*|"
    r"(?:make|have)\s+it\s+so\s+(?:that\s+)?|"
    r"set\s+(?:something|this|it|things)\s+up\s+(?:so\s+(?:that\s+)?|which\s+|that\s+|to\s+|for\s+me\s+)?|"
    r"(?:i|we)\s+need\s+(?=\w+\s+\w+s\b\s)|"
    r"(?:build|create|make|set\s+up|design|write|plan|propose|outline|sketch|suggest|draft|prepare|"
    r"plan\s+out)\s+(?:me\s+|us\s+)?"
    r"(?:a|an|the|another|this)\s+(?:new\s+|simple\s+)?(?:\w+\s+)?(?:workflow|automation|flow|pipeline)\s*(?:that|to|"
    r"which|where|with\s+these\s+steps|:|,|and)?\s*|"
    r"an?\s+(?:new\s+)?(?:workflow|automation|flow)\s+(?:(?:that|which|to)\s+)?(?=\w+s\s)|(?:make\s+sure|ensure|"
    r"see\s+to\s+it)\s+(?:that\s+)?|(?:it|the\s+workflow|this\s+workflow)\s+(?:should|must|"
    r"shall|has\s+to|needs\s+to)\s+|"
    r"(?:set\s+up|build|create|make|do)\s+(?:me\s+|us\s+)?(?:the\s+following|this)\s*:\s*|for\s+(?:the|our|"
    r"my)\s+\w+\s*:\s*|(?:i\s+need\s+this|steps?|todo|to\s+do)\s*:\s*)*",
    re.I,
)
_ENTITY = r"(?=.*(?:\x02|\bslack\b|\bdiscord\b|\be-?mail\b|\blog\b|\bchannel\b|\bchat\b))"
_WILL = r"(?:should|must|shall|needs?\s+to|ha(?:s|ve)\s+to|(?:is|are)\s+to|will|can|gets?|are|is)"
_EXTRA = r"(?:\s+(?:also|then|just|only|always|simply|automatically|immediately))*"
_PARTICIPLE = "|".join(sorted(PARTICIPLES, key=len, reverse=True))
_FINITE = "|".join(sorted((verb for verb in VERBS if verb not in ("have", "go", "get", "do")), key=len, reverse=True))
#: Pattern and replacement, tried in order on a clause until one fits.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern, re.I | re.S), to) for pattern, to in (
    (r"^(?:i|we)\s+(?:also\s+|then\s+)?(?:want|need|would\s+like|expect)\s+(?:to\s+(?:get|receive|have|be\s+sent)\s+)?"
     r"((?:an?|the)\s+(?:\w+\s+)?(?:e-?mail|mail|message|notification|alert|summary|note|ping|"
     r"reminder)\b.*)$", r"send \1"),
    (r"^(?:i|we)\s+(?:also\s+|then\s+)?(?:want|need|would\s+(?:like|love))\s+((?:an?|the|some|"
     r"\w+)\s+[^\x02]{2,60}?\s+(?:in|to|via|by|on|at)\s+"
     r"(?:(?:my|our)\s+(?:inbox|mailbox|e-?mail|mail|phone)|e-?mail|slack|discord|\x02).*)$", r"send me \1"),
    (r"^(?:i|we)\s+(?:also\s+|then\s+|only\s+)?(?:want|need|would\s+like)\s+to\s+(?:know|hear|be\s+(?:told|informed|"
     r"notified|alerted|warned))\b",
     "notify me"),
    (r"^(?:(?:my|our|the)\s+)?[\w-]+\s+(?:wants?|needs?|would\s+like)\s+to\s+(?:know|see|get|have|"
     r"receive)\s+(?:(?:about|how|what|which)\s+)?", "get "),
    (r"^(?!if\b|when|unless|once\b)[^\x02]{2,40}?\s+(?:should\s+|must\s+|will\s+)?(?:gets?|"
        r"receives?)\s+((?:an?|the|one)\s+"
     r"(?:[\w-]+\s+)?(?:e-?mail|mail|message|notification|reminder)\b.*)$", r"send \1"),
    (r"^(.+?)\s+(?:should|must|will|needs?\s+to)\s+be\s+\w+(?:ed|en)(?:\s+(?:up|on))?\s+(?:by|"
     r"with\s+an?)\s+(?:e-?mail|mail)\b(.*)$",
     r"send an email about \1\2"),
    (r"^(?:i|we)\s+get\s+((?:an?|the)\s+(?:e-?mail|mail|message|notification|alert)\b.*)$", r"send \1"),
    (r"^let\s+(?=\x02)(\S+)\s+know\b", r"notify \1"),
    (r"^let\s+(?:me|us|[\w\s]{2,20})\s+know\b", "notify me"),
    (r"^(?:ring|sound|raise)\s+(?:the|an?)\s+(?:alarm|alert|bell|flag)\b", "alert"),
    (rf"^{_ENTITY}((?!if\b|when|unless|for\s+each|once\b).+?)\s+(?:should\s+|must\s+|will\s+|are\s+to\s+)?(?:just\s+|"
     rf"also\s+)?(?:go(?:es)?(?:\s+out|\s+off)?|reach(?:es)?|lands?|ends?\s+up|belongs?)\s+"
     r"(?:me\s+|us\s+)?(?:(?:straight|directly|right)\s+)?((?:to|at|in|on|via|into|by)\s+.*)$", r"send \1 \2"),
    (r"^(?:(?:the|an?)\s+)?((?:[\w-]+\s+)*?(?:e-?mail|mail|message|letter|newsletter|invoice)s?)\s+(?:should\s+|"
     r"will\s+|can\s+)?(?:goes?|is\s+sent)\s+(?:out|off)$", r"send the \1"),
    (r"^((?!if\b|when|unless|once\b).+?)\s+(?:should\s+)?gets?\s+((?:an?|the)\s+(?:\w+\s+)*(?:answer|reply|"
     r"response)\b.*)$", r"reply to \1 with \2"),
    (rf"^((?!if\b|when|unless|once\b|for\s+each|"
     rf"as\s+soon)(?:[\w\x02'-]+\s+){{0,6}}?[\w\x02'-]+)\s+{_WILL}{_EXTRA}\s+(?:be\s+|"
     rf"get\s+)?(?P<verb>{_PARTICIPLE})\b(.*)$",
     r"\g<verb> \1\3"),
    (rf"^(?:it|the\s+\w+|everyone|someone)\s+(?:should|must|shall|needs?\s+to|ha(?:s|ve)\s+to|"
     rf"will)\s+(?=(?:{_FINITE})\b)", ""),
    (rf"^{_ENTITY}(?:and\s+|but\s+)?((?:the\s+)?(?:\w+\s+)?(?:ones|rest|others?|(?:every|any)thing\s+else|"
     rf"all\s+others?))\s+((?:on|to|in|via|by|into)\s+.*)$", r"send \1 \2"),
))  # fmt: skip


#: "if the budget is over 100 → #enterprise, otherwise → #smb"
_THEN_PLACE = re.compile(
    r"(\b(?:if|unless|when|otherwise|else)\b[^.;\n→]*?),?\s*(?:-+>|=+>|→)\s*(?:to\s+)?(?=\x02|slack\b|discord\b)",
    re.I,
)
#: "urgent → #oncall, normal → #support".
_SORTED = re.compile(
    r"(?:(?<=[.:,;\n]\s)|(?<=[.:,;\n])|^)((?:(?:and|the)\s+)?(?:[a-z-]+\s){0,2}[a-z-]+)\s*(?:-+>|=+>|→|=|"
    r":)\s*(?:to\s+)?"
    r"(?=\x02|slack\b|discord\b|e-?mail\s)",
    re.I,
)


class Guard:
    """A text whose quotes, addresses, channels and expressions are marks for the time being."""

    def __init__(self, text: str) -> None:
        self._kept: list[str] = []
        self.text = _PROTECTED.sub(self._keep, text)

    def _keep(self, match: re.Match[str]) -> str:
        self._kept.append(match.group())
        return f"\x02{len(self._kept) - 1}\x02"

    def restored(self, text: str) -> str:
        return _MARK.sub(lambda match: self._kept[int(match.group(1))], text)


#: "https://…/{order number}": a gap of several words in an address.
_GAPS = re.compile(r"https?://\S*\{[a-z]+(?: [a-z]+)+\}", re.I)


def plain(text: str) -> str:
    """A message without slips, contractions and list marks; a list's items are lines."""
    text = _GAPS.sub(lambda match: re.sub(r"\s+", "_", match.group()), text)
    guard = Guard(text)
    shadow = guard.text.replace("’", "'")
    for pattern, to in _SHORT:
        shadow = re.sub(pattern, to, shadow, flags=re.I)
    if len(_SORTED.findall(shadow)) > 1:
        shadow = _SORTED.sub(r"\1 goes to ", shadow)
    shadow = _THEN_PLACE.sub(r"\1 send it to ", shadow)
    shadow = re.sub(r"(\x02\d+\x02)\s*(?:-+>|=+>|→)\s*(?=\x02\d+\x02\s*$)", r"send \1 to ", shadow)
    shadow = re.sub(r"\s*(?:-+>|=+>|→)\s*", "\n", shadow)
    shadow = re.sub(r"(?<=[\w\x02])\s+(?:[—–]|--?)\s+(?=[a-z])", ", ", shadow)
    if re.search(r"(?:^|\s)1[.)]\s", shadow) and re.search(r"\s2[.)]\s", shadow):
        shadow = re.sub(r"(?:^|\s+)\d{1,2}[.)]\s+", "\n", shadow)
    shadow = re.sub(r"(?:^|\n)\s*(?:[-*•–]|step\s+\d+\s*[:.)]|\d{1,2}[.)])\s+", "\n", shadow, flags=re.I).strip()
    shadow = re.sub(r"\s*\(([^()]{1,120})\)", _aside, shadow)
    shadow = re.sub(
        r"\b(does|is|are|has)\s+(it|this|that|the\s+\w+)\s+([^.?!\n]{2,60})\?\s+(?:then|if\s+so|if\s+yes|"
        r"in\s+that\s+case)\b,?",
        _asked, shadow, flags=re.I,
    )  # fmt: skip
    return guard.restored(spelling.corrected(shadow))


def _aside(match: re.Match[str]) -> str:
    """What stands in brackets, when it says where or how."""
    said = match.group(1)
    listed = re.fullmatch(r"[\w -]+(?:\s*(?:[,/|]|\bor\b|\band\b)\s*[\w -]+)+", said)
    before = match.string[: match.start()]
    if listed and re.search(
        r"\b(?:classify|categori[sz]e|sort|label|tag|triage)(?:\s+(?:it|them|each|the\s+\w+|"
        r"by\s+\w+))?$|\b(?:decide|judge|rate|determine|assess|say|tell|check|find\s+out)\s+(?:how\s+\w+\s+"
        r"(?:it|this|that|the\s+\w+)\s+is|"
        r"(?:the|its)\s+\w+)$",
        before,
        re.I,
    ):
        return " as " + re.sub(r"\s*[/|]\s*", ", ", said)
    if listed and re.search(r"\b(?:extract|fields|details|data|information|info)$", before, re.I):
        return " " + re.sub(r"\s*[/|]\s*", ", ", said)
    if pointing.addressed(said):
        return f" {said}" if re.match(r"to\b|at\b", said, re.I) else f", {said}"
    if re.search(r"\bweb\s?hook", said, re.I):
        return " by webhook"
    return f" {said}" if "\x02" in said else ""


def _asked(match: re.Match[str]) -> str:
    """ "Does it say rain? Then …" → "if it says rain, …"."""
    verb, subject, rest = match.group(1).lower(), match.group(2), match.group(3)
    return f"if {subject} {rest}," if verb == "does" else f"if {subject} {verb} {rest},"


def without_politeness(text: str) -> str:
    previous, text = None, text.strip()
    while previous != text:
        previous, text = text, _POLITE.sub("", text, count=1).strip()
    return text


_CHATTER = re.compile(
    r"^(?:(?:h+m+|u+h+m*|um+|oh|ah|ok(?:ay)?|so|well|right|actually|hey|hi|hello|thx|ty|"
    r"thanks(?:\s+a\s+lot)?|cool|great|nice|sorry|"
    r"btw|by\s+the\s+way|one\s+(?:more|last|other)\s+thing|oops|yes|yeah|yep|perfect|good|awesome|super|"
    r"lovely|maybe|perhaps|"
    r"i\s+(?:think|guess|suppose|believe)|now(?=\s*,)|wait(?=\s*[,.!])|that\s+(?:works|looks\s+good|"
    r"is\s+(?:great|good|nice|fine)))\b"
    r"(?![-'’])[\s,.!:;…)]*)+(?:but\s+|and\s+)?",
    re.I,
)
_EXCUSE = re.compile(
    r"(?<=\w)\s*[,.;]\s*(?:(?:we|i|they|nobody)\s+(?:do\s+not\s+|really\s+)*(?:cares?|minds?|like|"
    r"need\s+(?:it|them|those|that))|(?:that|it|this)\s+"
    r"(?:is|was|gets?)\s+(?:(?:just|really|way|a\s+bit)\s+)*(?:too\s+(?:late|early|much|often|noisy|long)|"
    r"wrong|a\s+mistake|annoying|silly))\b"
    r"[^,.;\d#@]*$",
    re.I,
)
#: "I talked to my boss, and she says …"
_HEARSAY = re.compile(
    r"^(?:(?!if\b|when|unless|every|each|before|after)[^.!?\x02]{0,90}?[\s,])?(?:i|we|he|she|they|it|"
    r"(?:my|our|the|his|her)\s+[\w-]+)\s+"
    r"(?:just\s+|really\s+|now\s+|also\s+)?(?:says?|said|thinks?|thought|told\s+(?:me|us)|(?:was|were|"
    r"got)\s+told(?:\s+by\s+[\w ]{2,20}?)?|decided|realised|realized|reckons?|figured|"
    r"noticed|agreed)\s+(?:that\s+)?(?=(?:the|it|we|this|mails?|e-?mails?|only|only|all|they|there|"
    r"messages?|reports?|should|to)\b)",
    re.I,
)


def without_chatter(text: str) -> str:
    """A wish for a change without what people say around it."""
    previous, text = None, text.strip()
    while previous != text:
        text = _EXCUSE.sub("", text)
        previous, text = text, without_politeness(_HEARSAY.sub("", _CHATTER.sub("", text, count=1), count=1))
    return text


def plainly(phrase: str) -> str:
    """ "sending it to …" → "send it to …"."""
    first, _, rest = phrase.strip().partition(" ")
    low = first.lower()
    forms = (low[:-3], f"{low[:-3]}e", low[:-4]) if low.endswith("ing") else ()
    verb = next((form for form in forms if form in VERBS), None)
    return f"{verb} {rest}".strip() if verb else phrase


def imperative(clause: str) -> str:
    """A clause that says what should happen as one that tells it to happen."""
    guard = Guard(clause)
    for pattern, to in _RULES:
        match = pattern.match(guard.text)
        if match is None:
            continue
        if "verb" in pattern.groupindex:
            verb = PARTICIPLES[match.group("verb").lower()]
            return guard.restored(f"{verb} {match.group(1)}{match.group(3)}")
        return guard.restored(pattern.sub(to, guard.text, count=1))
    return clause
