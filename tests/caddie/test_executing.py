"""Attempts of executions on a real store and log: steps, waits, takeovers, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from caddie.executing import ExecutionAttempts, Workshop
from caddie.workflow.blocks import logic, text
from caddie.workflow.runner import Call, Result, Runner, StepError, instant
from caddie.workflow.terms import Bounds
from shared.errors import CaddieError
from shared.events import ExecutionNode, RunFailed, RunFinished
from shared.executions import Executions, chat_thread
from shared.runs import Runs
from shared.seal import Seal
from shared.sensitive import Sensitive
from shared.store.execution_records import ExecutionRecord, ExecutionStart
from shared.store.records import WorkflowRecord
from shared.workflows import parse_definition
from tests.caddie.conftest import Frail, Rig
from tests.product import until

BOUNDS = Bounds()
ROOT = {"type": "manual", "children": ["a"]}


class Queue(Runs):
    """Runs that were given to the workers, instead of a queue."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.store, rig.log, None)  # type: ignore[arg-type]
        self.given: list[str] = []
        self.away = False

    async def enqueue(self, run_id: str) -> None:
        if self.away:
            raise CaddieError("UNAVAILABLE", "the queue is not reachable right now")
        self.given.append(run_id)


class Hall:
    """A worker's hall for executions, on one rig, with a clock that is set by hand."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.now, self.queue = rig, datetime.now(UTC), Queue(rig)
        self.executions = Executions(rig.store, self.queue)
        self.sensitive = Sensitive(Seal(b"k" * 32))
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.runners: dict[str, Runner] = {
            **logic.RUNNERS, **text.RUNNERS, "do": Runner(self._do), "fail": instant(_fail),
            "look": Runner(self._do, kind=lambda payload: "repeatable"),
        }  # fmt: skip

    def attempts(self, log: Frail | None = None, active_s: float = 60.0, bounds: Bounds = BOUNDS) -> ExecutionAttempts:
        rig = self.rig
        return ExecutionAttempts(Workshop(
            rig.store, log or rig.log, rig.reader, self.executions, self.runners, self.sensitive, lambda: self.now,
            active_s=active_s, bounds=bounds,
        ))  # fmt: skip

    async def workflow(self, nodes: Mapping[str, Any], **definition: Any) -> WorkflowRecord:
        whole = {"nodes": {"root": ROOT, **nodes}, **definition}
        sealed = self.sensitive.seal(parse_definition(whole), self.rig.org).wire()
        return await self.rig.store.workflows.create(self.rig.org, self.rig.user, "Flow", definition=sealed)

    async def start(self, workflow: WorkflowRecord, **more: Any) -> ExecutionRecord:
        given = {"trigger": "manual", "trigger_node": "root", "input": {"text": "hello"}, "request_id": str(uuid4())}
        rig = self.rig
        return await self.executions.start(
            ExecutionStart(rig.org, rig.user, workflow.id, workflow.version, **(given | more))
        )

    async def work(self, execution_id: str, **more: Any) -> None:
        """One attempt, as a worker would do it."""
        claim = await self.rig.store.runs.claim(execution_id, 3)
        assert claim is not None
        await self.attempts(**more).run(claim)

    async def work_all(self) -> None:
        """Until nothing that was queued is left to do."""
        while self.queue.given:
            run_id = self.queue.given.pop(0)
            claim = await self.rig.store.runs.claim(run_id, 3)
            if claim is not None:
                await self.attempts().run(claim)

    async def found(self, execution: ExecutionRecord) -> ExecutionRecord:
        found = await self.rig.store.executions.get(self.rig.org, execution.id)
        assert found is not None
        return found

    async def steps(self, execution: ExecutionRecord) -> list[str]:
        told = [event.data for event in await self.rig.events(execution.conversation)]
        return [f"{data.nodeId}:{data.status}" for data in told if isinstance(data, ExecutionNode)]

    async def steps_now(self, execution: ExecutionRecord) -> bool:
        return "a:running" in await self.steps(execution)

    async def _do(self, call: Call) -> Result:
        name = str(call.payload.get("name", call.node_id))
        if name in self.gates:
            await self.gates[name].wait()
        self.done.append(name)
        return {"did": name, **{key: value for key, value in call.payload.items() if key != "name"}}


def _fail(call: Call) -> Result:
    raise StepError("BROKEN", "expected luck, got none")


@pytest.fixture
def hall(rig: Rig) -> Hall:
    return Hall(rig)


async def test_an_execution_ends_with_its_output_and_one_terminal_event(hall: Hall) -> None:
    workflow = await hall.workflow(
        {
            "a": {"type": "do", "children": ["b"]},
            "b": {"type": "format", "payload": {"template": "{{a.did}} {{root.text}}"}},
        }
    )
    execution = await hall.start(workflow)
    assert execution.status == "pending"
    await hall.work(execution.id)
    found = await hall.found(execution)
    assert (found.status, found.output, found.node_runs) == ("completed", {"text": "a hello"}, 3)
    events = await hall.rig.events(execution.id)
    assert [event.type for event in events if event.type.startswith("run.")] == ["run.started", "run.finished"]
    assert isinstance(events[-1].data, RunFinished) and events[-1].data.result.output == {"text": "a hello"}
    assert await hall.steps(execution) == ["root:success", "a:running", "a:success", "b:success"]


async def test_a_failure_names_its_node_in_store_and_log(hall: Hall) -> None:
    execution = await hall.start(await hall.workflow({"a": {"type": "fail", "titleOverride": "Try luck"}}))
    await hall.work(execution.id)
    found = await hall.found(execution)
    assert (found.status, found.error_code, found.error_node) == ("failed", "BROKEN", "a")
    last = (await hall.rig.events(execution.id))[-1].data
    assert isinstance(last, RunFailed) and last.message == "Try luck: expected luck, got none"


async def test_a_queue_that_is_away_leaves_nothing_behind(hall: Hall) -> None:
    workflow = await hall.workflow({"a": {"type": "do"}})
    hall.queue.away = True
    with pytest.raises(CaddieError, match="UNAVAILABLE"):
        await hall.start(workflow, trigger="chat", thread=chat_thread(workflow.id, hall.rig.user), text="hi")
    assert not (await hall.rig.store.executions.list(hall.rig.org, hall.rig.user)).items
    thread = await hall.rig.store.conversations.get(hall.rig.org, chat_thread(workflow.id, hall.rig.user))
    assert thread is None or not await hall.rig.store.conversations.messages(thread.pk)


async def test_secrets_of_a_definition_are_open_for_the_block_and_nowhere_else(hall: Hall) -> None:
    workflow = await hall.workflow(
        {
            "a": {"type": "do", "payload": {"apiKey": "tell-nobody-1"}, "children": ["b"]},
            "b": {"type": "format", "payload": {"template": "{{a.payload.apiKey}} {{a.apiKey}}"}},
        },
        sensitivePropKeys=["apiKey"],
    )  # fmt: skip
    assert "tell-nobody-1" not in str(workflow.definition)
    execution = await hall.start(workflow)
    seen: list[Any] = []
    do = hall.runners["do"].work

    async def spied(call: Call) -> Result:
        seen.append(call.payload["apiKey"])
        return await do(call)

    hall.runners["do"] = Runner(spied)
    await hall.work(execution.id)
    assert seen == ["tell-nobody-1"]
    bodies = await hall.rig.log.read(f"{hall.rig.org}:{execution.id}", 0)
    stored = [await hall.found(execution), await hall.rig.store.executions.steps(execution.id), bodies]
    assert "tell-nobody-1" not in repr(stored) and "***" in repr(stored)


async def test_waiting_three_days_costs_no_worker_and_goes_on_by_itself(hall: Hall) -> None:
    workflow = await hall.workflow(
        {"a": {"type": "delay", "payload": {"seconds": 259_200}, "children": ["b"]}, "b": {"type": "do"}}
    )
    execution = await hall.start(workflow)
    await hall.work(execution.id)
    found, run = await hall.found(execution), await hall.rig.store.runs.find(execution.id)
    assert found.status == "waiting" and run is not None and run.status == "suspended"
    assert not await hall.rig.store.runs.unfinished(hall.now + timedelta(days=1))
    assert not await hall.rig.store.executions.due(hall.now + timedelta(days=2))
    hall.now += timedelta(days=3, seconds=1)
    assert await hall.rig.store.executions.due(hall.now) == [execution.id]
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "completed" and hall.done == ["b"]
    assert await hall.steps(execution) == [
        "root:success", "a:waiting", "a:success", "b:running", "b:success",
    ]  # fmt: skip
    assert "run.restarted" not in await hall.rig.types(execution.id)


async def test_a_wait_that_outlives_its_log_tells_everything_again(hall: Hall) -> None:
    workflow = await hall.workflow(
        {"a": {"type": "delay", "payload": {"seconds": 90_000}, "children": ["b"]}, "b": {"type": "do"}}
    )
    execution = await hall.start(workflow)
    await hall.work(execution.id)
    await hall.rig.redis.flushall()
    hall.now += timedelta(days=2)
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "completed"
    assert await hall.steps(execution) == ["root:success", "a:success", "b:running", "b:success"]
    assert (await hall.rig.types(execution.id)).count("run.finished") == 1


@pytest.mark.parametrize(
    ("value", "approved", "comment"),
    [
        ("approve", True, ""),
        ("decline", False, ""),
        ({"approved": True, "comment": "fine"}, True, "fine"),
        ("maybe", False, ""),
    ],
)
async def test_a_confirmation_goes_on_with_what_the_person_said(
    hall: Hall, value: Any, approved: bool, comment: str
) -> None:
    workflow = await hall.workflow({"a": {"type": "human_confirmation", "payload": {"message": "Send {{root.text}}?"}}})
    execution = await hall.start(workflow)
    await hall.work(execution.id)
    (asked,) = await hall.rig.store.executions.pending_inputs(execution.id)
    assert asked.body["text"] == "Send hello?"
    await hall.executions.answer(hall.rig.org, hall.rig.user, asked.id, value)
    await hall.work_all()
    found = await hall.found(execution)
    assert found.output == {"approved": approved, "comment": comment, "by": str(hall.rig.user)}
    assert [kind for kind in await hall.rig.types(execution.id) if kind.startswith("input")] == [
        "input.requested", "input.resolved",
    ]  # fmt: skip


async def test_of_two_answers_one_wins_and_the_other_is_told_who(hall: Hall) -> None:
    execution = await hall.start(
        await hall.workflow({"a": {"type": "human_confirmation", "payload": {"message": "?"}}})
    )
    await hall.work(execution.id)
    (asked,) = await hall.rig.store.executions.pending_inputs(execution.id)
    answers = [hall.executions.answer(hall.rig.org, hall.rig.user, asked.id, "approve") for _ in range(8)]
    told = await asyncio.gather(*answers, return_exceptions=True)
    lost = [each for each in told if isinstance(each, CaddieError)]
    assert len(lost) == 7 and all(each.code == "INPUT_RESOLVED" for each in lost)
    assert {each.data["by"] for each in lost} == {str(hall.rig.user)}


async def test_a_wait_nobody_resumes_takes_its_other_branch(hall: Hall) -> None:
    workflow = await hall.workflow({
        "a": {"type": "wait", "payload": {"timeoutSeconds": 3_600, "reason": "the bank"}, "children": ["b", "c"]},
        "b": {"type": "do", "branch": "resumed"}, "c": {"type": "do", "branch": "timed_out"},
    })  # fmt: skip
    execution = await hall.start(workflow)
    await hall.work(execution.id)
    (asked,) = await hall.rig.store.executions.pending_inputs(execution.id)
    hall.now += timedelta(hours=1, seconds=1)
    await hall.work(execution.id)
    assert hall.done == ["c"] and (await hall.found(execution)).status == "completed"
    with pytest.raises(CaddieError, match="INPUT_RESOLVED"):
        await hall.executions.answer(hall.rig.org, hall.rig.user, asked.id, "late")
    second = await hall.start(workflow)
    await hall.work(second.id)
    (asked,) = await hall.rig.store.executions.pending_inputs(second.id)
    await hall.executions.answer(hall.rig.org, hall.rig.user, asked.id, {"paid": True})
    await hall.work_all()
    assert hall.done == ["c", "b"]


async def test_an_execution_that_waits_can_be_cancelled(hall: Hall) -> None:
    execution = await hall.start(
        await hall.workflow(
            {"a": {"type": "delay", "payload": {"seconds": 9_000}, "children": ["b"]}, "b": {"type": "do"}}
        )
    )
    await hall.work(execution.id)
    await hall.rig.store.runs.request_cancel(execution.id)
    assert await hall.rig.store.executions.due(datetime.now(UTC)) == [execution.id]
    await hall.work(execution.id)
    found = await hall.found(execution)
    assert found.status == "cancelled" and hall.done == []
    last = (await hall.rig.events(execution.id))[-1].data
    assert isinstance(last, RunFinished) and last.outcome == "cancelled"


async def test_an_execution_at_work_is_cancelled_and_says_what_was_cut(hall: Hall) -> None:
    hall.gates["a"] = asyncio.Event()
    execution = await hall.start(await hall.workflow({"a": {"type": "do", "children": ["b"]}, "b": {"type": "do"}}))
    working = asyncio.create_task(hall.work(execution.id))
    await until(lambda: hall.steps_now(execution))
    await hall.rig.store.runs.request_cancel(execution.id)
    await hall.rig.log.request_cancel(f"{hall.rig.org}:{execution.id}", execution.id)
    await working
    assert (await hall.found(execution)).status == "cancelled"
    assert (await hall.steps(execution))[-1] == "a:failed"


async def test_work_that_takes_too_long_ends_and_waiting_does_not_count(hall: Hall) -> None:
    workflow = await hall.workflow(
        {
            "w": {"type": "delay", "payload": {"seconds": 7_200}, "children": ["b"]},
            "a": {"type": "log", "payload": {"message": "m"}, "children": ["w"]},
            "b": {"type": "look"},
        }
    )
    execution = await hall.start(workflow)
    await hall.work(execution.id, active_s=0.5)
    hall.now += timedelta(hours=3)
    hall.gates["b"] = asyncio.Event()
    await hall.work(execution.id, active_s=0.5)
    found = await hall.found(execution)
    assert (found.status, found.error_code) == ("failed", "RUN_TIMEOUT")
    assert 400 < found.active_ms < 5_000


async def test_another_workflow_is_started_once_and_waited_for_without_a_worker(hall: Hall) -> None:
    inner = await hall.workflow(
        {
            "a": {"type": "delay", "payload": {"seconds": 60}, "children": ["b"]},
            "b": {"type": "format", "payload": {"template": "got {{root.n}}"}},
        }
    )
    outer = await hall.workflow(
        {"a": {"type": "trigger-workflow", "payload": {"workflow": inner.slug, "input": {"n": 7}}}}
    )
    execution = await hall.start(outer)
    await hall.work(execution.id)
    assert (await hall.found(execution)).status == "waiting"
    (child,) = [
        each for each in (await hall.rig.store.executions.list(hall.rig.org, hall.rig.user)).items if each.parent_id
    ]
    assert (child.depth, child.root_id) == (1, execution.id)
    await hall.work(child.id)
    hall.now += timedelta(minutes=2)
    hall.queue.given.clear()
    await hall.work(child.id)
    assert hall.queue.given == [execution.id]
    await hall.work_all()
    found = await hall.found(execution)
    assert found.output == {"executionId": child.id, "status": "completed", "output": {"text": "got 7"}}


async def test_a_workflow_that_starts_itself_ends_at_the_depth_limit(hall: Hall) -> None:
    workflow = await hall.workflow({"a": {"type": "do"}})
    definition = {
        "nodes": {
            "root": ROOT,
            "a": {"type": "trigger-workflow", "payload": {"workflow": workflow.slug, "wait": False}},
        }
    }
    workflow = await hall.rig.store.workflows.update(
        hall.rig.org, workflow.id, user_id=hall.rig.user, definition=definition
    )
    await hall.start(workflow)
    await hall.work_all()
    made = (await hall.rig.store.executions.list(hall.rig.org, hall.rig.user)).items
    assert len(made) == 11 and [each.status for each in made].count("failed") == 1
    assert next(each for each in made if each.status == "failed").error_code == "RUN_LIMIT"


async def test_counting_in_a_stored_variable_is_exact_over_executions(hall: Hall) -> None:
    workflow = await hall.workflow(
        {"a": {"type": "set-variable", "payload": {"name": "n", "operation": "increment", "value": 1}}},
        variableDefs=[{"name": "n", "type": "number", "lifetime": "persist", "default": 10}],
    )
    executions = [await hall.start(workflow) for _ in range(12)]
    await asyncio.gather(*(hall.work(each.id) for each in executions))
    assert (await hall.rig.store.executions.variables(workflow.id))["n"] == 22
    outputs = sorted([(await hall.found(each)).output["value"] for each in executions])
    assert outputs == list(range(11, 23))


async def test_a_variable_of_one_execution_begins_anew_in_the_next(hall: Hall) -> None:
    workflow = await hall.workflow(
        {
            "a": {"type": "set-variable", "payload": {"name": "n", "value": "{{$vars.n}}!"}, "children": ["w"]},
            "w": {"type": "delay", "payload": {"seconds": 60}, "children": ["b"]},
            "b": {"type": "format", "payload": {"template": "{{$vars.n}}"}},
        },
        variableDefs=[{"name": "n", "type": "text", "default": "x"}],
    )
    for _ in range(2):
        execution = await hall.start(workflow)
        await hall.work(execution.id)
        hall.now += timedelta(minutes=2)
        await hall.work(execution.id)
        assert (await hall.found(execution)).output == {"text": "x!"}


async def test_a_chat_execution_replies_into_its_thread(hall: Hall) -> None:
    workflow = await hall.workflow({
        "root": {"type": "trigger_chat", "children": ["a"]},
        "a": {"type": "reply_chat", "payload": {"text": "You said {{root.text}}"}, "children": ["w"]},
        "w": {"type": "delay", "payload": {"seconds": 60}},
    })  # fmt: skip
    thread = chat_thread(workflow.id, hall.rig.user)
    execution = await hall.start(workflow, trigger="chat", thread=thread, text="hello")
    await hall.work(execution.id)
    owner = await hall.rig.store.conversations.get(hall.rig.org, thread)
    assert owner is not None and owner.kind == "thread"
    said = [(each.role, each.text) for each in await hall.rig.store.conversations.messages(owner.pk)]
    assert said == [("user", "hello"), ("assistant", "You said hello")]
    hall.now += timedelta(minutes=2)
    await hall.work(execution.id)
    assert len(await hall.rig.store.conversations.messages(owner.pk)) == 2
    kinds = await hall.rig.types(execution.id)
    assert kinds[:2] == ["message.user", "run.started"] and kinds.count("message.completed") == 1


async def test_a_chat_that_is_not_replied_to_ends_with_the_text_of_the_last_node(hall: Hall) -> None:
    workflow = await hall.workflow(
        {
            "root": {"type": "trigger_chat", "children": ["a"]},
            "a": {"type": "format", "payload": {"template": "So: {{root.text}}"}},
        }
    )
    thread = chat_thread(workflow.id, hall.rig.user)
    execution = await hall.start(workflow, trigger="chat", thread=thread, text="hello")
    await hall.work(execution.id)
    owner = await hall.rig.store.conversations.get(hall.rig.org, thread)
    assert owner is not None
    assert [each.text for each in await hall.rig.store.conversations.messages(owner.pk)] == ["hello", "So: hello"]


async def test_a_worker_that_is_taken_over_changes_nothing_any_more(hall: Hall) -> None:
    hall.gates["a"] = asyncio.Event()
    execution = await hall.start(await hall.workflow({"a": {"type": "look", "children": ["b"]}, "b": {"type": "do"}}))
    first = asyncio.create_task(hall.work(execution.id))
    await until(lambda: hall.steps_now(execution))
    gates, hall.gates = hall.gates, {}
    await hall.work(execution.id)
    gates["a"].set()
    with pytest.raises(CaddieError, match="FENCED"):
        await first
    assert hall.done.count("b") == 1 and (await hall.found(execution)).status == "completed"
    assert (await hall.rig.types(execution.id)).count("run.finished") == 1


async def test_a_process_that_dies_before_the_last_word_leaves_it_to_the_next(hall: Hall) -> None:
    execution = await hall.start(await hall.workflow({"a": {"type": "do"}}))
    hall.rig.log.failures = 1
    with pytest.raises(RuntimeError):
        await hall.work(execution.id)
    assert (await hall.found(execution)).status == "completed"
    assert await hall.rig.store.runs.claim(execution.id, 3) is None
    await hall.rig.attempts(None).run(execution.id)  # type: ignore[arg-type]
    assert (await hall.rig.types(execution.id)).count("run.finished") == 1


async def test_a_workflow_deleted_under_a_chats_execution_ends_it(hall: Hall) -> None:
    workflow = await hall.workflow({"a": {"type": "do"}})
    chat = await hall.rig.store.conversations.ensure(hall.rig.org, hall.rig.user, "chat-1", title="Chat", kind="chat")
    execution = await hall.start(workflow, conversation=chat.public_id, trigger="chat")
    await hall.rig.store.workflows.delete(hall.rig.org, workflow.id)
    await hall.work(execution.id)
    last = (await hall.rig.events("chat-1"))[-1].data
    assert isinstance(last, RunFailed) and last.code == "NOT_FOUND"


async def test_500_nodes_in_a_row_and_a_loop_of_100_finish(hall: Hall) -> None:
    chain: dict[str, Any] = {
        f"n{i}": {"type": "format", "payload": {"template": str(i)}, "children": [f"n{i + 1}"] if i < 496 else []}
        for i in range(497)
    }
    chain |= {
        "a": {"type": "for-each", "payload": {"items": list(range(100))}, "loopBody": ["b"], "children": ["n0"]},
        "b": {"type": "format", "payload": {"template": "{{$item}}"}},
    }
    execution = await hall.start(await hall.workflow(chain))
    await hall.work(execution.id)
    found = await hall.found(execution)
    assert (found.status, found.node_runs) == ("completed", 599) and found.output == {"text": "496"}
