"""What a Socket.IO server tells Prometheus; read when asked, so the hot path counts nothing."""

from __future__ import annotations

from prometheus_client import Gauge

from caddie.realtime.server import SocketServer
from shared.follow import LogReader

TRANSPORTS = Gauge("caddie_transports", "Open Engine.IO transports.")
CONNECTIONS = Gauge("caddie_connections", "Authenticated sockets.")
WATCHED = Gauge("caddie_watched_conversations", "Conversations with a ring in this process.")
VIOLATIONS = Gauge("caddie_protocol_violations", "Transports closed for breaking the protocol.")


def observe(server: SocketServer, reader: LogReader) -> None:
    TRANSPORTS.set_function(lambda: len(server.engine.sockets))
    CONNECTIONS.set_function(lambda: len(server.connections))
    WATCHED.set_function(lambda: reader.watched)
    VIOLATIONS.set_function(lambda: server.violations)
