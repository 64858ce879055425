"""Workflows by their slug, and the node types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.executions import chat_thread
from shared.keys import conversation_key
from shared.log import EventLog
from shared.settings import Settings
from tests.gateway.conftest import Gateway, running
from tests.gateway.walk import BY_HAND, CHATTY, Walk, said, workflow

PATH = "/api/v1/workflows/"
FIRING = {
    "nodes": {
        "hook": {"type": "webhook", "payload": {}},
        "daily": {"type": "cronjob", "payload": {"cron": "0 8 * * *", "timezone": "Europe/Zurich"}},
    },
    "triggerNodeIds": ["hook", "daily"],
}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_workflow_is_made_read_changed_and_deleted(gateway: Gateway, slash: str) -> None:
    body = {"name": "My Bot", "slug": "my-bot", "description": "Answers.", "definition": CHATTY}
    made = await gateway.client.post(PATH.rstrip("/") + slash, body)
    assert made.status == 201
    assert (made.body["slug"], made.body["version"], made.body["is_active"]) == ("my-bot", 1, True)
    assert made.body["triggers"] == [
        {
            "node_id": "root", "component_type": "trigger_chat", "webhook_path": None, "webhook_url": None,
            "next_run_at": None,
        }
    ]  # fmt: skip
    path = f"{PATH}my-bot{slash}"
    assert (await gateway.client.get(path)).body == made.body
    changed = await gateway.client("PATCH", path, {"name": "Ours", "definition": BY_HAND, "is_active": False})
    assert changed.status == 200
    assert (changed.body["name"], changed.body["version"], changed.body["is_active"]) == ("Ours", 2, False)
    assert changed.body["id"] == made.body["id"] and changed.body["description"] == "Answers."
    renamed = await gateway.client("PATCH", path, {"slug": "ours"})
    assert renamed.body["slug"] == "ours" and renamed.body["is_active"] is False
    assert (await gateway.client.get(path)).body == {"detail": "Workflow not found."}
    assert [each["slug"] for each in (await gateway.client.get(PATH)).body["workflows"]] == ["ours"]
    assert (await gateway.client("DELETE", f"{PATH}ours{slash}")).status == 204
    assert (await gateway.client("DELETE", f"{PATH}ours{slash}")).status == 404


async def test_what_fires_by_itself_is_shown(gateway: Gateway) -> None:
    made = await gateway.client.post(PATH, {"name": "Firing", "definition": FIRING})
    hook, daily = made.body["triggers"]
    assert hook["webhook_path"].startswith("/hooks/") and len(hook["webhook_path"]) > 30
    assert hook["webhook_url"] == gateway.client.url + hook["webhook_path"]
    async with gateway.client.http.post(hook["webhook_url"], json={}) as response:
        assert response.status == 202
    assert daily["component_type"] == "cronjob" and daily["next_run_at"] is None
    record = await gateway.store.workflows.get(1, made.body["slug"])
    assert record is not None
    (schedule,) = await gateway.store.triggers.schedules(1, record.id)
    assert schedule.next_at is not None
    due = schedule.next_at + timedelta(hours=9)
    assert await gateway.store.triggers.advance(record.id, "daily", schedule.next_at, due, False)
    path = f"{PATH}{record.slug}/"
    assert (await gateway.client.get(path)).body["triggers"][1]["next_run_at"].endswith("Z")
    off = await gateway.client("PATCH", path, {"is_active": False})
    assert off.body["triggers"][1]["next_run_at"] is None
    assert off.body["triggers"][0]["webhook_path"] == hook["webhook_path"]


async def test_a_webhook_s_address_is_the_one_the_world_has_for_the_gateway(
    gateway: Gateway, settings: Settings
) -> None:
    made = (await gateway.client.post(PATH, {"name": "Firing", "slug": "firing", "definition": FIRING})).body
    path = made["triggers"][0]["webhook_path"]
    proxied = {"X-Forwarded-Proto": "https, http", "Host": "caddie.example"}
    for headers, url in ((proxied, "https://caddie.example"), ({"Host": "10.0.0.1:81"}, "http://10.0.0.1:81")):
        shown = await gateway.client.get(f"{PATH}firing", headers=headers)
        assert shown.body["triggers"][0]["webhook_url"] == url + path
    async with running(settings.model_copy(update={"public_url": "https://hooks.example/caddie/"})) as named:
        shown = await named.client.with_key(gateway.client.key).get(f"{PATH}firing")
        assert shown.body["triggers"][0]["webhook_url"] == f"https://hooks.example/caddie{path}"


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ({}, 422, ["body", "name"]), ({"name": ""}, 422, ["body", "name"]),
        ({"name": "x", "slug": "Über"}, 422, ["body", "slug"]), ({"name": "x", "slug": "12"}, 422, ["body", "slug"]),
        ({"name": "x", "definition": {"nodes": {}}}, 422, ["body", "definition", "nodes"]),
        ({"name": "x", "is_active": "yes"}, 422, ["body", "is_active"]), ({"name": "x", "slug": "taken"}, 409, None),
    ],
)  # fmt: skip
async def test_a_wrong_body_is_refused(gateway: Gateway, body: dict[str, Any], status: int, place: Any) -> None:
    await workflow(gateway, slug="taken")
    reply = await gateway.client.post(PATH, body)
    assert reply.status == status
    if place:
        assert place in [each["loc"] for each in reply.body["detail"]], reply.body


async def test_secrets_are_sealed(gateway: Gateway) -> None:
    definition = {
        "nodes": {
            "root": {"type": "manual", "payload": {}, "children": ["call"]},
            "call": {
                "type": "http-request",
                "payload": {"url": "https://example.com", "headers": {"X-Mine": "canary-secret-value"}},
            },
        },
        "sensitivePropKeys": ["X-Mine"],
    }  # fmt: skip
    made = await gateway.client.post(PATH, {"name": "Secret", "definition": definition})
    assert made.status == 201 and "canary" not in str(made.body)


async def test_a_deleted_workflow_leaves_no_execution_no_thread_and_no_log(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    record = await said(gateway, flow, "hello", "hi")
    going = await (await Walk.start(gateway, flow)).begin()
    assert (await gateway.client("DELETE", f"{PATH}{flow.slug}/")).status == 204
    for execution in (record.id, going.id):
        assert (await gateway.client.get(f"/api/v1/executions/{execution}/")).status == 404
        assert await gateway.store.conversations.get(1, execution) is None
        assert await gateway.store.runs.get(1, execution) is None
        assert not await gateway.redis.exists(f"c:{{{conversation_key(1, execution)}}}:log")
    assert await gateway.store.conversations.get(1, chat_thread(flow.id, 1)) is None


async def test_whoever_carries_what_a_deleted_workflow_waits_for_is_told_to_end_it(gateway: Gateway) -> None:
    flow, other = await workflow(gateway), await workflow(gateway)
    await gateway.store.conversations.ensure(1, 1, "chat", kind="chat")
    spoken = await (await Walk.start(gateway, flow, conversation="chat")).begin()
    children = [
        await (await Walk.start(gateway, other, parent_id=parent.id)).begin()
        for parent in (spoken, await (await Walk.start(gateway, flow)).begin())
    ]
    assert (await gateway.client("DELETE", f"{PATH}{flow.slug}/")).status == 204
    log = EventLog(gateway.redis, 60, 100)
    for child in children:
        assert await log.wishes(conversation_key(1, child.id), child.id) == (True, False)
    assert await log.wishes(conversation_key(1, "chat"), spoken.id) == (True, False)


async def test_another_s_workflow_is_as_absent(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    for client in (await gateway.colleague(), await gateway.key()):
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
            reply = await client(method, f"{PATH}{flow.slug}/", body)
            assert (reply.status, reply.body) == (404, {"detail": "Workflow not found."})
        assert (await client.get(PATH)).body == {"workflows": [], "cursor": None}
    assert (await gateway.client.get(f"{PATH}{flow.slug}")).status == 200


@pytest.mark.parametrize("slash", ["", "/"])
async def test_node_types_are_those_of_the_catalog(gateway: Gateway, slash: str) -> None:
    found = (await gateway.client.get(f"/api/v1/node-types{slash}")).body["node_types"]
    by_type = {each["component_type"]: each for each in found}
    assert by_type["trigger_chat"]["is_trigger"] and by_type["for-each"]["is_loop"]
    assert by_type["if"]["branches"] == ["then", "else"]
    assert by_type["agent"]["payload_schema"]["required"] == ["prompt"]
