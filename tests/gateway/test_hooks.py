"""Deliveries to webhook triggers: who may, what the workflow gets, and that one delivery starts it once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import signal
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from gateway.hook_addresses import HookAddresses
from gateway.routes.hooks import content
from gateway.signatures import signed
from shared.keys import DOCKET
from shared.seal import Seal
from shared.sensitive import Sensitive
from shared.settings import Settings
from shared.store.execution_records import ExecutionRecord
from shared.store.records import WorkflowRecord
from shared.workflows import parse_definition
from tests.gateway.conftest import Client, Gateway, Reply, running
from tests.valkey import Valkey

SECRET = "a secret of some length"
JSON = {"Content-Type": "application/json"}


async def workflow(gateway: Gateway, **payload: Any) -> WorkflowRecord:
    """Of a new user, with its definition as the gateway stores it."""
    owner = await gateway.store.accounts.sign_up("Hooked", f"hook{time.monotonic_ns()}@example.org", "Owner")
    definition = parse_definition({"nodes": {"root": {"type": "webhook", "payload": payload}}})
    sealed = Sensitive(Seal.parse(gateway.settings.seal_key_text)).seal(definition, owner.org_id).wire()
    return await gateway.store.workflows.create(owner.org_id, owner.id, "Hooked", definition=sealed)


@dataclass
class Hooked:
    """A workflow and the address of its webhook."""

    workflow: WorkflowRecord
    path: str

    @property
    def secret(self) -> str:
        return self.path.removeprefix("/hooks/")


async def hooked(gateway: Gateway, made: WorkflowRecord) -> Hooked:
    paths = await HookAddresses(gateway.store, Seal.parse(gateway.settings.seal_key_text)).paths(made)
    return Hooked(made, paths["root"])


async def hook(gateway: Gateway, **payload: Any) -> Hooked:
    return await hooked(gateway, await workflow(gateway, **payload))


async def deliver(gateway: Gateway, found: Hooked, body: bytes = b"{}", query: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.client.with_key("")("POST", f"{found.path}{query}", data=body, headers={**JSON, **named})


async def started(gateway: Gateway, found: Hooked) -> list[ExecutionRecord]:
    flow = found.workflow
    page = await gateway.store.executions.list(flow.org_id, flow.user_id, workflow_id=flow.id)
    return list(page.items)


def standard(secret: bytes, body: bytes, name: str = "msg_1", at: float | None = None) -> dict[str, str]:
    moment = str(int(time.time() if at is None else at))
    digest = hmac.new(secret, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    value = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook_id": name, "webhook_timestamp": moment, "webhook_signature": f"v1,AAAA v1a,x {value}"}


def github(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


async def test_whoever_has_the_address_starts_the_workflow(gateway: Gateway) -> None:
    found = await hook(gateway)
    reply = await deliver(
        gateway, found, b'{"a": [1, "\xc3\xa9"]}', "?x=1&y=2&y=3&z=%00", Authorization="Bearer t", Cookie="a=b",
        X_Topic="news", X_Hub_Signature="sha1=00",
    )  # fmt: skip
    assert reply.status == 202, reply
    assert reply.body == {"execution_id": reply.body["execution_id"], "status": "pending"}
    (execution,) = await started(gateway, found)
    assert (execution.id, execution.trigger, execution.trigger_node) == (reply.body["execution_id"], "webhook", "root")
    got = execution.input
    assert got["body"] == {"a": [1, "é"]} and got["method"] == "POST"
    assert got["query"] == {"x": "1", "y": ["2", "3"], "z": "\ufffd"}
    assert got["headers"]["x-topic"] == "news" and got["headers"]["content-type"] == "application/json"
    assert not {"authorization", "cookie", "x-hub-signature"} & set(got["headers"])
    assert await gateway.redis.keys(f"{DOCKET}:*{execution.id}*")


@pytest.mark.parametrize(
    ("media_type", "charset", "body", "expected"),
    [
        ("application/json", None, b'{"a":1}', {"a": 1}), ("application/cloudevents+json", None, b"[1]", [1]),
        ("application/json", None, b"{not json", "{not json"), ("application/json", None, b'{"a":NaN}', '{"a":NaN}'),
        ("application/json", None, b"[" * 50, "[" * 50), ("application/json", None, b"\xff", "/w=="),
        ("application/x-www-form-urlencoded", None, b"a=1&b=2&b=3&c=", {"a": "1", "b": ["2", "3"], "c": ""}),
        ("application/x-www-form-urlencoded", None, b'{"a": 1}', {"a": 1}),
        ("application/x-www-form-urlencoded", None, b"a&" * 2000, base64.b64encode(b"a&" * 2000).decode()),
        ("text/plain", None, "é".encode(), "é"), ("text/plain", "iso-8859-1", b"\xe9", "é"),
        ("text/plain", "unicode_escape", b"\\ud800", "XHVkODAw"), ("text/plain", None, b"a\0", "YQA="),
        ("application/xml", None, b"<a/>", "<a/>"), ("image/png", None, b"\x89PNG", "iVBORw=="),
        ("application/octet-stream", None, b"abc", "YWJj"), ("text/plain", None, b"", None),
    ],
)  # fmt: skip
def test_a_body_is_what_its_type_says(media_type: str, charset: str | None, body: bytes, expected: Any) -> None:
    assert content(media_type, charset, body) == expected


@pytest.mark.parametrize("header", ["webhook-id", "X-GitHub-Delivery", "Idempotency-Key"])
async def test_one_delivery_id_starts_one_execution(gateway: Gateway, header: str) -> None:
    found, other = await hook(gateway), await hook(gateway)
    name = header.replace("-", "_")
    replies = await asyncio.gather(
        *(deliver(gateway, found, b'{"n": %d}' % n, X_Attempt=str(n), **{name: "d-1"}) for n in range(8))
    )
    assert {reply.status for reply in replies} == {202}
    assert len({reply.body["execution_id"] for reply in replies}) == 1
    assert (await deliver(gateway, found, **{name: "d-2"})).status == 202
    assert (await deliver(gateway, other, **{name: "d-1"})).status == 202
    assert len(await started(gateway, found)) == 2 and len(await started(gateway, other)) == 1


async def test_without_a_delivery_id_each_delivery_is_new(gateway: Gateway) -> None:
    found = await hook(gateway)
    for _ in range(2):
        assert (await deliver(gateway, found)).status == 202
    assert len(await started(gateway, found)) == 2


async def test_a_secret_wants_a_signature(gateway: Gateway) -> None:
    found = await hook(gateway, secret=SECRET)
    body = b'{"a": 1}'
    ok = standard(SECRET.encode(), body)
    good = [ok, {"x_hub_signature_256": github(SECRET, body)}]
    old, early = (standard(SECRET.encode(), body, at=time.time() + shift) for shift in (-400, 400))
    bad = [
        {}, old, early, standard(b"another secret", body), {**ok, "webhook_id": "msg_2"},
        {**ok, "webhook_timestamp": str(int(ok["webhook_timestamp"]) + 1)}, {**ok, "webhook_timestamp": "²"},
        {**ok, "webhook_timestamp": "9" * 400}, {"webhook_signature": ok["webhook_signature"]},
        {"x_hub_signature_256": github("another secret", body)}, {"x_hub_signature_256": "sha256="},
        {"x_hub_signature_256": github(SECRET, b"{}")}, {"Authorization": f"Bearer {SECRET}"},
    ]  # fmt: skip
    for headers in bad:
        reply = await deliver(gateway, found, body, **headers)
        assert (reply.status, list(reply.body)) == (401, ["detail"]), headers
        assert SECRET not in str(reply.body)
    assert await started(gateway, found) == []
    for headers in good:
        assert (await deliver(gateway, found, body, **headers)).status == 202
    for execution in await started(gateway, found):
        headers_seen = set(execution.input["headers"])
        assert not {"webhook-signature", "x-hub-signature-256"} & headers_seen


def test_a_secret_of_the_specification_is_base64() -> None:
    key, body = bytes(range(24)), b"payload"
    headers = {name.replace("_", "-"): value for name, value in standard(key, body).items()}
    assert signed(f"whsec_{base64.b64encode(key).decode()}", headers, body, time.time())
    assert not signed("whsec_not base64", headers, body, time.time())


async def test_a_secret_is_sealed_even_when_nobody_called_it_sensitive(gateway: Gateway) -> None:
    body = {"name": "Hooked", "definition": {"nodes": {"root": {"type": "webhook", "payload": {"secret": SECRET}}}}}
    reply = await gateway.client.post("/v1/workflows", body)
    assert reply.status == 201, reply
    assert SECRET not in json.dumps(reply.body) and "sealed2." in json.dumps(reply.body)


async def test_a_secret_that_cannot_be_opened_lets_nobody_in(gateway: Gateway) -> None:
    owner = await gateway.store.accounts.sign_up("Broken", "broken@example.org", "Owner")
    for secret in ("sealed2.bm90IG91cnM=", "{{$inputs.secret}}"):
        definition = {"nodes": {"root": {"type": "webhook", "payload": {"secret": secret}}}}
        made = await gateway.store.workflows.create(owner.org_id, owner.id, "Broken", definition=definition)
        found = await hooked(gateway, made)
        assert (await deliver(gateway, found, **{"x_hub_signature_256": github(secret, b"{}")})).status == 401


async def test_unknown_and_switched_off_hooks_are_the_same(gateway: Gateway) -> None:
    found = await hook(gateway)
    flow = found.workflow
    await gateway.store.workflows.update(flow.org_id, flow.id, user_id=flow.user_id, enabled=False)
    off = await deliver(gateway, found)
    client = gateway.client.with_key("")
    absent = await client("POST", f"/hooks/{'x' * 32}", data=b"{}", headers=JSON)
    assert (off.status, off.body) == (absent.status, absent.body) == (404, absent.body)
    assert set(off.body) == {"detail"}
    assert (await client("POST", "/hooks/%00", data=b"{}")).status == 404
    await gateway.store.workflows.update(flow.org_id, flow.id, user_id=flow.user_id, enabled=True)
    assert (await deliver(gateway, found)).status == 202


async def test_another_method_is_405(gateway: Gateway) -> None:
    found = await hook(gateway)
    for method in ("GET", "PUT", "DELETE"):
        reply = await gateway.client.with_key("")(method, found.path)
        assert (reply.status, reply.headers["Allow"], list(reply.body)) == (405, "POST", ["detail"])


async def test_too_large_a_delivery_is_413(gateway: Gateway) -> None:
    found = await hook(gateway)
    for body, kind in ((b"x" * 1_048_577, "text/plain"), (b"\0" * 900_000, "image/png")):
        headers = {"Content-Type": kind}
        reply = await gateway.client.with_key("")("POST", found.path, data=BytesIO(body), headers=headers)
        assert (reply.status, list(reply.body)) == (413, ["detail"])
    assert await started(gateway, found) == []


async def test_too_many_deliveries_to_one_hook_are_429(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.HOOK_CALLS", 2)
    monkeypatch.setattr("gateway.limits.WINDOW_S", 3600)
    found, other = await hook(gateway), await hook(gateway)
    statuses = [(await deliver(gateway, found)).status for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert (await deliver(gateway, other)).status == 202
    assert not [key for key in await gateway.redis.keys("*") if found.secret.encode() in key]


async def test_the_queue_away_is_503_and_nothing_is_left(settings: Settings) -> None:
    valkey = Valkey()
    try:
        async with running(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as gateway:
            gateway.client = Client(gateway.client.http, gateway.client.url, "")
            found = await hook(gateway)
            assert (await deliver(gateway, found, webhook_id="a")).status == 202
            valkey.signal(signal.SIGSTOP)
            reply = await deliver(gateway, found, webhook_id="b")
            assert (reply.status, list(reply.body)) == (503, ["detail"]) and reply.headers["Retry-After"]
            valkey.signal(signal.SIGCONT)
            assert len(await started(gateway, found)) == 1
            assert (await deliver(gateway, found, webhook_id="b")).status == 202
    finally:
        valkey.close()


async def test_a_start_the_queue_does_not_take_leaves_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits' count got through, and Redis went away right behind it."""
    found = await hook(gateway)

    async def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("docket.Docket.add", lambda *_, **__: away)
    assert (await deliver(gateway, found, webhook_id="a")).status == 503
    assert await started(gateway, found) == []


async def test_neither_logs_nor_metrics_know_the_address(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    found = await hook(gateway, secret=SECRET)
    await deliver(gateway, found)
    await deliver(gateway, found, **standard(SECRET.encode(), b"{}"))
    await gateway.client("GET", found.path)
    await gateway.client("POST", f"{found.path}/more")
    await gateway.client("POST", found.path, data=BytesIO(b"x" * 2_000_000))
    out = capsys.readouterr()
    told = out.out + out.err + caplog.text + generate_latest(gateway.metrics).decode()
    assert "/hooks/{hook}" in told
    assert found.secret not in told and SECRET not in told
