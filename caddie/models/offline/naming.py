"""Names for the nodes and variables of a new workflow, telling and fit for an id.

Invariant: pure functions of the step. Callers: ``plan``.
"""

from __future__ import annotations

import re

from caddie.models.offline import words
from caddie.models.offline.request import Action, Test
from caddie.models.offline.scope import clean

_NAMES = {
    "slack-send-message": "post_to_slack",
    "discord-send-message": "post_to_discord",
    "send-email": "send_email",
    "web-search": "search_web",
    "reply_chat": "reply",
    "human_confirmation": "ask_approval",
    "extract-json": "extract",
    "send-webhook": "send_data",
    "trigger-workflow": "run_workflow",
    "set-variable": "set_variable",
    "agent": "ai_agent",
    "log": "log",
    "delay": "wait",
}


def last_of(expression: str) -> str:
    """The variable that remembers an expression's value."""
    parts = [
        part for part in re.split(r"[.{}]+", expression) if part and part not in ("result", "body", "root", "$item")
    ]
    return f"last_{words.slug(re.sub(r'^fetch_', '', parts[-1])) if parts else 'value'}"


def singular(noun: str) -> str:
    return re.sub(r"s$", "", re.sub(r"ies$", "y", noun.strip()))


def node_name(action: Action) -> str:
    topic = words.slug(action.topic, 24)
    match action.block:
        case "http-request":
            method = str(action.payload.get("method", "GET"))
            verb = {"GET": "fetch", "HEAD": "fetch", "DELETE": "delete"}.get(method, "call")
            return f"{verb}_{topic or 'data'}"
        case "summarize" | "classify" | "filter" | "pluck" | "format" | "merge":
            return f"{action.block}_{topic}" if topic and action.block not in ("format", "merge") else action.block
        case "wait":
            return f"wait_for_{topic}" if topic else "wait"
        case block:
            return _NAMES.get(block, words.slug(block))


def test_name(test: Test) -> str:
    first = test.conditions[0]
    return f"check_{words.slug(clean(first.subject), 24) or words.slug(str(first.right), 24) or 'data'}"
