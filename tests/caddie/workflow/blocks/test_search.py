"""`web-search` against receivers that answer as the providers do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web

from caddie.outbound import Outbound
from caddie.workflow.blocks.search import runners
from tests.caddie.workflow.blocks.counterparts import Cabinet, Receiver, Steps, reaching

HIT = {"title": "News &amp; <strong>more</strong>", "url": "https://example.com/1"}


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with reaching("127.0.0.0/8") as found:
        yield found


@pytest.fixture
def steps(outbound: Outbound, cabinet: Cabinet) -> Steps:
    return Steps(runners(outbound, cabinet.accounts()))


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        ("searxng", {"results": [{**HIT, "content": "About <b>it</b>"}, {"title": "without url"}, "odd"]}),
        ("brave", {"web": {"results": [{**HIT, "description": "About <b>it</b>"}]}}),
        ("tavily", {"results": [{**HIT, "content": "About <b>it</b>", "score": 0.9}]}),
    ],
)
async def test_every_provider_s_hits_look_alike(
    steps: Steps, site: Receiver, cabinet: Cabinet, provider: str, answer: object
) -> None:
    cabinet.add("web-search", {"provider": provider, "url": site.url("/search"), "apiKey": "canary-key"})
    site.answers["/search"] = web.json_response(answer)
    found = await steps("web-search", query="euro news", limit="3")
    hit = {"title": "News & more", "url": "https://example.com/1", "snippet": "About it"}
    assert found == {"query": "euro news", "results": [hit]}
    seen = site.seen[-1]
    assert "canary-key" in str(seen.headers) and steps.secrets == ["canary-key"]
    if provider == "tavily":
        assert (seen.method, orjson.loads(seen.body)) == ("POST", {"query": "euro news", "max_results": 3})
    else:
        assert seen.method == "GET" and ("q", "euro news") in seen.query


async def test_the_number_of_hits_is_bounded(steps: Steps, site: Receiver, cabinet: Cabinet) -> None:
    cabinet.add("web-search", {"url": site.url("/search")})
    for limit, count in ((None, 5), (1, 1), (100, 20), (-5, 1), ("x", 5)):
        rows = [{"url": f"https://example.com/{n}"} for n in range(50)]
        site.answers["/search"] = web.json_response({"results": rows})
        found = await steps("web-search", query="x", limit=limit)
        assert isinstance(found["results"], list) and len(found["results"]) == count


async def test_the_installation_s_own_search_serves_who_has_none(cabinet: Cabinet, site: Receiver) -> None:
    """The operator named its address, so it may be anywhere; a user's own may not."""
    async with reaching() as outbound:
        steps = Steps(runners(outbound, cabinet.accounts(), site.url("/own")))
        site.answers["/own"] = web.json_response({"results": []})
        assert (await steps("web-search", query="x"))["results"] == []
        cabinet.add("web-search", {"url": site.url("/mine")})
        assert (await steps.fails("web-search", query="x")).code == "FORBIDDEN"
    assert [seen.path for seen in site.seen] == ["/own"]


async def test_without_a_provider_or_with_a_broken_one_the_step_says_so(
    steps: Steps, site: Receiver, cabinet: Cabinet
) -> None:
    assert (await steps.fails("web-search", query="x")).code == "CONNECTOR_MISSING"
    cabinet.add("web-search", {"url": site.url("/search")})
    for answer, again in (
        (web.Response(text="<html>"), False), (web.json_response({"web": []}), False), (web.json_response([1]), False),
        (web.Response(status=403), False), (web.Response(status=502), True),
    ):  # fmt: skip
        site.answers["/search"] = answer
        error = await steps.fails("web-search", query="x")
        assert (error.code, error.retryable) == ("REFUSED", again), error
    assert (await steps.fails("web-search", query=" ")).code == "INVALID"
    cabinet.records.clear()
    cabinet.add("web-search", {"provider": "brave", "url": site.url("/search"), "apiKey": "k"})
    site.answers["/search"] = web.json_response({"query": {}})
    assert (await steps("web-search", query="x"))["results"] == []
