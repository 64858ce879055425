"""A value of the workflow with another in its place."""

from __future__ import annotations

from typing import Any

from tests.caddie.agent.conversation import Conversation

START: dict[str, Any] = {
    "nodes": {
        "root": {"type": "manual", "payload": {}, "children": ["get"]},
        "get": {"type": "http-request", "payload": {"url": "https://x.example/t"}, "children": ["open"]},
        "open": {
            "type": "filter",
            "payload": {
                "items": "{{get.result.body}}",
                "conditions": [{"field": "status", "op": "eq", "right": "open"}],
            },
            "children": ["tell"],
        },
        "tell": {
            "type": "slack-send-message",
            "payload": {"channel": "#fx", "text": "open tickets"},
            "connector": {"type": "slack", "id": "a"},
            "children": [],
        },
    },
    "triggerNodeIds": ["root"],
}


async def _said(text: str) -> Conversation:
    talk = Conversation(definition=START)
    await talk.say(text)
    return talk


async def test_a_channel_is_put_in_the_place_of_another() -> None:
    talk = await _said("Post it in #finance please, not in #fx.")
    assert talk.node("slack-send-message")[1]["channel"] == "#finance"


async def test_of_a_condition_the_value_is_changed_and_no_text() -> None:
    talk = await _said("Use the closed ones instead of the open ones.")
    assert talk.node("filter")[1]["conditions"][0]["right"] == "closed"
    assert talk.node("slack-send-message")[1]["text"] == "open tickets"


async def test_what_the_workflow_does_not_have_is_not_replaced() -> None:
    talk = await _said("Post it in #finance, not in #sales.")
    assert talk.node("filter")[1] == START["nodes"]["open"]["payload"]
