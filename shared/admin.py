"""The admin port of one process: `/metrics`, `/healthz`, `/readyz`, served by threads of the standard library.

Invariant: it answers while the event loop is busy or stuck, which is when it is needed; it never shares a port with
users. `/healthz` says the process is up, `/readyz` whether it should get work (503 when a check fails). The
composition root of each role opens it and closes it last.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, socket
from socketserver import TCPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

# name of a check → ok, or (ok, what is the matter)
Checks = Mapping[str, "bool | tuple[bool, str]"]
Readiness = Callable[[], Checks]

REQUEST_TIMEOUT_S = 5.0
REQUESTS_AT_ONCE = 16


class Admin:
    """A running admin port.

    port: 0 lets the kernel choose (tests); the setting's 0 means off, which `open_admin` respects.
    ready: called on a thread of this server for each `/readyz`; it must only read what is safe to read from there.
    """

    def __init__(self, host: str, port: int, ready: Readiness, registry: CollectorRegistry = REGISTRY) -> None:
        self._server = _Server(host, port, ready, registry)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="admin", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(REQUEST_TIMEOUT_S)


def open_admin(host: str, port: int, ready: Readiness) -> Admin | None:
    """The admin port as the settings want it: None when the port is 0."""
    return Admin(host, port, ready) if port else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = REQUESTS_AT_ONCE
    block_on_close = False

    def __init__(self, host: str, port: int, ready: Readiness, registry: CollectorRegistry) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self.ready = ready
        self.registry = registry
        self._free = threading.BoundedSemaphore(REQUESTS_AT_ONCE)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # the HTTP server's own also asks DNS for a name nobody reads
        self.server_name, self.server_port = "admin", int(self.server_address[1])

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """A client that went away is no event; the default prints a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"
    server_version = "caddie"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)
        elif path == "/healthz":
            self._answer_json(200, {"ok": True})
        elif path == "/readyz":
            self._answer_readiness()
        else:
            self._answer_json(404, {"ok": False, "message": "expected /metrics, /healthz or /readyz"})

    do_HEAD = do_GET

    def _answer_readiness(self) -> None:
        try:
            checks = {name: _check(value) for name, value in self.server.ready().items()}
        except Exception as error:  # whatever a check raises means "not ready"
            checks = {"checks": {"ok": False, "message": type(error).__name__}}
        ok = all(check["ok"] for check in checks.values())
        self._answer_json(200 if ok else 503, {"ok": ok, "checks": checks})

    def _answer_json(self, status: int, body: object) -> None:
        self._answer(status, json.dumps(body).encode() + b"\n", "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes every few seconds are not worth a line."""


def _check(value: bool | tuple[bool, str]) -> dict[str, object]:
    if isinstance(value, tuple):
        return {"ok": value[0], "message": value[1]}
    return {"ok": value}
