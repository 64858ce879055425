"""Where a reader begins, what it is told, and that from there it gets everything once and in order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from caddie.realtime import connection
from shared import keys
from shared.errors import CaddieError
from shared.events import MessageCompleted, MessageDelta, MessageStarted, MessageUser, RunFinished, RunStarted
from shared.log import Entry, Head
from shared.store.records import MessageRecord
from tests.caddie.realtime.conftest import CONVERSATION, Edge, Edges
from tests.caddie.realtime.wire import Wire, connect_packet
from tests.product import Client, until

LIMITS = {"frameBytes": 65_536, "commandsPerSecond": 20.0, "commandsBurst": 40, "textCharacters": 10_000}


async def opened(edge: Edge, **auth: Any) -> Wire:
    wire = await edge.wire().open()
    await wire.connect(edge.token(), **auth)
    return wire


async def caught_up(edge: Edge, wire: Wire) -> int:
    """The index of one more event, once the reader has it."""
    last = await edge.say(1)
    await wire.read_until(lambda: wire.events and wire.events[-1]["index"] == last)
    return last


async def begin_run(edge: Edge, run: str = "r9") -> int:
    user = Entry(MessageUser(messageId="u", text="hi"), "first")
    return await edge.append(user, RunStarted(), MessageStarted(messageId="a"), run=run) - 2


async def test_ready_says_where_the_reader_stands(edge: Edge) -> None:
    await edge.say(3)
    first = await begin_run(edge)
    wire = await opened(edge, lastEventIndex=1)
    ready = wire.control["ready"][0]
    head = await edge.product.log.head(keys.conversation_key(edge.product.org, CONVERSATION))
    assert {name: ready[name] for name in ready if name not in ("serverTime", "expiresAt")} == {
        "sessionId": "s1", "conversationId": CONVERSATION, "epoch": head.epoch, "head": 6,
        "replay": {"from": 2, "to": 6, "complete": True}, "run": {"runId": "r9", "status": "running"}, "mode": None,
        "inputs": [], "scopes": ["decide", "read", "write"], "limits": LIMITS, "protocol": 1,
    }  # fmt: skip
    assert ready["serverTime"] < ready["expiresAt"] and first == 4
    assert wire.connected is not None and wire.connected["pid"].startswith(head.epoch + ".")
    await wire.read_until(lambda: wire.indices == [2, 3, 4, 5, 6])
    await wire.leave()


async def test_an_empty_conversation_is_followed_from_its_first_event(edge: Edge) -> None:
    wire = await opened(edge)
    assert wire.control["ready"][0]["replay"] == {"from": 1, "to": 0, "complete": True}
    await edge.say(5)
    await wire.read_until(lambda: wire.indices == [1, 2, 3, 4, 5])
    assert wire.control["ready"][0]["epoch"]
    await wire.leave()


async def test_without_a_place_a_reader_begins_at_the_head(edge: Edge) -> None:
    await edge.say(5)
    wire = await opened(edge)
    await edge.say(1)
    await wire.read_until(lambda: wire.indices == [6])
    await wire.leave()


async def test_without_a_place_a_reader_begins_before_the_active_run(edge: Edge) -> None:
    await edge.say(5)
    await begin_run(edge)
    wire = await opened(edge)
    await wire.read_until(lambda: wire.indices == [6, 7, 8])
    await edge.append(RunFinished(outcome="completed"), run="r9")
    await wire.read_until(lambda: wire.indices == [6, 7, 8, 9])
    after = await opened(edge)
    assert after.control["ready"][0]["run"] is None
    await caught_up(edge, after)
    assert after.indices == [10]
    for socket in (wire, after):
        await socket.leave()


async def test_last_event_index_gives_exactly_the_rest(edge: Edge) -> None:
    await edge.say(1_000)
    head = 1_000
    for last in (0, 1, 499, 500, 501, 999, 1_000):
        wire = await opened(edge, lastEventIndex=last)
        head += 1
        assert await caught_up(edge, wire) == head
        assert wire.indices == list(range(last + 1, head + 1))
        await wire.leave()


async def test_a_ring_smaller_than_the_gap_is_no_seam(edges: Edges) -> None:
    async with edges(ring_events=16) as edge:
        await edge.say(1_000)
        wire = await opened(edge, lastEventIndex=3)
        assert await caught_up(edge, wire) == 1_001
        assert wire.indices == list(range(4, 1_002))
        await wire.leave()


async def test_the_browsers_own_recovery_resumes(edge: Edge) -> None:
    await edge.say(10)
    first = await opened(edge, lastEventIndex=0)
    await first.read_until(lambda: len(first.events) == 10)
    assert first.connected is not None
    pid = first.connected["pid"]
    offsets = [orjson.loads(packet[2:])[-1] for packet in first.packets if packet.startswith('42["event"')]
    assert offsets == [str(index) for index in range(1, 11)]
    await first.leave()
    again = await opened(edge, pid=pid, offset="7", lastEventIndex=2)
    assert again.connected is not None and again.connected["pid"] == pid
    await caught_up(edge, again)
    assert again.indices == [8, 9, 10, 11]
    await again.leave()


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ({"lastEventIndex": 11}, "ahead"),
        ({"lastEventIndex": 2**53 - 1}, "ahead"),
        ({"lastEventIndex": 5, "epoch": "another"}, "epoch"),
        ({"pid": "another.x", "offset": "5"}, "epoch"),
        ({"pid": "another.x", "offset": "9999999999999999"}, "epoch"),
    ],
)
async def test_a_place_that_is_none_gets_the_state_and_goes_on(edge: Edge, auth: dict[str, Any], reason: str) -> None:
    await edge.say(10)
    wire = await opened(edge, **auth)
    ready = wire.control["ready"][0]
    assert ready["replay"] == {"from": 1, "to": 10, "complete": False, "reason": reason}
    assert wire.connected is not None and wire.connected["pid"] != auth.get("pid")
    await wire.read_until(lambda: wire.control.get("resync"))
    resync = wire.control["resync"][0]
    assert (resync["head"], resync["epoch"], resync["messages"]) == (10, ready["epoch"], [])
    await caught_up(edge, wire)
    assert wire.indices == [11]
    await wire.leave()


async def test_a_recovery_that_is_none_is_a_first_connect(edge: Edge) -> None:
    await edge.say(10)
    for pid, offset in ((1, "1"), ("p.q", 1), ("p.q", "-1"), ("p.q", None), (None, "3"), ("p.q", "1" * 40)):
        wire = await opened(edge, lastEventIndex=8, pid=pid, offset=offset)
        await wire.read_until(lambda wire=wire: len(wire.events) == 2)
        assert wire.indices == [9, 10]
        await wire.leave()


async def test_an_index_that_is_none_is_refused(edge: Edge) -> None:
    bad: list[Any] = [-1, "1", 1.5, True, [], {}, 2**53, 2**63, "x"]
    for last in bad:
        wire = await edge.wire().open()
        await wire.send(connect_packet(token=edge.token(), lastEventIndex=last))
        assert await wire.closed() == 4400, last
        assert wire.error is not None and wire.error["data"] == {"code": "INVALID", "retryable": False}
        assert not wire.events


async def test_behind_retention_the_state_comes_first_then_everything_once(edges: Edges) -> None:
    async with edges(log_retention_events=1_000, ring_events=16) as edge:
        await edge.say(3_000, batch=500)
        wire = await opened(edge, lastEventIndex=5)
        ready = wire.control["ready"][0]
        assert ready["replay"]["reason"] == "retention" and not ready["replay"]["complete"]
        assert 1 < ready["replay"]["from"] <= 2_001
        await wire.read_until(lambda: wire.control.get("resync"))
        await edge.say(500)
        await wire.read_until(lambda: wire.events and wire.events[-1]["index"] == 3_500)
        assert wire.indices == list(range(3_001, 3_501))
        assert len(wire.control["resync"]) == 1 and wire.control["resync"][0]["head"] == 3_000
        inside = await opened(edge, lastEventIndex=3_450)
        await caught_up(edge, inside)
        assert inside.indices == list(range(3_451, 3_502))
        for socket in (wire, inside):
            await socket.leave()
        await edge.nothing_left()


async def test_replay_from_behind_retention_gives_the_state(edges: Edges) -> None:
    async with edges(log_retention_events=100, ring_events=16) as edge:
        await edge.say(1_000)
        wire = await opened(edge)
        assert (await wire.call("replay", {"after": 0}))["ok"]
        await wire.read_until(lambda: wire.control.get("resync"))
        await caught_up(edge, wire)
        assert wire.indices == [1_001]
        await wire.leave()
        await edge.nothing_left()


async def test_head_is_told_regularly(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_INTERVAL_S", 0.1)
    await edge.say(7)
    wire = await opened(edge)
    await wire.read_until(lambda: len(wire.control.get("head", ())) >= 2)
    assert wire.control["head"][-1] == {"index": 7, "epoch": wire.control["ready"][0]["epoch"]}
    await edge.say(3)
    await wire.read_until(lambda: wire.control["head"][-1]["index"] == 10)
    assert wire.indices == [8, 9, 10]
    await wire.leave()


async def _finished_run(edge: Edge) -> None:
    """One turn that is in the store and in the log."""
    runs, now = edge.product.store.runs, datetime.now(UTC)
    wire = await opened(edge)
    run = (await wire.call("message", {"requestId": str(uuid4()), "text": "one"}))["runId"]
    await wire.leave()
    claim = await runs.claim(run, 3)
    assert claim is not None
    messages = [MessageRecord("m1", "user", "one", now), MessageRecord("m2", "assistant", "two", now)]
    definition: dict[str, Any] = {"nodes": {}}
    assert await runs.finish(
        run, claim.run.attempt, status="finished", messages=messages, definition=definition, first_index=1, last_index=4
    )
    await edge.append(
        Entry(MessageUser(messageId="m1", text="one"), "first"), RunStarted(),
        MessageCompleted(messageId="m2", text="two"), RunFinished(outcome="completed"), run=run,
    )  # fmt: skip


async def test_the_state_is_what_is_stored_and_what_the_run_has_said(edge: Edge) -> None:
    await _finished_run(edge)
    await edge.append(
        Entry(MessageUser(messageId="m3", text="three"), "first"), RunStarted(), MessageStarted(messageId="m4"),
        MessageDelta(messageId="m4", text="fo"), MessageDelta(messageId="m4", text="ur"), run="r2",
    )  # fmt: skip
    wire = await opened(edge, lastEventIndex=99)
    await wire.read_until(lambda: wire.control.get("resync"))
    state = wire.control["resync"][0]
    assert [(message["id"], message["role"], message["text"]) for message in state["messages"]] == [
        ("m1", "user", "one"), ("m2", "assistant", "two"), ("m3", "user", "three"), ("m4", "assistant", "four"),
    ]  # fmt: skip
    assert (state["run"], state["head"]) == ({"runId": "r2", "status": "running"}, 9)
    assert state["definition"] == {"nodes": {}} and state["inputs"] == [] and state["mode"] is None
    await edge.append(MessageDelta(messageId="m4", text="!"), run="r2")
    await wire.read_until(lambda: wire.indices == [10])
    await wire.leave()


async def test_a_read_that_failed_is_made_again_although_nothing_new_comes(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edges(ring_events=16) as edge:
        await edge.say(1_000)
        log, failures = edge.reader._log, [True, True]
        read = log.read

        async def failing(*arguments: Any) -> Any:
            if failures and arguments[1] < 900:
                failures.pop()
                raise CaddieError("UNAVAILABLE", "away")
            return await read(*arguments)

        monkeypatch.setattr(log, "read", failing)
        wire = await opened(edge, lastEventIndex=0)
        await wire.read_until(lambda: len(wire.events) == 1_000)
        assert wire.indices == list(range(1, 1_001)) and not failures
        await wire.leave()
        await edge.nothing_left()


async def test_a_state_that_failed_or_is_of_another_epoch_is_asked_for_again(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    await edge.say(5)
    snapshot, heads = edge.server._snapshot, [Head(3, "another"), None]

    async def shaky(session: Any) -> Any:
        if not heads:
            return await snapshot(session)
        if (head := heads.pop()) is None:
            raise CaddieError("UNAVAILABLE", "away")
        return {"messages": ["wrong"]}, head

    monkeypatch.setattr(edge.server, "_snapshot", shaky)
    wire = await opened(edge, lastEventIndex=99)
    await wire.read_until(lambda: wire.control.get("resync"))
    assert [(resync["head"], resync["messages"]) for resync in wire.control["resync"]] == [(5, [])]
    assert not heads
    await wire.leave()


async def test_readers_of_one_conversation_share_its_ring(edge: Edge) -> None:
    wires = [await opened(edge, lastEventIndex=0) for _ in range(5)]
    assert edge.reader.watched == 1
    await edge.say(200, batch=7)
    for wire in wires:
        await wire.read_until(lambda wire=wire: len(wire.events) == 200)
        assert wire.indices == list(range(1, 201))
        await wire.leave()
    await until(lambda: edge.reader.watched == 0)


async def test_an_unmodified_client_resumes(edge: Edge) -> None:
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        client = Client(edge.session())
        last = await edge.say(300)
        await client.connect(last=last - 250, transports=transports)
        last = await edge.say(50)
        await until(lambda: client.events and client.events[-1]["index"] == last)  # noqa: B023
        assert client.indices == list(range(last - 299, last + 1))
        assert client.offsets == [str(index) for index in client.indices]
        await client.socket.disconnect()
