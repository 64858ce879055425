"""Addresses of webhooks: made when they are first shown, shown again, and never in the database as they are."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from gateway.hook_addresses import HookAddresses
from shared.seal import Seal
from shared.store.database import Database
from shared.store.records import HookRecord, WorkflowRecord
from shared.store.triggers import PLAIN
from tests.gateway.conftest import Gateway, running

HOOKED = {"nodes": {"a": {"type": "webhook"}, "b": {"type": "webhook"}}, "triggerNodeIds": ["a", "b"]}


async def made(gateway: Gateway) -> tuple[WorkflowRecord, list[HookRecord]]:
    owner = await gateway.store.accounts.sign_up("Hooked", "hooked@example.org", "Owner")
    flow = await gateway.store.workflows.create(owner.org_id, owner.id, "Hooked", definition=HOOKED)
    return flow, list(await gateway.store.triggers.hooks(flow.org_id, flow.id))


async def rows(gateway: Gateway) -> str:
    database = Database(gateway.settings.database_address)
    found = await database.read(lambda session: str(session.execute(text("SELECT * FROM hooks")).all()))
    await database.close()
    return found


async def test_an_address_is_the_same_whoever_shows_it_first(gateway: Gateway) -> None:
    flow, _ = await made(gateway)
    seal = Seal.parse(gateway.settings.seal_key_text)
    several = await asyncio.gather(*(HookAddresses(gateway.store, seal).paths(flow) for _ in range(5)))
    assert all(each == several[0] for each in several) and set(several[0]) == {"a", "b"}
    kept = await rows(gateway)
    for node, path in several[0].items():
        secret = path.removeprefix("/hooks/")
        found = await gateway.store.triggers.hook(secret)
        assert found is not None and found.node_id == node
        assert len(secret) == 32 and secret not in kept


async def test_addresses_of_an_older_version_are_sealed_at_the_start_and_stay(gateway: Gateway) -> None:
    flow, (a, b) = await made(gateway)
    for hook in (a, b):
        secret = hook.node_id * 32
        assert await gateway.store.triggers.give_address(hook, secret, f"{PLAIN}{secret}")
    assert PLAIN in await rows(gateway)
    addresses = HookAddresses(gateway.store, Seal.parse(gateway.settings.seal_key_text))
    before = await addresses.paths(flow)
    async with running(gateway.settings):
        async with asyncio.timeout(10):
            while await gateway.store.triggers.plain_hooks():
                await asyncio.sleep(0)
    assert before == await addresses.paths(flow) == {"a": f"/hooks/{'a' * 32}", "b": f"/hooks/{'b' * 32}"}
    kept = await rows(gateway)
    assert "a" * 32 not in kept and "b" * 32 not in kept


async def test_an_address_that_cannot_be_opened_is_not_shown_and_still_works(gateway: Gateway) -> None:
    flow, (a, _) = await made(gateway)
    assert await gateway.store.triggers.give_address(a, "a" * 32, Seal.parse(Seal.generate()).seal("a" * 32))
    paths = await HookAddresses(gateway.store, Seal.parse(gateway.settings.seal_key_text)).paths(flow)
    assert set(paths) == {"b"}
    reply = await gateway.client.with_key("")("POST", f"/hooks/{'a' * 32}", {})
    assert reply.status == 202
