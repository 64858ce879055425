"""Password hashes: ``scrypt$n$r$p$salt$hash``, salt and hash in base64url.

Invariant: checking takes the same time whether the password is wrong or nobody has that login.
Called by the accounts repository; both functions take some 0.1 s of processor, so it calls them in a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

# OWASP's 16 MiB variant: N = 2**14, r = 8, p = 5.
N, R, P = 2**14, 8, 5
SALT_BYTES = 16
HASH_BYTES = 32
MEMORY_BYTES = 64 * 1024 * 1024


def hash_password(password: str) -> str:
    """The text to store for ``password``."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"scrypt${N}${R}${P}${_text(salt)}${_text(_scrypt(password, salt, N, R, P))}"


def verify_password(password: str, stored: str | None) -> bool:
    """Whether ``password`` is the one behind ``stored``; None or damaged text costs the same and is False."""
    try:
        name, n, r, p, salt, digest = (stored or "").split("$")
        expected = base64.urlsafe_b64decode(digest)
        actual = _scrypt(password, base64.urlsafe_b64decode(salt), int(n), int(r), int(p))
    except (ValueError, binascii.Error):
        _scrypt(password, bytes(SALT_BYTES), N, R, P)
        return False
    return hmac.compare_digest(actual, expected) and name == "scrypt"


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MEMORY_BYTES, dklen=HASH_BYTES)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()
