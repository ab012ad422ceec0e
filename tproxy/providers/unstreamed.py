"""A whole answer where a stream was asked for: told again as a stream.

Cloudflare's gpt-oss and some small servers answer so; and so do errors in disguise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import DONE
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Usage
from tproxy.core.wishes import includes_usage


@attrs.define
class Unstreamed:
    """`core.upstream.StreamReader` over a body that `parse` judges and translates.

    What `parse` returns is a completion in OpenAI's form; its bytes need not be.
    """

    _parse: Callable[[bytes], Reply]
    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    usage: Usage | None = attrs.field(default=None, init=False)
    failure: UpstreamFailed | None = attrs.field(default=None, init=False)
    _body: bytearray = attrs.field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> bytes:
        if len(self._body) <= sse.MAX_EVENT:  # cut short, it is no JSON any more
            self._body += data
        return b""

    def close(self) -> bytes:
        try:
            reply = self._parse(bytes(self._body))
            events = retold(json.loads(reply.body), self._chat, self._model)
        except UpstreamFailed as error:
            self.failure = error
            return b""
        except RecursionError:  # what can just be read may be too deep to be written
            self.failure = UpstreamFailed.of(
                self._model.name, failures.MALFORMED, "a deep answer"
            )
            return b""
        self.begun, self.usage = True, reply.usage
        return events


def retold(completion: Mapping[str, object], chat: ChatRequest, model: Model) -> bytes:
    """The events that say what `completion` does, its own fields kept."""
    head = {
        "id": f"chatcmpl-{chat.id or 0}",
        "created": chat.created,
        "model": model.name,
        **{n: v for n, v in completion.items() if n not in ("choices", "usage")},
        "object": "chat.completion.chunk",
    }
    shows_usage = includes_usage(chat.document.values)
    if shows_usage:
        head["usage"] = None
    choices = completion.get("choices")
    chunks: list[Mapping[str, object]] = []
    for place, said in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(said, dict):
            continue
        delta = _delta(said)
        reason = said.get("finish_reason") or (
            "tool_calls" if delta.get("tool_calls") else "stop"
        )
        for beside, part, finish in ((said, delta, None), ({}, {}, reason)):
            choice = {n: v for n, v in beside.items() if n not in ("message", "text")}
            choice |= {"index": place, "delta": part, "finish_reason": finish}
            chunks.append({"choices": [choice]})
    if shows_usage and completion.get("usage"):
        chunks.append({"choices": [], "usage": completion["usage"]})
    events = (sse.encode(json.dumps({**head, **chunk}).encode()) for chunk in chunks)
    return b"".join(events) + DONE


def _delta(choice: Mapping[str, object]) -> dict[str, object]:
    """The message of a choice, its calls numbered as those of a stream are."""
    message = choice.get("message")
    delta: dict[str, object] = {"role": "assistant"}
    if isinstance(message, dict):
        delta |= {n: v for n, v in message.items() if v is not None}
    elif choice.get("text"):
        delta["content"] = choice["text"]
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {"index": place, **call}
            for place, call in enumerate(calls)
            if isinstance(call, dict)
        ]
    return delta
