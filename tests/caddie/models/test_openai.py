"""An OpenAI-compatible host over real HTTP against a stand-in."""

from __future__ import annotations

import logging
from contextlib import aclosing

import pytest

from caddie.models.model import (
    AssistantTurn,
    ImagePart,
    ModelEvent,
    ModelRequest,
    StepEnd,
    TextDelta,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    ToolTurn,
    UserTurn,
)
from caddie.models.openai import OpenAIHost, OpenAIModel
from shared.errors import CaddieError
from tests.fakes.anthropic import Answer, Refusal
from tests.fakes.openai import FakeOpenAI

KEY = "sk-canary-0123456789-0123456789"
TOOL = ToolSpec("add_node", "Add a node.", {"type": "object", "properties": {"nodeId": {"type": "string"}}})
REQUEST = ModelRequest("system canary", (UserTurn("hi canary"),), (TOOL,), 500, temperature=0.3)


async def collect(fake: FakeOpenAI, asked: ModelRequest = REQUEST, silence_s: float = 30) -> list[ModelEvent]:
    host = OpenAIHost(fake.url, open_s=30, silence_s=silence_s)
    try:
        return [event async for event in OpenAIModel(host, "some-model", KEY).stream(asked)]
    finally:
        await host.close()


async def test_text_calls_and_usage_arrive() -> None:
    async with FakeOpenAI(
        Answer("I add a node.", calls=(("add_node", {"nodeId": "root"}), ("add_node", "{oops")))
    ).running() as fake:
        events = await collect(fake)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "I add a node."
    assert [e.args for e in events if isinstance(e, ToolCall)] == [{"nodeId": "root"}, None]
    end = events[-1]
    assert isinstance(end, StepEnd) and end.stop_reason == "tool_use"
    assert (end.usage.input_tokens, end.usage.cache_read_tokens, end.usage.output_tokens) == (12, 8, 9)
    body = fake.seen[0].body
    assert (
        body["temperature"] == 0.3 and body["max_tokens"] == 500 and body["stream_options"] == {"include_usage": True}
    )


async def test_many_changes_in_one_call_arrive_whole_whatever_the_pieces() -> None:
    changes = [{"op": "add_node", "nodeId": f"n{n}", "payload": {"text": "ä“\n" * 50}} for n in range(50)]
    async with FakeOpenAI(Answer(calls=(("edit_workflow", {"changes": changes}),))).running() as fake:
        events = await collect(fake)
    assert [e.args for e in events if isinstance(e, ToolCall)] == [{"changes": changes}]


async def test_turns_become_messages() -> None:
    turns = (
        UserTurn("look", (ImagePart("image/png", "aGk="),)),
        AssistantTurn("", (ToolCall("c1", "add_node", {"nodeId": "root"}),)),
        ToolTurn((ToolOutcome("c1", "add_node", True, {"changed": []}),)),
    )
    async with FakeOpenAI(Answer("ok")).running() as fake:
        await collect(fake, ModelRequest("s", turns, (TOOL,), 10))
    roles = [message["role"] for message in fake.seen[0].body["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert fake.seen[0].body["messages"][1]["content"][0]["image_url"]["url"] == "data:image/png;base64,aGk="


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Answer("half", ending="error"), "MODEL_FAILED"),
        (Answer("half", ending="drop"), "UNAVAILABLE"),
        (Answer("half", ending="no_stop"), "MODEL_FAILED"),
        (Answer("half", ending="no_reason"), "MODEL_FAILED"),
        (Refusal(401, message=KEY), "FORBIDDEN"),
        (Refusal(404), "INVALID"),
        (Refusal(429, retry_after="0"), "RATE_LIMITED"),
        (Refusal(503, retry_after="0"), "UNAVAILABLE"),
    ],
)
async def test_every_bad_ending_has_a_code_and_tells_no_secret(
    script: Answer | Refusal, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeOpenAI(script).running() as fake:
        with pytest.raises(CaddieError) as caught:
            await collect(fake)
    assert caught.value.code == code
    assert "canary" not in f"{caught.value}{caplog.text}"


async def test_silence_is_bounded_and_closing_closes_the_connection() -> None:
    async with FakeOpenAI(Answer("half an answer", ending="hang")).running() as fake:
        with pytest.raises(CaddieError) as caught:
            await collect(fake, silence_s=0.2)
        assert caught.value.code == "UNAVAILABLE"
        fake.disconnected.clear()
        host = OpenAIHost(fake.url)
        async with aclosing(OpenAIModel(host, "some-model", KEY).stream(REQUEST)) as stream:
            async for _ in stream:
                break
        await fake.disconnected.wait()
        await host.close()
