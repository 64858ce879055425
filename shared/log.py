"""The event log: one Redis stream per conversation, whose entry ids are the event indices.

Invariants: indices are 1, 2, 3 … without gaps; nothing is published before it is stored; only the run's newest
attempt may append, and nothing after its terminal event; asking twice for the same append appends once.
Writers: the worker (one ``Writer`` per attempt). Readers go through ``shared.follow``; ``read`` is its slow path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from uuid import uuid4

import orjson
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError

from shared import events, keys
from shared.appends import Appends
from shared.appends import Writer as Writer
from shared.connections import redis_errors
from shared.errors import CaddieError

READ_LIMIT = 500
#: No attempt has a higher fence; Lua counts exactly up to here.
FENCE_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Head:
    """Where a conversation's log stands. index 0: no log. oldest: first index still kept. run: the active one."""

    index: int = 0
    epoch: str = ""
    oldest: int = 1
    run_id: str | None = None
    first: int = 0
    mode: str | None = None
    inputs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the log knows of a run when an attempt takes its fence."""

    ended: bool
    keep_through: int
    cancelled: bool
    steered: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An event to append. `operation` tells the script what the event does to the head (see append.lua)."""

    data: events.Data
    operation: str = field(default="")

    @classmethod
    def of(cls, data: events.Data) -> Entry:
        match data:
            case events.RunFinished() | events.RunFailed():
                return cls(data, "end")
            case events.RunStarted():
                return cls(data, "keep")
            case events.ModeSelected(mode=mode):
                return cls(data, f"mode:{mode}")
            case events.InputRequested(inputId=input_id):
                return cls(data, f"ask:{input_id}")
            case events.InputResolved(inputId=input_id) | events.InputExpired(inputId=input_id):
                return cls(data, f"close:{input_id}")
            case _:
                return cls(data)


class EventLog:
    """All conversations' logs. A conversation is named by ``keys.conversation_key``."""

    def __init__(self, redis: Redis, retention_s: int, retention_events: int) -> None:
        self._redis, self._retention_s = redis, retention_s
        # On a cluster the keys live on different nodes, where one script cannot look at all of them.
        self._apart = isinstance(redis, RedisCluster)
        scripts = files("shared") / "scripts"
        self._append = Appends(redis, retention_s, retention_events)
        self._marks = redis.register_script((scripts / "positions.lua").read_text())
        self._claim = redis.register_script((scripts / "claim.lua").read_text())

    async def claim(self, writer: Writer) -> Claimed:
        """Take the fence for an attempt. Raises CaddieError FENCED when a newer attempt has it, UNAVAILABLE."""
        async with redis_errors():
            try:
                ended, keep, cancelled, steered = await self._claim(
                    [keys.run(writer.conversation, writer.run_id)], [writer.attempt, self._retention_s]
                )
            except ResponseError as error:
                if str(error).startswith("FENCED"):
                    raise CaddieError("FENCED", "the run belongs to another attempt, or has ended") from error
                raise
        return Claimed(bool(ended), keep, bool(cancelled), bool(steered))

    async def append(self, writer: Writer, bodies: Sequence[tuple[str, bytes]]) -> tuple[int, bool]:
        """Append (operation, body) pairs in one atomic step: (index of the last, cancel asked for).

        Raises CaddieError FENCED (taken over, or already ended) or UNAVAILABLE; after the latter the same call may
        be made again.
        """
        return await self._append(writer, bodies) if bodies else (0, False)

    async def read(self, conversation: str, after: int, limit: int = READ_LIMIT) -> list[tuple[int, bytes]]:
        """Up to `limit` entries with an index above `after`: (index, body). Raises UNAVAILABLE."""
        async with redis_errors():
            rows: Any = await self._redis.xrange(
                keys.log(conversation), f"({after}-0" if after else "-", "+", count=limit
            )
        return [(int(entry_id.split(b"-", 1)[0]), fields[b"b"]) for entry_id, fields in rows]

    async def head(self, conversation: str) -> Head:
        """Raises UNAVAILABLE."""
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(keys.head(conversation))
            pipeline.hgetall(keys.inputs(conversation))
            pipeline.xrange(keys.log(conversation), "-", "+", count=1)
            fields, inputs, oldest = await pipeline.execute()
        if not fields:
            return Head()
        value = {name.decode(): text.decode() for name, text in fields.items()}
        return Head(
            index=int(value.get("index", 0)),
            epoch=value.get("epoch", ""),
            oldest=int(oldest[0][0].split(b"-", 1)[0]) if oldest else 1,
            run_id=value.get("run"),
            first=int(value.get("first", 0)),
            mode=value.get("mode"),
            inputs=tuple(orjson.loads(b"{" + body)["data"] for body in inputs.values()),
        )

    async def positions(self, conversations: Sequence[str]) -> list[tuple[int, str]]:
        """(head index, epoch) of many conversations; as ``marks``."""
        marks = [mark.decode().split(" ") for mark in await self.marks(conversations)]
        return [(int(index), epoch) for epoch, index in marks]

    async def marks(self, conversations: Sequence[str]) -> list[bytes]:
        """`<epoch> <head index>` of many conversations in one round trip. Raises UNAVAILABLE.

        A log that is not there yet begins its epoch now, so that a reader knows from the start what it follows.
        """
        heads, epoch = [keys.head(conversation) for conversation in conversations], uuid4().hex[:12]
        async with redis_errors():
            if self._apart:
                return await self._marks_apart(heads, epoch)
            found: list[bytes] = await self._marks(heads, (self._retention_s, epoch))
        return found

    async def _marks_apart(self, heads: Sequence[str], epoch: str) -> list[bytes]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for head in heads:
                pipeline.hsetnx(head, "epoch", epoch)
                pipeline.expire(head, self._retention_s, nx=True)
                pipeline.hmget(head, "index", "epoch")
            rows = (await pipeline.execute())[2::3]
        return [b"%b %b" % (begun, index or b"0") for index, begun in rows]

    async def request_cancel(self, conversation: str, run_id: str) -> None:
        """Mark the run as cancelled and tell whoever carries it. Raises UNAVAILABLE."""
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(keys.run(conversation, run_id), "cancel", "1")
            pipeline.expire(keys.run(conversation, run_id), self._retention_s)
            pipeline.publish(keys.channel(conversation), f"!cancel {run_id}")
            await pipeline.execute()

    async def announce_steer(self, conversation: str, run_id: str) -> None:
        """Tell whoever carries the run, now or later, that a steer waits for it in the store. Raises UNAVAILABLE."""
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(keys.run(conversation, run_id), "steer", "1")
            pipeline.expire(keys.run(conversation, run_id), self._retention_s)
            pipeline.publish(keys.channel(conversation), f"!steer {run_id}")
            await pipeline.execute()

    async def wishes(self, conversation: str, run_id: str) -> tuple[bool, bool]:
        """(cancel asked for, steered) of a run under way. Raises UNAVAILABLE."""
        async with redis_errors():
            cancel, steer = await self._redis.hmget(keys.run(conversation, run_id), "cancel", "steer")
        return bool(cancel), bool(steer)

    async def delete(self, conversation: str, ended: Sequence[str] = (), unfinished: Sequence[str] = ()) -> None:
        """Forget a conversation's log and its runs. Raises UNAVAILABLE.

        Whoever still carries an unfinished one is fenced, or it would begin the log anew.
        """
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            for run_id in unfinished:
                pipeline.hset(keys.run(conversation, run_id), mapping={"attempt": FENCE_MAX, "cancel": "1"})
                pipeline.expire(keys.run(conversation, run_id), self._retention_s)
                pipeline.publish(keys.channel(conversation), f"!cancel {run_id}")
            pipeline.delete(
                keys.log(conversation), keys.head(conversation), keys.inputs(conversation),
                *(keys.run(conversation, run_id) for run_id in ended),
            )  # fmt: skip
            await pipeline.execute()
