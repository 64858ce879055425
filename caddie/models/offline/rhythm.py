"""A recurrence rule in words.

Invariant: tells every part of a rule that ``schedule`` makes. Callers: ``speak``, ``change``.
"""

from __future__ import annotations

from datetime import datetime

from caddie.models.offline import calendar
from caddie.models.offline.rule import DAYS, FLOWING, WORKDAYS, Schedule, read
from caddie.models.offline.words import joined

_UNITS = {"SECONDLY": "second", "MINUTELY": "minute", "HOURLY": "hour", "DAILY": "day", "WEEKLY": "week",
          "MONTHLY": "month", "YEARLY": "year"}  # fmt: skip
_PLACES = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last", "-2": "last but one"}
_NAMES = {code: day.capitalize() for day, code in DAYS.items()}
#: From so many times a day on, only how far they are apart is told.
_MANY = 5


def tell(rrule: str, start: str = "") -> str:
    """A recurrence rule in words. start: the time before which it does not fire."""
    begin = _moment(start)
    if "COUNT=1" in rrule.split(";") and begin:
        return f"once, on {begin.day} {begin:%B %Y} at {begin:%H:%M}"
    rule = read(rrule)
    if rule.slots:
        days = tuple(dict.fromkeys(day for day, _ in rule.slots))
        own = {day: tuple(time for other, time in rule.slots if other == day) for day in days}
        alike = [
            Schedule("WEEKLY", days=tuple(each for each in days if own[each] == times), times=times)
            for times in dict.fromkeys(own.values())
        ]
        every = f" (every {rule.interval} weeks)" if rule.interval > 1 else ""
        return f"{joined([f'{_days(each)}{_clock(each)}' for each in alike])}{every}"
    since = f", from {begin.day} {begin:%B %Y} on" if begin else ""
    until = _moment(f"{rule.until[:4]}-{rule.until[4:6]}-{rule.until[6:8]}") if rule.until else None
    return f"{_days(rule)}{_clock(rule)}{since}{f', until {until.day} {until:%B %Y}' if until else ''}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _days(rule: Schedule) -> str:
    name = _UNITS.get(rule.freq or "", "time the rule names")
    text = f"every {rule.interval} {name}s" if rule.interval > 1 else f"every {name}"
    if rule.dates:
        return f"{text} on {joined([f'{day} {calendar.MONTHS[month - 1].capitalize()}' for month, day in rule.dates])}"
    if rule.position:
        which = _PLACES.get(str(rule.position), str(rule.position))
        day = "working day" if rule.days == WORKDAYS else f"of {joined([_NAMES.get(day, day) for day in rule.days])}"
        text = f"on the {which} {day} of every month"
    elif rule.days == WORKDAYS and rule.interval == 1:
        text = "every weekday" if rule.freq not in FLOWING else f"{text} on weekdays"
    elif rule.days and rule.freq == "MONTHLY":
        told = [f"{_PLACES.get(day[:-2], day[:-2])} {_NAMES.get(day[-2:], day[-2:])}".strip() for day in rule.days]
        text = f"on the {joined(told)} of every month"
    elif rule.days and (rule.freq in FLOWING or rule.interval > 1):
        text = f"{text} on {joined([_NAMES.get(day, day) for day in rule.days])}"
    elif rule.days:
        text = f"every {joined([_NAMES.get(day, day) for day in rule.days])}"
    if rule.months:
        return _dated(rule, text)
    return f"on {_numbered(rule.month_days)} of {text}" if rule.month_days else text


def _numbered(days: tuple[int, ...]) -> str:
    told = [
        f"day {day}" if day > 0 else "the last day" if day == -1 else f"the {-day}th day from the end" for day in days
    ]
    return joined(told).replace(" and day ", " and ").replace(", day ", ", ")


def _dated(rule: Schedule, text: str) -> str:
    """ "every year on 3 March", "every Monday in May and June"."""
    named = joined([calendar.MONTHS[month - 1].capitalize() for month in rule.months if 1 <= month <= 12])
    if rule.freq == "YEARLY" and rule.month_days:
        return f"{text} on {_numbered(rule.month_days)} of {named}"
    if rule.freq == "MONTHLY" and rule.days:
        return f"{text.removesuffix('every month')}{named}"
    if len(rule.months) > 8:
        spared = [calendar.MONTHS[at].capitalize() for at in range(12) if at + 1 not in rule.months]
        named = f"all months but {joined(spared)}"
    which = f"on {_numbered(rule.month_days)}, " if rule.month_days else ""
    return f"{which}{text} in {named}"


def _clock(rule: Schedule) -> str:
    if rule.times:
        return _times(sorted(rule.times))
    told = f" at minute {rule.minutes[0]}" if rule.freq == "HOURLY" and any(rule.minutes) else ""
    return f"{told}{_window(rule)}" if rule.window else told


def _times(times: list[tuple[int, int]]) -> str:
    minutes = [hour * 60 + minute for hour, minute in times]
    steps = {later - sooner for sooner, later in zip(minutes, minutes[1:], strict=False)}
    told = [f"{hour:02d}:{minute:02d}" for hour, minute in times]
    if len(times) < _MANY or len(steps) > 1:
        return f" at {joined(told)}"
    step = steps.pop()
    every = "every hour" if step == 60 else f"every {step // 60} hours" if step % 60 == 0 else f"every {step} minutes"
    return f", {every} from {told[0]} to {told[-1]}"


def _window(rule: Schedule) -> str:
    hours = sorted(rule.window)
    gaps = [at for at, (sooner, later) in enumerate(zip(hours, hours[1:], strict=False), 1) if later - sooner > 1]
    if len(gaps) > 1 or (gaps and (hours[0] != 0 or hours[-1] != 23)):
        return f" at the hours {joined([f'{hour:02d}' for hour in hours])}"
    first, last = (hours[gaps[0]], hours[gaps[0] - 1]) if gaps else (hours[0], hours[-1])
    end = last if rule.freq == "HOURLY" else (last + 1) % 24
    return f" from {first:02d}:00 to {end:02d}:00"
