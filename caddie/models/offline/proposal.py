"""A ready workflow for a request that says what it is about and not what should happen.

Invariant: a template's inputs get values the user gave, never others; whoever can be asked is asked first. Callers:
``dialogue``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import schedule, speak, words
from caddie.models.offline.plan import Edit
from caddie.models.offline.reply import Reply
from caddie.models.offline.thread import OFFER, Talk

#: Below this the best template has too little to do with the words.
SCORE = 5.0
#: "do you have a template for …", "show me some examples"
ASKED = re.compile(
    r"^\W*(?:(?:do|have)\s+you\s+(?:have|got)|got|have\s+you|is|are\s+there|any|show|list|which|what|where|"
    r"i\s+(?:need|want|am\s+"
    r"looking)|looking|give|suggest|recommend|can\s+you\s+(?:show|suggest|recommend|give)|"
    r"find)\b[^.!]*\b(?:templates?|examples?|"
    r"samples?|blueprints?|ready(?:-|\s+)made|ready\s+workflows?|ideas)\b|"
    r"^\W*(?:what\s+(?:do|would|can|could)\s+you\s+(?:recommend|suggest|offer)|(?:do\s+you\s+have|have\s+you\s+got|"
    r"is\s+there|got)\s+(?:something|anything|some))\b[^.!]*\bfor\b|"
    r"^\W*what\s+(?:do\s+you\s+have|have\s+you\s+got|is\s+there)\s+(?:ready\s+|already\s+|prepared\s+)*for\b",
    re.I,
)
#: An example of whatever.
BARE = re.compile(r"\ban\s+example\W*$", re.I)
_YES = re.compile(r"^\s*(?:yes|yep|ok(?:ay)?|sure|please|go|do\s+it|great|the\s+first|first|set\s+it\s+up)\b", re.I)
_COUNTED = re.compile(r"^\W*(?:(?:the|number|no\.?|option|take|use)\s+)*(1|2|3|one|first|second|third)\b")
_PLACES = {"1": 0, "one": 0, "first": 0, "2": 1, "second": 1, "3": 2, "third": 2}
_NO = re.compile(r"^\s*(?:no|none|neither|not)\b", re.I)
_TOPIC = re.compile(
    r"\b(?:about|on|regarding|concerning|for)\s+([\w -]{3,40}?)(?=[.,;!?]|\s+(?:every|each|and|to|at|in|by)\b|$)", re.I
)


def offered(said: Talk) -> Reply | None:
    """The next step towards a template, or None when none fits."""
    if not {"search_templates", "use_template"} & said.tools or said.nodes:
        return None
    searched = said.called("search_templates")
    if not searched:
        topic = re.sub(
            r"^.*?\b(?:templates?|examples?|samples?|blueprints?|ideas|ready\s+for|have\s+for|(?:recommend|suggest|"
            r"offer|something|anything|some|got)\s+.{0,20}?for)\b",
            "",
            said.request,
            flags=re.I | re.S,
        )
        query = topic if ASKED.search(said.request) and re.search(r"\w{2}", topic) else said.request
        return Reply(calls=(Edit("search_templates", {"query": query.strip()[:500], "limit": 3}),))
    value = searched[0].value if searched[0].ok and isinstance(searched[0].value, dict) else {}
    least = 0 if ASKED.search(said.request) else SCORE
    found = [each for each in value.get("templates") or [] if each.get("score", 0) >= least]
    if not found:
        return None
    chosen = found[0]
    if "ask_user" in said.tools:
        answer = next((given for asked, given in said.answers if OFFER in asked), None)
        if answer is None:
            return _asked(found)
        picked = _picked(found, answer)
        if picked is None:
            return Reply(
                f"All right, I set up none of them. Tell me step by step what should happen, and "
                f"when.\n\n{speak.OFFLINE}"
            )
        chosen = picked
    if "use_template" not in said.tools:
        return Reply(f"The ready workflow “{chosen.get('title')}” fits: {chosen.get('summary')}\n\n{speak.OFFLINE}")
    text = "\n".join([said.request, *(given for _, given in said.answers)])
    args = {
        "templateId": chosen.get("templateId"),
        "inputs": _inputs(chosen.get("inputs") or [], text, said.context.timezone),
    }
    return Reply(
        f"I begin from the ready workflow “{chosen.get('title')}”: {chosen.get('summary')}",
        (Edit("use_template", args),),
    )


def _asked(found: list[dict[str, Any]]) -> Reply:
    lines = "\n".join(f"- {each.get('title')}: {each.get('summary')}" for each in found)
    options = [{"value": str(each.get("templateId")), "label": str(each.get("title"))} for each in found]
    options.append({"value": "none", "label": "None of these"})
    text = f"I have ready workflows for that:\n{lines}\n\n{OFFER}"
    return Reply(text, (Edit("ask_user", {"question": OFFER, "options": options, "allowText": True}),))


def _picked(found: list[dict[str, Any]], answer: str) -> dict[str, Any] | None:
    low = answer.strip().lower()
    if (counted := _COUNTED.search(low)) and (at := _PLACES[counted.group(1)]) < len(found):
        return found[at]
    for each in found:
        if low in (str(each.get("templateId")).lower(), str(each.get("title")).lower()):
            return each
    if _NO.match(answer):
        return None
    said = set(re.findall(r"\w{4,}", low))
    best = max(found, key=lambda each: len(said & set(re.findall(r"\w{4,}", str(each.get("title")).lower()))))
    named = said & set(re.findall(r"\w{4,}", str(best.get("title")).lower()))
    return best if named else found[0] if _YES.match(answer) else None


def _inputs(wanted: list[dict[str, Any]], text: str, timezone: str) -> dict[str, Any]:
    """What the text says of a template's inputs."""
    found = schedule.find(words.masked(text))
    topic = _TOPIC.search(text)
    known = {
        "channel": words.channel(text),
        "recipient": words.email(text),
        "url": words.url(text),
        "schedule": found.rrule() if found and found.freq else None,
        "timezone": timezone,
        "topic": topic.group(1).strip() if topic and "#" not in topic.group(1) else None,
    }
    values: dict[str, Any] = {}
    urls = [each for each in wanted if str(each.get("key", "")).lower().endswith("url")]
    for each in wanted:
        key = str(each.get("key", ""))
        kind = "url" if each in urls else key
        if kind == "url" and len(urls) > 1:
            continue
        if known.get(kind):
            values[key] = known[kind]
    return values
