"""An answer in OpenAI's shape: whole, or as the chunks of a stream.

Source: OpenAI API reference, "The chat completion object" and "The chat completion
chunk object"; order and content of the chunks as recorded from its API.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from tproxy.echo.answers import Answer
from tproxy.echo.tools import Tool

_SAME_ALWAYS: Final[Mapping[str, object]] = {
    "service_tier": "default",
    "system_fingerprint": "fp_echo",
}


@attrs.frozen
class Stamp:
    """What two replies to the same request differ in.

    `serial` must not have been used before, as `id` and the ids of tool calls are
    made from it. `created` is in seconds since 1970.
    """

    serial: str
    created: int

    @property
    def id(self) -> str:
        return f"chatcmpl-{self.serial}"

    def call_id(self, choice: int) -> str:
        return f"call_{self.serial}_{choice}"


def completion(answer: Answer, stamp: Stamp) -> dict[str, object]:
    """The reply to a request that does not stream."""
    choices = [
        {
            "index": choice,
            "message": _message(answer, stamp.call_id(choice)),
            "logprobs": None,
            "finish_reason": answer.finish,
        }
        for choice in range(answer.choices)
    ]
    head = _head("chat.completion", answer, stamp)
    return {**head, "choices": choices, "usage": _usage(answer)}


def chunks(answer: Answer, stamp: Stamp) -> Iterator[dict[str, object]]:
    """The events of a stream, `[DONE]` aside. Choices take turns, word by word."""
    head = _head("chat.completion.chunk", answer, stamp)
    if answer.include_usage:
        head["usage"] = None
    deltas = (_deltas(answer, stamp.call_id(i)) for i in range(answer.choices))
    for turn in zip(*deltas, strict=True):
        for choice, delta in enumerate(turn):
            yield {
                **head,
                "choices": [
                    {
                        "index": choice,
                        "delta": delta,
                        "logprobs": None,
                        "finish_reason": None if delta else answer.finish,
                    }
                ],
            }
    if answer.include_usage:
        yield {**head, "choices": [], "usage": _usage(answer)}


def _head(kind: str, answer: Answer, stamp: Stamp) -> dict[str, object]:
    return {
        "id": stamp.id,
        "object": kind,
        "created": stamp.created,
        "model": answer.model,
        **_SAME_ALWAYS,
    }


def _message(answer: Answer, call_id: str) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": None, "refusal": None}
    match answer.tool:
        case None:
            message["content"] = answer.text
        case Tool(kind="legacy") as tool:
            message["function_call"] = _named(tool, answer.text)
        case tool:
            message["tool_calls"] = [_call(tool, call_id, answer.text)]
    return {**message, "annotations": []}


def _deltas(answer: Answer, call_id: str) -> Iterator[dict[str, object]]:
    """What each chunk of one choice adds; the last adds nothing, and finishes."""
    match answer.tool:
        case None:
            yield {"role": "assistant", "content": "", "refusal": None}
            for word in answer.words:
                yield {"content": word}
        case Tool(kind="legacy") as tool:
            yield {"role": "assistant", "content": None}
            yield {"function_call": _named(tool, "")}
            for word in answer.words:
                yield {"function_call": {"arguments": word}}
        case tool:
            yield {"role": "assistant", "content": None}
            yield {"tool_calls": [{"index": 0, **_call(tool, call_id, "")}]}
            for word in answer.words:
                part = {_passed_as(tool): word}
                yield {"tool_calls": [{"index": 0, tool.kind: part}]}
    yield {}


def _call(tool: Tool, call_id: str, passed: str) -> dict[str, object]:
    return {"id": call_id, "type": tool.kind, tool.kind: _named(tool, passed)}


def _named(tool: Tool, passed: str) -> dict[str, object]:
    return {"name": tool.name, _passed_as(tool): passed}


def _passed_as(tool: Tool) -> str:
    return "input" if tool.kind == "custom" else "arguments"


def _usage(answer: Answer) -> dict[str, object]:
    completion_words = len(answer.words) * answer.choices
    return {
        "prompt_tokens": answer.prompt_words,
        "completion_tokens": completion_words,
        "total_tokens": answer.prompt_words + completion_words,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
