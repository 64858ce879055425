"""Who gets in, who does not, and when one has to leave: tokens, ends, revocation, caps."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest

from shared.sessions import Revocation
from shared.tokens import KeyTable, Session, Tokens
from tests.caddie.realtime.conftest import ALL, CONVERSATION, Edge, Edges
from tests.caddie.realtime.wire import connect_packet
from tests.product import Client, until


def other_keys(edge: Edge) -> Tokens:
    return Tokens(KeyTable.parse(KeyTable.generate()), edge.settings.token_issuer, edge.settings.token_audience, 900)


def tokens_of(edge: Edge, issuer: str, audience: str, now: Any = time.time) -> Tokens:
    return Tokens(KeyTable.parse(edge.settings.token_key_table), issuer, audience, 900, now)


def issued(edge: Edge, tokens: Tokens) -> str:
    return tokens.issue("s1", edge.product.org, edge.product.user, CONVERSATION, ALL)[0]


async def refused(edge: Edge, payload: str) -> tuple[dict[str, Any], int | None]:
    """CONNECT_ERROR's body and the close code, the same over a websocket and over polling."""
    wire = await edge.wire().open()
    await wire.send("40" + payload)
    code = await wire.closed()
    assert wire.error is not None and wire.connected is None and not wire.control
    polling = await edge.polling().open()
    assert await polling.post("40" + payload) == 200
    status, _ = await polling.get()
    assert status == 200 and polling.error == wire.error
    assert (await polling.get())[0] == 400
    return wire.error, code


async def test_what_is_no_token_is_refused_as_malformed(edge: Edge) -> None:
    good = edge.token()
    bad: list[Any] = [
        {}, {"token": None}, {"token": 1}, {"token": ""}, {"token": "x.y.z"}, {"token": [good]},
        {"token": edge.product.api_key}, {"token": good + "="}, {"token": "x" * 3_000}, {"lastEventIndex": 0},
        {"token": good.rpartition(".")[0] + "."},
    ]  # fmt: skip
    for auth in bad:
        error, code = await refused(edge, orjson.dumps(auth).decode())
        assert (error["data"], code) == ({"code": "TOKEN_MALFORMED", "retryable": False}, 4401), auth
        assert error["message"] and good not in error["message"]
    error, code = await refused(edge, "")
    assert (error["data"]["code"], code) == ("TOKEN_MALFORMED", 4401)


async def test_an_auth_that_is_no_object_breaks_the_protocol(edge: Edge) -> None:
    for auth in (orjson.dumps(edge.token()).decode(), "[]", "1"):
        wire = await edge.wire().open()
        await wire.send("40" + auth)
        assert await wire.closed() == 4400 and wire.connected is None


async def test_a_forged_token_is_invalid(edge: Edge) -> None:
    head, claims, signature = edge.token().split(".")
    forged = [
        issued(edge, other_keys(edge)),
        issued(edge, tokens_of(edge, "someone", edge.settings.token_audience)),
        issued(edge, tokens_of(edge, edge.settings.token_issuer, "caddie-http")),
        f"{head}.{edge.token(conversation='c2').split('.')[1]}.{signature}",
    ]
    for token in forged:
        error, code = await refused(edge, orjson.dumps({"token": token}).decode())
        assert (error["data"], code) == ({"code": "TOKEN_INVALID", "retryable": False}, 4401)


async def test_an_expired_token_may_be_replaced(edge: Edge) -> None:
    early = tokens_of(edge, edge.settings.token_issuer, edge.settings.token_audience, lambda: time.time() - 1_000)
    error, code = await refused(edge, orjson.dumps({"token": issued(edge, early)}).decode())
    assert (error["data"], code) == ({"code": "TOKEN_EXPIRED", "retryable": True}, 4401)


async def test_without_read_nobody_follows(edge: Edge) -> None:
    token = edge.token(scopes=frozenset({"write"}))
    error, code = await refused(edge, orjson.dumps({"token": token}).decode())
    assert (error["data"]["code"], code) == ("FORBIDDEN", 4403)


async def test_session_token_is_another_name_for_token(edge: Edge) -> None:
    wire = await edge.wire().open()
    await wire.send(connect_packet(sessionToken=edge.token()))
    await wire.read_until(lambda: wire.control.get("ready"))
    await wire.leave()


async def test_another_organisation_with_the_same_conversation_id_sees_nothing(edge: Edge) -> None:
    stranger = await edge.product.store.accounts.sign_up("Other", f"{uuid4().hex}@example.com", "Eve")
    await edge.say(5)
    foreign = await edge.connected(last=0, org=stranger.org_id, user=stranger.id, session="s2")
    own = await edge.connected(last=0)
    await edge.say(5)
    await own.read_until(lambda: len(own.events) == 10)
    reply = await foreign.call("message", {"requestId": str(uuid4()), "text": "hello"})
    assert reply["ok"], reply
    request = str(uuid4())
    mine = await own.call("message", {"requestId": request, "text": "hello"})
    for body in ({"runId": mine["runId"]}, {"requestId": request}):
        assert (await foreign.call("cancel", body))["code"] == "NOT_FOUND"
    assert (await foreign.call("replay", {"after": 5}))["code"] == "INVALID"
    assert foreign.events == [] and foreign.control["ready"][0]["head"] == 0
    for wire in (foreign, own):
        await wire.leave()


async def test_another_user_of_the_organisation_may_not_write_here(edge: Edge) -> None:
    own = await edge.connected()
    assert (await own.call("message", {"requestId": str(uuid4()), "text": "hello"}))["ok"]
    other = await edge.connected(user=edge.product.user + 1_000, session="s2")
    reply = await other.call("message", {"requestId": str(uuid4()), "text": "hello"})
    assert not reply["ok"] and reply["code"] in ("NOT_FOUND", "FORBIDDEN", "INVALID")
    for wire in (own, other):
        await wire.leave()


async def test_a_token_near_its_end_is_announced_and_then_over(edge: Edge) -> None:
    wire = await edge.connected(ttl_s=2)
    assert await wire.closed() == 4410
    assert len(wire.control["expiring"]) == 1
    assert wire.control["expiring"][0]["expiresAt"] == wire.control["ready"][0]["expiresAt"]
    assert wire.control["ended"] == [{"reason": "expired"}]


async def test_over_polling_the_end_is_told_too(edge: Edge) -> None:
    polling = await edge.polling().open()
    await polling.connect(edge.token(ttl_s=1))
    async with asyncio.timeout(8):
        while (await polling.get())[0] == 200:
            pass
    assert polling.control["ended"] == [{"reason": "expired"}]


async def test_refresh_prolongs(edge: Edge) -> None:
    wire = await edge.connected(ttl_s=2)
    reply = await wire.call("refresh", {"token": edge.token(ttl_s=100)})
    assert reply["ok"] and wire.control["refreshed"] == [{"expiresAt": reply["expiresAt"]}]
    ends = time.time() + 3
    await until(lambda: time.time() > ends)
    assert (await wire.call("replay", {"after": 0}))["ok"]
    assert "ended" not in wire.control
    await wire.leave()


async def test_refresh_takes_only_the_same_user_and_conversation(edge: Edge) -> None:
    wire = await edge.connected()
    product = edge.product
    cases = [
        (edge.token(conversation="c2"), "FORBIDDEN"), (edge.token(user=product.user + 1), "FORBIDDEN"),
        (edge.token(org=product.org + 1), "FORBIDDEN"), (edge.token(scopes=frozenset({"write"})), "FORBIDDEN"),
        (issued(edge, other_keys(edge)), "TOKEN_INVALID"), ("x", "TOKEN_MALFORMED"),
        (product.api_key, "TOKEN_MALFORMED"),
    ]  # fmt: skip
    for token, code in cases:
        assert (await wire.call("refresh", {"token": token}))["code"] == code
    assert "refreshed" not in wire.control
    (connected,) = edge.server.connections.values()
    assert connected.session.scopes == ALL
    assert (await wire.call("refresh", {"token": edge.token(scopes=frozenset({"read"}))}))["ok"]
    assert (await wire.call("message", {"requestId": str(uuid4()), "text": "x"}))["scopeNeeded"] == "write"
    await wire.leave()


@pytest.mark.parametrize("kind", ["session", "user", "org"])
async def test_a_revocation_reaches_open_sockets_in_time(edge: Edge, kind: Any) -> None:
    bystander = await edge.connected(session="s9", user=edge.product.user + 1, org=edge.product.org + 1)
    wire = await edge.connected()
    token = edge.token()
    identifiers: dict[str, str | int] = {"session": "s1", "user": edge.product.user, "org": edge.product.org}
    began = time.monotonic()
    await edge.revocations.revoke(kind, identifiers[kind])
    assert await wire.closed() == 4411
    assert time.monotonic() - began < 2
    assert wire.control["ended"] == [{"reason": "revoked"}]
    error, code = await refused(edge, orjson.dumps({"token": token}).decode())
    assert (error["data"], code) == ({"code": "TOKEN_REVOKED", "retryable": False}, 4411)
    assert (await bystander.call("refresh", {"token": token}))["code"] == "TOKEN_REVOKED"
    assert (await bystander.call("replay", {"after": 0}))["ok"]
    await bystander.leave()


async def test_a_revocation_during_the_handshake_is_not_missed(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    head = edge.server._admission.head

    async def overtaken(session: Session) -> Any:
        answer = await head(session)
        edge.server.revoke([Revocation("session", "s1", int(time.time()))])
        return answer

    monkeypatch.setattr(edge.server._admission, "head", overtaken)
    wire = await edge.wire().open()
    await wire.send(connect_packet(token=edge.token()))
    assert await wire.closed() == 4411


async def test_a_flood_of_handshakes_is_refused(edges: Edges) -> None:
    async with edges(handshakes_burst=10, handshakes_per_s=0.001) as edge:
        answers = []
        for kind in ("polling", "websocket") * 10:
            headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                       "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} if kind == "websocket" else {}  # fmt: skip
            async with edge.http.get(f"{edge.url}?EIO=4&transport={kind}", headers=headers) as response:
                answers.append((response.status, response.headers.get("Retry-After")))
        assert [status for status, _ in answers].count(429) == 10
        assert (429, "2") in answers and len(edge.server.engine.sockets) <= 10
        await edge.server.engine.disconnect()
        await edge.http.close()
        await edge.nothing_left()


@pytest.mark.parametrize("limit", ["sockets_per_address", "sockets_per_server"])
async def test_transports_are_capped(edges: Edges, limit: str) -> None:
    async with edges(**{limit: 2}) as edge:
        first, second = await edge.connected(), await edge.connected()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await edge.wire().open()
        assert caught.value.status == 429
        await first.leave()
        await until(lambda: len(edge.server.engine.sockets) == 1)
        third = await edge.connected()
        for wire in (second, third):
            await wire.leave()
        await edge.nothing_left()


@pytest.mark.parametrize("limit", ["sockets_per_user", "sockets_per_organisation"])
async def test_authenticated_sockets_are_capped(edges: Edges, limit: str) -> None:
    async with edges(**{limit: 2}) as edge:
        first, second = await edge.connected(), await edge.connected()
        error, code = await refused(edge, orjson.dumps({"token": edge.token()}).decode())
        assert (error["data"], code) == ({"code": "RATE_LIMITED", "retryable": True}, 4429)
        other = await edge.connected(user=edge.product.user + 1, org=edge.product.org + 1)
        await first.leave()
        await until(lambda: len(edge.server.connections) == 2)
        third = await edge.connected()
        for wire in (second, third, other):
            await wire.leave()
        await edge.http.close()
        await edge.nothing_left()


async def test_forwarded_addresses_count_behind_a_trusted_proxy_only(edges: Edges) -> None:
    for proxies, expected in (((), {"127.0.0.1"}), (("127.0.0.0/8",), {"203.0.113.9"})):
        async with edges(trusted_proxies=proxies) as edge:
            wire = await edge.wire().open(headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
            assert {transport.address for transport in edge.server.engine.sockets.values()} == expected
            await wire.leave()
            await edge.nothing_left()


async def test_an_unmodified_client_learns_why_it_is_refused(edge: Edge) -> None:
    client = Client(edge.session() | {"sessionToken": "x"})
    told: list[Any] = []
    client.socket.on("connect_error", told.append)
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        with pytest.raises(Exception, match="namespaces failed to connect"):
            await client.connect(transports=transports)
    assert all(body["data"]["code"] == "TOKEN_MALFORMED" for body in told if isinstance(body, dict))
    assert any(isinstance(body, dict) for body in told)
    await client.socket.disconnect()
