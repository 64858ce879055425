"""Connectors over HTTP: what goes in, what never comes out, and a test that a worker does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from redis.asyncio import Redis

from caddie.outbound import Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.mail import Post
from caddie.workflow.trial import TEST_LINE, Trial
from gateway.connector_forms import FORMS, ConnectorForm
from shared import probes
from shared.connectors import ConnectorType, parse
from shared.errors import CaddieError
from shared.probes import Outcome, Probes
from shared.runs import open_queue
from shared.seal import Seal
from shared.settings import Settings
from shared.store import Store
from tests.caddie.workflow.blocks.counterparts import Receiver, mail_server, receiving
from tests.gateway.conftest import Client, Gateway
from tests.gateway.signed_in import gathered
from tests.product import Product, until

CANARY = "zq-canary-secret"
CONFIGS: dict[str, dict[str, Any]] = {
    "slack": {"webhookUrl": f"https://hooks.slack.com/services/T0/B0/{CANARY}"},
    "discord": {"webhookUrl": f"https://discord.com/api/webhooks/1/{CANARY}"},
    "smtp": {"host": "mail.example.com", "port": 465, "security": "tls", "username": "ada", "password": CANARY,
             "from": "ada@example.com"},
    "web-search": {"provider": "brave", "apiKey": CANARY},
    "http": {"bearer": CANARY, "hosts": ["api.example.com"]},
}  # fmt: skip
SHOWN: dict[str, dict[str, Any]] = {
    "slack": {"webhookUrl": "https://hooks.slack.com"},
    "discord": {"webhookUrl": "https://discord.com"},
    "smtp": {"host": "mail.example.com", "port": 465, "security": "tls", "username": "ada", "from": "ada@example.com"},
    "web-search": {"provider": "brave", "url": None},
    "http": {"kind": "bearer", "header": None, "username": None, "hosts": ["api.example.com"]},
}
PATH = "/v1/connectors"


async def made(client: Client, kind: str, config: dict[str, Any] | None = None, name: str = "main") -> dict[str, Any]:
    reply = await client.post(PATH, {"type": kind, "name": name, "config": config or CONFIGS[kind]})
    assert reply.status == 201, reply
    data: dict[str, Any] = reply.data
    return data


@pytest.mark.parametrize("kind", CONFIGS)
async def test_a_secret_goes_in_and_never_comes_out(gateway: Gateway, client: Client, kind: str) -> None:
    one = await made(client, kind)
    assert (one["type"], one["name"], one["config"]) == (kind, "main", SHOWN[kind])
    assert (one["testedAt"], one["testOk"]) == (None, None)
    changed = await client("PATCH", f"{PATH}/{one['id']}", {"name": "other", "config": CONFIGS[kind]})
    assert (changed.status, changed.data["name"]) == (200, "other")
    answers = [one, changed.body, (await client.get(PATH)).body, (await client.get(f"{PATH}/{one['id']}")).body]
    assert CANARY not in str(answers) and "sealed" not in str(answers)
    owner = await gateway.store.accounts.authenticate(client.key)
    assert owner is not None
    (record,) = await gateway.store.connectors.list(owner.org.id, owner.user.id)
    assert CANARY not in str(record) and CANARY not in record.sealed and record.sealed.startswith("sealed2.")
    assert (await client("DELETE", f"{PATH}/{one['id']}")).status == 204
    assert (await client.get(f"{PATH}/{one['id']}")).status == 404


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        ("slack", {}, "config.webhookUrl"),
        ("slack", {"webhookUrl": f"ftp://{CANARY}"}, "config.webhookUrl"),
        ("slack", {"webhookUrl": f"https://user:{CANARY}@example.com/"}, "config.webhookUrl"),
        ("slack", {"webhookUrl": "https://example.com", "more": CANARY}, "config.more"),
        ("smtp", {"host": CANARY + "\r\nx", "from": "a@b.example"}, "config.host"),
        ("smtp", {"host": "m.example", "from": f"a@b.example\r\nBcc: {CANARY}"}, "config.from"),
        ("smtp", {"host": "m.example", "from": "a@b.example", "password": CANARY}, "config"),
        ("smtp", {"host": "m.example", "from": "a@b.example", "port": 0}, "config.port"),
        ("web-search", {"provider": "tavily"}, "config"),
        ("web-search", {}, "config"),
        ("http", {"bearer": CANARY, "header": "X-A", "value": CANARY}, "config"),
        ("http", {"header": "Host", "value": CANARY}, "config"),
        ("http", {"header": "X-A", "value": f"{CANARY}\r\nX-B: 1"}, "config.value"),
        ("http", {}, "config"),
    ],
)
async def test_a_wrong_config_is_refused_without_being_repeated(
    client: Client, kind: str, config: dict[str, Any], field: str
) -> None:
    reply = await client.post(PATH, {"type": kind, "name": "main", "config": config})
    assert (reply.status, reply.fields) == (400, [field])
    assert CANARY not in str(reply.body) and (await client.get(PATH)).data["connectors"] == []


async def test_a_name_is_taken_once_a_type_and_the_type_is_known(client: Client) -> None:
    one = await made(client, "slack")
    assert (await client.post(PATH, {"type": "slack", "name": "main", "config": CONFIGS["slack"]})).status == 409
    await made(client, "discord")
    two = await made(client, "slack", name="second")
    assert (await client("PATCH", f"{PATH}/{two['id']}", {"name": "main"})).status == 409
    assert (await client("PATCH", f"{PATH}/{one['id']}", {"name": "main"})).status == 200
    assert (await client.post(PATH, {"type": "fax", "name": "x", "config": {}})).status == 400
    assert (await client.post(PATH, {"type": "slack", "name": "", "config": {}})).status == 400
    reader = await client.get(PATH)
    assert [each["name"] for each in reader.data["connectors"]] == ["main", "main", "second"]


async def test_a_connector_is_its_user_s_and_needs_the_scope(gateway: Gateway, client: Client) -> None:
    one = await made(client, "slack")
    for other in (await gateway.key(), await gateway.colleague()):
        assert (await other.get(PATH)).data["connectors"] == []
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
            body = {"name": "mine"} if method == "PATCH" else None
            assert (await other(method, f"{PATH}/{one['id']}{path}", body)).status == 404
    reader = await gateway.key("read")
    assert (await reader.get(PATH)).status == 200
    for method, path in (("POST", ""), ("PATCH", f"/{one['id']}"), ("POST", f"/{one['id']}/test")):
        assert (await reader(method, PATH + path, {})).status == 403
    assert (await client.get(f"{PATH}/{one['id']}")).data["name"] == "main"


async def test_a_browser_that_is_signed_in_has_the_accounts_of_its_user(gateway: Gateway, client: Client) -> None:
    path = "/api/connectors"
    async with gathered(gateway) as people:
        person, other = await people.member(), await people.member()
        body = {"type": "slack", "name": "alerts", "config": CONFIGS["slack"]}
        one = await person("POST", path, body)
        assert (one.status, one.data["config"]) == (201, SHOWN["slack"]) and CANARY not in str(one.body)
        assert (await person("POST", path, body)).status == 409
        wrong = await person("POST", path, {**body, "name": "b", "config": {}})
        assert (wrong.status, wrong.fields) == (400, ["config.webhookUrl"])
        mine = f"{path}/{one.data['id']}"
        assert (await person("PATCH", mine, {"name": "news"})).data["name"] == "news"
        key = await gateway.key("read", org=person.org, user=person.id)
        assert (await key.get(PATH)).data["connectors"] == (await person("GET", path)).data["connectors"]
        assert (await other("GET", path)).data["connectors"] == [] and (await other("GET", mine)).status == 404
        foreign = await person("DELETE", mine, **{"Sec-Fetch-Site": "cross-site"})
        assert foreign.status == 403 and (await person("GET", mine)).status == 200
        assert (await person("DELETE", mine)).status == 204 and (await person("GET", mine)).status == 404
        assert (await person("GET", "/api/connector-types")).data == (await key.get("/v1/connector-types")).data


SAMPLES: dict[str, Any] = {
    "url": f"https://example.com/{CANARY}", "email": "ada@example.com", "number": 25, "list": ["api.example.com"],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.type)
def test_a_form_makes_a_config_and_marks_what_is_secret(form: ConnectorForm) -> None:
    for way in form.ways:
        given = {
            each.name: each.choices[0].value if each.choices else SAMPLES.get(each.kind, f"{CANARY}-{each.name}")
            for each in way.fields
        }  # fmt: skip
        least = {each.name: given[each.name] for each in way.fields if each.required}
        for config in (given, least):
            parsed = parse(form.type, way.config | config)
            hidden = {each.name for each in way.fields if each.secret}
            for name, value in config.items():
                seen = CANARY in str(value) and str(value) in str(parsed.shown())
                assert not seen or name not in hidden, (form.type, name)
                assert (str(value) in parsed.secrets()) is (name in hidden), (form.type, name)
        for each in way.fields:
            if each.required:
                with pytest.raises(CaddieError) as caught:
                    parse(form.type, way.config | {name: given[name] for name in given if name != each.name})
                assert caught.value.faults[0].field in ("config", f"config.{each.name}")


def test_every_type_has_a_form() -> None:
    assert [each.type for each in FORMS] == list(get_args(ConnectorType))


async def test_without_a_worker_a_test_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "ANSWER_S", 0.3)
    one = await made(client, "http")
    reply = await client.post(f"{PATH}/{one['id']}/test")
    assert reply.status == 503 and "expected a worker to answer" in reply.body["message"]


@pytest.fixture
async def site() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_networks": ("127.0.0.1/32",)})


async def test_a_test_really_tries(product: Product, site: Receiver) -> None:
    async def tested(kind: str, config: dict[str, Any]) -> dict[str, Any]:
        name = f"{kind} {len(site.seen)} {config.get('port')} {config.get('password')}"
        status, one = await product.post(PATH, {"type": kind, "name": name, "config": config})
        assert status == 201, one
        status, answer = await product.post(f"{PATH}/{one['data']['id']}/test", None)
        assert status == 200 and CANARY not in str(answer), answer
        _, after = await product.get(f"{PATH}/{one['data']['id']}")
        assert after["data"]["testOk"] is answer["data"]["ok"] and after["data"]["testedAt"]
        data: dict[str, Any] = answer["data"]
        return data

    posted = await tested("slack", {"webhookUrl": site.url(f"/{CANARY}")})
    assert posted == {"ok": True, "message": "posted a test line"}
    assert TEST_LINE.encode() in site.seen[-1].body
    assert (await tested("discord", {"webhookUrl": site.url(f"/{CANARY}")}))["ok"]
    refused = await tested("slack", {"webhookUrl": site.url(f"/status?code=403&x={CANARY}")})
    assert not refused["ok"] and "403" in refused["message"]
    assert (await tested("web-search", {"url": site.url("/json")}))["ok"] is False
    assert "nothing to test" in (await tested("http", CONFIGS["http"]))["message"]
    private = await tested("slack", {"webhookUrl": f"http://127.0.0.2:{site.port}/"})
    assert not private["ok"] and "private" in private["message"]
    async with mail_server(login=True) as box:
        mail = {"host": "127.0.0.1", "port": box.port, "security": "none", "from": "a@b.example", "username": "ada"}
        assert (await tested("smtp", mail | {"password": "s3cret-canary"}))["message"] == "connected and logged in"
        wrong = await tested("smtp", mail | {"password": CANARY})
        assert not wrong["ok"] and "535" in wrong["message"] and box.mails == []


async def test_what_nobody_waits_for_is_not_tried(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def trial(org: int, user: int, connector_id: str) -> Outcome:
        tried.append(connector_id)
        return Outcome(ok=True, message="")

    async with open_queue(settings.redis_address) as queue:
        asker = Probes(redis, queue)
        asker.serve(trial)
        probe = queue.tasks[probes.PROBE]
        await probe("p-1", 1, 1, "late", 0.0)
        await probe("p-2", 1, 1, "in time", 9e12)
    assert tried == ["in time"]
    assert await until(lambda: redis.exists("p:{p-2}")) and not await redis.exists("p:{p-1}")
    assert 0 < await redis.ttl("p:{p-2}") <= probes.KEPT_S


async def test_a_trial_s_words_hold_no_secret(settings: Settings, site: Receiver) -> None:
    """A receiver that repeats what it was told."""
    store, seal, outbound = await Store.open(settings.database_address), Seal.parse(settings.seal_key_text), Outbound()
    user = await store.accounts.sign_up("Acme", "ada@example.com", "Ada")
    try:
        trial = Trial(store.connectors, Accounts(store.connectors, seal), outbound, Post(outbound))
        record = await store.connectors.create(user.org_id, user.id, "slack", "main", "sealed2.AAAA")
        assert (await trial(user.org_id, user.id, record.id)).message.startswith("expected a connector that this")
        assert not (await trial(user.org_id, user.id + 1, record.id)).ok
    finally:
        await outbound.close()
        await store.close()
