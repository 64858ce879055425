"""What a sentence names: whom to write to, where to post or fetch, what an AI is to do with it.

Each is told as a plain clause that ``reader`` knows, with the place in the sentence where it is named. Invariant: an
address, channel or amount stands in a clause only when it stands in the sentence. Callers: ``sketch``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from caddie.models.offline import clauses, evidence, words
from caddie.models.offline.verbs import THINKS

#: How a clause begins that sorts what came in.
SORT = "classify it as "
_FROM = re.compile(r"\b(?:from|by|of)\s*$", re.I)
_SINK = re.compile(
    r"\b(?:post(?:s|ed)?|put|sen[dt]s?|sav(?:e|es|ed)|stor(?:e|es|ed)|submit(?:s|ted)?|push(?:es|ed)?|pass(?:es|ed)?|"
    r"forward(?:s|ed)?|deliver(?:s|ed)?|goes|go|writ(?:e|es|ten)|book(?:s|ed)?|regist(?:er|ers|ered)|report(?:s|ed)?|"
    r"add(?:s|ed)?|record(?:s|ed)?|upload(?:s|ed)?|publish(?:es|ed)?|creat(?:e|es|ed)|hand(?:s|ed)?|transfer(?:s|red)?|"
    r"notif(?:y|ies|ied)|trigger(?:s|ed)?)\b(?![^.]*\bfrom\s*$)",
    re.I,
)
_KEPT = re.compile(
    r"\b(?:sav(?:e|es|ed)|stor(?:e|es|ed)|record(?:s|ed)?|post(?:s|ed)?|submit(?:s|ted)?|regist(?:er|ers|ered))\b"
    r"[^.]*\bat\s*$",
    re.I,
)
_SOURCE = re.compile(
    r"\b(?:fetch|get|read|check|load|look\s+at|look|pull|download|query|grab|open|watch|monitor|call|list|at|from|under|"
    r"on|retrieve|visit|see)(?:e?s)?\s+(?:[\w'’-]+\s+){0,6}?$",
    re.I,
)
_SEARCH = re.compile(
    r"\b((?:look\s+up|search(?:\s+the\s+web)?(?:\s+for)?|google|find\s+out|research|check(?:\s+online)?)\s+)?((?:the\s+|"
    r"today['’]s\s+|tomorrow['’]s\s+|our\s+|local\s+|latest\s+|top\s+)*(?:weather|forecast|news|headlines|exchange\s+rate)"
    r"(?:\s+(?:forecast|report))?(?:\s+(?:in|for|about|on|of)\s+[\w'’ -]+?)?)"
    r"(?=\s*(?:[,.;:!?]|$|\s(?:and|if|when|then)\s))",
    re.I,
)
_SOUGHT = re.compile(
    r"\b(?:find|look\s+for|look\s+up|search\s+for|google|research|collect)\s+((?:the\s+)?(?:new|latest|fresh|recent|current|top)\s+"
    r"[^.,;:]+?)(?=\s+and\s|[.,;:]|$)",
    re.I,
)
_BRIEF = re.compile(
    r"\b(?:an?|the)\s+(?:(?:short|brief|quick|little)\s+)?summary\b|\b(?:key|main|most\s+important)\s+points\b", re.I
)
_LOG = re.compile(
    r"\b(?:log(?:ged)?\s+(?:it|this|that|them|the\s+\w+)|(?:be|is|are|gets?|just)\s+logged|just\s+log|"
    r"(?:in|into|to)\s+(?:the|a|our)\s+log\b|keep\s+a\s+record)",
    re.I,
)
_MAIL = re.compile(
    r"\b(?:send|e?-?mail|mail|write|gives?|thank|remind|invite)\s+(?:(?:back\s+)?to\s+)?(?P<who>them|him|her|(?:the|each|every|that)\s+"
    r"(?:person|customer|guest|client|user|visitor|sender|buyer|parent|member|applicant|candidate|participant|attendee|"
    r"subscriber|donor|teacher|student|patient|tenant|[a-z]+er|[a-z]+or|[a-z]+ant))\b(?=[^.;]*(?:e-?mail|mail\b|letter|note|"
    r"confirmation|reminder|reply|thank|welcome|invit))|"
    r"\b(?P<gets>them|him|her|they|he|she|everyone|everybody|(?:the\s+)?[a-z]+\s+ones|(?:the|each|every)\s+(?:[a-z]+\s+)?[a-z]+)\s+(?:should\s+|must\s+|will\s+|shall\s+)?"
    r"(?:gets?|receives?)\s+(?:an?|the|their|our)\s+(?:[\w-]+\s+){0,3}?(?:e-?mail|mail)\b|"
    r"\b(?:(?:e-?)?mail(?:ed)?|sen[dt])\s+(?:(?:it|this|that|the\s+\w+)\s+)?to\s+(?P<sent>them|him|her|(?:the|each|every)\s+"
    r"(?!office|team|boss|list|chat)[a-z]+)\b(?!\s+channel)",
    re.I,
)
#: Whom to write to, where no address is given: it stays open.
_MINE = re.compile(
    r"\b(?:e?-?mail|mail)s?\s+(?:it\s+|that\s+|this\s+|them\s+)?(?:to\s+)?(?P<who>me|us|my\s+\w+|our\s+\w+)\b", re.I
)
_THINK = re.compile(
    rf"(?<!\bthe )(?<!\ba )(?<!\ban )(?<!\bmy )(?<!\bour )(?<!\btheir )(?<!\bits )"
    rf"\b(?:summari[sz]e|{'|'.join(THINKS)})s?\s+"
    r"(?!(?:it|this|that|them)\s+(?:in)?to\s)(?=\S)",
    re.I,
)
_AI = re.compile(
    r"(?<!with )(?<!by )(?<!using )(?<!via )"
    r"(?P<ai>\b(?:AI|ai|claude|(?:chat)?gpt|(?:the|a)\s+language\s+model)\s+(?:(?:should|must|can|shall|has\s+to|to)\s+)?)"
    r"(?=(?!is\b|will\b|that\b|which\b|and\b|step\b)[a-z]+\s)"
)
#: Where the words of one piece of work end.
_END = re.compile(
    rf"[.;:!?]|\s*,?\s+(?:and|then|but|so|before|only)\s+(?=(?:then|also|finally|i|we|it|you|they|only|the\s+\w+\s+(?:is|are|should|"
    rf"gets?|goes)|{clauses.ANY_VERB})\b)|,\s+(?=(?:then|and|i|we|it|but|{clauses.ANY_VERB})\b)",
    re.I,
)
_LANGUAGE = re.compile(
    r"\b(?:in|into|to)\s+(english|german|french|spanish|italian|dutch|polish|portuguese|turkish|russian|ukrainian|danish|"
    r"swedish|norwegian|finnish|czech|greek|japanese|chinese|korean|arabic|hindi)\b",
    re.I,
)
_LABELS = re.compile(
    r"\b(?:find\s+out|decide|check|tell|see|work\s+out|determine|judge|whether|if)\b[^.,;]*?\b(?:is|are)\s+(?:an?\s+)?"
    r"([\w-]+(?:,\s+[\w-]+)*,?\s+or\s+(?:an?\s+)?[\w-]+)\b",
    re.I,
)
_TAKE = re.compile(
    r"\b(?:take|pull|pick|get|extract|read|note(?:\s+down)?|collect)\s+(?:the\s+|their\s+)?((?:[\w-]+(?:\s+[\w-]+)?,\s+)*"
    r"[\w-]+(?:\s+[\w-]+)?\s+and\s+(?:the\s+)?[\w-]+(?:\s+[\w-]+)?)\s+(?:out\s+of|from|out)\b",
    re.I,
)
_BACK = re.compile(r"\bget\s+(?:back\s+(?!to\b)(.+?)|((?!it\b|that\b)[\w' -]+?)\s+back)(?=[.,;!?]|$)", re.I)
_BOT = re.compile(r"\b(?:chat\s?bot|chat|bot|assistant)\s+(?:that|which|who|to)\s+(?!is\b|are\b)([^.!?]+)", re.I)
_LINKED = re.compile(
    r"\b(?:with|including|containing|link(?:ing)?(?:\s+to)?)\s+(?:(?!\b(?:to|and)\b)[\w'’-]+\s+){0,5}$", re.I
)
_DELAY = re.compile(r"\bwait\s+(?:for\s+)?((?:\w+\s+){1,2}?(?:seconds?|minutes?|hours?|days?|weeks?))\b", re.I)


@dataclass(frozen=True, slots=True)
class Mention:
    """Something a sentence names, and the clause it stands for. effect: it is seen outside the workflow."""

    start: int
    clause: str
    effect: bool = False


def effects(sentence: str, block: str) -> list[Mention]:
    """What is sent, posted, fetched and waited for. block: what starts the workflow."""
    shadow = words.masked(sentence)
    found = [*_mails(sentence, shadow, block), *_posts(sentence, shadow)]
    for url in words.URL.finditer(sentence):
        before = sentence[: url.start()]
        gets = _SOURCE.search(before) and not re.search(r"\b(?:to|into|in)\s*$", before) and not _KEPT.search(before)
        if found and _LINKED.search(before):
            found[-1] = replace(found[-1], clause=f"{found[-1].clause} with the link {url.group()}")
        elif _SINK.search(before) and not gets:
            found.append(Mention(url.start(), f"send it to {url.group()}", True))
        else:
            found.append(Mention(url.start(), f"fetch {url.group()}"))
    if log := _LOG.search(shadow):
        found.append(Mention(log.start(), "write it to the log", True))
    if wait := _DELAY.search(shadow):
        found.append(Mention(wait.start(), f"wait {wait.group(1)}", True))
    return found


def _mails(sentence: str, shadow: str, block: str) -> list[Mention]:
    """To addresses; to "my boss", whose address stays open; to "them", whose address came in or is an item's."""
    found = [
        Mention(mail.start(), f"email {mail.group()}{_saying(sentence, mail.end())}", True)
        for mail in words.EMAIL.finditer(sentence)
        if not _FROM.search(sentence[: mail.start()])
    ]
    for mine in _MINE.finditer(shadow):
        if not words.EMAIL.search(sentence, mine.start(), mine.end() + 80):
            found.append(Mention(mine.start(), f"email {mine.group('who')}", True))
    them = _MAIL.search(sentence) if block == "webhook" or evidence.EACH.search(sentence) else None
    if them and not words.EMAIL.search(sentence, them.start(), them.end() + 60):
        found.append(Mention(them.start(), "email them", True))
    return found


def _posts(sentence: str, shadow: str) -> list[Mention]:
    """To channels, and to a service whose channel is not told."""
    slack, discord = (re.search(rf"\b{name}\b", shadow, re.I) for name in ("slack", "discord"))
    channels = list(words.CHANNEL.finditer(sentence))
    where = " on discord" if discord and not slack else ""
    found = [
        Mention(each.start(), f"post it to {each.group()}{where}{_saying(sentence, each.end())}", True)
        for each in channels
    ]
    named = discord if channels and slack else None if channels else discord or slack
    if named:
        found.append(Mention(named.start(), f"post it to {named.group()}{_saying(sentence, named.end())}", True))
    return found


def _saying(sentence: str, end: int) -> str:
    """The words a message is to hold, told behind its address."""
    said = re.match(
        r"[^.;:,\"“]{0,40}?(?:,\s*)?(\b(?:that|to)\s+(?!#|\S+@)[^.;]+|\bsaying\s+[^.;]+|(?:with\s+)?[\"“][^\"”]+[\"”])",
        sentence[end:], re.I,
    )  # fmt: skip
    return f" {said.group(1)}" if said else ""


def work(sentence: str, block: str) -> list[Mention]:
    """What a language model does, and what is looked for on the web."""
    found: list[Mention] = []
    if block == "trigger_chat" and (bot := _BOT.search(sentence)):
        found.append(Mention(bot.start(), f"let AI {bot.group(1)}"))
    elif labels := _LABELS.search(sentence):
        found.append(Mention(labels.start(), f"{SORT}{labels.group(1)}"))
    elif taken := _TAKE.search(sentence):
        found.append(Mention(taken.start(), f"extract {taken.group(1)}"))
    elif think := _AI.search(sentence) or _THINK.search(sentence):
        end = _END.search(sentence, think.end())
        stop = end.start() if end else len(sentence)
        told = sentence[think.start() : stop]
        if "ai" in think.groupdict():
            plain = re.sub(r"^(\w+[^s])s\b", r"\1", sentence[think.end("ai") : stop])
            told = f"let AI {plain}"
        found.append(Mention(think.start(), told))
    elif block == "trigger_chat" and (language := _LANGUAGE.search(sentence)):
        found.append(Mention(language.start(), f"translate it into {language.group(1).capitalize()}"))
    elif block == "trigger_chat" and (back := _BACK.search(sentence)):
        found.append(Mention(back.start(), f"write {back.group(1) or back.group(2)}"))
    if not found and (brief := _BRIEF.search(sentence)):
        found.append(Mention(brief.start(), "summarize it"))
    if not words.URL.search(sentence) and (sought := _SOUGHT.search(sentence)):
        found.append(Mention(sought.start(), f"search the web for {sought.group(1)}"))
    elif not words.URL.search(sentence) and (search := _SEARCH.search(sentence)):
        found.append(Mention(search.start(), f"search the web for {search.group(2)}"))
    return found
