"""Executions over HTTP, with a worker that is the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared import events
from shared.store import previews
from shared.store.records import InputRecord
from tests.gateway.conftest import Gateway
from tests.gateway.walk import BY_HAND, Walk, workflow

PATH = "/api/v1/executions/"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_executions_are_listed_newest_first(gateway: Gateway, slash: str) -> None:
    flow, other = await workflow(gateway), await workflow(gateway)
    walks = [await Walk.start(gateway, flow) for _ in range(3)]
    await walks[0].whole()
    await walks[1].begin()
    await Walk.start(gateway, other)
    path = PATH.rstrip("/") + slash
    everything = await gateway.client.get(path)
    assert [each["workflow"] for each in everything.body["executions"]] == [other.slug] + [flow.slug] * 3
    first = await gateway.client.get(f"{path}?limit=2&workflow={flow.slug}")
    rest = await gateway.client.get(f"{path}?limit=2&workflow={flow.slug}&cursor={first.body['cursor']}")
    found = [each["execution_id"] for page in (first, rest) for each in page.body["executions"]]
    # Those of one millisecond have the order of their ids.
    stored = [await gateway.store.executions.get(1, walk.id) for walk in walks]
    newest = sorted(((each.created_at, each.id) for each in stored if each), reverse=True)
    assert found == [name for _, name in newest] and rest.body["cursor"] is None
    for status, walk in (("completed", walks[0]), ("running", walks[1])):
        (only,) = (await gateway.client.get(f"{path}?status={status}")).body["executions"]
        assert only["execution_id"] == walk.id and only["status"] == status


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 422), ("limit=101", 422), ("status=done", 422), ("cursor=x", 422), ("workflow=no-such", 404)],
)
async def test_a_wrong_query_is_refused(gateway: Gateway, query: str, status: int) -> None:
    reply = await gateway.client.get(f"{PATH}?{query}")
    assert reply.status == status
    if status == 404:
        assert reply.body == {"detail": "Workflow not found."}
    else:
        assert reply.body["detail"][0]["loc"] == ["query", query.split("=")[0]]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_execution_is_shown_with_a_log_per_step(gateway: Gateway, slash: str) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    await walk.step("shout", input={"template": "x"}, output={"text": "HI!"}, durationMs=3)
    await walk.step("shout", path="each:0", output={"text": "x" * 40_000})
    await walk.step("reply", "failed", error="no thread", code="NO_THREAD")
    await walk.end(events.RunFailed(code="NO_THREAD", message="no thread", retryable=False))
    body = (await gateway.client.get(f"{PATH}{walk.id}{slash}")).body
    assert (body["status"], body["trigger"], body["error"], body["error_code"]) == (
        "failed", "chat", "no thread", "NO_THREAD"
    )  # fmt: skip
    assert body["input"] == {"text": "hi", "files": [], "payload": {}} and body["waiting"] == []
    shout, looped, reply = body["logs"]
    assert shout["input"] == {"template": "x"} and shout["output"] == {"text": "HI!"} and shout["duration_ms"] == 3
    assert (shout["component_type"], shout["node_label"], shout["path"]) == ("format", "Format text", "")
    assert looped["path"] == "each:0" and looped["output"]["truncated"] and looped["output"]["bytes"] > 40_000
    assert (reply["status"], reply["error"], reply["error_code"]) == ("failed", "no thread", "NO_THREAD")
    assert reply["node_label"] == "Say it" and reply["started_at"].endswith("Z")


async def test_the_answer_is_bounded_however_much_was_made(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "TOTAL_BYTES", 100_000)
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    for number in range(100):
        await walk.step(f"n{number}", input={"x": "x" * 5_000}, output={"x": "x" * 5_000})
    body = (await gateway.client.get(f"{PATH}{walk.id}/")).body
    assert len(body["logs"]) == 100 and len(str(body["logs"])) < 250_000


async def test_a_workflow_is_started_by_hand(gateway: Gateway) -> None:
    flow = await workflow(gateway, BY_HAND)
    reply = await gateway.client.post(PATH, {"workflow": flow.slug, "inputs": {"city": "Bern", "days": 2}})
    assert reply.status == 201
    assert (reply.body["status"], reply.body["trigger"], reply.body["trigger_node_id"]) == ("pending", "manual", "root")
    record = await gateway.store.executions.get(1, reply.body["execution_id"])
    assert record is not None and record.inputs == {"city": "Bern", "days": 2}
    assert reply.body["execution_id"] in await queued(gateway)


async def queued(gateway: Gateway) -> str:
    return str([await gateway.redis.dump(key) for key in await gateway.redis.keys("*")]) + str(
        await gateway.redis.keys("*")
    )


@pytest.mark.parametrize(
    ("inputs", "field"),
    [(None, "city"), ({}, "city"), ({"city": None}, "city"), ({"city": 1}, "city"),
     ({"city": "x", "days": "2"}, "days"), ({"city": "x", "days": True}, "days")],
)  # fmt: skip
async def test_inputs_are_held_against_the_schema(gateway: Gateway, inputs: Any, field: str) -> None:
    flow = await workflow(gateway, BY_HAND)
    reply = await gateway.client.post(PATH, {"workflow": flow.slug, "inputs": inputs})
    assert reply.status == 422 and [each["loc"] for each in reply.body["detail"]] == [["body", "inputs", field]]
    assert (await gateway.store.executions.list(1, 1)).items == []


async def test_what_cannot_be_started_is_404(gateway: Gateway) -> None:
    empty = await gateway.store.workflows.create(1, 1, "Empty")
    for body, text in (
        ({"workflow": "no-such"}, "Workflow not found."), ({"workflow": empty.slug}, "No trigger found."),
        ({"workflow": (await workflow(gateway)).slug, "trigger_node_id": "shout"}, "No trigger found."),
    ):  # fmt: skip
        reply = await gateway.client.post(PATH, body)
        assert (reply.status, reply.body) == (404, {"detail": text})


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_cancel_may_be_repeated_and_leaves_what_is_over(gateway: Gateway, slash: str) -> None:
    flow = await workflow(gateway)
    done = await (await Walk.start(gateway, flow)).whole()
    for _ in range(2):
        reply = await gateway.client.post(f"{PATH}{done.id}/cancel{slash}")
        assert (reply.status, reply.body["status"]) == (200, "completed")
    going = await (await Walk.start(gateway, flow)).begin()
    for _ in range(2):
        reply = await gateway.client.post(f"{PATH}{going.id}/cancel{slash}")
        assert (reply.status, reply.body["status"]) == (200, "running")
    run = await gateway.store.runs.get(1, going.id)
    assert run is not None and run.cancel_requested


async def test_a_confirmation_is_answered_once(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    asked = await walk.ask("ok", text="Go on?", options=[{"value": "approve", "label": "Approve"}])
    (waiting,) = (await gateway.client.get(f"{PATH}{walk.id}/")).body["waiting"]
    assert (waiting["node_id"], waiting["text"]) == ("ok", "Go on?")
    resume = f"{PATH}{walk.id}/resume"
    missing = await gateway.client.post(resume)
    assert missing.status == 422 and missing.body["detail"][0]["loc"] == ["body", "approved"]
    assert (await gateway.client.post(resume, {"node_id": "other", "approved": True})).status == 409
    reply = await gateway.client.post(resume, {"approved": True, "comment": "fine"})
    assert reply.status == 200
    stored = await gateway.store.conversations.input(1, asked)
    assert stored is not None and stored[0].value == {"approved": True, "comment": "fine"}
    assert (await gateway.client.post(f"{resume}/", {"approved": True})).status == 409


async def test_a_wait_is_resumed_with_data(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    asked = await walk.ask("pause", text="Waits")
    reply = await gateway.client.post(f"{PATH}{walk.id}/resume/", {"data": {"paid": [1, None]}})
    assert reply.status == 200
    stored = await gateway.store.conversations.input(1, asked)
    assert stored is not None and stored[0].value == {"paid": [1, None]}


async def test_of_several_that_wait_one_has_to_be_named(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    until = datetime.now(UTC) + timedelta(hours=1)
    asked = [InputRecord(str(uuid4()), "question", {"nodeId": node}, until) for node in ("a", "b")]
    await gateway.store.executions.ask(walk.id, asked)
    resume = f"{PATH}{walk.id}/resume"
    reply = await gateway.client.post(resume, {"data": 1})
    assert reply.status == 422 and reply.body["detail"][0]["loc"] == ["body", "node_id"]
    assert (await gateway.client.post(resume, {"node_id": "b", "data": 1})).status == 200
    assert (await gateway.client.post(resume, {"data": 2})).status == 200
    assert (await gateway.client.post(resume, {"data": 2})).status == 409


async def test_nothing_waits_in_an_execution_that_is_over(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).whole()
    assert (await gateway.client.post(f"{PATH}{walk.id}/resume")).status == 409


async def test_another_s_execution_is_as_absent(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    await walk.ask("pause")
    absent = {"detail": "Execution not found."}
    for client, name in (
        (await gateway.colleague(), walk.id), (await gateway.key(), walk.id), (gateway.client, str(uuid4())),
        (gateway.client, "%00"), (gateway.client, "x"),
    ):  # fmt: skip
        for method, path in (("GET", ""), ("POST", "cancel/"), ("POST", "resume/")):
            reply = await client(method, f"{PATH}{name}/{path}")
            assert (reply.status, reply.body) == (404, absent), (name, path)
