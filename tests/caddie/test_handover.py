"""Executions that change hands: lost answers of the store, workers that leave or die, children, the last word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.chat_view import ChatView
from shared.errors import CaddieError
from shared.events import RunFailed
from shared.executions import chat_thread
from shared.log import EventLog, Writer
from shared.store.execution_records import ExecutionRecord, StepWrite
from tests.caddie.conftest import Frail, Rig
from tests.caddie.test_executing import Hall
from tests.product import until

WAITS = {"type": "delay", "payload": {"seconds": 9_000}}


@pytest.fixture
def hall(rig: Rig) -> Hall:
    return Hall(rig)


def answer_lost(repository: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The next call does its work, and nobody hears of it."""
    call, lost = getattr(repository, name), ["once"]

    async def deaf(*args: Any, **more: Any) -> Any:
        done = await call(*args, **more)
        if lost:
            lost.pop()
            raise CaddieError("UNAVAILABLE", "expected the database to answer in time, got nothing")
        return done

    monkeypatch.setattr(repository, name, deaf)
    return lost


async def children(hall: Hall, execution: ExecutionRecord) -> list[ExecutionRecord]:
    page = await hall.rig.store.executions.list(hall.rig.org, hall.rig.user)
    return [each for each in page.items if each.parent_id == execution.id]


async def open_steps(hall: Hall, execution: ExecutionRecord) -> list[str]:
    steps = await hall.rig.store.executions.steps(execution.id)
    return [step.node_id for step in steps if step.status in ("running", "waiting")]


@pytest.mark.parametrize("name", ["begin", "checkpoint", "suspend", "ask"])
async def test_an_answer_of_the_store_that_is_lost_changes_nothing(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    workflow = await hall.workflow({
        "a": {
            "type": "set-variable", "payload": {"name": "n", "operation": "increment", "value": 1}, "children": ["b"],
        },
        "b": {"type": "do", "children": ["c"]}, "c": {"type": "human_confirmation", "payload": {"message": "?"}},
    }, variableDefs=[{"name": "n", "type": "number", "lifetime": "persist"}])  # fmt: skip
    execution = await hall.start(workflow)
    lost = answer_lost(hall.rig.store.executions, name, monkeypatch)
    if name == "begin":
        with pytest.raises(CaddieError, match="UNAVAILABLE"):
            await hall.work(execution.id)
    await hall.work(execution.id)
    assert not lost and (await hall.found(execution)).status == "waiting"
    (asked,) = await hall.rig.store.executions.pending_inputs(execution.id)
    await hall.executions.answer(hall.rig.org, hall.rig.user, asked.id, True)
    await hall.work_all()
    assert (await hall.found(execution)).status == "completed" and hall.done == ["b"]
    assert (await hall.rig.store.executions.variables(workflow.id)) == {"n": 1}
    told = await hall.steps(execution)
    assert len(told) == len(set(told))
    assert (await hall.rig.types(execution.id)).count("run.finished") == 1


async def test_an_end_whose_answer_is_lost_is_told_at_once(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = await hall.start(await hall.workflow({"a": {"type": "do"}}))
    lost = answer_lost(hall.rig.store.runs, "finish", monkeypatch)
    await hall.work(execution.id)
    assert not lost and (await hall.rig.types(execution.id)).count("run.finished") == 1


async def test_an_execution_that_was_taken_from_a_worker_is_not_suspended_by_it(hall: Hall) -> None:
    execution = await hall.start(await hall.workflow({"a": WAITS}))
    suspend = hall.rig.store.executions.suspend

    async def late(*args: Any, **more: Any) -> bool:
        await hall.rig.store.runs.claim(execution.id, 3)
        return await suspend(*args, **more)

    hall.rig.store.executions.suspend = late  # type: ignore[method-assign]
    with pytest.raises(CaddieError, match="FENCED"):
        await hall.work(execution.id)
    hall.rig.store.executions.suspend = suspend  # type: ignore[method-assign]
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "waiting"


async def test_a_wish_to_cancel_while_it_is_being_suspended_is_seen(hall: Hall) -> None:
    execution = await hall.start(await hall.workflow({"a": WAITS}))
    suspend = hall.rig.store.executions.suspend

    async def interrupted(*args: Any, **more: Any) -> bool:
        await hall.executions.cancel(hall.rig.org, hall.rig.user, execution.id)
        return await suspend(*args, **more)

    hall.rig.store.executions.suspend = interrupted  # type: ignore[method-assign]
    await hall.work(execution.id)
    assert await hall.rig.store.executions.due(datetime.now(UTC)) == [execution.id]
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "cancelled" and not await open_steps(hall, execution)


async def test_a_cancelled_execution_cancels_what_it_waits_for_and_not_what_it_set_off(hall: Hall) -> None:
    inner = await hall.workflow({"a": WAITS})
    outer = await hall.workflow({
        "a": {"type": "trigger-workflow", "payload": {"workflow": inner.slug, "wait": False}, "children": ["b"]},
        "b": {"type": "trigger-workflow", "payload": {"workflow": inner.slug}},
    })  # fmt: skip
    execution = await hall.start(outer)
    await hall.work(execution.id)
    for child in await children(hall, execution):
        await hall.work(child.id)
    await hall.executions.cancel(hall.rig.org, hall.rig.user, execution.id)
    await hall.work_all()
    assert (await hall.found(execution)).status == "cancelled"
    assert {each.parent_node: each.status for each in await children(hall, execution)} == {
        "a": "waiting", "b": "cancelled",
    }  # fmt: skip


async def test_what_a_loop_has_set_off_knows_its_iteration_and_goes_on(hall: Hall) -> None:
    inner = await hall.workflow({"a": WAITS})
    outer = await hall.workflow({
        "a": {"type": "for-each", "payload": {"items": [1, 2]}, "loopBody": ["b"], "children": ["c"]},
        "b": {"type": "trigger-workflow", "payload": {"workflow": inner.slug, "wait": False}},
        "c": WAITS,
    })  # fmt: skip
    execution = await hall.start(outer)
    await hall.work(execution.id)
    assert {each.parent_path for each in await children(hall, execution)} == {"a:0", "a:1"}
    await hall.executions.cancel(hall.rig.org, hall.rig.user, execution.id)
    await hall.work_all()
    assert (await hall.found(execution)).status == "cancelled"
    assert {each.status for each in await children(hall, execution)} == {"waiting"}


async def test_a_child_whose_step_was_never_stored_is_cancelled_with_its_parent(hall: Hall) -> None:
    inner = await hall.workflow({"a": WAITS})
    execution = await hall.start(
        await hall.workflow({"a": {"type": "trigger-workflow", "payload": {"workflow": inner.slug}}})
    )
    start, started = hall.executions.start, asyncio.Event()

    async def stuck(*args: Any) -> Any:
        await start(*args)
        started.set()
        await asyncio.Event().wait()

    hall.executions.start = stuck  # type: ignore[method-assign]
    working = asyncio.create_task(hall.work(execution.id))
    await started.wait()
    await hall.executions.cancel(hall.rig.org, hall.rig.user, execution.id)
    await working
    assert (await hall.found(execution)).status == "cancelled"
    await hall.work_all()
    assert [each.status for each in await children(hall, execution)] == ["cancelled"]


async def test_the_last_words_reach_the_thread_though_their_worker_died_of_them(hall: Hall) -> None:
    workflow = await hall.workflow({
        "root": {"type": "trigger_chat", "children": ["a"]}, "a": {"type": "format", "payload": {"template": "Done."}},
    })  # fmt: skip
    thread = chat_thread(workflow.id, hall.rig.user)
    execution = await hall.start(workflow, trigger="chat", thread=thread, text="hi", inputs={"text": "hi"})
    finish = hall.rig.store.runs.finish

    async def die(*args: Any, **more: Any) -> bool:
        raise RuntimeError("the process died here")

    hall.rig.store.runs.finish = die  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await hall.work(execution.id)
    hall.rig.store.runs.finish = finish  # type: ignore[method-assign]
    await hall.work(execution.id)
    found = await hall.rig.store.conversations.get(hall.rig.org, thread)
    assert found is not None
    said = [(each.role, each.text) for each in await hall.rig.store.conversations.messages(found.pk)]
    assert said == [("user", "hi"), ("assistant", "Done.")]
    folded = await hall.rig.folded(execution.id)
    assert [each.text for each in folded.messages] == ["hi", "Done."]


async def test_a_worker_that_leaves_hands_an_execution_on_and_nothing_is_begun_anew(hall: Hall) -> None:
    hall.gates["a"] = asyncio.Event()
    execution = await hall.start(await hall.workflow({"a": {"type": "do", "children": ["b"]}, "b": {"type": "do"}}))
    claim = await hall.rig.store.runs.claim(execution.id, 3)
    assert claim is not None
    attempts = hall.attempts()
    working = asyncio.create_task(attempts.run(claim))
    await until(lambda: hall.steps_now(execution))
    attempts._shop.leaving.set()
    hall.gates["a"].set()
    await working
    assert hall.done == ["a"] and await hall.rig.store.executions.due(datetime.now(UTC)) == [execution.id]
    await hall.work(execution.id)
    assert hall.done == ["a", "b"] and (await hall.found(execution)).status == "completed"
    assert "run.restarted" not in await hall.rig.types(execution.id)


async def test_steps_that_nobody_could_end_are_closed_with_the_execution(hall: Hall) -> None:
    execution = await hall.start(await hall.workflow({"a": {"type": "do"}}))
    store = hall.rig.store
    claim = await store.runs.claim(execution.id, 3)
    assert claim is not None and await store.executions.begin(execution.id, 1) is not None
    begun = StepWrite("", "a", 1, "running", 1)
    await store.executions.checkpoint(execution.id, 1, [begun], node_runs=1, active_ms=0)
    while claim is not None and not claim.exhausted:
        claim = await store.runs.claim(execution.id, 1)
    assert claim is not None
    await hall.attempts().run(claim)
    assert (await hall.found(execution)).status == "failed" and not await open_steps(hall, execution)
    assert isinstance((await hall.rig.events(execution.id))[-1].data, RunFailed)


async def test_what_the_store_refuses_for_good_ends_the_execution(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any, **more: Any) -> Any:
        raise CaddieError("INVALID", "expected text the database can hold, got text it refuses")

    execution = await hall.start(await hall.workflow({"a": {"type": "do"}}))
    monkeypatch.setattr(hall.rig.store.executions, "checkpoint", refuse)
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "failed"
    assert (await hall.rig.types(execution.id)).count("run.failed") == 1


async def test_a_log_that_is_away_for_a_while_gets_every_event_once_and_in_order(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, failures = EventLog.append, list(range(6))

    async def flaky(self: EventLog, writer: Writer, bodies: Sequence[tuple[str, bytes]]) -> tuple[int, bool]:
        if failures and failures.pop() % 2:
            raise CaddieError("UNAVAILABLE", "the event log is not reachable right now")
        done = await append(self, writer, bodies)
        if failures:
            raise CaddieError("UNAVAILABLE", "the answer was lost")
        return done

    monkeypatch.setattr("caddie.patience.RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(EventLog, "append", flaky)
    chain = {f"n{i}": {"type": "look", "children": [f"n{i + 1}"] if i < 9 else []} for i in range(10)}
    execution = await hall.start(await hall.workflow({"a": {"type": "do", "children": ["n0"]}, **chain}))
    await hall.work(execution.id)
    events = await hall.rig.events(execution.id)
    assert not failures and [event.index for event in events] == list(range(1, len(events) + 1))
    ends = [step for step in await hall.steps(execution) if step.endswith("success")]
    assert ends == ["root:success", "a:success", *(f"n{i}:success" for i in range(10))]
    assert events[-1].type == "run.finished"


async def test_all_that_are_due_at_the_same_second_are_found_at_once(hall: Hall) -> None:
    workflow = await hall.workflow({"a": WAITS})
    started = [await hall.start(workflow) for _ in range(210)]
    claims = [await hall.rig.store.runs.claim(each.id, 3) for each in started]
    for claim in claims:
        assert claim is not None
        await hall.rig.store.executions.begin(claim.run.id, 1)
        await hall.rig.store.executions.suspend(claim.run.id, 1, wake_at=hall.now, node_runs=0, active_ms=0)
    due = await hall.rig.store.executions.due(hall.now + timedelta(seconds=1))
    assert sorted(due) == sorted(each.id for each in started)


async def test_what_a_chat_is_told_over_several_workers_is_what_is_stored(hall: Hall) -> None:
    workflow = await hall.workflow({
        "root": {"type": "trigger_chat", "children": ["a"]},
        "a": {"type": "reply_chat", "payload": {"text": "One."}, "children": ["b"]},
        "b": {"type": "look", "children": ["c"]},
        "c": {"type": "reply_chat", "payload": {"text": "Two."}, "children": ["d"]},
        "d": {"type": "delay", "payload": {"seconds": 600}, "children": ["e"]},
        "e": {"type": "reply_chat", "payload": {"text": "Three."}},
    })  # fmt: skip
    rig = hall.rig
    chat = await rig.store.conversations.ensure(rig.org, rig.user, "chat-7", title="Chat", kind="chat")
    execution = await hall.start(workflow, conversation=chat.public_id, trigger="chat", inputs={"text": "hi"})
    hall.gates["b"] = asyncio.Event()
    first = asyncio.create_task(hall.work(execution.id))

    async def at_b() -> bool:
        return "b:running" in await hall.steps(execution)

    await until(at_b)
    gates, hall.gates = hall.gates, {}
    await hall.work(execution.id)
    gates["b"].set()
    with pytest.raises(CaddieError, match="FENCED"):
        await first
    hall.now += timedelta(hours=1)
    await hall.work(execution.id)
    folded = await rig.folded(chat.public_id)
    stored = await rig.store.conversations.messages(chat.pk)
    assert [(each.id, each.role, each.text, each.status) for each in stored] == [
        (each.id, each.role, each.text, each.status) for each in folded.messages
    ]
    assert [each.text for each in stored] == ["hi", "One.\n\nTwo.\n\nThree."]
    view = ChatView(execution.id)
    shown = b"".join([view.take(index, body) for index, body in await rig.log.read(f"{rig.org}:{chat.public_id}", 0)])
    frames = [json.loads(line[6:]) for line in shown.decode().splitlines() if line.startswith("data: ")]
    assert [frame["type"] for frame in frames].count("start") == 1
    assert "".join(frame.get("delta", "") for frame in frames) == "One.\n\nTwo.\n\nThree."


async def test_a_log_that_keeps_only_its_newest_events_is_not_told_the_others_again(hall: Hall) -> None:
    chain: dict[str, Any] = {
        f"n{i}": {"type": "log", "payload": {"message": "m"}, "children": [f"n{i + 1}"] if i < 349 else ["w"]}
        for i in range(350)
    }
    root = {"type": "manual", "children": ["n0"]}
    execution = await hall.start(await hall.workflow({"root": root, **chain, "w": WAITS}))
    key, log = f"{hall.rig.org}:{execution.id}", Frail(hall.rig.redis, 3_600, 100)
    await hall.work(execution.id, log=log)
    before = await log.head(key)
    assert before.oldest > 1
    hall.now += timedelta(days=1)
    await hall.work(execution.id, log=log)
    assert (await log.head(key)).index - before.index == 2
    assert (await hall.found(execution)).status == "completed"


@pytest.mark.parametrize("erased", ["conversation", "workflow", "workflow of a chat"])
async def test_what_an_erased_execution_waits_for_is_cancelled(hall: Hall, erased: str) -> None:
    inner = await hall.workflow({"a": WAITS})
    outer = await hall.workflow({"a": {"type": "trigger-workflow", "payload": {"workflow": inner.slug}}})
    chat = await hall.rig.store.conversations.ensure(hall.rig.org, hall.rig.user, "chat-1", outer.id, kind="chat")
    where = {"conversation": chat.public_id, "trigger": "chat"} if "chat" in erased else {}
    execution = await hall.start(outer, **where)
    await hall.work(execution.id)
    (child,) = await children(hall, execution)
    await hall.work(child.id)
    if "workflow" in erased:
        await hall.rig.store.erasure.workflow(hall.rig.org, outer.id)
    else:
        await hall.rig.store.erasure.conversation(hall.rig.org, execution.id)
    assert await hall.rig.store.executions.due(datetime.now(UTC)) == [child.id]
    await hall.work(child.id)
    assert (await hall.found(child)).status == "cancelled"
