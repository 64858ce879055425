"""`caddie bots` from its options to its exit code: against the real product, and against products with one fault."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from caddie.bots import fleet, tab
from caddie.bots.bench import Options
from caddie.bots.command import run
from caddie.bots.scenario import Move, Scenario
from caddie.bots.summary import LIMITS_NOTE
from caddie.bots.verify import verify
from shared.errors import CaddieError
from shared.settings import Settings
from tests.caddie.bots.faulty import TS, Frames, event, faulty
from tests.product import Product, free_port, running

SHORT = Options("", "key", sessions=1, duration_s=0.5, ramp_s=0, think_s=0.2, json=True)


async def test_the_product_keeps_its_promises_in_chaos(product: Product, tmp_path: Path) -> None:
    await product.pace(400)
    out = io.StringIO()
    options = Options(
        product.url, product.api_key, sessions=10, duration_s=3, ramp_s=1, think_s=0.2, chaos=True, seed=4, json=True,
        report=tmp_path / "bots.html", transcript=tmp_path / "bots.jsonl",
    )  # fmt: skip
    code = await run(options, out, io.StringIO())
    found = json.loads(out.getvalue())
    assert (code, found["faults"]) == (0, [])
    assert found["ok"] and set(found["invariants"].values()) == {0}
    counts = found["counts"]
    assert counts["messages"] >= 10 and counts["connects"] >= 10 and counts["events"] > 200
    assert found["latencyMs"]["event"]["count"] > 0
    verifier = verify(tmp_path / "bots.jsonl")
    assert verifier.faults.total == 0 and verifier.events == counts["events"]
    assert len(verifier.conversations) == 10 and len(verifier.readers) == counts["connects"]
    page = (tmp_path / "bots.html").read_text()
    assert "every invariant held" in page and page.count("<svg") == 10


@pytest.mark.parametrize("recovers", [True, False])
async def test_both_ways_of_coming_back_are_tried(
    product: Product, recovers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scenario, "recovers", lambda _: recovers)
    monkeypatch.setattr(Scenario, "moves", lambda _: [Move.DROP])
    monkeypatch.setattr(tab, "AWAY_MAX_S", 0.05)
    out = io.StringIO()
    options = Options(product.url, product.api_key, sessions=2, duration_s=2, ramp_s=0, think_s=0.1, json=True)
    code = await run(options, out, io.StringIO())
    found = json.loads(out.getvalue())
    assert (code, found["faults"]) == (0, [])
    assert found["counts"]["resumes"] > 0
    assert (found["counts"]["recovered"] > 0) == recovers


def without(number: int) -> Callable[[Frames], list[str | int]]:
    return lambda frames: [*frames[:number], *frames[number + 1 :]]


def at_the_end(*more: str | int) -> Callable[[Frames], list[str | int]]:
    return lambda frames: [*frames, *more]


def doubled(frames: Frames) -> list[str | int]:
    return [*frames[:4], *frames[3:]]


def swapped(frames: Frames) -> list[str | int]:
    return [*frames[:3], frames[4], frames[3], *frames[5:]]


def other_offset(frames: Frames) -> list[str | int]:
    return [frames[0].replace(',"1"]', ',"2"]'), *frames[1:]]


def other_text(frames: Frames) -> list[str | int]:
    return [frame.replace('"day"', '"night"') for frame in frames]


def two_ends(frames: Frames) -> list[str | int]:
    run = orjson.loads(frames[-1][2:])[1]["runId"]
    return [*frames, event(8, "run.failed", run, code="INTERNAL", message="", retryable=False)]


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (without(3), "gap"),
        (doubled, "duplicate"),
        (swapped, "inversion"),
        (other_offset, "offset"),
        (other_text, "text"),
        (two_ends, "terminal"),
        (without(6), "unended"),
        (at_the_end(4400), "close"),
        (at_the_end('42["event",7,"8"]'), "error"),
        (at_the_end('42["event",{"index":8,"type":"thinking"},"8"]'), "error"),
    ],
)
async def test_a_product_with_one_fault_is_caught(
    spoil: Callable[[Frames], list[str | int]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "CANCEL_AFTER_S", 0.1)
    monkeypatch.setattr(fleet, "OVER_AFTER_S", 0.2)
    out = io.StringIO()
    async with faulty(spoil) as product:
        code = await run(replace(SHORT, url=product.url, think_s=5), out, io.StringIO())
    found = json.loads(out.getvalue())
    assert code == 1
    assert found["invariants"][kind] >= 1, found["faults"]


async def test_a_faultless_product_passes_and_old_events_have_no_latency() -> None:
    out = io.StringIO()
    async with faulty(at_the_end()) as product:
        assert await run(replace(SHORT, url=product.url), out, io.StringIO()) == 0
    found = json.loads(out.getvalue())
    assert found["counts"]["events"] >= 7
    assert TS < "2026-06" and found["latencyMs"]["event"] == {"count": 0}


async def test_limits_are_waited_out_and_no_fault(settings: Settings) -> None:
    out = io.StringIO()
    async with running(settings.model_copy(update={"sockets_per_user": 2})) as product:
        options = Options(product.url, product.api_key, sessions=4, duration_s=1, ramp_s=0, think_s=0.1, json=True)
        code = await run(options, out, io.StringIO())
    found = json.loads(out.getvalue())
    assert (code, found["faults"]) == (0, [])
    assert found["counts"]["connects told to wait"] > 0 and found["notes"][1:] == [LIMITS_NOTE]


async def test_people_get_a_table() -> None:
    out = io.StringIO()
    async with faulty(without(3)) as product:
        assert await run(replace(SHORT, url=product.url, think_s=5, json=False), out, io.StringIO()) == 1
    assert "BROKEN gap" in out.getvalue() and "ok     duplicate" in out.getvalue()
    assert "gap: " in out.getvalue().split("the first 2 of 2")[1]


async def test_a_wrong_key_is_refused_before_the_test(product: Product) -> None:
    with pytest.raises(CaddieError, match="expected 200, got 401"):
        await run(replace(SHORT, url=product.url, api_key="caddie_" + "x" * 40))


async def test_nobody_there_is_said_so() -> None:
    with pytest.raises(CaddieError, match="expected an answer, got none"):
        await run(replace(SHORT, url=f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "127.0.0.1:8080"}, "--url: expected an http or https address, got 127.0.0.1:8080"),
        ({"api_key": ""}, "--api-key: expected a key"),
        ({"sessions": 0}, "--sessions: expected 1 to 20000, got 0"),
        ({"duration_s": 0.0}, "--duration: expected more than 0 seconds, got 0"),
        ({"ramp_s": 9.0}, "--ramp: expected 0 to the duration"),
        ({"think_s": -1.0}, "--think: expected 0 seconds or more, got -1"),
        ({"report": Path("/nowhere/bots.html")}, "--report: cannot write /nowhere/bots.html: No such file"),
        ({"transcript": Path("/nowhere/t.jsonl")}, "--transcript: cannot write /nowhere/t.jsonl: No such file"),
    ],
)
async def test_unusable_options_name_themselves(change: dict[str, object], message: str) -> None:
    options = replace(SHORT, **({"url": "http://127.0.0.1:9"} | change))  # type: ignore[arg-type]
    with pytest.raises(CaddieError) as refused:
        await run(options)
    assert refused.value.message.startswith(message)
