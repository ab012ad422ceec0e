"""Asking a dialect of OpenAI's shape for OpenAI's own fields."""

from __future__ import annotations

import json
from typing import Any

from tests.values import model
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.openai import DIALECT

MODEL = model("as/configured", normalise=True)
assert DIALECT.normal is not None
NORMAL = DIALECT.normal
EVENTS = UpstreamHead(200, {"content-type": "text/event-stream"})
JSON = UpstreamHead(200, {"content-type": "application/json"})
SAYS = {"role": "assistant", "content": "Hi"}


def read(**said: object) -> Outcome:
    return outcome.answered(NORMAL, JSON, json.dumps(said).encode(), MODEL)


def told(message: object = SAYS, finish: object = "stop", **beside: object) -> Any:
    """The choice that is told of such a one."""
    choice = {"message": message, "finish_reason": finish, **beside}
    return openai.check_completion(read(choices=[choice]).output)["choices"][0]


def fed(*said: object, done: bool = True, usage: bool = True) -> Outcome:
    reads = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in said]
    reads += [b"data: [DONE]\n\n"] * done
    return outcome.fed(NORMAL, EVENTS, reads, MODEL, usage=usage)


def chunk(delta: object, finish: object = None, **said: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **said}


def function(name: str | None, arguments: object) -> dict[str, object]:
    named = {} if name is None else {"name": name}
    return {"function": {**named, "arguments": arguments}}
