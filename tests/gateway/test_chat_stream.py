from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gateway.images import cid
from shared import events
from shared.errors import CaddieError
from shared.keys import conversation_key
from shared.log import Entry, EventLog, Writer
from shared.registry import Record, Registry
from shared.runs import TASK, open_queue
from shared.seal import Seal
from shared.sessions import Revocations
from shared.settings import Settings
from shared.tokens import KeyTable, Session, Tokens
from tests.gateway.conftest import SOCKET_URL, Client, Gateway, running
from tests.gateway.test_images import image

ROOT = {"type": "manual", "payload": {}, "children": []}
LOG = {"type": "log", "payload": {"message": "hi"}, "children": []}
REQUEST_ID = "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d"
PIXEL = base64.b64encode(image("PNG")).decode()


def verified(settings: Settings, token: str) -> Session:
    keys = KeyTable.parse(settings.token_key_table)
    return Tokens(keys, settings.token_issuer, settings.token_audience, settings.token_ttl_s).verify(token)


async def input_of(gateway: Gateway, run_id: str) -> dict[str, Any]:
    run = await gateway.store.runs.get(1, run_id)
    assert run is not None
    return run.input


async def append(gateway: Gateway, conversation: str, run_id: str, count: int) -> None:
    """What a worker would write: the begin of a run and some deltas."""
    log = EventLog(gateway.redis, 3600, 1000)
    entries = [Entry.of(events.RunStarted()), *[Entry.of(events.Thinking(text="…"))] * (count - 1)]
    bodies = [(entry.operation, events.encode(entry.data, run_id)) for entry in entries]
    bodies[0] = ("first", bodies[0][1])
    writer = Writer(conversation_key(1, conversation), run_id, 1)
    await log.claim(writer)
    await log.append(writer, bodies)


async def test_the_answer_holds_the_session_twice_and_its_token_verifies(gateway: Gateway) -> None:
    reply = await gateway.client.chat(message="hello", conversationId="c:1", sessionId="create-1")
    assert reply.status == 200
    body = reply.body
    assert (body["code"], body["message"]) == (200, "success")
    for place in (body, body["data"]):
        assert place["socketUrl"] == SOCKET_URL and place["socketPath"] == "/socket.io/"
        assert place["conversationId"] == "c:1" and place["lastEventIndex"] == 0
        assert place["requestId"] == reply.headers["X-Request-Id"]
        assert place["sessionToken"] not in place["socketUrl"]
    session = verified(gateway.settings, body["sessionToken"])
    assert (session.id, session.conversation) == (body["sessionId"], "c:1")
    assert session.scopes == {"read", "write", "decide"}
    ends = datetime.fromisoformat(body["expiresAt"])
    assert int(ends.timestamp()) == session.expires_at and ends > datetime.now(UTC)
    record = await gateway.store.sessions.get(1, session.id)
    assert record is not None and record.conversation == "c:1" and record.create_session_id == "create-1"
    conversation = await gateway.store.conversations.get(1, "c:1")
    assert conversation is not None and conversation.create_session_id == "create-1"
    assert (await input_of(gateway, body["runId"]))["text"] == "hello"


async def test_the_message_is_on_the_queue(gateway: Gateway) -> None:
    run_id = (await gateway.client.chat(message="hello")).body["runId"]
    async with open_queue(gateway.settings.redis_address) as queue:

        async def run(run_id: str) -> None:
            """Never called."""

        queue.register(run, [TASK])
        snapshot = await queue.snapshot()
    assert [execution.key for execution in snapshot.future] == [run_id]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"message": 5}, "message"),
        ({"message": None}, "message"),
        ({"agentVersion": "v4"}, "agentVersion"),
        ({"agentVersion": 3}, "agentVersion"),
        ({"requestId": "not-a-uuid"}, "requestId"),
        ({"requestId": "9b2f6c1e-8d0a-1c3b-9f57-1d2e3a4b5c6d"}, "requestId"),
        ({"requestId": "{9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d}"}, "requestId"),
        ({"requestId": REQUEST_ID + "\n"}, "requestId"),
        ({"lastEventIndex": -1}, "lastEventIndex"),
        ({"lastEventIndex": "1"}, "lastEventIndex"),
        ({"lastEventIndex": 1.5}, "lastEventIndex"),
        ({"lastEventIndex": True}, "lastEventIndex"),
        ({"conversationId": ""}, "conversationId"),
        ({"conversationId": "a b"}, "conversationId"),
        ({"conversationId": "x" * 129}, "conversationId"),
        ({"conversationId": "c\n"}, "conversationId"),
        ({"conversationId": 5}, "conversationId"),
        ({"sessionId": "a/b"}, "sessionId"),
        ({"workflowId": 5}, "workflowId"),
        ({"workflowId": "x" * 129}, "workflowId"),
        ({"name": "x" * 101}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"preferredMode": "thinking"}, "preferredMode"),
        ({"templateSearchMode": "deep"}, "templateSearchMode"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "America"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"images": {}}, "images"),
        ({"images": [{"base64": PIXEL}] * 9}, "images"),
        ({"images": [{}]}, "images.0"),
        ({"images": [{"base64": PIXEL}, {"base64": "AAAA"}]}, "images.1.base64"),
        ({"images": ["x"]}, "images.0"),
        ({"images": [{"ipfsUrl": "http://example.org/a.png"}]}, "images.0.ipfsUrl"),
        ({"failedRunId": ""}, "failedRunId"),
        ({"definition": []}, "definition"),
    ],
)
async def test_each_rule_refuses_naming_the_field(client: Client, members: dict[str, Any], field: str) -> None:
    body = {"message": "hello"} | members if members else {}
    reply = await client.chat(**body)
    assert reply.status == 400 and reply.body["code"] == 400001, reply.body
    assert reply.fields == [field]
    assert all(detail["message"].startswith("expected") for detail in reply.body["details"])


async def test_all_faults_come_at_once(client: Client) -> None:
    reply = await client.chat(message="", timezone="Nowhere", lastEventIndex=-1)
    assert sorted(reply.fields) == ["lastEventIndex", "message", "timezone"]


@pytest.mark.parametrize(
    "members",
    [
        {"message": "x" * 10_000}, {"message": "ü" * 10_000}, {"agentVersion": "v3"}, {"agentVersion": None},
        {"requestId": REQUEST_ID.upper()}, {"lastEventIndex": 0}, {"conversationId": "A-z_0.9:x"}, {"name": "x" * 100},
        {"description": "x" * 500}, {"preferredMode": "repair"}, {"templateSearchMode": "hybrid"},
        {"timezone": "America/New_York"}, {"timezone": "UTC"}, {"images": []}, {"failedRunId": "run-1"},
        {"somethingNew": {"deep": [1]}}, {"definition": {"nodes": {"root": ROOT}}},
        {"definition": {"nodes": {"root": {**ROOT, "type": "webhook"}}, "triggerNodeIds": ["root"]}},
    ],
)  # fmt: skip
async def test_what_the_documents_allow_is_accepted(client: Client, members: dict[str, Any]) -> None:
    reply = await client.chat(**({"message": "hello"} | members))
    assert reply.status == 200, reply.body


async def test_the_run_gets_every_field(gateway: Gateway) -> None:
    client = await gateway.key("read", "write", "eval", org=1, user=1)
    workflow = await gateway.store.workflows.create(1, 1, "Mine", "mine")
    reply = await client.chat(
        message="hello", workflowId="mine", definition={"nodes": {"root": ROOT}}, name="n", description="d",
        preferredMode="planning", templateSearchMode="hybrid", timezone="Europe/Zurich", modelOverride="m",
        temperatureOverride=0.5, apiKeyOverride="sk-canary-0123456789", failedRunId="f",
    )  # fmt: skip
    assert reply.status == 200, reply.body
    turn = await input_of(gateway, reply.body["runId"])
    expected = {
        "workflowId": workflow.id, "name": "n", "description": "d", "mode": "planning", "templateSearchMode": "hybrid",
        "timezone": "Europe/Zurich", "modelOverride": "m", "temperatureOverride": 0.5, "failedRunId": "f",
        "agentVersion": "v3",
    }  # fmt: skip
    assert turn.items() >= expected.items()
    assert turn["definition"]["nodes"]["root"]["type"] == "manual"
    assert Seal.parse(gateway.settings.seal_key_text).open(turn["sealedKey"]) == "sk-canary-0123456789"


async def test_a_session_keeps_what_its_call_fixed(gateway: Gateway) -> None:
    reply = await gateway.client.chat(conversationId="c1", timezone="Europe/Zurich", preferredMode="planning")
    record = await gateway.store.sessions.get(1, reply.body["sessionId"])
    assert record is not None and record.context is not None
    assert record.context.items() >= {"timezone": "Europe/Zurich", "mode": "planning"}.items()


async def test_a_definition_without_a_message_becomes_the_working_one(gateway: Gateway) -> None:
    body: dict[str, Any] = {"conversationId": "c1", "definition": {"nodes": {"root": ROOT}}}
    assert (await gateway.client.chat(**body)).status == 200
    conversation = await gateway.store.conversations.get(1, "c1")
    assert conversation is not None and conversation.definition is not None
    assert list(conversation.definition["nodes"]) == ["root"]
    assert (await gateway.client.chat(message="hello", conversationId="c1")).status == 200
    assert (await gateway.client.chat(**body)).status == 200  # another tab, while the run is active


@pytest.mark.parametrize(
    ("name", "value"), [("modelOverride", "m"), ("temperatureOverride", 0), ("apiKeyOverride", "k" * 30)]
)
async def test_an_override_without_scope_eval_is_403_naming_it(client: Client, name: str, value: Any) -> None:
    reply = await client.chat(message="hello", **{name: value})
    assert reply.status == 403 and reply.body["code"] == 403002
    assert reply.fields == [name] and reply.body["data"] == {"scopeNeeded": "eval"}


@pytest.mark.parametrize(
    "members",
    [
        {"temperatureOverride": 1.01}, {"temperatureOverride": -0.1}, {"temperatureOverride": "0.5"},
        {"apiKeyOverride": "short"}, {"apiKeyOverride": "k" * 257}, {"apiKeyOverride": "k" * 20 + "\n"},
        {"apiKeyOverride": "k k" * 10}, {"apiKeyOverride": "ü" * 30}, {"modelOverride": ""}, {"modelOverride": "a b"},
    ],
)  # fmt: skip
async def test_an_override_has_rules_and_is_never_echoed(gateway: Gateway, members: dict[str, Any]) -> None:
    client = await gateway.key("read", "write", "eval")
    reply = await client.chat(message="hello", **members)
    assert reply.status == 400 and reply.fields == list(members)
    assert not any(
        isinstance(value, str) and value and value in str(reply.body["details"]) for value in members.values()
    )


async def test_a_message_needs_scope_write_and_following_does_not(gateway: Gateway) -> None:
    client = await gateway.key("read")
    refused = await client.chat(message="hello")
    assert refused.status == 403 and refused.body["data"] == {"scopeNeeded": "write"}
    reply = await client.chat(conversationId="c1")
    assert verified(gateway.settings, reply.body["sessionToken"]).scopes == {"read"}


@pytest.mark.parametrize("given", ["conversationId", "requestId", "workflowId"])
async def test_the_message_may_come_over_the_socket_later(gateway: Gateway, given: str) -> None:
    workflow = await gateway.store.workflows.create(1, 1, "Mine")
    values = {"conversationId": "c1", "requestId": REQUEST_ID, "workflowId": str(workflow.number)}
    members: dict[str, Any] = {given: values[given]}
    reply = await gateway.client.chat(**members)
    assert reply.status == 200 and "runId" not in reply.body
    conversation = await gateway.store.conversations.get(1, reply.body["conversationId"])
    assert conversation is not None and conversation.active_run_id is None
    assert conversation.workflow_id == (workflow.id if given == "workflowId" else None)


@pytest.mark.parametrize(
    ("members", "headers"),
    [
        ({"agentVersion": "v1"}, {}), ({"agentVersion": "v2"}, {}), ({"agentVersion": "both"}, {}),
        ({}, {"Accept": "text/event-stream"}), ({}, {"Accept": "application/json, text/event-stream;q=0.9"}),
    ],
)  # fmt: skip
async def test_streaming_versions_are_validated_and_then_stream(
    client: Client, members: dict[str, Any], headers: dict[str, str]
) -> None:
    reply = await client.chat(headers, message="hello", **members)
    assert reply.status == 200 and reply.headers["Content-Type"] == "text/event-stream"
    assert (await client.chat(headers, **members)).fields == ["message"]
    assert (await client.chat(headers, message="x", timezone="Nowhere", **members)).fields == ["timezone"]


async def test_v3_wins_over_accept_and_the_setting_over_neither(settings: Settings) -> None:
    async with running(settings.model_copy(update={"default_agent_version": "v2"})) as gateway:
        client = await gateway.key()
        await gateway.announce()
        assert (await client.chat(message="hello")).headers["Content-Type"] == "text/event-stream"
        reply = await client.chat({"Accept": "text/event-stream"}, message="hello", agentVersion="v3")
        assert reply.status == 200 and reply.body["sessionToken"]


async def test_fifty_posts_of_one_request_are_one_run(gateway: Gateway) -> None:
    replies = await asyncio.gather(*(gateway.client.chat(message="hello", requestId=REQUEST_ID) for _ in range(50)))
    # On a busy machine one may be asked to come again.
    told = [reply.body for reply in replies if reply.status != 503]
    assert told and {reply.status for reply in replies} <= {200, 503}
    assert len({body["runId"] for body in told}) == 1 and len({body["conversationId"] for body in told}) == 1
    assert {body["requestId"] for body in told} == {REQUEST_ID}
    again = await gateway.client.chat(requestId=REQUEST_ID)
    assert again.body["runId"] == told[0]["runId"]


async def test_the_same_request_with_another_body_is_409(client: Client) -> None:
    await client.chat(message="hello", requestId=REQUEST_ID, conversationId="c1")
    other = await client.chat(message="other", requestId=REQUEST_ID, conversationId="c1")
    elsewhere = await client.chat(message="hello", requestId=REQUEST_ID, conversationId="c2")
    assert [(reply.status, reply.body["code"]) for reply in (other, elsewhere)] == [(409, 409001)] * 2
    assert other.body["requestId"] == REQUEST_ID


async def test_one_users_request_id_is_not_anothers(gateway: Gateway) -> None:
    mine = await gateway.client.chat(message="hello", requestId=REQUEST_ID)
    theirs = await (await gateway.colleague()).chat(message="hello", requestId=REQUEST_ID)
    assert theirs.status == 200 and theirs.body["runId"] != mine.body["runId"]


async def test_a_busy_conversation_is_409_with_its_run(client: Client) -> None:
    first = await client.chat(message="hello", conversationId="c1")
    second = await client.chat(message="again", conversationId="c1")
    assert (second.status, second.body["code"]) == (409, 409002)
    assert second.body["data"]["runId"] == first.body["runId"]


async def test_a_conversation_of_another_user_is_404(gateway: Gateway) -> None:
    await gateway.client.chat(message="hello", conversationId="c1")
    colleague = await gateway.colleague()
    assert (await colleague.chat(message="hello", conversationId="c1")).status == 404
    assert (await colleague.chat(conversationId="c1")).status == 404
    stranger = await gateway.key()
    assert (await stranger.chat(message="hello", conversationId="c1")).status == 200


async def test_a_workflow_is_found_by_each_handle_and_only_by_its_owner(gateway: Gateway) -> None:
    workflow = await gateway.store.workflows.create(1, 1, "Mine", "mine")
    for position, handle in enumerate((workflow.id, str(workflow.number), workflow.slug)):
        reply = await gateway.client.chat(message="hello", workflowId=handle, conversationId=f"c{position}")
        assert reply.status == 200
        conversation = await gateway.store.conversations.get(1, f"c{position}")
        assert conversation is not None and conversation.workflow_id == workflow.id
    for client in (await gateway.colleague(), await gateway.key()):
        reply = await client.chat(message="hello", workflowId="mine")
        assert reply.status == 404 and reply.fields == ["workflowId"]
    assert (await gateway.client.chat(message="hello", workflowId="nothing")).status == 404


async def test_reconnecting_starts_where_the_client_was(gateway: Gateway) -> None:
    first = await gateway.client.chat(message="hello", requestId=REQUEST_ID, conversationId="c1")
    await append(gateway, "c1", first.body["runId"], 5)
    again = await gateway.client.chat(requestId=REQUEST_ID)
    assert again.body["lastEventIndex"] == 0 and again.body["conversationId"] == "c1"
    resumed = await gateway.client.chat(requestId=REQUEST_ID, lastEventIndex=3)
    assert resumed.body["lastEventIndex"] == 3
    beyond = await gateway.client.chat(requestId=REQUEST_ID, lastEventIndex=6)
    assert (beyond.status, beyond.body["code"], beyond.fields) == (400, 400004, ["lastEventIndex"])
    whole = await gateway.client.chat(requestId=REQUEST_ID, lastEventIndex=5, message="hello", conversationId="c1")
    assert whole.status == 200 and whole.body["runId"] == first.body["runId"]


@pytest.mark.parametrize(
    ("definition", "where"),
    [
        ({"nodes": {}}, "definition.nodes"),
        ({"nodes": {"root": {**ROOT, "children": ["ghost"]}}}, "definition.nodes.root"),
        ({"nodes": {"root": {**ROOT, "loopBody": ["ghost"]}}}, "definition.nodes.root"),
        ({"nodes": {"root": ROOT}, "triggerNodeIds": ["other"]}, "definition.triggerNodeIds"),
        ({"nodes": {"root": {**ROOT, "children": ["a"]}, "a": {**LOG, "children": ["a"]}}}, "definition.nodes.a"),
        ({"nodes": {"start": ROOT}}, "definition.triggerNodeIds"),
        ({"nodes": {"root": ROOT}, "variableDefs": [{"name": "a", "type": "text"}] * 2}, "definition.variableDefs"),
        ({"nodes": {"root": {"payload": {}}}}, "definition.nodes.root.type"),
        ({"nodes": {"root": ROOT}, "surprise": 1}, "definition.surprise"),
        ({}, "definition.nodes"),
    ],
)  # fmt: skip
async def test_a_definition_that_cannot_be_used_is_400_naming_the_node(
    client: Client, definition: dict[str, Any], where: str
) -> None:
    reply = await client.chat(message="hello", definition=definition)
    assert (reply.status, reply.body["code"]) == (400, 400003), reply.body
    assert any(field.startswith(where) for field in reply.fields), reply.fields


async def test_every_fault_of_a_definition_is_listed(client: Client) -> None:
    nodes = {"root": {**ROOT, "children": ["x"]}, "b": {**ROOT, "type": "log", "children": ["y"]}}
    reply = await client.chat(message="hello", definition={"nodes": nodes, "triggerNodeIds": ["root"]})
    assert {field.split(".")[2] for field in reply.fields} >= {"root", "b"}


async def test_images_are_kept_by_content_and_linked(gateway: Gateway) -> None:
    link = f"ipfs://{cid(b'elsewhere')}"
    images = [{"base64": PIXEL}, {"base64": f"data:image/png;base64,{PIXEL}", "ipfsUrl": link}, {"ipfsUrl": link}]
    reply = await gateway.client.chat(message="look", images=images)
    assert reply.status == 200, reply.body
    name = cid(image("PNG"))
    kept = (await input_of(gateway, reply.body["runId"]))["images"]
    assert kept == [
        {"url": f"/v1/blobs/{name}", "mediaType": "image/png", "cid": name},
        {"url": link, "mediaType": "image/png", "cid": name},
        {"url": link},
    ]
    blob = await gateway.client.get(kept[0]["url"])
    assert (blob.status, blob.body, blob.headers["Content-Type"]) == (200, image("PNG"), "image/png")


async def test_images_without_a_message_are_refused(client: Client) -> None:
    assert (await client.chat(conversationId="c1", images=[{"base64": PIXEL}])).fields == ["message"]


async def test_without_a_live_server_it_is_503_and_nothing_is_left(gateway: Gateway) -> None:
    await Registry(gateway.redis).withdraw("s1")
    reply = await gateway.client.chat(message="hello", requestId=REQUEST_ID, conversationId="c1")
    assert reply.status == 503 and reply.headers["Retry-After"]
    assert await gateway.store.runs.by_request(1, REQUEST_ID) is None
    assert await gateway.store.sessions.list(1, 1) == []


async def test_the_least_loaded_server_is_named_whatever_the_host_header_says(gateway: Gateway) -> None:
    await Registry(gateway.redis).announce(Record(id="s0", role="server", url="http://busy:1", load=7))
    reply = await gateway.client.chat({"Host": "evil.example"}, message="hello")
    assert reply.body["socketUrl"] == SOCKET_URL


async def test_a_configured_address_needs_no_registry(settings: Settings) -> None:
    async with running(settings.model_copy(update={"socket_url": "https://sockets.example.org"})) as gateway:
        reply = await (await gateway.key()).chat(message="hello")
        assert reply.body["socketUrl"] == "https://sockets.example.org"


async def test_a_revoked_session_is_refused_and_stays_revoked(gateway: Gateway) -> None:
    body = (await gateway.client.chat(message="hello")).body
    session = verified(gateway.settings, body["sessionToken"])
    revocations = Revocations(gateway.redis)
    await revocations.check(session)
    path = f"/v1/ai/sessions/{body['sessionId']}"
    for stranger in (await gateway.colleague(), await gateway.key()):
        assert (await stranger("DELETE", path)).status == 404
    await revocations.check(session)
    for _ in range(2):
        assert (await gateway.client("DELETE", path)).status == 204
    with pytest.raises(CaddieError) as caught:
        await revocations.check(session)
    assert caught.value.code == "TOKEN_REVOKED"
    record = await gateway.store.sessions.get(1, session.id)
    assert record is not None and record.revoked_at is not None
    assert (await gateway.client("DELETE", f"/v1/ai/sessions/{uuid4()}")).status == 404


async def test_malformed_bodies_are_400_and_never_500(client: Client) -> None:
    for raw in (
        b"", b"[]", b'"x"', b"null", b"{", b'{"message":NaN}', b'{"message":"\\u0000"}', b'{"message":"\\ud800"}',
        b'{"message":"a","message":"b"}', b'{"definition":' + b"[" * 100 + b"]" * 100 + b"}", b"\xff",
        b'{"lastEventIndex":99999999999999999999}', b'{"temperatureOverride":1e999}',
    ):  # fmt: skip
        reply = await client.raw(raw)
        assert reply.status == 400 and reply.body["code"] in (400001, 400002), raw


async def test_settings_without_a_secret_do_not_build(settings: Settings) -> None:
    from gateway.app import build, missing

    bare = settings.model_copy(update={"token_keys": None, "seal_key": SecretStr("x")})
    with pytest.raises(ValueError, match="CADDIE_TOKEN_KEYS"):
        build(bare)
    assert [line.split(":")[0] for line in missing(bare)] == ["CADDIE_TOKEN_KEYS"]
