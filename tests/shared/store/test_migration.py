from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, insert
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store import Store, migrate
from shared.store.database import Database
from shared.store.tables import Base

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


async def put(url: str, table: str, /, **values: Any) -> None:
    """Insert a row into a table as it is there, whatever this version's is like."""

    def work(session: Session) -> None:
        session.execute(insert(Table(table, MetaData(), autoload_with=session.connection())).values(values))

    database = Database(url)
    await database.write(work)
    await database.close()


async def old(url: str, revision: str, *workflows: str, definition: Any = None) -> None:
    """A database of an earlier revision, with a user who has these workflows."""
    await migrate(url, revision)
    await put(url, "organisations", id=1, uuid="o", name="First", created_at=MOMENT)
    await put(url, "users", id=1, uuid="u", org_id=1, email="a@example.com", name="A", role="owner", created_at=MOMENT)
    for name in workflows:
        its = {"slug": name, "name": name, "description": "", "version": 1, "updated_at": MOMENT, "enabled": True}
        whole = {"definition": definition or {"nodes": {}}, "created_at": MOMENT, **its}
        await put(url, "workflows", id=name, org_id=1, user_id=1, **whole)


async def test_migrations_produce_exactly_the_tables(url: str) -> None:
    database = Database(url)
    assert await database.read(lambda session: differences(session.connection())) == []
    await database.close()


async def test_migrating_from_several_places_at_once_and_again_is_safe(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    await migrate(empty_url)
    store = await Store.open(empty_url)
    assert not await store.accounts.any_users()
    await store.close()


async def test_conversations_about_workflows_that_have_gone_are_about_none(empty_url: str) -> None:
    await old(empty_url, "0006", "there")
    for name, link in (("kept", "there"), ("gone", "dead"), ("none", None)):
        its = {"public_id": name, "workflow_id": link, "title": "", "updated_at": MOMENT, "kind": "builder"}
        await put(empty_url, "conversations", org_id=1, user_id=1, created_at=MOMENT, **its)
    await migrate(empty_url)
    store = await Store.open(empty_url)
    found = await store.conversations.list(1, 1)
    assert {each.public_id: each.workflow_id for each in found.items} == {"kept": "there", "gone": None, "none": None}
    await store.close()


async def test_addresses_of_webhooks_go_on_working_when_only_their_digest_is_kept(empty_url: str) -> None:
    await old(empty_url, "0007", "flow")
    for node, secret in (("a", "A" * 32), ("b", "B_-" * 10)):
        await put(empty_url, "hooks", id=secret, org_id=1, workflow_id="flow", node_id=node, created_at=MOMENT)
    await migrate(empty_url)
    store = await Store.open(empty_url)
    found = await store.triggers.hook("A" * 32)
    assert found is not None and (found.workflow_id, found.node_id, found.created_at) == ("flow", "a", MOMENT)
    plain = {hook.node_id: secret for hook, secret in await store.triggers.plain_hooks()}
    assert plain == {"a": "A" * 32, "b": "B_-" * 10}
    await store.close()


async def test_triggers_of_workflows_from_before_are_armed(empty_url: str) -> None:
    definition = {
        "nodes": {
            "in": {"type": "webhook"}, "daily": {"type": "cronjob", "payload": {"cron": "0 9 * * *"}},
            "stray": {"type": "webhook"}, "odd": 7,
        },
        "triggerNodeIds": ["in", "daily", "odd", "gone", 5, "in"],
    }  # fmt: skip
    await old(empty_url, "0008", "before", "armed", definition=definition)
    armed = {"workflow_id": "armed", "org_id": 1}
    await put(empty_url, "hooks", **armed, node_id="in", created_at=MOMENT, digest="d", sealed="sealed")
    due = {"rule": {"cron": "0 9 * * *"}, "made_at": MOMENT, "armed": True, "next_at": MOMENT, "fired": 3}
    await put(empty_url, "schedules", **armed, node_id="daily", **due)
    for slug, odd in (("odd", ["webhook"]), ("later", {"nodes": {"root": {"type": "webhook"}}})):
        its = {"slug": slug, "name": slug, "description": "", "version": 1, "updated_at": MOMENT, "enabled": False}
        await put(
            empty_url, "workflows", id=slug, org_id=1, user_id=1, definition=odd, created_at=MOMENT, **its
        )
    await migrate(empty_url)
    store = await Store.open(empty_url)
    hooks = {name: await store.triggers.hooks(1, name) for name in ("before", "armed", "odd", "later")}
    assert {name: [(each.node_id, each.sealed) for each in found] for name, found in hooks.items()} == {
        "before": [("in", None)], "armed": [("in", "sealed")], "odd": [], "later": [("root", None)],
    }  # fmt: skip
    (fresh,) = await store.triggers.schedules(1, "before")
    assert (fresh.node_id, fresh.rule, fresh.armed, fresh.fired) == ("daily", {"cron": "0 9 * * *"}, False, 0)
    assert fresh.next_at == fresh.made_at is not None and fresh.made_at > MOMENT
    (kept,) = await store.triggers.schedules(1, "armed")
    assert (kept.next_at, kept.armed, kept.fired) == (MOMENT, True, 3)
    assert [each.workflow_id for each in await store.triggers.due_schedules(datetime.now(UTC))] == ["armed", "before"]
    await store.close()


async def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    await migrate(f"sqlite:///{tmp_path / 'x.db'}")
    assert (tmp_path / "x.db").stat().st_mode & 0o777 == 0o600


async def test_a_database_that_is_away_is_unavailable_at_migration() -> None:
    for url in ("sqlite:////nowhere/at/all.db", "postgresql://u:canary@127.0.0.1:9/x"):
        with pytest.raises(CaddieError, match="UNAVAILABLE") as caught:
            await migrate(url)
        assert "canary" not in str(caught.value)
