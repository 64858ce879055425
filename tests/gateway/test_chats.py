"""Chats of a signed-in user: make, list, rename, delete, sessions, and whose they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.keys import conversation_key, run
from shared.log import EventLog
from shared.runs import TurnInput
from shared.sessions import Revocations
from shared.tokens import KeyTable, Tokens
from tests.gateway.conftest import SOCKET_URL, Gateway
from tests.gateway.pen import Pen
from tests.gateway.signed_in import People, Person, gathered

ABSENT = {"error": "Not Found", "message": "Chat does not exist"}
#: What each path below a chat needs to be asked for.
PATHS = [
    ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("POST", "/session", {}),
    ("GET", "/messages", None), ("POST", "/messages", {}), ("POST", "/messages/stream", {}),
    ("GET", "/messages/stream", None), ("POST", "/messages/cancel", None), ("GET", "/export", None),
]  # fmt: skip


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.member()


async def test_a_chat_is_made_named_and_seen(ada: Person) -> None:
    made = await ada("POST", "/api/chats", {"title": "Plans"})
    assert made.status == 201 and set(made.body) == {"data"}
    chat = made.data
    UUID(chat["id"])
    assert set(chat) == {"id", "userId", "title", "kind", "isActive", "createdAt", "updatedAt"}
    assert (chat["userId"], chat["title"], chat["kind"], chat["isActive"]) == (ada.uuid, "Plans", "chat", False)
    assert (await ada("GET", f"/api/chats/{chat['id']}")).data == chat
    renamed = await ada("PATCH", f"/api/chats/{chat['id']}", {"title": "Other"})
    assert (renamed.status, renamed.data["title"]) == (200, "Other")


async def test_a_chat_needs_no_body_and_takes_no_unknown_member(ada: Person) -> None:
    bare = await ada("POST", "/api/chats")
    assert (bare.status, bare.data["title"]) == (201, "")
    refused = await ada("POST", "/api/chats", {"name": "x"})
    assert (refused.status, refused.fields, refused.body["error"]) == (400, ["name"], "Bad Request")


async def test_the_title_is_the_beginning_of_the_first_message(gateway: Gateway, ada: Person) -> None:
    chat, named = await ada.chat(), await ada.chat(title="Mine")
    long = "Tell me everything\nabout " + "the history of the steam engine " * 9
    for each in (chat, named):
        await gateway.store.runs.submit(
            1, ada.id, each, None, "turn", "h", TurnInput(text=long).model_dump(mode="json")
        )
    title = (await ada("GET", f"/api/chats/{chat}")).data["title"]
    assert title.startswith("Tell me everything about the history") and len(title) <= 80 and title.endswith("…")
    assert (await ada("GET", f"/api/chats/{named}")).data["title"] == "Mine"


@pytest.mark.parametrize("handle", ["id", "uuid"])
async def test_chats_are_listed_last_changed_first_in_pages(ada: Person, handle: str) -> None:
    ids = [await ada.chat(title=str(number)) for number in range(5)]
    await ada.chat(kind="builder")
    path = f"/api/users/{getattr(ada, handle)}/chats?limit=2"
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await ada("GET", path + (f"&cursor={cursor}" if cursor else ""))).data
        seen += [chat["id"] for chat in page["chats"]]
        cursor = page["cursor"]
    assert seen == ids[::-1]
    assert len((await ada("GET", "/api/chats?kind=all")).data["chats"]) == 6


async def test_another_user_s_list_is_forbidden_and_a_stranger_s_unknown(people: People, ada: Person) -> None:
    bob, eve = await people.member(), await people.stranger()
    assert (await ada("GET", f"/api/users/{bob.id}/chats")).status == 403
    absent = await ada("GET", "/api/users/99999/chats")
    foreign = await ada("GET", f"/api/users/{eve.uuid}/chats?limit=x")
    assert (foreign.status, foreign.body) == (absent.status, absent.body) and absent.status == 404


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_a_foreign_chat_is_absent_and_a_colleague_s_forbidden(
    people: People, ada: Person, method: str, path: str, body: dict[str, str] | None
) -> None:
    bob, eve = await people.member(), await people.stranger()
    theirs, foreign = await bob.chat(), await eve.chat()
    # The body is wrong, the query too: whose chat it is comes first.
    query = "?limit=x&after=x&format=x" if method == "GET" else ""
    for chat in (foreign, str(uuid4()), "not-a-uuid", "a%20b", "%00"):
        refused = await ada(method, f"/api/chats/{chat}{path}{query}", body)
        assert (refused.status, refused.body) == (404, ABSENT), chat
    refused = await ada(method, f"/api/chats/{theirs}{path}{query}", body)
    deed = "post to" if method == "POST" else "access"
    assert (refused.status, refused.body) == (
        403, {"error": "Forbidden", "message": f"Cannot {deed} another user's chat"},
    )  # fmt: skip
    assert (await bob("GET", f"/api/chats/{theirs}")).status == 200


@pytest.mark.parametrize(("method", "path", "body"), [*PATHS, ("GET", "-list", None)])
async def test_without_a_login_everything_is_401(
    people: People, method: str, path: str, body: dict[str, str] | None
) -> None:
    target = "/api/chats" if path == "-list" else f"/api/chats/{uuid4()}{path}"
    refused = await people.browser()(method, target, body)
    assert (refused.status, refused.body) == (401, {"error": "Unauthorized", "message": "Valid session required"})


async def test_a_session_needs_no_api_key_and_ends_with_the_login(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    issued = await ada("POST", f"/api/chats/{chat}/session")
    assert issued.status == 200, issued.body
    data = issued.data
    assert set(data) == {
        "sessionToken", "socketUrl", "socketPath", "chatId", "conversationId", "sessionId", "lastEventIndex",
        "expiresAt",
    }  # fmt: skip
    assert data["socketUrl"] == SOCKET_URL and data["conversationId"] == data["chatId"] == chat
    settings = gateway.settings
    tokens = Tokens(
        KeyTable.parse(settings.token_key_table), settings.token_issuer, settings.token_audience, settings.token_ttl_s
    )
    session = tokens.verify(data["sessionToken"])
    assert (session.conversation, session.user, session.scopes) == (
        chat, ada.id, frozenset({"read", "write", "decide"}),
    )  # fmt: skip
    stored = await gateway.store.sessions.get(1, data["sessionId"])
    assert stored is not None and (stored.context or {})["profile"] == "chat" and stored.api_key_id is None
    assert (await ada("POST", "/api/auth/sign-out")).status == 204
    _, revoked = await Revocations(gateway.redis).since("0-0")
    assert ("session", data["sessionId"]) in [(each.kind, each.id) for each in revoked]


async def test_a_session_s_model_and_time_zone_are_checked(ada: Person) -> None:
    path = f"/api/chats/{await ada.chat()}/session"
    for field, value in (("modelId", "gpt-99"), ("timezone", "Mars/Olympus"), ("x", 1)):
        refused = await ada("POST", path, {field: value})
        assert (refused.status, refused.fields) == (400, [field])
    assert (await ada("POST", path, {"modelId": "gpt-4", "timezone": "Europe/Berlin"})).status == 200


async def test_deleting_leaves_nothing(gateway: Gateway, ada: Person) -> None:
    store, chat, other = gateway.store, await ada.chat(), await ada.chat()
    for cid in ("b-shared", "b-own"):
        await store.blobs.put(1, cid, "image/png", b"x")
    own = {"text": "look", "images": [{"url": "u", "cid": "b-own"}, {"url": "u", "cid": "b-shared"}]}
    done, _ = await store.runs.submit(1, ada.id, chat, None, "turn", "h", own)
    await store.runs.submit(1, ada.id, other, None, "turn", "h", {"images": [{"url": "u", "cid": "b-shared"}]})
    pen = await Pen(gateway.redis, store, chat, done.id).begin()
    await pen.say("canary")
    await pen.said("canary")
    await pen.end(message="canary")
    under_way, _ = await store.runs.submit(1, ada.id, chat, None, "turn", "h", {"text": "and?"})
    writing = await Pen(gateway.redis, store, chat, under_way.id).begin()
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await store.sessions.create(1, ada.id, chat, ["read"], soon, session_id="s-of-chat", context={"name": "canary"})
    assert (await ada("DELETE", f"/api/chats/{chat}")).status == 204
    assert (await ada("GET", f"/api/chats/{chat}")).status == 404
    assert await store.runs.find(done.id) is None and await store.runs.find(under_way.id) is None
    assert await store.sessions.get(1, "s-of-chat") is None
    assert (await store.blobs.get(1, "b-own"), (await store.blobs.get(1, "b-shared")) is None) == (None, False)
    # Whoever still writes is fenced and makes no new log.
    with pytest.raises(Exception, match="FENCED"):
        await writing.say("late")
    left = [key async for key in gateway.redis.scan_iter(match=f"c:{{1:{chat}}}*")]
    assert left == [run(conversation_key(1, chat), under_way.id).encode()]
    _, revoked = await Revocations(gateway.redis).since("0-0")
    assert ("session", "s-of-chat") in [(each.kind, each.id) for each in revoked]
    assert (await ada("DELETE", f"/api/chats/{chat}")).status == 404


async def test_liveness_models_and_tools(gateway: Gateway, people: People, ada: Person) -> None:
    alive = await people.browser()("GET", "/api/liveness")
    assert (alive.status, alive.body) == (200, {"data": {"status": "ok"}})
    models = {each["id"]: each for each in (await ada("GET", "/api/models")).data["models"]}
    assert models["gpt-4"] == {
        "id": "gpt-4", "provider": "offline", "model": "offline", "isDefault": True, "available": True,
    }  # fmt: skip
    assert models["claude"]["available"] is False
    tools = {each["name"]: each for each in (await ada("GET", "/api/tools")).data["tools"]}
    assert set(tools) == {"web_search", "http_get", "current_time", "calculator", "search_my_workflows"}
    assert tools["calculator"]["inputSchema"]["required"] == ["expression"]
    assert (tools["web_search"]["available"], tools["web_search"]["needs"]) == (False, "CADDIE_WEB_SEARCH_URL")
    assert (await people.browser()("GET", "/api/models")).status == 401


async def test_a_chat_of_the_log_that_redis_lost_is_deleted_too(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    await EventLog(gateway.redis, 60, 100).delete(conversation_key(1, chat))
    assert (await ada("DELETE", f"/api/chats/{chat}")).status == 204
