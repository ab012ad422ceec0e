"""What providers say in their own ways, in OpenAI's fields."""

from __future__ import annotations

import json
import sys

import pytest

from tests.providers.shaped.telling import (
    EVENTS,
    JSON,
    MODEL,
    NORMAL,
    SAYS,
    chunk,
    fed,
    read,
    told,
)
from tests.values import embedding
from tproxy.contract import openai, outcome
from tproxy.core.upstream import Received, UpstreamHead


def test_what_is_missing_is_ours_and_what_is_foreign_is_gone() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_time": 0.1}

    read_ = read(
        choices=[{"message": {**SAYS, "channel": "x"}, "native_finish_reason": "y"}],
        usage=usage,
        service_tier="on_demand",
        x_groq={"id": "req"},
    )

    assert json.loads(read_.output) == {
        "id": "chatcmpl-req_contract",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "as/configured",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        *((word, "stop") for word in ("stop", "eos", "end_turn", "STOP", "odd", None)),
        *((word, "length") for word in ("length", "max_tokens", "MAX_TOKENS")),
        *((word, "content_filter") for word in ("SAFETY", "sensitive")),
        *((word, "stop") for word in ("tool_use", "tool_calls", "function_call", 7)),
    ],
)
def test_a_reason_to_finish_is_one_of_openais(word: object, finish: str) -> None:
    stream = openai.check_stream(fed(chunk({"content": "Hi"}), chunk({}, word)).output)

    assert told(finish=word)["finish_reason"] == finish
    assert stream.choices[0].finish == finish


def test_thoughts_have_one_name() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
        {"type": "text", "text": "Hi"},
    ]
    for said in ({"reasoning": "Hm"}, {"thinking": "Hm"}, {"reasoning_content": "Hm"}):
        assert told({"content": "Hi", **said})["message"]["reasoning_content"] == "Hm"
    message = told({"content": parts})["message"]
    assert (message["content"], message["reasoning_content"]) == ("Hi", "Hm")


def test_probabilities_are_in_openais_form() -> None:
    score = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    theirs = {"content": [{**score, "id": 3, "top_logprobs": [{**score, "x": 1}]}]}

    found = told(logprobs=theirs)["logprobs"]

    assert found["content"] == [{**score, "top_logprobs": [score]}]
    assert found["refusal"] is None
    assert told(logprobs={"tokens": ["Hi"], "token_logprobs": [0]})["logprobs"] is None


def test_citations_have_no_more_than_openais() -> None:
    cited = {"url": "https://a.test", "title": "A", "start_index": 1, "end_index": 2}
    theirs = [{"type": "url_citation", "url_citation": {**cited, "content": "..."}}]

    message = told({"content": "Hi", "annotations": theirs})["message"]

    assert message["annotations"] == [{"type": "url_citation", "url_citation": cited}]


def test_details_of_usage_are_never_more_than_the_whole() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 9}
    details = {"completion_tokens_details": {"reasoning_tokens": 5, "odd": 1}}

    read_ = read(choices=[{"message": SAYS}], usage={**usage, **details})

    assert openai.check_completion(read_.output)["usage"] == {
        **usage,
        "total_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


@pytest.mark.parametrize("said", [{"odd": "x"}, {"tool_calls": [7]}, {"content": 7}])
def test_what_openais_form_cannot_say_is_no_answer(said: object) -> None:
    assert read(choices=[{"message": said, "finish_reason": "stop"}]).verdict == "empty"

    stream = fed(chunk(said), chunk({}, "stop"))
    assert (stream.verdict, stream.begun, stream.output) == ("empty", False, b"")


def test_vectors_are_in_their_order_and_in_openais_fields() -> None:
    entries = [{"index": 1, "embedding": [2.0], "x": 1}, {"index": 0, "embedding": [1]}]
    usage = {"prompt_tokens": 4, "total_tokens": 4, "cost": 1}
    body = {"data": entries, "usage": usage, "model": "theirs", "id": "x"}
    assert NORMAL.embeddings is not None

    steps = NORMAL.embeddings.embed(embedding(["a", "b"]), MODEL)
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send(Received(JSON, json.dumps(body).encode()))

    output = ended.value.value.body
    assert openai.check_embeddings(output) == [(1.0,), (2.0,)]
    assert json.loads(output)["model"] == "as/configured"


@pytest.mark.parametrize("head", [JSON, EVENTS])
def test_an_error_in_a_choice_is_one_however_deep_it_is(head: UpstreamHead) -> None:
    """There are depths that can just be read, and not be written again."""
    most = sys.getrecursionlimit()
    for depth in range(most - 60, most):
        body = b'data: {"choices":[{"error":%b}]}\n\n' % (
            b'{"a":' * depth + b"1" + b"}" * depth
        )
        reads = [body if head is EVENTS else body[6:]]

        assert outcome.fed(NORMAL, head, reads, MODEL).verdict in (
            "server",
            "malformed",
        )
