"""Changes to a workflow that is there: which kind of change a message asks for.

Invariant: touches only what the message names. Callers: ``dialogue``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caddie.models.offline import (
    alternatives,
    amounts,
    clauses,
    corrections,
    fields,
    manners,
    moves,
    openings,
    options,
    phrasing,
    removal,
    reshape,
    rhythm,
    schedule,
    tuning,
    turns,
    wishes,
    wording,
    words,
    zones,
)
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.extension import ADD, Change, extended
from caddie.models.offline.plan import Edit, Plan
from caddie.models.offline.request import Request
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
    r"at\s+)?(?=(?:\d{1,2}(?:[:.]\d{2})?\s*(?:am|pm)?|noon|midnight)\b(?!\s*(?:results?|"
    r"words?|items?|seconds?|minutes?|hours?|days?|percent|degrees?|instead\s+of\s+\d+\s+\w+s)\b))",
    re.I,
)
_MEND = re.compile(
    r"\b(?:fix|repair|broken|wrong|errors?|invalid|complain\w*|fail(?:s|ed|ing)?|does\s?n[o'’]t\s+work|not\s+work\w*|"
    r"sort\s+(?:it|this|that)\s+out|mend|refuses|something['’]?s?\s+(?:is\s+)?off|correct\s+(?:it|that|"
    r"this)|never\s+runs?|debug|validat\w+)\b",
    re.I,
)
_EXCEPT = re.compile(r"\b(?:stop|not|never|except|skip|without|excluding)\b", re.I)
_PARTS = re.compile(
    r"(?<=[.!;])\s+|\n+|\s*(?:,|,?\s*\b(?:and|but|plus)\b)\s*(?:then\s+|and\s+|also\s+|please\s+)*(?=(?:also|if|"
    r"then|when|add|remove|"
    r"change|set|make|use|send|post|e?mail|log|put|drop|delete|rename|call|wait|cap|limit|only|move|raise|"
    r"lower|switch|replace|take|get\s+rid|throw|swap|duplicate|retry|try|mail|raise|increase|decrease|"
    r"tell|notify|let|give|copy|cc|skip|ask|keep|turn|run|start|have|leave|search|instead)\b)",
    re.I,
)
#: "…, so drop it": said once more.
_ONCE_MORE = re.compile(
    r"(?:so\s+)?(?:drop|remove|delete|take|get\s+rid\s+of|kill)\s+(?:it|that|them|this)(?:\s+out)?", re.I
)
#: What follows the comma belongs to it.
_BOUND = re.compile(
    r"^(?:if|when|whenever|every\s+time|each\s+time|before|after|unless|for|once|in\s+case|instead|between|inside|"
    r"rather|as\s+soon|while|on)\b",
    re.I,
)


def wanted(said: Talk) -> bool:
    """Whether a message names a change, also in a turn that is about repairing."""
    if not said.nodes or (_MEND.search(said.request) and not _names(said.request)):
        return False
    canvas, text = Canvas(said.start), _plain(said.request)
    return _explicit(text, canvas, said) is not None or extended(text, said, canvas, None) is not None


def _names(text: str) -> bool:
    """Whether a message brings something to put in: an address, a channel, words in quotes, a time."""
    found = schedule.find(words.masked(text))
    return bool(
        words.url(text) or words.emails(text) or words.channel(text) or words.quoted(text) or (found and found.freq)
    )


def edits(said: Talk, request: Request) -> Change | None:
    """The change a message asks for, or None when it names none."""
    canvas, text = Canvas(said.start), _plain(said.request)
    if (complete := openings.completed(text, canvas, said)) is not None:
        return complete
    # A classification comes with a condition on what somebody means, and is no step the message tells.
    told = [each for each in request.actions() if each.block != "classify"]
    if request.trigger is not None and len(told) > 1 and not _CHANGE.match(text) and not ADD.match(text):
        return None
    if asked := reshape.asked_first(phrasing.plain(said.request).strip(" .!"), canvas, said):
        # Politeness would take "I need to okay" for "I need it, okay".
        return asked
    if (correct := corrections.corrected(text, canvas, said)) is not None and not re.search(r"[.;]\s|\band\b", text):
        return correct
    if (ordered := moves.sequenced(text, canvas)) is not None:
        return ordered
    parts = _parts(text)
    if len(parts) > 1 and (several := _several(parts, canvas, said)) is not None:
        return several
    explicit = _explicit(text, canvas, said)
    return explicit if explicit is not None else extended(text, said, canvas, request)


def _labels(canvas: Canvas) -> list[str]:
    return [str(label) for each in canvas.of("classify") for label in canvas.payload(each).get("labels") or []]


def _parts(text: str) -> list[str]:
    """The changes a message names one after the other; what is only said around them is no part."""
    guard = phrasing.Guard(text)
    told: list[str] = []
    for sentence in re.split(r"(?<=[.!;])\s+|\n+", guard.text):
        told += [sentence] if _BOUND.match(sentence.strip()) else _PARTS.split(sentence)
    plain = (phrasing.without_chatter(clauses.bare(guard.restored(each))) for each in told)
    found = [each for each in plain if each.strip(" .,!?")]
    return [each for at, each in enumerate(found) if not at or not _ONCE_MORE.fullmatch(each)]


def _plain(text: str) -> str:
    bare = phrasing.without_chatter(phrasing.plain(text)).strip(" .!")
    return wishes.text(manners.unexplained(manners.direct(bare)))


def _several(parts: list[str], canvas: Canvas, said: Talk) -> Change | None:
    """Several changes in one message, when each of them is one."""
    made: list[Change] = []
    now, labels = canvas, _labels(canvas)
    for part in parts:
        if new := [each for each in _labels(now) if each not in labels]:
            part = re.sub(r"\b(?:those|these|them)\b", f"{new[0]} ones", part)
        told = turns.background(part) and part is not parts[-1]
        change = _explicit(part, now, said)
        if change is None and (not told or ADD.search(part)):
            change = extended(part, said, now, None)
        if change is None and told:
            continue
        if change is None or change.slots:
            return None
        made.append(change)
        now = now.edited(change.plan.edits)
    touched = [
        f"{edit.args.get('nodeId')} {name}"
        for each in made
        for edit in each.plan.edits
        for name in (["type"] if edit.tool == "add_node" else edit.args.get("payload") or ["type"])
        if edit.tool in ("add_node", "update_node")
    ]
    if len(set(touched)) != len(touched):
        return None
    plan = Plan(
        [edit for each in made for edit in each.plan.edits], [told for each in made for told in each.plan.assumptions]
    )
    steps = [step for each in made for step in each.steps]
    return Change(
        plan, " ".join(each.intro for each in made), steps, [], [told for each in made for told in each.unknown]
    )


def _explicit(text: str, canvas: Canvas, said: Talk) -> Change | None:
    readers: tuple[Callable[[str, Canvas, Talk], Change | None], ...] = (
        openings.completed, reshape.renamed, reshape.asked_first, moves.moved, tuning.searched_for, options.headed,
        corrections.corrected, reshape.replaced,
        fields.labelled, wording.mentioned, wording.translated, wording.toned, tuning.widened, tuning.narrowed,
        tuning.respelt, tuning.conditioned, removal.removed, reshape.held_back, reshape.gated, reshape.swapped,
        reshape.copied, reshape.restarted, fields.copied_in, alternatives.added, _timed, _zoned, fields.completed,
        fields.reworded, fields.retargeted, options.modelled, tuning.styled, fields.prompted, amounts.changed,
        options.numbered, tuning.renumbered, fields.threshold,
    )  # fmt: skip
    return next((found for reader in readers if (found := reader(text, canvas, said)) is not None), None)


def _timed(text: str, canvas: Canvas, said: Talk) -> Change | None:
    if not canvas.triggers:
        return None
    text = re.sub(
        rf"^(?:make|set|move|change|shift)\s+(?:it|this|that)\s+(?:to\s+|on\s+)?(?=(?:{schedule.LONG_DAY}))",
        "run it on ",
        text,
        flags=re.I,
    )
    bare = _JUST_HOUR.sub("run it at ", _NOT_THIS.sub("", text))
    found = schedule.find(words.masked(bare), changing=bool(_CHANGE.search(text)))
    if found is None or not (
        _CHANGE.search(text)
        or re.search(
            r"\b(?:run|start|trigger|stop|except|skip|send|post|mail|enough|suffices?|better|please|now)s?\b|"
            r"\bnot\b|^\s*(?:once|twice|daily|weekly|"
            r"monthly|hourly|check|at|every|only|on|"
            r"also)\b",
            text,
            re.I,
        )
    ):
        return None
    rest = re.sub(_CHANGE, "", _cut(bare, found))
    told_days = [each for each in re.split(r"[.;!?]\s+", text) if (at := schedule.find(words.masked(each))) and at.days]
    leaves_out = bool(found.days) and not found.spared and any(_EXCEPT.search(each) for each in told_days)
    told = [] if leaves_out else understand(rest, said.context.timezone).actions()
    # "check the rates twice a day": what is there already is only named.
    if any(not each.missing or not canvas.of(each.block) for each in told) or not (_TIMING.search(bare) or found.freq):
        return None
    root = canvas.triggers[0]
    payload = canvas.payload(root)
    zone = zones.zone(text) or payload.get("timezone") or said.context.timezone
    old = schedule.read(str(payload.get("rrule", ""))) if payload.get("rrule") else None
    if leaves_out:
        kept = [day for day in (old.days if old and old.days else schedule.DAYS.values()) if day not in found.days]
        found = replace(found, days=tuple(kept)) if kept else found
    merged = _merged(old, found, bool(re.search(r"\b(?:also|too|as\s+well|additionally)\b", text, re.I)))
    args: dict[str, Any] = {"nodeId": root, "payload": {"rrule": merged.rrule(), "timezone": zone}}
    if payload.get("cron"):
        args["payload"]["cron"] = None
    if canvas.nodes[root].get("type") != "cronjob":
        args["type"] = "cronjob"
    return Change(Plan([Edit("update_node", args)]), f"I set the schedule to {rhythm.tell(merged.rrule())} ({zone}).")


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
        return replace(days, times=new.times)
    if more and old.days and new.days:
        order = list(schedule.DAYS.values())
        both = sorted({*old.days, *new.days}, key=lambda day: order.index(day) if day in order else 9)
        new = replace(new, days=tuple(both))
    keeps = not new.times and old.times and new.freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
    return replace(new, times=old.times) if keeps else new


def _zoned(text: str, canvas: Canvas, said: Talk) -> Change | None:
    zone = zones.zone(text)
    roots = [each for each in canvas.triggers if canvas.nodes[each].get("type") == "cronjob"]
    if zone is None or not roots or not re.search(r"\btime\s?zone|\btime\b", text, re.I):
        return None
    return Change(
        Plan([Edit("update_node", {"nodeId": each, "payload": {"timezone": zone}}) for each in roots]),
        f"I set the time zone to {zone}.",
    )
