"""Blocks that tell somebody something: Slack, Discord, e-mail.

Invariant: a message is sent once, or the step says that it was not, or that nobody knows. Caller: the executor.
"""

from __future__ import annotations

import time

import orjson
from pydantic import JsonValue
from yarl import URL

from caddie.outbound import Fetched, Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.blocks.asking import Ask, accepted, ask, retries_of, text_of
from caddie.workflow.mail import TEXT_BYTES, Mail, Post, addresses
from caddie.workflow.runner import Call, Result, Runner, StepError
from shared.connectors import DiscordConfig, SlackConfig, SmtpConfig

#: Their own limits: what is longer, Slack cuts and Discord refuses.
SLACK_CHARS, DISCORD_CHARS = 40_000, 2_000
CHANNEL_CHARS, USERNAME_CHARS, SUBJECT_CHARS = 200, 80, 1_000
ANSWER_BYTES = 65_536
#: Sending a mail: its parts' limits together.
MAIL_S = 130.0


def runners(outbound: Outbound, accounts: Accounts, post: Post) -> dict[str, Runner]:
    """The blocks by type."""

    async def slack(call: Call) -> Result:
        channel, text = text_of(call.payload, "channel", CHANNEL_CHARS), text_of(call.payload, "text", SLACK_CHARS)
        config = await accounts.open(call, "slack", SlackConfig)
        said = said_by(await deliver_slack(outbound, call, config, text, channel))
        # Slack itself says no more than `ok`; what speaks like it may say which message it has become.
        return {"channel": str(said.get("channel") or channel), "ts": str(said.get("ts") or f"{time.time():.6f}")}

    async def discord(call: Call) -> Result:
        text, username = text_of(call.payload, "text", DISCORD_CHARS), call.payload.get("username")
        name = text_of(call.payload, "username", USERNAME_CHARS) if username else None
        config = await accounts.open(call, "discord", DiscordConfig)
        said = said_by(await deliver_discord(outbound, call, config, text, name))
        return {"id": str(said.get("id") or ""), "channelId": str(said.get("channel_id") or "")}

    async def email(call: Call) -> Result:
        mail = mail_of(call)
        message_id, taken = await post.send(await accounts.open(call, "smtp", SmtpConfig), mail)
        return {"messageId": message_id, "accepted": list[JsonValue](taken)}

    return {
        "slack-send-message": Runner(slack, retries=retries_of),
        "discord-send-message": Runner(discord, retries=retries_of),
        "send-email": Runner(email, time_s=MAIL_S, retries=retries_of),
    }


async def deliver_slack(outbound: Outbound, call: Call, config: SlackConfig, text: str, channel: str = "") -> Fetched:
    """Raises StepError."""
    body = {"text": text, "channel": channel} if channel else {"text": text}
    return accepted(await ask(outbound, call, _posted(config.webhookUrl, body)), "Slack")


async def deliver_discord(
    outbound: Outbound, call: Call, config: DiscordConfig, text: str, username: str | None = None
) -> Fetched:
    """Raises StepError."""
    # Without `wait` Discord says neither which message it has become nor whether it has.
    address = str(URL(config.webhookUrl).update_query(wait="true"))
    body = {"content": text, "username": username} if username else {"content": text}
    return accepted(await ask(outbound, call, _posted(address, body)), "Discord")


def _posted(url: str, body: dict[str, str]) -> Ask:
    try:
        raw = orjson.dumps(body)
    except TypeError:
        raise StepError("INVALID", "text: expected Unicode text, got something else") from None
    return Ask(url, "POST", {"Content-Type": "application/json"}, raw, limit=ANSWER_BYTES, cut=True)


def said_by(found: Fetched) -> dict[str, JsonValue]:
    """The members of an answer that is an object."""
    try:
        said = orjson.loads(found.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def mail_of(call: Call) -> Mail:
    """Raises StepError INVALID."""
    payload, html = call.payload, call.payload.get("html")
    to = addresses(payload.get("to"), "to")
    if not to:
        raise StepError("INVALID", "to: expected an address, got none")
    return Mail(
        to, addresses(payload.get("cc"), "cc"), text_of(payload, "subject", SUBJECT_CHARS),
        text_of(payload, "text", TEXT_BYTES), text_of(payload, "html", TEXT_BYTES) if html else "", call.step_id,
    )  # fmt: skip
