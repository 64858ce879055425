"""What can be picked out of everyday English without understanding the sentence: addresses, names, numbers, lists.

Invariant: pure functions of the text. Callers: the offline model's other modules.
"""

from __future__ import annotations

import json
import re

URL = re.compile(r"https?://[^\s<>\"'“”]*[^\s<>\"'“”.,;:!?)]", re.I)
DOMAIN = re.compile(
    r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|ai|co|eu|de|uk|gov|edu|info|me)(?:/[^\s<>\"',]*)?", re.I
)
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
CHANNEL = re.compile(r"(?<![\w/&])#[A-Za-z][\w-]*")
NAMED_CHANNELS = (
    re.compile(r"\bchannel\s+(?:called\s+|named\s+)?([a-z][\w-]*)\b", re.I),
    re.compile(r"\b([a-z][\w-]*)\s+channel\b", re.I),
)
QUOTE = re.compile(r"\"([^\"]+)\"|“([^”]+)”|‘([^’]+)’|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`")
NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
ARTICLES = re.compile(
    r"^(?:the|a|an|any|all|its|his|her|their|my|our|your|this|that|these|those|some|each|every)\s+", re.I
)
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
NUMBER_WORDS = {word: value for value, word in enumerate(_WORDS)} | {
    word: 10 * (at + 2) for at, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())
}
NUMBER_WORD = "|".join(NUMBER_WORDS)
_NO_CHANNEL = frozenset(
    "slack discord the a my our right this that which and to team is for should when if with saying instead it "
    "on in or at every same no another some any which what each new missing wrong".split()
)
SECONDS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "h": 3600, "day": 86_400,
           "night": 86_400, "week": 604_800, "fortnight": 1_209_600, "month": 2_592_000}  # fmt: skip
_DURATION = re.compile(
    rf"\b(\d+(?:\.\d+)?|an?|half an?|{NUMBER_WORD}|(?:a\s+)?(?:couple|few)(?:\s+of)?)\s*-?\s*(?:(?:full|whole|"
    rf"working|business)\s+)?"
    rf"(seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|nights?|weeks?|fortnights?|months?)\b(\s+and\s+a\s+half)?",
    re.I,
)


def url(text: str) -> str | None:
    found = URL.search(text)
    if found:
        return found.group()
    domain = DOMAIN.search(EMAIL.sub(lambda m: " " * len(m.group()), text))
    return f"https://{domain.group().rstrip('.,;:!?)')}" if domain else None


def emails(text: str) -> list[str]:
    return list(dict.fromkeys(EMAIL.findall(text)))


def channel(text: str) -> str | None:
    """`#name`, or the name of "the alerts channel"."""
    found = CHANNEL.search(URL.sub("", text))
    if found:
        return found.group()
    named = (match.group(1).lower() for pattern in NAMED_CHANNELS for match in pattern.finditer(text))
    return next((f"#{name}" for name in named if name not in _NO_CHANNEL), None)


def email(text: str) -> str | None:
    return next(iter(emails(text)), None)


def quoted(text: str) -> str | None:
    found = QUOTE.search(text)
    return next(group for group in found.groups() if group) if found else None


def masked(text: str) -> str:
    """The text with quotes and addresses blanked out, same length: for splitting."""

    def blank(match: re.Match[str]) -> str:
        return "\x00" * len(match.group())

    return EMAIL.sub(blank, URL.sub(blank, QUOTE.sub(blank, text)))


#: Names that may hold words of time.
_NAMED = re.compile(
    rf"{CHANNEL.pattern}|\bsubject(?:\s+line)?\s*:?\s+(?:is\s+|of\s+)?[^,.;\n]+|\b(?:workflow|flow|variable|"
    rf"counter|channel)\s+(?:called\s+|named\s+)?"
    r"[a-z0-9]+(?:[-_][a-z0-9]+)+",
    re.I,
)


def unplaced(text: str) -> str:
    """The text with names blanked out, same length: "#daily" says nothing of time."""
    return _NAMED.sub(lambda match: "\x01" * len(match.group()), text)


def json_object(text: str) -> dict[str, object] | None:
    """The JSON object a text holds."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or text.startswith("{{", start):
        return None
    try:
        given = json.loads(text[start : end + 1])
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def number(text: str) -> int | float | None:
    """The first number, in digits or words."""
    found = NUMBER.search(text)
    if found:
        value = float(found.group().replace(",", ""))
        return value if "." in found.group() else int(value)
    word = re.search(rf"\b({NUMBER_WORD})\b", text, re.I)
    return NUMBER_WORDS[word.group().lower()] if word else None


def duration_s(text: str) -> float | None:
    """Seconds of "30 seconds", "two minutes", "half an hour"."""
    total, found = 0.0, False
    for match in _DURATION.finditer(text):
        if match.group().lower() == "a second" and re.match(r"\s+\w", text[match.end() :]):
            # "a second mail"
            continue
        amount = match.group(1).lower()
        vague = 2.0 if "couple" in amount else 3.0 if "few" in amount else 0.0
        single = 1.0 if amount in ("a", "an") else vague or float(number(amount) or 0)
        count = 0.5 if amount.startswith("half") else single
        count += 0.5 if match.group(3) else 0
        unit = match.group(2).lower()
        total += count * SECONDS.get(unit, SECONDS.get(unit.rstrip("s"), 1))
        found = True
    return total if found else None


def listed(text: str) -> list[str]:
    """Items of "a, b and c", without articles and quotes."""
    parts = re.split(r"\s*,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+|\s*/\s*", text.strip(" .!?"))
    cleaned = (bare(part.strip(" \"'“”‘’`.")) for part in parts)
    return list(dict.fromkeys(part for part in cleaned if part))


def bare(text: str) -> str:
    """A noun phrase without its article."""
    previous, text = None, text.strip()
    while previous != text:
        previous, text = text, ARTICLES.sub("", text).strip()
    return text


def slug(text: str, limit: int = 40) -> str:
    """A name fit for a node or a field."""
    return re.sub(r"[^a-z0-9]+", "_", bare(text).lower()).strip("_")[:limit].strip("_")


def forms(noun: str) -> str:
    """A pattern for a noun and its plural."""
    stem = re.escape(noun)
    return f"{stem[:-1]}(?:y|ies)" if re.search(r"[^aeiou]y$", noun) else f"{stem}(?:e?s)?"


def field_name(text: str) -> str:
    """A field's name from a noun phrase: "the order total" → `order_total`; a name that is one already stays."""
    name = bare(text.strip(" \"'`“”"))
    if re.fullmatch(r"[A-Za-z_]\w*(?:\.\w+)*", name):
        return name
    return slug(name)


def joined(items: list[str], word: str = "and") -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] if text else text
