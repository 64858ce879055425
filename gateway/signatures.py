"""Signatures of webhook deliveries: those of Standard Webhooks 1.0 and GitHub's, both HMAC-SHA256.

Invariant: comparing takes as long for a wrong signature as for a right one. Caller: the hooks route.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

#: How far the clock of a sender may be off, and how old a captured delivery may be.
TOLERANCE_S = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
GITHUB = "x-hub-signature-256"
#: What no workflow needs to see of a delivery.
HEADERS = frozenset({SIGNATURE, GITHUB, "x-hub-signature"})


def signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether somebody who knows the secret signed this. headers: case-insensitive; now: Unix seconds."""
    if SIGNATURE in headers:
        return _standard(secret, headers, body, now)
    given = headers.get(GITHUB, "").strip().lower()
    expected = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    name, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not (name and timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    content = f"{name}.{timestamp}.".encode(errors="surrogateescape") + body
    expected = b"v1," + base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest())
    # While a secret is exchanged, a sender signs with both.
    given = [each.encode(errors="replace") for each in headers[SIGNATURE].split()]
    return any([hmac.compare_digest(each, expected) for each in given])


def _key(secret: str) -> bytes:
    """The specification's secrets are base64 after their prefix; any other text is the key itself."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            pass
    return secret.encode()
