"""Mail: a message made from texts of anybody, and handed to a server by SMTP.

Invariant: no text becomes a header or a command of its own; a message goes to every recipient or to none, as far as the
server says so before it takes the text. Callers: block `send-email`, ``caddie.workflow.trial``.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from caddie.outbound import Outbound
from caddie.workflow.runner import StepError
from shared.connectors import SmtpConfig
from shared.errors import CaddieError

#: To connect and log in, to name sender and recipients, to hand the text over: together less than a try may take.
OPEN_S = 30.0
COMMANDS_S = 30.0
TEXT_S = 60.0
#: One command's answer.
ANSWER_S = 30.0
#: To say good-bye after everything is done.
QUIT_S = 2.0
RECIPIENTS_MAX = 100
LIST_CHARS = 64_000
SUBJECT_CHARS = 500
TEXT_BYTES = 1024 * 1024
SAID_CHARS = 200
_RECIPIENT = re.compile(
    r"\s*(?:(?:\"(?P<quoted>[^\"\\]{0,200})\"|(?P<name>[^<>\"\\,;:@]{0,200}?))\s*<(?P<named>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*"
)
_ITEM = re.compile(r"(?:[^,\"]|\"[^\"]*\")+")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.?)*[A-Za-z0-9]|[A-Za-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be sent. key: of its Message-ID, the same for the same message."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    subject: str
    text: str
    html: str
    key: str


def addresses(given: object, field: str) -> tuple[Address, ...]:
    """One address, several with commas between, or a list. Raises StepError INVALID."""
    items = _ITEM.findall(given[:LIST_CHARS]) if isinstance(given, str) else given if isinstance(given, list) else []
    found: dict[str, Address] = {}
    for item in items:
        if item is None or (isinstance(item, str) and not item.strip()):
            continue
        address = _address(item, field)
        found.setdefault(address.addr_spec.lower(), address)
    if len(found) > RECIPIENTS_MAX:
        raise StepError("INVALID", f"{field}: expected at most {RECIPIENTS_MAX} addresses, got {len(found)}")
    return tuple(found.values())


def _address(item: object, field: str) -> Address:
    match = _RECIPIENT.fullmatch(item) if isinstance(item, str) and len(item) <= 600 else None
    local, _, domain = (match["named"] or match["bare"]).rpartition("@") if match else ("", "", "")
    name = (match["quoted"] or match["name"] or "") if match else ""
    try:
        # A domain that is not ASCII travels as its ASCII form (RFC 5890); a mailbox of that kind few servers take.
        domain = domain.encode("idna").decode()
        if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) and not _CONTROL.search(name):
            return Address(name, local, domain)
    except (ValueError, UnicodeError):
        pass
    raise StepError("INVALID", f"{field}: expected an address such as ada@example.com, got something else")


def composed(mail: Mail, sender: str) -> EmailMessage:
    """Raises StepError INVALID."""
    message = EmailMessage(policy=WIRE)
    local, _, domain = sender.rpartition("@")
    try:
        message["From"] = Address("", local, domain)
        message["To"] = mail.to
        if mail.cc:
            message["Cc"] = mail.cc
        message["Subject"] = _CONTROL.sub(" ", mail.subject).strip()[:SUBJECT_CHARS]
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = f"<{mail.key}@{domain}>"
        message.set_content(mail.text, cte="base64")
        if mail.html:
            message.add_alternative(mail.html, subtype="html", cte="base64")
    except (ValueError, UnicodeError):
        raise StepError("INVALID", "expected texts that can be sent as mail, got others") from None
    return message


class Post:
    """Speaks to mail servers. tls: whom to trust; the system's authorities when absent."""

    def __init__(self, outbound: Outbound, tls: ssl.SSLContext | None = None) -> None:
        self._outbound, self._tls = outbound, tls

    async def send(self, config: SmtpConfig, mail: Mail) -> tuple[str, list[str]]:
        """(Message-ID, the addresses the server took). Raises StepError."""
        message = composed(mail, config.sender)
        raw = message.as_bytes()
        recipients = list(dict.fromkeys(each.addr_spec for each in (*mail.to, *mail.cc)))
        async with self._session(config) as server:
            async with asyncio.timeout(COMMANDS_S):
                await server.mail(config.sender)
                await _name_all(server, recipients)
            try:
                async with asyncio.timeout(TEXT_S):
                    await server.data(raw)
            except SMTPResponseException:
                raise
            except (SMTPException, OSError):
                unsure = "expected an answer to the message, got none: it may have been sent"
                raise StepError("UNAVAILABLE", unsure) from None
        return str(message["Message-ID"]), recipients

    async def greet(self, config: SmtpConfig) -> None:
        """Connect, log in and ask for nothing. Raises StepError."""
        async with self._session(config) as server, asyncio.timeout(COMMANDS_S):
            await server.noop()

    @asynccontextmanager
    async def _session(self, config: SmtpConfig) -> AsyncIterator[SMTP]:
        """A server that knows who asks. What fails in here has sent nothing, so that it may be tried again."""
        # No name of this machine is anybody's business, and the sender's would not be ours.
        server = SMTP(
            hostname=config.host, port=None, timeout=ANSWER_S, use_tls=config.security == "tls", start_tls=False,
            tls_context=await self._trust(), local_hostname="localhost",
        )  # fmt: skip
        try:
            async with asyncio.timeout(OPEN_S):
                await self._open(server, config)
            yield server
            await _leave(server)
        except SMTPResponseException as error:
            raise refused(error) from None
        except (SMTPTimeoutError, TimeoutError):
            text = f"expected {config.host} to answer as a mail server, got nothing in time"
            raise StepError("TIMEOUT", text, retryable=True) from None
        except (SMTPException, OSError) as error:
            raise _broken(config.host, error) from None
        finally:
            server.close()

    async def _open(self, server: SMTP, config: SmtpConfig) -> None:
        try:
            connection = await self._outbound.dial(config.host, config.port, OPEN_S)
        except CaddieError as error:
            raise StepError(error.code, error.message, retryable=error.code != "FORBIDDEN") from None
        await server.connect(sock=connection)
        if config.security == "starttls":
            await server.ehlo()
            if not server.supports_extension("starttls"):
                raise StepError("REFUSED", "security: expected a server with STARTTLS, got one without")
            await server.starttls(server_hostname=config.host)
        if config.username is not None and config.password is not None:
            await server.ehlo()
            if not server.supports_extension("auth"):
                raise StepError("REFUSED", "username: expected a server with a login, got one without")
            try:
                await server.login(config.username, config.password)
            except SMTPAuthenticationError as error:
                # What the server says may repeat what it was told.
                text = f"expected the mail server to take the login, got {error.code}"
                raise StepError("REFUSED", text, retryable=400 <= error.code < 500) from None

    async def _trust(self) -> ssl.SSLContext:
        """Made once, elsewhere: reading the authorities takes as long as a hundred steps."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


async def _name_all(server: SMTP, recipients: list[str]) -> None:
    """Every recipient or, with what was said about the others, StepError REFUSED: then nobody gets anything."""
    turned_away: list[SMTPRecipientRefused] = []
    for address in recipients:
        try:
            await server.rcpt(address)
        except SMTPRecipientRefused as error:
            turned_away.append(error)
    if turned_away:
        await server.rset()
        names = ", ".join(f"{each.recipient} ({said(each)})" for each in turned_away[:5])
        message = f"expected every address to be taken, got {len(turned_away)} refused: {names}; nothing was sent"
        raise StepError("REFUSED", message, retryable=all(each.code < 500 for each in turned_away))


async def _leave(server: SMTP) -> None:
    """What was sent is sent, whatever comes of the good-bye."""
    try:
        await server.quit(timeout=QUIT_S)
    except (SMTPException, OSError):
        server.close()


def refused(error: SMTPResponseException) -> StepError:
    """A refusal; what begins with 4 is for now only (RFC 5321, 4.2.1)."""
    if error.code < 400:
        return StepError("UNAVAILABLE", "expected the answers of a mail server, got something else")
    return StepError("REFUSED", f"expected the mail server to agree, got {said(error)}", retryable=error.code < 500)


def _broken(host: str, error: Exception) -> StepError:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return StepError("UNAVAILABLE", f"expected {host} to speak TLS with a certificate to trust, got another")
    return StepError("UNAVAILABLE", f"expected {host} to answer as a mail server, got none", retryable=True)


def said(error: SMTPResponseException) -> str:
    return f"{error.code} {_CONTROL.sub(' ', error.message)[:SAID_CHARS]}".strip()
