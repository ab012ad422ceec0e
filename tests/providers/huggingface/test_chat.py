"""Chats go through `providers.openai`; here is what Hugging Face says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.values import chat, model
from tproxy.core import failures
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.huggingface import DIALECT

RECORDINGS = Path(__file__).parents[2] / "recordings"
MODEL = model("a")
LOADING = json.dumps({"error": "Model X is currently loading", "estimated_time": 20.5})


def test_a_model_that_is_loading_is_waited_for_or_passed_over() -> None:
    head = UpstreamHead(503, {"content-type": "application/json"})

    failed = DIALECT.chat.parse_error(head, LOADING.encode(), MODEL)

    assert failed.failure is failures.OVERLOADED
    assert (failed.failure.again, failed.failure.onward) == (True, True)
    assert failed.retry_after == 20.5


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_model_that_is_loading_may_say_so_in_a_200(kind: str) -> None:
    head = UpstreamHead(200, {"content-type": kind, "retry-after": "36"})
    reader = DIALECT.chat.stream_reader(head, chat(stream=True), MODEL)

    said = reader.feed(LOADING.encode()) + reader.close()

    assert (said, reader.begun) == (b"", False)
    assert reader.failure is not None
    assert reader.failure.failure is failures.OVERLOADED
    assert reader.failure.retry_after == 20.5


def test_an_ordinary_answer_may_have_a_retry_after() -> None:
    path = RECORDINGS / "openai" / "huggingface"
    asked = 0
    for file in path.glob("*.json"):
        said = json.loads(file.read_text("utf-8"))["response"]
        head, body = UpstreamHead(said["status"], said["headers"]), said["body"]
        if "json" in head.headers["content-type"]:
            reply = DIALECT.chat.parse_response(head, body.encode(), chat(), MODEL)
            assert reply.body == body.encode()
            asked += "retry-after" in head.headers
    assert asked


def test_a_recorded_error_is_quoted_though_it_is_a_list() -> None:
    [path] = (RECORDINGS / "huggingface").glob("*missing-input*.json")
    said = json.loads(path.read_text("utf-8"))["response"]
    head = UpstreamHead(said["status"], said["headers"])

    failed = DIALECT.chat.parse_error(head, said["body"].encode(), MODEL)

    assert failed.failure is failures.REJECTED
    assert failed.message.endswith("Error in `inputs.context`: field required")
