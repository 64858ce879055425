from __future__ import annotations

import pytest

from gateway import insisting
from gateway.insisting import TRIES, insist
from shared.errors import CaddieError


async def told(code: str, failures: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a step was tried that fails this often first."""
    tried = 0

    async def step() -> None:
        nonlocal tried
        tried += 1
        if tried <= failures:
            raise CaddieError(code, "no")

    monkeypatch.setattr(insisting, "PAUSE_S", 0)
    try:
        await insist(step, "test")
    except CaddieError as error:
        assert error.code == code
        return -tried
    return tried


async def test_what_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told("UNAVAILABLE", TRIES - 1, monkeypatch) == TRIES
    assert await told("UNAVAILABLE", TRIES, monkeypatch) == -TRIES


async def test_a_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told("NOT_FOUND", 1, monkeypatch) == -1
