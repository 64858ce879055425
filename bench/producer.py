"""A producer of durable events, measured in a process of its own: `python -m bench.producer KIND REDIS_PORT REDIS_PID`.

Kinds: `batches` and `single` append through the recorder's own path, 64 events and one event a step; `recorder` is the
whole recorder with the state it keeps; `redis-py` is XADD and PUBLISH, awaited one by one. Invariant: each encodes and
stores the same event, and every event must be found in its stream, once and in order. Started by `bench.rounds`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from bench.wire import ORGANISATION, RETENTION_EVENTS, RETENTION_S, room
from caddie.recorder import Recorder
from shared import keys
from shared.connections import open_redis
from shared.events import Event, MessageDelta, MessageStarted, encode, timestamp
from shared.fold import State
from shared.log import EventLog, Writer

BATCH = 64
CONVERSATIONS = 50
#: Events after which a conversation's next run begins, as long answers are.
RUN_EVENTS = 640
#: How much of a stream's end is read again to see its order.
TAIL = 1_000
_numbers = itertools.count()


def delta(number: int) -> MessageDelta:
    """An event of the size the delivery benchmark publishes; neighbours belong to two messages, so none is merged."""
    return MessageDelta(messageId=f"m_5f0c2a9b71d{number % 2}", text=f"@{number:019d}")


class Conversation:
    """One log and who writes to it."""

    def __init__(self, number: int, log: EventLog) -> None:
        self.key, self.sent, self._log = keys.conversation_key(ORGANISATION, room(number)), 0, log
        self.renew()

    def renew(self) -> None:
        self.run_id, state = f"run_{next(_numbers):012d}", State(definition=None)
        for number in (0, 1):
            data = MessageStarted(messageId=delta(number).messageId)
            state.apply(Event(index=0, type=data.TYPE, ts=timestamp(), runId=self.run_id, data=data))
        self.recorder = Recorder(self._log, Writer(self.key, self.run_id, 1), state)

    def next(self) -> MessageDelta:
        if self.sent % RUN_EVENTS == 0 and self.sent:
            self.renew()
        self.sent += 1
        return delta(self.sent)


Step = Callable[[Conversation], Awaitable[int]]


def appending(count: int) -> Step:
    async def step(conversation: Conversation) -> int:
        events = [conversation.next() for _ in range(count)]
        await conversation.recorder.append([("", encode(event, conversation.run_id)) for event in events])
        return count

    return step


async def recording(conversation: Conversation) -> int:
    first = conversation.next()
    recorder = conversation.recorder
    running = asyncio.create_task(recorder.run(), name="recorder")
    try:
        await recorder.emit(first)
        for _ in range(BATCH - 1):
            await recorder.emit(conversation.next())
        await recorder.flush()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return BATCH


def one_by_one(redis: Redis) -> Step:
    async def step(conversation: Conversation) -> int:
        body = encode(conversation.next(), conversation.run_id)
        await redis.xadd(keys.log(conversation.key), {"b": body}, maxlen=RETENTION_EVENTS, approximate=True)
        await redis.publish(keys.channel(conversation.key), body)
        return 1

    return step


def clock_of(pid: int) -> float:
    """Seconds of CPU of another process: the kernel's clock id of a pid (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


async def measure(kind: str, port: int, redis_pid: int, warm_s: float, seconds: float) -> dict[str, Any]:
    url = f"redis://127.0.0.1:{port}/0"
    plain, ours = Redis(port=port), open_redis(url)
    steps = {
        "batches": appending(BATCH), "single": appending(1), "recorder": recording, "redis-py": one_by_one(plain),
    }  # fmt: skip
    log = EventLog(ours, RETENTION_S, RETENTION_EVENTS)
    conversations = [Conversation(number, log) for number in range(CONVERSATIONS)]
    try:
        turns = itertools.cycle(conversations)
        await _for(warm_s, steps[kind], turns)
        own, redis_cpu, waiting, began = time.process_time(), clock_of(redis_pid), _waited(), time.monotonic()
        events = await _for(seconds, steps[kind], turns)
        took = time.monotonic() - began
        own, redis_cpu = time.process_time() - own, clock_of(redis_pid) - redis_cpu
        return {
            "events_per_s": round(events / took), "cpu_us_per_event": own * 1e6 / events,
            "redis_us_per_event": redis_cpu * 1e6 / events, "server_load": own / took, "redis_load": redis_cpu / took,
            "server_waited": (_waited() - waiting) / took, **await faults(plain, conversations),
        }  # fmt: skip
    finally:
        await plain.aclose()
        await ours.aclose()


async def _for(seconds: float, step: Step, turns: itertools.cycle[Conversation]) -> int:
    """Step after step; how many events it were."""
    until, events = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        events += await step(next(turns))
    return events


async def faults(redis: Redis, conversations: list[Conversation]) -> dict[str, int]:
    """What is missing, doubled or out of order in the streams."""
    found = {"lost": 0, "duplicates": 0, "reordered": 0}
    for conversation in conversations:
        if not conversation.sent:
            continue
        stream = keys.log(conversation.key)
        added = (await redis.xinfo_stream(stream))["entries-added"]
        found["lost"] += max(conversation.sent - added, 0)
        found["duplicates"] += max(added - conversation.sent, 0)
        rows: Any = await redis.xrevrange(stream, count=TAIL)
        numbers = [int(json.loads(b"{" + fields[b"b"])["data"]["text"][1:]) for _, fields in reversed(rows)]
        found["reordered"] += numbers != list(range(conversation.sent - len(rows) + 1, conversation.sent + 1))
    return found


def _waited() -> float:
    """Seconds this process was ready to run while something else had its core."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("batches", "single", "recorder", "redis-py"))
    parser.add_argument("port", type=int)
    parser.add_argument("redis_pid", type=int)
    parser.add_argument("--warm", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    row = uvloop.run(measure(given.kind, given.port, given.redis_pid, given.warm, given.seconds))
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
