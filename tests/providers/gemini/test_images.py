from __future__ import annotations

import base64
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from tests.providers.gemini.models import BASE, model
from tests.providers.gemini.recorded import ALL, Recording
from tests.values import KEY
from tproxy.contract import tampering
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import (
    ImageReply,
    Received,
    UpstreamHead,
    UpstreamRequest,
    Usage,
)
from tproxy.providers.gemini import DIALECT

GEMINI = model("gemini-2.5-flash-image")
NEWER = model("gemini-3-pro-image-preview")
IMAGEN = model("imagen-4.0-generate-001")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
PNG = base64.b64encode(PIXEL).decode()


def shown(data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}}


SHOWN = shown(PNG)


def asked(**fields: object) -> ImageRequest:
    return ImageRequest.parse(json.dumps({"prompt": "a cat", **fields}).encode())


def request(to: Model, **fields: object) -> UpstreamRequest:
    assert DIALECT.images is not None
    return next(DIALECT.images.draw(asked(**fields), to))


def drawn(to: Model, said: object, **fields: object) -> ImageReply:
    assert DIALECT.images is not None
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    steps = DIALECT.images.draw(asked(**fields), to)
    next(steps)
    with pytest.raises(StopIteration) as stopped:
        steps.send(Received(UpstreamHead(200, {}), body))
    found: ImageReply = stopped.value.value
    return found


def failed(to: Model, said: object) -> str:
    with pytest.raises(UpstreamFailed) as caught:
        drawn(to, said)
    return caught.value.failure.name


def generated(*parts: object, finish: str = "STOP", **more: object) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "finishReason": finish}], **more}


# What is asked


def test_an_image_model_of_geminis_chats() -> None:
    sent = request(GEMINI)

    assert sent.url == f"{BASE}/models/gemini-2.5-flash-image:generateContent"
    assert json.loads(sent.body) == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    }


def test_imagen_predicts() -> None:
    sent = request(IMAGEN, n=3, size="1024x1024")

    assert sent.url == f"{BASE}/models/imagen-4.0-generate-001:predict"
    assert json.loads(sent.body) == {
        "instances": [{"prompt": "a cat"}],
        "parameters": {"sampleCount": 3, "aspectRatio": "1:1"},
    }


@pytest.mark.parametrize(
    ("to", "size", "expected"),
    [
        (GEMINI, "1024x1024", {"aspectRatio": "1:1"}),
        (GEMINI, "1024x1536", {"aspectRatio": "2:3"}),
        (GEMINI, "1536x1024", {"aspectRatio": "3:2"}),
        (GEMINI, "1792x1024", {"aspectRatio": "16:9"}),
        (GEMINI, "4096x4096", {"aspectRatio": "1:1"}),
        (NEWER, "1024x1024", {"aspectRatio": "1:1"}),
        (NEWER, "2048x2048", {"aspectRatio": "1:1", "imageSize": "2K"}),
        (NEWER, "4096x2304", {"aspectRatio": "16:9", "imageSize": "4K"}),
    ],
)
def test_a_size_is_a_shape(to: Model, size: str, expected: dict[str, str]) -> None:
    said = json.loads(request(to, size=size).body)

    assert said["generationConfig"]["imageConfig"] == expected


def test_imagen_knows_fewer_shapes() -> None:
    said = json.loads(request(IMAGEN, size="1024x1536").body)

    assert said["parameters"]["aspectRatio"] == "3:4"


@pytest.mark.parametrize("to", [GEMINI, IMAGEN])
def test_hints_without_words_are_named(to: Model) -> None:
    sent = request(to, quality="hd", output_format="webp", response_format="b64_json")

    assert sent.dropped == ("quality", "output_format")


@pytest.mark.parametrize(("to", "n"), [(GEMINI, 2), (IMAGEN, 5)])
def test_more_images_than_there_can_be_are_refused(to: Model, n: int) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        request(to, n=n)

    assert (caught.value.failure.name, caught.value.param) == ("unsupported", "n")


# What is answered


def test_images_have_the_type_of_their_bytes() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1290}

    reply = drawn(GEMINI, generated({"text": "Here"}, SHOWN, usageMetadata=usage))

    [picture] = reply.pictures
    assert (picture.kind, picture.data) == ("image/png", PIXEL)
    assert reply.usage == Usage(5, 1290)


def test_imagen_may_return_fewer_than_were_asked_for() -> None:
    made = {"mimeType": "image/png", "bytesBase64Encoded": PNG, "prompt": "A cat."}

    reply = drawn(IMAGEN, {"predictions": [made, {"raiFilteredReason": "x"}]}, n=2)

    [picture] = reply.pictures
    assert (picture.data, picture.revised_prompt) == (PIXEL, "A cat.")


@pytest.mark.parametrize(
    ("to", "said", "row"),
    [
        (GEMINI, generated({"text": "No."}), "empty"),
        (GEMINI, generated(finish="NO_IMAGE"), "empty"),
        (GEMINI, generated(finish="IMAGE_SAFETY"), "filtered"),
        (GEMINI, generated(finish="PROHIBITED_CONTENT"), "filtered"),
        (GEMINI, {"promptFeedback": {"blockReason": "OTHER"}}, "filtered"),
        (GEMINI, {}, "empty"),
        (GEMINI, b"", "empty"),
        (GEMINI, generated(shown("!")), "malformed"),
        (GEMINI, generated(shown("iVBO")), "malformed"),
        (GEMINI, generated({**SHOWN, "thought": True}), "empty"),
        (GEMINI, {"error": {"code": 429, "message": "x"}}, "rate_limit"),
        (IMAGEN, {}, "empty"),
        (IMAGEN, {"predictions": []}, "empty"),
        (IMAGEN, {"predictions": {"a": 1}}, "empty"),
        (IMAGEN, {"predictions": [1, {"mimeType": "image/png"}]}, "empty"),
        (IMAGEN, {"predictions": [{"raiFilteredReason": "sexual"}]}, "filtered"),
        (IMAGEN, {"predictions": [{"bytesBase64Encoded": 1}]}, "malformed"),
        (IMAGEN, {"predictions": [{"bytesBase64Encoded": "AAAA"}]}, "malformed"),
        (IMAGEN, b"<html>", "malformed"),
    ],
)
def test_no_image_is_a_failure(to: Model, said: object, row: str) -> None:
    assert failed(to, said) == row


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (GEMINI, generated({"text": "Here"}, SHOWN, usageMetadata={"a": 1})),
        (IMAGEN, {"predictions": [{"bytesBase64Encoded": PNG, "prompt": "A cat."}]}),
    ],
)
def test_a_tampered_answer_is_images_or_a_failure(to: Model, said: object) -> None:
    body = json.dumps(said).encode()
    bodies = tampering.answers(body, random.Random(0), 500, KEY)

    for broken in (*tampering.WORTHLESS.values(), *tampering.lacking(body), *bodies):
        with suppress(UpstreamFailed):
            reply = drawn(to, broken)
            assert reply.pictures
            assert all(
                (one.data or b"").startswith(PIXEL[:8]) for one in reply.pictures
            )


IMAGES = {name: one for name, one in ALL.items() if one.kind == "image"}


@pytest.mark.parametrize("recording", IMAGES.values(), ids=IMAGES)
def test_recorded_images_are_drawn(recording: Recording) -> None:
    [said] = recording.values
    parts = said["candidates"][0]["content"]["parts"]
    pictures = [part["inlineData"] for part in parts if "inlineData" in part]
    if not pictures:
        assert failed(GEMINI, said) == "empty"
        return

    reply = drawn(GEMINI, said)

    found = [base64.b64encode(one.data or b"").decode() for one in reply.pictures]
    assert found == [one["data"] for one in pictures]
    assert reply.usage is not None
    assert reply.usage.completion == said["usageMetadata"]["candidatesTokenCount"]
