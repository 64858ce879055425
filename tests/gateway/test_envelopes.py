"""Every family's shape for what goes wrong, over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.envelopes import failure, family_of, success
from gateway.routes.chat import Cancelled
from shared.errors import ERRORS, CaddieError, Fault
from shared.settings import Settings
from tests.gateway.conftest import PATH, Client, Gateway, running
from tests.valkey import Valkey


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/v1/workflows", "v1"), ("/v1", "v1"), ("/v12", "plain"), ("/api/chats", "api"), ("/api", "api"),
        ("/api/v1/workflows", "api_v1"), ("/api/v1", "api_v1"), ("/api/v12", "api"), ("/apis", "plain"), ("/", "plain"),
        ("/hooks/x", "api_v1"), ("/hooksy", "plain"),
    ],
)  # fmt: skip
def test_the_longest_prefix_decides_the_family(path: str, family: str) -> None:
    assert family_of(path) == family


def test_a_success_is_wrapped_as_its_family_does() -> None:
    def body(family: Any) -> Any:
        return json.loads(success(family, Cancelled(runId="r", status="queued"), 200, "id").body or b"")  # type: ignore[arg-type]

    data = {"runId": "r", "status": "queued"}
    assert body("v1") == {"code": 200, "message": "success", "data": data, "requestId": "id"}
    assert body("api") == {"data": data}
    assert body("api_v1") == data


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_body_in_every_family(code: str) -> None:
    error = CaddieError(code, "expected a, got b", faults=(Fault("nodes.0.x", "expected c, got d"),))

    def body(family: Any) -> Any:
        return json.loads(failure(family, error, "id").body or b"")  # type: ignore[arg-type]

    v1 = body("v1")
    assert v1["code"] // 1000 == error.status and v1["requestId"] == "id" and v1["message"] == "expected a, got b"
    assert v1["details"] == [{"field": "nodes.0.x", "message": "expected c, got d"}]
    assert body("api")["error"] == ERRORS[code].title and body("api")["message"] == "expected a, got b"
    assert body("api_v1")["detail"] == [
        {"loc": ["body", "nodes", 0, "x"], "msg": "expected c, got d", "type": "value_error"}
    ]


def test_an_invalid_body_is_422_for_api_v1_alone() -> None:
    error = CaddieError("INVALID", "x", faults=(Fault("text", "expected a value, got none"),))
    reply = failure("api_v1", error, "id")
    assert reply.status == 422
    assert json.loads(reply.body or b"")["detail"][0] == {  # type: ignore[arg-type]
        "loc": ["body", "text"], "msg": "expected a value, got none", "type": "missing",
    }  # fmt: skip
    assert failure("v1", error, "id").status == 400
    assert failure("api_v1", CaddieError("INVALID", "before: expected a time"), "id").status == 400
    assert failure("api_v1", CaddieError("MALFORMED", "expected JSON, got x"), "id").status == 422
    asked = failure("api_v1", error, "id", place="query")
    assert json.loads(asked.body or b"")["detail"][0]["loc"] == ["query", "text"]  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/api/v1/executions", "/api/v1/workflows/", "/api/v1/workflows/x/chat/history"])
async def test_without_a_key_it_is_401_in_the_family(client: Client, path: str) -> None:
    reply = await client.with_key("").get(path)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="caddie"')
    assert_shape(path, reply.body, 401)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"text":NaN}', b'{"text":"\\u0000"}', b'{"text":"\xff"}']
)
async def test_a_body_that_is_no_object_is_422_for_api_v1(client: Client, body: bytes) -> None:
    reply = await client.raw(body, "/api/v1/workflows/x/chat/")
    assert reply.status == 422 and set(reply.body["detail"][0]) == {"loc", "msg", "type"}


def assert_shape(path: str, body: Any, status: int) -> None:
    match family_of(path):
        case "api":
            assert set(body) == {"error", "message"}
        case "api_v1":
            assert set(body) == {"detail"} and isinstance(body["detail"], str)
        case _:
            assert set(body) == {"code", "message", "details", "requestId"} and body["code"] // 1000 == status


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/nothing", "/api/v1/nothing", "/nothing", "/v1/workflows/a/b/c"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_route_is_404_in_its_family(client: Client, path: str, method: str) -> None:
    reply = await client(method, path)
    assert reply.status == 404
    assert_shape(path, reply.body, 404)
    assert len(reply.headers["X-Request-Id"]) == 36


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", PATH, "GET, HEAD, POST"), ("PUT", "/v1/workflows", "GET, HEAD, POST"),
        ("OPTIONS", PATH, "GET, HEAD, POST"),
        ("POST", "/health", "GET, HEAD"), ("POST", "/v1/workflows/x", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/api/v1/workflows/x/chat", "POST"), ("GET", "/api/v1/workflows/x/chat/", "POST"),
        ("POST", "/api/v1/workflows/x/chat/history", "DELETE, GET, HEAD"),
        ("PUT", "/api/v1/executions/", "GET, HEAD, POST"), ("DELETE", "/api/v1/executions/x/", "GET, HEAD"),
        ("GET", "/hooks/x", "POST"), ("PUT", "/hooks/x", "POST"),
    ],
)  # fmt: skip
async def test_a_wrong_method_is_405_with_allow(client: Client, method: str, path: str, allow: str) -> None:
    reply = await client(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allow)
    assert_shape(path, reply.body, 405)


async def test_too_large_is_413(settings: Settings) -> None:
    async with running(settings.model_copy(update={"http_body_bytes": 1000})) as gateway:
        client = await gateway.key()
        body = b'{"message":"' + b"x" * 2000 + b'"}'
        declared = await client.raw(body)
        assert declared.status == 413

        async def chunks() -> Any:
            yield body

        headers = {"Content-Type": "application/json"}
        chunked = await client("POST", PATH, data=chunks(), headers=headers)
        assert chunked.status == 413
        assert_shape(PATH, chunked.body, 413)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({"Content-Type": "text/plain"}, b"{}"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"message=hello"),
        ({"Content-Type": "application/json; charset=latin-1"}, b"{}"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b"),
        ({"Content-Type": ""}, b"{}"),
    ],
)
async def test_a_wrong_type_is_415(client: Client, headers: dict[str, str], data: bytes) -> None:
    reply = await client("POST", PATH, data=data, headers=headers)
    assert reply.status == 415
    assert_shape(PATH, reply.body, 415)


async def test_a_slow_body_is_408_and_the_connection_ends(settings: Settings) -> None:
    async with running(settings.model_copy(update={"http_body_timeout_s": 0.2})) as gateway:
        client = await gateway.key()
        host, port = client.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
        assert b" 408 " in answer
        writer.close()


async def test_large_bodies_wait_for_a_slot_and_small_ones_do_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.gate.LARGE_AT_ONCE", 1)
    monkeypatch.setattr("gateway.gate.LARGE_BYTES", 100_000)
    async with running(settings.model_copy(update={"http_body_timeout_s": 0.5})) as gateway:
        client = await gateway.key()
        host, port = client.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 200000\r\n\r\n{{".encode())
        large = asyncio.ensure_future(client.raw(b'{"name":"' + b"x" * 200_000 + b'"}', "/v1/workflows"))
        assert (await client.post("/v1/workflows", {"name": "small"})).status == 201
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
        assert (await large).status in (400, 503)
        assert (await client.raw(b'{"name":"' + b"x" * 200_000 + b'"}', "/v1/workflows")).status == 400
        writer.close()


async def test_a_request_line_that_is_no_http_is_400(client: Client) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    for raw in (
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad\xff\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


async def test_a_fault_is_500_without_internals(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary-inside")

    monkeypatch.setattr("shared.store.workflows.Workflows.list", broken)
    reply = await gateway.client.get("/v1/workflows")
    assert reply.status == 500
    assert_shape("/v1", reply.body, 500)
    assert "canary" not in json.dumps(reply.body) and "Runtime" not in json.dumps(reply.body)
    assert reply.headers["X-Request-Id"] in capsys.readouterr().out


async def test_redis_away_is_503_within_two_seconds(settings: Settings) -> None:
    valkey = Valkey()
    try:
        async with running(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as gateway:
            client = await gateway.key()
            assert (await client.get("/v1/workflows")).status == 200
            valkey.signal(signal.SIGSTOP)
            await assert_unavailable(client)
            valkey.signal(signal.SIGCONT)
            assert (await client.get("/v1/workflows")).status == 200
            valkey.kill()
            await assert_unavailable(client)
            health = await client.get("/health")
            assert health.status == 503 and health.body["failing"] == ["redis", "server", "worker"]
            valkey.start()
            await gateway.announce()
            back = await client.post(PATH, {"message": "hello"})
            assert back.status == 200, back.body
    finally:
        valkey.close()


async def assert_unavailable(client: Client) -> None:
    for method, path, body in (("GET", "/v1/workflows", None), ("POST", PATH, {"message": "hello"})):
        begun = time.monotonic()
        reply = await client(method, path, body)
        assert time.monotonic() - begun < 2
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert_shape(path, reply.body, 503)


async def test_database_away_is_503(settings: Settings, tmp_path: Path) -> None:
    away = SecretStr(f"sqlite:///{tmp_path}/no-such-folder/caddie.db")
    async with running(settings.model_copy(update={"database_url": away})) as gateway:
        reply = await gateway.client.with_key("x" * 43).get("/v1/workflows")
        assert reply.status == 503 and reply.headers["Retry-After"]
        assert_shape("/v1", reply.body, 503)
        health = await gateway.client.get("/health")
        assert health.status == 503 and "database" in health.body["failing"]


async def test_handlers_stop_when_the_client_leaves(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr("shared.store.workflows.Workflows.list", slow)
    request = asyncio.ensure_future(gateway.client.get("/v1/workflows"))
    await asyncio.wait_for(entered.wait(), 5)
    request.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await request
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_head_that_dribbles_is_cut(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.KEEPALIVE_S", 0.2)
    async with running(settings) as gateway:
        host, port = gateway.client.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.write(b"GET / HTTP/1.1\r\nHost: ")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
