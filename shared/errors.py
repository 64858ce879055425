"""One exception class and one table of codes; every surface maps a code to its own body and status.

Invariant: a code that is raised anywhere stands in ``ERRORS``; an unknown code is a programming
error and fails when the exception is constructed, not when a client sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """How a code looks outside: HTTP status, number within the status (`/v1` sends status × 1000 + n), retry."""

    status: int
    number: int
    retryable: bool = False
    title: str = ""


ERRORS: dict[str, ErrorCode] = {
    "INVALID": ErrorCode(400, 1, title="Bad Request"),
    "MALFORMED": ErrorCode(400, 2, title="Bad Request"),
    "DEFINITION_INVALID": ErrorCode(400, 3, title="Bad Request"),
    "NOT_RESUMABLE": ErrorCode(400, 4, title="Bad Request"),
    "UNAUTHORIZED": ErrorCode(401, 1, title="Unauthorized"),
    "TOKEN_MALFORMED": ErrorCode(401, 2, title="Unauthorized"),
    "TOKEN_INVALID": ErrorCode(401, 3, title="Unauthorized"),
    "TOKEN_EXPIRED": ErrorCode(401, 4, True, title="Unauthorized"),
    "TOKEN_REVOKED": ErrorCode(401, 5, title="Unauthorized"),
    "FORBIDDEN": ErrorCode(403, 1, title="Forbidden"),
    "SCOPE_NEEDED": ErrorCode(403, 2, title="Forbidden"),
    "NOT_FOUND": ErrorCode(404, 1, title="Not Found"),
    "METHOD_NOT_ALLOWED": ErrorCode(405, 1, title="Method Not Allowed"),
    "TIMEOUT": ErrorCode(408, 1, True, title="Request Timeout"),
    "CONFLICT": ErrorCode(409, 1, title="Conflict"),
    "RUN_BUSY": ErrorCode(409, 2, True, title="Conflict"),
    "INPUT_RESOLVED": ErrorCode(409, 3, title="Conflict"),
    "VERSION_CONFLICT": ErrorCode(409, 4, title="Conflict"),
    "TOO_LARGE": ErrorCode(413, 1, title="Payload Too Large"),
    "UNSUPPORTED_TYPE": ErrorCode(415, 1, title="Unsupported Media Type"),
    "RATE_LIMITED": ErrorCode(429, 1, True, title="Too Many Requests"),
    "RUN_LIMIT": ErrorCode(429, 2, True, title="Too Many Requests"),
    "INTERNAL": ErrorCode(500, 1, True, title="Internal Server Error"),
    "RUN_FAILED": ErrorCode(500, 2, True, title="Internal Server Error"),
    "NOT_IMPLEMENTED": ErrorCode(501, 1, title="Not Implemented"),
    "MODEL_FAILED": ErrorCode(502, 1, True, title="Bad Gateway"),
    "UNAVAILABLE": ErrorCode(503, 1, True, title="Service Unavailable"),
    "RUN_TIMEOUT": ErrorCode(504, 1, True, title="Gateway Timeout"),
    "FENCED": ErrorCode(409, 9, title="Conflict"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input: `field` is a dotted path, `message` says expected and got."""

    field: str
    message: str


class CaddieError(Exception):
    """The only exception that may reach a client.

    code: a key of ``ERRORS``. message: says expected and got, holds no secret.
    retryable: overrides the table. faults: every fault of a rejected input.
    retry_after_s: for 429 and 503. scope_needed: for SCOPE_NEEDED.
    data: extra members for the surface's error body (JSON values).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool | None = None,
        faults: tuple[Fault, ...] = (),
        retry_after_s: int | None = None,
        scope_needed: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        entry = ERRORS[code]
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = entry.retryable if retryable is None else retryable
        self.faults = faults
        self.retry_after_s = retry_after_s if retry_after_s is not None else (2 if entry.status in (429, 503) else None)
        self.scope_needed = scope_needed
        self.data = data or {}

    @property
    def status(self) -> int:
        return ERRORS[self.code].status

    @property
    def number(self) -> int:
        """The code of the `/v1` envelope: status × 1000 + n."""
        entry = ERRORS[self.code]
        return entry.status * 1000 + entry.number


# WebSocket close codes: 44xx, do not retry as you are; 10xx, reconnect and resume.
CLOSE_DRAINING = 1012
CLOSE_OVERLOADED = 1013
CLOSE_PROTOCOL = 4400
CLOSE_TOKEN = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_CONNECT_TIMEOUT = 4408
CLOSE_SESSION_OVER = 4410
CLOSE_REVOKED = 4411
CLOSE_RATE = 4429
