"""Ten thousand malformed packets over two hundred connections at a time, against a real server process."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.caddie.realtime.wire import Polling, connect_packet
from tests.faults.conftest import Drills
from tests.faults.drill import Drill
from tests.faults.garbage import BROKEN_FRAME, FRAME_BYTES, HTTP, Dump, Garbage

pytestmark = pytest.mark.fuzz
SEED = 20_260_101
CONNECTIONS, PACKETS, POSTS, POSTERS = 200, 10_000, 300, 10
#: What the heap keeps after two hundred connections that each had up to three frames of 64 KiB under way, twice over.
HEAP_BYTES = 2 * CONNECTIONS * 3 * FRAME_BYTES


class Attack:
    """`told` counts what became of the connections by close code."""

    def __init__(self, drill: Drill) -> None:
        self.drill, self.dump = drill, Dump(SEED)
        self.left, self.told = PACKETS, Counter[int]()

    async def connection(self) -> None:
        """A connection after the other, each with a burst of garbage, until all packets are spent."""
        while self.left > 0:
            connected = self.dump.dice.random() < 0.5
            wire = await (self.drill.connected() if connected else self.drill.opened())
            burst = self._burst(connected)
            for piece in self.dump.pieces(b"".join([item.data for item in burst])):
                wire.wire.write(piece)
                await asyncio.sleep(0)
            expected = next((item.codes for item in burst if item.codes), frozenset[int]())
            if expected:
                # Broken frames behind the end are noticed while the rest is dropped.
                broken = BROKEN_FRAME if any(item.codes == BROKEN_FRAME for item in burst) else frozenset[int]()
                code = await wire.end()
                assert code in expected | broken, (code, [item.data[:80] for item in burst])
                self.told[code] += 1
            else:
                await self.drill.ping(wire)
                wire.leave()

    def _burst(self, connected: bool) -> list[Garbage]:
        dump, dice = self.dump, self.dump.dice
        burst = [dump.mild(connected) for _ in range(dice.randrange(3))]
        if dice.random() < 0.9 or not burst:
            burst.append(dump.lethal())
            burst += [dump.lethal() if dice.random() < 0.7 else dump.mild(True) for _ in range(dice.randrange(5))]
        self.left -= len(burst)
        return burst

    async def poster(self, http: aiohttp.ClientSession) -> None:
        """Sessions of long polling that post garbage and are over."""
        base = f"http://127.0.0.1:{self.drill.port}/socket.io/"
        for number in range(POSTS // POSTERS):
            polling = await Polling(base, http).open()
            if number % 2:
                await polling.post(connect_packet(token=self.drill.token()))
            assert await polling.post(data=self.dump.body()) == 400
            while (await polling.get())[0] == 200:
                continue

    async def strangers(self) -> None:
        """What is no request of ours, or none at all: answered with a refusal, or hung up on."""
        for request in HTTP * 10:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.drill.port)
            writer.write(request)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 10)
            assert not answer or answer[9:12] in (b"400", b"404"), (request[:80], answer[:80])
            writer.close()


async def test_malformed_packets_end_their_sender_and_nobody_else(drills: Drills) -> None:
    async with drills() as drill:
        attack = Attack(drill)
        async with drill.beside() as answers, aiohttp.ClientSession() as http:
            async with asyncio.TaskGroup() as group:
                for _ in range(CONNECTIONS):
                    group.create_task(attack.connection())
                for _ in range(POSTERS):
                    group.create_task(attack.poster(http))
                group.create_task(attack.strangers())
        assert attack.told[4400] > 1_000, attack.told
        assert max(answers) < 2.0
        await drill.server.nothing_left(HEAP_BYTES)
