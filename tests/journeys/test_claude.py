"""The golden conversation on a stand-in for Claude, through every process; and nothing outside without a key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.fakes.anthropic import Answer, FakeAnthropic, Refusal
from tests.journeys.conftest import Deploy
from tests.product import GOLDEN, Product, assert_stored_equals_log

KEY = "sk-ant-test-0123456789abcdef"
BUILD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("edit_workflow", {"changes": [
        {"op": "add_node", "nodeId": "root", "type": "cronjob",
         "payload": {"rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", "timezone": "UTC"}},
        {"op": "add_node", "nodeId": "rates", "type": "http-request", "after": ["root"],
         "payload": {"method": "GET", "url": "https://example.com/rates"}},
    ]}),
    ("edit_workflow", {"changes": [
        {"op": "add_node", "nodeId": "check", "type": "if", "after": ["rates"],
         "payload": {"conditions": [{"left": "{{rates.body.euro}}", "op": "gt", "right": 1.1}]}},
    ]}),
)  # fmt: skip
POST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("edit_workflow", {"changes": [
        {"op": "add_node", "nodeId": "post", "type": "slack-send-message", "after": ["check"], "branch": "then",
         "payload": {"channel": "#fx", "text": "The euro is above 1.10"}},
    ]}),
    ("validate_workflow", {}),
)  # fmt: skip


def on_claude(settings: Settings, fake: FakeAnthropic) -> Settings:
    return settings.model_copy(
        update={"model": "claude", "anthropic_api_key": SecretStr(KEY), "anthropic_base_url": fake.url}
    )


async def test_claude_builds_the_workflow_through_every_process(settings: Settings, deploy: Deploy) -> None:
    script = (Answer("I build it.", "First the trigger.", BUILD), Answer("Now Slack.", calls=POST), Answer("Done."))
    async with FakeAnthropic(*script).running() as fake, deploy(on_claude(settings, fake)) as deployed:
        product = deployed.product
        client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
        end = await client.ended()
        assert end["data"]["outcome"] == "completed", end
        assert set(end["data"]["result"]["workflow"]["nodes"]) == {"root", "rates", "check", "post"}
        assert client.of("run.started")[0]["data"]["model"] == "anthropic/claude-sonnet-5-5"
        assert [event["data"]["ok"] for event in client.of("tool.finished")] == [True] * 4
        assert client.indices == list(range(1, end["index"] + 1))
        assert end["data"]["usage"]["outputTokens"] > 0
        assert len(fake.seen) == 3
        await assert_stored_equals_log(product, client.session["conversationId"])
        await client.socket.disconnect()


async def test_a_host_that_refuses_fails_the_run_and_the_conversation_goes_on(
    settings: Settings, deploy: Deploy
) -> None:
    script = (Refusal(400, message=f"the key {KEY} is odd"), Answer("Hello."))
    async with FakeAnthropic(*script).running() as fake, deploy(on_claude(settings, fake)) as deployed:
        product = deployed.product
        client = await product.client(0, message="hello", requestId=str(uuid4()))
        end = await client.ended()
        assert end["type"] == "run.failed"
        assert KEY not in str(client.events)
        await client.say("hello again")
        assert (await client.ended(2))["type"] == "run.finished"
        await assert_stored_equals_log(product, client.session["conversationId"])
        await client.socket.disconnect()


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads /proc")
async def test_without_a_key_a_worker_connects_to_nothing(settings: Settings, deploy: Deploy) -> None:
    async with FakeAnthropic(Answer("no")).running() as fake:
        offline = settings.model_copy(update={"model": "", "anthropic_base_url": fake.url})
        async with deploy(offline) as deployed:
            product: Product = deployed.product
            client = await product.client(0, message=GOLDEN, requestId=str(uuid4()))
            assert (await client.ended())["data"]["outcome"] == "completed"
            assert client.of("run.started")[0]["data"]["model"] == "offline/offline"
            assert outgoing(deployed.roles["worker"].process.pid) == []
            assert fake.seen == []
            await client.socket.disconnect()


def outgoing(pid: int) -> list[str]:
    """The process's TCP and UDP sockets that have a peer; Redis and SQLite need none here."""
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            own.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for row in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = row.split()
            peer, inode = fields[2], fields[9]
            if f"socket:[{inode}]" in own and int(peer.rpartition(":")[2], 16):
                found.append(row)
    return found
