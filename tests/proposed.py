"""Proposals without an agent: stored with a finished run, as a worker leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from shared import digest
from shared.proposals import diff
from shared.store import Store
from shared.store.records import MessageRecord, ProposalDraft, ProposalRecord, WorkflowRecord
from shared.workflows import Definition, parse_definition

SEARCH: dict[str, Any] = {
    "nodes": {
        "root": {"type": "manual", "payload": {}, "children": ["step-1"]},
        "step-1": {"type": "web-search", "payload": {"query": "news"}, "children": []},
    }
}


def step(node_id: str, after: str, definition: dict[str, Any] = SEARCH, **payload: Any) -> Definition:
    """The definition with one more step."""
    nodes = dict(definition["nodes"])
    parent = nodes[after]
    nodes[after] = {**parent, "children": [*parent["children"], node_id]}
    nodes[node_id] = {"type": "summarize", "payload": payload or {"text": "{{step-1.results}}"}, "children": []}
    return parse_definition({**definition, "nodes": nodes})


async def workflow_of(store: Store, org: int, user: int, definition: dict[str, Any] = SEARCH) -> WorkflowRecord:
    return await store.workflows.create(org, user, "News", definition=parse_definition(definition).wire())


async def proposed(
    store: Store, workflow: WorkflowRecord, after: Definition, conversation: str = "", life_s: float = 3_600
) -> ProposalRecord:
    """A pending proposal that leads to ``after``; the run's answer is `Like this?`."""
    conversation = conversation or str(uuid4())
    base = parse_definition(workflow.definition)
    changes = diff(base, after)
    body = {
        "changes": [change.wire() for change in changes], "summary": digest.summary(base, changes),
        "diff": digest.fields(base, changes), "issues": [],
    }  # fmt: skip
    org, user = workflow.org_id, workflow.user_id
    await store.conversations.ensure(org, user, conversation, workflow.id, kind="workflow")
    run, _ = await store.runs.submit(org, user, conversation, None, "turn", "-", {"text": "Sum it up"}, workflow.id)
    claim = await store.runs.claim(run.id, 3)
    assert claim is not None
    moment = datetime.now(UTC)
    draft = ProposalDraft(str(uuid4()), workflow.version, body, moment + timedelta(seconds=life_s))
    assert await store.runs.finish(
        run.id, claim.run.attempt, status="finished", outcome="completed", proposal=draft,
        messages=[
            MessageRecord(str(uuid4()), "user", "Sum it up", moment),
            MessageRecord(str(uuid4()), "assistant", "Like this?", moment),
        ],
    )  # fmt: skip
    found = await store.proposals.get(org, draft.id)
    assert found is not None
    return found
