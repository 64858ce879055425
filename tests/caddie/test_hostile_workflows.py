"""Workflows made to do harm, through the real blocks of a worker: each ends in a clear error, within its limits."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from caddie.workflow.steps import GATHERED_BYTES, RESULT_BYTES
from shared.catalog import Block, Catalog
from shared.settings import Settings
from shared.store.execution_records import ExecutionRecord
from shared.store.records import WorkflowRecord
from tests.caddie.stage import LOOPBACK, Stage, staged

HUNDRED: list[Any] = list(range(100))
MIB = 1024 * 1024


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with staged(settings, LOOPBACK) as found:
        yield found


@pytest.fixture
async def shut(settings: Settings) -> AsyncIterator[Stage]:
    """As it is installed: nothing but the public internet may be reached."""
    async with staged(settings) as found:
        yield found


async def failed(stage: Stage, workflow: WorkflowRecord, **more: Any) -> ExecutionRecord:
    execution = await stage.run(workflow, **more)
    assert execution.status == "failed" and execution.error_message and execution.error_node
    assert (await stage.rig.types(execution.id))[-1] == "run.failed"
    return execution


async def family(stage: Stage) -> list[ExecutionRecord]:
    await stage.workers.idle()
    found: list[ExecutionRecord] = []
    cursor = None
    while True:
        page = await stage.rig.store.executions.list(stage.rig.org, stage.rig.user, 100, cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def itself(stage: Stage, nodes: dict[str, Any], child: str) -> WorkflowRecord:
    """A workflow whose node `child` starts it again."""
    made = await stage.workflow(nodes)
    nodes[child]["payload"]["workflow"] = made.slug
    definition = {"nodes": {"root": {"type": "manual", "children": ["a"]}, **nodes}}
    store, rig = stage.rig.store, stage.rig
    return await store.workflows.update(rig.org, made.id, user_id=rig.user, definition=definition)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_workflow_that_starts_itself_ends_at_the_depth_limit(stage: Stage, wait: bool) -> None:
    workflow = await itself(stage, {"a": {"type": "trigger-workflow", "payload": {"wait": wait}}}, "a")
    await stage.run(workflow)
    made = await family(stage)
    assert sorted(each.depth for each in made) == list(range(11))
    ends = Counter(each.status for each in made)
    assert ends == ({"failed": 11} if wait else {"completed": 10, "failed": 1})
    (last,) = (each for each in made if each.depth == 10)
    assert last.error_code == "RUN_LIMIT" and "10 deep" in str(last.error_message)


async def test_a_workflow_that_starts_itself_many_times_over_ends_at_the_family_limit(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.starts.FAMILY_MAX", 150)
    nodes = {
        "a": {"type": "for-each", "payload": {"items": HUNDRED}, "loopBody": ["b"]},
        "b": {"type": "trigger-workflow", "payload": {"wait": False}},
    }  # fmt: skip
    await stage.begin(await itself(stage, nodes, "b"))
    made = await family(stage)
    assert len(made) == 150 and all(each.over for each in made)
    assert Counter(each.error_code for each in made)["RUN_LIMIT"] >= 140


async def test_loops_in_loops_end_at_the_limit_of_nodes(stage: Stage) -> None:
    nodes = {
        name: {"type": "for-each", "payload": {"items": HUNDRED}, "loopBody": [body]}
        for name, body in ("ab", "bc", "cd")
    }
    workflow = await stage.workflow({**nodes, "d": {"type": "format", "payload": {"template": "{{$item}}"}}})
    execution = await failed(stage, workflow)
    assert (execution.error_code, execution.node_runs) == ("RUN_LIMIT", 10_001)


async def test_loops_nested_too_deep_are_refused(stage: Stage) -> None:
    names = [f"l{depth}" for depth in range(12)]
    nodes = {
        name: {"type": "for-each", "payload": {"items": [1]}, "loopBody": [body]}
        for name, body in zip(names, [*names[1:], "end"], strict=True)
    }
    workflow = await stage.workflow({**nodes, "end": {"type": "log", "payload": {"message": "x"}}}, children=("l0",))
    execution = await failed(stage, workflow)
    assert execution.error_code == "RUN_LIMIT" and "10 deep" in str(execution.error_message)


async def test_a_text_that_grows_with_every_node_ends_at_the_limit(stage: Stage) -> None:
    nodes = {
        f"n{step}": {
            "type": "format",
            "payload": {"template": f"{{{{n{step - 1}.text}}}}" * 100},
            "children": [f"n{step + 1}"],
        }
        for step in range(1, 9)
    }
    start = {"type": "format", "payload": {"template": "grow"}, "children": ["n1"]}
    execution = await failed(stage, await stage.workflow({"n0": start, **nodes}, children=("n0",)))
    assert execution.error_node == "n3" and execution.error_code in ("EXPRESSION_INVALID", "RESULT_TOO_LARGE")


def serve(stage: Stage, path: str, body: bytes, content_type: str = "application/json") -> str:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    stage.site.answers[path] = answer
    return stage.site.url(path)


async def test_answers_too_large_or_too_deep_harm_nobody(stage: Stage) -> None:
    big = serve(stage, "/big", bytes(50 * MIB), "text/plain")
    execution = await failed(stage, await stage.workflow({"a": {"type": "http-request", "payload": {"url": big}}}))
    assert execution.error_code == "TOO_LARGE"
    for depth in (100, 250, 900, 100_000):
        deep = serve(stage, f"/deep{depth}", b"[" * depth + b"]" * depth)
        workflow = await stage.workflow({
            "a": {"type": "http-request", "payload": {"url": deep}, "children": ["b", "c", "d"]},
            "b": {"type": "format", "payload": {"template": "{{a.body}} and {{$nodes.d.error}}"}},
            "c": {"type": "merge", "payload": {"values": ["{{a.body}}", "{{$nodes.b.error}}"]}, "children": ["e"]},
            "d": {"type": "extract-json", "payload": {"text": "x", "schema": "{{a.body}}"}},
            "e": {"type": "for-each", "payload": {"items": "{{c.value || $nodes.c.error}}"}, "loopBody": ["f"]},
            "f": {"type": "log", "payload": {"message": "x", "data": "{{$item}}"}},
        })  # fmt: skip
        execution = await stage.run(workflow)
        assert execution.status == "completed" or execution.error_code not in ("RUN_FAILED", "BLOCK_FAILED"), execution


def memory() -> int:
    """Bytes this process has taken."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_many_large_results_are_refused_before_they_fill_the_memory(stage: Stage) -> None:
    url = serve(stage, "/mib", b'["' + b'","'.join([b"x" * 996] * 1_040) + b'"]')
    ask = {"type": "http-request", "payload": {"url": url}}
    before = memory()
    loop = await stage.workflow({"a": {"type": "for-each", "payload": {"items": HUNDRED}, "loopBody": ["b"]}, "b": ask})
    assert (await failed(stage, loop)).error_code == "RESULT_TOO_LARGE"
    names = [f"n{number}" for number in range(200)]
    chain = {name: {**ask, "children": [after]} for name, after in zip(names, [*names[1:], "none"], strict=True)}
    workflow = await stage.workflow(chain, children=("n0",))
    execution = await failed(stage, workflow)
    assert execution.error_code == "RUN_LIMIT" and "together" in str(execution.error_message)
    assert memory() - before < 700 * MIB
    assert RESULT_BYTES < GATHERED_BYTES


@pytest.mark.parametrize(("lifetime", "code"), [("persist", "TOO_LARGE"), ("reset", "RESULT_TOO_LARGE")])
async def test_a_variable_that_grows_ends_at_its_limit(stage: Stage, lifetime: str, code: str) -> None:
    nodes = {
        "a": {"type": "for-each", "payload": {"items": HUNDRED[:20]}, "loopBody": ["b"]},
        "b": {"type": "set-variable", "payload": {"name": "n", "operation": "append", "value": "{{root.big}}"}},
    }
    variables = [{"name": "n", "type": "list", "lifetime": lifetime, "default": []}]
    workflow = await stage.workflow(nodes, variableDefs=variables)
    for _ in range(2):
        execution = await failed(stage, workflow, input={"big": "x" * 300_000})
        assert (execution.error_code, execution.error_node) == (code, "b")
    kept = await stage.rig.store.executions.variables(workflow.id)
    assert len(str(kept)) < RESULT_BYTES


MALFORMED = [
    "{{", "{{}}", "{{ }}", "{{a", "{{a.}}", "{{.a}}", "{{a..b}}", "{{a b}}", "{{a[}}", "{{a[x]}}", "{{a['x}}",
    "{{a[-1]}}", "{{$}}", "{{$nope.x}}", "{{$nodes}}", "{{$nodes.a}}", "{{$nodes.a.secret}}", "{{$vars}}", "{{||a}}",
    "{{$index.x}}", "{{a||}}", "{{a|b}}", "{{a()}}", "{{a.__class__.}}", "{{1e999}}", "{{" + "9" * 1_500 + "}}",
    "{{'\\x'}}", "{{{a}}}", "{{a}} {{", "{{" + "a." * 40 + "a}}", "{{" + "||".join("a" * 40) + "}}", "{{7*7}}",
    "{{" + "a" * 3_000 + "}}", "{{a}}" * 2_001, "{{\u202ea}}", "{{import os}}", "{{a[0}}", "{{a]}}",
    "{{\"a}}", "{{a;b}}",
]  # fmt: skip


async def fared(stage: Stage, nodes: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """How each of these nodes ended by itself: (status, code); the failure of one is read by the last of all."""
    errors = "".join(f"{{{{$nodes.{name}.error}}}}" for name in nodes)
    last = {"type": "format", "payload": {"template": "said: " + errors}}
    workflow = await stage.workflow({**nodes, "last": last}, children=(*nodes, "last"))
    execution = await stage.run(workflow)
    steps = await stage.steps(execution)
    assert set(nodes) <= {node_id for path, node_id in steps if not path}, (
        execution.error_code,
        execution.error_message,
    )
    return {name: (steps["", name].status, steps["", name].error_code or "") for name in nodes}


async def test_a_malformed_expression_fails_its_node_and_says_where(stage: Stage) -> None:
    nodes = {f"m{each}": {"type": "log", "payload": {"message": text}} for each, text in enumerate(MALFORMED)}
    ends = await fared(stage, nodes)
    assert {
        MALFORMED[int(name[1:])][:20]: end for name, end in ends.items() if end != ("failed", "EXPRESSION_INVALID")
    } == {}


ODD: list[Any] = [
    None, True, -1, 1e300, 2**53, "", "x" * 10_000, [], {}, [[[None]]], [{}] * 2_000, {"a": {"b": [1, None]}},
    "9" * 400, "-1", "(a+)+$", {"$ref": "#"}, "javascript:alert(1)", "{{root}}", "{{$item}}",
]  # fmt: skip
#: What these wait for is asked elsewhere.
WAITING = ("delay", "wait", "human_confirmation", "trigger-workflow")


def members(block: Block) -> list[str]:
    """Of the payload; how often something is tried again is asked elsewhere, and would take a while."""
    properties = block.payloadSchema.get("properties")
    return [name for name in properties if name != "retries"] if isinstance(properties, dict) else []


@pytest.mark.parametrize("value", range(len(ODD)))
async def test_no_block_falls_over_a_value_of_the_wrong_kind(shut: Stage, value: int) -> None:
    nodes: dict[str, Any] = {}
    for block in Catalog.builtin().all():
        if block.type in WAITING or block.trigger:
            continue
        for name in members(block):
            payload = {**(block.examples[0].payload or {}), "retries": 0, name: ODD[value]}
            nodes[f"{block.type}_{name}".replace("_", "-")] = {"type": block.type, "payload": payload}
    ends = await fared(shut, nodes)
    assert {name: end for name, end in ends.items() if end[1] in ("BLOCK_FAILED", "RESULT_INVALID")} == {}


def spelled(port: int) -> list[str]:
    """Addresses of this machine, of its neighbours and of clouds, as people write them to get past a guard."""
    hosts = [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1",
        "0177.0.0.1", "017700000001", "127.0.0.1.", "127.000.000.001", "0.0.0.0", "0", "127.255.255.254", "[::1]",
        "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "[::ffff:a9fe:a9fe]", "169.254.169.254", "10.0.0.1", "172.16.0.1",
        "192.168.0.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "①②⑦.⓪.⓪.①", "127。0。0。1",
        "１２７.0.0.1", "%31%32%37.0.0.1", "127.0.0.1%00.example.com", "127.0.0.1#.example.com",
        "127.0.0.1\\.example.com",
    ]  # fmt: skip
    odd = [
        f"http://example.com@127.0.0.1:{port}/", f"http://user:pw@127.0.0.1:{port}/", f"//127.0.0.1:{port}/",
        f"http:127.0.0.1:{port}", f"http:///127.0.0.1:{port}/", f" http://127.0.0.1:{port}/", f"HTTP://127.0.0.1:{port}",
        "file:///etc/passwd", f"gopher://127.0.0.1:{port}/_x", f"ftp://127.0.0.1:{port}/", "data:text/plain,x", "http://",
        f"http://127.0.0.1:{port}\r\nHost: x/", f"unix://127.0.0.1:{port}",
    ]  # fmt: skip
    return [f"http://{host}:{port}/x" for host in hosts] + odd


async def test_no_spelling_of_an_address_gets_past_the_guard(shut: Stage) -> None:
    site = shut.site
    urls = spelled(site.port)
    nodes: dict[str, Any] = {}
    for number, url in enumerate(urls):
        nodes[f"get{number}"] = {"type": "http-request", "payload": {"url": url, "retries": 0, "timeoutSeconds": 2}}
        nodes[f"post{number}"] = {"type": "send-webhook", "payload": {"url": url, "body": "x", "retries": 0}}
    ends = await fared(shut, nodes)
    reached = {name: end for name, end in ends.items() if end[0] != "failed"}
    assert reached == {} and site.seen == []
    assert {code for _, code in ends.values()} <= {"FORBIDDEN", "INVALID", "UNAVAILABLE"}


async def test_accounts_lead_to_no_private_address_either(shut: Stage) -> None:
    site = shut.site
    await shut.connect("slack", "slack", {"webhookUrl": site.url("/slack")})
    await shut.connect("discord", "discord", {"webhookUrl": site.url("/discord")})
    await shut.connect("web-search", "search", {"url": site.url("/search")})
    await shut.connect(
        "smtp", "smtp", {"host": "127.0.0.1", "port": shut.box.port, "security": "none", "from": "a@example.org"}
    )
    ends = await fared(shut, {
        "slack": {"type": "slack-send-message", "payload": {"channel": "#x", "text": "x"}},
        "discord": {"type": "discord-send-message", "payload": {"text": "x"}},
        "search": {"type": "web-search", "payload": {"query": "x"}},
        "mail": {"type": "send-email", "payload": {"to": "a@example.org", "subject": "x", "text": "x"}},
    })  # fmt: skip
    assert set(ends.values()) == {("failed", "FORBIDDEN")} and not site.seen and not shut.box.mails


async def test_neither_redirects_nor_a_name_that_changes_lead_inside(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this machine's addresses only one may be reached here; the receiver listens on another."""
    door = web.Application()
    runner = web.AppRunner(door)
    async with staged(settings, "127.0.0.2/32") as stage:

        async def onward(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(stage.site.url("/inside"))

        async def hello(request: web.Request) -> web.StreamResponse:
            return web.Response(text="hello")

        door.router.add_route("*", "/onward", onward)
        door.router.add_get("/x", hello)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.2", stage.site.port).start()
        real, looked = socket.getaddrinfo, Counter[str]()

        def rebound(host: Any, *args: Any, **options: Any) -> Any:
            if host == "rebind.example":
                looked[host] += 1
                host = "127.0.0.2" if looked[host] == 1 else "127.0.0.1"
            return real(host, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        port = stage.site.port
        asked = {"type": "http-request", "payload": {"url": f"http://rebind.example:{port}/x", "retries": 0}}
        ends = await fared(stage, {
            "first": {**asked, "children": ["second"]},
            "second": asked,
            "away": {"type": "http-request", "payload": {"url": f"http://127.0.0.2:{port}/onward"}},
            "post": {"type": "send-webhook", "payload": {"url": f"http://127.0.0.2:{port}/onward", "body": "x"}},
        })  # fmt: skip
        assert stage.site.seen == []
        assert ends["first"] == ("success", "")
        assert {ends[name][1] for name in ("second", "away", "post")} == {"FORBIDDEN"}
        await runner.cleanup()


SLOW = "(a+)+$"
HOOK = "a" * 40 + "!"


async def test_honest_executions_end_beside_hostile_ones(stage: Stage) -> None:
    matches = {"op": "matches", "right": SLOW}
    hostile = [
        {"a": {"type": "regex", "payload": {"text": HOOK, "pattern": SLOW, "mode": "all"}}},
        {"a": {"type": "if", "payload": {"conditions": [{"left": HOOK, **matches}] * 50}}},
        {"a": {"type": "filter", "payload": {"items": [HOOK] * 500, "conditions": [{"field": "", **matches}]}}},
        {"a": {"type": "regex", "payload": {"text": "a" * 9_000, "pattern": "(.*)*" * 9 + "x", "mode": "all"}}},
        {
            "a": {
                "type": "http-request",
                "payload": {"url": stage.site.url("/endless"), "timeoutSeconds": 1, "retries": 0},
            }
        },
        {
            "a": {
                "type": "http-request",
                "payload": {"url": stage.site.url("/silent"), "timeoutSeconds": 1, "retries": 0},
            }
        },
        {"a": {"type": "http-request", "payload": {"url": stage.site.url("/bomb"), "retries": 0}}},
    ]
    honest = await stage.workflow({
        "a": {"type": "http-request", "payload": {"url": stage.site.url("/json")}, "children": ["b"]},
        "b": {"type": "regex", "payload": {"text": "order AB-12", "pattern": "[A-Z]+-[0-9]+"}, "children": ["c"]},
        "c": {"type": "for-each", "payload": {"items": "{{a.body.a}}"}, "loopBody": ["d"]},
        "d": {"type": "format", "payload": {"template": "{{b.match}} {{$item}}"}},
    })  # fmt: skip
    begun = [await stage.begin(await stage.workflow(nodes)) for nodes in hostile * 2]
    started = time.monotonic()
    mine = [await stage.begin(honest) for _ in range(20)]
    for execution in mine:
        done = await stage.ended(execution)
        assert (done.status, done.output["count"]) == ("completed", 3)
    assert time.monotonic() - started < 30
    codes = {(await stage.ended(execution)).error_code for execution in begun}
    assert codes <= {"TIMEOUT", "TOO_LARGE", "INVALID_PAYLOAD", None}
