"""The outer shape of every answer: three families of paths, each with its own success and error body.

Invariant: whatever goes wrong, the client gets the body of the family its path belongs to, with the status and code
of ``shared.errors``, and nothing about our insides. Callers: the gate (success), the guard (failure).
"""

from __future__ import annotations

from typing import Any, Literal

import orjson
from aiohttp import web
from pydantic import BaseModel

from shared.errors import ERRORS, CaddieError, Fault

Family = Literal["v1", "api", "api_v1", "plain"]
#: Longest prefix first: `/api/v1` is not part of `/api`.
_PREFIXES: tuple[tuple[str, Family], ...] = (
    ("/api/v1", "api_v1"), ("/api", "api"), ("/v1", "v1"), ("/hooks", "api_v1"),
)  # fmt: skip
_UNPROCESSABLE = ("INVALID", "MALFORMED", "DEFINITION_INVALID")


def family_of(path: str) -> Family:
    """The family of a path; anything outside the three is `plain`, which speaks `/v1`'s envelope."""
    return next((family for prefix, family in _PREFIXES if path == prefix or path.startswith(f"{prefix}/")), "plain")


def encoded(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response. orjson refuses NaN and integers beyond 64 bits, which is what the wire wants."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)


def wrapped(family: Family, data: Any, request_id: str, code: int = 200) -> Any:
    """``data`` in the family's success envelope."""
    match family:
        case "v1" | "plain":
            return {"code": code, "message": "success", "data": data, "requestId": request_id}
        case "api":
            return {"data": data}
        case "api_v1":
            return data


def success(family: Family, data: BaseModel | None, status: int, request_id: str) -> web.Response:
    """The answer to a request that worked; no data is 204."""
    if data is None:
        return web.Response(status=204)
    return encoded(wrapped(family, data.model_dump(mode="json"), request_id, status), status)


def failure(
    family: Family, error: CaddieError, request_id: str, headers: dict[str, str] | None = None, place: str = "body"
) -> web.Response:
    """The answer to a request that did not. place: where its faults are, `body` or `query`."""
    headers = dict(headers or {})
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401 and family != "api":
        headers["WWW-Authenticate"] = 'Bearer realm="caddie"'
    status = _status(family, error)
    return encoded(_failure_body(family, error, request_id, place), status, headers)


def statuses(family: Family, code: str) -> tuple[int, ...]:
    """What an error may be answered with; in `/api/v1` a body that is wrong is 422."""
    status = ERRORS[code].status
    if family != "api_v1" or code not in _UNPROCESSABLE:
        return (status,)
    return (422,) if code == "MALFORMED" else (status, 422)


def _status(family: Family, error: CaddieError) -> int:
    unprocessable = error.code in _UNPROCESSABLE and (error.faults or error.code == "MALFORMED")
    return 422 if family == "api_v1" and unprocessable else error.status


def _failure_body(family: Family, error: CaddieError, request_id: str, place: str) -> dict[str, Any]:
    match family:
        case "api":
            body: dict[str, Any] = {"error": ERRORS[error.code].title, "message": error.message}
            return body | _extra(error) | ({"details": _details(error.faults)} if error.faults else {})
        case "api_v1":
            faults = error.faults or ((Fault("", error.message),) if _status(family, error) == 422 else ())
            return {"detail": [_located(fault, place) for fault in faults] if faults else error.message}
        case "v1" | "plain":
            body = {"code": error.number, "message": error.message, "details": _details(error.faults)}
            return body | {"requestId": request_id} | _extra(error)


def _details(faults: tuple[Fault, ...]) -> list[dict[str, str]]:
    return [{"field": fault.field, "message": fault.message} for fault in faults]


def _located(fault: Fault, place: str) -> dict[str, Any]:
    path = [int(part) if part.isdecimal() else part for part in fault.field.split(".") if part]
    kind = "missing" if fault.message == "expected a value, got none" else "value_error"
    return {"loc": [place, *path], "msg": fault.message, "type": kind}


def _extra(error: CaddieError) -> dict[str, Any]:
    scope = {"scopeNeeded": error.scope_needed} if error.scope_needed else {}
    data = error.data | scope
    return {"data": data} if data else {}
