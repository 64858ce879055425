"""Schedules in words, as rules, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from caddie.models.offline import occasion, rhythm, schedule, starts


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
        ("on the last working day of each month", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1"),
        ("mornings and evenings", "FREQ=DAILY;BYHOUR=8,18;BYMINUTE=0"),
        ("three times a week", "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYHOUR=9;BYMINUTE=0"),
        ("quarter to nine on school days", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=45"),
        ("at 9am and 3:30pm every day", "FREQ=DAILY;BYHOUR=9,15;BYMINUTE=0,30;BYSETPOS=1,4"),
        ("weekdays at 8am and weekends at 10am", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=8,10;BYMINUTE=0;"
         "BYSETPOS=1,3,5,7,9,12,14"),
        ("every 20 minutes during business hours", "FREQ=MINUTELY;INTERVAL=20;BYDAY=MO,TU,WE,TH,FR;"
         "BYHOUR=9,10,11,12,13,14,15,16"),
        ("every two hours during the working day", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,11,13,15,17;BYMINUTE=0"),
        ("every 90 minutes between 9 and 5", "FREQ=DAILY;BYHOUR=9,10,12,13,15,16;BYMINUTE=0,30;"
         "BYSETPOS=1,4,5,8,9,12"),
        ("every 30 minutes only at night", "FREQ=MINUTELY;INTERVAL=30;BYHOUR=0,1,2,3,4,5,22,23"),
        ("at five past every hour", "FREQ=HOURLY;BYMINUTE=5"),
        ("every hour and a half", "FREQ=MINUTELY;INTERVAL=90"),
        ("every second Tuesday at 7pm", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;BYHOUR=19;BYMINUTE=0"),
        ("every second Tuesday of the month", "FREQ=MONTHLY;BYDAY=2TU;BYHOUR=9;BYMINUTE=0"),
        ("on the 1st and 15th of each month", "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=9;BYMINUTE=0"),
        ("every day except Sundays at 10", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA;BYHOUR=10;BYMINUTE=0"),
        ("every Christmas Eve at noon", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;BYHOUR=12;BYMINUTE=0"),
        ("every day at 8, 12 and 6pm", "FREQ=DAILY;BYHOUR=8,12,18;BYMINUTE=0"),
        ("on May 1st and on October 3rd", "FREQ=YEARLY;BYMONTH=5,10;BYMONTHDAY=1,3;BYHOUR=9;BYMINUTE=0;BYSETPOS=1,4"),
        ("every Sunday, except in August", "FREQ=WEEKLY;BYMONTH=1,2,3,4,5,6,7,9,10,11,12;BYDAY=SU;BYHOUR=9;BYMINUTE=0"),
        ("on the 5th working day of every month", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0;BYSETPOS=5"),
        ("at the end of the week", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=0"),
        ("Fridays at five", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=0"),
        ("half an hour before midnight each night", "FREQ=DAILY;BYHOUR=23;BYMINUTE=30"),
        ("every morning except on weekends", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=0"),
        ("each quarter, on the first Monday", "FREQ=MONTHLY;BYMONTH=1,4,7,10;BYDAY=1MO;BYHOUR=9;BYMINUTE=0"),
        ("twice a year, on 1 April and 1 October", "FREQ=YEARLY;BYMONTH=4,10;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0"),
        ("every morning send the weekly report", "FREQ=DAILY;BYHOUR=8;BYMINUTE=0"),
        ("send a weekly report at 8", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=8;BYMINUTE=0"),
        ("every 6 hours starting at 7am", "FREQ=DAILY;BYHOUR=1,7,13,19;BYMINUTE=0"),
    ],  # fmt: skip
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


@pytest.mark.parametrize(
    ("text", "rule", "start"),
    [
        ("from December on, every Sunday", "FREQ=WEEKLY;BYDAY=SU;BYHOUR=9;BYMINUTE=0", "2026-12-01T00:00:00"),
        ("every day until Christmas", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;UNTIL=20261225T235959", None),
        ("every day at 8 for the next two weeks", "FREQ=DAILY;BYHOUR=8;BYMINUTE=0;UNTIL=20261205T235959", None),
        ("every day at 8 post the forecast for the next two weeks", "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", None),
    ],
)
def test_a_schedule_has_the_bounds_that_are_said_of_it(text: str, rule: str, start: str | None) -> None:
    found, _ = starts.trigger(f"{text} log it", "Europe/Berlin", datetime(2026, 11, 22, 9, 30, tzinfo=UTC))
    assert found is not None and (found.payload["rrule"], found.payload.get("start")) == (rule, start)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("at 5pm London time", "Europe/London"),
        ("9am EST daily", "America/New_York"),
        ("daily at 6 pm Pacific time", "America/Los_Angeles"),
        ("every day at 10:00 (Tokyo)", "Asia/Tokyo"),
        ("every day at 6pm CET", "Europe/Berlin"),
        ("every day at 6pm Paris time", "Europe/Paris"),
        ("at 8am Eastern every weekday", "America/New_York"),
        ("at 9 fetch the news in Paris", "Europe/Berlin"),
    ],
)
def test_a_time_zone_is_taken_from_beside_the_time(text: str, zone: str) -> None:
    found, _ = starts.trigger(text, "Europe/Berlin")
    assert found is not None and found.payload["timezone"] == zone


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=DAILY;BYHOUR=9,15;BYMINUTE=0,30;BYSETPOS=1,4", "every day at 09:00 and 15:30"),
        ("FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=8,16;BYMINUTE=0;BYSETPOS=1,4",
         "every Monday at 08:00 and every Friday at 16:00"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1",
         "on the last working day of every month at 09:00"),
        ("FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11", "every 15 minutes from 09:00 to 12:00"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;UNTIL=20261225T235959", "every day at 09:00, until 25 December 2026"),
    ],
)  # fmt: skip
def test_what_a_rule_is_limited_to_is_told(rule: str, told: str) -> None:
    assert rhythm.tell(rule) == told


def test_what_happens_once_is_told_as_that() -> None:
    assert rhythm.tell("FREQ=DAILY;COUNT=1", "2026-11-23T08:00:00") == "once, on 23 November 2026 at 08:00"


def test_a_rule_is_told_in_words() -> None:
    assert rhythm.tell("FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0") == "on the first Monday of every month at 09:00"
    assert rhythm.tell("FREQ=MINUTELY;INTERVAL=15") == "every 15 minutes"
    yearly = "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3;BYHOUR=9;BYMINUTE=0"
    assert rhythm.tell(yearly) == "every year on day 3 of March at 09:00"
