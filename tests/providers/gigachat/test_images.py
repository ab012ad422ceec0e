from __future__ import annotations

import json

import pytest

from tests.providers.gigachat import BASE, MODEL, MODEL_V2
from tests.providers.walking import ok, sent, walk
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import ImageReply, Picture, UpstreamRequest, Usage
from tproxy.providers.gigachat import DIALECT

ID = "3727db23-91a3-44fa-a6b7-9f0a311d3e9e"
TAG = f'<img src="{ID}" fuse="true"/> вот мой рисунок.'
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100
USAGE = {"prompt_tokens": 626, "completion_tokens": 43}


def image(**fields: object) -> ImageRequest:
    return ImageRequest.parse(json.dumps({"prompt": "A cat", **fields}).encode())


def drawn(content: str = TAG, finish: str = "stop") -> dict[str, object]:
    choice = {"message": {"content": content}, "finish_reason": finish}
    return {"choices": [choice], "usage": USAGE}


def draw(
    *answers: object, asked: ImageRequest | None = None, model: Model = MODEL
) -> tuple[list[UpstreamRequest], ImageReply]:
    assert DIALECT.images is not None
    return walk(DIALECT.images.draw(asked or image(), model), *map(ok, answers))


def test_a_picture_is_drawn_in_a_chat_and_fetched() -> None:
    [chat, file], reply = draw(drawn(), JPEG)

    said = sent(chat)
    assert chat.url == f"{BASE}/chat/completions"
    assert said["model"] == "GigaChat-2"
    assert said["messages"][-1] == {"role": "user", "content": "A cat"}
    assert said["function_call"] == "auto"
    assert (file.method, file.url) == ("GET", f"{BASE}/files/{ID}/content")
    assert file.headers == (("Accept", "application/jpg"), ("X-Client-ID", "tproxy"))
    assert file.ours
    assert reply == ImageReply((Picture("image/jpeg", JPEG),), Usage(626, 43))


def test_v2_is_told_to_draw() -> None:
    files = [{"id": ID, "mime": "image/jpeg", "target": "image"}]
    said = {"messages": [{"role": "assistant", "content": [{"files": files}]}]}

    [chat, file], reply = draw(said, JPEG, model=MODEL_V2)

    assert sent(chat) == {
        "model": "GigaChat-3-Ultra",
        "messages": [{"role": "user", "content": [{"text": "A cat"}]}],
        "tools": [{"image_generate": {}}],
        "tool_config": {"mode": "forced", "tool_name": "image_generate"},
    }
    assert file.url == f"https://gigachat.test/v1/files/{ID}/content"
    assert reply == ImageReply((Picture("image/jpeg", JPEG),), None)


@pytest.mark.parametrize(
    "content",
    [
        f"<img src='{ID}'>",
        f'Look: <img fuse="true"\n src = "{ID}" /> there.',
        f"<img src={ID}/>",
        f'<img data-src="no" src="{ID}"/>',
    ],
)
def test_the_tag_may_look_otherwise(content: str) -> None:
    [_, file], _ = draw(drawn(content), JPEG)

    assert file.url.endswith(f"/files/{ID}/content")


def test_several_are_drawn_one_by_one() -> None:
    asked = image(n=2, size="1024x1024")

    requests, reply = draw(drawn(), JPEG, drawn(), JPEG, asked=asked)

    assert len(reply.pictures) == 2
    assert reply.usage == Usage(1252, 86)
    assert [request.dropped for request in requests] == [("size",), (), (), ()]


def test_what_cannot_be_asked_for_is_named() -> None:
    asked = image(
        size="auto",
        quality="high",
        output_format="jpeg",
        response_format="url",
        style="vivid",
        user=None,
    )

    [chat, _], _ = draw(drawn(), JPEG, asked=asked)

    assert chat.dropped == ("quality", "style")
    assert draw(drawn(), JPEG, asked=image(output_format="png"))[0][0].dropped == (
        "output_format",
    )


@pytest.mark.parametrize(
    ("said", "row", "words"),
    [
        (drawn("I cannot draw that."), failures.EMPTY, ": I cannot draw that."),
        (drawn("I cannot.", "blacklist"), failures.FILTERED, ": I cannot."),
        (drawn(""), failures.EMPTY, "."),
        (drawn('<img src="../../token"/>'), failures.EMPTY, None),
        (drawn('<img src="https://evil.test/a"/>'), failures.EMPTY, None),
        (drawn(f'<img src="{"a" * 129}"/>'), failures.MALFORMED, None),
        (drawn("<img " * 100_000), failures.EMPTY, None),
        (
            {"messages": [{"content": [{"files": [{"id": "../a"}]}]}]},
            failures.MALFORMED,
            None,
        ),
        ({"status": 429, "message": "Too many requests"}, failures.RATE_LIMIT, None),
        (b"", failures.EMPTY, None),
    ],
    ids=range(10),
)
def test_without_a_picture_it_is_a_failure(
    said: object, row: Failure, words: str | None
) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        draw(said)

    assert caught.value.failure is row
    assert "cannot" not in caught.value.detail
    if words is not None:
        assert caught.value.message == f"giga: {row.said}{words}"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", JPEG[:20]])
def test_what_is_no_picture_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        draw(drawn(), body)
