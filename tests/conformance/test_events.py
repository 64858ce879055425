"""What the official Socket.IO suite asks above Engine.IO: connect, disconnect, events, acknowledgements. 16 cases."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.conformance.conftest import SOCKET, Echo

TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


@pytest.mark.parametrize(
    ("connect", "namespace", "auth"),
    [
        pytest.param("40", "", "{}", id="main"),
        pytest.param('40{"token":"123"}', "", '{"token":"123"}', id="main with payload"),
        pytest.param("40/custom,", "/custom,", "{}", id="custom"),
        pytest.param('40/custom,{"token":"abc"}', "/custom,", '{"token":"abc"}', id="custom with payload"),
    ],
)
async def test_a_connect_is_answered_with_a_sid_and_nothing_else(
    echo: Echo, connect: str, namespace: str, auth: str
) -> None:
    socket = await (await echo.socket(SOCKET)).handshaken()
    await socket.send(connect)
    answer = await socket.receive()
    head = f"40{namespace}"
    assert answer.startswith(head)
    opened = orjson.loads(answer[len(head) :])
    assert list(opened) == ["sid"] and isinstance(opened["sid"], str)
    assert await socket.receive() == f'42{namespace}["auth",{auth}]'


async def test_a_connect_to_an_unknown_namespace_is_refused(echo: Echo) -> None:
    socket = await (await echo.socket(SOCKET)).handshaken()
    await socket.send("40/random")
    assert await socket.receive() == '44/random,{"message":"Invalid namespace"}'


async def test_a_first_packet_that_is_no_connect_closes_the_websocket(echo: Echo) -> None:
    socket = await (await echo.socket(SOCKET)).handshaken()
    await socket.send("4abc")
    assert await socket.closed()


async def test_a_websocket_without_connect_is_closed(echo: Echo) -> None:
    """By the deadline for CONNECT: the heartbeat would take 45 s."""
    async with asyncio.timeout(3):
        assert await (await echo.socket(SOCKET)).closed()


async def test_leaving_the_main_namespace_keeps_the_transport(quick: Echo) -> None:
    socket = await quick.connected()
    await socket.send("41")
    assert await socket.receive() == "2"


async def test_leaving_another_namespace_keeps_the_main_one(echo: Echo) -> None:
    socket = await echo.connected()
    await socket.send("40/custom")
    assert (await socket.receive()).startswith("40/custom,{")
    assert await socket.receive() == '42/custom,["auth",{}]'
    await socket.send("41/custom", '42["message","to the main one"]')
    assert await socket.receive() == '42["message-back","to the main one"]'


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        pytest.param(
            ['42["message",1,"2",{"3":[true]}]'],
            ['42["message-back",1,"2",{"3":[true]}]'],
            id="text",
        ),
        pytest.param(
            [f'452-["message",{TWO}]', b"\1\2\3", b"\4\5\6"],
            [f'452-["message-back",{TWO}]', b"\1\2\3", b"\4\5\6"],
            id="binary",
        ),
        pytest.param(
            ['42456["message-with-ack",1,"2",{"3":[false]}]'],
            ['43456[1,"2",{"3":[false]}]'],
            id="text with acknowledgement",
        ),
        pytest.param(
            [f'452-789["message-with-ack",{TWO}]', b"\1\2\3", b"\4\5\6"],
            [f"462-789[{TWO}]", b"\1\2\3", b"\4\5\6"],
            id="binary with acknowledgement",
        ),
    ],
)
async def test_an_event_is_answered_with_the_same_arguments(
    echo: Echo, sent: list[str | bytes], received: list[str | bytes]
) -> None:
    socket = await echo.connected()
    await socket.send(*sent)
    assert [await socket.receive() for _ in received] == received


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param("4abc", id="unknown type"),
        pytest.param("42{}", id="payload that is no list"),
        pytest.param('42abc["message-with-ack",1,"2",{"3":[false]}]', id="identifier that is no number"),
    ],
)
async def test_a_malformed_packet_closes_the_websocket(echo: Echo, packet: str) -> None:
    socket = await echo.connected()
    await socket.send(packet)
    assert await socket.closed()
