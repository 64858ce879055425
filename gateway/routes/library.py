"""What clients look things up in: the block catalog, its search, and stored images.

Invariant: bytes from a user are served so that a browser shows an image and runs nothing.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.routing import Answer, Call, route
from shared.catalog import Block, Catalog
from shared.errors import CaddieError
from shared.search import BlockSearch
from shared.store import Store


class Blocks(BaseModel):
    blocks: list[Block]


class SearchHit(BaseModel):
    kind: str
    type: str
    title: str
    summary: str
    score: float


class SearchHits(BaseModel):
    hits: list[SearchHit]


class SearchQuery(BaseModel):
    q: str = Field(min_length=1, max_length=500)
    limit: int = Field(10, ge=1, le=50)


class Library:
    """Blocks, search, blobs."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store, self._catalog, self._search = store, catalog, BlockSearch(catalog)

    @route(
        "GET", "/v1/blocks", summary="The block catalog", tag="library", scopes=("read",),
        answers={200: Answer(Blocks)},
    )  # fmt: skip
    async def block_list(self, call: Call[None, None]) -> Blocks:
        return Blocks(blocks=list(self._catalog.all()))

    @route(
        "GET", "/v1/blocks/{type:[A-Za-z0-9_-]{1,64}}", summary="One block with its schemas", tag="library",
        scopes=("read",), answers={200: Answer(Block)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def block_get(self, call: Call[None, None]) -> Block:
        block = self._catalog.get(call.path["type"])
        if block is None:
            raise CaddieError("NOT_FOUND", "expected a block type of the catalog, got another")
        return block

    @route(
        "GET", "/v1/search", summary="Search the block catalog by keywords", tag="library", scopes=("read",),
        query=SearchQuery, answers={200: Answer(SearchHits)},
    )  # fmt: skip
    async def library_search(self, call: Call[None, SearchQuery]) -> SearchHits:
        hits = self._search.search(call.query.q, call.query.limit)
        blocks = [(self._catalog.get(hit.type), hit.score) for hit in hits]
        return SearchHits(hits=[_hit(block, score) for block, score in blocks if block is not None])

    @route(
        "GET", "/v1/blobs/{cid:b[a-z2-7]{58,120}}", summary="An image of a message, by its CIDv1", tag="library",
        scopes=("read",), answers={200: Answer(media_type="image/*", description="The bytes")}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def blob_get(self, call: Call[None, None]) -> web.Response:
        blob = await self._store.blobs.get(call.principal.org, call.path["cid"])
        if blob is None:
            raise CaddieError("NOT_FOUND", "expected the CID of a stored image, got another")
        headers = {
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": "inline",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "ETag": f'"{blob.cid}"',
        }
        return web.Response(body=blob.data, content_type=blob.media_type, headers=headers)


def _hit(block: Block, score: float) -> SearchHit:
    members: dict[str, Any] = {"type": block.type, "title": block.title, "summary": block.summary}
    return SearchHit(kind="block", score=score, **members)
