"""Floods: too much of what is allowed, or of what is not, from ten clients at once against a real server process.

Each is refused with its documented code, nobody else notices, and nothing is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle, islice

import aiohttp
import pytest

from tests.caddie.realtime.wire import Polling, command_packet, connect_packet
from tests.faults.conftest import Drills
from tests.faults.drill import Drill
from tests.faults.raw import BINARY, PING, PONG, Raw, frame

pytestmark = pytest.mark.faults
FLOODERS, PACKETS = 10, 3_000
#: The longest an honest ping may wait; generous, for a busy machine.
WORST_S = 1.5
HEAP_BYTES = 48 * 1024 * 1024
#: name → (packet, close code) of clients that send it as fast as they can.
SOCKET_FLOODS = {
    "commands": (frame(command_packet("cancel", {"runId": "r"})), 4429),
    "commands with acknowledgements": (frame(command_packet("cancel", {"runId": "r"}, 7)), 4429),
    "replays of everything": (frame(command_packet("replay", {"after": 0}, 1)), 4429),
    "unknown commands": (frame('42["a",{}]'), 4429),
    "large commands": (frame(command_packet("message", {"text": "x" * 20_000})), 4429),
    "acknowledgements": (frame("437[]"), 4400),
    "connects": (frame('40{"token":"x"}'), 4400),
    "connects to namespaces": (frame("40/a,"), 4400),
    "binary": (frame(b"x" * 100, BINARY), 4400),
    "noops": (frame("6"), 4429),
    "pings": (frame("2"), 4429),
    "pongs": (frame("3"), 4429),
    "pings of the websocket": (frame(b"", PING), 4429),
    "pongs of the websocket": (frame(b"", PONG), 4429),
}
#: Bodies, by number, of sessions that post as fast as they are answered.
POST_FLOODS: list[Callable[[int], bytes]] = [
    lambda _: command_packet("cancel", {"runId": "r"}).encode(),
    lambda _: b"\x1e".join([b'42["cancel",{}]'] * 500),
    lambda number: b"\x1e".join([b"3"] * (400 + number)),
    lambda number: command_packet("message", {"text": "x" * 30_000}, number).encode(),
]


async def flooded(client: Raw, packet: bytes) -> int:
    """The close code of a client that sends the packet again and again."""
    client.wire.write(packet * min(PACKETS, 4_000_000 // len(packet)))
    return await client.end()


def assert_prompt(answers: list[float]) -> None:
    assert answers and max(answers) < WORST_S, sorted(answers)[-5:]


async def handshakes(drill: Drill, kind: str, count: int) -> Counter[int]:
    """How many of so many new transports were answered with which status."""
    if kind == "websocket":
        clients = [drill.raw() for _ in range(count)]
        for start in range(0, count, 100):
            await asyncio.gather(*[client.open(drill.port) for client in clients[start : start + 100]])
        return Counter(client.status for client in clients)
    address = f"http://127.0.0.1:{drill.port}/socket.io/?EIO=4&transport=polling"
    told = Counter[int]()
    async with aiohttp.ClientSession() as http:

        async def some() -> None:
            for _ in range(count // FLOODERS):
                async with http.get(address) as response:
                    assert response.status == 200 or response.headers["Retry-After"] == "2"
                    told[response.status] += 1

        await asyncio.gather(*[some() for _ in range(FLOODERS)])
    return told


async def test_a_flood_of_handshakes_is_refused_and_what_it_opened_is_closed_again(drills: Drills) -> None:
    burst = 400
    async with drills(handshakes_burst=burst, handshakes_per_s=1, connect_timeout_s=1.0) as drill:
        async with drill.beside() as answers:
            honest = list(drill.clients)
            told = await handshakes(drill, "websocket", 600) + await handshakes(drill, "polling", 600)
        # The clients before the flood came from the same address.
        assert told[200] + told[101] <= burst and told[429] >= 800 and set(told) <= {200, 101, 429}, told
        assert_prompt(answers)
        opened = [client for client in drill.clients if client.status == 101 and client not in honest]
        assert {await client.end() for client in opened} == {4408}
        drill.leave()
        await drill.server.nothing_left(HEAP_BYTES)


async def posts(drill: Drill, http: aiohttp.ClientSession, body: Callable[[int], bytes]) -> None:
    """A polling session, up to its end."""
    polling = await Polling(f"http://127.0.0.1:{drill.port}/socket.io/", http).open()
    assert await polling.post(connect_packet(token=drill.token())) == 200
    for number in range(300):
        if await polling.post(data=body(number)) != 200:
            while (await polling.get())[0] == 200:
                continue
            return
    raise AssertionError("expected an end, got three hundred answers")


async def strays(drill: Drill, http: aiohttp.ClientSession) -> None:
    """Posts to sessions that never were."""
    for sid in islice(cycle(("x", "", "%00", "y" * 2_000)), 100):
        url = f"http://127.0.0.1:{drill.port}/socket.io/?EIO=4&transport=polling&sid={sid}"
        async with http.post(url, data=b"x" * 1_000) as response:
            assert response.status == 400


async def test_a_flood_ends_its_sender_and_holds_nobody_else_up(drills: Drills) -> None:
    async with drills() as drill:
        await drill.say(*["p" * 2_000] * 500, conversation="long")
        for name, (packet, code) in SOCKET_FLOODS.items():
            flooders = [await drill.connected("long") for _ in range(FLOODERS)]
            async with drill.beside() as answers:
                codes = await asyncio.gather(*[flooded(client, packet) for client in flooders])
            assert codes == [code] * FLOODERS, name
            assert_prompt(answers)
        async with drill.beside() as answers, aiohttp.ClientSession() as http:
            attacks: list[Awaitable[None]] = [posts(drill, http, body) for body in POST_FLOODS * 3]
            await asyncio.gather(*attacks, *[strays(drill, http) for _ in range(FLOODERS)])
        assert_prompt(answers)
        drill.leave()
        await drill.server.nothing_left(HEAP_BYTES)
