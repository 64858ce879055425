"""More steps for a workflow that is there: at its end, before or after a step.

Invariant: what was there stays. Callers: ``change``, ``dialogue``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from caddie.models.offline import answers, events, phrasing, speak, words
from caddie.models.offline.additions import verbal
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.plan import Edit, Place, Plan, Planner
from caddie.models.offline.request import Action, Branch, Request, Slot, Step
from caddie.models.offline.splicing import beside_conditions, informed, placed, reread
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

ADD = re.compile(
    r"\b(?:also|add|append|insert|in\s+addition|additionally|another|as\s+well|too(?!\s+(?:long|short|much|many|"
    r"early|late|high|low|often|big|small|little|few|strict|slow|fast|noisy|verbose|wordy)\b)|plus|then|afterwards|"
    r"after\s+that|"
    r"finally|before|after)\b",
    re.I,
)


#: "wait a second between two mails": in the loop.
_GAPS = re.compile(
    r"\s*,?\s*\b(?:in\s+)?between\s+(?:(?:two|each|every|the|all|single)\s+)*(?:\w+s|one|item|call|"
    r"mail)\b(?!\s+(?:and|step)\b)", re.I
)
_BETWEEN = re.compile(r"^(.+?)\s+between\s+(?:the\s+)?(.+?)\s+and\s+(?:the\s+)?(.+?)(?:\s+and\s+.*)?$", re.I)
_INSIDE = re.compile(
    r"\s*,?\s*\b(?:inside|within|in)\s+(?:of\s+)?(?:the|each|every)\s+(?:loop|iteration|"
    r"for[ -]each)(?:\s+body)?\s*,?|\bfor\s+(?:each|every)\s+(?:item|one)\b\s*,?",
    re.I,
)
_PLACE = re.compile(
    r"^\s*(?:and\s+)?(before|after)\s+(?:the\s+)?(.+?)(?:\s+step)?\s*(?:,|\s(?=(?:ask|wait|log|send|post|add|"
    r"summari[sz]e)\b))\s*(.+)$|^(.+?)\s+(before|"
    r"after)\s+(?:the\s+)?([\w# -]+?)(?:\s+(?:step|node|block))?\s*$",
    re.I,
)


_TOPIC = re.compile(
    r"^(?:the\s+|all\s+|any\s+)?([a-z][\w-]+(?:\s[a-z][\w-]+)?)\s+(?:problems?|questions?|messages?|"
    r"requests?|reports?|issues?|complaints?|"
    r"enquir(?:y|ies)|inquir(?:y|ies)|ones|cases|stuff|topics?)\s+(?=(?:should|must|need|go|goes|can|"
    r"are\s+to|shall)\b)",
    re.I,
)
_ALWAYS = re.compile(
    r"\s*,?\s*\b(?:every\s+time|each\s+time|in\s+any\s+case|either\s+way|no\s+matter\s+what|"
    r"always)\b\s*,?",
    re.I,
)
#: "thank every donor": whatever the condition says.
_EVERYONE = re.compile(
    r"\b(?:every|each|all)\s+(?!time|day|week|month|year|hour|minute|morning|evening|one\b|of\b|the\b|other|"
    r"its?\b)(?:new\s+|single\s+)?"
    r"[a-z]{3,}s?\b",
    re.I,
)
_SAME = re.compile(r"\bthe\s+same\s+(?:thing|message|text|words|note|post)\b", re.I)
#: "send it to Slack too": the message there is, once more.
_AGAIN = re.compile(
    r"^(?:also\s+)?(?:send|post|mail|e-?mail|forward|share|put|publish|deliver)\s+(?:it|that|this|them|the\s+(?:same|"
    r"message|alert|"
    r"news|text|post))\b",
    re.I,
)
#: What shapes the data goes before the message that tells it.
_SHAPES = ("agent", "summarize", "format")
_LATER = re.compile(r"\b(?:then|afterwards|after|finally|at\s+the\s+end|last|log|store|save)\b", re.I)
#: A condition behind what to do.
_HANGING = re.compile(r"\b(?:if|when(?:ever)?|unless|only\s+for|in\s+case)\s+\w+\s+\w+[^,;]*", re.I)
_SENDERS = ("slack-send-message", "discord-send-message", "send-email")
#: "before it is sent"
_GOES = re.compile(
    r"(?:it|that|this|they|the\s+(?:result|answer|text|reply|message))\s+(?:(?:is|are|gets?)\s+(?:sent|posted|"
    r"delivered|mailed|published)|"
    r"goes|go)(?:\s+(?:out|off))?|sending(?:\s+(?:it|them))?|it\s+sends(?:\s+it)?",
    re.I,
)
#: "every time the digest goes out, …": after the step that does it.
_DONE = re.compile(
    r"^(?:every\s+time|each\s+time|when(?:ever)?|once|as\s+soon\s+as)\s+(?:an?\s+|the\s+)?(.+?)\s+(?:goes\s+out|"
    r"(?:is|was|has\s+been|gets)\s+(?:sent|done|posted|"
    r"stored|finished|mailed|saved|made|out))\s*,\s*(.+)$",
    re.I,
)
_DELAYED = re.compile(
    r"^(?:give|add\s+to)\s+(?:the\s+)?(.+?)\s+an?\s+(?:delay|pause)\s+of\s+(.+)$|^(?:delay|postpone|"
    r"hold\s+back)\s+(?:the\s+)?(.+?)\s+(?:by|for)\s+(.+)$",
    re.I,
)
_ANSWERING = re.compile(r"^(?:(?:it|you|the\s+\w+)\s+)?(?:answer|repl|respond)(?:ing|s|ies|ying|y)?$", re.I)
@dataclass(slots=True)
class Change:
    """What to do, how to announce it; steps: those that are new; slots: what has to be asked first."""

    plan: Plan
    intro: str
    steps: list[Step] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def extended(text: str, said: Talk, canvas: Canvas, request: Request | None) -> Change | None:
    """More steps for the workflow that is there. request: what the whole message was read as, when it is one."""
    if (done := _DONE.match(text)) and (node_id := canvas.meant(done.group(1))) and node_id not in canvas.triggers:
        text, request = f"after {node_id}, {done.group(2)}", None
    elif (late := _DELAYED.match(text)) and (node_id := canvas.meant(late.group(1) or late.group(3))):
        text, request = f"before {node_id}, wait {late.group(2) or late.group(4)}", None
    calls = canvas.of("http-request", "send-webhook")
    breaks = bool(calls) and events.breaks(text)
    starts_it = request is not None and request.trigger is not None and not canvas.of(request.trigger.block)
    if starts_it and not ADD.search(text) and not breaks:
        return None
    place, where, body = _position(text, canvas)
    sorted_already = canvas.of("classify")
    labels = [str(label) for each in canvas.of("classify") for label in canvas.payload(each).get("labels") or []]
    new = _topic(body, labels)
    labels = [*labels, new] if new else labels
    known = frozenset(str(node.get("type")) for node in canvas.nodes.values())
    extra = understand(verbal(body), said.context.timezone, labels=labels, standalone=False, known=known)
    if not extra.steps or (not canvas.of("trigger_chat") and any(a.block == "reply_chat" for a in extra.actions())):
        return None
    if where == "after" and all(isinstance(each, Branch) and each.idle for each in extra.steps):
        # A condition on which nothing hangs was not understood.
        return None
    if place is None and sorted_already and (meant := _judged(extra.steps, canvas, sorted_already[-1])):
        new, extra.steps[:1] = meant, []
        labels = [*labels, new]
    if place is None and breaks and isinstance(extra.steps[0], Branch):
        head = extra.steps[0].test.said
        place = canvas.meant(head, calls) or calls[-1]
    if place is None and (opposite := _otherwise(extra.steps, canvas)):
        check, steps = opposite
        plan = Planner(canvas.nodes).extend(steps, Place((check,), "else", canvas.loop_of(check)), canvas.scope(check))
        return Change(
            plan, f"I add this when the condition does not hold: {speak.steps(steps)}.", steps, [], extra.unknown
        )
    against = re.match(r"(?:skip|omit|no|without|never|do\s+not|stop)\b", text, re.I)
    if against and all(isinstance(each, Action) and each.block != "filter" for each in extra.steps):
        return None
    _told_left(body, extra)
    open_ = slots_of(extra, said)
    if place is None and where == "after" and (message := _shaped(text, extra.steps, canvas)):
        place, where = message, "before"
    if place is None and where == "after":
        place = _hook(extra.steps, canvas) or (canvas.of("classify")[-1] if new else None)
    if place is None and where == "after" and isinstance(extra.steps[0], Branch) and not breaks:
        place = beside_conditions(canvas)
    _repeated(text, extra, canvas)
    plan = placed(canvas, extra.steps, place, where)
    if new:
        kept = [each for each in labels if each.lower() != "other"]
        payload = {"labels": [*kept, *(["other"] if len(kept) < len(labels) else [])]}
        plan.edits.insert(0, Edit("update_node", {"nodeId": canvas.of("classify")[-1], "payload": payload}))
    if where == "between" and plan.edits:
        reread(plan, canvas, place, canvas.nodes[place].get("children") or [] if place else [])
    elif where == "before" and place and extra.actions()[0].block in ("summarize", "agent", "format"):
        reread(plan, canvas, None, [place])
    elif where == "before" and place and canvas.nodes[place].get("type") == "agent":
        informed(plan, canvas, place)
    return Change(plan, f"I add this to the workflow: {speak.steps(extra.steps)}.", extra.steps, open_, extra.unknown)


def _repeated(text: str, extra: Request, canvas: Canvas) -> None:
    """What is sent once more says what the message there says."""
    if (_SAME.search(text) or _AGAIN.search(text)) and (told := _last_words(canvas)):
        for action in extra.actions():
            action.said = action.said or told


def _told_left(body: str, extra: Request) -> None:
    """A condition nobody understood is told, not dropped."""
    hanging = _HANGING.search(words.masked(body))
    if hanging and not any(isinstance(each, Branch) for each in extra.steps):
        extra.unknown.append(body[hanging.start() :].strip(" ,"))


def _shaped(text: str, steps: list[Step], canvas: Canvas) -> str | None:
    """The message at the end, when the new steps only shape what it tells: they go before it."""
    leaf = canvas.leaf()
    if leaf is None or canvas.nodes[leaf].get("type") not in (*_SENDERS, "reply_chat") or _LATER.search(text):
        return None
    shapes = all(isinstance(each, Action) and each.block in _SHAPES for each in steps)
    return leaf if shapes and canvas.payload(leaf).get("text") else None


def _judged(steps: list[Step], canvas: Canvas, known: str) -> str | None:
    """The label of a classification that only repeats, for one more label, what the workflow has already."""
    first = steps[0]
    if not isinstance(first, Action) or first.block != "classify" or len(steps) < 2 or not isinstance(steps[1], Branch):
        return None
    added = [str(each) for each in first.payload.get("labels") or [] if each != "other"]
    fed = str(canvas.payload(known).get("text", ""))
    return added[0] if len(added) == 1 and any(f"{{{{{root}." in fed for root in canvas.triggers) else None


def _topic(text: str, labels: list[str]) -> str | None:
    """A category told with where it goes, which a classification does not have yet: "shipping problems go to …"."""
    match = _TOPIC.match(text)
    if not labels or match is None:
        return None
    label = words.bare(match.group(1)).lower()
    known = any(re.search(rf"\b{words.forms(each)}\b", match.group(), re.I) for each in labels)
    return None if known or label in ("other", "new", "chat", "incoming") else label


def _last_words(canvas: Canvas) -> str | None:
    """What the message before says, unless it is written to one person."""
    leaf = canvas.leaf()
    sends = leaf is not None and canvas.nodes[leaf].get("type") in _SENDERS
    if leaf is None or not sends or "{{" in str(canvas.payload(leaf).get("to", "")):
        return None
    return str(canvas.payload(leaf).get("text") or "") or None


def slots_of(extra: Request, said: Talk) -> list[Slot]:
    """Gives the answers to the steps they belong to; what is still to be asked."""
    still: list[Slot] = []
    for action, slot in [(each, slot) for each in extra.actions() for slot in each.missing]:
        given = next((answer for asked, answer in said.answers if slot.question in asked), None)
        found = answers.value(slot, given) if given is not None else None
        if found is not None:
            action.payload[slot.field] = found
        elif given is None:
            still.append(slot)
    return still


def _otherwise(steps: list[Step], canvas: Canvas) -> tuple[str, list[Step]] | None:
    """A condition that is the opposite of one that is there: its steps belong on that one's other branch."""
    branch, checks = steps[0], canvas.of("if")
    if not isinstance(branch, Branch) or len(steps) > 1 or not checks or branch.otherwise:
        return None
    said = branch.test.said
    opposite = re.match(r"^(?:there\s+(?:is|are)\s+)?(?:no|not)\b|^(?:it|that)\s+(?:is|does)\s+not$", said, re.I)
    if opposite is None:
        return None
    check = checks[-1]
    if any(canvas.nodes.get(each, {}).get("branch") == "else" for each in canvas.nodes[check].get("children") or []):
        return None
    return check, branch.then


def _hook(steps: list[Step], canvas: Canvas) -> str | None:
    """The classification a new condition is about: it goes beside the conditions that ask it already."""
    branch = steps[0]
    found = canvas.of("classify")
    if not isinstance(branch, Branch) or not found:
        return None
    asked = {str(each.right).lower() for each in branch.test.conditions}
    fits = [
        each for each in found if asked & {str(label).lower() for label in canvas.payload(each).get("labels") or []}
    ]
    return fits[-1] if fits else None


def _position(text: str, canvas: Canvas) -> tuple[str | None, str, str]:
    """(node, before, after, between or inside, the rest) of "before the Slack step, wait 5 seconds"."""
    if (gap := _GAPS.search(text)) and (loops := canvas.of("for-each")):
        body = re.sub(r"\ban?\s+second\b", "1 second", f"{text[: gap.start()]} {text[gap.end() :]}".strip(" ,"))
        return canvas.meant(gap.group(), loops) or loops[-1], "inside", body
    if match := _BETWEEN.match(text):
        node_id = canvas.meant(match.group(2))
        return (node_id, "between", match.group(1)) if node_id else (None, "after", text)
    if (match := _INSIDE.search(text)) and (loops := canvas.of("for-each")):
        body = f"{text[: match.start()]} {text[match.end() :]}".strip(" ,")
        return canvas.meant(text, loops) or loops[-1], "inside", body
    if (each := re.search(r"\b(?:each|every)\s+(\w+)", text, re.I)) and (loops := canvas.of("for-each")):
        inner = [
            loop for loop in loops if f"$item.{each.group(1)}" in str([canvas.payload(n) for n in canvas.inside(loop)])
        ]
        if inner:
            return inner[-1], "inside", f"{text[: each.start()]}the {each.group(1)}{text[each.end() :]}"
    everyone = None if canvas.of("for-each") else _EVERYONE.search(text)
    if everyone and (checks := canvas.of("if")) and canvas.parents(checks[0]):
        return canvas.parents(checks[0])[0], "after", text
    if (always := _ALWAYS.search(text)) and (checks := canvas.of("if")) and canvas.parents(checks[0]):
        return canvas.parents(checks[0])[0], "after", f"{text[: always.start()]}{text[always.end() :]}".strip(" ,")
    match = _PLACE.match(text)
    if match is None:
        return None, "after", text
    where = (match.group(1) or match.group(5)).lower()
    phrase, body = (match.group(2), match.group(3)) if match.group(1) else (match.group(6), match.group(4))
    if where == "before" and _GOES.fullmatch(phrase):
        sent = [each for each in canvas.order() if canvas.nodes[each].get("type") in (*_SENDERS, "reply_chat")]
        return (sent[-1], where, body) if sent else (None, "after", body)
    if re.fullmatch(r"(?:that|this|it|all)", phrase, re.I):
        return None, "after", body
    replies = canvas.of("reply_chat")
    if (
        where == "before"
        and _ANSWERING.match(phrase)
        and replies
        and re.search(r"\b(?:answer|reply|response)\b", body, re.I)
    ):
        return replies[-1], where, body
    if where == "before" and _ANSWERING.match(phrase) and (agents := canvas.of("agent")):
        return agents[-1], where, body
    node_id = canvas.meant(re.sub(r"\s+(?:goes|is|gets|runs|has|was|are)\b.*$", "", phrasing.plainly(phrase)))
    return (node_id, where, body) if node_id else (None, "after", text)


def appended(said: Talk, steps: list[Step]) -> Plan:
    """Steps of a whole new request after those there are."""
    return placed(Canvas(said.start), steps, None, "after")
