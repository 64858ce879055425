"""The cookie of a signed-in browser, and the proof that a request comes from a page allowed to use it.

The cookie is an opaque random id (RFC 6265): `__Host-caddie` with Secure everywhere but on loopback, where browsers
speak plain http and the prefix is refused, `caddie` there. Invariant: no cookie is believed on a request that changes
something unless the browser itself says that our own page, or an origin the operator allows, has sent it
(Fetch Metadata's `Sec-Fetch-Site`, else `Origin`); clients that are no browsers send neither.
Callers: the gate, the identity routes.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from shared.errors import CaddieError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAME = "caddie"
_SECURE_NAME = "__Host-caddie"


def secret_of(request: web.Request) -> str | None:
    """What the caller's cookie holds; nobody has checked it yet."""
    return request.cookies.get(_name(request))


def put(request: web.Request, response: web.StreamResponse, secret: str, life_s: int) -> None:
    """Let the browser keep ``secret`` for ``life_s`` seconds."""
    response.set_cookie(
        _name(request),
        secret,
        max_age=life_s,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=not _on_loopback(request),
    )


def drop(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser forget it."""
    response.del_cookie(_name(request), path="/", httponly=True, samesite="Lax", secure=not _on_loopback(request))


def require_own_page(request: web.Request, origins: tuple[str, ...]) -> None:
    """Raises FORBIDDEN for a request that changes something and that a foreign page has sent."""
    if request.method in SAFE_METHODS:
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and origin in origins:
        return
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or _place(origin) == request.host
    if not own:
        raise CaddieError("FORBIDDEN", "expected a request of this site's own pages, got one of another site")


def _place(origin: str) -> str:
    """Host and port of an origin; nothing of one that is no address (`null`, too)."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(request: web.Request) -> str:
    return _LOOPBACK_NAME if _on_loopback(request) else _SECURE_NAME


def _on_loopback(request: web.Request) -> bool:
    """Whether the browser believes to speak with this machine; a proxy in front shows its own name."""
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
