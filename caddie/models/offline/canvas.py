"""The workflow on the canvas as the offline model sees it: which node is meant, where a step goes, what it can read.

Invariant: reads the wire form only, and survives any shape of it. Callers: ``change``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from caddie.models.offline import mention, words
from caddie.models.offline.plan import Edit, Place
from caddie.models.offline.scope import PRIMARY, Scope, Source, sends


class Canvas:
    """definition: the wire form."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.nodes: dict[str, dict[str, Any]] = definition.get("nodes") or {}
        self.triggers = [each for each in definition.get("triggerNodeIds") or ["root"] if each in self.nodes]

    def edited(self, edits: list[Edit]) -> Canvas:
        """The canvas as it is after these edits, as far as the next change of the same message needs it."""
        nodes = {key: {**node, "children": list(node.get("children") or [])} for key, node in self.nodes.items()}
        for args, tool in ((edit.args, edit.tool) for edit in edits):
            node_id = str(args.get("nodeId"))
            if tool == "add_node":
                nodes[node_id] = {name: args[name] for name in ("type", "payload", "branch") if name in args} | {
                    "children": []
                }
                for parent in args.get("after") or []:
                    nodes[parent]["children"].append(node_id)
                if not args.get("after") and args.get("inLoop") in nodes:
                    nodes[args["inLoop"]]["loopBody"] = [*(nodes[args["inLoop"]].get("loopBody") or []), node_id]
            elif tool == "update_node" and node_id in nodes:
                payload = {**(nodes[node_id].get("payload") or {}), **(args.get("payload") or {})}
                nodes[node_id] |= {"payload": payload, **({"type": args["type"]} if args.get("type") else {})}
            elif tool == "remove_node" and node_id in nodes:
                gone = nodes.pop(node_id)
                for node in nodes.values():
                    if node_id in node["children"]:
                        at = node["children"].index(node_id)
                        node["children"][at : at + 1] = gone["children"]
            elif tool in ("connect_nodes", "disconnect_nodes"):
                self._linked(nodes, args, tool == "connect_nodes")
        return Canvas({"nodes": nodes, "triggerNodeIds": self.triggers})

    @staticmethod
    def _linked(nodes: dict[str, dict[str, Any]], args: dict[str, Any], joined: bool) -> None:
        source, target = nodes[args["source"]], args["target"]
        body = [each for each in source.get("loopBody") or [] if each != target]
        source["children"] = [each for each in source["children"] if each != target]
        nodes[target].pop("branch", None)
        if joined and args.get("inLoop"):
            body.append(target)
        elif joined:
            source["children"].append(target)
            nodes[target] |= {"branch": args["branch"]} if args.get("branch") else {}
        if body or source.get("loopBody"):
            source["loopBody"] = body

    def of(self, *blocks: str) -> list[str]:
        return [key for key, node in self.nodes.items() if node.get("type") in blocks]

    def payload(self, node_id: str) -> dict[str, Any]:
        return self.nodes[node_id].get("payload") or {}

    def parents(self, node_id: str) -> list[str]:
        return [key for key, node in self.nodes.items() if node_id in self._targets(node)]

    @staticmethod
    def _targets(node: dict[str, Any]) -> list[str]:
        return [*(node.get("children") or []), *(node.get("loopBody") or [])]

    def order(self) -> list[str]:
        """Steps in reading order, without the triggers."""
        found: list[str] = []
        queue = list(reversed(self.triggers))
        while queue:
            node_id = queue.pop()
            if node_id in found or node_id not in self.nodes:
                continue
            found.append(node_id)
            queue.extend(
                reversed([*(self.nodes[node_id].get("loopBody") or []), *(self.nodes[node_id].get("children") or [])])
            )
        return [each for each in found if each not in self.triggers]

    def meant(self, phrase: str, among: list[str] | None = None) -> str | None:
        """The node a phrase means ("the Slack step", "step 2", "the last one"), when one fits best."""
        found = self.fitting(phrase, among)
        # The last of equals: "the email" is mostly the newest one.
        return found[-1] if found else None

    def fitting(self, phrase: str, among: list[str] | None = None) -> list[str]:
        """The nodes a phrase fits alike, in reading order."""
        order = self.order()
        return mention.fitting(phrase, self.nodes, order, among if among is not None else [*self.triggers, *order])

    def leaf(self, outside_loops: bool = False) -> str | None:
        """Where the story ends when every condition holds: new steps go after it."""
        node_id = self.triggers[0] if self.triggers else next(iter(self.nodes), None)
        seen: set[str] = set()
        while node_id is not None and node_id not in seen:
            seen.add(node_id)
            node = self.nodes[node_id]
            following = [each for each in node.get("children") or [] if each in self.nodes]
            if not following and not outside_loops:
                following = [each for each in node.get("loopBody") or [] if each in self.nodes]
            good = [each for each in following if self.nodes[each].get("branch") not in ("else", "timed_out")]
            if not good:
                break
            node_id = good[-1]
        return node_id

    def loop_of(self, node_id: str) -> str | None:
        """The innermost loop whose body holds the node."""
        child, queue, seen = node_id, [(parent, node_id) for parent in self.parents(node_id)], {node_id}
        while queue:
            parent, child = queue.pop(0)
            if child in (self.nodes[parent].get("loopBody") or []):
                return parent
            if parent not in seen:
                seen.add(parent)
                queue.extend((each, parent) for each in self.parents(parent))
        return None

    def inside(self, loop: str) -> list[str]:
        """The steps of a loop's body, in order."""
        found = [each for each in self.nodes[loop].get("loopBody") or [] if each in self.nodes]
        for each in found:
            found.extend(
                child for child in self.nodes[each].get("children") or [] if child in self.nodes and child not in found
            )
        return found

    def below(self, node_id: str) -> list[str]:
        """Every step a step leads to."""
        found = [each for each in self._targets(self.nodes[node_id]) if each in self.nodes]
        for each in found:
            found.extend(
                child for child in self._targets(self.nodes[each]) if child in self.nodes and child not in found
            )
        return found

    def place_after(self, node_id: str) -> Place:
        node = self.nodes[node_id]
        branch = {"if": "then", "wait": "resumed"}.get(str(node.get("type")))
        return Place((node_id,), branch, self.loop_of(node_id))

    def scope(self, node_id: str) -> Scope:
        """What a step after the node can read."""
        before = [node_id]
        for each in before:
            before.extend(parent for parent in self.parents(each) if parent not in before)
        scope = Scope()
        for each in reversed(before):
            block = str(self.nodes[each].get("type"))
            if block == "for-each":
                inside = any(other in (self.nodes[each].get("loopBody") or []) for other in before)
                path, kind = ("$item", "item") if inside else (f"{each}.result.items", "list")
                scope = scope.add(Source(path, kind, "item", block))
            elif block in PRIMARY:
                path, kind = PRIMARY[block]
                sent = sends(block, self.payload(each))
                scope = scope.add(Source(f"{each}.{path}", kind, self._label(each), block, sent))
            elif block == "human_confirmation":
                scope = scope.add(Source(f"{each}.result", "approval", "", block))
            elif block == "if":
                scope = replace(scope, subject=self._subject(each) or scope.subject)
        return scope

    def _label(self, node_id: str) -> str:
        return "" if node_id in self.triggers else re.sub(r"^(?:fetch|search|get)_", "", node_id).replace("_", " ")

    def _subject(self, node_id: str) -> str:
        """The field of data a condition looks at, by name."""
        found = (self.payload(node_id).get("conditions") or [{}])[0]
        left = str(found.get("left", "")) if isinstance(found, dict) else ""
        match = re.search(r"(?:\.body|\.data|\$item)\.([\w.]+)\}\}$", left)
        return match.group(1).replace("_", " ") if match else ""

    def label(self, node_id: str) -> str:
        """A node as an option of a question."""
        return f"{words.sentence(node_id.replace('_', ' '))} ({self.nodes[node_id].get('type')})"
