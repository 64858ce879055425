"""Executions as a worker leaves them, for tests of what the gateway makes of them; and a client of `/ws/`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import aiohttp
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from caddie.recorder import packed
from gateway.asyncapi import document
from shared import events
from shared.events import Data
from shared.executions import chat_thread
from shared.keys import conversation_key
from shared.log import Entry, EventLog, Writer
from shared.store.execution_records import ExecutionEnding, ExecutionRecord, ExecutionStart, StepWrite
from shared.store.records import InputRecord, MessageRecord, WorkflowRecord
from tests.gateway.conftest import Gateway

CHATTY = {
    "nodes": {
        "root": {"type": "trigger_chat", "payload": {}, "children": ["shout"]},
        "shout": {"type": "format", "payload": {"template": "{{root.text}}!"}, "children": ["reply"]},
        "reply": {
            "type": "reply_chat", "payload": {"text": "{{shout.result.text}}"}, "titleOverride": "Say it",
        },
    },
}  # fmt: skip
BY_HAND = {
    "nodes": {
        "root": {"type": "manual", "payload": {}, "children": ["log"]},
        "log": {"type": "log", "payload": {"message": "hi"}},
    },
    "inputSchema": [
        {"key": "city", "type": "string", "required": True, "description": "Where."},
        {"key": "days", "type": "number", "required": False, "description": "How long."},
    ],
}  # fmt: skip


async def workflow(
    gateway: Gateway, definition: dict[str, Any] | None = None, slug: str | None = None, user: int = 1
) -> WorkflowRecord:
    return await gateway.store.workflows.create(1, user, "Bot", slug, definition=definition or CHATTY)


@dataclass
class Walk:
    """One execution, walked by hand."""

    gateway: Gateway
    execution: ExecutionRecord
    attempt: int = 0
    first: int = 0
    last: int = 0
    position: int = 0
    writer: Writer = field(init=False)
    log: EventLog = field(init=False)

    @classmethod
    async def start(cls, gateway: Gateway, workflow: WorkflowRecord, text: str = "hi", **more: Any) -> Walk:
        """A new one, pending."""
        start = ExecutionStart(
            1, workflow.user_id, workflow.id, workflow.version, "chat", "root",
            input={"text": text, "files": [], "payload": {}}, **more,
        )  # fmt: skip
        record, _ = await gateway.store.executions.create(start)
        return cls(gateway, record)

    @property
    def id(self) -> str:
        return self.execution.id

    @property
    def key(self) -> str:
        return conversation_key(1, self.execution.conversation)

    async def begin(self) -> Walk:
        claim = await self.gateway.store.runs.claim(self.id, 3)
        assert claim is not None
        self.attempt = claim.run.attempt
        assert await self.gateway.store.executions.begin(self.id, self.attempt)
        self.log = EventLog(self.gateway.redis, 3_600, 100_000)
        self.writer = Writer(self.key, self.id, self.attempt)
        await self.log.claim(self.writer)
        first = "first" if self.attempt == 1 else ""
        await self._append((first, events.RunStarted(kind="execution", attempt=self.attempt)))
        self.first = self.last
        return self

    async def say(self, *data: Data) -> None:
        await self._append(*((Entry.of(each).operation, each) for each in data))

    async def step(self, node_id: str, status: Any = "success", path: str = "", **facts: Any) -> None:
        """A step's state, into the store and then the log."""
        self.position += 1
        moment = datetime.now(UTC).replace(microsecond=0)
        write = StepWrite(
            path, node_id, self.position, status, self.attempt, result=facts.get("output"), error=facts.get("error"),
            error_code=facts.get("code"), started_at=moment, duration_ms=facts.get("durationMs"),
            input=facts.get("input"), input_id=facts.pop("input_id", None),
        )  # fmt: skip
        await self.gateway.store.executions.checkpoint(
            self.id, self.attempt, [write], node_runs=self.position, active_ms=1
        )
        await self.say(events.ExecutionNode(nodeId=node_id, status=status, path=path or None, **facts))

    async def ask(self, node_id: str, **body: Any) -> str:
        """A question, and the execution waits for its answer."""
        until = datetime.now(UTC) + timedelta(hours=1)
        asked = InputRecord(str(uuid4()), "question", {"nodeId": node_id, **body}, until)
        await self.gateway.store.executions.ask(self.id, [asked])
        await self.step(node_id, "waiting", input_id=asked.id)
        await self.say(
            events.InputRequested(inputId=asked.id, body=dict(asked.body), expiresAt=events.timestamp(asked.expires_at))
        )
        await self.gateway.store.executions.suspend(
            self.id, self.attempt, wake_at=None, node_runs=self.position, active_ms=1, first_index=self.first,
            last_index=self.last,
        )  # fmt: skip
        return asked.id

    async def end(self, terminal: Data | None = None, *, append: bool = True, reply: str = "", **ending: Any) -> None:
        """The database first, as the worker does; `append` False: it died before the log had it."""
        output = ending.get("output", {"text": "done"})
        result = events.RunResult(output=output, message=reply)
        terminal = terminal or events.RunFinished(outcome="completed", result=result)
        failed = isinstance(terminal, events.RunFailed)
        outcome = terminal.outcome if isinstance(terminal, events.RunFinished) else None
        status: Any = "failed" if failed else "cancelled" if outcome == "cancelled" else "completed"
        said = (MessageRecord(str(uuid4()), "assistant", reply, datetime.now(UTC)),) if reply else ()
        body = events.encode(terminal, self.id)
        assert await self.gateway.store.runs.finish(
            self.id, self.attempt, status="failed" if failed else "finished", outcome=outcome,
            terminal=packed([("end", body)]), first_index=self.first, last_index=self.last,
            error_code=terminal.code if isinstance(terminal, events.RunFailed) else None,
            error_message=terminal.message if isinstance(terminal, events.RunFailed) else None,
            execution=ExecutionEnding(
                status, None if failed else output, thread_messages=said,
                error_code=terminal.code if isinstance(terminal, events.RunFailed) else None,
                error_message=terminal.message if isinstance(terminal, events.RunFailed) else None,
            ),
        )  # fmt: skip
        if append:
            await self._append(("end", terminal))

    async def whole(self, nodes: int = 2) -> Walk:
        """From its beginning to its end."""
        await self.begin()
        for number in range(nodes):
            await self.step(f"n{number}", "running")
            await self.step(f"n{number}", output={"number": number})
        await self.end()
        return self

    async def _append(self, *entries: tuple[str, Data]) -> None:
        self.last, _ = await self.log.append(
            self.writer, [(operation, events.encode(data, self.id)) for operation, data in entries]
        )


async def said(gateway: Gateway, flow: WorkflowRecord, text: str, reply: str, user: int = 1) -> ExecutionRecord:
    """One exchange in a user's thread."""
    thread = chat_thread(flow.id, user)
    start = ExecutionStart(1, user, flow.id, flow.version, "chat", "root", thread=thread, text=text)
    record, _ = await gateway.store.executions.create(start)
    walk = Walk(gateway, record)
    await walk.begin()
    await walk.end(reply=reply)
    return record


@cache
def validator(kind: str) -> Draft202012Validator:
    """What the AsyncAPI document says of a message of this type."""
    described = document("1")["components"]
    name = described["messages"][f"watch.{kind}"]["payload"]["$ref"]
    return Draft202012Validator({"$ref": name, "components": described})


@dataclass
class Spectator:
    """An ordinary WebSocket client that keeps what it was sent, and answers pings."""

    socket: aiohttp.ClientWebSocketResponse
    messages: list[dict[str, Any]] = field(default_factory=list)
    pongs: bool = True

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def next(self, timeout_s: float = 10) -> dict[str, Any] | None:
        """The next message but pings; None when the socket is closed."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.socket.receive()
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    return None
                message: dict[str, Any] = json.loads(frame.data)
                if message["type"] != "pong":
                    validator(message["type"]).validate(message)
                if message["type"] != "ping":
                    self.messages.append(message)
                    return message
                if self.pongs:
                    await self.say(type="pong")

    async def subscribe(self, channel: str) -> None:
        await self.say(type="subscribe", channel=channel)
        assert await self.next() == {"type": "subscribed", "channel": channel}

    async def until(self, *types: str, count: int = 1) -> list[dict[str, Any]]:
        """Messages up to the count-th of these types."""
        found: list[dict[str, Any]] = []
        while count:
            message = await self.next()
            assert message is not None, f"closed {self.socket.close_code} after {found}"
            found.append(message)
            count -= message["type"] in types
        return found

    async def ended(self) -> list[dict[str, Any]]:
        return await self.until("execution_completed", "execution_failed", "execution_cancelled")

    async def closed(self) -> int | None:
        while await self.next() is not None:
            pass
        return self.socket.close_code


@asynccontextmanager
async def spectator(gateway: Gateway, key: str | None = None, query: bool = True) -> AsyncIterator[Spectator]:
    key = gateway.client.key if key is None else key
    url = f"{gateway.client.url}/ws/" + (f"?token={key}" if query else "")
    headers = {} if query else {"Authorization": f"Bearer {key}"}
    async with gateway.client.http.ws_connect(url, headers=headers) as socket:
        yield Spectator(socket)


def told(messages: list[dict[str, Any]]) -> list[str]:
    """What was told, in short."""
    return [
        "{node_id} {status}".format(**each["data"]) if each["type"] == "node_status" else each["type"]
        for each in messages
    ]
