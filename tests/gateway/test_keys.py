from __future__ import annotations

import pytest

from shared.errors import CaddieError
from shared.sessions import Revocations
from tests.gateway.conftest import Gateway
from tests.gateway.test_chat_stream import verified


async def test_a_key_is_shown_once_and_works_until_disabled(gateway: Gateway) -> None:
    admin = await gateway.key("admin", org=1, user=1)
    made = await admin.post("/v1/keys", {"name": "ci", "scopes": ["read", "write"]})
    assert made.status == 201 and made.data["scopes"] == ["read", "write"]
    client = gateway.client.with_key(made.data["key"])
    session = await client.chat(message="hello")
    assert session.status == 200
    listed = await admin.get("/v1/keys")
    assert made.data["key"] not in str(listed.body)
    assert made.data["id"] in [key["id"] for key in listed.data["keys"]]
    for _ in range(2):
        assert (await admin("DELETE", f"/v1/keys/{made.data['id']}")).status == 204
    assert (await client.get("/v1/blocks")).status == 401
    with pytest.raises(CaddieError) as caught:
        await Revocations(gateway.redis).check(verified(gateway.settings, session.body["sessionToken"]))
    assert caught.value.code == "TOKEN_REVOKED"


async def test_disabling_a_key_leaves_the_sessions_of_others(gateway: Gateway) -> None:
    admin = await gateway.key("admin", org=1, user=1)
    kept = await gateway.client.chat(message="hello")
    made = (await admin.post("/v1/keys", {"name": "ci", "scopes": ["read"]})).data
    await admin("DELETE", f"/v1/keys/{made['id']}")
    await Revocations(gateway.redis).check(verified(gateway.settings, kept.body["sessionToken"]))


async def test_keys_of_another_organisation_do_not_exist(gateway: Gateway) -> None:
    stranger = await gateway.key("admin")
    assert (await stranger("DELETE", "/v1/keys/1")).status == 404
    assert [key["id"] for key in (await stranger.get("/v1/keys")).data["keys"]] != [1]
    assert (await gateway.client.get("/v1/blocks")).status == 200


async def test_a_key_needs_a_name_and_known_scopes(gateway: Gateway) -> None:
    admin = await gateway.key("admin")
    assert (await admin.post("/v1/keys", {"name": "", "scopes": ["read"]})).fields == ["name"]
    assert (await admin.post("/v1/keys", {"name": "x", "scopes": []})).fields == ["scopes"]
    assert (await admin.post("/v1/keys", {"name": "x", "scopes": ["root"]})).fields == ["scopes.0"]
