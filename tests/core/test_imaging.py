from __future__ import annotations

import json
from typing import Any

import pytest

from tests.values import PNG, image
from tests.values import PNG_BASE64 as DATA
from tproxy.contract.openai import check_images
from tproxy.core import imaging, pictures
from tproxy.core.image import ImageRequest
from tproxy.core.upstream import ImageReply, Picture, Usage

URL = "https://pictures.test/1"


def told(reply: ImageReply, asked: ImageRequest) -> Any:
    kind, body = imaging.answer(reply, asked)
    assert kind == "application/json"
    return json.loads(body)


def test_a_bare_answer_is_the_image_with_its_true_type() -> None:
    reply = ImageReply((Picture("image/png", PNG),), body=b'{"data": []}')

    assert imaging.answer(reply, image(bare=True)) == ("image/png", PNG)


def test_a_providers_own_answer_goes_on_as_it_is() -> None:
    reply = ImageReply((Picture("image/png", PNG),), body=b'{"data" : []}')

    assert imaging.answer(reply, image()) == ("application/json", b'{"data" : []}')


@pytest.mark.parametrize("data", [PNG, b"\0\0\0\x1cftypavif"])
def test_a_url_made_of_bytes_keeps_the_contract(data: bytes) -> None:
    reply = ImageReply((Picture(pictures.sniff(data) or "", data),))

    _, body = imaging.answer(reply, image(response_format="url"))

    assert check_images(body) == [data]


def test_images_are_told_in_openais_form() -> None:
    first = Picture("image/png", PNG, revised_prompt="One cat 🐈")
    reply = ImageReply((first, Picture("image/png", PNG)), Usage(3, 4))

    assert told(reply, image()) == {
        "created": 7,
        "data": [
            {"b64_json": DATA, "revised_prompt": "One cat 🐈"},
            {"b64_json": DATA},
        ],
        "output_format": "png",
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    }


@pytest.mark.parametrize(
    ("drawn", "form", "entry"),
    [
        (Picture("image/png", PNG), "url", {"url": f"data:image/png;base64,{DATA}"}),
        (Picture("image/png", PNG, url=URL), "url", {"url": URL}),
        (Picture("", url=URL), "url", {"url": URL}),
        (Picture("", url=URL), None, {"url": URL}),
        (Picture("image/png", PNG, url=URL), "b64_json", {"b64_json": DATA}),
    ],
)
def test_an_image_is_told_in_the_form_asked_for(
    drawn: Picture, form: str | None, entry: dict[str, str]
) -> None:
    said = told(ImageReply((drawn,)), image(response_format=form))

    assert said["data"] == [entry]
    assert "usage" not in said
