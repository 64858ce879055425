"""What the official Engine.IO suite asks of messages, text and binary, over both transports. 9 cases."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.conftest import ENGINE, Echo


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("4hello", id="one text"),
        pytest.param("4test1\x1e4test2\x1e4test3", id="several texts"),
        pytest.param("4hello\x1ebAQIDBA==", id="text and binary"),
    ],
)
async def test_packets_of_a_post_come_back_in_order_in_one_answer(echo: Echo, body: str) -> None:
    session = await echo.session(ENGINE)
    assert await session.post(body) == (200, "ok")
    assert await session.get() == (200, body)


async def test_a_malformed_post_ends_the_session(echo: Echo) -> None:
    session = await echo.session(ENGINE)
    assert (await session.post("abc"))[0] == 400
    assert (await session.get())[0] == 400


async def test_a_second_poll_ends_the_session_and_the_first_poll(echo: Echo) -> None:
    session = await echo.session(ENGINE)
    first = asyncio.create_task(session.get())
    await echo.polling(ENGINE)
    assert (await session.get())[0] == 400
    assert await first == (200, "1")
    assert (await session.get())[0] == 400


async def test_a_poll_after_one_that_was_given_up_is_refused(echo: Echo) -> None:
    session = await echo.session(ENGINE)
    given_up = asyncio.create_task(session.get())
    await echo.polling(ENGINE)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert (await session.get())[0] == 400


async def test_a_text_frame_comes_back(echo: Echo) -> None:
    socket = await (await echo.socket(ENGINE)).handshaken()
    await socket.send("4hello")
    assert await socket.receive() == "4hello"


async def test_a_binary_frame_comes_back_as_one(echo: Echo) -> None:
    socket = await (await echo.socket(ENGINE)).handshaken()
    await socket.send(b"\1\2\3\4")
    assert await socket.receive() == b"\1\2\3\4"


async def test_a_malformed_frame_closes_the_websocket(echo: Echo) -> None:
    socket = await (await echo.socket(ENGINE)).handshaken()
    await socket.send("abc")
    assert await socket.closed()
