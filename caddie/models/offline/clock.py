"""Times of day in everyday English: "half past three", "at 9am and 3:30pm", "mornings and evenings", "between 9 and 5".

Invariant: a bare number is a time only behind a word that says so. Callers: ``schedule``, ``occasion``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from caddie.models.offline.rule import Span, Time

_HOURS = {
    word: at + 1 for at, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split())
}
_SHIFTS = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twenty-five": 25, "twenty five": 25}
_SAID = {"fifteen": 15, "thirty": 30, "forty-five": 45, "forty five": 45, "twenty": 20, "ten": 10, "fifty": 50}
#: What begins when: a part of the day, and the hours it has.
PARTS: dict[str, tuple[Time, range]] = {
    "morning": ((8, 0), range(6, 12)), "noon": ((12, 0), range(11, 14)), "lunchtime": ((12, 0), range(11, 14)),
    "midday": ((12, 0), range(11, 14)), "afternoon": ((15, 0), range(12, 18)), "evening": ((18, 0), range(18, 22)),
    "night": ((22, 0), range(22, 30)), "midnight": ((0, 0), range(0, 1)),
}  # fmt: skip
_PART = r"morning|noon|lunchtime|midday|afternoon|evening|night|midnight"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun|week|work|school|holi)day"
_EACH = r"(?:every|each|once\s+(?:an?|per|every|each)|per|all)"
#: "every Monday morning", "in the evening", "mornings and evenings", "nightly".
_PARTED = re.compile(
    rf"\b(?:(?:{_EACH}|in\s+the|during\s+the|at|on|{_DAY}s?)\s+(?:(?!to\b|from\b|the\b)[\w']+\s+)?(?:{_PART})s?|"
    r"mornings|afternoons|evenings|nights|(?P<nightly>nightly)|(?:morning|noon)(?=\s*(?:,|and|&)"
    r"\s*(?:every\s+)?(?:evening|night|noon)))"
    rf"(?:\s*(?:,|and|&|or|\+)\s*(?:and\s+)?(?:{_EACH}\s+|in\s+the\s+|at\s+|\w+day\s+)?(?:{_PART})s?\b)*",
    re.I,
)
#: A time of day that an office or a home names otherwise.
_MARKS: tuple[tuple[re.Pattern[str], Time], ...] = tuple(
    (re.compile(pattern, re.I), time)
    for pattern, time in (
        (r"\b(?:at|by|towards?|near|before)\s+(?:the\s+)?(?:end|close)\s+of\s+(?:the|every|each|my|our|a)\s+"
         r"(?:(?:working|business|work|office)\s*)?day\b|"
         r"\b(?:at|by)\s+(?:close\s+of\s+business|cob|eod)\b", (17, 0)),
        (r"\b(?:at|before|around)\s+(?:the\s+)?(?:start|beginning)\s+of\s+(?:the|every|each|my|our)\s+"
         r"(?:working\s+|business\s+|work\s*)?day\b", (9, 0)),
        (r"\b(?:before|at)\s+bed(?:\s?time)?\b|\bbefore\s+(?:i|we)\s+go\s+to\s+bed\b", (22, 0)),
        (r"\b(?:at|before|over|with)\s+breakfast(?:\s?time)?\b|\bwhen\s+i\s+(?:wake|get)\s+up\b", (7, 0)),
        (r"\bafter\s+lunch\b", (13, 0)), (r"\b(?:at|before|over)\s+lunch\b(?!\s?time)", (12, 0)),
        (r"\b(?:at|before)\s+dinner(?:\s?time)?\b|\bafter\s+work\b", (18, 0)),
        (r"\bat\s+(?:dawn|sunrise)\b", (6, 0)), (r"\bat\s+(?:dusk|sunset)\b", (20, 0)),
    )
)  # fmt: skip
_WORDS = "|".join(_HOURS)
_UNIT = (
    r"(?:%|percent|per\s+cent|minutes?\b(?!\s+(?:past|to)\b)|mins?\b|seconds?|days?|weeks?|months?|years?|"
    r"times|euros?|dollars?|degrees|items?|people)"
)


def _time(tag: str) -> str:
    """A time of day as a pattern whose groups end in ``tag``."""
    return (
        rf"(?:(?:(?P<shift{tag}>half(?:\s+an\s+hour)?|(?:a\s+)?quarter(?:\s+of\s+an\s+hour)?|(?:an|one|two|three)"
        rf"\s+hours?|five|ten|"
        rf"twenty(?:[-\s]five)?|\d{{1,2}})(?:\s+minutes?)?\s+(?P<way{tag}>past|to|after|before|till)\s+|"
        rf"(?P<half{tag}>half)\s+(?=(?:\d|{_WORDS})))?"
        rf"(?:(?P<word{tag}>noon|midnight|midday)\b|"
        rf"(?P<four{tag}>(?:[01]\d|2[0-3])[0-5]\d)(?=\s*(?:h\b|hrs\b|hours\b|[,.;:]|$|\s))|"
        rf"(?P<hour{tag}>\d{{1,2}}|(?:{_WORDS})\b))"
        rf"(?:[:.h](?P<minute{tag}>\d{{2}})(?!\d)|\s+(?P<said{tag}>{'|'.join(_SAID)})\b)?"
        rf"\s*(?P<suffix{tag}>[ap]\.?\s?m\b\.?|o['’]?\s?clock\b|(?<=\d)h\b|(?<=\d{{4}})\s?(?:hrs|hours)\b)?"
        rf"(?![\w%]|[.:]\d)(?!\s+{_UNIT})"
        rf"(?:\s+(?:in\s+the|at|sharp\s+in\s+the)\s+(?P<part{tag}>morning|afternoon|evening|night)\b)?)(?:\s+sharp\b)?"
    )


_LEAD = r"(?:(?:at|@|from)\s+(?:about|around|approximately|exactly|roughly|precisely)\s+|(?:at|@|around)\s*(?<=[@\s]))"
_FIRST = re.compile(rf"(?<![\w.,:/#-])(?P<lead>{_LEAD}|)(?:{_time('')})", re.I)
_CHANGED = re.compile(rf"(?<![\w.,:/#-])(?P<lead>{_LEAD}|(?:to|by|for)\s+|)(?:{_time('')})", re.I)
_MORE = re.compile(
    rf"\s*(?:,\s*(?:and\s+)?(?:again\s+)?|(?:and|&|/|\+|plus|as\s+well\s+as)\s*(?:then\s+)?(?:again\s+)?)(?:at\s+|"
    rf"@\s*)?"
    rf"(?:(?:(?:in\s+)?the|every|each)\s+(?P<before>morning|afternoon|evening)"
    rf"s?\s+(?:at\s+)?)?(?:at\s+)?(?:{_time('')})",
    re.I,
)
#: "between 9 and 5", "from 8:30 to 17:30", "9-5".
_BETWEEN = re.compile(
    rf"\b(?:only\s+)?(?:(?:between|from|starting\s+at|beginning\s+at)\s+)?(?<![\d.:/-]){_time('1')}\s*(?:to|till|"
    rf"until|through|and|-|–|up\s+to|ending\s+at)\s*(?:at\s+)?{_time('2')}(?!\s*-)",
    re.I,
)
_OFFICE = re.compile(
    r"\b(?:only\s+)?(?:during|in|within|throughout|(?P<out>outside(?:\s+of)?|after|except\s+(?:during|in)))"
    r"\s+(?:(?:the|our|my|normal|regular|usual)\s+)*(?P<office>office|"
    r"business|working|work|opening|school|"
    r"shop)[\s-]*hours\b|\b(?:only\s+)?(?:during|in|throughout|over)\s+(?:the|my|our|each|every)\s+(?:work(?:ing)?|"
    r"business)[\s-]*day\b|"
    r"\b(?:only\s+)?(?:during|in|by|throughout|over)\s+(?:the\s+)?(?P<day>day(?:time)?|waking\s+hours)\b(?!\s+(?:of|"
    r"before|after))",
    re.I,
)
_SPARED = (
    r"(?:except|but\s+not|not|excluding|apart\s+from|other\s+than|outside|unless\s+it\s+is|leaving\s+out)\s+(?:for\s+)?"
)
_NOT_NIGHT = re.compile(
    rf"\s*,?\s*\b(?:{_SPARED})(?:at\s+|during\s+|in\s+|over\s+)?(?:the\s+)?(?:night(?:s|\s?time)?|overnight|"
    rf"when\s+\w+\s+sleep)\b",
    re.I,
)
_NIGHT = re.compile(
    r"\b(?:only\s+)?(?:at\s+night|overnight|during\s+the\s+night|through(?:out)?\s+the\s+night)\b", re.I
)
_IN_PART = re.compile(r"\b(?:only\s+)?(?:in|during|throughout)\s+the\s+(morning|afternoon|evening)s?\b", re.I)
_NOT = re.compile(rf",?\s*\b{_SPARED}$", re.I)


class Times(NamedTuple):
    """When in the day, and where it is said."""

    times: tuple[Time, ...]
    spans: tuple[Span, ...]


class Window(NamedTuple):
    """From when to when in the day; office: on working days only. outside: all but that."""

    first: Time
    last: Time
    span: Span
    office: bool = False
    outside: bool = False
    #: Told by its hours.
    named: bool = False

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours something within an hour happens in."""
        last = self.last[0] if self.last[1] else self.last[0] - 1
        inside = (
            [*range(self.first[0], last + 1)]
            if last >= self.first[0]
            else [*range(0, last + 1), *range(self.first[0], 24)]
        )
        inside = [each % 24 for each in inside]
        return tuple(each for each in range(24) if (each in inside) is not self.outside)


class Parts(NamedTuple):
    """The parts of the day a text names, and where. recurring: every day, not only when in the day."""

    words: tuple[str, ...]
    span: Span
    recurring: bool


def parts(low: str) -> Parts | None:
    """ "every morning", "in the evening", "mornings and evenings"."""
    found = _PARTED.search(low)
    if found is None:
        return None
    if found.group("nightly"):
        return Parts(("night",), found.span(), True)
    words = tuple(dict.fromkeys(re.findall(_PART, found.group(), re.I)))
    single = re.match(r"(?:at|in|during)\b", found.group()) and not re.search(
        r"(?:morning|noon|evening|night)s\b", found.group()
    )
    return Parts(words, found.span(), not single)


def mark(low: str) -> Times | None:
    """ "at the end of every working day"."""
    for pattern, time in _MARKS:
        if found := pattern.search(low):
            return Times((time,), (found.span(),))
    return None


def times(low: str, part: str = "", changing: bool = False) -> Times | None:
    """The times of day a text names. part: of the day, if it is said elsewhere. changing: "to 9" is one as well."""
    for match in (_CHANGED if changing else _FIRST).finditer(low):
        if not (match.group("lead") or _plain(match)):
            continue
        found = _chain(low, match, part)
        if found is not None:
            return found
    return None


def _plain(match: re.Match[str]) -> bool:
    """Whether it is a time without "at"."""
    clocked = match.group("minute") is not None and re.search(r"\d[:h]\d\d", match.group())
    return bool(clocked or any(match.group(each) for each in ("word", "way", "suffix", "part")))


def _chain(low: str, match: re.Match[str], part: str) -> Times | None:
    found: list[re.Match[str]] = [match]
    while more := _MORE.match(low, found[-1].end()):
        if _moment(more, "", part) is None:
            break
        found.append(more)
    moments: list[Time] = []
    dark = bool(re.search(r"\b(?:night|nightly|early|back-?ups?|dawn|before\s+sunrise|small\s+hours)\b", low))
    later: tuple[str, int] | None = None
    for each in reversed(found):
        suffix = (each.group("suffix") or "").replace(".", "").replace(" ", "").lower()
        digits = each.group("hour") or ""
        near = each.group("part") or each.groupdict().get("before") or part
        if (
            not suffix
            and later
            and later[0] in ("am", "pm")
            and digits
            and int(_HOURS.get(digits, 0) or digits) < later[1]
        ):
            # "at 8 and 10pm"
            suffix = later[0]
        if suffix in ("am", "pm") and digits:
            later = suffix, int(_HOURS.get(digits, 0) or digits)
        moment = _moment(each, suffix, near)
        if moment is None:
            return None
        bare = not (
            suffix or near or each.group("minute") or each.group("word") or each.group("four") or digits.startswith("0")
        )
        if bare and not dark and each.group("hour") and 1 <= int(_HOURS.get(digits, 0) or digits) <= 5:
            # "Fridays at four" is in the afternoon.
            moment = moment[0] + 12, moment[1]
        moments.insert(0, moment)
    return Times(tuple(sorted(set(moments))), ((match.start(), found[-1].end()),))


def _moment(match: re.Match[str], suffix: str, part: str, tag: str = "") -> Time | None:
    def said(name: str) -> str:
        return (match.group(f"{name}{tag}") or "").lower()

    if four := said("four"):
        return int(four[:2]), int(four[2:])
    if said("word"):
        hour: int | None = 0 if said("word") == "midnight" else 12
    elif said("hour"):
        hour = _hour(int(_HOURS.get(said("hour"), 0) or said("hour")), suffix or said("suffix"), part)
    else:
        return None
    minute = int(said("minute") or _SAID.get(said("said"), 0))
    if hour is None or minute > 59:
        return None
    if said("half"):
        return hour, 30
    amount = _amount(re.sub(r"^a\s+", "", said("shift")))
    at = hour * 60 + minute + (-amount if said("way") in ("to", "before", "till") else amount)
    return divmod(at % (24 * 60), 60)


def _amount(shift: str) -> int:
    """Minutes of "quarter", "half an hour", "two hours", "20"."""
    if hours := re.match(r"(an|one|two|three)\s+hours?", shift):
        return {"two": 120, "three": 180}.get(hours.group(1), 60)
    shift = re.sub(r"\s+(?:of\s+)?an\s+hour$", "", shift)
    return int(shift) if shift.isdigit() else _SHIFTS.get(shift, 0)


def _hour(hour: int, suffix: str, part: str) -> int | None:
    if hour > 24:
        return None
    suffix = re.sub(r"[.\s]", "", suffix)
    late = suffix == "pm" or (not suffix.startswith("a") and part in ("afternoon", "evening", "night"))
    if late and hour < 12 and not (part == "night" and suffix != "pm" and hour < 6):
        return hour + 12
    return 0 if suffix == "am" and hour == 12 else hour % 24


def window(low: str) -> Window | None:
    """The hours of the day something is limited to."""
    if found := _NOT_NIGHT.search(low):
        return Window((6, 0), (22, 0), found.span())
    for found in _BETWEEN.finditer(low):
        named = re.search(r"\b(?:between|from|starting|beginning)\b", found.group(), re.I)
        clear = all(
            found.group(f"minute{tag}") or found.group(f"suffix{tag}") or found.group(f"word{tag}") for tag in "12"
        )
        joined = re.search(r"\band\b", found.group(), re.I)
        if not (
            named or ((clear or found.group("suffix2") or re.search(r"\d\s*[-–]\s*\d", found.group())) and not joined)
        ):
            continue
        first, last = _moment(found, _am(found), "", "1"), _moment(found, "", "", "2")
        if first is None or last is None:
            continue
        if last <= first and last[0] < 12 and not found.group("suffix2") and first[0] < 12:
            last = last[0] + 12, last[1]
        if last == (0, 0):
            last = 24, 0
        spared = _NOT.search(low, 0, found.start())
        return Window(
            first, last, (spared.start() if spared else found.start(), found.end()), outside=bool(spared), named=True
        )
    if re.search(r"\b(?:after|out\s+of)\s+hours\b", low) or ((found := _OFFICE.search(low)) and found.group("out")):
        found = found or re.search(r"\b(?:after|out\s+of)\s+hours\b", low)
        return Window((9, 0), (17, 0), found.span(), outside=True) if found else None
    if found := _OFFICE.search(low):
        return (
            Window((8, 0), (22, 0), found.span()) if found.group("day") else Window((9, 0), (17, 0), found.span(), True)
        )
    if found := _NIGHT.search(low):
        return Window((22, 0), (6, 0), found.span())
    if found := _IN_PART.search(low):
        hours = PARTS[found.group(1).lower()][1]
        return Window((hours.start, 0), (hours.stop, 0), found.span())
    return None


def _am(found: re.Match[str]) -> str:
    """ "from 1 to 5pm" is all in the afternoon, "from 9 to 5pm" is not."""
    second = (found.group("suffix2") or "").replace(".", "").replace(" ", "").lower()
    if found.group("suffix1") or second != "pm" or not (found.group("hour1") or "").isdigit():
        return ""
    return (
        "pm"
        if int(found.group("hour1")) < int(_HOURS.get(found.group("hour2"), 0) or found.group("hour2") or 0)
        else ""
    )
