"""When a workflow that is there starts: another time, other days, earlier or later, a schedule beside its trigger.

Invariant: what the message does not name of a schedule stays. Callers: ``change``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from caddie.models.offline import mention, rhythm, schedule, words, zones
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import Change
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Slot
from caddie.models.offline.rule import FLOWING, WORKDAYS
from caddie.models.offline.thread import Talk
from caddie.models.offline.understand import understand

_CHANGE = re.compile(
    r"\b(?:change|move|set|make|switch|shift|reschedule|update|use|instead|rather|replace|edit|adjust|raise|lower|"
    r"increase|decrease|turn|put|let|should|not\s+\S+\s+but)\b",
    re.I,
)
_TIMING = re.compile(
    r"\b(?:time|schedule|run|runs|start|starts|daily|weekly|hourly|every|each|trigger|at\s+\d|am|pm|only\s+on|"
    r"on\s+\w+days?)\b",
    re.I,
)
_NOT_THIS = re.compile(
    r"\s*,?\s+\b(?:rather\s+than|instead\s+of|and\s+not|not)\s+(?:at\s+)?(?:\w+\s*){1,3}$|\s+(?:instead|rather)\b", re.I
)
_JUST_HOUR = re.compile(
    r"^(?:make|set|change|move)\s+(?:it|that|this|the\s+time)\s+(?:to\s+|"
    r"at\s+)?(?=(?:\d{1,2}(?:[:.]\d{2})?\s*(?:am|pm)?|noon|midnight|(?:half|quarter)\s+(?:past|"
    r"to)\s+\w+)\b(?!\s*(?:results?|"
    r"words?|items?|seconds?|minutes?|hours?|days?|percent|degrees?|instead\s+of\s+\d+\s+\w+s)\b))",
    re.I,
)
_EXCEPT = re.compile(r"\b(?:stop|not|never|except|skip|without|excluding)\b", re.I)
_MORE = re.compile(r"\b(?:also|too|as\s+well|additionally|in\s+addition|besides)\b", re.I)
_ASKS = re.compile(
    r"\b(?:run|start|trigger|stop|except|skip|send|post|mail|enough|suffices?|better|please|now)s?\b|\bnot\b|"
    r"^\s*(?:once|twice|daily|weekly|monthly|hourly|check|at|every|only|on|also|in)\b",
    re.I,
)
_SHIFT = re.compile(
    r"^(?:(?:please\s+)?(?:start|run|move|make|shift|begin|do|push|bring|schedule|put|fire|trigger|have|let|"
    r"send)\s+(?:(?:it|this|that|everything|all|the\s+"
    r"(?:workflow|flow|whole\s+thing|start|schedule|time|run|mail|e-?mail|report|digest|summary|"
    r"message))\s+)?(?:run\s+|start\s+|be\s+)?)?"
    r"(?:(?:forward|back|ahead|up)\s+)?(?:by\s+)?(?P<by>(?:an?|half\s+an?|\d+|two|three|four|five|six|ten|fifteen|"
    r"twenty|thirty)\s+(?:hours?|minutes?|mins?|hrs?))\s+"
    r"(?:too\s+)?(?P<way>earlier|later|sooner|forward|back|ahead)(?:\s+please)?$",
    re.I,
)
_VAGUE = re.compile(
    r"^(?:(?:please\s+)?(?:start|run|move|make|shift|begin|do|schedule|put|have|let|send|it\s+should)\s+(?:it|this|"
    r"that|everything|run|be|start)?\s*(?:run|start)?\s*)?"
    r"(?:a\s+bit\s+|a\s+little\s+|much\s+|even\s+|somewhat\s+)?(?P<how>earlier|later|sooner|more\s+(?:often|"
    r"frequently)|less\s+(?:often|frequently)|not\s+so\s+often|"
    r"rarely|(?:too|way\s+too|so)\s+(?:often|early|late|seldom|rarely))(?:\s+(?:in\s+the\s+(?:day|morning|evening)|"
    r"please))?$|"
    r"^(?:it|this|that|the\s+workflow)\s+(?:runs?|starts?|comes?|fires?|is|goes\s+off)\s+(?:way\s+|much\s+|far\s+|"
    r"a\s+bit\s+)?(?P<how2>too\s+(?:often|early|late|seldom|rarely))$",
    re.I,
)
_OFTEN, _WHEN = "How often should it run?", "At what time should it start?"


def started(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "earlier", "less often": how much is asked for."""
    match = _VAGUE.match(text)
    roots = [each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"]
    if match is None or not roots:
        return None
    how = match.group("how") or match.group("how2")
    question = _OFTEN if re.search(r"often|frequent|seldom|rarely", how, re.I) else _WHEN
    given = next((answer for asked, answer in said.answers if question in asked), None)
    if given is None:
        return Change(Plan(), "", slots=[Slot("rrule", "text", question)])
    return timed(given if schedule.find(given) else f"run it at {given}", canvas, said)


def shifted(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """ "an hour earlier"."""
    match, roots = _SHIFT.match(text), canvas.triggers
    if match is None or not roots or canvas.nodes[roots[0]].get("type") != "cronjob":
        return None
    old = schedule.read(str(canvas.payload(roots[0]).get("rrule", "")))
    seconds = words.duration_s(match.group("by"))
    if not old.times or not seconds or old.slots:
        return None
    by = int(seconds // 60) * (1 if re.match(r"later|back", match.group("way"), re.I) else -1)
    times = tuple(divmod(hour * 60 + minute + by, 60) for hour, minute in old.times)
    if any(not 0 <= hour < 24 for hour, _ in times):
        return None
    rule = replace(old, times=times).rrule()
    edit = Edit("update_node", {"nodeId": roots[0], "payload": {"rrule": rule}})
    return Change(Plan([edit]), f"I set the schedule to {rhythm.tell(rule)}.")


def timed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    """Another schedule, or another part of one."""
    if not canvas.triggers:
        return None
    text = _dated(text)
    bare = _JUST_HOUR.sub("run it at ", _NOT_THIS.sub("", text))
    found = schedule.find(words.masked(bare), changing=bool(_CHANGE.search(text)))
    if found is None or not (_CHANGE.search(text) or _ASKS.search(text)):
        return None
    rest = re.sub(_CHANGE, "", zones.without(_cut(bare, found)))
    told_days = [each for each in re.split(r"[.;!?]\s+", text) if (at := schedule.find(words.masked(each))) and at.days]
    leaves_out = bool(found.days) and not found.spared and any(_EXCEPT.search(each) for each in told_days)
    told = [] if leaves_out else understand(rest, said.context.timezone).actions()
    # "check the rates twice a day": what is there already is only named.
    if any(not each.missing or not canvas.of(each.block) for each in told) or not (_TIMING.search(bare) or found.freq):
        return None
    often = re.search(r"\b(?:every|each|daily|nightly|days?|a\s+day)\b", bare, re.I)
    if not often and found.freq == "DAILY" and found.times:
        # "start at noon", "in the evening": a time of day only.
        found = replace(found, freq=None)
    root = next((each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"), canvas.triggers[0])
    payload = canvas.payload(root)
    zone = zones.zone(text) or payload.get("timezone") or said.context.timezone
    old = schedule.read(str(payload.get("rrule", ""))) if payload.get("rrule") else None
    if leaves_out:
        kept = [day for day in (old.days if old and old.days else schedule.DAYS.values()) if day not in found.days]
        found = replace(found, days=tuple(kept)) if kept else found
    more = bool(_MORE.search(text))
    if _strange(rest, canvas):
        return None
    merged = _merged(old, found, more)
    changes = re.search(r"\b(?:instead|rather|not|change|move)\b", text, re.I)
    other = old is not None and found.times and found.times != old.times and (found.days or found.freq == "DAILY")
    if more and other and not changes:
        return _beside(canvas, root, found.rrule(), zone)
    if canvas.nodes[root].get("type") != "cronjob" and (more or len(canvas.triggers) > 1):
        return _beside(canvas, root, merged.rrule(), zone)
    args: dict[str, Any] = {"nodeId": root, "payload": {"rrule": merged.rrule(), "timezone": zone}}
    if payload.get("cron"):
        args["payload"]["cron"] = None
    if canvas.nodes[root].get("type") != "cronjob":
        args["type"] = "cronjob"
    return Change(Plan([Edit("update_node", args)]), f"I set the schedule to {rhythm.tell(merged.rrule())} ({zone}).")


def _dated(text: str) -> str:
    """ "make it Monday", "on the 15th", "move it to the evening": told as times to run at."""
    text = re.sub(
        rf"^(?:make|set|move|change|shift|do|have|put)\s+(?:it|this|that|the\s+(?:schedule|time|start))\s+(?:to\s+|"
        rf"on\s+)?(?=(?:{schedule.LONG_DAY}))",
        "run it on ", text, flags=re.I,
    )  # fmt: skip
    text = re.sub(
        r"\b(?:on|to)\s+the\s+(\d{1,2}(?:st|nd|rd|th))\b(?!\s+of\b|\s*(?:,|and|&)\s*(?:the\s+)?\d)(?:\s+day)?",
        r"on the \1 of every month", text, flags=re.I,
    )  # fmt: skip
    return re.sub(
        r"^(?:make|set|move|change|shift|do|have|put|run|start|send)\s+(?:it|this|that|everything)\s+(?:to|in|into|"
        r"for)\s+(?:the\s+)?"
        r"(?:late\s+|early\s+)?(?=(?:mornings?|afternoons?|evenings?|night)\b)", "run it in the ", text, flags=re.I,
    )  # fmt: skip


def _beside(canvas: Canvas, other: str, rule: str, zone: str) -> Change:
    """A schedule beside what starts the workflow already."""
    payload = {"rrule": rule, "timezone": zone}
    return Change(second(canvas, other, "cronjob", payload), f"I let it start {rhythm.tell(rule)} as well ({zone}).")


def second(canvas: Canvas, other: str, block: str, payload: dict[str, Any]) -> Plan:
    """One more trigger, which leads to what another one leads to."""
    kind = {"cronjob": "schedule", "trigger_chat": "chat", "manual": "by_hand"}.get(block, block)
    name = next(each for each in (kind, *(f"{kind}_{at}" for at in range(2, 99))) if each not in canvas.nodes)
    added = Edit("add_node", {"nodeId": name, "type": block, "payload": payload, "trigger": True})
    following = canvas.nodes[other].get("children") or []
    return Plan([added, *(Edit("connect_nodes", {"source": name, "target": each}) for each in following)])


#: What is said of a run without naming a step.
_RUN = frozenset(map(mention.stem, (
    "run start trigger schedule time send post mail check fetch look search report workflow flow thing move set "
    "change reschedule switch now daily weekly monthly hourly often enough better suffice once twice later earlier "
    "instead rather except skip stop weekend weekday morning evening afternoon night noon day week month hour minute "
    "please clock sharp exactly twice business working"
).split()))  # fmt: skip


def _strange(rest: str, canvas: Canvas) -> bool:
    """Whether much is said beside a time that neither a run nor a step of the workflow is about."""
    left = [each for each in mention.spoken(rest) if mention.stem(each) not in _RUN and not each.isdigit()]
    left = [each for each in left if not mention.best(each, canvas.nodes, [*canvas.triggers, *canvas.order()])]
    starts = [each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"]
    return len(left) > (3 if starts else 0)


def _cut(text: str, found: schedule.Schedule) -> str:
    for start, end in sorted(schedule.united(found.spans), reverse=True):
        text = text[:start] + text[end:]
    return text


def _merged(old: schedule.Schedule | None, new: schedule.Schedule, more: bool) -> schedule.Schedule:
    """more: what is new comes beside what was."""
    if old is None:
        return new if new.freq else replace(new, freq="DAILY")
    if new.freq is None:
        days = old if old.freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY") else replace(old, freq="DAILY", interval=1)
        return replace(days, times=new.times, slots=())
    if more and old.days and new.days:
        order = list(schedule.DAYS.values())
        both = sorted({*old.days, *new.days}, key=lambda day: order.index(day) if day in order else 9)
        new = replace(new, days=tuple(both))
    if new.freq == "WEEKLY" and new.interval == 1 and new.days and not new.times and old.freq in FLOWING:
        return replace(old, days=new.days)
    if new.days == WORKDAYS and not new.times and old.freq == "MONTHLY" and old.month_days in ((1,), (-1,)):
        return replace(old, month_days=(), days=WORKDAYS, position=old.month_days[0])
    keeps = not new.times and old.times and new.freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
    return replace(new, times=old.times) if keeps else new


def zoned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    zone = zones.zone(text)
    if zone and (told := schedule.find(words.masked(text), changing=True)) and told.times:
        return timed(text, canvas, said)
    roots = [each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"]
    if zone is None or not roots or not re.search(r"\btime\s?zone|\btime\b", text, re.I):
        return None
    return Change(
        Plan([Edit("update_node", {"nodeId": each, "payload": {"timezone": zone}}) for each in roots]),
        f"I set the time zone to {zone}.",
    )
