"""Questions about the workflow that want a yes or a no, or a number: "does it mail me twice?", "will it run on "
                                                                                                "Sunday?".

Invariant: a yes or a no follows from the definition; where it does not, the steps in question are told and nothing is
claimed. Callers: ``questions``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from caddie.models.offline import occasion, schedule, speak, tracing, words
from caddie.models.offline.canvas import Canvas
from caddie.models.offline.thread import Talk

_WHETHER = re.compile(
    r"^(?:is|are|was|were|does|do|did|will|would|should|might|can|could|has|have|is\s*n['’]?t|does\s*n['’]?t|"
    r"wo\s*n['’]?t|"
    r"would\s*n['’]?t|do\s*n['’]?t|are\s*n['’]?t)\b",
    re.I,
)
_OTHER = re.compile(r"\b(?:what|which|who|whom|whose|where|why|how|when)\b|\b(?:explain|describe|tell\s+me)\b", re.I)
_TIMES = re.compile(
    r"\b(?:twice|two\s+times|more\s+than\s+once|several\s+times|many\s+times|duplicates?|doubles?|spam\w*|flood\w*|"
    r"again\s+and\s+again|"
    r"only\s+once|just\s+once|(?:just|only)\s+one\s+(?:e-?mail|mail|message|post|notification)|one\s+or\s+(?:more|"
    r"many|several)|"
    r"how\s+many\s+(?:times|(?:e-?)?mails?|messages?|posts?|notifications?|alerts?|requests?))\b",
    re.I,
)
_ONLY = re.compile(r"\b(?:all|every(?:thing|one)?(?!\s+\w+(?:day|ing)\b|\s+(?:day|week|month|hour|minute|\d))|only|"
                   r"any|also|even|both|closed|old|"
                   r"other)\b", re.I)  # fmt: skip
_ALONE = re.compile(
    r"\b(?:without\s+me|on\s+(?:holidays?|vacation)|i(?:['’]?m|\s+am)\s+(?:away|asleep|offline|out|sick|gone|"
    r"not\s+(?:there|here|around))|i\s+(?:sleep|close)|"
    r"(?:computer|laptop|pc|browser|tab|page)\b.*\b(?:off|closed?|shut|down)|close\s+(?:the|my|this)|by\s+itself|"
    r"automatically|on\s+its\s+own|unattended)\b",
    re.I,
)
_RECIPIENTS = re.compile(
    r"\b(?:the\s+only\s+(?:one|person|recipient)|who\s+else|any(?:one|body)\s+else|"
    r"just\s+\w+\s+or)\b",
    re.I,
)
_TAGGED = re.compile(r"[,\s]+(?:right|correct|yes|no|or\s+not|is\s*n['’]?t\s+it|does\s*n['’]?t\s+it)\s*\?+\s*$", re.I)
_DAYS = {"MO": "Mondays", "TU": "Tuesdays", "WE": "Wednesdays", "TH": "Thursdays", "FR": "Fridays", "SA": "Saturdays",
         "SU": "Sundays"}  # fmt: skip
_WEEKEND = re.compile(r"\bweek-?ends?\b", re.I)
_NIGHT = re.compile(r"\b(?:at\s+night|overnight|in\s+the\s+(?:night|morning|evening|afternoon))\b", re.I)
_RUNS = re.compile(
    r"\b(?:runs?|running|starts?|fires?|goes?|works?|happens?|triggers?|posts?|sends?|mails?|e-?mails?|notif\w+|"
    r"check\w*|look\w*|get|bother\w*|"
    r"wake\w*|come|active|on)\b",
    re.I,
)
_SENDERS = ("send-email", "slack-send-message", "discord-send-message", "send-webhook", "reply_chat")


def whether(said: Talk, text: str) -> str | None:
    """The answer to a question of yes or no about the workflow, or of how many; None when it is another question."""
    canvas = Canvas(said.start)
    if _ALONE.search(text):
        return _alone(canvas)
    if _RECIPIENTS.search(text) and (senders := canvas.of(*_SENDERS)):
        return "These are told, and nobody else:\n" + "\n".join(tracing.line(canvas, each) for each in senders)
    if _TIMES.search(text):
        return _times(canvas, text)
    if re.search(r"\bwhat\s+(?:happens|about)\b", text, re.I) and (days := _on_days(said, canvas, text)) is not None:
        return days
    if re.match(r"(?:can|could|would|will)\s+you\b", text, re.I):
        return None
    if not _WHETHER.match(text) and (not text.rstrip().endswith("?") or _OTHER.search(text)):
        return None
    if (days := _on_days(said, canvas, text)) is not None:
        return days
    if (address := _addressed(canvas, text)) is not None:
        return address
    if _TAGGED.search(text) and not re.match(_WHETHER, text):
        return f"It is like this: {speak.prose(said.start)}"
    kind = tracing.family(text)
    if kind and kind[0] == "remembers something" and (agents := _remembering(canvas)):
        return f"Yes, within one chat: {words.joined([f'`{each}`' for each in agents])} remembers the thread."
    gates = canvas.of("filter", "if")
    if kind is None or (gates and kind[0] == "sends something" and _ONLY.search(text)):
        return _gated(canvas, gates, text) if gates and _ONLY.search(text) else None
    name, blocks = kind
    there = canvas.of(*blocks)
    if not there:
        return f"No, no step of this workflow {name}. Say so if one should."
    if gates and _ONLY.search(text):
        return _gated(canvas, [*there, *gates], text)
    told = "\n".join(tracing.line(canvas, each) for each in there)
    return (
        f"Yes, this {'does' if len(there) == 1 else 'do'}:\n{told}"
        if not _negated(text)
        else f"This step {name}:\n{told}"
    )


def _remembering(canvas: Canvas) -> list[str]:
    """The agents that know what was said before in their chat."""
    if not canvas.of("trigger_chat"):
        return []
    return [each for each in canvas.of("agent") if canvas.payload(each).get("memory") is not False]


def _alone(canvas: Canvas) -> str:
    """Whether somebody has to be there."""
    starts = words.joined([
        speak.trigger(str(canvas.nodes[each].get("type")), canvas.payload(each)) for each in canvas.triggers
    ])  # fmt: skip
    if set(canvas.of("manual")) & set(canvas.triggers):
        return f"No, somebody has to start it: it runs {starts}."
    told = f"Yes. It starts {starts} by itself, while the server runs and the workflow is switched on; no page has to "
    told += "be open."
    asks = canvas.of("human_confirmation")
    return f"{told} But {words.joined([f'`{each}`' for each in asks])} waits for a person's answer." if asks else told


def _negated(text: str) -> bool:
    return bool(re.search(r"\b(?:without|never|not|no)\b|n['’]t\b", text, re.I))


def _gated(canvas: Canvas, node_ids: list[str], text: str) -> str:
    told = "\n".join(tracing.line(canvas, each) for each in dict.fromkeys(node_ids))
    return f"These steps decide that, and nothing else is looked at:\n{told}"


def _times(canvas: Canvas, text: str) -> str:
    """How often one run sends something, and how often it runs."""
    kind = tracing.family(text)
    senders = canvas.of(*(kind[1] if kind and set(kind[1]) & {*_SENDERS, "http-request"} else _SENDERS))
    senders = senders or canvas.of(*_SENDERS)
    starts = words.joined([
        speak.trigger(str(canvas.nodes[each].get("type")), canvas.payload(each)) for each in canvas.triggers
    ])  # fmt: skip
    if not senders:
        return f"It sends nothing at all. It runs {starts}."
    looped = [each for each in senders if canvas.loop_of(each)]
    lines = []
    for each in senders:
        when = tracing.reached(canvas, each)
        often = (
            "once a run" if not when else "once for every item of the list" if each in looped else f"once a run, {when}"
        )
        lines.append(f"- `{each}` ({speak.step(str(canvas.nodes[each].get('type')), canvas.payload(each))}): {often}")
    return f"It runs {starts}, and in each run:\n" + "\n".join(lines)


def _on_days(said: Talk, canvas: Canvas, text: str) -> str | None:
    """ "does it run on Sundays?", "will it run tomorrow?": by the rule of its schedule."""
    timers = [each for each in canvas.of("cronjob") if canvas.payload(each).get("rrule")]
    if not timers or not _RUNS.search(text):
        return None
    payload = canvas.payload(timers[0])
    rule = schedule.read(str(payload["rrule"]))
    told = f"It runs {speak.trigger('cronjob', payload)}."
    soon = re.search(r"\b(today|tonight|tomorrow)\b", text, re.I)
    if soon:
        try:
            zone = ZoneInfo(str(payload.get("timezone") or said.context.timezone))
        except (ValueError, ZoneInfoNotFoundError):
            return told
        moment = occasion.upcoming(rule, said.context.now, zone)
        if moment is None:
            return told
        day = said.context.now.astimezone(zone).date() + timedelta(days=soon.group(1).lower() == "tomorrow")
        following = f"{moment:%A, %d %B at %H:%M}"
        return f"{'Yes' if moment.date() == day else 'No'}: its next run is on {following}. {told}"
    wanted = {"SA", "SU"} if _WEEKEND.search(text) else {
        code for code, name in _DAYS.items() if re.search(rf"\b{name[:-1]}s?\b", text, re.I)
    }  # fmt: skip
    if not wanted:
        return told if _NIGHT.search(text) and _WHETHER.match(text) else None
    if any(len(day) > 2 for day in rule.days) or rule.freq not in ("DAILY", "WEEKLY", "HOURLY", "MINUTELY"):
        return told
    names = words.joined([_DAYS[each] for each in _DAYS if each in wanted])
    on = wanted & set(rule.days) if rule.days else wanted if rule.freq != "WEEKLY" else set()
    if on == wanted:
        return f"Yes, on {names} too: it runs {speak.trigger('cronjob', payload)}."
    if on:
        some = words.joined([_DAYS[each] for each in _DAYS if each in on])
        return f"Only on {some}: it runs {speak.trigger('cronjob', payload)}."
    return f"No, not on {names}: it runs {speak.trigger('cronjob', payload)}."


def _addressed(canvas: Canvas, text: str) -> str | None:
    """ "does anna@x.org get it too?", "is #ops told?": whether an address stands in a step."""
    people = {name for key in canvas.nodes for each in words.emails(str(canvas.payload(key)))
              for name in re.findall(r"[a-z]{3,}", each.split("@")[0].lower())}  # fmt: skip
    called = [each for each in re.findall(r"[A-Za-z]{3,}", text) if each.lower() in people - {"mail", "info", "team"}]
    named = [*words.emails(text), *words.CHANNEL.findall(text), *called]
    if not named:
        return None
    lines = []
    for each in named:
        found = [key for key in canvas.nodes if each.lower() in str(canvas.payload(key)).lower()]
        if found:
            lines.append(f"Yes, {each} stands in:\n" + "\n".join(tracing.line(canvas, key) for key in found))
        else:
            lines.append(f"No, {each} stands in none of the steps.")
    return "\n".join(lines)
