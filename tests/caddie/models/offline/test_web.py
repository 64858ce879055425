"""What is searched for on the web, and what an AI agent works on."""

from __future__ import annotations

from typing import Any

import pytest

from caddie.models.offline.plan import Planner
from caddie.models.offline.understand import understand


def built(text: str) -> dict[str, dict[str, Any]]:
    """Payloads by block."""
    edits = Planner().build(understand(text, "UTC")).edits
    return {edit.args["type"]: edit.args["payload"] for edit in edits if edit.tool == "add_node"}


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("every hour get me the exchange rate USD to EUR from the web and log it", "exchange rate USD to EUR"),
        (
            "keep an eye on what people write about Lufthansa online daily and tell #pr",
            "what people write about Lufthansa",
        ),
        ("every week find out which new phones came out and post a summary to #a", "which new phones came out"),
        ("compare the prices of flights to Oslo every day and post the best to #a", "prices of flights to Oslo"),
        ("a bot that looks up any question people ask it on the internet", "{{root.result.text}}"),
    ],
)
def test_whatever_only_the_web_knows_is_searched_for_there(said: str, query: str) -> None:
    assert built(said)["web-search"]["query"] == query


def test_a_comparison_reads_every_source() -> None:
    agent = built("compare the price on https://a.example/x and https://b.example/y and post it to #a")["agent"]
    assert agent["input"] == ["{{fetch_x.result.body}}", "{{fetch_y.result.body}}"]


def test_an_answer_reads_the_question_and_what_was_found() -> None:
    agent = built("when someone asks something in chat, look it up and answer in two sentences")["agent"]
    assert agent["input"] == {"message": "{{root.result.text}}", "found": "{{search_web.result.results}}"}


def test_a_text_somebody_has_to_think_of_is_written_whatever_the_verb() -> None:
    assert built("make a poem of the day for #fun")["agent"]["prompt"] == "Write a poem of the day."
    assert built("a recipe idea every day in #lunch, vegetarian please")["agent"]["prompt"].endswith("vegetarian.")


def test_a_channel_called_daily_is_no_schedule() -> None:
    assert built("every morning at 7 send the news to #daily")["slack-send-message"]["channel"] == "#daily"


def test_a_pattern_everybody_knows_needs_no_regex() -> None:
    assert "@" in built("when a chat message comes in find all e-mail addresses in it and log them")["regex"]["pattern"]


def test_there_is_where_the_message_says() -> None:
    said = "from a chat message extract the city, look up the weather there and answer politely"
    assert built(said)["web-search"]["query"] == "weather {{extract.result.data.city}}"


def test_a_choice_is_made_by_an_ai_agent() -> None:
    said = "every sunday search the web for events in Munich, pick the five best and post them to #family"
    assert built(said)["agent"] == {"prompt": "Pick the five best.", "input": "{{search_web.result.results}}"}


def test_two_sources_in_a_row_are_worked_on_together() -> None:
    said = "get sales from https://a.example/s and costs from https://b.example/c, let the AI calculate the profit"
    assert built(said)["agent"]["input"] == ["{{fetch_sales.result.body}}", "{{fetch_c.result.body}}"]


def test_labels_in_brackets_are_the_labels() -> None:
    assert built("webhook -> classify (bug / feature) -> slack #a")["classify"]["labels"] == ["bug", "feature"]


def test_a_comparison_asked_for_in_a_message_is_made_first() -> None:
    said = "get https://a.example/x and https://b.example/y every noon and tell #deals which is the cheapest"
    assert built(said)["agent"] == {
        "prompt": "Say which is the cheapest.",
        "input": ["{{fetch_x.result.body}}", "{{fetch_y.result.body}}"],
    }


def test_what_is_current_is_looked_up_and_not_thought_up() -> None:
    assert "web-search" in built("a weekly list of the most popular songs in Spain in #music")


def test_a_pattern_tells_what_it_found() -> None:
    said = "fetch https://a.example/d, extract all urls from it and log them"
    assert built(said)["log"]["message"] == "Urls: {{regex.result.matches}}"


def test_a_call_carries_the_json_it_is_told() -> None:
    said = 'every evening at 8pm send a PUT request to https://a.example/on with the json {"state": "on"}'
    assert built(said)["http-request"]["body"] == {"state": "on"}


def test_work_for_each_item_at_an_address_is_a_loop() -> None:
    said = "have the AI draft a letter for each applicant in https://a.example/r and email it to the applicant"
    found = built(said)
    assert found["agent"]["input"] == "{{$item}}" and found["send-email"]["text"] == "{{ai_agent.result.text}}"
