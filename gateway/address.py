"""The address a request counts against.

Invariant: `X-Forwarded-For` is believed only hop by hop from trusted proxies, read from the right; a client that
writes the header itself changes nothing. Callers: the gate (rate limits, throttling of failed authentication).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Address = IPv4Address | IPv6Address
#: One customer's usual IPv6 assignment: within it an address costs nothing, so it is one bucket.
IPV6_BUCKET_BITS = 64
FORWARDED_HOPS_MAX = 16
ADDRESSES_REMEMBERED = 4_096


class Addresses:
    """Finds the client's address behind the configured proxies."""

    def __init__(self, trusted_proxies: tuple[str, ...]) -> None:
        self._trusted = tuple(ip_network(network, strict=False) for network in trusted_proxies)

    def client(self, request: web.Request) -> str:
        """The bucket of the caller: an IPv4 address, an IPv6 /64, or `unknown` (a unix socket)."""
        name = request.transport.get_extra_info("peername") if request.transport is not None else None
        peer = _parse(name[0]) if isinstance(name, tuple) else None
        if peer is None:
            return "unknown"
        if self._is_trusted(peer):
            peer = self._forwarded(request, peer)
        return _bucket(peer)

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)

    def _forwarded(self, request: web.Request, peer: Address) -> Address:
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-FORWARDED_HOPS_MAX:]
        for hop in reversed(hops):
            address = _parse(hop.strip())
            if address is None:
                return peer
            peer = address
            if not self._is_trusted(address):
                break
        return peer


@lru_cache(ADDRESSES_REMEMBERED)
def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(ADDRESSES_REMEMBERED)
def _bucket(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), IPV6_BUCKET_BITS), strict=False))
    return str(address)
