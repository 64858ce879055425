"""Claude over real HTTP against a stand-in: what arrives, how each bad ending is told, what is never told."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import Any

import pytest

from caddie.models.anthropic import AnthropicHost, AnthropicModel
from caddie.models.model import (
    AssistantTurn,
    ImagePart,
    ModelEvent,
    ModelRequest,
    StepEnd,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallStarted,
    ToolOutcome,
    ToolSpec,
    ToolTurn,
    UserTurn,
)
from shared.errors import CaddieError
from tests.fakes.anthropic import Answer, FakeAnthropic, Refusal

KEY = "sk-ant-canary-0123456789"
TOOL = ToolSpec("add_node", "Add a node.", {"type": "object", "properties": {"nodeId": {"type": "string"}}})


def request(*turns: Any) -> ModelRequest:
    return ModelRequest("Be brief. canary-system", turns or (UserTurn("hello canary-prompt"),), (TOOL,), 1000)


async def collect(fake: FakeAnthropic, asked: ModelRequest | None = None, **options: Any) -> list[ModelEvent]:
    host = AnthropicHost(fake.url, open_s=options.pop("open_s", 30), silence_s=options.pop("silence_s", 30))
    try:
        model = AnthropicModel(host, "claude-sonnet-5-5", KEY, **options)
        return [event async for event in model.stream(asked or request())]
    finally:
        await host.close()


async def test_text_thinking_tool_calls_and_usage_arrive_in_order() -> None:
    script = Answer(text="I add a node.", thinking="A node is wanted.", calls=(("add_node", {"nodeId": "root"}),))
    async with FakeAnthropic(script).running() as fake:
        events = await collect(fake)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "I add a node."
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "A node is wanted."
    assert [e for e in events if isinstance(e, ToolCallStarted)] == [ToolCallStarted("toolu_0", "add_node")]
    assert [e for e in events if isinstance(e, ToolCall)] == [ToolCall("toolu_0", "add_node", {"nodeId": "root"})]
    end = events[-1]
    assert isinstance(end, StepEnd) and end.stop_reason == "tool_use"
    assert (end.usage.input_tokens, end.usage.output_tokens) == (11, 42)
    assert (end.usage.cache_read_tokens, end.usage.cache_write_tokens) == (7, 5)


async def test_the_request_carries_bearer_cache_marks_images_and_results() -> None:
    turns = (
        UserTurn("look", (ImagePart("image/png", "aGk="),)),
        AssistantTurn("I look.", (ToolCall("t1", "add_node", {"nodeId": "root"}),)),
        ToolTurn((ToolOutcome("t1", "add_node", False, "expected a type"),)),
    )
    async with FakeAnthropic(Answer("ok")).running() as fake:
        await collect(fake, request(*turns))
    seen = fake.seen[0]
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["anthropic-version"] == "2026-10-21"
    assert "temperature" not in seen.body
    assert seen.body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert seen.body["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    user, assistant, results = seen.body["messages"]
    assert user["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert assistant["content"][1] == {"type": "tool_use", "id": "t1", "name": "add_node", "input": {"nodeId": "root"}}
    assert results["content"][0]["is_error"] is True
    assert results["content"][-1]["cache_control"] == {"type": "ephemeral"}


async def test_many_changes_in_one_call_arrive_whole_whatever_the_pieces() -> None:
    changes = [{"op": "add_node", "nodeId": f"n{n}", "payload": {"text": "ä“\n" * 50}} for n in range(50)]
    async with FakeAnthropic(Answer(calls=(("edit_workflow", {"changes": changes}),))).running() as fake:
        events = await collect(fake)
    assert [e.args for e in events if isinstance(e, ToolCall)] == [{"changes": changes}]


async def test_signed_thinking_is_sent_back_unchanged() -> None:
    script = Answer(thinking="Hm.", calls=(("add_node", {"nodeId": "root"}),))
    async with FakeAnthropic(script, Answer("done")).running() as fake:
        end = (await collect(fake))[-1]
        assert isinstance(end, StepEnd)
        said = AssistantTurn("", (ToolCall("toolu_0", "add_node", {"nodeId": "root"}),), end.replay)
        await collect(fake, request(UserTurn("hi"), said, ToolTurn((ToolOutcome("toolu_0", "add_node", True, {}),))))
    sent = fake.seen[1].body["messages"][1]["content"]
    assert sent[0] == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    assert sent[1]["input"] == {"nodeId": "root"}


async def test_a_temperature_goes_with_the_older_api_version() -> None:
    async with FakeAnthropic(Answer("ok")).running() as fake:
        host = AnthropicHost(fake.url)
        model = AnthropicModel(host, "claude-sonnet-4-6", KEY, temperature=0.2)
        assert [e async for e in model.stream(request())]
        await host.close()
    assert fake.seen[0].body["temperature"] == 0.2
    assert fake.seen[0].headers["anthropic-version"] == "2023-06-01"


def test_a_temperature_for_a_model_that_takes_none_is_refused() -> None:
    with pytest.raises(CaddieError) as caught:
        AnthropicModel(AnthropicHost(), "claude-sonnet-5-5", KEY, temperature=0.2)
    assert caught.value.code == "INVALID" and "claude-sonnet-4-6" in caught.value.message


@pytest.mark.parametrize(
    ("script", "code", "retryable"),
    [
        (Answer("half", ending="error"), "UNAVAILABLE", True),
        (Answer("half", ending="error", error_type="rate_limit_error"), "RATE_LIMITED", True),
        (Answer("half", ending="error", error_type="api_error"), "MODEL_FAILED", True),
        (Answer("half", ending="drop"), "UNAVAILABLE", True),
        (Answer("half", ending="no_stop"), "MODEL_FAILED", True),
        (Answer("half", ending="no_reason"), "MODEL_FAILED", True),
        (Refusal(400), "MODEL_FAILED", False),
        (Refusal(401, "authentication_error", f"bad key {KEY}"), "FORBIDDEN", False),
        (Refusal(403, "permission_error"), "FORBIDDEN", False),
        (Refusal(404, "not_found_error"), "INVALID", False),
        (Refusal(429, "rate_limit_error", retry_after="0"), "RATE_LIMITED", True),
        (Refusal(529, "overloaded_error", retry_after="0"), "UNAVAILABLE", True),
    ],
)
async def test_every_bad_ending_has_a_code_and_tells_no_secret(
    script: Answer | Refusal, code: str, retryable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeAnthropic(script).running() as fake:
        with pytest.raises(CaddieError) as caught:
            await collect(fake)
    error = caught.value
    assert (error.code, error.retryable) == (code, retryable)
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    assert "canary" not in f"{error}{error.data}{caplog.text}"


async def test_a_rate_limit_is_tried_again_before_it_is_told() -> None:
    refusal = Refusal(429, "rate_limit_error", retry_after="0")
    async with FakeAnthropic(refusal, refusal, Answer("at last")).running() as fake:
        events = await collect(fake)
    assert len(fake.seen) == 3 and isinstance(events[-1], StepEnd)


async def test_silence_between_events_is_bounded() -> None:
    async with FakeAnthropic(Answer("half", ending="hang")).running() as fake:
        with pytest.raises(CaddieError) as caught:
            await collect(fake, silence_s=0.2)
    assert caught.value.code == "UNAVAILABLE"


async def test_a_host_that_is_not_there_is_unavailable() -> None:
    fake = FakeAnthropic(Answer())
    fake.url = "http://127.0.0.1:9"
    with pytest.raises(CaddieError) as caught:
        await collect(fake)
    assert caught.value.code == "UNAVAILABLE"


async def test_arguments_that_are_no_object_reach_the_caller_as_such() -> None:
    async with FakeAnthropic(Answer(calls=(("add_node", '{"nodeId": '), ("add_node", "[1]")))).running() as fake:
        calls = [e for e in await collect(fake) if isinstance(e, ToolCall)]
    assert [call.args for call in calls] == [None, None]


async def test_closing_the_iterator_closes_the_connection() -> None:
    async with FakeAnthropic(Answer("a long answer", ending="hang")).running() as fake:
        host = AnthropicHost(fake.url)
        async with aclosing(AnthropicModel(host, "claude-sonnet-5-5", KEY).stream(request())) as stream:
            async for event in stream:
                assert isinstance(event, TextDelta)
                break
        await fake.disconnected.wait()
        await host.close()


async def test_library_loggers_stay_quiet_even_when_debugging_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeAnthropic(Answer("ok")).running() as fake:
        await collect(fake)
    assert "canary" not in caplog.text
