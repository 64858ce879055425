"""Clauses that reach outside: messages, addresses, the web, other workflows.

Invariant: as in ``actions``. Callers: ``actions``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from caddie.models.offline import pointing, words
from caddie.models.offline.reading import LATER, about_what, needs
from caddie.models.offline.request import Action, Slot

_SLACK = re.compile(r"\bslack\b(?!\s+(?:export|history|archive|dump|data|api|logs?|thread|conversations?)\b)", re.I)


_DISCORD = re.compile(r"\bdiscord\b", re.I)


_TELL = re.compile(
    r"\b(?:post|send|notify|tell|message|alert|ping|inform|announce|publish|share|forward|dm|warn|report|write|put|"
    r"drop|throw|stick|remind|pass|hand|mention|ring|raise|push|cc|cancel|deliver|submit|let|get|thank|welcome|greet|"
    r"invite|congratulate|complain|text|nudge|buzz|shout|wish|relay|jot|apologi[sz]e)\b",
    re.I,
)


_MAIL = re.compile(r"\b(?:e-?mails?|mail)\b", re.I)


_FETCH = re.compile(
    r"\b(?:fetch|get|call|request|download|load|pull|read|check|query|poll|retrieve|grab|hit|ping|visit|scrape|"
    r"import|open|watch|monitor|track|look\s+at)\b",
    re.I,
)


_SEND = re.compile(
    r"\b(?:post|send|submit|forward|push|deliver|notify|report|put)\b|^(?:add|publish|register|subscribe|create|"
    r"record|hand|pass|"
    r"book|enter|file|order|move|save|store|upload|sign|transfer|copy|relay)\b.*\s(?:to|at|in|into|on|with|via|"
    r"under)\s+"
    r"(?:[\w-]+\s+){0,3}?(?=\x00)|"
    r"\b(?:save|store|register|upload)\s+[\w ]{1,30}\s+(?:to|at|in)\s+(?=\x00)",
    re.I,
)


#: An AI's work about what is at an address.
_WRITES = re.compile(
    r"^(?:also\s+)?(?:turn|convert|transform|shorten|simplify|anonymi[sz]e|rephrase|paraphrase|correct)\b(?!.*\x00)|"
    r"^(?:(?:let|have|ask|use)\s+(?:the\s+|an?\s+)?(?:ai|agent|llm|gpt|claude|model|assistant)\b|(?:write|draft|"
    r"compose|generate|translate|rewrite)\s+"
    r"(?:an?|the|some|me)\b)",
    re.I,
)
_METHOD = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE|HEAD)\b")


_REPLY = re.compile(
    r"\b(?:give\s+(?:\w+\s+){1,4}?(?:answer|reply|response)|reply|answer|respond|write\s+back|send\s+(?:it\s+)?back|"
    r"say|greet)\b",
    re.I,
)


_RUN = re.compile(
    r"^(?:run|start|trigger|launch|execute|call)\s+(?:the\s+|my\s+|another\s+)?(?:(?:workflow|"
    r"flow)\s+[\"“'](.+?)[\"”']|"
    r"[\"“'](.+?)[\"”']\s+(?:workflow|flow)|(?:workflow|flow)\s+[\"']?([\w-]+)[\"']?|"
    r"[\"']?([\w -]+?)[\"']?\s+(?:workflow|flow))(?!\w)",
    re.I,
)


_CHATS = re.compile(r"\b(?:chat\w*|bot|messages?|writes?)\b", re.I)
#: Something to say to whoever writes.
_TO_THEM = re.compile(
    r"^(?:thank|greet|welcome|ask|tell|apologi[sz]e\s+to|calm|comfort|help|send|give|"
    r"congratulate)\s+(?:them|him|her|the\s+(?:user|"
    r"customer|guest|patient|client|visitor|person|member|sender|student))\b(?!.*(?:#|\x00|@|\be-?mail\b|"
    r"\bmail\b|\bslack\b))",
    re.I,
)


#: "to #sports and to our Discord"
_BESIDE = re.compile(
    r"(?<!\w)#[\w-]+\s*(?:,|and|&)\s+(?:also\s+)?(?:(?:to|on|in)\s+)?(?:our\s+|the\s+)?discord\b", re.I
)


def slack(clause: str, about: str) -> Action | None:
    channel = words.channel(clause)
    person = re.search(
        r"(?<![\w.])@[A-Za-z][\w.-]*\w", words.EMAIL.sub("", words.URL.sub("", words.QUOTE.sub("", clause)))
    )
    told = person and not _DISCORD.search(clause) and _TELL.search(clause)
    if (
        not _SLACK.search(clause)
        and not told
        and not (
            words.CHANNEL.search(words.URL.sub("", clause))
            and not (_DISCORD.search(clause) and not _BESIDE.search(clause))
        )
    ):
        return None
    options = (("#general", "#general"), ("#alerts", "#alerts"), LATER)
    slot = Slot("channel", "channel", "Which Slack channel should the message go to?", options)
    action = Action("slack-send-message", topic=about_what(clause, _TELL))
    return needs(action, slot, channel or (person.group() if person else None))


def discord(clause: str, about: str) -> Action | None:
    return Action("discord-send-message", topic=about_what(clause, _TELL)) if _DISCORD.search(clause) else None


#: "with cc b@x.com", "and b@x.com in cc".
_COPIED = re.compile(
    rf"\b(?:(?:with|and)\s+)?(?:cc|(?<=with\s)a\s+copy\s+to|in\s+copy)\s*:?\s*(?:to\s+)?{words.EMAIL.pattern}"
    rf"(?:\s*(?:,|and|&)\s*{words.EMAIL.pattern})*|\b(?:with|and)\s+{words.EMAIL.pattern}\s+in\s+(?:cc|copy)\b",
    re.I,
)
_ASKS = re.compile(r"^(?:also\s+)?(?:ask|confirm)\b.*\b(?:by|via|per|over)\s+(?:an?\s+)?(?:e-?mail|mail)\b", re.I)


def email(clause: str, about: str) -> Action | None:
    copied = _COPIED.search(clause)
    found = words.emails(words.QUOTE.sub("", _COPIED.sub("", clause)))
    if (
        words.url(clause)
        and not found
        and not re.match(r"^(?:e-?mail|mail|send\s+(?:\w+\s+){0,3}?(?:e-?mail|mail))\b", clause, re.I)
    ):
        return None
    sends = re.match(r"^(?:also\s+)?(?:e-?mail|mail)\b", clause, re.I) or (
        (_MAIL.search(clause) or pointing.addressed(clause)) and (_TELL.search(clause) or _ASKS.match(clause))
    )
    if not (sends or found):
        return None
    action = Action("send-email", topic=about_what(clause, re.compile(f"{_TELL.pattern}|{_MAIL.pattern}", re.I)))
    if copied:
        action.payload["cc"] = words.emails(copied.group())
    if subject := re.search(
        r"\bsubject\s*(?:line)?\s*(?:of\s+|:\s*|is\s+)?(.+?)(?:\s+(?:and|with|saying)\s+|$)", clause, re.I
    ):
        action.payload["subject"] = words.quoted(subject.group(1)) or words.sentence(subject.group(1))
        if action.payload["subject"] == words.quoted(clause):
            action.said = _after(clause, subject.end())
    slot = Slot("to", "email", "Which address should the email go to?", (LATER,))
    expression = re.search(r"\{\{[^{}]+\}\}", clause)
    if not found and expression:
        found = [expression.group()]
    if not found and (name := pointing.addressed(clause)):
        action.members = [name]
        return action
    return needs(action, slot, found[0] if len(found) == 1 else found)


def _after(clause: str, start: int) -> str | None:
    return words.quoted(clause[start:]) or None


#: "with the header Authorization: Bearer …".
_HEADER = re.compile(
    r"\bheaders?\s+[\"'`“]?([A-Za-z][A-Za-z0-9-]+)\s*[:=]\s*([^,;\"'`”]+?)[\"'`”]?(?=\s+(?:and|"
    r"then)\b|[,;]|$)",
    re.I,
)


def http(clause: str, about: str) -> Action | None:
    if _WRITES.match(clause):
        return None
    address, method = words.url(clause), _METHOD.search(clause)
    hook = re.search(r"\bweb\s?hook\b", clause, re.I)
    if address is None and re.search(r"\b(?:form|web\s?hook)\s+data\b", clause, re.I):
        return None
    if address is None and re.match(
        r"(?:count|tally|increment|remember|record|log|append|collect|keep|save|"
        r"store|put|push|add)\b(?!.*\bto\s+(?:the\s+|our\s+|a\s+)?web\s?hook)",
        clause,
        re.I,
    ):
        return None
    if address is None and not hook:
        if not (
            re.search(r"\b(?:api|endpoint|url|web\s?site|web\s?page|site|page)\b", clause, re.I)
            and _FETCH.search(clause)
        ):
            return None
        address = None
    slot = Slot("url", "url", "Which address (URL) should I call?", (LATER,))
    shadow = words.masked(clause)
    if (hook and not (method and address)) or (_SEND.search(shadow) and not _FETCH.search(shadow) and not method):
        slot = Slot("url", "url", "Which address (URL) should the data be posted to?", (LATER,))
        return needs(Action("send-webhook", topic="data", members=members(clause)), slot, address)
    if address and not (method or _FETCH.search(shadow) or re.match(r"^https?://", clause.strip(), re.I)):
        return None
    payload: dict[str, Any] = {"method": method.group(1) if method else "GET"}
    if headers := {name: value.strip(" .") for name, value in _HEADER.findall(clause)}:
        payload["headers"] = headers
    if (given := words.json_object(clause)) is not None:
        payload["body"] = given
    topic = about_what(clause, _FETCH)
    if payload["method"] != "GET" or not topic or re.search(r"^(?:and|or)$|\b(?:whether|if|how|what)\b", topic, re.I):
        topic = path_name(address)
    named = members(clause) if payload["method"] in ("POST", "PUT", "PATCH") else []
    return needs(Action("http-request", payload, topic=topic, members=named), slot, address)


def fetched(address: str, topic: str = "") -> Action:
    """A step that gets what is at an address."""
    name = topic if 0 < len(topic) <= 24 else path_name(address)
    return Action("http-request", {"method": "GET", "url": address}, topic=name, clause=address)


def others(action: Action, clause: str) -> list[Action]:
    """The other addresses of "get a and b", "send it to a and b"."""
    rest = words.URL.findall(clause)[1:] if action.block in ("http-request", "send-webhook") else []
    if action.block == "http-request" and action.payload.get("method") == "GET":
        return [fetched(each) for each in rest]
    joined = re.search(rf"(?:and|,|&)\s+(?:also\s+)?(?:to\s+|at\s+)?{words.URL.pattern}", clause, re.I)
    return [replace(action, payload={**action.payload, "url": each}) for each in rest] if joined else []


def needed(action: Action, clause: str) -> list[Action]:
    """The addresses a step of another kind speaks of, to be fetched in front of it."""
    if action.block in ("web-search", "human_confirmation"):
        return []
    used = {str(value) for value in action.payload.values()}
    found = words.URL.findall(clause) or list(filter(None, [words.url(clause)]))
    new = [each for each in found if each not in used and (action.block == "agent" or each not in (action.said or ""))]
    if action.block in ("http-request", "send-webhook"):
        new = new[: 1 if words.url(clause) in new else 0]
    return [fetched(each, action.topic if len(new) == 1 and action.block != "agent" else "") for each in new]


def members(clause: str) -> list[str]:
    """The fields of "… with the name and the email"."""
    match = re.search(
        r"\bwith\s+((?:the\s+|their\s+|his\s+|its\s+)?[\w-]+(?:\s*(?:,|and|&)\s*(?:and\s+)?(?:the\s+|"
        r"their\s+)?[\w-]+)*)\s*$",
        clause,
        re.I,
    )
    vague = {
        "put",
        "patch",
        "delete",
        "head",
        "data",
        "body",
        "payload",
        "post",
        "get",
        "result",
        "results",
        "it",
        "them",
        "form_data",
        "everything",
    }
    return (
        [name for name in map(words.field_name, words.listed(match.group(1))) if name.lower() not in vague]
        if match
        else []
    )


def path_name(address: str | None) -> str:
    path = re.sub(r"^https?://|[?#].*$|/\{.*$", "", address or "").strip("/").split("/")
    name = path[-1] if len(path) > 1 else path[0].split(":")[0].removeprefix("www.").split(".")[0]
    return re.sub(r"\.\w+$", "", name)


def fetch(clause: str, about: str) -> Action | None:
    """ "fetch the rates": something to get, but from where is not said."""
    match = re.match(
        r"^(?:fetch|get|download|look\s+at|load|pull|retrieve|grab|poll|scrape|import|check|query|read|watch|monitor|"
        r"track)\b\s+(.+)$",
        clause,
        re.I,
    )
    if match is None or re.match(r"(?:me|it|them)\b", match.group(1), re.I):
        return None
    topic = about_what(clause, _FETCH)
    slot = Slot(
        "url", "url", f"From which address (URL) should I fetch {f'the {topic}' if topic else 'the data'}?", (LATER,)
    )
    return needs(Action("http-request", {"method": "GET"}, topic=topic), slot, None)


def reply(clause: str, about: str) -> Action | None:
    theirs = re.match(r"^(?:tell|inform|notify|let|thank|answer|send|give|ask)\s+(?:the|that)\s+(\w+)\b", clause, re.I)
    asker = theirs and re.search(rf"\b(?:an?|any|our|the|every)\s+{theirs.group(1)}\b[^.]*\bchat\b", about, re.I)
    placed = re.search(r"#|\x00|@|\be-?mail\b|\bmail\b|\bslack\b|\bdiscord\b", words.masked(clause), re.I)
    if (_CHATS.search(about) and _TO_THEM.match(clause) or asker and not placed) and not words.quoted(clause):
        return Action("reply_chat", topic=clause)
    if not _REPLY.match(
        re.sub(r"^(?:then|also|automatically|politely|always)\s+", "", clause, flags=re.I)
    ) and not re.search(
        r"\b(?:reply|respond|back)\s+(?:in|to|into)\s+(?:the\s+)?(?:chat|user|customer|message)", clause, re.I
    ):
        return None
    literal = re.search(r"\b(?:with|saying|say)\s*:?\s+(.+)$", clause, re.I)
    said = words.quoted(clause)
    if (
        said is None
        and literal
        and not re.search(r"^(?:the|an?|it|that|this|them|its|ai|claude|help)\b", literal.group(1), re.I)
        and re.match(r"^say\b|.*\bsaying\b", clause, re.I)
    ):
        said = literal.group(1).strip()
    return Action("reply_chat", said=said, topic=clause)


def further(action: Action, clause: str) -> list[Action]:
    """The other places of "to a@x.com and to #news"."""
    more: list[Action] = []
    if action.block not in ("slack-send-message", "discord-send-message", "send-email"):
        return more
    places = re.findall(
        r"(?<![\w/&.@])[#@][A-Za-z][\w.-]*\w", words.EMAIL.sub("", words.URL.sub("", words.QUOTE.sub("", clause)))
    )
    channels = [action.payload.get("channel"), *(each for each in places if each != action.payload.get("channel"))]
    for channel in channels[1:] if action.block == "slack-send-message" else []:
        more.append(Action(action.block, {"channel": channel}, topic=action.topic))
    for recogniser, named in ((discord, _DISCORD.search(clause)), (email, words.emails(words.QUOTE.sub("", clause)))):
        other = recogniser(clause, "") if named else None
        if other is not None and other.block != action.block:
            more.append(other)
    for each in more:
        each.said, each.clause = action.said, clause
    return more


def run(clause: str, about: str) -> Action | None:
    match = _RUN.match(clause)
    if match is None and re.search(r"\bworkflow", about, re.I):
        match = re.match(r"^(?:run|start|trigger|launch|execute|call)\s+(?:the\s+)?[\"“'](.+?)[\"”']$", clause, re.I)
    if match is None:
        return None
    return Action(
        "trigger-workflow",
        {"workflow": words.slug(next(filter(None, match.groups()))).replace("_", "-")},
        topic="workflow",
    )
