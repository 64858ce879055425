"""A recurrence rule in words.

Invariant: tells every part of a rule that ``schedule`` makes. Callers: ``speak``, ``change``.
"""

from __future__ import annotations

from caddie.models.offline import calendar
from caddie.models.offline.schedule import DAYS, Schedule, read
from caddie.models.offline.words import joined


def tell(rrule: str) -> str:
    """A recurrence rule in words."""
    rule = read(rrule)
    unit = {
        "SECONDLY": "second",
        "MINUTELY": "minute",
        "HOURLY": "hour",
        "DAILY": "day",
        "WEEKLY": "week",
        "MONTHLY": "month",
        "YEARLY": "year",
    }
    name = unit.get(rule.freq or "", "time the rule names")
    text = f"every {rule.interval} {name}s" if rule.interval > 1 else f"every {name}"
    names = {code: day.capitalize() for day, code in DAYS.items()}
    if rule.days == ("MO", "TU", "WE", "TH", "FR"):
        text = "every weekday" if rule.freq not in ("HOURLY", "MINUTELY") else f"{text} on weekdays"
    elif rule.days and rule.freq == "MONTHLY":
        places = {"1": "first", "2": "second", "3": "third", "4": "fourth", "-1": "last"}
        told = [f"{places.get(day[:-2], day[:-2])} {names.get(day[-2:], day[-2:])}".strip() for day in rule.days]
        text = f"on the {joined(told)} of every month"
    elif rule.days and rule.freq in ("HOURLY", "MINUTELY"):
        text = f"{text} on {joined([names.get(day, day) for day in rule.days])}"
    elif rule.days:
        text = f"every {joined([names.get(day, day) for day in rule.days])}"
    if rule.months:
        return f"{_dated(rule, text)}{_clock(rule)}"
    if rule.month_day is not None:
        which = "the last day" if rule.month_day == -1 else f"day {rule.month_day}"
        text = f"on {which} of {text}"
    return f"{text}{_clock(rule)}"


def _dated(rule: Schedule, text: str) -> str:
    """ "every year on 3 March", "every Monday in May and June"."""
    named = joined([calendar.MONTHS[month - 1].capitalize() for month in rule.months if 1 <= month <= 12])
    if rule.freq == "YEARLY" and rule.month_day is not None:
        return f"{text} on {'the last day' if rule.month_day == -1 else f'day {rule.month_day}'} of {named}"
    which = "" if rule.month_day is None else f"on day {rule.month_day}, ".replace("day -1", "the last day")
    return f"{which}{text} in {named}"


def _clock(rule: Schedule) -> str:
    if rule.hours:
        return f" at {joined([f'{hour:02d}:{rule.minute or 0:02d}' for hour in rule.hours])}"
    return f" at minute {rule.minute}" if rule.freq == "HOURLY" and rule.minute else ""
