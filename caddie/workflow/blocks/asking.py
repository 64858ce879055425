"""How a block asks somebody outside over HTTP: what may stand in a request, what an answer is worth, what a failure
means for another try.

Invariant: a step that changes something outside is tried again only when the receiver has got nothing, or says itself
that it has done nothing yet and when to come back. Callers: the blocks that go outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson
from pydantic import JsonValue
from yarl import URL

from caddie.outbound import Fetched, Outbound, Unreached
from caddie.workflow.runner import Call, Kind, StepError
from shared.errors import CaddieError

ANSWER_BYTES = 1024 * 1024
TIME_S = 30.0
TIME_MAX_S = 120.0
RETRIES = 2
RETRIES_MAX = 5
#: Who wants to be left alone for longer is not asked again; what was said is the answer.
RETRY_AFTER_MAX_S = 30.0
HEADERS_MAX = 50
HEADER_CHARS = 8_000
SAID_CHARS = 200
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
#: Headers that frame a message or a connection are not a workflow's; the coding is ours to choose.
_OURS = frozenset(
    "connection content-length expect host keep-alive proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade".split()
)
_IGNORED = frozenset({"accept-encoding"})
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. cut: an answer longer than ``limit`` is cut, not refused; trusted: the operator named the address."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] | None = None
    body: bytes | None = None
    kind: Kind = "effect"
    time_s: float = TIME_S
    limit: int = ANSWER_BYTES
    cut: bool = False
    trusted: bool = False


async def ask(outbound: Outbound, call: Call, asked: Ask) -> Fetched:
    """The answer, whatever its status. Raises StepError: INVALID, FORBIDDEN, TIMEOUT, UNAVAILABLE, TOO_LARGE."""
    again = asked.kind != "effect"
    headers = dict(asked.headers or {})
    if not again and not any(name.lower() == "idempotency-key" for name in headers):
        headers["Idempotency-Key"] = call.step_id
    try:
        found = await outbound.fetch(
            asked.url, method=asked.method, headers=headers, body=asked.body, limit_bytes=asked.limit,
            time_s=asked.time_s, trusted=asked.trusted,
        )  # fmt: skip
    except CaddieError as error:
        retryable = isinstance(error, Unreached) or (again and error.code in ("TIMEOUT", "UNAVAILABLE"))
        raise StepError(error.code, error.message, retryable=retryable) from None
    if found.status in _BUSY and not call.last_try and (after := retry_after(found)) is not None:
        raise StepError("UNAVAILABLE", f"{told(found)}: asked to come back", retryable=True, retry_after_s=after)
    if found.cut and not asked.cut:
        raise StepError("TOO_LARGE", f"expected an answer of at most {asked.limit} bytes, got more")
    return found


def accepted(found: Fetched, what: str) -> Fetched:
    """An answer that says yes. Raises StepError REFUSED with what the receiver said."""
    if not 200 <= found.status < 300:
        said = " ".join(found.text[:SAID_CHARS].split()) if readable(found) else ""
        raise StepError("REFUSED", f"{what}: expected status 2xx, got {found.status}{f' ({said})' if said else ''}")
    return found


def value(found: Fetched) -> JsonValue:
    """The body: JSON when it says so or does not say what it is, else text."""
    if found.body and not found.cut and re.search(r"[/+]json\b|octet-stream", found.content_type):
        try:
            parsed: JsonValue = orjson.loads(found.body)
            return parsed
        except ValueError:
            pass
    return found.text if readable(found) else f"({len(found.body)} bytes that are no text)"


def readable(found: Fetched) -> bool:
    return b"\0" not in found.body or found.charset.lower().startswith(("utf-16", "utf-32"))


def told(found: Fetched) -> str:
    return f"expected an answer, got status {found.status}"


def retry_after(found: Fetched) -> float | None:
    """Seconds (RFC 9110, 10.2.3); None when it says nothing that can be waited for."""
    text = found.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text) if text.isascii() and text[:1].isdigit() else _until(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if seconds <= RETRY_AFTER_MAX_S else None


def _until(moment: datetime) -> float:
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def headers_of(payload: Mapping[str, JsonValue]) -> dict[str, str]:
    """The payload's headers. Raises StepError INVALID."""
    given = payload.get("headers") or {}
    if not isinstance(given, dict) or len(given) > HEADERS_MAX:
        raise StepError("INVALID", f"headers: expected an object of at most {HEADERS_MAX} texts, got something else")
    found: dict[str, str] = {}
    for name, member in given.items():
        if member is None or name.lower() in _IGNORED:
            continue
        text = flat(member)
        if _NAME.fullmatch(name) is None:
            raise StepError("INVALID", "headers: expected a header name, got characters that may not stand in one")
        if name.lower() in _OURS:
            raise StepError("INVALID", f"headers: expected headers of the message, got {name}: it is set by itself")
        if _VALUE.fullmatch(text) is None or len(text) > HEADER_CHARS:
            raise StepError("INVALID", f"headers.{name}: expected one line of text, got something else")
        found[name] = text.strip()
    return found


def body_of(payload: Mapping[str, JsonValue], headers: dict[str, str], *, text: bool) -> bytes | None:
    """The payload's body and, in the headers, what it is. text: a text is sent as it is, and null is no body."""
    body = payload.get("body")
    if body is None and text:
        return None
    plain = text and isinstance(body, str)
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "text/plain; charset=utf-8" if plain else "application/json"
    try:
        return body.encode() if plain and isinstance(body, str) else orjson.dumps(body)
    except (TypeError, ValueError):
        raise StepError("INVALID", "body: expected Unicode text or JSON, got something else") from None


def with_query(url: str, query: JsonValue) -> str:
    """The address with more parameters; a list is a parameter several times, what is null is left out."""
    if not query:
        return url
    if not isinstance(query, dict):
        raise StepError("INVALID", "query: expected an object, got something else")
    try:
        found = URL(url)
        kept = [pair for pair in found.query.items() if pair[0] not in query]
        added = [
            (name, flat(each))
            for name, member in query.items()
            for each in (member if isinstance(member, list) else [member])
            if each is not None
        ]
        return str(found.with_query([*kept, *added]))
    except (ValueError, TypeError):
        raise StepError("INVALID", "url: expected an http or https address, got something else") from None


def flat(member: JsonValue) -> str:
    return member if isinstance(member, str) else orjson.dumps(member).decode()


def seconds_of(payload: Mapping[str, JsonValue]) -> float:
    """The payload's `timeoutSeconds` within its bounds."""
    given = payload.get("timeoutSeconds")
    if isinstance(given, str):
        given = _number(given)
    return min(TIME_MAX_S, max(1.0, float(given))) if isinstance(given, int | float) else TIME_S


def retries_of(payload: Mapping[str, JsonValue]) -> int:
    """The payload's `retries` within its bounds."""
    given = payload.get("retries")
    if isinstance(given, str):
        given = _number(given)
    return min(RETRIES_MAX, max(0, int(given))) if isinstance(given, int | float) else RETRIES


def _number(text: str) -> float | None:
    """Of a text that an expression has left."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if abs(found) < 1e6 else None


def text_of(payload: Mapping[str, JsonValue], name: str, most: int) -> str:
    """A required text, trimmed of nothing. Raises StepError INVALID."""
    given = payload.get(name)
    text = given if isinstance(given, str) else "" if given is None else flat(given)
    if not text.strip():
        raise StepError("INVALID", f"{name}: expected text, got none")
    if len(text) > most:
        raise StepError("INVALID", f"{name}: expected at most {most} characters, got {len(text)}")
    return text
