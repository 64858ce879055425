"""What messages hold when the request names it."""

from __future__ import annotations

from typing import Any

import pytest

from caddie.models.offline import contents
from caddie.models.offline.plan import Planner
from caddie.models.offline.understand import understand


def last(text: str) -> dict[str, Any]:
    """The payload of the last step of what a request builds."""
    edits = Planner().build(understand(text, "UTC")).edits
    return dict(edits[-1].args["payload"])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            "when a webhook comes in translate it to French and post both the original and the translation to #a",
            "Original: {{root.result.body}}\nTranslation: {{ai_agent.result.text}}",
        ),
        (
            "when the form is submitted, post to #a with the name, the phone and the city",
            "Name: {{root.result.body.name}}\nPhone: {{root.result.body.phone}}\nCity: {{root.result.body.city}}",
        ),
        (
            'when an order arrives by webhook, post "Order {id} over [total] EUR" to #a',
            "Order {{root.result.body.id}} over {{root.result.body.total}} EUR",
        ),
    ],
)
def test_a_message_holds_the_parts_it_names(said: str, text: str) -> None:
    assert last(said)["text"] == text


def test_recipients_are_no_parts() -> None:
    assert "@" not in str(last("notify a@x.com and b@x.com, and #dev about every deployment webhook")["text"])


def test_a_yes_alone_says_nothing() -> None:
    assert "text" not in last("ask my boss first, then send the offer to a@x.com")


def test_a_pointer_or_a_verb_heads_no_mail() -> None:
    assert contents.subject("same one", "write", "and", "weekly figures") == "Weekly figures"
    assert contents.subject("Cheaper one", "Summary of sales") == "Summary of sales"


def test_two_addresses_get_the_same_data() -> None:
    steps = understand("when the webhook fires, send the payload to https://a.example/h and https://b.example/h", "UTC")
    assert [each.payload["url"] for each in steps.actions()] == ["https://a.example/h", "https://b.example/h"]


def test_copy_subject_and_text_belong_to_the_mail_before_them() -> None:
    said = 'email a@x.com, cc b@x.com, subject "Invoices", text "Please pay"'
    assert last(said) == {"to": "a@x.com", "cc": ["b@x.com"], "subject": "Invoices", "text": "Please pay"}


def test_what_follows_dictated_words_is_written_first() -> None:
    assert last('every day post "Good morning!" followed by a joke in #a')["text"] == (
        "Good morning! {{ai_agent.result.text}}"
    )


def test_include_the_link_is_a_wish_for_the_step_that_writes() -> None:
    steps = understand("get https://a.example/rss, summarize it, post it to #a and include the link", "UTC").actions()
    assert steps[1].payload == {"instructions": "Include the link"} and len(steps) == 3


def test_a_subject_called_monthly_is_no_schedule() -> None:
    request = understand("run the workflow export and mail it to a@x.com with the subject Monthly export", "UTC")
    assert request.trigger is None


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        (
            "when our feedback webhook fires, have AI write a headline for it and send headline and comment to #a",
            "text",
            "Headline: {{ai_agent.result.text}}\nComment: {{root.result.body.comment}}",
        ),
        (
            "for each line in the list from https://a.example/i, POST the sku and the price to https://b.example/c",
            "body",
            {"sku": "{{$item.sku}}", "price": "{{$item.price}}"},
        ),
        (
            'every day get https://a.example/s, add the steps to a running total and post "So far {total}" to #a',
            "text",
            "So far {{set_variable.result.value}}",
        ),
    ],
)
def test_each_part_comes_from_the_step_that_has_it(said: str, field: str, value: object) -> None:
    assert last(said)[field] == value


def test_every_person_and_channel_gets_the_message() -> None:
    steps = understand("when the deploy webhook is called, notify @tom and #releases", "UTC").actions()
    assert {each.payload["channel"] for each in steps} == {"@tom", "#releases"}


def test_a_yes_told_behind_gates_what_waits_for_it() -> None:
    steps = understand("summarize https://a.example/x and send it to a@x.com after I confirmed it", "UTC").actions()
    assert [each.block for each in steps] == ["http-request", "summarize", "human_confirmation", "send-email"]


def test_what_for_is_no_step() -> None:
    said = "we want to translate our descriptions: get them from https://a.example/p, translate them to Dutch, log them"
    assert [each.block for each in understand(said, "UTC").actions()] == ["http-request", "agent", "log"]


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        ('every day post "Good morning" in #general and "Bonjour" in #france', ["Good morning", "Bonjour"]),
        (
            "when the form is submitted, summarize it and post it to #a together with the name and the phone",
            ["{{summarize.result.text}}\nName: {{root.result.body.name}}\nPhone: {{root.result.body.phone}}"],
        ),
        (
            "get https://a.example/r, classify it as good or bad and post it to #a",
            ["R: {{fetch_r.result.body}}\nLabel: {{classify.result.label}}"],
        ),
    ],
)
def test_no_part_of_what_is_to_be_told_is_lost(said: str, texts: list[str]) -> None:
    edits = Planner().build(understand(said, "UTC")).edits
    assert [e.args["payload"]["text"] for e in edits if e.args["type"] == "slack-send-message"] == texts


def test_a_header_goes_with_the_call() -> None:
    step = understand("fetch https://a.example/u with the header Authorization: Bearer abc and log it", "UTC").actions()
    assert step[0].payload["headers"] == {"Authorization": "Bearer abc"}


def test_a_label_told_along_is_told_once() -> None:
    said = "when a ticket comes in via webhook, classify it as bug or question and post it with the label to #a"
    assert last(said)["text"] == "The data: {{root.result.body}}\nLabel: {{classify.result.label}}"


def test_the_last_of_several_things_to_read_out_is_no_step() -> None:
    steps = understand("when a form is submitted, extract the name and email, save them at https://a.example/c", "UTC")
    assert [each.block for each in steps.actions()] == ["extract-json", "send-webhook"]


def test_a_gap_in_an_address_is_filled_from_what_was_read_out() -> None:
    said = "when a chat message comes in, pull out the order number and fetch https://a.example/o/{order number}"
    edits = Planner().build(understand(said, "UTC")).edits
    urls = [edit.args["payload"]["url"] for edit in edits if edit.args["type"] == "http-request"]
    assert urls == ["https://a.example/o/{{extract.result.data.order_number}}"]


def test_an_answer_is_written_to_the_text_and_not_to_its_rating() -> None:
    said = "when a review arrives by webhook, rate it from 1 to 5 and write a matching answer, then log both"
    edits = Planner().build(understand(said, "UTC")).edits
    assert [e.args["payload"]["input"] for e in edits if e.args["type"] == "agent"] == ["{{root.result.body}}"] * 2


def test_a_wish_for_the_message_goes_to_whoever_writes_it() -> None:
    said = "get https://a.example/p, let the AI choose the best and post it to #a with a one-line reason"
    steps = understand(said, "UTC").actions()
    assert steps[1].payload["prompt"] == "Choose the best. Add a one-line reason"


def test_nothing_goes_out_before_the_approval_it_needs() -> None:
    said = "we need approval from finance before any payment from the webhook goes to https://bank.example/pay"
    steps = understand(said, "UTC").actions()
    assert [each.block for each in steps] == ["human_confirmation", "send-webhook"]


def test_what_is_sent_on_gets_no_answer_in_the_chat() -> None:
    edits = Planner().build(understand("send POST https://a.example/s with the text of the chat message", "UTC")).edits
    assert [edit.args["type"] for edit in edits] == ["trigger_chat", "http-request"]
