from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.errors import CaddieError
from shared.store import Store, runs
from shared.store.records import InputRecord, MessageRecord, RunRecord
from shared.store.runs import QUEUE_MAX
from tests.shared.store.conftest import Tenant

DEFINITION: dict[str, Any] = {"nodes": {"root": {"type": "manual"}}}


async def submit(
    store: Store, tenant: Tenant, conversation: str = "c1", request_id: str | None = None, body: str = "h", **more: Any
) -> tuple[RunRecord, bool]:
    given = {"text": "hi", "sealedKey": "sealed", **more.pop("input", {})}
    return await store.runs.submit(tenant.org, tenant.user, conversation, request_id, "turn", body, given, **more)


async def claimed(store: Store, tenant: Tenant, conversation: str = "c1") -> RunRecord:
    run, _ = await submit(store, tenant, conversation)
    claim = await store.runs.claim(run.id, 3)
    assert claim is not None
    return claim.run


def said(role: str, text: str, at: datetime | None = None) -> MessageRecord:
    return MessageRecord(str(uuid4()), "user" if role == "user" else "assistant", text, at or datetime.now(UTC))


async def test_parallel_submits_of_one_request_make_one_run(url: str, store: Store, tenant: Tenant) -> None:
    other = await Store.open(url)
    results = await asyncio.gather(*(submit(each, tenant, "c1", "r1") for _ in range(25) for each in (store, other)))
    await other.close()
    assert sum(created for _, created in results) == 1
    assert len({run.id for run, _ in results}) == 1
    assert len((await store.runs.list(tenant.org)).items) == 1


async def test_parallel_submits_of_one_request_to_several_conversations_make_one_of_each(
    url: str, store: Store, tenant: Tenant
) -> None:
    other = await Store.open(url)
    results = await asyncio.gather(
        *(submit(each, tenant, f"c{number}", "r1") for number in range(15) for each in (store, other))
    )
    await other.close()
    assert sum(created for _, created in results) == 1
    assert {run.conversation for run, _ in results} == {results[0][0].conversation}
    assert len((await store.conversations.list(tenant.org, tenant.user)).items) == 1


async def test_parallel_submits_of_other_requests_leave_one_active_run(store: Store, tenant: Tenant) -> None:
    results = await asyncio.gather(
        *(submit(store, tenant, "c1", f"r{number}") for number in range(20)), return_exceptions=True
    )
    (won,) = [result for result in results if not isinstance(result, BaseException)]
    busy = [result for result in results if isinstance(result, CaddieError)]
    assert len(busy) == 19 and {error.code for error in busy} == {"RUN_BUSY"}
    assert all(error.data == {"runId": won[0].id} for error in busy)


async def test_a_request_id_with_another_body_is_a_conflict(store: Store, tenant: Tenant) -> None:
    first, created = await submit(store, tenant, "c1", "r1", "h1")
    assert created
    assert await submit(store, tenant, "c2", "r1", "h1") == (first, False)
    with pytest.raises(CaddieError, match="CONFLICT"):
        await submit(store, tenant, "c1", "r1", "h2")
    assert await store.conversations.get(tenant.org, "c2") is None
    assert await store.runs.by_request(tenant.user, "r1") == first


async def test_a_request_id_is_remembered_for_a_day(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await claimed(store, tenant)
    assert await store.runs.finish(run.id, 1, status="finished")
    old, _ = await submit(store, tenant, "c1", "r1", "h1")
    claim = await store.runs.claim(old.id, 3)
    assert claim and await store.runs.finish(old.id, claim.run.attempt, status="finished")
    tomorrow = datetime.now(UTC) + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(runs, "now", lambda: tomorrow)
    assert await store.runs.by_request(tenant.user, "r1") is None
    new, created = await submit(store, tenant, "c1", "r1", "h2")
    assert created and new.id != old.id
    forgotten = await store.runs.get(tenant.org, old.id)
    assert forgotten is not None and forgotten.request_id is None


async def test_one_of_many_claims_is_newest_and_only_it_can_finish(store: Store, tenant: Tenant) -> None:
    run, _ = await submit(store, tenant)
    claims = await asyncio.gather(*(store.runs.claim(run.id, 3) for _ in range(6)))
    attempts = sorted(claim.run.attempt for claim in claims if claim)
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert [claim.exhausted for claim in sorted((c for c in claims if c), key=lambda c: c.run.attempt)] == [
        False
    ] * 3 + [True] * 3
    ends = await asyncio.gather(
        *(
            store.runs.finish(run.id, attempt, status="finished", messages=[said("user", "x")])
            for attempt in attempts * 2
        )
    )
    assert sum(ends) == 1
    conversation = await store.conversations.get(tenant.org, "c1")
    assert conversation is not None and conversation.active_run_id is None
    assert len(await store.conversations.messages(conversation.pk)) == 1
    assert await store.runs.claim(run.id, 9) is None
    assert await store.runs.claim("unknown", 9) is None


async def test_a_run_that_was_never_claimed_cannot_finish(store: Store, tenant: Tenant) -> None:
    run, _ = await submit(store, tenant)
    assert not await store.runs.finish(run.id, 0, status="finished")


async def test_finishing_keeps_everything_the_run_left(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    question = InputRecord("i1", "question", {"text": "Which?"}, datetime.now(UTC) + timedelta(hours=1))
    done = await store.runs.finish(
        run.id, 1, status="finished", outcome="waiting", terminal={"outcome": "waiting"}, usage={"steps": 2},
        messages=[said("user", "a"), said("assistant", "b\0\ud800")], definition=DEFINITION, mode="building",
        inputs_new=[question], first_index=1, last_index=9,
    )  # fmt: skip
    assert done
    ended = await store.runs.get(tenant.org, run.id)
    assert ended is not None and ended.finished_at is not None
    assert (ended.status, ended.outcome, ended.terminal, ended.usage) == (
        "finished",
        "waiting",
        {"outcome": "waiting"},
        {"steps": 2},
    )
    assert (ended.first_index, ended.last_index, ended.input) == (1, 9, {"text": "hi"})
    conversation = await store.conversations.get(tenant.org, "c1")
    assert conversation is not None
    assert (conversation.definition, conversation.mode, conversation.active_run_id) == (DEFINITION, "building", None)
    assert [(m.role, m.text, m.position) for m in await store.conversations.messages(conversation.pk)] == [
        ("user", "a", 1), ("assistant", "b\ufffd?", 2),
    ]  # fmt: skip
    (pending,) = await store.conversations.inputs(conversation.pk)
    assert (pending.id, pending.run_id, pending.body) == ("i1", run.id, {"text": "Which?"})
    assert await store.runs.last_ended(tenant.org, "c1") == ended
    assert await store.runs.active(tenant.org, "c1") is None


async def test_a_failed_run_keeps_the_definition_and_its_error(store: Store, tenant: Tenant) -> None:
    first = await claimed(store, tenant)
    await store.runs.finish(first.id, 1, status="finished", definition=DEFINITION, mode="building")
    second = await claimed(store, tenant)
    await store.runs.finish(second.id, 1, status="failed", error_code="MODEL_FAILED", error_message="no answer")
    conversation = await store.conversations.get(tenant.org, "c1")
    failed = await store.runs.get(tenant.org, second.id)
    assert conversation and failed
    assert (conversation.definition, conversation.mode) == (DEFINITION, "building")
    assert (failed.status, failed.error_code, failed.error_message) == ("failed", "MODEL_FAILED", "no answer")


async def test_an_answer_closes_its_input_once(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    ends = datetime.now(UTC) + timedelta(hours=1)
    await store.runs.finish(run.id, 1, status="finished", inputs_new=[InputRecord("i1", "question", {}, ends)])
    answer = await claimed(store, tenant)
    await store.runs.finish(answer.id, 1, status="finished", inputs_closed=[("i1", "resolved", "user:1", ["a", 1])])
    found = await store.conversations.input(tenant.org, "i1")
    assert found is not None and (found[0].status, found[0].resolved_by, found[0].value) == (
        "resolved",
        "user:1",
        ["a", 1],
    )
    assert found[1].public_id == "c1"
    assert not await store.conversations.close_input(tenant.org, "i1", "expired", None)
    assert await store.conversations.inputs(found[1].pk) == []


async def test_a_changed_definition_becomes_a_workflow_version_when_asked(store: Store, tenant: Tenant) -> None:
    workflow = await store.workflows.create(tenant.org, tenant.user, "W", definition=DEFINITION)
    changed = {"nodes": {"root": {"type": "cronjob"}}}
    for definition, save, version in (
        (changed, False, 1),
        (DEFINITION, True, 1),
        (changed, True, 2),
        (changed, True, 2),
    ):
        run, _ = await submit(store, tenant, workflow_id=workflow.id)
        await store.runs.claim(run.id, 3)
        await store.runs.finish(run.id, 1, status="finished", definition=definition, save_workflow=save)
        found = await store.workflows.get(tenant.org, workflow.id)
        assert found is not None and found.version == version
        assert version == 1 or found.definition == changed


async def test_a_workflow_of_another_organisation_is_not_saved(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    foreign = await store.workflows.create(stranger.org, stranger.user, "W")
    run, _ = await submit(store, tenant, workflow_id=foreign.id)
    await store.runs.claim(run.id, 3)
    assert await store.runs.finish(run.id, 1, status="finished", definition=DEFINITION, save_workflow=True)
    assert await store.workflows.get(stranger.org, foreign.id) == foreign


async def test_a_queued_run_waits_its_turn(store: Store, tenant: Tenant) -> None:
    first = await claimed(store, tenant)
    second, created = await submit(store, tenant, when_busy="queue")
    third, _ = await submit(store, tenant, when_busy="interrupt")
    assert created and await store.runs.claim(second.id, 3) is None
    interrupted = await store.runs.get(tenant.org, first.id)
    assert interrupted is not None and interrupted.cancel_requested
    # The interrupting run comes next, the queued one keeps its place behind it.
    for run, after in ((first, third), (third, second)):
        assert await store.runs.finish(run.id, 1, status="finished", outcome="cancelled")
        active = await store.runs.active(tenant.org, "c1")
        assert active is not None and active.id == after.id
        assert await store.runs.claim(after.id, 3)


async def test_the_queue_of_a_conversation_is_bounded(store: Store, tenant: Tenant) -> None:
    for _ in range(QUEUE_MAX + 1):
        await submit(store, tenant, when_busy="queue")
    with pytest.raises(CaddieError, match="RUN_LIMIT"):
        await submit(store, tenant, when_busy="queue")


async def test_cancelling_is_noted_until_the_run_ends(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    assert await store.runs.request_cancel(run.id)
    claim = await store.runs.claim(run.id, 3)
    assert claim is not None and claim.run.cancel_requested and claim.run.attempt == 2
    assert await store.runs.finish(run.id, 2, status="finished", outcome="cancelled")
    assert not await store.runs.request_cancel(run.id)


async def test_the_sweeper_sees_only_old_active_runs(store: Store, tenant: Tenant) -> None:
    run = await claimed(store, tenant)
    await submit(store, tenant, when_busy="queue")
    await store.runs.finish((await claimed(store, tenant, "c2")).id, 1, status="finished")
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert [found.id for found in await store.runs.unfinished(later)] == [run.id]
    assert await store.runs.unfinished(later - timedelta(hours=1)) == []


async def test_runs_of_another_organisation_do_not_exist(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    run, _ = await submit(store, tenant, "c1", "r1")
    assert await store.runs.get(stranger.org, run.id) is None
    assert await store.runs.active(stranger.org, "c1") is None
    assert await store.runs.by_request(stranger.user, "r1") is None
    assert (await store.runs.list(stranger.org)).items == []
    mine, created = await submit(store, stranger, "c1", "r1")
    assert created and mine.id != run.id


async def test_another_users_conversation_takes_no_run(store: Store, tenant: Tenant) -> None:
    await submit(store, tenant)
    colleague = await store.accounts.create_user(tenant.org, "b@example.com", "B")
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await submit(store, Tenant(tenant.org, colleague.id))


async def test_pages_of_runs_have_no_gap_and_no_duplicate(url: str, store: Store, tenant: Tenant) -> None:
    made = {(await submit(store, tenant, f"c{number}"))[0].id for number in range(7)}
    change = text("UPDATE runs SET created_at = '2026-01-01 00:00:00.000000'")
    await store._database.write(lambda session: session.execute(change))
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.runs.list(tenant.org, 3, cursor, kind="turn", user_id=tenant.user)
        seen += [run.id for run in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == 7 and set(seen) == made


async def test_a_value_without_json_form_is_invalid_and_leaves_nothing(store: Store, tenant: Tenant) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await submit(store, tenant, input={"n": 2**70})
    assert await store.conversations.get(tenant.org, "c1") is None
