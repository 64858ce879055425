"""v1 and v2 side by side: two workspaces, one stream, one end."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from caddie.agent.turn import run_turn
from caddie.agent.workspace import Workspace
from caddie.models.model import ModelEvent, ModelRequest, StepEnd, StepUsage, TextDelta, ToolTurn
from shared.errors import CaddieError
from shared.events import Data, MessageCompleted, NodeChanged, RunFinished, Sided
from shared.runs import TurnInput
from tests.caddie.agent.conversation import Conversation
from tests.caddie.agent.scripted import EDIT, ROOT, call
from tests.caddie.agent.test_offline_requests import GOLDEN


class TwoSided:
    """v1 knows one tool; each side builds another trigger. fails: the side whose model is away."""

    name = "two/sided"

    def __init__(self, fails: str = "", crash: bool = False) -> None:
        self.fails, self.crash = fails, crash

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        side = "v1" if len(request.tools) == 1 else "v2"
        if side == self.fails or self.fails == "both":
            raise ValueError("bug") if self.crash else CaddieError("UNAVAILABLE", f"{side} is away")
        if isinstance(request.turns[-1], ToolTurn):
            yield TextDelta("v2 is done")
            yield StepEnd("end", StepUsage(1, 1))
            return
        yield TextDelta(f"{side} builds")
        block = "manual" if side == "v1" else "trigger_chat"
        yield call("edit_workflow", changes=[{**ROOT, "type": block}])
        yield StepEnd("tool_use", StepUsage(1, 1))


async def both(model: TwoSided) -> tuple[list[Data | Sided], RunFinished, Workspace]:
    conversation, workspace = Conversation(model=lambda: model), Workspace(None)
    turn = conversation.turn(TurnInput(text="build it", agentVersion="both"))
    events = [event async for event in run_turn(turn, workspace)]
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert sum(isinstance(event.data if isinstance(event, Sided) else event, RunFinished) for event in events) == 1
    return events, last, workspace


async def test_each_side_works_on_its_own_copy_and_v2_counts() -> None:
    events, last, workspace = await both(TwoSided())
    assert {event.side for event in events if isinstance(event, Sided)} == {"v1", "v2"}
    sided = [event for event in events if isinstance(event, Sided)]
    made = {event.side: event.data.node for event in sided if isinstance(event.data, NodeChanged)}
    assert made["v1"] and made["v2"] and (made["v1"]["type"], made["v2"]["type"]) == ("manual", "trigger_chat")
    results = last.result.results
    assert results is not None and set(results) == {"v1", "v2"}
    assert results["v1"].message == "v1 builds" and results["v2"].message == last.result.message == "v2 is done"
    assert last.result.workflow == results["v2"].workflow == workspace.wire()
    assert last.usage.steps == 3


@pytest.mark.parametrize("crash", [False, True])
async def test_a_side_that_fails_leaves_the_others_result(crash: bool) -> None:
    _, last, workspace = await both(TwoSided("v1", crash))
    assert last.result.results is not None and set(last.result.results) == {"v2"}
    assert workspace.current.nodes["root"].type == "trigger_chat"
    events, last, workspace = await both(TwoSided("v2", crash))
    assert last.result.results is not None and set(last.result.results) == {"v1"}
    assert last.result.message == "v1 builds" and workspace.current.nodes["root"].type == "manual"
    kept = [event for event in events if not isinstance(event, Sided)]
    assert [type(event) for event in kept if isinstance(event, NodeChanged | MessageCompleted)] == [
        NodeChanged, MessageCompleted,
    ]  # fmt: skip


async def test_when_both_fail_the_turn_does() -> None:
    conversation = Conversation(model=lambda: TwoSided("both"))
    with pytest.raises(CaddieError, match="v2 is away"):
        await conversation.say("build it", agentVersion="both")


async def test_closing_it_early_stops_both() -> None:
    conversation = Conversation(model=lambda: TwoSided())
    events = run_turn(conversation.turn(TurnInput(text="build it", agentVersion="both")), Workspace(None))
    await anext(events)
    await events.aclose()


async def test_the_offline_model_does_both() -> None:
    conversation = Conversation()
    finished = await conversation.say(GOLDEN, agentVersion="both")
    results = finished.result.results
    assert results is not None and all(result.type == "workflow" for result in results.values())
    assert EDIT and len(conversation.blocks()) == 4
