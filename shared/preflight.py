"""What production must not start with; both processes ask before they open anything.

Invariant: a process in production never runs with a secret that is missing, short or a sample, an origin `*`, a
plain-http public URL off loopback, or an unprotected Redis off loopback; it ends with exit code 78 (EX_CONFIG of
sysexits.h), which a supervisor takes as "do not restart". Messages name the setting, never its value.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import sys
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from shared.connections import open_redis, redis_errors
from shared.errors import CaddieError
from shared.settings import Settings

EXIT_CONFIG = 78
SECRET_BYTES = 32
PASSWORD_CHARS = 12
EVICTION = "noeviction"
_SAMPLE_WORDS = ("change", "example", "sample", "secret", "password", "passwd", "insecure", "test-key", "placeholder")


def refusals(settings: Settings) -> list[str]:
    """Every reason not to start, empty outside production."""
    if settings.env != "production":
        return []
    return [*_secrets(settings), *_origins(settings), *_redis(settings)]


def eviction_refusal(settings: Settings, policy: str) -> list[str]:
    """The reason not to start with a Redis that throws keys away, once its policy is known."""
    if settings.env != "production" or policy == EVICTION:
        return []
    return [f"CADDIE_REDIS_URL: expected a Redis with maxmemory-policy {EVICTION}, got {policy}"]


async def exit_on_eviction(settings: Settings) -> None:
    """Exits with 78 in production when Redis may throw keys away; one that does not answer is the role's own matter."""
    if settings.env != "production" or settings.redis_url is None:
        return
    redis = open_redis(settings.redis_url.get_secret_value(), max_connections=1)
    try:
        async with redis_errors():
            policy = str((await redis.info("memory")).get("maxmemory_policy", EVICTION))
    except CaddieError:
        return
    finally:
        await redis.aclose()
    exit_refused(eviction_refusal(settings, policy))


def exit_refused(reasons: Iterable[str]) -> None:
    """Writes the reasons to stderr and exits with 78; returns when there are none."""
    lines = list(reasons)
    if lines:
        sys.stderr.write("caddie: refusing to start\n" + "".join(f"  {line}\n" for line in lines))
        raise SystemExit(EXIT_CONFIG)


def read_settings() -> Settings:
    """The settings of this process; exits with 78 and one line per fault when they are wrong."""
    try:
        return Settings()
    except ValidationError as error:
        exit_refused(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise


def is_sample(secret: str) -> bool:
    """Whether a secret is copied from a manual or typed by hand rather than generated."""
    lowered = secret.lower()
    half = len(lowered) // 2
    return (
        any(word in lowered for word in _SAMPLE_WORDS)
        or len(set(lowered)) < 8
        or (len(lowered) >= 16 and lowered[:half] == lowered[half : 2 * half])
        or lowered[:12] in "abcdefghijklmnopqrstuvwxyz0123456789"
        or lowered[:10] in "01234567890123456789"
    )


def _secrets(settings: Settings) -> Iterator[str]:
    yield from _token_keys(settings.token_keys)
    yield from _seal_key(settings.seal_key)
    if (key := settings.bootstrap_api_key) is not None and is_sample(key.get_secret_value()):
        yield "CADDIE_BOOTSTRAP_API_KEY: expected a generated key, got a sample"
    if (password := settings.bootstrap_password) is not None:
        value = password.get_secret_value()
        if len(value) < PASSWORD_CHARS:
            yield f"CADDIE_BOOTSTRAP_PASSWORD: expected at least {PASSWORD_CHARS} characters, got {len(value)}"
        elif is_sample(value):
            yield "CADDIE_BOOTSTRAP_PASSWORD: expected a generated password, got a sample"


def _token_keys(setting: SecretStr | None) -> Iterator[str]:
    if setting is None or not setting.get_secret_value():
        yield "CADDIE_TOKEN_KEYS: expected a JSON object {kid: key}, got nothing"
        return
    try:
        table = json.loads(setting.get_secret_value())
    except ValueError:
        table = None
    if not isinstance(table, dict) or not table:
        yield "CADDIE_TOKEN_KEYS: expected a JSON object {kid: key}, got something else"
        return
    for kid, value in table.items():
        key = value.get("key") if isinstance(value, dict) else value
        if not isinstance(key, str):
            yield f"CADDIE_TOKEN_KEYS: expected a string as key {kid}, got {type(key).__name__}"
        elif len(key.encode()) < SECRET_BYTES:
            yield f"CADDIE_TOKEN_KEYS: expected at least {SECRET_BYTES} bytes in key {kid}, got {len(key.encode())}"
        elif not key.startswith("-----BEGIN ") and is_sample(key):
            yield f"CADDIE_TOKEN_KEYS: expected a generated key, got a sample as {kid}"


def _seal_key(setting: SecretStr | None) -> Iterator[str]:
    if setting is None or not setting.get_secret_value():
        yield f"CADDIE_SEAL_KEY: expected base64 of {SECRET_BYTES} bytes, got nothing"
        return
    value = setting.get_secret_value()
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SECRET_BYTES:
        yield f"CADDIE_SEAL_KEY: expected base64 of {SECRET_BYTES} bytes, got something else"
    elif len(set(raw)) < 8 or is_sample(raw.decode("latin-1")):
        yield "CADDIE_SEAL_KEY: expected a generated key, got a sample"


def _origins(settings: Settings) -> Iterator[str]:
    if "*" in settings.origins:
        yield "CADDIE_ORIGINS: expected a list of origins, got *"
    for name, url in (
        ("CADDIE_PUBLIC_URL", settings.public_url),
        ("CADDIE_SOCKET_URL", settings.socket_url),
        ("CADDIE_SERVER_PUBLIC_URL", settings.server_public_url),
    ):
        parts = urlsplit(url)
        if parts.scheme in ("http", "ws") and not is_loopback(parts.hostname):
            yield f"{name}: expected https off loopback, got {parts.scheme}"


def _redis(settings: Settings) -> Iterator[str]:
    if settings.redis_url is None:
        yield "CADDIE_REDIS_URL: expected an address, got nothing"
        return
    scheme, _, rest = settings.redis_url.get_secret_value().partition("://")
    userinfo, _, hosts = rest.partition("/")[0].rpartition("@")
    protected = scheme in ("unix", "rediss") or bool(userinfo.partition(":")[2])
    local = all(is_loopback(urlsplit(f"//{host}").hostname) for host in hosts.split(","))
    if not protected and not local:
        yield "CADDIE_REDIS_URL: expected a password or rediss:// off loopback, got neither"


def is_loopback(host: str | None) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False
