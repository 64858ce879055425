"""What can be read off a text exactly: dates, amounts, addresses, numbers of orders, names, "Key: value" lines.

Invariant: a finding stands in the text; its value is the same, written the usual way. Callers: ``extraction``,
``agency``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from caddie.models.offline import words


@dataclass(frozen=True, slots=True)
class Finding:
    """A value, where it begins and ends, and what kind of it stood there (a currency, say)."""

    value: str | float | int
    start: int
    end: int
    kind: str = ""


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATES = (
    re.compile(r"\b(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})\b"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})\b", re.I),
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b", re.I),
    re.compile(r"\b(?P<day>\d{1,2})\.(?P<number>\d{1,2})\.(?P<year>\d{4})\b"),
    re.compile(r"\b(?P<number>\d{1,2})[/-](?P<day>\d{1,2})[/-](?P<year>\d{4})\b"),
)
_VAGUE_DATE = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}|{_MONTH.replace('month', 'other')}\s+\d{{1,2}}"
    r"(?:st|nd|rd|th)?|(?:next\s+|this\s+|on\s+)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|today|tonight|"
    r"next\s+(?:week|month)|end\s+of\s+(?:the\s+)?(?:week|month))\b(?!,?\s*\d{4})",
    re.I,
)
_TIME = re.compile(
    r"\b(?P<h>[01]?\d|2[0-3])(?:[:.](?P<m>[0-5]\d))?\s*(?P<half>[ap]\.?m\b\.?)|"
    r"\b(?P<h2>[01]?\d|2[0-3]):(?P<m2>[0-5]\d)\b",
    re.I,
)
_CURRENCY = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "us$": "USD", "dollars": "USD", "dollar": "USD",
             "bucks": "USD", "euros": "EUR", "euro": "EUR", "pounds": "GBP", "pound": "GBP"}  # fmt: skip
_CODE = r"(?:US\$|USD|EUR|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|INR|CNY)"
_DIGITS = r"\d{1,3}(?:[,.' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)"
_SCALE = r"(?:\s?(?P<scale{0}>k|m|bn|thousand|million|billion))?\b"
_AMOUNT = re.compile(
    rf"(?P<before>[$€£¥]|\b{_CODE})\s?(?P<one>{_DIGITS}){_SCALE.format(1)}|"
    rf"(?<![\w.,])(?P<two>{_DIGITS}){_SCALE.format(2)}\s?(?P<after>[$€£¥]|{_CODE}\b|(?:dollars?|euros?|pounds|bucks)\b)",
    re.I,
)
_NUMBER = re.compile(rf"(?<![\w.,/#:-])-?(?:{_DIGITS}|\d+\.\d+)(?![\w/:]|-\d|\.\d)")
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+|00)?\(?\d[\d()\s./-]{5,18}\d(?![\w-])")
_PERCENT = re.compile(r"(?<![\w.])(-?\d+(?:[.,]\d+)?)\s?(?:%|percent\b|per\s+cent\b)", re.I)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?\b")
_CODE_LIKE = r"[A-Z]{0,6}[-/_]?\d[A-Z0-9]*(?:[-/_][A-Z0-9]+)*"
_KEY = re.compile(
    r"^[ \t]*(?:[-*•][ \t]*)?\**(?P<key>[A-Za-zÀ-ÿ][\w À-ÿ/()&.'’#-]{0,40}?)\**[ \t]*(?::|=|→|\t)\**[ \t]*"
    r"(?P<value>\S[^\n]*)$",
    re.M,
)
_BULLET = re.compile(r"^[ \t]*(?:[-*•–]|\d{1,2}[.)])[ \t]+(?P<item>\S[^\n]*)$", re.M)


def dates(text: str) -> Iterator[Finding]:
    """Days with a year, as YYYY-MM-DD."""
    for pattern in _DATES:
        for found in pattern.finditer(text):
            groups = found.groupdict()
            month = int(groups["number"]) if groups.get("number") else _MONTHS.index(groups["month"][:3].lower()) + 1
            day = int(groups["day"])
            if month > 12 >= day:
                month, day = day, month
            try:
                value = date(int(groups["year"]), month, day).isoformat()
            except ValueError:
                continue
            yield Finding(value, found.start(), found.end())


def days(text: str) -> Iterator[Finding]:
    """Days without a year, as they are said."""
    for found in _VAGUE_DATE.finditer(text):
        yield Finding(re.sub(r"^on\s+", "", found[0], flags=re.I), found.start(), found.end())


def times(text: str) -> Iterator[Finding]:
    """Times of day as HH:MM."""
    for found in _TIME.finditer(text):
        hour, minute = int(found["h"] or found["h2"]), int(found["m"] or found["m2"] or 0)
        half = (found["half"] or "")[:1].lower()
        if half and not 1 <= hour <= 12:
            continue
        hour = hour % 12 + 12 * (half == "p") if half else hour
        yield Finding(f"{hour:02}:{minute:02}", found.start(), found.end())


def amounts(text: str) -> Iterator[Finding]:
    """Sums of money; kind is the currency's code."""
    for found in _AMOUNT.finditer(text):
        sign = (found["before"] or found["after"]).lower()
        value = _scaled(found["one"] or found["two"], found["scale1"] or found["scale2"])
        yield Finding(value, found.start(), found.end(), _CURRENCY.get(sign, sign.upper()))


def numbers(text: str) -> Iterator[Finding]:
    for found in _NUMBER.finditer(text):
        yield Finding(amount(found[0]), found.start(), found.end())
    for found in re.finditer(rf"\b(?:{words.NUMBER_WORD})\b", text, re.I):
        yield Finding(words.NUMBER_WORDS[found[0].lower()], found.start(), found.end())


def percents(text: str) -> Iterator[Finding]:
    for found in _PERCENT.finditer(text):
        yield Finding(amount(found[1]), found.start(), found.end())


def phones(text: str) -> Iterator[Finding]:
    taken = [(each.start, each.end) for each in (*dates(text), *amounts(text))]
    for found in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        outside = not any(start < found.end() and found.start() < end for start, end in taken)
        shaped = found[0].startswith(("+", "00", "(", "0")) or re.search(r"\d[\s./-]\d", found[0])
        if 7 <= len(digits) <= 15 and shaped and outside and not re.fullmatch(r"\d{4}[\s-]\d{4}", found[0].strip()):
            yield Finding(" ".join(found[0].split()), found.start(), found.end())


def emails(text: str) -> Iterator[Finding]:
    for found in words.EMAIL.finditer(text):
        yield Finding(found[0], found.start(), found.end())


def urls(text: str) -> Iterator[Finding]:
    full = list(words.URL.finditer(text))
    yield from (Finding(found[0], found.start(), found.end()) for found in full)
    if not full:
        blank = words.EMAIL.sub(lambda found: " " * len(found[0]), text)
        domains = words.DOMAIN.finditer(blank)
        yield from (Finding(found[0].rstrip(".,"), found.start(), found.end()) for found in domains)


def ibans(text: str) -> Iterator[Finding]:
    for found in _IBAN.finditer(text):
        yield Finding(found[0].replace(" ", ""), found.start(), found.end())


def codes(text: str, noun: str) -> Iterator[Finding]:
    """Numbers and codes of something: "order #A-12", "invoice no. 2024/7"."""
    pattern = re.compile(
        rf"\b(?i:{noun})\b\s*(?i:numbers?|no\.?|nr\.?|ids?|codes?|ref(?:erence)?\.?|sku)?\s*(?:[:#=]|№|(?i:is|was))*\s*[#(]?"
        rf"(?P<code>{_CODE_LIKE}|[A-Z]{{2,8}}-[A-Z0-9-]{{2,20}})(?![\w-])"
    )
    for found in pattern.finditer(text):
        yield Finding(found["code"], found.start("code"), found.end("code"))


def pairs(text: str) -> list[tuple[str, str, int]]:
    """(key, value, where) of lines such as "Key: value"."""
    found = ((each["key"], each["value"].strip().rstrip("*"), each.start("value")) for each in _KEY.finditer(text))
    return [(key, value, at) for key, value, at in found if not value.startswith("//")]


def bullets(text: str) -> list[str]:
    return [found["item"].strip() for found in _BULLET.finditer(text)]


def amount(text: str) -> float | int:
    """A number however it is written: 1,234.50 and 1.234,50 alike."""
    bare = re.sub(r"[' ]", "", text)
    point, comma = bare.rfind("."), bare.rfind(",")
    if comma > point:
        decimals = len(bare) - comma - 1 != 3 or (point >= 0)
        bare = bare.replace(".", "").replace(",", "." if decimals else "")
    elif point >= 0 and comma < 0 and bare.count(".") > 1:
        bare = bare.replace(".", "")
    elif comma >= 0:
        bare = bare.replace(",", "")
    value = float(bare)
    return int(value) if value.is_integer() else value


def _scaled(text: str, scale: str | None) -> float | int:
    if re.fullmatch(r"\d{1,3}\.\d{3}", text):
        # Nobody writes three decimals of a sum: 2.500 € are thousands.
        text = text.replace(".", "")
    factor = {"k": 1e3, "t": 1e3, "m": 1e6, "b": 1e9}.get((scale or " ")[0].lower(), 1)
    value = round(amount(text) * factor, 2)
    return int(value) if float(value).is_integer() else value
