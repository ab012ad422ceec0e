from __future__ import annotations

import base64
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import model
from tproxy.core import failures, pictures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure

MODEL = model("a")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAAB"
    "JRU5ErkJggg=="
)
REST = bytes(60)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + REST, "image/jpeg"),
        (b"RIFF\n\x00\x00\x00WEBPVP8 " + REST, "image/webp"),
        (b"GIF89a" + REST, "image/gif"),
        (b"GIF87a" + REST, "image/gif"),
        (b"\x00\x00\x00\x1cftypavif" + REST, "image/avif"),
        (b"\x00\x00\x00\x1cftypheic" + REST, "image/heic"),
        (b"II*\x00" + REST, "image/tiff"),
        (b"BM\x46\x00\x00\x00\x00\x00\x00\x00" + REST, "image/bmp"),
        (b"RIFF\x00\x00\x00\x00WAVE" + REST, None),
        (b"\x00\x00\x00\x1cftypmp42" + REST, None),
        (b"BM is a bank in the west" + REST, None),
        (b'{"error": "Model is loading"}' + REST, None),
        (b"<html>" + REST, None),
        (b"", None),
    ],
)
def test_the_type_of_an_image_is_told_from_its_bytes(
    data: bytes, kind: str | None
) -> None:
    assert pictures.sniff(data) == kind


def test_a_picture_has_its_true_type() -> None:
    picture = pictures.whole(PNG, MODEL, "A cat.")

    assert (picture.kind, picture.data, picture.url) == ("image/png", PNG, None)
    assert picture.revised_prompt == "A cat."
    assert "PNG" not in repr(picture)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"", failures.EMPTY),
        (b" \n", failures.EMPTY),
        (PNG[:8], failures.EMPTY),
        (PNG[: pictures.SMALLEST - 1], failures.EMPTY),
        (b"no image", failures.MALFORMED),
        (b"<html>" + REST, failures.MALFORMED),
    ],
)
def test_what_shows_nothing_is_a_failure(data: bytes, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        pictures.whole(data, MODEL)
    assert caught.value.failure is failure
    assert caught.value.model == "a"

    with pytest.raises(UpstreamFailed) as caught:
        pictures.from_base64(base64.b64encode(data).decode(), MODEL)
    assert caught.value.failure is failure


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "data:;base64,"])
@pytest.mark.parametrize("end", ["==", "", "\n"])
def test_base64_is_read_bare_and_in_a_data_url(prefix: str, end: str) -> None:
    text = base64.b64encode(PNG).decode().rstrip("=")

    picture = pictures.from_base64(prefix + text[:40] + "\n" + text[40:] + end, MODEL)

    assert (picture.kind, picture.data) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (None, failures.EMPTY),
        ("", failures.EMPTY),
        ("data:image/png;base64,", failures.EMPTY),
        ({"0": 1}, failures.MALFORMED),
        (7, failures.MALFORMED),
        ("not base64!", failures.MALFORMED),
        ("abcde", failures.MALFORMED),
        ("\u043a\u043e\u0442", failures.MALFORMED),
        ("https://images.test/a.png", failures.MALFORMED),
    ],
)
def test_what_is_no_base64_is_a_failure(said: object, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        pictures.from_base64(said, MODEL)

    assert caught.value.failure is failure
    assert "cat" not in caught.value.detail


@given(st.binary(max_size=200) | st.binary(max_size=100).map(PNG.__add__))
def test_no_bytes_are_a_surprise(data: bytes) -> None:
    seen = len(data) >= pictures.SMALLEST and pictures.sniff(data)

    with nullcontext() if seen else pytest.raises(UpstreamFailed):
        assert pictures.whole(data, MODEL).kind == seen
