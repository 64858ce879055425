"""The offline model and how a workflow ran: it tells what failed where, and what can be done about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.caddie.agent.conversation import LIBRARY, Conversation

NODES = {
    "root": {"type": "manual", "children": ["fetch"]},
    "fetch": {"type": "http-request", "payload": {"url": "https://shop.example/orders", "method": "GET"}},
}


class Ran:
    """The last execution, as it is told."""

    def __init__(self, **told: Any) -> None:
        self.told = {"executionId": "e-1", "status": "failed", **told}
        self.forgetful = False

    async def get(self, execution_id: str | None) -> dict[str, Any] | None:
        return None if self.forgetful else self.told

    async def run(self, definition: dict[str, Any], inputs: dict[str, Any], trigger: str | None) -> dict[str, Any]:
        return self.told


def conversation(**told: Any) -> Conversation:
    return Conversation(definition={"nodes": NODES}, library=replace(LIBRARY, executions=Ran(**told)))


FAILED = {"errorNode": "fetch", "error": "expected shop.example to answer, got no connection"}


@pytest.mark.parametrize("words", [("fix it",), ("it does not work, please repair it",), ("run it", "yes")])
async def test_a_workflow_without_a_fault_that_failed_is_told_with_where_and_why(words: tuple[str, ...]) -> None:
    talk = conversation(errorCode="UNAVAILABLE", **FAILED)
    for text in words:
        await talk.say(text)
    assert "fetch failed: expected shop.example to answer" in talk.text
    assert "tell me the right one" in talk.text
    assert talk.definition is not None and talk.definition["nodes"]["fetch"]["payload"] == NODES["fetch"]["payload"]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("CONNECTOR_MISSING", "Connect that account"), ("REFUSED", "The other side refused"), ("INVALID", "by rules")],
)
async def test_the_remedy_depends_on_what_went_wrong(code: str, remedy: str) -> None:
    talk = conversation(errorCode=code, **FAILED)
    await talk.say("fix it")
    assert remedy in talk.text


async def test_a_run_that_fails_at_once_is_told_from_what_it_gave() -> None:
    talk = conversation(errorCode="UNAVAILABLE", **FAILED)
    talk.library.executions.forgetful = True  # type: ignore[attr-defined]
    await talk.say("run it")
    await talk.say("yes")
    assert "fetch failed: expected shop.example to answer" in talk.text


async def test_after_a_run_that_went_well_there_is_nothing_to_repair() -> None:
    talk = conversation(status="completed")
    await talk.say("fix it")
    assert "no fault" in talk.text and "failed" not in talk.text
