"""Messages whose place is told elsewhere or not at all, and what they are about when nothing before them brings it.

Invariant: an address, a channel or a text is only what the request says; a place nobody named is left open. Callers:
``actions``, ``reader``, ``sequence``.
"""

from __future__ import annotations

import re

from caddie.models.offline import nouns, sayings, words
from caddie.models.offline.reading import LATER, needs
from caddie.models.offline.request import Action, Slot
from caddie.models.offline.verbs import VERBS

SENDERS = ("slack-send-message", "discord-send-message", "send-email")
SPOKEN = (*SENDERS, "reply_chat", "log")
EMAIL_TO = Slot("to", "email", "Which address should the email go to?", (LATER,))
_CHANNEL_OF = Slot("channel", "channel", "Which Slack channel should the message go to?", (LATER,))
#: "send them an invitation", "let the driver know", "notify everybody".
_NOTICE = re.compile(
    rf"^(?:also\s+|automatically\s+)*(?:(?:notify|inform|alert|warn|thank|invite|congratulate|welcome|remind|contact|"
    rf"apologi[sz]e\s+to|write\s+to|message|tell|email|mail)\s+(?P<who>{sayings.PERSON})|"
    rf"let\s+(?P<who2>{sayings.PERSON})\s+know|"
    rf"(?:send|give|mail|write)\s+(?P<who3>{sayings.PERSON})\s+(?=(?:an?|the|another|our|some|one)\b)|"
    rf"send\s+(?:out\s+)?(?=(?:an?|another|the)\s+(?:[\w-]+\s+){{0,3}}?(?:reminder|invitation|rejection|confirmation|"
    rf"message|note|notification|warning|alert|apology|thank|letter|offer|coupon|greeting|receipt|survey|reply|answer|"
    rf"update|summary|report|welcome)))",
    re.I,
)
#: "my address is a@b.c", "the Slack channel is #x", "channel #x is fine", "use #x".
_STATED = re.compile(
    r"^(?:(?:my|our|the|his|her|their|its)\s+(?:[\w'-]+\s+){0,3}?(?:addresse?s?|e-?mails?|mails?|mailbox(?:es)?|inbox|"
    r"channel|team|recipients?)\s+(?:is|are|:|being)\b.*|"
    r"(?:(?:the|our|my)\s+)?(?:slack\s+|discord\s+)?(?:channel\s+)?\S+(?:\s+(?:on|in)\s+slack)?\s+(?:is|are|would\s+be|"
    r"will\s+be)\s+(?:fine|ok(?:ay)?|good|best|great|enough|the\s+(?:right\s+)?(?:place|channel|address))|"
    r"(?:use|take|in)\s+(?:the\s+)?(?:slack\s+|channel\s+|address\s+)*\S+(?:\s+(?:on|in)\s+slack)?(?:\s+for\s+(?:it|"
    r"that|this))?)$",
    re.I,
)
_ADDED = re.compile(r"^(?:mention|add|say|include|write|tell\s+them|point\s+out|note)\s+that\s+(.+)$", re.I | re.S)
#: "include the link": one more thing for the text that is being made.
_INCLUDED = re.compile(
    r"^(?:also\s+|please\s+)*(?:include|add|attach|mention|put\s+in|show|name|give|keep|quote|"
    r"cite)\s+(?:also\s+)?((?:the|its|their|a|all|any|some|each)\s+[a-z][\w' -]{1,40}?)"
    r"(?:\s+(?:in|to|into|with|at\s+the\s+(?:end|top|bottom)\s+of)\s+(?:it|that|the\s+(?:message|mail|e-?mail|"
    r"text|post|summary|answer|reply)))?(?:\s+(?:too|as\s+well|at\s+the\s+(?:end|top|bottom)))?$",
    re.I,
)
#: "… with a one-line reason": more for whoever writes it.
_ACCOMPANIED = re.compile(
    r"^(?:send|post|e?mail|share|forward|publish|put|reply|log)\b.*\bwith\s+((?:an?|"
    r"some)\s+(?:[\w-]+\s+){0,2}?(?:reason|explanation|intro|introduction|title|headline|"
    r"comment|greeting|emojis?|note|conclusion|disclaimer|signature|table|heading|recommendation|"
    r"question))s?\b(?!.*\bsaying\b)", re.I)  # fmt: skip
_VERB = re.compile(
    r"^(?:also\s+)?(?:log|record|receive|send|e-?mail|mail|post|give|tell|show|share|drop|put|publish|get|message|dm|"
    r"text)s?\s+(?:out\s+)?"
    r"(?:(?:me|us|him|her|them|everyone|everybody|the\s+team|my\s+\w+|our\s+\w+)\s+)?",
    re.I,
)


def notice(clause: str, about: str) -> Action | None:
    """A message to somebody with no word of how it gets there: the way the request speaks of, else by email."""
    match = _NOTICE.match(clause)
    if match is None or words.url(clause):
        return None
    rest = clause[match.end() :].strip(" ,.")
    slack, discord = re.search(r"\bslack\b|(?<!\w)#\w", about, re.I), re.search(r"\bdiscord\b", about, re.I)
    mail = re.search(r"\be-?mails?\b|\bmails?\b|@\w", about, re.I)
    topic = words.bare(rest) if len(rest) <= 60 else ""
    if slack and not mail:
        return needs(Action("slack-send-message", topic=topic), _CHANNEL_OF, None)
    if discord and not mail:
        return Action("discord-send-message", topic=topic)
    return needs(Action("send-email", topic=topic), EMAIL_TO, None)


def sought(clause: str, about: str) -> Action | None:
    """ "find concerts in Leipzig": on the web, where nothing before brings what is looked for."""
    match = re.match(
        r"^(?:find|look\s+for|search\s+for|discover)\s+(?:me\s+|us\s+)?(?!out\b|it\b|them\b|all\b)(.+)$", clause, re.I
    )
    if match is None or words.url(about) or re.search(r"\bweb\s?hook\b", about, re.I):
        return None
    query = words.bare(match.group(1).strip(" ."))
    return Action("web-search", {"query": query}, topic=query[:40], said="")


def stated(clause: str, told: list[Action]) -> bool:
    """ "my address is …", "Slack channel #x is fine": where a message told before goes. True when it said only that."""
    if not _STATED.match(clause):
        return False
    open_ = [each for each in told if each.block in SENDERS and each.missing]
    addresses, channel = words.emails(clause), words.channel(clause)
    if not open_ or not (addresses or channel):
        return False
    for each in open_:
        if addresses and each.block == "send-email":
            each.payload["to"] = addresses[0] if len(addresses) == 1 else addresses
        elif channel and not addresses:
            each.block = "slack-send-message"
            each.payload = {"channel": channel}
        else:
            continue
        each.missing = []
    return True


def added(clause: str, told: list[Action]) -> bool:
    """ "and mention that …": more words for the message told before."""
    if _included(clause, told):
        return True
    match, last = _ADDED.match(clause), told[-1] if told else None
    if last is None or last.block not in (*SENDERS, "reply_chat", "agent"):
        return False
    place = re.search(r"[#@\x00]|\bslack\b|\bdiscord\b|\bmail\b", words.masked(clause), re.I)
    approval = re.search(r"\b(?:approv|confirm|permission|sign\s+off)", clause, re.I)
    if (
        match is None
        and re.match(r"^(?:ask|thank|wish)\b", clause, re.I)
        and not place
        and not approval
        and last.block in SENDERS
    ):
        if more := sayings.performed(clause):
            last.said = f"{last.said.rstrip(' .')}. {more}" if last.said else more
        return more is not None
    if match is None:
        return False
    more = words.sentence(match.group(1).strip(" ."))
    if last.block == "agent":
        last.payload["prompt"] = f"{str(last.payload.get('prompt', '')).rstrip(' .')}. Mention that {match.group(1)}."
    else:
        last.said = f"{last.said.rstrip(' .')}. {more}." if last.said else more
    return True


def _included(clause: str, told: list[Action]) -> bool:
    """ "include the link": a wish for the step that writes the text, else a part of the message."""
    writers = [each for each in told if each.block in ("summarize", "agent")]
    if writers and (extra := _ACCOMPANIED.search(clause)):
        name = "prompt" if writers[-1].block == "agent" else "instructions"
        before = str(writers[-1].payload.get(name, "")).rstrip(" .")
        writers[-1].payload[name] = ". ".join(filter(None, [before, f"Add {extra.group(1)}"]))
        return False
    match = _INCLUDED.match(clause)
    if match is None or re.search(r"#\w|\x00|@\w|\b(?:variable|list|log|sheet|counter)\b", words.masked(clause), re.I):
        return False
    writer = next((each for each in reversed(told) if each.block in ("summarize", "agent")), None)
    if writer is not None:
        name = "prompt" if writer.block == "agent" else "instructions"
        before = str(writer.payload.get(name, "")).rstrip(" .")
        writer.payload[name] = ". ".join(filter(None, [before, f"Include {match.group(1)}"]))
        return True
    last = told[-1] if told else None
    if last is None or last.block not in (*SENDERS, "log", "reply_chat"):
        return False
    last.clause = f"{last.clause} including {match.group(1)}"
    return True


def wished(clause: str) -> str:
    """What a message is about: "send me the weather for Hamburg by email" → "weather for Hamburg"."""
    shadow = words.masked(clause)
    verb = _VERB.match(shadow)
    if verb is None and re.match(r"\w+", shadow) and shadow.split()[0].lower() in VERBS:
        return ""
    # "a joke for the team in #fun": a thing and its place need no verb.
    start = verb.end() if verb else 0
    if held := re.match(
        r"(?:an?\s+)?(?:e-?mail|mail|message|notification)\s+(?:(?:to\s+)?\x00+\s+)?(?:with|"
        r"about|containing)\s+(?!the\s+(?:text|subject|words))",
        shadow[start:],
        re.I,
    ):
        start += held.end()
    cut = sayings.WHERE.search(shadow, max(start - 1, 0))
    return words.bare(clause[start : cut.start() if cut else len(clause)].replace("\x00", "").strip(" ,."))


def _manner(clause: str) -> str:
    """What is said of it behind the place: "in #lunch, vegetarian please"."""
    match = re.search(
        r"(?:#[\w-]+|\bslack|\bdiscord|@[\w.-]+|\bmail|\bme|\bus)\s*,\s*(?!and\b|then\b|"
        r"but\b)([\w '-]{3,60})$",
        clause,
        re.I,
    )
    return f", {re.sub(r'[, ]*please$', '', match.group(1), flags=re.I)}" if match else ""


def supply(action: Action) -> Action | None:
    """The step that brings what a message is about, when no step before does; None when it needs none."""
    if action.said:
        return _followed(action)
    if action.block == "agent" and (outside := _SOUGHT.match(action.clause)):
        query = words.bare(outside.group(1))
        if nouns.PUBLIC.search(query) and not re.match(r"(?:it|them|this|that|these|both)\b", query, re.I):
            return _searched(query)
        return None
    if action.block == "summarize":
        plain = sayings.WHERE.sub("", action.clause)
        topic = words.bare(re.sub(r"^\S+\s+(?:up\s+)?(?:an?\s+\w+\s+(?:of|about|on)\s+)?", "", plain).strip(" ,."))
        return _searched(topic) if nouns.PUBLIC.search(topic) and not nouns.OWN.search(topic) else None
    if action.block not in (*SENDERS, "log"):
        return None
    topic = wished(action.clause)
    if not topic or re.match(r"(?:it|that|this|them|reminder|message|note|notification|alert)\b", topic, re.I):
        return None
    if nouns.WRITTEN.search(topic) and not nouns.CURRENT.search(topic):
        manner = _manner(action.clause)
        return Action(
            "agent", {"prompt": f"Write {_articled(topic, action.clause)}{manner}."}, topic=topic, clause=topic
        )
    told = re.search(r"\b(?:about|on|of|regarding|from)\s+(.+)$", topic, re.I) if nouns.DIGEST.search(topic) else None
    if nouns.OWN.search(told.group(1) if told else topic):
        question = f"From which address (URL) should I fetch the {topic}?"
        fetch = Action("http-request", {"method": "GET"}, topic=topic, clause=f"fetch the {topic}")
        return needs(fetch, Slot("url", "url", question, (LATER,)), None)
    if (
        nouns.PUBLIC.search(topic)
        or nouns.CURRENT.search(topic)
        or told
        and not re.match(r"(?:it|them|this|that|all|the)\b", told.group(1), re.I)
    ):
        return _searched(told.group(1) if told else topic)
    return None


def _followed(action: Action) -> Action | None:
    """ "post "Good morning!" followed by a joke": what comes behind the dictated words is written first."""
    match = _FOLLOWED.search(action.clause)
    if match is None or not nouns.WRITTEN.search(match.group(1)) or action.block not in SENDERS:
        return None
    topic = re.sub(
        r"\s+(?:from|by|of)\s+(?:the\s+|an?\s+)?(?:ai|agent|model|assistant)$", "", match.group(1), flags=re.I
    )
    action.said = f"{action.said} {{answer}}"
    return Action("agent", {"prompt": f"Write {topic}."}, topic=words.bare(topic)[:40], clause=topic)


_FOLLOWED = re.compile(
    r"[\"”'’]\s*,?\s*(?:followed\s+by|plus|and\s+(?:then\s+)?|with|then)\s+((?:an?|the|some|"
    r"one|two|three)\s+[\w' -]{3,60})",
    re.I,
)


def _searched(topic: str) -> Action:
    return Action("web-search", {"query": topic}, topic=topic[:40], clause=f"search the web for {topic}", said="")


#: What an AI agent cannot know by itself.
_SOUGHT = re.compile(
    r"^(?:compare|contrast|research|analy[sz]e|review|evaluate|assess|rank|rate|recommend|find)\s+(?:me\s+)?(.+)$", re.I
)


def _articled(topic: str, clause: str) -> str:
    article = re.search(rf"\b(an?|the|one|some|two|three|five|\d+)\s+{re.escape(topic)}", clause, re.I)
    return f"{article.group(1).lower()} {topic}" if article else topic
