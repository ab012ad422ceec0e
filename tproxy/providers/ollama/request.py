"""What is sent to Ollama for a chat."""

from __future__ import annotations

from tproxy.core import fields, message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.message import Media, Message, Text
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.core.wishes import Schema, Tool, Wishes
from tproxy.providers import asking
from tproxy.providers.ollama.endpoint import endpoint

# Fields of Ollama's own, which go through as they are.
_OWN = ("keep_alive", "think")
# A choice of tools is none of them: only "auto" and "none" can be obeyed.
_SPOKEN = {"tools", "functions", "response_format", "stop", "temperature", "top_p"}
_SPOKEN |= {"top_k", "seed", "presence_penalty", "frequency_penalty", "options"}
_SPOKEN |= {"reasoning_effort", "reasoning", *_OWN}
_EFFORTS = {"none": False, "minimal": "low", "low": "low", "medium": "medium"}
_EFFORTS |= {"high": "high", "xhigh": "high"}


def build(chat: ChatRequest, model: Model) -> UpstreamRequest:
    """The request for an answer to `chat`.

    Raises:
        InvalidRequest: a field is of the wrong form; `param` names it.
        UpstreamFailed: `UNSUPPORTED`, where there are no words for it.
    """
    dropped = [*wishes.unsaid(chat, _SPOKEN, model)]
    wish = wishes.read(chat)
    values = chat.document.values
    said: dict[str, object] = {
        "model": model.upstream_name,
        "messages": [_message(m, model) for m in message.read(values["messages"])],
        "stream": chat.stream,  # true is the default
    }
    if wish.tools and wish.tool_choice != "none":
        said["tools"] = [_tool(tool) for tool in wish.tools]
        if any(tool.strict for tool in wish.tools):
            dropped.append("strict")
    if wish.form is not None:
        if "tools" in said:  # the form would hold for calls, too
            raise wishes.unsupported(model, "response_format", "together with tools")
        said["format"] = (
            wish.form.schema if isinstance(wish.form, Schema) else wish.form
        )
    if wish.effort is not None:
        if wish.effort not in _EFFORTS:
            one_of = ", ".join(_EFFORTS)
            raise message.bad("reasoning_effort", f"must be one of {one_of}")
        said["think"] = _EFFORTS[wish.effort]
    if options := _options(chat, wish, model):
        said["options"] = options
    said |= {name: values[name] for name in _OWN if values.get(name) is not None}
    return asking.post(
        endpoint("chat", model.upstream.url),
        said,
        model,
        accept="application/x-ndjson" if chat.stream else "application/json",
        dropped=tuple(dropped),
    )


def _message(one: Message, model: Model) -> dict[str, object]:
    said: dict[str, object] = {"role": one.role, "content": one.text}
    if images := _images(one, model):
        said["images"] = images
    if one.reasoning:
        said["thinking"] = one.reasoning
    if one.calls:
        said["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.parsed()}}
            for call in one.calls
        ]
    if one.role == "tool":  # older versions know results by the name alone
        said |= {"tool_name": one.name, "tool_call_id": one.call_id}
    return said


def _images(one: Message, model: Model) -> list[str]:
    """Pictures, in bare Base64 and apart from the text."""
    images = []
    for place, part in enumerate(one.parts):
        match part:
            case Text():
                pass
            case Media(kind, data) if kind.startswith("image/"):
                images.append(data)
            case _:
                raise wishes.unsupported(model, f"{one.path}.content[{place}]")
    return images


def _tool(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _options(chat: ChatRequest, wish: Wishes, model: Model) -> dict[str, object]:
    """What the model is run with; Ollama's own `options`, where the client has them."""
    most = chat.output_tokens
    said = {
        "temperature": wish.temperature,
        "top_p": wish.top_p,
        "top_k": wish.top_k,
        "seed": wish.seed,
        "presence_penalty": wish.presence_penalty,
        "frequency_penalty": wish.frequency_penalty,
        "stop": list(wish.stop) or None,
        "num_predict": model.max_output_tokens if most is None else most,
    }
    own = fields.optional(chat.document.values, "options", dict) or {}
    return {**own, **{name: v for name, v in said.items() if v is not None}}
