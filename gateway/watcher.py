"""One socket of `/ws/` (document 004): what its client asks for, and the messages it gets.

Invariant: a socket holds cursors, one batch of messages and what its transport takes, never a queue; a reader that
takes nothing for long, or does not answer a ping, is cut. Whatever ends it, nothing of it stays. Caller:
``gateway.watching``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

import orjson
from aiohttp import WSMsgType, web
from aiohttp.http import WSMessageNoDecodeText

from gateway.auth import Principal
from gateway.body import parse_json
from gateway.following import Following, Sources
from shared.errors import CLOSE_DRAINING, CaddieError
from shared.store.execution_records import ExecutionRecord
from shared.store.records import WorkflowRecord

#: Close codes of RFC 6455, 7.4.1.
CLOSE_NORMAL, CLOSE_SILENT, CLOSE_POLICY = 1000, 1001, 1008
#: Never on the wire: who takes nothing is cut without a word.
CLOSE_STALLED = 0
#: The server's ping, and how long its answer may take.
PING_S, PONG_S = 30.0, 10.0
FRAME_BYTES = 65_536
SUBSCRIPTIONS_MAX = 64
#: Executions one socket follows through the channels of their workflows.
FOLLOWED_MAX = 256
MESSAGES_PER_S, MESSAGES_BURST = 20.0, 80.0
#: Messages in a row that are wrong, or too many at once, before the socket is closed.
FAULTS_MAX = 10
#: Redis or the database away: how soon it is asked again.
RETRY_S = 0.5
#: What a socket may still take when it is being closed.
GOODBYE_S = 2.0
_CHANNEL = re.compile(r"(execution|workflow):([A-Za-z0-9_-]{1,128})")
Listener = Callable[[ExecutionRecord], None]
#: Its text frames are bytes.
Socket = web.WebSocketResponse[Literal[False]]


class Over(Exception):
    """The end of a socket: why, as a close code and a reason for the client."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Feed(Protocol):
    """Where the executions of a workflow are heard of."""

    async def listen(self, workflow: WorkflowRecord, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called with each execution that is unfinished or begins later; how to stop it."""


class Watcher:
    """Speaks on a prepared socket until ``serve`` returns how it ended."""

    def __init__(
        self, socket: Socket, principal: Principal, sources: Sources, feed: Feed, stall_s: float
    ) -> None:
        self.principal = principal
        self._socket, self._sources, self._feed, self._stall_s = socket, sources, feed, stall_s
        #: By channel: how to leave it.
        self._channels: dict[str, Callable[[], None]] = {}
        #: By channel and execution.
        self._followings: dict[tuple[str, str], Following] = {}
        self._due: dict[Following, None] = {}
        self._woken = asyncio.Event()
        self._stopped: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._pong = asyncio.Event()
        self._allowance, self._counted_at = MESSAGES_BURST, self._now()
        self._faults = 0

    def stop(self, code: int, reason: str) -> None:
        """End the socket from outside; the first word counts."""
        if not self._stopped.done():
            self._stopped.set_result(Over(code, reason))

    def drain(self) -> None:
        self.stop(CLOSE_DRAINING, "draining: reconnect")

    async def serve(self) -> Over:
        over: Over | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._hear(), self._tell(), self._pulse(), self._end()):
                    group.create_task(work, name="watcher")
        except* Over as ends:
            over = _first(ends)
        except* ConnectionError:
            over = over or Over(CLOSE_NORMAL, "gone")
        finally:
            for leave in tuple(self._channels.values()):
                leave()
        return over or Over(CLOSE_NORMAL, "")

    async def _end(self) -> None:
        raise await self._stopped

    async def _hear(self) -> None:
        while True:
            frame = await self._socket.receive()
            if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                raise Over(self._socket.close_code or CLOSE_NORMAL, "closed")
            try:
                self._count()
                await self._take(frame)
                self._faults = 0
            except CaddieError as error:
                self._faults += 1
                await self._complain(error)
                if self._faults >= FAULTS_MAX:
                    raise Over(CLOSE_POLICY, "too many wrong messages") from None

    def _count(self) -> None:
        now = self._now()
        refilled = self._allowance + (now - self._counted_at) * MESSAGES_PER_S
        self._allowance, self._counted_at = min(MESSAGES_BURST, refilled) - 1, now
        if self._allowance < 0:
            self._allowance = 0
            raise CaddieError("RATE_LIMITED", f"expected at most {MESSAGES_PER_S:g} messages a second, got more")

    async def _complain(self, error: CaddieError, channel: str | None = None) -> None:
        named = {"channel": channel} if channel else {}
        await self.send({"type": "error", **named, "code": error.code, "message": error.message})

    async def _take(self, frame: WSMessageNoDecodeText) -> None:
        match frame.type:
            case WSMsgType.PING:
                await self._sent(self._socket.pong(frame.data))
                return
            case WSMsgType.PONG:
                return
            case WSMsgType.TEXT:
                message = parse_json(frame.data)
            case _:
                raise CaddieError("INVALID", "expected a text frame, got a binary one")
        kind = message.get("type") if isinstance(message, dict) else None
        match kind:
            case "pong":
                self._pong.set()
            case "ping":
                await self.send({"type": "pong"})
            case "subscribe" | "unsubscribe":
                channel = message.get("channel")
                if not isinstance(channel, str) or _CHANNEL.fullmatch(channel) is None:
                    raise CaddieError("INVALID", "channel: expected execution:<id> or workflow:<slug>")
                await (self._subscribe(channel) if kind == "subscribe" else self._unsubscribe(channel))
            case _:
                raise CaddieError("INVALID", "type: expected subscribe, unsubscribe, pong or ping")

    async def _subscribe(self, channel: str) -> None:
        """Answers `subscribed`, then with what was missed. Whose channel it is not, to them it does not exist."""
        try:
            if channel in self._channels:
                await self.send({"type": "subscribed", "channel": channel})
                return
            if len(self._channels) >= SUBSCRIPTIONS_MAX:
                raise CaddieError("RATE_LIMITED", f"expected at most {SUBSCRIPTIONS_MAX} channels, got one more")
            kind, _, name = channel.partition(":")
            if kind == "execution":
                await self._follow_execution(channel, name)
            else:
                await self._follow_workflow(channel, name)
        except CaddieError as error:
            await self._complain(error, channel)

    async def _follow_execution(self, channel: str, execution_id: str) -> None:
        execution = await self._sources.store.executions.get(self.principal.org, execution_id)
        if execution is None or execution.user_id != self.principal.user:
            raise CaddieError("NOT_FOUND", "Execution not found.")
        self._channels[channel] = lambda: self._leave(channel)
        await self.send({"type": "subscribed", "channel": channel})
        self._follow(channel, execution)

    async def _follow_workflow(self, channel: str, slug: str) -> None:
        workflow = await self._sources.store.workflows.get(self.principal.org, slug)
        if workflow is None or workflow.user_id != self.principal.user or workflow.slug != slug:
            raise CaddieError("NOT_FOUND", "Workflow not found.")
        heard: list[ExecutionRecord] = []
        listener: Listener = heard.append

        def hear(execution: ExecutionRecord) -> None:
            listener(execution)

        stop = await self._feed.listen(workflow, hear)

        def leave() -> None:
            stop()
            self._leave(channel)

        self._channels[channel] = leave
        await self.send({"type": "subscribed", "channel": channel})
        # Nothing of an execution may come before the channel is said to be subscribed.
        listener = self._follower(channel)
        for execution in heard:
            listener(execution)

    def _follower(self, channel: str) -> Listener:
        return lambda execution: self._follow(channel, execution)

    def _follow(self, channel: str, execution: ExecutionRecord) -> None:
        if (channel, execution.id) in self._followings or channel not in self._channels:
            return
        following = Following(self._sources, execution, channel, lambda: self._wake(following))
        self._followings[channel, execution.id] = following
        self._wake(following)

    def _wake(self, following: Following) -> None:
        self._due[following] = None
        self._woken.set()

    async def _unsubscribe(self, channel: str) -> None:
        if leave := self._channels.get(channel):
            leave()
        await self.send({"type": "unsubscribed", "channel": channel})

    def _leave(self, channel: str) -> None:
        self._channels.pop(channel, None)
        for following in [each for each in self._followings.values() if each.channel == channel]:
            self._part(following)

    def _part(self, following: Following) -> None:
        following.close()
        self._due.pop(following, None)
        if self._is_followed(following):
            del self._followings[following.channel, following.id]

    async def _tell(self) -> None:
        """One batch of one execution at a time, in turn: a slow reader holds back the log's readers, not memory."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._due:
                following = next(iter(self._due))
                del self._due[following]
                await self._advance(following)
            if len(self._followings) > FOLLOWED_MAX:
                await self._give_up_the_quietest()

    async def _advance(self, following: Following) -> None:
        try:
            messages, more = await following.next()
        except CaddieError as error:
            if error.code == "NOT_FOUND":
                self._part(following)
                await self._complain(error, following.channel)
            else:
                asyncio.get_running_loop().call_later(RETRY_S, self._wake_again, following)
            return
        for message in messages:
            if not self._is_followed(following):
                return
            await self._sent(self._socket.send_frame(message, WSMsgType.TEXT))
        if following.ended:
            self._part(following)
        elif more:
            self._wake_again(following)

    def _wake_again(self, following: Following) -> None:
        if self._is_followed(following):
            self._wake(following)

    def _is_followed(self, following: Following) -> bool:
        return self._followings.get((following.channel, following.id)) is following

    async def _give_up_the_quietest(self) -> None:
        """Executions of a workflow that wait for days must not keep the socket from those that run."""
        of_workflows = [each for each in self._followings.values() if each.channel.startswith("workflow:")]
        excess = max(0, len(of_workflows) - FOLLOWED_MAX)
        for following in sorted(of_workflows, key=lambda each: each.heard_at)[:excess]:
            self._part(following)
            message = f"expected at most {FOLLOWED_MAX} unfinished executions: subscribe to execution:{following.id}"
            await self.send({"type": "error", "channel": following.channel, "code": "RUN_LIMIT", "message": message,
                             "execution_id": following.id})  # fmt: skip

    async def _pulse(self) -> None:
        """Ping and wait for the pong; look after executions that have been silent for long."""
        while True:
            await asyncio.sleep(PING_S)
            for following in self._followings.values():
                following.look()
            self._pong.clear()
            await self.send({"type": "ping"})
            try:
                async with asyncio.timeout(PONG_S):
                    await self._pong.wait()
            except TimeoutError:
                raise Over(CLOSE_SILENT, "no pong") from None

    async def send(self, message: dict[str, Any]) -> None:
        await self._sent(self._socket.send_frame(orjson.dumps(message), WSMsgType.TEXT))

    async def _sent(self, sending: Awaitable[None]) -> None:
        """Raises Over when the reader takes nothing, ConnectionError when it is gone."""
        try:
            async with asyncio.timeout(self._stall_s):
                await sending
        except TimeoutError:
            raise Over(CLOSE_STALLED, "the reader takes nothing") from None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[Over]) -> Over:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, Over) else Over(CLOSE_NORMAL, "")
