"""What a log line must never hold, and how it is masked.

Invariant: masking takes time linear in the text (no pattern backtracks over an unbounded part) and errs on the side of
hiding. `shared.journal` runs it on every line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any

MASK = "[redacted]"
TEXT_CHARS = 32_768
DEPTH = 6
CONCEAL_CHARS = 8  # shorter literals would mask ordinary words
#: The same few names, events and routes make up most of every line.
SHORT_CHARS = 64
TEXTS_REMEMBERED = 1_024

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    "token tokens key keys secret secrets password passwd passphrase authorization auth cookie cookies credential "
    "credentials apikey jwt bearer sealed signature".split()
)
_NAME = r"(?:token|secret|passw|passphrase|credential|api.?key|[_\-]key|\bkey|apikey|jwt)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # whole header lines; their values have several parts
    (re.compile(r"(?i)((?:authorization|cookie)[\"']?\s{0,4}[:=,]\s{0,4})[^\r\n]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=\-]+"), rf"\1 {MASK}"),
    (re.compile(r"caddie_[A-Za-z0-9_\-]{16,}"), MASK),
    (re.compile(r"\b[spr]k-[A-Za-z0-9_\-]{6,}"), MASK),
    # user and password of an address, then its query string
    (re.compile(r"(://)[^\s/@\"'<>]{1,512}@"), rf"\1{MASK}@"),
    (re.compile(r"\?[^\s\"'<>?=]{0,256}=[^\s\"'<>]*"), f"?{MASK}"),
    # name=value, "name": "value", 'name': 'value' inside text, also reprs of dictionaries
    (
        re.compile(
            rf"(?i)({_NAME}[\w\-]{{0,64}}\\?[\"']?\s{{0,4}}[:=]\s{{0,4}}b?)"
            r"(\\?\"[^\"\\]*\\?\"?|\\?'[^'\\]*\\?'?|[^\s,;}&)\]\"']+)"
        ),
        rf"\1{MASK}",
    ),
    # JWT: base64url of an object's brace and quote; after the names, one of which may hold "eyA" itself
    (re.compile(r"ey[JA][A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*){0,4}"), MASK),
)


def mask(text: str, literals: Iterable[str] = ()) -> str:
    """The text without anything that looks like, or is known to be, a secret; at most 32,768 characters of it."""
    for literal in literals:
        text = text.replace(literal, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= TEXT_CHARS else text[:TEXT_CHARS] + "…"


@lru_cache(TEXTS_REMEMBERED)
def is_secret_name(name: str) -> bool:
    """Whether a member of this name holds a secret: one of its words says so and it is not merely an id of it."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and words[-1] not in ("id", "ids", "count", "at") and not _SECRET_WORDS.isdisjoint(words)


class Redaction:
    """The structlog processor; `literals` are this process's own secrets."""

    def __init__(self, literals: Iterable[str] = ()) -> None:
        self._literals = tuple(sorted({item for item in literals if len(item) >= CONCEAL_CHARS}, key=len, reverse=True))
        self._masked = lru_cache(TEXTS_REMEMBERED)(partial(mask, literals=self._literals))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {self._text(str(name)): self._member(str(name), value, 0) for name, value in event.items()}

    def _text(self, text: str) -> str:
        return self._masked(text) if len(text) <= SHORT_CHARS else mask(text, self._literals)

    def _member(self, name: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if is_secret_name(name) and not (isinstance(value, int | float) and name.lower().endswith("tokens")):
            return MASK
        return self._value(value, depth)

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray):
            return self._text(value.decode("utf-8", "replace"))
        if depth >= DEPTH:
            return MASK
        if isinstance(value, Mapping):
            return {self._text(str(k)): self._member(str(k), v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item, depth + 1) for item in value]
        try:
            return self._text(str(value))
        except Exception as error:  # a foreign __str__ may raise anything
            return f"<{type(value).__name__}: {type(error).__name__}>"
