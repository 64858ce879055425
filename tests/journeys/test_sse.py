"""Streams of the whole product: what document 000 promises its readers, and that sockets see the same."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gateway.projection import ChatProjection
from tests.product import CHAT, GOLDEN, Client, Product, assert_stored_equals_log, until
from tests.sse import Frame, SseClient, indices_of, text_of

QUESTION = "post to Slack every hour"


@pytest.fixture
def reader(product: Product) -> SseClient:
    return SseClient(product.http, product.url + CHAT, product.api_key)


def request(text: str = GOLDEN, **members: Any) -> dict[str, Any]:
    return {"message": text, "requestId": str(uuid4()), "conversationId": str(uuid4()), **members}


async def projected(product: Product, conversation: str, run_id: str, request_id: str) -> bytes:
    """The frames that the log amounts to."""
    view = ChatProjection(run_id, conversation, request_id)
    return b"".join([view.take(index, body) for index, body in await product.entries(conversation)])


async def test_the_frames_are_the_logs_projection(product: Product, reader: SseClient) -> None:
    body = request(agentVersion="v2")
    async with reader.open(body) as stream:
        frames = await stream.rest()
    run = await product.store.runs.by_request(product.user, body["requestId"])
    assert run is not None and run.input["agentVersion"] == "v2"
    whole = await projected(product, body["conversationId"], run.id, body["requestId"])
    assert stream.raw_bytes == len(whole) + len(b"retry: 1000\n")
    assert whole.count(b"\n\n") == len(frames)
    folded = await product.folded(body["conversationId"])
    said = [message.text for message in folded.messages if message.role == "assistant"]
    assert text_of(frames) == "\n\n".join(said)
    assert frames[-1].data["data"]["workflow"] == folded.definition
    assert frames[-1].data["data"]["message"] == said[-1]


@pytest.mark.parametrize(("version", "runs_as"), [("v1", "v1"), ("v2", "v2"), ("both", "both"), (None, "v1")])
async def test_each_version_streams_to_one_terminal_frame(
    product: Product, reader: SseClient, version: str | None, runs_as: str
) -> None:
    body = request(**({"agentVersion": version} if version else {}))
    frames = await reader.whole(body)
    assert {"chunk", "node", "tool_start", "tool_result", "mode_switch", "done"} <= {frame.event for frame in frames}
    done = frames[-1].data
    assert done["data"]["type"] == "workflow" and done["data"]["workflow"]["nodes"]
    assert {"incompleteFields", "validationErrors", "message"} <= set(done["data"])
    assert done["usage"]["inputTokens"] >= 0 and done["outcome"] == "completed"
    assert (done["conversationId"], done["requestId"]) == (body["conversationId"], body["requestId"])
    run = await product.store.runs.by_request(product.user, body["requestId"])
    assert run is not None and run.input["agentVersion"] == runs_as
    await assert_stored_equals_log(product, body["conversationId"])


async def test_a_run_begun_by_socket_is_followed_as_a_stream_and_the_other_way_round(
    product: Product, reader: SseClient
) -> None:
    await product.pace(200)
    client = await product.client(0)
    conversation, request_id = client.session["conversationId"], str(uuid4())
    assert (await client.call("message", {"requestId": request_id, "text": GOLDEN}))["ok"]
    by_post, by_get = await asyncio.gather(
        reader.whole({"agentVersion": "v1", "requestId": request_id}),
        reader.whole(None, query={"requestId": request_id}),
    )
    await client.ended()
    assert by_post == by_get and set(indices_of(by_post)) <= set(client.indices)
    assert text_of(by_post) == "\n\n".join(event["data"]["text"] for event in client.of("message.completed"))
    body = request("explain the workflow", conversationId=conversation, agentVersion="v2")
    frames = await reader.whole(body)
    await client.ended(2)
    assert set(indices_of(frames)) <= set(client.indices)
    assert frames[-1].index == client.events[-1]["index"]
    await client.socket.disconnect()
    await assert_stored_equals_log(product, conversation)


async def by_stream(reader: SseClient, request_id: str, last: int, share: random.Random) -> list[Frame]:
    """Some frames above `last`, over a connection that is dropped after them."""
    in_header = share.random() < 0.5
    header = last if last and in_header else None
    asked: dict[str, Any] = {"requestId": request_id}
    if share.random() < 0.5:
        query = asked if header or not last else {**asked, "lastEventIndex": str(last)}
        opening = reader.open(None, last=header, query=query)
    else:
        body = asked if header or not last else {**asked, "lastEventIndex": last}
        opening = reader.open({"agentVersion": "v1", **body}, last=header)
    async with opening as stream:
        return await stream.take(share.randrange(1, 12))


async def by_socket(product: Product, conversation: str, last: int, count: int) -> list[dict[str, Any]]:
    """Some events above `last` from a socket that then goes away."""
    client = Client(await product.session(conversationId=conversation))
    await client.connect(last)
    await until(lambda: len(client.events) >= count or client.of("run.finished"), 20)
    await client.socket.disconnect()
    return client.events


SHOWN_AS = {
    "message.delta": "chunk", "message.started": "chunk", "node": "node", "thinking": "thinking",
    "mode.selected": "mode_switch", "tool.started": "tool_start", "tool.finished": "tool_result",
    "run.finished": "done",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_readers_that_drop_and_change_transport_see_identical_events(
    product: Product, reader: SseClient, seed: int
) -> None:
    """Eight readers, each on its own mixture of POST, GET and sockets, with drops at random places."""
    await product.pace(400)
    body = request(agentVersion="v2")
    async with reader.open(body) as stream:
        await stream.take(1)

    async def follow(share: random.Random) -> list[Frame | dict[str, Any]]:
        seen: list[Frame | dict[str, Any]] = []
        last = 0
        while True:
            if share.random() < 0.3:
                events = await by_socket(product, body["conversationId"], last, share.randrange(1, 12))
                seen += events
                last = events[-1]["index"]
                ended = events[-1]["type"] == "run.finished"
            else:
                frames = await by_stream(reader, body["requestId"], last, share)
                seen += frames
                last = frames[-1].index or 0
                ended = frames[-1].event == "done"
            if ended:
                return seen

    readers = [follow(random.Random(f"{seed} {number}")) for number in range(8)]
    found = await asyncio.gather(*readers)
    whole = await reader.whole({"agentVersion": "v1", "requestId": body["requestId"]})
    expected = {frame.index: frame for frame in whole}
    for seen in found:
        # A socket also sees what streams do not show; in what both show they are one.
        shared = [item for item in seen if isinstance(item, Frame) or item["index"] in expected]
        indices = [item.index if isinstance(item, Frame) else item["index"] for item in shared]
        assert indices == list(expected)
        for index, item in zip(indices, shared, strict=True):
            if isinstance(item, Frame):
                assert item == expected[index]
            else:
                assert SHOWN_AS[item["type"]] == expected[index].event


async def test_leaving_an_inline_stream_cancels_its_run(product: Product, reader: SseClient) -> None:
    await product.pace(20)
    body = request(agentVersion="v1", requestId=None)
    async with reader.open(body) as stream:
        await stream.take(3)

    async def ended() -> Any:
        return await product.store.runs.last_ended(product.org, body["conversationId"])

    run = await until(ended)
    assert run.outcome == "cancelled"
    await assert_stored_equals_log(product, body["conversationId"])


async def test_a_run_with_a_request_id_goes_on_alone_and_is_read_later(product: Product, reader: SseClient) -> None:
    await product.pace(200)
    body = request(agentVersion="v2")
    async with reader.open(body) as stream:
        first = await stream.take(3)

    async def ended() -> Any:
        return await product.store.runs.last_ended(product.org, body["conversationId"])

    assert (await until(ended)).outcome == "completed"
    rest = await reader.whole({"agentVersion": "v2", "requestId": body["requestId"]}, last=first[-1].index)
    assert first + rest == await reader.whole(body)


async def test_a_cancelled_run_is_done_with_what_there_is(product: Product, reader: SseClient) -> None:
    await product.pace(20)
    body = request(agentVersion="v2")
    async with reader.open(body) as stream:
        await stream.take(3)
        status, _ = await product.post("/v1/ai/workflow/chat/cancel", {"requestId": body["requestId"]})
        assert status == 200
        frames = await stream.rest()
    assert (frames[-1].event, frames[-1].data["outcome"]) == ("done", "cancelled")


async def test_a_question_of_a_followed_run_is_in_its_text(product: Product, reader: SseClient) -> None:
    body = request(QUESTION)
    session = await product.session(**body)
    frames = await reader.whole({"agentVersion": "v1", "requestId": body["requestId"]})
    assert frames[-1].data["outcome"] == "waiting"
    entries = await product.events(session["conversationId"])
    (asked,) = [event.data for event in entries if event.type == "input.requested"]
    assert asked.body["text"] in text_of(frames)  # type: ignore[union-attr]


async def test_redis_that_is_away_is_a_503_before_the_first_byte(product: Product) -> None:
    body = request(agentVersion="v1")
    await product.stop("gateway")
    nowhere = SecretStr("unix:///tmp/nothing-listens-here")
    product.settings = product.settings.model_copy(update={"redis_url": nowhere})
    await product.start("gateway")

    async def answered() -> Any:
        try:
            status, reply = await product.post(CHAT, body)
        except OSError:
            return None
        return status, reply

    status, reply = await until(answered)
    assert status == 503 and reply["code"] == 503001
