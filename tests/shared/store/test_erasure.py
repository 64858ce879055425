from __future__ import annotations

from datetime import timedelta

from shared.store import Store
from shared.store.records import MessageRecord
from shared.store.tables import now
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
