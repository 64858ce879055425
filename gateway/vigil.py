"""Whose API key or login has ended, their streams end too.

Invariant: within ``POLL_S`` and one look-up, whichever process ended the key or the login; the database is asked, not
what a cache believes. While the database is away nothing is cut: it may come back. Caller: ``gateway.app`` enters it as
an async context manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Set
from itertools import islice
from typing import Self, TypeVar

import structlog

from gateway.sse import Streams
from shared.errors import CaddieError
from shared.store import Store

#: Well inside the promise that what is revoked ends within 2 s.
POLL_S = 1.0
#: In one statement; databases take some 32,000 parameters.
IDS_MAX = 10_000
T = TypeVar("T")
_log = structlog.get_logger()


def batched(ids: Set[T]) -> Iterator[set[T]]:
    """In sets that fit into one statement."""
    rest = iter(ids)
    while some := set(islice(rest, IDS_MAX)):
        yield some


class Vigil:
    def __init__(self, store: Store, streams: Streams) -> None:
        self._store, self._streams = store, streams
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch(), name="vigil")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.look()
            except CaddieError as error:
                _log.warning("vigil.missed", code=error.code)

    async def look(self) -> None:
        """Cut the streams whose key or login is not alive any more. Raises UNAVAILABLE."""
        streams = tuple(self._streams.open)
        keys = {stream.principal.key for stream in streams if stream.principal.key is not None}
        logins = {stream.principal.login.id for stream in streams if stream.principal.login is not None}
        ended_keys, ended_logins = set[int](), set[str]()
        for asked in batched(keys):
            ended_keys |= asked - await self._store.accounts.live_keys(asked)
        for named in batched(logins):
            ended_logins |= named - await self._store.logins.live(named)
        for stream in streams:
            principal = stream.principal
            if principal.key in ended_keys or (principal.login is not None and principal.login.id in ended_logins):
                stream.revoke()
