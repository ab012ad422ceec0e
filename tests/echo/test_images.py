from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import pictures
from tproxy.echo.errors import Refused
from tproxy.echo.images import images, png


def drawn(**fields: Any) -> Any:
    return images({"model": "echo-image", "prompt": "A cat", **fields}, 7)


def decoded(entry: dict[str, str]) -> bytes:
    return base64.b64decode(entry["b64_json"])


@given(st.text(), st.integers(1, 300), st.integers(1, 300))
def test_every_picture_is_a_whole_png_of_that_size(
    text: str, width: int, height: int
) -> None:
    data = png(text, width, height)

    assert pictures.sniff(data) == "image/png"
    at, kinds, rows = 8, [], b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        [check] = struct.unpack_from(">I", data, at + 8 + size)
        assert check == zlib.crc32(kind + body)
        kinds.append(kind)
        if kind == b"IHDR":
            assert struct.unpack_from(">II", body) == (width, height)
        if kind == b"IDAT":
            rows = zlib.decompress(body)
        at += size + 12
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert len(rows) == height * (1 + -(-width // 8))


def test_a_prompt_always_gives_the_same_picture_and_another_one_another() -> None:
    assert drawn() == drawn()
    assert drawn()["data"] != drawn(prompt="A dog")["data"]


def test_the_reply_is_openais() -> None:
    said = drawn(n=2, size="64x32")

    assert said["created"] == 7
    assert said["output_format"] == "png"
    first, second = map(decoded, said["data"])
    assert first != second
    assert struct.unpack_from(">II", first, 16) == (64, 32)
    assert said["usage"] == {"input_tokens": 2, "output_tokens": 2, "total_tokens": 4}


def test_a_size_is_told_where_openais_reply_may_tell_it() -> None:
    assert drawn(size="1024x1536")["size"] == "1024x1536"
    assert "size" not in drawn()


def test_a_url_holds_the_picture_itself() -> None:
    [entry] = drawn(response_format="url")["data"]

    assert entry == {"url": f"data:image/png;base64,{drawn()['data'][0]['b64_json']}"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"model": None}, "model"),
        ({"prompt": 1}, "prompt"),
        ({"n": 11}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": "99999x1"}, "size"),
        ({"response_format": "png"}, "response_format"),
    ],
)
def test_what_openai_would_refuse_is_refused(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(Refused) as caught:
        drawn(**fields)

    assert caught.value.param == param
