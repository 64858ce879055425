"""Steps and the changes of steps, as surface 003 shows them.

A step is a node: id, block (`toolId`), payload (`inputs`) and what it comes after (`dependsOn`). What a step cannot say
(branches, loops, accounts, the order of children) stands in further members of the change that readers may ignore.
Invariant: a node is the same node again after ``step_of``, ``beside_of`` and ``node_of``, but for its edges, which are
``shared.links``. Callers: ``shared.proposals``, the surface.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from shared.links import Links, linked
from shared.workflows import Definition, Node, parse_node

#: Members of a node that a step has none for.
BESIDE = ("connector", "description", "titleOverride", "resultSchema")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def wire(self) -> dict[str, Any]:
        """The JSON object, without absent members."""
        return self.model_dump(mode="json", exclude_none=True)


class Step(_Part):
    """A node as surface 003 shows it; its inputs may refer to `{{step-id.field}}` of steps before it."""

    id: str
    toolId: str
    inputs: dict[str, JsonValue] = {}
    dependsOn: tuple[str, ...] = ()


class Beside(_Part):
    """What else a node holds; `loop`: it has a body."""

    connector: dict[str, JsonValue] | None = None
    description: str | None = None
    titleOverride: str | None = None
    resultSchema: dict[str, JsonValue] | None = None
    loop: Literal[True] | None = None


class _Change(_Part):
    """workflow: members of the whole definition (variables, inputs) that come with the change; null removes one."""

    workflow: dict[str, JsonValue] | None = None

    def wire(self) -> dict[str, Any]:
        told = super().wire()
        # A null in there says that the member goes.
        return {**told, "workflow": self.workflow} if self.workflow is not None else told


class AddStep(_Change):
    """`after`: the step before it in the list of steps; without one it is the first."""

    type: Literal["add_step"] = "add_step"
    step: Step
    after: str | None = None
    node: Beside | None = None
    links: Links | None = None


class UpdateStep(_Change):
    """The step with another block or other inputs; `dependsOn` is as it stands, reorder_steps changes it."""

    type: Literal["update_step"] = "update_step"
    stepId: str
    step: Step
    node: Beside | None = None


class DeleteStep(_Change):
    """Without the step; what came after it comes after what was before it."""

    type: Literal["delete_step"] = "delete_step"
    stepId: str


class ReorderSteps(_Change):
    """The step in another place."""

    type: Literal["reorder_steps"] = "reorder_steps"
    stepId: str
    dependsOn: tuple[str, ...]
    links: Links | None = None


AnyChange = AddStep | UpdateStep | DeleteStep | ReorderSteps
Changes = tuple[AnyChange, ...]
_CHANGES: TypeAdapter[Changes] = TypeAdapter(tuple[Annotated[AnyChange, Field(discriminator="type")], ...])


def parse_changes(value: object) -> Changes:
    """Stored changes. Raises pydantic's ValidationError for what ``wire`` never made."""
    return _CHANGES.validate_python(value)


def steps(definition: Definition) -> list[Step]:
    """The nodes as steps, in the order of the definition."""
    edges = linked(definition)
    return [step_of(node_id, node, edges[node_id].parents) for node_id, node in definition.nodes.items()]


def step_of(node_id: str, node: Node, parents: tuple[str, ...]) -> Step:
    return Step(id=node_id, toolId=node.type, inputs=node.wire()["payload"], dependsOn=parents)


def beside_of(node: Node) -> Beside | None:
    wire = node.wire()
    found = Beside(**{name: wire.get(name) for name in BESIDE}, loop=True if node.loopBody is not None else None)
    return found if found != Beside() else None


def node_of(step: Step, beside: Beside | None) -> Node:
    more = {name: getattr(beside, name) for name in BESIDE} if beside else {}
    loop: list[str] | None = [] if beside and beside.loop else None
    return parse_node({"type": step.toolId, "payload": step.inputs, **more, "loopBody": loop})
