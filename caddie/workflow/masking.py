"""Secrets of one execution, blotted out of everything it leaves: results, errors, events, log lines.

Invariant: what went through ``clean`` holds no secret that was noted before, also not as base64 or in a URL.
Callers: the executor; blocks note what they open through ``Call.hide``.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from pydantic import JsonValue

MARK = "***"
#: Shorter ones would blot out ordinary words.
SECRET_CHARS = 4


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
        coded = base64.b64encode(plain.encode(errors="replace")).decode().rstrip("=")
        self._secrets = sorted({*self._secrets, secret, plain, coded, quote(plain, safe="")}, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MARK)
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
