from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.conftest import Client, Gateway

ROOT = {"type": "manual", "payload": {}, "children": []}
LOG = {"type": "log", "payload": {"message": "hi"}, "children": []}
ONE: dict[str, Any] = {"nodes": {"root": ROOT}}
TWO: dict[str, Any] = {"nodes": {"root": {**ROOT, "children": ["a"]}, "a": LOG}}


async def created(client: Client, **body: Any) -> Any:
    reply = await client.post("/v1/workflows", {"name": "Mine", "definition": ONE} | body)
    assert reply.status == 201, reply.body
    assert reply.body["code"] == 201 and reply.headers["ETag"] == '"1"'
    return reply.data


async def test_a_workflow_has_three_handles(client: Client) -> None:
    made = await created(client, slug="mine", description="d")
    assert (made["slug"], made["name"], made["description"], made["version"]) == ("mine", "Mine", "d", 1)
    assert made["definition"]["nodes"]["root"]["type"] == "manual"
    for handle in (made["id"], made["id"].upper(), made["number"], "mine"):
        assert (await client.get(f"/v1/workflows/{handle}")).data == made


async def test_a_workflow_may_begin_empty_and_its_slug_is_made_of_its_name(client: Client) -> None:
    reply = await client.post("/v1/workflows", {"name": "Été à Zürich!"})
    assert reply.status == 201 and reply.data["slug"] == "ete-a-zurich" and reply.data["definition"] == {"nodes": {}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": ""}, "name"), ({"name": "x" * 101}, "name"), ({"name": 5}, "name"),
        ({"name": "x", "slug": "Über"}, "slug"), ({"name": "x", "slug": "12345"}, "slug"),
        ({"name": "x", "slug": "-a"}, "slug"),
        ({"name": "x", "slug": "9b2f6c1e-8d0a-4c3b-9f57-1d2e3a4b5c6d"}, "slug"),
        ({"name": "x", "description": "x" * 501}, "description"), ({"name": "x", "definition": "y"}, "definition"),
        ({"name": "x", "definition": {"nodes": {}}}, "definition.nodes"),
        ({"name": "x", "definition": {"nodes": {"root": {**ROOT, "children": ["b"]}}}}, "definition.nodes.root"),
    ],
)  # fmt: skip
async def test_a_wrong_workflow_is_400_naming_the_field(client: Client, body: dict[str, Any], field: str) -> None:
    reply = await client.post("/v1/workflows", body)
    assert reply.status == 400 and reply.fields[0].startswith(field), reply.body


async def test_a_slug_in_use_is_409(client: Client) -> None:
    await created(client, slug="mine")
    other = await created(client, slug="other")
    assert (await client.post("/v1/workflows", {"name": "x", "slug": "mine"})).body["code"] == 409001
    assert (await client("PATCH", f"/v1/workflows/{other['id']}", {"slug": "mine"})).body["code"] == 409001


async def test_each_other_definition_is_a_version(client: Client) -> None:
    path = f"/v1/workflows/{(await created(client))['id']}"
    renamed = await client("PATCH", path, {"name": "Other", "description": "new"})
    assert (renamed.data["name"], renamed.data["description"], renamed.data["version"]) == ("Other", "new", 1)
    changed = await client("PATCH", path, {"definition": TWO, "note": "added a log"})
    assert changed.data["version"] == 2 and changed.headers["ETag"] == '"2"'
    assert (await client("PATCH", path, {"definition": TWO})).data["version"] == 2
    versions = (await client.get(f"{path}/versions")).data["versions"]
    assert [(version["version"], version["note"]) for version in versions] == [(2, "added a log"), (1, "created")]
    assert list((await client.get(f"{path}/versions/1")).data["definition"]["nodes"]) == ["root"]
    assert (await client.get(f"{path}/versions/3")).status == 404
    assert (await client.get(f"{path}/versions/999999999")).status == 404
    assert (await client.get(f"{path}/versions/0")).status == 404
    restored = await client.post(f"{path}/restore", {"version": 1})
    assert restored.data["version"] == 3 and list(restored.data["definition"]["nodes"]) == ["root"]
    assert (await client.post(f"{path}/restore", {"version": 9})).status == 404
    assert (await client.post(f"{path}/restore", {"version": 0})).fields == ["version"]


async def test_a_change_against_an_old_version_is_refused(client: Client) -> None:
    path = f"/v1/workflows/{(await created(client))['slug']}"
    assert (await client("PATCH", path, {"definition": TWO, "version": 1})).status == 200
    stale = await client("PATCH", path, {"definition": ONE, "version": 1})
    assert stale.body["code"] == 409004 and stale.body["data"] == {"expected": 1, "actual": 2}
    assert (await client("PATCH", path, {"definition": ONE}, headers={"If-Match": '"1"'})).status == 409
    assert (await client("PATCH", path, {"definition": ONE}, headers={"If-Match": "nonsense"})).fields == ["If-Match"]
    assert (await client("PATCH", path, {"definition": ONE}, headers={"If-Match": '"2"'})).status == 200
    assert (await client("PATCH", path, {"name": "x"}, headers={"If-Match": "*"})).status == 200


async def test_a_deleted_workflow_is_gone(client: Client) -> None:
    path = f"/v1/workflows/{(await created(client))['number']}"
    reply = await client("DELETE", path)
    assert (reply.status, reply.body) == (204, b"")
    assert (await client.get(path)).status == 404 and (await client("DELETE", path)).status == 404


async def test_the_list_has_pages_and_no_definitions(client: Client) -> None:
    for name in ("a", "b", "c"):
        await created(client, name=name)
    first = (await client.get("/v1/workflows?limit=2")).data
    second = (await client.get(f"/v1/workflows?limit=2&cursor={first['cursor']}")).data
    assert [entry["name"] for entry in first["workflows"] + second["workflows"]] == ["c", "b", "a"]
    assert second["cursor"] is None and "definition" not in first["workflows"][0]
    assert (await client.get("/v1/workflows?cursor=%21")).status == 400


async def test_nobody_else_sees_or_changes_a_workflow(gateway: Gateway) -> None:
    made = await created(gateway.client, slug="mine")
    for client in (await gateway.colleague(), await gateway.key()):
        for handle in (made["id"], made["number"], "mine"):
            path = f"/v1/workflows/{handle}"
            replies = [
                await client.get(path), await client("PATCH", path, {"name": "x"}), await client("DELETE", path),
                await client.get(f"{path}/versions"), await client.get(f"{path}/versions/1"),
                await client.post(f"{path}/restore", {"version": 1}),
            ]  # fmt: skip
            assert {reply.status for reply in replies} == {404}
        assert (await client.get("/v1/workflows")).data["workflows"] == []
    assert (await gateway.client.get("/v1/workflows/mine")).data == made


async def test_validation_reports_and_saves_nothing(client: Client) -> None:
    async def report(definition: Any) -> Any:
        reply = await client.post("/v1/workflows/validate", {"definition": definition})
        assert reply.status == 200, reply.body
        return reply.data

    assert await report(TWO) == {"valid": True, "errors": [], "incompleteFields": []}
    broken = await report({"nodes": {"root": {**ROOT, "children": ["ghost"]}}})
    assert broken["valid"] is False
    assert broken["errors"][0]["nodeId"] == "root" and broken["errors"][0]["type"] == "missing_child"
    assert set(broken["errors"][0]) <= {"type", "nodeId", "field", "message"}
    shape = await report({"nodes": {"root": {"payload": 5}}})
    assert shape["valid"] is False and {error["type"] for error in shape["errors"]} == {"bad_shape"}
    assert (await report({"nodes": {}}))["valid"] is False
    assert (await client.post("/v1/workflows/validate", {})).fields == ["definition"]
    assert (await client.get("/v1/workflows")).data["workflows"] == []
