"""An executor over a store in memory, with a clock that is set by hand and blocks that say what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from caddie.workflow.executor import Executor
from caddie.workflow.flow import Flow, Started, changed
from caddie.workflow.masking import Mask
from caddie.workflow.pauses import Answered, Child, Pause
from caddie.workflow.program import Program
from caddie.workflow.runner import Call, Kind, Origin, Result, Runner, StepError, instant
from caddie.workflow.steps import Place
from caddie.workflow.terms import Bounds, Given, Stopped
from shared.events import Data, ExecutionNode, InputRequested, MessageCompleted
from shared.resolution import Scope
from shared.store.execution_records import StepRecord, StepWrite
from shared.workflows import parse_definition

BOUNDS = Bounds()
#: What a later write of a step may leave out.
KEPT = ("input", "started_at", "input_id", "child_id")


@dataclass
class Asked:
    """A question, and what came of it."""

    status: str = "pending"
    resolved_by: str | None = None
    value: Any = None


@dataclass
class Sub:
    """Another execution."""

    id: str
    status: str = "pending"
    output: Any = None
    error_message: str | None = None


@dataclass
class Memory:
    """What a store and a log would keep, over any number of attempts."""

    steps: dict[Place, StepWrite] = field(default_factory=dict)
    said: list[Data] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    children: dict[str, Sub] = field(default_factory=dict)
    commits: int = 0

    async def commit(self, steps: Sequence[StepWrite], said: Sequence[Data]) -> Mapping[Place, Any]:
        self.commits += 1
        await asyncio.sleep(0)
        values = {}
        for step in steps:
            if (change := step.variable) is not None:
                before = self.kept.get(change.name, change.default)
                self.kept[change.name] = values[step.key] = changed(change.operation, before, change.value)
                step = _with(step, result={"name": change.name, "value": self.kept[change.name]})
            before = self.steps.get(step.key)
            kept = {name: getattr(before, name, None) for name in KEPT if getattr(step, name) is None}
            self.steps[step.key] = _with(step, **kept)
        self.said.extend(said)
        return values

    async def signals(self, pauses: Iterable[Pause]) -> tuple[Mapping[str, Answered], Mapping[str, Child]]:
        return self.asked, self.children

    async def expire(self, input_id: str) -> bool:
        asked = self.asked[input_id]
        if asked.status != "pending":
            return False
        asked.status = "expired"
        return True

    async def ask(self, asked: InputRequested) -> InputRequested:
        self.asked.setdefault(asked.inputId, Asked())
        return asked

    async def start(self, call: Call, workflow: str, given: Any) -> Started:
        self.children.setdefault(call.step_id, Sub(call.step_id, output={"given": given}))
        return Started(call.step_id, "pending")

    def reply(self, step_id: str, text: str) -> Sequence[Data]:
        return (MessageCompleted(messageId=step_id, text=text),)

    def records(self) -> list[StepRecord]:
        names = {each.name for each in fields(StepRecord)} & {each.name for each in fields(StepWrite)}
        rows = [{name: getattr(step, name) for name in names} for step in self.steps.values()]
        return sorted((StepRecord(execution_id="", **row) for row in rows), key=lambda step: step.position)

    def told(self) -> frozenset[tuple[str, str, str]]:
        events = (each for each in self.said if isinstance(each, ExecutionNode))
        return frozenset((each.path or "", each.nodeId, each.status) for each in events)


def _with(step: StepWrite, **changes: Any) -> StepWrite:
    return StepWrite(**{each.name: getattr(step, each.name) for each in fields(StepWrite)} | changes)


class Walker:
    """One execution of a workflow. effects: what blocks of type `do` did, in order."""

    def __init__(self, nodes: Mapping[str, Any], **definition: Any) -> None:
        whole = {"nodes": {name: _node(node) for name, node in nodes.items()}, **definition}
        self.definition = parse_definition(whole)
        self.memory = Memory()
        self.effects: list[str] = []
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self.gates: dict[str, asyncio.Event] = {}
        self.working: list[str] = []
        self.mask = Mask()
        self.runners = {
            "do": Runner(self._do), "look": Runner(self._do, kind=_repeatable), "say": instant(self._say),
            "if": instant(lambda call: {"branch": "then" if call.payload.get("yes") else "else"}),
            "merge": instant(lambda call: {"value": list(call.parents)}),
            "fail": instant(self._fail),
        }  # fmt: skip
        self.attempt = 0
        self.id = str(uuid4())
        self.trigger_result: dict[str, Any] = {"text": "hello"}
        self.inputs: dict[str, Any] = {}
        self.leaving = False

    async def walk(self, trigger: str = "root", bounds: Bounds = BOUNDS) -> Stopped:
        """One attempt, from where the last one has come to."""
        return await self.executor(trigger, bounds).run()

    def executor(self, trigger: str = "root", bounds: Bounds = BOUNDS) -> Executor:
        self.attempt += 1
        variables: dict[str, Any] = {
            each.name: each.default for each in self.definition.variableDefs
        } | self.memory.kept
        for step in self.memory.records():
            if self.definition.nodes[step.node_id].type == "set-variable" and step.status == "success":
                variables.setdefault(step.result["name"], None)
                variables[step.result["name"]] = step.result["value"]
        scope = Scope(trigger, variables=variables, inputs=self.inputs, workflow={"id": "w"})
        origin = Origin(self.id, 1, 1, "w")
        given = Given(
            origin, self.attempt, self.trigger_result, scope, variables, self.memory.records(), self.memory.told(),
            self.memory.asked,
        )  # fmt: skip
        program = Program(self.definition, trigger)
        flow = Flow(self.definition, self.memory)
        return Executor(
            program, given, self.memory, self.runners, flow, self.mask, lambda: self.now, bounds, lambda: self.leaving
        )

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def events(self, *statuses: str) -> list[str]:
        """Steps as `path/node:status`, as they were told."""
        told = (each for each in self.memory.said if isinstance(each, ExecutionNode))
        rows = [(f"{each.path}/{each.nodeId}" if each.path else each.nodeId, each.status) for each in told]
        return [f"{name}:{status}" for name, status in rows if not statuses or status in statuses]

    def result(self, node_id: str, path: str = "") -> Any:
        return self.memory.steps[path, node_id].result

    async def _do(self, call: Call) -> Result:
        name = str(call.payload.get("name", call.node_id))
        self.working.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        self.effects.append(name)
        return {"did": name, **{key: value for key, value in call.payload.items() if key != "name"}}

    def _say(self, call: Call) -> Result:
        return dict(call.payload)

    def _fail(self, call: Call) -> Result:
        raise StepError("BROKEN", str(call.payload.get("why", "expected luck, got none")))


def _repeatable(payload: Mapping[str, Any]) -> Kind:
    return "repeatable"


def _node(node: Any) -> dict[str, Any]:
    """`("type", payload, children, **rest)` as a node; a dictionary is one already."""
    if isinstance(node, dict):
        return node
    block, payload, children, *rest = node
    return {"type": block, "payload": payload, "children": children, **(rest[0] if rest else {})}
