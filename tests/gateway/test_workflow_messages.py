"""Workflows, messages and proposals by cookie (document 003): shapes, statuses, whose they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from gateway.routes import workflow_messages
from gateway.routes.workflow_messages import WorkflowMessages
from gateway.workflow_access import thread_id
from shared.events import MessageUser
from shared.store.records import ProposalRecord, WorkflowRecord
from tests.gateway.conftest import Gateway, Reply
from tests.gateway.pen import Pen
from tests.gateway.signed_in import People, Person, gathered
from tests.product import until
from tests.proposed import SEARCH, proposed, step, workflow_of

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
MESSAGE = {"content": "Add a step to summarize the search results", "modelId": "gpt-4"}


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


@pytest.fixture
async def person(people: People) -> Person:
    return await people.stranger()


@pytest.fixture
async def workflow(gateway: Gateway, person: Person) -> WorkflowRecord:
    return await workflow_of(gateway.store, person.org, person.id)


@pytest.fixture
async def proposal(gateway: Gateway, person: Person, workflow: WorkflowRecord) -> ProposalRecord:
    thread = thread_id(workflow, person.id)
    return await proposed(gateway.store, workflow, step("step-2", "step-1"), thread)


def at(workflow: WorkflowRecord, *parts: str) -> str:
    return "/".join((f"/api/workflows/{workflow.id}", *parts))


async def decide(person: Person, proposal: ProposalRecord, deed: str, **body: Any) -> Reply:
    path = f"/api/workflows/{proposal.workflow_id}/messages/{deed}"
    return await person("POST", path, {"proposalId": proposal.id, **body})


async def test_a_workflow_is_made_empty_read_renamed_listed_and_deleted(person: Person) -> None:
    made = await person("POST", "/api/workflows", {"userId": person.uuid, "name": "News", "description": "Daily"})
    assert made.status == 201
    shown = made.data
    assert list(shown) == ["id", "userId", "name", "description", "steps", "createdAt", "updatedAt"]
    assert (shown["userId"], shown["name"], shown["description"], shown["steps"]) == (person.uuid, "News", "Daily", [])
    assert TIME.fullmatch(shown["createdAt"]) and TIME.fullmatch(shown["updatedAt"])
    path = f"/api/workflows/{shown['id']}"
    assert (await person("GET", path)).data == shown
    renamed = await person("PATCH", path, {"name": "Fresh"})
    assert (renamed.status, renamed.data["name"], renamed.data["description"]) == (200, "Fresh", "Daily")
    for user in (person.uuid, str(person.id)):
        listed = await person("GET", f"/api/users/{user}/workflows")
        assert [each["name"] for each in listed.data["workflows"]] == ["Fresh"] and listed.data["cursor"] is None
    assert (await person("DELETE", path)).status == 204
    assert (await person("GET", path)).status == 404


async def test_steps_are_the_nodes_every_other_surface_sees(person: Person, workflow: WorkflowRecord) -> None:
    shown = await person("GET", at(workflow))
    assert shown.data["steps"] == [
        {"id": "root", "toolId": "manual", "inputs": {}, "dependsOn": []},
        {"id": "step-1", "toolId": "web-search", "inputs": {"query": "news"}, "dependsOn": ["root"]},
    ]
    assert shown.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x"}, 400), ({"userId": "1"}, 400), ({"userId": "SELF", "name": ""}, 400),
        ({"userId": "SELF", "name": "x", "steps": []}, 400), ({"userId": "999999", "name": "x"}, 403),
        ({"userId": "NUMBER", "name": "x"}, 201),
    ],
)  # fmt: skip
async def test_a_workflow_is_made_for_the_caller_only(person: Person, body: dict[str, Any], status: int) -> None:
    names: dict[Any, Any] = {"SELF": person.uuid, "NUMBER": person.id}
    body = {key: names.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    assert (await person("POST", "/api/workflows", body)).status == status


ROUTES = [
    ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/messages"), ("POST", "/messages"),
    ("POST", "/messages/apply"), ("POST", "/messages/reject"), ("POST", "/messages/undo"), ("POST", "/session"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_s_workflow_is_refused_before_the_body_is_read(
    gateway: Gateway, people: People, person: Person, workflow: WorkflowRecord, method: str, path: str
) -> None:
    junk = None if method in ("GET", "DELETE") else {"junk": 1}
    absent = await person(method, f"/api/workflows/{UNKNOWN}{path}", junk)
    assert (absent.status, absent.body) == (404, {"error": "Not Found", "message": "Workflow does not exist"})
    for name in (workflow.slug, str(workflow.number), "%00", "x" * 200):
        assert (await person(method, f"/api/workflows/{name}{path}", junk)).status == 404
    stranger = await people.stranger()
    assert (await stranger(method, at(workflow) + path, junk)).body == absent.body
    colleague = await people.member(person.org)
    refused = await colleague(method, at(workflow) + path, junk)
    assert (refused.status, refused.body["error"]) == (403, "Forbidden")
    assert refused.body["message"] == "Cannot access another user's workflow"
    nobody = people.browser()
    unknown = await nobody(method, at(workflow) + path, junk)
    assert (unknown.status, unknown.body) == (401, {"error": "Unauthorized", "message": "Valid session required"})
    assert (await gateway.store.workflows.get(workflow.org_id, workflow.id)) == workflow


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": "x"}, "modelId"), ({"modelId": "gpt-4"}, "content"),
        ({**MESSAGE, "content": ""}, "content"), ({**MESSAGE, "content": 7}, "content"),
        ({**MESSAGE, "content": "x" * 10_001}, "content"), ({**MESSAGE, "modelId": ""}, "modelId"),
        ({**MESSAGE, "modelId": "no-such-model"}, "modelId"), ({**MESSAGE, "userId": "1"}, "userId"),
    ],
)  # fmt: skip
async def test_a_wrong_message_is_400_and_names_the_field(
    gateway: Gateway, person: Person, workflow: WorkflowRecord, body: dict[str, Any], field: str
) -> None:
    refused = await person("POST", at(workflow, "messages"), body)
    assert (refused.status, refused.body["error"], refused.fields) == (400, "Bad Request", [field])
    assert (await gateway.store.runs.list(person.org)).items == []


async def test_an_answer_that_takes_too_long_is_504_with_the_run(
    gateway: Gateway, person: Person, workflow: WorkflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def impatient(*given: Any) -> Any:
        return await workflow_messages_ended(*given[:3], 0.05)

    workflow_messages_ended = workflow_messages.ended
    monkeypatch.setattr(workflow_messages, "ended", impatient)
    late = await person("POST", at(workflow, "messages"), MESSAGE)
    assert (late.status, late.body["error"]) == (504, "Gateway Timeout")
    run = await gateway.store.runs.get(person.org, late.body["data"]["runId"])
    assert run is not None and run.status == "queued"
    assert (run.input["profile"], run.input["model"], run.conversation) == (
        "proposal", "gpt-4", thread_id(workflow, person.id)
    )  # fmt: skip


def test_the_route_may_wait_longer_than_the_answer() -> None:
    entry = WorkflowMessages.workflow_message_create.route  # type: ignore[attr-defined]
    assert entry.timeout_s > workflow_messages.ANSWER_S == 120


async def test_messages_carry_their_proposal(
    person: Person, workflow: WorkflowRecord, proposal: ProposalRecord
) -> None:
    listed = (await person("GET", at(workflow, "messages"))).data
    asked, answered = listed["messages"]
    assert list(asked) == ["id", "workflowId", "role", "content", "createdAt"]
    assert (asked["workflowId"], asked["role"], asked["content"]) == (workflow.id, "user", "Sum it up")
    assert list(answered) == ["id", "workflowId", "role", "content", "proposal", "createdAt"]
    shown = answered["proposal"]
    assert (shown["id"], shown["status"], shown["baseVersion"]) == (proposal.id, "pending", 1)
    assert shown["changes"] == [
        {
            "type": "add_step",
            "step": {
                "id": "step-2", "toolId": "summarize", "inputs": {"text": "{{step-1.results}}"}, "dependsOn": ["step-1"]
            },
            "after": "step-1",
        }
    ]  # fmt: skip
    assert shown["summary"] == "Add step-2 (summarize) after step-1."
    assert {"change": 0, "stepId": "step-2", "field": "inputs.text", "after": "{{step-1.results}}"} in shown["diff"]
    page = (await person("GET", at(workflow, "messages?limit=1"))).data
    assert [each["id"] for each in page["messages"]] == [answered["id"]] and page["hasMore"]
    before = (await person("GET", at(workflow, f"messages?beforeId={page['beforeId']}"))).data
    assert [each["id"] for each in before["messages"]] == [asked["id"]]


async def test_there_are_no_messages_before_the_first(person: Person, workflow: WorkflowRecord) -> None:
    listed = (await person("GET", at(workflow, "messages"))).data
    assert listed == {"messages": [], "hasMore": False, "before": None, "beforeId": None}


async def test_an_applied_proposal_changes_the_workflow(
    person: Person, workflow: WorkflowRecord, proposal: ProposalRecord
) -> None:
    applied = await decide(person, proposal, "apply")
    assert applied.status == 200
    told, now = applied.data["proposal"], applied.data["workflow"]
    assert (told["status"], told["appliedVersion"], told["decidedBy"]) == ("applied", 2, str(person.id))
    assert TIME.fullmatch(told["appliedAt"]) and "rejectedAt" not in told
    assert [each["id"] for each in now["steps"]] == ["root", "step-1", "step-2"]
    assert (await person("GET", at(workflow))).data == now
    again = await decide(person, proposal, "reject")
    assert (again.status, again.body["error"]) == (400, "Bad Request")
    assert again.body["data"] == {"status": "applied", "by": str(person.id), "version": 2}


async def test_a_rejected_proposal_says_when(person: Person, proposal: ProposalRecord) -> None:
    rejected = await decide(person, proposal, "reject")
    assert rejected.status == 200 and "workflow" not in rejected.data
    told = rejected.data["proposal"]
    assert told["status"] == "rejected" and TIME.fullmatch(told["rejectedAt"]) and "appliedAt" not in told
    assert (await decide(person, proposal, "apply")).status == 400


async def test_an_applied_proposal_is_undone(person: Person, proposal: ProposalRecord) -> None:
    assert (await decide(person, proposal, "undo")).status == 400
    await decide(person, proposal, "apply")
    undone = await decide(person, proposal, "undo")
    assert (undone.status, undone.data["proposal"]["undoneVersion"]) == (200, 3)
    assert [each["id"] for each in undone.data["workflow"]["steps"]] == ["root", "step-1"]


async def test_a_base_that_moved_is_409_when_the_changes_no_longer_fit(
    gateway: Gateway, person: Person, workflow: WorkflowRecord, proposal: ProposalRecord
) -> None:
    empty = {"nodes": {"root": SEARCH["nodes"]["root"] | {"children": []}}, "triggerNodeIds": ["root"]}
    await gateway.store.workflows.update(person.org, workflow.id, user_id=person.id, definition=empty)
    refused = await decide(person, proposal, "apply")
    assert (refused.status, refused.body["error"]) == (409, "Conflict")
    assert refused.body["data"] == {"expected": 1, "actual": 2} and refused.fields == ["changes.0"]


async def test_chosen_changes_are_applied(
    gateway: Gateway, person: Person, workflow: WorkflowRecord
) -> None:
    two = await proposed(gateway.store, workflow, step("step-3", "step-2", step("step-2", "step-1").wire()))
    for wrong in ([], [5], [0, 0], ["0"], [-1], [0.5], [True]):
        refused = await decide(person, two, "apply", changes=wrong)
        assert refused.status == 400, wrong
    applied = await decide(person, two, "apply", changes=[0])
    assert applied.data["proposal"]["appliedChanges"] == [0]
    assert [each["id"] for each in applied.data["workflow"]["steps"]] == ["root", "step-1", "step-2"]


@pytest.mark.parametrize("deed", ["apply", "reject", "undo"])
async def test_an_unknown_proposal_is_404(
    gateway: Gateway, person: Person, workflow: WorkflowRecord, deed: str
) -> None:
    other = await workflow_of(gateway.store, person.org, person.id)
    elsewhere = await proposed(gateway.store, other, step("step-2", "step-1"))
    for name in (str(uuid4()), "nonsense", elsewhere.id):
        refused = await person("POST", at(workflow, "messages", deed), {"proposalId": name})
        assert (refused.status, refused.body["error"]) == (404, "Not Found")
    for body in ({}, {"proposalId": ""}, {"proposalId": 1}, {"proposalId": "x", "more": 1}):
        assert (await person("POST", at(workflow, "messages", deed), body)).status == 400


async def test_what_a_socket_says_to_the_run_meanwhile_is_no_conflict(gateway: Gateway, people: People) -> None:
    person = await people.member()
    workflow = await workflow_of(gateway.store, person.org, person.id)
    asking = asyncio.create_task(person("POST", at(workflow, "messages"), MESSAGE))
    run = await until(lambda: gateway.store.runs.active(person.org, thread_id(workflow, person.id)))
    pen = await Pen(gateway.redis, gateway.store, run.conversation, run.id).begin()
    for message, text in (("a", "Well"), ("b", "Done")):
        await pen.say(text, message=message)
        await pen.said(text, message)
        await pen.write(MessageUser(messageId=f"{run.id}:{message}-more", text="And more"))
    await pen.end()
    reply = await asking
    assert reply.status == 201, reply.body
    assert reply.data["userMessage"]["content"] == "hello"
    assert reply.data["assistantMessage"]["content"] == "Done"
    listed = (await person("GET", at(workflow, "messages"))).data["messages"]
    assert [each["content"] for each in listed] == ["hello", "Well", "And more", "Done", "And more"]


async def test_another_user_s_proposal_is_unknown_also_about_one_s_own_workflow(
    gateway: Gateway, people: People, person: Person, workflow: WorkflowRecord
) -> None:
    """Nobody but the owner makes one, as things are; whoever is let to one day decides their own ones only."""
    colleague = await people.member(person.org)
    theirs = replace(workflow, user_id=colleague.id)
    foreign = await proposed(gateway.store, theirs, step("step-2", "step-1"))
    assert (foreign.user_id, foreign.workflow_id) == (colleague.id, workflow.id)
    absent = replace(foreign, id=UNKNOWN)
    for deed in ("apply", "reject", "undo"):
        replies = [await decide(person, each, deed) for each in (foreign, absent)]
        assert [reply.status for reply in replies] == [404, 404] and replies[0].body == replies[1].body


async def test_a_proposal_is_known_in_capitals(person: Person, proposal: ProposalRecord) -> None:
    assert (await decide(person, replace(proposal, id=proposal.id.upper()), "apply")).status == 200


async def test_fifty_deciders_at_once_make_one_version(
    gateway: Gateway, person: Person, workflow: WorkflowRecord, proposal: ProposalRecord
) -> None:
    answers = await asyncio.gather(
        *(decide(person, proposal, "apply" if n % 2 else "reject") for n in range(50))
    )
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1
    status = won[0].data["proposal"]["status"]
    for answer in answers:
        if answer.status != 200:
            assert answer.status == 400
            assert (answer.body["data"]["by"], answer.body["data"]["status"]) == (str(person.id), status)
    versions = await gateway.store.workflows.versions(person.org, workflow.id)
    assert len(versions) == (2 if status == "applied" else 1)


async def test_a_session_is_for_the_workflow_s_messages(
    gateway: Gateway, person: Person, workflow: WorkflowRecord
) -> None:
    made = await person("POST", at(workflow, "session"))
    assert made.status == 200 and made.data["conversationId"] == thread_id(workflow, person.id)
    session = await gateway.store.sessions.get(person.org, made.data["sessionId"])
    assert session is not None and session.scopes == {"read", "write", "decide"}
    thread = await gateway.store.conversations.get(person.org, made.data["conversationId"])
    assert thread is not None and (thread.kind, thread.workflow_id) == ("workflow", workflow.id)
    assert (await person("POST", at(workflow, "session"), {"modelId": "no-such-model"})).fields == ["modelId"]
