"""The admin port answers for itself and tells readiness apart from health."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.admin import Admin, Checks, open_admin


class Ready:
    """What a role's composition root would hand over."""

    def __init__(self) -> None:
        self.checks: Checks = {"redis": True, "database": (True, "sqlite")}

    def __call__(self) -> Checks:
        return self.checks


@pytest.fixture
def ready() -> Ready:
    return Ready()


@pytest.fixture
def admin(ready: Ready) -> Iterator[Admin]:
    registry = CollectorRegistry()
    Counter("caddie_things", "Things.", registry=registry).inc()
    opened = Admin("127.0.0.1", 0, ready, registry)
    yield opened
    opened.close()


def ask(admin: Admin, path: str, method: str = "GET") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], text


def test_metrics_are_in_the_prometheus_format(admin: Admin) -> None:
    status, content_type, text = ask(admin, "/metrics?name=x")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert "caddie_things_total 1.0" in text


def test_healthz_says_the_process_is_up(admin: Admin, ready: Ready) -> None:
    ready.checks = {"redis": False}
    assert ask(admin, "/healthz")[0] == 200


def test_readyz_lists_every_check(admin: Admin) -> None:
    status, _, text = ask(admin, "/readyz")
    assert status == 200
    assert json.loads(text) == {
        "ok": True,
        "checks": {"redis": {"ok": True}, "database": {"ok": True, "message": "sqlite"}},
    }


def test_readyz_is_503_when_a_check_fails_or_raises(admin: Admin, ready: Ready) -> None:
    ready.checks = {"redis": (False, "no answer"), "database": True}
    assert ask(admin, "/readyz")[0] == 503
    ready.checks = None  # type: ignore[assignment]
    status, _, text = ask(admin, "/readyz")
    assert status == 503
    assert json.loads(text)["checks"]["checks"]["message"] == "AttributeError"


def test_other_paths_and_methods_are_refused(admin: Admin) -> None:
    assert ask(admin, "/")[0] == 404
    assert ask(admin, "/metrics", "POST")[0] == 501
    assert ask(admin, "/healthz", "HEAD") == (200, "application/json", "")


def test_an_idle_client_keeps_nobody_from_an_answer(admin: Admin) -> None:
    with socket.create_connection(("127.0.0.1", admin.port)):
        assert ask(admin, "/healthz")[0] == 200


def test_it_is_closed_for_good_and_off_at_port_zero(ready: Ready) -> None:
    opened = Admin("127.0.0.1", 0, ready, CollectorRegistry())
    port = opened.port
    opened.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    assert open_admin("127.0.0.1", 0, ready) is None
