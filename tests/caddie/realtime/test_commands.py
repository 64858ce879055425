"""Commands over a socket: every acknowledgement, every refusal, the rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from caddie.realtime.server import REFUSALS_BURST
from shared.store.records import InputRecord
from tests.caddie.realtime.conftest import CONVERSATION, Edge, Edges
from tests.caddie.realtime.wire import Wire, command_packet
from tests.product import Client, until

CODES = {
    "RATE_LIMITED", "RUN_BUSY", "NOT_FOUND", "FORBIDDEN", "INVALID", "UNAVAILABLE", "INPUT_RESOLVED",
    "VERSION_CONFLICT", "RUN_LIMIT", "RUN_FAILED", "CONFLICT", "NOT_IMPLEMENTED", "INTERNAL",
    "TOKEN_MALFORMED", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED",
}  # fmt: skip


def message(**body: Any) -> dict[str, Any]:
    return {"requestId": str(uuid4()), "text": "hello", **body}


SHAPES: list[tuple[str, Any]] = [
    ("message", {}), ("message", {"text": "x"}), ("message", {"requestId": "x", "text": "x"}),
    ("message", message(text="")), ("message", message(text="x" * 10_001)), ("message", message(text=1)),
    ("message", message(text=None)), ("message", message(images="x")), ("message", message(images=[{}])),
    ("message", message(images=[{"ipfsUrl": "ftp://x"}])), ("message", message(images=[{"ipfsUrl": "https://x"}] * 9)),
    ("message", message(images=[{"ipfsUrl": "https://x", "more": 1}])), ("message", message(mode="fly")),
    ("message", message(whenBusy="never")), ("message", message(unknown=1)), ("message", message(requestId=7)),
    ("message", message(requestId=None)), ("message", message(requestId={"a": 1})),
    ("cancel", {}), ("cancel", {"runId": "r", "requestId": "q"}), ("cancel", {"runId": ""}), ("cancel", {"runId": 1}),
    ("cancel", {"runId": "x" * 129}), ("cancel", {"runId": "a b"}), ("cancel", {"runId": "a\n"}),
    ("answer", {}), ("answer", {"inputId": "i"}), ("answer", {"value": 1}), ("answer", {"inputId": 1, "value": 1}),
    ("refresh", {}), ("refresh", {"token": "x" * 5_000}), ("refresh", {"token": "t", "more": 1}),
    ("replay", {}), ("replay", {"after": -1}), ("replay", {"after": "1"}), ("replay", {"after": 1.5}),
    ("replay", {"after": True}), ("replay", {"after": None}), ("replay", {"after": 2**53}), ("replay", {"after": 1e30}),
    ("replay", {"after": 1}), ("replay", None), ("replay", []), ("replay", "x"), ("replay", 1),
    ("nothing", {}), ("ready", {}), ("event", {}), ("ended", {}), ("__class__", {}), ("", {}),
]  # fmt: skip


async def refused(wire: Wire, name: str, body: Any) -> dict[str, Any]:
    reply = await wire.call(name, body)
    assert reply["ok"] is False and reply["code"] in CODES, (name, body, reply)
    assert isinstance(reply["message"], str) and isinstance(reply["retryable"], bool)
    return reply


async def test_a_message_becomes_one_run(edge: Edge) -> None:
    wire = await edge.connected()
    body = message(images=[{"ipfsUrl": "https://example.com/a.png"}], mode="building")
    first = await wire.call("message", body)
    assert first == {"ok": True, "runId": first["runId"], "requestId": body["requestId"], "created": True}
    assert await wire.call("message", body) == {**first, "created": False}
    run = await edge.product.store.runs.get(edge.product.org, first["runId"])
    assert run is not None and (run.status, run.conversation, run.user_id) == (
        "queued",
        CONVERSATION,
        edge.product.user,
    )
    assert (run.input["text"], run.input["mode"]) == ("hello", "building")
    await wire.leave()


async def test_a_command_of_another_shape_is_invalid(edges: Edges) -> None:
    async with edges(commands_burst=1_000) as edge:
        wire = await edge.connected()
        for name, body in SHAPES:
            assert (await refused(wire, name, body))["code"] == "INVALID", (name, body)
        assert (await wire.call("replay", {"after": 0}))["ok"]
        await wire.leave()
        await edge.nothing_left()


async def test_a_command_takes_exactly_one_argument(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send('421["replay"]', '422["replay",{"after":0},{"after":0}]', '42/,3["replay",{"after":0}]')
    await wire.read_until(lambda: len(wire.acks) == 3)
    assert [wire.acks[number]["ok"] for number in (1, 2, 3)] == [False, False, True]
    await wire.leave()


async def test_acknowledgements_carry_their_number(edge: Edge) -> None:
    wire = await edge.connected()
    await wire.send(command_packet("replay", {"after": 0}, 0), command_packet("nothing", {}, 999_999_999_999_999))
    await wire.read_until(lambda: len(wire.acks) == 2)
    assert set(wire.acks) == {0, 999_999_999_999_999}
    await wire.leave()


async def test_commands_without_an_acknowledgement_are_run(edge: Edge) -> None:
    wire = await edge.connected()
    body = message()
    await wire.send(command_packet("message", body), command_packet("nothing", {}))
    assert (await wire.call("replay", {"after": 0}))["ok"]
    assert list(wire.acks) == [1]
    run = await edge.product.store.runs.by_request(edge.product.user, body["requestId"])
    assert run is not None
    await wire.leave()


async def test_a_missing_scope_is_named(edge: Edge) -> None:
    wire = await edge.connected(scopes=frozenset({"read"}))
    for name, body in (
        ("message", message()), ("cancel", {"runId": "r"}), ("answer", {"inputId": "i", "value": 1}),
    ):  # fmt: skip
        reply = await refused(wire, name, body)
        assert (reply["code"], reply["scopeNeeded"], reply["retryable"]) == ("FORBIDDEN", "write", False)
    assert (await wire.call("replay", {"after": 0}))["ok"]
    await wire.leave()


async def test_a_busy_conversation_rejects_or_queues(edge: Edge) -> None:
    wire = await edge.connected()
    active = await wire.call("message", message())
    reply = await refused(wire, "message", message())
    assert (reply["code"], reply["runId"], reply["retryable"]) == ("RUN_BUSY", active["runId"], True)
    queued = await wire.call("message", message(whenBusy="queue"))
    assert queued["ok"] and queued["runId"] != active["runId"]
    await wire.leave()


async def test_a_busy_conversation_is_steered_or_interrupted(edge: Edge) -> None:
    wire = await edge.connected()
    active = await wire.call("message", message())
    body = message(whenBusy="steer")
    for created in (True, False):
        steered = await wire.call("message", body)
        assert (steered["ok"], steered["runId"], steered["created"]) == (True, active["runId"], created)
    urgent = await wire.call("message", message(whenBusy="interrupt"))
    assert urgent["ok"] and urgent["runId"] != active["runId"]
    stopped = await edge.product.store.runs.find(active["runId"])
    assert stopped is not None and stopped.cancel_requested
    await wire.leave()


async def test_one_request_with_two_bodies_is_a_conflict(edge: Edge) -> None:
    wire = await edge.connected()
    body = message()
    assert (await wire.call("message", body))["ok"]
    assert (await refused(wire, "message", {**body, "text": "another"}))["code"] == "CONFLICT"
    await wire.leave()


async def test_new_runs_are_counted_per_user(edges: Edges) -> None:
    async with edges(rate_runs_per_minute=2) as edge:
        one, two = await edge.connected(), await edge.connected(conversation="c2", session="s2")
        for wire in (one, two):
            assert (await wire.call("message", message(whenBusy="queue")))["ok"]
        for wire in (one, two):
            reply = await refused(wire, "message", message(whenBusy="queue"))
            assert (reply["code"], reply["retryable"]) == ("RATE_LIMITED", True)
            await wire.leave()


async def test_cancel_finds_a_run_by_either_name_and_repeats(edge: Edge) -> None:
    wire = await edge.connected()
    body = message()
    run = (await wire.call("message", body))["runId"]
    for named in ({"runId": run}, {"requestId": body["requestId"]}, {"runId": run}):
        assert await wire.call("cancel", named) == {"ok": True, "runId": run, "status": "queued"}
    record = await edge.product.store.runs.get(edge.product.org, run)
    assert record is not None and record.cancel_requested
    for unknown in ({"runId": str(uuid4())}, {"requestId": str(uuid4())}):
        assert (await refused(wire, "cancel", unknown))["code"] == "NOT_FOUND"
    other = await edge.connected(conversation="c2", session="s2")
    assert (await refused(other, "cancel", {"runId": run}))["code"] == "NOT_FOUND"
    for socket in (wire, other):
        await socket.leave()


async def _asked(edge: Edge, wire: Wire, expires: timedelta) -> str:
    """A question the agent left open."""
    run = (await wire.call("message", message(whenBusy="queue")))["runId"]
    claim = await edge.product.store.runs.claim(run, 3)
    assert claim is not None
    asked = InputRecord(str(uuid4()), "question", {"text": "where?"}, datetime.now(UTC) + expires)
    assert await edge.product.store.runs.finish(run, claim.run.attempt, status="finished", inputs_new=[asked])
    return asked.id


async def test_an_answer_begins_a_run_and_one_wins(edge: Edge) -> None:
    wire = await edge.connected()
    asked = await _asked(edge, wire, timedelta(hours=1))
    reply = await wire.call("answer", {"inputId": asked, "value": "#fx"})
    assert reply == {"ok": True, "runId": reply["runId"], "inputId": asked}
    assert await wire.call("answer", {"inputId": asked, "value": "#fx"}) == reply
    loser = await refused(wire, "answer", {"inputId": asked, "value": "#other"})
    assert (loser["code"], loser["by"]) == ("INPUT_RESOLVED", str(edge.product.user))
    await wire.leave()


async def test_a_question_that_is_over_or_elsewhere_takes_no_answer(edge: Edge) -> None:
    wire = await edge.connected()
    late = await _asked(edge, wire, timedelta(hours=-1))
    assert (await refused(wire, "answer", {"inputId": late, "value": 1}))["code"] == "INPUT_RESOLVED"
    open_one = await _asked(edge, wire, timedelta(hours=1))
    other = await edge.connected(conversation="c2", session="s2")
    for socket, asked in ((other, open_one), (wire, str(uuid4()))):
        assert (await refused(socket, "answer", {"inputId": asked, "value": 1}))["code"] == "NOT_FOUND"
        await socket.leave()


async def test_replay_sends_again(edge: Edge) -> None:
    wire = await edge.connected(last=0)
    await edge.say(30)
    await wire.read_until(lambda: len(wire.events) == 30)
    assert await wire.call("replay", {"after": 20}) == {"ok": True, "from": 21, "to": 30}
    await wire.read_until(lambda: len(wire.events) == 40)
    assert wire.indices == [*range(1, 31), *range(21, 31)]
    assert wire.events[30:] == wire.events[20:30]
    assert (await wire.call("replay", {"after": 30}))["ok"]
    assert (await refused(wire, "replay", {"after": 31}))["code"] == "INVALID"
    await edge.say(1)
    await wire.read_until(lambda: wire.indices[-1] == 31)
    assert len(wire.events) == 41
    await wire.leave()


async def test_too_many_commands_are_refused_and_then_cut(edges: Edges) -> None:
    async with edges(commands_per_s=0.001) as edge:
        wire = await edge.connected()
        burst = edge.settings.commands_burst
        for number in range(1, burst + 2 * REFUSALS_BURST):
            await wire.send(command_packet("replay", {"after": 0}, number))
        assert await wire.closed() == 4429
        assert [wire.acks[number]["ok"] for number in range(1, burst + 1)] == [True] * burst
        refusals = [reply for number, reply in wire.acks.items() if number > burst]
        assert REFUSALS_BURST <= len(refusals) < 2 * REFUSALS_BURST - 1
        assert {(reply["code"], reply["retryable"]) for reply in refusals} == {("RATE_LIMITED", True)}
        again = await edge.connected()
        assert (await again.call("replay", {"after": 0}))["ok"]
        await again.leave()
        await edge.nothing_left()


async def test_a_client_that_slows_down_is_heard_again(edges: Edges) -> None:
    async with edges(commands_per_s=20, commands_burst=2) as edge:
        wire = await edge.connected()
        for number in range(1, 6):
            await wire.send(command_packet("replay", {"after": 0}, number))
        await wire.read_until(lambda: len(wire.acks) == 5)
        assert not all(reply["ok"] for reply in wire.acks.values())

        async def heard() -> bool:
            return bool((await wire.call("replay", {"after": 0}))["ok"])

        await until(heard, 3)
        await wire.leave()
        await edge.nothing_left()


async def test_a_command_that_fails_unexpectedly_is_answered(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("boom canary")

    wire = await edge.connected()
    monkeypatch.setattr(edge.server._commands._runs, "submit", broken)
    with capture_logs() as logged:
        reply = await refused(wire, "message", message(text="canary text"))
    assert (reply["code"], reply["retryable"]) == ("INTERNAL", True) and "boom" not in reply["message"]
    assert [line["event"] for line in logged] == ["command.failed"] and "canary text" not in str(logged)
    assert (await wire.call("replay", {"after": 0}))["ok"]
    await wire.leave()


async def test_an_unmodified_client_calls(edge: Edge) -> None:
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        client = Client(edge.session())
        await client.connect(transports=transports)
        assert (await client.call("message", message(whenBusy="queue")))["ok"]
        assert (await client.call("nothing", {}))["code"] == "INVALID"
        await client.socket.disconnect()
