"""Session tokens: what a browser proves to a Socket.IO server, and the keys that sign them.

A token is a JWT (RFC 7519) with the header exactly ``{alg, typ: "caddie-session+jwt", kid}`` and a closed set of
claims. PyJWT alone accepts many spellings of one token (padding, duplicate members, string times, UTF-16), so every
token passes a strict reader first; invariant: one session has one spelling of its token. A token spelled the way
``issue`` spells them takes a short cut, which reads it once; whatever differs, be it by a bit, takes the long way.

Callers: the gateway issues, the Socket.IO server verifies. Signing keys may be HS256 (32 bytes or more) or EdDSA,
whose public half is enough to verify.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms

from shared.errors import CaddieError

SCOPES = ("read", "write", "decide", "eval", "admin")
#: What a session may carry; the others belong to API keys only.
SESSION_SCOPES = frozenset({"read", "write", "decide"})
TOKEN_TYPE = "caddie-session+jwt"
TOKEN_LENGTH_MAX = 2_048
LEEWAY_S = 5
#: Spellings of a header remembered: one per key that signs.
HEADERS_MAX = 32
TTL_MAX_S = 3_600
_CLAIMS = {"iss", "aud", "sub", "org", "sid", "conv", "scp", "jti", "iat", "nbf", "exp"}
_ALGORITHMS = ("HS256", "EdDSA")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_KID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Session:
    """What a verified token proves: one user, one conversation, some scopes, an end (Unix seconds)."""

    id: str
    org: int
    user: int
    conversation: str
    scopes: frozenset[str]
    token_id: str
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    algorithm: str
    signing: Any
    verifying: Any


class KeyTable:
    """kid → key; the first one signs, all of them verify, so a key is rotated by putting a new one in front."""

    def __init__(self, keys: list[Key]) -> None:
        if not keys:
            raise ValueError("token keys: expected at least one key, got none")
        self.keys = {key.kid: key for key in keys}
        self.signer = next((key for key in keys if key.signing is not None), None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``{kid: key}`` or ``{kid: {"key": …, "alg": "HS256"|"EdDSA"}}``; EdDSA keys are PEM, private or public.

        Raises ValueError saying what is wrong, never the key.
        """
        try:
            table = json.loads(text, object_pairs_hook=_unique)
        except ValueError:
            message = "token keys: expected a JSON object {kid: key} without duplicates, got something else"
            raise ValueError(message) from None
        if not isinstance(table, dict):
            raise ValueError(f"token keys: expected a JSON object, got {type(table).__name__}")
        return cls([cls._key(kid, value) for kid, value in table.items()])

    @staticmethod
    def generate() -> str:
        """A fresh table with one HS256 key, as JSON."""
        return json.dumps({f"k{secrets.token_hex(4)}": {"alg": "HS256", "key": secrets.token_urlsafe(48)}})

    @staticmethod
    def _key(kid: str, value: object) -> Key:
        if not _KID.fullmatch(kid):
            raise ValueError("token keys: expected a kid of 1–64 characters [A-Za-z0-9_.-]")
        secret, algorithm = (
            (value.get("key"), value.get("alg", "HS256")) if isinstance(value, dict) else (value, "HS256")
        )
        if algorithm not in _ALGORITHMS or not isinstance(secret, str):
            raise ValueError(f"token key {kid}: expected a string key and alg {' or '.join(_ALGORITHMS)}")
        try:
            prepared = get_default_algorithms()[algorithm].prepare_key(secret)
        except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
            wanted = "a shared secret" if algorithm == "HS256" else "an unencrypted Ed25519 key in PEM"
            raise ValueError(f"token key {kid}: expected {wanted} for {algorithm}, got something else") from None
        if algorithm == "HS256":
            if len(prepared) < 32:
                raise ValueError(f"token key {kid}: expected at least 32 bytes for HS256, got {len(prepared)}")
            return Key(kid, algorithm, prepared, prepared)
        public = prepared.public_key() if hasattr(prepared, "public_key") else prepared
        return Key(kid, algorithm, prepared if hasattr(prepared, "public_key") else None, public)


class Tokens:
    """Issues and verifies session tokens. `now` returns Unix seconds."""

    def __init__(
        self, keys: KeyTable, issuer: str, audience: str, ttl_s: int, now: Callable[[], float] = time.time
    ) -> None:
        self._keys, self._issuer, self._audience, self._ttl_s, self._now = keys, issuer, audience, ttl_s, now
        #: Headers of well-signed HS256 tokens, as spelled, with the prepared key they name.
        self._macs: dict[str, hmac.HMAC] = {}

    def issue(
        self, session_id: str, org: int, user: int, conversation: str, scopes: frozenset[str], ttl_s: int | None = None
    ) -> tuple[str, Session]:
        """A token for one session and what it proves. Raises ValueError when no key can sign."""
        key = self._keys.signer
        if key is None:
            raise ValueError("token keys: expected a key that can sign, got public keys only")
        now = int(self._now())
        life = min(ttl_s or self._ttl_s, TTL_MAX_S)
        session = Session(session_id, org, user, conversation, scopes & SESSION_SCOPES, uuid4().hex, now, now + life)
        claims = {
            "iss": self._issuer, "aud": self._audience, "sub": str(user), "org": org, "sid": session_id,
            "conv": conversation, "scp": sorted(session.scopes), "jti": session.token_id, "iat": now, "nbf": now,
            "exp": now + life,
        }  # fmt: skip
        return jwt.encode(
            claims, key.signing, algorithm=key.algorithm, headers={"typ": TOKEN_TYPE, "kid": key.kid}
        ), session

    def verify(self, token: object) -> Session:
        """The session a token proves.

        Raises CaddieError: TOKEN_MALFORMED (no such thing as a session token), TOKEN_INVALID (signature, issuer,
        audience, key or claims), TOKEN_EXPIRED.
        """
        claims = self._recognised(token)
        if claims is None:
            claims = self._examined(_checked_text(token))
        session = self._session(claims)
        now = self._now()
        if now > session.expires_at + LEEWAY_S:
            raise CaddieError("TOKEN_EXPIRED", "the session token has expired: get a new one")
        if claims["nbf"] > now + LEEWAY_S or session.issued_at > now + LEEWAY_S:
            raise CaddieError("TOKEN_INVALID", "token times: expected nbf and iat in the past, got the future")
        return session

    def _recognised(self, token: object) -> dict[str, Any] | None:
        """The claims of a token with a known header, one of our signatures and nothing unusual about it; else None."""
        if not isinstance(token, str) or len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            return None
        signed, _, signature = token.rpartition(".")
        header, _, text = signed.partition(".")
        prepared = self._macs.get(header)
        if prepared is None:
            return None
        mac = prepared.copy()
        mac.update(signed.encode())
        if not hmac.compare_digest(_encoded(mac.digest()), signature):
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            claims = orjson.loads(raw)
            # Two members of one name, or any other spelling, do not come out as they went in.
            usual = _encoded(raw) == text and orjson.dumps(claims) == raw
        except (ValueError, TypeError):
            return None
        return claims if usual and isinstance(claims, dict) else None

    def _examined(self, text: str) -> dict[str, Any]:
        """The claims of any well-signed token."""
        header_text, claims_text, _ = text.split(".")
        header, claims = _segment(header_text, "header"), _segment(claims_text, "claims")
        if set(header) != {"alg", "typ", "kid"} or header["typ"] != TOKEN_TYPE:
            raise CaddieError(
                "TOKEN_MALFORMED", f"expected a session token (typ {TOKEN_TYPE}), got another kind of token"
            )
        key = self._keys.keys.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None or header["alg"] != key.algorithm:
            raise CaddieError("TOKEN_INVALID", "token key: expected a known kid with its algorithm, got another")
        try:
            jwt.PyJWS(algorithms=[key.algorithm]).decode(text, key.verifying, algorithms=[key.algorithm])
        except jwt.PyJWTError:
            raise CaddieError("TOKEN_INVALID", "token signature: expected one of ours, got another") from None
        if key.algorithm == "HS256" and len(self._macs) < HEADERS_MAX:
            self._macs[header_text] = hmac.new(key.verifying, digestmod=hashlib.sha256)
        return claims

    def _session(self, claims: dict[str, Any]) -> Session:
        times = [claims.get(name) for name in ("iat", "nbf", "exp")]
        strings = [claims.get(name) for name in ("iss", "aud", "sub", "sid", "conv", "jti")]
        scopes = claims.get("scp")
        if (
            set(claims) != _CLAIMS
            or not all(type(value) is int and 0 <= value < 2**53 for value in times)
            or not all(isinstance(value, str) for value in strings)
            or type(claims["org"]) is not int
            or not claims["sub"].isascii()
            or not claims["sub"].isdigit()
            or len(claims["sub"]) > 18
            or not _ID.fullmatch(claims["conv"])
            or not isinstance(scopes, list)
            or not all(isinstance(scope, str) and scope in SESSION_SCOPES for scope in scopes)
            or not 0 < claims["exp"] - claims["iat"] <= TTL_MAX_S
        ):
            raise CaddieError("TOKEN_INVALID", "token claims: expected the closed set of a session token, got another")
        if claims["iss"] != self._issuer or claims["aud"] != self._audience:
            raise CaddieError("TOKEN_INVALID", "token issuer and audience: expected ours, got others")
        return Session(
            claims["sid"], claims["org"], int(claims["sub"]), claims["conv"], frozenset(scopes), claims["jti"],
            claims["iat"], claims["exp"],
        )  # fmt: skip


def _checked_text(token: object) -> str:
    if not isinstance(token, str) or not token:
        raise CaddieError("TOKEN_MALFORMED", f"expected a session token (a string), got {type(token).__name__}")
    if len(token) > TOKEN_LENGTH_MAX:
        raise CaddieError("TOKEN_MALFORMED", f"expected at most {TOKEN_LENGTH_MAX} characters, got {len(token)}")
    segments = token.split(".")
    if len(segments) != 3 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise CaddieError("TOKEN_MALFORMED", "expected three base64url segments, got something else")
    for segment in segments:
        _decoded(segment)
    return token


def _decoded(segment: str) -> bytes:
    """Canonical base64url only: the unused bits of the last character are zero (RFC 4648, section 3.5)."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise CaddieError("TOKEN_MALFORMED", "expected base64url segments, got something else") from None
    if _encoded(raw) != segment:
        raise CaddieError("TOKEN_MALFORMED", "expected canonical base64url, got another spelling")
    return raw


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _segment(segment: str, name: str) -> dict[str, Any]:
    try:
        raw = _decoded(segment).decode("utf-8")
        orjson.loads(raw)  # refuses NaN, Infinity and lone surrogates, and bounds the depth before json recurses
        value = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise CaddieError("TOKEN_MALFORMED", f"token {name}: expected one JSON object, got something else") from None
    if not isinstance(value, dict):
        raise CaddieError("TOKEN_MALFORMED", f"token {name}: expected a JSON object, got {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate member")
    return value
