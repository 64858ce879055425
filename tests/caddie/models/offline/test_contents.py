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
