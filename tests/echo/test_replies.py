import json
from collections.abc import Mapping
from typing import Any

from tproxy.echo.answers import answer
from tproxy.echo.replies import Stamp, chunks, completion

STAMP = Stamp("s1", 1700000000)
HEAD = {
    "id": "chatcmpl-s1",
    "created": 1700000000,
    "model": "echo-small",
    "service_tier": "default",
    "system_fingerprint": "fp_echo",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {
            "properties": {"at": {"type": "string"}, "n": {"type": "integer"}},
            "required": ["at", "n"],
        },
    },
}


def whole(text: str = "hi", **fields: object) -> Any:
    messages = [{"role": "user", "content": text}]
    body = {"model": "echo-small", "messages": messages, **fields}
    return completion(answer(body), STAMP)


def streamed(text: str = "hi", **fields: object) -> list[Any]:
    messages = [{"role": "user", "content": text}]
    body = {"model": "echo-small", "messages": messages, "stream": True, **fields}
    return list(chunks(answer(body), STAMP))


def chunk(delta: Mapping[str, object], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def usage(prompt: int, completion: int) -> dict[str, object]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_a_text_is_told_whole() -> None:
    assert whole("hi") == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "You said: hi",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage(1, 3),
    }


def test_a_call_is_told_whole() -> None:
    choice = whole("hi", tools=[TOOL])["choices"][0]

    function = {"name": "look", "arguments": '{"at": "hi", "n": 1}'}
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [{"id": "call_s1_0", "type": "function", "function": function}],
        "annotations": [],
    }
    assert choice["finish_reason"] == "tool_calls"


def test_a_custom_and_a_legacy_call_have_shapes_of_their_own() -> None:
    custom = whole("hi", tools=[{"type": "custom", "custom": {"name": "run"}}])
    legacy = whole("hi", functions=[{"name": "look"}])

    call = {
        "id": "call_s1_0",
        "type": "custom",
        "custom": {"name": "run", "input": "hi"},
    }
    assert custom["choices"][0]["message"]["tool_calls"] == [call]
    function = {"name": "look", "arguments": "{}"}
    assert legacy["choices"][0]["message"]["function_call"] == function


def test_choices_say_the_same_and_are_all_billed() -> None:
    reply = whole("hi", n=3, tools=[TOOL])

    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    calls = [choice["message"]["tool_calls"][0] for choice in reply["choices"]]
    assert len({call["function"]["arguments"] for call in calls}) == 1
    assert len({call["id"] for call in calls}) == 3
    assert reply["usage"] == usage(1, 12)


def test_a_text_is_streamed_word_by_word() -> None:
    assert streamed("hi") == [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "You"}),
        chunk({"content": " said:"}),
        chunk({"content": " hi"}),
        chunk({}, "stop"),
    ]


def test_a_call_is_streamed_name_first() -> None:
    opening = {"name": "look", "arguments": ""}
    pieces = ['{"at":', ' "hi",', ' "n":', " 1}"]

    assert streamed("hi", tools=[TOOL]) == [
        chunk({"role": "assistant", "content": None}),
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_s1_0",
                        "type": "function",
                        "function": opening,
                    }
                ]
            }
        ),
        *(
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            for piece in pieces
        ),
        chunk({}, "tool_calls"),
    ]


def test_a_legacy_call_is_streamed_name_first() -> None:
    assert streamed("hi", functions=[{"name": "look"}]) == [
        chunk({"role": "assistant", "content": None}),
        chunk({"function_call": {"name": "look", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
    ]


def test_usage_is_streamed_only_if_asked_for() -> None:
    *others, last = streamed("hi", stream_options={"include_usage": True})

    assert all(each["usage"] is None and each["choices"] for each in others)
    assert (last["choices"], last["usage"]) == ([], usage(1, 3))
    assert not any("usage" in each for each in streamed("hi"))


def test_streamed_choices_take_turns() -> None:
    told = [each["choices"][0] for each in streamed("hi", n=2)]

    assert [choice["index"] for choice in told] == [0, 1] * 5
    assert [choice["finish_reason"] for choice in told[-3:]] == [None, "stop", "stop"]
    calls = [each["choices"][0] for each in streamed("hi", n=2, tools=[TOOL])][2:4]
    ids = [choice["delta"]["tool_calls"][0]["id"] for choice in calls]
    assert ids == ["call_s1_0", "call_s1_1"]


def test_a_stream_says_what_the_whole_says() -> None:
    for fields in ({}, {"max_tokens": 2}, {"stop": "said"}):
        told = [each["choices"][0] for each in streamed("a  b\n c ", **fields)]
        choice = whole("a  b\n c ", **fields)["choices"][0]

        text = "".join(each["delta"].get("content", "") for each in told)
        assert text == choice["message"]["content"]
        assert told[-1]["finish_reason"] == choice["finish_reason"]


def test_the_same_request_gives_the_same_reply() -> None:
    assert json.dumps(whole("hi", tools=[TOOL])) == json.dumps(
        whole("hi", tools=[TOOL])
    )
