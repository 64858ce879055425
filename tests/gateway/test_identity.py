"""Sign-up, sign-in, sign-out: real cookies over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from shared.sessions import Revocations
from tests.gateway.conftest import Gateway, Reply
from tests.product import until

PASSWORD = "correct horse battery"


@dataclass
class Browser:
    """Keeps cookies like one, and says with each request that its own page has sent it."""

    http: aiohttp.ClientSession
    url: str

    async def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        sent = {"Sec-Fetch-Site": "same-origin"} | {name.replace("_", "-"): value for name, value in headers.items()}
        options = {} if json is None else {"json": json}
        async with self.http.request(method, self.url + path, headers=sent, **options) as response:
            raw = await response.read()
            body = await response.json() if response.content_type == "application/json" else raw
            return Reply(response.status, response.headers, body)

    async def sign_up(self, email: str = "ada@example.org") -> Reply:
        return await self("POST", "/api/auth/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada"})

    async def sign_in(self, email: str = "ada@example.org", password: str = PASSWORD) -> Reply:
        return await self("POST", "/api/auth/sign-in/email", {"email": email, "password": password})


@pytest.fixture
async def browsers(gateway: Gateway) -> AsyncIterator[list[Browser]]:
    """Two browsers that share nothing."""
    sessions = [aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) for _ in range(2)]
    yield [Browser(session, gateway.client.url) for session in sessions]
    for session in sessions:
        await session.close()


@pytest.fixture
def browser(browsers: list[Browser]) -> Browser:
    return browsers[0]


async def test_sign_up_makes_an_organisation_with_its_owner_and_signs_in(browser: Browser) -> None:
    made = await browser.sign_up()
    assert made.status == 201
    user, org = made.data["user"], made.data["org"]
    assert (user["email"], user["name"], org["role"]) == ("ada@example.org", "Ada", "owner")
    assert set(user) == {"id", "uuid", "email", "name"}
    seen = await browser("GET", "/api/auth/session")
    assert (seen.status, seen.body) == (200, {"data": {"user": user, "org": org}})


async def test_the_cookie_is_for_http_only_and_this_site_only(browser: Browser) -> None:
    made = await browser.sign_up()
    cookie = made.headers["Set-Cookie"]
    assert cookie.startswith("caddie=")
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Secure" not in cookie


async def test_off_loopback_the_cookie_is_secure_and_bound_to_the_host(browser: Browser) -> None:
    made = await browser("POST", "/api/auth/sign-up/email", {"email": "a@b.c", "password": PASSWORD, "name": "A"},
                         Host="chat.example.com")  # fmt: skip
    cookie = made.headers["Set-Cookie"]
    assert cookie.startswith("__Host-caddie=") and "Secure" in cookie and "HttpOnly" in cookie
    secret = cookie.partition(";")[0]
    seen = await browser("GET", "/api/auth/session", Host="chat.example.com", Cookie=secret)
    assert seen.status == 200
    # The name of the one is worth nothing at the other.
    assert (await browser("GET", "/api/auth/session", Cookie=secret)).status == 401


async def test_a_wrong_password_and_an_unknown_address_are_the_same_answer(browser: Browser) -> None:
    await browser.sign_up()
    wrong = await browser.sign_in(password="wrong horse")
    unknown = await browser.sign_in(email="eve@example.org")
    assert (wrong.status, unknown.status) == (401, 401)
    assert wrong.body == unknown.body and wrong.body["error"] == "Unauthorized"
    assert "Set-Cookie" not in wrong.headers and "WWW-Authenticate" not in wrong.headers


async def test_sign_in_is_throttled_per_address_of_mail(browser: Browser) -> None:
    await browser.sign_up()
    statuses = [(await browser.sign_in(password=f"wrong {number}")).status for number in range(11)]
    assert statuses == [401] * 10 + [429]
    right = await browser.sign_in()
    assert right.status == 429 and int(right.headers["Retry-After"]) > 0


async def test_without_a_login_the_answer_is_401_in_the_family_s_words(browser: Browser) -> None:
    missing = await browser("GET", "/api/auth/session")
    assert (missing.status, missing.body) == (401, {"error": "Unauthorized", "message": "Valid session required"})
    for junk in ("x", "x" * 43, "é", "../../" + "x" * 37, "'; drop table users; --"):
        assert (await browser("GET", "/api/auth/session", Cookie=f"caddie={junk}")).status == 401


async def test_an_api_key_is_no_login_and_a_login_no_api_key(gateway: Gateway, browser: Browser) -> None:
    assert (await gateway.client.get("/api/auth/session")).status == 401
    await browser.sign_up()
    assert (await browser("GET", "/v1/workflows")).status == 401


async def test_sign_out_ends_the_login_and_its_realtime_sessions(gateway: Gateway, browser: Browser) -> None:
    made = await browser.sign_up()
    org, user = made.data["org"]["id"], made.data["user"]["id"]
    login = (await gateway.store.logins.list(org, user))[0]
    live = await gateway.store.sessions.create(
        org, user, "c1", ["read"], login.expires_at, login_id=login.id, session_id="s-of-login"
    )
    assert (await browser("POST", "/api/auth/sign-out")).status == 204
    assert (await browser("GET", "/api/auth/session")).status == 401
    ended = await gateway.store.sessions.get(org, live.id)
    assert ended is not None and ended.revoked_at is not None
    _, revoked = await Revocations(gateway.redis).since("0-0")
    assert ("session", "s-of-login") in [(each.kind, each.id) for each in revoked]


async def test_a_user_sees_the_browsers_signed_in_and_ends_one(browsers: list[Browser]) -> None:
    first, second = browsers
    await first.sign_up()
    await second.sign_in()
    listed = (await first("GET", "/api/auth/sessions", User_Agent="x")).data["sessions"]
    assert [each["current"] for each in listed] == [False, True]
    assert all("aiohttp" in each["agent"] for each in listed)
    assert (await first("DELETE", f"/api/auth/sessions/{listed[0]['id']}")).status == 204
    assert (await second("GET", "/api/auth/session")).status == 401
    assert (await first("GET", "/api/auth/session")).status == 200
    assert (await first("DELETE", f"/api/auth/sessions/{listed[0]['id']}")).status == 404


async def test_nobody_ends_another_user_s_login(browsers: list[Browser]) -> None:
    first, second = browsers
    await first.sign_up()
    await second.sign_up("eve@example.org")
    theirs = (await first("GET", "/api/auth/sessions")).data["sessions"][0]["id"]
    assert (await second("DELETE", f"/api/auth/sessions/{theirs}")).status == 404
    assert (await first("GET", "/api/auth/session")).status == 200


async def test_a_new_password_ends_the_other_logins_and_only_it_works(browsers: list[Browser]) -> None:
    first, second = browsers
    await first.sign_up()
    await second.sign_in()
    refused = await first("POST", "/api/auth/password", {"current": "not it at all", "password": "another good one"})
    assert (refused.status, refused.fields) == (400, ["current"])
    changed = await first("POST", "/api/auth/password", {"current": PASSWORD, "password": "another good one"})
    assert changed.status == 204
    assert (await first("GET", "/api/auth/session")).status == 200
    assert (await second("GET", "/api/auth/session")).status == 401
    assert (await second.sign_in()).status == 401
    assert (await second.sign_in(password="another good one")).status == 200


async def test_a_disabled_user_is_out(gateway: Gateway, browser: Browser) -> None:
    made = await browser.sign_up()
    await gateway.store.accounts.disable_user(made.data["org"]["id"], made.data["user"]["id"])
    async with asyncio.timeout(5):
        while (await browser("GET", "/api/auth/session")).status != 401:
            await asyncio.sleep(0.1)
    assert (await browser.sign_in()).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Origin": "https://sub.127.0.0.1.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 204),
        ({"Sec_Fetch_Site": "same-origin"}, 204),
    ],
)
async def test_a_foreign_page_cannot_use_the_cookie(browser: Browser, headers: dict[str, str], status: int) -> None:
    await browser.sign_up()
    assert (await browser("POST", "/api/auth/sign-out", **headers)).status == status


async def test_old_browsers_are_judged_by_their_origin(gateway: Gateway, browser: Browser) -> None:
    await browser.sign_up()
    url = gateway.client.url
    for origin, status in (("https://evil.example", 403), ("null", 403), (url, 204)):
        async with browser.http.post(f"{url}/api/auth/sign-out", headers={"Origin": origin}) as response:
            assert response.status == status


async def test_a_form_cannot_sign_anybody_in(browser: Browser, gateway: Gateway) -> None:
    await browser.sign_up()
    form = {"email": "ada@example.org", "password": PASSWORD}
    async with browser.http.post(f"{gateway.client.url}/api/auth/sign-in/email", data=form) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "no address", "password": PASSWORD, "name": "A"}, "email"),
        ({"email": "a@b\r\nBcc: x", "password": PASSWORD, "name": "A"}, "email"),
        ({"email": "a@b.c", "password": "short", "name": "A"}, "password"),
        ({"email": "a@b.c", "password": "x" * 201, "name": "A"}, "password"),
        ({"email": "a@b.c", "password": PASSWORD, "name": ""}, "name"),
        ({"email": "a@b.c", "password": PASSWORD, "name": "A", "role": "owner"}, "role"),
        ({"email": "a@b.c", "password": PASSWORD}, "name"),
    ],
)
async def test_a_bad_sign_up_is_refused_by_field_and_never_quotes_the_password(
    browser: Browser, body: dict[str, str], field: str
) -> None:
    refused = await browser("POST", "/api/auth/sign-up/email", body)
    assert (refused.status, refused.fields) == (400, [field])
    assert body.get("password", "?") not in str(refused.body)


async def test_an_address_signs_up_once(browsers: list[Browser]) -> None:
    first, second = browsers
    await first.sign_up()
    again = await second.sign_up("ADA@example.org")
    assert again.status == 409 and again.body["error"] == "Conflict"


async def test_parallel_sign_ups_with_one_address_make_one_user(browsers: list[Browser]) -> None:
    replies = await asyncio.gather(*(browsers[number % 2].sign_up("two@example.org") for number in range(6)))
    assert sorted(reply.status for reply in replies) == [201, *[409] * 5]


async def test_an_address_with_too_many_attempts_is_refused_with_the_right_password_too(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_up()
    monkeypatch.setattr("gateway.limits.SIGN_INS_OF_ADDRESS", 0)
    refused = await browser.sign_in()
    assert (refused.status, refused.body["error"]) == (429, "Too Many Requests")
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize("headers", [{"Host": "[x"}, {"Origin": "http://[x", "Sec-Fetch-Site": ""}])
async def test_a_host_or_an_origin_that_is_no_address_is_refused(gateway: Gateway, headers: dict[str, str]) -> None:
    sent = {name: value for name, value in headers.items() if value}
    reply = await gateway.client.with_key("")("POST", "/api/auth/sign-out", headers=sent)
    assert reply.status in (400, 401, 403)


async def test_asking_who_is_signed_in_keeps_the_cookie_alive(browser: Browser) -> None:
    made = await browser.sign_up()
    seen = await browser("GET", "/api/auth/session")
    assert seen.headers["Set-Cookie"] == made.headers["Set-Cookie"]


async def test_sign_out_is_done_to_the_end_when_the_browser_leaves(
    gateway: Gateway, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_up()
    chat = (await browser("POST", "/api/chats", {})).data["id"]
    session = (await browser("POST", f"/api/chats/{chat}/session")).data["sessionId"]
    begun, go, revoke_all = asyncio.Event(), asyncio.Event(), Revocations.revoke_all

    async def slow(self: Revocations, gone: Any) -> None:
        begun.set()
        await go.wait()
        await revoke_all(self, gone)

    monkeypatch.setattr(Revocations, "revoke_all", slow)
    leaving = asyncio.create_task(browser("POST", "/api/auth/sign-out"))
    await begun.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await until(lambda: gateway.metrics.get_sample_value(
        "caddie_http_requests_total", {"method": "POST", "route": "/api/auth/sign-out", "status": "499"}
    ))  # fmt: skip
    go.set()

    async def revoked() -> bool:
        _, gone = await Revocations(gateway.redis).since("0-0")
        return ("session", session) in [(each.kind, each.id) for each in gone]

    await until(revoked)
