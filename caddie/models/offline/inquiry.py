"""Whether a message only wants to know something: by its grammar, not by what it is about.

Invariant: what asks for nothing but an answer changes nothing; a wish in the form of a question ("could you also mail
it?", "what about Discord instead?") is a wish. Callers: ``talk``, ``thread``.
"""

from __future__ import annotations

import re

from caddie.models.offline import clauses, words
from caddie.models.offline.verbs import VERBS

#: What people say before what they ask.
_LEAD = re.compile(
    r"^(?:(?:hi|hello|hey|ok(?:ay)?|alright|right|so|and|but|well|hm+|hmm+|uh|um+|wait|sorry|please|also|just|cool|"
    r"great|"
    r"nice|thanks|thank\s+you|thx|actually|now|then|btw|by\s+the\s+way|out\s+of\s+(?:interest|curiosity)|"
    r"(?:i['’]?m\s+)?"
    r"(?:just\s+)?curious|(?:a\s+|one\s+|another\s+)?(?:quick\s+|last\s+|small\s+|stupid\s+|silly\s+|dumb\s+|more\s+|"
    r"other\s+)*question|before\s+(?:i|we)\s+(?:start|begin|go\s+on)|there|caddie|again|exactly|say|"
    r"first(?:\s+of\s+all)?|(?:i\s+am|i['’]m)\s+new(?:\s+(?:here|to\s+(?:this|caddie|it)))?)\b[\s,.:;!…-]*)+",
    re.I,
)
_SUBJECT = (
    r"(?:it|this|that|these|those|they|there|he|she|i|we|you|the|my|our|your|their|its|any|some|any(?:one|body|thing)|"
    r"some(?:one|body|thing)|every(?:one|body|thing)|no(?:body|thing)|one|all|both|each|only|people|customers?|users?|"
    r"[A-Z][a-z]+|slack|discord|caddie|workflows?)"
)
#: To tell is all that is asked for.
_TELL = (
    r"(?:explain|describe|clarify|walk\s+me\s+through|talk\s+me\s+through|take\s+me\s+through|run\s+me\s+through|"
    r"guide\s+me\s+through|remind\s+me\s+(?:again\s+)?(?:what|how|why|which|who|where|of\s+what)|"
    r"help\s+me\s+(?:to\s+)?understand|sum\s+up\s+for\s+me|"
    r"give\s+me\s+(?:an?\s+|the\s+)?(?:\w+\s+)?(?:overview|summary|gist|essence|breakdown|short\s+version|explanation|"
    r"rundown|idea|description)\b|"
    r"(?:list|show|name|enumerate|display)\s+(?:me\s+)?(?:all\s+)?(?:of\s+)?(?:the\s+|its\s+|my\s+)?(?:steps|nodes|"
    r"workflow|flow)(?=\s*(?:please)?\W*$)|"
    r"(?:tell|show)\s+me\s+(?:again\s+|more\s+|briefly\s+|in\s+[\w\s]{3,20}?\s+)*(?:about|what|how|why|which|who|whom|"
    r"whose|where|when\s+(?:it|this|that|the\s+(?:workflow|flow))|(?:if|whether)\s+(?:it|this|that|i|the\s+(?:workflow|"
    r"flow))|the\s+(?:steps|workflow|flow|schedule)\b(?!.*\b(?:every|each)\b)))"
)
_ASKS = re.compile(
    r"^(?:"
    # "what does it do": a word that asks
    r"(?:(?:in|to|at|on|for|from|with|by|about|since|until|under)\s+)?(?:what|which|who|whom|whose|where|why|how|"
    r"whats|wheres|hows|whos|whens|whys)\b|"
    rf"(?:what|who|where|how|why|when)['’]s\b|when\s+(?:does|do|did|is|are|was|were|will|would|can|should|has|"
    rf"exactly)\s+{_SUBJECT}\b|"
    # "does it post", "is it safe": the verb before its subject
    rf"(?:is|are|was|were|does|did|will|would|should|might|am|isn['’]?t|aren['’]?t|doesn['’]?t|didn['’]?t|"
    rf"wo['’]?n['’]?t|"
    rf"wouldn['’]?t|shouldn['’]?t|can['’]?t|couldn['’]?t|has|hasn['’]?t)\s+{_SUBJECT}\b|"
    r"(?:do|don['’]?t|have|haven['’]?t)\s+(?:i|we|you|they|people|users|customers|guests|workflows|any\w*|all)\b|"
    r"(?:can|could|may)\s+(?:\w+\s+workflows?|it|this|that|i|they|people|(?:any|some|every)(?:one|body)|workflows?|"
    r"caddie|the|my|a|an|"
    r"slack|discord|other)\b|"
    rf"(?:(?:can|could|would|will)\s+you\s+(?:please\s+|maybe\s+|also\s+|quickly\s+)*|please\s+|i\s+(?:want|need|"
    rf"(?:woul|['’])d\s+like)\s+you\s+to\s+)?{_TELL}\b|"
    r"i\s+(?:do\s+not|don['’]?t|did\s*n['’o]?t|can['’]?t|cannot)\s+(?:really\s+|quite\s+)?(?:understand|get|see|know|"
    r"remember|follow|figure\s+out)\s+(?:what|how|why|where|which|who|when|if|whether|the\s+(?:point|purpose|reason|"
    r"difference|part)|this|that|it)\b|"
    r"(?:i|we)\s+(?:(?:want|need|(?:woul|['’])?d\s+(?:like|love))\s+to\s+(?:know|understand|see)|wonder|"
    r"was\s+wondering|(?:am|['’]m|are|['’]re)\s+(?:wondering|"
    r"not\s+sure|unsure|curious|confused))\s+(?:about\s+)?(?:what|how|why|where|which|who|when\s+(?:it|this|the\s+"
    r"(?:workflow|flow))|(?:if|whether)\s+(?:it|this|that|the\s+(?:workflow|flow)|i)\b)|"
    r"(?:i\s+have\s+)?(?:any|no)\s+(?:idea|clue)\s+(?:what|how|why|where|which|who|when)\b|(?:not\s+sure|wondering|"
    r"do\s+you\s+know)\s+(?:what|how|why|where|which|who|when|if|whether)\b|"
    r"what\s+happens\b)",
    re.I,
)
#: A wish that is worded as a question.
_WISH = re.compile(
    r"^(?:(?:what|how)\s+about\b(?!\s+(?:if|when)\b)|why\s+(?:not|don['’]?t\s+(?:you|we))\b|how\s+about\b|"
    r"(?:can|could|may)\s+(?:i|it|this|that|they)\s+(?:please\s+|also\s+|maybe\s+)*(?:have|get|receive|be\s+(?:sent|"
    r"mailed|"
    r"e-?mailed|told|notified|posted|changed|moved|added))\b|"
    r"(?:can|could|may)\s+(?!you\b|we\b).*\b(?:also|too|instead|as\s+well|rather|additionally)\b|"
    r"(?:is|would)\s+it\s+(?:be\s+)?(?:possible|ok(?:ay)?|feasible|doable)\s+(?:for\s+you\s+)?(?:to|if|that)\b|"
    r"(?:is|are)\s+there\s+(?:a|any|some)\s+(?:way|chance|possibility)\b|would\s+you\s+mind\b|should\s+(?:the|an?|"
    r"any)\b|"
    r"(?:which|what)ever\b|how\s+(?:great|nice|cool)\b|what\s+a\b|who(?:so)?ever\b|(?:do|have)\s+you\s+mind\b|"
    r"what\s+(?:i|we)\s+(?:want|need|would\s+like|['’]d\s+like)\b)",
    re.I,
)
#: With nothing on the canvas these ask what is possible, and change nothing either.
_POSSIBLE = re.compile(
    r"^(?:is\s+it\s+(?:possible|feasible)|would\s+it\s+be\s+possible|(?:is|are)\s+there\b|(?:can|could)\s+(?:it|this|"
    r"i)\b)",
    re.I,
)
#: Somewhere in the sentence somebody is asked to do something.
_PLEA = re.compile(
    rf"[,;:]\s*(?:so\s+|and\s+|but\s+)?(?:(?:can|could|would|will)\s+you|please)\s+(?!{_TELL})\w|"
    r"^(?:please\s+)?(?:fix|repair|mend|solve)\b|\b(?:and|then|please)\s+(?:fix|repair|mend|solve)\b",
    re.I,
)
_TELLING = re.compile(rf"^(?:(?:can|could|would|will)\s+you\s+)?(?:please\s+)?{_TELL}", re.I)
#: "if the sensor is offline, what then?"
_THEN_WHAT = re.compile(
    r"[,;:]\s*(?:and\s+|so\s+)?(?:then\s+)?(?:what|who|which|where|how|does|do|will|would|is|are)\b(?:\s+(?:then|"
    r"happens|will|would|do|does|is|are|"
    r"it|that|this|gets?|you|told|else|the|stop|run|still|work|mail|send|post|workflow|next))*\W*$",
    re.I,
)
#: "if somebody writes about an invoice, who answers"
_IN_CASE = re.compile(
    r"^(?:if|when(?:ever)?|in\s+case|suppose|say|assuming)\b[^,]+,\s*(?:then\s+)?(?:who|what|which|where|how|does|do|"
    r"will|would|is|are)\b(?:\s+\S+){0,7}$",
    re.I,
)
_AND_CHANGE = re.compile(
    r"\b(?:and|then)\s+(?:then\s+|also\s+|please\s+)*(?:make|change|add|remove|delete|set|move|rename|replace|switch|"
    r"drop)\b",
    re.I,
)
_TAG = re.compile(
    r"[,\s]+(?:right|correct|yes|no|or\s+not|is\s*n['’]?t\s+it|does\s*n['’]?t\s+it|eh|huh|"
    r"ok(?:ay)?)\s*\?+\s*$",
    re.I,
)
_REQUEST = re.compile(
    r"^(?:(?:can|could|would|will)\s+(?:you|we)|shall\s+we|let['’]?s|please|i\s+(?:want|need|would|['’]?d)|"
    r"we\s+(?:want|"
    r"need|would|['’]?d)|when(?:ever)?|if|every|each|once|as\s+soon|also|and|instead|only|no|not|"
    r"(?:make|have|let|get)\s+(?:it|them|the|me|us))\b",
    re.I,
)
_IMPERATIVE = re.compile(
    rf"^(?:please\s+|then\s+|also\s+|so\s+|and\s+|just\s+)*(?:{'|'.join(each for each in VERBS if each != 'nothing')}|"
    rf"change|rename|"
    rf"move|switch|use)\b",
    re.I,
)


def asks(text: str, canvas: bool = True) -> bool:
    """Whether a message is a question and nothing else. canvas: there is a workflow that could be changed."""
    told = [each for each in re.split(r"(?<=[.!?…])\s+|\n+", text.strip()) if re.search(r"\w", each)]
    found = [_question(each, canvas) for each in told]
    if not any(found):
        return False
    rest = [bare(each) for each, is_question in zip(told, found, strict=True) if not is_question]
    return not any(_wishes(each) for each in rest)


def suggests(text: str) -> bool:
    """ "what about Discord instead?": a wish in the form of a question."""
    return bool(_WISH.match(bare(text)) or _PLEA.search(text) or _AND_CHANGE.search(text))


def bare(text: str) -> str:
    """A message without what people say before a question."""
    return _LEAD.sub("", text.strip(), count=1) or text.strip()


def _question(sentence: str, canvas: bool) -> bool:
    text = bare(sentence)
    if _PLEA.search(text) and not _TELLING.match(text):
        return False
    if _WISH.match(text):
        return not canvas and bool(_POSSIBLE.match(text)) and not _carries(text)
    if _ASKS.match(text):
        return not _ordered(text) and not (_TELLING.match(text) and _AND_CHANGE.search(text))
    if _THEN_WHAT.search(text) or _IN_CASE.match(text):
        return True
    if not sentence.rstrip().endswith("?"):
        return False
    tagged = _TAG.search(sentence)
    if tagged and not _IMPERATIVE.match(text):
        return True
    return canvas and not _REQUEST.match(text) and not _IMPERATIVE.match(text)


def _ordered(text: str) -> bool:
    """ "what the weather is like in Rome, send me every morning": a question is only the object of something to do."""
    head, _, rest = text.partition(",")
    return (
        bool(rest)
        and bool(re.match(rf"\s*(?:and\s+|then\s+)?(?:please\s+)?{clauses.LEAD}", rest, re.I))
        and (
            not re.match(r"\s*(?:and\s+|or\s+)?(?:when|if|what|how|why|where|who|which|do|does|is)\b", rest, re.I)
            and not re.match(r"(?:what|how)\b.*\b(?:if|when)\b", head, re.I)
        )
    )


def _carries(text: str) -> bool:
    return bool(words.url(text) or words.emails(text) or words.channel(text))


def _wishes(sentence: str) -> bool:
    """Whether a sentence beside a question asks for something to be done."""
    return bool(_REQUEST.match(sentence) or _IMPERATIVE.match(sentence) or _carries(sentence))
