"""A real Chromium on the served page."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from shared.settings import Settings
from tests.product import Product, free_port, running
from tests.proxy import Cable

PAGE = Path(__file__).parents[2] / "gateway" / "static" / "index.html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
#: Slow enough to be in the middle of something, fast enough not to wait for it.
WORDS_PER_S = 30
PASSWORD = "correct horse battery"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = os.environ.get("CADDIE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: the page was not tried in a browser")
    if not PAGE.exists():
        pytest.skip("the page is not built (make setup): it was not tried in a browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        await browser.close()


@pytest.fixture
async def cable(settings: Settings) -> AsyncIterator[tuple[Cable, Settings]]:
    """A cable between browser and Socket.IO server, and settings that lead through it."""
    port = free_port()
    cable = Cable(port)
    public = await cable.open()
    update = {
        "server_port": port, "server_public_url": f"http://127.0.0.1:{public}", "offline_words_per_s": WORDS_PER_S,
    }  # fmt: skip
    yield cable, settings.model_copy(update=update)
    await cable.close()


@pytest.fixture
async def wired(cable: tuple[Cable, Settings]) -> AsyncIterator[Product]:
    async with running(cable[1]) as product:
        yield product


@pytest.fixture
async def page(browser: Browser, wired: Product) -> AsyncIterator[Page]:
    """Signed in; fails when the page wrote an error to the console."""
    context = await browser.new_context(timezone_id="Europe/Berlin", viewport={"width": 1280, "height": 850})
    context.set_default_timeout(15_000)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda entry: faults.append(entry.text) if "Content Security Policy" in entry.text else None)
    await sign_in(page, wired)
    yield page
    await context.close()
    assert faults == []


async def sign_in(page: Page, product: Product) -> None:
    """By e-mail and password, as printed at the first start."""
    user = await product.store.accounts.user(product.user)
    assert user is not None
    await product.store.accounts.set_password(product.org, product.user, PASSWORD)
    await page.goto(product.url)
    await page.get_by_test_id("email").fill(user.email)
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("sign-in").click()
    await page.get_by_test_id("connection").get_by_text("live").wait_for()
