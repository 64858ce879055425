"""One bot: a person with a conversation, who talks, answers questions, loses the connection and comes back.

Invariant: a command whose acknowledgement got lost is sent again with the same requestId, so nothing happens twice;
every wait ends with the test. Caller: the fleet, one task per bot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from caddie.bots import transcript
from caddie.bots.bench import Bench, Phase
from caddie.bots.connection import Lost
from caddie.bots.invariants import TERMINAL, Conversation
from caddie.bots.issuer import Pass
from caddie.bots.scenario import Move, Scenario
from caddie.bots.tab import Tab
from shared.errors import CaddieError

#: Refusals that mean "later".
LATER = ("RATE_LIMITED", "RUN_LIMIT")
LATER_S = 2.0
ANSWERS_MAX = 4
MOVE_WITHIN_S = 1.5
REST_MAX_S = 5.0
LATE_TAB_S = 3.0


class Bot:
    """`number` names the bot and seeds its script."""

    ticket: Pass

    def __init__(self, bench: Bench, number: int) -> None:
        self._bench, self._number = bench, number
        self.scenario = Scenario(bench.options.seed, number, bench.options.chaos, bench.options.think_s)
        self.conversation = Conversation(str(uuid4()), bench.faults)
        self._tabs: list[Tab] = []
        self._woken = asyncio.Event()
        self._question: dict[str, Any] | None = None
        #: requestId → when its message was sent.
        self._asked: dict[str, float] = {}
        self._renewing = asyncio.Lock()
        self._renew_wanted = False

    async def run(self) -> None:
        """From the session call to the last tab's goodbye."""
        self._bench.shift.wakes.add(self.wake)
        try:
            if not await self._arrive():
                return
            async with asyncio.TaskGroup() as group:
                self._open_tab(group, self.ticket.after)
                try:
                    await self._talk(group)
                    await self._settle()
                finally:
                    for tab in self._tabs:
                        await tab.leave()
            self._judge()
        finally:
            self._bench.shift.wakes.discard(self.wake)

    def _judge(self) -> None:
        """What only the end shows; a tab that a limit kept out cannot know it."""
        watching = [tab for tab in self._tabs if not tab.limited]
        if self._bench.shift.cut or not watching:
            self._bench.statistics.counts["conversations not judged"] += 1
            return
        for tab in watching:
            tab.finish()
        self.conversation.finish()

    # -- what tabs need ------------------------------------------------------------------------------------------

    def wake(self) -> None:
        self._woken.set()

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        """An event, or the token's nearing end, that the bot reacts to."""
        match kind:
            case "message.user":
                begun = self._asked.pop(str(data.get("requestId")), None)
                if begun is not None:
                    self._bench.statistics.latencies["first_event"].add(time.monotonic() - begun)
            case "input.requested":
                self._question = data
            case "input.resolved" | "input.expired":
                if self._question and self._question["inputId"] == data["inputId"]:
                    self._question = None
            case "expiring":
                self._renew_wanted = True
                self.wake()
            case _ if kind in TERMINAL:
                self.wake()

    async def pause(self, seconds: float) -> bool:
        """Wait; False when the bots are to stop talking, at once then."""
        return not await self._until(lambda: self._phase > Phase.TALKING, seconds)

    async def renew(self) -> bool:
        """Another token for the same conversation."""
        old = self.ticket
        async with self._renewing:
            if self.ticket is not old:
                return True
            try:
                self.ticket = await self._bench.issuer.issue({"conversationId": self.conversation.name}, self.pause)
                return True
            except CaddieError as error:
                self._failed(error)
                return False

    # -- the conversation ----------------------------------------------------------------------------------------

    async def _arrive(self) -> bool:
        body: dict[str, Any] = {"conversationId": self.conversation.name}
        if self.scenario.starts_over_http():
            request = str(uuid4())
            body |= {"message": self.scenario.message(), "requestId": request}
            self._asked[request] = time.monotonic()
        try:
            self.ticket = await self._bench.issuer.issue(body, self.pause)
        except CaddieError as error:
            self._bench.statistics.counts["sessions never issued"] += 1
            self._failed(error)
            return False
        if self.ticket.run:
            self._accept(self.ticket.run, "messages")
        return True

    def _open_tab(self, group: asyncio.TaskGroup, after: int) -> None:
        name = f"{self._number}{'abcdefgh'[len(self._tabs)]}"
        tab = Tab(self._bench, self, name, after)
        self._tabs.append(tab)
        group.create_task(tab.follow(), name=name)

    async def _talk(self, group: asyncio.TaskGroup) -> None:
        wanted = self.scenario.tabs()
        await self._see_through(self.ticket.run, None)
        while self._phase == Phase.TALKING:
            if len(self._tabs) < wanted and await self.pause(self.scenario.pause_s(LATE_TAB_S)):
                # A tab that is opened later gets everything from the beginning.
                self._open_tab(group, 0)
            request = str(uuid4())
            await self._see_through(await self._say(request), request)
            await self.pause(self.scenario.think_s())
            if self._renew_wanted:
                await self._refresh()

    async def _say(self, request: str) -> str | None:
        """Send a message, perhaps several times at once with one requestId; the run, None when none was accepted."""
        body = {"requestId": request, "text": self.scenario.message()}
        self._asked[request] = time.monotonic()
        posts = [self._post("message", body) for _ in range(self.scenario.copies())]
        replies = [reply for reply in await asyncio.gather(*posts) if reply is not None]
        if len(posts) > 1:
            self._bench.statistics.counts["duplicate posts"] += len(posts) - 1
        runs = {reply["runId"] for reply in replies}
        if len(runs) > 1:
            self._fault("idempotence", f"requestId {request}: expected one run, got {len(runs)}")
        for run in runs:
            self._accept(run, "messages")
        return min(runs, default=None)

    async def _see_through(self, run: str | None, request: str | None) -> None:
        """A run to its end, with what happens meanwhile, and on through its questions."""
        for _ in range(ANSWERS_MAX):
            if run is None:
                return
            await self._watch(run, request)
            if not self._question or self._phase > Phase.TALKING or not self._ended(run):
                return
            run, request = await self._answer(self._question), None

    async def _watch(self, run: str, request: str | None) -> None:
        """One run, and what happens meanwhile."""
        for move in self.scenario.moves():
            await self._until(lambda: self._ended(run), self.scenario.pause_s(MOVE_WITHIN_S))
            await self._make(move, run, request)
        await self._until(lambda: self._ended(run) or self._phase >= Phase.CANCELLING)

    async def _answer(self, question: dict[str, Any]) -> str | None:
        body = question["body"]
        options = [str(option["value"]) for option in body.get("options") or ()]
        value = self.scenario.answer(options, bool(body.get("allowText", True)))
        reply = await self._post("answer", {"inputId": question["inputId"], "value": value})
        if self._question is question:
            self._question = None
        if reply is None:
            return None
        run = str(reply["runId"])
        self._accept(run, "answers")
        return run

    async def _make(self, move: Move, run: str, request: str | None) -> None:
        tabs = [tab for tab in self._tabs if tab.available]
        if not tabs or self._phase > Phase.TALKING:
            return
        tab = tabs[self.scenario.pick(len(tabs))]
        self._bench.statistics.counts[move.value] += 1
        match move:
            case Move.DROP:
                await tab.drop(goodbye=self.scenario.goodbye())
            case Move.ABORT:
                await tab.drop(abort=True)
            case Move.REST:
                tab.rest(self.scenario.pause_s(REST_MAX_S))
            case Move.CANCEL:
                by_request = request is not None and self.scenario.cancels_by_request()
                await self._post("cancel", {"requestId": request} if by_request else {"runId": run})
            case Move.REFRESH:
                await self._refresh()

    async def _refresh(self) -> None:
        self._renew_wanted = False
        if await self.renew():
            for tab in [tab for tab in self._tabs if tab.available]:
                await self._post("refresh", {"token": self.ticket.token}, tab)

    async def _settle(self) -> None:
        """Let runs end, then end them, then let every tab have everything."""
        conversation = self.conversation
        await self._until(lambda: not conversation.open_runs or self._phase >= Phase.CANCELLING)
        for run in sorted(conversation.open_runs):
            await self._post("cancel", {"runId": run})
        await self._until(lambda: not conversation.open_runs)
        while self._phase < Phase.OVER and any(tab.behind for tab in self._tabs):
            await self._until(lambda: False, 0.05)

    # -- commands and waiting ------------------------------------------------------------------------------------

    async def _post(self, name: str, body: dict[str, Any], only: Tab | None = None) -> dict[str, Any] | None:
        """A command until it is acknowledged, over any tab or only one; None when it was refused or time was up."""
        tabs = [only] if only else self._tabs
        counts = self._bench.statistics.counts
        while await self._until(lambda: any(tab.available for tab in tabs)):
            available = [tab for tab in tabs if tab.available]
            tab = available[self.scenario.pick(len(available))]
            try:
                reply = await tab.call(name, body)
            except Lost:
                counts["commands repeated"] += 1
                await self._until(lambda: False, 0.05)
                continue
            except TimeoutError:
                if self._phase < Phase.OVER:
                    self._fault("error", f"{name}: expected an acknowledgement, got none")
                return None
            if reply.get("ok"):
                return reply
            code = str(reply.get("code"))
            if code in LATER or (code == "UNAVAILABLE" and self._bench.options.outages):
                counts[f"commands told to wait ({code})"] += 1
                if await self.pause(LATER_S):
                    continue
                return None
            self._fault("error", f"{name}: expected ok, got {code}: {reply.get('message')}")
            return None
        return None

    def _accept(self, run: str, count: str) -> None:
        self.conversation.accept(run)
        self._bench.statistics.counts[count] += 1
        self._bench.transcript.marker(self.conversation.name, "", transcript.ACCEPTED, runId=run)

    def _ended(self, run: str) -> bool:
        return run not in self.conversation.open_runs

    @property
    def _phase(self) -> Phase:
        return self._bench.shift.phase

    async def _until(self, condition: Callable[[], bool], limit_s: float | None = None) -> bool:
        """Wait for a condition that a wake may make true; False when time is up or the test over."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    if self._phase is Phase.OVER:
                        return False
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            return False
        return True

    def _failed(self, error: CaddieError) -> None:
        if self._phase > Phase.TALKING:
            return
        if self._bench.options.outages and error.code == "UNAVAILABLE":
            self._bench.statistics.counts["outages"] += 1
        else:
            self._fault("error", error.message)

    def _fault(self, kind: str, message: str) -> None:
        self._bench.faults.add(kind, f"{self.conversation.name} {self._number}", message)
