from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.errors import CaddieError
from shared.store import Store, starts
from shared.store.execution_records import (
    Begun,
    ExecutionEnding,
    ExecutionRecord,
    ExecutionStart,
    StepRecord,
    StepWrite,
    VariableWrite,
)
from shared.store.execution_tables import Step
from shared.store.records import InputRecord, MessageRecord, WorkflowRecord
from tests.shared.store.conftest import Tenant

DEFINITION: dict[str, Any] = {"nodes": {"root": {"type": "manual", "children": ["a"]}, "a": {"type": "log"}}}
LATER = timedelta(days=3)
COUNTS: dict[str, int] = {"node_runs": 1, "active_ms": 5}


@pytest.fixture
async def workflow(store: Store, tenant: Tenant) -> WorkflowRecord:
    return await store.workflows.create(tenant.org, tenant.user, "Flow", definition=DEFINITION)


def start(workflow: WorkflowRecord, **more: Any) -> ExecutionStart:
    made = ExecutionStart(workflow.org_id, workflow.user_id, workflow.id, workflow.version, "manual", "root", {"x": 1})
    return replace(made, **more)


async def begun(store: Store, execution: ExecutionRecord) -> tuple[Begun, int]:
    claim = await store.runs.claim(execution.id, 3)
    assert claim is not None and not claim.exhausted
    found = await store.executions.begin(execution.id, claim.run.attempt)
    assert found is not None
    return found, claim.run.attempt


async def made(store: Store, workflow: WorkflowRecord, **more: Any) -> ExecutionRecord:
    return (await store.executions.create(start(workflow, **more)))[0]


async def ended(store: Store, execution: ExecutionRecord, attempt: int, **more: Any) -> None:
    ending = ExecutionEnding("completed", **more)
    assert await store.runs.finish(execution.id, attempt, status="finished", outcome="done", execution=ending)


async def again(store: Store, execution: ExecutionRecord) -> ExecutionRecord:
    found = await store.executions.get(execution.org_id, execution.id)
    assert found is not None
    return found


def question(name: str) -> InputRecord:
    return InputRecord(name, "approval", {"text": "Ok?"}, datetime.now(UTC) + LATER)


def step(node: str, status: str = "success", **more: Any) -> StepWrite:
    return StepWrite("", node, more.pop("position", 0), status, more.pop("attempt", 1), **more)  # type: ignore[arg-type]


async def test_an_execution_is_a_run_in_a_conversation_of_its_own(
    store: Store, tenant: Tenant, workflow: WorkflowRecord
) -> None:
    execution = await made(store, workflow, inputs={"key": "é"})
    assert (execution.status, execution.depth, execution.root_id) == ("pending", 0, execution.id)
    assert (execution.input, execution.inputs) == ({"x": 1}, {"key": "é"})
    assert (execution.workflow_number, execution.workflow_slug, execution.workflow_name) == (
        workflow.number, workflow.slug, "Flow",
    )  # fmt: skip
    run = await store.runs.find(execution.id)
    assert run is not None and (run.kind, run.status, run.conversation) == ("execution", "queued", execution.id)
    conversation = await store.conversations.get(tenant.org, execution.id)
    assert conversation is not None and (conversation.kind, conversation.active_run_id) == ("execution", execution.id)
    assert await store.executions.get(tenant.org, execution.id) == execution


@pytest.mark.parametrize("place", ["own", "chat"])
async def test_twenty_starts_of_one_request_make_one_execution(
    url: str, store: Store, tenant: Tenant, workflow: WorkflowRecord, place: str
) -> None:
    other = await Store.open(url)
    chat = "chat" if place == "chat" else None
    if chat:
        await store.conversations.ensure(tenant.org, tenant.user, chat, kind="chat")
    given = start(workflow, request_id="r1", conversation=chat, thread="t1", text="hello")
    results = await asyncio.gather(*(each.executions.create(given) for _ in range(10) for each in (store, other)))
    await other.close()
    assert sum(created for _, created in results) == 1
    assert len({execution.id for execution, _ in results}) == 1
    assert len((await store.executions.list(tenant.org, tenant.user)).items) == 1
    thread = await store.conversations.get(tenant.org, "t1")
    assert thread is not None and len(await store.conversations.messages(thread.pk)) == 1


async def test_a_request_id_with_another_content_is_a_conflict_but_a_delivery_s_id_decides(
    store: Store, workflow: WorkflowRecord
) -> None:
    first = await made(store, workflow, request_id="r1")
    assert await store.executions.create(start(workflow, request_id="r1", version=7)) == (first, False)
    with pytest.raises(CaddieError, match="CONFLICT"):
        await made(store, workflow, request_id="r1", input={"x": 2})
    hook = await made(store, workflow, request_id="d1", trigger="webhook", input={"headers": {"a": 1}})
    repeated = start(workflow, request_id="d1", trigger="webhook", input={"headers": {"a": 2}})
    assert await store.executions.create(repeated) == (hook, False)


async def test_a_thread_gains_the_message_and_a_discarded_start_leaves_nothing(
    store: Store, tenant: Tenant, workflow: WorkflowRecord
) -> None:
    kept = await made(store, workflow, trigger="chat", thread="t1", text="first\0")
    gone = await made(store, workflow, trigger="chat", thread="t1", text="second")
    thread = await store.conversations.get(tenant.org, "t1")
    assert thread is not None and (thread.kind, thread.title, thread.workflow_id) == ("thread", "Flow", workflow.id)
    assert [m.text for m in await store.conversations.messages(thread.pk)] == ["first\ufffd", "second"]
    assert await store.executions.discard(gone.id)
    (message,) = await store.conversations.messages(thread.pk)
    assert (message.id, message.run_id) == (str(uuid5(UUID(kept.id), "user")), kept.id)
    assert await store.executions.get(tenant.org, gone.id) is None and await store.runs.find(gone.id) is None
    assert await store.conversations.get(tenant.org, gone.id) is None
    await begun(store, kept)
    assert not await store.executions.discard(kept.id) and not await store.executions.discard("unknown")


async def test_an_execution_in_a_chat_needs_the_chat_to_be_free(
    store: Store, tenant: Tenant, stranger: Tenant, workflow: WorkflowRecord
) -> None:
    await store.conversations.ensure(tenant.org, tenant.user, "chat", kind="chat")
    execution = await made(store, workflow, conversation="chat")
    assert execution.conversation == "chat"
    with pytest.raises(CaddieError, match="RUN_BUSY") as busy:
        await made(store, workflow, conversation="chat")
    assert busy.value.data == {"runId": execution.id}
    assert await store.executions.discard(execution.id)
    chat = await store.conversations.get(tenant.org, "chat")
    assert chat is not None and chat.active_run_id is None
    for more in ({"conversation": "unknown"}, {"workflow_id": "unknown"}, {"org_id": stranger.org}):
        with pytest.raises(CaddieError, match="NOT_FOUND"):
            await made(store, workflow, **more)


async def test_depth_and_number_of_executions_from_one_root_are_bounded(
    store: Store, workflow: WorkflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = last = await made(store, workflow)
    for _ in range(starts.DEPTH_MAX):
        last = await made(store, workflow, parent_id=last.id, parent_path="", parent_node="a", trigger="workflow")
    assert (last.depth, last.root_id) == (10, first.id)
    with pytest.raises(CaddieError, match="RUN_LIMIT") as refused:
        await made(store, workflow, parent_id=last.id)
    assert not refused.value.retryable
    monkeypatch.setattr(starts, "FAMILY_MAX", 14)
    results = await asyncio.gather(
        *(made(store, workflow, parent_id=first.id) for _ in range(8)), return_exceptions=True
    )
    refusals = [each for each in results if isinstance(each, CaddieError)]
    assert len(refusals) == 5 and {error.code for error in refusals} == {"RUN_LIMIT"}
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await made(store, workflow, parent_id="unknown")


async def test_an_attempt_goes_on_where_the_one_before_left_off(store: Store, workflow: WorkflowRecord) -> None:
    execution = await made(store, workflow)
    first, attempt = await begun(store, execution)
    assert (first.execution.status, first.definition, first.steps) == ("running", DEFINITION, ())
    moment = first.execution.started_at
    begins = [step("root", position=1), step("a", "running", position=2, input={"text": "hi"}, started_at=moment)]
    await store.executions.checkpoint(execution.id, attempt, begins, node_runs=2, active_ms=7)
    inner = replace(step("b", position=3, result={"a": [1, None, "é"]}, branch="then"), path="each:3/inner:0")
    await store.executions.checkpoint(execution.id, attempt, [inner], node_runs=3, active_ms=9)
    failed = step("a", "failed", position=9, error="no\0", error_code="X", duration_ms=2**40, attempt=2)
    second, attempt = await begun(store, execution)
    assert (second.execution.node_runs, second.execution.active_ms) == (3, 9)
    assert (second.execution.progress_attempt, second.execution.started_at) == (1, moment)
    assert [found.key for found in second.steps] == [("", "root"), ("", "a"), ("each:3/inner:0", "b")]
    assert (second.steps[2].result, second.steps[2].branch) == ({"a": [1, None, "é"]}, "then")
    await store.executions.checkpoint(execution.id, attempt, [failed], node_runs=3, active_ms=9)
    found = (await store.executions.steps(execution.id))[1]
    assert (found.position, found.input, found.started_at) == (2, {"text": "hi"}, moment)
    assert (found.status, found.error, found.error_code, found.duration_ms, found.attempt) == (
        "failed", "no\ufffd", "X", 2**40, 2,
    )  # fmt: skip


def test_the_columns_of_a_step_are_the_fields_of_its_record() -> None:
    assert [column.name for column in Step.__table__.columns] == [field.name for field in fields(StepRecord)]


async def test_only_the_newest_attempt_of_a_run_under_way_writes(store: Store, workflow: WorkflowRecord) -> None:
    execution = await made(store, workflow)
    _, old = await begun(store, execution)
    claim = await store.runs.claim(execution.id, 3)
    assert claim is not None
    with pytest.raises(CaddieError, match="FENCED"):
        await store.executions.checkpoint(execution.id, old, [step("a")], **COUNTS)
    assert await store.executions.begin(execution.id, old) is None
    assert not await store.executions.suspend(execution.id, old, wake_at=None, **COUNTS)
    assert await store.executions.begin(execution.id, claim.run.attempt) is not None
    await ended(store, execution, claim.run.attempt)
    with pytest.raises(CaddieError, match="FENCED"):
        await store.executions.checkpoint(execution.id, claim.run.attempt, [step("a")], **COUNTS)
    with pytest.raises(CaddieError, match="FENCED"):
        await store.executions.ask(execution.id, [question("i1")])
    assert await store.executions.begin(execution.id, claim.run.attempt) is None
    assert await store.executions.begin("unknown", 1) is None
    assert await store.executions.steps(execution.id) == []


async def test_what_a_checkpoint_wrote_is_read_by_the_attempt_that_fenced_it(
    url: str, store: Store, workflow: WorkflowRecord
) -> None:
    other = await Store.open(url)
    for _ in range(10):
        execution = await made(store, workflow)
        _, attempt = await begun(store, execution)

        async def writes(execution: ExecutionRecord = execution, attempt: int = attempt) -> int:
            for count in range(100):
                try:
                    await store.executions.checkpoint(execution.id, attempt, [step(f"n{count}")], **COUNTS)
                except CaddieError as error:
                    assert error.code == "FENCED"
                    return count
            return 100

        async def takes(execution: ExecutionRecord = execution) -> int:
            await asyncio.sleep(0)
            return len((await begun(other, execution))[0].steps)

        written, read = await asyncio.gather(writes(), takes())
        assert written == read
    await other.close()


async def test_values_without_a_json_form_lose_nothing_else(store: Store, workflow: WorkflowRecord) -> None:
    odd = {"nul": "a\0b", "lone": "x\ud800y", "\ud800": 2**70, "deep": [float("nan"), (1, 2)]}
    execution = await made(store, workflow, input=odd, inputs=odd)
    assert execution.input["nul"] == "a\0b"
    _, attempt = await begun(store, execution)
    await store.executions.checkpoint(execution.id, attempt, [step("a", result=odd, input=odd)], **COUNTS)
    (found,) = await store.executions.steps(execution.id)
    assert found.result == {"nul": "a\0b", "lone": "x?y", "?": float(2**70), "deep": [None, [1, 2]]}
    await ended(store, execution, attempt, output=odd)
    assert (await again(store, execution)).output == found.result


async def test_a_suspended_execution_waits_for_its_time_without_a_worker(
    store: Store, workflow: WorkflowRecord
) -> None:
    execution = await made(store, workflow)
    _, attempt = await begun(store, execution)
    moment = datetime.now(UTC)
    waits = [step("w", "waiting", wake_at=moment + LATER)]
    await store.executions.checkpoint(execution.id, attempt, waits, **COUNTS)
    assert await store.executions.suspend(
        execution.id, attempt, wake_at=moment + LATER, **COUNTS, first_index=3, last_index=9
    )
    run = await store.runs.find(execution.id)
    assert run is not None and (run.status, run.first_index, run.last_index, run.over) == ("suspended", 3, 9, False)
    assert (await again(store, execution)).status == "waiting"
    assert await store.runs.active(execution.org_id, execution.id) == run
    assert await store.runs.unfinished(moment + LATER) == []
    assert await store.executions.due(moment) == []
    assert await store.executions.due(moment + LATER) == [execution.id]
    found, attempt = await begun(store, execution)
    assert attempt == 2 and found.execution.status == "running" and found.execution.wake_at is None
    assert await store.executions.due(moment + LATER) == []
    await ended(store, execution, attempt)
    run = await store.runs.find(execution.id)
    assert run is not None and run.first_index == 3


async def test_an_execution_that_gets_on_is_never_exhausted(store: Store, workflow: WorkflowRecord) -> None:
    execution = await made(store, workflow)
    for _ in range(8):
        _, attempt = await begun(store, execution)
        assert await store.executions.suspend(execution.id, attempt, wake_at=None, **COUNTS)
    for exhausted in (False, False, False, True):
        claim = await store.runs.claim(execution.id, 3)
        assert claim is not None and claim.exhausted == exhausted


async def suspended(store: Store, workflow: WorkflowRecord, name: str = "i1") -> tuple[ExecutionRecord, int]:
    """Asked a question and about to wait for its answer."""
    execution = await made(store, workflow)
    _, attempt = await begun(store, execution)
    await store.executions.ask(execution.id, [question(name)])
    await store.executions.ask(execution.id, [question(name)])
    await store.executions.checkpoint(execution.id, attempt, [step("q", "waiting", input_id=name)], **COUNTS)
    return execution, attempt


@pytest.mark.parametrize("first", ["answer", "suspend"])
async def test_an_answer_before_or_after_the_wait_begins_ends_it(
    store: Store, tenant: Tenant, workflow: WorkflowRecord, first: str
) -> None:
    execution, attempt = await suspended(store, workflow)
    answer = store.executions.resolve_input(tenant.org, tenant.user, "i1", "7", {"choice": "yes"})
    wait = store.executions.suspend(execution.id, attempt, wake_at=datetime.now(UTC) + LATER, **COUNTS)
    for part in (answer, wait) if first == "answer" else (wait, answer):
        await part
    assert await store.executions.due(datetime.now(UTC)) == [execution.id]
    found, _ = await begun(store, execution)
    assert (found.inputs["i1"].status, found.inputs["i1"].value) == ("resolved", {"choice": "yes"})
    assert found.steps[0].input_id == "i1"


async def test_no_answer_cancel_or_child_s_end_is_lost_beside_the_wait(
    url: str, store: Store, tenant: Tenant, workflow: WorkflowRecord
) -> None:
    other = await Store.open(url)
    for number in range(8):
        name = f"i{number}"
        execution, attempt = await suspended(store, workflow, name)
        child = await made(store, workflow, parent_id=execution.id)
        await begun(store, child)
        waits = [step("c", "waiting", position=1, child_id=child.id)]
        await store.executions.checkpoint(execution.id, attempt, waits, **COUNTS)
        ends: list[Callable[[], Awaitable[Any]]] = [
            partial(other.executions.resolve_input, tenant.org, tenant.user, name, "7", 1),
            partial(other.runs.request_cancel, execution.id),
            partial(ended, other, child, 1),
            partial(other.conversations.clear, tenant.org, execution.id),
        ]
        wait = store.executions.suspend(execution.id, attempt, wake_at=None, **COUNTS)
        await asyncio.gather(wait, ends[number % 4]())
        assert await store.executions.due(datetime.now(UTC)) == [execution.id]
        await begun(store, execution)
    await other.close()


async def test_one_of_many_answers_wins(
    store: Store, tenant: Tenant, stranger: Tenant, workflow: WorkflowRecord
) -> None:
    execution, attempt = await suspended(store, workflow)
    assert [asked.id for asked in await store.executions.pending_inputs(execution.id)] == ["i1"]
    answer = store.executions.resolve_input
    for org, user, name in (
        (stranger.org, stranger.user, "i1"),
        (tenant.org, 99, "i1"),
        (tenant.org, tenant.user, "\0"),
    ):
        with pytest.raises(CaddieError, match="NOT_FOUND"):
            await answer(org, user, name, "7", 1)
    results = await asyncio.gather(
        *(answer(tenant.org, tenant.user, "i1", str(by), by) for by in range(10)), return_exceptions=True
    )
    lost = [error for error in results if isinstance(error, CaddieError)]
    assert len(lost) == 9 and {error.code for error in lost} == {"INPUT_RESOLVED"}
    found, _ = await begun(store, execution)
    assert {error.data["by"] for error in lost} == {str(found.inputs["i1"].value)}


async def test_the_sweep_of_questions_leaves_those_of_executions(store: Store, workflow: WorkflowRecord) -> None:
    execution, _ = await suspended(store, workflow)
    assert await store.conversations.overdue_inputs(datetime.now(UTC) + LATER + LATER) == []
    assert await store.conversations.close_input(execution.org_id, "i1", "expired", None)


async def test_the_end_keeps_everything_and_wakes_the_parent(
    store: Store, tenant: Tenant, workflow: WorkflowRecord
) -> None:
    parent = await made(store, workflow)
    _, attempt = await begun(store, parent)
    child = await made(store, workflow, parent_id=parent.id, thread="t1", text="hello")
    waits = [step("c", "waiting", child_id=child.id)]
    await store.executions.checkpoint(parent.id, attempt, waits, **COUNTS)
    assert await store.executions.suspend(parent.id, attempt, wake_at=None, **COUNTS)
    _, attempt = await begun(store, child)
    await store.executions.ask(child.id, [question("i1")])
    assert await store.executions.due(datetime.now(UTC)) == []
    said = MessageRecord("m1", "assistant", "done\ud800", datetime.now(UTC))
    await ended(store, child, attempt, output={"a": 1}, node_runs=4, active_ms=50, thread_messages=(said,))
    done = await again(store, child)
    assert (done.status, done.output, done.node_runs, done.active_ms, done.over) == ("completed", {"a": 1}, 4, 50, True)
    assert done.finished_at is not None and await store.executions.pending_inputs(child.id) == []
    thread = await store.conversations.get(tenant.org, "t1")
    assert thread is not None and thread.active_run_id is None
    messages = await store.conversations.messages(thread.pk)
    assert [(m.role, m.text, m.run_id) for m in messages] == [
        ("user", "hello", child.id), ("assistant", "done?", child.id),
    ]  # fmt: skip
    assert await store.executions.due(datetime.now(UTC)) == [parent.id]
    assert await store.executions.awaited(parent.id) == []


async def test_what_a_step_has_only_set_off_is_not_awaited(store: Store, workflow: WorkflowRecord) -> None:
    parent = await made(store, workflow)
    _, attempt = await begun(store, parent)
    places = [("each:0", "a"), ("each:1", "a"), ("", "b"), (None, "b"), (None, "c")]
    children = {
        place: await made(store, workflow, parent_id=parent.id, parent_path=place[0], parent_node=place[1])
        for place in places
    }
    assert children["each:1", "a"].parent_path == "each:1"
    steps = [replace(step("a", "success"), path="each:0"), step("b", "success", position=2)]
    await store.executions.checkpoint(parent.id, attempt, steps, **COUNTS)
    # Of one made before steps were named by their path, any step of the node will do.
    assert set(await store.executions.awaited(parent.id)) == {children["each:1", "a"].id, children[None, "c"].id}
    _, attempt = await begun(store, children[None, "c"])
    await ended(store, children[None, "c"], attempt)
    assert await store.executions.awaited(parent.id) == [children["each:1", "a"].id]


async def test_a_run_that_ends_without_its_executor_ends_the_execution(store: Store, workflow: WorkflowRecord) -> None:
    for status, outcome, expected in (("failed", None, "failed"), ("finished", "cancelled", "cancelled")):
        execution = await made(store, workflow)
        claim = await store.runs.claim(execution.id, 3)
        assert claim is not None
        given: Any = {"status": status, "outcome": outcome, "error_code": "INTERNAL", "error_message": "lost"}
        assert await store.runs.finish(execution.id, 1, **given)
        found = await again(store, execution)
        assert found.status == expected
        assert (found.error_code, found.error_message) == (("INTERNAL", "lost") if status == "failed" else (None, None))


async def test_a_variable_counts_exactly_from_many_executions(url: str, store: Store, workflow: WorkflowRecord) -> None:
    other = await Store.open(url)
    executions = [await made(store, workflow) for _ in range(10)]
    for execution in executions:
        await begun(store, execution)
    add = VariableWrite("n", "increment", 2, "number", 100)
    put = VariableWrite("list", "append", "x", "list")

    async def count(each: Store, execution: ExecutionRecord, number: int) -> Any:
        order = [("n", add), ("l", put)] if number % 2 else [("l", put), ("n", add)]
        steps = [step(f"{node}{number}", variable=variable) for node, variable in order]
        return (await each.executions.checkpoint(execution.id, 1, steps, **COUNTS))[("", f"n{number}")]

    results = await asyncio.gather(
        *(count((store, other)[number % 2], executions[number % 10], number) for number in range(50))
    )
    await other.close()
    assert sorted(results) == list(range(102, 202, 2))
    assert await store.executions.variables(workflow.id) == {"n": 200, "list": ["x"] * 50}
    found = {each.node_id: each.result for each in await store.executions.steps(executions[0].id)}
    assert found["n0"] == {"name": "n", "value": results[0]}


async def test_a_variable_that_does_not_fit_undoes_its_checkpoint(store: Store, workflow: WorkflowRecord) -> None:
    execution = await made(store, workflow)
    _, attempt = await begun(store, execution)
    for code, bad in (
        ("INVALID", VariableWrite("n", "increment", "x", "number")),
        ("INVALID", VariableWrite("t", "append", "x", "text", "abc")),
        ("TOO_LARGE", VariableWrite("l", "append", "x" * 2**20, "list")),
    ):
        with pytest.raises(CaddieError, match=code):
            await store.executions.checkpoint(execution.id, attempt, [step("a"), step("b", variable=bad)], **COUNTS)
    assert await store.executions.steps(execution.id) == []
    put = VariableWrite("odd\0", "set", None, "object")
    await store.executions.checkpoint(execution.id, attempt, [step("a", variable=put)], **COUNTS)
    assert await store.executions.variables(workflow.id) == {"odd\ufffd": None}


async def test_pages_of_executions_have_no_gap_and_belong_to_one_user(
    store: Store, tenant: Tenant, stranger: Tenant, workflow: WorkflowRecord
) -> None:
    other = await store.workflows.create(tenant.org, tenant.user, "Other")
    ids = [(await made(store, workflow)).id for _ in range(5)]
    await made(store, other)
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.executions.list(tenant.org, tenant.user, 2, cursor, workflow_id=workflow.id)
        seen += [each.id for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    await begun(store, page.items[0])
    running = await store.executions.list(tenant.org, tenant.user, status="running")
    assert [each.id for each in running.items] == [page.items[0].id]
    assert (await store.executions.list(stranger.org, stranger.user)).items == []
    assert await store.executions.get(stranger.org, ids[0]) is None
    assert await store.executions.get(tenant.org, "\0") is None
