"""One execution as one reader of `/ws/` follows it: what was missed, then what comes, without a seam.

Invariant: the reader gets the execution from its beginning, in order, from its log; when the log no longer has the
beginning (retention, a lost log), what the store keeps stands for it and the log goes on from there. A following holds
a cursor and no messages. Caller: ``gateway.watcher``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.execution_view import ExecutionView, Labels, Past
from shared.catalog import Catalog
from shared.errors import CaddieError
from shared.follow import Behind, LogReader, Watch
from shared.keys import conversation_key
from shared.log import EventLog, Head
from shared.store import Store
from shared.store.execution_records import ExecutionRecord

#: Events that are looked at before another execution has its turn.
BATCH = 16
#: A terminal event that died with its writer is not waited for longer than this.
SETTLED_S = 15.0
#: How soon a silent execution is looked up in the store, and how seldom in the end: some wait for days.
ASK_FIRST_S, ASK_LAST_S = 15.0, 240.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where executions are read from."""

    store: Store
    log: EventLog
    reader: LogReader
    catalog: Catalog

    def title(self, block_type: str) -> str | None:
        block = self.catalog.get(block_type)
        return block.title if block else None

    async def labels(self, execution: ExecutionRecord) -> Labels:
        """Block type and own title of each node of the version that runs."""
        found = await self.store.workflows.version(execution.org_id, execution.workflow_id, execution.version)
        nodes = found.definition.get("nodes", {}) if found else {}
        return {node_id: (node["type"], node.get("titleOverride")) for node_id, node in nodes.items()}

    async def past(self, execution: ExecutionRecord) -> Past:
        run = await self.store.runs.get(execution.org_id, execution.id)
        messages = await self.store.conversations.of_run(run.conversation_pk, run.id) if run else ()
        return Past(
            execution, await self.store.executions.previews(execution.id), await self.labels(execution), messages,
            await self.store.executions.pending_inputs(execution.id),
        )  # fmt: skip


class Following:
    """``next`` gives the messages; ``wake`` is called when there may be more of them. Close it."""

    def __init__(self, sources: Sources, execution: ExecutionRecord, channel: str, wake: Callable[[], None]) -> None:
        self.channel, self.id = channel, execution.id
        self._sources, self._execution, self._wake = sources, execution, wake
        self._view = ExecutionView(execution, channel, sources.title)
        self._watch: Watch | None = None
        self._placed = False
        self._cursor, self._epoch = 0, ""
        self._ask_s = ASK_FIRST_S
        self.heard_at = self._loop_time()
        self._ask_at = self.heard_at + ASK_FIRST_S

    @property
    def ended(self) -> bool:
        return self._view.ended

    def close(self) -> None:
        """May be called again."""
        if self._watch is not None:
            self._watch.wakes.discard(self._wake)
            self._sources.reader.release(self._watch)
            self._watch = None

    def look(self) -> None:
        """Wake the reader when the execution has been silent for long: its end may be in the store alone."""
        if self._loop_time() >= self._ask_at:
            self._wake()

    async def next(self) -> tuple[Iterable[bytes], bool]:
        """Messages, and whether more may follow at once. Raises NOT_FOUND: it was deleted; UNAVAILABLE."""
        watch = self._watch
        if watch is None:
            watch = self._watch = self._sources.reader.acquire(
                conversation_key(self._execution.org_id, self._execution.conversation)
            )
            watch.wakes.add(self._wake)
        if not watch.ready.is_set():
            await self._sources.reader.settled(watch)
        try:
            if not self._placed:
                return await self._place(watch)
            entries = await self._sources.reader.next(watch, self._cursor, self._epoch, BATCH)
        except Behind:
            self._placed = False
            return [], True
        if not entries:
            return await self._asked(), False
        self._heard()
        return self._shown(entries), True

    def _shown(self, entries: list[tuple[int, bytes]]) -> Iterator[bytes]:
        """Made one by one: a batch of large events is not held as messages, too."""
        for index, body in entries:
            self._cursor = index
            if message := self._view.take(body):
                yield message
                if self._view.ended:
                    break

    async def _place(self, watch: Watch) -> tuple[Iterable[bytes], bool]:
        """Set the cursor: before the first event, or behind what the store tells instead."""
        # In this order: what the store tells is not older than the head; what comes twice is told once.
        head = await self._sources.log.head(watch.conversation)
        execution = await self._known()
        if head.epoch and head.epoch != watch.epoch:
            # The ring has not heard yet that the log began anew.
            raise CaddieError("UNAVAILABLE", "the event log is not reachable right now: try again")
        await self._sources.reader.reach(watch, head.index)
        first = await self._first(head)
        whole = await self._begins(watch, head, first)
        self._epoch, self._placed = watch.epoch, True
        if whole:
            self._cursor = first - 1
            return [], True
        self._cursor = min(head.index, watch.head)
        return self._view.rebuilt(await self._sources.past(execution)), True

    async def _first(self, head: Head) -> int:
        """The index of the execution's first event; 0 when there is none yet."""
        if self._execution.conversation == self.id:
            return 1
        run = await self._sources.store.runs.get(self._execution.org_id, self.id)
        return (run.first_index if run else None) or (head.first if head.run_id == self.id else 0)

    async def _begins(self, watch: Watch, head: Head, first: int) -> bool:
        """Whether the log has the execution's first event: another log may have begun since."""
        if not head.oldest <= first <= head.index:
            return False
        entries = await self._sources.log.read(watch.conversation, first - 1, 1)
        return bool(entries) and entries[0][0] == first and self._view.begins(entries[0][1])

    async def _asked(self) -> Iterable[bytes]:
        """At the head: the end, when only the store knows of it."""
        if self._loop_time() < self._ask_at:
            return []
        self._ask_s = min(self._ask_s * 2, ASK_LAST_S)
        self._ask_at = self._loop_time() + self._ask_s
        execution = await self._known()
        ended = execution.finished_at
        if ended is None or ended > datetime.now(UTC) - timedelta(seconds=SETTLED_S):
            return []
        return self._view.rebuilt(await self._sources.past(execution))

    async def _known(self) -> ExecutionRecord:
        found = await self._sources.store.executions.get(self._execution.org_id, self.id)
        if found is None:
            raise CaddieError("NOT_FOUND", "Execution not found.")
        return found

    def _heard(self) -> None:
        self.heard_at = self._loop_time()
        self._ask_s = ASK_FIRST_S
        self._ask_at = self.heard_at + ASK_FIRST_S

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()
