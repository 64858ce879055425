"""Members of an organisation, and the API keys of a signed-in user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.errors import CaddieError
from shared.sessions import Revocations
from shared.store import accounts
from shared.store.accounts import Accounts
from tests.gateway.conftest import Gateway
from tests.gateway.signed_in import People, Person, gathered
from tests.gateway.test_identity import PASSWORD
from tests.product import until

MEMBERS = "/api/organisation/members"


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[People]:
    async with gathered(gateway) as found:
        yield found


@pytest.fixture
async def owner(people: People) -> Person:
    """The only one of the organisation."""
    return await people.stranger()


async def test_an_owner_adds_a_member_who_signs_in(people: People, owner: Person) -> None:
    made = await owner("POST", MEMBERS, {"email": "bob@example.org", "name": "Bob"})
    assert made.status == 201 and made.data["role"] == "member" and len(made.data["password"]) == 16
    signed = await people.browser().sign_in("bob@example.org", made.data["password"])
    assert (signed.status, signed.data["org"]["id"]) == (200, owner.org)
    given = await owner("POST", MEMBERS, {"email": "c@example.org", "name": "C", "password": PASSWORD, "role": "owner"})
    assert (given.data["password"], given.data["role"]) == (None, "owner")
    listed = (await owner("GET", MEMBERS)).data["members"]
    assert [each["email"] for each in listed][1:] == ["bob@example.org", "c@example.org"]
    assert (await owner("POST", MEMBERS, {"email": "BOB@example.org", "name": "Bob"})).status == 409


async def test_members_see_and_only_owners_change(people: People, owner: Person) -> None:
    bob = await people.member(owner.org)
    assert len((await bob("GET", MEMBERS)).data["members"]) == 2
    for method, path, body in (
        ("POST", MEMBERS, {}),
        ("PATCH", f"{MEMBERS}/{bob.id}", {"role": "owner"}),
        ("DELETE", f"{MEMBERS}/{owner.id}", None),
    ):
        assert (await bob(method, path, body)).status == 403


async def test_the_last_owner_stays(people: People, owner: Person) -> None:
    bob = await people.member(owner.org)
    for method, body in (("DELETE", None), ("PATCH", {"role": "member"})):
        refused = await owner(method, f"{MEMBERS}/{owner.uuid}", body)
        assert (refused.status, refused.body["error"]) == (409, "Conflict")
    assert (await owner("PATCH", f"{MEMBERS}/{bob.uuid}", {"role": "owner"})).data["role"] == "owner"
    assert (await owner("PATCH", f"{MEMBERS}/{owner.id}", {"role": "member"})).status == 200


async def test_two_owners_cannot_remove_each_other_at_once(people: People, owner: Person) -> None:
    bob = await people.member(owner.org, "owner")
    replies = await asyncio.gather(
        owner("DELETE", f"{MEMBERS}/{bob.id}"), bob("DELETE", f"{MEMBERS}/{owner.id}")
    )
    assert sorted(reply.status for reply in replies) == [204, 409]


async def test_who_leaves_is_out_with_keys_and_sessions(gateway: Gateway, people: People, owner: Person) -> None:
    bob = await people.member(owner.org)
    key = (await bob("POST", "/api/keys", {"name": "ci"})).data["key"]
    assert (await owner("DELETE", f"{MEMBERS}/{bob.id}")).status == 204

    async def out() -> bool:
        return (await bob("GET", "/api/auth/session")).status == 401

    await until(out, 5)
    client = gateway.client.with_key(key)
    await until(lambda: _refused(client), 5)
    _, revoked = await Revocations(gateway.redis).since("0-0")
    assert ("user", str(bob.id)) in [(each.kind, each.id) for each in revoked]
    assert (await owner("DELETE", f"{MEMBERS}/{bob.id}")).status == 404
    back = await owner("POST", MEMBERS, {"email": "person2@example.org", "name": "Bob", "password": "another good one"})
    assert (back.status, back.data["id"]) == (201, bob.id)
    assert (await people.browser().sign_in("person2@example.org", "another good one")).status == 200
    assert await _refused(client)


async def _refused(client: object) -> bool:
    return (await client.get("/v1/workflows")).status == 401  # type: ignore[attr-defined, no-any-return]


async def test_a_demoted_owner_s_mighty_keys_end(gateway: Gateway, people: People, owner: Person) -> None:
    bob = await people.member(owner.org, "owner")
    mighty = (await bob("POST", "/api/keys", {"name": "all", "scopes": ["read", "admin"]})).data["id"]
    small = (await bob("POST", "/api/keys", {"name": "read", "scopes": ["read"]})).data["id"]
    await owner("PATCH", f"{MEMBERS}/{bob.id}", {"role": "member"})
    keys = {each["id"]: each["disabledAt"] for each in (await bob("GET", "/api/keys")).data["keys"]}
    assert keys[mighty] is not None and keys[small] is None


async def test_another_organisation_s_member_is_absent(people: People, owner: Person) -> None:
    eve = await people.stranger()
    for handle in (str(eve.id), eve.uuid, "99999", "x"):
        assert (await owner("DELETE", f"{MEMBERS}/{handle}")).status == 404
        assert (await owner("PATCH", f"{MEMBERS}/{handle}", {"role": "member"})).status == 404
        # Not even a wrong body tells that there is such a user.
        assert (await owner("PATCH", f"{MEMBERS}/{handle}", {"role": "king"})).status == 404


async def test_the_password_of_before_lets_nobody_back_in(
    gateway: Gateway, people: People, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await people.member(owner.org)
    await owner("DELETE", f"{MEMBERS}/{bob.id}")

    async def away(*_: object) -> bool:
        raise CaddieError("UNAVAILABLE", "away")

    with monkeypatch.context() as patch:
        patch.setattr(Accounts, "set_password", away)
        back = {"email": "person2@example.org", "name": "Bob"}
        assert (await owner("POST", MEMBERS, back)).status == 503
    assert (await people.browser().sign_in("person2@example.org")).status == 401


async def test_keys_are_found_however_many_the_organisation_has(
    people: People, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "KEYS_LISTED", 2)
    bob = await people.member(owner.org)
    made = (await owner("POST", "/api/keys", {"name": "first"})).data["id"]
    for _ in range(3):
        await bob("POST", "/api/keys", {"name": "later"})
    assert [each["id"] for each in (await owner("GET", "/api/keys")).data["keys"]] == [made]
    assert (await owner("DELETE", f"/api/keys/{made}")).status == 204


async def test_a_user_makes_lists_and_disables_keys_of_their_own(gateway: Gateway, people: People) -> None:
    ada, bob = await people.member(), await people.member()
    made = await ada("POST", "/api/keys", {"name": "ci"})
    assert made.status == 201 and made.data["scopes"] == ["decide", "read", "write"]
    client = gateway.client.with_key(made.data["key"])
    assert (await client.get("/v1/workflows")).status == 200
    listed = (await ada("GET", "/api/keys")).data["keys"]
    assert [each["id"] for each in listed] == [made.data["id"]] and "key" not in listed[0]
    assert (await bob("GET", "/api/keys")).data["keys"] == []
    assert (await bob("DELETE", f"/api/keys/{made.data['id']}")).status == 403
    assert (await ada("DELETE", f"/api/keys/{made.data['id']}")).status == 204
    assert await _refused(client)


async def test_a_key_can_do_no_more_than_its_user(people: People, owner: Person) -> None:
    ada = await people.member()
    refused = await ada("POST", "/api/keys", {"name": "x", "scopes": ["read", "admin"]})
    assert (refused.status, refused.body["error"]) == (403, "Forbidden")
    assert (await owner("POST", "/api/keys", {"name": "x", "scopes": ["admin", "eval"]})).status == 201
    for body, field in (({"name": ""}, "name"), ({"name": "x", "scopes": []}, "scopes"), ({"name": "x", "a": 1}, "a")):
        refused = await ada("POST", "/api/keys", body)
        assert (refused.status, refused.fields) == (400, [field])


async def test_a_stranger_s_key_is_absent(people: People, owner: Person) -> None:
    ada = await people.member()
    theirs = (await owner("POST", "/api/keys", {"name": "x"})).data["id"]
    assert (await ada("DELETE", f"/api/keys/{theirs}")).status == 404
    assert (await ada("DELETE", "/api/keys/zzz")).status == 404
