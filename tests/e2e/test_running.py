"""A workflow that was built by talking is run in the page: watched, answered, looked at again."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from shared.settings import Settings
from tests.e2e.test_page import finished, say
from tests.product import GOLDEN, Product
from tests.proxy import Cable

pytestmark = pytest.mark.e2e
APPROVAL = "When I start it by hand, log hello and wait for my approval"
#: Outgoing requests to addresses of this machine are refused.
FAILING = "When I start it by hand, fetch http://127.0.0.1:9/rates and log the answer"


def node(page: Page, block: str) -> Locator:
    return page.locator(f'[data-testid="node"][data-type="{block}"]')


async def built(page: Page, text: str) -> None:
    """And told to run."""
    await say(page, text)
    await page.get_by_test_id("run-button").click()


async def test_a_run_lights_up_waits_and_is_approved(page: Page, wired: Product) -> None:
    await expect(page.get_by_test_id("run-button")).to_be_disabled()
    await built(page, APPROVAL)
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    await expect(node(page, "log")).to_have_attribute("data-state", "success")
    await expect(node(page, "human_confirmation")).to_have_attribute("data-state", "waiting")
    await page.get_by_test_id("run").get_by_role("button", name="Approve").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    await expect(page.get_by_test_id("run-result")).to_contain_text('"approved": true')
    await expect(node(page, "human_confirmation")).to_have_attribute("data-state", "success")
    await node(page, "log").click()
    await expect(page.get_by_test_id("node-input")).to_contain_text("Hello")
    await expect(page.get_by_test_id("node-state")).to_contain_text("Done")
    (kept,) = (await wired.store.executions.list(wired.org, wired.user)).items
    assert (kept.status, kept.trigger, kept.output["approved"]) == ("completed", "manual", True)


async def test_a_reload_shows_the_run_again_and_a_second_run_is_another(page: Page, wired: Product) -> None:
    await built(page, APPROVAL)
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    await page.reload()
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    await expect(node(page, "log")).to_have_attribute("data-state", "success")
    await page.get_by_test_id("run").get_by_role("button", name="Decline").click()
    await expect(page.get_by_test_id("run-result")).to_contain_text('"approved": false')
    await page.get_by_test_id("run-button").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    await page.get_by_test_id("run-cancel").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Cancelled")
    await page.get_by_test_id("run-close").click()
    await expect(page.get_by_test_id("run")).to_be_hidden()
    await expect(node(page, "log")).not_to_have_attribute("data-state", re.compile(".*"))
    await page.get_by_test_id("toggle-runs").click()
    await expect(page.get_by_test_id("past-run")).to_have_count(2)
    await page.get_by_test_id("past-run").last.click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    await expect(node(page, "log")).to_have_attribute("data-state", "success")
    assert len((await wired.store.workflows.list(wired.org)).items) == 1


async def test_a_run_goes_on_being_shown_when_the_cable_was_pulled(
    page: Page, cable: tuple[Cable, Settings], wired: Product
) -> None:
    await built(page, APPROVAL)
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    cable[0].pull()
    await expect(page.get_by_test_id("connection")).not_to_contain_text("live")
    # What is answered over HTTP is seen in the log once that is back.
    await page.get_by_test_id("run").get_by_role("button", name="Approve").click()
    cable[0].plug_in()
    await expect(page.get_by_test_id("connection")).to_contain_text("live")
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    await expect(node(page, "human_confirmation")).to_have_attribute("data-state", "success")


async def test_a_failure_is_shown_at_its_node(page: Page) -> None:
    await built(page, FAILING)
    await expect(page.get_by_test_id("run-status")).to_have_text("Failed")
    failed = node(page, "http-request")
    await expect(failed).to_have_attribute("data-state", "failed")
    await expect(failed).to_have_attribute("aria-label", re.compile("failed: .+"))
    await page.get_by_test_id("failed-node").click()
    await expect(page.get_by_test_id("node-error")).to_contain_text("expected an address of the public internet")
    await expect(failed).to_have_attribute("aria-pressed", "true")


async def test_a_chat_workflow_is_given_a_message_and_replies(page: Page) -> None:
    await built(page, 'When a chat message arrives, reply "Good morning"')
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("start-error")).to_contain_text("a value is needed")
    await page.get_by_label("Message", exact=True).last.fill("hello")
    await page.get_by_test_id("start").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    await expect(page.get_by_test_id("start-form")).to_be_hidden()
    await expect(page.get_by_test_id("run-said")).to_contain_text("Good morning")
    await page.locator('[data-node-id="root"]').press("Enter")
    await expect(page.get_by_test_id("node-output")).to_contain_text('"text": "hello"')


async def test_what_is_built_next_is_shown_on_the_canvas_and_runs_as_the_next_version(page: Page) -> None:
    await built(page, APPROVAL)
    await page.get_by_test_id("run").get_by_role("button", name="Approve").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Completed")
    await say(page, "also log goodbye at the end")
    await expect(page.get_by_test_id("run")).to_be_hidden()
    await expect(page.get_by_test_id("node")).to_have_count(4)
    await finished(page, answers=2)
    await page.get_by_test_id("run-button").click()
    await expect(page.get_by_test_id("run")).to_contain_text("version 2")
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")


async def test_what_caddie_runs_after_the_user_s_consent_lights_up_too(page: Page) -> None:
    await say(page, APPROVAL)
    await expect(page.get_by_test_id("run-button")).to_be_enabled()
    await say(page, "run it")
    await page.get_by_test_id("timeline").get_by_role("button", name="Run it").click()
    await expect(page.get_by_test_id("run-status")).to_have_text("Waits for you")
    await expect(node(page, "human_confirmation")).to_have_attribute("data-state", "waiting")


async def test_what_is_missing_is_the_reason_why_it_cannot_run(page: Page) -> None:
    await say(page, "post to Slack every hour")
    await expect(page.get_by_test_id("input-body")).to_contain_text("channel")
    await expect(page.get_by_test_id("run-reason")).to_contain_text("Not ready")
    await expect(page.get_by_test_id("run-button")).to_be_disabled()


async def test_who_came_with_a_key_is_told_how_to_run(page: Page, wired: Product) -> None:
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("use-key").click()
    await page.get_by_test_id("api-key").fill(wired.api_key)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_test_id("connection").get_by_text("live").wait_for()
    await say(page, GOLDEN)
    await expect(page.get_by_test_id("node")).to_have_count(4)
    await expect(page.get_by_test_id("run-reason")).to_contain_text("Sign in with e-mail and password")
    await expect(page.get_by_test_id("run-button")).to_be_disabled()
