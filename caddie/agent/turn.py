"""One turn: the user's message in, a stream of events out, the last of them ``RunFinished``.

Invariant: the deltas of a message, put together, are the text of its ``message.completed``; the sum of the node events
leads from the first definition to the last; closing the iterator closes the model's connection. Errors in the middle
are ``CaddieError``; the worker turns them into `run.failed`. Callers: the worker.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Literal

from caddie.agent import modes, prompt
from caddie.agent.tools import AskUser, Outcome, Tools
from caddie.agent.workspace import Workspace
from caddie.models.model import (
    AssistantTurn,
    Context,
    ImagePart,
    Model,
    ModelRequest,
    StepEnd,
    StepUsage,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolOutcome,
    ToolTurn,
    Turns,
    UserTurn,
)
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.events import (
    Data,
    IncompleteField,
    InputRequested,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    Mode,
    ModeSelected,
    NodeChanged,
    RunFinished,
    RunResult,
    Thinking,
    ToolFinished,
    ToolStarted,
    Usage,
    ValidationFault,
    timestamp,
)
from shared.fold import FoldedMessage
from shared.runs import TurnInput
from shared.search import BlockSearch

THINKING_CHARS = 400
CALLS_PER_STEP = 64
DECLINED = "The model declined to answer this."
STOPPED = "I stopped here: this turn has reached its limit. What is done so far is kept; write “go on” to continue."


@dataclass(frozen=True, slots=True)
class Limits:
    """steps: model calls; tokens: output tokens of the turn; step_tokens: of one call; input_ttl_s: of a question."""

    steps: int = 25
    tokens: int = 200_000
    step_tokens: int = 16_000
    input_ttl_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything a turn needs. history: without this turn's own message. images: the bytes of this turn's images.

    question: the text of the question this turn answers. failure: what went wrong in the execution to be repaired.
    ids: makes a fresh UUID. clock: seconds, for durations only.
    """

    input: TurnInput
    history: Sequence[FoldedMessage]
    now: datetime
    timezone: str
    model: Model
    catalog: Catalog
    search: BlockSearch
    ids: Callable[[], str]
    limits: Limits = Limits()
    images: tuple[ImagePart, ...] = ()
    question: str = ""
    failure: str = ""
    clock: Callable[[], float] = field(default=monotonic)


async def run_turn(turn: Turn, workspace: Workspace) -> AsyncGenerator[Data, None]:
    """The events of the turn. Errors: CaddieError (MODEL_FAILED, RATE_LIMITED, UNAVAILABLE, FORBIDDEN, INVALID)."""
    async with aclosing(_Loop(turn, workspace).events()) as events:
        async for event in events:
            yield event


class _Loop:
    def __init__(self, turn: Turn, workspace: Workspace) -> None:
        self._turn, self._workspace = turn, workspace
        self._version = "v2" if turn.input.agentVersion == "both" else turn.input.agentVersion
        self._tools = Tools(workspace, turn.catalog, turn.search, self._version)
        self._specs = self._tools.specs()
        self._system = prompt.system(turn.catalog, self._version)
        self._start = workspace.wire()
        self._usage = Usage()
        self._text = ""
        self._ended = StepEnd("end", usage=StepUsage())
        self._question: AskUser | None = None
        self._outcomes: list[ToolOutcome] = []
        answer = turn.input.answer
        self._message = turn.input.text or (_answer_text(answer.value) if answer else "")
        self._mode: Mode = "conversation"

    async def events(self) -> AsyncGenerator[Data, None]:
        self._mode, reason = modes.select(
            self._message,
            preferred=self._turn.input.mode,
            has_workflow=bool(self._workspace.current.nodes),
            failed=bool(self._turn.failure or self._turn.input.failedRunId),
            answering=self._answering,
        )
        yield ModeSelected(mode=self._mode, reason=reason)
        turns = self._opening()
        for _ in range(1 if self._version == "v1" else self._turn.limits.steps):
            calls: list[ToolCall] = []
            async with aclosing(self._step(turns, calls)) as step:
                async for event in step:
                    yield event
            said = AssistantTurn(self._text, tuple(calls), self._ended.replay)
            self._outcomes = []
            for call in calls:
                for event in self._use(call):
                    yield event
            if self._question is not None:
                async with aclosing(self._ask(self._question)) as asking:
                    async for event in asking:
                        yield event
                return
            if not calls or self._version == "v1":
                outcome: Literal["completed", "limit"] = (
                    "limit" if self._ended.stop_reason == "max_tokens" else "completed"
                )
                yield self._finish(outcome)
                return
            turns = (*turns, said, ToolTurn(tuple(self._outcomes)))
            if self._usage.outputTokens >= self._turn.limits.tokens:
                break
        async with aclosing(self._say(STOPPED)) as stopping:
            async for event in stopping:
                yield event
        yield self._finish("limit")

    @property
    def _answering(self) -> bool:
        return self._turn.input.answer is not None

    def _opening(self) -> Turns:
        given = self._turn.input
        extra = {
            "workflow name": given.name or "",
            "workflow description": given.description or "",
            "your question": self._turn.question,
            "failed execution": self._turn.failure,
        }
        text = prompt.facts(
            self._message, mode=self._mode, now=self._turn.now, timezone=self._turn.timezone,
            definition=self._workspace.wire(), extra=extra,
        )  # fmt: skip
        return (*prompt.history(self._earlier()), UserTurn(text, self._turn.images))

    def _earlier(self) -> Sequence[FoldedMessage]:
        """The history without this turn's own message, which a store may have kept already."""
        last = self._turn.history[-1] if self._turn.history else None
        own = last is not None and last.role == "user" and last.text.strip() in ("", self._message.strip())
        return self._turn.history[:-1] if own else self._turn.history

    async def _step(self, turns: Turns, calls: list[ToolCall]) -> AsyncGenerator[Data, None]:
        """One model call; its tool calls are added to ``calls``."""
        request = ModelRequest(
            system=self._system, turns=turns, tools=self._specs, max_tokens=self._turn.limits.step_tokens,
            temperature=self._turn.input.temperatureOverride,
            context=Context(
                self._message, self._workspace.wire(), self._start, self._turn.now, self._turn.timezone, self._mode,
                self._answering,
            ),
        )  # fmt: skip
        message_id, thought, said, ended = "", "", "", None
        async with aclosing(self._turn.model.stream(request)) as stream:
            async for event in stream:
                if thought and (len(thought) >= THINKING_CHARS or not isinstance(event, ThinkingDelta)):
                    yield Thinking(text=thought)
                    thought = ""
                match event:
                    case ThinkingDelta(text=text):
                        thought += text
                    case TextDelta(text=text):
                        # A message does not begin with white space: some models send a line break before a tool call.
                        text = text if message_id else text.lstrip()
                        if text and not message_id:
                            message_id = self._turn.ids()
                            yield MessageStarted(messageId=message_id)
                        if text:
                            said += text
                            yield MessageDelta(messageId=message_id, text=text)
                    case ToolCall() if len(calls) < CALLS_PER_STEP:
                        calls.append(event)
                    case StepEnd():
                        ended = event
        if ended is None:
            raise CaddieError(
                "MODEL_FAILED", "expected the model to say why it stopped, got the end of its answer", retryable=True
            )
        if message_id:
            yield MessageCompleted(messageId=message_id, text=said)
        self._text, self._ended = said, ended
        self._count(ended)
        if ended.stop_reason == "refusal" and not said:
            async with aclosing(self._say(DECLINED)) as declining:
                async for event_ in declining:
                    yield event_

    async def _say(self, text: str) -> AsyncGenerator[Data, None]:
        message_id = self._turn.ids()
        self._text = text
        yield MessageStarted(messageId=message_id)
        yield MessageDelta(messageId=message_id, text=text)
        yield MessageCompleted(messageId=message_id, text=text)

    def _count(self, ended: StepEnd) -> None:
        used, before = ended.usage, self._usage
        self._usage = Usage(
            inputTokens=before.inputTokens + used.input_tokens,
            outputTokens=before.outputTokens + used.output_tokens,
            cacheReadTokens=before.cacheReadTokens + used.cache_read_tokens,
            cacheWriteTokens=before.cacheWriteTokens + used.cache_write_tokens,
            steps=before.steps + 1,
        )

    def _use(self, call: ToolCall) -> list[Data]:
        """Run one tool; the call's events with the changes it made between them."""
        began = self._turn.clock()
        outcome = Outcome(False, "a question was asked already") if self._question else self._tools.run(call)
        took = round((self._turn.clock() - began) * 1000)
        self._question = self._question or outcome.question
        self._outcomes.append(ToolOutcome(call.id, call.name, outcome.ok, outcome.value))
        finished = ToolFinished(
            toolCallId=call.id, name=call.name, ok=outcome.ok, durationMs=took,
            result=outcome.value if outcome.ok else None, error=None if outcome.ok else str(outcome.value),
        )  # fmt: skip
        changes = [NodeChanged(action=action, nodeId=node_id, node=node) for action, node_id, node in outcome.changes]
        return [ToolStarted(toolCallId=call.id, name=call.name, args=call.args or {}), *changes, finished]

    async def _ask(self, question: AskUser) -> AsyncGenerator[Data, None]:
        """The question as an event for those who can answer it, and as text for those who only read."""
        if question.question not in self._text:
            async with aclosing(self._say(question.question)) as asking:
                async for event in asking:
                    yield event
        yield InputRequested(
            inputId=self._turn.ids(),
            kind=question.kind,
            body={
                "text": question.question,
                "options": [option.model_dump() for option in question.options],
                "allowText": question.allowText,
            },
            expiresAt=timestamp(self._turn.now + timedelta(seconds=self._turn.limits.input_ttl_s)),
        )
        yield self._finish("waiting")

    def _finish(self, outcome: Literal["completed", "waiting", "limit"]) -> RunFinished:
        result = RunResult(message=self._text)
        if self._workspace.touched:
            issues = self._workspace.issues(self._turn.catalog)
            result = RunResult(
                type="workflow",
                workflow=self._workspace.current.wire(),
                message=self._text,
                incompleteFields=tuple(
                    IncompleteField(nodeId=issue.nodeId or "", field=issue.field or "", message=issue.message)
                    for issue in issues
                    if issue.severity == "incomplete"
                ),
                validationErrors=tuple(
                    ValidationFault(nodeId=issue.nodeId, message=issue.message)
                    for issue in issues
                    if issue.severity == "error"
                ),
            )
        return RunFinished(outcome=outcome, result=result, usage=self._usage)


def _answer_text(value: object) -> str:
    """An answer's value in words; clients send text, or an object that holds it."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("text", "value", "label") if value.get(name)), "")
    if isinstance(value, list):
        return ", ".join(_answer_text(each) for each in value)
    return value if isinstance(value, str) else "" if value is None else str(value)
