"""What clients ask, with marks in it that have to reach the provider.

A dialect says all of a request, or refuses it. It may leave out hints, and then names
them; nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from tproxy.contract import outcome
from tproxy.contract.shape import require
from tproxy.core import failures
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Dialect, UpstreamRequest

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
_SCHEMA = {
    "type": "object",
    "properties": {"field-0a": {"type": "string", "description": "text-0b"}},
    "required": ["field-0a"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {"name": "tool_0c", "description": "text-0d", "parameters": _SCHEMA},
}
_FORM = {"name": "form_0e", "schema": _SCHEMA, "strict": True}


_DATA = f"base64,{_PIXEL}"


def _said(role: str, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def _user(content: object) -> dict[str, object]:
    return _said("user", content)


def _part(kind: str, **inner: object) -> dict[str, object]:
    return _user([{"type": "text", "text": "text-40"}, {"type": kind, kind: inner}])


def _calls(content: str | None, *numbers: int) -> dict[str, object]:
    """A turn with calls: number 1 has the mark "text-11", and so on."""
    return _said(
        "assistant",
        content,
        tool_calls=[
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {
                    "name": "tool_0c",
                    "arguments": f'{{"field-0a": "text-1{n}"}}',
                },
            }
            for n in numbers
        ],
    )


def _result(number: int) -> dict[str, object]:
    return _said("tool", f"text-2{number}", tool_call_id=f"call_{number}")


@attrs.frozen
class Asked:
    """`fields` of a request; `marks` are to be found in what is sent."""

    fields: Mapping[str, Any]
    marks: Sequence[str]


def _asked(*messages: object, marks: str, **fields: object) -> Asked:
    return Asked({"messages": messages, **fields}, marks.split())


_TOOL_MARKS = "text-45 tool_0c text-0d field-0a text-0b"
ASKED: Mapping[str, Asked] = {
    "a text": _asked(_user("text-30"), marks="text-30"),
    "a system message": _asked(
        _said("system", "text-31"), _user("text-32"), marks="text-31 text-32"
    ),
    "a developer message": _asked(
        _said("developer", "text-31"), _user("text-32"), marks="text-31 text-32"
    ),
    "several turns": _asked(
        _user("text-33"),
        _said("assistant", "text-34"),
        _user("text-35"),
        marks="text-33 text-34 text-35",
    ),
    "a system message in between": _asked(
        _user("text-33"),
        _said("system", "text-34"),
        _user("text-35"),
        marks="text-33 text-34 text-35",
    ),
    "parts of text": _asked(
        _user([{"type": "text", "text": f"text-4{n}"} for n in (1, 2)]),
        marks="text-41 text-42",
    ),
    "a picture": _asked(
        _part("image_url", url=f"data:image/png;{_DATA}"), marks=f"text-40 {_PIXEL}"
    ),
    "a picture elsewhere": _asked(
        _part("image_url", url="https://pictures.test/text-44"),
        marks="text-40 pictures.test/text-44",
    ),
    "a file": _asked(
        _part("file", filename="a.pdf", file_data=f"data:application/pdf;{_DATA}"),
        marks=f"text-40 {_PIXEL}",
    ),
    "a sound": _asked(
        _part("input_audio", data=_PIXEL, format="wav"), marks=f"text-40 {_PIXEL}"
    ),
    "a tool": _asked(_user("text-45"), tools=[_TOOL], marks=_TOOL_MARKS),
    "an old function": _asked(
        _user("text-45"), functions=[_TOOL["function"]], marks=_TOOL_MARKS
    ),
    "a call and its result": _asked(
        _user("text-46"),
        _calls("text-47", 1),
        _result(1),
        tools=[_TOOL],
        marks="text-46 text-47 tool_0c text-11 text-21",
    ),
    "calls and their results": _asked(
        _user("text-46"),
        _calls(None, 1, 2),
        _result(1),
        _result(2),
        _said("assistant", "text-48"),
        _user("text-49"),
        tools=[_TOOL],
        marks="text-46 text-11 text-12 text-21 text-22 text-48 text-49",
    ),
    "a form": _asked(
        _user("text-50"),
        response_format={"type": "json_schema", "json_schema": _FORM},
        marks="text-50 field-0a text-0b",
    ),
}

_PLAIN = {"messages": [_user("text-60")], "tools": [_TOOL]}
# Beside the messages, one at a time; each changes what is sent, or is named as dropped.
WISHES: Mapping[str, object] = {
    "max_tokens": 77,
    "max_completion_tokens": 77,
    "temperature": 0.3,
    "top_p": 0.4,
    "top_k": 5,
    "stop": ["text-61"],
    "seed": 7,
    "n": 2,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.6,
    "logit_bias": {"5": 5},
    "logprobs": True,
    "user": "text-62",
    "metadata": {"a": "text-63"},
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "modalities": ["text", "audio"],
    "prediction": {"type": "content", "content": "text-64"},
    "service_tier": "flex",
    "store": True,
    "verbosity": "low",
    "web_search_options": {},
    "a-vendors-own": "text-65",
}


def check_said(dialect: Dialect, asked: Asked, model: Model, *, stream: bool) -> None:
    """Check that all marks of a request are sent, or that it is refused."""
    sent = _sent(dialect, asked.fields, model, stream=stream)
    if sent is None:
        return
    again = _sent(dialect, asked.fields, model, stream=stream)
    require(sent == again, "request", "is another one the second time")
    check_clean(sent, model)
    body = sent.body.decode()
    for mark in asked.marks:
        require(mark in body, "request.body", f"has lost {mark}")
    require(not sent.dropped, "request.dropped", "names what is no hint")


def check_wish(dialect: Dialect, name: str, model: Model) -> None:
    """Check that a field is sent, named as dropped, or refused."""
    plain = _sent(dialect, _PLAIN, model, stream=False)
    base = {"messages": _PLAIN["messages"]} if plain is None else _PLAIN
    without = _sent(dialect, base, model, stream=False)
    sent = _sent(dialect, {**base, name: WISHES[name]}, model, stream=False)
    if sent is None:
        return
    check_clean(sent, model)
    dropped = name in sent.dropped
    said = without is None or sent.body != without.body
    require(said or dropped, f"request.{name}", "is lost, and nobody is told")
    require({*sent.dropped} <= {name}, "request.dropped", "names what nobody said")


def _sent(
    dialect: Dialect, fields: Mapping[str, Any], model: Model, *, stream: bool
) -> UpstreamRequest | None:
    """What is sent; None where it is refused, with the path of why."""
    chat = outcome.asked(stream=stream, **fields)
    try:
        return dialect.chat.build_request(chat, model)
    except InvalidRequest as error:
        require(error.param, "refusal", "names no field")
    except UpstreamFailed as error:
        fits = error.failure is failures.UNSUPPORTED and error.param
        require(fits, "refusal", "names no field, or another fault than the request's")
    return None


def check_clean(sent: UpstreamRequest, model: Model) -> None:
    """Check that it goes to the model's own host, without the key so far."""
    key = model.upstream.token.reveal()
    require(key not in sent.url, "request.url", "holds the key")
    require(key not in str(sent.headers), "request.headers", "hold the key")
    require(key.encode() not in sent.body, "request.body", "holds the key")
    there, ours = urlsplit(sent.url), urlsplit(model.upstream.url)
    same = (there.scheme, there.netloc) == (ours.scheme, ours.netloc)
    require(same, "request.url", "leads to another host")
