"""Search: what users ask for is found, in a stable order, in both modes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Catalog
from shared.plugins import library
from shared.search import BlockSearch, Found, Search, TemplateSearch, stem, words

SEARCH = BlockSearch(library().catalog)
TEMPLATES = TemplateSearch(library().templates)
#: Denies the network, then searches; prints what importing and loading left behind.
ALONE = """
import logging, socket
def refuse(*args, **kwargs):
    raise SystemExit(f"network: {args}")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from shared.catalog import Catalog
from shared.search import BlockSearch
found = BlockSearch(Catalog.builtin()).find("drop the boss a line by electronic mail", 3, "hybrid")
print(found.mode, found.hits[0].type, logging.getLogger().handlers, logging.getLogger().level)
"""


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
    assert hits == BlockSearch(library().catalog).search("team the to message a send", limit=10)
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


@pytest.mark.parametrize(
    ("query", "block_type"),
    [
        ("a visitor types something to the bot", "trigger_chat"),
        ("translate this paragraph to Japanese", "agent"),
        ("boil a long document down to its essence", "summarize"),
        ("go through each row of the spreadsheet", "for-each"),
    ],
)
def test_hybrid_finds_what_shares_the_meaning(query: str, block_type: str) -> None:
    found = SEARCH.find(query, 5, "hybrid")
    assert (found.mode, found.reason) == ("hybrid", None)
    assert block_type in [hit.type for hit in found.hits]


def test_hybrid_keeps_what_keywords_find_first() -> None:
    assert SEARCH.find("post to slack", 3, "hybrid").hits[0].type == "slack-send-message"
    assert TEMPLATES.find("triage github issues", 3, "hybrid").hits[0].type == "github-issue-triage"


def test_hybrid_is_stable_and_a_shorter_answer_is_its_beginning() -> None:
    hits = SEARCH.find("tell the team", 10, "hybrid").hits
    assert hits == BlockSearch(library().catalog).find("tell the team", 10, "hybrid").hits
    assert SEARCH.find("tell the team", 3, "hybrid").hits == hits[:3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_without_vectors_hybrid_says_so_and_answers_by_keywords() -> None:
    bare = BlockSearch(library().catalog, lambda texts: None)
    found = bare.find("post to slack", 3, "hybrid")
    assert found.mode == "lightweight" and "caddie[hybrid]" in (found.reason or "")
    assert found.hits == bare.search("post to slack", 3)
    assert bare.find("post to slack", 3) == Found(found.hits, "lightweight")


def test_hybrid_works_without_network_and_leaves_logging_alone(tmp_path: Path) -> None:
    """The package would write its log lines past redaction, and look for files in the home folder."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=50, check=False,
        cwd=Path(__file__).parents[2], env={"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.split(" ", 2) == ["hybrid", "send-email", "[] 30\n"], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_blocks_and_templates_are_ranked_against_each_other() -> None:
    search = Search(library().catalog, library().templates)
    hits = search.everything("send a slack message", 10).hits
    assert (hits[0].kind, hits[0].type) == ("block", "slack-send-message")
    assert {hit.kind for hit in hits} == {"block", "template"}
    assert search.blocks("slack").hits[0].kind == "block"
    assert search.templates("refund", 1).hits[0] == search.templates("refund", 9).hits[0]


@given(st.text(max_size=80), st.integers(-1, 10))
def test_no_query_breaks_hybrid(query: str, limit: int) -> None:
    found = TEMPLATES.find(query, limit, "hybrid")
    assert found.mode == "hybrid" and len(found.hits) <= max(0, limit)
