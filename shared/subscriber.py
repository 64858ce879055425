"""One connection per process that listens to Redis channels.

A bare protocol on ``hiredis.Reader`` instead of redis-py's pub/sub: the messages of one read reach the owner in one
call, without a task or a coroutine per message (an event costs two microseconds this way, 100 the other).
Invariant: a channel the owner wants is subscribed again after every reconnect, and the owner is told, because what was
published in between is lost. Pub/sub is a shortcut only; ``shared.follow`` reads the stream for what is missing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import hiredis
import structlog
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

PING_INTERVAL_S = 2.0
SILENCE_LIMIT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 1.0
#: One read takes what Redis has sent so far, up to this: the longer the backlog, the more events share a write.
READ_BYTES = 2_097_152
#: hiredis moves what it holds each time it has consumed a kilobyte, so it is given little at once: a message costs
#: 0.15 µs this way, and 1.4 when a whole megabyte is fed.
BITE_BYTES = 16_384
#: Above this rate, measured over a window, a read of few messages is followed by a pause: reading, waking and sleeping
#: cost more than the messages themselves, and a millisecond of them costs one read.
DENSE_PER_S = 20_000
DENSE_WINDOW_S = 0.05
FEW_MESSAGES = 64
PAUSE_S = 0.001
_log = structlog.get_logger()


class Subscriber:
    """Owns the connection. `on_messages` gets the messages of one read, each [b"message", channel, payload]; `on_gap`
    hears that messages may have been lost; `on_subscribed` that a channel is live.
    """

    def __init__(
        self,
        url: str,
        on_messages: Callable[[list[list[bytes]]], None],
        on_subscribed: Callable[[bytes], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._url = url
        self._on_messages, self._on_subscribed, self._on_gap = on_messages, on_subscribed, on_gap
        self._channels: set[bytes] = set()
        self._protocol: _Protocol | None = None

    @property
    def connected(self) -> bool:
        return self._protocol is not None

    def subscribe(self, channel: bytes) -> None:
        self._channels.add(channel)
        if self._protocol:
            self._protocol.send(b"SUBSCRIBE", channel)

    def unsubscribe(self, channel: bytes) -> None:
        self._channels.discard(channel)
        if self._protocol:
            self._protocol.send(b"UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep the connection until cancelled; the owner runs this in a task of its own."""
        delay = BACKOFF_FIRST_S
        while True:
            try:
                protocol = await self._connect()
            except (OSError, RedisError, hiredis.HiredisError) as error:
                _log.warning("subscriber.connect_failed", error=type(error).__name__, retry_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, BACKOFF_LAST_S)
                continue
            self._protocol = protocol
            try:
                for channel in self._channels:
                    protocol.send(b"SUBSCRIBE", channel)
                await self._keep_alive(protocol)
            finally:
                self._protocol = None
                protocol.transport.abort()
            self._on_gap()
            # A server that takes connections but refuses or drops them is no better than one that is away.
            delay = BACKOFF_FIRST_S if protocol.answered else min(delay * 2, BACKOFF_LAST_S)
            await asyncio.sleep(delay)

    async def _keep_alive(self, protocol: _Protocol) -> None:
        """Until the connection is lost, or silent although it was pinged."""
        while not protocol.lost.done():
            protocol.send(b"PING")
            await asyncio.wait([protocol.lost], timeout=PING_INTERVAL_S)
            if asyncio.get_running_loop().time() - protocol.heard_at > SILENCE_LIMIT_S:
                return

    async def _connect(self) -> _Protocol:
        loop = asyncio.get_running_loop()
        parts = urlsplit(self._url)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if parts.scheme == "unix":
                _, protocol = await loop.create_unix_connection(self._protocol_for, parts.path)
            else:
                host, port = await self._address()
                context = ssl.create_default_context() if parts.scheme == "rediss" else None
                _, protocol = await loop.create_connection(self._protocol_for, host, port, ssl=context)
            if parts.password:
                user = (unquote(parts.username).encode(),) if parts.username else ()
                protocol.send(b"AUTH", *user, unquote(parts.password).encode())
        return protocol

    async def _address(self) -> tuple[str, int]:
        parts = urlsplit(self._url)
        if parts.scheme == "redis+sentinel":
            pairs = [host.partition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
            sentinel = Sentinel([(name, int(port or 26379)) for name, _, port in pairs], socket_timeout=1.0)  # type: ignore[no-untyped-call]
            host, port = await sentinel.discover_master(parts.path.strip("/").partition("/")[0] or "mymaster")
            return host, port
        return parts.hostname or "127.0.0.1", parts.port or 6379

    def _protocol_for(self) -> _Protocol:
        return _Protocol(self._on_messages, self._on_subscribed)


class _Protocol(asyncio.BufferedProtocol):
    """RESP2 on the wire."""

    transport: asyncio.Transport

    def __init__(
        self, on_messages: Callable[[list[list[bytes]]], None], on_subscribed: Callable[[bytes], None]
    ) -> None:
        self._reader = hiredis.Reader()
        self._buffer = bytearray(READ_BYTES)
        self._unsent: list[bytes] = []
        self._on_messages, self._on_subscribed = on_messages, on_subscribed
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.answered = False
        self._dense, self._counted, self._counted_since = False, 0, self.heard_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, *words: bytes) -> None:
        # One write for all of a loop's turn: a write of its own costs ten times as much as the command.
        if not self._unsent:
            self._loop.call_soon(self._flush)
        encoded = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
        self._unsent.append(b"*%d\r\n%b" % (len(words), encoded))

    def _flush(self) -> None:
        commands, self._unsent = self._unsent, []
        if not self.transport.is_closing():
            self.transport.write(b"".join(commands))

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        now = self.heard_at = self._loop.time()
        messages: list[list[bytes]] = []
        gets = self._reader.gets
        for start in range(0, nbytes, BITE_BYTES):
            # It takes any buffer, whatever its stub says.
            self._reader.feed(self._buffer, start, min(BITE_BYTES, nbytes - start))  # type: ignore[arg-type]
            while (reply := gets()) is not False:
                if type(reply) is list and reply[0] == b"message":
                    messages.append(reply)
                    continue
                # What came before a confirmation belongs to the channels confirmed before it.
                self._deliver(messages)
                messages = []
                self._answer(reply)
        self._deliver(messages)
        self._counted += len(messages)
        if now - self._counted_since >= DENSE_WINDOW_S:
            self._dense = self._counted > DENSE_PER_S * (now - self._counted_since)
            self._counted, self._counted_since = 0, now
        if self._dense and len(messages) < FEW_MESSAGES:
            self._pause(PAUSE_S)
        elif nbytes == READ_BYTES:
            # The event loop would read on and on before it serves anybody else.
            self._pause(0)

    def _pause(self, seconds: float) -> None:
        self.transport.pause_reading()
        self._loop.call_later(seconds, self.transport.resume_reading)

    def _deliver(self, messages: list[list[bytes]]) -> None:
        if messages:
            self._on_messages(messages)

    def _answer(self, reply: object) -> None:
        """What Redis says to a command of ours."""
        if self.transport.is_closing():
            return
        if isinstance(reply, hiredis.ReplyError):
            _log.error("subscriber.refused", error=str(reply).split(" ", 1)[0])
            self.transport.abort()
            return
        self.answered = True
        if isinstance(reply, list) and reply[0] == b"subscribe":
            self._on_subscribed(reply[1])
