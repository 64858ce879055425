"""Edits that mend what validation reports.

Invariant: mends only what has one obvious remedy; anything else stays reported. Callers: ``dialogue``.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from caddie.models.offline.plan import Edit
from caddie.models.offline.wiring import PRIMARY

_KNOWN = (
    "manual",
    "trigger_chat",
    "webhook",
    "cronjob",
    "if",
    "for-each",
    "filter",
    "pluck",
    "format",
    "regex",
    "log",
    "delay",
    "wait",
    "set-variable",
    "merge",
    "agent",
    "summarize",
    "extract-json",
    "classify",
    "http-request",
    "send-webhook",
    "slack-send-message",
    "discord-send-message",
    "send-email",
    "web-search",
    "reply_chat",
    "trigger-workflow",
    "human_confirmation",
)
_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_-]+)((?:\.[^{}|]*)?)\s*\}\}")


def edits(definition: dict[str, Any], errors: list[dict[str, Any]]) -> list[Edit]:
    """The edits for a list of errors; empty when none of them can be mended."""
    made: dict[str, Edit] = {}
    for error in errors:
        node_id = error.get("nodeId")
        node = (definition.get("nodes") or {}).get(node_id)
        if node_id is None or node is None:
            continue
        edit = _mend(definition, str(node_id), node, error)
        if edit is not None:
            made.setdefault(f"{node_id} {error.get('field')}", edit)
    return list(made.values())


def _mend(definition: dict[str, Any], node_id: str, node: dict[str, Any], error: dict[str, Any]) -> Edit | None:
    kind, path = str(error.get("type")), str(error.get("field") or "")
    if kind == "unknown_block":
        close = difflib.get_close_matches(str(node.get("type")), _KNOWN, n=1, cutoff=0.5)
        return Edit("update_node", {"nodeId": node_id, "type": close[0]}) if close else None
    if kind == "unreachable":
        return _attach(definition, node_id)
    if kind == "payload_unknown" and path.count(".") == 1:
        return Edit("update_node", {"nodeId": node_id, "payload": {path.split(".")[1]: None}})
    if "branch" in kind or path == "branch":
        return _branch(definition, node_id)
    if path.startswith("payload."):
        return _rewire(definition, node_id, node, path)
    return None


def _parents(definition: dict[str, Any], node_id: str) -> list[str]:
    nodes = definition.get("nodes") or {}
    return [
        key for key, node in nodes.items() if node_id in [*(node.get("children") or []), *(node.get("loopBody") or [])]
    ]


def _ancestors(definition: dict[str, Any], node_id: str) -> list[str]:
    """Nearest first."""
    found: list[str] = []
    queue = _parents(definition, node_id)
    for each in queue:
        if each not in found:
            found.append(each)
            queue.extend(_parents(definition, each))
    return found


def _attach(definition: dict[str, Any], node_id: str) -> Edit | None:
    """A node nothing leads to comes after the last one that is reached and leads nowhere."""
    nodes = definition.get("nodes") or {}
    if _parents(definition, node_id):
        return None
    reached = [root for root in definition.get("triggerNodeIds") or ["root"] if root in nodes]
    for each in reached:
        reached.extend(c for c in nodes[each].get("children") or [] if c in nodes and c not in reached)
    ends = [each for each in reached if not nodes[each].get("children") and nodes[each].get("type") != "if"]
    source = (ends or reached or [None])[-1]
    return Edit("connect_nodes", {"source": source, "target": node_id}) if source and source != node_id else None


def _branch(definition: dict[str, Any], node_id: str) -> Edit | None:
    nodes = definition.get("nodes") or {}
    for parent in _parents(definition, node_id):
        first = {"if": "then", "wait": "resumed"}.get(str(nodes[parent].get("type")))
        if first:
            return Edit("connect_nodes", {"source": parent, "target": node_id, "branch": first})
    return None


def _rewire(definition: dict[str, Any], node_id: str, node: dict[str, Any], path: str) -> Edit | None:
    """References that lead nowhere point to the nearest step before that gives something."""
    nodes = definition.get("nodes") or {}
    before = _ancestors(definition, node_id)
    source = next((each for each in before if nodes[each].get("type") in PRIMARY), None)
    top = path.split(".")[1]
    value = (node.get("payload") or {}).get(top)
    known = {*before, "root"}

    def mended(text: str) -> str:
        def better(match: re.Match[str]) -> str:
            head = match.group(1)
            if head in known or head.startswith("$"):
                return match.group()
            close = difflib.get_close_matches(head, [each for each in before if each != "root"], n=1, cutoff=0.7)
            if close:
                return "{{" + close[0] + match.group(2) + "}}"
            return "{{" + f"{source}.{PRIMARY[str(nodes[source]['type'])][0]}" + "}}" if source else match.group()

        return _REFERENCE.sub(better, text)

    def walk(item: Any) -> Any:
        if isinstance(item, str):
            return mended(item)
        if isinstance(item, dict):
            return {key: walk(each) for key, each in item.items()}
        return [walk(each) for each in item] if isinstance(item, list) else item

    better = walk(value)
    return Edit("update_node", {"nodeId": node_id, "payload": {top: better}}) if better != value else None
