"""The graph of a definition: ancestors, cycles, loop bodies.

Invariant: nodes are bits of integers, so that 500 nodes with every possible edge are judged in milliseconds.
Callers: the validator, the edits, the executor (``loop_bodies``).
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.workflows import BRANCHES, Definition


class Graph:
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
    graph = Graph(definition)
    return {loop: graph.named(body) for loop, body in graph.bodies.items()}
