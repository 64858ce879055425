"""Where a workflow's steps meet the language models: opens the model, runs its tools, remembers the chat thread.

Invariant: a step makes at most the model calls, and gets at most the tokens and the time, of one run; a model reaches
only the tools it was offered. Callers: the composition root of executions; the AI blocks know it as ``Ai``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import uuid4

from caddie.agent.assistant_tools import ToolAnswer, Toolbox
from caddie.agent.recall import Recall, bounded
from caddie.agent.step import Said, step
from caddie.models import jobs
from caddie.models.model import (
    AssistantTurn,
    Model,
    ModelRequest,
    StepUsage,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    ToolTurn,
    Turns,
    UserTurn,
)
from caddie.models.table import ModelTable
from caddie.outbound import Outbound
from caddie.shelf import StoredWorkflows
from caddie.workflow.completion import Completion, Line, Spent, Thread
from caddie.workflow.runner import Call, StepError
from shared.chat_tools import CHAT_TOOLS
from shared.events import MessageDelta
from shared.fold import FoldedMessage
from shared.settings import Settings
from shared.store import Store

TIMEZONE = "UTC"
#: Below the runners' own limit, so that a step ends with an error that says why.
SECONDS = 290.0
JOB_SECONDS = 110.0
STEP_TOKENS = 16_000
#: Of a text said by a model, beside a tool call and at the end.
BREAK = "\n\n"
OnText = Callable[[Call, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one step. calls: of the model; tokens: written by it; history_tokens: of the earlier messages in a prompt."""

    calls: int = 25
    tokens: int = 200_000
    history_tokens: int = 24_000
    seconds: float = SECONDS


class Thinking:
    """``Ai`` over the models of this process. on_text: told each piece of an agent's answer as it comes."""

    def __init__(
        self, models: ModelTable, store: Store, outbound: Outbound, search_url: str, bounds: Bounds = Bounds(),
        on_text: OnText | None = None,
    ) -> None:  # fmt: skip
        self._models, self._store, self._outbound, self._search_url = models, store, outbound, search_url
        self._bounds, self._on_text = bounds, on_text

    @classmethod
    def of(cls, settings: Settings, models: ModelTable, store: Store, outbound: Outbound) -> Thinking:
        """With the limits of the settings."""
        bounds = Bounds(settings.run_steps, settings.run_tokens, settings.run_history_tokens)
        return cls(models, store, outbound, settings.web_search_url, bounds)

    @property
    def tools(self) -> Sequence[str]:
        return tuple(tool.NAME for tool in CHAT_TOOLS)

    async def thread(self, call: Call) -> Thread:
        """The thread up to the message that started the execution; later ones belong to other executions."""
        origin = call.origin
        found = await self._store.conversations.get(origin.org, origin.thread) if origin.thread else None
        if found is None or found.user_id != origin.user:
            return Thread()
        rows = await self._store.conversations.messages(found.pk)
        own = next((row for row in rows if row.run_id == origin.execution_id and row.role == "user"), None)
        earlier = [row for row in rows if own is None or row.position < own.position]
        history = tuple(Line(row.id, row.role, row.text) for row in earlier if row.run_id != origin.execution_id)
        return Thread(own.text if own else "", history)

    async def complete(
        self, call: Call, *, system: str, prompt: str, model: str | None = None, temperature: float | None = None,
        tools: Sequence[str] = (), history: Sequence[Line] = (),
    ) -> Completion:  # fmt: skip
        """See ``Ai``."""
        opened = self._models.open(model, None, temperature)
        origin = call.origin
        shelf = StoredWorkflows(self._store, origin.org, origin.user)
        box = Toolbox(self._outbound, shelf, self._search_url, TIMEZONE)
        hears = self._on_text if call.type == "agent" else None
        work = _Work(call, opened, box, frozenset(tools), self._bounds, hears)
        before, summary = self._recalled(history)
        told = f"{jobs.prompt({'earlier': summary})}\n{prompt}" if summary else prompt
        room = min(STEP_TOKENS, self._bounds.tokens)
        request = ModelRequest(system, (*before, UserTurn(told)), work.specs(), room, temperature)
        return await work.done(request)

    def _recalled(self, history: Sequence[Line]) -> tuple[Turns, str]:
        """The newest messages as they are, and the facts of older ones: by rules, which takes no call."""
        messages = [FoldedMessage(id=each.id, role=each.role, text=each.text, runId="") for each in history]
        recall = Recall.of(messages, None, self._bounds.history_tokens)
        if recall.older:
            recall = recall.summed_up("")
        return recall.turns(), recall.summary.text if recall.summary else ""


class _Work:
    """One completion: model, tools, model, …"""

    def __init__(
        self, call: Call, model: Model, box: Toolbox, tools: frozenset[str], bounds: Bounds, hears: OnText | None
    ) -> None:
        self._call, self._model, self._box, self._tools, self._bounds = call, model, box, tools, bounds
        self._hears = hears
        self._spent = Spent()

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(spec for spec in self._box.specs() if spec.name in self._tools)

    async def done(self, request: ModelRequest) -> Completion:
        bounds = self._bounds
        seconds = bounds.seconds if self._call.type == "agent" else min(bounds.seconds, JOB_SECONDS)
        deadline = asyncio.get_running_loop().time() + seconds
        for _ in range(bounds.calls):
            said = await self._said(request, deadline)
            if said.ended is None:
                raise StepError("MODEL_LIMIT", f"expected an answer within {seconds:g} s, got none")
            if not said.calls:
                return self._closed(said)
            if self._spent.output_tokens >= bounds.tokens:
                break
            outcomes = [await self._used(each, deadline) for each in said.calls]
            replay = AssistantTurn(said.text, tuple(said.calls), said.ended.replay)
            request = replace(request, turns=bounded((*request.turns, replay, ToolTurn(tuple(outcomes)))))
        raise StepError(
            "MODEL_LIMIT",
            f"expected an answer within {bounds.calls} model calls and {bounds.tokens} tokens, got more tool calls",
        )

    def _closed(self, said: Said) -> Completion:
        if said.stop_reason == "refusal":
            raise StepError("MODEL_DECLINED", "the model declined to answer")
        if said.stop_reason == "max_tokens":
            raise StepError("MODEL_LIMIT", f"expected an answer of at most {STEP_TOKENS} tokens, got a longer one")
        if not said.text.strip():
            raise StepError("MODEL_FAILED", "expected an answer of the model, got an empty one", retryable=True)
        return Completion(said.text.strip(), self._spent)

    async def _said(self, request: ModelRequest, deadline: float) -> Said:
        said = Said()
        async with aclosing(step(self._model, request, said, lambda: str(uuid4()), deadline)) as events:
            async for event in events:
                if self._hears is not None and isinstance(event, MessageDelta):
                    await self._hears(self._call, event.text)
        used: StepUsage = said.usage
        self._spent += Spent(
            used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens, calls=1
        )
        return said

    async def _used(self, tool: ToolCall, deadline: float) -> ToolOutcome:
        known = ", ".join(sorted(self._tools)) or "no tools"
        answer = ToolAnswer(False, f"expected one of {known}, got {tool.name[:64]}")
        if tool.name in self._tools:
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await self._box.run(tool)
            except TimeoutError:
                answer = ToolAnswer(False, "the time of this step is over")
        return ToolOutcome(tool.id, tool.name, answer.ok, answer.value)
