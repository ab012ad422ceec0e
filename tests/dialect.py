"""What a provider of OpenAI's dialect says, piece by piece."""

from __future__ import annotations

import json

DONE = b"data: [DONE]\n\n"


def event(text: str | None = None, finish: str | None = None) -> bytes:
    """A chunk of a stream; without text it names the role only, as first ones do."""
    delta = {"role": "assistant"} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    said = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(said).encode()


def stream(*words: str) -> list[bytes]:
    """All events of an answer."""
    return [event(), *(event(word) for word in words), event(finish="stop"), DONE]


def completion(content: str | None, finish: str = "stop") -> bytes:
    """An answer that is not streamed."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    said = {"object": "chat.completion", "choices": [choice], "usage": usage}
    return json.dumps(said).encode()


def error(message: str, code: object = None) -> bytes:
    return json.dumps({"error": {"message": message, "code": code}}).encode()


def error_event(message: str, code: object = None) -> bytes:
    return b"data: %b\n\n" % error(message, code)
