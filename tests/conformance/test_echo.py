"""The echo server is as strict as the product about what the official suites do not try."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.conformance.conftest import ENGINE, SOCKET, Echo
from tests.product import free_port, until

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    "packets",
    [
        [b"\1"],
        ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
        ['451-["message",{"_placeholder":true,"num":5}]', b"\1"],
        ['450-["message"]'],
        ['459-["message"]'],
        ['45999999-["message"]'],
        ['45["message"]'],
        ['451-["disconnect"]', b"\1"],
        ['42["connect",{},{}]'],
        ["40"],
        ["40/custom", '451-/random,["message"]'],
    ],
    ids=str,
)
async def test_what_breaks_the_protocol_closes_the_websocket(echo: Echo, packets: list[str | bytes]) -> None:
    socket = await echo.connected()
    await socket.send(*packets)
    assert await socket.closed()


@pytest.mark.parametrize("body", ["bAQ", "b*", "b\x1e4hello", "bAQIDBA==extra"])
async def test_binary_in_a_post_is_strict_base64(echo: Echo, body: str) -> None:
    session = await echo.session(ENGINE)
    status, _ = await session.post(body)
    assert status == (200 if body.startswith("b\x1e") else 400)


@pytest.mark.parametrize("path", [ENGINE, SOCKET])
async def test_a_frame_over_the_limit_closes_the_websocket(echo: Echo, path: str) -> None:
    socket = await (await echo.socket(path)).handshaken()
    await socket.send(b"\0" * 1_000_001)
    assert await socket.closed()


async def test_it_runs_from_the_command_line_until_it_is_told_to_stop() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "caddie.realtime.echo", "--port", str(port), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    async with aiohttp.ClientSession() as http:
        echo = Echo(f"http://127.0.0.1:{port}", http)

        async def answers() -> bool:
            try:
                return (await echo.handshake(SOCKET))["pingInterval"] == 300
            except aiohttp.ClientError:
                return False

        try:
            await until(answers, 20)
            await (await echo.socket(ENGINE)).handshaken()
            os.kill(process.pid, signal.SIGTERM)
            async with asyncio.timeout(10):
                _, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in errors
