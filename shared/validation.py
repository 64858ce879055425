"""The validator of definitions: every fault at once, each with its node and field.

Invariant: pure; an issue's `type` is a stable word. Callers: the surfaces (``refuse_unusable``), the agent and
``POST /v1/workflows/validate`` (``validate``), the edits (``check_shape``).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.catalog import INCOMPLETE, Catalog, json_type
from shared.errors import CaddieError, Fault
from shared.graph import Graph
from shared.names import Names, check
from shared.workflows import MAX_FAULTS, MAX_NODES, NODE_ID, ROOT, Definition, Node, outsized

MAX_LOOP_DEPTH = 10
#: Issues that leave nothing to work on: a request or an edit that brings one is refused. The agent can repair the rest.
STRUCTURAL = frozenset({
    "empty_nodes", "bad_id", "missing_child", "missing_trigger", "root_ambiguous", "cycle", "duplicate_variable",
    "too_many_nodes", "loop_too_deep", "too_large", "bad_value",
})  # fmt: skip
_JSON_TYPES = {"number": "number", "text": "string", "boolean": "boolean", "list": "array", "object": "object"}


class Issue(BaseModel):
    """One fault of a definition. `incomplete` is for the user to fill in, `error` is a mistake; `field` is dotted."""

    model_config = ConfigDict(frozen=True)
    type: str
    nodeId: str | None = None
    field: str | None = None
    message: str
    severity: Literal["error", "incomplete"] = "error"


def validate(definition: Definition, catalog: Catalog | None = None) -> list[Issue]:
    """Every fault, in the order of the nodes. Without a catalog, only what needs no block to judge."""
    if not definition.nodes:
        return [Issue(type="empty_nodes", field="nodes", message="expected at least one node, got none")]
    if len(definition.nodes) > MAX_NODES:
        message = f"expected at most {MAX_NODES} nodes, got {len(definition.nodes)}"
        return [Issue(type="too_many_nodes", field="nodes", message=message)]
    fault = outsized(definition.wire())
    size = [Issue(type="too_large", field=fault.field, message=fault.message)] if fault else []
    graph = Graph(definition)
    found = [*size, *check_names(definition), *check_shape(graph)]
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
        faults = tuple(Fault(place(issue), issue.message) for issue in issues)
        summary = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
        raise CaddieError("DEFINITION_INVALID", f"the definition cannot be used: {summary}", faults=faults)


def place(issue: Issue) -> str:
    at = [f"nodes.{issue.nodeId}"] if issue.nodeId else []
    return ".".join(["definition", *at, *([issue.field] if issue.field else [])])


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


def check_names(definition: Definition) -> list[Issue]:
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


def check_shape(graph: Graph) -> list[Issue]:
    """Faults of ids, edges, triggers and loops: what an edit must not bring in."""
    nodes = graph.definition.nodes.items()
    issues = [*_check_triggers(graph.definition), *_check_paths(graph)]
    return issues + [issue for node_id, node in nodes for issue in _check_node(graph, node_id, node)]


def _check_paths(graph: Graph) -> list[Issue]:
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


def _outside_parent(graph: Graph, loop: str, body: int, node_id: str) -> str | None:
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


def _check_node(graph: Graph, node_id: str, node: Node) -> list[Issue]:
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


def _check_block(graph: Graph, node_id: str, node: Node, catalog: Catalog) -> list[Issue]:
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


def _check_references(graph: Graph, node_id: str, node: Node) -> list[Issue]:
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
