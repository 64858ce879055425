"""The block catalog: complete, consistent with itself, and a check that names every fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.catalog import KEYWORDS, Block, Catalog, block_faults, check_schema
from shared.workflows import BRANCHES

CATALOG = Catalog.builtin()
TYPES = """manual trigger_chat webhook cronjob if for-each filter pluck format regex log delay wait set-variable merge
agent summarize extract-json classify http-request send-webhook slack-send-message discord-send-message send-email
web-search reply_chat trigger-workflow human_confirmation""".split()


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for each in inner:
        if isinstance(each, dict):
            yield from subschemas(each)


def test_every_block_that_must_run_is_there() -> None:
    assert [block.type for block in CATALOG.all()] == TYPES


@pytest.mark.parametrize("block", CATALOG.all(), ids=lambda block: block.type)
def test_a_block_is_consistent(block: Block) -> None:
    assert block_faults(block, CATALOG) == []
    assert len(block.examples) >= 2
    assert block.family in ("trigger", "logic", "ai", "io")
    assert block.trigger == (block.family == "trigger")
    for root in (block.payloadSchema, block.resultSchema):
        assert root["type"] == "object"
        for schema in subschemas(root):
            assert schema.keys() <= KEYWORDS
            properties = schema.get("properties", {})
            assert all("description" in each for each in properties.values())
            assert set(schema.get("required", ())) <= properties.keys()
            assert all(choice.keys() == {"required"} for choice in schema.get("oneOf", ()))
    for example in block.examples:
        assert CATALOG.check(block.type, dict(example.payload), block.connector) == []


def test_loops_branches_triggers_and_connectors_are_marked() -> None:
    assert [block.type for block in CATALOG.all() if block.loop] == ["for-each"]
    assert {block.type: block.branches for block in CATALOG.all() if block.branches} == BRANCHES
    assert [block.type for block in CATALOG.all() if block.trigger] == TYPES[:4]
    assert {block.type: block.connector for block in CATALOG.all() if block.connector} == {
        "slack-send-message": "slack",
        "discord-send-message": "discord",
        "send-email": "smtp",
        "web-search": "web-search",
    }


def test_what_is_wrong_with_a_block_is_said() -> None:
    block = CATALOG.get("log")
    assert block is not None

    def faults(**members: Any) -> list[str]:
        return block_faults(block.model_copy(update=members), CATALOG)

    assert faults() == []
    assert faults(family="magic") == ["family: expected one of trigger, logic, ai, io, got magic"]
    assert faults(trigger=True) == ["trigger: expected False in the family logic, got True"]
    assert "search needs them" in faults(tags=())[0]
    assert faults(resultSchema={"type": "string"}) == ["resultSchema.type: expected object, got string"]
    wrong = {"type": "object", "required": ["b"], "properties": {"a": {"pattern": "(", "anyOf": []}}}
    found = "\n".join(faults(payloadSchema=wrong))
    for part in ("got anyOf", "payloadSchema.a.pattern: ", "payloadSchema.a: expected a description", "got b"):
        assert part in found
    example = block.examples[0].model_copy(update={"payload": {}})
    assert faults(examples=(example,))[0].startswith("examples.0.payload.message: message is required")


def test_an_unknown_block_is_named_with_a_near_one() -> None:
    assert CATALOG.get("teleport") is None
    (finding,) = CATALOG.check("send-emial", {})
    assert (finding.type, finding.field) == ("unknown_block", "type")
    assert "send-email" in finding.message


@pytest.mark.parametrize(
    ("block_type", "payload", "found"),
    [
        ("http-request", {}, [("payload_required", "payload.url")]),
        ("http-request", {"url": ""}, [("payload_required", "payload.url")]),
        ("http-request", {"url": None}, [("payload_required", "payload.url")]),
        ("http-request", {"url": 5}, [("payload_type", "payload.url")]),
        ("http-request", {"url": "ftp://x"}, [("payload_value", "payload.url")]),
        ("http-request", {"url": "{{root.url}}", "method": "{{root.method}}"}, []),
        ("http-request", {"url": "https://x.example", "method": "FLY"}, [("payload_value", "payload.method")]),
        ("http-request", {"url": "https://x.example", "method": None}, []),
        ("http-request", {"url": "https://x.example", "headers": {"A": 1}}, [("payload_type", "payload.headers.A")]),
        ("http-request", {"url": "https://x.example", "verb": "GET"}, [("payload_unknown", "payload.verb")]),
        ("delay", {"seconds": 2_592_000}, []),
        ("delay", {"seconds": 2_592_001}, [("payload_value", "payload.seconds")]),
        ("wait", {"timeoutSeconds": 2_592_000}, []),
        ("wait", {"timeoutSeconds": 2_592_001}, [("payload_value", "payload.timeoutSeconds")]),
        ("human_confirmation", {"message": "x", "timeoutSeconds": 2_592_000}, []),
        ("human_confirmation", {"message": "x", "timeoutSeconds": 2_592_001},
         [("payload_value", "payload.timeoutSeconds")]),
        ("http-request", {"url": "https://x.example", "retries": 5}, []),
        ("http-request", {"url": "https://x.example", "retries": 6}, [("payload_value", "payload.retries")]),
        ("http-request", {"url": "https://x.example", "retries": 1.5}, [("payload_type", "payload.retries")]),
        ("webhook", {"secret": "0123456789abcdef"}, []),
        ("webhook", {"secret": "short"}, [("payload_value", "payload.secret")]),
        ("delay", {"seconds": -1}, [("payload_value", "payload.seconds")]),
        ("delay", {"seconds": True}, [("payload_type", "payload.seconds")]),
        ("delay", {"seconds": 1.5}, []),
        ("delay", {"seconds": "{{root.n}}"}, []),
        ("for-each", {"items": [], "maxIterations": 1.5}, [("payload_type", "payload.maxIterations")]),
        ("for-each", {"items": [], "maxIterations": 2.0}, []),
        ("for-each", {"items": "a,b"}, [("payload_type", "payload.items")]),
        ("if", {"conditions": []}, [("payload_value", "payload.conditions")]),
        ("if", {"conditions": [{"left": 1, "op": ">"}]}, [("payload_value", "payload.conditions.0.op")]),
        ("if", {"conditions": [{"left": 1, "op": "exists"}] * 101}, [("payload_value", "payload.conditions")]),
        ("if", {"conditions": [{"op": "eq"}]}, [("payload_required", "payload.conditions.0.left")]),
        ("classify", {"text": "x", "labels": ["a"]}, [("payload_value", "payload.labels")]),
        ("classify", {"text": "x", "labels": ["a", ""]}, [("payload_value", "payload.labels.1")]),
        ("agent", {"prompt": "x", "temperature": 2}, [("payload_value", "payload.temperature")]),
        ("agent", {"prompt": "x", "input": {"any": ["thing"]}, "memory": False}, []),
        ("summarize", {"text": 7}, [("payload_type", "payload.text")]),
        ("summarize", {"text": ["a"]}, []),
        ("cronjob", {}, [("payload_required", "payload.rrule")]),
        ("cronjob", {"rrule": "FREQ=DAILY", "cron": "* * * * *"}, [("payload_value", "payload")]),
        ("cronjob", {"rrule": "every day"}, [("payload_value", "payload.rrule")]),
        ("cronjob", {"rrule": "RRULE:BYHOUR=9;FREQ=WEEKLY;BYDAY=MO"}, []),
        ("cronjob", {"cron": "* * *"}, [("payload_value", "payload.cron")]),
        ("cronjob", {"cron": "*/5 9-17 * * 1-5", "start": "2026-01-01T09:00:00Z"}, []),
        ("cronjob", {"cron": "0 9 * * *", "start": "soon"}, [("payload_value", "payload.start")]),
        ("manual", {"anything": 1}, []),
    ],
)
def test_payload_faults_are_named(block_type: str, payload: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert [(each.type, each.field) for each in CATALOG.check(block_type, payload)] == found


def test_all_faults_come_at_once() -> None:
    found = CATALOG.check("send-email", {"to": 1, "html": 2, "bcc": "x"}, "smtp")
    assert {each.field for each in found} == {f"payload.{name}" for name in ("to", "subject", "text", "html", "bcc")}


@pytest.mark.parametrize(
    ("block_type", "connector", "found"),
    [
        ("slack-send-message", None, ["connector_required"]),
        ("slack-send-message", "discord", ["connector_type"]),
        ("slack-send-message", "slack", []),
        ("log", "slack", ["connector_type"]),
        ("log", None, []),
    ],
)
def test_connectors_are_checked(block_type: str, connector: str | None, found: list[str]) -> None:
    payload: Any = {"channel": "#a", "text": "b"} if block_type.startswith("slack") else {"message": "a"}
    assert [each.type for each in CATALOG.check(block_type, payload, connector)] == found


def test_blocks_that_reach_out_can_be_tried_again() -> None:
    tried = [block.type for block in CATALOG.all() if "retries" in (block.payloadSchema.get("properties") or {})]
    assert tried == TYPES[TYPES.index("agent") : TYPES.index("reply_chat")]


def test_a_number_that_is_not_finite_is_no_integer() -> None:
    assert [each.type for each in check_schema(float("inf"), {"type": "integer"}, "x")] == ["payload_type"]


def test_the_wire_form_is_json() -> None:
    block = CATALOG.get("if")
    assert block is not None
    assert Block.model_validate(block.wire()) == block
    assert block.wire()["branches"] == ["then", "else"]
