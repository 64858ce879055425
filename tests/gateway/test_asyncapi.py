from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gateway.asyncapi import COMMANDS, CONTROL, document
from gateway.watch_messages import COMMANDS as WATCH_COMMANDS
from gateway.watch_messages import MESSAGES as WATCH_MESSAGES
from shared import events

DOCUMENT: Any = json.loads(json.dumps(document("1")))


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for member in value.values() for each in references(member)]
    return [each for member in value for each in references(member)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_operations_use_messages_of_their_channel() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0" and DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"]
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/")


def test_every_event_control_message_and_command_is_documented() -> None:
    messages = set(DOCUMENT["components"]["messages"])
    assert {f"event.{kind}" for kind in events.EVENTS} <= messages
    assert set(CONTROL) <= messages and {f"command.{name}" for name in COMMANDS} <= messages
    assert {f"watch.{name}" for name in (*WATCH_MESSAGES, *WATCH_COMMANDS)} <= messages


@pytest.mark.parametrize(
    "data",
    [
        events.MessageDelta(messageId="m", text="x"), events.RunFinished(outcome="completed"),
        events.InputRequested(inputId="i", body={"text": "?"}, expiresAt="2026-01-01T00:00:00.000Z"),
        events.RunFailed(code="MODEL_FAILED", message="m", retryable=True),
    ],
)  # fmt: skip
def test_an_event_from_the_log_matches_its_schema(data: events.Data) -> None:
    value = json.loads(events.join(7, events.encode(data, "run-1")))
    name = DOCUMENT["components"]["messages"][f"event.{data.TYPE}"]["payload"]["$ref"]
    schema = {"$ref": name, "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(value)
    assert not Draft202012Validator(schema).is_valid(value | {"type": "other"})
