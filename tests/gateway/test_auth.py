from __future__ import annotations

import pytest

from gateway.limits import FAILED_AUTHENTICATIONS
from tests.gateway.conftest import PATH, Client, Gateway


async def test_no_key_a_wrong_key_and_another_scheme_are_401(client: Client) -> None:
    for headers in (
        {"Authorization": "Bearer " + "x" * 43},
        {"Authorization": "Bearer short"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer " + "ü" * 40},
        {},
    ):
        reply = await client.with_key("").post(PATH, {"message": "hello"}, headers=headers)
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert reply.body["code"] == 401001 and reply.body["message"].startswith("expected")


async def test_authentication_comes_before_the_body(client: Client) -> None:
    assert (await client.with_key("").raw(b"{")).status == 401


async def test_the_scheme_is_case_insensitive(client: Client) -> None:
    reply = await client.with_key("").get("/v1/blocks", headers={"Authorization": f"bearer {client.key}"})
    assert reply.status == 200


async def test_a_session_token_is_no_api_key(client: Client) -> None:
    token = (await client.chat(message="hello")).body["sessionToken"]
    reply = await client.with_key(token).chat(message="hello")
    assert reply.status == 401
    assert "session token" in reply.body["message"] and token not in str(reply.body)


async def test_a_key_in_the_query_string_means_nothing(client: Client) -> None:
    assert (await client.with_key("").get(f"/v1/blocks?token={client.key}")).status == 401


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/workflows", "read"), ("POST", "/v1/workflows", "write"), ("PATCH", "/v1/workflows/x", "write"),
        ("DELETE", "/v1/workflows/x", "write"), ("GET", "/v1/keys", "admin"), ("POST", "/v1/keys", "admin"),
        ("POST", PATH, "read"), ("POST", "/v1/ai/workflow/chat/cancel", "write"), ("GET", "/v1/blocks", "read"),
    ],
)  # fmt: skip
async def test_a_scope_that_is_missing_is_named(gateway: Gateway, method: str, path: str, scope: str) -> None:
    others = {"read", "write", "decide", "eval", "admin"} - {scope}
    client = await gateway.key(*others)
    reply = await client(method, path)
    assert reply.status == 403
    assert reply.body["code"] == 403002 and reply.body["data"] == {"scopeNeeded": scope}


async def test_an_address_that_keeps_failing_is_throttled_and_a_good_key_is_not(client: Client) -> None:
    stranger = client.with_key("y" * 43)
    statuses = [(await stranger.get("/v1/blocks")).status for _ in range(FAILED_AUTHENTICATIONS + 3)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert (await client.get("/v1/blocks")).status == 200
