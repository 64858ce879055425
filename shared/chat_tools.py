"""The tools of a general chat: their names, their arguments, what a model and a user are told of them.

Invariant: what parses here is of bearable size. Callers: the agent runs them, the gateway lists them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.settings import Settings

URL_CHARS = 2_048


class ToolArgs(BaseModel):
    """The arguments of one tool; its docstring is what a model is told of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    NAME: ClassVar[str]

    @classmethod
    def schema_wire(cls) -> dict[str, Any]:
        """JSON Schema of the arguments, without titles."""
        schema = cls.model_json_schema()
        schema.pop("title", None)
        schema.pop("description", None)
        for each in schema.get("properties", {}).values():
            each.pop("title", None)
        return schema


class WebSearch(ToolArgs):
    """Search the web; answers with titles, addresses and snippets."""

    NAME = "web_search"
    query: Annotated[str, Field(min_length=1, max_length=500)]
    limit: Annotated[int, Field(ge=1, le=10)] = 5


class HttpGet(ToolArgs):
    """Read a public web page or JSON document by its http or https address."""

    NAME = "http_get"
    url: Annotated[str, Field(min_length=1, max_length=URL_CHARS)]


class CurrentTime(ToolArgs):
    """The date and time now, in the user's time zone or in the given one (IANA name)."""

    NAME = "current_time"
    timezone: Annotated[str, Field(max_length=64)] | None = None


class Calculator(ToolArgs):
    """Exact arithmetic: + - * / // % **, parentheses, sqrt, abs, round, floor, ceil, min, max, log, exp, sin, cos, tan,
    pi, e.
    """

    NAME = "calculator"
    expression: Annotated[str, Field(min_length=1, max_length=500)]


class SearchMyWorkflows(ToolArgs):
    """Find the user's stored workflows by words of their name, description, slug or blocks; without a query the
    newest.
    """

    NAME = "search_my_workflows"
    query: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=50)] = 10


CHAT_TOOLS: tuple[type[ToolArgs], ...] = (WebSearch, HttpGet, CurrentTime, Calculator, SearchMyWorkflows)


def told(tool: type[ToolArgs]) -> str:
    """The docstring on one line."""
    return " ".join((tool.__doc__ or "").split())


def lacks(tool: type[ToolArgs], settings: Settings) -> str:
    """Which setting the tool needs to work, empty when it works."""
    return "CADDIE_WEB_SEARCH_URL" if tool is WebSearch and not settings.web_search_url else ""
