"""A reader of server-sent events for tests: parses as the standard says (WHATWG HTML, 9.2.6) and keeps everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

TERMINAL = ("done", "error")


@dataclass(frozen=True)
class Frame:
    """One dispatched event; `index` is its id, None when it has none of its own."""

    event: str
    index: int | None
    data: Any


@dataclass
class Body:
    """One response: its frames as they come."""

    response: aiohttp.ClientResponse
    comments: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    raw_bytes: int = 0

    async def __aiter__(self) -> AsyncIterator[Frame]:
        event, data, index = "message", [], None
        pending = b""
        async for chunk in self.response.content.iter_any():
            self.raw_bytes += len(chunk)
            *lines, pending = (pending + chunk).split(b"\n")
            for raw in lines:
                line = raw.decode()
                if not line:
                    if data:
                        value = json.loads("\n".join(data))
                        frame = Frame(event, index, value)
                        assert value["type"] == event
                        self.frames.append(frame)
                        yield frame
                    event, data, index = "message", [], None
                    continue
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if not name:
                    self.comments.append(value)
                elif name == "event":
                    event = value
                elif name == "id":
                    index = int(value)
                elif name == "data":
                    data.append(value)
                else:
                    assert name == "retry" and value.isdecimal(), line

    async def rest(self) -> list[Frame]:
        async for _ in self:
            pass
        return self.frames

    async def take(self, count: int) -> list[Frame]:
        """The next frames, at most `count`; the body is left open."""
        found: list[Frame] = []
        async for frame in self:
            found.append(frame)
            if len(found) >= count:
                break
        return found


@dataclass
class SseClient:
    """Speaks to one gateway with one API key."""

    http: aiohttp.ClientSession
    url: str
    key: str

    @asynccontextmanager
    async def open(
        self, body: dict[str, Any] | None, *, last: int | None = None, query: dict[str, str] | None = None
    ) -> AsyncIterator[Body]:
        """A stream: POST with a body, GET without one."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        method = "GET" if body is None else "POST"
        async with self.http.request(method, self.url, json=body, headers=headers, params=query) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            yield Body(response)

    async def whole(self, body: dict[str, Any] | None, **options: Any) -> list[Frame]:
        """All frames of a body that ends with its one terminal frame."""
        async with self.open(body, **options) as stream:
            frames = await stream.rest()
        assert [frame.event in TERMINAL for frame in frames] == [False] * (len(frames) - 1) + [True], frames
        return frames


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.data["data"] for frame in frames if frame.event == "chunk")


def indices_of(frames: list[Frame]) -> list[int | None]:
    return [frame.index for frame in frames]
