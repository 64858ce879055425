"""The real turn loop for one case: message after message on one workflow, as the worker runs them.

Invariant: each case begins with an empty history and its own workflow; nothing outside the process is touched but the
model. Callers: ``__main__``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import process_time
from typing import Any

from bench.evaluation.cases import Case
from caddie.agent.assignment import Turn
from caddie.agent.library import Library
from caddie.agent.turn import run_turn
from caddie.agent.workspace import Workspace
from caddie.models.model import Model
from shared.events import Data, InputRequested, MessageCompleted, RunFinished, Sided, ToolStarted
from shared.fold import FoldedMessage
from shared.runs import Answer, TurnInput
from shared.validation import Issue, validate
from shared.workflows import parse_definition

#: A Sunday morning: every run of the evaluation happens then.
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@dataclass(slots=True)
class Outcome:
    """What the last message led to. before: the workflow it found; text: everything said in that turn."""

    before: dict[str, Any]
    after: dict[str, Any]
    text: str
    question: str
    finished: RunFinished
    tools: list[str]
    issues: list[Issue]
    #: CPU of the slowest turn.
    cpu_s: float = 0.0


@dataclass(slots=True)
class Conversation:
    case: Case
    model: Callable[[], Model]
    library: Library
    definition: dict[str, Any] | None
    _history: list[FoldedMessage] = field(default_factory=list)
    _question: InputRequested | None = None
    _ids: Any = field(default_factory=lambda: (f"id-{number}" for number in itertools.count()))

    async def run(self) -> Outcome:
        """All messages of the case. Raises CaddieError when the model fails."""
        slowest, events, before = 0.0, [], self.definition
        self.definition = Workspace(self.definition).wire()
        for text in (*self.case.earlier, *self.case.say):
            before, began = self.definition, process_time()
            events = await self._turn(text)
            slowest = max(slowest, process_time() - began)
        finished = events[-1]
        if not isinstance(finished, RunFinished):
            raise ValueError(f"expected the turn to end with RunFinished, got {type(finished).__name__}")
        definition = parse_definition({**(self.definition or {}), "nodes": (self.definition or {}).get("nodes") or {}})
        return Outcome(
            before=before or {},
            after=self.definition or {},
            text="\n".join(event.text for event in events if isinstance(event, MessageCompleted)),
            question=str(self._question.body.get("text", "")) if self._question else "",
            finished=finished,
            tools=[event.name for event in events if isinstance(event, ToolStarted)],
            issues=validate(definition, self.library.catalog) if definition.nodes else [],
            cpu_s=slowest,
        )

    async def _turn(self, text: str) -> list[Data]:
        workspace = Workspace(self.definition)
        answer = Answer(inputId="input", value=text, by="1") if self._question else None
        given = TurnInput(
            text="" if answer else text,
            answer=answer,
            agentVersion=self.case.version,
            mode=self.case.mode,
            timezone=self.case.timezone,
        )
        turn = Turn(
            input=given, history=tuple(self._history), now=NOW, timezone=self.case.timezone, model=self.model(),
            library=self.library, ids=lambda: next(self._ids), question=self._question.body if self._question else None,
        )  # fmt: skip
        async with aclosing(run_turn(turn, workspace)) as stream:
            events = [event async for event in stream if not isinstance(event, Sided)]
        self._history.append(FoldedMessage(id=next(self._ids), role="user", text=text))
        self._history += [
            FoldedMessage(id=event.messageId, role="assistant", text=event.text)
            for event in events
            if isinstance(event, MessageCompleted)
        ]
        self._question = next((event for event in events if isinstance(event, InputRequested)), None)
        self.definition = workspace.wire()
        return events
