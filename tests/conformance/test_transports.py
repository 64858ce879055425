"""What both official suites ask of Engine.IO: handshake, heartbeat, close, upgrade. 16 cases, on either endpoint."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from tests.conformance.conftest import ENGINE, SOCKET, Echo

pytestmark = pytest.mark.parametrize("path", [ENGINE, SOCKET])


def check_handshake(opened: dict[str, Any], upgrades: list[str]) -> None:
    assert isinstance(opened.pop("sid"), str)
    assert opened == {"upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000}


async def check_refused_websocket(echo: Echo, path: str, query: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await echo.socket(path, query)
    assert refusal.value.status == 400


async def test_polling_handshake_says_the_limits_and_offers_the_websocket(quick: Echo, path: str) -> None:
    check_handshake(await quick.handshake(path), ["websocket"])


async def test_polling_handshake_of_another_protocol_version_is_refused(echo: Echo, path: str) -> None:
    for query in ("transport=polling", "EIO=abc&transport=polling"):
        assert await echo.status("GET", path, query) == 400


async def test_polling_handshake_without_a_known_transport_is_refused(echo: Echo, path: str) -> None:
    for query in ("EIO=4", "EIO=4&transport=abc"):
        assert await echo.status("GET", path, query) == 400


async def test_polling_handshake_is_a_get(echo: Echo, path: str) -> None:
    for method in ("POST", "PUT"):
        assert await echo.status(method, path, "EIO=4&transport=polling") == 400


async def test_websocket_handshake_says_the_limits_and_offers_no_upgrade(quick: Echo, path: str) -> None:
    opening = await (await quick.socket(path)).receive()
    assert opening[0] == "0"
    check_handshake(orjson.loads(opening[1:]), [])


async def test_websocket_handshake_of_another_protocol_version_is_refused(echo: Echo, path: str) -> None:
    for query in ("transport=websocket", "EIO=abc&transport=websocket"):
        await check_refused_websocket(echo, path, query)


async def test_websocket_handshake_without_a_known_transport_is_refused(echo: Echo, path: str) -> None:
    for query in ("EIO=4", "EIO=4&transport=abc"):
        await check_refused_websocket(echo, path, query)


async def test_polling_pings_as_long_as_pongs_come(quick: Echo, path: str) -> None:
    session = await quick.session(path)
    for _ in range(3):
        assert await session.get() == (200, "2")
        assert await session.post("3") == (200, "ok")


async def test_polling_without_pong_ends_the_session_on_time(quick: Echo, path: str) -> None:
    """Interval and timeout together, to the millisecond: the next request is refused, sweep or no sweep."""
    session = await quick.session(path)
    (transport,) = quick.engines[path].sockets.values()
    transport.heard_at -= 0.5
    assert (await session.get())[0] == 400


async def test_websocket_pings_as_long_as_pongs_come(quick: Echo, path: str) -> None:
    socket = await (await quick.socket(path)).handshaken()
    for _ in range(3):
        assert await socket.receive() == "2"
        await socket.send("3")


async def test_websocket_without_pong_is_closed(quick: Echo, path: str) -> None:
    async with asyncio.timeout(2):
        assert await (await quick.socket(path)).closed()


async def test_a_close_by_post_ends_the_pending_poll_with_a_noop(echo: Echo, path: str) -> None:
    session = await echo.session(path)
    pending = asyncio.create_task(session.get())
    await echo.polling(path)
    assert await session.post("1") == (200, "ok")
    assert await pending == (200, "6")
    assert (await session.get())[0] == 400


async def test_a_close_by_websocket_closes_it(echo: Echo, path: str) -> None:
    socket = await (await echo.socket(path)).handshaken()
    await socket.send("1")
    assert await socket.closed()


async def test_an_upgrade_answers_the_probe_and_frees_the_poll(echo: Echo, path: str) -> None:
    session = await echo.session(path)
    socket = await echo.upgrade(session)
    await socket.send("2probe")
    assert await socket.receive() == "3probe"
    assert await session.get() == (200, "6")
    await socket.send("5")
    await check_alive(socket, path)


async def test_an_upgraded_session_refuses_polls_and_lives_on(echo: Echo, path: str) -> None:
    session = await echo.session(path)
    socket = await (await echo.upgrade(session)).upgraded()
    assert (await session.get())[0] == 400
    await check_alive(socket, path)


async def test_an_upgraded_session_closes_a_second_websocket_and_lives_on(echo: Echo, path: str) -> None:
    session = await echo.session(path)
    socket = await (await echo.upgrade(session)).upgraded()
    assert await (await echo.upgrade(session)).closed()
    await check_alive(socket, path)


async def check_alive(socket: Any, path: str) -> None:
    if path == ENGINE:
        await socket.send("4hello")
        assert await socket.receive() == "4hello"
    else:
        await socket.send("40")
        assert (await socket.receive()).startswith("40{")
