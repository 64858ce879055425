from __future__ import annotations

import asyncio

import pytest

from shared.errors import CaddieError
from shared.store import Store, connectors
from tests.shared.store.conftest import Tenant


async def test_a_connector_is_kept_sealed_and_its_test_belongs_to_its_credentials(store: Store, tenant: Tenant) -> None:
    made = await store.connectors.create(tenant.org, tenant.user, "slack", "Team", "sealed1")
    assert (made.type, made.name, made.sealed, made.test_ok) == ("slack", "Team", "sealed1", None)
    assert "sealed1" not in repr(made)
    tested = await store.connectors.tested(made, True)
    assert tested.test_ok and tested.tested_at is not None
    renamed = await store.connectors.update(tenant.org, tenant.user, made.id, name="Crew")
    assert (renamed.name, renamed.test_ok) == ("Crew", True)
    changed = await store.connectors.update(tenant.org, tenant.user, made.id, sealed="sealed2")
    assert (changed.sealed, changed.test_ok, changed.tested_at) == ("sealed2", None, None)
    # A test of the credentials before says nothing of these.
    assert (await store.connectors.tested(made, True)).test_ok is None
    assert await store.connectors.get(tenant.org, tenant.user, made.id) == changed


async def test_a_name_is_one_connector_per_user_and_type(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    results = await asyncio.gather(
        *(store.connectors.create(tenant.org, tenant.user, "slack", "A", str(number)) for number in range(10)),
        return_exceptions=True,
    )
    lost = [error for error in results if isinstance(error, CaddieError)]
    assert len(lost) == 9 and {error.code for error in lost} == {"CONFLICT"}
    await store.connectors.create(tenant.org, tenant.user, "discord", "A", "s")
    await store.connectors.create(stranger.org, stranger.user, "slack", "A", "s")
    other = await store.connectors.create(tenant.org, tenant.user, "slack", "B", "s")
    with pytest.raises(CaddieError, match="CONFLICT"):
        await store.connectors.update(tenant.org, tenant.user, other.id, name="A")
    listed = await store.connectors.list(tenant.org, tenant.user)
    assert [(each.type, each.name) for each in listed] == [("discord", "A"), ("slack", "A"), ("slack", "B")]
    assert len(await store.connectors.list(tenant.org, tenant.user, "slack")) == 2


async def test_somebody_else_s_connector_does_not_exist(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    made = await store.connectors.create(tenant.org, tenant.user, "slack", "A", "s")
    for org, user, name in ((stranger.org, stranger.user, made.id), (tenant.org, 99, made.id), (tenant.org, 1, "\0")):
        assert await store.connectors.get(org, user, name) is None
        assert not await store.connectors.delete(org, user, name)
        with pytest.raises(CaddieError, match="NOT_FOUND"):
            await store.connectors.update(org, user, name, name="X")
    assert await store.connectors.delete(tenant.org, tenant.user, made.id)
    assert not await store.connectors.delete(tenant.org, tenant.user, made.id)
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.connectors.tested(made, True)


async def test_names_and_numbers_of_connectors_are_bounded(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad in ("", "x" * 101, "a\0b"):
        with pytest.raises(CaddieError, match="INVALID"):
            await store.connectors.create(tenant.org, tenant.user, "slack", bad, "s")
    monkeypatch.setattr(connectors, "CONNECTORS_MAX", 1)
    await store.connectors.create(tenant.org, tenant.user, "slack", "A", "s")
    with pytest.raises(CaddieError, match="CONFLICT"):
        await store.connectors.create(tenant.org, tenant.user, "slack", "B", "s")
