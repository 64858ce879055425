"""`POST /hooks/{hook}`: an outside system delivers, a workflow starts.

Invariant: the address is a secret, and so is what signs: neither is logged, counted or answered. One delivery id
makes one execution. Unknown, switched off and deleted hooks are the same to the caller. Caller: the route table.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid5

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from gateway.body import parse_json, read_bytes
from gateway.limits import Limits
from gateway.routing import Answer, Call, route
from gateway.signatures import HEADERS, ID, signed
from shared.errors import CaddieError
from shared.executions import Executions
from shared.sensitive import Sensitive
from shared.settings import Settings
from shared.store import Store
from shared.store.execution_records import ExecutionStart, ExecutionStatus
from shared.store.records import HookRecord
from shared.workflows import parse_definition

#: Of a delivery, and of what a workflow gets of it: a step's result is no larger.
BODY_BYTES = RESULT_BYTES = 1_048_576
FIELDS_MAX = 1_000
#: Where a sender names a delivery, in the order they are asked.
DELIVERY_IDS = (ID, "x-github-delivery", "idempotency-key")
_HIDDEN = HEADERS | {"authorization", "proxy-authorization", "cookie"}
_CHARSETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1", "latin1", "windows-1252")
_FORM = "application/x-www-form-urlencoded"


class HookAccepted(BaseModel):
    execution_id: str
    status: ExecutionStatus = Field(description="`pending`, unless the delivery was known already.")


class Hooks:
    """`now` gives Unix seconds."""

    def __init__(
        self, settings: Settings, store: Store, executions: Executions, limits: Limits, sensitive: Sensitive,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._executions, self._limits = settings, store, executions, limits
        self._sensitive, self._now = sensitive, now

    @route(
        "POST", "/hooks/{hook:[A-Za-z0-9_-]{1,64}}", summary="Deliver to a webhook trigger; any body, any content type",
        tag="hooks", visitor=True, answers={202: Answer(HookAccepted, "The workflow starts")},
        errors=("NOT_FOUND", "UNAUTHORIZED", "CONFLICT", "TOO_LARGE", "TIMEOUT", "MALFORMED", "RUN_LIMIT"),
    )  # fmt: skip
    async def hook_deliver(self, call: Call[None, None]) -> HookAccepted:
        """A workflow that cannot run answers 409: what is wrong with it is its owner's business."""
        hook = await self._hook(call.path["hook"])
        secret = await self._secret(hook)
        request = call.request
        body = await read_bytes(request, BODY_BYTES, self._settings.http_body_timeout_s)
        if secret is not None and not signed(secret, request.headers, body, self._now()):
            raise CaddieError("UNAUTHORIZED", "expected a valid signature of this delivery, got none")
        result = {
            "body": content(request.content_type, request.charset, body),
            "headers": _headers(request),
            "query": _gathered((_plain(name), _plain(value)) for name, value in request.query.items()),
            "method": request.method,
        }
        if len(orjson.dumps(result)) > RESULT_BYTES:
            raise CaddieError("TOO_LARGE", f"expected a delivery of at most {RESULT_BYTES} bytes as JSON, got more")
        start = ExecutionStart(
            hook.org_id, hook.user_id, hook.workflow_id, hook.version, "webhook", hook.node_id, input=result,
            request_id=_request_id(hook, request.headers),
        )  # fmt: skip
        try:
            execution = await self._executions.start(start)
        except CaddieError as error:
            if error.code in ("UNAVAILABLE", "RUN_LIMIT"):
                raise
            raise CaddieError("CONFLICT", "expected a workflow that can run, got one its owner has to mend") from error
        return HookAccepted(execution_id=execution.id, status=execution.status)

    async def _hook(self, hook_id: str) -> HookRecord:
        """Counted before it is looked up, so that guessing costs as much as calling."""
        await self._limits.hook(hook_id)
        hook = await self._store.triggers.hook(hook_id)
        if hook is None or not hook.enabled:
            raise CaddieError("NOT_FOUND", "expected the address of a webhook that is switched on, got another")
        return hook

    async def _secret(self, hook: HookRecord) -> str | None:
        """What deliveries are signed with; None when the address alone protects. Raises UNAUTHORIZED."""
        workflow = await self._store.workflows.get(hook.org_id, hook.workflow_id)
        node = (workflow.definition.get("nodes") or {}).get(hook.node_id) if workflow else None
        if workflow is None or node is None:
            raise CaddieError("NOT_FOUND", "expected the address of a webhook that is switched on, got another")
        if not (node.get("payload") or {}).get("secret"):
            return None
        try:
            single = parse_definition({"nodes": {hook.node_id: {"type": node["type"], "payload": node["payload"]}}})
            secret = self._sensitive.open(single, hook.org_id).nodes[hook.node_id].payload["secret"]
        except CaddieError:
            secret = None
        if not isinstance(secret, str) or "{{" in secret:
            # Open to everybody would be the wrong way to be broken.
            raise CaddieError("UNAUTHORIZED", "expected a valid signature of this delivery, got none")
        return secret


def _request_id(hook: HookRecord, headers: Mapping[str, str]) -> str | None:
    """The same for the same delivery. It goes with the trigger, not with its address, which may be renewed."""
    for name in DELIVERY_IDS:
        if headers.get(name):
            delivery = headers[name].encode(errors="surrogateescape").hex()
            return str(uuid5(UUID(hook.workflow_id), f"{hook.node_id} {name} {delivery}"))
    return None


def content(media_type: str, charset: str | None, body: bytes) -> Any:
    """A body as a workflow sees it: JSON parsed, a form as an object, text as text, anything else as base64."""
    if not body:
        return None
    form = media_type == _FORM
    # curl says form where it was not told better.
    if media_type == "application/json" or media_type.endswith("+json") or (form and body.lstrip()[:1] in (b"{", b"[")):
        try:
            return parse_json(body)
        except CaddieError:
            media_type = "text/plain" if not form else media_type
    charset = (charset or "utf-8").lower()
    readable = form or media_type.startswith("text/") or media_type.endswith(("/xml", "+xml"))
    if not readable or charset not in _CHARSETS:
        return base64.b64encode(body).decode()
    try:
        text = body.decode(charset)
        if "\0" in text:
            raise ValueError
        if not form:
            return text
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        return _gathered((_plain(name), _plain(value)) for name, value in fields)
    except ValueError:
        return base64.b64encode(body).decode()


def _headers(request: web.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        key, text = _plain(name.lower()), _plain(value)
        if key not in _HIDDEN:
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A name that comes more than once has a list of its values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _plain(text: str) -> str:
    """Text that any database keeps: neither NUL nor bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")
