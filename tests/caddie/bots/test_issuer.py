"""Session calls: a product that says "later" is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from caddie.bots.issuer import PATH, Issuer
from caddie.bots.statistics import Statistics
from shared.errors import CaddieError

GOOD = {"sessionToken": "t", "socketUrl": "u", "socketPath": "/p/", "conversationId": "c", "lastEventIndex": 4}
Answers = list[tuple[int, object, dict[str, str]]]


class Gateway:
    """Answers with what it was given, one after the other."""

    def __init__(self) -> None:
        self.answers: Answers = []
        self.statistics = Statistics()
        self.waited: list[float] = []
        self.patient = True
        self.issuer: Issuer

    async def serve(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer key"
        status, body, headers = self.answers.pop(0)
        return web.json_response(body, status=status, headers=headers)

    async def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self.patient

    def issue(self) -> Awaitable[object]:
        return self.issuer.issue({"conversationId": "c"}, self.wait)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    app = web.Application()
    app.router.add_post(PATH, gateway.serve)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        gateway.issuer = Issuer(http, str(server.make_url("/")), "key", gateway.statistics)
        yield gateway


async def test_retry_after_is_respected(gateway: Gateway) -> None:
    gateway.answers = [(429, {}, {"Retry-After": "7"}), (503, {}, {}), (200, GOOD, {})]
    session = await gateway.issue()
    assert gateway.waited == [7.0, 2.0]
    assert (session.token, session.after, session.run) == ("t", 4, None)  # type: ignore[attr-defined]
    counts = gateway.statistics.counts
    assert counts["session calls told to wait (429)"] == counts["session calls told to wait (503)"] == 1
    assert gateway.statistics.latencies["issue"].count == counts["session calls"] == 1


async def test_waiting_ends_with_the_test(gateway: Gateway) -> None:
    gateway.patient = False
    gateway.answers = [(429, {}, {"Retry-After": "7"})]
    with pytest.raises(CaddieError, match="got 429 until the end"):
        await gateway.issue()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"message": "unknown key"}, {}), "expected 200, got 401: unknown key"),
        ((200, {"sessionToken": "t"}, {}), "expected the member 'socketUrl'"),
        ((500, [], {}), "got 500: a body that is no object"),
    ],
)
async def test_any_other_answer_is_an_error(
    gateway: Gateway, answer: tuple[int, object, dict[str, str]], message: str
) -> None:
    gateway.answers = [answer]
    refused: Callable[[], Awaitable[object]] = gateway.issue
    with pytest.raises(CaddieError, match=message):
        await refused()
