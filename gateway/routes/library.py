"""What clients look things up in: blocks, templates, their search, and stored images.

Invariant: bytes from a user are served so that a browser shows an image and runs nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.routing import Answer, Call, route
from shared.catalog import Block, Catalog
from shared.errors import CaddieError, Fault
from shared.plugins import library
from shared.search import Hit, Search
from shared.store import Store
from shared.templates import Template, TemplateInput, Templates


class Blocks(BaseModel):
    blocks: list[Block]


class TemplateSummary(BaseModel):
    """A template without its definition."""

    id: str
    title: str
    summary: str
    domain: str
    tags: list[str]
    examples: list[str]
    blocks: list[str] = Field(description="Types of the blocks it is made of.")
    connectors: list[str] = Field(description="Kinds of the outside accounts it needs.")


class TemplateDetails(TemplateSummary):
    inputs: list[TemplateInput]
    definition: dict[str, Any]


class TemplateList(BaseModel):
    templates: list[TemplateSummary]
    total: int = Field(description="How many there are with this domain and tag.")
    domains: list[str] = Field(description="All domains there are.")
    cursor: str | None = Field(description="Where the next page begins; null on the last one.")


class TemplatesQuery(BaseModel):
    domain: str | None = Field(None, min_length=1, max_length=32)
    tag: str | None = Field(None, min_length=1, max_length=64)
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = Field(None, min_length=1, max_length=64, description="That of the page before.")


class SearchHit(BaseModel):
    kind: Literal["block", "template"]
    type: str = Field(description="The type of the block, or the id of the template.")
    title: str
    summary: str
    score: float = Field(description="Comparable within one answer only.")


class SearchHits(BaseModel):
    hits: list[SearchHit]
    mode: Literal["lightweight", "hybrid"] = Field(description="The mode that was used.")
    reason: str | None = Field(description="Why it is not the mode that was asked for.")


class SearchQuery(BaseModel):
    q: str = Field(min_length=1, max_length=500)
    kind: Literal["block", "template", "all"] = "all"
    mode: Literal["lightweight", "hybrid"] = Field(
        "lightweight", description="Keywords, or keywords and embeddings with their ranks fused."
    )
    limit: int = Field(10, ge=1, le=50)


class Library:
    """Blocks, templates, search, blobs."""

    def __init__(self, store: Store, catalog: Catalog, templates: Templates | None = None) -> None:
        self._store, self._catalog = store, catalog
        self._templates = templates or library().templates
        self._search = Search(catalog, self._templates)

    @route(
        "GET", "/v1/blocks", summary="The block catalog", tag="library", scopes=("read",),
        answers={200: Answer(Blocks)},
    )  # fmt: skip
    async def block_list(self, call: Call[None, None]) -> Blocks:
        return Blocks(blocks=list(self._catalog.all()))

    @route(
        "GET", "/v1/blocks/{type:[A-Za-z0-9_.-]{1,64}}", summary="One block with its schemas", tag="library",
        scopes=("read",), answers={200: Answer(Block)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def block_get(self, call: Call[None, None]) -> Block:
        block = self._catalog.get(call.path["type"])
        if block is None:
            raise CaddieError("NOT_FOUND", "expected a block type of the catalog, got another")
        return block

    @route(
        "GET", "/v1/templates", summary="Workflow templates", tag="library", scopes=("read",),
        query=TemplatesQuery, answers={200: Answer(TemplateList)},
    )  # fmt: skip
    async def template_list(self, call: Call[None, TemplatesQuery]) -> TemplateList:
        query = call.query
        found = [
            each
            for each in self._templates.all()
            if query.domain in (None, each.domain) and (query.tag is None or query.tag in each.tags)
        ]
        start = next((place + 1 for place, each in enumerate(found) if each.id == query.cursor), 0)
        if query.cursor is not None and not start:
            raise _invalid("cursor", "expected the cursor of a page with the same domain and tag, got another")
        page = found[start : start + query.limit]
        return TemplateList(
            templates=[TemplateSummary(**self._summary(each)) for each in page],
            total=len(found),
            domains=sorted({each.domain for each in self._templates.all()}),
            cursor=page[-1].id if start + query.limit < len(found) else None,
        )

    @route(
        "GET", "/v1/templates/{id:[a-z0-9.-]{1,64}}", summary="One template with its definition", tag="library",
        scopes=("read",), answers={200: Answer(TemplateDetails)}, errors=("NOT_FOUND",),
    )  # fmt: skip
    async def template_get(self, call: Call[None, None]) -> TemplateDetails:
        template = self._templates.get(call.path["id"])
        if template is None:
            raise CaddieError("NOT_FOUND", "expected the id of a template, got another")
        return TemplateDetails(
            **self._summary(template), inputs=list(template.inputs), definition=template.definition.wire()
        )

    @route(
        "GET", "/v1/search", summary="Search blocks and templates", tag="library", scopes=("read",),
        query=SearchQuery, answers={200: Answer(SearchHits)},
    )  # fmt: skip
    async def library_search(self, call: Call[None, SearchQuery]) -> SearchHits:
        query = call.query
        by_kind = {"block": self._search.blocks, "template": self._search.templates, "all": self._search.everything}
        search = by_kind[query.kind]
        if query.mode == "hybrid":  # the first such call loads the vectors
            found = await asyncio.to_thread(search, query.q, query.limit, query.mode)
        else:
            found = search(query.q, query.limit, query.mode)
        hits = [hit for hit in map(self._hit, found.hits) if hit is not None]
        return SearchHits(hits=hits, mode=found.mode, reason=found.reason)

    @route(
        "GET", "/v1/blobs/{cid:b[a-z2-7]{58,120}}", summary="An image of a message, by its CIDv1", tag="library",
        scopes=("read",), errors=("NOT_FOUND",),
        answers={200: Answer(media_type="image/*", description="The bytes, for those of the organisation they are in")},
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

    def _summary(self, template: Template) -> dict[str, Any]:
        blocks = sorted({node.type for node in template.definition.nodes.values()})
        connectors = {block.connector for block in map(self._catalog.get, blocks) if block and block.connector}
        members = template.model_dump(include={"id", "title", "summary", "domain", "tags", "examples"})
        return {**members, "blocks": blocks, "connectors": sorted(connectors)}

    def _hit(self, hit: Hit) -> SearchHit | None:
        found = self._catalog.get(hit.type) if hit.kind == "block" else self._templates.get(hit.type)
        if found is None:
            return None
        return SearchHit(kind=hit.kind, type=hit.type, title=found.title, summary=found.summary, score=hit.score)


def _invalid(field: str, message: str) -> CaddieError:
    return CaddieError("INVALID", f"{field}: {message}", faults=(Fault(field, message),))
