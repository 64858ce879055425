from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.store import Store
from shared.store.database import Database
from shared.store.records import HookRecord, Json, WorkflowRecord
from shared.store.triggers import PLAIN
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


async def addressed(store: Store, hook: HookRecord, secret: str) -> HookRecord:
    given = await store.triggers.give_address(hook, secret, f"sealed of {secret}")
    assert given is not None
    return given


async def test_a_webhook_trigger_has_an_address_as_long_as_it_stays(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    workflow = await made(store, tenant, "a", "b")
    a, b = await store.triggers.hooks(tenant.org, workflow.id)
    assert (a.node_id, b.node_id, a.sealed, b.sealed) == ("a", "b", None, None)
    assert (a.user_id, a.version, a.enabled) == (tenant.user, 1, True)
    a, b = [await addressed(store, each, f"secret-{each.node_id}") for each in (a, b)]
    await change(store, workflow, "a", "c")
    kept, c = await store.triggers.hooks(tenant.org, workflow.id)
    assert (kept.sealed, kept.version, c.node_id, c.sealed) == ("sealed of secret-a", 2, "c", None)
    assert await store.triggers.hook("secret-a") == kept and "secret-a" not in repr(kept)
    for unknown in ("secret-b", "sealed of secret-a", "", "\0", "é", "x" * 1000):
        assert await store.triggers.hook(unknown) is None
    assert await store.triggers.hooks(stranger.org, workflow.id) == []
    await store.workflows.restore(tenant.org, workflow.id, 1, user_id=tenant.user)
    assert [hook.node_id for hook in await store.triggers.hooks(tenant.org, workflow.id)] == ["a", "b"]
    assert await store.workflows.delete(tenant.org, workflow.id)
    assert await store.triggers.hook("secret-a") is None


async def test_saving_the_same_definition_stores_triggers_that_are_missing(
    url: str, store: Store, tenant: Tenant
) -> None:
    workflow = await made(store, tenant, "a", daily=DAILY)
    database = Database(url)
    for table in ("hooks", "schedules"):
        await database.write(lambda session, table=table: session.execute(text(f"DELETE FROM {table}")) and None)
    await database.close()
    await change(store, workflow, "a", daily=DAILY)
    assert [each.node_id for each in await store.triggers.hooks(tenant.org, workflow.id)] == ["a"]
    (schedule,) = await store.triggers.schedules(tenant.org, workflow.id)
    moment = datetime.now(UTC) + HOUR
    assert schedule.next_at and await store.triggers.advance(workflow.id, "daily", schedule.next_at, moment, False)
    await change(store, workflow, "a", daily=DAILY)
    (kept,) = await store.triggers.schedules(tenant.org, workflow.id)
    assert kept.armed and kept.version == 1 and abs(kept.next_at - moment) < timedelta(milliseconds=1)  # type: ignore[operator]


async def test_of_many_addresses_given_at_once_one_stays(store: Store, tenant: Tenant) -> None:
    workflow = await made(store, tenant, "a")
    (hook,) = await store.triggers.hooks(tenant.org, workflow.id)
    given = await asyncio.gather(*(addressed(store, hook, f"s{number}") for number in range(8)))
    (secret,) = {str(each.sealed).removeprefix("sealed of ") for each in given}
    found = [await store.triggers.hook(f"s{number}") for number in range(8)]
    assert [each for each in found if each] == [await store.triggers.hook(secret)]
    await change(store, workflow)
    assert await store.triggers.give_address(hook, "late", "sealed") is None


async def test_an_open_address_is_found_until_it_is_sealed(store: Store, tenant: Tenant) -> None:
    workflow = await made(store, tenant, "a", "b", "c")
    a, b, _ = await store.triggers.hooks(tenant.org, workflow.id)
    await addressed(store, a, "secret-a")
    assert await store.triggers.give_address(b, "secret-b", f"{PLAIN}secret-b")
    ((found, secret),) = await store.triggers.plain_hooks()
    assert (found.node_id, secret) == ("b", "secret-b")
    await store.triggers.seal_address(found, "sealed")
    assert await store.triggers.plain_hooks() == []
    # One that was sealed meanwhile stays as it is.
    await store.triggers.seal_address(found, "sealed twice")
    kept = await store.triggers.hook("secret-b")
    assert kept is not None and kept.sealed == "sealed"


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
    await addressed(store, hook, "secret")
    found = await store.triggers.hook("secret")
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
