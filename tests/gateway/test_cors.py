from __future__ import annotations

import pytest

from shared.settings import Settings
from tests.gateway.conftest import PATH, Client, running

ASK = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
GOOD, BAD = "https://app.example.org", "https://evil.example"


async def test_a_configured_origin_may_call(settings: Settings) -> None:
    async with running(settings.model_copy(update={"origins": (GOOD + "/",)})) as gateway:
        client = await gateway.key()
        preflight = await client.with_key("")("OPTIONS", PATH, headers=ASK | {"Origin": GOOD})
        assert preflight.status == 204 and "POST" in preflight.headers["Access-Control-Allow-Methods"]
        assert {"Authorization", "Last-Event-ID"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
        for reply in (preflight, await client.get("/v1/blocks", headers={"Origin": GOOD})):
            assert reply.headers["Access-Control-Allow-Origin"] == GOOD and reply.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in reply.headers
        assert (await client("OPTIONS", PATH, headers={"Origin": GOOD})).status == 405
        for headers in (ASK | {"Origin": BAD}, ASK | {"Origin": "null"}, ASK):
            refused = await client("OPTIONS", PATH, headers=headers)
            assert refused.status == 405 and "Access-Control-Allow-Origin" not in refused.headers


@pytest.mark.parametrize("origin", [GOOD, "null"])
async def test_without_configuration_no_origin_is_allowed(client: Client, origin: str) -> None:
    reply = await client.get("/v1/blocks", headers={"Origin": origin})
    assert reply.status == 200 and "Access-Control-Allow-Origin" not in reply.headers
