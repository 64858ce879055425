"""The sockets of `/ws/` over the wire, with a worker that is the test."""

from __future__ import annotations

import asyncio
import json
import signal
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from gateway import following, watcher
from shared import events, keys
from shared.settings import Settings
from tests.gateway.conftest import Gateway, running
from tests.gateway.walk import BY_HAND, Walk, spectator, told, workflow
from tests.product import until
from tests.valkey import Valkey

WHOLE = ["execution_started", "n0 running", "n0 success", "n1 running", "n1 success", "execution_completed"]


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.watching.POLL_S", 0.05)
    monkeypatch.setattr("gateway.watching.KEYS_POLL_S", 0.1)


@pytest.fixture
async def quick(swift: None, settings: Settings) -> AsyncIterator[Gateway]:
    async with running(settings) as found:
        found.client = await found.key()
        yield found


async def test_an_execution_is_told_as_it_goes(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    walk = await Walk.start(gateway, flow)
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{walk.id}")
        await walk.begin()
        assert told(await me.until("execution_started")) == ["execution_started"]
        await walk.step("shout", "running", block="format", input={"template": "x"})
        await walk.step("shout", output={"text": "HI"}, block="format", durationMs=12)
        (begun, done) = await me.until("node_status", count=2)
        assert begun["data"] == {
            "node_id": "shout", "status": "running", "input": {"template": "x"}, "component_type": "format",
            "node_label": "Format text",
        }  # fmt: skip
        assert done["data"]["output"] == {"text": "HI"} and done["data"]["duration_ms"] == 12
        await walk.say(events.MessageCompleted(messageId="m1", text="HI!"))
        await walk.end(reply="HI!", output={"text": "HI!"})
        chat, end = await me.ended()
    assert chat["type"] == "chat_message"
    assert chat["data"] == {"message_id": "m1", "role": "assistant", "text": "HI!"}
    assert end["type"] == "execution_completed" and end["data"] == {"output": {"text": "HI!"}, "response": "HI!"}
    for message in me.messages[1:]:
        assert set(message) == {"type", "channel", "timestamp", "execution_id", "data"}
        assert message["channel"] == f"execution:{walk.id}" and message["execution_id"] == walk.id
        assert message["timestamp"].endswith("Z") and len(message["timestamp"]) == 24


@pytest.mark.parametrize("after", range(6))
async def test_what_was_missed_is_told_first_and_nothing_twice(gateway: Gateway, after: int) -> None:
    """Whatever had happened when the reader came."""
    flow = await workflow(gateway)
    walk = await Walk.start(gateway, flow)

    async def steps() -> AsyncIterator[None]:
        yield
        await walk.begin()
        yield
        for node in ("n0", "n1"):
            await walk.step(node, "running")
            yield
            await walk.step(node)
        yield
        await walk.end()
        yield

    async with spectator(gateway) as me:
        place = 0
        async for _ in steps():
            if place == after:
                await me.subscribe(f"execution:{walk.id}")
            place += 1
        assert told(await me.ended()) == WHOLE


async def test_a_failure_a_cancel_and_a_question_are_told(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    failed, cancelled, asking = [await (await Walk.start(gateway, flow)).begin() for _ in range(3)]
    await failed.step("n0", "failed", error="no answer", code="HTTP_FAILED")
    await failed.end(events.RunFailed(code="HTTP_FAILED", message="no answer", retryable=False))
    await cancelled.end(events.RunFinished(outcome="cancelled"))
    asked = await asking.ask("ok", text="Go on?", options=[{"value": "approve", "label": "Approve"}])
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{failed.id}")
        _, node, end = await me.ended()
        assert node["data"]["error"] == "no answer" and node["data"]["error_code"] == "HTTP_FAILED"
        assert end["type"] == "execution_failed"
        assert end["data"] == {"error": "no answer", "error_code": "HTTP_FAILED"}
        await me.subscribe(f"execution:{cancelled.id}")
        assert told(await me.ended()) == ["execution_started", "execution_cancelled"]
        await me.subscribe(f"execution:{asking.id}")
        *_, question = await me.until("execution_interrupted")
    assert question["data"]["input_id"] == asked and question["data"]["node_id"] == "ok"
    assert question["data"]["text"] == "Go on?" and question["data"]["options"]


async def test_what_the_log_has_lost_is_told_by_the_store(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    whole = await (await Walk.start(gateway, flow)).whole()
    going = await (await Walk.start(gateway, flow)).begin()
    await going.step("shout", output={"text": "x" * 40_000})
    await gateway.redis.flushall()
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{whole.id}")
        assert told(await me.ended()) == ["execution_started", "n0 success", "n1 success", "execution_completed"]
        await me.subscribe(f"execution:{going.id}")
        _, step = await me.until("node_status")
        assert step["data"]["component_type"] == "format" and step["data"]["output"]["truncated"]
        await going.log.claim(going.writer)
        await going.step("reply")
        await going.end()
        assert told(await me.ended()) == ["reply success", "execution_completed"]


async def test_an_end_that_died_with_its_writer_is_told_by_the_store(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SETTLED_S", 0.0)
    monkeypatch.setattr(following, "ASK_FIRST_S", 0.1)
    monkeypatch.setattr(watcher, "PING_S", 0.1)
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{walk.id}")
        await me.until("execution_started")
        await walk.end(append=False)
        assert told(await me.ended()) == ["execution_completed"]


async def test_the_same_execution_on_two_channels_is_told_on_each(quick: Gateway) -> None:
    flow = await workflow(quick)
    walk = await (await Walk.start(quick, flow)).begin()
    async with spectator(quick) as me:
        await me.subscribe(f"execution:{walk.id}")
        await me.subscribe(f"workflow:{flow.slug}")
        await walk.step("n0")
        await walk.end()
        found = await me.until("execution_completed", count=2)
    for channel in (f"execution:{walk.id}", f"workflow:{flow.slug}"):
        mine = [message for message in me.messages if message["channel"] == channel and "data" in message]
        assert told(mine) == ["execution_started", "n0 success", "execution_completed"]
    assert found


async def test_a_workflow_is_told_from_its_unfinished_executions_on(quick: Gateway) -> None:
    flow, other = await workflow(quick), await workflow(quick)
    await (await Walk.start(quick, flow)).whole()
    going = await (await Walk.start(quick, flow)).begin()
    pending = await Walk.start(quick, flow)
    async with spectator(quick) as me, spectator(quick) as late:
        await me.subscribe(f"workflow:{flow.slug}")
        await me.until("execution_started")
        await (await Walk.start(quick, other)).whole()
        later = [await (await Walk.start(quick, flow)).whole() for _ in range(5)]
        await going.end()
        await pending.whole()
        await me.until("execution_completed", count=7)
        await late.subscribe(f"workflow:{flow.slug}")
        last = await (await Walk.start(quick, flow)).whole()
        await asyncio.gather(me.ended(), late.ended())
        for walk in (pending, *later, last):
            assert told([each for each in me.messages if each.get("execution_id") == walk.id]) == WHOLE
    assert {each["execution_id"] for each in me.messages[1:]} == {w.id for w in (going, pending, *later, last)}
    assert {each["execution_id"] for each in late.messages[1:]} == {last.id}


async def test_executions_that_are_committed_late_are_found(quick: Gateway) -> None:
    """Many begin in the same moment, more than one look takes."""
    flow = await workflow(quick)
    async with spectator(quick) as me:
        await me.subscribe(f"workflow:{flow.slug}")
        walks = await asyncio.gather(*(Walk.start(quick, flow) for _ in range(150)))
        for walk in walks:
            await walk.begin()
            await walk.end()
        await me.until("execution_completed", count=150)
    assert len({each["execution_id"] for each in me.messages[1:]}) == 150


async def test_the_quietest_of_too_many_executions_is_given_up(
    quick: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "FOLLOWED_MAX", 2)
    flow = await workflow(quick)
    walks = [await (await Walk.start(quick, flow)).begin() for _ in range(3)]
    async with spectator(quick) as me:
        await me.subscribe(f"workflow:{flow.slug}")
        await me.until("error")
        error = me.messages[-1]
        assert error["code"] == "RUN_LIMIT" and error["execution_id"] in {walk.id for walk in walks}
        for walk in walks:
            await walk.end()
        await me.until("execution_completed", count=2)


async def test_after_unsubscribe_nothing_comes_and_a_new_subscription_begins_anew(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    channel = f"execution:{walk.id}"
    async with spectator(gateway) as me:
        await me.subscribe(channel)
        await me.until("execution_started")
        await me.say(type="unsubscribe", channel=channel)
        assert await me.next() == {"type": "unsubscribed", "channel": channel}
        await walk.step("n0")
        await me.say(type="ping")
        assert await me.next() == {"type": "pong"}
        await me.subscribe(channel)
        await walk.end()
        assert told(await me.ended()) == ["execution_started", "n0 success", "execution_completed"]


@pytest.mark.parametrize("key", ["", "x" * 43, "short", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
@pytest.mark.parametrize("query", [True, False])
async def test_a_bad_key_is_accepted_and_closed_1008(gateway: Gateway, key: str, query: bool) -> None:
    async with spectator(gateway, key, query) as me:
        assert await me.closed() == 1008
    assert me.messages == []


async def test_a_key_in_the_header_will_do_and_one_without_read_will_not(gateway: Gateway) -> None:
    async with spectator(gateway, query=False) as me:
        await me.say(type="ping")
        assert await me.next() == {"type": "pong"}
    writer = await gateway.key("write", org=1, user=1)
    async with spectator(gateway, writer.key) as me:
        assert await me.closed() == 1008


async def test_what_is_another_s_is_as_absent(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    walk = await (await Walk.start(gateway, flow)).begin()
    for stranger in (await gateway.colleague(), await gateway.key()):
        async with spectator(gateway, stranger.key) as me:
            for channel, absent in (
                (f"execution:{walk.id}", "execution:00000000-0000-4000-8000-000000000000"),
                (f"workflow:{flow.slug}", "workflow:nobodys"), (f"workflow:{flow.number}", "workflow:99"),
            ):  # fmt: skip
                await me.say(type="subscribe", channel=channel)
                refused = await me.next()
                await me.say(type="subscribe", channel=absent)
                assert refused and {**refused, "channel": absent} == await me.next()
                assert refused["type"] == "error" and refused["code"] == "NOT_FOUND"


async def test_a_client_may_name_a_protocol(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    url = f"{gateway.client.url}/ws/?token={gateway.client.key}"
    async with gateway.client.http.ws_connect(url, protocols=["canary", "json"]) as socket:
        assert socket.protocol == "canary"
    assert "canary" not in caplog.text


async def test_no_log_line_holds_the_key(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    async with spectator(gateway) as me:
        await me.say(type="ping")
        await me.next()
    async with spectator(gateway, "caddie_canary0123456789012345678901234567") as me:
        await me.closed()
    await until(lambda: gateway.metrics.get_sample_value("caddie_watchers_open") == 0)
    text = "".join(capsys.readouterr())
    assert "/ws" in text and not [each for each in (gateway.client.key, "canary", "token") if each in text]


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "1", '"x"', "{}", '{"type":"subscribe"}', '{"type":"subscribe","channel":1}', '{"type":"x"}',
     '{"type":"subscribe","channel":"user:1"}', '{"type":"subscribe","channel":"execution:"}',
     '{"type":"subscribe","channel":"execution:a b"}', '{"type":"subscribe","channel":"workflow:' + "x" * 200 + '"}',
     "[" * 10_000, '{"type":"pong","x":NaN}', '{"type":"pong","type":"pong"}', "", b"\x00\x01"],
)  # fmt: skip
async def test_a_malformed_frame_is_answered_and_many_close_the_socket(gateway: Gateway, frame: str | bytes) -> None:
    async with spectator(gateway) as me:
        for _ in range(watcher.FAULTS_MAX):
            await (me.socket.send_bytes(frame) if isinstance(frame, bytes) else me.socket.send_str(frame))
        assert await me.closed() == 1008
    assert [message["type"] for message in me.messages] == ["error"] * watcher.FAULTS_MAX


async def test_a_frame_that_is_too_large_closes_1009(gateway: Gateway) -> None:
    async with spectator(gateway) as me:
        await me.socket.send_str('{"type":"pong","x":"' + "x" * 65_000 + '"}')
        await me.say(type="ping")
        assert await me.next() == {"type": "pong"}
        await me.socket.send_str("x" * 65_537)
        assert await me.closed() == 1009


async def test_text_that_is_no_text_is_no_fault_of_ours(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    async with spectator(gateway) as me:
        await me.socket.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
        refused = await me.next()
        assert refused is None or refused["type"] == "error"
    assert "watch.crashed" not in capsys.readouterr().out


async def test_too_many_messages_are_refused_and_close_the_socket(gateway: Gateway) -> None:
    async with spectator(gateway) as me:
        for _ in range(200):
            await me.socket.send_str('{"type":"pong"}')
        assert await me.closed() == 1008
    assert {message["code"] for message in me.messages} == {"RATE_LIMITED"}


async def test_control_pings_are_answered_and_counted(gateway: Gateway) -> None:
    async with spectator(gateway) as me:
        for _ in range(200):
            await me.socket.ping()
        assert await me.closed() == 1008


async def test_a_socket_has_a_bounded_number_of_channels(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "SUBSCRIPTIONS_MAX", 2)
    flow = await workflow(gateway)
    walks = [await Walk.start(gateway, flow) for _ in range(3)]
    async with spectator(gateway) as me:
        for walk in walks[:2]:
            await me.subscribe(f"execution:{walk.id}")
        await me.subscribe(f"execution:{walks[0].id}")
        await me.say(type="subscribe", channel=f"execution:{walks[2].id}")
        refused = await me.next()
        assert refused and refused["type"] == "error" and refused["code"] == "RATE_LIMITED"
        await me.say(type="unsubscribe", channel=f"execution:{walks[0].id}")
        await me.next()
        await me.subscribe(f"execution:{walks[2].id}")


async def test_a_ping_without_a_pong_ends_the_socket(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "PING_S", 0.05)
    monkeypatch.setattr(watcher, "PONG_S", 0.2)
    async with spectator(gateway) as quiet, spectator(gateway) as live:
        quiet.pongs = False
        closing = asyncio.ensure_future(quiet.closed())
        walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
        await live.subscribe(f"execution:{walk.id}")
        await live.until("execution_started")
        ended = asyncio.ensure_future(live.ended())
        assert await closing == 1001
        await walk.end()
        assert told(await ended) == ["execution_completed"]


async def test_a_revoked_key_closes_its_sockets_within_two_seconds(gateway: Gateway) -> None:
    mine = await gateway.key("read", org=1, user=1)
    async with spectator(gateway, mine.key) as me, spectator(gateway) as other:
        caller = await gateway.store.accounts.authenticate(mine.key)
        assert caller is not None
        begun = asyncio.get_running_loop().time()
        # Another process does it: nothing in this one hears of it.
        await gateway.store.accounts.disable_api_key(1, caller.api_key_id)
        assert await me.closed() == 1008
        assert asyncio.get_running_loop().time() - begun < 2
        await other.say(type="ping")
        assert await other.next() == {"type": "pong"}


async def test_a_user_has_a_bounded_number_of_sockets(settings: Settings) -> None:
    async with running(settings.model_copy(update={"sockets_per_user": 1})) as gateway:
        gateway.client = await gateway.key()
        async with spectator(gateway) as me:
            async with spectator(gateway) as more:
                assert await more.closed() == 1013
            await me.say(type="ping")
            assert await me.next() == {"type": "pong"}
        await until(lambda: gateway.metrics.get_sample_value("caddie_watchers_open") == 0)
        async with spectator(gateway) as me:
            await me.say(type="ping")
            assert await me.next() == {"type": "pong"}


async def test_a_drain_closes_1012(settings: Settings) -> None:
    async with aiohttp.ClientSession() as http:
        async with running(settings) as gateway:
            key = (await gateway.key()).key
            socket = await http.ws_connect(f"{gateway.client.url}/ws/?token={key}")
            closing = asyncio.ensure_future(socket.receive())
        await closing
        assert socket.close_code == 1012


async def test_a_reader_that_takes_nothing_is_cut(settings: Settings) -> None:
    async with running(settings.model_copy(update={"stall_timeout_s": 0.3})) as gateway:
        gateway.client = await gateway.key()
        walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
        host, port = gateway.client.url.removeprefix("http://").split(":")
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=raw, limit=1_024)
        head = (
            f"GET /ws/?token={gateway.client.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        writer.write(head.encode())
        await reader.readuntil(b"\r\n\r\n")
        text = json.dumps({"type": "subscribe", "channel": f"execution:{walk.id}"}).encode()
        writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        for number in range(300):
            node = events.ExecutionNode(nodeId=f"n{number}", status="success", output="x" * 30_000)
            await walk.say(node)
        await until(lambda: gateway.metrics.get_sample_value("caddie_watchers_open") == 0)
        writer.close()


async def test_a_request_without_a_handshake_is_400(gateway: Gateway) -> None:
    for path in ("/ws", "/ws/"):
        reply = await gateway.client.get(path)
        assert reply.status == 400 and reply.fields == ["Upgrade"]
    assert (await gateway.client("HEAD", "/ws/")).status == 400


async def test_nothing_is_left_of_a_socket_that_went_away(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway, BY_HAND))).begin()
    for _ in range(3):
        async with spectator(gateway) as me:
            await me.subscribe(f"execution:{walk.id}")
            await me.until("execution_started")
    await until(lambda: gateway.metrics.get_sample_value("caddie_watchers_open") == 0)
    channel = keys.channel(walk.key)

    async def unsubscribed() -> Any:
        return (await gateway.redis.pubsub_numsub(channel))[0][1] == 0

    await until(unsubscribed)


async def test_an_execution_in_a_chat_is_told_without_the_chat_s_other_runs(gateway: Gateway) -> None:
    flow = await workflow(gateway)
    await gateway.store.conversations.ensure(1, 1, "chat-1", kind="chat")
    before = await (await Walk.start(gateway, flow, conversation="chat-1")).whole()
    walk = await Walk.start(gateway, flow, conversation="chat-1")
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{walk.id}")
        await walk.whole()
        assert told(await me.ended()) == WHOLE
        after = await (await Walk.start(gateway, flow, conversation="chat-1")).whole()
        for each in (before, walk, after):
            await me.say(type="unsubscribe", channel=f"execution:{each.id}")
            await me.next()
            await me.subscribe(f"execution:{each.id}")
            found = await me.ended()
            assert told(found) == WHOLE and {message["execution_id"] for message in found} == {each.id}


async def test_while_redis_is_away_sockets_stay_and_miss_nothing(settings: Settings) -> None:
    valkey = Valkey()
    try:
        async with running(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as gateway:
            gateway.client = await gateway.key()
            flow = await workflow(gateway)
            walk, later = await (await Walk.start(gateway, flow)).begin(), await Walk.start(gateway, flow)
            async with spectator(gateway) as me:
                await me.subscribe(f"execution:{walk.id}")
                await me.until("execution_started")
                valkey.signal(signal.SIGSTOP)
                await me.subscribe(f"execution:{later.id}")
                for _ in range(2):
                    assert (await gateway.client.get("/api/v1/executions/")).status == 503
                valkey.signal(signal.SIGCONT)
                await walk.step("n0")
                await walk.end()
                await later.whole()
                await me.until("execution_completed", count=2)
            for each, expected in ((walk, ["execution_started", "n0 success", "execution_completed"]), (later, WHOLE)):
                assert told([m for m in me.messages if m.get("execution_id") == each.id]) == expected
    finally:
        valkey.close()


async def test_an_execution_that_is_deleted_is_no_longer_told(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "ASK_FIRST_S", 0.1)
    monkeypatch.setattr(watcher, "PING_S", 0.1)
    flow = await workflow(gateway)
    walk = await (await Walk.start(gateway, flow)).begin()
    async with spectator(gateway) as me:
        await me.subscribe(f"execution:{walk.id}")
        await me.until("execution_started")
        assert (await gateway.client("DELETE", f"/api/v1/workflows/{flow.slug}/")).status == 204
        assert (await me.next() or {}).get("code") == "NOT_FOUND"


async def test_a_long_execution_is_told_whole_and_in_order(gateway: Gateway) -> None:
    walk = await (await Walk.start(gateway, await workflow(gateway))).begin()
    async with spectator(gateway) as early:
        await early.subscribe(f"execution:{walk.id}")
        for start in range(0, 3_000, 500):
            await walk.say(*(
                events.ExecutionNode(nodeId="n", status="success", path=f"each:{number}")
                for number in range(start, start + 500)
            ))  # fmt: skip
        await walk.end()
        async with spectator(gateway) as late:
            await late.subscribe(f"execution:{walk.id}")
            for found in await asyncio.gather(early.ended(), late.ended()):
                paths = [message["data"]["path"] for message in found[1:-1]]
                assert paths == [f"each:{number}" for number in range(3_000)]
