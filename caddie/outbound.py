"""HTTP, and plain sockets, to addresses a user or a model has named: only to the public internet, in little time, of
bearable size.

What is judged is the address a socket is about to connect to, so names that resolve to private addresses, addresses
that change between two look-ups, odd spellings of numbers and redirects are all the same case. Invariant: no packet
leaves for a refused address, and proxy variables of the environment change nothing. Callers: the chat's tools, blocks
of workflows.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp import TCPConnector
from yarl import URL

from caddie.unpacking import Body
from shared.errors import CaddieError

BODY_BYTES = 1024 * 1024
TIME_S = 15.0
URL_CHARS = 2_048
REDIRECTS = 5
CHUNK_BYTES = 65_536
#: Requests of one process at the same time.
CONNECTIONS = 64
_REDIRECTED = (301, 302, 303, 307, 308)
#: What goes along to another origin; anything else may be a secret of the first one.
_HARMLESS = ("accept", "accept-language", "content-type", "user-agent")
# IANA's special-purpose registries, with what is deprecated and multicast.
_NOT_PUBLIC_V4 = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)))  # fmt: skip
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")))
_SIX_TO_FOUR, _NAT64 = IPv6Network("2002::/16"), IPv6Network("64:ff9b::/96")
#: Interface ids of ISATAP (RFC 5214), which hold an IPv4 address too.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_REFUSED = "expected an address of the public internet, got a private, local or reserved one"


class Unreached(CaddieError):
    """UNAVAILABLE, and certain: nobody has got anything of what was to be sent."""

    def __init__(self, message: str) -> None:
        super().__init__("UNAVAILABLE", message)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. url: after redirects; cut: the body goes on where `body` ends; headers: by lower-case name."""

    url: str
    status: int
    content_type: str
    charset: str
    body: bytes
    cut: bool
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        try:
            return self.body.decode(self.charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def is_public(address: Address) -> bool:
    """Whether an address, and each IPv4 address within it, is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    number = int(address)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(number & 0xFFFF_FFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(number >> 80 & 0xFFFF_FFFF))
    if number >> 32 & 0xFFFF_FFFF in _ISATAP and not is_public(IPv4Address(number & 0xFFFF_FFFF)):
        return False
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


class Outbound:
    """networks: CIDRs that may be reached besides the public internet; connections: requests at the same time.

    Made anywhere; connects when first used.
    """

    def __init__(self, networks: Iterable[str] = (), connections: int = CONNECTIONS) -> None:
        self._connections = connections
        self._networks: tuple[Network, ...] = tuple(ip_network(network, strict=False) for network in networks)
        self._guarded: aiohttp.ClientSession | None = None
        self._trusted: aiohttp.ClientSession | None = None

    async def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None,
        limit_bytes: int = BODY_BYTES, time_s: float = TIME_S, trusted: bool = False,
    ) -> Fetched:  # fmt: skip
        """The answer, at most ``limit_bytes`` of it. trusted: the operator named the address, any may be reached.

        Raises CaddieError: INVALID (no http address), FORBIDDEN (not public), TIMEOUT, UNAVAILABLE; Unreached.
        """
        target, sent, asked = _parsed(url), dict(headers or {}), False
        try:
            async with asyncio.timeout(time_s):
                for _ in range(REDIRECTS + 1):
                    found, onward = await self._once(target, method, sent, body, limit_bytes, trusted)
                    asked = True
                    if onward is None or trusted:
                        return found
                    if found.status == 303 or (found.status in (301, 302) and method == "POST"):
                        method, body = "GET", None
                    before, target = target, _checked(onward)
                    if target.origin() != before.origin():
                        sent = {name: value for name, value in sent.items() if name.lower() in _HARMLESS}
                raise CaddieError("UNAVAILABLE", f"expected at most {REDIRECTS} redirects, got one more")
        except TimeoutError:
            raise CaddieError("TIMEOUT", f"expected an answer within {time_s:g} s, got none") from None
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno == errno.EACCES:
                raise CaddieError("FORBIDDEN", _REFUSED) from None
            message = f"expected {target.host} to answer, got no connection"
            raise CaddieError("UNAVAILABLE", message) if asked else Unreached(message) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CaddieError("UNAVAILABLE", f"expected an HTTP answer, got {type(error).__name__}") from None

    async def dial(self, host: str, port: int, time_s: float = TIME_S) -> socket.socket:
        """A connected socket, for other protocols. Raises CaddieError FORBIDDEN, TIMEOUT; Unreached."""
        loop, refused = asyncio.get_running_loop(), False
        try:
            async with asyncio.timeout(time_s):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                for family, kind, protocol, name, address in found:
                    try:
                        made = self._socket((family, kind, protocol, name, address))
                    except OSError as error:
                        refused = refused or error.errno == errno.EACCES
                        continue
                    try:
                        made.setblocking(False)
                        await loop.sock_connect(made, address)
                        return made
                    except OSError:
                        made.close()
                    except BaseException:
                        made.close()
                        raise
        except TimeoutError:
            raise CaddieError("TIMEOUT", f"expected a connection within {time_s:g} s, got none") from None
        except (OSError, ValueError):
            # No such name, or one that no name server could have.
            raise Unreached(f"expected {host} to be found, got no address") from None
        if refused:
            raise CaddieError("FORBIDDEN", _REFUSED)
        raise Unreached(f"expected {host} to answer at port {port}, got no connection")

    async def close(self) -> None:
        for session in (self._guarded, self._trusted):
            if session is not None:
                await session.close()

    async def _once(
        self, url: URL, method: str, headers: Mapping[str, str], body: bytes | None, limit: int, trusted: bool
    ) -> tuple[Fetched, URL | None]:
        """An answer, and where it leads to."""
        sent = {"Accept-Encoding": "identity", "User-Agent": "Caddie", **headers}
        async with self._session(trusted).request(
            method, url, headers=sent, data=body, allow_redirects=False, max_line_size=URL_CHARS * 4
        ) as response:
            location = response.headers.get("Location", "") if response.status in _REDIRECTED else ""
            onward = url.join(URL(location)) if location else None
            came = Body("" if onward or method == "HEAD" else response.headers.get("Content-Encoding", ""), limit)
            while onward is None and not came.full:
                chunk = await response.content.read(CHUNK_BYTES)
                if not chunk:
                    break
                came.add(chunk)
            content, cut = came.end()
            return Fetched(
                str(url), response.status, response.content_type, response.charset or "utf-8", content, cut,
                _headers(response),
            ), onward  # fmt: skip

    def _session(self, trusted: bool) -> aiohttp.ClientSession:
        session = self._trusted if trusted else self._guarded
        if session is None:
            connector = TCPConnector(
                limit=self._connections, use_dns_cache=False, force_close=True,
                socket_factory=None if trusted else self._socket,
            )  # fmt: skip
            session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            )
            if trusted:
                self._trusted = session
            else:
                self._guarded = session
        return session

    def _socket(self, info: Any) -> socket.socket:
        """The socket for an address that may be connected to, which is the next thing that happens to it."""
        family, kind, protocol, _, name = info
        if not self._allows(ip_address(str(name[0]).partition("%")[0])):
            raise OSError(errno.EACCES, "not an address of the public internet")
        return socket.socket(family, kind, protocol)

    def _allows(self, address: Address) -> bool:
        plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
        return is_public(address) or any(plain in each for each in self._networks if each.version == plain.version)


def _parsed(url: str) -> URL:
    try:
        return _checked(URL(url.strip()))
    except (ValueError, TypeError):
        raise CaddieError("INVALID", "expected an http or https address, got something else") from None


def _checked(url: URL) -> URL:
    if url.scheme not in ("http", "https") or not url.host:
        raise CaddieError("INVALID", "expected an http or https address, got another")
    if url.user is not None or url.password is not None:
        raise CaddieError("INVALID", "expected an address without a login, got one with")
    if len(str(url)) > URL_CHARS:
        raise CaddieError("INVALID", f"expected an address of at most {URL_CHARS} characters, got a longer one")
    return url


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """By lower-case name; what came several times is one list (RFC 9110, 5.3), but cookies stand on lines."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        name = name.lower()
        joint = "\n" if name == "set-cookie" else ", "
        found[name] = f"{found[name]}{joint}{value}" if name in found else value
    return found
