"""The shapes of OpenAI's objects, member by member.

Source: OpenAI API reference (openai-openapi 2.3.0) and recorded traffic. What tproxy
adds stands in `_EXTENSIONS` and `EXTRA`, and nothing else is allowed beyond OpenAI's.
"""

from __future__ import annotations

from typing import Final

from tproxy.contract.shape import (
    anything,
    array,
    filled,
    mapping,
    nullable,
    number,
    record,
    text,
    whole,
    word,
)

FINISHES: Final = ("stop", "length", "tool_calls", "content_filter", "function_call")
SILENT_FINISHES: Final = ("length", "content_filter")  # after which nothing is honest

# The interface, "Fidelity": thoughts, what a provider wants back, and its citations.
# Pictures in an answer have the form that OpenRouter gave them.
EXTRA = {"extra_content": mapping(mapping(anything))}
_PICTURE = record(
    {"type": word("image_url"), "image_url": record({"url": filled})}, {"index": whole}
)
_EXTENSIONS = {
    "reasoning_content": filled,
    "citations": array(anything, 1),
    "images": array(_PICTURE, 1),
    **EXTRA,
}

_AUDIO = {"audio": nullable(mapping(anything))}
_COUNTS = (
    "cached_tokens",
    "cache_write_tokens",
    "audio_tokens",
    "text_tokens",
    "image_tokens",
    "reasoning_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
)
_DETAILS = nullable(record({}, dict.fromkeys(_COUNTS, whole)))
USAGE: Final = record(
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), whole),
    {"prompt_tokens_details": _DETAILS, "completion_tokens_details": _DETAILS},
)

_FUNCTION = record({"name": filled, "arguments": text})
_CALL = record({"id": filled, "type": word("function"), "function": _FUNCTION}, EXTRA)
_MESSAGE = record(
    {
        "role": word("assistant"),
        "content": nullable(text),
    },
    {
        "refusal": nullable(text),
        "tool_calls": array(_CALL, 1),
        "function_call": nullable(_FUNCTION),
        "annotations": array(anything),
        **_AUDIO,
        **_EXTENSIONS,
    },
)
_TOKEN = mapping(anything)
_LOGPROBS = nullable(
    record({"content": nullable(array(_TOKEN)), "refusal": nullable(array(_TOKEN))})
)
_BESIDE = {
    "service_tier": nullable(filled),
    "system_fingerprint": nullable(text),
}
COMPLETION: Final = record(
    {
        "id": filled,
        "object": word("chat.completion"),
        "created": whole,
        "model": filled,
        "choices": array(
            record(
                {
                    "index": whole,
                    "message": _MESSAGE,
                    "finish_reason": word(*FINISHES),
                },
                {"logprobs": _LOGPROBS},
            ),
            1,
        ),
    },
    {"usage": USAGE, **_BESIDE},
)

_CALL_DELTA = record(
    {"index": whole, "function": record({}, {"name": filled, "arguments": text})},
    {"id": filled, "type": word("function"), **EXTRA},
)
_DELTA = record(
    {},
    {
        "role": word("assistant"),
        "content": nullable(text),
        "refusal": nullable(text),
        "tool_calls": array(_CALL_DELTA, 1),
        "function_call": record({}, {"name": filled, "arguments": text}),
        **_AUDIO,
        **_EXTENSIONS,
    },
)
CHUNK: Final = record(
    {
        "id": filled,
        "object": word("chat.completion.chunk"),
        "created": whole,
        "model": filled,
        "choices": array(
            record(
                {
                    "index": whole,
                    "delta": _DELTA,
                    "finish_reason": nullable(word(*FINISHES)),
                },
                {"logprobs": _LOGPROBS},
            )
        ),
    },
    {"usage": nullable(USAGE), "obfuscation": text, **_BESIDE},
)

ERROR: Final = record(
    {
        "error": record(
            {
                "message": filled,
                "type": filled,
                "param": nullable(filled),
                "code": nullable(filled),
            }
        )
    }
)

_IMAGE_USAGE = record(
    dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), whole),
    {"input_tokens_details": _DETAILS, "output_tokens_details": _DETAILS},
)
IMAGES: Final = record(
    {
        "created": whole,
        "data": array(
            record(
                {},
                {
                    "b64_json": filled,
                    "url": filled,
                    "revised_prompt": nullable(text),
                },
            ),
            1,
        ),
    },
    {
        **dict.fromkeys(("background", "output_format", "quality", "size"), filled),
        "usage": _IMAGE_USAGE,
    },
)


def _vector(value: object, path: str) -> None:
    if isinstance(value, str):
        filled(value, path)  # Base64; its content is checked where it is decoded
    else:
        array(number, 1)(value, path)


EMBEDDINGS: Final = record(
    {
        "object": word("list"),
        "data": array(
            record({"object": word("embedding"), "index": whole, "embedding": _vector}),
            1,
        ),
        "model": filled,
        "usage": record({"prompt_tokens": whole, "total_tokens": whole}),
    }
)
