from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.app import build, listening
from shared.settings import Settings
from tests.gateway.conftest import Gateway


async def test_a_stop_lets_requests_under_way_end_and_takes_no_new_ones(
    settings: Settings, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> list[object]:
        entered.set()
        await go_on.wait()
        return []

    monkeypatch.setattr("shared.store.accounts.Accounts.list_api_keys", slow)
    admin = await gateway.key("admin")
    serving = listening(build(settings, CollectorRegistry()), settings)
    port = await serving.__aenter__()
    admin.url = f"http://127.0.0.1:{port}"
    request = asyncio.ensure_future(admin.get("/v1/keys"))
    await asyncio.wait_for(entered.wait(), 5)
    closing = asyncio.ensure_future(serving.__aexit__(None, None, None))
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        except OSError:
            break
    assert not closing.done()
    go_on.set()
    assert (await request).status == 200
    await asyncio.wait_for(closing, 10)


async def test_the_process_serves_and_ends_on_sigterm(settings: Settings, gateway: Gateway, tmp_path: Path) -> None:
    environment = {
        **os.environ, "CADDIE_GATEWAY_PORT": "0", "CADDIE_REDIS_URL": settings.redis_address,
        "CADDIE_DATABASE_URL": settings.database_address, "CADDIE_TOKEN_KEYS": settings.token_key_table,
        "CADDIE_SEAL_KEY": settings.seal_key_text, "CADDIE_ENV": "development", "PYTHONPATH": os.getcwd(),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while b"gateway.listening" not in (line := await asyncio.wait_for(process.stderr.readline(), 30)):
            assert line, "the process ended"
        port = int(line.split(b'"port": ')[1].split(b",")[0].rstrip(b"}\n"))
        client = gateway.client
        client.url = f"http://127.0.0.1:{port}"
        assert (await client.chat(message="hello")).status == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_process_refuses_to_start_without_its_settings(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CADDIE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", cwd=tmp_path, env=environment | {"PYTHONPATH": os.getcwd()},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 78
    for name in (b"CADDIE_REDIS_URL", b"CADDIE_DATABASE_URL", b"CADDIE_TOKEN_KEYS", b"CADDIE_SEAL_KEY"):
        assert name in said
