"""Redis that freezes, dies and comes back, with its data and without, while runs go on."""

from __future__ import annotations

import asyncio
import signal
from uuid import uuid4

import pytest

from shared.settings import Settings
from tests.faults.test_worker_death import assert_told_once, ends
from tests.product import CHAT, GOLDEN, Client, Product, running, until
from tests.valkey import Valkey

pytestmark = pytest.mark.faults


async def stay(product: Product, client: Client) -> None:
    """The client until its run has ended, coming back with its last index when it is cut."""

    async def over() -> bool:
        if not client.socket.connected:
            try:
                await client.connect(client.indices[-1] if client.indices else 0)
            except Exception:
                await asyncio.sleep(0.2)
        return any(event["type"] in ("run.finished", "run.failed") for event in client.events)

    await until(over, 40)


async def refused(product: Product) -> None:
    """A session call while Redis is away."""
    status, answer = await product.post(CHAT, {"agentVersion": "v3", "conversationId": str(uuid4())})
    assert status == 503, answer


async def test_a_frozen_redis_costs_time_and_nothing_else(frail: Settings, own_valkey: Valkey) -> None:
    async with running(frail) as product:
        client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
        await until(lambda: client.of("message.delta"))
        own_valkey.signal(signal.SIGSTOP)
        # Two calls that wait in vain take longer than a lease.
        await refused(product)
        await refused(product)
        own_valkey.signal(signal.SIGCONT)
        await stay(product, client)
        assert client.indices == list(range(1, len(client.indices) + 1))
        assert client.of("run.finished")[0]["data"]["outcome"] == "completed"
        await assert_told_once(product, client.session["conversationId"])
        await client.socket.disconnect()


async def test_a_redis_that_comes_back_with_its_data_costs_nothing(frail: Settings, own_valkey: Valkey) -> None:
    async with running(frail) as product:
        client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
        await until(lambda: client.of("message.delta"))
        own_valkey.kill()
        await refused(product)
        own_valkey.start()
        await stay(product, client)
        assert client.indices == list(range(1, len(client.indices) + 1))
        await assert_told_once(product, client.session["conversationId"])
        await client.socket.disconnect()


async def test_a_redis_that_lost_everything_begins_a_new_epoch_and_the_run_ends_once(
    frail: Settings, own_valkey: Valkey
) -> None:
    async with running(frail) as product:
        client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
        conversation = client.session["conversationId"]
        epoch = (await client.ready())["epoch"]
        await until(lambda: client.of("message.delta"))
        own_valkey.kill()
        for path in own_valkey.folder.glob("appendonlydir/*"):
            path.unlink()
        own_valkey.start()
        await until(lambda: ends(product, conversation), 30)
        (end,) = await ends(product, conversation)
        assert end.TYPE == "run.finished"
        # The store knows all of it, whatever the log has forgotten.
        record = await product.store.conversations.get(product.org, conversation)
        assert record is not None and record.active_run_id is None
        messages = await product.store.conversations.messages(record.pk)
        assert {message.role for message in messages[1:]} == {"assistant"}
        assert messages[0].text == GOLDEN
        assert {message.status for message in messages} == {"completed"}
        assert record.definition is not None and len(record.definition["nodes"]) >= 4
        other = await product.client(0, conversationId=conversation)
        assert (await other.ready())["epoch"] != epoch
        await other.say("explain the workflow")
        await other.ended(2)
        await client.socket.disconnect()
        await other.socket.disconnect()


async def test_a_worker_takes_new_runs_while_an_old_one_outlives_a_blip(frail: Settings, own_valkey: Valkey) -> None:
    """The queue's own worker would wait for the old run before it connects again."""
    patient = frail.model_copy(update={"offline_words_per_s": 1, "run_timeout_s": 600.0})
    async with running(patient) as product:
        old = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
        await until(lambda: old.of("message.delta"))
        own_valkey.kill()
        own_valkey.start()
        young = await product.session(message="hello", requestId=str(uuid4()))
        client = Client(young)
        await client.connect(0)
        await until(lambda: client.of("message.delta"), 12)
        assert not [event for event in old.events if event["type"] == "run.finished"]
        # Two leases, at a word a second: the old run's job was handed out again and found it running here.
        said = len(old.of("message.delta"))
        await until(lambda: len(old.of("message.delta")) >= said + 2 * patient.run_lease_s, 15)
        run = await product.store.runs.find(old.session["runId"])
        assert run is not None and (run.status, run.attempt) == ("running", 1)
        for each in (old, client):
            await each.call("cancel", {"runId": each.session["runId"]})
            await stay(product, each)
            await assert_told_once(product, each.session["conversationId"])
            await each.socket.disconnect()
