"""Block `web-search`: asks the provider of the user's connector, or the installation's own.

Invariant: a result is text in title, url and snippet, however a provider writes it. Callers: the executor,
``caddie.workflow.trial``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import JsonValue

from caddie.outbound import Fetched, Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.blocks.asking import Ask, ask, retries_of, text_of, with_query
from caddie.workflow.runner import Call, Result, Runner, StepError
from shared.connectors import WebSearchConfig

TIME_S = 20.0
LIMIT, LIMIT_MAX = 5, 20
QUERY_CHARS, TITLE_CHARS, URL_CHARS, SNIPPET_CHARS = 400, 300, 2_048, 1_000
_MARKUP = re.compile(r"<[^<>]{0,200}>")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Provider:
    """How one is asked, and where in its answer the rows and their excerpts stand."""

    url: str
    asked: Callable[[str, str, int, str], Ask]
    rows: tuple[str, ...]
    snippet: str


def _searxng(url: str, query: str, limit: int, key: str) -> Ask:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Ask(with_query(url, {"q": query, "format": "json"}), headers=headers)


def _brave(url: str, query: str, limit: int, key: str) -> Ask:
    headers = {"X-Subscription-Token": key, "Accept": "application/json"}
    return Ask(with_query(url, {"q": query, "count": limit}), headers=headers)


def _tavily(url: str, query: str, limit: int, key: str) -> Ask:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return Ask(url, "POST", headers, orjson.dumps({"query": query, "max_results": limit}))


_PROVIDERS = {
    "searxng": _Provider("", _searxng, ("results",), "content"),
    "brave": _Provider("https://api.search.brave.com/res/v1/web/search", _brave, ("web", "results"), "description"),
    "tavily": _Provider("https://api.tavily.com/search", _tavily, ("results",), "content"),
}


def runners(outbound: Outbound, accounts: Accounts, search_url: str = "") -> dict[str, Runner]:
    """The block by type. search_url: the installation's own SearXNG, for users without a connector."""

    async def search(call: Call) -> Result:
        query = text_of(call.payload, "query", QUERY_CHARS)
        if search_url and not await accounts.has(call, "web-search"):
            config, trusted = WebSearchConfig(url=search_url), True
        else:
            config, trusted = await accounts.open(call, "web-search", WebSearchConfig), False
        found = await hits(outbound, call, config, query, _limit(call), trusted=trusted)
        return {"results": list[JsonValue](found), "query": query}

    return {"web-search": Runner(search, kind=lambda payload: "repeatable", retries=retries_of)}


async def hits(
    outbound: Outbound, call: Call, config: WebSearchConfig, query: str, limit: int, *, trusted: bool = False
) -> list[dict[str, JsonValue]]:
    """What the provider has found. trusted: the operator named its address. Raises StepError."""
    provider = _PROVIDERS[config.provider]
    asked = provider.asked(config.url or provider.url, query, limit, config.apiKey or "")
    found = await ask(outbound, call, replace(asked, kind="repeatable", time_s=TIME_S, trusted=trusted))
    if found.status != 200:
        again = found.status == 429 or found.status >= 500
        text = f"expected results of the search provider, got status {found.status}"
        raise StepError("REFUSED", text, retryable=again)
    rows = [row for row in _rows(found, provider.rows) if isinstance(row, dict) and row.get("url")]
    return [_hit(row, provider.snippet) for row in rows[:limit]]


def _rows(found: Fetched, path: tuple[str, ...]) -> list[Any]:
    *outer, last = path
    try:
        value = orjson.loads(found.body)
        for name in outer:
            # Brave leaves `web` out when nothing was found.
            value = value.get(name, {last: []})
        value = value.get(last)
    except (ValueError, AttributeError):
        value = None
    if not isinstance(value, list):
        raise StepError("REFUSED", "expected JSON with results of the search provider, got something else")
    return value


def _hit(row: Row, snippet: str) -> dict[str, JsonValue]:
    return {
        "title": _plain(row.get("title"), TITLE_CHARS),
        "url": str(row["url"])[:URL_CHARS],
        "snippet": _plain(row.get(snippet), SNIPPET_CHARS),
    }


def _plain(text: object, most: int) -> str:
    """Without the marks that some put around what was searched for."""
    return html.unescape(_MARKUP.sub("", str(text or "")[: 4 * most]))[:most].strip()


def _limit(call: Call) -> int:
    given = call.payload.get("limit")
    if isinstance(given, str) and given.strip().isdecimal():
        given = int(given[:6])
    return min(LIMIT_MAX, max(1, int(given))) if isinstance(given, int | float) else LIMIT
