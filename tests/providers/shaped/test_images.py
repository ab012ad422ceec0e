from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.walking import ok, sent, walk
from tests.values import KEY, PNG, PNG_BASE64, image, model
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import ImageReply, Picture, Usage
from tproxy.providers.openai import DIALECT
from tproxy.providers.shaped.images import Images

URL = "https://pictures.test/1.png?sig=1"
BYTES = {"b64_json": PNG_BASE64}
DRAWN = Picture("image/png", PNG)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
JSON = st.recursive(
    SCALARS | st.just(PNG_BASE64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def at(host: str, name: str = "m") -> Model:
    url = f"https://{host}/v1/images/generations"
    upstream = Upstream(url, "openai", Secret(KEY), (("X-Title", "t"),))
    return model(upstream_name=name, upstream=upstream)


MODEL = at("a.test")


def drawn(asked: ImageRequest, *answers: object, by: Model = MODEL) -> ImageReply:
    _, reply = walk(Images().draw(asked, by), *map(ok, answers))
    return reply


def failure(*answers: object, asked: ImageRequest | None = None) -> Failure:
    with pytest.raises(UpstreamFailed) as caught:
        drawn(asked or image(), *answers)
    assert caught.value.message.startswith("a: ")
    return caught.value.failure


def test_the_dialect_draws() -> None:
    assert isinstance(DIALECT.images, Images)


def test_a_request_is_the_clients_with_the_upstreams_model_and_headers() -> None:
    asked = image(
        model="SMALL", size="1024x1024", background="opaque", moderation="low"
    )

    [request], _ = walk(Images().draw(asked, MODEL), ok({"data": [BYTES]}))

    assert (request.method, request.url) == ("POST", MODEL.upstream.url)
    assert request.body == asked.document.text.replace('"SMALL"', '"m"').encode()
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("X-Title", "t"),
    )
    assert (request.dropped, request.ours) == ((), True)


@pytest.mark.parametrize(
    ("host", "name", "fields", "expected", "dropped"),
    [
        ("api.openai.com", "gpt-image-1", {"response_format": "b64_json"}, {}, ()),
        ("a.test", "openai/gpt-image-1-mini", {"response_format": "url"}, {}, ()),
        ("a.test", "chatgpt-image-latest", {"response_format": "url"}, {}, ()),
        *(
            (
                *("a.test", name, {"response_format": "url", "size": "1x2"}),
                *({"response_format": "url", "size": "1x2"}, ()),
            )
            for name in ("dall-e-3", "my-gpt-image", "flux")
        ),
        *(
            (host, "flux", {"size": "1024x768"}, {"width": 1024, "height": 768}, ())
            for host in ("api.together.xyz", "api.together.ai", "together.xyz")
        ),
        ("api.together.xyz", "flux", {"size": "auto"}, {}, ()),
        ("nottogether.xyz", "flux", {"size": "1x1"}, {"size": "1x1"}, ()),
        ("api.x.ai", "grok", {"size": "1024x768"}, {}, ("size",)),
        ("linux.ai", "grok", {"size": "1024x768"}, {"size": "1024x768"}, ()),
    ],
)
def test_what_a_provider_says_otherwise_is_said_its_way(
    host: str,
    name: str,
    fields: dict[str, Any],
    expected: dict[str, object],
    dropped: tuple[str, ...],
) -> None:
    steps = Images().draw(image(**fields), at(host, name))

    [request], _ = walk(steps, ok({"data": [BYTES]}))

    assert sent(request) == {"prompt": "A cat", "model": name, **expected}
    assert request.dropped == dropped


@pytest.mark.parametrize(
    ("asked", "entry", "picture"),
    [
        (image(), BYTES, DRAWN),
        (image(), {"url": URL}, Picture("", url=URL)),
        (image(response_format="b64_json"), BYTES, DRAWN),
        (image(response_format="url"), {"url": URL}, Picture("", url=URL)),
        (
            image(),
            {**BYTES, "revised_prompt": "One cat"},
            attrs.evolve(DRAWN, revised_prompt="One cat"),
        ),
        (image(bare=True), BYTES, DRAWN),
        (image(), {"url": f"data:image/png;base64,{PNG_BASE64}"}, DRAWN),
    ],
)
def test_an_answer_that_holds_what_was_asked_goes_on_as_it_is(
    asked: ImageRequest, entry: dict[str, object], picture: Picture
) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4}
    body = json.dumps({"data": [entry], "usage": usage}, indent=3).encode()

    assert drawn(asked, body) == ImageReply((picture,), Usage(3, 4), body)


def test_an_image_that_is_only_linked_to_is_fetched_where_its_bytes_are_wanted() -> (
    None
):
    asked = image(response_format="b64_json")
    told = {"created": 1, "data": [{"url": URL, "revised_prompt": "r"}, BYTES]}

    [_, request], reply = walk(Images().draw(asked, MODEL), ok(told), ok(PNG))

    assert (request.method, request.url, request.body) == ("GET", URL, b"")
    assert not request.ours
    assert KEY not in str(request.headers)
    assert reply.pictures == (attrs.evolve(DRAWN, revised_prompt="r"), DRAWN)
    assert reply.body is not None
    assert json.loads(reply.body) == {
        "created": 1,
        "data": [{"b64_json": PNG_BASE64, "revised_prompt": "r"}, BYTES],
    }


def test_a_link_to_the_provider_itself_is_asked_with_its_key() -> None:
    near, far = "https://a.test/files/1.png", "https://a.test:444/files/1.png"
    told = {"data": [{"url": near}, {"url": far}]}

    [_, first, second], _ = walk(
        Images().draw(image(response_format="b64_json"), MODEL),
        *(ok(told), ok(PNG), ok(PNG)),
    )

    assert (first.url, first.ours) == (near, True)
    assert first.headers == (("Accept", "image/*"), ("X-Title", "t"))
    assert (second.url, second.ours) == (far, False)
    assert second.headers == (("Accept", "image/*"),)


def test_bytes_become_a_data_url_where_a_url_was_asked_for() -> None:
    reply = drawn(image(response_format="url"), {"data": [BYTES], "size": "1x1"})

    assert reply.body is not None
    url = f"data:image/png;base64,{PNG_BASE64}"
    assert json.loads(reply.body) == {"data": [{"url": url}], "size": "1x1"}


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (b"", failures.EMPTY),
        (b" \n", failures.EMPTY),
        ({}, failures.EMPTY),
        ({"data": []}, failures.EMPTY),
        ({"data": None, "created": 1}, failures.EMPTY),
        ({"data": [{}]}, failures.EMPTY),
        ({"data": [{"b64_json": ""}]}, failures.EMPTY),
        ({"data": [{"b64_json": PNG_BASE64[:40]}]}, failures.EMPTY),
        ({"data": [BYTES, {"b64_json": None}]}, failures.EMPTY),
        ({"data": [{"b64_json": 1}]}, failures.MALFORMED),
        ({"data": [{"b64_json": "no base64"}]}, failures.MALFORMED),
        ({"data": [{"b64_json": "QUJD" * 40}]}, failures.MALFORMED),
        ({"data": [{"url": ["x"]}]}, failures.MALFORMED),
        ({"data": [1]}, failures.MALFORMED),
        ({"data": {"b64_json": PNG_BASE64}}, failures.MALFORMED),
        ([BYTES], failures.MALFORMED),
        (b"<html>", failures.MALFORMED),
        (b'{"data": [{"b64_json": "', failures.MALFORMED),
        (b"[" * 100_000, failures.MALFORMED),
        ({"error": {"message": "overloaded"}}, failures.OVERLOADED),
        ({"error": {"code": "moderation_blocked"}, "data": []}, failures.FILTERED),
        ({"detail": "Internal error"}, failures.SERVER),
    ],
)
def test_no_image_is_a_failure(answer: object, row: Failure) -> None:
    assert failure(answer) is row


@pytest.mark.parametrize(
    ("url", "fetched", "row"),
    [
        (URL, b"", failures.EMPTY),
        (URL, PNG[:40], failures.EMPTY),
        (URL, b"<html>" + bytes(100), failures.MALFORMED),
    ],
)
def test_a_link_to_no_image_is_a_failure(
    url: str, fetched: bytes, row: Failure
) -> None:
    assert failure({"data": [{"url": url}]}, fetched, asked=image(bare=True)) is row


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.test/1", "/1.png"])
def test_only_the_web_is_asked(url: str) -> None:
    assert failure({"data": [{"url": url}]}, asked=image(bare=True)) is (
        failures.MALFORMED
    )


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1}, Usage(1, 2)),
        ({"input_tokens": 1}, Usage(1, 0)),
        ({"cost_in_usd_ticks": 700}, None),
        ({"input_tokens": "many", "output_tokens": -1}, None),
        ({"input_tokens": 10**400}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_read_by_either_names(told: Any, usage: Usage | None) -> None:
    assert drawn(image(), {"data": [BYTES], "usage": told}).usage == usage


@given(JSON, st.sampled_from(["b64_json", "url", "revised_prompt", "usage"]))
def test_any_json_is_images_or_a_failure(said: object, name: str) -> None:
    for asked in (image(), image(response_format="url")):
        for body in (said, {"data": said}, {"data": [{**BYTES, name: said}]}):
            try:
                reply = drawn(asked, json.dumps(body).encode())
            except UpstreamFailed:
                continue
            assert reply.pictures
            assert json.loads(reply.body or b"")["data"]
