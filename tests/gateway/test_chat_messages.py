"""Document 002 to the byte: frames, headers, statuses, the way back to a broken stream. The test writes the runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.chat_view import ChatView
from gateway.waiting import ended
from shared import events
from shared.errors import CaddieError
from shared.events import encode
from shared.follow import LogReader
from shared.log import EventLog
from shared.runs import answer_id
from tests.gateway.conftest import Gateway, Reply
from tests.gateway.pen import Pen
from tests.gateway.signed_in import People, Person, gathered
from tests.product import until

RUN = "run-1"


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.member()


def opened(person: Person, path: str, body: Any = None, **headers: str) -> Any:
    options = {} if body is None else {"json": body}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if body is None else "POST"
    return person.browser.http.request(method, person.browser.url + path, headers=sent, **options)


async def pen_of(gateway: Gateway, chat: str) -> Pen:
    """For the run that was just submitted to the chat."""
    run = await until(lambda: gateway.store.runs.active(1, chat))
    return await Pen(gateway.redis, gateway.store, chat, run.id).begin()


def frames(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: ")]


async def spoken(gateway: Gateway, ada: Person, *texts: str) -> tuple[str, Pen, list[bytes]]:
    """A chat with one finished run, as its POST showed it: (chat, pen, blocks)."""
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        pen = await pen_of(gateway, chat)
        await pen.say(*texts)
        await pen.said("".join(texts))
        await pen.end(message="".join(texts))
        raw = await response.read()
    return chat, pen, [block + b"\n\n" for block in raw.split(b"\n\n")[:-1]]


async def test_the_body_is_the_document_s_frames_to_the_byte(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        pen = await pen_of(gateway, chat)
        await pen.say("Quantum", " “computing”\u2028")
        args, result = {"query": "q"}, {"hits": [1, None]}
        await pen.write(events.ToolStarted(toolCallId="t", name="web_search", args=args))
        await pen.write(events.ToolFinished(toolCallId="t", name="web_search", ok=True, result=result))
        await pen.write(events.ToolFinished(toolCallId="t", name="http_get", ok=False, error="no"))
        await pen.said("Quantum “computing”\u2028")
        await pen.end(message="x")
        raw = await response.read()
    message = f"{pen.run_id}:m"
    assert raw == (
        f'data: {{"type":"start","messageId":"{message}"}}\nid: 3\n\n'
        'data: {"type":"content","delta":"Quantum"}\nid: 4\n\n'
        'data: {"type":"content","delta":" “computing”\\u2028"}\nid: 5\n\n'
        'data: {"type":"tool_call","toolName":"web_search","toolArgs":{"query":"q"}}\nid: 6\n\n'
        'data: {"type":"tool_result","toolName":"web_search","result":{"hits":[1,null]}}\nid: 7\n\n'
        'data: {"type":"tool_result","toolName":"http_get","result":{"error":"no"}}\nid: 8\n\n'
        f'data: {{"type":"end","messageId":"{message}"}}\nid: 10\n\n'
    ).encode()


async def test_the_headers_are_the_document_s(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Connection"] == "keep-alive"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "X-RateLimit-Remaining" in response.headers
        pen = await pen_of(gateway, chat)
        await pen.end()
        assert [frame["type"] for frame in frames(await response.read())] == ["start", "end"]


async def test_a_failure_in_the_middle_is_one_error_frame(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        pen = await pen_of(gateway, chat)
        await pen.say("Half")
        await pen.end(events.RunFailed(code="MODEL_FAILED", message="the model is away", retryable=True))
        shown = frames(await response.read())
    assert [frame["type"] for frame in shown] == ["start", "content", "error"]
    assert shown[-1] == {"type": "error", "error": "Bad Gateway", "message": "the model is away"}


async def test_a_cut_at_every_index_is_taken_up_without_gap_or_repeat(gateway: Gateway, ada: Person) -> None:
    chat, pen, blocks = await spoken(gateway, ada, "One", " two", " three")
    numbered = [(int(block.rsplit(b"id: ", 1)[1]), block) for block in blocks]
    last = numbered[-1][0]
    for cut in range(last):
        rest = b"".join(block for index, block in numbered if index > cut)
        for path, headers in (
            (f"/api/chats/{chat}/messages/stream?after={cut}", {}),
            (f"/api/chats/{chat}/messages/stream", {"Last_Event_ID": str(cut)}),
        ):
            async with opened(ada, path, **headers) as response:
                raw = await response.read()
            assert raw.removeprefix(b"retry: 1000\n") == rest, cut
    async with opened(ada, f"/api/chats/{chat}/messages/stream?after={last}") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_a_reader_follows_from_run_to_run(gateway: Gateway, ada: Person) -> None:
    chat, _, blocks = await spoken(gateway, ada, "First")
    end = int(blocks[-1].rsplit(b"id: ", 1)[1])
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message("again")) as response:
        pen = await pen_of(gateway, chat)
        await pen.say("Second")
        follower = opened(ada, f"/api/chats/{chat}/messages/stream?after={end}")
        fresh = opened(ada, f"/api/chats/{chat}/messages/stream")
        async with follower as followed, fresh as begun:
            await pen.end(message="Second")
            shown = frames(await response.read())
            assert [frame["type"] for frame in shown] == ["start", "content", "end"]
            assert frames(await followed.read()) == frames(await begun.read()) == shown
    async with opened(ada, f"/api/chats/{chat}/messages/stream?after=1") as response:
        assert frames(await response.read())[1] == {"type": "content", "delta": "First"}


async def test_a_stream_whose_log_is_lost_ends_with_the_stored_text(gateway: Gateway, ada: Person) -> None:
    chat, pen, _ = await spoken(gateway, ada, "Kept", " text")
    await pen.log.delete(pen.key)
    async with opened(ada, f"/api/chats/{chat}/messages/stream?after=4") as response:
        shown = frames(await response.read())
    assert [frame["type"] for frame in shown] == ["start", "content", "end"]
    assert shown[1]["delta"] == "Kept text"


async def test_an_empty_chat_has_nothing_to_follow(ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream") as response:
        assert response.status == 204
    refused = await ada("GET", f"/api/chats/{chat}/messages/stream?after=-1")
    assert (refused.status, refused.fields) == (400, ["after"])
    refused = await ada("GET", f"/api/chats/{chat}/messages/stream", Last_Event_ID="x")
    assert (refused.status, refused.fields) == (400, ["Last-Event-ID"])


async def test_an_index_the_log_has_not_reached_is_400_while_a_run_is_under_way(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    await gateway.store.runs.submit(1, ada.id, chat, None, "turn", "h", {"text": "hi"})
    assert (await ada("GET", f"/api/chats/{chat}/messages/stream?after=99")).status == 400


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"content": ""}, 400, "content"),
        ({"content": None}, 400, "content"),
        ({"content": 5}, 400, "content"),
        ({"content": "x" * 10_001}, 400, "content"),
        ({"modelId": ""}, 400, "modelId"),
        ({"modelId": "gpt-99"}, 400, "modelId"),
        ({"modelId": "claude"}, 400, "modelId"),
        ({"userId": ""}, 400, "userId"),
        ({"userId": 7}, 400, "userId"),
        ({"workflowId": "no-uuid"}, 400, "workflowId"),
        ({"extra": 1}, 400, "extra"),
        ({"userId": "user-123"}, 403, None),
        ({"userId": str(uuid4())}, 403, None),
        ({"workflowId": str(uuid4())}, 404, "workflowId"),
    ],
)
@pytest.mark.parametrize("path", ["messages", "messages/stream"])
async def test_what_is_refused_leaves_nothing(
    gateway: Gateway, ada: Person, path: str, change: dict[str, Any], status: int, field: str | None
) -> None:
    chat = await ada.chat()
    refused = await ada("POST", f"/api/chats/{chat}/{path}", ada.message(**change))
    assert refused.status == status, refused.body
    assert refused.headers["Content-Type"].startswith("application/json") and refused.body["message"]
    assert refused.body["error"] == {400: "Bad Request", 403: "Forbidden", 404: "Not Found"}[status]
    if field is not None:
        assert refused.fields == [field]
    assert (await gateway.store.runs.list(1)).items == []


@pytest.mark.parametrize("name", ["content", "modelId", "userId"])
async def test_each_needed_member_is_named(ada: Person, name: str) -> None:
    body = ada.message()
    del body[name]
    refused = await ada("POST", f"/api/chats/{await ada.chat()}/messages/stream", body)
    assert (refused.status, refused.fields) == (400, [name])


async def test_bodies_that_are_no_json_are_refused_in_the_family_s_words(ada: Person) -> None:
    url = f"{ada.browser.url}/api/chats/{await ada.chat()}/messages/stream"
    for content, kind, status in ((b"{", "application/json", 400), (b"", "application/json", 400),
                                  (b"content=x", "application/x-www-form-urlencoded", 415)):  # fmt: skip
        async with ada.browser.http.post(url, data=content, headers={"Content-Type": kind}) as response:
            assert response.status == status
            assert set(await response.json()) >= {"error", "message"}


async def test_a_workflow_is_one_s_own_and_has_a_trigger(gateway: Gateway, ada: Person, people: People) -> None:
    bob, chat = await people.member(), await ada.chat()
    own = await gateway.store.workflows.create(1, ada.id, "Mine")
    theirs = await gateway.store.workflows.create(1, bob.id, "Theirs")
    refused = await ada("POST", f"/api/chats/{chat}/messages/stream", ada.message(workflowId=own.id))
    assert (refused.status, refused.fields) == (400, ["workflowId"])
    refused = await ada("POST", f"/api/chats/{chat}/messages/stream", ada.message(workflowId=theirs.id))
    assert refused.status == 404
    refused = await ada("POST", f"/api/chats/{chat}/messages/stream", ada.message(workflowId=None, content=""))
    assert refused.fields == ["content"]


async def test_a_second_message_waits_for_the_first_answer(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        pen = await pen_of(gateway, chat)
        busy = await ada("POST", f"/api/chats/{chat}/messages", ada.message())
        assert (busy.status, busy.body["error"], busy.data["runId"]) == (409, "Conflict", pen.run_id)
        await pen.end()
        await response.read()


async def test_the_reader_s_leaving_does_not_end_the_run(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    async with opened(ada, f"/api/chats/{chat}/messages/stream", ada.message()) as response:
        pen = await pen_of(gateway, chat)
        await pen.say("Half")
        await response.content.readany()
    assert (await gateway.store.runs.find(pen.run_id)).cancel_requested is False  # type: ignore[union-attr]
    async with opened(ada, f"/api/chats/{chat}/messages/stream?after=4") as response:
        await pen.say(" whole", message="m2")
        await pen.end(message="x")
        assert [frame["type"] for frame in frames(await response.read())] == ["content", "content", "end"]


async def answered(gateway: Gateway, ada: Person, chat: str, terminal: events.Data | None = None) -> Reply:
    asking = asyncio.create_task(ada("POST", f"/api/chats/{chat}/messages", ada.message()))
    pen = await pen_of(gateway, chat)
    await pen.say("Whole")
    await pen.said("Whole")
    await pen.end(terminal, message="Whole")
    return await asking


async def test_the_whole_answer_is_201_with_both_messages(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    reply = await answered(gateway, ada, chat)
    assert reply.status == 201 and set(reply.data) == {"userMessage", "assistantMessage"}
    asked, answer = reply.data["userMessage"], reply.data["assistantMessage"]
    assert (asked["role"], asked["content"]) == ("user", "hello")
    assert (answer["role"], answer["content"], answer["status"]) == ("assistant", "Whole", "completed")
    assert asked["modelId"] == answer["modelId"] == "gpt-4" and asked["chatId"] == answer["chatId"] == chat
    listed = await ada("GET", f"/api/chats/{chat}/messages")
    assert listed.data["messages"] == [asked, answer]


async def test_a_failed_run_is_the_failure_s_status(gateway: Gateway, ada: Person) -> None:
    failure = events.RunFailed(code="MODEL_FAILED", message="the model is away", retryable=True)
    reply = await answered(gateway, ada, await ada.chat(), failure)
    assert (reply.status, reply.body["error"], reply.body["message"]) == (502, "Bad Gateway", "the model is away")


async def test_messages_come_in_pages(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    for _ in range(3):
        await answered(gateway, ada, chat)
    seen: list[str] = []
    query = "?limit=4"
    while True:
        page = (await ada("GET", f"/api/chats/{chat}/messages{query}")).data
        seen = [each["id"] for each in page["messages"]] + seen
        if not page["hasMore"]:
            break
        query = f"?limit=4&before={page['before']}&beforeId={page['beforeId']}"
    assert len(seen) == len(set(seen)) == 6
    whole = (await ada("GET", f"/api/chats/{chat}/messages")).data
    assert [each["id"] for each in whole["messages"]] == seen and whole["before"] is None


async def test_cancel_asks_the_run_under_way_to_end(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    idle = await ada("POST", f"/api/chats/{chat}/messages/cancel")
    assert (idle.status, idle.data) == (200, {"runId": None, "status": "idle"})
    run, _ = await gateway.store.runs.submit(1, ada.id, chat, None, "turn", "h", {"text": "hi"})
    asked = await ada("POST", f"/api/chats/{chat}/messages/cancel")
    assert asked.data["runId"] == run.id
    found = await gateway.store.runs.find(run.id)
    assert found is not None and found.cancel_requested


def body(data: events.Data, run: str = RUN) -> bytes:
    return encode(data, run, "2026-01-01T00:00:00.000Z")


def test_a_restart_begins_the_answer_anew_under_the_same_id() -> None:
    view, message = ChatView(RUN), answer_id(RUN)
    stream = [
        events.MessageStarted(messageId=message), events.MessageDelta(messageId=message, text="Hal"),
        events.RunRestarted(attempt=2, keepThrough=0), events.MessageStarted(messageId=message),
        events.MessageDelta(messageId=message, text="Whole"), events.RunFinished(outcome="completed"),
    ]  # fmt: skip
    shown = frames(b"".join(view.take(index, body(data)) for index, data in enumerate(stream, 1)))
    assert [frame["type"] for frame in shown] == ["start", "content", "start", "content", "end"]
    assert {frame["messageId"] for frame in shown if "messageId" in frame} == {message}
    assert view.ended and view.seen == 6


def test_an_execution_that_is_taken_over_goes_on_where_it_was() -> None:
    view, message = ChatView(RUN), answer_id(RUN)
    stream = [
        events.MessageStarted(messageId=message), events.MessageDelta(messageId=message, text="Half"),
        events.RunRestarted(attempt=2, keepThrough=2), events.MessageDelta(messageId=message, text=" and whole"),
        events.RunFinished(outcome="completed"),
    ]  # fmt: skip
    shown = frames(b"".join(view.take(index, body(data)) for index, data in enumerate(stream, 1)))
    assert [frame["type"] for frame in shown] == ["start", "content", "content", "end"]


def test_lost_events_are_made_good_with_the_whole_text_at_the_end() -> None:
    view = ChatView(RUN)
    view.take(1, body(events.MessageDelta(messageId="m", text="Be")))
    assert view.missed("retention") == b""
    assert view.take(9, body(events.MessageDelta(messageId="m", text="end"))) == b""
    result = events.RunResult(message="Begin to end")
    shown = frames(view.take(10, body(events.RunFinished(outcome="completed", result=result))))
    assert [frame["type"] for frame in shown] == ["start", "content", "end"]
    assert shown[1]["delta"] == "Begin to end"


def test_another_run_s_events_are_none_of_it() -> None:
    view = ChatView(RUN)
    assert view.take(1, body(events.MessageDelta(messageId="m", text="x"), "run-2")) == b""
    assert not view.seen


def test_only_the_last_frame_of_an_event_has_its_index() -> None:
    """A reader that was cut between the two would come back with an index whose content it has not seen."""
    made = ChatView(RUN).take(7, body(events.MessageDelta(messageId="m", text="x")))
    assert made.count(b"id: 7\n") == 1 and made.endswith(b"id: 7\n\n") and made.count(b"\n\n") == 2


async def test_waiting_is_bounded_and_says_that_the_run_goes_on(gateway: Gateway, ada: Person) -> None:
    chat = await ada.chat()
    run, _ = await gateway.store.runs.submit(1, ada.id, chat, None, "turn", "h", {"text": "hi"})
    log = EventLog(gateway.redis, 60, 100)
    async with LogReader(log, gateway.settings.redis_address) as reader:
        with pytest.raises(CaddieError) as caught:
            await ended(gateway.store, reader, run, 0.2)
    assert (caught.value.code, caught.value.status, caught.value.data) == ("RUN_TIMEOUT", 504, {"runId": run.id})


async def test_head_answers_with_the_stream_s_headers(gateway: Gateway, ada: Person) -> None:
    chat, _, _ = await spoken(gateway, ada, "x")
    async with aiohttp.ClientSession(cookie_jar=ada.browser.http.cookie_jar) as http:
        async with http.head(f"{ada.browser.url}/api/chats/{chat}/messages/stream") as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
