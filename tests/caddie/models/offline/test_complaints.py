"""What goes wrong although nothing is invalid: the hour, a condition the wrong way round."""

from __future__ import annotations

from typing import Any

import pytest

from tests.caddie.agent.conversation import Conversation


def wet(op: str = "gt", zone: str = "UTC") -> dict[str, Any]:
    condition = {"left": "{{read.result.body.moisture}}", "op": op, "right": 30}
    nodes = {
        "root": {"type": "cronjob", "payload": {"rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", "timezone": zone},
                 "children": ["read"]},
        "read": {"type": "http-request", "payload": {"method": "GET", "url": "https://garden.example/s"},
                 "children": ["check"]},
        "check": {"type": "if", "payload": {"conditions": [condition]}, "children": ["tell"]},
        "tell": {"type": "log", "branch": "then", "payload": {"message": "water"}},
    }  # fmt: skip
    return {"nodes": nodes}


@pytest.mark.parametrize(
    ("said", "op"),
    [
        ("I get a message when the soil is wet, but I want it when it is dry. Can you fix that?", "lte"),
        ("I get the message when the soil is wet. I only want it when the moisture is below 30, please fix it.", "lt"),
    ],
)
async def test_a_condition_the_wrong_way_round_is_turned(said: str, op: str) -> None:
    talk = Conversation(definition=wet(zone="Europe/Berlin"))
    await talk.say(said)
    assert (talk.definition or {})["nodes"]["check"]["payload"]["conditions"][0]["op"] == op


async def test_an_hour_that_is_off_is_the_user_s_own_zone() -> None:
    talk = Conversation(definition=wet())
    await talk.say("My reminder is set for 8 in the morning but it always arrives at 9. Can you fix it?")
    assert (talk.definition or {})["nodes"]["root"]["payload"]["timezone"] == "Europe/Berlin"
