"""Images as providers return them, judged by their bytes, whatever they are called.

Source: the signatures in PNG (ISO/IEC 15948, 5.2), JPEG (ISO/IEC 10918-1, B.1.1.3),
GIF89a, WebP (RFC 9649, 2.4), ISO media files (ISO/IEC 14496-12, 4.3), TIFF 6.0, BMP.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Picture

SMALLEST: Final = 64  # bytes; the smallest PNG that shows anything has 67

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "image/avif"),
    (re.compile(rb"....ftyphei[cx]", re.DOTALL), "image/heic"),
    (re.compile(rb"II\*\0|MM\0\*"), "image/tiff"),
    (re.compile(rb"BM.{4}\0{4}", re.DOTALL), "image/bmp"),
)
_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w.=-]+)*;base64,", re.ASCII)


def sniff(data: bytes) -> str | None:
    """The media type of an image; None where it is none that we know."""
    return next((kind for mark, kind in _SIGNATURES if mark.match(data)), None)


def whole(data: bytes, model: Model, revised_prompt: str | None = None) -> Picture:
    """A picture of what a provider returned.

    Raises:
        UpstreamFailed: `EMPTY`, where it is nothing or too little to be seen;
            `MALFORMED`, where it is no image.
    """
    kind = sniff(data)
    if not data.strip() or (kind and len(data) < SMALLEST):
        raise UpstreamFailed.of(
            model.name, failures.EMPTY, f"an image of {len(data)} bytes"
        )
    if kind is None:
        raise UpstreamFailed.of(
            model.name, failures.MALFORMED, "bytes that are no image"
        )
    return Picture(kind, data, revised_prompt=revised_prompt)


def from_base64(
    said: object, model: Model, revised_prompt: str | None = None
) -> Picture:
    """A picture of Base64, bare or in a data URL.

    Raises:
        UpstreamFailed: as `whole`; `MALFORMED`, too, where it is no Base64.
    """
    if not said:
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no image")
    if not isinstance(said, str):
        raise UpstreamFailed.of(
            model.name, failures.MALFORMED, "an image that is no text"
        )
    prefix = _DATA_URL.match(said)
    text = "".join((said[prefix.end() :] if prefix else said).split()).rstrip("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise UpstreamFailed.of(
            model.name, failures.MALFORMED, "an image in no Base64"
        ) from None
    return whole(data, model, revised_prompt)
