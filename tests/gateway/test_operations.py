from __future__ import annotations

from pathlib import Path

import pytest

from gateway.routes import operations
from shared.registry import Record, Registry
from tests.gateway.conftest import Client, Gateway


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The static folder of the gateway under test, empty."""
    folder = tmp_path / "static"
    folder.mkdir()
    monkeypatch.setattr(operations.Operations.__init__, "__defaults__", (folder,))
    return folder


async def test_health_is_200_only_when_every_part_answers(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "FRESH_S", 0.0)
    anyone = gateway.client.with_key("")
    assert (await anyone.get("/health")).status == 200
    registry = Registry(gateway.redis)
    await registry.withdraw("w1")
    reply = await anyone.get("/health")
    assert reply.status == 503 and reply.body["failing"] == ["worker"] and reply.headers["Retry-After"]
    await registry.announce(Record(id="w1", role="worker"))
    await registry.announce(Record(id="s1", role="server", url="http://x", draining=True))
    assert (await anyone.get("/health")).body["failing"] == ["server"]


async def test_the_documents_need_no_key(client: Client) -> None:
    anyone = client.with_key("")
    assert (await anyone.get("/openapi.json")).body["openapi"] == "3.1.0"
    assert (await anyone.get("/asyncapi.json")).body["asyncapi"] == "3.0.0"


async def test_an_unbuilt_client_says_how_to_build_it(static: Path, client: Client) -> None:
    reply = await client.with_key("").get("/")
    assert reply.status == 200 and b"make setup" in reply.body
    assert (await client.get("/docs")).status == 404
    assert (await client.get("/static/app.js")).status == 404


async def test_the_page_may_connect_to_the_socket_servers_and_nowhere_else(static: Path, gateway: Gateway) -> None:
    (static / "index.html").write_text("<!doctype html><script src=/static/assets/a.js></script>")
    (static / "docs.html").write_text("<!doctype html>")
    await Registry(gateway.redis).announce(Record(id="s2", role="server", url="https://two.example.org:8081/x"))
    await Registry(gateway.redis).announce(Record(id="s3", role="server", url="http://evil; script-src *"))
    reply = await gateway.client.with_key("").get("/")
    policy = dict(part.strip().partition(" ")[::2] for part in reply.headers["Content-Security-Policy"].split(";"))
    assert (
        policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    )
    assert set(policy["connect-src"].split()) == {
        "'self'", "http://127.0.0.1:9", "ws://127.0.0.1:9", "https://two.example.org:8081", "wss://two.example.org:8081",
    }  # fmt: skip
    assert reply.headers["X-Frame-Options"] == "DENY" and reply.headers["X-Content-Type-Options"] == "nosniff"
    docs = await gateway.client.get("/docs")
    assert docs.status == 200 and "connect-src 'self';" in docs.headers["Content-Security-Policy"]


async def test_static_files_have_types_and_stay_inside_their_folder(static: Path, client: Client) -> None:
    (static / "assets").mkdir()
    (static / "assets" / "app.js").write_text("1")
    (static / "swagger.css").write_text("a{}")
    (static.parent / "secret.txt").write_text("canary")
    (static / "link").symlink_to(static.parent / "secret.txt")
    script = await client.get("/static/assets/app.js")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript")
    assert "immutable" in script.headers["Cache-Control"]
    assert (await client.get("/static/swagger.css")).headers["Cache-Control"] == "no-cache"
    for path in (
        "%2e%2e/secret.txt",
        "assets/../../secret.txt",
        "..%2fsecret.txt",
        "link",
        "assets",
        "%00",
        "/etc/passwd",
    ):
        reply = await client.get(f"/static/{path}")
        assert reply.status == 404 and b"canary" not in str(reply.body).encode()
    assert (await client("HEAD", "/static/assets/app.js")).status == 200
    again = await client.get("/static/assets/app.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
