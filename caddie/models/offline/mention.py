"""Which step of a workflow a phrase means: "the Slack step", "step 2", "the second mail", "the rejection".

Invariant: pure; a phrase none of whose words fits a step means none. Callers: ``canvas``, ``sides``.
"""

from __future__ import annotations

import re
from typing import Any

#: What a block is called.
CALLED = {
    "slack-send-message": "slack message post notification channel notify send",
    "discord-send-message": "discord message post notification notify send",
    "send-email": "email mail message notification notify send",
    "http-request": "http fetch request call api url get",
    "send-webhook": "webhook outgoing post send data",
    "if": "if condition check branch comparison test threshold",
    "for-each": "loop each iteration",
    "delay": "delay wait pause",
    "wait": "wait resume signal",
    "summarize": "summary",
    "classify": "classification category sentiment label sort",
    "extract-json": "extraction extract fields data",
    "agent": "ai agent model answer assistant bot",
    "reply_chat": "reply chat answer response send",
    "web-search": "web search google internet",
    "human_confirmation": "approval confirmation human person ask question",
    "cronjob": "schedule trigger time cron start timer",
    "webhook": "webhook trigger start incoming",
    "trigger_chat": "chat trigger start",
    "manual": "manual trigger start button hand",
    "log": "log line note",
    "set-variable": "variable store counter count",
    "filter": "filter list",
    "format": "format text template",
    "trigger-workflow": "workflow run start",
    "merge": "merge combine",
}
_SAME = (
    "mail email letter newsletter", "remind nudge chase followup", "reject decline refuse refusal turndown",
    "invite invitation", "alert alarm warn warning", "fetch get read load download retrieve call request",
    "summary summarize summarise shorten digest recap condense sum", "wait pause delay sleep", "log logging note",
    "check condition test if decide decision", "approval approve confirm confirmation okay ask sign signoff question",
    "classify classification sort sorting category triage label", "extract extraction parse",
    "answer reply respond response", "search google look find", "store save book reservation booking record",
    "thank thanks", "celebrate celebration congratulate congratulation party", "schedule timer cron",
    "report", "tell inform notify ping message notification", "filter sift", "loop iteration each every",
    "welcome greet greeting", "fail failure failed wrong error broken",
)  # fmt: skip
_IDLE = frozenset(
    "the a an this that those these it its they them their my our your his her each every all any some one ones of to "
    "in on at by for from with and or but as is are was were be been has have had do does did not no so too also only "
    "just please step steps node nodes block blocks part bit thing things stuff workflow flow when if then which who "
    "what where there here we i you me us into out up off over get gets goes go make let say says said should must "
    "new other another same again would like want need can could may will shall".split()
)
_ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4,
             "last": -1, "final": -1}  # fmt: skip
_ORDINAL = re.compile(
    rf"\b(?:the\s+)?(very\s+)?({'|'.join(_ORDINALS)})\b(?:\s+(?:one|step|node|block|thing|part)\b)?",
    re.I,
)
#: "the part that checks the price"
_RELATIVE = re.compile(
    r"^(?:the|that)\s+(?:part|bit|thing|step|node|block|one|place|point)\s+(?:that|which|where\s+(?:it|we|you|i))\s+",
    re.I,
)
_PHRASES = ((re.compile(r"\bturn(?:ing|s|ed)?\s+(?:\w+\s+){0,2}?down\b", re.I), "decline"),
            (re.compile(r"\bsum(?:ming|s)?\s+up\b", re.I), "summary"),
            (re.compile(r"\bfollow(?:ing)?[ -]ups?\b", re.I), "remind"),
            (re.compile(r"\be-mail", re.I), "email"))  # fmt: skip


def stem(word: str) -> str:
    """ "reminders" → "remind"; short words stay."""
    low = word.lower().strip("'’")
    low = re.sub(r"['’]s$", "", low)
    for ending in ("ations", "ation", "ings", "ing", "ers", "er", "ions", "ion", "ies", "ed", "es", "s", "e", "y"):
        if low.endswith(ending) and len(low) - len(ending) >= 3 and not low.endswith("ss"):
            low = low[: -len(ending)]
            break
    return low[:-1] if len(low) > 3 and low[-1] == low[-2] and low[-1] not in "sl" else low


_GROUPS: dict[str, frozenset[int]] = {}
for _at, _group in enumerate(_SAME):
    for _word in _group.split():
        _GROUPS[stem(_word)] = _GROUPS.get(stem(_word), frozenset()) | {_at}


def spoken(text: str) -> list[str]:
    """The words of a text that can name something."""
    for pattern, to in _PHRASES:
        text = pattern.sub(to, text)
    found = re.findall(r"#[\w-]+|[\w.+-]+@[\w.-]+|[A-Za-z][\w'’]*|\d+", text.lower())
    return [each for each in found if each not in _IDLE]


def _head(phrase: str) -> str:
    """The word that says most: the verb of "checks the price", the noun of "the ticket filter in Slack"."""
    verbal = re.match(
        r"^\s*(?:to\s+)?([a-z]{3,})\s+(?:the|a|an|it|them|my|our|everyone|people|somebody)\b", phrase, re.I
    )
    if verbal and verbal.group(1).lower() not in _IDLE:
        return verbal.group(1)
    parts = re.split(r"\s(?:to|in|for|from|on|at|of|with|about|via|by|that|which|who|where|when|if)\s", phrase)
    nouns = spoken(parts[0])
    return nouns[-1] if nouns else ""


def _names(node_id: str, node: dict[str, Any]) -> set[str]:
    told = f"{node_id} {node.get('titleOverride') or ''}"
    return {stem(each) for each in re.split(r"[\W_]+", told) if each and each.lower() not in _IDLE}


def _content(node: dict[str, Any]) -> set[str]:
    told = re.sub(r"https?://", " ", str(list((node.get("payload") or {}).values())))
    return {stem(each) for each in re.split(r"[^\w@#.-]+|[_.]", told) if each and each.lower() not in _IDLE}


def likeness(phrase: str, node_id: str, node: dict[str, Any]) -> float:
    """How well the words of a phrase fit a step: its name most, then what its block is called, then what it holds."""
    block = str(node.get("type"))
    names, content = _names(node_id, node), _content(node)
    called = {stem(each) for each in f"{CALLED.get(block, '')} {block.replace('-', ' ')}".split()}
    groups = frozenset().union(*(_GROUPS.get(each, frozenset()) for each in names))
    kinds = frozenset().union(*(_GROUPS.get(each, frozenset()) for each in called))
    phrase = _RELATIVE.sub("", phrase.strip())
    score, head = 0.0, _head(phrase).lower()
    for word in spoken(phrase):
        before = score
        root = stem(word)
        mine = _GROUPS.get(root, frozenset())
        if root in names:
            score += 4
        elif mine & groups:
            score += 2.5
        if root in called:
            score += 3
        elif mine & kinds:
            score += 1.5
        if root in content or (word.startswith(("#", "@")) and word in str(node.get("payload")).lower()):
            score += 2
        score += 0.5 * (score - before) * (word == head)
    return score


def best(phrase: str, nodes: dict[str, dict[str, Any]], among: list[str]) -> list[str]:
    """The steps that fit a phrase best, in reading order; none when no word fits."""
    scores = {each: likeness(phrase, each, nodes[each]) for each in among}
    most = max(scores.values(), default=0.0)
    return [each for each in among if scores[each] == most] if most > 0 else []


def fitting(phrase: str, nodes: dict[str, dict[str, Any]], order: list[str], among: list[str]) -> list[str]:
    """The steps a phrase may mean, several when it fits them alike. order: without triggers; among: possible ones."""
    low = phrase.lower().strip(" .,!?`\"'“”")
    bare = re.sub(r"^(?:the|a|an|my|our|that|this)\s+|\s+(?:step|node|block)$", "", low)
    for name in (low, bare, bare.replace(" ", "_")):
        if name in nodes and (name in among or not among):
            return [name]
    if (numbered := re.search(r"\b(?:step|node|block|number|no\.?|nr\.?)\s*#?(\d+)\b", low)) is not None:
        at = int(numbered.group(1)) - 1
        return [order[at]] if 0 <= at < len(order) else []
    if (ordinal := _ORDINAL.search(low)) is not None:
        rest = _ORDINAL.sub(" ", low)
        at = _ORDINALS[ordinal.group(2).lower()]
        kind = best(rest, nodes, among) if spoken(rest) else [each for each in order if each in among]
        if kind and -len(kind) <= at < len(kind) and (len(kind) > 1 or at in (0, -1)):
            return [kind[at]]
    return best(low, nodes, among)
