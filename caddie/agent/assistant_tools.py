"""What the tools of a general chat do: search, read a page, tell the time, calculate, find the user's workflows.

Invariant: a call never raises for what a model may get wrong or a page may do; it answers with ok False and says
expected and got. What a page says is handed on as data. Callers: the assistant.
"""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import ValidationError

from caddie.agent.arithmetic import calculate
from caddie.models.model import ToolCall, ToolSpec
from caddie.outbound import Outbound
from shared.chat_tools import (
    CHAT_TOOLS,
    Calculator,
    CurrentTime,
    HttpGet,
    SearchMyWorkflows,
    ToolArgs,
    WebSearch,
    told,
)
from shared.errors import CaddieError

#: Of a page, in a result.
PAGE_CHARS = 8_000
SNIPPET_CHARS = 400
SEARCH_BYTES = 512 * 1024
ARGS_BYTES = 16_384
_READABLE = re.compile(r"text/|json|xml|javascript|yaml|csv")
_SILENT = frozenset({"script", "style", "noscript", "template", "svg"})
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre"})


class OwnWorkflows(Protocol):
    """The user's stored workflows."""

    async def search(self, query: str, limit: int) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    ok: bool
    value: Any


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one turn. search_url: of the configured provider, empty without one; timezone: the user's."""

    web: Outbound
    workflows: OwnWorkflows
    search_url: str
    timezone: str
    now: Callable[[], datetime] = _now

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(ToolSpec(tool.NAME, told(tool), tool.schema_wire()) for tool in CHAT_TOOLS)

    async def run(self, call: ToolCall) -> ToolAnswer:
        """Do what the call says."""
        try:
            args = _parsed(call)
            return ToolAnswer(True, await self._doing(args))
        except CaddieError as error:
            return ToolAnswer(False, error.message)

    def _doing(self, args: ToolArgs) -> Awaitable[dict[str, Any]]:
        match args:
            case WebSearch():
                return self._search(args)
            case HttpGet():
                return self._get(args)
            case CurrentTime():
                return self._time(args)
            case Calculator():
                return self._calculate(args)
            case SearchMyWorkflows():
                return self._workflows(args)
        raise CaddieError("INVALID", f"expected a tool, got {args.NAME}")

    async def _search(self, args: WebSearch) -> dict[str, Any]:
        if not self.search_url:
            raise CaddieError("INVALID", "web search is not configured here: the operator sets CADDIE_WEB_SEARCH_URL")
        joint = "&" if "?" in self.search_url else "?"
        address = f"{self.search_url}{joint}{urlencode({'q': args.query, 'format': 'json'})}"
        found = await self.web.fetch(address, limit_bytes=SEARCH_BYTES, trusted=True)
        try:
            value = orjson.loads(found.body)
            rows = [row for row in value["results"] if isinstance(row, dict) and row.get("url")]
        except (ValueError, TypeError, KeyError):
            message = f"expected JSON with results of the search provider, got status {found.status}"
            raise CaddieError("UNAVAILABLE", message) from None
        return {"query": args.query, "results": [_hit(row) for row in rows[: args.limit]]}

    async def _get(self, args: HttpGet) -> dict[str, Any]:
        page = await self.web.fetch(args.url)
        result: dict[str, Any] = {"url": page.url, "status": page.status, "contentType": page.content_type}
        if not _READABLE.search(page.content_type):
            return {**result, "text": f"({len(page.body)} bytes that are no text)", "truncated": page.cut}
        text = page.text
        if "html" in page.content_type:
            title, text = readable(text)
            result["title"] = title
        return {**result, "text": text[:PAGE_CHARS], "truncated": page.cut or len(text) > PAGE_CHARS}

    async def _time(self, args: CurrentTime) -> dict[str, Any]:
        name = args.timezone or self.timezone
        try:
            local = self.now().astimezone(ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise CaddieError("INVALID", "expected an IANA time zone such as Europe/Berlin, got another name") from None
        return {
            "timezone": name, "iso": local.isoformat(timespec="seconds"), "date": f"{local:%Y-%m-%d}",
            "time": f"{local:%H:%M}", "weekday": f"{local:%A}",
        }  # fmt: skip

    async def _calculate(self, args: Calculator) -> dict[str, Any]:
        return {"expression": args.expression, "result": calculate(args.expression)}

    async def _workflows(self, args: SearchMyWorkflows) -> dict[str, Any]:
        return {"query": args.query, "workflows": await self.workflows.search(args.query, args.limit)}


def readable(markup: str) -> tuple[str, str]:
    """(title, text) of an HTML page."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.text).splitlines())
    return " ".join("".join(reader.title).split()), "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    """Keeps what a reader sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.text: list[str] = []
        self._silent = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT and not self._silent:
            self._silent = tag
        self._in_title = self._in_title or tag == "title"
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        if tag == "title":
            self._in_title = False
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._silent:
            self.text.append(data)


def _parsed(call: ToolCall) -> ToolArgs:
    tool = next((each for each in CHAT_TOOLS if each.NAME == call.name), None)
    if tool is None:
        known = ", ".join(each.NAME for each in CHAT_TOOLS)
        raise CaddieError("INVALID", f"expected one of {known}, got {call.name[:64]}")
    if call.args is None:
        raise CaddieError("INVALID", "expected the arguments to be one JSON object, got something else")
    try:
        if len(orjson.dumps(call.args)) > ARGS_BYTES:
            raise CaddieError("INVALID", f"expected at most {ARGS_BYTES} bytes of arguments, got more")
        return tool.model_validate(call.args)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:5]
        text = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in faults)
        raise CaddieError("INVALID", text) from None
    except (TypeError, ValueError, RecursionError):
        raise CaddieError("INVALID", "expected arguments that are JSON, got something else") from None


def _hit(row: dict[str, Any]) -> dict[str, str]:
    texts = {"title": row.get("title"), "url": row.get("url"), "snippet": row.get("content") or row.get("snippet")}
    return {name: html.unescape(str(text or ""))[:SNIPPET_CHARS] for name, text in texts.items()}
