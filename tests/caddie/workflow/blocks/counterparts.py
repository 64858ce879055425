"""Who blocks talk to in tests: an HTTP receiver and mail servers on loopback, and the accounts of a user."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import warnings
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from caddie.outbound import Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.runner import Call, Origin, Result, Runner, StepError
from shared import connectors
from shared.seal import Seal
from shared.store.records import ConnectorRecord
from shared.workflows import Connector

ORG, USER = 1, 7


class Cabinet:
    """Connectors in memory; `store.connectors` has the same methods (tests/caddie/workflow/test_accounts.py)."""

    def __init__(self) -> None:
        self.records: list[ConnectorRecord] = []
        self.seal = Seal.parse(Seal.generate())

    def add(self, kind: str, config: dict[str, Any], name: str = "main", user: int = USER) -> str:
        moment, found = datetime.now(UTC), connectors.parse(kind, config)
        sealed = connectors.seal(self.seal, found, ORG, user)
        record = ConnectorRecord(str(uuid4()), ORG, user, kind, name, sealed, moment, moment, None, None)
        self.records.append(record)
        return record.id

    async def list(self, org: int, user: int, kind: str | None = None) -> list[ConnectorRecord]:
        return [
            each for each in self.records
            if (each.org_id, each.user_id) == (org, user) and kind in (None, each.type)
        ]  # fmt: skip

    async def get(self, org: int, user: int, connector_id: str) -> ConnectorRecord | None:
        return next((each for each in await self.list(org, user) if each.id == connector_id), None)

    async def tested(self, record: ConnectorRecord, ok: bool) -> ConnectorRecord:
        return record

    def accounts(self) -> Accounts:
        return Accounts(self, self.seal)  # type: ignore[arg-type]


@dataclass
class Steps:
    """Runs single steps of blocks; `secrets` are those that were to be hidden."""

    runners: dict[str, Runner]
    secrets: list[str] = field(default_factory=list)

    def call(self, block: str, payload: dict[str, Any], connector: Connector | None = None, last: bool = True) -> Call:
        return Call(
            "n", block, payload, str(uuid4()), Origin("e", ORG, USER, "w"), connector, hide=self.secrets.append,
            last_try=last,
        )  # fmt: skip

    async def __call__(self, block: str, /, **payload: Any) -> Result:
        return await self.runners[block].work(self.call(block, payload))

    async def named(self, block: str, connector: Connector, **payload: Any) -> Result:
        return await self.runners[block].work(self.call(block, payload, connector))

    async def fails(
        self, block: str, /, *, connector: Connector | None = None, last: bool = True, **payload: Any
    ) -> StepError:
        with pytest.raises(StepError) as caught:
            await self.runners[block].work(self.call(block, payload, connector, last))
        return caught.value


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """An HTTP server that keeps what it is asked; `answers` by path."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answers: dict[str, web.Response | Answer] = {}
        self.port = 0

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.path, list(request.query.items()), headers, await request.read()))
        found = self.answers.get(request.path)
        if isinstance(found, web.Response):
            self.answers.pop(request.path)
            return found
        return await found(request) if found is not None else await _plain(request)


async def _plain(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/json":
            return web.json_response({"a": [1, 2.5, "x"]})
        case "/status":
            return web.Response(status=int(request.query["code"]), text="said so", headers=_retry(request))
        case "/onward":
            raise web.HTTPTemporaryRedirect(request.query["to"])
        case "/endless" | "/slow":
            return await _dribble(request)
        case "/silent":
            await asyncio.Event().wait()
        case "/gzip":
            packed = gzip.compress(b'{"packed": true}') + gzip.compress(b" ")
            return web.Response(body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"})
        case "/deflate" | "/raw":
            machine = zlib.compressobj(wbits=-15 if request.path == "/raw" else 15)
            packed = machine.compress(b"small") + machine.flush()
            return web.Response(body=packed, content_type="text/plain", headers={"Content-Encoding": "deflate"})
        case "/bomb":
            return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})
    return web.Response(text="ok")


def _retry(request: web.Request) -> dict[str, str]:
    return {"Retry-After": request.query["after"]} if "after" in request.query else {}


def _bomb() -> bytes:
    """A gigabyte of zeros in a megabyte."""
    machine = zlib.compressobj(9, wbits=31)
    block = machine.compress(bytes(64 * 1024 * 1024))
    return block + machine.flush()


async def _dribble(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"x" * (1 if request.path == "/slow" else 65_536))
            if request.path == "/slow":
                await asyncio.sleep(0.05)
    return response


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    found, app = Receiver(), web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def reaching(*networks: str) -> AsyncIterator[Outbound]:
    outbound = Outbound(networks)
    try:
        yield outbound
    finally:
        await outbound.close()


class Mailbox:
    """What a mail server does with what it is told: keeps it, unless it is to refuse."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.commands: list[str] = []
        self.refused: dict[str, str] = {}
        self.verdict = "250 OK"
        self.port = 0

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if said := self.refused.get(address):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.verdict == "silence":
            await asyncio.Event().wait()
        if self.verdict.startswith("250"):
            self.mails.append(envelope)
        return self.verdict


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (b"ada", b"s3cret-canary"), handled=False)


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, whole: bool = False, login: bool = False
) -> AsyncIterator[Mailbox]:
    """tls: for STARTTLS, or from the first byte when ``whole``."""
    box, loop = Mailbox(), asyncio.get_running_loop()

    def made() -> SMTP:
        return SMTP(
            box, hostname="mail.test", loop=loop, tls_context=None if whole else tls, auth_require_tls=False,
            authenticator=_login if login else None, auth_required=login, ident="test",
        )  # fmt: skip

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if whole else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        with warnings.catch_warnings():
            # A login without TLS is meant here, and the server is older than the interpreter.
            warnings.filterwarnings("ignore", module="aiosmtpd")
            warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
            yield box
    finally:
        server.close()


@asynccontextmanager
async def speaking(first: bytes = b"") -> AsyncIterator[int]:
    """A port that says something and then nothing more."""
    held = asyncio.Event()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        with suppress(ConnectionError):
            await writer.drain()
            await held.wait()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        held.set()
        server.close()


def authority(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(for a server at the address, for clients who trust it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(pem + secret)
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=pem.decode())
    serving.load_cert_chain(path)
    return serving, trusting
