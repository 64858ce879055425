"""One tab of a bot: it follows the conversation across drops, and checks everything it is sent.

Invariant: it always comes back with the last index it has; whatever ends a connection that the tab did not end itself
is named, as a fault or as an outage that the options allow. Caller: ``caddie.bots.bot``, one task per tab.
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

import aiohttp
import orjson

from caddie.bots import transcript
from caddie.bots.bench import Bench
from caddie.bots.connection import NO_CLOSE_FRAME, Connection, Lost, Refused
from caddie.bots.drafts import Drafts
from caddie.bots.frames import Malformed
from caddie.bots.invariants import TERMINAL, Conversation, Reader, Sight
from caddie.bots.issuer import Pass
from caddie.bots.scenario import Scenario
from caddie.bots.surprises import Surprises

AWAY_MAX_S = 1.0
GOODBYE_S = 3.0
NOTICED = frozenset({"message.user", "input.requested", "input.resolved", "input.expired", *TERMINAL})


class Host(Protocol):
    """The bot, as its tabs see it."""

    ticket: Pass
    conversation: Conversation
    scenario: Scenario

    async def pause(self, seconds: float) -> bool: ...

    async def renew(self) -> bool: ...

    def wake(self) -> None: ...

    def notice(self, kind: str, data: dict[str, Any]) -> None: ...


class Tab:
    """name: of the tab; its connections are `<name>.1`, `<name>.2`, … after: where its first one begins to read."""

    def __init__(self, bench: Bench, host: Host, name: str, after: int) -> None:
        self._bench, self._host, self._name, self._after = bench, host, name, after
        self._reader = Reader(host.conversation, name)
        self._drafts = Drafts()
        self._surprises = Surprises(bench, host.renew)
        self._connection: Connection | None = None
        self._ready = self._meant = self._leaving = False
        self._number = 0
        self._pid = ""
        self._rest_until = self._begun = 0.0
        self._missed_to = -1
        #: Events of before this moment (Unix time) were replayed or waited for us: their age says nothing.
        self._live_since = math.inf

    @property
    def available(self) -> bool:
        return self._ready and not self._meant and self.resting <= 0

    @property
    def last(self) -> int:
        return -1 if self._reader.last is None else self._reader.last

    @property
    def limited(self) -> bool:
        """A limit keeps it out at the moment."""
        return self._surprises.limited

    @property
    def behind(self) -> bool:
        return not self.limited and self.last < self._host.conversation.head

    @property
    def resting(self) -> float:
        return self._rest_until - time.monotonic()

    # -- what the bot asks ---------------------------------------------------------------------------------------

    async def call(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A command's acknowledgement. Raises Lost, TimeoutError."""
        if self._connection is None:
            raise Lost(NO_CLOSE_FRAME)
        begun = time.monotonic()
        reply = await self._connection.call(name, body)
        self._bench.statistics.latencies["ack"].add(time.monotonic() - begun)
        return reply

    async def drop(self, *, goodbye: bool = False, abort: bool = False) -> None:
        """End the connection; the tab comes back by itself."""
        if self._connection is None:
            return
        self._meant = True
        if goodbye:
            try:
                await self._connection.leave()
                return
            except (Lost, TimeoutError):
                pass
        if abort:
            self._connection.abort()
        else:
            self._connection.cut()

    def rest(self, seconds: float) -> None:
        """Read nothing for a while; TCP and the product have to hold what comes."""
        self._rest_until, self._live_since = time.monotonic() + seconds, time.time() + seconds
        asyncio.get_running_loop().call_later(seconds + 0.01, self._host.wake)

    async def leave(self) -> None:
        """For good."""
        self._leaving = True
        if connection := self._connection:
            await self.drop(goodbye=True)
            asyncio.get_running_loop().call_later(GOODBYE_S, connection.cut)

    def finish(self) -> None:
        self._reader.finish()

    # -- connecting ----------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Until ``leave``."""
        while not self._leaving:
            if await self._connect():
                await self._listen()
            self._ready, self._connection = False, None
            if not self._leaving:
                await asyncio.sleep(self._surprises.back_off_s + self._host.scenario.pause_s(AWAY_MAX_S))

    async def _connect(self) -> bool:
        ticket = self._host.ticket
        self._number += 1
        self._reader.where = self._surprises.where = f"{self._host.conversation.name} {self._name}.{self._number}"
        self._meant, self._begun, self._rest_until = False, time.monotonic(), 0.0
        try:
            self._connection = await Connection.open(self._bench.http, ticket.url, ticket.path, self._auth(ticket))
        except Refused as refused:
            await self._surprises.refused(refused)
        except Lost as lost:
            await self._lost(lost.code)
        except aiohttp.WSServerHandshakeError as error:
            self._surprises.handshake_failed(error.status)
        except Malformed as error:
            self._fault("error", str(error))
        except (aiohttp.ClientError, OSError) as error:
            # TimeoutError is an OSError.
            self._surprises.outage(f"expected a connection, got {type(error).__name__}")
        else:
            self._surprises.connected()
            if self._leaving:
                self._connection.cut()
                return False
            self._bench.statistics.connected()
            return True
        self._surprises.failed()
        return False

    def _auth(self, ticket: Pass) -> dict[str, Any]:
        if self._reader.last is None:
            return {"token": ticket.token, "lastEventIndex": self._after}
        if self._pid and self._host.scenario.recovers():
            return {"token": ticket.token, "pid": self._pid, "offset": str(self._reader.last)}
        epoch = self._host.conversation.epoch
        return {"token": ticket.token, "lastEventIndex": self._reader.last, "epoch": epoch}

    async def _listen(self) -> None:
        assert self._connection is not None
        statistics = self._bench.statistics
        code = 0
        try:
            code = await self._connection.listen(self)
        except Malformed as error:
            self._fault("error", str(error))
            self._meant = True
        finally:
            statistics.open -= 1
            statistics.counts["bytes"] += self._connection.bytes_read
            self._live_since = math.inf
        await self._lost(code)

    async def _lost(self, code: int) -> None:
        """A connection ended with this code; what the bot did itself is no surprise."""
        if not self._meant and not self._leaving:
            await self._surprises.closed(code)

    def _fault(self, kind: str, message: str) -> None:
        self._surprises.fault(kind, message)

    # -- what arrives --------------------------------------------------------------------------------------------

    def on_event(self, raw: bytes, offset: str) -> None:
        """Raises Malformed."""
        now = time.time()
        statistics = self._bench.statistics
        statistics.counts["events"] += 1
        try:
            event = orjson.loads(raw)
            kind, index, run, data = event["type"], event["index"], event.get("runId"), event["data"]
            digest = int.from_bytes(blake2b(raw, digest_size=8).digest(), "big") or 1
            sight = Sight(index, event.get("from", index), kind, run, digest)
            born = datetime.fromisoformat(event["ts"]).timestamp()
            if born >= self._live_since:
                statistics.latencies["event"].add(now - born)
            self._bench.transcript.event(self._host.conversation.name, f"{self._name}.{self._number}", sight)
            if not self._reader.take(sight, offset):
                return
            if wrong := self._drafts.take(kind, index, run, data):
                self._fault("text", wrong)
            if kind in NOTICED:
                self._host.notice(kind, data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"event: expected the documented members, got {type(error).__name__}: {error}") from error
        if 0 <= self._missed_to <= index:
            self._caught_up()

    def on_control(self, name: str, data: Any) -> None:
        """Raises Malformed."""
        try:
            match name:
                case "ready":
                    self._begin(data)
                case "resync":
                    self._jump(data)
                case "expiring":
                    self._bench.statistics.counts["expiring"] += 1
                    self._host.notice("expiring", data)
                case "head" if data["epoch"] == self._host.conversation.epoch and data["index"] > self.last >= 0:
                    self._fault("gap", f"head: expected {self.last}, got {data['index']}")
        except (KeyError, TypeError) as error:
            raise Malformed(f"{name}: expected the documented members, got {type(error).__name__}: {error}") from error

    def _begin(self, ready: dict[str, Any]) -> None:
        statistics, replay = self._bench.statistics, ready["replay"]
        resumed = self._reader.last is not None
        after = self._reader.last if self._reader.last is not None else self._after
        self._host.conversation.begin_epoch(ready["epoch"])
        assert self._connection is not None
        if resumed and self._connection.pid == self._pid:
            statistics.counts["recovered"] += 1
        self._pid = self._connection.pid
        if replay["complete"]:
            if replay["from"] != after + 1:
                self._fault("gap", f"ready: expected a replay from {after + 1}, got {replay['from']}")
            self._reader.begin(after)
            self._mark(transcript.CONNECTED, after=after, epoch=ready["epoch"])
        elif replay.get("reason") == "ahead":
            self._fault("gap", f"ready: expected a log of at least {after} events, got {ready['head']}")
        self._ready, self._live_since = True, time.time()
        self._missed_to = ready["head"]
        statistics.latencies["connect"].add(time.monotonic() - self._begun)
        if not resumed:
            self._missed_to = -1
        elif self._missed_to <= after:
            self._caught_up()
        self._host.wake()

    def _caught_up(self) -> None:
        self._missed_to = -1
        statistics = self._bench.statistics
        statistics.counts["resumes"] += 1
        statistics.latencies["resume"].add(time.monotonic() - self._begun)

    def _jump(self, state: dict[str, Any]) -> None:
        """A `resync`: the state instead of events that are gone."""
        conversation = self._host.conversation
        self._bench.statistics.counts["resyncs"] += 1
        conversation.begin_epoch(state["epoch"])
        conversation.head = max(conversation.head, state["head"])
        running = (state.get("run") or {}).get("runId")
        # The end of a run may be among what is gone.
        conversation.open_runs &= {running}
        self._drafts.forget()
        self._reader.begin(state["head"])
        self._missed_to = -1
        self._mark(transcript.RESYNC, after=state["head"], epoch=state["epoch"], runId=running)
        self._host.wake()

    def _mark(self, kind: str, **members: Any) -> None:
        connection = f"{self._name}.{self._number}"
        self._bench.transcript.marker(self._host.conversation.name, connection, kind, **members)
