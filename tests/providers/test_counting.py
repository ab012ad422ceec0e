"""A stream's usage, where our quotas need it and the client has not asked for it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from tests.dialect import DONE, event
from tests.values import chat, model
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.core.windows import DAY, Window
from tproxy.providers.openai import DIALECT

TOKENS = Budget("b", (Limit(Unit.TOKENS, 1_000, Window(DAY)),))
COUNTED = attrs.evolve(model("a"), budgets=(TOKENS,))
USAGE = (
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\n'
)
STREAM = event("Hello") + event(finish="stop") + USAGE + DONE
ASKED = {"include_usage": True}


def sent(counted: bool, **fields: Any) -> dict[str, Any]:
    asked = chat("Hello", model="a", **fields)
    request = DIALECT.chat.build_request(asked, COUNTED if counted else model("a"))
    said: dict[str, Any] = json.loads(request.body)
    return said


def relayed(counted: bool, **fields: Any) -> tuple[bytes, Usage | None]:
    reader = DIALECT.chat.stream_reader(
        UpstreamHead(200, {}),
        chat("Hello", stream=True, **fields),
        COUNTED if counted else model("a"),
    )
    text = b"".join(reader.feed(bytes([byte])) for byte in STREAM) + reader.close()
    assert reader.failure is None
    return text, reader.usage


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (None, ASKED),
        ({"include_usage": False}, ASKED),
        (ASKED, ASKED),
        ({"other": 1}, {"other": 1, **ASKED}),
    ],
)
def test_usage_is_asked_for(options: object, asked: object) -> None:
    fields = {} if options is None else {"stream_options": options}
    said = sent(True, stream=True, temperature=0.5, **fields)

    assert said == {
        **sent(False, stream=True, temperature=0.5, **fields),
        "stream_options": asked,
    }


def test_it_is_not_where_nobody_counts_tokens_or_nothing_is_streamed() -> None:
    assert "stream_options" not in sent(False, stream=True)
    assert "stream_options" not in sent(True)


def test_it_is_not_where_it_is_told_unasked_and_the_question_refused() -> None:
    url = "https://api.mistral.ai/v1/chat/completions"
    mistral = attrs.evolve(COUNTED, upstream=attrs.evolve(COUNTED.upstream, url=url))
    asked = chat("Hello", model="a", stream=True)

    request = DIALECT.chat.build_request(asked, mistral)

    assert "stream_options" not in json.loads(request.body)


def test_it_is_hidden_from_who_did_not_ask() -> None:
    assert relayed(True) == (STREAM.replace(USAGE, b""), Usage(3, 4))


@pytest.mark.parametrize("counted", [True, False])
def test_it_is_shown_to_who_did(counted: bool) -> None:
    assert relayed(counted, stream_options=ASKED) == (STREAM, Usage(3, 4))


def test_what_nobody_asked_for_passes_where_nobody_counts() -> None:
    assert relayed(False) == (STREAM, Usage(3, 4))
