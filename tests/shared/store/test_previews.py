"""Steps as they are shown: the same as they are, but for what is too large."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.store import Store, previews
from shared.store.execution_records import ExecutionStart, StepWrite
from tests.shared.store.conftest import Tenant

BEGUN = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


async def stepped(store: Store, tenant: Tenant, *values: Any) -> str:
    """An execution with a step for each of these inputs, which are results, too."""
    flow = await store.workflows.create(tenant.org, tenant.user, "Flow")
    made, _ = await store.executions.create(ExecutionStart(tenant.org, tenant.user, flow.id, 1, "manual", "root"))
    claim = await store.runs.claim(made.id, 3)
    assert claim is not None and await store.executions.begin(made.id, claim.run.attempt)
    writes = [
        StepWrite(
            "each:1", f"n{place}", place, "success", claim.run.attempt, input=value, result=value, started_at=BEGUN,
            duration_ms=3, branch="then",
        )
        for place, value in enumerate(values)
    ]  # fmt: skip
    await store.executions.checkpoint(made.id, claim.run.attempt, writes, node_runs=len(writes), active_ms=1)
    return made.id


@pytest.mark.parametrize("value", [None, 0, False, "", "x", [], {}, {"a": [1, None, "ü\u0000"]}, 1.5, "x" * 16_000])
async def test_what_is_small_is_shown_as_it_is(store: Store, tenant: Tenant, value: Any) -> None:
    execution = await stepped(store, tenant, value, value)
    whole = await store.executions.steps(execution)
    assert list(await store.executions.previews(execution)) == list(whole) and len(whole) == 2


@pytest.mark.parametrize(("value", "size"), [("x" * 20_000, 20_002), ("ü" * 10_000, 20_002), (["y"] * 9_000, 36_001)])
async def test_what_is_large_is_shown_by_its_beginning(store: Store, tenant: Tenant, value: Any, size: int) -> None:
    execution = await stepped(store, tenant, value, "small")
    large, small = await store.executions.previews(execution)
    for shown in (large.input, large.result):
        assert (shown["truncated"], shown["bytes"], len(shown["preview"])) == (True, size, 1_000)
        assert shown["preview"][:2] in ('"x', '"ü', '["')
    whole = (await store.executions.steps(execution))[0]
    assert replace(large, input=None, result=None) == replace(whole, input=None, result=None)
    assert small.result == "small"


async def test_the_more_there_are_the_less_is_shown_of_each(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "TOTAL_BYTES", 100_000)
    execution = await stepped(store, tenant, *["x" * 10_000] * 100)
    shown = await store.executions.previews(execution)
    assert len(shown) == 100 and sum(len(step.result["preview"]) for step in shown) <= 50_000


async def test_of_an_execution_without_steps_nothing_is_shown(store: Store, tenant: Tenant) -> None:
    assert list(await store.executions.previews(await stepped(store, tenant))) == []


async def test_what_says_most_is_what_ran_last_and_what_failed(store: Store, tenant: Tenant) -> None:
    flow = await store.workflows.create(tenant.org, tenant.user, "Flow")
    made, _ = await store.executions.create(ExecutionStart(tenant.org, tenant.user, flow.id, 1, "manual", "root"))
    claim = await store.runs.claim(made.id, 3)
    assert claim is not None and await store.executions.begin(made.id, claim.run.attempt)
    writes = [
        StepWrite("", f"n{place}", place, "failed" if place in (2, 5) else "success", 1, result="x" * size)
        for place, size in enumerate([5] * 8 + [2_000] * 2)
    ]
    await store.executions.checkpoint(made.id, 1, writes, node_runs=10, active_ms=1)
    told = await store.executions.telling(made.id, 3, 100)
    assert [step.node_id for step in told] == ["n2", "n5", "n7", "n8", "n9"]
    assert told[2].result == "xxxxx"
    assert told[4].result == {"truncated": True, "bytes": 2_002, "preview": '"' + "x" * 99}
    assert [step.node_id for step in await store.executions.telling(made.id, 1, 100)] == ["n5", "n9"]
    assert list(await store.executions.telling(made.id, 50, 5_000)) == list(await store.executions.steps(made.id))
    assert list(await store.executions.telling("unknown", 50, 100)) == []
