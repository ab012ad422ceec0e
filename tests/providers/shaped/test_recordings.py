"""Every recorded image and embedding of OpenAI's shape, by the adapters alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.providers.walking import walk
from tests.values import PNG_BASE64, embedding, image, model
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Received, Steps, UpstreamHead
from tproxy.providers.openai import DIALECT
from tproxy.providers.shaped.embeddings import Embeddings
from tproxy.providers.shaped.images import Images

RECORDINGS = Path(__file__).parents[2] / "recordings" / "shaped"
ALL: dict[str, Any] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted(RECORDINGS.glob("*.json"))
}
ANSWERS = {name: said for name, said in ALL.items() if said["kind"] != "error"}
ERRORS = {name: said for name, said in ALL.items() if said["kind"] == "error"}
MODEL = model("a")
answers = pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS)


def received(said: Any, body: bytes | None = None) -> Received:
    reply = said["response"]
    head = UpstreamHead(reply["status"], reply["headers"])
    return Received(head, reply["body"].encode() if body is None else body)


def steps(said: Any) -> Steps[Any]:
    sent = said["request"]["body"]
    if said["kind"] == "image":
        return Images().draw(image(**sent), MODEL)
    return Embeddings().embed(embedding(sent["input"], **sent), MODEL)


def test_there_are_recordings() -> None:
    assert len(ANSWERS) > 8
    assert len(ERRORS) > 3


@answers
def test_an_answer_is_handed_on_as_it_is(said: Any) -> None:
    [request], reply = walk(steps(said), received(said))

    assert json.loads(request.body) == {**said["request"]["body"], "model": "a"}
    assert reply.body == said["response"]["body"].encode()
    if '"url"' not in said["response"]["body"]:
        assert reply.usage.prompt > 0


@answers
def test_an_answer_that_breaks_off_is_none(said: Any) -> None:
    half = said["response"]["body"].strip()[:-1].encode()

    with pytest.raises(UpstreamFailed) as caught:
        walk(steps(said), received(said, half))

    assert caught.value.failure.name == "malformed"


@answers
def test_an_answer_without_its_content_is_none(said: Any) -> None:
    body = json.loads(said["response"]["body"])
    for entry in body["data"]:
        for name in ("b64_json", "url", "embedding"):
            entry.pop(name, None)

    with pytest.raises(UpstreamFailed) as caught:
        walk(steps(said), received(said, json.dumps(body).encode()))

    assert caught.value.failure.name == "empty"


def test_a_recorded_image_has_its_true_type() -> None:
    said = ALL[
        "openrouter.image-edit-functionality-with-openrouter-reference-images-openro.8e7620.0"
    ]
    _, reply = walk(steps(said), received(said))

    assert [picture.kind for picture in reply.pictures] == ["image/jpeg"]
    assert PNG_BASE64 not in said["response"]["body"]


FAILURES = {
    "openai.embeddings-bad-request.b7ec85.0": "rejected",
    "openai.embeddings-unknown-model.f96baf.0": "missing",
    "openai.gpt-image-response-format-error.d08fd2.0": "rejected",
    "openai.test-image-gen-metrics.d43ac4.1": "rejected",
}


def test_recorded_errors_are_what_they_mean() -> None:
    read = {}
    for name, said in ERRORS.items():
        reply = received(said)
        error = DIALECT.chat.parse_error(reply.head, reply.body, MODEL)
        read[name] = error.failure.name

    assert read == FAILURES
