"""Running the workflow from the conversation: what the user is asked first, and which answer is their consent.

Invariant: nothing runs that the user has not seen named and agreed to: the consent is to this definition and these
inputs, and code compares them, not the model. Callers: the tools (ask), the loop (run).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from caddie.agent import modes
from caddie.agent.arguments import RunWorkflow
from shared.workflows import Definition

RUN, NOT_NOW = "run", "not_now"
#: What a block does outside, in words.
_EFFECTS = {
    "send-email": "send e-mail", "slack-send-message": "post to Slack", "discord-send-message": "post to Discord",
    "send-webhook": "call a webhook", "trigger-workflow": "start another workflow",
}  # fmt: skip
_SAFE_METHODS = ("GET", "HEAD")
_NAMES_MAX = 6


def body(args: RunWorkflow, definition: Definition) -> dict[str, Any]:
    """The question, with what exactly is agreed to."""
    does = effects(definition)
    what = f"It will {', '.join(does)}." if does else "It changes nothing outside."
    return {
        "text": f"Shall I run the workflow now? {what}",
        "options": [{"value": RUN, "label": "Run it"}, {"value": NOT_NOW, "label": "Not now"}],
        "allowText": True,
        "run": {**args.model_dump(), "digest": digest(definition)},
    }


def consent(question: Mapping[str, Any] | None, value: object, text: str, definition: Definition) -> RunWorkflow | None:
    """What the user agreed to run; None: nothing, or the workflow is another one by now."""
    agreed = (question or {}).get("run")
    if not isinstance(agreed, dict) or not (value == RUN or modes.approves(text)):
        return None
    given = {name: member for name, member in agreed.items() if name != "digest"}
    return RunWorkflow.model_validate(given) if agreed.get("digest") == digest(definition) else None


def effects(definition: Definition) -> list[str]:
    """What the workflow does outside, each with the nodes that do it."""
    found: dict[str, list[str]] = {}
    for node_id, node in definition.nodes.items():
        verb = _EFFECTS.get(node.type)
        method = str(node.payload.get("method") or "GET").upper()
        if node.type == "http-request" and method not in _SAFE_METHODS:
            verb = f"send a {method} request"
        if verb:
            found.setdefault(verb, []).append(node.titleOverride or node_id)
    return [f"{verb} ({_listed(names)})" for verb, names in found.items()]


def digest(definition: Definition) -> str:
    return hashlib.sha256(orjson.dumps(definition.wire(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def told(execution: Mapping[str, Any]) -> str:
    """What the user is told of an execution that has been started here."""
    match execution.get("status"):
        case "completed":
            output = execution.get("output")
            shown = orjson.dumps(output).decode()[:1_000] if output not in (None, {}) else "nothing"
            return f"It ran to its end. Its last step gave: {shown}"
        case "waiting":
            return "It is running and waits now, for a time, an answer or another workflow; it goes on by itself."
        case "cancelled":
            return "It was cancelled before its end."
        case _:
            return f"It is still running. Ask me about the execution {execution.get('executionId')} later."


def failure(execution: Mapping[str, Any]) -> str:
    """Why an execution failed, for whoever repairs the workflow."""
    node = f" at the node {execution['errorNode']}" if execution.get("errorNode") else ""
    return f"the execution {execution.get('executionId')} failed{node}: {execution.get('error', 'no reason given')}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return ", ".join(names[:_NAMES_MAX]) + more
