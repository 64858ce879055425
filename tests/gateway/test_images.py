from __future__ import annotations

import base64
import hashlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.images import IMAGE_BYTES_MAX, cid, decode, is_link, media_type


def image(kind: str, size: tuple[int, int] = (3, 2)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return buffer.getvalue()


def giant_png() -> bytes:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return start + struct.pack(">I", 4) + b"IDAT" + bytes(8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_content_decides_the_type(kind: str) -> None:
    content = image(kind)
    text = base64.b64encode(content).decode()
    for spelling in (text, f"data:image/bmp;base64,{text}", f"DATA:;base64,{text}"):
        picture = decode(spelling)
        assert picture.content == content
        assert picture.media_type == f"image/{kind.lower()}"


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="expected a PNG, JPEG, GIF or WebP image"):
        media_type(image(kind))


@pytest.mark.parametrize(
    "text",
    ["", "!!!!", "aGVsbG8", "aGVs bG8=", "data:image/png,abc", "data:image/png;base64,***", "aGVsbG8=", "<svg/>", "ü"],
)
def test_what_is_no_image_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode(text)


def test_size_and_pixels_are_limited() -> None:
    with pytest.raises(ValueError, match=f"at most {IMAGE_BYTES_MAX} bytes"):
        decode(base64.b64encode(image("PNG") + bytes(IMAGE_BYTES_MAX)).decode())
    with pytest.raises(ValueError, match="pixels"):
        media_type(giant_png())


@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]), st.integers(0, 60), st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_broken_header_is_refused_and_never_a_fault(kind: str, cut: int, tail: bytes) -> None:
    try:
        media_type(image(kind)[:cut] + tail)
    except ValueError as error:
        assert str(error).startswith("expected")


def test_a_cid_is_version_1_raw_sha256_base32() -> None:
    # The example of the multiformats documentation for the raw block "hello".
    assert cid(b"hello") == "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
    padded = cid(b"x")[1:].upper() + "=" * (-len(cid(b"x")[1:]) % 8)
    assert base64.b32decode(padded) == b"\x01\x55\x12\x20" + hashlib.sha256(b"x").digest()


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        (f"ipfs://{cid(b'x')}", True),
        (f"ipfs://{cid(b'x')}/image.png", True),
        ("ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", True),
        ("https://images.example.org/a.png?size=2", True),
        ("https://images.example.org", True),
        ("http://images.example.org/a.png", False),
        ("ipfs://", False),
        ("ipfs://nonsense", False),
        ("javascript:alert(1)", False),
        ("data:image/png;base64,AAAA", False),
        ("https://", False),
        ("https://a b", False),
        ("https://example.org/\n", False),
        ("https://user@example.org/", False),
        ("https://example.org/" + "x" * 3000, False),
        ("", False),
    ],
)
def test_history_keeps_ipfs_and_https_links_only(url: str, fine: bool) -> None:
    assert is_link(url) is fine
