from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import CaddieError
from shared.store import Store, erasure
from shared.store.execution_records import ExecutionRecord, ExecutionStart
from shared.store.records import MessageRecord, WorkflowRecord
from shared.store.remains import Gone
from shared.store.tables import now
from shared.store.waking import Forsaken
from tests.shared.store.conftest import Tenant


async def shown(store: Store, tenant: Tenant, conversation: str, *cids: str) -> str:
    """A finished run whose message shows these images; its id."""
    images = [{"url": f"/v1/blobs/{cid}", "cid": cid} for cid in cids]
    run, _ = await store.runs.submit(
        tenant.org, tenant.user, conversation, None, "turn", "h", {"text": "look", "images": images}
    )
    await store.runs.claim(run.id, 3)
    links = tuple({"url": image["url"]} for image in images)
    message = MessageRecord(f"m-{run.id}", "user", "look", now(), images=links)
    assert await store.runs.finish(run.id, 1, status="finished", messages=[message])
    return run.id


async def test_a_conversation_goes_with_all_that_is_only_its_own(store: Store, tenant: Tenant) -> None:
    for cid in ("own", "shared", "own_x"):
        await store.blobs.put(tenant.org, cid, "image/png", b"x")
    done = await shown(store, tenant, "c1", "own", "shared")
    await shown(store, tenant, "c2", "shared", "own_x")
    waiting, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {"text": "more"})
    live = await store.sessions.create(tenant.org, tenant.user, "c1", ["read"], now() + timedelta(minutes=5))
    await store.sessions.create(tenant.org, tenant.user, "c1", ["read"], now() - timedelta(minutes=5))
    kept = await store.sessions.create(tenant.org, tenant.user, "c2", ["read"], now() + timedelta(minutes=5))
    erased = await store.erasure.conversation(tenant.org, "c1")
    assert erased is not None
    assert (erased.ended, erased.unfinished, erased.sessions) == ((done,), (waiting.id,), (live.id,))
    assert await store.conversations.get(tenant.org, "c1") is None
    assert await store.runs.find(done) is None and await store.sessions.get(tenant.org, live.id) is None
    assert await store.sessions.get(tenant.org, kept.id) is not None
    found = [cid for cid in ("own", "shared", "own_x") if await store.blobs.get(tenant.org, cid)]
    assert found == ["shared", "own_x"]
    assert await store.erasure.conversation(tenant.org, "c1") is None
    assert not await store.runs.finish(waiting.id, 1, status="finished")


async def test_nobody_erases_another_organisation_s(store: Store, tenant: Tenant) -> None:
    await shown(store, tenant, "c1")
    assert await store.erasure.conversation(tenant.org + 1, "c1") is None
    assert await store.conversations.get(tenant.org, "c1") is not None


async def test_the_oldest_run_above_an_index_is_found(store: Store, tenant: Tenant) -> None:
    runs = []
    for first, last in ((1, 5), (7, 9)):
        given = {"text": "x", "model": "gpt-4"}
        run, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", given)
        await store.runs.claim(run.id, 3)
        terminal = {"events": [["end", "{}"]]}
        await store.runs.finish(
            run.id, 1, status="finished", terminal=terminal, first_index=first, last_index=last
        )
        runs.append(run)
    pk = runs[0].conversation_pk

    async def after(index: int) -> str | None:
        found = await store.runs.after(pk, index)
        return found.id if found else None

    assert [await after(index) for index in (1, 5, 6, 9, 10)] == [
        runs[0].id, runs[0].id, runs[1].id, runs[1].id, None,
    ]  # fmt: skip
    active, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {"text": "x"})
    assert await after(10) == active.id
    assert await store.runs.models(tenant.org, [run.id for run in runs] + [active.id]) == {
        run.id: "gpt-4" for run in runs
    }  # fmt: skip


async def test_kinds_and_titles(store: Store, tenant: Tenant) -> None:
    chat = await store.conversations.ensure(tenant.org, tenant.user, "chat", kind="chat")
    await shown(store, tenant, "builder")
    await shown(store, tenant, "chat")
    assert chat.kind == "chat"
    listed = await store.conversations.list(tenant.org, tenant.user)
    assert [(each.public_id, each.kind, each.title) for each in listed.items] == [
        ("chat", "chat", "look"), ("builder", "builder", "look"),
    ]  # fmt: skip
    only = await store.conversations.list(tenant.org, tenant.user, kinds=["builder"])
    assert [each.public_id for each in only.items] == ["builder"]


async def execution(store: Store, workflow: WorkflowRecord, **more: Any) -> ExecutionRecord:
    given: dict[str, Any] = {"trigger": "manual", "trigger_node": "root", **more}
    start = ExecutionStart(workflow.org_id, workflow.user_id, workflow.id, 1, **given)
    return (await store.executions.create(start))[0]


async def done(store: Store, run_id: str) -> None:
    claim = await store.runs.claim(run_id, 3)
    assert claim is not None and await store.executions.begin(run_id, claim.run.attempt)
    assert await store.runs.finish(run_id, claim.run.attempt, status="finished")


async def suspend(store: Store, run_id: str) -> None:
    claim = await store.runs.claim(run_id, 3)
    assert claim is not None and await store.executions.begin(run_id, claim.run.attempt)
    attempt = claim.run.attempt
    assert await store.executions.suspend(run_id, attempt, wake_at=None, node_runs=1, active_ms=1)


async def test_a_workflow_goes_with_its_executions_and_threads(store: Store, tenant: Tenant) -> None:
    workflow = await store.workflows.create(tenant.org, tenant.user, "W")
    other = await store.workflows.create(tenant.org, tenant.user, "Other")
    await store.conversations.ensure(tenant.org, tenant.user, "chat", kind="chat")
    await store.conversations.ensure(tenant.org, tenant.user, "builder", workflow_id=workflow.id)
    kept = await execution(store, other, thread="t2", text="stays")
    parent = await execution(store, other)
    await suspend(store, parent.id)
    child = await execution(store, workflow, parent_id=parent.id)
    ended = await execution(store, workflow, thread="t1", text="hello")
    await done(store, ended.id)
    spoken = await execution(store, workflow, conversation="chat")
    await suspend(store, spoken.id)
    gone = await store.erasure.workflow(tenant.org, workflow.id)
    assert gone is not None and len(gone.remains) == 3 and gone.forsaken == ()
    assert {each.conversation: (each.ended, each.unfinished) for each in gone.remains} == {
        child.id: ((), (child.id,)), ended.id: ((ended.id,), ()), "t1": ((), ()),
    }  # fmt: skip
    for name in (child.id, ended.id, "t1"):
        assert await store.conversations.get(tenant.org, name) is None
        assert await store.runs.find(name) is None
    for name in ("chat", "builder", "t2", kept.id):
        assert await store.conversations.get(tenant.org, name) is not None
    assert await store.executions.due(now()) == [parent.id]
    # What a chat shows of it stays, and a worker comes to end it.
    later = now() + timedelta(seconds=1)
    assert spoken.id in [run.id for run in await store.runs.unfinished(later)]
    claim = await store.runs.claim(spoken.id, 3)
    assert claim is not None
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.executions.begin(spoken.id, claim.run.attempt)
    assert await store.runs.finish(spoken.id, claim.run.attempt, status="failed", error_code="NOT_FOUND")
    assert await store.erasure.workflow(tenant.org, workflow.id) is None


async def test_a_long_history_goes_in_parts(store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = await store.workflows.create(tenant.org, tenant.user, "W")
    made = {(await execution(store, workflow)).id for _ in range(5)}
    monkeypatch.setattr(erasure, "TOGETHER_MAX", 2)
    assert await store.erasure.executions(tenant.org + 1, workflow.id) == Gone()
    parts = [(await store.erasure.executions(tenant.org, workflow.id)).remains for _ in range(4)]
    assert [len(part) for part in parts] == [2, 2, 1, 0]
    assert {each.conversation for part in parts for each in part} == made
    assert await store.erasure.workflow(tenant.org, workflow.id) == Gone()


async def test_executions_begun_while_their_workflow_goes_leave_nothing(url: str, store: Store, tenant: Tenant) -> None:
    other = await Store.open(url)
    for _ in range(3):
        workflow = await store.workflows.create(tenant.org, tenant.user, "W")
        begins = [execution(other, workflow, thread="t1", text="hello") for _ in range(8)]
        *results, gone = await asyncio.gather(
            *begins, store.erasure.workflow(tenant.org, workflow.id), return_exceptions=True
        )
        assert isinstance(gone, Gone)
        refused = [each for each in results if isinstance(each, CaddieError)]
        assert {error.code for error in refused} <= {"NOT_FOUND"}
        made = [each for each in results if isinstance(each, ExecutionRecord)]
        assert {each.id for each in made} | ({"t1"} if made else set()) == {each.conversation for each in gone.remains}
        assert (await store.conversations.list(tenant.org, tenant.user)).items == []
        assert (await store.runs.list(tenant.org)).items == []
    await other.close()


async def test_a_chat_goes_with_the_executions_in_it(store: Store, tenant: Tenant) -> None:
    workflow = await store.workflows.create(tenant.org, tenant.user, "W")
    await store.conversations.ensure(tenant.org, tenant.user, "chat", kind="chat")
    parent = await execution(store, workflow)
    await suspend(store, parent.id)
    spoken = await execution(store, workflow, conversation="chat", parent_id=parent.id, thread="t1", text="hello")
    await suspend(store, spoken.id)
    erased = await store.erasure.conversation(tenant.org, "chat")
    assert erased is not None and (erased.ended, erased.unfinished) == ((), (spoken.id,))
    assert await store.executions.get(tenant.org, spoken.id) is None
    thread = await store.conversations.get(tenant.org, "t1")
    assert thread is not None and await store.conversations.messages(thread.pk) == []
    assert await store.executions.due(now()) == [parent.id]


async def test_a_chat_goes_on_without_the_workflow_it_was_about(store: Store, tenant: Tenant) -> None:
    workflow, other = [await store.workflows.create(tenant.org, tenant.user, "W") for _ in range(2)]
    await store.conversations.ensure(tenant.org, tenant.user, "chat", workflow.id, kind="chat")
    await store.conversations.ensure(tenant.org, tenant.user, "another", other.id)
    assert await store.erasure.workflow(tenant.org, workflow.id) == Gone()
    assert (await store.conversations.ensure(tenant.org, tenant.user, "chat", workflow.id)).workflow_id is None
    assert (await store.conversations.ensure(tenant.org, tenant.user, "another")).workflow_id == other.id
    assert (await store.conversations.ensure(tenant.org, tenant.user, "chat", other.id)).workflow_id == other.id


async def test_no_conversation_is_linked_to_a_workflow_that_goes_meanwhile(
    url: str, store: Store, tenant: Tenant
) -> None:
    other = await Store.open(url)
    for turn in range(4):
        workflow = await store.workflows.create(tenant.org, tenant.user, "W")
        await store.conversations.ensure(tenant.org, tenant.user, f"known-{turn}")
        links = [
            other.runs.submit(tenant.org, tenant.user, f"{name}-{turn}", None, "turn", "h", {"text": "x"}, workflow.id)
            for name in ("known", "a", "b", "c")
        ]
        *submitted, gone = await asyncio.gather(
            *links[:2], store.erasure.workflow(tenant.org, workflow.id), *links[2:], return_exceptions=True
        )
        assert not [each for each in (*submitted, gone) if isinstance(each, BaseException)]
        found = await store.conversations.list(tenant.org, tenant.user, workflow_id=workflow.id)
        assert found.items == []
    await other.close()


async def test_what_a_chats_execution_waits_for_ends_with_its_workflow(store: Store, tenant: Tenant) -> None:
    workflow, other = [await store.workflows.create(tenant.org, tenant.user, "W") for _ in range(2)]
    await store.conversations.ensure(tenant.org, tenant.user, "chat", kind="chat")
    await store.conversations.ensure(tenant.org, tenant.user, "busy", kind="chat")
    spoken = await execution(store, workflow, conversation="chat")
    waiting = await execution(store, other, parent_id=spoken.id, parent_path="", parent_node="a")
    working = await execution(store, other, parent_id=spoken.id, parent_path="", parent_node="b")
    await suspend(store, spoken.id)
    await suspend(store, waiting.id)
    await store.runs.claim(working.id, 3)
    held = await execution(store, workflow, conversation="busy")
    await store.runs.claim(held.id, 3)
    gone = await store.erasure.workflow(tenant.org, workflow.id)
    assert gone is not None and gone.remains == ()
    # Both are told; one that nobody carries is due, and whoever carries the chat's own need not go on with it.
    assert set(gone.forsaken) == {
        Forsaken(waiting.id, waiting.id), Forsaken(working.id, working.id), Forsaken("busy", held.id),
    }  # fmt: skip
    assert await store.executions.due(now()) == [waiting.id]
    for name in (waiting.id, working.id):
        run = await store.runs.find(name)
        assert run is not None and run.cancel_requested


async def test_an_execution_started_while_the_one_that_starts_it_goes_is_ended_or_never_was(
    url: str, store: Store, tenant: Tenant
) -> None:
    other = await Store.open(url)
    inner = await store.workflows.create(tenant.org, tenant.user, "Inner")
    for turn in range(4):
        workflow = await store.workflows.create(tenant.org, tenant.user, "W")
        await store.conversations.ensure(tenant.org, tenant.user, f"chat-{turn}", kind="chat")
        parent = await execution(store, workflow, conversation=f"chat-{turn}" if turn % 2 else None)
        begins = [execution(other, inner, parent_id=parent.id) for _ in range(4)]
        *results, gone = await asyncio.gather(
            *begins[:2], store.erasure.workflow(tenant.org, workflow.id), *begins[2:], return_exceptions=True
        )
        for each in (*results, gone):
            if isinstance(each, ExecutionRecord):
                run = await store.runs.find(each.id)
                assert run is not None and run.cancel_requested
            else:
                assert isinstance(each, Gone) or (isinstance(each, CaddieError) and each.code == "NOT_FOUND")
    await other.close()
