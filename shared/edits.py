"""The edits of a definition that the agent's tools make, and the difference of two definitions.

Invariant: an edit returns a new definition and brings in no fault of the graph's shape, or raises INVALID.
Callers: the agent's tools, the proposals of workflow messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import JsonValue

from shared.catalog import json_type
from shared.errors import CaddieError, Fault
from shared.expressions import rename
from shared.graph import Graph, loop_bodies
from shared.validation import check_names, check_shape, place
from shared.workflows import (
    BRANCHES,
    MAX_FAULTS,
    MAX_NODES,
    ROOT,
    Definition,
    InputField,
    Node,
    VariableDef,
    outsized,
    parse_node,
)


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
    found = [issue for issue in check_names(edited) if (issue.field or "").startswith("variableDefs")]
    if found:
        faults = tuple(Fault(issue.field or "", issue.message) for issue in found)
        raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)
    return edited


def set_inputs(definition: Definition, inputs: Sequence[InputField]) -> Definition:
    """With these inputs and no others. Raises INVALID when two have one key."""
    edited = definition.model_copy(update={"inputSchema": tuple(inputs)})
    found = [issue for issue in check_names(edited) if (issue.field or "").startswith("inputSchema")]
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
    graph = Graph(definition)
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
    if (fault := outsized(after.wire())) is not None:
        raise CaddieError("INVALID", f"{fault.field}: {fault.message}", faults=(fault,))
    known = {(issue.type, issue.nodeId) for issue in check_shape(Graph(before))}
    found = [
        issue
        for issue in check_shape(Graph(after))
        if (issue.type, issue.nodeId) not in known and (issue.type != "unreachable" or issue.type in also)
    ]
    if found:
        faults = tuple(Fault(place(issue), issue.message) for issue in found[:MAX_FAULTS])
        raise CaddieError("INVALID", f"{faults[0].field}: {faults[0].message}", faults=faults)
    return after
