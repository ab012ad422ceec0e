"""Pictures the echo provider draws: a pattern that a prompt always gives.

Source: OpenAI API reference, "Create image"; PNG, ISO/IEC 15948.
"""

import base64
import re
import struct
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from tproxy.echo.errors import Refused
from tproxy.echo.fields import Fields, wrong_value

_SIZE: Final = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})", re.ASCII)
_FORMATS: Final = ("b64_json", "url")
_CELLS: Final = 8  # in a row, and rows
_USUAL: Final = "256x256"
_TOLD: Final = {"1024x1024", "1024x1536", "1536x1024"}  # all a reply's `size` may be


def images(body: Mapping[str, object], created: int) -> dict[str, object]:
    """The reply to a parsed request body; `created` is in seconds since 1970.

    Raises:
        Refused: OpenAI would refuse the request as well.
    """
    fields = Fields(body)
    fields.string("model")
    prompt = fields.string("prompt")
    said = fields.optional_string("size") or "auto"
    size = _USUAL if said == "auto" else said
    width, height = _sides(size)
    form = fields.optional_string("response_format") or "b64_json"
    if form not in _FORMATS:
        raise wrong_value(form, "response_format", _FORMATS)
    data = []
    for number in range(fields.optional_integer("n", 1, 10) or 1):
        text = base64.b64encode(png(f"{number} {prompt}", width, height)).decode()
        data.append({form: f"data:image/png;base64,{text}" if form == "url" else text})
    words = len(prompt.split())
    return {
        "created": created,
        "data": data,
        "output_format": "png",
        **({"size": size} if size in _TOLD else {}),
        "usage": {
            "input_tokens": words,
            "output_tokens": len(data),
            "total_tokens": words + len(data),
        },
    }


def png(text: str, width: int, height: int) -> bytes:
    """A picture in two colours, symmetric from left to right, that stands for `text`.

    `width` and `height` are in pixels.
    """
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    lines = [_line(digest[row], width) for row in range(_CELLS)]
    drawn = b"".join(lines[row * _CELLS // height] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    colours = digest[8:11] + bytes(255 - part for part in digest[8:11])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", head),
            _chunk(b"PLTE", colours),
            _chunk(b"IDAT", zlib.compress(drawn, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _line(cells: int, width: int) -> bytes:
    """A filter byte, and a bit a pixel: the low half of `cells`, and it mirrored."""
    half = f"{cells & 15:04b}"
    pattern = half + half[::-1]
    bits = "".join(pattern[x * _CELLS // width] for x in range(width))
    size = -(-width // 8)
    return b"\0" + int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def _sides(size: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise Refused(
            message=f"Invalid size '{size}'. Expected WIDTHxHEIGHT in pixels, at most "
            "9999 each, or 'auto'.",
            param="size",
            code="invalid_value",
        )
    return int(found[1]), int(found[2])
