from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.store import Store
from shared.store.records import Json, WorkflowRecord
from tests.shared.store.conftest import Tenant

HOUR = timedelta(hours=1)
DAILY = {"rrule": "FREQ=DAILY"}


def definition(*hooks: str, **schedules: Json) -> dict[str, Any]:
    nodes: dict[str, Any] = {name: {"type": "webhook"} for name in hooks}
    nodes |= {name: {"type": "cronjob", "payload": payload} for name, payload in schedules.items()}
    return {"nodes": {**nodes, "stray": {"type": "webhook"}}, "triggerNodeIds": list(nodes) or ["root"]}


async def made(store: Store, tenant: Tenant, *hooks: str, **schedules: Json) -> WorkflowRecord:
    return await store.workflows.create(tenant.org, tenant.user, "W", definition=definition(*hooks, **schedules))


async def change(store: Store, workflow: WorkflowRecord, *hooks: str, **schedules: Json) -> None:
    new = definition(*hooks, **schedules)
    await store.workflows.update(workflow.org_id, workflow.id, user_id=workflow.user_id, definition=new)


async def test_a_webhook_trigger_has_an_address_as_long_as_it_stays(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    workflow = await made(store, tenant, "a", "b")
    a, b = await store.triggers.hooks(tenant.org, workflow.id)
    assert (a.node_id, b.node_id) == ("a", "b") and len(a.id) == 32 and a.id != b.id and a.id not in repr(a)
    assert (a.user_id, a.version, a.enabled) == (tenant.user, 1, True)
    await change(store, workflow, "a", "c")
    kept, c = await store.triggers.hooks(tenant.org, workflow.id)
    assert (kept.id, kept.version, c.node_id) == (a.id, 2, "c")
    assert await store.triggers.hook(a.id) == kept
    for unknown in (b.id, "", "\0", "é", "x" * 1000):
        assert await store.triggers.hook(unknown) is None
    assert await store.triggers.hooks(stranger.org, workflow.id) == []
    await store.workflows.restore(tenant.org, workflow.id, 1, user_id=tenant.user)
    assert [hook.node_id for hook in await store.triggers.hooks(tenant.org, workflow.id)] == ["a", "b"]
    assert await store.workflows.delete(tenant.org, workflow.id)
    assert await store.triggers.hook(a.id) is None


async def test_an_address_can_be_renewed(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    workflow = await made(store, tenant, "a")
    (old,) = await store.triggers.hooks(tenant.org, workflow.id)
    assert await store.triggers.renew_hook(stranger.org, workflow.id, "a") is None
    assert await store.triggers.renew_hook(tenant.org, workflow.id, "\0") is None
    new = await store.triggers.renew_hook(tenant.org, workflow.id, "a")
    assert new is not None and new.id != old.id
    assert await store.triggers.hook(old.id) is None and await store.triggers.hook(new.id) == new


async def test_a_schedule_is_computed_before_it_fires_and_a_rule_that_stays_keeps_its_time(
    store: Store, tenant: Tenant
) -> None:
    workflow = await made(store, tenant, daily=DAILY, other={"cron": "0 9 * * *"})
    moment = datetime.now(UTC) + HOUR
    due = await store.triggers.due_schedules(moment)
    assert {(each.node_id, each.armed, each.fired) for each in due} == {("daily", False, 0), ("other", False, 0)}
    assert {each.user_id for each in due} == {tenant.user}
    for each in due:
        assert each.next_at is not None
        assert await store.triggers.advance(workflow.id, each.node_id, each.next_at, moment + HOUR, fired=False)
    assert await store.triggers.due_schedules(moment) == []
    await change(store, workflow, daily=DAILY, other={"cron": "0 10 * * *"})
    (changed,) = await store.triggers.due_schedules(moment)
    assert (changed.node_id, changed.rule, changed.armed) == ("other", {"cron": "0 10 * * *"}, False)
    await change(store, workflow, daily=DAILY)
    (kept,) = await store.triggers.schedules(tenant.org, workflow.id)
    assert kept.armed and kept.next_at is not None and (kept.version, kept.last_at) == (3, None)


async def test_one_of_many_workers_advances_a_schedule(url: str, store: Store, tenant: Tenant) -> None:
    workflow = await made(store, tenant, daily=DAILY)
    other = await Store.open(url)
    moment = datetime.now(UTC) + HOUR
    for count in (1, 2):
        (due,) = await store.triggers.due_schedules(moment)
        seen, following = due.next_at, moment - HOUR / 2 if count == 1 else None
        assert seen is not None
        won = await asyncio.gather(
            *(
                each.triggers.advance(workflow.id, "daily", seen, following, fired=True)
                for _ in range(10)
                for each in (store, other)
            )
        )
        assert sum(won) == 1
        (found,) = await store.triggers.schedules(tenant.org, workflow.id)
        assert (found.fired, found.last_at, found.armed) == (count, seen, True)
    await other.close()
    assert found.next_at is None and await store.triggers.due_schedules(moment + HOUR) == []


async def test_a_workflow_that_is_off_fires_nothing_and_makes_up_for_nothing(store: Store, tenant: Tenant) -> None:
    workflow = await made(store, tenant, "hook", daily=DAILY)
    (fresh,) = await store.triggers.schedules(tenant.org, workflow.id)
    assert fresh.next_at is not None
    past = datetime.now(UTC) - HOUR
    assert await store.triggers.advance(workflow.id, "daily", fresh.next_at, past, fired=True)
    (hook,) = await store.triggers.hooks(tenant.org, workflow.id)
    off = await store.workflows.update(tenant.org, workflow.id, user_id=tenant.user, enabled=False)
    assert not off.enabled and off.version == 1
    assert await store.triggers.due_schedules(datetime.now(UTC) + HOUR) == []
    found = await store.triggers.hook(hook.id)
    assert found is not None and not found.enabled
    on = await store.workflows.update(tenant.org, workflow.id, user_id=tenant.user, enabled=True)
    assert on.enabled and on == await store.workflows.get(tenant.org, workflow.id)
    (schedule,) = await store.triggers.due_schedules(datetime.now(UTC) + HOUR)
    assert not schedule.armed and schedule.fired == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"nodes": []}, {}, {"nodes": {"root": 5}}, {"nodes": {}, "triggerNodeIds": "root"},
        {"nodes": {"x" * 65: {"type": "webhook"}}, "triggerNodeIds": ["x" * 65, 5, None]},
        {"nodes": {"root": {"type": ["cronjob"]}}},
    ],
)  # fmt: skip
async def test_a_definition_of_any_shape_can_be_stored(store: Store, tenant: Tenant, odd: dict[str, Any]) -> None:
    workflow = await store.workflows.create(tenant.org, tenant.user, "W", definition=odd)
    await change(store, workflow, root={"cron": "* * * * *"})
    await store.workflows.update(tenant.org, workflow.id, user_id=tenant.user, definition=odd)
    assert await store.triggers.hooks(tenant.org, workflow.id) == []
    assert await store.triggers.schedules(tenant.org, workflow.id) == []
