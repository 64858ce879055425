"""Executions by cookie: the chat's workflow is kept, runs, is looked at, answered and cancelled; whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from shared import events
from shared.store.records import ConversationRecord, WorkflowRecord
from shared.tokens import KeyTable, Tokens
from tests.gateway.conftest import Gateway
from tests.gateway.signed_in import People, Person, gathered
from tests.gateway.walk import BY_HAND, CHATTY, Walk

TWO = {
    "nodes": {
        "talk": {"type": "trigger_chat", "payload": {}, "children": ["log"]},
        "start": {"type": "manual", "payload": {}, "children": ["log"]},
        "log": {"type": "log", "payload": {"message": "hi"}},
    },
    "triggerNodeIds": ["talk", "start"],
}  # fmt: skip


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


@pytest.fixture
async def person(people: People) -> Person:
    """In the organisation that ``Walk`` works for."""
    return await people.member()


async def made(gateway: Gateway, person: Person, definition: dict[str, Any]) -> WorkflowRecord:
    return await gateway.store.workflows.create(person.org, person.id, "Bot", definition=definition)


async def drawn(gateway: Gateway, person: Person, definition: dict[str, Any], chat: str = "") -> ConversationRecord:
    """A chat whose run has left this on the canvas."""
    chat = chat or await person.chat(kind="builder", title="Rates")
    run, _ = await gateway.store.runs.submit(person.org, person.id, chat, str(uuid4()), "turn", "-", {"text": "x"})
    claim = await gateway.store.runs.claim(run.id, 3)
    assert claim is not None
    await gateway.store.runs.finish(
        run.id, claim.run.attempt, status="finished", outcome="cancelled", definition=definition
    )
    found = await gateway.store.conversations.get(person.org, chat)
    assert found is not None
    return found


async def test_a_workflow_is_run_and_looked_at(gateway: Gateway, person: Person) -> None:
    flow = await made(gateway, person, BY_HAND)
    path = f"/api/workflows/{flow.id}/executions"
    begun = await person("POST", path, {"inputs": {"city": "Bern"}})
    assert begun.status == 201
    shown = begun.data
    assert (shown["workflowId"], shown["status"], shown["conversationId"]) == (flow.id, "pending", shown["id"])
    assert (shown["trigger"], shown["triggerNodeId"], shown["version"]) == ("manual", "root", 1)
    details = (await person("GET", f"/api/executions/{shown['id']}")).data
    assert details["inputs"] == {"city": "Bern"} and details["steps"] == details["waiting"] == []
    assert details["definition"]["nodes"]["log"]["type"] == "log"


async def test_a_trigger_may_be_named_and_a_chat_trigger_is_given_its_text(gateway: Gateway, person: Person) -> None:
    path = f"/api/workflows/{(await made(gateway, person, TWO)).id}/executions"
    assert (await person("POST", path)).data["triggerNodeId"] == "start"
    spoken = await person("POST", path, {"triggerNodeId": "talk", "inputs": {"text": "hello"}})
    details = (await person("GET", f"/api/executions/{spoken.data['id']}")).data
    assert details["input"] == {"text": "hello", "files": [], "payload": {"text": "hello"}}
    for body in ({"triggerNodeId": "log"}, {"triggerNodeId": "none"}):
        refused = await person("POST", path, body)
        assert (refused.status, refused.body["details"][0]["field"]) == (400, "triggerNodeId")
    empty = await person("POST", f"/api/workflows/{(await made(gateway, person, {'nodes': {}})).id}/executions")
    assert empty.status == 400 and "without one" in empty.body["message"]


@pytest.mark.parametrize(
    ("inputs", "field"), [({}, "city"), ({"city": 1}, "city"), ({"city": "x", "days": "2"}, "days")]
)
async def test_inputs_are_held_against_the_schema(
    gateway: Gateway, person: Person, inputs: dict[str, Any], field: str
) -> None:
    flow = await made(gateway, person, BY_HAND)
    refused = await person("POST", f"/api/workflows/{flow.id}/executions", {"inputs": inputs})
    assert refused.status == 400
    assert [each["field"] for each in refused.body["details"]] == [f"inputs.{field}"]


async def test_executions_are_listed_newest_first_by_pages(gateway: Gateway, person: Person) -> None:
    flow = await made(gateway, person, CHATTY)
    walks = [await Walk.start(gateway, flow) for _ in range(3)]
    await Walk.start(gateway, await made(gateway, person, CHATTY))
    path = f"/api/workflows/{flow.id}/executions"
    first = (await person("GET", f"{path}?limit=2")).data
    rest = (await person("GET", f"{path}?limit=2&cursor={first['cursor']}")).data
    found = [each["id"] for page in (first, rest) for each in page["executions"]]
    assert found == [walk.id for walk in reversed(walks)]
    assert rest["cursor"] is None
    assert (await person("GET", f"{path}?limit=0")).status == 400


async def test_steps_and_the_failed_one_are_shown(gateway: Gateway, person: Person) -> None:
    walk = await (await Walk.start(gateway, await made(gateway, person, CHATTY))).begin()
    await walk.step("shout", input={"template": "x"}, output={"text": "HI!"}, durationMs=3)
    await walk.step("shout", path="each:0", output={"text": "x" * 40_000})
    await walk.step("reply", "failed", error="no thread", code="NO_THREAD")
    await walk.end(events.RunFailed(code="RUN_FAILED", message="no thread", retryable=False))
    body = (await person("GET", f"/api/executions/{walk.id}")).data
    assert (body["status"], body["error"]) == ("failed", "no thread")
    shout, looped, reply = body["steps"]
    assert (shout["block"], shout["label"], shout["output"], shout["durationMs"]) == (
        "format", "Format text", {"text": "HI!"}, 3
    )  # fmt: skip
    assert looped["path"] == "each:0" and looped["output"]["truncated"]
    assert (reply["status"], reply["error"], reply["errorCode"]) == ("failed", "no thread", "NO_THREAD")


async def test_a_question_is_answered_once(gateway: Gateway, person: Person) -> None:
    walk = await (await Walk.start(gateway, await made(gateway, person, CHATTY))).begin()
    asked = await walk.ask("ok", text="Go on?", options=[{"value": "approve", "label": "Approve"}])
    path = f"/api/executions/{walk.id}"
    (waiting,) = (await person("GET", path)).data["waiting"]
    assert (waiting["inputId"], waiting["body"]["text"]) == (asked, "Go on?")
    unknown = await person("POST", f"{path}/answer", {"inputId": str(uuid4()), "value": 1})
    assert unknown.status == 404
    assert (await person("POST", f"{path}/answer", {"inputId": asked, "value": "approve"})).status == 200
    stored = await gateway.store.conversations.input(person.org, asked)
    assert stored is not None and (stored[0].value, stored[0].resolved_by) == ("approve", str(person.id))
    again = await person("POST", f"{path}/answer", {"inputId": asked, "value": "decline"})
    assert (again.status, again.body["data"]) == (409, {"by": str(person.id)})
    assert (await person("GET", path)).data["waiting"] == []


async def test_another_execution_s_question_is_unknown_here(gateway: Gateway, person: Person) -> None:
    flow = await made(gateway, person, CHATTY)
    asking, other = [await (await Walk.start(gateway, flow)).begin() for _ in range(2)]
    asked = await asking.ask("ok", text="Go on?")
    refused = await person("POST", f"/api/executions/{other.id}/answer", {"inputId": asked, "value": 1})
    assert refused.status == 404


async def test_a_cancel_may_be_repeated(gateway: Gateway, person: Person) -> None:
    walk = await (await Walk.start(gateway, await made(gateway, person, CHATTY))).begin()
    for _ in range(2):
        assert (await person("POST", f"/api/executions/{walk.id}/cancel")).data["status"] == "running"
    run = await gateway.store.runs.get(person.org, walk.id)
    assert run is not None and run.cancel_requested


async def test_a_session_is_for_the_execution_s_log(gateway: Gateway, person: Person) -> None:
    flow = await made(gateway, person, CHATTY)
    walk = await Walk.start(gateway, flow)
    session = (await person("POST", f"/api/executions/{walk.id}/session")).data
    settings = gateway.settings
    tokens = Tokens(
        KeyTable.parse(settings.token_key_table), settings.token_issuer, settings.token_audience, settings.token_ttl_s
    )
    assert tokens.verify(session["sessionToken"]).conversation == session["conversationId"] == walk.id
    assert (session["executionId"], session["lastEventIndex"]) == (walk.id, 0)


async def test_in_a_chat_the_log_is_followed_from_the_execution_s_beginning(gateway: Gateway, person: Person) -> None:
    chat = await drawn(gateway, person, CHATTY)
    walk = await Walk.start(gateway, await made(gateway, person, CHATTY), conversation=chat.public_id)
    path = f"/api/executions/{walk.id}/session"
    assert (await person("POST", path)).data["conversationId"] == chat.public_id
    await walk.begin()
    await walk.step("shout", output={})
    assert (await person("POST", path)).data["lastEventIndex"] == walk.first - 1
    await walk.end()
    assert (await person("POST", path)).data["lastEventIndex"] == walk.first - 1


async def test_another_s_execution_is_absent_or_refused(gateway: Gateway, people: People, person: Person) -> None:
    flow = await made(gateway, person, CHATTY)
    walk = await Walk.start(gateway, flow)
    calls: tuple[tuple[str, str, Any], ...] = (
        ("GET", f"/api/executions/{walk.id}", None), ("POST", f"/api/executions/{walk.id}/cancel", None),
        ("POST", f"/api/executions/{walk.id}/answer", {"inputId": "x", "value": 1}),
        ("POST", f"/api/executions/{walk.id}/session", None), ("GET", f"/api/workflows/{flow.id}/executions", None),
        ("POST", f"/api/workflows/{flow.id}/executions", {}),
    )  # fmt: skip
    for other, status in ((await people.member(), 403), (await people.stranger(), 404)):
        for method, path, body in calls:
            assert (await other(method, path, body)).status == status, (method, path)


async def test_a_chat_s_workflow_is_kept_once(gateway: Gateway, person: Person) -> None:
    chat = await drawn(gateway, person, BY_HAND)
    path = f"/api/chats/{chat.public_id}/workflow"
    before = (await person("GET", path)).data
    assert (before["workflowId"], before["version"], before["faults"]) == (None, None, [])
    kept = (await person("POST", path)).data
    assert (kept["name"], kept["version"], kept["definition"]) == ("Rates", 1, before["definition"])
    assert (await person("POST", path)).data == kept == (await person("GET", path)).data
    assert len((await gateway.store.workflows.list(person.org, user_id=person.id)).items) == 1


async def test_a_chat_s_workflow_says_where_it_takes_deliveries_and_when_it_is_due(
    gateway: Gateway, person: Person
) -> None:
    nodes = {"in": {"type": "webhook"}, "daily": {"type": "cronjob", "payload": {"cron": "0 8 * * *"}}}
    chat = await drawn(gateway, person, {"nodes": nodes, "triggerNodeIds": ["in", "daily"]})
    path = f"/api/chats/{chat.public_id}/workflow"
    assert (await person("GET", path)).data["triggers"] == []
    hook, daily = (await person("POST", path)).data["triggers"]
    assert hook["webhookUrl"].startswith(f"{gateway.client.url}/hooks/") and hook["type"] == "webhook"
    assert daily == {"nodeId": "daily", "type": "cronjob", "webhookUrl": None, "nextRunAt": None}
    async with gateway.client.http.post(hook["webhookUrl"], json={}) as response:
        assert response.status == 202
    assert (await person("GET", path)).data["triggers"] == [hook, daily]


async def test_a_chat_goes_on_when_its_workflow_was_deleted(gateway: Gateway, person: Person) -> None:
    chat = await drawn(gateway, person, BY_HAND)
    path = f"/api/chats/{chat.public_id}/workflow"
    first = (await person("POST", path)).data
    assert (await person("DELETE", f"/api/workflows/{first['workflowId']}")).status == 204
    shown = (await person("GET", path)).data
    assert (shown["workflowId"], shown["version"], shown["definition"]) == (None, None, first["definition"])
    again = (await person("POST", path)).data
    assert again["workflowId"] != first["workflowId"] and again["version"] == 1
    begun = await person("POST", f"/api/workflows/{again['workflowId']}/executions", {"inputs": {"city": "Bern"}})
    assert begun.status == 201


async def test_a_canvas_that_was_drawn_on_becomes_the_next_version(gateway: Gateway, person: Person) -> None:
    chat = await drawn(gateway, person, BY_HAND)
    path = f"/api/chats/{chat.public_id}/workflow"
    kept = (await person("POST", path)).data
    await drawn(gateway, person, CHATTY, chat.public_id)
    assert list((await person("GET", path)).data["definition"]["nodes"]) == ["root", "shout", "reply"]
    again = (await person("POST", path)).data
    assert (again["workflowId"], again["version"]) == (kept["workflowId"], 2)
    await drawn(gateway, person, BY_HAND, chat.public_id)
    older = (await person("POST", path)).data
    assert (older["version"], list(older["definition"]["nodes"])) == (2, ["root", "shout", "reply"])


async def test_a_canvas_never_goes_over_something_newer(gateway: Gateway, person: Person) -> None:
    chat = await drawn(gateway, person, BY_HAND)
    path = f"/api/chats/{chat.public_id}/workflow"
    kept = (await person("POST", path)).data
    await gateway.store.workflows.update(person.org, kept["workflowId"], user_id=person.id, definition=CHATTY)
    log = {**BY_HAND["nodes"]["log"], "payload": {"message": "bye"}}  # type: ignore[index]
    await drawn(gateway, person, {**BY_HAND, "nodes": {**BY_HAND["nodes"], "log": log}}, chat.public_id)  # type: ignore[dict-item]
    refused = await person("POST", path)
    assert (refused.status, refused.body["data"]) == (409, {"expected": 1, "actual": 2})
    assert (await person("GET", path)).status == 200


async def test_what_is_missing_is_told_before_it_runs(gateway: Gateway, person: Person) -> None:
    broken = {"nodes": {"root": {"type": "manual", "children": ["say"]}, "say": {"type": "slack-send-message"}}}
    chat = await drawn(gateway, person, broken)
    path = f"/api/chats/{chat.public_id}/workflow"
    faults = (await person("GET", path)).data["faults"]
    assert faults and {each["nodeId"] for each in faults} == {"say"}
    assert "connector" in {each["field"] for each in faults}
    # The only account of its type is the one that is meant.
    await gateway.store.connectors.create(person.org, person.id, "slack", "alerts", "sealed elsewhere")
    connected = (await person("GET", path)).data["faults"]
    assert [each for each in faults if each["field"] != "connector"] == connected


async def test_the_accounts_of_steps_are_chosen_among_several(gateway: Gateway, person: Person) -> None:
    say = {"type": "slack-send-message", "payload": {"channel": "#fx", "text": "hi"}}
    chat = await drawn(gateway, person, {"nodes": {"root": {"type": "manual", "children": ["say"]}, "say": say}})
    path = f"/api/chats/{chat.public_id}/workflow"

    async def faults() -> list[str]:
        return [each["message"] for each in (await person("GET", path)).data["faults"]]

    assert await faults() == ["connect a slack account"]
    one, two = [
        (await gateway.store.connectors.create(person.org, person.id, "slack", name, "sealed elsewhere")).id
        for name in ("alerts", "news")
    ]
    assert await faults() == ["choose one of your 2 slack accounts"]
    for wrong in ({"say": "nobody"}, {"root": one}, {"absent": one}):
        assert (await person("PATCH", path, {"connectors": wrong})).fields == [f"connectors.{next(iter(wrong))}"]
    chosen = await person("PATCH", path, {"connectors": {"say": two}})
    assert (chosen.status, chosen.data["faults"], chosen.data["version"]) == (200, [], 2)
    assert chosen.data["definition"]["nodes"]["say"] == {**say, "connector": {"type": "slack", "id": two}}
    assert chosen.data["connectors"] == [
        {"nodeId": "say", "type": "slack", "needed": True, "connectorId": two, "missing": None}
    ]
    # The canvas is only old now, and what was chosen stays.
    assert (await person("POST", path)).data["version"] == 2
    await gateway.store.connectors.delete(person.org, person.id, two)
    assert await faults() == ["connect a slack account: the one this step names is gone"]
    free = await person("PATCH", path, {"connectors": {"say": None}})
    assert (free.data["faults"], free.data["connectors"][0]["connectorId"]) == ([], one)


async def test_an_empty_canvas_is_not_kept(person: Person) -> None:
    path = f"/api/chats/{await person.chat(kind='builder')}/workflow"
    assert (await person("POST", path)).status == 409
    assert (await person("GET", path)).data["workflowId"] is None
