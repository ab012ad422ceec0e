from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.errors import InvalidRequest
from tproxy.core.image import MOST_IMAGES, ImageRequest
from tproxy.core.model import Kind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def parse(*, bare: bool = False, **fields: Any) -> ImageRequest:
    return ImageRequest.parse(
        json.dumps({"prompt": "A cat", **fields}).encode(), "id", 7, bare=bare
    )


def test_the_least_is_a_prompt() -> None:
    image = parse()

    assert (image.model, image.prompt, image.n) == (None, "A cat", 1)
    assert (image.size, image.quality, image.format) == (None, None, None)
    assert (image.wants_url, image.wants_bytes, image.bare) == (False, False, False)
    assert (image.id, image.created, image.kind) == ("id", 7, Kind.IMAGE)


def test_all_that_a_client_may_say_is_read() -> None:
    image = parse(
        model="m",
        n=MOST_IMAGES,
        size="1536x1024",
        quality="high",
        output_format="webp",
        response_format="url",
        background="opaque",
    )

    assert (image.model, image.n, image.size) == ("m", MOST_IMAGES, (1536, 1024))
    assert (image.quality, image.format) == ("high", "webp")
    assert image.wants_url
    assert image.document.values["background"] == "opaque"


def test_nulls_and_auto_leave_it_to_the_provider() -> None:
    image = parse(n=None, size="auto", quality=None, response_format=None, stream=False)

    assert (image.n, image.size, image.quality) == (1, None, None)


@pytest.mark.parametrize(
    ("bare", "form", "wants_bytes", "stays_bare"),
    [
        (False, None, False, False),
        (False, "b64_json", True, False),
        (False, "url", False, False),
        (True, None, True, True),
        (True, "b64_json", True, False),
        (True, "url", False, False),
    ],
)
def test_the_image_itself_is_the_answer_unless_a_form_is_named(
    bare: bool, form: str | None, wants_bytes: bool, stays_bare: bool
) -> None:
    image = parse(bare=bare, response_format=form)

    assert (image.wants_bytes, image.bare) == (wants_bytes, stays_bare)


@pytest.mark.parametrize(
    ("fields", "param", "problem"),
    [
        ({"prompt": None}, "prompt", "is required"),
        ({"prompt": ""}, "prompt", "is required"),
        ({"prompt": ["A cat"]}, "prompt", "must be a string"),
        ({"model": None}, "model", "must be a string"),
        ({"n": 0}, "n", "must be a whole number from 1 to 10"),
        ({"n": 11}, "n", "must be a whole number from 1 to 10"),
        ({"n": True}, "n", "must be a whole number from 1 to 10"),
        ({"n": 1.0}, "n", "must be a whole number from 1 to 10"),
        ({"size": "big"}, "size", "must be WIDTHxHEIGHT in pixels, or auto"),
        ({"size": "0x1"}, "size", "must be WIDTHxHEIGHT in pixels, or auto"),
        ({"size": "1x999999"}, "size", "must be WIDTHxHEIGHT in pixels, or auto"),
        ({"size": "1x1\n"}, "size", "must be WIDTHxHEIGHT in pixels, or auto"),
        ({"size": 1024}, "size", "must be a string"),
        ({"quality": 1}, "quality", "must be a string"),
        ({"output_format": 1}, "output_format", "must be a string"),
        ({"response_format": "png"}, "response_format", "must be b64_json or url"),
        ({"response_format": {}}, "response_format", "must be b64_json or url"),
        ({"stream": 1}, "stream", "must be true or false"),
        ({"stream": True}, "stream", "must be false: images are not streamed here"),
    ],
)
def test_what_is_wrong_is_told_with_the_fields_name(
    fields: dict[str, Any], param: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)

    assert (caught.value.param, caught.value.message) == (param, f"{param} {problem}.")


def test_only_one_image_can_be_the_answer_itself() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(bare=True, n=2)

    assert caught.value.param == "n"
    assert parse(bare=True, n=2, response_format="b64_json").n == 2


def test_a_prompt_is_measured_in_bytes_and_kept_out_of_reprs() -> None:
    image = parse(prompt="кот \ud83d")

    assert (image.text_bytes, image.prompt_tokens) == (10, 3)
    assert "кот" not in repr(image)


@given(JSON)
def test_any_json_is_read_or_refused(said: object) -> None:
    for body in (said, {"prompt": said}, {"prompt": "x", "size": said, "n": said}):
        try:
            image = ImageRequest.parse(json.dumps(body).encode())
        except InvalidRequest:
            continue
        assert isinstance(body, dict)
        assert image.text_bytes > 0
        assert image.n >= 1
