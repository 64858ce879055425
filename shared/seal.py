"""Secrets at rest, as text that may stand in a database or in Redis: AES-256-GCM with a random nonce, or AES-SIV
(RFC 5297) where the same text has to be the same again.

Invariant: what comes out of ``seal`` reveals nothing but the length; what comes out of ``seal_same`` also whether two
texts of one context are equal. Callers: the gateway seals an `apiKeyOverride`, the worker opens it for one run;
``shared.sensitive``.
"""

from __future__ import annotations

import base64
import os
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PREFIX = "sealed1."
#: How a text of ``seal_same`` begins.
SEALED = "sealed2."
_NONCE_BYTES = 12


class Seal:
    """One key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError(f"seal key: expected 32 bytes, got {len(key)}")
        self._cipher = AESGCM(key)
        # Another key for another purpose; AES-256-SIV takes two of 32 bytes.
        self._same = AESSIV(HKDF(hashes.SHA256(), 64, None, b"caddie seal_same").derive(key))

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

    def seal_same(self, text: str, context: str) -> str:
        """The same text in the same context is sealed to the same; it opens in that context only."""
        sealed = self._same.encrypt(text.encode(), [context.encode()])
        return SEALED + base64.urlsafe_b64encode(sealed).decode()

    def open_same(self, sealed: str, context: str) -> str:
        """Raises ValueError when the text was not sealed with this key in this context."""
        if not sealed.startswith(SEALED):
            raise ValueError("expected a sealed text, got something else")
        try:
            raw = base64.b64decode(sealed[len(SEALED) :], altchars=b"-_", validate=True)
            return self._same.decrypt(raw, [context.encode()]).decode()
        except (InvalidTag, ValueError):
            raise ValueError("sealed text: expected one of this key and context, got another") from None
