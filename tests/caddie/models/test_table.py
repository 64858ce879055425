"""Names, aliases, keys: which model opens, and that nothing leaves the machine by accident."""

from __future__ import annotations

from typing import Any

import pytest

from caddie.models.table import CLAUDE, ModelTable
from shared.errors import CaddieError
from shared.settings import Settings

KEY = "sk-ant-canary-0123456789"


def table(monkeypatch: pytest.MonkeyPatch, **values: Any) -> ModelTable:
    for name in (
        "ANTHROPIC_API_KEY",
        "CADDIE_ANTHROPIC_API_KEY",
        "CADDIE_MODEL",
        "CADDIE_MODELS",
        "CADDIE_OPENAI_API_KEY",
        "CADDIE_OPENAI_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    return ModelTable(Settings(_env_file=None, **values))


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        ({}, None, "offline/offline"),
        ({}, "gpt-4", "offline/offline"),
        ({"anthropic_api_key": KEY}, None, f"anthropic/{CLAUDE}"),
        ({"anthropic_api_key": KEY}, "gpt-4", f"anthropic/{CLAUDE}"),
        ({"anthropic_api_key": KEY}, "claude-opus-5-5", "anthropic/claude-opus-5-5"),
        (
            {"models": '{"fast": "anthropic/claude-haiku-5-5"}', "anthropic_api_key": KEY},
            "fast",
            "anthropic/claude-haiku-5-5",
        ),
        ({"model": "offline", "anthropic_api_key": KEY}, "gpt-4", "offline/offline"),
        ({"openai_base_url": "http://127.0.0.1:1/v1"}, "openai/local", "openai/local"),
    ],
)
def test_a_name_opens_its_model(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], name: str | None, expected: str
) -> None:
    assert table(monkeypatch, **settings).open(name).name == expected


def test_an_unknown_name_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CaddieError) as caught:
        table(monkeypatch).open("nonsense")
    assert caught.value.code == "INVALID" and "claude, gpt-4, offline" in caught.value.message


@pytest.mark.parametrize(
    ("name", "setting"), [("claude", "ANTHROPIC_API_KEY"), ("openai/gpt", "CADDIE_OPENAI_API_KEY")]
)
def test_without_a_key_nothing_goes_outside(monkeypatch: pytest.MonkeyPatch, name: str, setting: str) -> None:
    with pytest.raises(CaddieError) as caught:
        table(monkeypatch).open(name)
    assert caught.value.code == "INVALID" and setting in caught.value.message


def test_an_override_is_enough_for_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert table(monkeypatch).open("claude", api_key=KEY).name == f"anthropic/{CLAUDE}"


@pytest.mark.parametrize(
    "key",
    [
        "short",
        "canary-with-newline-in-it\n012345",
        "canary with spaces 0123456789",
        "x" * 257,
        "canary-ümlaut-0123456789-0123",
    ],
)
def test_a_key_unfit_for_a_header_is_refused_without_being_told(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(CaddieError) as caught:
        table(monkeypatch).open("claude", api_key=key)
    assert caught.value.code == "INVALID" and "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": ""}'])
def test_a_broken_alias_table_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(CaddieError):
        table(monkeypatch, models=text)


async def test_closing_an_unused_table_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    await table(monkeypatch).close()
