"""HTTP to where users point: what may be reached, and how much of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import web

from caddie.outbound import Outbound, Unreached, is_public
from shared.errors import CaddieError


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.8", "192.168.1.1", "192.88.99.1", "198.18.0.1", "203.0.113.9", "224.0.0.1",
        "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fc00::1",
        "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
        "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1",
        "5f00::1", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:7f00:1", "100::1", "4000::1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::",
     "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8"],
)  # fmt: skip
def test_what_is_public_is_allowed(address: str) -> None:
    assert is_public(ip_address(address))


class Site:
    """A server on loopback that counts who came."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        match request.path:
            case "/large":
                return web.Response(body=b"x" * 100_000, content_type="text/plain")
            case "/endless":
                response = web.StreamResponse()
                await response.prepare(request)
                with suppress(ConnectionError):
                    while True:
                        await response.write(b"x" * 10_000)
            case "/silent":
                await asyncio.sleep(30)
            case "/onward":
                raise web.HTTPFound(request.query["to"])
            case "/round":
                raise web.HTTPFound("/round")
            case "/packed":
                return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
            case "/latin":
                kind = {"Content-Type": "text/plain; charset=latin-1"}
                return web.Response(body="grün".encode("latin-1"), headers=kind)
        return web.Response(text=f"hello from {request.path}")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found, app = Site(), web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


@asynccontextmanager
async def closing(outbound: Outbound) -> AsyncIterator[Outbound]:
    try:
        yield outbound
    finally:
        await outbound.close()


@pytest.fixture
async def guarded() -> AsyncIterator[Outbound]:
    async with closing(Outbound()) as outbound:
        yield outbound


@pytest.fixture
async def opened() -> AsyncIterator[Outbound]:
    """The operator allows loopback, version 4."""
    async with closing(Outbound(["127.0.0.0/8"])) as outbound:
        yield outbound


async def refused(outbound: Outbound, url: str, **options: Any) -> str:
    with pytest.raises(CaddieError) as caught:
        await outbound.fetch(url, **options)
    return caught.value.code


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
             "127.0.0.1.", "0.0.0.0"],
)  # fmt: skip
async def test_no_spelling_of_loopback_is_reached(guarded: Outbound, site: Site, host: str) -> None:
    assert await refused(guarded, f"http://{host}:{site.port}/") in ("FORBIDDEN", "UNAVAILABLE", "INVALID")
    assert site.asked == []


async def test_a_name_is_judged_by_what_it_resolves_to_when_it_is_connected(
    guarded: Outbound, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the first look-up is public, a later one is not; there is only the one that counts."""
    real = socket.getaddrinfo

    def rebound(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "rebind.example" else host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    assert await refused(guarded, f"http://rebind.example:{site.port}/") == "FORBIDDEN"
    assert site.asked == []


async def test_a_redirect_is_judged_like_any_address(site: Site) -> None:
    async with closing(Outbound(["127.0.0.1/32"])) as outbound:
        await _led_away(outbound, site)


async def _led_away(outbound: Outbound, site: Site) -> None:
    target = f"http://127.0.0.2:{site.port}/"
    assert await refused(outbound, f"http://127.0.0.1:{site.port}/onward?to={target}") == "FORBIDDEN"
    assert [request.path for request in site.asked] == ["/onward"]
    for bad in ("file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/"):
        assert await refused(outbound, f"http://127.0.0.1:{site.port}/onward?to={bad}") == "INVALID"
    assert await refused(outbound, f"http://127.0.0.1:{site.port}/round") == "UNAVAILABLE"


async def test_what_a_request_carries_stays_with_its_origin(opened: Outbound, site: Site) -> None:
    headers = {"Authorization": "Bearer canary", "X-Api-Key": "canary", "Accept": "text/plain"}
    start = f"http://127.0.0.1:{site.port}/onward?to="
    await opened.fetch(f"{start}http://localhost:{site.port}/there", headers=headers)
    assert "canary" not in str(site.asked[-1].headers) and site.asked[-1].headers["Accept"] == "text/plain"
    await opened.fetch(f"{start}/here", headers=headers)
    assert site.asked[-1].headers["X-Api-Key"] == "canary"


async def test_the_body_is_capped_and_says_so(opened: Outbound, site: Site) -> None:
    whole = await opened.fetch(f"http://127.0.0.1:{site.port}/x")
    assert (whole.status, whole.text, whole.cut) == (200, "hello from /x", False)
    for path in ("large", "endless"):
        part = await opened.fetch(f"http://127.0.0.1:{site.port}/{path}", limit_bytes=50_000)
        assert (len(part.body), part.cut) == (50_000, True)
    assert (await opened.fetch(f"http://127.0.0.1:{site.port}/latin")).text == "grün"


async def test_time_is_capped_and_a_broken_compression_refused(opened: Outbound, site: Site) -> None:
    assert await refused(opened, f"http://127.0.0.1:{site.port}/silent", time_s=0.2) == "TIMEOUT"
    assert await refused(opened, f"http://127.0.0.1:{site.port}/packed") == "UNAVAILABLE"


async def test_proxy_variables_change_nothing(opened: Outbound, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert (await opened.fetch(f"http://127.0.0.1:{site.port}/x")).status == 200


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://example.com", "file:///etc/passwd", "http://", "http://a:b@example.com", "gopher://example.com",
     "http://exa mple.com:x/", "http://e/" + "x" * 3000],
)  # fmt: skip
async def test_what_is_no_web_address_is_invalid(guarded: Outbound, url: str) -> None:
    assert await refused(guarded, url) == "INVALID"


async def test_an_operator_s_own_address_may_be_anywhere_but_is_not_led_away(guarded: Outbound, site: Site) -> None:
    found = await guarded.fetch(f"http://127.0.0.1:{site.port}/onward?to=/x", trusted=True)
    assert (found.status, len(site.asked)) == (302, 1)
    assert await refused(guarded, f"http://127.0.0.1:{site.port}/x") == "FORBIDDEN"


async def test_nobody_there_is_unavailable(opened: Outbound) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert await refused(opened, f"http://127.0.0.1:{port}/") == "UNAVAILABLE"


async def test_a_socket_is_dialled_to_public_addresses_only(guarded: Outbound, opened: Outbound, site: Site) -> None:
    for host in ("127.0.0.1", "localhost", "127.1", "::1", "::ffff:127.0.0.1", "2130706433", "0x7f000001"):
        with pytest.raises(CaddieError) as caught:
            await guarded.dial(host, site.port)
        assert caught.value.code == "FORBIDDEN", host
    with await opened.dial("localhost", site.port) as connection:
        assert connection.getpeername() == ("127.0.0.1", site.port)
    for host in ("no-such-name.invalid", "", "x" * 300, "a..b"):
        with pytest.raises(CaddieError) as caught:
            await guarded.dial(host, 25)
        assert caught.value.code in ("UNAVAILABLE", "FORBIDDEN"), host


async def test_who_got_nothing_is_told_apart(opened: Outbound, site: Site) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    with pytest.raises(Unreached):
        await opened.fetch(dead)
    with pytest.raises(Unreached):
        await opened.dial("127.0.0.1", int(dead.rpartition(":")[2].strip("/")))
    with pytest.raises(CaddieError) as caught:
        await opened.fetch(f"http://127.0.0.1:{site.port}/onward?to={dead}")
    assert not isinstance(caught.value, Unreached)


async def test_headers_come_along(opened: Outbound, site: Site) -> None:
    found = await opened.fetch(f"http://127.0.0.1:{site.port}/x", method="HEAD")
    assert (found.body, found.headers["content-type"]) == (b"", "text/plain; charset=utf-8")
