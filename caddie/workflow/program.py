"""A definition made ready to run: what each trigger leads to, in which order, and what the loops repeat.

Invariant: nothing here changes, so that an attempt that takes over walks the same way. Caller: the executor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from shared.expressions import ExpressionError, Reference, references
from shared.workflows import BRANCHES, Definition, Node


@dataclass(frozen=True, slots=True)
class Body:
    """Nodes that run together: those a trigger leads to, or what a loop repeats.

    order: topological. parents, children: within the body, in the order of the definition.
    """

    order: tuple[str, ...]
    parents: dict[str, tuple[str, ...]]
    children: dict[str, tuple[str, ...]]

    @property
    def first(self) -> tuple[str, ...]:
        return tuple(node_id for node_id in self.order if not self.parents[node_id])


class Program:
    """trigger: the node that fired."""

    def __init__(self, definition: Definition, trigger: str) -> None:
        self.definition, self.trigger = definition, trigger
        self.main = _body(definition, (trigger,))
        self.loops = {
            node_id: _body(definition, node.loopBody or ())
            for node_id, node in definition.nodes.items()
            if node.type == "for-each"
        }

    def node(self, node_id: str) -> Node:
        return self.definition.nodes[node_id]

    @cached_property
    def forgiven(self) -> frozenset[str]:
        """Nodes whose failure another node reads: the execution goes on behind them."""
        found = (each for each in self._every_reference if each.head == "$nodes" and each.part == "error")
        return frozenset(each.path[0] for each in found)

    @cached_property
    def payloads_read(self) -> frozenset[str]:
        """Nodes whose payload another node reads."""
        named = (each.node for each in self._every_reference if each.part == "payload")
        return frozenset(self.trigger if name == "root" else name for name in named if name)

    @cached_property
    def variables_read(self) -> frozenset[str]:
        """Nodes whose payload depends on what the variables are when their turn comes."""
        found = self._references.items()
        return frozenset(node_id for node_id, named in found if any(each.head == "$vars" for each in named))

    @property
    def _every_reference(self) -> Iterable[Reference]:
        return chain.from_iterable(self._references.values())

    @cached_property
    def _references(self) -> dict[str, tuple[Reference, ...]]:
        found: dict[str, tuple[Reference, ...]] = {}
        for node_id, node in self.definition.nodes.items():
            try:
                found[node_id] = tuple(references(dict(node.payload)))
            except ExpressionError:
                # The node says so when its turn comes.
                continue
        return found


def activates(parent: Node, branch: str | None, child: Node) -> bool:
    """Whether a node that has ended, with the branch it chose, leads on to this child."""
    if child.branch is None or child.branch not in BRANCHES.get(parent.type, ()):
        return True
    return child.branch == branch


def _body(definition: Definition, first: Iterable[str]) -> Body:
    """What ``first`` leads to by `children`; bodies of loops inside belong to their loops."""
    reached: dict[str, None] = {}
    pending = [node_id for node_id in first if node_id in definition.nodes]
    while pending:
        node_id = pending.pop()
        if node_id not in reached:
            reached[node_id] = None
            pending.extend(child for child in definition.nodes[node_id].children or () if child in definition.nodes)
    members = [node_id for node_id in definition.nodes if node_id in reached]
    children = {
        node_id: tuple(dict.fromkeys(each for each in definition.nodes[node_id].children or () if each in reached))
        for node_id in members
    }
    parents: dict[str, list[str]] = {node_id: [] for node_id in members}
    for node_id, targets in children.items():
        for target in targets:
            parents[target].append(node_id)
    return Body(_sorted(members, parents, children), {key: tuple(value) for key, value in parents.items()}, children)


def _sorted(members: list[str], parents: dict[str, list[str]], children: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Kahn's algorithm; nodes of a cycle, which no valid definition has, are left out."""
    missing = {node_id: len(parents[node_id]) for node_id in members}
    order = [node_id for node_id in members if not missing[node_id]]
    for node_id in order:
        for child in children[node_id]:
            missing[child] -= 1
            if not missing[child]:
                order.append(child)
    return tuple(order)
