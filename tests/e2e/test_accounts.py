"""What a workflow built by talking still needs is connected in the page, and then it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from playwright.async_api import Page, expect

from shared.settings import Settings
from tests.caddie.workflow.blocks.counterparts import Receiver, receiving
from tests.e2e.test_page import finished, say
from tests.e2e.test_running import node
from tests.product import Product, until

pytestmark = pytest.mark.e2e
POSTING = "When I start it by hand, post “Rates are up” to Slack #fx"
SECRET = "zq-canary-secret"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_networks": ("127.0.0.1/32",)})


@pytest.fixture
async def site() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def filled(page: Page, url: str, name: str = "") -> None:
    """The form of a webhook, sent."""
    await page.get_by_test_id("account-webhookUrl").fill(url)
    if name:
        await page.get_by_test_id("account-name").fill(name)
    await page.get_by_test_id("account-save").click()


async def test_what_is_left_is_connected_tried_and_then_it_runs(page: Page, wired: Product, site: Receiver) -> None:
    await say(page, POSTING)
    await finished(page)
    await expect(page.get_by_test_id("needs")).to_contain_text("Slack account for")
    await expect(page.get_by_test_id("run-button")).to_be_disabled()
    await expect(node(page, "slack-send-message")).to_have_attribute("data-left", "account")
    await page.get_by_test_id("needs").get_by_test_id("connect").click()
    address = page.get_by_test_id("account-webhookUrl")
    await expect(address).to_be_focused()
    await expect(address).to_have_attribute("type", "password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("account-webhookUrl-error")).to_have_text("expected a value, got none")
    await expect(address).to_have_attribute("aria-invalid", "true")
    await filled(page, site.url(f"/{SECRET}"))
    account = page.get_by_test_id("account")
    await expect(account).to_contain_text(f"http://127.0.0.1:{site.port}")
    await account.get_by_test_id("account-test").click()
    await expect(account.get_by_test_id("account-state")).to_have_text("It works: posted a test line.")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("accounts")).to_be_hidden()
    await expect(page.get_by_test_id("needs")).to_be_hidden()
    await expect(page.get_by_test_id("notice-connect")).to_be_hidden()
    await expect(page.get_by_test_id("run-button")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    assert "Rates are up" in orjson.loads(site.seen[-1].body)["text"]
    assert SECRET not in await page.content()


async def test_one_of_several_is_chosen_and_what_was_removed_is_asked_for_again(
    page: Page, wired: Product, site: Receiver
) -> None:
    await say(page, POSTING)
    await finished(page)
    await page.get_by_test_id("notice-connect").click()
    await filled(page, site.url("/one"), "one")
    await expect(page.get_by_test_id("account")).to_have_count(1)
    await page.get_by_test_id("connect-slack").click()
    await expect(page.get_by_test_id("account-warning")).to_contain_text("“one”")
    await filled(page, site.url("/two"), "one")
    await expect(page.get_by_test_id("account-name-error")).to_contain_text("expected a name that is free")
    await filled(page, site.url("/two"), "two")
    await expect(page.get_by_test_id("account")).to_have_count(2)
    await page.get_by_test_id("accounts-close").click()
    await page.get_by_test_id("need-slack-choice").select_option("two")
    await expect(page.get_by_test_id("needs")).to_be_hidden()
    await page.get_by_test_id("run-button").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    assert [each.path for each in site.seen] == ["/two"]
    await page.get_by_test_id("open-accounts").click()
    used = page.get_by_test_id("account").filter(has_text="two")
    await used.get_by_test_id("account-remove").click()
    await used.get_by_test_id("account-remove-sure").click()
    await expect(page.get_by_test_id("account")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("run-button")).to_be_disabled()
    await node(page, "slack-send-message").click()
    await page.get_by_test_id("node-account-choice").select_option("one")
    await expect(page.get_by_test_id("run-button")).to_be_enabled()
    await page.get_by_test_id("run-button").click()
    await until(lambda: [each.path for each in site.seen] == ["/two", "/one"])


async def test_who_came_with_a_key_has_the_accounts_of_its_user(page: Page, wired: Product) -> None:
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("use-key").click()
    await page.get_by_test_id("api-key").fill(wired.api_key)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_test_id("open-accounts").click()
    await page.get_by_test_id("connect-http").click()
    await page.get_by_test_id("account-way").select_option("basic")
    await page.get_by_test_id("account-save").click()
    await expect(page.get_by_test_id("account-username-error")).to_contain_text("username and password")
    await page.get_by_test_id("account-username").fill("ada")
    await page.get_by_test_id("account-password").fill(SECRET)
    await page.get_by_test_id("account-hosts").fill("api.example.com, *.example.org")
    await page.get_by_test_id("account-save").click()
    await expect(page.get_by_test_id("account-config")).to_have_text("basic · ada · api.example.com · *.example.org")
    (kept,) = await wired.store.connectors.list(wired.org, wired.user)
    assert (kept.type, kept.name) == ("http", "http login")
    await page.get_by_test_id("account-change").click()
    await expect(page.get_by_test_id("account-username")).to_have_value("ada")
    await expect(page.get_by_test_id("account-password")).to_have_value("")
    await page.get_by_test_id("account-name").fill("partner")
    await page.get_by_test_id("account-save").click()
    await expect(page.get_by_test_id("account")).to_contain_text("partner")
    (renamed,) = await wired.store.connectors.list(wired.org, wired.user)
    assert (renamed.name, renamed.sealed) == ("partner", kept.sealed)


async def test_a_step_that_may_have_an_account_is_given_one_and_does_without_again(
    page: Page, wired: Product, site: Receiver
) -> None:
    await say(page, f"When I start it by hand, fetch {site.url('/json')} and log the answer")
    await finished(page)
    await expect(page.get_by_test_id("run-button")).to_be_enabled()
    await node(page, "http-request").click()
    await page.get_by_role("region", name="Node").get_by_test_id("connect").click()
    await page.get_by_test_id("account-bearer").fill(SECRET)
    await page.get_by_test_id("account-save").click()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("node-account-choice").locator("option:checked")).to_have_text("http login")
    await page.get_by_test_id("run-button").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    assert site.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    await page.get_by_test_id("open-accounts").click()
    await page.get_by_test_id("account-remove").click()
    await page.get_by_test_id("account-remove-sure").click()
    await expect(page.get_by_test_id("account")).to_have_count(0)
    await page.keyboard.press("Escape")
    await page.get_by_test_id("need-http-choice").select_option("None")
    await expect(page.get_by_test_id("needs")).to_be_hidden()
    await expect(page.get_by_test_id("run-button")).to_be_enabled()
    await page.get_by_test_id("run-button").click()
    await until(lambda: len(site.seen) == 2)
    assert "authorization" not in site.seen[-1].headers
