"""A model that says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from caddie.agent.assignment import Limits
from caddie.models.model import Model, ModelEvent, ModelRequest, StepEnd, StepUsage, ToolCall
from tests.caddie.agent.conversation import Conversation

UNLIMITED = Limits()
ROOT = {"op": "add_node", "nodeId": "root", "type": "manual"}
EDIT = {"changes": [ROOT]}


class Scripted:
    """Answers with one list of events a step; an exception in it is raised. Keeps what it was asked."""

    name = "scripted/test"

    def __init__(self, *steps: list[ModelEvent | Exception]) -> None:
        self._steps = list(steps)
        self.asked: list[ModelRequest] = []
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        try:
            for event in step:
                await asyncio.sleep(0)
                if isinstance(event, Exception):
                    raise event
                yield event
            if not any(isinstance(event, StepEnd) for event in step):
                reason = "tool_use" if any(isinstance(event, ToolCall) for event in step) else "end"
                yield StepEnd(reason, StepUsage(10, 5, 2, 1))  # type: ignore[arg-type]
        finally:
            self.closed += 1


def call(name: str, **args: Any) -> ToolCall:
    return ToolCall(f"c-{name}", name, args)


def edit(*changes: dict[str, Any]) -> ToolCall:
    return call("edit_workflow", changes=list(changes))


def talk(*steps: list[ModelEvent | Exception], limits: Limits = UNLIMITED) -> tuple[Conversation, Scripted]:
    model = Scripted(*steps)

    def given() -> Model:
        return model

    return Conversation(model=given, limits=limits), model
