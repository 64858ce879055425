"""The Socket.IO server: python-socketio for the protocol, our engine underneath, connections above.

python-socketio encodes the protocol's packets; what a client may send is read by ``packets``, every way in ends in
``_handle_eio_message``, and the only book is ``connections``: the library's rooms serve broadcasts, which nobody makes
here, and cost more than the whole handshake above them. Its private names used here are pinned by
``tests/caddie/realtime/test_tripwire.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import ip_network
from secrets import token_urlsafe
from typing import Any

import socketio
import structlog
from aiohttp import web
from socketio.packet import ACK, CONNECT, CONNECT_ERROR

from caddie.realtime import packets
from caddie.realtime.buckets import Bucket, Places
from caddie.realtime.commands import Commands, refusal
from caddie.realtime.connection import Connection, Snapshot, timestamp_of
from caddie.realtime.engine import Engine, Origins
from caddie.realtime.handshake import Start, authenticate, start
from caddie.realtime.packets import Packet, Violation
from caddie.realtime.transport import Transport
from shared import keys
from shared.admission import Admission
from shared.errors import (
    CLOSE_FORBIDDEN,
    CLOSE_OVERLOADED,
    CLOSE_PROTOCOL,
    CLOSE_RATE,
    CLOSE_REVOKED,
    CLOSE_TOKEN,
    CaddieError,
)  # fmt: skip
from shared.events import timestamp
from shared.follow import LogReader
from shared.log import Head
from shared.sessions import Revocation
from shared.settings import Settings
from shared.tokens import Tokens

PROTOCOL = 1
#: Commands refused for their rate at once, and a second, before a client that does not slow down is cut.
REFUSALS_BURST = 40
REFUSALS_PER_S = 2
#: Revocations kept for sockets whose token was checked just before: a handshake takes milliseconds.
REVOKED_LATELY = 64
NAMESPACE = "/"
_log = structlog.get_logger()


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """`snapshot` gives the state for a resync. Attach it to an aiohttp application; `tick` runs the deadlines."""

    def __init__(
        self, settings: Settings, origins: Origins, tokens: Tokens, admission: Admission,
        reader: LogReader, commands: Commands, snapshot: Snapshot,
    ) -> None:  # fmt: skip
        super().__init__(
            async_mode="aiohttp", async_handlers=False, json=packets.Json, logger=False,
            namespaces=[NAMESPACE], settings=settings, origins=origins,
            proxies=tuple(ip_network(network, strict=False) for network in settings.trusted_proxies),
        )  # fmt: skip
        self._settings, self._tokens, self._admission = settings, tokens, admission
        self._reader, self._commands, self._snapshot = reader, commands, snapshot
        self._users = Places(settings.sockets_per_user)
        self._organisations = Places(settings.sockets_per_organisation)
        self.connections: dict[str, Connection] = {}
        self.violations = 0
        self._revoked: deque[Revocation] = deque(maxlen=REVOKED_LATELY)
        self.engine: Engine = self.eio
        self.engine.on_tick = self._tick

    def _engineio_server_class(self) -> Callable[..., Engine]:
        return Engine

    def serve_on(self, app: web.Application) -> None:
        self.engine.attach(app, self._settings.socket_path)

    # -- packets in ------------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: str) -> None:
        """Every packet of every client comes through here. Raises Violation, which closes the transport."""
        transport = self.engine.sockets.get(eio_sid)
        if transport is None:
            return
        try:
            packet = packets.read(data)
            match packet.kind:
                case 0:
                    await self._handle_connect(eio_sid, packet.namespace, packet.data)
                case 1:
                    transport.close(1000, "client disconnect")
                case 2:
                    await self._command(transport, packet)
                case _:
                    # We never ask for acknowledgements, so there is none to take.
                    raise Violation("expected no acknowledgement, got one")
        except Violation:
            self.violations += 1
            raise

    def _connection(self, transport: Transport) -> Connection:
        connection = self.connections.get(transport.sid)
        if connection is None:
            raise Violation("expected CONNECT first")
        return connection

    async def _command(self, transport: Transport, packet: Packet) -> None:
        connection = self._connection(transport)
        if packet.namespace != NAMESPACE:
            raise Violation("expected the namespace /, got another")
        name, *arguments = packet.data
        if connection.bucket.take():
            reply = await self._commands.run(connection, name, arguments)
        else:
            if not connection.patience.take():
                raise Violation("too many commands", CLOSE_RATE)
            reply = refusal(CaddieError("RATE_LIMITED", "expected fewer commands a second: wait a moment"))
        if packet.id is not None:
            answer = self.packet_class(ACK, namespace=NAMESPACE, id=packet.id, data=[reply], binary=False)
            transport.send("4" + answer.encode())

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """The library would keep the request."""

    # -- connecting ------------------------------------------------------------------------------------------------

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        transport: Transport = self.engine.sockets[eio_sid]
        transport.connect_attempts += 1
        if eio_sid in self.connections or transport.connect_attempts > self._settings.connect_attempts:
            raise Violation("too many CONNECT packets")
        if namespace != NAMESPACE:
            self._refuse(transport, namespace, {"message": "Invalid namespace"})
            return
        try:
            connection, begin, head = await self._authenticated(transport, data)
        except CaddieError as error:
            self._refuse_session(transport, error)
            return
        except Exception:
            _log.exception("connect.failed")
            transport.close(CLOSE_OVERLOADED, "connect failed")
            return
        if transport.closed.is_set():
            self._drop(connection)
            return
        if eio_sid in self.connections:
            # A POST and the websocket that took over from polling may carry a CONNECT each at the same time.
            self._drop(connection)
            raise Violation("too many CONNECT packets")
        self.connections[eio_sid] = connection
        answer = self.packet_class(CONNECT, {"sid": connection.sid, "pid": begin.pid}, namespace=NAMESPACE)
        transport.send("4" + answer.encode())
        connection.emit("ready", self._ready(connection, begin, head))
        connection.begin(begin.cursor, connection.watch.epoch)
        if any(revocation.covers(connection.session) for revocation in self._revoked):
            # It was not among the connections yet when the revocation came.
            connection.end("revoked")

    async def _authenticated(self, transport: Transport, auth: Any) -> tuple[Connection, Start, Head]:
        session = authenticate(auth, self._tokens)
        user, organisation = f"{session.org}:{session.user}", str(session.org)
        if not self._organisations.take(organisation):
            raise CaddieError("RATE_LIMITED", "expected fewer open sockets of this organisation")
        if not self._users.take(user):
            self._organisations.give_back(organisation)
            raise CaddieError("RATE_LIMITED", "expected fewer open sockets of this user")
        watch = self._reader.acquire(keys.conversation_key(session.org, session.conversation))
        try:
            head = await self._admission.head(session)
            if not watch.ready.is_set():
                await self._reader.settled(watch)
                if head.epoch and head.epoch != watch.epoch:
                    # The log began anew in between.
                    head = await self._admission.head(session)
            if watch.head < head.index:
                await self._reader.reach(watch, head.index)
            begin = start(auth, head, watch.epoch)
        except BaseException:
            self._reader.release(watch)
            self._users.give_back(user)
            self._organisations.give_back(organisation)
            raise
        bucket = Bucket(self._settings.commands_per_s, self._settings.commands_burst)
        patience = Bucket(REFUSALS_PER_S, REFUSALS_BURST)
        connection = Connection(
            token_urlsafe(15), transport, session, watch, self._reader, self._snapshot, bucket=bucket, patience=patience
        )
        return connection, begin, head

    def _ready(self, connection: Connection, begin: Start, head: Head) -> dict[str, Any]:
        session, settings = connection.session, self._settings
        replay: dict[str, Any] = {"from": begin.cursor + 1, "to": head.index, "complete": begin.reason is None}
        if begin.reason:
            replay |= {"from": head.oldest, "reason": begin.reason}
        return {
            "sessionId": session.id, "conversationId": session.conversation, "epoch": connection.watch.epoch,
            "head": head.index, "replay": replay,
            "run": {"runId": head.run_id, "status": "running"} if head.run_id else None,
            "mode": head.mode, "inputs": list(head.inputs), "scopes": sorted(session.scopes),
            "limits": {
                "frameBytes": settings.frame_bytes, "commandsPerSecond": settings.commands_per_s,
                "commandsBurst": settings.commands_burst, "textCharacters": 10_000,
            },
            "serverTime": timestamp(), "expiresAt": timestamp_of(session.expires_at), "protocol": PROTOCOL,
        }  # fmt: skip

    def _refuse_session(self, transport: Transport, error: CaddieError) -> None:
        if error.code == "UNAVAILABLE":
            # After a CONNECT_ERROR the unmodified client never comes back by itself; after a close it does.
            transport.close(CLOSE_OVERLOADED, "temporarily unavailable")
            return
        body = {"message": error.message, "data": {"code": error.code, "retryable": error.retryable}}
        self._refuse(transport, NAMESPACE, body)
        code = {"FORBIDDEN": CLOSE_FORBIDDEN, "TOKEN_REVOKED": CLOSE_REVOKED, "RATE_LIMITED": CLOSE_RATE,
                "INVALID": CLOSE_PROTOCOL}.get(error.code, CLOSE_TOKEN)  # fmt: skip
        transport.close(code, error.code)

    def _refuse(self, transport: Transport, namespace: str, body: dict[str, Any]) -> None:
        transport.send("4" + self.packet_class(CONNECT_ERROR, data=body, namespace=namespace).encode())

    # -- leaving ---------------------------------------------------------------------------------------------------

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        if connection := self.connections.pop(eio_sid, None):
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        session = connection.session
        connection.release()
        self._users.give_back(f"{session.org}:{session.user}")
        self._organisations.give_back(str(session.org))

    def revoke(self, revocations: list[Revocation]) -> None:
        """Cut the sockets of revoked sessions, and those still inside the handshake as soon as they are through."""
        self._revoked.extend(revocations)
        for connection in list(self.connections.values()):
            if any(revocation.covers(connection.session) for revocation in revocations):
                connection.end("revoked")

    def announce_drain(self, deadline_s: float) -> None:
        self.engine.draining = True
        for connection in self.connections.values():
            connection.emit("draining", {"deadlineMs": int(deadline_s * 1000)})

    def _tick(self, now: float) -> None:
        for connection in list(self.connections.values()):
            if now >= connection.due_at and not connection.transport.closed.is_set():
                connection.tick(now)
        self._commands.sweep()
