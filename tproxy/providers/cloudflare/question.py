"""What a model is asked: messages, tools and options in the native words.

Source: Cloudflare documentation, "Workers AI, text generation"; Cloudflare's own client
for it tells what models refuse: null contents, and the choice of one tool by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from tproxy.core import message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.message import Link, Media, Message, Text
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.core.wishes import Named, Schema, Wishes
from tproxy.providers.cloudflare import address

# Options that are spelled as OpenAI does, or are Cloudflare's own.
_AS_THEY_ARE = (
    *("temperature", "top_p", "top_k", "seed", "repetition_penalty"),
    *("frequency_penalty", "presence_penalty", "reasoning_effort"),
    *("raw", "lora", "options", "chat_template_kwargs"),
)
_SPOKEN = {*_AS_THEY_ARE, "tools", "functions", "tool_choice", "function_call"}
_SPOKEN |= {"response_format"}
# Few models take as many as they can: without a number most stop after so many tokens.
DEFAULT_TOKENS = 256


def request(chat: ChatRequest, model: Model) -> UpstreamRequest:
    """What to send.

    Raises:
        InvalidRequest: the client's request is of the wrong form.
        UpstreamFailed: `UNSUPPORTED`, where there are no words for a part of it.
    """
    said = chat.document.values
    asked = wishes.read(chat)
    dropped = wishes.unsaid(chat, _SPOKEN, model)
    body: dict[str, object] = {
        "messages": [_message(m, model) for m in message.read(said.get("messages"))],
        **{name: said[name] for name in _AS_THEY_ARE if said.get(name) is not None},
        **_tools(asked),
    }
    if asked.form is not None:
        body["response_format"] = _form(asked.form)
    most = output_tokens(chat, model)
    if most is not None:
        body["max_tokens"] = most
    streams = chat.stream and asked.form is None  # a form is not streamed
    if streams:
        body["stream"] = True
    accept = "text/event-stream" if streams else "application/json"
    return address.request(
        model,
        json.dumps(body).encode(),
        (("Content-Type", "application/json"), ("Accept", accept)),
        dropped,
    )


def output_tokens(chat: ChatRequest, model: Model) -> int | None:
    """The most that may come back, as the client or the operator says."""
    most = chat.output_tokens
    return model.max_output_tokens if most is None else most


def _message(said: Message, model: Model) -> dict[str, object]:
    told: dict[str, object] = {"role": said.role, "content": _content(said, model)}
    if said.calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in said.calls
        ]
    if said.role == "tool":
        told |= {"tool_call_id": said.call_id, "name": said.name}
    return told


def _content(said: Message, model: Model) -> str | list[object]:
    """Text alone is a string, also where there is none: null is refused."""
    if all(isinstance(part, Text) for part in said.parts):
        return said.text
    return [*_parts(said, model)]


def _parts(said: Message, model: Model) -> Iterable[object]:
    for index, part in enumerate(said.parts):
        path = f"{said.path}.content[{index}]"
        match part:
            case Text(text):
                yield {"type": "text", "text": text}
            case Media(kind, data) if kind.startswith("image/"):
                url = f"data:{kind};base64,{data}"
                yield {"type": "image_url", "image_url": {"url": url}}
            case Link(picture=True):
                raise wishes.unsupported(model, path, "pictures go as data URLs only")
            case _:
                raise wishes.unsupported(model, path)


def _tools(asked: Wishes) -> Mapping[str, object]:
    """A tool that must be called is the only one offered: it cannot be named."""
    if not asked.tools:
        return {}
    choice, offered = asked.tool_choice, asked.tools
    if isinstance(choice, Named):
        offered = tuple(tool for tool in offered if tool.name == choice.name)
        if not offered:
            raise message.bad("tool_choice", "names none of the tools")
        choice = "required"
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or {"type": "object", "properties": {}},
            },
        }
        for tool in offered
    ]
    return {"tools": tools} | ({} if choice is None else {"tool_choice": choice})


def _form(form: Schema | str) -> Mapping[str, object]:
    """A schema stands bare, without OpenAI's name around it."""
    if isinstance(form, Schema):
        return {"type": "json_schema", "json_schema": form.schema}
    return {"type": "json_object"}
