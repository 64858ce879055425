"""Block search: what users ask for is found, in a stable order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Catalog
from shared.search import BlockSearch, stem, words

SEARCH = BlockSearch(Catalog.default())


@pytest.mark.parametrize(
    ("query", "block_type"),
    [
        ("send an email", "send-email"),
        ("mail it to the customer", "send-email"),
        ("e-mail", "send-email"),
        ("post to slack", "slack-send-message"),
        ("posting a message on Slack", "slack-send-message"),
        ("announce on discord", "discord-send-message"),
        ("every morning at nine", "cronjob"),
        ("on a schedule", "cronjob"),
        ("when a chat message arrives", "trigger_chat"),
        ("incoming form submissions", "webhook"),
        ("summarise the articles", "summarize"),
        ("summarization", "summarize"),
        ("search the web for news", "web-search"),
        ("google something", "web-search"),
        ("if the price is above 100", "if"),
        ("loop over all orders", "for-each"),
        ("call a REST API", "http-request"),
        ("ask a human for approval", "human_confirmation"),
        ("classify the sentiment", "classify"),
        ("extract invoice data", "extract-json"),
        ("reply to the user", "reply_chat"),
        ("start another workflow", "trigger-workflow"),
        ("pause for ten seconds", "delay"),
        ("remember a counter", "set-variable"),
        ("combine the results of two branches", "merge"),
        ("reply_chat", "reply_chat"),
        ("send-webhook", "send-webhook"),
    ],
)
def test_finds_what_users_ask_for(query: str, block_type: str) -> None:
    assert SEARCH.search(query, limit=1)[0].type == block_type


def test_a_long_wish_finds_each_of_its_blocks() -> None:
    hits = SEARCH.search("Every weekday search the web for headlines, summarize them and email me", limit=6)
    assert {"cronjob", "web-search", "summarize", "send-email"} <= {hit.type for hit in hits}


def test_the_order_is_by_score_and_stable() -> None:
    hits = SEARCH.search("send a message to the team", limit=10)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.type))
    assert hits == BlockSearch(Catalog.default()).search("team the to message a send", limit=10)
    assert SEARCH.search("send a message to the team", limit=2) == hits[:2]


@pytest.mark.parametrize("query", ["", "   ", "zzzzqqq", "!!!", "日本語"])
def test_nothing_shared_finds_nothing(query: str) -> None:
    assert SEARCH.search(query) == []


def test_an_empty_catalog_finds_nothing() -> None:
    assert BlockSearch(Catalog([])).search("email") == []


@pytest.mark.parametrize(
    "forms",
    [
        ("post", "posts", "posted", "posting"),
        ("summarize", "summarise", "summarizing", "summarization"),
        ("message", "messages"),
        ("category", "categories"),
        ("stop", "stopped", "stopping"),
        ("email", "emails", "emailing"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_stop_words_are_kept_when_there_is_nothing_else() -> None:
    assert words("if") == ["if"]
    assert "the" not in words("the email")


@given(st.text(max_size=80), st.integers(-1, 10))
def test_no_query_breaks_it(query: str, limit: int) -> None:
    assert len(SEARCH.search(query, limit)) <= max(0, limit)
