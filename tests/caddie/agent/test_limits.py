"""Limits of steps, tokens and time: an end with what is done, never a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from caddie.agent.assignment import Limits
from caddie.agent.ending import STOPPED
from caddie.models.model import ModelEvent, ModelRequest, TextDelta, ToolTurn
from shared.events import MessageCompleted, NodeChanged
from tests.caddie.agent.conversation import Conversation
from tests.caddie.agent.scripted import ROOT, call, edit, talk


class Slow:
    """Builds, then thinks for ever in the middle of a sentence."""

    name = "slow/one"
    closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        from caddie.models.model import StepEnd, StepUsage

        try:
            if not isinstance(request.turns[-1], ToolTurn):
                yield edit(ROOT)
                yield StepEnd("tool_use", StepUsage(1, 1))
                return
            yield TextDelta("And th")
            await asyncio.Event().wait()
        finally:
            Slow.closed = True


async def test_time_runs_out_in_the_middle_of_a_sentence() -> None:
    conversation = Conversation(model=Slow, limits=Limits(seconds=0.05))
    finished = await conversation.say("build")
    assert finished.outcome == "limit" and Slow.closed
    assert [event.text for event in conversation.of(MessageCompleted)] == ["And th", STOPPED]
    assert finished.result.type == "workflow" and conversation.of(NodeChanged)


@pytest.mark.parametrize("limits", [Limits(steps=2), Limits(tokens=6), Limits(seconds=0)])
async def test_every_limit_keeps_what_is_done(limits: Limits) -> None:
    conversation, _ = talk([edit(ROOT)], [call("validate_workflow")], limits=limits)
    finished = await conversation.say("build")
    assert finished.outcome == "limit" and finished.result.message == STOPPED


async def test_the_last_step_gets_the_tokens_that_are_left() -> None:
    conversation, model = talk([edit(ROOT)], [TextDelta("Done.")], limits=Limits(tokens=12, step_tokens=10))
    await conversation.say("build")
    assert [request.max_tokens for request in model.asked] == [10, 7]


async def test_time_does_not_run_while_nobody_reads() -> None:
    """The limit is on the wait for the model: a reader that pauses gets no TimeoutError thrown into its own code."""
    conversation, _ = talk([TextDelta("Hello.")], limits=Limits(seconds=5))
    assert (await conversation.say("hi")).outcome == "completed"
