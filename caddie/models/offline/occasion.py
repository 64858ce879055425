"""Something that happens once: "in 2 hours", "tomorrow at 9", "on 3 December".

Invariant: the time is local to the zone that is given. Callers: ``starts``, ``questions``.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo

from caddie.models.offline import clock
from caddie.models.offline.calendar import MONTHS
from caddie.models.offline.rule import DAYS, Schedule, Span
from caddie.models.offline.weekdays import LONG_DAY
from caddie.models.offline.words import NUMBER_WORD, duration_s, number

_LATER = re.compile(
    rf"\b(?:in\s+|(?=[\w\s]{{3,20}}\sfrom\s+(?:now|today)\b))((?:\d+|an?|half\s+an|{NUMBER_WORD})\s+(?:minutes?|"
    rf"mins?|hours?|hrs?|days?|weeks?))(?:\s+from\s+(?:now|today))?\b",
    re.I,
)
_DATED = re.compile(
    rf"\b(?:(?:later\s+)?(?P<soon>today|tonight|(?:the\s+)?day\s+after\s+tomorrow|tomorrow)(?!['’]s)"
    rf"(?:\s+(?P<part>morning|afternoon|evening|night))?|"
    rf"this\s+(?P<now>morning|afternoon|evening)|"
    rf"(?:on\s+)?(?:next|this|this\s+coming|the\s+coming)\s+(?P<day>{LONG_DAY})(?:\s+(?P<part2>morning|afternoon|"
    rf"evening|night))?|"
    rf"(?:on\s+)?(?:{LONG_DAY},?\s+)?(?:the\s+)?(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})|"
    rf"(?:on\s+)?(?:{LONG_DAY},?\s+)?(?:the\s+)?(?:(?P<number>\d{{1,2}})(?:st|nd|rd|th|"
    rf"\.)?\s+(?:of\s+)?(?P<month>{'|'.join(MONTHS)})|(?P<month2>{'|'.join(MONTHS)})"
    rf"\s+(?:the\s+)?(?P<number2>\d{{1,2}})(?:st|nd|rd|th)?)(?!\w|:)(?:,?\s+(?P<year>20\d\d))?)",
    re.I,
)
_SHORT_MONTHS = ("april", "june", "september", "november")
#: "when my calendar has a meeting in 15 minutes" is not about now.
_WITHIN = re.compile(r"\b(?:when(?:ever)?|if|once|as\s+soon\s+as)\b[^,.;:]*$", re.I)
_PART = {"morning": (8, 0), "afternoon": (15, 0), "evening": (18, 0), "night": (20, 0)}


def once(text: str, now: datetime, zone: tzinfo) -> tuple[str, list[tuple[int, int]]] | None:
    """The local time of something that happens once ("in 2 hours", "tomorrow at 9"), and where it is said."""
    local = now.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    later = next((each for each in _LATER.finditer(text) if not _WITHIN.search(text[: each.start()])), None)
    if later and (seconds := _seconds(later.group(1))):
        return (local + timedelta(seconds=seconds)).isoformat(), [later.span()]
    match = next((each for each in _DATED.finditer(text) if _own(text, each)), None)
    if match is None:
        return None
    soon = (match.group("soon") or "").lower()
    part = (
        match.group("part") or match.group("part2") or match.group("now") or ("night" if soon == "tonight" else "")
    ).lower()
    rest = f"{text[: match.start()]}{chr(1) * len(match.group())}{text[match.end() :]}".lower()
    clocked = clock.times(rest, part)
    (hour, minute), spans = (clocked.times[0], clocked.spans) if clocked else (_PART.get(part, (9, 0)), ())
    day = _day(match, local.replace(hour=hour, minute=minute), local, soon)
    return (day.isoformat(), [match.span(), *spans]) if day else None


def missing(text: str) -> Span | None:
    """Where a date stands that no year has: 30 February."""
    for match in _DATED.finditer(text):
        said = match.group("month") or match.group("month2")
        number = int(match.group("number") or match.group("number2") or 0)
        if said and not 1 <= number <= (29, 31, 30)[(said.lower() != "february") + (said.lower() in _SHORT_MONTHS)]:
            return match.span()
    return None


def _own(text: str, match: re.Match[str]) -> bool:
    """Whether a date says when: "on 3 May", "3 May: …"; "the invoice of 3 May" and "what happened today" do not."""
    if match.group("soon") or match.group("now") or match.group("day"):
        return True
    leads = not text[: match.start()].strip(" ,.:") or re.search(r"[.;:,]\s*$", text[: match.start()])
    return bool(
        match.group().lower().startswith("on ")
        or leads
        or not text[match.end() :].strip(" .!")
        or clock.times(text[match.end() : match.end() + 16].lower())
    )


def _day(match: re.Match[str], day: datetime, local: datetime, soon: str) -> datetime | None:
    if soon or match.group("now"):
        return day + timedelta(days=2 if "after" in soon else 1 if soon == "tomorrow" else 0)
    if match.group("day"):
        wanted = list(DAYS).index(match.group("day").lower())
        return day + timedelta(days=(wanted - day.weekday()) % 7 or 7)
    try:
        if match.group("iso"):
            given = date.fromisoformat(match.group("iso"))
            return day.replace(year=given.year, month=given.month, day=given.day)
        month, number = (
            (match.group("month") or match.group("month2")).lower(),
            int(match.group("number") or match.group("number2")),
        )
        day = day.replace(month=MONTHS.index(month) + 1, day=number, year=int(match.group("year") or day.year))
        return day.replace(year=day.year + 1) if day < local and not match.group("year") else day
    except ValueError:
        return None


def upcoming(rule: Schedule, now: datetime, zone: tzinfo) -> datetime | None:
    """When a schedule of days fires next, local to the zone; None for one that counts minutes, hours or intervals."""
    if rule.freq not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY") or rule.interval > 1 or not rule.times:
        return None
    if rule.position or (rule.freq == "YEARLY" and not rule.months):
        return None
    local = now.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    for ahead in range(400):
        day = local + timedelta(days=ahead)
        for hour, minute in sorted(rule.times):
            moment = day.replace(hour=hour, minute=minute)
            if moment > local and _falls(rule, moment):
                return moment
    return None


def _falls(rule: Schedule, day: datetime) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    code = list(DAYS.values())[day.weekday()]
    last = (day + timedelta(days=1)).month != day.month
    if rule.month_days and day.day not in rule.month_days and not (-1 in rule.month_days and last):
        return False
    final = (day + timedelta(days=7)).month != day.month
    places = {code, f"{(day.day - 1) // 7 + 1}{code}", *([f"-1{code}"] if final else [])}
    return not rule.days or bool(places.intersection(rule.days))


def _seconds(text: str) -> float:
    if weeks := re.match(rf"(\d+|an?|{NUMBER_WORD})\s+weeks?", text, re.I):
        return 604_800.0 * (number(weeks.group(1)) or 1)
    return duration_s(text) or 0
