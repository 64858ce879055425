from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import CaddieError
from shared.store import Store
from shared.store.records import InputRecord, MessageRecord
from tests.shared.store.conftest import Tenant

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123_456, UTC)


async def fill(store: Store, tenant: Tenant, moments: list[datetime], conversation: str = "c1") -> int:
    """Messages m1, m2 … of one run; the conversation's pk."""
    run, _ = await store.runs.submit(tenant.org, tenant.user, conversation, None, "turn", "h", {})
    await store.runs.claim(run.id, 1)
    # Ids against the order of time, so that no order by id can pass for the right one.
    messages = [
        MessageRecord(f"{conversation}-{len(moments) - n:03d}", "user", f"m{n + 1}", at) for n, at in enumerate(moments)
    ]
    assert await store.runs.finish(run.id, 1, status="finished", messages=messages)
    return run.conversation_pk


async def test_a_conversation_is_made_once_and_gains_its_workflow(store: Store, tenant: Tenant) -> None:
    made = await asyncio.gather(*(store.conversations.ensure(tenant.org, tenant.user, "c1") for _ in range(20)))
    assert len({each.pk for each in made}) == 1
    flow, other = [await store.workflows.create(tenant.org, tenant.user, "Flow") for _ in range(2)]
    gained = await store.conversations.ensure(tenant.org, tenant.user, "c1", flow.id, "s1", "Title")
    assert (gained.pk, gained.workflow_id, gained.create_session_id, gained.title) == (
        made[0].pk, flow.id, "s1", "Title",
    )  # fmt: skip
    kept = await store.conversations.ensure(tenant.org, tenant.user, "c1", other.id, "s2", "Other")
    assert (kept.workflow_id, kept.create_session_id, kept.title) == (flow.id, "s1", "Title")
    assert await store.conversations.get(tenant.org, "c1") == kept


@pytest.mark.parametrize("public_id", ["", "a b", "a\0b", "x" * 129, "ñ"])
async def test_an_id_outside_the_alphabet_is_invalid_to_make_and_absent_to_get(
    store: Store, tenant: Tenant, public_id: str
) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await store.conversations.ensure(tenant.org, tenant.user, public_id)
    assert await store.conversations.get(tenant.org, public_id) is None


async def test_text_that_cannot_be_stored_is_invalid(store: Store, tenant: Tenant) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await store.conversations.ensure(tenant.org, tenant.user, "c1", create_session_id="\ud800")
    assert await store.conversations.get(tenant.org, "c1") is None


async def test_others_do_not_see_a_conversation(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    pk = await fill(store, tenant, [MOMENT])
    colleague = await store.accounts.create_user(tenant.org, "b@example.com", "B")
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.conversations.ensure(tenant.org, colleague.id, "c1")
    assert await store.conversations.get(stranger.org, "c1") is None
    assert await store.conversations.history(stranger.org, pk) == ([], False)
    assert await store.conversations.clear(stranger.org, "c1") is None
    assert await store.erasure.conversation(stranger.org, "c1") is None
    assert (await store.conversations.ensure(stranger.org, stranger.user, "c1")).pk != pk


@pytest.mark.parametrize("by_id", [True, False])
async def test_history_pages_have_no_gap_and_no_duplicate(store: Store, tenant: Tenant, by_id: bool) -> None:
    same = [MOMENT] * 5 + [MOMENT - timedelta(seconds=5)] + [MOMENT + timedelta(microseconds=n) for n in range(6)]
    pk = await fill(store, tenant, same)
    pk = await fill(store, tenant, [])
    seen: list[str] = []
    before: datetime | None = None
    before_id: str | None = None
    more = True
    while more:
        page, more = await store.conversations.history(tenant.org, pk, 5, before, before_id if by_id else None)
        seen = [message.text for message in page] + seen
        before, before_id = page[0].created_at, page[0].id
    assert seen == [f"m{number}" for number in range(1, 13)]
    assert [message.text for message in await store.conversations.messages(pk)] == seen


async def test_times_are_aware_and_in_whole_milliseconds(store: Store, tenant: Tenant) -> None:
    pk = await fill(store, tenant, [MOMENT])
    (message,), more = await store.conversations.history(tenant.org, pk)
    assert not more
    assert message.created_at == MOMENT.replace(microsecond=123_000) and message.created_at.tzinfo is UTC
    with pytest.raises(Exception, match="naive"):
        await store.conversations.history(tenant.org, pk, before=datetime(2026, 1, 1))


async def test_positions_go_on_over_runs(store: Store, tenant: Tenant) -> None:
    await fill(store, tenant, [MOMENT] * 2)
    run, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {})
    await store.runs.claim(run.id, 1)
    await store.runs.finish(run.id, 1, status="finished", messages=[MessageRecord("x", "assistant", "m3", MOMENT)])
    messages = await store.conversations.messages(run.conversation_pk)
    assert [(message.text, message.position) for message in messages] == [("m1", 1), ("m2", 2), ("m3", 3)]
    assert len({message.created_at for message in messages}) == 3


async def test_pages_of_conversations_have_no_gap_and_no_duplicate(store: Store, tenant: Tenant) -> None:
    flow = await store.workflows.create(tenant.org, tenant.user, "Flow")
    for number in range(7):
        await store.conversations.ensure(tenant.org, tenant.user, f"c{number}", flow.id if number % 2 else None, "s1")
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.conversations.list(tenant.org, tenant.user, 3, cursor, create_session_id="s1")
        seen += [each.public_id for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen) == [f"c{number}" for number in range(7)]
    about = await store.conversations.list(tenant.org, tenant.user, workflow_id=flow.id)
    assert {each.public_id for each in about.items} == {"c1", "c3", "c5"}


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "W10", "WzEsInQiXQ", "Wzk5OTk5OTk5OTk5OTk5OTk5OTksMV0", "\0", "ñ"])
async def test_a_foreign_cursor_is_invalid(store: Store, tenant: Tenant, cursor: str) -> None:
    with pytest.raises(CaddieError, match="INVALID"):
        await store.conversations.list(tenant.org, tenant.user, 3, cursor)


async def test_clearing_forgets_messages_and_questions_but_keeps_runs(store: Store, tenant: Tenant) -> None:
    run, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {})
    await store.runs.claim(run.id, 1)
    question = InputRecord("i1", "question", {}, MOMENT)
    await store.runs.finish(
        run.id, 1, status="finished", messages=[MessageRecord("m", "user", "x", MOMENT)], inputs_new=[question]
    )
    assert [found[0].id for found in await store.conversations.overdue_inputs(datetime.now(UTC))] == ["i1"]
    cleared = await store.conversations.clear(tenant.org, "c1")
    assert cleared is not None
    assert await store.conversations.messages(cleared.pk) == []
    assert await store.conversations.inputs(cleared.pk) == []
    assert await store.conversations.overdue_inputs(datetime.now(UTC)) == []
    assert await store.runs.get(tenant.org, run.id)


async def test_a_deleted_conversation_takes_its_active_run_along(store: Store, tenant: Tenant) -> None:
    await fill(store, tenant, [MOMENT])
    run, _ = await store.runs.submit(tenant.org, tenant.user, "c1", "r1", "turn", "h", {})
    await store.runs.claim(run.id, 1)
    assert await store.erasure.conversation(tenant.org, "c1")
    assert not await store.runs.finish(run.id, 1, status="finished")
    assert await store.runs.get(tenant.org, run.id) is None
    assert await store.erasure.conversation(tenant.org, "c1") is None


async def test_inputs_of_another_organisation_do_not_exist(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    run, _ = await store.runs.submit(tenant.org, tenant.user, "c1", None, "turn", "h", {})
    await store.runs.claim(run.id, 1)
    await store.runs.finish(run.id, 1, status="finished", inputs_new=[InputRecord("i1", "plan", {}, MOMENT)])
    assert await store.conversations.input(tenant.org, "i1")
    assert await store.conversations.input(stranger.org, "i1") is None
    assert not await store.conversations.close_input(stranger.org, "i1", "resolved", "eve")
    closed = await asyncio.gather(
        *(store.conversations.close_input(tenant.org, "i1", "resolved", f"u{n}") for n in range(8))
    )
    assert sum(closed) == 1


async def test_a_conversation_is_renamed(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    await store.conversations.ensure(tenant.org, tenant.user, "c1")
    renamed = await store.conversations.rename(tenant.org, "c1", "New")
    assert renamed is not None and renamed.title == "New"
    assert await store.conversations.rename(stranger.org, "c1", "Theirs") is None
