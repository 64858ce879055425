"""Summaries without a model: the sentences of a text that tell most, as they stand.

Invariant: a summary holds nothing that is not in the text, and no more words than asked for. Callers: ``tasks``,
``agency``, ``extraction``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from caddie.models.offline.words import NUMBER_WORDS

#: Of a text, what is read; the rest of so long a one changes its gist little.
READ_CHARS = 60_000
SENTENCES = 600
SHORT_WORDS = 40
DEFAULT_WORDS = 120
#: Two sentences that share this much say the same.
SAME = 0.6
_TAG = re.compile(r"<[^<>\n]{1,300}>")
_SPLIT = re.compile(r"(?<=[.!?…])[\"”')\]]*\s+(?=[\"“'(\[]*[A-Z0-9À-Þ])|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|approx|ca|vs|etc|Inc|Ltd|Co|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|e\.g|"
    r"i\.e|a\.m|p\.m|[A-Z])\.$"
)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|good\s+(?:morning|afternoon|evening|day)|to\s+whom\s+it\s+may\s+concern)\b[^.!?\n]{0,40}"
    r"[,!.:]?$",
    re.I,
)
_CLOSING = re.compile(
    r"^(?:(?:best|kind|warm|many)\s+(?:regards|wishes|thanks)|regards|sincerely|yours(?:\s+\w+)?|cheers|best|thanks|"
    r"thank\s+you|all\s+the\s+best|with\s+kind\s+regards|have\s+a\s+(?:nice|great|good)\s+\w+)[\s,!.]*(?:in\s+advance)?"
    r"[\s,!.]*$",
    re.I,
)
_FOOTER = re.compile(
    r"^(?:--\s*$|sent\s+from\s+my\b|get\s+outlook\b|unsubscribe\b|this\s+e-?mail\s+(?:and|is|may)\b|confidential|"
    r"on\s.{5,80}\swrote:|-{2,}\s*(?:original|forwarded)\s+message|©|copyright\b)",
    re.I,
)
_HEADER = re.compile(r"^(?:From|To|Cc|Bcc|Sent|Date|Reply-To):\s.{0,200}[@\d]")
_EMPTY_TALK = re.compile(
    r"\b(?:hope\s+(?:this|you|all)\b|trust\s+this\s+|thank(?:s|\s+you)\s+(?:so\s+much\s+|very\s+much\s+)?(?:for\s+your\s+"
    r"(?:time|help|patience)|in\s+advance)|looking\s+forward\b|feel\s+free\b|do\s+not\s+hesitate|don['’]t\s+hesitate|"
    r"let\s+me\s+know\b|have\s+a\s+(?:nice|great|good)\b|how\s+are\s+you|just\s+wanted\s+to\s+(?:say|reach))",
    re.I,
)
_TELLING = re.compile(
    r"\b(?:must|needs?|please|deadline|due|by\s+(?:mon|tues|wednes|thurs|fri|satur|sun)day|urgent|important|decided|"
    r"agreed|approved|because|therefore|problem|issue|error|fail\w*|broken|refund|cancel\w*|request\w*|result\w*|found|"
    r"overall|in\s+(?:summary|short|conclusion)|conclu\w+|main|key|will|launch\w*|announc\w*|increas\w*|decreas\w*|"
    r"rose|fell|grew|total|cost\w*|next\s+steps?|action|recommend\w*|want\s+to|would\s+like)\b",
    re.I,
)
_ACTION = re.compile(
    r"\b(?:please|must|deadline|due|by\s+(?:mon|tues|wednes|thurs|fri|satur|sun)day|asap|need\s+to|has\s+to|have\s+to)\b",
    re.I,
)
_FACT = re.compile(r"\d|[€$£¥%]|\b[A-Z]{2,}[-\d]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(
    "the and for are was were has have had not but you your our with this that these those from they them their "
    "his her "
    "its she him who whom will would can could should may might must shall been being into onto than then there here "
    "when where which while what how why all any both each few more most other some such only own same too very just "
    "about above after again against before below between down during further off once out over under until "
    "upon also "
    "one two get got did does doing done let say said new now use used like make made see way well much many".split()
)
_BULLETS = re.compile(r"\b(?:bullets?|bullet\s+points?|key\s+points|list|points)\b", re.I)
_COUNT = re.compile(
    rf"\b(\d{{1,2}}|{'|'.join(NUMBER_WORDS)}|an?|single)\s+(?:\w+\s+)?"
    r"(?P<what>sentences?|bullets?|bullet\s+points?|points|lines?|liners?|paragraphs?)\b|\b(?P<one>one-liner|tl;?dr)\b",
    re.I,
)
_WORDS = re.compile(r"\b(\d{1,4})\s+words\b", re.I)
_LANGUAGE = re.compile(
    r"\b(?:in|into|to)\s+(German|French|Spanish|Italian|Portuguese|Dutch|Polish|Turkish|Russian|Chinese|Japanese|Korean|"
    r"Arabic|Swedish|Danish|Czech|Hindi|Greek|Ukrainian)\b"
)
#: What tells most of an object, in this order.
_TELLERS = tuple("title name subject summary headline text content snippet description message body".split())
_SILENT = ("id", "url", "link", "href", "image", "uuid")


def summary(text: str, words: int | None = None, instructions: str = "") -> str:
    """The gist in at most ``words`` words. instructions: how many sentences, whether as points."""
    asked = _WORDS.search(instructions)
    limit = words or (int(asked[1]) if asked else None)
    count, bullets = _counted(instructions), bool(_BULLETS.search(instructions))
    lines = sentences(plain(text))
    length = sum(len(line.split()) for line in lines)
    if limit is None:
        limit = DEFAULT_WORDS if length > 400 else max(SHORT_WORDS, length * 2 // 5)
        limit = 10_000 if count else limit
    note = _untranslated(instructions)
    chosen = _chosen(lines, max(1, limit - len(note.split())), count)
    told = "\n".join(f"- {line}" for line in chosen) if bullets and limit >= 2 * len(chosen) else " ".join(chosen)
    return "\n".join(filter(None, [told, note]))


def plain(text: str) -> str:
    """A text without markup, quoted mails and footers; JSON as lines."""
    text = text.strip()[:READ_CHARS]
    if text[:1] in "[{":
        try:
            text = "\n".join(_lines(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    kept: list[str] = []
    for raw in _TAG.sub(" ", text).splitlines():
        line = " ".join(raw.split())
        if _FOOTER.match(line):
            break
        if line and not line.startswith(">") and not _HEADER.match(line):
            kept.append(re.sub(r"^Subject:\s*", "", line))
    return "\n".join(kept)


def sentences(text: str) -> list[str]:
    """The sentences of a text, without greetings, closings and what follows them."""
    parts: list[str] = []
    for line in text.splitlines():
        found = [part.strip() for part in _SPLIT.split(line) if part and part.strip()]
        merged: list[str] = []
        for part in found:
            if merged and _ABBREVIATION.search(merged[-1]):
                merged[-1] = f"{merged[-1]} {part}"
            else:
                merged.append(part)
        if merged and _CLOSING.match(merged[0]) and parts:
            # A name comes after it.
            break
        parts += [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s+", "", part) for part in merged if not _GREETING.match(part)]
        if len(parts) >= SENTENCES:
            break
    found = [part for part in parts[:SENTENCES] if re.search(r"\w", part)]
    return [part for part in found if not _EMPTY_TALK.search(part) or _FACT.search(part)] or found


def _chosen(lines: list[str], limit: int, count: int | None) -> list[str]:
    """The best of the lines that fit, in their order."""
    stems = [_stems(line) for line in lines]
    often = Counter(stem for found in stems for stem in found)
    ranked = sorted(range(len(lines)), key=lambda at: (-_score(lines[at], stems[at], often, at, len(lines)), at))
    kept: list[int] = []
    room = limit
    for at in ranked:
        size = len(lines[at].split())
        alike = any(_alike(stems[at], stems[other]) for other in kept)
        if size <= room and not alike:
            kept.append(at)
            room -= size
        if count and len(kept) == count:
            break
    if not kept and ranked:
        return [" ".join(lines[ranked[0]].split()[:limit]).rstrip(" ,;:–-") + "…"]
    return [lines[at] for at in sorted(kept)]


def _score(line: str, stems: set[str], often: Counter[str], at: int, count: int) -> float:
    size = len(line.split())
    points = sum(often[stem] for stem in stems) / (len(stems) + 3) if stems else 0.0
    points += (
        1.4 * bool(_ACTION.search(line))
        + 1.2 * bool(_FACT.search(line))
        + 0.9 * min(2, len(_TELLING.findall(line)))
        + 0.4 * line.endswith("?")
    )
    points += 1.5 if at == 0 else 0.6 if at == 1 else 0.3 if at == count - 1 else 0.0
    points -= 1.5 * (size < 4)
    return points - max(0, size - 35) * 0.05


def _alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) > SAME * max(1, min(len(one), len(other)))


def _stems(line: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(line.lower()) if word not in _STOP}


def _counted(instructions: str) -> int | None:
    found = _COUNT.search(instructions)
    if found is None:
        return None
    if found["one"]:
        return 1
    if found["what"].lower().startswith("paragraph"):
        return None
    number = found[1].lower()
    return int(number) if number.isdigit() else NUMBER_WORDS.get(number, 1) or 1


def _untranslated(instructions: str) -> str:
    found = _LANGUAGE.search(instructions)
    return f"(Not translated: the offline model cannot write {found[1]}.)" if found else ""


def _lines(value: Any, depth: int = 0) -> list[str]:
    """What JSON says, an object of a list on a line."""
    if depth > 8 or value is None or isinstance(value, bool):
        return []
    if isinstance(value, list):
        return [line for each in value[:SENTENCES] for line in _lines(each, depth + 1)]
    if isinstance(value, dict):
        flat = {key: each for key, each in value.items() if isinstance(each, str | int | float) and each != ""}
        flat = {key: each for key, each in flat.items() if not isinstance(each, bool) and key.lower() not in _SILENT}
        first = [str(flat[key]) for key in _TELLERS if key in flat]
        rest = [f"{key}: {each}" for key, each in flat.items() if key not in _TELLERS]
        line = "; ".join([*([": ".join(first)] if first else []), *rest])
        nested = [each for each in value.values() if isinstance(each, dict | list)]
        return ([line] if line else []) + [found for each in nested for found in _lines(each, depth + 1)]
    return [str(value)]
