"""Comparisons with a date that moves: "older than 30 days", "due tomorrow", "created this week".

Invariant: what is compared is a date field of an item, never the item; the date it is compared with is a step of the
workflow, as dates cannot be reckoned within a condition. Callers: ``conditions``, ``plan``, ``agency``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from caddie.models.offline import words
from caddie.models.offline.request import Condition

_DATE, _TIME, _DAY = "YYYY-MM-DD", "YYYY-MM-DDTHH:MM:SSZ", "MM-DD"


@dataclass(frozen=True, slots=True)
class Moment:
    """A date told relative to the run, and how it is written."""

    told: str
    form: str = _DATE

    def __str__(self) -> str:
        return self.told

    def prompt(self, now: str) -> str:
        """What a step is asked for that works the date out. now: an expression, where the trigger tells the time."""
        when = f"It is now {now}. " if now else ""
        return f"{when}Give the date of {self.told}, written {self.form}, and nothing else."


_UNIT = r"(?P<unit>minutes?|mins?|hours?|hrs?|days?|weeks?|months?|quarters?|years?)"
_MANY = rf"(?P<many>\d+|an?|half\s+an?|{words.NUMBER_WORD})"
_SPAN = rf"{_MANY}\s*-?\s*{_UNIT}"
_SUBJECT = r"^(?P<subject>.*?)\s*"
_BE = r"(?:\b(?:is|are|was|were|has\s+been|have\s+been|had\s+been|has|have|be|being|gets?|got)\s+)?"
_NOT = r"(?P<not>(?:not|never)\s+(?:been\s+)?)?"
#: What happened to an item, and the field that keeps when.
_EVENTS = {
    "updated": "updated_at", "modified": "updated_at", "changed": "updated_at", "touched": "updated_at",
    "edited": "updated_at", "published": "published_at", "posted": "published_at", "logged in": "last_login",
    "active": "last_active", "seen": "last_seen", "dated": "date", "from": "created_at", "made": "created_at",
}  # fmt: skip
_EVENT = r"(?P<event>logged\s+in|signed\s+up|sent|made|paid|bought|seen|active|from|(?!based|need|overd)[a-z]+ed)"
_AHEAD = {
    "due": "due_date", "expir": "expires_at", "end": "end_date", "start": "start_date", "begin": "start_date",
    "renew": "renewal_date", "run": "expires_at", "arriv": "arrival_date", "leav": "departure_date",
    "depart": "departure_date", "happen": "date", "tak": "date", "com": "date", "schedul": "date",
}  # fmt: skip
_COMES = (
    r"(?P<event>due|expir(?:es?|ing)|ends?|ending|starts?|starting|begins?|renews?|renewing|runs?\s+out|arrives?|leaves?|"
    r"departs?|happens?|happening|takes?\s+place|comes?\s+up|coming\s+up|scheduled(?:\s+for)?)"
)
_DAYS = (
    r"(?P<day>today|tomorrow|yesterday|(?:the\s+day\s+after\s+tomorrow)|(?P<which>this|the\s+current|last|next)\s+"
    r"(?P<span>week|month|year))"
)
_AGED = tuple(
    re.compile(_SUBJECT + pattern + r"$", re.I)
    for pattern in (
        rf"{_BE}{_NOT}(?P<way>older|newer|younger|more\s+recent|fresher|later|earlier)\s+than\s+{_SPAN}(?:\s+(?:ago|old))?",
        rf"{_BE}{_NOT}(?:{_EVENT}\s+)?(?P<way>(?:more|less)\s+than|over|under|at\s+least|at\s+most|within)?\s*{_SPAN}\s+"
        rf"(?:ago|old)(?:\s+or\s+more)?",
        rf"{_BE}{_NOT}{_EVENT}\s+(?P<way>since)\s+(?:more\s+than\s+|over\s+)?{_SPAN}",
        rf"{_BE}{_NOT}{_EVENT}\s+(?P<way>in|within|during|for|from|of)\s+(?:(?:more\s+than|over|at\s+least)\s+)?"
        rf"(?:the\s+)?(?:last\s+|past\s+|previous\s+)?(?:{_SPAN}|(?P<one>hour|day|week|month|year))",
        rf"{_BE}(?P<way>from|of|within)\s+(?:the\s+)?(?:last|past|previous)\s+(?:{_SPAN}|(?P<one>hour|day))",
    )
)
_UPCOMING = re.compile(
    rf"{_SUBJECT}{_BE}{_COMES}?\s*(?:less\s+than\s+|at\s+most\s+)?(?:in|within)\s+(?:the\s+next\s+|less\s+than\s+|under\s+|"
    rf"at\s+most\s+)?{_SPAN}(?:\s+from\s+now)?$|{_SUBJECT.replace('subject', 'thing')}{_BE}(?:less\s+than|under)\s+"
    rf"{_SPAN.replace('many', 'few').replace('unit', 'of')}\s+(?:away|ahead|from\s+now|off)$",
    re.I,
)
_FALLS = re.compile(
    rf"{_SUBJECT}{_BE}(?:(?:{_COMES}|{_EVENT.replace('event', 'past')})\s+)?(?:on\s+|for\s+)?{_DAYS}$", re.I
)
_PAST = re.compile(
    rf"{_SUBJECT}{_BE}(?:past|after|beyond)\s+(?:its|the|their|his|her)\s+(?P<field>due\s+date|deadline|expiry(?:\s+date)?|"
    rf"expiration\s+date|end\s+date|due)$|{_SUBJECT.replace('subject', 'date')}\b(?:has|is|have)\s+(?:already\s+)?"
    r"(?:passed|in\s+the\s+past|gone\s+by|over)$",
    re.I,
)
_SIDE = re.compile(
    rf"{_SUBJECT}{_BE}(?:(?P<event>[a-z]+ed|due|sent)\s+)?(?P<way>before|after|since|until|on)\s+(?P<date>today|tomorrow|yesterday|now|"
    rf"\d{{4}}-\d\d-\d\d)$",
    re.I,
)
_NEVER = re.compile(rf"^(?:\w+\s+)?(?:ha(?:s|ve)|was|were)\s+never\s+(?:been\s+)?{_EVENT}$", re.I)
#: Fields that are dates by their name.
_NAMED = re.compile(r"(?:date|deadline|due|time|day|birthday|anniversary|expiry|expiration|_at|start|end)s?$", re.I)
_PEOPLE = re.compile(
    r"\b(?:person|people|anyone|someone|kid|child|children|member|patient|applicant|guest|pupil|student|player|user|customer|"
    r"he|she|who|driver|candidate|employee)s?\b",
    re.I,
)


def find(text: str) -> tuple[Condition, ...]:
    """The comparisons with a date that a text makes."""
    text = text.strip(" ,.;:")
    for pattern in _AGED:
        if (match := pattern.match(text)) and not (_PEOPLE.search(match["subject"]) and "year" in match[0].lower()):
            return _aged(match)
    if match := _NEVER.match(text):
        return (Condition(_event(match["event"]), "empty", None, text),)
    if match := _UPCOMING.match(text):
        many, unit = match["many"] or match["few"], match["unit"] or match["of"]
        subject = match["subject"] if match["subject"] is not None else match["thing"]
        if not (match["event"] or match["few"] or _NAMED.search(subject)):
            return ()
        field = _field(subject, _ahead(match["event"]), "date")
        return (
            Condition(field, "gte", Moment("today"), text),
            Condition(field, "lte", _moment(many, unit, "after"), text),
        )
    if (match := _SIDE.match(text)) and (match["event"] or _NAMED.search(match["subject"])):
        op = {"before": "lt", "until": "lte", "on": "starts_with", "since": "gte"}.get(match["way"].lower(), "gt")
        said = match["date"].lower()
        right: object = match["date"] if said[0].isdigit() else Moment("today" if said == "now" else said)
        field = _field(match["subject"], _ahead(match["event"]) or _event(match["event"]), "date")
        return (Condition(field, op, right, text),)
    if match := _FALLS.match(text):
        if not (match["event"] or match["past"] or _NAMED.search(match["subject"])):
            return ()
        default = _ahead(match["event"]) or _event(match["past"]) or "date"
        return _falls(match, _field(match["subject"], "", default), text)
    if match := _PAST.match(text):
        if match["field"] is None and not _NAMED.search(match["date"] or ""):
            return ()
        said = (match["field"] or match["date"] or "").strip().lower()
        return (Condition("due_date" if said == "due" else words.field_name(said), "lt", Moment("today"), text),)
    return ()


_RECENT = re.compile(
    r"newer|younger|more\s+recent|fresher|later|less|under|at\s+most|within|in|during|from|of|since", re.I
)


def _aged(match: re.Match[str]) -> tuple[Condition, ...]:
    """ "older than 30 days", "not updated for two weeks"."""
    given = match.groupdict()
    way, event = (given.get("way") or "").lower(), given.get("event") or ""
    if given.get("one"):
        moment = _moment("1", str(given["one"]), "before")
    else:
        moment = _moment(str(given["many"]), str(given["unit"]), "before")
    recent = _RECENT.match(way)
    if way == "for" or (way == "since" and given.get("not")):
        return (Condition(_field(match["subject"], _event(event), "created_at"), "lt", moment, match[0]),)
    op = "gte" if recent else "lt"
    if given.get("not"):
        op = {"gte": "lt", "lt": "gte"}[op]
    return (Condition(_field(match["subject"], _event(event), "created_at"), op, moment, match[0]),)


def _falls(match: re.Match[str], field: str, text: str) -> tuple[Condition, ...]:
    if not match["span"]:
        moment = Moment(match["day"].lower().removeprefix("the "))
        if re.search(r"birth|anniversary", field, re.I):
            return (Condition(field, "contains", Moment(moment.told, _DAY), text),)
        return (Condition(field, "starts_with", moment, text),)
    span = match["span"].lower()
    which = "this" if "current" in match["which"].lower() else match["which"].lower()
    names = ["last", "this", "next", "the one after next"]
    first, after = f"the first day of {which} {span}", f"the first day of {names[names.index(which) + 1]} {span}"
    if which == "next":
        after = f"the last day of next {span}"
        return Condition(field, "gte", Moment(first), text), Condition(field, "lte", Moment(after), text)
    return Condition(field, "gte", Moment(first), text), Condition(field, "lt", Moment(after), text)


def _moment(many: str, unit: str, way: str) -> Moment:
    count = re.sub(r"^an?$", "1", many.strip().lower())
    count = str(words.number(count) or count)
    unit = {"min": "minute", "hr": "hour"}.get(unit.lower().rstrip("s"), unit.lower().rstrip("s"))
    small = unit in ("minute", "hour")
    told = f"{count} {unit}{'' if count == '1' else 's'} {way} {'now' if small else 'today'}"
    return Moment(told, _TIME if small else _DATE)


def _event(said: str | None) -> str:
    name = re.sub(r"\s+", " ", (said or "").lower())
    return _EVENTS.get(name) or (f"{name.replace(' ', '_')}_at" if name else "")


def _ahead(said: str | None) -> str:
    low = (said or "").lower()
    return next((field for stem, field in _AHEAD.items() if low.startswith(stem)), "")


def _field(subject: str, event: str, default: str) -> str:
    """The date's field: what is named so, else what happened, else the usual one."""
    name = words.bare(re.sub(r"\b(?:is|are|was|that|which|whose|with)$", "", subject.strip(), flags=re.I))
    return words.field_name(name) if name and _NAMED.search(name) and not event else event or default


_ASKED = re.compile(
    r"^(?:It is now (?P<now>\S+?)\. )?Give the date of (?P<told>[\w ]+), written (?P<form>[\w:-]+), and"
)
_RELATIVE = re.compile(r"(\d+) (minute|hour|day|week|month|quarter|year)s? (before|after) (?:today|now)")


def reckoned(instructions: str) -> str | None:
    """The date such a step asks for."""
    asked = _ASKED.match(instructions.strip())
    if asked is None:
        return None
    try:
        now = datetime.fromisoformat(asked["now"]) if asked["now"] else datetime.now(UTC)
    except ValueError:
        return None
    moment = _reckoned(asked["told"], now)
    if moment is None:
        return None
    return moment.strftime({_TIME: "%Y-%m-%dT%H:%M:%SZ", _DAY: "%m-%d"}.get(asked["form"], "%Y-%m-%d"))


def _reckoned(told: str, now: datetime) -> datetime | None:
    if relative := _RELATIVE.fullmatch(told):
        count = int(relative[1]) * (1 if relative[3] == "after" else -1)
        months = count * {"month": 1, "quarter": 3, "year": 12}.get(relative[2], 0)
        if months:
            return _months(now, months)
        seconds = words.SECONDS[relative[2]]
        return now + timedelta(seconds=count * seconds)
    days = {"today": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2}
    if told in days:
        return now + timedelta(days=days[told])
    span = re.fullmatch(r"the (first|last) day of (last|this|next) (week|month|year)", told)
    if span is None:
        return None
    at = ("last", "this", "next").index(span[2]) - 1 + (span[1] == "last")
    if span[3] == "week":
        start = now - timedelta(days=now.weekday()) + timedelta(weeks=at)
    elif span[3] == "month":
        start = _months(now.replace(day=1), at)
    else:
        start = now.replace(year=now.year + at, month=1, day=1)
    return start - timedelta(days=1) if span[1] == "last" else start


def _months(moment: datetime, count: int) -> datetime:
    """The same day of another month, or its last one."""
    month = moment.year * 12 + moment.month - 1 + count
    first = moment.replace(year=month // 12, month=month % 12 + 1, day=1)
    days = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(moment.day, days.day))
