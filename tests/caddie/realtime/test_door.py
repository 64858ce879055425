"""caddie/realtime/door.py: the short way answers what aiohttp would have answered, and leaves the rest to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import caddie.app
from caddie.realtime import door
from caddie.realtime.door import FIELDS_MAX, HEAD_BYTES_MAX, usual_handshake
from tests.caddie.realtime.conftest import Edge, Edges
from tests.caddie.realtime.wire import connect_packet
from tests.product import until

TARGET = "/socket.io/?EIO=4&transport=websocket"
START = f"GET {TARGET} HTTP/1.1\r\n".encode()
FIELDS = {
    "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


def head(line: str = f"GET {TARGET} HTTP/1.1", extra: str = "", **changes: str | None) -> bytes:
    """A request; `changes` by header name with `_` for `-`, None: without it."""
    fields: dict[str, str | None] = {**FIELDS, **{name.replace("_", "-"): text for name, text in changes.items()}}
    lines = [f"{name}: {text}" for name, text in fields.items() if text is not None]
    return ("\r\n".join([line, *lines]) + "\r\n" + extra + "\r\n").encode("latin-1")


USUAL = {
    "plain": head(),
    "browser": head(Origin="http://127.0.0.1", Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"),
    "two tokens": head(Connection="keep-alive, Upgrade"),
    "other case": head(Upgrade="WebSocket", Connection="upgrade"),
    "blanks": head(extra="X-Some:  \t thing\t \r\n"),
}
UNUSUAL = {
    "another path": head(f"GET /x{TARGET} HTTP/1.1"),
    "another order": head("GET /socket.io/?transport=websocket&EIO=4 HTTP/1.1"),
    "more query": head(f"GET {TARGET}&t=1 HTTP/1.1"),
    "another transport": head("GET /socket.io/?EIO=4&transport=webtransport HTTP/1.1"),
    "protocol 3": head("GET /socket.io/?EIO=3&transport=websocket HTTP/1.1"),
    "POST": head(f"POST {TARGET} HTTP/1.1"),
    "HTTP 1.0": head(f"GET {TARGET} HTTP/1.0"),
    "no key": head(Sec_WebSocket_Key=None),
    "short key": head(Sec_WebSocket_Key="dGhlIHNhbXBsZQ=="),
    "no base64": head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j*Q=="),
    "no version": head(Sec_WebSocket_Version=None),
    "old version": head(Sec_WebSocket_Version="8"),
    "future version": head(Sec_WebSocket_Version="14"),
    "no upgrade": head(Upgrade=None),
    "another upgrade": head(Upgrade="h2c"),
    "no connection": head(Connection=None),
    "connection close": head(Connection="close"),
    "subprotocol": head(Sec_WebSocket_Protocol="chat"),
    "body": head(Content_Length="0"),
    "chunks": head(Transfer_Encoding="chunked"),
    "length twice": head(extra="Content-Length: 1\r\nContent-Length: 2\r\n"),
    "expectation": head(Expect="100-continue"),
    "key twice": head(extra="Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
    "host twice": head(extra="Host: elsewhere\r\n"),
    "origin twice": head(extra="Origin: http://127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"),
    "no host": head(Host=None),
    "folded": head(extra="X-Some: a\r\n b\r\n"),
    "blank before colon": head(extra="X-Some : a\r\n"),
    "no colon": head(extra="X-Some\r\n"),
    "control character": head(extra="X-Some: a\x01b\r\n"),
    "NUL": head(extra="X-Some: a\0b\r\n"),
    "beyond ASCII": head(extra="X-Some: \xff\r\n"),
    "bare newline": head(extra="X-Some: a\nX-Other: b\r\n"),
    "bare return": head(extra="X-Some: a\rX-Other: b\r\n"),
    "underscore": head(extra="X_Some: a\r\n"),
    "empty value": head(extra="X-Some:\r\n"),
    "many fields": head(extra="".join(f"X-{number}: a\r\n" for number in range(200))),
    "long field": head(extra="X-Some: " + "a" * 9_000 + "\r\n"),
    "foreign origin": head(Origin="http://evil.example"),
    "null origin": head(Origin="null"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


async def answered(edge: Edge, *chunks: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, what matters of the header, and how the rest begins, of the answer to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.settings.server_port)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        text = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        status, *lines = text[:-4].split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines)
        rest = (await asyncio.wait_for(reader.readexactly(40), 5))[:7] if b" 101 " in status else b""
    finally:
        writer.transport.abort()
    kept = (b"upgrade", b"connection", b"sec-websocket-accept", b"retry-after", b"access-control-allow-origin")
    return status.split(b" ", 2)[1], {name: fields[name] for name in kept if name in fields}, rest


async def both_ways(edge: Edge, monkeypatch: pytest.MonkeyPatch, *chunks: bytes) -> tuple[Any, Any]:
    through_door = await answered(edge, *chunks)
    with monkeypatch.context() as patched:
        patched.setattr(door, "usual_handshake", lambda *_: None)
        through_aiohttp = await answered(edge, *chunks)
    return through_door, through_aiohttp


@pytest.mark.parametrize("name", USUAL)
async def test_the_usual_handshake_gets_the_answer_aiohttp_gives(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert usual_handshake(USUAL[name], START)
    short, long = await both_ways(edge, monkeypatch, USUAL[name])
    assert short == long
    assert short[0] == b"101" and b'0{"s' in short[2]


@pytest.mark.parametrize("name", UNUSUAL)
async def test_any_other_request_is_answered_by_aiohttp(edge: Edge, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    header = usual_handshake(UNUSUAL[name], START)
    assert header is None or "origin" in header
    short, long = await both_ways(edge, monkeypatch, UNUSUAL[name])
    assert short == long


@pytest.mark.parametrize("cut", [1, 20, len(START), len(START) + 5, -1])
async def test_a_request_in_pieces_is_answered_too(edge: Edge, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    short, long = await both_ways(edge, monkeypatch, USUAL["plain"][:cut], USUAL["plain"][cut:])
    assert short == long and short[0] == b"101"


def test_a_head_is_bounded_and_whole() -> None:
    plain = USUAL["plain"]
    assert usual_handshake(plain, START)
    assert usual_handshake(plain + b"\x81\x80\0\0\0\0", START) is None
    assert usual_handshake(plain[:-1], START) is None
    assert usual_handshake(head(extra="X-Some: " + "a" * HEAD_BYTES_MAX + "\r\n"), START) is None
    assert usual_handshake(head(extra="".join(f"X-{n}: a\r\n" for n in range(FIELDS_MAX))), START) is None


async def test_refusals_are_those_of_the_long_way(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    async with edges(sockets_per_address=1, handshakes_burst=20) as edge:
        wire = await edge.connected()
        short, long = await both_ways(edge, monkeypatch, USUAL["plain"])
        assert short == long and short[0] == b"429" and short[1][b"retry-after"] == b"2"
        edge.server.engine.draining = True
        short, long = await both_ways(edge, monkeypatch, USUAL["plain"])
        assert short == long and short[0] == b"503"
        edge.server.engine.draining = False
        await wire.leave()
        await edge.http.close()
        await edge.nothing_left()


async def test_a_forwarded_address_counts_when_the_proxy_is_trusted(edges: Edges) -> None:
    async with edges(sockets_per_address=1, trusted_proxies=("127.0.0.0/8",)) as edge:
        wires = []  # one that nobody holds is closed when it is collected
        for address in ("10.0.0.1", "10.0.0.2"):
            wires.append(await edge.wire().open(headers={"X-Forwarded-For": address}))
            assert {transport.address for transport in edge.server.engine.sockets.values()} >= {address}
            await wires[-1].send(connect_packet(token=edge.token()))
        assert (await answered(edge, head(X_Forwarded_For="10.0.0.1")))[0] == b"429"
        await edge.http.close()
        await edge.nothing_left()


async def test_a_connection_that_says_nothing_is_cut(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caddie.app, "KEEPALIVE_S", 0.1)
    async with edges() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.settings.server_port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_pings_fragments_and_the_closing_handshake_are_aiohttps(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.socket.ping(b"x")
    await wire.socket._writer.send_frame(b'420["repl', 1 & 0x7F)
    assert await wire.closed() == 4400
    other = await edge.connected()
    assert await other.socket.close(code=1000)
    assert other.socket.close_code == 1000
    await until(lambda: not edge.server.engine.sockets, 5)
