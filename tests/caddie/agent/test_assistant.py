"""A turn of a general chat, with scripted models and real tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from caddie.agent.assignment import Limits, Turn
from caddie.agent.assistant import Assistant
from caddie.agent.assistant_tools import Toolbox, readable
from caddie.agent.library import Library
from caddie.models.model import ModelEvent, ModelRequest, StepEnd, StepUsage, TextDelta, ToolCall, UserTurn
from caddie.outbound import Outbound
from shared.events import Data, MessageCompleted, MessageDelta, MessageStarted, RunFinished, ToolFinished, ToolStarted
from shared.plugins import library
from shared.runs import TurnInput
from shared.search import BlockSearch

NOW = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)


@dataclass
class Script:
    """Says one step after the other: texts and (tool, arguments)."""

    steps: list[list[Any]]
    requests: list[ModelRequest] = field(default_factory=list)
    name: str = "test/script"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        step = self.steps[min(len(self.requests), len(self.steps)) - 1]
        for number, each in enumerate(step):
            yield TextDelta(each) if isinstance(each, str) else ToolCall(f"c{number}", each[0], each[1])
        calls = any(not isinstance(each, str) for each in step)
        yield StepEnd("tool_use" if calls else "end", StepUsage(input_tokens=1, output_tokens=1))


class Shelf:
    async def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        return [{"name": "Rates", "query": query, "limit": limit}]


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    found = Outbound()
    yield found
    await found.close()


def tools(outbound: Outbound, search_url: str = "", timezone: str = "UTC") -> Toolbox:
    return Toolbox(outbound, Shelf(), search_url, timezone, lambda: NOW)


async def played(script: Script, box: Toolbox, text: str = "hi", **limits: Any) -> list[Data]:
    catalog = library().catalog
    turn = Turn(
        TurnInput(text=text), [], NOW, "Europe/Berlin", script, Library(catalog, BlockSearch(catalog)),
        ids=lambda: "other", limits=Limits(**limits),
    )  # fmt: skip
    return [event async for event in Assistant(turn, box, "m").events()]


async def test_all_a_turn_says_is_one_message_of_a_known_id(outbound: Outbound) -> None:
    script = Script([["Let me ", "see.", ("calculator", {"expression": "6*7"})], ["It is", " 42."]])
    events = await played(script, tools(outbound))
    assert [type(event) for event in events] == [
        MessageStarted, MessageDelta, MessageDelta, ToolStarted, ToolFinished, MessageDelta, MessageDelta,
        MessageCompleted, RunFinished,
    ]  # fmt: skip
    deltas = "".join(event.text for event in events if isinstance(event, MessageDelta))
    completed = next(event for event in events if isinstance(event, MessageCompleted))
    assert deltas == completed.text == "Let me see.\n\nIt is 42."
    assert {event.messageId for event in events if isinstance(event, MessageStarted | MessageDelta)} == {"m"}
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].result.message, events[-1].usage.steps) == ("completed", deltas, 2)


async def test_the_model_is_told_the_local_time_and_gets_the_tools_answers(outbound: Outbound) -> None:
    script = Script([[("calculator", {"expression": "6*7"})], ["42"]])
    await played(script, tools(outbound), "What is 6*7?")
    first = script.requests[0].turns[-1]
    assert isinstance(first, UserTurn) and "Saturday 2026-01-03 00:30" in first.text
    assert first.text.endswith("What is 6*7?")
    assert script.requests[1].turns[-1].outcomes[0].value == {"expression": "6*7", "result": "42"}  # type: ignore[union-attr]
    assert {tool.name for tool in script.requests[0].tools} == {
        "web_search", "http_get", "current_time", "calculator", "search_my_workflows",
    }  # fmt: skip


async def test_a_model_that_never_stops_is_stopped(outbound: Outbound) -> None:
    events = await played(Script([[("calculator", {"expression": "1+1"})]]), tools(outbound), steps=3)
    assert isinstance(events[-1], RunFinished) and events[-1].outcome == "limit"
    assert sum(isinstance(event, ToolFinished) for event in events) == 3
    assert "reached its limit" in events[-1].result.message


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("calculator", {"expression": "x"}, "expected"),
        ("calculator", {}, "expression"),
        ("calculator", None, "one JSON object"),
        ("edit_workflow", {}, "expected one of web_search"),
        ("http_get", {"url": "http://127.0.0.1/"}, "public internet"),
        ("http_get", {"url": "file:///etc/passwd"}, "http or https"),
        ("web_search", {"query": "x"}, "not configured"),
        ("current_time", {"timezone": "../../etc/passwd"}, "IANA"),
        ("current_time", {"timezone": "Mars/Olympus"}, "IANA"),
        ("calculator", {"expression": "1", "more": "x" * 20_000}, "bytes"),
    ],
)
async def test_a_call_that_is_wrong_is_answered_not_raised(
    outbound: Outbound, name: str, args: dict[str, Any] | None, error: str
) -> None:
    answer = await tools(outbound).run(ToolCall("c", name, args))
    assert not answer.ok and error in answer.value


async def test_time_and_workflows(outbound: Outbound) -> None:
    box = tools(outbound, timezone="Asia/Tokyo")
    told = await box.run(ToolCall("c", "current_time", {}))
    assert told.value == {
        "timezone": "Asia/Tokyo", "iso": "2026-01-03T08:30:00+09:00", "date": "2026-01-03", "time": "08:30",
        "weekday": "Saturday",
    }  # fmt: skip
    found = await box.run(ToolCall("c", "search_my_workflows", {"query": "rates", "limit": 3}))
    assert found.value["workflows"] == [{"name": "Rates", "query": "rates", "limit": 3}]


async def test_search_asks_the_provider_and_a_page_is_read_as_text() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/search":
            row = {"title": "A &amp; B", "url": "https://a.example", "content": "c" * 999}
            assert request.query["q"] == "tea & cake" and request.query["format"] == "json"
            return web.json_response({"results": [row, {"no": "url"}, row]})
        if request.path == "/broken":
            return web.Response(text="<html>")
        page = "<title>T &lt;1&gt;</title><script>evil()</script><p>One</p><p>Two <b>bold</b></p>"
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    outbound = Outbound(["127.0.0.0/8"])
    try:
        found = await tools(outbound, f"{base}/search").run(
            ToolCall("c", "web_search", {"query": "tea & cake", "limit": 1})
        )
        assert found.ok and [row["title"] for row in found.value["results"]] == ["A & B"]
        broken = await tools(outbound, f"{base}/broken").run(ToolCall("c", "web_search", {"query": "x"}))
        assert not broken.ok and "expected JSON" in broken.value
        page = await tools(outbound).run(ToolCall("c", "http_get", {"url": f"{base}/page"}))
        assert (page.value["title"], page.value["text"], page.value["truncated"]) == ("T <1>", "One\nTwo bold", False)
    finally:
        await outbound.close()
        await runner.cleanup()


def test_markup_of_any_kind_is_read() -> None:
    assert readable("<p>a<p>b<br>c") == ("", "a\nb\nc")
    assert readable("<<<>>><script><p>x")[1] in ("<<<>>>", "<<>>>", "<<")
    assert readable("<style>p{}</style>plain &amp; simple")[1] == "plain & simple"
