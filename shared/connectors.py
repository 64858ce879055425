"""Outside accounts of a user: what each kind is made of, what of it may be shown, and how it is kept.

Invariant: a configuration is sealed for its owner before it is stored, and what is shown of it, or said about a wrong
one, holds no secret. Callers: the gateway checks, seals and shows; the worker opens (``caddie.workflow.accounts``).
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from shared.errors import CaddieError, Fault
from shared.seal import Seal

ConnectorType = Literal["slack", "discord", "smtp", "web-search", "http"]
Provider = Literal["searxng", "brave", "tavily"]
#: Printable ASCII: what may stand in a header or a command without being anything else.
_PLAIN = r"^[\x21-\x7e]+$"
_HOST = r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.?)){1,32}$|^[0-9A-Fa-f:.]{2,45}$"
_TOKEN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
#: Headers that say who asks; anything else could change what a request is.
_FRAMING = frozenset(
    "accept-encoding connection content-length expect host keep-alive te trailer transfer-encoding upgrade".split()
)
_WEB = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?")


def _web(value: str) -> str:
    if _WEB.fullmatch(value) is None:
        raise ValueError("expected an http or https address without a login, got something else")
    return value


Host = Annotated[str, StringConstraints(pattern=_HOST, max_length=253)]
Secret = Annotated[str, Field(min_length=1, max_length=4_096)]
PlainSecret = Annotated[str, Field(min_length=1, max_length=4_096, pattern=_PLAIN)]
Url = Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(_web)]


class _Config(BaseModel):
    """What every kind can say of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def secrets(self) -> tuple[str, ...]:
        """Texts that nobody may see."""
        return ()

    def shown(self) -> dict[str, JsonValue]:
        """What its owner may be shown."""
        return {}

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing that a log line or a traceback could give away."""
        return list(self.shown().items())


class _Webhook(_Config):
    webhookUrl: Url

    def secrets(self) -> tuple[str, ...]:
        return _hidden(self.webhookUrl)

    def shown(self) -> dict[str, JsonValue]:
        return {"webhookUrl": _origin(self.webhookUrl)}


class SlackConfig(_Webhook):
    """An incoming webhook, of Slack or of something that speaks like it."""


class DiscordConfig(_Webhook):
    """A channel's webhook."""


class SmtpConfig(_Config):
    """A mail server. security: `starttls` changes to TLS before anything is said, `tls` begins with it."""

    host: Host
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    password: Annotated[str, Field(min_length=1, max_length=1_024, pattern=r"^[^\x00]+$")] | None = None
    sender: str = Field(alias="from", max_length=320, pattern=_ADDRESS, description="The address mail comes from.")

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("expected a username and a password, or neither, got one of them")
        return self

    def secrets(self) -> tuple[str, ...]:
        if self.username is None or self.password is None:
            return ()
        pair = base64.b64encode(f"\0{self.username}\0{self.password}".encode()).decode()
        return (self.password, pair, base64.b64encode(self.password.encode()).decode())

    def shown(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True, exclude={"password"})


class WebSearchConfig(_Config):
    """A search provider. url: of its interface; only `searxng` needs one, its `/search`."""

    provider: Provider = "searxng"
    url: Url | None = None
    apiKey: PlainSecret | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.url is None and self.provider == "searxng":
            raise ValueError("expected the url of your SearXNG, got none")
        if self.apiKey is None and self.provider != "searxng":
            raise ValueError(f"expected the apiKey of {self.provider}, got none")
        return self

    def secrets(self) -> tuple[str, ...]:
        query = urlsplit(self.url or "").query
        return tuple(text for text in (self.apiKey, query) if text)

    def shown(self) -> dict[str, JsonValue]:
        return {"provider": self.provider, "url": _origin(self.url) if self.url else None}


class HttpConfig(_Config):
    """What an HTTP request shows to say who asks: a header, a bearer token, or a user name and password.

    hosts: where it may be shown, `*.example.com` for whatever is below; without any, everywhere.
    """

    header: Annotated[str, Field(min_length=1, max_length=100, pattern=_TOKEN)] | None = None
    value: Annotated[str, Field(min_length=1, max_length=4_096, pattern=r"^[\x20-\x7e]+$")] | None = None
    bearer: PlainSecret | None = None
    username: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[^:\x00-\x1f\x7f]+$")] | None = None
    password: Annotated[str, Field(max_length=1_024, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    hosts: tuple[Annotated[str, Field(max_length=253, pattern=r"^(?:\*\.)?[A-Za-z0-9.:-]+$")], ...] = Field(
        (), max_length=20
    )

    @model_validator(mode="after")
    def _checked(self) -> Self:
        pairs = ((self.header, self.value), (self.bearer, self.bearer), (self.username, self.password))
        given = [pair for pair in pairs if pair != (None, None)]
        if len(given) != 1 or None in given[0]:
            raise ValueError("expected header and value, or bearer, or username and password, got something else")
        if self.header is not None and self.header.lower() in _FRAMING:
            raise ValueError("header: expected one that says who asks, got one that frames the request")
        return self

    @property
    def headers(self) -> dict[str, str]:
        if self.bearer is not None:
            return {"Authorization": f"Bearer {self.bearer}"}
        if self.header is not None and self.value is not None:
            return {self.header: self.value}
        return {"Authorization": f"Basic {self._basic}"}

    def allows(self, host: str) -> bool:
        """Whether the secret may be shown to a host."""
        host = host.lower().rstrip(".")
        return not self.hosts or any(
            host.endswith(each[1:]) if each.startswith("*.") else host == each for each in map(str.lower, self.hosts)
        )

    def secrets(self) -> tuple[str, ...]:
        basic = self._basic if self.username is not None else None
        return tuple(text for text in (self.value, self.bearer, self.password, basic) if text)

    def shown(self) -> dict[str, JsonValue]:
        kind = "header" if self.header else "bearer" if self.bearer else "basic"
        return {"kind": kind, "header": self.header, "username": self.username, "hosts": list(self.hosts)}

    @property
    def _basic(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


Config = SlackConfig | DiscordConfig | SmtpConfig | WebSearchConfig | HttpConfig
_KINDS: dict[str, type[Config]] = {
    "slack": SlackConfig, "discord": DiscordConfig, "smtp": SmtpConfig, "web-search": WebSearchConfig,
    "http": HttpConfig,
}  # fmt: skip


def parse(kind: str, value: object) -> Config:
    """The configuration of a connector of this type. Raises CaddieError INVALID with its faults, never its values."""
    model = _KINDS.get(kind)
    if model is None:
        text = f"expected one of {', '.join(_KINDS)}, got another"
        raise CaddieError("INVALID", f"type: {text}", faults=(Fault("type", text),))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults = tuple(
            Fault(".".join(["config", *(str(part)[:64] for part in each["loc"])]), _told(each["type"], each["msg"]))
            for each in found[:20]
        )
        text = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
        raise CaddieError("INVALID", f"invalid input: {text}", faults=faults) from None


def seal(seal: Seal, config: Config, org: int, user: int) -> str:
    """As it is stored; nobody else's connector opens with it."""
    return seal.seal_same(config.model_dump_json(by_alias=True, exclude_none=True), _context(org, user))


def opened(seal: Seal, kind: str, sealed: str, org: int, user: int) -> Config:
    """Raises CaddieError INVALID for what was sealed with another key or for somebody else."""
    try:
        return _KINDS[kind].model_validate_json(seal.open_same(sealed, _context(org, user)))
    except (KeyError, ValueError):
        raise CaddieError(
            "INVALID", "expected a connector that this installation's key opens, got another: enter it again"
        ) from None


def _context(org: int, user: int) -> str:
    return f"connector {org} {user}"


def _told(code: str, text: str) -> str:
    if code == "missing":
        return "expected a value, got none"
    if code == "extra_forbidden":
        return "expected no such member, got one"
    if code == "string_pattern_mismatch":
        return "expected another form, got characters that may not stand here"
    text = text.removeprefix("Value error, ")
    return text if "expected" in text else f"expected: {text.removeprefix('Input should be ')}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _hidden(url: str) -> tuple[str, ...]:
    """The address, and what of it is the secret even without the host."""
    parts = urlsplit(url)
    return tuple(text for text in (url, parts.path.strip("/"), parts.query) if text)
