"""The checks of OpenAI's objects: its own traffic passes, small mistakes do not."""

from __future__ import annotations

import base64
import copy
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.recorded import ALL, Recording
from tproxy.contract.openai import (
    check_completion,
    check_embeddings,
    check_error,
    check_images,
    check_stream,
)
from tproxy.contract.shape import Violation

RECORDED = [r for r in ALL if r.id.startswith("openai.")]
# Its last chunk, after the usage, is a verdict of a moderation that is not in the API.
UNKNOWN = ("openai.test-openai-moderation-stream",)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.id)
def test_what_openai_sends_passes(recording: Recording) -> None:
    check: Callable[..., object] = check_completion
    if recording.stream:
        check = check_stream
    if recording.status != 200:
        check = check_error
    if recording.id.startswith(UNKNOWN):
        with pytest.raises(Violation, match=r"chunk \d+: comes after the usage"):
            check(recording.body)
        return
    check(recording.body)


CALL: dict[str, Any] = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_750_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 3}},
}
CALLING: dict[str, Any] = copy.deepcopy(COMPLETION)
CALLING["choices"][0] |= {
    "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "finish_reason": "tool_calls",
}
GONE = object()


def changed(value: dict[str, Any], path: str, new: object) -> dict[str, Any]:
    """A copy with another value at `path`."""
    value = copy.deepcopy(value)
    *way, last = (int(s) if s.isdecimal() else s for s in path.split("."))
    holder: Any = value
    for step in way:
        holder = holder[step]
    if new is GONE:
        del holder[last]
    else:
        holder[last] = new
    return value


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


MESSAGE = "choices.0.message"


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("id", GONE),
        ("id", ""),
        ("id", 1),
        ("object", "chat.completion.chunk"),
        ("created", 1.5),
        ("created", True),
        ("model", None),
        ("provider", "p"),
        ("choices", []),
        ("choices", {}),
        ("choices.0.index", 1),
        ("choices.0.finish_reason", None),
        ("choices.0.finish_reason", "STOP"),
        ("choices.0.finish_reason", "tool_calls"),
        ("choices.0.native_finish_reason", "STOP"),
        (f"{MESSAGE}.role", "model"),
        (f"{MESSAGE}.role", GONE),
        (f"{MESSAGE}.content", GONE),
        (f"{MESSAGE}.content", None),
        (f"{MESSAGE}.content", ""),
        (f"{MESSAGE}.content", [{"type": "text", "text": "Hi"}]),
        (f"{MESSAGE}.reasoning", "hm"),
        (f"{MESSAGE}.reasoning_content", ""),
        (f"{MESSAGE}.tool_calls", []),
        (f"{MESSAGE}.extra_content", {"google": "s"}),
        ("usage", None),
        ("usage.total_tokens", 8),
        ("usage.prompt_tokens", -3),
        ("usage.cost", 1),
        ("usage.prompt_tokens_details.cached_tokens", 4),
    ],
)
def test_an_answer_with_one_thing_wrong_is_found(path: str, new: object) -> None:
    check_completion(encoded(COMPLETION))

    with pytest.raises(Violation):
        check_completion(encoded(changed(COMPLETION, path, new)))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("choices.0.finish_reason", "stop"),
        (f"{MESSAGE}.tool_calls.0.id", ""),
        (f"{MESSAGE}.tool_calls.0.type", GONE),
        (f"{MESSAGE}.tool_calls.0.index", 0),
        (f"{MESSAGE}.tool_calls.0.function.name", ""),
        (f"{MESSAGE}.tool_calls.0.function.arguments", {}),
        (f"{MESSAGE}.tool_calls.0.function.arguments", '{"a": '),
        (f"{MESSAGE}.tool_calls.0.function.arguments", "[]"),
        (f"{MESSAGE}.tool_calls", [CALL, CALL]),
    ],
)
def test_a_call_with_one_thing_wrong_is_found(path: str, new: object) -> None:
    check_completion(encoded(CALLING))

    with pytest.raises(Violation):
        check_completion(encoded(changed(CALLING, path, new)))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (f"{MESSAGE}.reasoning_content", "hm"),
        (f"{MESSAGE}.extra_content", {"google": {"thought_signature": "s"}}),
        (f"{MESSAGE}.citations", [{"start": 0}]),
        ("service_tier", "default"),
        ("system_fingerprint", "fp_1"),
    ],
)
def test_what_the_interface_adds_passes(path: str, new: object) -> None:
    check_completion(encoded(changed(COMPLETION, path, new)))


def test_an_answer_may_be_silent_for_a_reason() -> None:
    silent = changed(COMPLETION, f"{MESSAGE}.content", None)

    check_completion(encoded(changed(silent, "choices.0.finish_reason", "length")))


def test_what_a_wild_model_botches_is_not_ours() -> None:
    half = changed(CALLING, f"{MESSAGE}.tool_calls.0.function.arguments", '{"a": ')
    silent = changed(COMPLETION, f"{MESSAGE}.content", None)

    check_completion(encoded(half), wild=True)
    check_completion(encoded(changed(half, "choices.0.finish_reason", "length")))
    check_completion(encoded(changed(COMPLETION, "usage.total_tokens", 8)), wild=True)
    with pytest.raises(Violation):
        check_completion(encoded(silent), wild=True)


ERROR = {"message": "No.", "type": "t", "param": None, "code": "c"}


def test_an_error_has_four_members() -> None:
    assert check_error(encoded({"error": ERROR})) == ERROR
    for name in ERROR:
        with pytest.raises(Violation):
            check_error(encoded({"error": changed(ERROR, name, GONE)}))
        with pytest.raises(Violation):
            check_error(encoded({"error": changed(ERROR, name, 429)}))
    for body in (b"", b"null", encoded(ERROR), b"<html>"):
        with pytest.raises(Violation):
            check_error(body)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG = base64.b64encode(SIGNATURE).decode()


def images(*data: object, **more: object) -> bytes:
    return encoded({"created": 1, "data": data, **more})


def test_images_are_bytes_or_urls() -> None:
    url = "https://a.test/b.png"
    embedded = f"data:image/png;base64,{PNG}"
    all_ways = images(
        {"b64_json": PNG}, {"url": url, "revised_prompt": "a"}, {"url": embedded},
        size="1x1",
    )  # fmt: skip

    assert check_images(all_ways) == [SIGNATURE, url, SIGNATURE]


@pytest.mark.parametrize(
    "body",
    [
        images(),
        images({}),
        images({"b64_json": PNG, "url": "https://a.test"}),
        images({"b64_json": "AAAA"}),
        images({"b64_json": "%%%"}),
        images({"url": "file:///etc/passwd"}),
        images({"url": "data:image/png;base64,AAAA"}),
        images({"url": f"data:text/html;base64,{PNG}"}),
        images({"b64_json": PNG, "seed": 1}),
    ],
)
def test_what_is_no_image_is_found(body: bytes) -> None:
    with pytest.raises(Violation):
        check_images(body)


def embeddings(*vectors: object, **more: object) -> bytes:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    data = [
        {"object": "embedding", "index": place, "embedding": vector}
        for place, vector in enumerate(vectors)
    ]
    said = {"object": "list", "data": data, "model": "m", "usage": usage}
    return encoded({**said, **more})


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_vectors_are_numbers_or_base64() -> None:
    assert check_embeddings(embeddings([0.5, -1], packed(0.25, 2))) == [
        (0.5, -1),
        (0.25, 2.0),
    ]


@pytest.mark.parametrize(
    "body",
    [
        embeddings(),
        embeddings([]),
        embeddings([1], [1, 2]),
        embeddings(["1"]),
        embeddings("AAA"),
        embeddings("AAAA"),
        embeddings(packed(float("nan"))),
        embeddings([1]).replace(b'"index": 0', b'"index": 1'),
        embeddings([1], usage={"prompt_tokens": 2, "total_tokens": 3}),
    ],
)
def test_what_is_no_vector_is_found(body: bytes) -> None:
    with pytest.raises(Violation):
        check_embeddings(body)
