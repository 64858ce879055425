"""The page as a stranger uses it, in a real browser, with the cable pulled in the middle."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from shared.settings import Settings
from tests.product import GOLDEN, Product
from tests.proposed import workflow_of
from tests.proxy import Cable

pytestmark = pytest.mark.e2e


async def say(page: Page, text: str) -> None:
    await page.get_by_test_id("composer").fill(text)
    await page.keyboard.press("Enter")


async def indices(page: Page) -> list[int]:
    """The indices of the raw event list, in the order shown."""
    rows = await page.get_by_test_id("event").all_inner_texts()
    return sorted(int(found[1]) for row in rows if (found := re.match(r"\s*#?(\d+)", row)))


async def finished(page: Page, answers: int = 1) -> None:
    await expect(page.get_by_test_id("stop")).to_be_disabled()
    await expect(page.get_by_test_id("message-user")).to_have_count(answers)


async def test_a_message_streams_text_tools_and_nodes(page: Page) -> None:
    await page.get_by_test_id("example").click()
    await expect(page.get_by_test_id("node")).to_have_count(4)
    await finished(page)
    await expect(page.get_by_test_id("timeline")).to_contain_text("offline model")
    assert await page.get_by_test_id("tool").count() >= 5
    await expect(page.get_by_test_id("graph")).to_contain_text("slack-send-message")


async def test_the_page_goes_on_where_it_was_when_the_cable_was_pulled(
    page: Page, cable: tuple[Cable, Settings], wired: Product
) -> None:
    await page.get_by_test_id("toggle-events").click()
    await say(page, GOLDEN)
    await expect(page.get_by_test_id("message-assistant").first).to_contain_text("I will build")
    cable[0].pull()
    await expect(page.get_by_test_id("connection")).not_to_contain_text("live")
    cable[0].plug_in()
    await expect(page.get_by_test_id("connection")).to_contain_text("live")
    await expect(page.get_by_test_id("node")).to_have_count(4)
    await finished(page)
    seen = await indices(page)
    assert seen == list(range(1, len(seen) + 1))
    conversation = re.search(r"c=([\w.:-]+)", page.url)
    assert conversation is not None
    assert len(await wired.entries(conversation[1])) == len(seen)


async def test_a_question_is_answered_with_text_or_a_button(page: Page) -> None:
    await say(page, "post to Slack every hour")
    await expect(page.get_by_test_id("input-body")).to_contain_text("channel")
    await page.get_by_test_id("input-text").fill("#alerts")
    await page.get_by_test_id("input-send").click()
    await expect(page.get_by_test_id("input-body").last).to_contain_text("say")
    await page.get_by_test_id("input-option").last.click()
    await expect(page.get_by_test_id("graph")).to_contain_text("#alerts")


async def test_a_plan_is_changed_and_then_approved(page: Page) -> None:
    await say(page, f"Propose a plan: {GOLDEN}")
    plan = page.get_by_test_id("input").last
    await expect(plan).to_have_attribute("data-kind", "plan")
    await expect(plan.get_by_test_id("plan-step")).to_have_count(4)
    await expect(plan.get_by_test_id("plan-step").last).to_contain_text("slack-send-message")
    await expect(plan.get_by_test_id("input-text")).to_be_hidden()
    await plan.get_by_text("Change", exact=True).click()
    await plan.get_by_test_id("input-text").fill("also email the rates to ada@example.com")
    await plan.get_by_test_id("input-send").click()
    await expect(page.get_by_test_id("input")).to_have_count(2)
    await expect(page.get_by_test_id("node")).to_have_count(0)
    await page.get_by_test_id("input").last.get_by_text("Approve", exact=True).click()
    await expect(page.get_by_test_id("input-outcome").last).to_have_text("Approved.")
    await expect(page.get_by_test_id("graph")).to_contain_text("send-email")


async def test_what_is_said_while_it_works_is_taken_in(page: Page) -> None:
    await expect(page.get_by_test_id("when-busy")).to_be_hidden()
    await say(page, GOLDEN)
    await expect(page.get_by_test_id("message-assistant").first).to_contain_text("I will")
    await expect(page.get_by_test_id("when-busy")).to_have_value("steer")
    await say(page, "also email the rates to ada@example.com")
    await expect(page.get_by_test_id("outgoing-note")).to_have_text("Waiting to be taken in")
    await expect(page.get_by_test_id("steered")).to_have_text("Taken in while it worked")
    await expect(page.get_by_test_id("outgoing")).to_have_count(0)
    await expect(page.get_by_test_id("graph")).to_contain_text("send-email")


async def test_stop_ends_the_answer_and_keeps_it(page: Page) -> None:
    await say(page, GOLDEN)
    await expect(page.get_by_test_id("message-assistant").first).to_contain_text("I will")
    await page.get_by_test_id("stop").click()
    await finished(page)
    await expect(page.get_by_test_id("message-assistant").first).to_contain_text("I will")


async def test_a_reload_and_a_second_tab_show_the_same(page: Page, wired: Product) -> None:
    await say(page, "what can you do?")
    await expect(page.get_by_test_id("timeline")).to_contain_text("offline model")
    await finished(page)
    shown = await page.get_by_test_id("timeline").inner_text()
    await page.reload()
    await expect(page.get_by_test_id("timeline")).to_have_text(shown, use_inner_text=True)
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.get_by_test_id("timeline")).to_have_text(shown, use_inner_text=True)


async def test_what_a_user_writes_is_never_markup(page: Page) -> None:
    text = "<img src=x onerror=\"document.title='owned'\"><b>hello</b>"
    await say(page, text)
    await expect(page.get_by_test_id("message-user")).to_contain_text(text)
    await finished(page)
    assert await page.title() == "Caddie"
    assert await page.get_by_test_id("timeline").locator("img").count() == 0


async def test_a_wrong_password_is_refused_with_words(page: Page, wired: Product) -> None:
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("email").fill("ada@example.com")
    await page.get_by_test_id("password").fill("wrong horse")
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_test_id("sign-in-error")).to_contain_text("expected the e-mail address and password")


async def test_signing_out_ends_the_login_in_every_tab(page: Page, wired: Product) -> None:
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.get_by_test_id("connection").get_by_text("live").wait_for()
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("email").wait_for()
    await other.get_by_test_id("email").wait_for()
    await page.reload()
    await page.get_by_test_id("email").wait_for()
    assert (await wired.store.logins.list(wired.org, wired.user)) == []


async def test_an_api_key_is_the_other_way_in(page: Page, wired: Product) -> None:
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("use-key").click()
    await page.get_by_test_id("api-key").fill("caddie_wrong")
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_test_id("sign-in-error")).not_to_be_empty()
    await page.get_by_test_id("api-key").fill(wired.api_key)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_test_id("connection").get_by_text("live").wait_for()
    await say(page, "what can you do?")
    await expect(page.get_by_test_id("timeline")).to_contain_text("offline model")


async def test_a_proposal_is_applied(page: Page, wired: Product) -> None:
    workflow = await workflow_of(wired.store, wired.org, wired.user)
    answer = await page.request.post(f"{wired.url}/api/workflows/{workflow.id}/session", data={})
    thread = (await answer.json())["data"]["conversationId"]
    await page.get_by_test_id("sign-out").click()
    await page.get_by_test_id("use-key").click()
    await page.get_by_test_id("api-key").fill(wired.api_key)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_test_id("connection").get_by_text("live").wait_for()
    await page.goto(f"{wired.url}/#c={thread}")
    await expect(page.get_by_test_id("page")).to_have_attribute("data-conversation", thread)
    await say(page, "Add a step to summarize the search results")
    await expect(page.get_by_test_id("changes")).to_contain_text("(summarize) after step-1")
    await page.get_by_test_id("apply").click()
    await expect(page.get_by_test_id("proposal-outcome")).to_have_text(f"Applied by user {wired.user}: version 2.")
    await expect(page.get_by_test_id("apply")).to_be_hidden()


async def test_a_new_conversation_is_another_one(page: Page, wired: Product) -> None:
    first = page.url
    await page.get_by_test_id("new-conversation").click()
    await expect(page).not_to_have_url(first)
    await page.get_by_test_id("connection").get_by_text("live").wait_for()
    await page.goto(first)
    await expect(page).to_have_url(first)
    await page.get_by_test_id("connection").get_by_text("live").wait_for()


async def test_the_api_page_lists_the_routes(page: Page, wired: Product) -> None:
    await page.goto(wired.url + "/docs")
    await expect(page.get_by_text("/v1/ai/workflow/chat/stream").first).to_be_visible()
