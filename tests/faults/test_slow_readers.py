"""Twenty readers that never read beside a hundred and eighty honest ones, on a real server process."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.conftest import Drills
from tests.faults.drill import Drill
from tests.faults.raw import Raw
from tests.product import until

pytestmark = pytest.mark.faults
HONEST, IDLERS, ROUNDS = 180, 20, 2
STALL_S = 2.0
#: Kernels take some 4 MB for a reader that takes nothing, whatever its own buffer: the backlog has to be larger.
PAST_EVENTS, PAST_BATCH, PAST_BYTES, RECEIVE_BYTES = 100, 25, 48_000, 16_384
TICKS, TICK_S, BATCH = 15, 0.02, 5
#: What a reader that takes nothing may pin: one joined write and what the transport had taken of it, the rest of the
#: promise (2 MiB) being heap that reading the backlog from the stream leaves behind.
READER_BYTES = 2 * 1024 * 1024
#: Below this a p99 says more about the machine than about the server.
FLOOR_S = 0.025


class Crowd:
    """The honest readers of some conversations, and how late the events of a round reached them."""

    def __init__(self, drill: Drill, conversations: int) -> None:
        self.drill = drill
        self.readers: list[Raw] = []
        self.names = [f"{number}-of-{conversations}" for number in range(conversations)]
        self._head = PAST_EVENTS
        self._late: list[float] = []
        self._sent: dict[str, dict[int, float]] = {name: {} for name in self.names}

    async def assemble(self) -> None:
        for name in self.names:
            for _ in range(0, PAST_EVENTS, PAST_BATCH):
                await self.drill.say(*["p" * PAST_BYTES] * PAST_BATCH, conversation=name)
        joining = []
        for number in range(HONEST):
            name = self.names[number % len(self.names)]
            self.readers.append(self.drill.raw(partial(self._received, self._sent[name])))
            joining.append(self.readers[-1].connect(self.drill.port, self.drill.token(name), self._head))
        await asyncio.gather(*joining)

    def _received(self, sent: dict[int, float], index: int, _: bytes) -> None:
        self._late.append(time.perf_counter() - sent[index])

    async def round(self) -> float:
        """The p99 from append to receipt of some events."""
        self._late.clear()
        for _ in range(TICKS):
            for name in self.names:
                now = time.perf_counter()
                self._sent[name].update(dict.fromkeys(range(self._head + 1, self._head + BATCH + 1), now))
                await self.drill.say(*["x" * 200] * BATCH, conversation=name)
                await asyncio.sleep(TICK_S / len(self.names))
            self._head += BATCH
        await self.all_have_it()
        assert len(self._late) == HONEST * TICKS * BATCH
        return statistics.quantiles(self._late, n=100)[98]

    async def all_have_it(self) -> None:
        await asyncio.gather(*[reader.reached(self._head) for reader in self.readers])
        assert not any(reader.faults for reader in self.readers)

    async def idlers(self) -> list[Raw]:
        """Clients that ask for everything and take nothing, once the server has felt it."""
        idlers = []
        for number in range(IDLERS):
            idler, token = self.drill.raw(), self.drill.token(self.names[number % len(self.names)])
            idlers.append(await idler.connect(self.drill.port, token, 0, RECEIVE_BYTES))
            idler.wire.pause_reading()
        await until(lambda: self._stalled(IDLERS))
        return idlers

    async def _stalled(self, count: int) -> bool:
        return (await self.drill.server.held())["stalled"] >= count


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """A collection of this process's garbage would look like a late event."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("undisturbed")
async def test_readers_that_take_nothing_cost_nobody_else_anything(drills: Drills) -> None:
    async with drills(stall_timeout_s=STALL_S) as drill:
        for conversations in (1, 6):
            drill.leave()
            crowd = Crowd(drill, conversations)
            await crowd.assemble()
            before = drill.server.rss
            alone, beside = [], []
            for _ in range(ROUNDS):
                alone.append(await crowd.round())
                idlers = await crowd.idlers()
                beside.append(await crowd.round())
                for idler in idlers:
                    idler.leave()
            # Noise only ever adds, so the best round of each is the one to compare.
            assert min(beside) <= 1.5 * max(min(alone), FLOOR_S), (alone, beside)
            assert drill.server.rss - before <= IDLERS * READER_BYTES
        idlers = await crowd.idlers()
        awake = idlers[: IDLERS // 2]
        for idler in awake:
            idler.wire.resume_reading()
        await asyncio.gather(*[idler.reached(crowd._head) for idler in awake])
        assert not any(idler.faults for idler in awake)
        await drill.left(HONEST + len(awake))
        await crowd.all_have_it()
        drill.leave()
        rings = len(crowd.names) * drill.server.settings.ring_bytes
        # The loop that repairs rings may still hold those it compared last.
        await drill.server.nothing_left(rings + IDLERS * READER_BYTES)
