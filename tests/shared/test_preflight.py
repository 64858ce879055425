"""What production must not start with."""

from __future__ import annotations

import base64
import json
import secrets

import pytest

from shared.preflight import eviction_refusal, is_loopback, is_sample, refusals
from shared.seal import Seal
from shared.settings import Settings
from shared.tokens import KeyTable

GOOD: dict[str, object] = {
    "env": "production",
    "token_keys": KeyTable.generate(),
    "seal_key": Seal.generate(),
    "redis_url": "redis://:b9d1f0c7e2a4@redis.internal:6379/0",
}


def settings(**changes: object) -> Settings:
    return Settings(_env_file=None, **(GOOD | changes))  # type: ignore[arg-type]


def test_a_sound_configuration_starts_and_development_takes_anything() -> None:
    assert refusals(settings()) == []
    assert refusals(Settings(_env_file=None, env="development", origins=("*",))) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token_keys": None}, "CADDIE_TOKEN_KEYS: expected a JSON object {kid: key}, got nothing"),
        ({"token_keys": "[1]"}, "CADDIE_TOKEN_KEYS: expected a JSON object {kid: key}, got something else"),
        ({"token_keys": "no json"}, "CADDIE_TOKEN_KEYS: expected a JSON object {kid: key}, got something else"),
        ({"token_keys": '{"k": 1}'}, "CADDIE_TOKEN_KEYS: expected a string as key k, got int"),
        ({"token_keys": '{"k": "abc"}'}, "CADDIE_TOKEN_KEYS: expected at least 32 bytes in key k, got 3"),
        ({"token_keys": json.dumps({"k": {"key": "change-me-" * 4}})}, "CADDIE_TOKEN_KEYS: expected a generated key"),
        ({"seal_key": None}, "CADDIE_SEAL_KEY: expected base64 of 32 bytes, got nothing"),
        ({"seal_key": "abc"}, "CADDIE_SEAL_KEY: expected base64 of 32 bytes, got something else"),
        ({"seal_key": base64.b64encode(bytes(32)).decode()}, "CADDIE_SEAL_KEY: expected a generated key"),
        ({"bootstrap_api_key": "0123456789abcdef" * 2}, "CADDIE_BOOTSTRAP_API_KEY: expected a generated key"),
        ({"bootstrap_password": "short"}, "CADDIE_BOOTSTRAP_PASSWORD: expected at least 12 characters, got 5"),
        ({"bootstrap_password": "password1234"}, "CADDIE_BOOTSTRAP_PASSWORD: expected a generated password"),
        ({"origins": ("*",)}, "CADDIE_ORIGINS: expected a list of origins, got *"),
        ({"public_url": "http://caddie.example.com"}, "CADDIE_PUBLIC_URL: expected https off loopback, got http"),
        ({"socket_url": "http://chat.example.com"}, "CADDIE_SOCKET_URL: expected https off loopback, got http"),
        ({"server_public_url": "ws://10.0.0.1:81"}, "CADDIE_SERVER_PUBLIC_URL: expected https off loopback, got ws"),
        ({"redis_url": None}, "CADDIE_REDIS_URL: expected an address, got nothing"),
        ({"redis_url": "redis://redis.internal"}, "CADDIE_REDIS_URL: expected a password or rediss://"),
        ({"redis_url": "redis+sentinel://a:1,b:2/main"}, "CADDIE_REDIS_URL: expected a password or rediss://"),
    ],
)
def test_each_weakness_is_named_without_its_value(changes: dict[str, object], reason: str) -> None:
    (found,) = refusals(settings(**changes))
    assert found.startswith(reason)
    for value in changes.values():
        assert not isinstance(value, str) or len(value) < 9 or value not in found


@pytest.mark.parametrize(
    "changes",
    [
        {"redis_url": "redis://127.0.0.1"},
        {"redis_url": "unix:///run/valkey.sock"},
        {"redis_url": "rediss://redis.internal"},
        {"redis_url": "redis://[::1]:6379"},
        {"socket_url": "http://localhost:8081"},
        {"socket_url": "https://chat.example.com"},
        {"origins": ("https://app.example.com",)},
    ],
)
def test_what_is_protected_or_local_is_fine(changes: dict[str, object]) -> None:
    assert refusals(settings(**changes)) == []


def test_generated_secrets_are_never_taken_for_samples() -> None:
    for _ in range(200):
        assert not is_sample(secrets.token_hex(24))
        assert not is_sample(secrets.token_urlsafe(32))


def test_a_redis_that_evicts_is_refused_in_production_only() -> None:
    assert eviction_refusal(settings(), "allkeys-lru") != []
    assert eviction_refusal(settings(), "noeviction") == []
    assert eviction_refusal(settings(env="development"), "allkeys-lru") == []


def test_loopback_is_known_by_name_and_number() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", None, ""))
    assert not any(is_loopback(host) for host in ("example.com", "10.0.0.1", "0.0.0.0", "fe80::1"))
