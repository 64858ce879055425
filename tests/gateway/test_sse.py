"""Streams of a gateway whose worker is the test: refusals, resuming, limits, drain, slow readers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from gateway.app import build, listening
from gateway.routes.chat_turn import Turns
from gateway.sse import EventStream, Streams
from gateway.table import openapi
from shared import events, keys
from shared.errors import CaddieError
from shared.follow import LogReader
from shared.settings import Settings
from tests.gateway.conftest import PATH, Gateway, running
from tests.gateway.pen import Pen
from tests.product import until
from tests.sse import Body, SseClient, indices_of, text_of
from tests.valkey import Valkey


@pytest.fixture
def reader(gateway: Gateway) -> SseClient:
    return SseClient(gateway.client.http, gateway.client.url + PATH, gateway.client.key)


def request(**members: Any) -> dict[str, Any]:
    return {"agentVersion": "v1", "message": "hello", "requestId": str(uuid4()), "conversationId": "c1", **members}


async def pen_of(gateway: Gateway, body: dict[str, Any]) -> Pen:
    """The pen of the run that a request has just made."""
    run = await until(lambda: gateway.store.runs.by_request(1, body["requestId"]))
    return await Pen(gateway.redis, gateway.store, run.conversation, run.id).begin()


async def written(gateway: Gateway, reader: SseClient, body: dict[str, Any], *texts: str) -> Pen:
    """A run nobody reads, that has said something."""
    async with reader.open(body):
        pen = await pen_of(gateway, body)
    await pen.say(*texts)
    return pen


async def test_frames_come_as_they_are_written_and_the_body_ends(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    async with reader.open(body) as stream:
        assert gateway.metrics.get_sample_value("caddie_streams_open") == 1
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream" and headers["Cache-Control"] == "no-cache"
        assert headers["X-Accel-Buffering"] == "no" and headers["X-Request-Id"]
        pen = await pen_of(gateway, body)
        await pen.say("one ", "two")
        assert text_of(await stream.take(2)) == "one two"
        await pen.said("one two")
        await pen.end(message="one two")
        last = await stream.rest()
    assert [frame.event for frame in last] == ["chunk", "chunk", "done"]
    assert indices_of(last) == [4, 5, 7]
    assert last[-1].data["data"] == {
        "type": "message", "message": "one two", "incompleteFields": [], "validationErrors": []
    }  # fmt: skip
    assert (last[-1].data["requestId"], last[-1].data["conversationId"]) == (body["requestId"], "c1")


async def test_a_failed_run_ends_with_one_error_frame(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    async with reader.open(body) as stream:
        pen = await pen_of(gateway, body)
        await pen.say("half")
        await pen.end(events.RunFailed(code="MODEL_FAILED", message="the model is away", retryable=True))
        frames = await stream.rest()
    assert [frame.event for frame in frames] == ["chunk", "error"]
    assert frames[-1].data == {
        "type": "error", "error": "the model is away", "code": "MODEL_FAILED", "retryable": True
    }  # fmt: skip


@pytest.mark.parametrize("version", ["v1", "v2", "both"])
@pytest.mark.parametrize(
    ("members", "headers", "status", "field"),
    [
        ({"message": None, "requestId": None}, {}, 400, "message"),
        ({"message": None}, {}, 400, "message"),
        ({"message": ""}, {}, 400, "message"),
        ({"requestId": "x"}, {}, 400, "requestId"),
        ({"lastEventIndex": 1}, {}, 400, "lastEventIndex"),
        ({}, {"Last-Event-ID": "1"}, 400, "lastEventIndex"),
        ({}, {"Last-Event-ID": "-1"}, 400, "Last-Event-ID"),
        ({}, {"Last-Event-ID": "1.5"}, 400, "Last-Event-ID"),
        ({}, {"Last-Event-ID": "9" * 17}, 400, "Last-Event-ID"),
        ({"modelOverride": "m"}, {}, 403, "modelOverride"),
        ({"temperatureOverride": 0.5}, {}, 403, "temperatureOverride"),
        ({"apiKeyOverride": "k" * 30}, {}, 403, "apiKeyOverride"),
        ({"workflowId": "nobodys"}, {}, 404, "workflowId"),
        ({"images": [{"base64": "AAAA"}]}, {}, 400, "images.0.base64"),
        ({"timezone": "Mars"}, {}, 400, "timezone"),
        ({"definition": {"nodes": {}}}, {}, 400, "definition.nodes"),
    ],
)
async def test_what_is_refused_is_refused_with_a_status_and_leaves_nothing(
    gateway: Gateway, version: str, members: dict[str, Any], headers: dict[str, str], status: int, field: str
) -> None:
    body = request(agentVersion=version, **members)
    reply = await gateway.client.chat(headers, **body)
    assert reply.status == status and field in reply.fields, reply.body
    assert await gateway.store.conversations.get(1, "c1") is None


@pytest.mark.parametrize("version", ["v1", "v2", "both"])
async def test_the_run_gets_every_field(gateway: Gateway, version: str) -> None:
    client = await gateway.key("read", "write", "eval", org=1, user=1)
    workflow = await gateway.store.workflows.create(1, 1, "Mine", "mine")
    node = {"type": "manual", "payload": {}, "children": []}
    definition = {
        "nodes": {"root": node}, "triggerNodeIds": ["root"], "blockExpansions": {}, "sensitivePropKeys": ["a"],
        "inputSchema": [{"key": "k", "type": "string", "required": True, "description": "d"}],
        "variableDefs": [{"name": "v", "type": "number", "lifetime": "persist", "default": 1, "description": "d"}],
    }  # fmt: skip
    body = request(
        agentVersion=version, workflowId="mine", definition=definition, name="n", description="d", sessionId="create-1",
        preferredMode="planning", templateSearchMode="hybrid", timezone="Europe/Zurich", modelOverride="m",
        temperatureOverride=0.5, apiKeyOverride="sk-canary-0123456789", failedRunId="f", lastEventIndex=0,
        images=[{"ipfsUrl": "https://example.com/a.png"}],
    )  # fmt: skip
    assert (await client.chat(**body)).status == 200
    run = await gateway.store.runs.by_request(1, body["requestId"])
    assert run is not None
    expected = {
        "workflowId": workflow.id, "name": "n", "description": "d", "mode": "planning", "templateSearchMode": "hybrid",
        "timezone": "Europe/Zurich", "modelOverride": "m", "temperatureOverride": 0.5, "failedRunId": "f",
        "agentVersion": version, "text": "hello", "images": [{"url": "https://example.com/a.png"}],
    }  # fmt: skip
    assert run.input.items() >= expected.items()
    assert run.input["definition"]["variableDefs"] == definition["variableDefs"]
    assert run.input["definition"]["inputSchema"] == definition["inputSchema"]
    assert "canary" not in str(run.input)
    conversation = await gateway.store.conversations.get(1, "c1")
    assert conversation is not None
    assert (conversation.workflow_id, conversation.create_session_id) == (workflow.id, "create-1")


def test_the_stream_is_documented_on_the_same_operation() -> None:
    operations = openapi()["paths"][PATH]
    assert set(operations["post"]["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(operations["get"]["responses"]["200"]["content"]) == {"text/event-stream"}
    assert "content" not in operations["get"]["responses"]["204"]


async def test_other_refusals_have_a_status_too(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    async with reader.open(body):
        busy = await gateway.client.chat(**request())
        assert (busy.status, busy.body["code"]) == (409, 409002)
        other = await gateway.client.chat(**{**body, "message": "other"})
        assert (other.status, other.body["code"]) == (409, 409001)
        elsewhere = await gateway.client.chat(**{**body, "conversationId": "c2"})
        assert elsewhere.status == 409
        colleague = await gateway.colleague()
        assert (await colleague.chat(**request())).status == 404
        assert (await colleague.chat(agentVersion="v1", requestId=body["requestId"])).status == 400
        assert (await colleague.get(f"{PATH}?requestId={body['requestId']}")).status == 404
    read_only = await gateway.key("read", org=1, user=1)
    assert (await read_only.chat(**request(conversationId="c3"))).body["data"] == {"scopeNeeded": "write"}
    assert (await read_only.chat(agentVersion="v1", requestId=body["requestId"])).status == 200
    assert (await gateway.client.with_key("").chat(**request())).status == 401


async def test_the_get_form_follows_known_runs_only(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    pen = await written(gateway, reader, body, "one", "two")
    await pen.end()
    query = {"requestId": body["requestId"]}
    frames = await reader.whole(None, query=query)
    assert [frame.event for frame in frames] == ["chunk", "chunk", "done"]
    assert await reader.whole(None, query={**query, "lastEventIndex": "4"}) == frames[1:]
    end = frames[-1].index
    for options in ({"headers": {"Last-Event-ID": str(end)}}, {"params": {"lastEventIndex": str(end)}}):
        assert (await gateway.client.get(f"{PATH}?requestId={body['requestId']}", **options)).status == 204
    head = await gateway.client("HEAD", f"{PATH}?requestId={body['requestId']}")
    assert head.status == 200 and head.headers["Content-Type"] == "text/event-stream"
    assert (await gateway.client.get(f"{PATH}?requestId={uuid4()}")).status == 404
    for query_string in ("", "?requestId=x", f"?requestId={body['requestId']}&lastEventIndex=-1"):
        assert (await gateway.client.get(PATH + query_string)).status == 400


async def test_a_reader_comes_back_to_where_it_was(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    pen = await written(gateway, reader, body, "one", "two", "three")
    await pen.said("onetwothree")
    await pen.say("four", message="m2")
    await pen.end()
    whole = await reader.whole({"agentVersion": "v1", "requestId": body["requestId"]})
    assert text_of(whole) == "onetwothree\n\nfour"
    again = {"agentVersion": "v1", "requestId": body["requestId"]}
    for position, frame in enumerate(whole[:-1]):
        rest = whole[position + 1 :]
        assert await reader.whole({**again, "lastEventIndex": frame.index}) == rest
        assert await reader.whole(again, last=frame.index) == rest
        assert await reader.whole({**again, "lastEventIndex": 1}, last=frame.index) == rest
        assert await reader.whole({**body, "lastEventIndex": frame.index}, last=0) == rest
    # Who has everything and asks all the same is told the end again.
    assert await reader.whole({**again, "lastEventIndex": whole[-1].index}) == whole[-1:]
    assert await reader.whole({**body}) == whole


async def test_readers_that_come_and_go_see_one_run(gateway: Gateway, reader: SseClient) -> None:
    """Fifty parallel posts of one request: one run, fifty times the same frames."""
    body = request()
    readers = [asyncio.create_task(reader.whole(body)) for _ in range(50)]
    pen = await pen_of(gateway, body)
    await pen.say(*"abcdef")
    await pen.end()
    found = await asyncio.gather(*readers)
    assert all(frames == found[0] for frames in found) and text_of(found[0]) == "abcdef"
    assert len((await gateway.store.runs.list(1)).items) == 1


async def test_a_stream_shows_its_own_run_only(gateway: Gateway, reader: SseClient) -> None:
    first, second = request(), request()
    pen = await written(gateway, reader, first, "first")
    await pen.end(message="first")
    pen = await written(gateway, reader, second, "second")
    await pen.end(message="second")
    for body, text in ((first, "first"), (second, "second")):
        frames = await reader.whole({"agentVersion": "v2", "requestId": body["requestId"]})
        assert text_of(frames) == text and frames[-1].data["data"]["message"] == text


async def test_a_silent_stream_says_that_it_lives(
    gateway: Gateway, reader: SseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sse.HEARTBEAT_S", 0.05)
    body = request()
    async with reader.open(body) as stream:
        reading = asyncio.create_task(stream.rest())
        await until(lambda: stream.comments.count("heartbeat") >= 3)
        pen = await pen_of(gateway, body)
        await pen.end()
        assert [frame.event for frame in await reading] == ["done"]


async def test_a_restarted_run_says_what_still_counts(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    async with reader.open(body) as stream:
        pen = await pen_of(gateway, body)
        await pen.say("one", "two")
        await pen.write(events.RunRestarted(attempt=2, keepThrough=2))
        await pen.say("again", message="m2")
        await pen.end(message="again")
        frames = await stream.rest()
    assert [frame.event for frame in frames] == ["chunk", "chunk", "restart", "chunk", "done"]
    assert frames[2].data["data"] == {"attempt": 2, "keepThrough": 2}


async def test_a_run_whose_log_is_gone_is_told_from_the_database(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    pen = await written(gateway, reader, body, "one", "two")
    await pen.said("onetwo")
    await pen.say("three", message="m2")
    await pen.end(message="three")
    again = {"agentVersion": "v1", "requestId": body["requestId"]}
    whole = await reader.whole(again)
    await pen.log.delete(pen.key)
    frames = await reader.whole(again)
    assert [frame.event for frame in frames] == ["chunk", "done"]
    assert text_of(frames) == text_of(whole) and frames[-1] == whole[-1]
    seen = await reader.whole(again, last=4)
    assert [frame.event for frame in seen] == ["restart", "chunk", "done"] and seen[1:] == frames
    last = whole[-1].index
    assert last is not None
    assert await reader.whole(again, last=last - 1) == frames[-1:]
    assert (await gateway.client.get(f"{PATH}?requestId={body['requestId']}&lastEventIndex={last}")).status == 204
    # Another life of the log, already beyond the old one's indices.
    other = await written(gateway, reader, request(), *"abcdefghijkl")
    assert (await pen.log.head(other.key)).index > last
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.sse.HEARTBEAT_S", 0.05)
        patch.setattr("gateway.routes.chat_sse.SETTLED_S", 0)
        assert await reader.whole(again) == frames


async def test_a_terminal_event_that_died_with_its_writer_is_told_from_the_database(
    gateway: Gateway, reader: SseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sse.HEARTBEAT_S", 0.05)
    monkeypatch.setattr("gateway.routes.chat_sse.SETTLED_S", 0)
    body = request()
    async with reader.open(body) as stream:
        pen = await pen_of(gateway, body)
        await pen.say("one")
        await stream.take(1)
        await pen.said("one")
        await pen.end(append=False, message="one")
        frames = await stream.rest()
    assert [frame.event for frame in frames] == ["chunk", "done"]
    assert (frames[-1].index, frames[-1].data["data"]["message"]) == (6, "one")


async def test_a_log_that_is_lost_in_the_middle_is_a_word_and_not_silence(
    gateway: Gateway, reader: SseClient
) -> None:
    body = request()
    async with reader.open(body) as stream:
        pen = await pen_of(gateway, body)
        await pen.say("one", "two")
        await stream.take(2)
        await gateway.redis.delete(keys.log(pen.key), keys.head(pen.key), keys.inputs(pen.key))
        await pen.write(events.MessageDelta(messageId="m", text="three"))
        await pen.end(message="onetwothree")
        frames = await stream.rest()
    assert [frame.event for frame in frames] == ["chunk", "chunk", "resync", "chunk", "done"]
    assert frames[2].data == {"type": "resync", "data": {"reason": "epoch"}} and frames[2].index is None
    assert (frames[3].index, frames[3].data["data"]) == (1, "three")


async def test_a_log_without_entries_is_told_once(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    pen = await written(gateway, reader, body, "one", "two")
    await gateway.redis.delete(keys.log(pen.key))
    async with reader.open({"agentVersion": "v1", "requestId": body["requestId"]}) as stream:
        await stream.take(1)
        await pen.write(events.MessageDelta(messageId="m", text="three"))
        await pen.end()
        frames = await stream.rest()
    assert [frame.event for frame in frames] == ["resync", "chunk", "done"]


async def test_a_stream_outlives_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """First frozen, then killed together with its data."""
    monkeypatch.setattr("gateway.sse.HEARTBEAT_S", 0.2)
    valkey = Valkey()
    try:
        async with running(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as found:
            found.client = await found.key()
            reader = SseClient(found.client.http, found.client.url + PATH, found.client.key)
            body = request()
            async with reader.open(body) as stream:
                reading = asyncio.create_task(stream.rest())
                pen = await pen_of(found, body)
                await pen.say("one")
                await until(lambda: stream.frames)
                valkey.signal(signal.SIGSTOP)
                before = len(stream.comments)
                await until(lambda: len(stream.comments) > before + 3)
                valkey.signal(signal.SIGCONT)
                await pen.write(events.MessageDelta(messageId="m", text="two"))
                await until(lambda: len(stream.frames) == 2)
                valkey.kill()
                await until(lambda: len(stream.comments) > before + 5)
                valkey.start()
                await until(lambda: wrote(pen, "three"), 20)
                await until(lambda: len(stream.frames) >= 4, 20)
                await pen.end(message="onetwothree")
                frames = await reading
        assert [frame.event for frame in frames] == ["chunk", "chunk", "resync", "chunk", "done"]
        assert text_of(frames) == "onetwothree"
    finally:
        valkey.close()


async def test_a_reader_that_needs_the_log_waits_for_redis_only_so_long(
    gateway: Gateway, reader: SseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.relay.RETRY_S", 0.01)
    monkeypatch.setattr("gateway.relay.PATIENCE_S", 0.1)

    async def away(*_: object) -> Any:
        raise CaddieError("UNAVAILABLE", "the event log is not reachable right now")

    inline = request(requestId=None)
    async with reader.open(inline) as stream:
        run = await until(lambda: gateway.store.runs.active(1, "c1"))
        pen = await Pen(gateway.redis, gateway.store, "c1", run.id).begin()
        monkeypatch.setattr(LogReader, "next", away)
        await pen.say("one")
        (frame,) = await stream.rest()
    assert (frame.event, frame.data["code"], frame.data["retryable"]) == ("error", "UNAVAILABLE", True)

    async def cancelled() -> Any:
        return (now := await gateway.store.runs.get(1, run.id)) and now.cancel_requested

    await until(cancelled)


async def wrote(pen: Pen, text: str) -> bool:
    try:
        await pen.write(events.MessageDelta(messageId="m", text=text))
    except CaddieError:
        return False
    return True


async def test_a_reader_behind_retention_is_told_and_goes_on(gateway: Gateway, reader: SseClient) -> None:
    body = request()
    pen = await written(gateway, reader, body, *(str(number) for number in range(100)))
    await gateway.redis.xtrim(keys.log(pen.key), maxlen=10, approximate=False)
    async with reader.open({"agentVersion": "v1", "requestId": body["requestId"]}) as stream:
        frames = await stream.take(11)
        await pen.end()
        assert (await stream.rest())[-1].event == "done"
    assert frames[0].data == {"type": "resync", "data": {"reason": "retention"}}
    assert text_of(frames) == "".join(str(number) for number in range(90, 100))


@pytest.mark.parametrize(
    ("limit", "status"), [("sockets_per_user", 429), ("sockets_per_organisation", 429), ("sockets_per_server", 503)]
)
async def test_open_streams_are_limited_and_a_seat_is_given_back(settings: Settings, limit: str, status: int) -> None:
    async with running(settings.model_copy(update={limit: 1})) as found:
        found.client = await found.key()
        reader = SseClient(found.client.http, found.client.url + PATH, found.client.key)
        async with reader.open(request()):
            refused = await found.client.chat(**request(conversationId="c2"))
            assert refused.status == status and int(refused.headers["Retry-After"]) > 0
            assert await found.store.conversations.get(1, "c2") is None
        # Neither what was refused for another reason nor a stream that was left keeps a seat.
        assert (await found.client.chat(**request(workflowId="nobodys"))).status == 404

        async def admitted() -> bool:
            return (await found.client.chat(**request(conversationId="c3"))).status != status

        await until(admitted)


async def test_a_run_with_a_request_id_survives_its_reader_and_one_without_does_not(
    gateway: Gateway, reader: SseClient
) -> None:
    survivor = request()
    async with reader.open(survivor):
        pass
    inline = request(requestId=None, conversationId="c2")
    async with reader.open(inline):
        pass

    async def cancelled() -> Any:
        return (run := await gateway.store.runs.active(1, "c2")) and run.cancel_requested

    await until(cancelled)
    run = await gateway.store.runs.by_request(1, survivor["requestId"])
    assert run is not None and not run.cancel_requested


async def test_a_client_that_leaves_before_it_knows_of_its_inline_run_leaves_none_behind(
    gateway: Gateway, reader: SseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, entered, released = Turns.submit, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        entered.set()
        await released.wait()
        return await submit(*arguments)

    monkeypatch.setattr(Turns, "submit", slow)
    leaving = asyncio.create_task(reader.whole(request(requestId=None)))
    await entered.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    released.set()

    async def cancelled() -> Any:
        return (run := await gateway.store.runs.active(1, "c1")) and run.cancel_requested

    await until(cancelled)
    await until(lambda: gateway.metrics.get_sample_value("caddie_streams_open") == 0)


async def test_an_inline_stream_that_ended_cancels_nothing(gateway: Gateway, reader: SseClient) -> None:
    async with reader.open(request(requestId=None)) as stream:
        run = await until(lambda: gateway.store.runs.active(1, "c1"))
        pen = await Pen(gateway.redis, gateway.store, "c1", run.id).begin()
        await pen.end(message="x")
        frames = await stream.rest()
    assert frames[-1].data["requestId"] == stream.response.headers["X-Request-Id"]
    ended = await gateway.store.runs.get(1, run.id)
    assert ended is not None and not ended.cancel_requested


class Served:
    """A gateway that a test may stop while it reads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = build(settings, CollectorRegistry())
        self.streams = next(
            callback.__self__  # type: ignore[attr-defined]
            for callback in self.app.on_shutdown
            if isinstance(getattr(callback, "__self__", None), Streams)
        )
        self.stack = AsyncExitStack()
        self.stop = asyncio.Event()

    async def __aenter__(self) -> Served:
        self.port = asyncio.get_running_loop().create_future()
        self.serving = asyncio.create_task(self._serve())
        await self.port
        return self

    async def _serve(self) -> None:
        async with listening(self.app, self.settings) as port:
            self.port.set_result(port)
            await self.stop.wait()

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.serving

    def url(self, path: str = PATH) -> str:
        return f"http://127.0.0.1:{self.port.result()}{path}"

    @property
    def stream(self) -> EventStream:
        (stream,) = self.streams.open
        return stream


@pytest.fixture
async def other(gateway: Gateway) -> AsyncIterator[Served]:
    async with Served(gateway.settings.model_copy(update={"drain_timeout_s": 2.5, "stall_timeout_s": 0.3})) as served:
        yield served


async def test_a_gateway_that_stops_sends_its_readers_elsewhere(gateway: Gateway, other: Served) -> None:
    body = request()
    async with aiohttp.ClientSession() as http:
        async with SseClient(http, other.url(), gateway.client.key).open(body) as stream:
            pen = await pen_of(gateway, body)
            await pen.say("one", "two")
            before = await stream.take(2)
            other.stop.set()
            assert await stream.rest() == before
    await pen.end(message="onetwo")
    reader = SseClient(gateway.client.http, gateway.client.url + PATH, gateway.client.key)
    after = await reader.whole(body, last=before[-1].index)
    assert [frame.event for frame in after] == ["done"]


async def test_an_inline_stream_may_end_while_the_gateway_stops(gateway: Gateway, other: Served) -> None:
    async with aiohttp.ClientSession() as http:
        client = SseClient(http, other.url(), gateway.client.key)
        async with client.open(request(requestId=None)) as quick, client.open(
            request(requestId=None, conversationId="c2")
        ) as slow:
            run = await until(lambda: gateway.store.runs.active(1, "c1"))
            pen = await Pen(gateway.redis, gateway.store, "c1", run.id).begin()
            other.stop.set()
            await until(lambda: other.streams.draining)
            await pen.end(message="x")
            assert (await quick.rest())[-1].event == "done"
            (frame,) = await slow.rest()
            assert (frame.event, frame.data["code"], frame.data["retryable"]) == ("error", "UNAVAILABLE", True)
    await other.serving
    run = await gateway.store.runs.active(1, "c2")
    assert run is not None and run.cancel_requested


async def test_a_reader_that_takes_nothing_costs_little_and_is_cut(gateway: Gateway, other: Served) -> None:
    body = request()
    host, port = "127.0.0.1", other.port.result()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, port))
    raw = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.client.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    await loop.sock_sendall(connection, head.encode() + raw)
    pen = await pen_of(gateway, body)
    await until(lambda: len(other.streams.open) == 1)
    transport = other.stream._out.transport
    most = 0
    for _ in range(40):
        await pen.write(*[events.MessageDelta(messageId="m", text="x" * 20_000)] * 10)
        assert transport is not None
        most = max(most, transport.get_write_buffer_size())  # type: ignore[attr-defined]
    assert most < 512 * 1024
    await until(lambda: not other.streams.open)
    connection.close()
    run = await gateway.store.runs.by_request(1, body["requestId"])
    assert run is not None and not run.cancel_requested
    await pen.end()
    async with aiohttp.ClientSession() as http:
        frames = await SseClient(http, other.url(), gateway.client.key).whole(body)
    assert len(text_of(frames)) >= 40 * 10 * 20_000


async def test_ten_thousand_deltas_are_streamed_with_linear_bytes(gateway: Gateway, reader: SseClient) -> None:
    sizes = {}
    for count in (1_000, 10_000):
        body = request(conversationId=f"c{count}")
        async with reader.open(body) as stream:
            reading = asyncio.create_task(read(stream))
            pen = await pen_of(gateway, body)
            for start in range(0, count, 500):
                texts = [f"{number:06d}" for number in range(start, start + 500)]
                await pen.write(*[events.MessageDelta(messageId="m", text=text) for text in texts])
            await pen.end()
            frames = await reading
        assert text_of(frames) == "".join(f"{number:06d}" for number in range(count))
        assert indices_of(frames) == list(range(3, count + 4))
        sizes[count] = stream.raw_bytes
    assert sizes[10_000] < 10.5 * sizes[1_000]


async def read(stream: Body) -> Any:
    return await stream.rest()


def test_a_seat_that_was_left_leaves_no_trace(settings: Settings) -> None:
    streams = Streams(settings, CollectorRegistry())
    for who in [streams.take_seat(org, user) for org in (1, 2) for user in (1, 2, 2)]:
        streams.leave_seat(who)
    assert not streams._seats and not streams._organisations
