"""Secrets of one execution, blotted out of everything it leaves: results, errors, events, log lines.

Invariant: what went through ``clean`` holds no secret that was noted before, also not as base64 (alone or in the middle
of something longer), in a URL, or escaped for JSON or HTML. Callers: the executor; blocks note what they open through
``Call.hide``.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from pydantic import JsonValue

MARK = "***"
#: Shorter ones would blot out ordinary words.
SECRET_CHARS = 4
#: Of base64 in which the secret is not alone: the part that does not depend on what is around it.
CODED_CHARS = 8
_ESCAPE = re.compile("%[0-9A-F]{2}")
_SCHEMES = ("basic", "bearer", "digest", "token", "apikey")


class Mask:
    def __init__(self) -> None:
        self._secrets: list[str] = []
        self._known: set[str] = set()

    def note(self, secret: str) -> None:
        """From now on this text, and the usual ways to write it, is hidden."""
        plain = secret.strip()
        if len(plain) < SECRET_CHARS or plain in self._known:
            return
        self._known.add(plain)
        self._secrets = sorted({*self._secrets, secret, *_written(plain)}, key=len, reverse=True)
        scheme, _, rest = plain.partition(" ")
        if scheme.lower() in _SCHEMES:
            self.note(rest)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MARK)
        return self._cut(text)

    def _cut(self, text: str) -> str:
        """What a receiver says is cut somewhere, perhaps within a secret."""
        for secret in self._secrets:
            at = text.find(secret[:CODED_CHARS], max(len(text) - len(secret), 0)) if len(secret) > CODED_CHARS else -1
            if at >= 0 and secret.startswith(text[at:].rstrip(")")):
                return text[:at] + MARK
        return text

    def clean(self, value: JsonValue) -> JsonValue:
        """A copy without secrets, names of members included; the value itself when there are none."""
        if not self._secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.clean(member) for key, member in value.items()}
        return [self.clean(item) for item in value] if isinstance(value, list) else value


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _written(secret: str) -> Iterator[str]:
    """The usual ways to write it."""
    yield secret
    once = {_json(secret), json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)}
    # JSON stands within JSON and within pages.
    yield from once | {write(each) for each in once for write in (_json, html.escape)}
    plain = secret.encode(errors="replace")
    for quoted in (quote(plain, safe=""), quote(plain), quote_plus(plain)):
        yield quoted
        yield _ESCAPE.sub(lambda found: found[0].lower(), quoted)
    for before in range(3):
        coded = base64.b64encode(bytes(before) + plain).decode().rstrip("=")
        # The first characters hold bits of what comes before, the last one of what comes after.
        part = coded[(0, 2, 3)[before] : len(coded) - (1 if (before + len(plain)) % 3 else 0)]
        for text in {part, *((coded,) if not before else ())}:
            if len(text) >= CODED_CHARS or text == coded:
                yield text
                yield text.replace("+", "-").replace("/", "_")
