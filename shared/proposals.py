"""Proposals: the difference of two definitions as changes of steps, and those changes made on a definition.

Invariant: ``apply(a, diff(a, b)) == b``, whatever a step cannot say included; changes are made all or none, and never
bring in a fault of the graph's shape. Pure. Callers: the worker (``diff``), the decisions, the surface.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from pydantic import JsonValue

from shared.errors import CaddieError, Fault
from shared.graph import Graph
from shared.links import Edge, Links, linked, links_of, relinked
from shared.steps import (
    AddStep,
    AnyChange,
    Changes,
    DeleteStep,
    ReorderSteps,
    UpdateStep,
    beside_of,
    node_of,
    step_of,
)
from shared.validation import check_shape, place
from shared.workflows import BRANCHES, MAX_FAULTS, MAX_NODES, Definition, Node, outsized

#: Members of a definition that belong to no step.
WHOLE = ("inputSchema", "variableDefs", "blockExpansions", "sensitivePropKeys")


def diff(before: Definition, after: Definition) -> Changes:
    """What to do to ``before`` to get ``after``: removals first, then the steps in the order of ``after``.

    Empty when they differ in nothing but members of the whole definition and there is no step to tell it with.
    """
    gone = [node_id for node_id in before.nodes if node_id not in after.nodes]
    found: list[AnyChange] = [DeleteStep(stepId=node_id) for node_id in gone]
    now = _without(before, gone)
    old, new = linked(now), linked(after)
    moved = links_of(now, after)
    previous: str | None = None
    for node_id, node in after.nodes.items():
        edge = new[node_id]
        step = step_of(node_id, node, edge.parents)
        if node_id not in old:
            found.append(AddStep(step=step, after=previous, node=beside_of(node), links=_told(moved.get(node_id))))
        else:
            if not _alike(_content(node), _content(now.nodes[node_id])):
                found.append(UpdateStep(stepId=node_id, step=step, node=beside_of(node)))
            if node_id in moved:
                found.append(ReorderSteps(stepId=node_id, dependsOn=edge.parents, links=_told(moved[node_id])))
        previous = node_id
    return _with_whole(before, after, found)


def apply(definition: Definition, changes: Changes, chosen: Collection[int] | None = None) -> Definition:
    """With the changes, or with those at the ``chosen`` positions. Raises INVALID with the position of each fault."""
    return rebase(definition, changes, definition, chosen, code="INVALID")


def rebase(
    base: Definition, changes: Changes, now: Definition, chosen: Collection[int] | None = None,
    *, code: str = "VERSION_CONFLICT",
) -> Definition:  # fmt: skip
    """``now`` with changes that were made against ``base``. Raises ``code`` when they do not fit any more.

    A change fits when what it changes is still as it was, or is so already.
    """
    picked = [(number, change) for number, change in enumerate(changes) if chosen is None or number in chosen]
    made = _Making(base, now, [change.stepId for _, change in picked if isinstance(change, DeleteStep)])
    faults = []
    for number, change in picked:
        if (fault := made.take(change)) is not None:
            faults.append(Fault(f"changes.{number}", fault))
    if not faults:
        # Not before all steps are there: a change may speak of one that a later change adds.
        faults = [Fault(f"changes.{number}", fault) for number, change in picked for fault in made.link(change)]
    result = made.result([change.workflow for change in changes if change.workflow] if picked else [])
    if isinstance(result, str):
        faults = faults or [Fault("changes", result)]
    if faults or isinstance(result, str):
        raise CaddieError(code, f"{faults[0].field}: {faults[0].message}", faults=tuple(faults[:MAX_FAULTS]))
    _require_sound(now, result, code, reachable=chosen is not None or base is not now)
    return result


def inverse(base: Definition, changes: Changes, chosen: Collection[int] | None = None) -> tuple[Definition, Changes]:
    """What the changes made of ``base``, and the changes that take that back."""
    after = apply(base, changes, chosen)
    return after, diff(after, base)


class _Making:
    """The definition under change. base, now: without what is to be deleted, so that both can be compared."""

    def __init__(self, base: Definition, now: Definition, gone: Sequence[str]) -> None:
        self._deleted_from = base, now
        self._base = _without(base, [node_id for node_id in gone if node_id in base.nodes])
        self._now = _without(now, [node_id for node_id in gone if node_id in now.nodes])
        self._edges_base, self._edges_now = linked(self._base), linked(self._now)
        self._nodes = dict(self._now.nodes)
        self._targets: dict[str, Edge] = {}
        self._follows: dict[str, dict[str, str]] = {}

    def take(self, change: AnyChange) -> str | None:
        """Make the change but for its edges; what is in its way, if anything."""
        match change:
            case DeleteStep(stepId=node_id):
                base, now = (each.nodes.get(node_id) for each in self._deleted_from)
                if base is None:
                    return f"expected a step of this workflow, got {node_id}"
                stale = now is not None and not _alike(_content(now), _content(base))
                return f"expected {node_id} as it was, it has been changed since" if stale else None
            case AddStep(step=step):
                target, known = node_of(step, change.node), self._nodes.get(step.id)
                if known is None:
                    self._insert(step.id, target, change.after)
                elif step.id in self._base.nodes or not _alike(_content(known), _content(target)):
                    return f"expected a new step, got {step.id}, which exists"
                return None
            case UpdateStep(stepId=node_id):
                return self._update(node_id, node_of(change.step, change.node))
            case ReorderSteps(stepId=node_id):
                return None if node_id in self._nodes else f"expected a step of this workflow, got {node_id}"

    def _update(self, node_id: str, target: Node) -> str | None:
        base, now = self._base.nodes.get(node_id), self._nodes.get(node_id)
        if base is None or now is None:
            return f"expected a step of this workflow, got {node_id}"
        if not any(_alike(_content(now), _content(each)) for each in (base, target)):
            return f"expected {node_id} as it was, it has been changed since"
        loop = None if target.loopBody is None else now.loopBody or ()
        kept = {"children": now.children, "loopBody": loop, "branch": now.branch}
        self._nodes[node_id] = target.model_copy(update=kept)
        return None

    def _insert(self, node_id: str, node: Node, after: str | None) -> None:
        """Where its neighbour stands; at the end when that has gone."""
        items = list(self._nodes.items())
        ids = [key for key, _ in items]
        at = 0 if after is None else ids.index(after) + 1 if after in self._nodes else len(items)
        self._nodes = dict([*items[:at], (node_id, node), *items[at:]])

    def link(self, change: AnyChange) -> Iterable[str]:
        """Note the edges of the change; yields what is in their way."""
        if isinstance(change, AddStep):
            node_id, parents = change.step.id, change.step.dependsOn
        elif isinstance(change, ReorderSteps):
            node_id, parents = change.stepId, change.dependsOn
        else:
            return
        links = change.links or Links()
        target = self._targets[node_id] = Edge.of(parents, links)
        self._follows[node_id] = links.follows or {}
        lacking = [each for each in parents if each not in self._nodes]
        if lacking:
            yield f"expected the steps it depends on, got none called {', '.join(lacking)}"
        elif isinstance(change, ReorderSteps) or node_id in self._edges_now:
            base, now = self._edges_base.get(node_id), self._edges_now.get(node_id)
            if now not in (base, target):
                yield f"expected {node_id} where it was, it has been moved since"

    def result(self, wholes: Sequence[dict[str, JsonValue]]) -> Definition | str:
        """The definition, or what is in the way of its whole members."""
        now = relinked(self._now.model_copy(update={"nodes": self._nodes}), self._targets, self._follows)
        if not wholes:
            return now
        base_wire, wire = self._base.wire(), now.wire()
        for name, value in ((name, value) for whole in wholes for name, value in whole.items() if name in WHOLE):
            if not any(_alike(wire.get(name), each) for each in (base_wire.get(name), value)):
                return f"expected {name} as it was, it has been changed since"
            wire[name] = value
        return Definition.model_validate(wire)


def _with_whole(
    before: Definition, after: Definition, found: list[AnyChange]
) -> Changes:
    old, new = before.wire(), after.wire()
    whole = {name: new.get(name) for name in WHOLE if not _alike(old.get(name), new.get(name))}
    if not whole:
        return tuple(found)
    if not found:
        if not after.nodes:
            return ()
        node_id, node = next(iter(after.nodes.items()))
        step = step_of(node_id, node, linked(after)[node_id].parents)
        found = [UpdateStep(stepId=node_id, step=step, node=beside_of(node))]
    return (found[0].model_copy(update={"workflow": whole}), *found[1:])


def _told(links: Links | None) -> Links | None:
    return links if links != Links() else None


def _content(node: Node) -> dict[str, Any]:
    """A node but for where it stands."""
    wire = node.wire()
    told = {name: member for name, member in wire.items() if name not in ("children", "loopBody", "branch")}
    return told | {"loop": node.loopBody is not None}


def _alike(one: object, other: object) -> bool:
    """As JSON, where 1, 1.0 and true are three values; in Python they are equal."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def _without(definition: Definition, gone: Sequence[str]) -> Definition:
    """Without the steps, one after the other; what came after each comes after what was before it."""
    for node_id in gone:
        definition = _cut(definition, node_id)
    return definition


def _cut(definition: Definition, node_id: str) -> Definition:
    node = definition.nodes[node_id]
    orphans = [each for each in node.children if each in definition.nodes and each != node_id]

    def relink(ids: tuple[str, ...]) -> tuple[str, ...]:
        if node_id not in ids:
            return ids
        spread = (each for target in ids for each in (orphans if target == node_id else (target,)))
        return tuple(dict.fromkeys(spread))

    nodes = {
        key: each
        if node_id not in each.targets
        else each.model_copy(
            update={"children": relink(each.children), "loopBody": each.loopBody and relink(each.loopBody)}
        )
        for key, each in definition.nodes.items()
        if key != node_id
    }
    triggers = tuple(each for each in definition.triggerNodeIds if each != node_id)
    cut = definition.model_copy(update={"nodes": nodes, "triggerNodeIds": triggers})
    for each in orphans:
        followed = (other.type for other in nodes.values() if each in other.children)
        allowed = {name for block in followed for name in BRANCHES.get(block, ())}
        if nodes[each].branch not in allowed:
            nodes[each] = nodes[each].model_copy(update={"branch": node.branch if node.branch in allowed else None})
    return cut.model_copy(update={"nodes": nodes})


def _require_sound(before: Definition, after: Definition, code: str, *, reachable: bool) -> None:
    """Raises when the changes bring in a fault of shape; reachable: also for a step nothing leads to."""
    known = {(issue.type, issue.nodeId) for issue in check_shape(Graph(before))} if before.nodes else set()
    found = check_shape(Graph(after)) if after.nodes else []
    faults = [
        Fault(place(issue), issue.message)
        for issue in found
        if (issue.type, issue.nodeId) not in known and (reachable or issue.type != "unreachable")
    ]
    if len(after.nodes) > MAX_NODES:
        faults = [Fault("nodes", f"expected at most {MAX_NODES} nodes, got {len(after.nodes)}")]
    elif (fault := outsized(after.wire())) is not None:
        faults = [fault]
    if faults:
        raise CaddieError(code, f"{faults[0].field}: {faults[0].message}", faults=tuple(faults[:MAX_FAULTS]))
