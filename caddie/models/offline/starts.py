"""What starts the workflow: a schedule, an event, a chat message, a button; and the text without that part.

Invariant: an event of the outside world is a webhook unless it is a chat message. Callers: ``understand``, ``change``.
"""

from __future__ import annotations

import re
from datetime import datetime

from caddie.models.offline import (
    actions,
    clauses,
    conditions,
    hooks,
    judgement,
    persona,
    schedule,
    sources,
    timing,
    words,
)
from caddie.models.offline.request import Trigger
from caddie.models.offline.verbs import VERBS

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
_PERSON = (
    r"(?:someone|somebody|anyone|anybody|(?:an?|the|my|our|any)\s+(?:\w+\s+){0,2}?\w+|users?|customers?|people|"
    r"visitors?|"
    r"they|parents?|guests?|members?|tenants?|clients?|students?|patients?|"
    r"(?!(?:comes|goes|gets|arrives|lands|fills|signs|posts|is|was|has|this|does)\b)\w+s)"
)
_CHAT = re.compile(
    r"\bchat\s?bot\b|\bchat\s+(?:assistant|agent)\b|\b(?:chat|incoming|new|user(?:'s)?|"
    r"customer(?:'s)?)\s+(?:chat\s+)?messages?\b|"
    rf"\b(?!(?:an?|someone|somebody|anyone|anybody)\s+(?:[\w-]+\s+){{0,3}}?(?:write|message|chat|ask|say|talk|type|"
    rf"send)\b){_PERSON}\s+"
    r"(?:\w+\s+)?(?:writes?(?!\s+(?:a\s+)?review)|messages?|chats?|asks?|says?|talks?|types?|"
    r"sends?\s+(?:me\s+|us\s+)?(?:a\s+)?(?:chat\s+)?(?:message|question))\b|"
    r"\b(?:chat|message|question)\s+(?:arrives|comes\s+in|is\s+received|is\s+sent)\b|\b(?:in|by|via|over|through|"
    r"to)\s+(?:the\s+|a\s+|this\s+|our\s+)?(?:live\s+)?chat\b|"
    r"\bchat\s+trigger\b|\bmessages?\s+(?:the|our|my)\s+(?:chat|bot)\b",
    re.I,
)
_HAPPENS = re.compile(
    r"\breceives?\b|\b(?:http|post|api)\s+(?:request|call)\b|"
    r"\b(?:arrives?|comes?(?:\s+(?:in|through|up))?|happens|signs?\s+up|registers?|pays|buys|subscribes|submits|"
    r"fills?\s+(?:in|out)|"
    r"places|opens|files|pushes|fails|succeeds|goes\s+(?:down|out)|lands|reports|requests|orders|joins|leaves|fires|"
    r"delivers|"
    r"books|cancels|uploads|creates|posts|sends|drops|completes|finishes|starts|ends|calls|hits|applies|donates|"
    r"enters|returns|rings|came\s+in|arrived|signed\s+up|registered|paid|subscribed|ordered|joined|booked|cancell?ed|"
    r"bought)\b|"
    r"\b(?:is|was|are|were|gets?|got|ha(?:s|ve)\s+been)\s+(?:just\s+)?\w+(?:ed|en|nt|id|made|out|in|d)\b",
    re.I,
)
_THING = re.compile(r"\bweb\s?hooks?\b|\bnew\s+\w+", re.I)
_QUOTES = re.compile(
    rf"\s*(?:the\s+words?\s+)?(?:{words.QUOTE.pattern})(?:\s*(?:,|or|and)\s*(?:{words.QUOTE.pattern}))*"
)
#: "webhook → …", "chat message: …", "webhook to Discord".
_BARE = re.compile(
    r"^(?:an?\s+|incoming\s+|new\s+)*(web\s?hook|chat(?:\s+messages?)?)(?:\s+trigger)?(\s+(?:to|into)\s+|\s*[:\n,]\s*)",
    re.I,
)
_STATED = re.compile(
    rf"^(?!(?:{'|'.join(VERBS)})\b)(?:(?:incoming|new|all|our|the)\s+)*(?:\w+\s+){{1,4}}?(?:takes?|gets?|hits?|"
    rf"reach(?:es)?|arrives?|comes?|sends?|"
    r"come\s+in|is\s+sent)\b[^.]*"
    r"\b(?:web\s?hook|form|chat)\b[^.,;:]*(?=[.;,:]|$)",
    re.I,
)
#: "Our till posts to a webhook after every sale."
_HOOKED = re.compile(
    rf"^(?!(?:{clauses.LEAD}|(?:{'|'.join(VERBS)})\b|if\b|when|please))(?:[\w'-]+\s+){{1,7}}?(?:an?\s+|the\s+|our\s+|"
    r"this\s+)?web\s?hook\b(?!\s+(?:has|contains|carries|brings|includes)\b)[^.,;:]*(?=[.;,:])",
    re.I,
)
#: "The incoming webhook has a list called rows."
_CARRIES = re.compile(
    r"^(?:(?:an?|the|our|my|incoming|this|each|every)\s+)*web\s?hook(?=\s+(?:has|contains|with|carries|brings|includes|"
    r"comes)\b)",
    re.I,
)
#: "Build me a bot: …"
_BOT_LEAD = re.compile(r"^(?:[\w']+\s+){0,4}(?:chat\s?)?bot\s*[:,.;-]\s*", re.I)
#: "Pupils ask a question in chat, …"
_ASKED = re.compile(
    rf"(?:{_PERSON})\s+(?:can\s+|will\s+)?(?:asks?|writes?|types?|sends?|messages?|chats?|talks?|puts?)\b[^,.;:]*"
    r"\b(?:chat|bot|questions?|messages?)\b[^,.;:\n]*(?=[,.;:\n])",
    re.I,
)
#: "An employee requests vacation in the chat."
_TOLD_CHAT = re.compile(
    rf"^(?!(?:{clauses.LEAD})|please\b|answer|reply)(?:an?|the|our|my|any|new|[a-z]+s)\b[^.,;:\n]*\b(?:in|by|via|"
    rf"over|through|on)\s+"
    r"(?:(?:the|our|a|my)\s+)?(?:live\s+|support\s+|web\s+)?chat\b[^.,;:\n]*(?=[.;,:\n])",
    re.I,
)
_CHAT_TEXT = re.compile(
    r"\b(?:the|an?|each|every|any|incoming|new)\s+(?:incoming\s+|new\s+)?chat\s+(?:text|message|input|question)s?\b",
    re.I,
)
_ASKING = re.compile(
    r"\b(?:writes?|messages?|chats?|texts?|comes?|pings?)\b.*?\b(?:to\s+)?((?:asking|wanting|requesting|"
    r"complain(?:ing)?|"
    r"reporting|thanking|ask|request|report|(?<=that\s)(?:they|he|she)\s+\w+)\b.*)$",
    re.I,
)
#: "New member joins: …", the event as a headline.
_NEW = re.compile(r"^(?:an?\s+)?(?:new|incoming)\s+(?:[\w'-]+[ ]?){1,5}(?=\n|,|:|\.\s)", re.I)
#: "If a new order is over 500 …": something that occurs, and what is asked of it.
_OCCURS = re.compile(
    r"^\s*(?:if|when(?:ever)?|in\s+case|once)\s+(?:an?|any|somebody's|someone's)\s+(?!\w+\s+(?:at|from)\s+\x00)"
    r"(?:[\w-]+\s+){1,4}?(?:is|has|costs?|exceeds|contains|mentions|needs|asks|wants|gets|falls|scores|weighs)\b",
    re.I,
)
_MANUAL = re.compile(
    r"(?:\b(?:that|which)\s+)?\b(?:i|we)\s+can\s+(?:start|run|trigger|launch)(?:\s+it)?(?:\s+(?:myself|ourselves|"
    r"any\s*time|whenever\s+\w+\s+(?:want|like)))?"
    r"(?:\s+(?:that|which|and))?|\b(?:when(?:ever)?\s+(?:the|a|my)\s+button\s+is\s+(?:pressed|clicked|pushed)|"
    r"when(?:ever)?\s+i\s+(?:press|"
    r"click|run|start|hit|push|want|tap|tell\s+it)\b(?:(?!\s+(?:fetch|get|grab|call|post|send|"
    r"search|write|e?mail|check|pull|load|query|summari[sz]e)\b)[^,.;:])*|manually|on\s+demand|by\s+hand|"
    r"at\s+the\s+(?:press|push|"
    r"click)\s+of\s+a\s+button)",
    re.I,
)
_BOT = re.compile(
    r"(?:\b(?:i|we)\s+(?:would\s+|really\s+)*\w+\s+|\b\w+\s+(?:me\s+|us\s+)?)?\b(?:an?\s+)?(?:friendly\s+|simple\s+|"
    r"new\s+)?(?:chat\s?bot|chat\s+(?:assistant|agent)|bot)\b(?:\s+(?:that|which|to|for))?",
    re.I,
)


_KIND = re.compile(
    r"^(?:an?|any|every)\s+(?!new\b|incoming\b|certain\b)([a-z-]+)\s+([a-z]+)\s+(?:is|gets?|[a-z]+s)\b", re.I
)
#: Somebody does something, and nothing is asked of a value.
_SOMEBODY = re.compile(r"^(?:an?|any|some(?:one|body)|any(?:one|body))\b", re.I)
_ASKS_OF = re.compile(r"^(?:[\w'-]+\s+){1,5}?(?:is|are|was|has|have|costs?|exceeds?|contains?|mentions?)\b", re.I)
#: What is left of "a bot that …" once its event is known.
BOT = re.compile(
    r"^(?:(?:i|we)\s+(?:would\s+|really\s+)*\w+\s+)?(?:an?\s+)?(?:\w+\s+)?(?:chat\s?)?bot\s+(?:that|which|to)\s+", re.I
)


def trigger(text: str, timezone: str, now: datetime | None = None) -> tuple[Trigger | None, str]:
    """What starts the workflow, and the text without that part."""
    shadow = words.masked(text)
    if plain := _BARE.match(shadow):
        block = "trigger_chat" if "chat" in plain.group(1).lower() else "webhook"
        return Trigger(block), f"{'send it to ' if plain.group(2).strip() else ''}{text[plain.end() :]}"
    lead = _BOT_LEAD.match(shadow)
    if asked := _ASKED.match(shadow, lead.end() if lead else 0):
        return Trigger("trigger_chat", event=asked.group()), _cut_out(text, [(0, asked.end())])
    if chatted := _TOLD_CHAT.match(shadow):
        return Trigger("trigger_chat", event=chatted.group()), _cut_out(text, [chatted.span()])
    if carries := _CARRIES.match(shadow):
        return Trigger("webhook"), f"it{text[carries.end() :]}"
    if (bot := persona.LEAD.match(shadow)) and not re.search(r"\bweb\s?hook|\bform\b", shadow, re.I):
        found = schedule.find(shadow)
        if found is None or found.freq is None:
            return Trigger("trigger_chat", event=text[slice(*bot.span("who"))]), _cut_out(text, [bot.span()])
    if manual := _MANUAL.search(shadow):
        return Trigger("manual"), _cut_out(text, [manual.span()])
    found = schedule.find(words.unplaced(shadow))
    if (found is None or found.freq is None) and (mails := sources.mailbox(shadow)):
        return mails[0], text[mails[1] :]
    event = _event(text, shadow, found is not None and found.freq is not None)
    if event is not None:
        if event[0].block == "webhook":
            event[0].note = sources.caveat(event[0].event)
        return event
    if (hooked := _HOOKED.search(shadow)) and found and found.spans and found.spans[-1][1] <= hooked.end():
        return Trigger("webhook", event=text[: hooked.end()].strip()), _cut_out(text, [hooked.span()])
    if timed := timing.once(text, shadow, found, timezone, now) or timing.scheduled(text, shadow, found, timezone, now):
        return timed[0], _cut_out(text, timed[1])
    if received := hooks.RECEIVES.match(shadow) or hooks.TAKES.match(shadow):
        return Trigger("webhook", event=received.group()), _cut_out(text, [received.span()])
    if stated := _STATED.search(shadow) or _HOOKED.search(shadow):
        block = "trigger_chat" if re.search(r"\bchat\b", stated.group(), re.I) else "webhook"
        return Trigger(block, event=text[: stated.end()].strip()), _cut_out(text, [stated.span()])
    if (bot := _BOT.search(shadow)) and (bot.start() < 3 or _CHAT.search(shadow)):
        return Trigger("trigger_chat", event="a chat message"), _cut_out(text, [bot.span()])
    if calls := hooks.CALLS.search(shadow):
        return Trigger("webhook", event=text[slice(*calls.span())]), _cut_out(text, [calls.span()])
    if hook := hooks.NAMED.search(shadow):
        return Trigger("webhook"), _cut_out(text, [hook.span()])
    if new := _NEW.match(shadow):
        return Trigger("webhook", event=new.group()), _cut_out(text, [new.span()])
    if _OCCURS.match(shadow) and "\x00" not in shadow[: _clause_end(shadow, 3)]:
        return Trigger("webhook"), text
    return (Trigger("trigger_chat") if _CHAT_TEXT.search(shadow) else hooks.incoming(text)), text


def _event(text: str, shadow: str, scheduled: bool) -> tuple[Trigger, str] | None:
    for start in _EVENT.finditer(shadow):
        word, first = start.group().strip().lower(), not shadow[: start.start()].strip(" \n")
        end = _clause_end(shadow, start.end())
        phrase = shadow[start.end() : end]
        chat = None if re.search(r"hook", phrase, re.I) else _CHAT.search(phrase)
        match = chat or _HAPPENS.search(phrase) or _THING.search(phrase)
        if (
            match is None
            and first
            and not scheduled
            and word not in ("if", "after", "upon")
            and shadow[end : end + 1] in (",", ":")
        ):
            if conditions.find(phrase) is None:
                return Trigger("webhook", event=text[start.end() : end].strip()), _cut_out(text, [(start.start(), end)])
        if match is None or (scheduled and not first):
            continue
        if not chat and (
            word == "if"
            and "hook" not in phrase
            and not (first and _SOMEBODY.match(phrase) and not _ASKS_OF.match(phrase))
            or (word in ("after", "upon") and not first and "hook" not in phrase)
        ):
            continue
        head = next((each for each in _beginnings(phrase) if len(each) >= match.end()), phrase)
        if not chat and not re.search(r"\bweb\s?hook", phrase) and _compares(head):
            continue
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


_FIRST_STEP = re.compile(
    rf"(?<!\sa)(?<!\san)(?<!\s(?:the|our))(?<!\s(?:my|to))(?<!\s(?:from|your))\s+"
    rf"(?!google\s+(?:sheets?|forms?|drive|docs?|calendar|ads|analytics)\b)(?={clauses.LEAD})",
    re.I,
)


def _cut_at(text: str, shadow: str, start: re.Match[str], known: int, end: int, block: str) -> tuple[Trigger, str]:
    """Where the event ends and the first step, or a condition on the event, begins."""
    rest = shadow[known:end]
    if block == "trigger_chat" and re.match(r"\s+and\b", shadow[end:]):
        end = next((at for at in range(end, len(shadow)) if shadow[at] in ",.;\n"), len(shadow))
    said = conditions.operator(shadow[start.end() : end]) if block == "trigger_chat" else None
    if said and said[1] == "contains" and (quoted := _QUOTES.match(text, start.end() + said[0].end(), end)):
        tests = " or ".join(f'it contains "{next(filter(None, each))}"' for each in words.QUOTE.findall(quoted.group()))
        rest = re.sub(r"^\s+(?:in|to)\s+(?:the|our)\s+(?:chat|bot)\b", "", text[quoted.end() :])
        return Trigger(block, event="a chat message"), f"{text[: start.start()]} if {tests}{rest}".strip()
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
        (bare := conditions.operator(rest))
        and not rest[: bare[0].start()].strip()
        and _tested(f"it {text[known:end].strip()}")
    ):
        return Trigger(
            block, event=text[start.end() : known].strip()
        ), f"{text[: start.start()]} if it {text[known:].strip()}".strip()
    # No comma: the event ends where the first action begins.
    action = _FIRST_STEP.search(rest)
    stop = known + action.start() if action else end
    return Trigger(block, event=text[start.end() : stop].strip()), _cut_out(text, [(start.start(), stop)])


def _tested(text: str) -> bool:
    """Whether a text begins with a comparison."""
    return any(
        conditions.find(part) is not None or judgement.meant(part, feelings_only=True)
        for part in (text, *_beginnings(text))
    )


def _beginnings(text: str) -> list[str]:
    shadow = words.masked(text)
    return [text[: match.start()] for match in re.finditer(rf",|\s+(?={clauses.LEAD})", shadow, re.I)][:6]


def _clause_end(shadow: str, start: int) -> int:
    """The end of a "when …" part: a comma or a full stop, else a verb that begins an action after "and"."""
    stop = re.compile(r",|[.;!?:](?=\s|$)|\s+then\b|\n|\s+and\s+(?=" + clauses.LEAD + r")", re.I).search(shadow, start)
    return stop.start() if stop else len(shadow)


def _cut_out(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(schedule.united(spans), reverse=True):
        text = f"{text[:start].rstrip(' ')} {text[end:].lstrip(' ')}"
    text = re.sub(r"[^\S\n]+([,.;!?:])", r"\1", text)
    text = re.sub(r"([.!?;:])\s*,\s*", r"\1 ", text)
    return re.sub(r"^[\s,.;:!?-]*(?:(?:and|then|but)\s+)?", "", text).strip()
