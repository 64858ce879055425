"""Steers and summaries on both databases: taken once by the run they were sent to, or runs of their own."""

from __future__ import annotations

import asyncio

from shared.store import Store
from shared.store.steers import STEERED, STEERS
from tests.shared.store.conftest import Tenant
from tests.shared.store.test_runs import claimed, said, submit


async def test_it_is_taken_once_by_the_newest_attempt_of_the_run_it_was_sent_to(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    first, created = await submit(store, tenant, request_id="s1", when_busy="steer")
    second, _ = await submit(store, tenant, request_id="s2", when_busy="steer")
    await submit(store, tenant, when_busy="queue")
    assert created and first.input[STEERS] == run.id
    assert await store.steers.take(run.id, 2) == [] and await store.steers.take(second.id, 0) == []
    taken = await asyncio.gather(*(store.steers.take(run.id, 1) for _ in range(5)))
    assert [(row[0], row[1]) for rows in taken for row in rows] == [(first.id, "s1"), (second.id, "s2")]
    assert [row[0] for row in await store.steers.taken(run.id)] == [first.id, second.id]
    again, created = await submit(store, tenant, request_id="s1", when_busy="steer")
    assert not created and again.outcome == STEERED
    last = await store.runs.last_ended(tenant.org, "c1")
    assert last is None


async def test_what_nobody_took_becomes_a_run_of_its_own(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    steer, _ = await submit(store, tenant, when_busy="steer")
    assert await store.runs.finish(run.id, 1, status="finished", outcome="completed")
    active = await store.runs.active(tenant.org, "c1")
    assert active is not None and active.id == steer.id
    assert await store.steers.take(run.id, 1) == []
    assert await store.runs.claim(steer.id, 3)
    assert await store.steers.take(steer.id, 1) == []


async def test_a_steer_of_an_idle_conversation_is_a_run(store: Store, tenant: Tenant) -> None:
    run, _ = await submit(store, tenant, when_busy="steer")
    assert STEERS not in run.input and await store.runs.claim(run.id, 3)


async def test_a_cancelled_steer_is_not_taken(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    steer, _ = await submit(store, tenant, when_busy="steer")
    assert await store.runs.request_cancel(steer.id)
    assert await store.steers.take(run.id, 1) == []


async def test_a_summary_lives_as_long_as_its_last_message(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    messages = [said("user", "hi"), said("assistant", "hello"), said("user", "bye")]
    assert await store.runs.finish(run.id, 1, status="finished", messages=messages)
    pk = run.conversation_pk
    assert await store.summaries.get(pk) is None
    for text in ("first", "second"):
        await store.summaries.put(pk, text, messages[1].id)
    kept = await store.summaries.get(pk)
    assert kept is not None and (kept.text, kept.position) == ("second", 2)
    await store.conversations.clear(tenant.org, "c1")
    assert await store.summaries.get(pk) is None
