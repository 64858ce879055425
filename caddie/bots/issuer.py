"""Session calls over HTTP, as a backend makes them.

Invariant: a 429 or 503 is waited out as long as Retry-After says, never hammered; waiting ends with the test. Callers:
the bots, and the command once to see whether the product is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from caddie.bots.statistics import Statistics
from shared.errors import CaddieError

PATH = "/v1/ai/workflow/chat/stream"
REQUEST_S = 30.0
WAIT_MAX_S = 60.0
#: Waits `seconds`; False when the test is over.
Wait = Callable[[float], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Pass:
    """What a session call gives. after: the index to connect with."""

    token: str
    url: str
    path: str
    conversation: str
    after: int
    run: str | None


class Issuer:
    """Issues sessions with one API key."""

    def __init__(self, http: aiohttp.ClientSession, url: str, api_key: str, statistics: Statistics) -> None:
        self._http, self._address, self._statistics = http, url.rstrip("/") + PATH, statistics
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    async def issue(self, body: dict[str, Any], wait: Wait) -> Pass:
        """A session. Raises CaddieError with the product's refusal, or UNAVAILABLE when nobody answers."""
        payload = orjson.dumps({"agentVersion": "v3", **body})
        while True:
            begun = time.monotonic()
            status, answer, retry_s = await self._post(payload)
            if status == 200:
                self._statistics.latencies["issue"].add(time.monotonic() - begun)
                self._statistics.counts["session calls"] += 1
                return _pass(answer)
            if status not in (429, 503):
                raise CaddieError("INVALID", f"session call: expected 200, got {status}: {answer.get('message', '')}")
            self._statistics.counts[f"session calls told to wait ({status})"] += 1
            if not await wait(min(retry_s, WAIT_MAX_S)):
                raise CaddieError("UNAVAILABLE", f"session call: expected 200, got {status} until the end")

    async def _post(self, payload: bytes) -> tuple[int, dict[str, Any], float]:
        try:
            async with asyncio.timeout(REQUEST_S):
                async with self._http.post(self._address, data=payload, headers=self._headers) as response:
                    raw = await response.read()
                    retry = response.headers.get("Retry-After", "")
                    return response.status, _object(raw), float(retry) if retry.isdigit() else 2.0
        except (aiohttp.ClientError, OSError) as error:
            # TimeoutError is an OSError.
            cause = str(error) or type(error).__name__
            raise CaddieError("UNAVAILABLE", f"{self._address}: expected an answer, got none: {cause}") from error


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {"message": "a body that is no JSON"}
    return value if isinstance(value, dict) else {"message": "a body that is no object"}


def _pass(answer: dict[str, Any]) -> Pass:
    try:
        return Pass(
            answer["sessionToken"], answer["socketUrl"], answer["socketPath"], answer["conversationId"],
            answer["lastEventIndex"], answer.get("runId"),
        )  # fmt: skip
    except KeyError as missing:
        raise CaddieError("INVALID", f"session call: expected the member {missing}, got an answer without") from None
