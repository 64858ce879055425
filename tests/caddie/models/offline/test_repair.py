"""What validation reports and one remedy mends."""

from __future__ import annotations

from typing import Any

import pytest

from caddie.agent.workspace import Workspace
from caddie.models.offline import repair
from shared.plugins import library
from shared.validation import validate

CATALOG = library().catalog


def errors(definition: dict[str, Any]) -> list[dict[str, Any]]:
    issues = validate(Workspace(definition).current, CATALOG)
    return [issue.model_dump(exclude_none=True) for issue in issues if issue.severity == "error"]


def chain(*nodes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """root → a → b …"""
    names = ["root", "a", "b", "c"][: len(nodes)]
    return {
        "nodes": {
            name: {"type": kind, "payload": payload, "children": names[at + 1 : at + 2]}
            for at, (name, (kind, payload)) in enumerate(zip(names, nodes, strict=True))
        }
    }


@pytest.mark.parametrize(
    ("definition", "node", "field", "value"),
    [
        (
            chain(
                ("cronjob", {"rrule": "every day at 9"}),
            ),
            "root",
            "rrule",
            "FREQ=DAILY;BYHOUR=9;BYMINUTE=0",
        ),
        (chain(("manual", {}), ("http-request", {"url": "https://x.com", "method": "get"})), "a", "method", "GET"),
        (chain(("trigger_chat", {}), ("reply_chat", {"text": "Hi {{root.text}"})), "a", "text", "Hi {{root.text}}"),
        (
            chain(("webhook", {}), ("log", {"message": "{{webhook.result.body}}"})),
            "a",
            "message",
            "{{root.result.body}}",
        ),
        (chain(("manual", {}), ("delay", {"seconds": "two minutes"})), "a", "seconds", 120),
        (
            chain(("manual", {}), ("send-email", {"recipient": "a@x.com", "subject": "s", "text": "t"})),
            "a",
            "to",
            "a@x.com",
        ),
    ],
)
def test_one_obvious_remedy_is_found(definition: dict[str, Any], node: str, field: str, value: object) -> None:
    edits = repair.edits(definition, errors(definition))
    assert [edit.args["payload"][field] for edit in edits if edit.args.get("nodeId") == node] == [value]


def test_a_variable_that_was_never_declared_is_declared() -> None:
    definition = chain(("webhook", {}), ("set-variable", {"name": "hits", "operation": "increment", "value": 1}))
    (edit,) = repair.edits(definition, errors(definition))
    assert edit.tool == "set_variables" and edit.args["variables"][0]["type"] == "number"


def test_a_sound_workflow_needs_nothing() -> None:
    definition = chain(("manual", {}), ("log", {"message": "hi"}))
    assert repair.edits(definition, errors(definition)) == []
