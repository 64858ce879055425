"""What starts the workflow: a schedule, an event, a chat message, a button; and the text without that part.

Invariant: an event of the outside world is a webhook unless it is a chat message. Callers: ``understand``, ``change``.
"""

from __future__ import annotations

import re
from datetime import datetime

from caddie.models.offline import clauses, events, hooks, persona, schedule, sources, timing, weather, words
from caddie.models.offline.request import Trigger
from caddie.models.offline.verbs import VERBS

#: "webhook → …", "chat message: …", "webhook to Discord".
_BARE = re.compile(
    r"^(?:an?\s+|incoming\s+|new\s+|customer\s+|support\s+|live\s+|website\s+|our\s+|the\s+)*(web\s?hook|"
    r"chat(?:\s+messages?)?)(?:\s+trigger)?(\s+(?:to|into)\s+|\s*[:\n,]\s*)",
    re.I,
)
_PLACE = re.compile(r"(?:our\s+|the\s+|my\s+)?(?:#|slack|discord|e-?mail\b|\x00)", re.I)
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
    r"this\s+)?web\s?hook\b(?!\s+(?:has|contains|carries|brings|includes)\b)"
    rf"(?:(?!\s+and\s+{clauses.LEAD})[^.,;:])*(?=[.;,:]|\s+and\s)",
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
    rf"(?:{events.PERSON})\s+(?:can\s+|will\s+)?(?:asks?|writes?|types?|sends?|messages?|chats?|talks?|puts?)\b[^,.;:]*"
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
#: "New member joins: …", the event as a headline.
_NEW = re.compile(r"^(?:an?\s+)?(?:new|incoming)\s+(?:[\w'-]+[ ]?){1,5}(?=\n|,|:|\.\s)", re.I)
#: "The customer fills out the booking form. Send …", "a parent registers \n mail …": an event told as a sentence.
_SENTENCE = re.compile(
    rf"^(?!(?:{clauses.LEAD})|please\b|(?:i|we|it|this|there|let)\b)(?:an?|the|our|my|some(?:one|body)|any(?:one|"
    rf"body)|new|people|"
    r"customers?|users?|clients?|visitors?|guests?)\b[^.,;:\n\x00#@]{3,90}?(?=\s*(?:[.;:]\s|\n))",
    re.I,
)
#: "I want a chat where colleagues ask about vacation rules"
_ASKABLE = re.compile(
    r"^(?P<lead>(?:(?:i|we)\s+(?:would\s+)?(?:like|want)\s+|let\s+))?(?:our\s+|my\s+)?[\w-]+(?:\s+(?:of|on|to)"
    r"\s+our\s+[\w-]+)?\s+"
    r"(?:to\s+|can\s+)?(?:be\s+able\s+to\s+)?ask\s+(?:me\s+|us\s+)?(?:questions?\s+)?(?:about|on)"
    r"\s+(?P<what>[^.,;:\n]{3,80}?)"
    r"(?P<chat>\s+(?:in|through|via|over)\s+(?:a|the|our|live)\s*chat\b)?(?=\s*(?:[.,;:\n]|$))",
    re.I,
)
#: "a support chat which looks up answers", "the chat should answer in French"
_CHAT_DOES = re.compile(
    r"^(?:(?:make|build|create|set\s+up|open)\s+(?:me\s+|us\s+)?|(?:i|we)\s+(?:want|need)\s+)?(?:an?|the|our|my)"
    r"\s+(?:[\w-]+\s+){0,2}?chat\s+"
    r"(?:should|must|shall|will|has\s+to|that|which|to)\s+(?=\w)",
    re.I,
)
_TALK_TO = re.compile(
    r"^(?:talk|chat|speak)\s+(?:to|with)\s+(?:the\s+|our\s+)?\w+\s+(?:who|that)\s+(?:ask|want\s+to\s+know|"
    r"have\s+questions)\s+(?:about\s+)?",
    re.I,
)
_CHAT_WHERE = re.compile(
    r"^(?:(?:i|we)\s+(?:would\s+|really\s+)*(?:like|want|need)\s+|(?:make|build|create|set\s+up|open|give\s+(?:me|us)"
    r")\s+(?:me\s+|us\s+)?)?"
    r"an?\s+(?:[\w-]+\s+)?chat(?:\s+(?:room|window|channel|page))?\s+(?:where|in\s+which|so)"
    r"\s+(?:[\w'-]+\s+){1,4}?(?:can\s+|may\s+|could\s+)?"
    r"(?:ask|asks|learn|find\s+out|get\s+(?:answers|help|advice)|talk|chat)\s*(?:questions?\s+)?(?:about|on|"
    r"regarding|with|for|to)?\s+",
    re.I,
)
#: "If a new order is over 500 …": something that occurs, and what is asked of it.
_OCCURS = re.compile(
    r"^\s*(?:if|when(?:ever)?|in\s+case|once)\s+(?:an?|any|somebody's|someone's)\s+(?!\w+\s+(?:at|from)\s+\x00)"
    r"(?:[\w'-]+\s+){1,4}?(?:is|has|costs?|exceeds|contains|mentions|needs|asks|wants|gets|falls|scores|weighs)\b",
    re.I,
)
_MANUAL = re.compile(
    r"(?:\b(?:that|which)\s+)?\b(?:i|we)\s+can\s+(?:start|run|trigger|launch)(?:\s+it)?(?:\s+(?:myself|ourselves|"
    r"any\s*time|whenever\s+\w+\s+(?:want|like)))?"
    r"(?:\s+(?:that|which|and))?|\b(?:when(?:ever)?\s+(?:the|a|my)\s+button\s+is\s+(?:pressed|clicked|pushed)|"
    r"when(?:ever)?\s+i\s+(?:press|"
    r"click|run|start|hit|push|want|tap|tell\s+it|say\s+(?:go|so|now|start)|decide|ask\s+for\s+it|feel\s+like\s+it)"
    r"\b(?:(?!\s+(?:fetch|get|grab|call|post|send|"
    r"search|write|e?mail|check|pull|load|query|summari[sz]e)\b)[^,.;:])*|manually|on\s+demand|by\s+hand|(?:(?:give|"
    r"build|make|create|set\s+up)\s+(?:me\s+|us\s+)?)?(?:an?\s+)?manual(?:ly\s+(?:started|triggered|run)"
    r")?\s+(?:workflow|"
    r"flow|automation|trigger|start)\b(?:\s*(?:that|which|to|:|,))?|"
    r"at\s+the\s+(?:press|push|"
    r"click)\s+of\s+a\s+button)",
    re.I,
)
_BOT = re.compile(
    r"(?:\b(?:i|we)\s+(?:would\s+|really\s+)*\w+\s+|\b\w+\s+(?:me\s+|us\s+)?)?\b(?:an?\s+)?(?:friendly\s+|simple\s+|"
    r"new\s+)?(?:chat\s?bot|chat\s+(?:assistant|agent)|bot)\b(?:\s+(?:that|which|to|for))?",
    re.I,
)
#: What is left of "a bot that …" once its event is known.
BOT = re.compile(
    r"^(?:(?:i|we)\s+(?:would\s+|really\s+)*\w+\s+)?(?:an?\s+)?(?:\w+\s+)?(?:chat\s?)?bot\s+(?:that|which|to)\s+", re.I
)


def trigger(text: str, timezone: str, now: datetime | None = None) -> tuple[Trigger | None, str]:
    """What starts the workflow, and the text without that part."""
    shadow = words.masked(text)
    if plain := _BARE.match(shadow):
        block = "trigger_chat" if "chat" in plain.group(1).lower() else "webhook"
        return Trigger(block), f"{'send it to ' if _PLACE.match(shadow, plain.end()) else ''}{text[plain.end() :]}"
    lead = _BOT_LEAD.match(shadow)
    if asked := _ASKED.match(shadow, lead.end() if lead else 0):
        return Trigger("trigger_chat", event=asked.group()), events.cut_out(text, [(0, asked.end())])
    if chatted := _TOLD_CHAT.match(shadow):
        return Trigger("trigger_chat", event=chatted.group()), events.cut_out(text, [chatted.span()])
    if carries := _CARRIES.match(shadow):
        return Trigger("webhook"), f"it{text[carries.end() :]}"
    if (bot := persona.LEAD.match(shadow)) and not re.search(r"\bweb\s?hook|\bform\b", shadow, re.I):
        found = schedule.find(shadow)
        if found is None or found.freq is None:
            return Trigger("trigger_chat", event=text[slice(*bot.span("who"))]), events.cut_out(text, [bot.span()])
    if (askable := _ASKABLE.match(shadow)) and (askable.group("lead") or askable.group("chat")):
        what = text[slice(*askable.span("what"))]
        return Trigger("trigger_chat", event="a chat message"), f"answer questions about {what}{text[askable.end() :]}"
    if talks := _TALK_TO.match(shadow):
        return Trigger("trigger_chat", event="a chat message"), f"answer questions about {text[talks.end() :]}"
    if does := _CHAT_DOES.match(shadow):
        return Trigger("trigger_chat", event="a chat message"), text[does.end() :]
    if where := _CHAT_WHERE.match(shadow):
        return Trigger("trigger_chat", event="a chat message"), f"answer questions about {text[where.end() :]}"
    if manual := _MANUAL.search(shadow):
        return Trigger("manual"), events.cut_out(text, [manual.span()])
    shadow = weather.undated(shadow)
    found = schedule.find(words.unplaced(shadow))
    if (found is None or found.freq is None) and (mails := sources.mailbox(shadow)):
        return mails[0], text[mails[1] :]
    if (found is None or found.freq is None) and (forwarded := sources.every_mail(text, shadow)):
        return forwarded
    event = events.event(text, shadow, found is not None and found.freq is not None)
    if event is not None:
        if event[0].block == "webhook":
            event[0].note = sources.caveat(event[0].event)
        return event
    if (hooked := _HOOKED.search(shadow)) and found and found.spans and found.spans[-1][1] <= hooked.end():
        return Trigger("webhook", event=text[: hooked.end()].strip()), events.cut_out(text, [hooked.span()])
    told = _SENTENCE.match(shadow) if found is None or found.freq is None else None
    if told and events.HAPPENS.search(told.group()):
        said = f"{told.group()[:1].lower()}{told.group()[1:].strip()}"
        kind = "trigger_chat" if events.CHAT.search(said) else "webhook"
        note = sources.caveat(said) if kind == "webhook" else ""
        return Trigger(kind, event=said, note=note), events.cut_out(text, [told.span()])
    if timed := timing.once(text, shadow, found, timezone, now) or timing.scheduled(text, shadow, found, timezone, now):
        return timed[0], events.cut_out(text, timed[1])
    return _untimed(text, shadow)


def _untimed(text: str, shadow: str) -> tuple[Trigger | None, str]:
    """What starts a workflow without a time and without "when": a hook, a bot, something new."""
    if handled := hooks.HANDLES.match(shadow):
        return Trigger("webhook"), events.cut_out(text, [handled.span()])
    if received := hooks.RECEIVES.match(shadow) or hooks.TAKES.match(shadow):
        return Trigger("webhook", event=received.group()), events.cut_out(text, [received.span()])
    if stated := _STATED.search(shadow) or _HOOKED.search(shadow):
        block = "trigger_chat" if re.search(r"\bchat\b", stated.group(), re.I) else "webhook"
        return Trigger(block, event=text[: stated.end()].strip()), events.cut_out(text, [stated.span()])
    if (bot := _BOT.search(shadow)) and (bot.start() < 3 or events.CHAT.search(shadow)):
        return Trigger("trigger_chat", event="a chat message"), events.cut_out(text, [bot.span()])
    if calls := hooks.CALLS.search(shadow):
        return Trigger("webhook", event=text[slice(*calls.span())]), events.cut_out(text, [calls.span()])
    if hook := hooks.NAMED.search(shadow):
        return Trigger("webhook"), events.cut_out(text, [hook.span()])
    if new := _NEW.match(shadow):
        return Trigger("webhook", event=new.group()), events.cut_out(text, [new.span()])
    if _OCCURS.match(shadow) and "\x00" not in shadow[: events.clause_end(shadow, 3)]:
        return Trigger("webhook"), text
    if form := hooks.FORM.match(shadow):
        verb = "send" if form.group("verb").lower() in ("go", "report", "write") else form.group("verb").lower()
        return Trigger("webhook", event=text[: form.start("verb")].strip()), f"{verb} it {text[form.end() :]}"
    if (news := hooks.NEWS.match(shadow)) and "http" not in text:
        said = re.sub(r"\s+\w+(?:\s+to)?$", "", news.group())
        return Trigger("webhook", event=f"there are {said}", note=sources.caveat(said)), text
    if undated := timing.undated(shadow):
        return undated[0], events.cut_out(text, undated[1])
    return (Trigger("trigger_chat") if _CHAT_TEXT.search(shadow) else hooks.incoming(text)), text
