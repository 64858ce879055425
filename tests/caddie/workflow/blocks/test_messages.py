"""Slack, Discord and e-mail against real counterparts: what arrives, what is refused, what nobody can smuggle in."""

from __future__ import annotations

import asyncio
import email
import email.policy
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

import caddie.workflow.mail
from caddie.outbound import Outbound
from caddie.workflow.blocks.messages import runners
from caddie.workflow.mail import Post
from caddie.workflow.runner import StepError
from shared.workflows import Connector
from tests.caddie.workflow.blocks.counterparts import (
    USER,
    Cabinet,
    Mailbox,
    Receiver,
    Steps,
    authority,
    mail_server,
    reaching,
    speaking,
)

MAIL = {"to": "bob@example.com", "subject": "Grüße", "text": "Hallo\n.\nBob"}


@pytest.fixture
def steps(outbound: Outbound, cabinet: Cabinet) -> Steps:
    return Steps(runners(outbound, cabinet.accounts(), Post(outbound)))


def smtp(box: Mailbox | int, **more: Any) -> dict[str, Any]:
    port = box if isinstance(box, int) else box.port
    return {"host": "127.0.0.1", "port": port, "security": "none", "from": "ada@example.org", **more}


def read(box: Mailbox) -> email.message.EmailMessage:
    content = box.mails[-1].content
    assert isinstance(content, bytes)
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, email.message.EmailMessage)
    return found


async def test_slack_takes_a_message(steps: Steps, site: Receiver, cabinet: Cabinet) -> None:
    cabinet.add("slack", {"webhookUrl": site.url("/services/T0/B0/canary")})
    found = await steps("slack-send-message", channel="#fx", text="up <1%>")
    assert found["channel"] == "#fx" and float(str(found["ts"])) > 1_600_000_000
    assert orjson.loads(site.seen[-1].body) == {"text": "up <1%>", "channel": "#fx"}
    assert site.url("/services/T0/B0/canary") in steps.secrets and "services/T0/B0/canary" in steps.secrets
    site.answers["/services/T0/B0/canary"] = web.json_response({"ok": True, "channel": "C1", "ts": "1.2"})
    assert await steps("slack-send-message", channel="#fx", text="x") == {"channel": "C1", "ts": "1.2"}
    site.answers["/services/T0/B0/canary"] = web.Response(status=404, text="no_service")
    error = await steps.fails("slack-send-message", channel="#fx", text="x")
    assert (error.code, error.retryable) == ("REFUSED", False) and "404 (no_service)" in error.message


async def test_discord_says_which_message_it_has_become(steps: Steps, site: Receiver, cabinet: Cabinet) -> None:
    cabinet.add("discord", {"webhookUrl": site.url("/api/webhooks/1/canary?thread_id=5")})
    site.answers["/api/webhooks/1/canary"] = web.json_response({"id": "11", "channel_id": "22", "content": "x"})
    assert await steps("discord-send-message", text="hi", username="News") == {"id": "11", "channelId": "22"}
    assert site.seen[-1].query == [("thread_id", "5"), ("wait", "true")]
    assert orjson.loads(site.seen[-1].body) == {"content": "hi", "username": "News"}
    limited = web.Response(status=429, headers={"Retry-After": "0.5"})
    site.answers["/api/webhooks/1/canary"] = limited
    error = await steps.fails("discord-send-message", last=False, text="hi")
    assert (error.retryable, error.retry_after_s) == (True, 0.5)
    for text in ("", " \n", "x" * 2_001):
        assert (await steps.fails("discord-send-message", text=text)).code == "INVALID"


async def test_the_connector_is_the_user_s_own(steps: Steps, site: Receiver, cabinet: Cabinet) -> None:
    say = {"channel": "#fx", "text": "x"}
    foreign = cabinet.add("slack", {"webhookUrl": site.url("/foreign")}, user=USER + 1)
    for chosen in (None, Connector(type="slack", id=foreign), Connector(type="slack", id="main")):
        error = await steps.fails("slack-send-message", connector=chosen, **say)
        assert error.code == "CONNECTOR_MISSING" and error.message.startswith("expected a connector of type slack")
    own = cabinet.add("slack", {"webhookUrl": site.url("/own")})
    await steps("slack-send-message", **say)
    other = cabinet.add("slack", {"webhookUrl": site.url("/other")}, name=own)
    assert (await steps.fails("slack-send-message", **say)).code == "CONNECTOR_MISSING"
    for handle in ("main", own, other):
        await steps.named("slack-send-message", Connector(type="slack", id=handle), **say)
    assert [seen.path for seen in site.seen] == ["/own", "/own", "/own", "/other"]
    wrong = Connector(type="discord", id=own)
    assert (await steps.fails("slack-send-message", connector=wrong, **say)).code == "CONNECTOR_MISSING"


async def test_what_was_sealed_for_somebody_else_does_not_open(steps: Steps, cabinet: Cabinet) -> None:
    cabinet.add("slack", {"webhookUrl": "https://example.com/x"}, user=USER + 1)
    stolen = cabinet.records.pop()
    cabinet.add("slack", {"webhookUrl": "https://example.com/x"})
    cabinet.records[0] = type(stolen)(*[
        getattr(stolen if name == "sealed" else cabinet.records[0], name) for name in stolen.__slots__
    ])  # fmt: skip
    assert (await steps.fails("slack-send-message", channel="#x", text="x")).code == "CONNECTOR_INVALID"


async def test_a_mail_arrives_as_it_was_written(steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        cabinet.add("smtp", smtp(box))
        found = await steps(
            "send-email", **MAIL | {"to": ["Bob Ä <bob@example.com>", "carol@bücher.example"]},
            cc=["dan@example.com", "BOB@example.com"], html="<p>Hallo</p>",
        )  # fmt: skip
    message = read(box)
    accepted = ["bob@example.com", "carol@xn--bcher-kva.example", "dan@example.com", "BOB@example.com"]
    assert found == {"messageId": message["Message-ID"], "accepted": accepted}
    assert box.mails[0].rcpt_tos == accepted and box.mails[0].mail_from == "ada@example.org"
    assert (message["Subject"], message["From"]) == ("Grüße", "ada@example.org")
    assert message["To"] == "Bob Ä <bob@example.com>, carol@xn--bcher-kva.example"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and html is not None
    assert plain.get_content().splitlines() == ["Hallo", ".", "Bob"] and html.get_content().strip() == "<p>Hallo</p>"


@pytest.mark.parametrize(("whole", "login"), [(False, False), (False, True), (True, False), (True, True)])
async def test_tls_and_login(outbound: Outbound, cabinet: Cabinet, tmp_path: Path, whole: bool, login: bool) -> None:
    serving, trusting = authority(tmp_path)
    steps = Steps(runners(outbound, cabinet.accounts(), Post(outbound, trusting)))
    async with mail_server(tls=serving, whole=whole, login=login) as box:
        who = {"username": "ada", "password": "s3cret-canary"} if login else {}
        cabinet.add("smtp", smtp(box, security="tls" if whole else "starttls", **who))
        await steps("send-email", **MAIL)
        assert len(box.mails) == 1
        if login:
            assert "s3cret-canary" in steps.secrets
            cabinet.records.clear()
            cabinet.add("smtp", smtp(box, security="tls" if whole else "starttls", username="ada", password="wrong"))
            error = await steps.fails("send-email", **MAIL)
            assert (error.code, error.retryable) == ("REFUSED", False) and "535" in error.message


async def test_a_server_nobody_vouches_for_gets_nothing(steps: Steps, cabinet: Cabinet, tmp_path: Path) -> None:
    serving, _ = authority(tmp_path)
    for whole, security in ((False, "starttls"), (True, "tls")):
        async with mail_server(tls=serving, whole=whole, login=True) as box:
            cabinet.records.clear()
            cabinet.add("smtp", smtp(box, security=security, username="ada", password="s3cret-canary"))
            error = await steps.fails("send-email", **MAIL)
            assert (error.code, error.retryable) == ("UNAVAILABLE", False) and "certificate" in error.message
            assert box.mails == []


async def test_what_the_connector_asks_for_is_not_done_without(steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        for more in ({"security": "starttls"}, {"username": "ada", "password": "s3cret-canary"}):
            cabinet.records.clear()
            cabinet.add("smtp", smtp(box, **more))
            assert (await steps.fails("send-email", **MAIL)).code == "REFUSED"
        assert box.mails == []
    async with mail_server(login=True) as box:
        cabinet.records.clear()
        cabinet.add("smtp", smtp(box))
        assert (await steps.fails("send-email", **MAIL)).code == "REFUSED"


async def test_one_refused_address_and_nobody_gets_the_mail(steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        cabinet.add("smtp", smtp(box))
        box.refused = {"bob@example.com": "550 no such user"}
        error = await steps.fails("send-email", **MAIL | {"cc": ["dan@example.com"]})
        assert (error.code, error.retryable) == ("REFUSED", False)
        assert "bob@example.com (550 no such user)" in error.message and box.mails == []
        box.refused = {"bob@example.com": "451 come back later"}
        assert (await steps.fails("send-email", **MAIL)).retryable
        box.refused, box.verdict = {}, "554 spam"
        error = await steps.fails("send-email", **MAIL)
        assert (error.code, error.retryable) == ("REFUSED", False) and "554 spam" in error.message


async def test_a_server_that_says_nothing_is_left_in_time(
    steps: Steps, cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPEN_S", "COMMANDS_S", "TEXT_S", "ANSWER_S"):
        monkeypatch.setattr(caddie.workflow.mail, name, 0.3)
    for first, code in ((b"", "TIMEOUT"), (b"220 hello\r\n", "TIMEOUT"), (b"554 no\r\n", "REFUSED"),
                        (b"HTTP/1.1 400\r\n\r\n", "UNAVAILABLE"), (b"220-x\r\n" * 100_000, "UNAVAILABLE")):  # fmt: skip
        async with speaking(first) as port:
            cabinet.records.clear()
            cabinet.add("smtp", smtp(port))
            error = await steps.fails("send-email", **MAIL)
            assert (error.code, error.retryable) == (code, code == "TIMEOUT"), error
    async with mail_server() as box:
        cabinet.records.clear()
        cabinet.add("smtp", smtp(box))
        box.verdict = "silence"
        error = await steps.fails("send-email", **MAIL)
        assert not error.retryable and "may have been sent" in error.message


async def test_a_mail_server_is_not_on_a_private_network(cabinet: Cabinet) -> None:
    async with reaching() as outbound, mail_server() as box:
        steps = Steps(runners(outbound, cabinet.accounts(), Post(outbound)))
        for host in ("127.0.0.1", "localhost", "127.1", "::1", "::ffff:127.0.0.1", "2130706433"):
            cabinet.records.clear()
            cabinet.add("smtp", smtp(box) | {"host": host})
            error = await steps.fails("send-email", **MAIL)
            assert (error.code, error.retryable) == ("FORBIDDEN", False), host
        assert box.commands == [] and box.mails == []


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "a@", "@b.example", "a@b@c.example", "a b@c.example", "a@b.example\r\nBcc: eve@x.example",
     "a@b.example\nRCPT TO:<eve@x.example>", "<a@b.example", "Ada\r\nBcc: x <a@b.example>", "a@b.example>\r\nDATA",
     "a@exa\0mple.com", "x" * 65 + "@b.example", "a@" + "b." * 200 + "example", "ä@b.example", "a@..", "A <>",
     "A\u2028B <a@b.example>", '"A\r\nB" <a@b.example>', "x" * 100_000, "a@b.example;eve@x.example", None, 5, {}, [5],
     []],
)  # fmt: skip
async def test_an_address_is_an_address_and_nothing_more(steps: Steps, cabinet: Cabinet, address: Any) -> None:
    async with mail_server() as box:
        cabinet.add("smtp", smtp(box))
        assert (await steps.fails("send-email", **MAIL | {"to": address})).code == "INVALID"
        if address not in ("", None, [], {}, 5):
            many = [address] if not isinstance(address, list) else address
            assert (await steps.fails("send-email", **MAIL | {"cc": many})).code == "INVALID"
        assert box.mails == []


async def test_texts_become_no_headers(steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        cabinet.add("smtp", smtp(box))
        await steps(
            "send-email", to='"Doe, Ada" <a@example.com>, b@example.com',
            subject="One\r\nBcc: eve@x.example\r\n\r\nbody\u2028x " + "ü" * 600,
            text="Bcc: eve@x.example\r\n.\r\nRCPT TO:<eve@x.example>\r\n", html="\r\n.\r\nQUIT\r\n",
        )  # fmt: skip
    message = read(box)
    assert len(box.mails) == 1 and box.mails[0].rcpt_tos == ["a@example.com", "b@example.com"]
    assert message["Bcc"] is None and message["To"] == '"Doe, Ada" <a@example.com>, b@example.com'
    assert str(message["Subject"]).startswith("One Bcc: eve@x.example body x üü")
    assert list(message.keys()) == ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
    for field, value in (("subject", "x" * 1_001), ("subject", " "), ("text", ""), ("text", "\ud800")):
        assert (await steps.fails("send-email", **MAIL | {field: value})).code in ("INVALID",)


async def test_the_same_step_is_the_same_message(outbound: Outbound, steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        cabinet.add("smtp", smtp(box))
        call = steps.call("send-email", MAIL)
        found = [await steps.runners["send-email"].work(call) for _ in range(2)]
    assert found[0]["messageId"] == found[1]["messageId"] == f"<{call.step_id}@example.org>"


async def test_a_cancelled_step_leaves_no_connection(steps: Steps, cabinet: Cabinet) -> None:
    async with speaking(b"220 hello\r\n") as port:
        cabinet.add("smtp", smtp(port))
        task = asyncio.create_task(steps("send-email", **MAIL))
        await asyncio.wait({task}, timeout=0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_nobody_there_may_be_tried_again(steps: Steps, cabinet: Cabinet) -> None:
    async with mail_server() as box:
        port = box.port
    for host, code in (("127.0.0.1", "UNAVAILABLE"), ("no-such-name.invalid", "UNAVAILABLE")):
        cabinet.records.clear()
        cabinet.add("smtp", smtp(port) | {"host": host})
        error: StepError = await steps.fails("send-email", **MAIL)
        assert (error.code, error.retryable) == (code, True)
