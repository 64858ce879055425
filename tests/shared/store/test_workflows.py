from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.errors import CaddieError
from shared.store import Store
from tests.shared.store.conftest import Tenant

ONE = {"nodes": {"z": {"type": "manual"}, "a": {"type": "log", "payload": {"text": "a\0b"}}}}
TWO = {"nodes": {"z": {"type": "cronjob"}}}


async def test_a_workflow_is_found_by_each_of_its_handles(store: Store, tenant: Tenant) -> None:
    made = await store.workflows.create(tenant.org, tenant.user, "My Été flow!", description="d", definition=ONE)
    assert (made.slug, made.version, list(made.definition["nodes"])) == ("my-ete-flow", 1, ["z", "a"])
    for handle in (made.id, made.id.upper(), made.number, str(made.number), made.slug):
        assert await store.workflows.get(tenant.org, handle) == made
    for handle in ("", "nope", 0, -1, 2**40, "9" * 40, "a\0b", "é"):
        assert await store.workflows.get(tenant.org, handle) is None


async def test_derived_slugs_are_unique_even_when_made_at_once(store: Store, tenant: Tenant) -> None:
    made = await asyncio.gather(*(store.workflows.create(tenant.org, tenant.user, "Same") for _ in range(6)))
    assert sorted(each.slug for each in made) == ["same", "same-2", "same-3", "same-4", "same-5", "same-6"]
    assert len({each.number for each in made}) == 6


async def test_a_slug_may_exist_once_per_organisation(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    await store.workflows.create(tenant.org, tenant.user, "A", "taken")
    with pytest.raises(CaddieError, match="CONFLICT"):
        await store.workflows.create(tenant.org, tenant.user, "B", "taken")
    other = await store.workflows.create(tenant.org, tenant.user, "B", "free")
    with pytest.raises(CaddieError, match="CONFLICT"):
        await store.workflows.update(tenant.org, other.id, user_id=tenant.user, slug="taken")
    assert (await store.workflows.create(stranger.org, stranger.user, "A", "taken")).slug == "taken"


@pytest.mark.parametrize(
    ("name", "slug"), [("123", "workflow-123"), ("日本", "workflow"), ("--", "workflow"), ("x" * 100, "x" * 80)]
)
async def test_every_name_gives_a_slug_that_is_no_other_handle(
    store: Store, tenant: Tenant, name: str, slug: str
) -> None:
    assert (await store.workflows.create(tenant.org, tenant.user, name)).slug == slug


@pytest.mark.parametrize(
    "bad", [{"name": ""}, {"name": "x" * 101}, {"description": "x" * 501}, {"slug": "12"}, {"slug": "A b"}]
)
async def test_what_does_not_fit_is_invalid_with_its_field(store: Store, tenant: Tenant, bad: dict[str, Any]) -> None:
    with pytest.raises(CaddieError, match="INVALID") as caught:
        await store.workflows.create(tenant.org, tenant.user, **{"name": "W", **bad})
    assert [fault.field for fault in caught.value.faults] == list(bad)


async def test_another_definition_is_a_new_version_and_a_name_is_not(store: Store, tenant: Tenant) -> None:
    made = await store.workflows.create(tenant.org, tenant.user, "W", definition=ONE)
    renamed = await store.workflows.update(tenant.org, made.id, user_id=tenant.user, name="V", definition=ONE)
    assert (renamed.name, renamed.version) == ("V", 1)
    changed = await store.workflows.update(tenant.org, made.id, user_id=tenant.user, definition=TWO, note="why")
    assert (changed.version, changed.definition) == (2, TWO)
    restored = await store.workflows.restore(tenant.org, made.id, 1, user_id=tenant.user)
    assert (restored.version, restored.definition) == (3, ONE)
    versions = await store.workflows.versions(tenant.org, made.id)
    assert [(each.version, each.note) for each in versions] == [
        (3, "restored from version 1"),
        (2, "why"),
        (1, "created"),
    ]
    old = await store.workflows.version(tenant.org, made.id, 2)
    assert old is not None and old.definition == TWO
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.workflows.restore(tenant.org, made.id, 9, user_id=tenant.user)


async def test_one_of_many_changes_to_a_version_wins(store: Store, tenant: Tenant) -> None:
    made = await store.workflows.create(tenant.org, tenant.user, "W", definition=ONE)
    results = await asyncio.gather(
        *(
            store.workflows.update(
                tenant.org, made.id, user_id=tenant.user, expected_version=1, definition={"nodes": {"n": number}}
            )
            for number in range(10)
        ),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, CaddieError)]
    assert len(lost) == 9
    assert {error.code for error in lost} == {"VERSION_CONFLICT"}
    assert all(error.data == {"expected": 1, "actual": 2} for error in lost)


async def test_workflows_of_another_organisation_do_not_exist(store: Store, tenant: Tenant, stranger: Tenant) -> None:
    made = await store.workflows.create(tenant.org, tenant.user, "W", definition=ONE)
    for handle in (made.id, made.number, made.slug):
        assert await store.workflows.get(stranger.org, handle) is None
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.workflows.update(stranger.org, made.id, user_id=stranger.user, name="X")
    with pytest.raises(CaddieError, match="NOT_FOUND"):
        await store.workflows.restore(stranger.org, made.id, 1, user_id=stranger.user)
    assert not await store.workflows.delete(stranger.org, made.id)
    assert await store.workflows.versions(stranger.org, made.id) == []
    assert await store.workflows.version(stranger.org, made.id, 1) is None
    assert (await store.workflows.list(stranger.org)).items == []


async def test_pages_of_workflows_and_deleting(store: Store, tenant: Tenant) -> None:
    numbers = [(await store.workflows.create(tenant.org, tenant.user, f"W{n}")).number for n in range(5)]
    first = await store.workflows.list(tenant.org, 3)
    second = await store.workflows.list(tenant.org, 3, first.cursor, user_id=tenant.user)
    assert [each.number for each in [*first.items, *second.items]] == numbers[::-1]
    assert second.cursor is None
    gone = first.items[0]
    assert await store.workflows.delete(tenant.org, gone.id)
    assert not await store.workflows.delete(tenant.org, gone.id)
    assert await store.workflows.versions(tenant.org, gone.id) == []
    assert (await store.workflows.create(tenant.org, tenant.user, "New")).number > gone.number
