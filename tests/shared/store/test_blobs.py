from __future__ import annotations

import asyncio

from shared.store import Store
from tests.shared.store.conftest import Tenant


async def test_the_same_bytes_are_kept_once_and_only_for_their_organisation(
    store: Store, tenant: Tenant, stranger: Tenant
) -> None:
    data = bytes(range(256)) * 100
    await asyncio.gather(*(store.blobs.put(tenant.org, "bafy1", "image/png", data) for _ in range(8)))
    found = await store.blobs.get(tenant.org, "bafy1")
    assert found is not None and (found.data, found.size, found.media_type) == (data, 25_600, "image/png")
    assert await store.blobs.get(stranger.org, "bafy1") is None
    assert await store.blobs.get(tenant.org, "other") is None
