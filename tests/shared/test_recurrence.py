"""When schedules fire, held against walks through whole years and another implementation of the RFC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.recurrence import faults, latest, occurrences, upcoming
from shared.rrule import RuleError, parse

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
YEARS = (2024, 2025)
QUARTER = timedelta(minutes=15)
SECOND = timedelta(seconds=1)


@cache
def year(zone: str, number: int) -> tuple[dict[datetime, list[datetime]], dict[datetime, datetime]]:
    """Every quarter of an hour: what the clock shows → when; what it leaves out → the moment after."""
    shown: dict[datetime, list[datetime]] = {}
    left_out: dict[datetime, datetime] = {}
    place = ZoneInfo(zone)
    moment, end = datetime(number - 1, 12, 31, tzinfo=UTC), datetime(number + 1, 1, 2, tzinfo=UTC)
    before = None
    while moment < end:
        wall = moment.astimezone(place).replace(tzinfo=None)
        shown.setdefault(wall, []).append(moment)
        while before is not None and before + QUARTER < wall:
            before += QUARTER
            left_out[before] = moment
        before, moment = wall, moment + QUARTER
    return shown, left_out


def walked(zone: str, number: int, named: Callable[[datetime], bool], every_hour: bool = False) -> list[datetime]:
    """The times of a year at whose wall clock time ``named`` is true."""
    shown, left_out = year(zone, number)
    found = {moments[0] for wall, moments in shown.items() if named(wall)}
    if every_hour:
        found |= {moment for wall, moments in shown.items() if named(wall) for moment in moments}
    found |= {moment for wall, moment in left_out.items() if named(wall)}
    first, last = bounds(number)
    return sorted(moment for moment in found if first < moment < last)


def bounds(number: int) -> tuple[datetime, datetime]:
    return datetime(number, 1, 1, tzinfo=UTC) - SECOND, datetime(number + 1, 1, 1, tzinfo=UTC)


def listed(payload: dict[str, Any], number: int) -> list[datetime]:
    first, last = bounds(number)
    found = []
    for moment in occurrences(payload, first, first):
        if moment >= last:
            break
        found.append(moment)
    return found


QUARTERS = st.lists(st.sampled_from([0, 15, 30, 45]), min_size=1, max_size=4, unique=True)
HOURS = st.lists(st.sampled_from([0, 1, 2, 3, 4, 9, 23]), min_size=1, max_size=3, unique=True)
CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAYS = st.lists(st.sampled_from(CODES), min_size=1, max_size=3, unique=True)


def joined(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


@settings(max_examples=30, deadline=None)
@given(zone=st.sampled_from(ZONES), number=st.sampled_from(YEARS), hours=HOURS, minutes=QUARTERS, data=st.data())
def test_a_cron_expression_is_what_the_clock_shows(
    zone: str, number: int, hours: list[int], minutes: list[int], data: st.DataObject
) -> None:
    days = data.draw(st.lists(st.integers(1, 31), max_size=3, unique=True))
    months = data.draw(st.lists(st.integers(1, 12), max_size=4, unique=True))
    weekdays = data.draw(st.lists(st.integers(0, 6), max_size=3, unique=True))
    assume(not days or max(days) < 29 or not months or weekdays)
    every_hour = data.draw(st.booleans())
    fields = [joined(minutes), "*" if every_hour else joined(hours)]
    fields += [joined(each) or "*" for each in (days, months, weekdays)]

    def named(wall: datetime) -> bool:
        on_day, on_weekday = wall.day in days, (wall.weekday() + 1) % 7 in weekdays
        today = on_day or on_weekday if days and weekdays else (on_day or not days) and (on_weekday or not weekdays)
        hour = every_hour or wall.hour in hours
        return today and hour and wall.minute in minutes and (not months or wall.month in months)

    payload = {"cron": " ".join(fields), "timezone": zone}
    assert listed(payload, number) == walked(zone, number, named, every_hour)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules of every frequency that another implementation can be asked about without waiting for it."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]))


    def some(*numbers: int) -> str:
        return joined(draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=3, unique=True)))

    parts = [f"FREQ={frequency}", f"BYMINUTE={joined(draw(QUARTERS))}"]
    if frequency != "MINUTELY" or draw(st.booleans()):
        parts.append(f"BYHOUR={joined(draw(HOURS))}")
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 3 if frequency != 'MINUTELY' else 1))}")
    if draw(st.booleans()):
        parts.append(f"BYMONTH={joined(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True)))}")
    how = draw(st.sampled_from(["day", "ordinal", "monthday", "yearday", "week", "none"]))
    if how == "ordinal" and frequency in ("YEARLY", "MONTHLY"):
        ordinal = st.sampled_from([1, 2, 4, -1, -2])
        parts.append(f"BYDAY={','.join(f'{draw(ordinal)}{code}' for code in draw(WEEKDAYS))}")
    elif how == "monthday" and frequency != "WEEKLY":
        parts.append(f"BYMONTHDAY={some(1, 13, 28, -1, -5)}")
        if draw(st.booleans()):
            parts.append(f"BYDAY={','.join(draw(WEEKDAYS))}")
    elif how == "yearday" and frequency in ("YEARLY", "HOURLY"):
        parts.append(f"BYYEARDAY={some(1, 60, 200, -1)}")
    elif how == "week" and frequency == "YEARLY":
        parts.append(f"BYWEEKNO={some(1, 10, 30, 52, -1)}")
        parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU']))}")
    elif how == "day":
        parts.append(f"BYDAY={','.join(draw(WEEKDAYS))}")
        parts.append(f"WKST={draw(st.sampled_from(CODES))}")
    if draw(st.booleans()) and frequency != "MINUTELY":
        parts.append(f"BYSETPOS={some(1, 2, 3, -1, -2)}")
    end = draw(st.sampled_from(["", "COUNT=1", "COUNT=7", "UNTIL=20250601T120000"]))
    return ";".join([*parts, *([end] if end else [])])


STARTS = st.datetimes(datetime(2023, 6, 1), datetime(2025, 11, 30)).map(
    lambda at: at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
)


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), rule=rules(), start=STARTS)
def test_a_recurrence_rule_is_what_another_implementation_lists_at_the_moments_the_clock_shows(
    zone: str, rule: str, start: datetime
) -> None:
    assume(not ("BYYEARDAY" in rule and "BYMONTH=" in rule) and not ("BYWEEKNO" in rule and "BYMONTH=" in rule))
    try:
        oracle = rrulestr(rule, dtstart=start)
    except ValueError:
        # It refuses hours that the interval never reaches.
        oracle = []
    named = set(takewhile(lambda wall: wall.year <= 2026, oracle))
    payload = {"rrule": rule, "timezone": zone, "start": start.isoformat()}
    every_hour = parse(rule).steady and "COUNT" not in rule
    for number in YEARS:
        if start.year <= number:
            assert listed(payload, number) == walked(zone, number, named.__contains__, every_hour)


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def first(payload: dict[str, Any], number: int, after: str = "2025-01-01T00:00:00Z") -> list[str]:
    found = islice(occurrences(payload, at(after), at(after)), number)
    return [moment.isoformat().replace("+00:00", "Z") for moment in found]


def test_a_time_the_clock_leaves_out_comes_once_right_after_the_change() -> None:
    payload = {"cron": "*/15 2 * * *", "timezone": "Europe/Berlin"}
    assert first(payload, 2, "2025-03-30T00:45:00Z") == ["2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z"]
    payload = {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=15", "timezone": "Australia/Lord_Howe"}
    assert first(payload, 1, "2025-10-04T15:00:00Z") == ["2025-10-04T15:30:00Z"]
    # 30 December 2011 was left out on Samoa.
    payload = {"cron": "0 9 30 12 *", "timezone": "Pacific/Apia"}
    assert first(payload, 1, "2011-12-30T00:00:00Z") == ["2011-12-30T10:00:00Z"]


def test_a_time_that_comes_twice_fires_the_first_time_only() -> None:
    payload = {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Berlin"}
    assert first(payload, 2, "2025-10-26T00:00:00Z") == ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]
    assert first(payload, 1, "2025-10-26T00:30:00Z") == ["2025-10-27T01:30:00Z"]


@pytest.mark.parametrize("rule", [{"cron": "*/30 * * * *"}, {"rrule": "FREQ=MINUTELY;INTERVAL=30"}])
def test_a_schedule_of_every_hour_runs_through_the_repeated_hour(rule: dict[str, str]) -> None:
    payload = {**rule, "timezone": "Europe/Berlin", "start": "2025-10-01"}
    expected = ["2025-10-26T00:00:00Z", "2025-10-26T00:30:00Z", "2025-10-26T01:00:00Z", "2025-10-26T01:30:00Z"]
    expected.append("2025-10-26T02:00:00Z")
    assert first(payload, 5, "2025-10-25T23:30:00Z") == expected
    for before, moment in zip(expected, expected[1:], strict=False):
        assert upcoming(payload, at(before)) == at(moment)


def test_a_start_with_an_offset_is_a_moment_even_in_the_repeated_hour() -> None:
    payload = {"rrule": "FREQ=DAILY;COUNT=2", "start": "2025-10-26T02:30:00+01:00", "timezone": "Europe/Berlin"}
    assert first(payload, 3) == ["2025-10-26T01:30:00Z", "2025-10-27T01:30:00Z"]


def test_once_is_a_count_of_one_from_the_start() -> None:
    payload = {"rrule": "FREQ=DAILY;COUNT=1", "start": "2025-06-01T15:00:00", "timezone": "America/New_York"}
    assert first(payload, 2) == ["2025-06-01T19:00:00Z"]
    assert upcoming(payload, at("2025-06-01T19:00:00Z")) is None


def test_counting_starts_when_the_schedule_was_made() -> None:
    made = at("2025-01-01T10:15:42.5Z")
    payload = {"rrule": "RRULE:FREQ=HOURLY;COUNT=3"}
    found = list(occurrences(payload, made, made))
    assert [moment.isoformat() for moment in found] == [f"2025-01-01T{hour}:16:00+00:00" for hour in (10, 11, 12)]
    assert upcoming(payload, found[1], made) == found[2]
    assert upcoming(payload, found[2], made) is None
    every_other = {"rrule": "FREQ=DAILY;INTERVAL=2;BYHOUR=9"}
    assert [upcoming(every_other, made + timedelta(days=day), made) for day in (0, 1, 2)] == [
        at("2025-01-03T09:00:00Z"), at("2025-01-03T09:00:00Z"), at("2025-01-05T09:00:00Z"),
    ]  # fmt: skip


def test_until_is_included_a_date_as_a_whole_day() -> None:
    rule = {"rrule": "FREQ=DAILY;BYHOUR=9;UNTIL=20250103", "timezone": "Europe/Berlin"}
    assert len(first(rule, 9)) == 3
    rule["rrule"] = "FREQ=DAILY;BYHOUR=9;UNTIL=20250103T080000Z"
    assert len(first(rule, 9)) == 3
    rule["rrule"] = "FREQ=DAILY;BYHOUR=9;UNTIL=20250103T075959Z"
    assert len(first(rule, 9)) == 2


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9", ["2025-01-31", "2025-02-28", "2025-03-28"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=9", ["2025-01-31", "2025-02-28", "2025-03-31"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=9", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU;BYHOUR=9", ["2032-02-29", "2060-02-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;BYHOUR=9", ["2025-01-31", "2025-03-31", "2025-05-31"]),
        ("FREQ=YEARLY;BYYEARDAY=-1;BYHOUR=9", ["2025-12-31", "2026-12-31", "2027-12-31"]),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=TH;BYHOUR=9", ["2026-12-31", "2032-12-30", "2037-12-31"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU;BYHOUR=9", ["2025-01-12", "2025-01-26", "2025-02-09"]),
        ("FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=9;BYMINUTE=0,30;BYSETPOS=-1", ["2025-12-31", "2026-12-31"]),
    ],
)
def test_calendars(rule: str, expected: list[str]) -> None:
    assert [each[:10] for each in first({"rrule": rule}, len(expected))] == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 9 L * *", ["2025-01-31", "2025-02-28"]), ("0 9 * * FRI#2", ["2025-01-10", "2025-02-14"]),
        ("0 9 29 2 *", ["2028-02-29", "2032-02-29"]), ("0 9 13 * FRI", ["2025-01-03", "2025-01-10", "2025-01-13"]),
        ("0 0 1 jan-mar/2 *", ["2025-01-01", "2025-03-01"]),
    ],
)  # fmt: skip
def test_cron_expressions(cron: str, expected: list[str]) -> None:
    found = first({"cron": cron}, len(expected), "2024-12-31T12:00:00Z")
    assert [each[:10] for each in found] == expected


NEVER = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=6;BYMONTHDAY=31", "FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=1", "FREQ=HOURLY;INTERVAL=2;BYHOUR=1",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "FREQ=DAILY;INTERVAL=7;BYDAY=SA",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "FREQ=SECONDLY;INTERVAL=61;BYMINUTE=0;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;INTERVAL=100000;BYMONTH=3",
]  # fmt: skip


@pytest.mark.parametrize("rule", NEVER)
def test_a_rule_that_never_matches_ends_soon(rule: str) -> None:
    payload = {"rrule": rule, "start": "2025-04-01"}
    begun = time.process_time()
    assert upcoming(payload, at("2025-04-02T00:00:00Z")) is None
    assert time.process_time() - begun < 1


def test_a_rule_that_never_matches_is_a_fault() -> None:
    for payload in ({"rrule": NEVER[0]}, {"rrule": NEVER[1]}, {"cron": "0 0 30 2 *"}, {"cron": "0 0 31 2,4 *"}):
        assert [field for field, _ in faults(payload)] == [next(iter(payload))]
    assert faults({"rrule": "FREQ=DAILY;BYHOUR=9;UNTIL=20200101", "timezone": "Europe/Berlin"}) == []
    assert faults({"rrule": "FREQ=DAILY;COUNT=1", "start": "2020-01-01T09:00"}) == []
    assert faults({}) == []


@pytest.mark.parametrize(
    ("payload", "field", "said"),
    [
        ({"rrule": "FREQ=SECONDLY"}, "rrule", "once a minute"),
        ({"rrule": "FREQ=SECONDLY;INTERVAL=30"}, "rrule", "once a minute"),
        ({"rrule": "FREQ=MINUTELY;BYSECOND=0,30"}, "rrule", "once a minute"),
        ({"rrule": "FREQ=HOURLY;BYMINUTE=60"}, "rrule", "from 0 to 59"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL"),
        ({"rrule": f"FREQ=DAILY;INTERVAL={'9' * 400}"}, "rrule", "INTERVAL"),
        ({"rrule": "FREQ=DAILY;COUNT=10001"}, "rrule", "COUNT"),
        ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20300101"}, "rrule", "both"),
        ({"rrule": "FREQ=DAILY;UNTIL=20301301"}, "rrule", "UNTIL"),
        ({"rrule": "FREQ=DAILY;UNTIL=99991231"}, "rrule", ""),
        ({"rrule": "FREQ=DAILY;BYDAY=1MO"}, "rrule", "without numbers"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=0MO"}, "rrule", "BYDAY"),
        ({"rrule": "FREQ=WEEKLY;BYMONTHDAY=1"}, "rrule", "BYMONTHDAY"),
        ({"rrule": "FREQ=MONTHLY;BYSETPOS=1"}, "rrule", "alone"),
        ({"rrule": "FREQ=DAILY;FREQ=DAILY"}, "rrule", "once for each"),
        ({"rrule": "FREQ=DAILY;BYEASTER=1"}, "rrule", "RFC 5545"),
        ({"rrule": "BYHOUR=9"}, "rrule", "FREQ"),
        ({"rrule": "FREQ=DAILY;" + "BYHOUR=1;" * 200}, "rrule", "1000 characters"),
        ({"rrule": "FREQ={{$vars.often}}"}, "rrule", "expression"),
        ({"rrule": "FREQ=DAILY", "cron": "* * * * *"}, "rrule", "both"),
        ({"cron": "61 * * * *"}, "cron", "minute"),
        ({"cron": "* * * * * *"}, "cron", "5 fields"),
        ({"cron": f"{'9' * 200} * * * *"}, "cron", "cron expression"),
        ({"cron": "* * * * 5-1"}, "cron", "day-of-week"),
        ({"cron": "0 9 * * *", "timezone": "Mars/Olympus"}, "timezone", "IANA"),
        ({"cron": "0 9 * * *", "timezone": "../../etc/passwd"}, "timezone", "IANA"),
        ({"cron": "0 9 * * *", "timezone": "America"}, "timezone", "IANA"),
        ({"cron": "0 9 * * *", "start": "2025-02-30"}, "start", "ISO 8601"),
        ({"cron": "0 9 * * *", "start": "0001-01-01"}, "start", "1970"),
        ({"cron": 5}, "cron", "text"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_field(payload: dict[str, Any], field: str, said: str) -> None:
    found = faults(payload)
    if not said:
        assert found == []
        return
    assert [each for each, _ in found] == [field] and said in found[0][1]
    with pytest.raises(RuleError):
        upcoming(payload, at("2025-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    "payload",
    [
        {"cron": "*/7 * * * *"}, {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}, {"rrule": "FREQ=MINUTELY"},
        {"rrule": "FREQ=MINUTELY;COUNT=5000"}, {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17"},
        {"rrule": "FREQ=DAILY;UNTIL=20250401T120000Z"}, {"rrule": "FREQ=MINUTELY;BYMONTH=1"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("days", [0.0, 0.01, 1.5, 40, 400])
def test_the_latest_missed_time_is_the_last_one_listed(payload: dict[str, str], days: float) -> None:
    made = at("2025-01-01T10:15:42Z")
    due = upcoming(payload, made, made)
    assert due is not None
    moment = due + timedelta(days=days)
    begun = time.process_time()
    found = latest(payload, due, moment, made)
    assert time.process_time() - begun < 2
    assert due <= found <= moment
    following = upcoming(payload, found, made)
    assert following is None or following > moment
    assert upcoming(payload, found - SECOND, made) == found


def test_a_day_is_not_searched_from_the_beginning_of_time() -> None:
    payload = {"rrule": "FREQ=MINUTELY;INTERVAL=7", "start": "1970-01-01"}
    begun = time.process_time()
    assert upcoming(payload, at("2025-01-01T00:00:00Z")) is not None
    assert time.process_time() - begun < 0.1
