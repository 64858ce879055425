"""Events in everyday English: "when a customer signs up", "as soon as somebody writes in the chat".

Invariant: an event ends where the first step, or a condition on the event, begins. Callers: ``starts``,
``understand``, ``extension``.
"""

from __future__ import annotations

import re

from caddie.models.offline import (
    actions,
    clauses,
    conditions,
    demands,
    hooks,
    judgement,
    operators,
    schedule,
    words,
)
from caddie.models.offline.request import Trigger

_EVENT = re.compile(
    r"\b(?:(?:start|run|begin|trigger|kick\s+off|launch)s?\s+)?(?:every\s+time|each\s+time|when(?:ever)?|once|"
    r"as\s+soon\s+as|"
    r"on(?=\s+(?:[\w-]+\s+){1,3}?(?:received|submitted|created|opened|completed|posted|filed|placed|arrived|signed|"
    r"paid|"
    r"cancel?led|booked|merged|failed|uploaded|published|delivered|confirmed|rejected|approved)\b)|"
    r"on(?=\s+(?:every\s+|each\s+|any\s+|new\s+)?(?:[\w-]+\s+)?(?:sign-?ups?|submissions?|purchases?|payments?|"
    r"check-?outs?|deploys?|"
    r"deployments?|merges?|push(?:es)?|commits?|cancell?ations?|registrations?|orders?|enquir(?:y|ies)|inquir(?:y|ies)|"
    r"subscriptions?|bookings?|donations?)\s*(?:[,:]|\s(?=(?:send|post|mail|e-?mail|log|notify|ping|tell|write|add|"
    r"call)\b)))|"
    r"on(?=\s+(?:an?\s+|each\s+|every\s+|any\s+|new\s+|incoming\s+)+(?!\w*day\b|\d|first|last|week|month|hour|"
    r"morning|evening))|upon|after|if)\s+",
    re.I,
)
PERSON = (
    r"(?:someone|somebody|anyone|anybody|(?:an?|the|my|our|any)\s+(?:\w+\s+){0,2}?\w+|users?|customers?|people|"
    r"visitors?|"
    r"they|parents?|guests?|members?|tenants?|clients?|students?|patients?|"
    r"(?!(?:comes|goes|gets|arrives|lands|fills|signs|posts|is|was|has|this|does)\b)\w+s)"
)
CHAT = re.compile(
    r"\bchat\s?bot\b|\bchat\s+(?:assistant|agent)\b|\b(?:chat|incoming|new|user(?:'s)?|"
    r"customer(?:'s)?)\s+(?:chat\s+)?messages?\b|"
    rf"\b(?!(?:an?|someone|somebody|anyone|anybody)\s+(?:[\w-]+\s+){{0,3}}?(?:write|message|chat|ask|say|talk|type|"
    rf"send)\b){PERSON}\s+"
    r"(?:\w+\s+)?(?:writes?(?!\s+(?:a\s+)?review)|messages?|chats?|asks?|says?|talks?|types?|"
    r"sends?\s+(?:me\s+|us\s+)?(?:a\s+)?(?:chat\s+)?(?:message|question))\b|"
    r"\b(?:chat|message|question)\s+(?:arrives|comes\s+in|is\s+received|is\s+sent)\b|\b(?:in|by|via|over|through|"
    r"to)\s+(?:the\s+|a\s+|this\s+|our\s+)?(?:live\s+)?chat\b|"
    r"\btexts?\s+(?:the|our|my|this|a)\s+(?:chat\s?)?bot\b|\bchat\s+trigger\b|\bmessages?\s+(?:the|our|my)\s+(?:chat|bot)\b",
    re.I,
)
HAPPENS = re.compile(
    r"\breceives?\b|\b(?:i|we)\s+gets?\s+(?:an?|new|any|another)\b|\b(?:http|post|api)\s+(?:request|call)\b|"
    r"\b(?:arrives?|comes?(?:\s+(?:in|through|up))?|happens|signs?\s+up|registers?|pays|buys|subscribes|submits|"
    r"fills?\s+(?:in|out)|"
    r"places|opens|files|pushes|fails|succeeds|goes\s+(?:down|out|offline|online|live|dark|wrong)|lands|reports|requests|orders|joins|leaves|fires|"
    r"delivers|"
    r"books|cancels|uploads|creates|posts|sends|drops|completes|finishes|starts|ends|calls|hits|applies|donates|"
    r"enters|returns|rings|will\s+(?:post|send|call|push|submit|deliver)|(?:mentions|tags|follows|likes)\s+(?:us|me|our|my)\b|came\s+in|arrived|signed\s+up|registered|paid|subscribed|ordered|joined|booked|cancell?ed|"
    r"bought)\b|"
    r"\b(?:is|was|are|were|gets?|got|ha(?:s|ve)\s+been)\s+(?:just\s+)?\w+(?:ed|en|nt|id|made|out|in|d)\b",
    re.I,
)
_THING = re.compile(r"\bweb\s?hooks?\b|\bnew\s+\w+", re.I)
_QUOTES = re.compile(
    rf"\s*(?:the\s+words?\s+)?(?:{words.QUOTE.pattern})(?:\s*(?:,|or|and)\s*(?:{words.QUOTE.pattern}))*"
)
_ASKING = re.compile(
    r"\b(?:writes?|messages?|chats?|texts?|comes?|pings?)\b.*?\b(?:to\s+)?((?:asking|wanting|requesting|"
    r"complain(?:ing)?|"
    r"reporting|thanking|ask|request|report|(?<=that\s)(?:they|he|she)\s+\w+)\b.*)$",
    re.I,
)
_KIND = re.compile(
    r"^(?:an?|any|every)\s+(?!new\b|incoming\b|certain\b)([a-z-]+)\s+([a-z]+)\s+(?:is|gets?|[a-z]+s)\b", re.I
)
#: "the webhook says status = paid": what it says is asked of it.
_TELLS = re.compile(r"\b(?:web\s?)?hook(?=\s+(?:says?|tells?|reports?)\b)", re.I)
#: "our webhook gets a donation"
_GETS = re.compile(r"\b(?:web\s?)?hook\s+(?:gets?|brings?|takes?|carries)\s+(?:(?:an?|the|new)\s+)*[\w-]+", re.I)
_SENTENCE = re.compile(r"[.;:!?](?=\s|$)|\n|,|$")
#: Somebody does something, and nothing is asked of a value.
_SOMEBODY = re.compile(r"^(?:an?|any|our|my|some(?:one|body)|any(?:one|body))\b", re.I)
_ASKS_OF = re.compile(r"^(?:[\w'-]+\s+){1,5}?(?:is|are|was|has|have|costs?|exceeds?|contains?|mentions?)\b", re.I)


#: "after a booking, …"
_OCCASION = re.compile(
    r"(?:an?|each|every|any|the|their)\s+(?:[\w-]+\s+){0,2}?(?:bookings?|orders?|purchases?|sales?|sign-?ups?|visits?|appointments?|"
    r"payments?|deliver(?:y|ies)|cancell?ations?|check-?outs?|registrations?|donations?|stays?|check-?ins?|meetings?|calls?|"
    r"interviews?|demos?|incidents?|deploys?|deployments?|releases?|workshops?|webinars?|events?|sessions?|shifts?|class(?:es)?|games?|match(?:es)?|episodes?|shows?|concerts?|courses?|lessons?|downloads?|subscriptions?)\b"
    rf"(?=\s*[,:]|\s*$|\s+{clauses.LEAD})",
    re.I,
)
#: "our sensor reports more than 80 dB"
_MEASURES = re.compile(
    r"(?!(?:the|an?)\s+(?:price|rate|temperature|value|level|stock|score)s?\b)[^,.;:\x00]{3,50}?\s+(?:reports?|measures?|signals?|registers?|detects?|sends?)\s+"
    r"(?=(?:more|less|fewer)\s+than|over\b|above\b|below\b|under\b|at\s+(?:least|most)\b)",
    re.I,
)


def event(text: str, shadow: str, scheduled: bool) -> tuple[Trigger, str] | None:
    for start in _EVENT.finditer(shadow):
        word, first = start.group().strip().lower(), not shadow[: start.start()].strip(" \n")
        end = clause_end(shadow, start.end())
        phrase = shadow[start.end() : end]
        chat = None if re.search(r"hook", phrase, re.I) else CHAT.search(phrase)
        match = chat or _TELLS.search(phrase) or _GETS.search(phrase) or HAPPENS.search(phrase)
        match = match or _THING.search(phrase)
        if match is None and word in ("after", "upon") and first and not scheduled:
            match = _OCCASION.match(phrase)
            if match:
                happened = Trigger("webhook", event=f"there is {match.group().strip()}")
                return happened, cut_out(text, [(start.start(), start.end() + match.end())])
        if not chat and (measured := _MEASURES.match(phrase)) and not scheduled:
            begun = start.end() + measured.end()
            event = text[start.end() : begun].strip()
            return Trigger("webhook", event=event), f"{text[: start.start()]} if it is {text[begun:].strip()}".strip()
        if (
            match is None
            and first
            and not scheduled
            and word not in ("if", "after", "upon")
            and shadow[end : end + 1] in (",", ":")
        ):
            if conditions.find(phrase) is None:
                return Trigger("webhook", event=text[start.end() : end].strip()), cut_out(text, [(start.start(), end)])
        if match is None or (scheduled and not first):
            continue
        if not chat and (
            word == "if"
            and "hook" not in phrase
            and not (first and _SOMEBODY.match(phrase) and not _ASKS_OF.match(phrase))
            or (word in ("after", "upon") and not first and "hook" not in phrase)
        ):
            continue
        happens = None if chat else HAPPENS.search(phrase)
        sentence = _SENTENCE.search(shadow, start.end())
        whole = text[start.end() : sentence.start() if sentence else end]
        if happens and (asked := demands.asked(whole, happens.start(), happens.end())):
            rest = text[start.end() + asked[2] :].lstrip(" ,:")
            return Trigger("webhook", event=asked[0]), f"{text[: start.start()]} if {asked[1]}, {rest}".strip()
        head = next((each for each in _beginnings(phrase) if len(each) >= match.end()), phrase)
        if not chat and not re.search(r"\bweb\s?hook", phrase) and _compares(head):
            continue
        if not chat and _compares(hooks.NAMED.sub("", phrase)) and (named := hooks.NAMED.search(phrase)):
            span = (start.end() + named.start(), start.end() + named.end())
            return Trigger("webhook"), cut_out(text, [span])
        for head in (phrase, *_beginnings(phrase)) if chat else ():
            if label := _judged(head):
                rest = text[start.end() + len(head) :].lstrip(" ,")
                return Trigger("trigger_chat", event=head), f"{text[: start.start()]} if {label}, {rest}".strip()
        made = _cut_at(text, shadow, start, match.end() + start.end(), end, "trigger_chat" if chat else "webhook")
        return _sorted(phrase, *made) if not chat else made
    return None


def _sorted(phrase: str, trigger: Trigger, rest: str) -> tuple[Trigger, str]:
    """ "an urgent ticket comes in …. Other tickets …": its kind is a condition where the others are spoken of."""
    kind = _KIND.match(phrase)
    if kind is None or not re.search(rf"\bother\s+{words.forms(kind.group(2))}\b|\b{clauses.REST}\b", rest, re.I):
        return trigger, rest
    word = kind.group(1).lower()
    return trigger, f"if the {actions.stated(word)['field']} is {word}, {rest}"


def breaks(text: str) -> bool:
    """ "when the call fails …": no event, where there is a call."""
    match = re.match(
        r"^(?:and\s+)?(?:if|when(?:ever)?|in\s+case|should|once|as\s+soon\s+as)\s+(.+)$", text, re.I | re.S
    )
    return match is not None and any(judgement.failed(each) for each in _beginnings(match.group(1)))


def _judged(phrase: str) -> str | None:
    """ "a guest sounds unhappy in the chat": a condition on what is written, not only an event."""
    asking = _ASKING.search(phrase)
    told = asking.group(1) if asking else ""
    said = f"they {re.sub(r'^(?:they|s?he) ', '', told)}" if told else phrase
    return said if judgement.meant(said) else None


def _compares(phrase: str) -> bool:
    """ "the price drops below 100" is no event."""
    test = conditions.find(re.split(r"\s+and\s+(?=(?:it|its|their|they|his|her|the)\b)", phrase)[0])
    return test is not None and (isinstance(test.conditions[0].right, int | float | bool))


def _contains(text: str, begin: int, quoted: re.Match[str]) -> str:
    """What is left of a request about a chat message with certain words."""
    said = words.QUOTE.findall(quoted.group())
    tests = " or ".join(f'it contains "{next(filter(None, each))}"' for each in said)
    rest = re.sub(r"^\s+(?:in|to|into)\s+(?:the|our)\s+(?:chat|bot)\b", "", text[quoted.end() :])
    return f"{text[:begin]} if {tests}{rest}".strip()


_TYPED = re.compile(
    r"\b(?:types?|writes?|says?|sends?|enters?|texts?|asks?(?:\s+for)?|messages?)"
    r"(?=\s+\x00|\s+the\s+words?\s+\x00)",
    re.I,
)
_FIRST_STEP = re.compile(
    rf"(?<!\sa)(?<!\san)(?<!\s(?:the|our|new|any))(?<!\s(?:my|to))(?<!\s(?:from|your))\s+"
    rf"(?!google\s+(?:sheets?|forms?|drive|docs?|calendar|ads|analytics)\b)(?={clauses.LEAD})",
    re.I,
)


def _cut_at(text: str, shadow: str, start: re.Match[str], known: int, end: int, block: str) -> tuple[Trigger, str]:
    """Where the event ends and the first step, or a condition on the event, begins."""
    rest = shadow[known:end]
    if block == "trigger_chat" and re.match(r"\s+and\b", shadow[end:]):
        end = next((at for at in range(end, len(shadow)) if shadow[at] in ",.;\n"), len(shadow))
    if block == "trigger_chat" and (typed := _TYPED.search(shadow, start.end(), end)):
        quoted = _QUOTES.match(text, typed.end(), end)
        if quoted:
            return Trigger(block, event="a chat message"), _contains(text, start.start(), quoted)
    said = operators.operator(shadow[start.end() : end]) if block == "trigger_chat" else None
    if said and said[1] == "contains" and (quoted := _QUOTES.match(text, start.end() + said[0].end(), end)):
        return Trigger(block, event="a chat message"), _contains(text, start.start(), quoted)
    joined = re.search(
        r"\s+(?:and|but|with|whose|(?:says?|tells?|reports?)(?:\s+that)?)\s+(?=(?:either\s+)?(?:it|they|that|the|its|"
        r"their|an?|no|[\w']+)\b)",
        rest,
        re.I,
    )
    if joined and (test := _tested(text[known + joined.end() : end])):
        event = text[start.end() : known + joined.start()]
        tail = text[known + joined.end() :]
        return Trigger(block, event=event.strip()), f"{text[: start.start()]} if {tail}".strip() if test else tail
    follows = re.match(r"\s*,\s+(?:and|but)\s+(?=(?:the|it|its|they|their)\b)", shadow[end:], re.I)
    if follows and _tested(text[end + follows.end() :].split(",")[0]):
        return Trigger(
            block, event=text[start.end() : end].strip()
        ), f"{text[: start.start()]} if {text[end + follows.end() :]}".strip()
    if (
        (bare := operators.operator(rest))
        and not re.match(r"\s*(?:gets?|has|have)\b", bare[0].group(), re.I)
        and not rest[: bare[0].start()].strip()
        and _tested(f"it {text[known:end].strip()}")
    ):
        return Trigger(
            block, event=text[start.end() : known].strip()
        ), f"{text[: start.start()]} if it {text[known:].strip()}".strip()
    # No comma: the event ends where the first action begins.
    action = _FIRST_STEP.search(rest)
    stop = known + action.start() if action else end
    return Trigger(block, event=text[start.end() : stop].strip()), cut_out(text, [(start.start(), stop)])


def _tested(text: str) -> bool:
    """Whether a text begins with a comparison."""
    return any(
        conditions.find(part) is not None or judgement.meant(part, feelings_only=True)
        for part in (text, *_beginnings(text))
    )


def _beginnings(text: str) -> list[str]:
    shadow = words.masked(text)
    return [text[: match.start()] for match in re.finditer(rf",|\s+(?={clauses.LEAD})", shadow, re.I)][:6]


def clause_end(shadow: str, start: int) -> int:
    """The end of a "when …" part: a comma or a full stop, else a verb that begins an action after "and"."""
    stop = re.compile(r",|[.;!?:](?=\s|$)|\s+then\b|\n|\s+and\s+(?=" + clauses.LEAD + r")", re.I).search(shadow, start)
    return stop.start() if stop else len(shadow)


def cut_out(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(schedule.united(spans), reverse=True):
        text = f"{text[:start].rstrip(' ')} {text[end:].lstrip(' ')}"
    text = re.sub(r"[^\S\n]+([,.;!?:])", r"\1", text)
    text = re.sub(r"([.!?;:])\s*,\s*", r"\1 ", text)
    return re.sub(r"^[\s,.;:!?-]*(?:(?:and|then|but)\s+)?", "", text).strip()
