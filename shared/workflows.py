"""The workflow definition: its model, its validator, and the edits the agent makes.

Invariant: a ``Definition`` never changes; an edit returns a new one and brings in no fault of the graph's shape.
Field names are the wire's. Callers: every surface that takes or stores a definition (``parse_definition``,
``refuse_unusable``), the agent's tools (edits, ``validate``, ``diff``), the executor (models, ``loop_bodies``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, ValidationError, model_validator

from shared.catalog import INCOMPLETE, Catalog, json_type
from shared.errors import CaddieError, Fault
from shared.expressions import Names, check, rename

MAX_NODES = 500
MAX_LOOP_DEPTH = 10
MAX_BYTES = 1_048_576
MAX_JSON_DEPTH = 32
MAX_FAULTS = 200
ROOT = "root"
NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Block types whose children say on which outcome they run.
BRANCHES: dict[str, tuple[str, ...]] = {"if": ("then", "else"), "wait": ("resumed", "timed_out")}
#: Issues that leave nothing to work on: a request or an edit that brings one is refused. The agent can repair the rest.
STRUCTURAL = frozenset({
    "empty_nodes", "bad_id", "missing_child", "missing_trigger", "root_ambiguous", "cycle", "duplicate_variable",
    "too_many_nodes", "loop_too_deep", "too_large", "bad_value",
})  # fmt: skip

VariableType = Literal["number", "text", "boolean", "list", "object"]
_JSON_TYPES = {"number": "number", "text": "string", "boolean": "boolean", "list": "array", "object": "object"}


class _Closed(BaseModel):
    """An object whose members are all known. A null member counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _drop_null(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: member for key, member in value.items() if member is not None}

    def wire(self) -> dict[str, Any]:
        """The JSON object, without absent members."""
        return {key: _wire(getattr(self, key)) for key in type(self).model_fields if getattr(self, key) is not None}


def _wire(value: Any) -> Any:
    if isinstance(value, _Closed):
        return value.wire()
    if isinstance(value, dict):
        return {key: _wire(member) for key, member in value.items()}
    return [_wire(member) for member in value] if isinstance(value, list | tuple) else value


class Connector(_Closed):
    """An outside account: its kind (as the block's `connector`) and which one."""

    type: str = Field(min_length=1, max_length=64)
    id: str = Field(min_length=1, max_length=128)


class InputField(_Closed):
    """An input of the workflow, read as ``{{$inputs.key}}``."""

    key: str = Field(min_length=1, max_length=64)
    type: Literal["string", "number", "boolean", "object", "array"] = "string"
    required: StrictBool = False
    description: str = ""


class VariableDef(_Closed):
    """A variable, read as ``{{$vars.name}}``; `persist` keeps it with the workflow, `reset` with the execution."""

    name: str = Field(min_length=1, max_length=64)
    type: VariableType
    lifetime: Literal["persist", "reset"] = "reset"
    default: JsonValue = None
    description: str = ""


class Node(_Closed):
    """A step. `loopBody` names where the body of a loop begins: the body is those nodes and all they lead to."""

    type: str = Field(min_length=1, max_length=64)
    payload: dict[str, JsonValue] = {}
    children: tuple[str, ...] = Field(default=(), max_length=MAX_NODES)
    branch: str | None = Field(default=None, max_length=64)
    loopBody: tuple[str, ...] | None = Field(default=None, max_length=MAX_NODES)
    connector: Connector | None = None
    description: str | None = None
    titleOverride: str | None = None
    resultSchema: dict[str, JsonValue] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Every node an edge leads to, in order, without repetition."""
        return tuple(dict.fromkeys((*self.children, *(self.loopBody or ()))))


class Definition(_Closed):
    """A workflow. An empty one is where the agent begins; ``validate`` wants at least one node."""

    nodes: dict[str, Node]
    triggerNodeIds: tuple[str, ...] = Field(default=(ROOT,), max_length=MAX_NODES)
    inputSchema: tuple[InputField, ...] = Field(default=(), max_length=MAX_NODES)
    variableDefs: tuple[VariableDef, ...] = Field(default=(), max_length=MAX_NODES)
    blockExpansions: dict[str, JsonValue] | None = None
    sensitivePropKeys: tuple[str, ...] | None = None


class Issue(BaseModel):
    """One fault of a definition. `incomplete` is for the user to fill in, `error` is a mistake; `field` is dotted."""

    model_config = ConfigDict(frozen=True)
    type: str
    nodeId: str | None = None
    field: str | None = None
    message: str
    severity: Literal["error", "incomplete"] = "error"


def parse_definition(value: object) -> Definition:
    """The definition in a JSON value. Raises DEFINITION_INVALID with every fault of its shape."""
    if (fault := _outsized(value)) is not None:
        raise CaddieError("DEFINITION_INVALID", f"definition: {fault.message}", faults=(fault,))
    try:
        return Definition.model_validate(value)
    except ValidationError as error:
        faults = tuple(_fault(each) for each in error.errors(include_url=False)[:MAX_FAULTS])
        message = f"expected a workflow definition, got {len(faults)} fault{'s' * (len(faults) > 1)}: {faults[0].field}"
        raise CaddieError("DEFINITION_INVALID", f"{message}: {faults[0].message}", faults=faults) from error


def _fault(error: Any) -> Fault:
    """A pydantic error in the house's words; never the value itself, which may be a secret."""
    path = ".".join(str(part) for part in error["loc"]) or "definition"
    if error["type"] == "missing":
        return Fault(path, "required, but absent")
    if error["type"] == "extra_forbidden":
        return Fault(path, "unknown field")
    return Fault(path, f"{error['msg']}, got {json_type(error.get('input'))}")


def _outsized(value: object) -> Fault | None:
    """What no parser should be given: too deep, too large, or not JSON (RFC 8259: no NaN, no lone surrogates)."""
    pending: list[tuple[object, int, str]] = [(value, 1, "definition")]
    while pending:
        item, depth, name = pending.pop()
        if depth > MAX_JSON_DEPTH:
            return Fault(name, f"expected at most {MAX_JSON_DEPTH} levels of JSON, got more")
        if isinstance(item, dict):
            pending.extend((member, depth + 1, str(key)) for key, member in item.items())
            pending.extend((key, depth, "a member's name") for key in item)
        elif isinstance(item, list | tuple):
            pending.extend((member, depth + 1, name) for member in item)
        elif (isinstance(item, float) and not math.isfinite(item)) or (isinstance(item, str) and "\0" in item):
            return Fault(name[:64], "expected finite numbers and text without NUL")
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError) as error:
        return Fault("definition", f"expected JSON: {error}")
    return Fault("definition", f"expected at most {MAX_BYTES} bytes, got {size}") if size > MAX_BYTES else None


def validate(definition: Definition, catalog: Catalog | None = None) -> list[Issue]:
    """Every fault, in the order of the nodes. Without a catalog, only what needs no block to judge."""
    if not definition.nodes:
        return [Issue(type="empty_nodes", field="nodes", message="expected at least one node, got none")]
    if len(definition.nodes) > MAX_NODES:
        message = f"expected at most {MAX_NODES} nodes, got {len(definition.nodes)}"
        return [Issue(type="too_many_nodes", field="nodes", message=message)]
    fault = _outsized(definition.wire())
    size = [Issue(type="too_large", field=fault.field, message=fault.message)] if fault else []
    graph = _Graph(definition)
    found = [*size, *_check_names(definition), *_check_shape(graph)]
    for node_id, node in definition.nodes.items():
        if catalog is not None:
            found += _check_block(graph, node_id, node, catalog)
        if fault is None:
            found += _check_references(graph, node_id, node)
    return found


def refuse_unusable(definition: Definition, catalog: Catalog | None = None) -> None:
    """Raises DEFINITION_INVALID, naming every structural fault, when there is nothing to work on."""
    issues = [issue for issue in validate(definition, catalog) if issue.type in STRUCTURAL][:MAX_FAULTS]
    if issues:
        faults = tuple(Fault(_place(issue), issue.message) for issue in issues)
        summary = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
        raise CaddieError("DEFINITION_INVALID", f"the definition cannot be used: {summary}", faults=faults)


def _place(issue: Issue) -> str:
    at = [f"nodes.{issue.nodeId}"] if issue.nodeId else []
    return ".".join(["definition", *at, *([issue.field] if issue.field else [])])


class _Graph:
    """The nodes as bits of integers: 500 nodes with every possible edge are judged in milliseconds."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.ids = list(definition.nodes)
        index = {node_id: bit for bit, node_id in enumerate(self.ids)}
        self.index = index
        self.parents = [0] * len(self.ids)
        self.children = [0] * len(self.ids)
        #: Parents by `children` alone, without the edge from a loop into its body.
        self.flow = [0] * len(self.ids)
        for bit, node in enumerate(definition.nodes.values()):
            for target in filter(index.__contains__, node.targets):
                self.children[bit] |= 1 << index[target]
                self.parents[index[target]] |= 1 << bit
            for target in filter(index.__contains__, node.children):
                self.flow[index[target]] |= 1 << bit
        self.ancestors = _closure(self.parents)
        self.descendants = _closure(self.children)
        self.bodies = {
            node_id: self._mask(node.loopBody) | self._reach(node.loopBody)
            for node_id, node in definition.nodes.items()
            if node.loopBody
        }

    def _mask(self, ids: Iterable[str]) -> int:
        return sum(1 << self.index[each] for each in set(ids) if each in self.index)

    def _reach(self, ids: Iterable[str]) -> int:
        reach = 0
        for each in ids:
            reach |= self.descendants[self.index[each]] if each in self.index else 0
        return reach

    def named(self, mask: int) -> frozenset[str]:
        return frozenset(node_id for bit, node_id in enumerate(self.ids) if mask >> bit & 1)

    def before(self, node_id: str) -> frozenset[str]:
        return self.named(self.ancestors[self.index[node_id]])

    def loops(self, node_id: str) -> list[str]:
        """The loops whose body holds the node."""
        bit = self.index[node_id]
        return [loop for loop, body in self.bodies.items() if body >> bit & 1 and loop != node_id]

    def branches(self, node_id: str) -> tuple[str, ...]:
        """What the `branch` of a node may be, by the nodes it is a child of."""
        follows = self.flow[self.index[node_id]]
        parents = [node for bit, node in enumerate(self.definition.nodes.values()) if follows >> bit & 1]
        return tuple(dict.fromkeys(name for node in parents for name in BRANCHES.get(node.type, ())))

    def cycles(self) -> list[list[str]]:
        """One closed path for each group of nodes that lead to each other."""
        paths: list[list[str]] = []
        seen = 0
        for bit in range(len(self.ids)):
            group = self.ancestors[bit] & self.descendants[bit]
            if group >> bit & 1 and not seen >> bit & 1:
                seen |= group
                paths.append([self.ids[each] for each in self._way_back(bit)])
        return paths

    def _way_back(self, start: int) -> list[int]:
        """The shortest way from ``start`` to itself, breadth first."""
        came_from: dict[int, int] = {}
        queue = [start]
        for bit in queue:
            for child in (each for each in range(len(self.ids)) if self.children[bit] >> each & 1):
                if child == start:
                    way = [start, bit]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return way[::-1]
                if child not in came_from:
                    came_from[child] = bit
                    queue.append(child)
        return [start, start]


def _closure(edges: list[int]) -> list[int]:
    """Everything that can be reached, per node (Warshall's algorithm, a row at a time)."""
    reach = list(edges)
    for middle in range(len(reach)):
        row = reach[middle]
        for start, mask in enumerate(reach):
            if mask >> middle & 1:
                reach[start] = mask | row
    return reach


def loop_bodies(definition: Definition) -> dict[str, frozenset[str]]:
    """Of every loop, the nodes of its body: those `loopBody` names and all they lead to."""
    graph = _Graph(definition)
    return {loop: graph.named(body) for loop, body in graph.bodies.items()}


def _check_triggers(definition: Definition) -> list[Issue]:
    triggers = definition.triggerNodeIds
    issues: list[Issue] = []

    def report(kind: str, message: str, position: int | None = None, node_id: str | None = None) -> None:
        field = "triggerNodeIds" if position is None else f"triggerNodeIds.{position}"
        issues.append(Issue(type=kind, nodeId=node_id, field=field, message=message))

    if not triggers:
        report("missing_trigger", "expected at least one trigger, got none")
    distinct: set[str] = set()
    for position, node_id in enumerate(triggers):
        if node_id not in definition.nodes:
            report("missing_trigger", f"expected a node called {node_id}, which triggerNodeIds names", position)
        elif node_id in distinct:
            report("duplicate_trigger", f"expected each trigger once, got {node_id} again", position, node_id)
        distinct.add(node_id)
    if len(distinct) > 1 and ROOT in distinct:
        message = "with several triggers none may be called root, which means the one that fired"
        report("root_ambiguous", message, triggers.index(ROOT), ROOT)
    elif len(distinct) == 1 and ROOT not in distinct:
        report("trigger_not_root", f"a single trigger is called root, got {triggers[0]}", 0, triggers[0])
    return issues


def _check_names(definition: Definition) -> list[Issue]:
    issues: list[Issue] = []
    seen: set[str] = set()
    for position, variable in enumerate(definition.variableDefs):
        where = f"variableDefs.{position}"
        if variable.name in seen:
            message = f"expected each variable once, got {variable.name} again"
            issues.append(Issue(type="duplicate_variable", field=f"{where}.name", message=message))
        if not NODE_ID.fullmatch(variable.name):
            message = f"expected letters, digits, _ and -, got {variable.name!r}"
            issues.append(Issue(type="bad_variable", field=f"{where}.name", message=message))
        got = json_type(variable.default)
        if variable.default is not None and got != _JSON_TYPES[variable.type]:
            message = f"expected a default of type {variable.type}, got {got}"
            issues.append(Issue(type="bad_default", field=f"{where}.default", message=message))
        seen.add(variable.name)
    keys: set[str] = set()
    for position, each in enumerate(definition.inputSchema):
        if each.key in keys:
            message = f"expected each input once, got {each.key} again"
            issues.append(Issue(type="duplicate_input", field=f"inputSchema.{position}.key", message=message))
        keys.add(each.key)
    return issues


def _check_shape(graph: _Graph) -> list[Issue]:
    """Faults of ids, edges, triggers and loops: what an edit must not bring in."""
    nodes = graph.definition.nodes.items()
    issues = [*_check_triggers(graph.definition), *_check_paths(graph)]
    return issues + [issue for node_id, node in nodes for issue in _check_node(graph, node_id, node)]


def _check_paths(graph: _Graph) -> list[Issue]:
    cycles = [(path[0], f"expected no cycle, got {' → '.join(path)}") for path in graph.cycles()]
    issues = [Issue(type="cycle", nodeId=node_id, message=message) for node_id, message in cycles]
    if issues:
        return issues
    for loop, body in graph.bodies.items():
        for node_id in sorted(graph.named(body), key=graph.index.__getitem__):
            if (outside := _outside_parent(graph, loop, body, node_id)) is not None:
                message = f"expected to be reached only inside the loop {loop}, got an edge from {outside}"
                issues.append(Issue(type="loop_shared", nodeId=node_id, message=message))
    return issues


def _outside_parent(graph: _Graph, loop: str, body: int, node_id: str) -> str | None:
    """A node outside the body that leads to ``node_id``, other than the loop itself and the loops around it."""
    inside = graph.index[loop]
    follows = graph.flow[graph.index[node_id]]
    for bit, parent in enumerate(graph.ids):
        if not graph.parents[graph.index[node_id]] >> bit & 1 or body >> bit & 1:
            continue
        around = parent == loop or graph.bodies.get(parent, 0) >> inside & 1
        if follows >> bit & 1 or not around:
            return parent
    return None


def _check_node(graph: _Graph, node_id: str, node: Node) -> list[Issue]:
    definition = graph.definition
    issues: list[Issue] = []

    def report(kind: str, message: str, field: str | None = None) -> None:
        issues.append(Issue(type=kind, nodeId=node_id, field=field, message=message))

    if not NODE_ID.fullmatch(node_id):
        report("bad_id", "expected a node id of 1 to 64 letters, digits, _ and -")
    for name, ids in (("children", node.children), ("loopBody", node.loopBody or ())):
        seen: set[str] = set()
        for position, target in enumerate(ids):
            if target not in definition.nodes:
                report("missing_child", f"expected a node called {target[:64]}", f"{name}.{position}")
            elif target in seen:
                report("duplicate_child", f"expected each node once, got {target} again", f"{name}.{position}")
            seen.add(target)
    before = graph.before(node_id)
    triggers = set(definition.triggerNodeIds)
    if node_id in triggers and graph.parents[graph.index[node_id]]:
        report("trigger_has_parent", "expected no edge to a trigger")
    elif node_id not in triggers and not before & triggers:
        report("unreachable", "expected a way from a trigger to this node, got none")
    allowed = graph.branches(node_id)
    if node.branch is not None and node.branch not in allowed:
        expected = f"one of {', '.join(allowed)}" if allowed else "no branch, as it follows neither if nor wait"
        report("bad_branch", f"expected {expected}, got {node.branch}", "branch")
    if len(graph.loops(node_id)) > MAX_LOOP_DEPTH:
        report("loop_too_deep", f"expected at most {MAX_LOOP_DEPTH} loops within each other")
    return issues


def _check_block(graph: _Graph, node_id: str, node: Node, catalog: Catalog) -> list[Issue]:
    connector = node.connector.type if node.connector else None
    issues = [
        Issue(type=kind, nodeId=node_id, field=field, message=message, severity=_severity(kind))
        for kind, field, message in catalog.check(node.type, node.payload, connector)
    ]
    block = catalog.get(node.type)
    if block is None:
        return issues

    def report(kind: str, field: str, message: str) -> None:
        issues.append(Issue(type=kind, nodeId=node_id, field=field, message=message))

    declared = node_id in graph.definition.triggerNodeIds
    if declared and not block.trigger:
        report("not_a_trigger", "type", f"expected a trigger block, as triggerNodeIds names this node, got {node.type}")
    if block.trigger and not declared:
        report("undeclared_trigger", "type", f"expected triggerNodeIds to name this {node.type} node")
    if node.loopBody is not None and not block.loop:
        report("not_a_loop", "loopBody", f"expected a loop block such as for-each, got {node.type}")
    variables = {variable.name for variable in graph.definition.variableDefs}
    properties = block.payloadSchema.get("properties")
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        value = node.payload.get(name)
        if isinstance(schema, dict) and schema.get("format") == "variable" and isinstance(value, str) and value:
            if "{{" not in value and value not in variables:
                report("unknown_variable", f"payload.{name}", f"expected a declared variable, got {value}")
    return issues


def _severity(kind: str) -> Literal["error", "incomplete"]:
    return "incomplete" if kind in INCOMPLETE else "error"


def _check_references(graph: _Graph, node_id: str, node: Node) -> list[Issue]:
    definition = graph.definition
    names = Names(
        nodes=frozenset(graph.ids),
        before=graph.before(node_id),
        triggered=node_id not in definition.triggerNodeIds,
        variables=frozenset(variable.name for variable in definition.variableDefs),
        inputs=frozenset(each.key for each in definition.inputSchema),
        loops=len(graph.loops(node_id)),
    )
    found = check(node.payload, names, "payload")
    return [Issue(type=kind, nodeId=node_id, field=field, message=message) for kind, field, message in found]


def add_node(
    definition: Definition,
    node_id: str,
    node: Node,
    after: Sequence[str] | None = None,
    branch: str | None = None,
    in_loop: str | None = None,
    *,
    trigger: bool = False,
) -> Definition:
    """A new node, as the last child of every node in ``after``, or at the start of the body of ``in_loop``.

    ``after=[]`` leaves it unconnected. The first node of an empty definition is its trigger and called `root`; a
    second trigger (``trigger=True``) gives the first a name of its own. Raises INVALID.
    """
    if node_id in definition.nodes:
        raise _invalid("nodeId", f"expected a new node id, got {node_id}, which exists")
    node = _with(node, branch=branch) if branch is not None else node
    if trigger or not definition.nodes:
        return _add_trigger(definition, node_id, node, after or in_loop)
    if after is None and in_loop is None:
        raise _invalid("after", "expected the nodes it comes after, or the loop it is in")
    nodes = {**definition.nodes, node_id: node}
    for parent in after or ():
        source = _existing(definition, parent)
        nodes[parent] = _with(source, children=(*source.children, node_id))
    if in_loop is not None and not after:
        loop = _existing(definition, in_loop)
        nodes[in_loop] = _with(loop, loopBody=(*(loop.loopBody or ()), node_id))
    edited = _sound(definition, _copy(definition, nodes))
    if in_loop is not None and node_id not in loop_bodies(edited).get(in_loop, ()):
        raise _invalid("after", f"expected nodes of the body of {in_loop}, got {', '.join(after or ())}")
    return edited


def _add_trigger(definition: Definition, node_id: str, node: Node, placed: object) -> Definition:
    if placed:
        raise _invalid("after", "expected nothing before a trigger")
    if not definition.nodes:
        if node_id != ROOT:
            raise _invalid("nodeId", f"expected the first node, the trigger, to be called root, got {node_id}")
        return _sound(definition, _copy(definition, {ROOT: node}, (ROOT,)))
    if node_id == ROOT:
        raise _invalid("nodeId", "expected a name other than root, which means the trigger that fired")
    if ROOT in definition.triggerNodeIds:
        taken = _copy(definition, {**definition.nodes, node_id: node})
        definition = _rename(definition, ROOT, fresh_id(taken, definition.nodes[ROOT].type))
    return _sound(
        definition, _copy(definition, {**definition.nodes, node_id: node}, (*definition.triggerNodeIds, node_id))
    )


def update_node(definition: Definition, node_id: str, patch: Mapping[str, JsonValue]) -> Definition:
    """The node with the members of ``patch``; `payload` member by member, null removes. Edges stay. Raises INVALID."""
    node = _existing(definition, node_id)
    value = {**node.wire(), **{key: member for key, member in patch.items() if key != "payload"}}
    if edges := sorted({"children", "loopBody"} & patch.keys()):
        raise _invalid(edges[0], "expected no edges in a patch: connect and disconnect change them")
    if (payload := patch.get("payload")) is not None:
        if not isinstance(payload, dict):
            raise _invalid("payload", f"expected an object, got {json_type(payload)}")
        merged = {**node.payload, **payload}
        value["payload"] = {key: member for key, member in merged.items() if payload.get(key, member) is not None}
    nodes = {**definition.nodes, node_id: parse_node(value)}
    return _sound(definition, _settle(_copy(definition, nodes), node.children))


def parse_node(value: object) -> Node:
    """A node of a tool call. Raises INVALID with every fault of its shape."""
    fault = _outsized(value)
    try:
        if fault is None:
            return Node.model_validate(value)
        faults: tuple[Fault, ...] = (fault,)
    except ValidationError as error:
        faults = tuple(_fault(each) for each in error.errors(include_url=False)[:MAX_FAULTS])
    raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)


def remove_node(definition: Definition, node_id: str) -> Definition:
    """Without the node; its parents lead to its children instead. A loop goes with its body.

    Texts that refer to it stay, and ``validate`` names them. Of two triggers the one left is called `root`. Raises
    INVALID for a trigger that is the only way into other nodes.
    """
    node = _existing(definition, node_id)
    gone = {node_id, *loop_bodies(definition).get(node_id, ())}

    def relink(ids: Iterable[str]) -> tuple[str, ...]:
        linked = (each for target in ids for each in (node.children if target == node_id else (target,)))
        return tuple(dict.fromkeys(each for each in linked if each not in gone))

    nodes = {
        key: _with(each, children=relink(each.children), loopBody=each.loopBody and relink(each.loopBody))
        for key, each in definition.nodes.items()
        if key not in gone
    }
    triggers = tuple(each for each in definition.triggerNodeIds if each not in gone)
    if not triggers and len(definition.nodes) > 1:
        raise _invalid("nodeId", f"expected to keep a trigger, got {node_id}: update it, or remove the others first")
    edited = _settle(_copy(definition, nodes, triggers if nodes else (ROOT,)), node.children, node.branch)
    if not nodes:
        return edited
    if len(triggers) == 1 and len(definition.triggerNodeIds) > 1:
        edited = _rename(edited, triggers[0], ROOT)
    return _sound(definition, edited, also=frozenset({"unreachable"}))


def connect(
    definition: Definition, source: str, target: str, branch: str | None = None, *, in_loop: bool = False
) -> Definition:
    """An edge, as the last of ``source``; with ``in_loop`` into its loop body. Of an existing one, only the branch."""
    start, end = _existing(definition, source), _existing(definition, target)
    if in_loop:
        start = _with(start, loopBody=tuple(dict.fromkeys((*(start.loopBody or ()), target))))
    else:
        start = _with(start, children=tuple(dict.fromkeys((*start.children, target))))
    if branch is not None and branch not in BRANCHES.get(start.type, ()):
        expected = " or ".join(BRANCHES.get(start.type, ())) or f"no branch after {start.type}"
        raise _invalid("branch", f"expected {expected}, got {branch}")
    nodes = {**definition.nodes, source: start}
    if branch is not None and source != target:
        nodes[target] = _with(end, branch=branch)
    return _sound(definition, _copy(definition, nodes))


def disconnect(definition: Definition, source: str, target: str) -> Definition:
    """Without the edge, whichever kind it is. The target may be left without a way to it. Raises INVALID if absent."""
    start = _existing(definition, source)
    if target not in start.targets:
        raise _invalid("target", f"expected a node that {source} leads to, got {target}")
    body = start.loopBody and tuple(each for each in start.loopBody if each != target)
    edited = _with(start, children=tuple(each for each in start.children if each != target), loopBody=body)
    return _settle(_copy(definition, {**definition.nodes, source: edited}), (target,))


def set_variables(definition: Definition, defs: Sequence[VariableDef]) -> Definition:
    """With these variables and no others. Raises INVALID with every fault of theirs."""
    edited = definition.model_copy(update={"variableDefs": tuple(defs)})
    found = [issue for issue in _check_names(edited) if (issue.field or "").startswith("variableDefs")]
    if found:
        faults = tuple(Fault(issue.field or "", issue.message) for issue in found)
        raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)
    return edited


def fresh_id(definition: Definition, block_type: str) -> str:
    """An id no node has: the block type, or with -2, -3, … after it."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", block_type)[:56] or "node"
    taken = {*definition.nodes, ROOT}
    return next(name for n in range(1, len(taken) + 2) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)


Change = tuple[Literal["add", "update", "remove"], str, dict[str, Any] | None]


def diff(before: Definition | None, after: Definition) -> list[Change]:
    """What to do to the nodes of ``before`` to get those of ``after``: (action, node id, node), removals first."""
    old = {node_id: node.wire() for node_id, node in before.nodes.items()} if before else {}
    changes: list[Change] = [("remove", node_id, None) for node_id in old if node_id not in after.nodes]
    for node_id, node in after.nodes.items():
        wire = node.wire()
        # As bytes, since 1 == True == 1.0 in Python and not in JSON.
        if node_id not in old:
            changes.append(("add", node_id, wire))
        elif orjson.dumps(wire, option=orjson.OPT_SORT_KEYS) != orjson.dumps(old[node_id], option=orjson.OPT_SORT_KEYS):
            changes.append(("update", node_id, wire))
    return changes


def _invalid(field: str, message: str) -> CaddieError:
    return CaddieError("INVALID", message, faults=(Fault(field, message),))


def _existing(definition: Definition, node_id: str) -> Node:
    if (node := definition.nodes.get(node_id)) is None:
        raise _invalid("nodeId", f"expected a node of this workflow, got {node_id[:64]}")
    return node


def _with(node: Node, **members: object) -> Node:
    return node.model_copy(update=members)


def _copy(definition: Definition, nodes: dict[str, Node], triggers: tuple[str, ...] | None = None) -> Definition:
    return definition.model_copy(update={"nodes": nodes, "triggerNodeIds": triggers or definition.triggerNodeIds})


def _settle(definition: Definition, ids: Iterable[str], branch: str | None = None) -> Definition:
    """Nodes that no longer follow what their branch belongs to take ``branch`` when it fits, else none."""
    graph = _Graph(definition)
    nodes = dict(definition.nodes)
    for node_id in ids:
        if node_id in nodes and nodes[node_id].branch not in (allowed := graph.branches(node_id)):
            nodes[node_id] = _with(nodes[node_id], branch=branch if branch in allowed else None)
    return _copy(definition, nodes)


def _rename(definition: Definition, old: str, new: str) -> Definition:
    """A trigger under another name, also in the texts that refer to it. Nothing leads to a trigger."""
    nodes = {}
    for node_id, node in definition.nodes.items():
        payload = rename(node.payload, old, new) if new == ROOT else node.payload
        nodes[new if node_id == old else node_id] = _with(node, payload=payload)
    return _copy(definition, nodes, tuple(new if each == old else each for each in definition.triggerNodeIds))


def _sound(before: Definition, after: Definition, also: frozenset[str] = frozenset()) -> Definition:
    """``after``, unless it has a fault of shape that ``before`` had not."""
    if len(after.nodes) > MAX_NODES:
        raise _invalid("nodes", f"expected at most {MAX_NODES} nodes, got {len(after.nodes)}")
    if (fault := _outsized(after.wire())) is not None:
        raise CaddieError("INVALID", f"{fault.field}: {fault.message}", faults=(fault,))
    known = {(issue.type, issue.nodeId) for issue in _check_shape(_Graph(before))}
    found = [
        issue
        for issue in _check_shape(_Graph(after))
        if (issue.type, issue.nodeId) not in known and (issue.type != "unreachable" or issue.type in also)
    ]
    if found:
        faults = tuple(Fault(_place(issue), issue.message) for issue in found[:MAX_FAULTS])
        raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)
    return after
