"""What the offline model says in a general chat: it uses the tools it is offered, and is honest about the rest.

Invariant: the decision is a pure function of the request: one round of tool calls at most, then an answer made of what
they gave. Callers: ``OfflineModel``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from caddie.models.model import ModelRequest, ToolOutcome, ToolTurn, UserTurn
from caddie.models.offline.plan import Edit
from caddie.models.offline.reply import Reply
from caddie.models.offline.sums import expression
from caddie.models.offline.thread import readable

#: Of a page, in an answer.
QUOTED_CHARS = 600
#: Only a general chat offers it.
MARK = "current_time"
OFFLINE = (
    "I am Caddie’s offline model: no language model is configured here, so I work by fixed rules. I can calculate, "
    "tell date and time, read a web page you give me, search the web where that is set up, and find your workflows. "
    "For open questions the operator connects a language model (`ANTHROPIC_API_KEY` or `CADDIE_MODEL`)."
)
EXAMPLES = "Ask for example “What is 15% of 240?”, “What time is it in Tokyo?” or “Which of my workflows use Slack?”"
_URL = re.compile(r"https?://[^\s<>\"'`]+")
_TIME = re.compile(
    r"\bwhat(?:['’]?s|\s+is)?\s+(?:the\s+)?(?:current\s+|exact\s+|local\s+)?(?:time|date|day|weekday|year|month)\b"
    r"(?!\s+(?:does|do|did|will|should|of|when|that|my|the)\b)|\b(?:what|which)\s+day\b|\btoday['’]?s\s+date\b"
    r"|\bcurrent\s+(?:time|date)\b|\btime\s+is\s+it\b|\bdate\s+(?:is\s+it|today)\b|\btell\s+me\s+the\s+(?:time|date)\b",
    re.I,
)
_PLACE = re.compile(r"\b(?:in|at|for)\s+([A-Za-z][A-Za-z_/ .'-]{1,40})", re.I)
_WORKFLOWS = re.compile(
    r"\bmy\s+(?:\w+\s+)?(?:workflows?|automations?)\b|\b(?:which|what|list|show|find|search|any)\b.{0,40}\bworkflows?\b"
    r"|\bdo\s+i\s+have\b.{0,60}\bworkflows?\b|\bworkflows?\s+(?:do\s+)?i\s+have\b",
    re.I,
)
_SEARCH = re.compile(
    r"\b(?:(?:search|browse)\s+(?:the\s+)?(?:web|internet|net)(?:\s+(?:for|about))?|google|web\s+search(?:\s+for)?"
    r"|look\s+up|search\s+(?:for|online\s+for))\s+(?P<query>.+)|\b(?P<news>(?:latest|newest|recent)\s+news\b.*)",
    re.I | re.S,
)
_STOP = frozenset(
    "a about all an and any are can could did do does find for from get give got have has i in is it list me my of on "
    "or our please search show tell that the there them these this those to us use uses using what which who with "
    "workflow workflows automation automations you your named called name every each".split()
)
_HELLO = re.compile(r"^\s*(?:hi|hello|hey|good\s+(?:morning|afternoon|evening|day)|greetings)\b[\w\s,!.]{0,20}$", re.I)
_THANKS = re.compile(
    r"^\s*(?:thanks?|thank\s+you|great|perfect|nice|cool|ok(?:ay)?|bye|goodbye)\b[\w\s,!.]{0,30}$", re.I
)
_ABILITY = re.compile(
    r"\bwhat\s+(?:can|could)\s+you\s+do\b|\bhow\s+(?:can|could)\s+you\s+help\b|^\s*help[\s!?.]*$|\bwho\s+are\s+you\b"
    r"|\bwhat\s+are\s+you\b|\bwhich\s+(?:model|tools)\b|\bare\s+you\s+(?:an?\s+)?(?:ai|human|robot|bot|"
    r"gpt|claude|llm)\b",
    re.I,
)
_BUILD = re.compile(r"\b(?:build|create|make|change|edit|add\s+a\s+step)\b.{0,60}\b(?:workflow|automation)\b", re.I)
_NAMED = re.compile(r"\bmy\s+name\s+is\s+([^\s,.!?]{1,40})|\bcall\s+me\s+([^\s,.!?]{1,40})", re.I)
_ASKS_NAME = re.compile(r"\bwhat(?:['’]?s|\s+is)\s+my\s+name\b|\bwho\s+am\s+i\b", re.I)
_ASKS_BEFORE = re.compile(r"\bwhat\s+(?:did|have)\s+i\s+(?:just\s+)?(?:say|said|ask|asked|write|written)\b", re.I)


def meant(request: ModelRequest) -> bool:
    """Whether the request is one of a general chat."""
    return any(tool.name == MARK for tool in request.tools)


def decide(request: ModelRequest) -> Reply:
    """The next step of the chat."""
    last = max((i for i, turn in enumerate(request.turns) if isinstance(turn, UserTurn)), default=-1)
    message = readable(request.context.message if request.context else "")
    rounds = [turn.outcomes for turn in request.turns[last + 1 :] if isinstance(turn, ToolTurn)]
    if rounds:
        return Reply("\n\n".join(_told(outcome) for outcome in rounds[-1]))
    calls = _calls(message)
    if calls:
        return Reply("", tuple(calls))
    earlier = [turn.text for turn in request.turns[: max(last, 0)] if isinstance(turn, UserTurn)]
    return Reply(_talk(message, earlier))


def _calls(message: str) -> list[Edit]:
    """Everything a tool can answer, in the order the tools are tried."""
    plain = _URL.sub(" ", message)
    calls = [Edit("http_get", {"url": url}) for url in dict.fromkeys(map(_trimmed, _URL.findall(message)))][:3]
    if _ASKS_NAME.search(plain) or _ASKS_BEFORE.search(plain):
        return []
    if sum_ := expression(plain):
        calls.append(Edit("calculator", {"expression": sum_}))
    if _TIME.search(plain):
        zone = _zone(plain)
        calls.append(Edit("current_time", {"timezone": zone} if zone else {}))
    if _WORKFLOWS.search(plain) and not _BUILD.search(plain):
        calls.append(Edit("search_my_workflows", {"query": _subject(plain)}))
    elif found := _SEARCH.search(plain):
        query = (found["query"] or found["news"] or "").strip(" ?!.\n")
        if query:
            calls.append(Edit("web_search", {"query": query[:200]}))
    return calls


def _talk(message: str, earlier: list[str]) -> str:
    if _ASKS_NAME.search(message):
        names = [found[1] or found[2] for text in earlier for found in [_NAMED.search(text)] if found]
        return f"You told me your name is {names[-1]}." if names else "You have not told me your name in this chat."
    if _ASKS_BEFORE.search(message):
        return f"You wrote: “{readable(earlier[-1])[:300]}”" if earlier else "This is the first message of this chat."
    if found := _NAMED.search(message):
        return f"Nice to meet you, {found[1] or found[2]}. {OFFLINE}"
    if _HELLO.match(message):
        return f"Hello! {OFFLINE}"
    if _THANKS.match(message):
        return "You are welcome."
    if _ABILITY.search(message):
        return f"{OFFLINE} {EXAMPLES}"
    if _BUILD.search(message):
        return f"Workflows are built in the workflow builder, not in this chat. {OFFLINE}"
    subject = " ".join(message.split())
    shown = subject if len(subject) <= 120 else subject[:119] + "…"
    return f"I cannot answer “{shown}” well, and I do not want to make something up. {OFFLINE}"


def _told(outcome: ToolOutcome) -> str:
    """One tool's result in words."""
    if not outcome.ok or not isinstance(outcome.value, dict):
        return _FAILURES.get(outcome.name, "That did not work: {}.").format(outcome.value)
    tell = _TELLERS.get(outcome.name)
    return tell(outcome.value) if tell else str(outcome.value)


def _told_sum(value: dict[str, Any]) -> str:
    return f"{value['expression']} = {value['result']}"


def _told_time(value: dict[str, Any]) -> str:
    return f"It is {value['weekday']}, {value['date']}, {value['time']} ({value['timezone']})."


def _told_page(value: dict[str, Any]) -> str:
    where = f"“{value['title']}” ({value['url']})" if value.get("title") else str(value["url"])
    if value["status"] >= 400:
        return f"{value['url']} answered with status {value['status']}; I cannot read it."
    text = " ".join(str(value.get("text", "")).split())
    shown = text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1].rpartition(" ")[0] + " …"
    return f"{where} says:\n\n> {shown}" if shown else f"{where} holds no text."


def _told_workflows(value: dict[str, Any]) -> str:
    rows, query = value.get("workflows") or [], value.get("query")
    if not rows:
        return f"None of your workflows matches “{query}”." if query else "You have no stored workflows yet."
    lines = [_line(row) for row in rows]
    which = f"matching “{query}”" if query else "you have"
    count = f"1 workflow {which}" if len(rows) == 1 else f"{len(rows)} workflows {which}"
    return f"I found {count}:\n" + "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    about = f": {row['description']}" if row.get("description") else ""
    blocks = f" ({', '.join(row['blocks'][:6])})" if row.get("blocks") else ""
    return f"- **{row['name']}** `{row['slug']}`{about}{blocks}"


def _told_hits(value: dict[str, Any]) -> str:
    rows = value.get("results") or []
    if not rows:
        return f"The search for “{value.get('query')}” found nothing."
    lines = [f"- [{row['title'] or row['url']}]({row['url']}): {row['snippet']}" for row in rows]
    return f"The web search for “{value.get('query')}” found:\n" + "\n".join(lines)


_TELLERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "calculator": _told_sum, "current_time": _told_time, "http_get": _told_page, "web_search": _told_hits,
    "search_my_workflows": _told_workflows,
}  # fmt: skip
_FAILURES = {
    "calculator": "I could not calculate that: {}.", "current_time": "I could not tell the time: {}.",
    "http_get": "I could not read that page: {}.", "web_search": "I could not search the web: {}.",
    "search_my_workflows": "I could not look through your workflows: {}.",
}  # fmt: skip


def _trimmed(url: str) -> str:
    return url.rstrip(".,;:!?)]}")


def _subject(message: str) -> str:
    words = re.findall(r"[\w-]+", message.lower())
    return " ".join(dict.fromkeys(word for word in words if word not in _STOP and len(word) > 1))[:200]


@cache
def _cities() -> dict[str, str]:
    """City names of the time zones; the first of several zones wins, so that the answer is always the same."""
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/")))
    cities: dict[str, str] = {}
    for name in names:
        cities.setdefault(name.rsplit("/", 1)[-1].replace("_", " ").lower(), name)
    return cities | {name.lower(): name for name in names} | {"utc": "UTC", "gmt": "UTC"}


def _zone(message: str) -> str | None:
    for found in _PLACE.finditer(message):
        words = found[1].strip(" .?!'-").lower().split()
        for count in range(min(3, len(words)), 0, -1):
            if zone := _cities().get(" ".join(words[:count])):
                return zone
    return None
