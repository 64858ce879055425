"""The private names of our libraries that the socket server leans on: a version that changes one fails here first."""

from __future__ import annotations

import asyncio
import inspect
import re
from importlib.metadata import version
from typing import Any

import engineio
import pytest
import socketio
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketWriter
from socketio import packet

from caddie.realtime import packets
from caddie.realtime.engine import Engine
from caddie.realtime.server import SocketServer


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize(
    ("package", "minor"), [("python-socketio", "5."), ("python-engineio", "4."), ("aiohttp", "3.")]
)
def test_the_versions_are_those_we_know(package: str, minor: str) -> None:
    assert version(package).startswith(minor)


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (socketio.AsyncServer, "_engineio_server_class", []),
        (socketio.AsyncServer, "_handle_eio_connect", ["eio_sid", "environ"]),
        (socketio.AsyncServer, "_handle_eio_message", ["eio_sid", "data"]),
        (socketio.AsyncServer, "_handle_eio_disconnect", ["eio_sid", "reason"]),
        (socketio.AsyncServer, "_handle_connect", ["eio_sid", "namespace", "data"]),
        (engineio.AsyncServer, "send", ["sid", "data"]),
        (engineio.AsyncServer, "send_packet", ["sid", "pkt"]),
        (engineio.AsyncServer, "disconnect", ["sid"]),
        (BaseProtocol, "_drain_helper", []),
        (packet.Packet, "__init__", ["packet_type", "data", "namespace", "id", "binary", "encoded_packet"]),
        (packet.Packet, "encode", []),
    ],
)
def test_a_name_we_use_or_replace_is_there(owner: type, name: str, expected: list[str]) -> None:
    assert parameters(getattr(owner, name)) == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (SocketServer, socketio.AsyncServer, ["_engineio_server_class", "_handle_eio_connect", "_handle_eio_message",
                                              "_handle_connect", "_handle_eio_disconnect"]),
        (Engine, engineio.AsyncServer, ["send", "send_packet", "disconnect"]),
    ],
)  # fmt: skip
def test_what_we_replace_takes_what_theirs_takes(ours: type, theirs: type, names: list[str]) -> None:
    for name in names:
        assert name in vars(ours)
        assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name)), name
        assert inspect.iscoroutinefunction(getattr(ours, name)) == inspect.iscoroutinefunction(getattr(theirs, name))


def test_the_library_calls_no_other_way_into_our_engine() -> None:
    """Names of the engine that python-socketio's server uses: a new one would reach the stock implementation."""
    source = inspect.getsource(socketio.AsyncServer) + inspect.getsource(socketio.base_server.BaseServer)
    used = {part.split("(")[0].split(")")[0].split()[0].rstrip(",.:") for part in source.split("self.eio.")[1:]}
    assert used <= {
        "attach", "on", "send", "send_packet", "disconnect", "async_mode", "handle_request", "start_background_task",
        "sleep", "get_session", "save_session", "create_lock", "create_queue", "create_event", "shutdown",
        "start_service_task", "transport", "logger", "get_transport",
    }, used  # fmt: skip


def test_engineio_keeps_its_handlers_where_we_call_them() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp")
    assert isinstance(server.eio, engineio.AsyncServer)
    assert set(server.eio.handlers) == {"connect", "message", "disconnect"}
    for name, handler in server.eio.handlers.items():
        assert handler == getattr(server, f"_handle_eio_{name}")


def test_the_packet_types_are_the_protocols() -> None:
    names = ("CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK")
    assert [getattr(packet, name) for name in names] == list(range(7))
    server = socketio.AsyncServer(async_mode="aiohttp", json=packets.Json)
    answer = server.packet_class(packet.ACK, namespace="/", id=7, data=[{"ok": True}], binary=False)
    assert answer.encode() == '37[{"ok":true}]'
    opened = server.packet_class(packet.CONNECT, {"sid": "x"}, namespace="/")
    assert opened.encode() == '0{"sid":"x"}'


async def test_the_writer_of_a_websocket_shows_its_transport_and_pressure() -> None:
    assert "_writer" in inspect.getsource(web.WebSocketResponse.__init__)
    assert {"protocol", "transport"} <= set(parameters(WebSocketWriter.__init__))
    protocol = BaseProtocol(asyncio.get_running_loop())
    assert protocol._paused is False
    protocol.pause_writing()
    assert protocol._paused is True


def test_a_websocket_can_be_made_without_a_request() -> None:
    """What the door sets is what ``prepare`` sets, and nothing else is read later."""
    sources = (web.WebSocketResponse._pre_start, web.WebSocketResponse._post_start, web.StreamResponse._start)
    names = {name for source in sources for name in re.findall(r"self\.(_\w+)(?=:? .*?=)", inspect.getsource(source))}
    assert names >= {"_loop", "_writer", "_reader", "_parser", "_req", "_payload_writer"}
    assert names <= {"_loop", "_writer", "_reader", "_parser", "_req", "_payload_writer", "_compress", "_ws_protocol"}
    assert web.WebSocketResponse._ws_protocol is None and web.WebSocketResponse(compress=False)._compress is False
    assert web.WebSocketResponse._exception is None
    assert "self._upgraded" in inspect.getsource(BaseProtocol.pause_reading)
