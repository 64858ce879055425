"""One run of a body of nodes: how far it is, what its nodes can refer to, and the nodes whose turn it is.

Invariant: a node is ready once, when the last of its parents is settled. Caller: the executor.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from caddie.workflow.program import Body, Program, activates
from caddie.workflow.runner import Call
from caddie.workflow.steps import Place
from shared.resolution import Scope
from shared.store.execution_records import StepStatus

Values = MutableMapping[str, Mapping[str, JsonValue]]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a node ended. branch: the one it chose, of blocks that choose."""

    status: StepStatus
    branch: str | None = None


@dataclass(slots=True)
class Work:
    """A node whose turn has come, and what its step will be stored with."""

    frame: Frame
    call: Call
    began: datetime
    input: JsonValue = None
    started: float = field(default_factory=time.monotonic)

    @property
    def place(self) -> Place:
        return self.frame.path, self.call.node_id

    def goes_on(self, began: datetime | None) -> None:
        """It began in an earlier attempt."""
        if began is not None:
            self.started -= max((self.began - began).total_seconds(), 0.0)
            self.began = began


@dataclass(slots=True)
class Loop:
    """A loop under way. results: of the iterations that are over."""

    work: Work
    items: list[JsonValue]
    results: list[JsonValue] = field(default_factory=list)


@dataclass(slots=True)
class Frame:
    """path: the iterations it is inside of."""

    path: str
    body: Body
    scope: Scope
    loop: Loop | None
    depth: int
    missing: dict[str, int]
    settled: dict[str, Settled] = field(default_factory=dict)

    @classmethod
    def outermost(cls, body: Body, scope: Scope) -> Frame:
        return cls("", body, _within(scope), None, 0, _counted(body))

    def inner(self, path: str, body: Body, loop: Loop, index: int) -> Frame:
        """The frame of one iteration."""
        scope = _within(self.scope.inside(loop.items[index], index))
        return Frame(path, body, scope, loop, self.depth + 1, _counted(body))

    @property
    def over(self) -> bool:
        return len(self.settled) == len(self.body.order)

    @property
    def output(self) -> JsonValue:
        """The result of the last node that has succeeded, last in the order of the graph."""
        ended = (each for each in reversed(self.body.order) if each in self.settled)
        done = next((each for each in ended if self.settled[each].status == "success"), None)
        return self.scope.nodes[done].get("result") if done else None

    def settle(self, node_id: str, end: Settled, values: Mapping[str, JsonValue]) -> Iterator[str]:
        """Note how a node ended; gives the nodes that are ready now."""
        self.settled[node_id] = end
        _own(self.scope)[node_id] = values
        for child in self.body.children[node_id]:
            self.missing[child] -= 1
            if not self.missing[child]:
                yield child

    def wanted(self, node_id: str, program: Program) -> bool:
        """Whether one of the parents leads on to the node."""
        parents = self.body.parents[node_id]
        return not parents or any(self._leads(parent, node_id, program) for parent in parents)

    def results_before(self, node_id: str, program: Program) -> tuple[JsonValue, ...]:
        """Results of the parents that lead on to the node."""
        nodes: Mapping[str, Any] = self.scope.nodes
        leading = (each for each in self.body.parents[node_id] if self._leads(each, node_id, program))
        return tuple(nodes[each]["result"] for each in leading if "result" in nodes[each])

    def _leads(self, parent: str, node_id: str, program: Program) -> bool:
        end = self.settled[parent]
        return end.status != "skipped" and activates(program.node(parent), end.branch, program.node(node_id))


def _counted(body: Body) -> dict[str, int]:
    return {node_id: len(parents) for node_id, parents in body.parents.items()}


def _within(scope: Scope) -> Scope:
    """A scope whose values of nodes are its own, in front of those around it."""
    around = scope.nodes
    nodes: Values = around.new_child() if isinstance(around, ChainMap) else ChainMap({}, dict(around))
    return Scope(scope.trigger, nodes, scope.variables, scope.inputs, scope.workflow, scope.items)


def _own(scope: Scope) -> Values:
    assert isinstance(scope.nodes, ChainMap)
    return scope.nodes
