"""Workflows, plans and questions in plain words.

Invariant: says only what the definition, or the request, says. Callers: ``dialogue``, ``change``.
"""

from __future__ import annotations

import re
from typing import Any

from caddie.models.offline import pauses, rhythm, words
from caddie.models.offline.request import Action, Branch, Loop, Request, Step, Test

OFFLINE = (
    "I am Caddie's offline model: I work by fixed rules, without a language model or a network, "
    "so please check the result."
)
OPS = {
    "eq": "is",
    "neq": "is not",
    "gt": "is above",
    "gte": "is at least",
    "lt": "is below",
    "lte": "is at most",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "matches": "matches",
    "exists": "exists",
    "empty": "is empty",
    "changed": "has changed",
    "unchanged": "has not changed",
    "unseen": "was not there in a run before",
}
_VERBS = {
    "http-request": "fetch the data",
    "send-webhook": "send the data on",
    "slack-send-message": "post to Slack",
    "discord-send-message": "post to Discord",
    "send-email": "send an email",
    "web-search": "search the web",
    "reply_chat": "reply in the chat",
    "summarize": "summarize it",
    "classify": "classify it",
    "extract-json": "extract data",
    "agent": "let an AI agent work on it",
    "delay": "wait",
    "wait": "wait for an outside signal",
    "human_confirmation": "ask a person for approval",
    "log": "write to the log",
    "format": "format a text",
    "filter": "filter the list",
    "pluck": "take a field of every item",
    "set-variable": "store a variable",
    "merge": "merge the results",
    "trigger-workflow": "run another workflow",
    "regex": "search the text for a pattern",
}


def trigger(block: str, payload: dict[str, Any], event: str = "") -> str:
    """When a workflow starts."""
    match block:
        case "cronjob":
            when = (
                rhythm.tell(str(payload["rrule"]), str(payload.get("start") or ""))
                if payload.get("rrule")
                else f"on the schedule {payload.get('cron', '(not set)')}"
            )
            return f"{when} ({payload['timezone']})" if payload.get("timezone") else when
        case "webhook":
            return (
                f"when {event} (over a webhook)"
                if event and "webhook" not in event.lower()
                else "when its webhook is called"
            )
        case "trigger_chat":
            return "when a chat message arrives"
        case "manual":
            return "when you run it"
        case _:
            return f"on {block}"


def step(block: str, payload: dict[str, Any]) -> str:
    """What a node does, as a verb phrase."""

    def said(name: str, otherwise: str = "") -> str:
        value = payload.get(name)
        return _short(value) if value not in (None, "", []) else otherwise

    match block:
        case "http-request":
            verb = "fetch" if said("method", "GET") == "GET" else f"call {said('method')}"
            return f"{verb} {said('url', 'an address that is still open')}"
        case "send-webhook":
            return f"post the data to {said('url', 'an address that is still open')}"
        case "slack-send-message":
            return f"post to Slack {said('channel', '(channel still open)')}"
        case "send-email":
            return f"email {said('to', 'a recipient who is still open')}"
        case "web-search":
            return f"search the web for {said('query', 'something still open')}"
        case "classify":
            labels = payload.get("labels") or ["(labels still open)"]
            return f"classify it as {words.joined([str(each) for each in labels], 'or')}"
        case "extract-json":
            schema = payload.get("schema")
            names = list(schema.get("properties", {})) if isinstance(schema, dict) else []
            return f"extract {words.joined(names) or 'fields that are still open'}"
        case "delay":
            return f"wait {pauses.told(payload['seconds'])}" if payload.get("seconds") else "wait for a time still open"
        case "wait":
            limit = f", at most {pauses.told(payload['timeoutSeconds'])}" if payload.get("timeoutSeconds") else ""
            return f"wait for {said('reason', 'an outside signal')}{limit}"
        case "set-variable":
            return f"store the variable {said('name')}"
        case "trigger-workflow":
            return f"run the workflow {said('workflow')}"
        case "for-each":
            return f"for each item of {said('items')}"
        case "if":
            return f"check whether {conditions(payload)}"
        case "filter":
            return f"keep the items where {conditions(payload)}"
        case "pluck":
            return f"take {said('field', 'a field still open')} of every item"
        case "agent":
            return f"let an AI agent work: {said('prompt', 'prompt still open')}"
        case "reply_chat":
            return f"reply in the chat: {said('text', 'text still open')}"
        case _:
            return _VERBS.get(block, block.replace("-", " ").replace("_", " "))


def _short(value: Any) -> str:
    text = words.joined([str(each) for each in value]) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def conditions(payload: dict[str, Any]) -> str:
    """The conditions of an `if` node."""
    told = []
    for each in payload.get("conditions") or []:
        if isinstance(each, dict):
            left = re.sub(r"^\{\{(.+)\}\}$", r"\1", str(each.get("left", each.get("field", ""))))
            right = f" {each['right']}" if "right" in each else ""
            told.append(f"{left} {OPS.get(str(each.get('op')), str(each.get('op')))}{right}")
    return words.joined(told, "or" if payload.get("match") == "any" else "and") or "a condition that is still open"


def value(name: str, given: Any, payload: dict[str, Any]) -> str:
    return conditions(payload) if name == "conditions" else _short(given)


def detail(definition: dict[str, Any], node_id: str) -> str:
    """One step, with its fields and what follows it."""
    node = (definition.get("nodes") or {}).get(node_id) or {}
    payload = node.get("payload") or {}
    told = words.sentence(step(str(node.get("type")), payload))
    lines = [f"`{node_id}` ({node.get('type')}): {told}."]
    lines += [
        f"- {name}: {value(name, given, payload)}" for name, given in payload.items() if given not in (None, "", [])
    ]
    return "\n".join(lines)


def outline(definition: dict[str, Any], starts: list[str]) -> str:
    """Some steps and all that follows them."""
    return "\n".join(_Walk(definition.get("nodes") or {}).all(starts))


class _Walk:
    """Lines of steps, each step once."""

    def __init__(self, nodes: dict[str, Any]) -> None:
        self._nodes = nodes
        self._lines: list[str] = []
        self._seen: set[str] = set()

    def all(self, starts: list[str]) -> list[str]:
        for each in starts:
            self._step(each, 0)
        return self._lines

    def _step(self, node_id: str, depth: int) -> None:
        node = self._nodes.get(node_id)
        if node is None or node_id in self._seen:
            return
        self._seen.add(node_id)
        self._lines.append(
            f"{'  ' * depth}- {words.sentence(step(str(node.get('type')), node.get('payload') or {}))} (`{node_id}`)"
        )
        for child in node.get("loopBody") or []:
            self._step(child, depth + 1)
        if node.get("type") != "for-each" or depth:
            for child in node.get("children") or []:
                self._step(child, depth)


def explain(definition: dict[str, Any]) -> str:
    """A definition as a list, one line a node."""
    nodes: dict[str, Any] = definition.get("nodes") or {}
    lines: list[str] = []
    seen: set[str] = set()

    def walk(node_id: str, depth: int, lead: str) -> None:
        node = nodes.get(node_id)
        if node is None or node_id in seen:
            return
        seen.add(node_id)
        block, payload = str(node.get("type")), node.get("payload") or {}
        lines.append(
            f"{'  ' * depth}- {lead}{words.sentence(step(block, payload)) if not lead else step(block, payload)} "
            f"(`{node_id}`)"
        )
        for child in node.get("loopBody") or []:
            walk(child, depth + 1, "")
        for child in node.get("children") or []:
            branch = (nodes.get(child) or {}).get("branch")
            walk(child, depth + 1 if branch else depth, f"{branch}: " if branch else "")

    for root in definition.get("triggerNodeIds") or ["root"]:
        node = nodes.get(root)
        if node is not None:
            seen.add(root)
            lines.append(f"- Starts {trigger(str(node.get('type')), node.get('payload') or {})} (`{root}`)")
            for child in node.get("children") or []:
                walk(child, 0, "")
    for node_id in nodes:
        walk(node_id, 0, "not connected: ")
    return "\n".join(lines)


def prose(definition: dict[str, Any]) -> str:
    """A definition as sentences, without the names of its steps."""
    nodes: dict[str, Any] = definition.get("nodes") or {}
    seen: set[str] = set()

    def told(node_id: str) -> list[str]:
        node = nodes.get(node_id)
        if node is None or node_id in seen:
            return []
        seen.add(node_id)
        block, payload = str(node.get("type")), node.get("payload") or {}
        plain, ways = _plainly(step(block, payload)), dict[Any, list[str]]()
        if block == "for-each":
            inside = [each for child in node.get("loopBody") or [] for each in told(child)]
            plain = f"for each item of the list, {words.joined(inside) or 'do nothing yet'}"
        for child in node.get("children") or []:
            ways.setdefault((nodes.get(child) or {}).get("branch"), []).extend(told(child))
        leads = {"then": "if so, ", "else": "if not, ", "resumed": "then ", "timed_out": "if nothing comes, "}
        parts = [f"{lead}{', then '.join(ways[branch])}" for branch, lead in leads.items() if ways.get(branch)]
        return [f"{plain} ({'; '.join(parts)})" if parts else plain, *ways.get(None, [])]

    said = []
    for root in definition.get("triggerNodeIds") or ["root"]:
        if (node := nodes.get(root)) is not None:
            seen.add(root)
            found = [each for child in node.get("children") or [] for each in told(child)]
            when = words.sentence(trigger(str(node.get("type")), node.get("payload") or {}))
            said.append(f"{when} it does this: {', then '.join(found) or 'nothing yet'}.")
    return " ".join(said)


def _plainly(phrase: str) -> str:
    """ "check whether fetch_rates.result.body.euro is above 1.1" → "check whether the euro is above 1.1"."""
    phrase = re.sub(r"\{\{\s*([^{}]+?)\s*\}\}", r"\1", phrase)
    return re.sub(
        r"\b\w+(?:\.\w+)*\.(?:body|result|data)\.(\w+)\b|\$item\.(\w+)",
        lambda found: f"the {(found[1] or found[2]).replace('_', ' ')}",
        phrase,
    )


def summary(request: Request) -> str:
    """A request in one sentence, for before it is built."""
    told = steps(request.steps)
    start = trigger(request.trigger.block, request.trigger.payload, request.trigger.event) if request.trigger else ""
    return f"{start}: {told}" if start and told else start or told


def steps(found: list[Step]) -> str:
    return ", then ".join(_step(each) for each in found)


def _step(found: Step) -> str:
    match found:
        case Action(block="send-email", payload=payload, members=[name, *_]) if not payload.get("to"):
            return f"email the address in the field {name}"
        case Action(block=block, payload=payload):
            return step(block, payload)
        case Branch(waits=True, then=then, otherwise=otherwise):
            ways = [f"when it comes, {steps(then)}"] if then else []
            return "; ".join([*ways, *([f"when it does not, {steps(otherwise)}"] if otherwise else [])])
        case Branch(test=test, then=then, otherwise=otherwise):
            text = f"if {told(test)}, {steps(then) or 'go on'}"
            return f"{text}, otherwise {steps(otherwise)}" if otherwise else text
        case Loop(items=items, body=body):
            some = f"of the first {found.most} " if found.most else ""
            return f"for each {some}{items}, {steps(body) or 'do nothing yet'}"


def told(test: Test) -> str:
    parts = []
    for each in test.conditions:
        right = "" if each.right is None else f" {each.right}"
        parts.append(f"{each.subject or 'it'} {OPS[each.op]}{right}")
    return words.joined(parts, "or" if test.match == "any" else "and")


def left_open(incomplete: list[dict[str, Any]]) -> str:
    """What validation says only the user can fill in."""
    lines = [f"- `{each.get('nodeId', '')}`: {_first(str(each.get('message', '')))}" for each in incomplete]
    return "Left for you:\n" + "\n".join(lines) if lines else ""


def _first(message: str) -> str:
    return message.split(". ")[0].rstrip(".")
