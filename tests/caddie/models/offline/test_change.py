"""Changes as people say them: with chatter around, several at once, by what is wrong with a number."""

from __future__ import annotations

from typing import Any

import pytest

from bench.evaluation.cases import Case, workflows
from bench.evaluation.conversation import Conversation
from caddie.agent.library import Library
from caddie.models.offline import phrasing
from caddie.models.offline.model import OfflineModel
from shared.plugins import library
from shared.search import BlockSearch


async def changed(name: str, text: str) -> dict[str, dict[str, Any]]:
    catalog = library().catalog
    case = Case(id="it", kind="change", say=(text,), check=())
    searched = Library(catalog, BlockSearch(catalog))
    outcome = await Conversation(case, lambda: OfflineModel(0), searched, workflows()[name]).run()
    assert [each.message for each in outcome.issues if each.severity == "error"] == []
    return dict(outcome.after["nodes"])


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ("thx, looks good", "looks good"),
        ("hmm ok so I talked to my boss, and she says the mail should be shorter", "the mail should be shorter"),
        ("leave out the low ones, we don't care", "leave out the low ones"),
    ],
)
def test_chatter_is_no_part_of_a_wish(said: str, wish: str) -> None:
    assert phrasing.without_chatter(phrasing.plain(said)) == wish


@pytest.mark.parametrize("text", ["30 is too little, 45 pls", "use 45 rather than 30", "bump it up to 45"])
async def test_a_number_is_changed_where_the_old_one_stands(text: str) -> None:
    nodes = await changed("plants", text)
    assert nodes["is_dry"]["payload"]["conditions"][0]["right"] == 45


async def test_several_changes_in_one_sentence_all_happen() -> None:
    nodes = await changed("plants", "can you make it 7pm rather, and send it to #balcony")
    assert "BYHOUR=19" in nodes["root"]["payload"]["rrule"]
    assert nodes["ping_garden"]["payload"]["channel"] == "#balcony"


async def test_a_change_sees_what_the_one_before_it_left() -> None:
    nodes = await changed("news", "cut the summary and the mail, post the results to #energy instead")
    assert [each["type"] for each in nodes.values()] == ["cronjob", "web-search", "slack-send-message"]


async def test_the_opposite_of_a_condition_is_its_other_branch() -> None:
    nodes = await changed("plants", 'when it\'s above that log "moist enough"')
    assert [each["branch"] for each in nodes.values() if each["type"] == "log"] == ["else"]


async def test_a_failing_call_gets_a_condition_behind_it() -> None:
    nodes = await changed("orders", "when the reservation fails tell #stock")
    check = next(each for each in nodes.values() if each["type"] == "if")
    assert check["payload"]["conditions"] == [{"left": "{{reserve.result.status}}", "op": "gte", "right": 400}]


async def test_a_new_topic_becomes_a_category_with_a_branch() -> None:
    nodes = await changed("support", "shipping problems should be posted to #shipping")
    assert nodes["sort_topic"]["payload"]["labels"] == ["billing", "bug", "shipping", "other"]
    assert nodes["mail_billing"]["payload"]["to"] == "billing@example.com"


async def test_only_some_is_one_more_condition_of_the_filter() -> None:
    nodes = await changed("tickets", "drop tickets older than 30 days")
    assert nodes["open_only"]["payload"]["conditions"][1:] == [{"field": "age", "op": "lte", "right": 30}]


@pytest.mark.parametrize("text", ["let it answer in Italian", "answer in Italian please", "it should speak Italian"])
async def test_how_the_agent_writes_goes_into_its_prompt(text: str) -> None:
    nodes = await changed("menu", text)
    assert nodes["cook"]["payload"]["prompt"].startswith("You help guests") and "Italian" in str(nodes["cook"])


async def test_a_mail_can_wait_for_an_okay() -> None:
    nodes = await changed("news", "I need to okay the mail before it goes out")
    assert nodes["mail_anna"]["branch"] == "then"
    assert "human_confirmation" in [each["type"] for each in nodes.values()]


async def test_a_question_moves_to_the_beginning_and_what_it_leaves_is_connected() -> None:
    nodes = await changed("bookings", "move the confirmation to the very beginning")
    assert nodes["root"]["children"] == ["ask_me"]
    assert nodes["ask_me"]["children"] == ["store_booking"]
    assert nodes["store_booking"]["children"] == ["mail_guest"]


@pytest.mark.parametrize(
    "text",
    [
        "swap the filter and the summary",
        "the summary should come before the filter",
        "move the filter after the summary",
        "first summarize it and then filter the tickets",
    ],
)
async def test_two_steps_are_told_in_another_order(text: str) -> None:
    nodes = await changed("tickets", text)
    assert nodes["fetch_tickets"]["children"] == ["digest"]
    assert nodes["digest"]["children"] == ["open_only"]
    assert nodes["open_only"]["children"] == ["mail_team"]


@pytest.mark.parametrize(
    ("name", "text", "step", "field", "value"),
    [
        ("plants", "if the sensor doesn't answer try again up to 3 times", "read_sensor", "retries", 3),
        ("plants", "never retry the sensor call", "read_sensor", "retries", 0),
        ("orders", "give the stock request 20 seconds before it times out", "reserve", "timeoutSeconds", 20),
        ("news", "use gpt-4o for the summary", "shorten", "model", "gpt-4o"),
        ("news", "I care more about wind power than solar energy", "find_news", "query", "wind power"),
        ("orders", "add the header X-Team: blue to the stock call", "reserve", "headers", {"X-Team": "blue"}),
    ],
)
async def test_a_setting_of_a_step_is_changed(name: str, text: str, step: str, field: str, value: object) -> None:
    nodes = await changed(name, text)
    assert nodes[step]["payload"][field] == value
    assert {key: node["type"] for key, node in nodes.items()} == {
        key: node["type"] for key, node in workflows()[name]["nodes"].items()
    }


async def test_more_tries_than_there_can_be_become_the_most() -> None:
    nodes = await changed("plants", "retry the sensor call 10 times")
    assert nodes["read_sensor"]["payload"]["retries"] == 5


async def test_a_service_people_moved_from_is_replaced_in_its_place() -> None:
    nodes = await changed("plants", "We switched from Slack to Discord, please update the workflow.")
    assert nodes["ping_garden"]["type"] == "discord-send-message" and nodes["ping_garden"]["branch"] == "then"


async def test_a_new_meaning_becomes_a_label_of_the_classification_there_is() -> None:
    nodes = await changed("support", "If someone asks for a refund, notify #refunds.")
    assert nodes["sort_topic"]["payload"]["labels"] == ["billing", "bug", "refund", "other"]
    assert "check_refund" in nodes["sort_topic"]["children"]
