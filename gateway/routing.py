"""The route table's vocabulary: one entry says everything about a route that can be said without running it.

Invariant: the aiohttp routes, the validation of requests and the OpenAPI document all come from the same entries, so
they cannot disagree. Callers: every module of ``gateway.routes`` declares, ``gateway.table`` collects,
``gateway.gate`` binds, ``gateway.openapi`` documents.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from gateway.auth import Principal
from gateway.envelopes import Family, family_of

Body = TypeVar("Body")
Query = TypeVar("Query")
Method = TypeVar("Method", bound=Callable[..., Awaitable[BaseModel | web.StreamResponse | None]])
_PATTERN = re.compile(r"\{([a-zA-Z]+):(?:[^{}]|\{[^{}]*\})*\}")
#: Errors any authenticated route may answer with.
COMMON_ERRORS = ("UNAUTHORIZED", "SCOPE_NEEDED", "RATE_LIMITED", "INTERNAL", "UNAVAILABLE")
VISITOR_ERRORS = ("RATE_LIMITED", "INTERNAL", "UNAVAILABLE")
BODY_ERRORS = ("INVALID", "MALFORMED", "TIMEOUT", "TOO_LARGE", "UNSUPPORTED_TYPE")


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented success. whole: the model is the entire body, not what goes inside the family's envelope;
    events: what the frames are when the answer is, or may be, a stream of server-sent events; others: media types it
    may have instead.
    """

    model: type[BaseModel] | None = None
    description: str = "OK"
    whole: bool = False
    media_type: str = "application/json"
    events: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route. open: needs no identity, and its handler takes the bare request instead of a ``Call``; visitor: needs
    none either, but passes the gate; precheck: a method that may refuse before the body is read; bodiless: a request
    without a body is one with an empty object; timeout_s: for a handler that waits longer than others; uncut: goes on
    when the client leaves, because what it has done in one place must be done in the others.
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    scopes: tuple[str, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answers: Mapping[int, Answer]
    errors: tuple[str, ...]
    open: bool
    visitor: bool = False
    precheck: str | None = None
    bodiless: bool = False
    timeout_s: float | None = None
    uncut: bool = False

    @property
    def cookie(self) -> bool:
        """Callers are known by a browser's cookie, not by an API key."""
        return self.family == "api" and not self.open

    @property
    def family(self) -> Family:
        return family_of(self.path)

    @property
    def paths(self) -> tuple[str, ...]:
        """What is served: document 004's paths are taken with and without their final slash."""
        if self.family != "api_v1" and self.path != "/ws/":
            return (self.path,)
        bare = self.path.rstrip("/")
        return bare, f"{bare}/"

    @property
    def template(self) -> str:
        """The path without its parameters' patterns, as documents and metrics show it."""
        return _PATTERN.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """(name, pattern) of each path parameter."""
        return [(match[1], match[0][len(match[1]) + 2 : -1]) for match in _PATTERN.finditer(self.path)]

    @property
    def status(self) -> int:
        """The status of a success."""
        return next(iter(self.answers))

    @property
    def all_errors(self) -> tuple[str, ...]:
        if self.open:
            return self.errors
        common = VISITOR_ERRORS if self.visitor else COMMON_ERRORS
        changing = ("FORBIDDEN",) if self.cookie and self.method != "GET" else ()
        given = BODY_ERRORS if self.body else ("INVALID",) if self.query else ()
        return (*self.errors, *changing, *given, *common)


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """A request that passed the gate: authenticated, in scope, within its limits, valid."""

    principal: Principal
    body: Body
    query: Query
    path: Mapping[str, str]
    request: web.Request
    request_id: str


def route(
    method: str,
    path: str,
    *,
    summary: str,
    tag: str,
    answers: Mapping[int, Answer],
    scopes: tuple[str, ...] = (),
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: tuple[str, ...] = (),
    open: bool = False,
    visitor: bool = False,
    precheck: str | None = None,
    bodiless: bool = False,
    timeout_s: float | None = None,
    uncut: bool = False,
) -> Callable[[Method], Method]:
    """Declare the decorated method as the handler of a route."""

    def declare(handler: Method) -> Method:
        entry = Route(
            method, path, handler.__name__, summary, tag, scopes, body, query, answers, errors, open, visitor, precheck,
            bodiless, timeout_s, uncut,
        )  # fmt: skip
        handler.route = entry  # type: ignore[attr-defined]
        return handler

    return declare


def routes_of(owner: type[Any]) -> list[Route]:
    """The routes a class declares, in the order of its methods."""
    return [member.route for member in vars(owner).values() if isinstance(getattr(member, "route", None), Route)]
