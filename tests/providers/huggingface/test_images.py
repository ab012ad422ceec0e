from __future__ import annotations

import random
from contextlib import suppress

import pytest

from tests.core.test_pictures import PNG
from tests.providers.walking import ok, sent, walk
from tests.values import KEY, image, model
from tproxy.contract import tampering
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import ImageReply, Received, UpstreamRequest
from tproxy.providers.huggingface import DIALECT
from tproxy.providers.huggingface.images import endpoint

NAME = "black-forest-labs/FLUX.1-schnell"
ROUTER = "https://router.huggingface.co"
HEADERS = (("X-HF-Bill-To", "org"),)
UPSTREAM = Upstream(f"{ROUTER}/hf-inference", "huggingface", Secret(KEY), HEADERS)
MODEL = model("flux", upstream_name=NAME, upstream=UPSTREAM)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
LOADING = b'{"error": "Model X is currently loading", "estimated_time": 20.0}'


def received(body: bytes, kind: str = "image/png") -> Received:
    return ok(body, **{"content-type": kind})


def drawn(
    asked: ImageRequest, *answers: Received
) -> tuple[list[UpstreamRequest], ImageReply]:
    assert DIALECT.images is not None
    return walk(DIALECT.images.draw(asked, MODEL), *answers)


@pytest.mark.parametrize(
    "base",
    [
        *("", "/", "/v1", "/v1/", "/v1/chat/completions"),
        *("/hf-inference", "/hf-inference/", "/hf-inference/models"),
        f"/hf-inference/models/{NAME}",
    ],
)
def test_any_base_of_the_router_leads_to_the_model(base: str) -> None:
    assert endpoint(ROUTER + base, NAME) == f"{ROUTER}/hf-inference/models/{NAME}"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "https://api-inference.huggingface.co/models",
            f"https://api-inference.huggingface.co/models/{NAME}",
        ),
        (
            "https://api-inference.huggingface.co/models/a/b",
            "https://api-inference.huggingface.co/models/a/b",
        ),
        (
            "https://x.us-east-1.aws.endpoints.huggingface.cloud/",
            "https://x.us-east-1.aws.endpoints.huggingface.cloud",
        ),
    ],
)
def test_other_hosts_have_paths_of_their_own(url: str, found: str) -> None:
    assert endpoint(url, NAME) == found


def test_a_picture_is_asked_for_and_read() -> None:
    asked = image(size="512x768", seed=7, num_inference_steps=4, quality="hd")

    [request], reply = drawn(asked, received(JPEG, "image/png"))

    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "image/png"),
        ("X-HF-Bill-To", "org"),
    )
    assert sent(request) == {
        "inputs": "A cat",
        "parameters": {
            "num_inference_steps": 4,
            "seed": 7,
            "width": 512,
            "height": 768,
        },
    }
    assert request.dropped == ("quality",)
    [picture] = reply.pictures
    assert (picture.kind, picture.data) == ("image/jpeg", JPEG)  # its true type


def test_another_format_can_be_asked_for() -> None:
    [request], _ = drawn(image(output_format="jpeg"), received(JPEG))

    assert ("Accept", "image/jpeg") in request.headers


def test_several_pictures_are_asked_for_one_by_one() -> None:
    requests, reply = drawn(image(n=2, seed=7), received(PNG), received(JPEG))

    seeds = [sent(request)["parameters"]["seed"] for request in requests]
    assert seeds == [7, 8]
    assert [p.kind for p in reply.pictures] == ["image/png", "image/jpeg"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (received(b""), failures.EMPTY),
        (received(PNG[:20]), failures.EMPTY),
        (received(b"<html>", "text/html"), failures.MALFORMED),
        (received(bytes(100)), failures.MALFORMED),
        (received(LOADING, "application/json"), failures.OVERLOADED),
        (received(b"\n" + LOADING, "image/png"), failures.OVERLOADED),
        (received(b'{"error": "boom"}', "application/json"), failures.SERVER),
        (received(b"[]", "application/json"), failures.SERVER),
    ],
)
def test_what_is_no_picture_is_a_failure(answer: Received, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        drawn(image(), answer)

    assert caught.value.failure is failure


def test_a_model_that_is_loading_says_how_long() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        drawn(image(), received(LOADING))

    assert caught.value.retry_after == 20.0


def test_no_answer_is_a_surprise() -> None:
    for body in tampering.answers(LOADING, random.Random(7), 300, "key"):
        with suppress(UpstreamFailed):
            drawn(image(), received(body))
            raise AssertionError("an error passed for a picture")
