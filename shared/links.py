"""Where a step stands: what it comes after, seen from the step, and the way back to the lists a definition keeps.

A definition keeps edges with the parent, in order; a change of steps names them with the child. A *slot* is one such
list: a node's children, a loop's body, or the triggers. Invariant: ``relinked`` with what ``links_of`` says about two
definitions makes the lists of the first those of the second. Caller: ``shared.proposals``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.workflows import ROOT, Definition

#: The slot of the triggers. No node id has a dot in it.
TRIGGERS = ".triggers"
BODY = ".loopBody"
FRONT = ""


class Links(BaseModel):
    """What `dependsOn` cannot say. inLoop: loops whose body begins with the step; afterLoop: those of them it follows,
    too; follows: by slot, the sibling before it (empty: none), where it is not the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trigger: Literal[True] | None = None
    branch: str | None = None
    inLoop: tuple[str, ...] | None = None
    afterLoop: tuple[str, ...] | None = None
    follows: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A step's edges. parents: of both kinds, in the order of the definition."""

    parents: tuple[str, ...] = field(compare=False)
    flow: frozenset[str]
    body: frozenset[str]
    trigger: bool
    branch: str | None

    @classmethod
    def of(cls, parents: tuple[str, ...], links: Links) -> Edge:
        body = frozenset(links.inLoop or ())
        flow = frozenset(parents) - body | frozenset(links.afterLoop or ())
        return cls(parents, flow, body, bool(links.trigger), links.branch)

    @property
    def slots(self) -> frozenset[str]:
        """The lists the step stands in."""
        return self.flow | {f"{loop}{BODY}" for loop in self.body} | ({TRIGGERS} if self.trigger else set())

    def links(self, follows: dict[str, str]) -> Links:
        both = self.flow & self.body
        return Links(
            trigger=True if self.trigger else None,
            branch=self.branch,
            inLoop=tuple(each for each in self.parents if each in self.body) or None,
            afterLoop=tuple(each for each in self.parents if each in both) or None,
            follows=follows or None,
        )


def linked(definition: Definition) -> dict[str, Edge]:
    """The edges of every step; those to nodes that do not exist are left out."""
    flow: dict[str, list[str]] = {node_id: [] for node_id in definition.nodes}
    body: dict[str, list[str]] = {node_id: [] for node_id in definition.nodes}
    parents: dict[str, dict[str, None]] = {node_id: {} for node_id in definition.nodes}
    for parent, node in definition.nodes.items():
        for found, targets in ((flow, node.children), (body, node.loopBody or ())):
            for target in targets:
                if target in found:
                    found[target].append(parent)
                    parents[target][parent] = None
    triggers = set(definition.triggerNodeIds)
    return {
        key: Edge(tuple(parents[key]), frozenset(flow[key]), frozenset(body[key]), key in triggers, node.branch)
        for key, node in definition.nodes.items()
    }


def links_of(before: Definition, after: Definition) -> dict[str, Links]:
    """The links of each step of ``after`` that stands elsewhere than in ``before``, or is new."""
    old, new = linked(before), linked(after)
    lists, wanted = _slots(before), _slots(after)
    follows: dict[str, dict[str, str]] = {}
    for slot, members in wanted.items():
        present = [each for each in lists.get(slot, ()) if each in members]
        in_order = present == [each for each in members if each in present]
        for previous, node_id in zip([FRONT, *members], members, strict=False):
            placed = node_id not in present and node_id != members[-1]
            if placed or not in_order:
                follows.setdefault(node_id, {})[slot] = previous
    return {
        node_id: edge.links(follows.get(node_id, {}))
        for node_id, edge in new.items()
        if edge != old.get(node_id) or node_id in follows
    }


def relinked(
    definition: Definition, targets: Mapping[str, Edge], follows: Mapping[str, Mapping[str, str]]
) -> Definition:
    """The definition with the steps of ``targets`` where those say."""
    lists = _slots(definition)
    waiting: dict[str, dict[str, str]] = {}
    for node_id, edge in targets.items():
        for slot, members in lists.items():
            if node_id in members and (slot not in edge.slots or slot in follows.get(node_id, {})):
                members.remove(node_id)
        for slot in sorted(edge.slots):
            members = lists.setdefault(slot, [])
            if slot in follows.get(node_id, {}):
                waiting.setdefault(slot, {})[node_id] = follows[node_id][slot]
            elif node_id not in members:
                members.append(node_id)
    for slot, placed in waiting.items():
        _insert(lists[slot], placed)
    nodes = {}
    for node_id, node in definition.nodes.items():
        body = lists.get(f"{node_id}{BODY}", [])
        update: dict[str, object] = {
            "children": tuple(lists.get(node_id, ())),
            "loopBody": tuple(body) if body or node.loopBody is not None else None,
        }
        if node_id in targets:
            update["branch"] = targets[node_id].branch
        nodes[node_id] = node.model_copy(update=update)
    triggers = tuple(lists.get(TRIGGERS, ())) if nodes else (ROOT,)
    return definition.model_copy(update={"nodes": nodes, "triggerNodeIds": triggers})


def _slots(definition: Definition) -> dict[str, list[str]]:
    slots: dict[str, list[str]] = {}
    for node_id, node in definition.nodes.items():
        slots[node_id] = [each for each in node.children if each in definition.nodes]
        if node.loopBody is not None:
            slots[f"{node_id}{BODY}"] = [each for each in node.loopBody if each in definition.nodes]
    slots[TRIGGERS] = [each for each in definition.triggerNodeIds if each in definition.nodes]
    return slots


def _insert(members: list[str], placed: dict[str, str]) -> None:
    """Each right after the one it follows, which may be placed here too; at the end when that one is not there."""
    left = dict(placed)
    while left:
        ready = [node_id for node_id, previous in left.items() if previous == FRONT or previous in members]
        for node_id in ready:
            previous = left.pop(node_id)
            members.insert(0 if previous == FRONT else members.index(previous) + 1, node_id)
        if not ready:
            members.extend(left)
            return
