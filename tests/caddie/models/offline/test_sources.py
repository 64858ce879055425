"""What no block watches by itself."""

from __future__ import annotations

import pytest

from caddie.models.offline import sources, starts, understand


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("when a new mail arrives from my boss, log it", "mailboxes"),
        ("when a new row is added to my Google sheet, log it", "sheets"),
        ("whenever a file changes in my Dropbox folder, log it", "files"),
        ("keep an eye on my inbox and log invoices", "mailboxes"),
        ('forward every email with "invoice" in the subject to tax@example.com', "mailboxes"),
        ("whenever there is a new video on our YouTube channel, log it", "social networks"),
    ],
)
def test_the_user_is_told_that_somebody_has_to_call_the_webhook(text: str, what: str) -> None:
    trigger, _ = starts.trigger(text, "UTC")
    assert trigger is not None and trigger.block == "webhook" and what in trigger.note


def test_what_calls_a_webhook_by_itself_needs_no_word() -> None:
    trigger, _ = starts.trigger("whenever our shop posts an order, log it", "UTC")
    assert trigger is not None and trigger.block == "webhook" and not trigger.note


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("let me know in #jobs when https://example.com/jobs changes", True),
        ("watch https://example.com/x for changes and log them", True),
        ("as soon as there are new jobs on https://example.com/jobs, log them", True),
        ("when bitcoin falls under 50000 tell #coins", True),
        ("fetch https://example.com/x. If the price is above 5 post it to #a", False),
    ],
)
def test_what_is_watched_without_a_time_is_looked_at_every_hour(text: str, looks: bool) -> None:
    request = understand.understand(text, "UTC")
    assert request.trigger is None
    found = sources.looked_for(text, request.steps, "UTC")
    assert (found is not None and found.payload["rrule"] == "FREQ=HOURLY;BYMINUTE=0") is looks
