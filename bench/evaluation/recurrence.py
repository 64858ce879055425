"""Whether two schedules mean the same, as far as a case of the evaluation needs it.

Invariant: equal texts are equal schedules; of the ways to write one rule, the usual ones are known. Callers:
``checks``.
"""

from __future__ import annotations

_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")


def same(rrule: str, cron: str, wanted: str) -> bool:
    """Whether a trigger's rule or cron expression is the wanted rule."""
    return _normal(rrule or _from_cron(cron)) == _normal(wanted)


def _normal(rule: str) -> dict[str, str]:
    parts = dict(part.split("=", 1) for part in rule.upper().removeprefix("RRULE:").split(";") if "=" in part)
    if parts.get("BYSECOND") == "0":
        del parts["BYSECOND"]
    if parts.get("INTERVAL") == "1":
        del parts["INTERVAL"]
    for name, value in parts.items():
        if name.startswith("BY"):
            parts[name] = ",".join(sorted(each.lstrip("+") for each in value.split(",")))
    frequency = parts.get("FREQ")
    if frequency == "WEEKLY" and "BYDAY" in parts and "INTERVAL" not in parts:
        parts["FREQ"] = "DAILY"
    if (
        frequency == "MONTHLY"
        and parts.get("BYSETPOS") in ("1", "2", "3", "4", "-1")
        and len(parts.get("BYDAY", "")) == 2
    ):
        parts["BYDAY"] = parts.pop("BYSETPOS") + parts["BYDAY"]
    minutes = int(parts["INTERVAL"]) if frequency == "MINUTELY" and parts.get("INTERVAL", "").isdigit() else 0
    if minutes and 60 % minutes == 0:
        parts = {"FREQ": "HOURLY", "BYMINUTE": ",".join(sorted(str(at) for at in range(0, 60, minutes))),
                 **{name: value for name, value in parts.items() if name in ("BYHOUR", "BYDAY")}}  # fmt: skip
    if parts.get("FREQ") == "HOURLY":
        parts.setdefault("BYMINUTE", "0")
    return parts


def _from_cron(cron: str) -> str:
    """The rule of a cron expression of plain numbers, ranges of days and steps of minutes; else nothing."""
    fields = cron.split()
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if month != "*":
        return ""
    parts = []
    if minute.startswith("*/"):
        return f"FREQ=MINUTELY;INTERVAL={minute[2:]}" if (hour, day, weekday) == ("*", "*", "*") else ""
    if weekday != "*":
        parts.append(f"BYDAY={','.join(_weekdays(weekday))}")
    if day != "*":
        parts.append(f"BYMONTHDAY={day}")
    if hour.startswith("*/"):
        parts.append(f"INTERVAL={hour[2:]}")
    elif hour != "*":
        parts.append(f"BYHOUR={hour}")
    frequency = "MONTHLY" if day != "*" else "HOURLY" if hour.startswith("*") else "DAILY"
    return ";".join([f"FREQ={frequency}", *parts, f"BYMINUTE={minute}"])


def _weekdays(field: str) -> list[str]:
    found: list[str] = []
    for each in field.upper().split(","):
        first, _, last = each.partition("-")
        if first.isdigit():
            found += [_DAYS[at % 7] for at in range(int(first), int(last or first) + 1)]
        else:
            found.append(first[:2])
    return found
