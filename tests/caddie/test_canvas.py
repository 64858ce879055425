"""A builder's run and the workflow it is about, which others save meanwhile: nothing that was saved is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from shared.decisions import Decisions
from shared.events import NodeChanged, RunFinished
from shared.store.records import ConversationRecord, RunRecord, WorkflowRecord
from shared.workflows import parse_definition
from tests.caddie.conftest import DONE, TALK, Rig, Scripted
from tests.product import assert_stored_equals_log
from tests.proposed import SEARCH, proposed, step, workflow_of

PROPOSED = step("proposed", "step-1")
Json = dict[str, Any]


def adds(node_id: str, after: str = "root") -> list[NodeChanged]:
    """What an agent says that adds a step to the first version."""
    nodes = step(node_id, after).wire()["nodes"]
    return [
        NodeChanged(action="update", nodeId=after, node=nodes[after]),
        NodeChanged(action="add", nodeId=node_id, node=nodes[node_id]),
    ]


@pytest.fixture
async def workflow(rig: Rig) -> WorkflowRecord:
    return await workflow_of(rig.store, rig.org, rig.user)


async def run(rig: Rig, workflow: WorkflowRecord, *changes: NodeChanged, meanwhile: Any = None, **more: Any) -> Json:
    """A run of a builder's conversation; the result its last event tells. meanwhile: called before its first word."""
    submitted = await rig.submit(workflowId=workflow.id, agentVersion="v2", **more)
    await rig.store.conversations.ensure(rig.org, rig.user, "c-1", workflow.id)
    agent = Scripted((*changes, *TALK, DONE), {len(changes): meanwhile} if meanwhile else {})
    await rig.attempts(agent).run(submitted.id)
    await assert_stored_equals_log(rig, "c-1")
    return await told(rig, submitted)


async def told(rig: Rig, of: RunRecord) -> Json:
    (ending,) = [each.data for each in await rig.events() if each.runId == of.id and isinstance(each.data, RunFinished)]
    result: Json = ending.result.model_dump(mode="json")
    return result


async def apply(rig: Rig, workflow: WorkflowRecord) -> None:
    made = await proposed(rig.store, workflow, PROPOSED)
    await Decisions(rig.store, rig.log).decide(made, rig.user, "apply")


async def stored(rig: Rig, workflow: WorkflowRecord) -> tuple[int, set[str]]:
    found = await rig.store.workflows.get(rig.org, workflow.id)
    assert found is not None
    return found.version, set(found.definition["nodes"])


async def canvas(rig: Rig) -> Json | None:
    found: ConversationRecord | None = await rig.store.conversations.get(rig.org, "c-1")
    return found.definition if found else None


async def test_an_older_canvas_that_nobody_changed_takes_nothing_back(rig: Rig, workflow: WorkflowRecord) -> None:
    await run(rig, workflow)
    await apply(rig, workflow)
    await run(rig, workflow)
    assert await stored(rig, workflow) == (2, {"root", "step-1", "proposed"})
    assert await canvas(rig) == PROPOSED.wire()


async def test_a_turn_after_an_applied_proposal_works_on_what_it_made(rig: Rig, workflow: WorkflowRecord) -> None:
    await run(rig, workflow)
    await apply(rig, workflow)
    node = PROPOSED.wire()["nodes"]["proposed"] | {"description": "Short"}
    result = await run(rig, workflow, NodeChanged(action="update", nodeId="proposed", node=node))
    assert result["workflow"]["nodes"]["proposed"]["description"] == "Short"
    assert list(result["workflow"]["nodes"]) == ["root", "step-1", "proposed"]
    assert [each.nodeId for each in (e.data for e in await rig.events()) if isinstance(each, NodeChanged)][:4] == [
        "root", "step-1", "step-1", "proposed"
    ]  # fmt: skip


async def test_what_is_saved_during_a_run_is_merged_with_what_the_run_changes(
    rig: Rig, workflow: WorkflowRecord
) -> None:
    result = await run(rig, workflow, *adds("mine"), meanwhile=lambda: apply(rig, workflow))
    assert await stored(rig, workflow) == (3, {"root", "step-1", "proposed", "mine"})
    assert set(result["workflow"]["nodes"]) == {"root", "step-1", "proposed", "mine"}
    assert result["validationErrors"] == []
    assert await canvas(rig) == result["workflow"]


async def test_what_does_not_fit_any_more_is_not_saved_and_the_result_says_so(
    rig: Rig, workflow: WorkflowRecord
) -> None:
    query = {**SEARCH["nodes"]["step-1"], "payload": {"query": "mine"}}

    async def other() -> None:
        nodes = {**SEARCH["nodes"], "step-1": {**query, "payload": {"query": "theirs"}}}
        theirs = parse_definition({"nodes": nodes}).wire()
        await rig.store.workflows.update(rig.org, workflow.id, user_id=rig.user, definition=theirs)

    result = await run(rig, workflow, NodeChanged(action="update", nodeId="step-1", node=query), meanwhile=other)
    assert (await stored(rig, workflow))[0] == 2
    (fault,) = result["validationErrors"]
    assert fault["message"].startswith("expected the workflow at version 1, got 2")
    assert result["workflow"]["nodes"]["step-1"]["payload"] == {"query": "theirs"}
    assert await canvas(rig) == result["workflow"]
    result = await run(rig, workflow, *adds("again"))
    assert result["validationErrors"] == [] and (await stored(rig, workflow))[0] == 3


async def test_a_canvas_drawn_on_an_older_version_is_merged(rig: Rig, workflow: WorkflowRecord) -> None:
    await run(rig, workflow)
    await apply(rig, workflow)
    await run(rig, workflow, definition=step("drawn", "root").wire())
    assert await stored(rig, workflow) == (3, {"root", "step-1", "proposed", "drawn"})


async def test_a_canvas_drawn_on_the_newest_version_is_saved_as_it_is(rig: Rig, workflow: WorkflowRecord) -> None:
    await apply(rig, workflow)
    drawn = step("drawn", "proposed", PROPOSED.wire())
    await run(rig, workflow, definition=drawn.wire())
    assert await stored(rig, workflow) == (3, {"root", "step-1", "proposed", "drawn"})


async def test_a_save_at_the_very_moment_of_the_end_is_merged_too(
    rig: Rig, workflow: WorkflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, left = rig.store.runs.finish, [1, 2]

    async def late(*args: Any, **options: Any) -> bool:
        if options.get("workflow_version") is not None and left:
            left.pop()
            nodes = {**SEARCH["nodes"], "root": {**SEARCH["nodes"]["root"], "payload": {"round": len(left)}}}
            moved = parse_definition({"nodes": nodes}).wire()
            await rig.store.workflows.update(rig.org, workflow.id, user_id=rig.user, definition=moved)
        return await finish(*args, **options)

    monkeypatch.setattr(rig.store.runs, "finish", late)
    await run(rig, workflow, *adds("mine", "step-1"))
    assert await stored(rig, workflow) == (4, {"root", "step-1", "mine"})


async def test_a_general_chat_draws_on_no_canvas(rig: Rig, workflow: WorkflowRecord) -> None:
    await rig.store.conversations.ensure(rig.org, rig.user, "c-1", workflow.id, kind="chat")
    for profile in ("chat", "builder"):
        submitted = await rig.submit(profile=profile)
        await rig.attempts(Scripted()).run(submitted.id)
        assert (await told(rig, submitted))["workflow"] is None
    assert await canvas(rig) is None and not any(isinstance(each.data, NodeChanged) for each in await rig.events())
