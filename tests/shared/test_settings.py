"""shared/settings.py: where values come from, what is refused, and what never shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import Settings


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("CADDIE_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nothing_needs_to_be_set_and_nothing_leaves_the_machine() -> None:
    settings = Settings()
    assert settings.model_name == "offline"
    assert settings.gateway_host == settings.server_host == settings.admin_host == "127.0.0.1"
    assert settings.origins == ()
    assert settings.state_dir.is_absolute()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CADDIE_GATEWAY_PORT=1111\nCADDIE_SERVER_PORT=2222\nOTHER=1\nCADDIE_UNKNOWN=1\n")
    monkeypatch.setenv("CADDIE_GATEWAY_PORT", "3333")
    settings = Settings()
    assert (settings.gateway_port, settings.server_port) == (3333, 2222)


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADDIE_ORIGINS", "https://a.example, https://b.example ,")
    assert Settings().origins == ("https://a.example", "https://b.example")
    monkeypatch.setenv("CADDIE_ORIGINS", "")
    assert Settings().origins == ()


@pytest.mark.parametrize(
    ("environment", "model"),
    [
        ({}, "offline"),
        ({"ANTHROPIC_API_KEY": "sk-x"}, "claude"),
        ({"CADDIE_ANTHROPIC_API_KEY": "sk-x"}, "claude"),
        ({"ANTHROPIC_API_KEY": "sk-x", "CADDIE_MODEL": "offline"}, "offline"),
    ],
)
def test_the_default_model_follows_the_key(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], model: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().model_name == model


@pytest.mark.parametrize(
    "values",
    [
        {"gateway_port": -1},
        {"server_port": 70_000},
        {"token_ttl_s": 3_601},
        {"token_ttl_s": 0},
        {"env": "staging"},
        {"log_retention_events": 1},
        {"ring_bytes": 1},
        {"run_attempts": 0},
        {"worker_concurrency": 0},
        {"log_level": "loud"},
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**values)


@pytest.mark.parametrize(
    ("attribute", "variable"),
    [
        ("redis_address", "CADDIE_REDIS_URL"),
        ("database_address", "CADDIE_DATABASE_URL"),
        ("token_key_table", "CADDIE_TOKEN_KEYS"),
        ("seal_key_text", "CADDIE_SEAL_KEY"),
    ],
)
def test_what_a_role_needs_is_asked_for_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, attribute: str, variable: str
) -> None:
    with pytest.raises(ValueError, match=f"{variable}: expected a value"):
        getattr(Settings(), attribute)
    monkeypatch.setenv(variable, "given")
    assert getattr(Settings(), attribute) == "given"


def test_secrets_do_not_show_and_settings_do_not_change() -> None:
    names = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert {"redis_url", "database_url", "token_keys", "seal_key", "anthropic_api_key"} <= set(names)
    settings = Settings(**{name: SecretStr("CANARY") for name in names})  # type: ignore[arg-type]
    assert "CANARY" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    with pytest.raises(ValidationError):
        settings.gateway_port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name
