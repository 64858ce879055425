"""`http-request` and `send-webhook` against a receiver: what is sent, what an answer becomes, what is refused."""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Any

import orjson
import pytest
from aiohttp import web

from caddie.outbound import Outbound
from caddie.workflow.blocks.http import request_kind, runners
from shared.workflows import Connector
from tests.caddie.workflow.blocks.counterparts import Cabinet, Receiver, Steps, reaching


@pytest.fixture
def steps(outbound: Outbound, cabinet: Cabinet) -> Steps:
    return Steps(runners(outbound, cabinet.accounts()))


async def test_an_answer_is_a_result_whatever_its_status(steps: Steps, site: Receiver) -> None:
    found = await steps("http-request", url=site.url("/json"))
    assert (found["status"], found["body"]) == (200, {"a": [1, 2.5, "x"]})
    assert isinstance(found["headers"], dict) and found["headers"]["content-type"].startswith("application/json")
    for status in (404, 429, 500, 503):
        found = await steps("http-request", url=site.url(f"/status?code={status}&after=1"), method="POST")
        assert (found["status"], found["body"]) == (status, "said so")


async def test_a_request_is_sent_as_the_payload_says(steps: Steps, site: Receiver) -> None:
    await steps(
        "http-request", url=site.url("/x?kept=1&old=1"), method="post", headers={"X-One": "1", "X-Number": 5},
        query={"old": "2", "list": [1, True], "none": None, "text": "ä &"}, body={"ä": [None, 1]},
    )  # fmt: skip
    seen = site.seen[-1]
    assert (seen.method, orjson.loads(seen.body)) == ("POST", {"ä": [None, 1]})
    assert seen.query == [("kept", "1"), ("old", "2"), ("list", "1"), ("list", "true"), ("text", "ä &")]
    assert (seen.headers["x-one"], seen.headers["x-number"]) == ("1", "5")
    assert seen.headers["content-type"] == "application/json" and len(seen.headers["idempotency-key"]) == 36


@pytest.mark.parametrize(
    ("payload", "body", "kind"),
    [
        ({"body": "plain"}, b"plain", "text/plain; charset=utf-8"),
        ({"body": "a=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}, b"a=1",
         "application/x-www-form-urlencoded"),
        ({"body": [1]}, b"[1]", "application/json"),
        ({"body": False}, b"false", "application/json"),
    ],
)  # fmt: skip
async def test_a_text_is_sent_as_it_is_and_the_rest_as_json(
    steps: Steps, site: Receiver, payload: dict[str, Any], body: bytes, kind: str
) -> None:
    await steps("http-request", url=site.url(), method="PUT", **payload)
    assert (site.seen[-1].body, site.seen[-1].headers["content-type"]) == (body, kind)


async def test_reading_may_be_repeated_and_carries_no_key(steps: Steps, site: Receiver) -> None:
    for method in (None, "GET", "HEAD"):
        assert request_kind({"method": method}) == "repeatable"
        found = await steps("http-request", url=site.url("/gzip"), **({"method": method} if method else {}))
        assert found["status"] == 200 and "idempotency-key" not in site.seen[-1].headers
    assert found["body"] == ""
    assert request_kind({"method": "delete"}) == "effect"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (web.Response(body=b'{"a": NaN}', content_type="application/json"), '{"a": NaN}'),
        (web.Response(body=b"", content_type="application/json"), ""),
        (web.Response(text='{"a": 1}'), '{"a": 1}'),
        (web.Response(body=b'{"a": 1}', content_type="application/problem+json"), {"a": 1}),
        (web.Response(body=b"[" * 100_000, content_type="application/json"), "[" * 100_000),
        (web.Response(body=b"\x89PNG\0\0", content_type="image/png"), "(6 bytes that are no text)"),
        (web.Response(body="grün".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin-1"}), "grün"),
    ],
)  # fmt: skip
async def test_a_body_is_json_when_it_says_so_and_is_else_text(
    steps: Steps, site: Receiver, answer: web.Response, body: Any
) -> None:
    site.answers["/made"] = answer
    assert (await steps("http-request", url=site.url("/made")))["body"] == body


async def test_what_comes_packed_all_the_same_is_unpacked(steps: Steps, site: Receiver) -> None:
    assert (await steps("http-request", url=site.url("/gzip")))["body"] == {"packed": True}
    for path in ("/deflate", "/raw"):
        assert (await steps("http-request", url=site.url(path)))["body"] == "small"
    assert site.seen[-1].headers["accept-encoding"] == "identity"
    site.answers["/odd"] = web.Response(body=b"x", headers={"Content-Encoding": "zstd"})
    assert (await steps.fails("http-request", url=site.url("/odd"))).code == "UNAVAILABLE"


async def test_giant_endless_and_exploding_bodies_end_in_an_error(steps: Steps, site: Receiver) -> None:
    for path in ("/endless", "/bomb"):
        error = await steps.fails("http-request", url=site.url(path), method="POST")
        assert (error.code, error.retryable) == ("TOO_LARGE", False)
    webhook = await steps("send-webhook", url=site.url("/endless"), body={})
    assert isinstance(webhook["body"], str) and len(webhook["body"]) == 65_536


async def test_slow_and_silent_receivers_end_in_time(steps: Steps, site: Receiver) -> None:
    reading, writing = await asyncio.gather(
        steps.fails("http-request", url=site.url("/slow"), timeoutSeconds=1),
        steps.fails("http-request", url=site.url("/silent"), timeoutSeconds="1", method="POST"),
    )
    assert (reading.code, reading.retryable) == ("TIMEOUT", True)
    assert (writing.code, writing.retryable) == ("TIMEOUT", False)


async def test_an_effect_is_tried_again_only_when_nothing_was_sent(steps: Steps, site: Receiver) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    for url in (dead, "http://no-such-name.invalid/"):
        error = await steps.fails("http-request", url=url, method="POST")
        assert (error.code, error.retryable) == ("UNAVAILABLE", True)
    # The first hop has got the request.
    error = await steps.fails("http-request", url=site.url(f"/onward?to={dead}"), method="POST")
    assert (error.code, error.retryable) == ("UNAVAILABLE", False)

    async def gone(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    site.answers["/gone"] = gone
    assert not (await steps.fails("http-request", url=site.url("/gone"), method="POST")).retryable
    assert (await steps.fails("http-request", url=site.url("/gone"))).retryable


async def test_who_says_when_to_come_back_is_asked_again_unless_it_is_the_last_try(
    steps: Steps, site: Receiver
) -> None:
    busy = site.url("/status?code=429&after=7")
    for block, more in (("http-request", {"method": "POST"}), ("send-webhook", {"body": {}})):
        error = await steps.fails(block, url=busy, last=False, **more)
        assert (error.code, error.retryable, error.retry_after_s) == ("UNAVAILABLE", True, 7.0)
    assert (await steps.fails("send-webhook", url=busy, body={})).code == "REFUSED"
    for after in ("3600", "soon", "-1", "", "nan", "1e400", "Wed, 21 Oct 2093 07:28:00 GMT"):
        payload = {"url": site.url("/status"), "query": {"code": 503, "after": after}}
        call = steps.call("http-request", payload, last=False)
        assert (await steps.runners["http-request"].work(call))["status"] == 503
    past = {"url": site.url("/status"), "query": {"code": 503, "after": "Wed, 21 Oct 2015 07:28:00 GMT"}}
    assert (await steps.fails("http-request", last=False, **past)).retry_after_s == 0


def test_the_number_of_tries_is_the_payload_s_within_bounds(steps: Steps) -> None:
    retries = steps.runners["send-webhook"].retries
    given = [{}, {"retries": 0}, {"retries": 5}, {"retries": 99}, {"retries": "3"}, {"retries": "x"}, {"retries": -1}]
    assert [retries(each) for each in given] == [2, 0, 5, 5, 3, 2, 0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "localhost.", "127.2", "2130706434", "0x7f.2", "0177.0.0.2", "[::1]", "[::ffff:127.0.0.2]",
             "169.254.169.254", "10.0.0.1", "[fe80::1]", "0.0.0.0", "①②⑦.0.0.2", "127。0。0。2"],
)  # fmt: skip
async def test_no_spelling_of_a_private_address_is_reached(cabinet: Cabinet, site: Receiver, host: str) -> None:
    async with reaching() as outbound:
        steps = Steps(runners(outbound, cabinet.accounts()))
        for block in ("http-request", "send-webhook"):
            error = await steps.fails(block, url=f"http://{host}:{site.port}/", body={}, timeoutSeconds=2)
            assert error.code in ("FORBIDDEN", "UNAVAILABLE", "INVALID"), error
    assert site.seen == []


async def test_redirects_and_rebinding_lead_nowhere_private(
    steps: Steps, site: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def rebound(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.2" if host == "rebind.example" else host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    for target in (f"http://127.0.0.2:{site.port}/", f"http://rebind.example:{site.port}/"):
        assert (await steps.fails("http-request", url=site.url(f"/onward?to={target}"))).code == "FORBIDDEN"
    assert (await steps.fails("http-request", url=f"http://rebind.example:{site.port}/")).code == "FORBIDDEN"
    assert [seen.path for seen in site.seen] == ["/onward", "/onward"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "one\r\nX-B: two"}, {"X-A": "one\nX-B: two"}, {"X-A\r\nX-B": "1"}, {"X A": "1"}, {"": "1"},
        {"Host": "elsewhere.example"}, {"content-length": "0"}, {"Transfer-Encoding": "chunked"}, {"X-A": "nul\0"},
        {"X-A": "x" * 10_000}, ["no", "object"], {f"X-{n}": "1" for n in range(60)},
    ],
)  # fmt: skip
async def test_headers_cannot_make_another_request(steps: Steps, site: Receiver, headers: Any) -> None:
    for block in ("http-request", "send-webhook"):
        assert (await steps.fails(block, url=site.url(), headers=headers, body={})).code == "INVALID"
    assert site.seen == []


@pytest.mark.parametrize(
    "payload",
    [
        {"url": ""}, {"url": "file:///etc/passwd"}, {"url": None}, {"url": 5}, {"url": "http://a:b@127.0.0.1/"},
        {"url": "http://127.0.0.1/", "method": "TRACE"}, {"url": "http://127.0.0.1/", "query": "a=1"},
        {"url": "http://127.0.0.1/\r\nX: y", "query": {"a": 1}}, {"url": "http://[", "query": {"a": "b"}},
    ],
)  # fmt: skip
async def test_what_is_no_request_is_invalid(steps: Steps, payload: dict[str, Any]) -> None:
    error = await steps.fails("http-request", **payload)
    assert (error.code, error.retryable) in (("INVALID", False), ("UNAVAILABLE", True))


async def test_a_webhook_delivers_or_fails(steps: Steps, site: Receiver) -> None:
    found = await steps("send-webhook", url=site.url("/json"), body=None)
    assert found == {"status": 200, "body": {"a": [1, 2.5, "x"]}}
    assert (site.seen[-1].method, site.seen[-1].body) == ("POST", b"null")
    await steps("send-webhook", url=site.url(), body="text", headers={"X-Source": "caddie"})
    assert (site.seen[-1].body, site.seen[-1].headers["x-source"]) == (b'"text"', "caddie")
    error = await steps.fails("send-webhook", url=site.url("/status?code=500"), body={})
    assert error.code == "REFUSED" and "500 (said so)" in error.message and not error.retryable


async def test_a_connector_says_who_asks_and_only_to_its_hosts(steps: Steps, site: Receiver, cabinet: Cabinet) -> None:
    for config, header, value in (
        ({"header": "X-Api-Key", "value": "canary-one"}, "x-api-key", "canary-one"),
        ({"bearer": "canary-two", "hosts": ["127.0.0.1"]}, "authorization", "Bearer canary-two"),
        ({"username": "ada", "password": "pw"}, "authorization",
         f"Basic {base64.b64encode(b'ada:pw').decode()}"),
    ):  # fmt: skip
        chosen = Connector(type="http", id=cabinet.add("http", config, name=header + value))
        await steps.named("http-request", chosen, url=site.url(), headers={header.title(): "mine"})
        assert site.seen[-1].headers[header] == value
    assert {"canary-one", "canary-two", "pw"} <= set(steps.secrets)
    elsewhere = Connector(type="http", id=cabinet.add("http", {"bearer": "x", "hosts": ["*.example.com"]}, "e"))
    assert (await steps.fails("http-request", connector=elsewhere, url=site.url())).code == "FORBIDDEN"
    chosen = Connector(type="http", id="authorizationBearer canary-two")
    await steps.named("http-request", chosen, url=site.url(f"/onward?to=http://localhost:{site.port}/there"))
    assert site.seen[-1].path == "/there" and "canary" not in str(site.seen[-1].headers)
