"""Every template of the library is executed, through the real blocks, against local counterparts of the outside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
from aiohttp import web

from caddie.workflow.program import Program
from caddie.workflow.steps import step_id
from shared.catalog import Catalog
from shared.executions import chat_thread
from shared.settings import Settings
from shared.store.execution_records import ExecutionRecord
from shared.store.records import WorkflowRecord
from shared.templates import Template, Templates
from shared.workflows import Connector
from tests.caddie.stage import LOOPBACK, Stage, staged
from tests.caddie.template_cases import CASES, Run

TEMPLATES = Templates.builtin()
CATALOG = Catalog.builtin()
MESSAGES = ("send-email", "slack-send-message", "discord-send-message")
#: Nodes whose address is a well-known public one.
PUBLIC = ("coingecko", "frankfurter", "algolia", "open-meteo")
FILLED: Mapping[str, Any] = {
    "payload.query": "solar power", "payload.items": ["Acme", "Globex"], "payload.pattern": r"Price: \d+",
}  # fmt: skip
#: What a text shows when a value was missing, or an expression was not read.
_UNFILLED = re.compile(r"\{\{|\}\}|\bnull\b|\bNone\b|\bundefined\b|\(\s*\)|\( | ,|[^ \n] {2,}")


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with staged(settings, LOOPBACK) as found:
        site, box = found.site, found.box
        await found.connect("slack", "slack", {"webhookUrl": site.url("/slack")})
        await found.connect("discord", "discord", {"webhookUrl": site.url("/discord")})
        await found.connect("web-search", "search", {"url": site.url("/search")})
        smtp = {"host": "127.0.0.1", "port": box.port, "security": "none", "from": "us@example.org"}
        await found.connect("smtp", "smtp", smtp)
        yield found


async def filled(stage: Stage, template: Template) -> dict[str, Any]:
    """The template's definition with what its user would have filled in."""
    definition = template.definition.wire()
    for each in template.inputs:
        node = definition["nodes"][each.nodeId]
        if not each.required:
            continue
        if each.field == "connector":
            block = CATALOG.get(node["type"])
            assert block is not None and block.connector is not None
            names = {"web-search": "search"}
            node["connector"] = Connector(
                type=block.connector, id=names.get(block.connector, block.connector)
            ).model_dump()
            continue
        name = each.field.removeprefix("payload.")
        match each.field:
            case "payload.url":
                value: Any = stage.site.url(f"/{template.id}/{each.nodeId}")
            case "payload.channel":
                value = f"#{each.nodeId}"
            case "payload.to":
                value = f"{each.nodeId}@example.com"
            case "payload.workflow":
                nodes = {
                    "a": {"type": "format", "payload": {"template": "did {{$inputs.row.id || root.text || root.name}}"}}
                }
                value = (await stage.workflow(nodes, "Helper")).slug
            case _:
                value = FILLED[each.field]
        node.setdefault("payload", {})[name] = value
    for node_id, node in definition["nodes"].items():
        if any(host in str(node.get("payload", {}).get("url")) for host in PUBLIC):
            node["payload"]["url"] = stage.site.url(f"/{template.id}/{node_id}")
    return definition


def prepare(stage: Stage, template: Template, run: Run) -> None:
    async def search(request: web.Request) -> web.StreamResponse:
        return web.json_response({"results": run.hits})

    stage.site.answers["/search"] = search
    for node, value in run.site.items():

        async def answer(request: web.Request, value: Any = value) -> web.StreamResponse:
            if value is None:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            if isinstance(value, int):
                return web.Response(status=value, text=f"status {value}")
            if isinstance(value, str):
                return web.Response(text=value, content_type="text/html")
            return web.json_response(value)

        stage.site.answers[f"/{template.id}/{node}"] = answer


async def executed(stage: Stage, template: Template, workflow: WorkflowRecord, run: Run) -> ExecutionRecord:
    root = template.definition.nodes["root"].type
    given = orjson.loads(orjson.dumps(run.given).replace(b"{site}", stage.site.url("").rstrip("/").encode()))
    match root:
        case "webhook":
            result = {"body": given, "headers": {"content-type": "application/json"}, "query": {}, "method": "POST"}
            more: dict[str, Any] = {"trigger": "webhook", "input": result}
        case "trigger_chat":
            thread = chat_thread(workflow.id, stage.rig.user)
            result = {"text": given, "files": [], "payload": {}}
            more = {"trigger": "chat", "input": result, "thread": thread, "text": given}
        case "cronjob":
            result = {"scheduledAt": "2026-11-20T08:00:00Z", "firedAt": "2026-11-20T08:00:00.200Z"}
            more = {"trigger": "schedule", "input": result}
        case _:
            more = {"trigger": "manual", "input": given, "inputs": given}
    return await stage.run(workflow, *run.answers, **more)


def arrived(stage: Stage) -> dict[str, str]:
    """What came in from effects, as text, by the step it came from; each once."""
    found: list[tuple[str, str]] = []
    for seen in stage.site.seen:
        if key := seen.headers.get("idempotency-key"):
            body = orjson.loads(seen.body)
            text = body.get("text", body.get("content")) if seen.path in ("/slack", "/discord") else seen.body.decode()
            found.append((key, text))
    for mail in stage.mails():
        part = mail.get_body(("plain",))
        assert part is not None
        text = part.get_content().replace("\r\n", "\n")
        found.append(
            (str(mail["Message-ID"]).strip("<>").partition("@")[0], f"{mail['To']}\n{mail['Subject']}\n{text}")
        )
    assert [key for key, count in Counter(key for key, _ in found).items() if count > 1] == []
    return dict(found)


def is_effect(template: Template, node_id: str) -> bool:
    node = template.definition.nodes[node_id]
    changing = node.type == "http-request" and node.payload.get("method", "GET") != "GET"
    return changing or node.type == "send-webhook" or node.type in MESSAGES


async def check(stage: Stage, template: Template, workflow: WorkflowRecord, run: Run, done: ExecutionRecord) -> None:
    """Everything a run promises, of its store, its log, and of what arrived outside."""
    assert (done.status, done.error_code, done.error_message) == ("completed", None, None)
    steps = await stage.steps(done)
    by_status: dict[str, set[str]] = {}
    for (_, node_id), step in steps.items():
        by_status.setdefault(step.status, set()).add(node_id)
    assert by_status.pop("skipped", set()) == set(run.skipped.split())
    assert by_status.pop("failed", set()) == set(run.failed.split())
    assert set(by_status) == {"success"}
    assert {node_id for path, node_id in steps if not path} == set(Program(template.definition, "root").main.order)
    came = arrived(stage)
    effects = {
        step_id(done.id, place): "/".join(filter(None, place))
        for place, step in steps.items()
        if step.status == "success" and is_effect(template, place[1])
    }
    assert {effects.get(key, key) for key in came} == set(effects.values())
    texts = {effects[key]: text for key, text in came.items()}
    assert set(run.told) <= set(texts)
    for place, text in texts.items():
        wanted = run.told.get(place, ())
        for fragment in (wanted,) if isinstance(wanted, str) else wanted:
            assert fragment in text, (place, text)
        for part in parts(text) if text.startswith("{") else [text]:
            assert part.strip() and not _UNFILLED.search(part), (place, text)
    kinds = await stage.rig.types(done.id)
    assert kinds.count("run.finished") == 1 and kinds[-1] == "run.finished"
    stored = await stage.rig.store.executions.variables(workflow.id)
    assert {name: stored.get(name) for name in run.variables} == run.variables
    if run.says is not None:
        owner = await stage.rig.store.conversations.get(stage.rig.org, chat_thread(workflow.id, stage.rig.user))
        assert owner is not None
        last = (await stage.rig.store.conversations.messages(owner.pk))[-1]
        assert last.role == "assistant" and last.text.strip() and run.says in last.text, last.text


def parts(body: str) -> list[str]:
    """The texts of a body that is JSON, which lacks no value."""
    found: list[str] = []
    pending = [orjson.loads(body)]
    while pending:
        value = pending.pop()
        assert value is not None, body
        if isinstance(value, dict | list):
            pending.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, str):
            found.append(value)
    return found


def test_every_template_is_run() -> None:
    assert set(CASES) == {template.id for template in TEMPLATES.all()}


def test_every_node_of_every_template_runs_in_one_of_its_runs() -> None:
    for template in TEMPLATES.all():
        idle = set.intersection(*(set(f"{run.skipped} {run.failed}".split()) for run in CASES[template.id]))
        assert not idle, template.id


@pytest.mark.parametrize("domain", sorted({template.domain for template in TEMPLATES.all()}))
async def test_the_templates_of_a_domain_do_what_they_say(stage: Stage, domain: str) -> None:
    wrong: list[str] = []
    for template in TEMPLATES.all():
        if template.domain != domain:
            continue
        workflow = await stage.stored(await filled(stage, template), template.title[:60])
        for number, run in enumerate(CASES[template.id]):
            stage.site.seen.clear()
            stage.box.mails.clear()
            prepare(stage, template, run)
            try:
                await check(stage, template, workflow, run, await executed(stage, template, workflow, run))
            except AssertionError as error:
                wrong.append(f"{template.id}, run {number}: {error}")
    assert not wrong, "\n\n".join(wrong)
