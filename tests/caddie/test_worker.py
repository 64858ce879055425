"""The worker with its real queue: jobs that were never queued, that fail half way, that are handed out again."""

from __future__ import annotations

from uuid import uuid4

import pytest

from shared import log as log_module
from shared.runs import TurnInput
from shared.settings import Settings
from shared.store.records import RunRecord
from tests.product import Product, assert_stored_equals_log, running, until


async def submit(product: Product, conversation: str) -> RunRecord:
    """The row alone, as a submitter leaves it that dies before it queues the job."""
    content = TurnInput(text="what can you do?").model_dump(mode="json", exclude_none=True)
    run, _ = await product.store.runs.submit(
        product.org, product.user, conversation, str(uuid4()), "turn", "h", content
    )  # fmt: skip
    return run


async def terminal(product: Product, conversation: str) -> list[str]:
    return [event.type for event in await product.events(conversation) if event.type.startswith("run.f")]


async def test_a_run_whose_submitter_died_is_found_by_the_sweep(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caddie.worker.SWEEP_INTERVAL_S", 0.1)
    monkeypatch.setattr("caddie.worker.ORPHAN_AGE_S", 0.2)
    async with running(settings, ("worker",)) as product:
        await submit(product, "c-1")
        await until(lambda: terminal(product, "c-1"))
        assert await terminal(product, "c-1") == ["run.finished"]
        await assert_stored_equals_log(product, "c-1")


async def test_a_commit_whose_last_word_failed_is_tried_again_without_waiting_for_a_lease(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is over, so no sweep of unfinished rows would ever find it: the job itself must come back."""
    append, failures = log_module.EventLog.append, ["once"]

    async def failing(self: log_module.EventLog, writer: log_module.Writer, bodies: list[tuple[str, bytes]]) -> object:
        if failures and any(operation == "end" for operation, _ in bodies):
            failures.pop()
            raise RuntimeError("broke between commit and append")
        return await append(self, writer, bodies)

    monkeypatch.setattr(log_module.EventLog, "append", failing)
    async with running(settings, ("gateway", "server", "worker")) as product:
        client = await product.client(0, message="what can you do?", requestId=str(uuid4()))
        await client.ended(timeout_s=6)
        assert failures == []
        await assert_stored_equals_log(product, client.session["conversationId"])
        assert client.indices == list(range(1, len(client.indices) + 1))
        await client.socket.disconnect()
