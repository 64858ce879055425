"""Secrets at rest: AES-256-GCM with a random nonce, as text that may stand in a database or in Redis.

Invariant: what comes out of ``seal`` reveals nothing but the length. Callers: the gateway seals an
`apiKeyOverride`, the worker opens it for one run.
"""

from __future__ import annotations

import base64
import os
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PREFIX = "sealed1."
_NONCE_BYTES = 12


class Seal:
    """One key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError(f"seal key: expected 32 bytes, got {len(key)}")
        self._cipher = AESGCM(key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From base64 of 32 bytes. Raises ValueError."""
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            raise ValueError("seal key: expected base64 of 32 bytes, got something else") from None
        return cls(key)

    @staticmethod
    def generate() -> str:
        return base64.b64encode(os.urandom(32)).decode()

    def seal(self, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return _PREFIX + base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """Raises ValueError when the text was not sealed with this key."""
        if not sealed.startswith(_PREFIX):
            raise ValueError("expected a sealed text, got something else")
        try:
            raw = base64.b64decode(sealed[len(_PREFIX) :], altchars=b"-_", validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
        except (InvalidTag, ValueError):
            raise ValueError("sealed text: expected one of this key, got another") from None
