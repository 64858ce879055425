"""Schedules in words, as rules, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from caddie.models.offline import occasion, rhythm, schedule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("each weekday at 7:30", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=30"),
        ("every 15 minutes", "FREQ=MINUTELY;INTERVAL=15"),
        ("on the first Monday of the month at ten", "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=10;BYMINUTE=0"),
        ("every Friday at 5pm", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=0"),
        ("Tuesdays and Thursdays at 14:15", "FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=14;BYMINUTE=15"),
        ("friday evenings at six post the weekend program", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18;BYMINUTE=0"),
        ("tuesday to sunday at 20:00", "FREQ=WEEKLY;BYDAY=TU,WE,TH,FR,SA,SU;BYHOUR=20;BYMINUTE=0"),
        ("on the last day of every month at 23:00", "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=23;BYMINUTE=0"),
        ("on the 28th of each month at 18:00", "FREQ=MONTHLY;BYMONTHDAY=28;BYHOUR=18;BYMINUTE=0"),
        ("every night at 3", "FREQ=DAILY;BYHOUR=3;BYMINUTE=0"),
        ("each day at half past five in the afternoon", "FREQ=DAILY;BYHOUR=17;BYMINUTE=30"),
        ("every two hours", "FREQ=HOURLY;INTERVAL=2;BYMINUTE=0"),
        ("each quarter hour", "FREQ=MINUTELY;INTERVAL=15"),
        ("every year on March 3rd", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3;BYHOUR=9;BYMINUTE=0"),
        ("every 1st of January at midnight", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1;BYHOUR=0;BYMINUTE=0"),
        ("on June 12 each year at 9:30", "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=12;BYHOUR=9;BYMINUTE=30"),
        ("every quarter", "FREQ=YEARLY;BYMONTH=1,4,7,10;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0"),
        ("every monday in december at 8", "FREQ=WEEKLY;BYMONTH=12;BYDAY=MO;BYHOUR=8;BYMINUTE=0"),
        ("every day at 8 find flights to Rome in May", "FREQ=DAILY;BYHOUR=8;BYMINUTE=0"),
        ("mon wed and fri at 6pm", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYHOUR=18;BYMINUTE=0"),
    ],
)
def test_everyday_schedules_become_rules(text: str, rule: str) -> None:
    found = schedule.find(text)
    assert found is not None and found.rrule() == rule


@pytest.mark.parametrize("text", ["post the weekend program", "email me the report", "wait two minutes", "step 3"])
def test_what_names_no_schedule_gives_none(text: str) -> None:
    found = schedule.find(text)
    assert found is None or found.freq is None


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("in 2 hours", "2026-11-22T12:30:00"),
        ("tomorrow at 9", "2026-11-23T09:00:00"),
        ("next friday at 15:00", "2026-11-27T15:00:00"),
        ("on 3 december", "2026-12-03T09:00:00"),
        ("on january 5", "2027-01-05T09:00:00"),
    ],
)
def test_what_happens_once_gets_its_local_time(text: str, local: str) -> None:
    found = occasion.once(text, datetime(2026, 11, 22, 9, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert found is not None and found[0] == local


def test_a_rule_is_told_in_words() -> None:
    assert rhythm.tell("FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0") == "on the first Monday of every month at 09:00"
    assert rhythm.tell("FREQ=MINUTELY;INTERVAL=15") == "every 15 minutes"
    yearly = "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3;BYHOUR=9;BYMINUTE=0"
    assert rhythm.tell(yearly) == "every year on day 3 of March at 09:00"
