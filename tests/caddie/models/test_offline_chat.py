"""What the offline model does in a general chat: which tool for which words, and honesty."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from caddie.models.model import AssistantTurn, Context, ModelRequest, ToolOutcome, ToolSpec, ToolTurn, Turns, UserTurn
from caddie.models.offline import assistant
from caddie.models.offline.reply import Reply
from shared.chat_tools import CHAT_TOOLS, told

TOOLS = tuple(ToolSpec(tool.NAME, told(tool), tool.schema_wire()) for tool in CHAT_TOOLS)


def request(message: str, *before: str, outcomes: tuple[ToolOutcome, ...] = ()) -> ModelRequest:
    earlier = [turn for text in before for turn in (UserTurn(text), AssistantTurn("I see."))]
    turns: Turns = (*earlier, UserTurn(f"<facts>\n</facts>\n\n{message}"))
    if outcomes:
        turns = (*turns, AssistantTurn(""), ToolTurn(outcomes))
    context = Context(message, None, None, datetime(2026, 1, 2, tzinfo=UTC), "UTC", "conversation")
    return ModelRequest("", turns, TOOLS, 1_000, context=context)


def decided(message: str, *before: str, **options: Any) -> Reply:
    asked = request(message, *before, **options)
    assert assistant.meant(asked)
    return assistant.decide(asked)


@pytest.mark.parametrize(
    ("message", "tool", "args"),
    [
        ("What is 12 * 7?", "calculator", {"expression": "12 * 7"}),
        ("how much is 15% of 240", "calculator", {"expression": "15 / 100 * 240"}),
        ("3 plus 4 times 2?", "calculator", {"expression": "3 + 4 * 2"}),
        ("please compute the square root of 144", "calculator", {"expression": "sqrt(144)"}),
        ("What is 1,250 divided by 5", "calculator", {"expression": "1250 / 5"}),
        ("(2+3)*4", "calculator", {"expression": "(2+3)*4"}),
        ("what time is it?", "current_time", {}),
        ("What's the date today in Berlin?", "current_time", {"timezone": "Europe/Berlin"}),
        ("which day is it in New York right now", "current_time", {"timezone": "America/New_York"}),
        ("Which of my workflows post to Slack?", "search_my_workflows", {"query": "post slack"}),
        ("list my workflows", "search_my_workflows", {"query": ""}),
        ("Do I have a workflow about invoices?", "search_my_workflows", {"query": "invoices"}),
        ("Summarize https://example.com/a?b=1, please", "http_get", {"url": "https://example.com/a?b=1"}),
        ("Search the web for the tallest building", "web_search", {"query": "the tallest building"}),
        ("latest news about chess", "web_search", {"query": "latest news about chess"}),
    ],
)
def test_a_message_is_given_to_the_tool_that_can_answer(message: str, tool: str, args: dict[str, Any]) -> None:
    reply = decided(message)
    assert [(call.tool, call.args) for call in reply.calls] == [(tool, args)] and not reply.text


def test_two_questions_are_two_calls() -> None:
    assert [call.tool for call in decided("What is 2+2 and what time is it?").calls] == ["calculator", "current_time"]


@pytest.mark.parametrize(
    "message",
    ["Explain quantum computing", "Who was Ada Lovelace?", "What is the capital of France?", "I have 3 apples",
     "we met on 2024-05-01", "version 3.11.7", "write a poem", "¿Qué es esto?", "x", "…", "a" * 5_000],
)  # fmt: skip
def test_what_it_cannot_answer_it_says_without_inventing(message: str) -> None:
    reply = decided(message)
    assert not reply.calls and "offline model" in reply.text and "cannot answer" in reply.text


@pytest.mark.parametrize(
    ("message", "said"),
    [("hello", "Hello"), ("thanks!", "welcome"), ("what can you do?", "Ask for example"), ("are you an AI?", "offline"),
     ("build me a workflow for Slack", "workflow builder")],
)  # fmt: skip
def test_small_talk_is_answered(message: str, said: str) -> None:
    assert said in decided(message).text


def test_it_remembers_what_was_said() -> None:
    assert "Ada" in decided("what is my name?", "Hi, my name is Ada", "what time is it?").text
    assert "not told" in decided("what is my name?").text
    assert "the earlier one" in decided("what did I just ask?", "the earlier one").text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("calculator", {"expression": "2+2", "result": "4"}, "2+2 = 4"),
        ("current_time", {"weekday": "Mon", "date": "2026-01-05", "time": "09:30", "timezone": "UTC"}, "09:30 (UTC)"),
        ("http_get", {"url": "http://a", "status": 200, "title": "T", "text": "W"}, "“T” (http://a) says:\n\n> W"),
        ("http_get", {"url": "http://a", "status": 404, "text": ""}, "status 404"),
        ("search_my_workflows", {"query": "", "workflows": []}, "no stored workflows"),
        ("search_my_workflows", {"query": "x", "workflows": []}, "None of your workflows matches “x”"),
        ("web_search", {"query": "q", "results": [{"title": "T", "url": "u", "snippet": "s"}]}, "[T](u): s"),
        ("web_search", {"query": "q", "results": []}, "found nothing"),
    ],
)
def test_what_a_tool_gave_is_told_in_words(name: str, value: dict[str, Any], said: str) -> None:
    assert said in decided("x", outcomes=(ToolOutcome("1", name, True, value),)).text


def test_a_tool_that_failed_is_no_secret() -> None:
    failed = ToolOutcome("1", "http_get", False, "expected a public address")
    assert decided("x", outcomes=(failed,)).text == "I could not read that page: expected a public address."
