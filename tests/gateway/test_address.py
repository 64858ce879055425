from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.address import Addresses


class Peer(asyncio.Transport):
    def __init__(self, name: Any) -> None:
        super().__init__({"peername": name})


def client(peer: Any, forwarded: str | None = None, trusted: tuple[str, ...] = ("10.0.0.0/8", "::1/128")) -> str:
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return Addresses(trusted).client(make_mocked_request("GET", "/", headers=headers, transport=Peer(peer)))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (("192.0.2.1", 5), None, "192.0.2.1"),
        (("192.0.2.1", 5), "198.51.100.7", "192.0.2.1"),
        (("10.0.0.1", 5), "198.51.100.7", "198.51.100.7"),
        (("10.0.0.1", 5), "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (("10.0.0.1", 5), "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (("10.0.0.1", 5), "nonsense", "10.0.0.1"),
        (("10.0.0.1", 5), "198.51.100.7, nonsense", "10.0.0.1"),
        (("10.0.0.1", 5), "", "10.0.0.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), None, "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), None, "2001:db8:1:2::/64"),
        (("::1", 5, 0, 0), "2001:db8::9", "2001:db8::/64"),
        ("", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_bucket_is_the_first_address_that_is_no_trusted_proxy(
    peer: Any, forwarded: str | None, expected: str
) -> None:
    assert client(peer, forwarded) == expected


def test_without_trusted_proxies_the_header_means_nothing() -> None:
    assert client(("10.0.0.1", 5), "198.51.100.7", trusted=()) == "10.0.0.1"
