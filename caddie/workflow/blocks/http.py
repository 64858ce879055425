"""Blocks `http-request` and `send-webhook`: any API, and a post to one's own address.

Invariant: an answer is a result whatever its status says, unless the block is to deliver; no answer is a failure. What
changes something outside is asked once, and carries the step's id as its Idempotency-Key. Caller: the executor.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from yarl import URL

from caddie.outbound import Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.blocks.asking import (
    Ask,
    accepted,
    ask,
    body_of,
    flat,
    headers_of,
    retries_of,
    seconds_of,
    value,
    with_query,
)
from caddie.workflow.runner import Call, Kind, Result, Runner, StepError
from shared.connectors import HttpConfig

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
#: What a webhook's receiver says beyond this is of no use to a workflow.
WEBHOOK_ANSWER_BYTES = 65_536


def runners(outbound: Outbound, accounts: Accounts) -> dict[str, Runner]:
    """The blocks by type."""

    async def request(call: Call) -> Result:
        payload, method = call.payload, _method(call.payload)
        url, headers = with_query(_url(payload), payload.get("query")), headers_of(payload)
        body = body_of(payload, headers, text=True)
        if call.connector is not None:
            headers = _shown(await accounts.open(call, "http", HttpConfig), url, headers)
        asked = Ask(url, method, headers, body, kind=request_kind(payload), time_s=seconds_of(payload))
        found = await ask(outbound, call, asked)
        return {"status": found.status, "headers": dict(found.headers), "body": value(found)}

    async def webhook(call: Call) -> Result:
        payload, headers = call.payload, headers_of(call.payload)
        body = body_of(payload, headers, text=False)
        asked = Ask(
            _url(payload), "POST", headers, body, time_s=seconds_of(payload), limit=WEBHOOK_ANSWER_BYTES, cut=True
        )
        found = accepted(await ask(outbound, call, asked), "the webhook")
        return {"status": found.status, "body": value(found)}

    return {
        "http-request": Runner(request, kind=request_kind, retries=retries_of),
        "send-webhook": Runner(webhook, retries=retries_of),
    }


def request_kind(payload: Mapping[str, JsonValue]) -> Kind:
    """GET and HEAD are safe (RFC 9110, 9.2.1)."""
    method = payload.get("method") or "GET"
    return "repeatable" if str(method).upper() in ("GET", "HEAD") else "effect"


def _method(payload: Mapping[str, JsonValue]) -> str:
    method = str(payload.get("method") or "GET").upper()
    if method not in METHODS:
        raise StepError("INVALID", f"method: expected one of {', '.join(METHODS)}, got another")
    return method


def _url(payload: Mapping[str, JsonValue]) -> str:
    return flat(payload.get("url") or "").strip()


def _shown(config: HttpConfig, url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the connector's in the place of those of the same name. Raises StepError FORBIDDEN."""
    try:
        host = URL(url).host or ""
    except ValueError:
        raise StepError("INVALID", "url: expected an http or https address, got something else") from None
    if not config.allows(host):
        raise StepError("FORBIDDEN", "url: expected one of the hosts that the connector names, got another")
    names = {name.lower() for name in config.headers}
    return {name: text for name, text in headers.items() if name.lower() not in names} | config.headers
