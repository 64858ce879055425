"""All bots of one test: started along the ramp, told when to stop, awaited to the end.

Invariant: the test ends at most ``CANCEL_AFTER_S`` + ``OVER_AFTER_S`` (and a goodbye) after its time, whatever the
product does. Caller: ``caddie.bots.command``.
"""

from __future__ import annotations

import asyncio

from caddie.bots.bench import Bench, Phase
from caddie.bots.bot import Bot
from caddie.bots.progress import Progress

SAMPLE_S = 1.0
#: After the end of the talking: runs may end by themselves for this long, then they are cancelled.
CANCEL_AFTER_S = 10.0
#: A run whose process was killed is taken over within 15 s.
OVER_AFTER_S = 20.0


class Fleet:
    """`run` may be called once."""

    def __init__(self, bench: Bench, progress: Progress) -> None:
        self._bench, self._progress = bench, progress
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End the talking now; what runs may still end."""
        self._stop.set()

    def kill(self) -> None:
        """Wait for nothing any longer."""
        self._stop.set()
        self._bench.shift.cut = True
        self._bench.shift.enter(Phase.OVER)

    async def run(self) -> float:
        """Seconds it took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        watch = asyncio.create_task(self._watch(begun), name="bots-watch")
        end = asyncio.create_task(self._end(), name="bots-end")
        try:
            async with asyncio.TaskGroup() as group:
                await self._start(group, begun)
        finally:
            for task in (watch, end):
                task.cancel()
            await asyncio.gather(watch, end, return_exceptions=True)
        self._bench.statistics.sample(loop.time() - begun)
        self._progress.clear()
        return loop.time() - begun

    async def _start(self, group: asyncio.TaskGroup, begun: float) -> None:
        options = self._bench.options
        loop = asyncio.get_running_loop()
        for number in range(options.sessions):
            due = begun + options.ramp_s * number / options.sessions
            if due > loop.time() and await self._stopped_within(due - loop.time()):
                return
            group.create_task(Bot(self._bench, number).run(), name=f"bot-{number}")

    async def _end(self) -> None:
        """The phases, one after the other."""
        shift = self._bench.shift
        await self._stopped_within(self._bench.options.duration_s)
        self._stop.set()
        shift.enter(Phase.SETTLING)
        await asyncio.sleep(CANCEL_AFTER_S)
        shift.enter(Phase.CANCELLING)
        await asyncio.sleep(OVER_AFTER_S)
        shift.enter(Phase.OVER)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _watch(self, begun: float) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            elapsed = asyncio.get_running_loop().time() - begun
            if point := self._bench.statistics.sample(elapsed):
                self._progress.show(point, self._bench)
