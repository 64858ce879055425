"""Secrets in every form in which somebody gives them back."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from caddie.workflow.masking import Mask

SECRET = 's3cr"t/+ <é>&x=1'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps({"got": SECRET}),
        json.dumps({"got": SECRET}, ensure_ascii=False),
        json.dumps({"body": json.dumps({"got": SECRET})}),
        f"<p>{html.escape(SECRET)}</p>",
        f"https://example.com/?q={quote(SECRET)}",
        f"https://example.com/?q={quote(SECRET, safe='')}&r=1",
        f"q={quote_plus(SECRET)}",
        f"q={quote(SECRET, safe='').lower()}",
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_found_however_it_is_written(form: str) -> None:
    mask = Mask()
    mask.note(SECRET)
    shown = mask.text(form)
    assert "***" in shown
    for part in (SECRET, SECRET[2:10], quote(SECRET, safe="")[6:20], "s3cr"):
        assert part not in shown


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "user::"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
def test_a_secret_within_something_coded_is_found(before: str, after: str) -> None:
    mask = Mask()
    mask.note("tell-nobody-1")
    coded = base64.b64encode(f"{before}tell-nobody-1{after}".encode()).decode()
    shown = mask.text(f"Basic {coded}")
    assert "***" in shown
    left = shown.replace("Basic ", "").replace("***", "")
    assert len(left) <= len(coded) - 14


def test_a_token_is_a_secret_without_its_scheme_too() -> None:
    mask = Mask()
    mask.note("Bearer abcd-efgh")
    assert mask.text("you sent abcd-efgh") == "you sent ***"


def test_names_of_members_are_blotted_out_and_short_texts_stay() -> None:
    mask = Mask()
    mask.note("abc")
    mask.note("tell-nobody-1")
    assert mask.clean({"tell-nobody-1": ["abc", 1, None, "x tell-nobody-1"]}) == {"***": ["abc", 1, None, "x ***"]}


def test_what_holds_no_secret_stays_as_it_is() -> None:
    mask, value = Mask(), {"a": [1, "two", {"three": None}]}
    assert mask.clean(value) is value
    mask.note("tell-nobody-1")
    assert mask.clean(value) == value


def test_what_was_cut_within_a_secret_is_blotted_out_too() -> None:
    mask = Mask()
    mask.note("tell-nobody-1")
    assert mask.text("the webhook: got 400 (bad key tell-nobo)") == "the webhook: got 400 (bad key ***"
    assert mask.text("tell me") == "tell me"
