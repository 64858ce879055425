from __future__ import annotations

from gateway.images import cid
from tests.gateway.conftest import Client, Gateway
from tests.gateway.test_images import image


async def test_the_catalog_is_listed_and_looked_up(client: Client) -> None:
    blocks = (await client.get("/v1/blocks")).data["blocks"]
    assert {"manual", "agent", "if"} <= {block["type"] for block in blocks}
    assert (await client.get("/v1/blocks/agent")).data == next(block for block in blocks if block["type"] == "agent")
    assert (await client.get("/v1/blocks/nothing")).status == 404


async def test_the_catalog_is_searched(client: Client) -> None:
    hits = (await client.get("/v1/search?q=send a slack message&limit=3")).data["hits"]
    assert hits[0]["type"] == "slack-send-message" and len(hits) <= 3
    assert (await client.get("/v1/search")).fields == ["q"]


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
