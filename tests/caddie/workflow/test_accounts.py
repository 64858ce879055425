"""A step's account, out of the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from caddie.workflow.accounts import Accounts
from caddie.workflow.runner import Call, Origin, StepError
from shared import connectors
from shared.connectors import SlackConfig
from shared.seal import Seal
from shared.settings import Settings
from shared.store import Store
from shared.store.records import UserRecord
from shared.workflows import Connector


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    found = await Store.open(settings.database_address)
    yield found
    await found.close()


async def test_an_account_is_found_by_id_name_or_as_the_only_one(store: Store) -> None:
    seal = Seal.parse(Seal.generate())
    ada = await store.accounts.sign_up("Acme", "ada@example.com", "Ada")
    bob = await store.accounts.create_user(ada.org_id, "bob@example.com", "Bob")
    accounts, hidden = Accounts(store.connectors, seal), list[str]()

    async def add(user: UserRecord, name: str) -> str:
        config = connectors.parse("slack", {"webhookUrl": f"https://example.com/secret-of-{name}"})
        sealed = connectors.seal(seal, config, user.org_id, user.id)
        return (await store.connectors.create(user.org_id, user.id, "slack", name, sealed)).id

    def call(user: UserRecord, chosen: str | None = None) -> Call:
        connector = Connector(type="slack", id=chosen) if chosen else None
        origin = Origin("e", user.org_id, user.id, "w")
        return Call("n", "slack-send-message", {}, str(uuid4()), origin, connector, hide=hidden.append)

    async def opened(user: UserRecord, chosen: str | None = None) -> str:
        return (await accounts.open(call(user, chosen), "slack", SlackConfig)).webhookUrl.rpartition("-")[2]

    async def missing(user: UserRecord, chosen: str | None = None) -> str:
        with pytest.raises(StepError) as caught:
            await opened(user, chosen)
        assert caught.value.code == "CONNECTOR_MISSING" and not caught.value.retryable
        return caught.value.message

    assert await missing(ada) == "expected a connector of type slack: got none"
    news = await add(ada, "news")
    assert [await opened(ada, chosen) for chosen in (None, news, "news")] == ["news"] * 3
    assert "secret-of-news" in hidden and "https://example.com/secret-of-news" in hidden
    await add(ada, "alerts")
    assert "got 2 and no choice" in await missing(ada)
    assert await opened(ada, "alerts") == "alerts"
    for chosen in (news, "news", None):
        assert "got none" in await missing(bob, chosen)
    assert await accounts.has(call(ada), "slack") and not await accounts.has(call(bob), "slack")
