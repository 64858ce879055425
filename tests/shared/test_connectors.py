"""What connectors are made of: which values are refused, what is shown, what opens for whom."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from shared import connectors
from shared.catalog import Catalog
from shared.connectors import HttpConfig, SmtpConfig
from shared.errors import CaddieError
from shared.seal import Seal

SECRET = "zq-canary-secret"
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("slack", {"webhookUrl": f"https://hooks.example.com/{SECRET}"}),
    ("discord", {"webhookUrl": f"https://discord.example.com/{SECRET}?thread_id={SECRET}"}),
    ("smtp", {"host": "mail.example.com", "from": "a@example.com", "username": "ada", "password": SECRET}),
    ("smtp", {"host": "2001:db8::1", "port": 25, "security": "none", "from": "a@example.com"}),
    ("web-search", {"provider": "tavily", "apiKey": SECRET}),
    ("web-search", {"url": f"https://search.example.com/search?token={SECRET}"}),
    ("http", {"header": "X-Api-Key", "value": f"{SECRET} with blanks"}),
    ("http", {"bearer": SECRET, "hosts": ["api.example.com", "*.example.org"]}),
    ("http", {"username": "ada", "password": ""}),
    ("http", {"username": "ada", "password": SECRET}),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_a_config_survives_sealing_and_shows_nothing(kind: str, value: dict[str, Any]) -> None:
    seal, config = Seal.parse(Seal.generate()), connectors.parse(kind, value)
    sealed = connectors.seal(seal, config, 1, 2)
    assert connectors.opened(seal, kind, sealed, 1, 2) == config
    for text in (sealed, repr(config), str(config), str(config.shown())):
        assert SECRET not in text
    if SECRET in str(value):
        assert any(SECRET in secret for secret in config.secrets())


def test_a_sealed_config_opens_for_its_owner_only() -> None:
    seal, config = Seal.parse(Seal.generate()), connectors.parse(*GOOD[0])
    sealed = connectors.seal(seal, config, 1, 2)
    for other, org, user in ((seal, 1, 3), (seal, 2, 2), (Seal.parse(Seal.generate()), 1, 2)):
        with pytest.raises(CaddieError, match="enter it again") as caught:
            connectors.opened(other, "slack", sealed, org, user)
        assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    for kind, text in (("discord2", sealed), ("smtp", sealed), ("slack", ""), ("slack", "sealed2.x"), ("slack", "{}")):
        with pytest.raises(CaddieError):
            connectors.opened(seal, kind, text, 1, 2)
    assert SECRET not in seal.seal_same("x", "1")
    with pytest.raises(ValueError):
        seal.open_same(sealed, "1")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("fax", {}), ("slack", []), ("slack", None), ("slack", {"webhookUrl": SECRET}),
        ("slack", {"webhookUrl": f"https://{SECRET}\n.example.com"}), ("slack", {"webhookUrl": "https://"}),
        ("slack", {"webhookUrl": "https://" + "x" * 3_000}), ("slack", {"webhookUrl": f"https://a:{SECRET}@b.example"}),
        ("smtp", {"host": "", "from": "a@b.example"}), ("smtp", {"host": "a b", "from": "a@b.example"}),
        ("smtp", {"host": "m.example", "from": "a@b.example", "security": "ssl"}),
        ("smtp", {"host": "m.example", "from": "Ada <a@b.example>"}),
        ("smtp", {"host": "m.example", "from": "a@b.example", "username": f"{SECRET}\r\n", "password": SECRET}),
        ("smtp", {"host": "m.example", "from": "a@b.example", "username": SECRET}),
        ("web-search", {"provider": "google", "apiKey": SECRET}), ("web-search", {"provider": "brave"}),
        ("web-search", {"provider": "brave", "apiKey": f"{SECRET}\r\nX: y"}), ("web-search", {"url": "file:///x"}),
        ("http", {"header": "X-A"}), ("http", {"header": "X A", "value": SECRET}), ("http", {"password": SECRET}),
        ("http", {"bearer": SECRET, "username": "a", "password": "b"}), ("http", {"bearer": f"{SECRET} two"}),
        ("http", {"header": "content-length", "value": "0"}), ("http", {"bearer": SECRET, "hosts": ["a/b"]}),
        ("http", {"username": "a:b", "password": SECRET}), ("http", {"bearer": SECRET, SECRET: 1}),
    ],
)  # fmt: skip
def test_what_is_refused_is_not_repeated(kind: str, value: Any) -> None:
    with pytest.raises(CaddieError) as caught:
        connectors.parse(kind, value)
    error = caught.value
    assert error.code == "INVALID" and error.faults
    # A member's own name is told, its value is not.
    if not (isinstance(value, dict) and SECRET in value):
        assert SECRET not in f"{error} {error.faults}"


def test_what_an_http_connector_sends() -> None:
    def headers(**value: Any) -> dict[str, str]:
        found = connectors.parse("http", value)
        assert isinstance(found, HttpConfig)
        return found.headers

    assert headers(header="X-Api-Key", value="k") == {"X-Api-Key": "k"}
    assert headers(bearer="k") == {"Authorization": "Bearer k"}
    assert headers(username="ada", password="ä") == {
        "Authorization": f"Basic {base64.b64encode('ada:ä'.encode()).decode()}"
    }


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("api.example.com", True), ("API.example.com.", True), ("x.example.org", True), ("a.b.example.org", True),
     ("example.org", False), ("evilexample.org", False), ("api.example.com.evil.org", False), ("", False)],
)  # fmt: skip
def test_a_secret_is_shown_to_its_hosts_only(host: str, allowed: bool) -> None:
    config = connectors.parse("http", {"bearer": "k", "hosts": ["api.example.com", "*.Example.org"]})
    assert isinstance(config, HttpConfig) and config.allows(host) is allowed


def test_a_request_may_have_a_connector_and_needs_none() -> None:
    catalog, payload = Catalog.builtin(), {"url": "https://example.com"}
    assert catalog.check("http-request", dict(payload)) == catalog.check("http-request", dict(payload), "http") == []
    assert [each.type for each in catalog.check("http-request", dict(payload), "slack")] == ["connector_type"]
    assert [each.type for each in catalog.check("log", {"message": "x"}, "http")] == ["connector_type"]


def test_every_form_of_a_mail_password_is_a_secret() -> None:
    config = connectors.parse(*GOOD[2])
    assert isinstance(config, SmtpConfig) and config.port == 587 and config.security == "starttls"
    assert base64.b64encode(f"\0ada\0{SECRET}".encode()).decode() in config.secrets()
