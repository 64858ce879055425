"""Where steps meet models: the thread they remember, its budget, the words of an agent as they come."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from caddie.models.table import ModelTable
from caddie.outbound import Outbound
from caddie.thinking import Bounds, Thinking
from caddie.workflow.blocks import ai
from caddie.workflow.completion import Line
from caddie.workflow.runner import Call, Origin
from shared.settings import Settings
from shared.store import Store
from shared.store.execution_records import ExecutionEnding, ExecutionRecord, ExecutionStart
from shared.store.records import MessageRecord, WorkflowRecord
from tests.fakes.anthropic import Answer, FakeAnthropic

DEFINITION: dict[str, Any] = {"nodes": {"root": {"type": "trigger_chat"}}}
KEY = "sk-ant-canary-0123456789"


@pytest.fixture
async def store(empty_database: Path, tmp_path: Path) -> AsyncIterator[Store]:
    shutil.copy(empty_database, tmp_path / "caddie.db")
    found = await Store.open(f"sqlite:///{tmp_path / 'caddie.db'}")
    yield found
    await found.close()


@pytest.fixture
async def workflow(store: Store) -> WorkflowRecord:
    user = await store.accounts.sign_up("First", "ada@example.com", "Ada")
    return await store.workflows.create(user.org_id, user.id, "Flow", definition=DEFINITION)


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    found = Outbound()
    yield found
    await found.close()


async def said(store: Store, workflow: WorkflowRecord, text: str, answer: str | None = None) -> ExecutionRecord:
    """An execution that a message of the thread starts; with an answer it is over."""
    start = ExecutionStart(
        workflow.org_id,
        workflow.user_id,
        workflow.id,
        workflow.version,
        "chat",
        "root",
        {"text": text},
        thread="t",
        text=text,
    )
    execution, _ = await store.executions.create(start)
    if answer is not None:
        claim = await store.runs.claim(execution.id, 3)
        assert claim is not None and await store.executions.begin(execution.id, claim.run.attempt) is not None
        message = MessageRecord(f"m-{execution.id[:8]}", "assistant", answer, datetime.now(UTC))
        ending = ExecutionEnding("completed", thread_messages=(message,))
        kept = await store.runs.finish(
            execution.id, claim.run.attempt, status="finished", outcome="done", execution=ending
        )
        assert kept
    return execution


def step(execution: ExecutionRecord, user: int | None = None, **payload: Any) -> Call:
    origin = Origin(
        execution.id, execution.org_id, user or execution.user_id, execution.workflow_id, thread=execution.thread
    )
    return Call("n", "agent", {"prompt": "Answer the user.", **payload}, "s", origin)


@pytest.fixture
async def thinking(store: Store, outbound: Outbound) -> AsyncIterator[Callable[..., Thinking]]:
    """Makes a Thinking over the offline model, or over Claude's interface at an address."""
    tables: list[ModelTable] = []

    def make(url: str = "", **more: Any) -> Thinking:
        options: dict[str, Any] = {"anthropic_api_key": KEY, "anthropic_base_url": url} if url else {"model": "offline"}
        tables.append(ModelTable(Settings(_env_file=None, **options)))
        return Thinking(tables[-1], store, outbound, "", **more)

    yield make
    for table in tables:
        await table.close()


async def test_a_thread_is_what_was_said_before_without_the_message_itself(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    await said(store, workflow, "My name is Sam.", "Nice to meet you.")
    now = await said(store, workflow, "What is my name?")
    await said(store, workflow, "Later.")
    brain = thinking()
    thread = await brain.thread(step(now))
    assert thread.message == "What is my name?"
    assert [(line.role, line.text) for line in thread.history] == [
        ("user", "My name is Sam."),
        ("assistant", "Nice to meet you."),
    ]
    work = ai.runners(brain)["agent"].work
    assert (await work(step(now)))["text"] == "You told me your name is Sam."
    assert (await work(step(now, memory=False)))["text"] == "You have not told me your name in this chat."


async def test_a_cleared_thread_is_forgotten_and_nobody_elses_is_read(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    await said(store, workflow, "My name is Sam.", "Hello.")
    now = await said(store, workflow, "Who am I?")
    brain = thinking()
    assert not (await brain.thread(step(now, user=now.user_id + 1))).history
    await store.conversations.clear(workflow.org_id, "t")
    assert not (await brain.thread(step(now))).history


async def test_a_long_thread_keeps_to_its_budget_and_its_facts(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    now = await said(store, workflow, "And now?", None)
    lines = [
        Line(f"{n}", "user" if n % 2 == 0 else "assistant", f"Remember code X-{n}. " + "blah " * 100) for n in range(60)
    ]
    async with FakeAnthropic(Answer(text="ok")).running() as fake:
        brain = thinking(fake.url, bounds=Bounds(history_tokens=2_000))
        await brain.complete(step(now), system="s", prompt="p", history=lines)
    sent = fake.seen[0].body["messages"]
    assert sum(len(part["text"]) for each in sent for part in each["content"]) < 2_000 * 4 + 500
    assert sent[0]["role"] == "user" and "X-58" in str(sent)
    assert "<earlier>" in sent[-1]["content"][0]["text"] and "X-20" in sent[-1]["content"][0]["text"]


async def test_an_agents_words_are_heard_as_they_come(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    heard: list[tuple[str, str]] = []

    async def hear(call: Call, text: str) -> None:
        heard.append((call.node_id, text))

    now = await said(store, workflow, "hello")
    async with FakeAnthropic(Answer(text="Hello there, you.")).running() as fake:
        brain = thinking(fake.url, on_text=hear)
        found = await brain.complete(step(now), system="s", prompt="p")
        silent = Call("n", "classify", {}, "s", step(now).origin)
        await brain.complete(silent, system="s", prompt="p")
    assert found.text == "Hello there, you." == "".join(text for _, text in heard) and len(heard) > 1
    assert {node for node, _ in heard} == {"n"}


async def test_an_agent_finds_its_users_workflows_and_no_others(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    now = await said(store, workflow, "Which workflows do I have?")
    work = ai.runners(thinking())["agent"].work
    mine = await work(step(now, tools=["search_my_workflows"]))
    assert "**Flow**" in str(mine["text"])
    other = await work(step(now, user=now.user_id + 1, tools=["search_my_workflows"], input="list my workflows"))
    assert "Flow" not in str(other["text"])


async def test_a_step_that_is_cancelled_closes_the_models_connection(
    store: Store, workflow: WorkflowRecord, thinking: Callable[..., Thinking]
) -> None:
    now = await said(store, workflow, "hello")
    begun = asyncio.Event()

    async def hear(call: Call, text: str) -> None:
        begun.set()

    async with FakeAnthropic(Answer(text="Hello there", ending="hang")).running() as fake:
        brain = thinking(fake.url, on_text=hear)
        task = asyncio.create_task(brain.complete(step(now), system="s", prompt="p"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(fake.disconnected.wait(), 10)
