from __future__ import annotations

from gateway.images import cid
from tests.gateway.conftest import Client, Gateway
from tests.gateway.test_images import image


async def test_the_catalog_is_listed_and_looked_up(client: Client) -> None:
    blocks = (await client.get("/v1/blocks")).data["blocks"]
    assert {"manual", "agent", "if"} <= {block["type"] for block in blocks}
    assert (await client.get("/v1/blocks/agent")).data == next(block for block in blocks if block["type"] == "agent")
    assert (await client.get("/v1/blocks/nothing")).status == 404


async def test_blocks_and_templates_are_searched(client: Client) -> None:
    found = (await client.get("/v1/search?q=send a slack message&limit=3")).data
    assert (found["mode"], found["reason"]) == ("lightweight", None)
    assert (found["hits"][0]["kind"], found["hits"][0]["type"]) == ("block", "slack-send-message")
    assert len(found["hits"]) == 3
    templates = (await client.get("/v1/search?q=refund with approval&kind=template")).data["hits"]
    assert templates[0]["type"] == "refund-approval" and templates[0]["title"]
    assert {hit["kind"] for hit in templates} == {"template"}
    blocks = (await client.get("/v1/search?q=refund approval&kind=block")).data["hits"]
    assert {hit["kind"] for hit in blocks} == {"block"}


async def test_hybrid_search_finds_by_meaning(client: Client) -> None:
    query = {"q": "shrink a lengthy paper to its gist", "kind": "block", "limit": "5"}
    assert "summarize" not in [hit["type"] for hit in (await client.get("/v1/search", params=query)).data["hits"]]
    found = (await client.get("/v1/search", params={**query, "mode": "hybrid"})).data
    assert found["mode"] == "hybrid" and "summarize" in [hit["type"] for hit in found["hits"]]


async def test_a_search_says_which_field_is_wrong(client: Client) -> None:
    assert (await client.get("/v1/search")).fields == ["q"]
    assert (await client.get("/v1/search?q=x&kind=workflow")).fields == ["kind"]
    assert (await client.get("/v1/search?q=x&mode=magic")).fields == ["mode"]
    assert (await client.get("/v1/search?q=x&limit=51")).fields == ["limit"]


async def test_templates_are_listed_page_by_page(client: Client) -> None:
    first = (await client.get("/v1/templates?limit=40")).data
    rest = (await client.get(f"/v1/templates?limit=40&cursor={first['cursor']}")).data
    assert rest["cursor"] is None and first["total"] == rest["total"] == 40 + len(rest["templates"])
    ids = [each["id"] for each in (*first["templates"], *rest["templates"])]
    assert len(set(ids)) == first["total"] >= 48
    assert (await client.get("/v1/templates?cursor=nothing")).fields == ["cursor"]
    assert (await client.get("/v1/templates?limit=101")).fields == ["limit"]


async def test_templates_are_chosen_by_domain_and_tag(client: Client) -> None:
    news = (await client.get("/v1/templates?domain=news")).data
    assert {each["domain"] for each in news["templates"]} == {"news"} and "finance" in news["domains"]
    tagged = (await client.get("/v1/templates?domain=news&tag=headlines")).data
    assert [each["id"] for each in tagged["templates"]] == ["morning-news-digest"]
    assert (await client.get("/v1/templates?domain=nothing")).data["templates"] == []


async def test_a_template_is_a_workflow_to_begin_from(client: Client) -> None:
    template = (await client.get("/v1/templates/morning-news-digest")).data
    assert template["blocks"] == ["cronjob", "send-email", "summarize", "web-search"]
    assert template["connectors"] == ["smtp", "web-search"]
    required = {(each["nodeId"], each["field"]) for each in template["inputs"] if each["required"]}
    assert ("email", "payload.to") in required
    created = await client.post("/v1/workflows", {"name": template["title"], "definition": template["definition"]})
    assert (created.status, created.data["definition"]) == (201, template["definition"])
    assert (await client.get("/v1/templates/nothing")).status == 404


async def test_a_blob_is_shown_as_an_image_and_to_its_organisation_only(gateway: Gateway) -> None:
    content = image("PNG")
    await gateway.store.blobs.put(1, cid(content), "image/png", content)
    reply = await gateway.client.get(f"/v1/blobs/{cid(content)}")
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["Content-Security-Policy"].startswith("sandbox")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert (await (await gateway.key()).get(f"/v1/blobs/{cid(content)}")).status == 404
    assert (await gateway.client.get(f"/v1/blobs/{cid(b'other')}")).status == 404
    assert (await gateway.client.get("/v1/blobs/nonsense")).status == 404
