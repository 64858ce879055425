"""Images of a chat message: what they are is decided by their content, and their name is the hash of it.

Invariant: only the header of an image is ever read, nothing is fetched, and what is kept is addressed by its CIDv1
(multiformats: version 1, codec raw, sha2-256, base32), so the same bytes are kept once. Caller: chat_stream.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from dataclasses import dataclass

from PIL import Image

IMAGE_BYTES_MAX = 5 * 1024 * 1024
PIXELS_MAX = 50_000_000
#: Base64 of the largest image, with room for a `data:` prefix.
BASE64_CHARACTERS_MAX = 4 * -(-IMAGE_BYTES_MAX // 3) + 128
_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_DATA_URL = re.compile(r"data:[A-Za-z0-9.+/-]{0,64}(?:;[A-Za-z0-9.+=-]{1,64}){0,4};base64,", re.IGNORECASE)
_CID = re.compile(r"(?:b[a-z2-7]{58,120}|z[1-9A-HJ-NP-Za-km-z]{45,120}|Qm[1-9A-HJ-NP-Za-km-z]{44})")
_IPFS_URL = re.compile(rf"ipfs://{_CID.pattern}(?:/[!-~]*)?")
_HTTPS_URL = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?:[/?#][!-~]*)?")
URL_LENGTH_MAX = 2_048


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: its bytes, its real media type, its content identifier."""

    content: bytes
    media_type: str
    cid: str


def decode(text: str) -> Picture:
    """The image in raw base64 or in a `data:` URL. Raises ValueError saying expected and got."""
    prefix = _DATA_URL.match(text)
    if prefix is None and text[:5].lower() == "data:":
        raise ValueError("expected a data: URL with ;base64, got another")
    try:
        content = base64.b64decode(text[prefix.end() if prefix else 0 :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64 (RFC 4648, padded), got something else") from None
    if len(content) > IMAGE_BYTES_MAX:
        raise ValueError(f"expected an image of at most {IMAGE_BYTES_MAX} bytes, got {len(content)}")
    return Picture(content, media_type(content), cid(content))


def media_type(content: bytes) -> str:
    """The media type the header shows. Raises ValueError for anything but PNG, JPEG, GIF and WebP."""
    try:
        with Image.open(io.BytesIO(content), formats=tuple(_MEDIA_TYPES)) as image:
            name, (width, height) = image.format or "", image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"expected at most {PIXELS_MAX} pixels, got more") from None
    except Exception:  # a broken header makes Pillow's readers raise almost anything (struct.error, IndexError, …)
        raise ValueError("expected a PNG, JPEG, GIF or WebP image, got something else") from None
    if width * height > PIXELS_MAX:
        raise ValueError(f"expected at most {PIXELS_MAX} pixels, got {width} × {height}")
    return _MEDIA_TYPES[name]


def cid(content: bytes) -> str:
    """The CIDv1 of a block of raw bytes, in lower-case base32 with its multibase prefix `b`."""
    binary = b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def is_link(url: str) -> bool:
    """Whether history may keep ``url``: `ipfs://<CID>[/path]` or https."""
    return len(url) <= URL_LENGTH_MAX and bool(_IPFS_URL.fullmatch(url) or _HTTPS_URL.fullmatch(url))
