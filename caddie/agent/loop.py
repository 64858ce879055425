"""The loop of a turn: model, tools, model, … until there is nothing left to do, to ask, or to spend.

Invariant: one ``RunFinished``, and it is the last event; a limit ends the turn with what is done so far. Callers:
``run_turn``, alone or as one of two sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Literal

from caddie.agent import asking, ending, modes, prompt, running
from caddie.agent.arguments import RunWorkflow
from caddie.agent.assignment import Steer, Turn
from caddie.agent.mask import Mask
from caddie.agent.memory import recalled
from caddie.agent.profile import Profile
from caddie.agent.recall import bounded
from caddie.agent.step import Said, step
from caddie.agent.tools import Outcome, Tools
from caddie.agent.workspace import Workspace
from caddie.models.model import (
    AssistantTurn,
    Context,
    ModelRequest,
    StepUsage,
    ToolCall,
    ToolOutcome,
    ToolTurn,
    Turns,
    UserTurn,
)
from shared.errors import CaddieError
from shared.events import (
    Data,
    InputRequested,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    MessageUser,
    Mode,
    ModeSelected,
    NodeChanged,
    RunFinished,
    ToolFinished,
    ToolStarted,
    Usage,
    timestamp,
)
from shared.fold import FoldedMessage

Ended = Literal["completed", "waiting", "limit"]
REPAIR = "Repair the errors that remain."


class Loop:
    """One version's work on one turn; it changes the workspace and nothing else."""

    def __init__(self, turn: Turn, workspace: Workspace, profile: Profile) -> None:
        self._turn, self._workspace, self._profile = turn, workspace, profile
        self._mask = Mask(workspace.wire())
        self._system = prompt.system(turn.library.catalog, profile.version)
        self._usage = Usage()
        self._text = ""
        self._question: asking.Question | None = None
        self._message = turn.input.text or _answer_text(turn.input.answer.value if turn.input.answer else None)
        self._mode, self._reason = self._select()
        self._spoken = [self._message, *(each.text for each in turn.history if each.role == "user")]
        spoken = partial("\n".join, self._spoken)
        self._tools = Tools(workspace, turn.library, profile, self._mode, self._mask, spoken)
        #: The text, the mode and the workflow that the step under way is about.
        self._about, self._about_mode, self._start = self._message, self._mode, self._seen()
        self._errors: list[str] = []
        self._repairs = profile.repairs
        self._deadline: float | None = None
        self._steers: Sequence[Steer] = ()

    async def events(self) -> AsyncGenerator[Data, None]:
        seconds = self._turn.limits.seconds
        self._deadline = asyncio.get_running_loop().time() + seconds if seconds is not None else None
        yield ModeSelected(mode=self._mode, reason=self._reason)
        if self._agreed is not None:
            for event in await self._run(self._agreed):
                yield event
            if not self._turn.failure:
                yield self._finish("completed")
                return
        turns = await self._opening()
        for _ in range(1 if self._profile.single else self._turn.limits.steps):
            for steer in self._steers or await self._turn.inbox.take():
                yield MessageUser(messageId=steer.id, text=steer.text, images=steer.images, requestId=steer.request_id)
                turns = self._steered(turns, steer)
            self._steers = ()
            said, outcomes = Said(), list[ToolOutcome]()
            async with aclosing(self._step(turns, said)) as answering:
                async for event in answering:
                    yield event
            for call in said.calls:
                for event in await self._use(call, outcomes):
                    yield event
            if said.ended is None:
                break
            if self._question is not None:
                for event in self._ask(self._question):
                    yield event
                return
            done = AssistantTurn(said.text, tuple(said.calls), said.ended.replay)
            more = await self._more(said, outcomes)
            if more is None:
                yield self._finish("limit" if said.stop_reason == "max_tokens" else "completed")
                return
            turns = (*turns, done, *more)
            if self._usage.outputTokens >= self._turn.limits.tokens:
                break
        for event in self._say(ending.STOPPED):
            yield event
        yield self._finish("limit")

    def _select(self) -> tuple[Mode, str]:
        given = self._turn.input
        issues = self._workspace.issues(self._turn.library.catalog) if given.definition else []
        return modes.select(
            self._message,
            preferred=given.mode,
            has_workflow=bool(self._workspace.current.nodes),
            failed=bool(self._turn.failure or given.failedRunId),
            answering=given.answer is not None,
            plan=self._plan,
            asked_while=(self._turn.question or {}).get("mode"),
            faulty=bool(ending.errors(issues)),
        )

    @property
    def _agreed(self) -> RunWorkflow | None:
        """What the user has agreed to run, when this version may."""
        answer = self._turn.input.answer
        if answer is None or RunWorkflow not in self._profile.tools("building"):
            return None
        return running.consent(self._turn.question, answer.value, self._message, self._workspace.current)

    async def _run(self, agreed: RunWorkflow) -> list[Data]:
        """Run the workflow, and say how it went; a failure is what the rest of the turn is about."""
        call = ToolCall(self._turn.ids(), agreed.NAME, agreed.model_dump(exclude_none=True))
        began, error = self._turn.clock(), None
        try:
            told = self._mask.hide(
                await self._turn.library.executions.run(
                    self._workspace.current.wire(), dict(agreed.inputs), agreed.triggerNodeId
                )
            )
        except CaddieError as refused:
            told, error = None, self._mask.hide(refused.message)
        failed = error or (running.failure(told) if told["status"] == "failed" else "")
        took = round((self._turn.clock() - began) * 1000)
        events: list[Data] = [
            ToolStarted(toolCallId=call.id, name=call.name, args=self._tools.shown(call)),
            ToolFinished(
                toolCallId=call.id, name=call.name, ok=error is None, durationMs=took, result=told, error=error
            ),
        ]
        if not failed:
            return [*events, *self._say(running.told(told))]
        self._turn = replace(self._turn, failure=failed)
        self._mode, reason = "repair", "the execution you asked for failed"
        self._about, self._about_mode = f"Fix this: {failed}", self._mode
        return [*events, ModeSelected(mode=self._mode, reason=reason)]

    @property
    def _plan(self) -> modes.PlanAnswer | None:
        """What the user says to a plan that was proposed."""
        answer = self._turn.input.answer
        if answer is None or "steps" not in (self._turn.question or {}):
            return None
        return "approved" if answer.value == asking.APPROVE or modes.approves(self._message) else "changed"

    def _seen(self) -> dict[str, object] | None:
        """The workflow as the model may see it."""
        shown: dict[str, object] | None = self._mask.hide(self._workspace.wire())
        return shown

    async def _opening(self) -> Turns:
        given = self._turn.input
        recall, usage = await recalled(self._turn, self._earlier(), calls=not self._profile.single)
        self._count(usage)
        faults = ending.errors(self._workspace.issues(self._turn.library.catalog)) if self._mode == "repair" else []
        extra = {
            "workflow name": given.name or "",
            "workflow description": given.description or "",
            "edits": prompt.PROPOSED if given.profile == "proposal" else "",
            **asking.facts(self._turn.question or {}, self._plan),
            "failed execution": self._turn.failure,
            "validation reports": "; ".join(f"{each.nodeId or 'workflow'}: {each.message}" for each in faults[:20]),
            "earlier in this conversation": recall.summary.text if recall.summary else "",
        }
        text = prompt.facts(
            self._message, mode=self._mode, now=self._turn.now, timezone=self._turn.timezone,
            definition=self._start, extra=self._mask.hide(extra),
        )  # fmt: skip
        return (*self._mask_turns(recall.turns()), UserTurn(text, self._turn.images))

    def _mask_turns(self, turns: Turns) -> Turns:
        """What was said before a value became a secret."""
        return tuple(
            UserTurn(self._mask.hide(turn.text), turn.images)
            if isinstance(turn, UserTurn)
            else AssistantTurn(self._mask.hide(turn.text))
            for turn in turns
            if not isinstance(turn, ToolTurn)
        )

    def _earlier(self) -> Sequence[FoldedMessage]:
        """The history without this turn's own message, which a store may have kept already."""
        last = self._turn.history[-1] if self._turn.history else None
        own = last is not None and last.role == "user" and last.text.strip() in ("", self._message.strip())
        return self._turn.history[:-1] if own else self._turn.history

    def _step(self, turns: Turns, said: Said) -> AsyncGenerator[Data, None]:
        limits = self._turn.limits
        left = max(1, limits.tokens - self._usage.outputTokens)
        return self._answered(
            ModelRequest(
                system=self._system, turns=bounded(turns), tools=self._tools.specs(),
                max_tokens=min(limits.step_tokens, left), temperature=self._turn.input.temperatureOverride,
                context=Context(
                    self._about, self._seen(), self._start, self._turn.now, self._turn.timezone, self._about_mode,
                    self._turn.input.answer is not None and self._about.startswith(self._message),
                ),
            ),
            said,
        )  # fmt: skip

    async def _answered(self, request: ModelRequest, said: Said) -> AsyncGenerator[Data, None]:
        async with aclosing(step(self._turn.model, request, said, self._turn.ids, self._deadline)) as events:
            async for event in events:
                yield event
        self._text = said.text
        self._count(said.usage)
        if said.stop_reason == "refusal" and not said.text:
            for event in self._say(ending.DECLINED):
                yield event

    def _steered(self, turns: Turns, steer: Steer) -> Turns:
        """What the user adds is a further request: beside the first while nothing is changed yet, else after it."""
        if self._workspace.touched:
            self._about, self._start = steer.text, self._seen()
        else:
            self._about = f"{self._about}\n{steer.text}"
        self._about_mode = "building" if self._about_mode == "conversation" else self._about_mode
        self._repairs = self._profile.repairs
        self._spoken.append(steer.text)
        last = turns[-1]
        if isinstance(last, UserTurn):
            return (*turns[:-1], UserTurn(f"{last.text}\n{steer.text}", (*last.images, *steer.parts)))
        return (*turns, UserTurn(steer.text, steer.parts))

    async def _more(self, said: Said, outcomes: list[ToolOutcome]) -> Turns | None:
        """What the model is told next; None when there is nothing left to do."""
        if self._profile.single:
            return None
        if said.calls:
            return (ToolTurn(tuple(outcomes)),)
        if said.stop_reason == "end":
            self._steers = await self._turn.inbox.take()
        return () if self._steers else self._nudge(said)

    def _nudge(self, said: Said) -> Turns | None:
        """The errors that remain in what the turn has changed."""
        if said.stop_reason != "end" or not self._workspace.touched or not self._repairs:
            return None
        issues = ending.errors(self._workspace.issues(self._turn.library.catalog))
        found = [issue.model_dump_json() for issue in issues]
        # A round that changed nothing would be repeated word for word.
        if not issues or found == self._errors:
            return None
        self._errors, self._repairs = found, self._repairs - 1
        self._about, self._about_mode, self._start = REPAIR, "repair", self._seen()
        return (UserTurn(self._mask.hide(ending.remaining(issues))),)

    def _say(self, text: str) -> list[Data]:
        message_id = self._turn.ids()
        self._text = text
        return [
            MessageStarted(messageId=message_id),
            MessageDelta(messageId=message_id, text=text),
            MessageCompleted(messageId=message_id, text=text),
        ]

    def _count(self, used: StepUsage | None) -> None:
        if used is None:
            return
        before = self._usage
        self._usage = Usage(
            inputTokens=before.inputTokens + used.input_tokens,
            outputTokens=before.outputTokens + used.output_tokens,
            cacheReadTokens=before.cacheReadTokens + used.cache_read_tokens,
            cacheWriteTokens=before.cacheWriteTokens + used.cache_write_tokens,
            steps=before.steps + 1,
        )

    async def _use(self, call: ToolCall, outcomes: list[ToolOutcome]) -> list[Data]:
        """Run one tool; the call's events with the changes it made between them."""
        began = self._turn.clock()
        outcome = Outcome(False, "a question was asked already") if self._question else await self._tools.run(call)
        took = round((self._turn.clock() - began) * 1000)
        self._question = self._question or outcome.question
        outcomes.append(ToolOutcome(call.id, call.name, outcome.ok, outcome.value))
        finished = ToolFinished(
            toolCallId=call.id, name=call.name, ok=outcome.ok, durationMs=took,
            result=outcome.value if outcome.ok else None, error=None if outcome.ok else str(outcome.value),
        )  # fmt: skip
        changes = [NodeChanged(action=action, nodeId=node_id, node=node) for action, node_id, node in outcome.changes]
        return [ToolStarted(toolCallId=call.id, name=call.name, args=self._tools.shown(call)), *changes, finished]

    def _ask(self, question: asking.Question) -> list[Data]:
        """The question as an event for those who can answer it, and as text for those who only read."""
        definition = self._workspace.current
        told, kind, body = asking.request(question, self._mode, definition)
        said = [] if told in self._text else self._say(asking.text(question, definition))
        expires = timestamp(self._turn.now + timedelta(seconds=self._turn.limits.input_ttl_s))
        asked = InputRequested(inputId=self._turn.ids(), kind=kind, body=body, expiresAt=expires)
        return [*said, asked, self._finish("waiting")]

    def _finish(self, outcome: Ended) -> RunFinished:
        left = ending.result(self._workspace, self._turn.library.catalog, self._text, self._mask)
        return RunFinished(outcome=outcome, result=left, usage=self._usage)


def _answer_text(value: object) -> str:
    """An answer's value in words; clients send text, or an object that holds it."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("text", "value", "label") if value.get(name)), "")
    if isinstance(value, list):
        return ", ".join(_answer_text(each) for each in value)
    return value if isinstance(value, str) else "" if value is None else str(value)
