"""One connection per process that listens to Redis channels.

A bare protocol on ``hiredis.Reader`` instead of redis-py's pub/sub: the messages of one read reach the owner in one
call, without a task or a coroutine per message (an event costs a few microseconds this way, 100 the other).
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
_log = structlog.get_logger()


class Subscriber:
    """Owns the connection. `on_messages` gets the (channel, payload) pairs of one read; `on_gap` hears that messages
    may have been lost; `on_subscribed` that a channel is live.
    """

    def __init__(
        self,
        url: str,
        on_messages: Callable[[list[tuple[bytes, bytes]]], None],
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


class _Protocol(asyncio.Protocol):
    """RESP2 on the wire."""

    transport: asyncio.Transport

    def __init__(
        self, on_messages: Callable[[list[tuple[bytes, bytes]]], None], on_subscribed: Callable[[bytes], None]
    ) -> None:
        self._reader = hiredis.Reader()
        self._on_messages, self._on_subscribed = on_messages, on_subscribed
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, *words: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
            )

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._reader.feed(data)
        messages: list[tuple[bytes, bytes]] = []
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, hiredis.ReplyError):
                _log.error("subscriber.refused", error=str(reply).split(" ", 1)[0])
                self.transport.abort()
                break
            self.answered = True
            if not isinstance(reply, list):
                continue
            if reply[0] == b"message":
                messages.append((reply[1], reply[2]))
            elif reply[0] == b"subscribe":
                # What arrived before the confirmation belongs to the channels confirmed before it.
                if messages:
                    self._on_messages(messages)
                    messages = []
                self._on_subscribed(reply[1])
        if messages:
            self._on_messages(messages)
