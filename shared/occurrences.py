"""The times of a recurrence rule on the wall clock, from any day on, without counting up from the start.

Invariant: every search ends, after ``HORIZON_DAYS`` or its steps, also for a rule that never matches. Callers:
``shared.recurrence``, which knows zones.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice, product

from shared.rrule import UNITS_S, Rrule

DAY_S = 86_400
#: 29 February falls on a given weekday every 28 years, every 40 around most turns of a century.
HORIZON_DAYS = 50 * 366
#: Days and times looked at in one search: some 100 ms.
STEPS_MAX = 200_000


class Spent(Exception):
    """A search has taken all its steps."""


def wall_times(rule: Rrule, anchor: datetime, begin: datetime, steps: int = STEPS_MAX) -> Iterator[datetime]:
    """Times on the wall clock from ``begin`` on, ascending; none before ``anchor``, where counting starts and which
    stands for what the rule leaves open (DTSTART). UNTIL is the caller's. Raises Spent.
    """
    rule = _completed(rule, anchor)
    # What is counted has to be counted from the first one.
    found = _Search(rule, anchor, anchor if rule.count else max(anchor, begin), steps).times()
    found = (each for each in found if each >= anchor)
    yield from (each for each in islice(found, rule.count) if each >= begin)


def _completed(rule: Rrule, anchor: datetime) -> Rrule:
    if not rule.sub_daily:
        rule = replace(rule, hours=rule.hours or (anchor.hour,))
    if rule.frequency not in ("MINUTELY", "SECONDLY"):
        rule = replace(rule, minutes=rule.minutes or (anchor.minute,))
    if rule.frequency != "SECONDLY":
        rule = replace(rule, seconds=rule.seconds or (anchor.second,))
    if rule.weeks or rule.year_days or rule.month_days or rule.days:
        return rule
    match rule.frequency:
        case "YEARLY":
            return replace(rule, months=rule.months or (anchor.month,), month_days=(anchor.day,))
        case "MONTHLY":
            return replace(rule, month_days=(anchor.day,))
        case "WEEKLY":
            return replace(rule, days=((0, anchor.weekday()),))
    return rule


class _Search:
    """One pass over a rule without gaps, from ``begin`` on."""

    def __init__(self, rule: Rrule, anchor: datetime, begin: datetime, steps: int) -> None:
        self._rule, self._anchor, self._steps, self._left = rule, anchor, steps, steps
        self._first = begin.toordinal()
        self._last = min(self._first + HORIZON_DAYS, date.max.toordinal() - 1)

    def times(self) -> Iterator[datetime]:
        for found in self._within_days() if self._rule.sub_daily else self._of_days():
            yield found
            if not self._rule.count:
                # Whoever lists many asks for another search each time; what is counted is one search for all.
                self._left = self._steps

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Spent

    def _of_days(self) -> Iterator[datetime]:
        rule = self._rule
        (second,) = rule.seconds
        times = [hour * 3600 + minute * 60 + second for hour, minute in product(rule.hours, rule.minutes)]
        for first, last in self._periods():
            if rule.positions:
                days = list(self._days(first, last))
                # Of so many times only those asked for are made: a year may have half a million.
                for place in _places(rule.positions, len(days) * len(times)):
                    yield _at(days[place // len(times)], times[place % len(times)])
            else:
                for day in self._days(max(first, self._first), last):
                    yield from (_at(day, time) for time in times)

    def _days(self, first: int, last: int) -> Iterator[int]:
        day = first
        while day <= last:
            self._step()
            today = date.fromordinal(day)
            if self._rule.months and today.month not in self._rule.months:
                day += calendar.monthrange(today.year, today.month)[1] - today.day + 1
                continue
            if _matches(self._rule, today):
                yield day
            day += 1

    def _periods(self) -> Iterator[tuple[int, int]]:
        """First and last day of each period the interval leaves, from the one of the first day on."""
        rule, anchor, begin = self._rule, self._anchor.date(), date.fromordinal(self._first)
        if (rule.frequency, rule.interval, rule.positions) == ("DAILY", 1, ()):
            yield self._first, self._last
            return
        index = _index(rule, begin) - _index(rule, anchor)
        index += -index % rule.interval
        while True:
            first, last = _span(rule, _index(rule, anchor) + index)
            if first > self._last:
                return
            self._step()
            yield first, last
            index += rule.interval

    def _within_days(self) -> Iterator[datetime]:
        for day in self._days(self._first, self._last):
            yield from (_at(day, time) for time in self._of_day(day))

    def _of_day(self, day: int) -> Iterator[int]:
        rule, anchor = self._rule, self._anchor
        unit = UNITS_S[rule.frequency]
        pace = unit * rule.interval
        origin = (anchor.hour * 3600 + anchor.minute * 60 + anchor.second) // unit * unit
        # The first period of this day, in seconds after midnight.
        first = (origin - (day - anchor.toordinal()) * DAY_S) % pace
        for hour in (rule.hours or range(24)) if first < DAY_S else ():
            begin = hour * 3600
            for time in range(begin + (first - begin) % pace, begin + 3600, pace):
                self._step()
                yield from self._of_period(time)

    def _of_period(self, time: int) -> list[int]:
        rule = self._rule
        if rule.frequency == "HOURLY":
            found = [time + minute * 60 + rule.seconds[0] for minute in rule.minutes]
        elif rule.minutes and time // 60 % 60 not in rule.minutes:
            found = []
        elif rule.frequency == "MINUTELY":
            found = [time + rule.seconds[0]]
        else:
            found = [time] if not rule.seconds or time % 60 in rule.seconds else []
        return [found[place] for place in _places(rule.positions, len(found))] if rule.positions else found


def _at(day: int, time: int) -> datetime:
    return datetime.fromordinal(day) + timedelta(seconds=time)


def _places(positions: tuple[int, ...], size: int) -> list[int]:
    return sorted({(each - 1 if each > 0 else size + each) for each in positions if abs(each) <= size})


def _index(rule: Rrule, day: date) -> int:
    match rule.frequency:
        case "YEARLY":
            return day.year
        case "MONTHLY":
            return day.year * 12 + day.month - 1
        case "WEEKLY":
            # Day 1 of the calendar was a Monday.
            return (day.toordinal() - 1 - rule.week_start) // 7
    return day.toordinal()


def _span(rule: Rrule, index: int) -> tuple[int, int]:
    """First and last day of a period; beyond the calendar, its end."""
    end = date.max.toordinal()
    match rule.frequency:
        case "YEARLY":
            return (date(index, 1, 1).toordinal(), date(index, 12, 31).toordinal()) if index <= 9998 else (end, end)
        case "MONTHLY":
            year, month = divmod(index, 12)
            if year > 9998:
                return end, end
            first = date(year, month + 1, 1).toordinal()
            return first, first + calendar.monthrange(year, month + 1)[1] - 1
        case "WEEKLY":
            first = index * 7 + 1 + rule.week_start
            return first, first + 6
    return index, index


def _matches(rule: Rrule, day: date) -> bool:
    """Whether the parts that name days leave this one; months are the caller's."""
    if rule.month_days:
        length = calendar.monthrange(day.year, day.month)[1]
        if day.day not in rule.month_days and day.day - length - 1 not in rule.month_days:
            return False
    if rule.days and not _has_day(rule, day):
        return False
    if rule.year_days:
        number = day.timetuple().tm_yday
        if number not in rule.year_days and number - 366 - calendar.isleap(day.year) not in rule.year_days:
            return False
    if rule.weeks:
        year, number = _week(day, rule.week_start)
        if number not in rule.weeks and number - _weeks(year, rule.week_start) - 1 not in rule.weeks:
            return False
    return True


def _has_day(rule: Rrule, day: date) -> bool:
    weekday = day.weekday()
    for ordinal, each in rule.days:
        if each == weekday:
            if not ordinal:
                return True
            in_month = rule.frequency == "MONTHLY" or rule.months
            number = day.day if in_month else day.timetuple().tm_yday
            length = calendar.monthrange(day.year, day.month)[1] if in_month else 365 + calendar.isleap(day.year)
            if ordinal in ((number - 1) // 7 + 1, -((length - number) // 7 + 1)):
                return True
    return False


def _week(day: date, start: int) -> tuple[int, int]:
    """The year a week belongs to, which has most of its days, and its number in it."""
    middle = day + timedelta(days=3 - (day.weekday() - start) % 7)
    return middle.year, (middle.timetuple().tm_yday - 1) // 7 + 1


@cache
def _weeks(year: int, start: int) -> int:
    return _week(date(year, 12, 28), start)[1]
