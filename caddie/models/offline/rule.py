"""A schedule as data, and as a recurrence rule of RFC 5545.

Invariant: a rule made here names its minute whenever it names its hour, so nothing fires at a time left to chance.
Callers: ``schedule`` and its parts, ``rhythm``, ``occasion``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

DAYS = {"monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR", "saturday": "SA",
        "sunday": "SU"}  # fmt: skip
WORKDAYS = ("MO", "TU", "WE", "TH", "FR")
Time = tuple[int, int]
Span = tuple[int, int]
#: What counts instants rather than days.
FLOWING = ("HOURLY", "MINUTELY", "SECONDLY")


@dataclass(frozen=True, slots=True)
class Schedule:
    """freq None: only a time of day was said. times: (hour, minute). spans: where in the text it was said.

    position: the first (1) or last (-1) of the days in a month. window: the hours between which an interval fires;
    minutes: when within the hour.
    """

    freq: str | None = None
    interval: int = 1
    days: tuple[str, ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    position: int = 0
    times: tuple[Time, ...] = ()
    window: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    until: str = ""
    #: Times that differ from day to day.
    slots: tuple[tuple[str, Time], ...] = ()
    #: (month, day) of each, where they differ in both.
    dates: tuple[tuple[int, int], ...] = ()
    #: Whether days were left out of it.
    spared: bool = field(default=False, compare=False)
    spans: tuple[Span, ...] = field(default=(), compare=False)

    def rrule(self) -> str:
        # Once a minute is the most a schedule fires.
        seconds = self.freq == "SECONDLY"
        interval = -(-self.interval // 60) if seconds else self.interval
        freq = "MINUTELY" if seconds else self.freq or "DAILY"
        clock, positions = (self._within(), ()) if freq in FLOWING else self._clock()
        if positions and freq == "WEEKLY" and interval == 1 and not (self.position or self.slots):
            # The times of one day are counted, not those of a week.
            freq = "DAILY"
        parts = [f"FREQ={freq}"]
        if interval > 1:
            parts.append(f"INTERVAL={interval}")
        for name, values in (("BYMONTH", self.months), ("BYDAY", self.days), ("BYMONTHDAY", self.month_days)):
            if values:
                parts.append(f"{name}={','.join(map(str, values))}")
        parts += clock
        if positions:
            parts.append(f"BYSETPOS={','.join(map(str, positions))}")
        if self.until:
            parts.append(f"UNTIL={self.until}")
        return ";".join(parts)

    def _within(self) -> list[str]:
        hours = [f"BYHOUR={','.join(map(str, self.window))}"] if self.window else []
        if self.freq == "HOURLY":
            return [*hours, f"BYMINUTE={','.join(map(str, self.minutes or (0,)))}"]
        return hours

    def _clock(self) -> tuple[list[str], tuple[int, ...]]:
        """BYHOUR and BYMINUTE, and which of all their pairs are meant."""
        if self.slots:
            return self._apart()
        if self.dates:
            (hour, minute), grid = (self.times or ((9, 0),))[0], list(product(self.months, self.month_days))
            chosen = tuple(at + 1 for at, each in enumerate(grid) if each in self.dates)
            return [f"BYHOUR={hour}", f"BYMINUTE={minute}"], chosen
        times = self.times or ((9, 0),)
        hours, minutes = (sorted({each[at] for each in times}) for at in (0, 1))
        told = [f"BYHOUR={','.join(map(str, hours))}", f"BYMINUTE={','.join(map(str, minutes))}"]
        pairs = list(product(hours, minutes))
        if self.position:
            return told, (self.position,)
        if len(pairs) == len(set(times)):
            return told, ()
        single = self.freq == "DAILY" or (self.freq == "WEEKLY" and self.interval == 1)
        days = 1 if single else max(1, len(self.months)) * max(1, len(self.days), len(self.month_days))
        places = [at + 1 for at, pair in enumerate(pairs) if pair in times]
        return told, tuple(day * len(pairs) + place for day in range(days) for place in places)

    def _apart(self) -> tuple[list[str], tuple[int, ...]]:
        """The same of days with times of their own."""
        hours, minutes = (sorted({time[at] for _, time in self.slots}) for at in (0, 1))
        grid = list(product(sorted(self.days, key=_order), product(hours, minutes)))
        told = [f"BYHOUR={','.join(map(str, hours))}", f"BYMINUTE={','.join(map(str, minutes))}"]
        return told, tuple(at + 1 for at, slot in enumerate(grid) if slot in self.slots)


def _order(day: str) -> int:
    return list(DAYS.values()).index(day)


def read(rrule: str) -> Schedule:
    """A recurrence rule back as a schedule; parts this module does not make are lost."""
    parts = dict(part.split("=", 1) for part in rrule.removeprefix("RRULE:").split(";") if "=" in part)

    def numbers(name: str) -> tuple[int, ...]:
        return tuple(int(value) for value in parts.get(name, "").split(",") if re.fullmatch(r"-?\d+", value))

    freq, hours, minutes = parts.get("FREQ"), numbers("BYHOUR"), numbers("BYMINUTE")
    days = tuple(day for day in parts.get("BYDAY", "").split(",") if day)
    flowing = freq in FLOWING
    pairs, positions = [] if flowing else list(product(hours, minutes or (0,))), numbers("BYSETPOS")
    if freq == "WEEKLY" and positions and pairs and set(days) <= set(DAYS.values()):
        grid = list(product(sorted(days, key=_order), pairs))
        slots = tuple(grid[each - 1] for each in positions if 0 < each <= len(grid))
        interval = next(iter(numbers("INTERVAL")), 1)
        shared = {day: [time for other, time in slots if other == day] for day in days}
        if len(set(map(tuple, shared.values()))) > 1:
            return Schedule(freq, interval, days=days, slots=slots, until=parts.get("UNTIL", ""))
    months, month_days = numbers("BYMONTH"), numbers("BYMONTHDAY")
    if freq == "YEARLY" and positions and months and month_days and len(pairs) == 1:
        grid_of_dates = list(product(sorted(months), sorted(month_days)))
        dates = tuple(grid_of_dates[each - 1] for each in positions if 0 < each <= len(grid_of_dates))
        return Schedule(freq, months=months, month_days=month_days, times=tuple(pairs), dates=dates)
    position = positions[0] if len(positions) == 1 and freq in ("MONTHLY", "YEARLY") and len(days) > 1 else 0
    if positions and not position and pairs:
        places = {(each - 1) % len(pairs) for each in positions if each > 0}
        pairs = [pair for at, pair in enumerate(pairs) if at in places]
    if freq == "DAILY" and days and days != tuple(DAYS.values()):
        freq = "WEEKLY" if parts.get("INTERVAL", "1") == "1" else freq
    return Schedule(
        freq=freq,
        interval=next(iter(numbers("INTERVAL")), 1),
        days=days,
        month_days=month_days,
        months=months,
        position=position,
        times=tuple(pairs),
        window=hours if flowing else (),
        minutes=minutes if flowing else (),
        until=parts.get("UNTIL", ""),
    )


def every(minutes: int, first: Time, last: Time) -> tuple[Time, ...]:
    """The times of a day, so many minutes apart, from the first to the last."""
    begin, end = first[0] * 60 + first[1], last[0] * 60 + last[1]
    return tuple(divmod(at, 60) for at in range(begin, min(end, 24 * 60 - 1) + 1, minutes))
