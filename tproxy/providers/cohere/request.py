"""What is sent to Cohere for a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tproxy.core import message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.core.wishes import Named, Schema, Tool, Wishes
from tproxy.providers import asking
from tproxy.providers.cohere import conversation
from tproxy.providers.cohere.endpoint import endpoint

# Fields of Cohere's own, which go through as they are.
_OWN = (
    *("documents", "citation_options", "safety_mode", "priority"),
    *("strict_tools", "thinking"),
)
_SPOKEN = {"tools", "functions", "tool_choice", "function_call", "response_format"}
_SPOKEN |= {"stop", "temperature", "top_p", "top_k", "seed", *_OWN}
_SPOKEN |= {"presence_penalty", "frequency_penalty", "reasoning_effort", "reasoning"}

_P = (0.01, 0.99)
_MOST_K = 500
_BUDGETS = {"minimal": 512, "low": 2_048, "medium": 8_192}  # tokens; beyond: no bound
# These models do not think; what is newer does.
_THOUGHTLESS = re.compile(
    r"command-(?:r|light|nightly|a-(?:03|vision|translate))|aya"
).search


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
        "messages": conversation.read(chat, model),
        "stream": chat.stream,
        **_tools(wish, dropped),
        **_form(chat, wish, model),
        **_sampling(wish, dropped),
        **_thinking(wish, model, dropped),
        **{name: values[name] for name in _OWN if values.get(name) is not None},
    }
    if chat.output_tokens is not None:
        said["max_tokens"] = chat.output_tokens
    return asking.post(
        endpoint("chat", model.upstream.url),
        said,
        model,
        accept="text/event-stream" if chat.stream else "application/json",
        dropped=tuple(dropped),
    )


def _tools(wish: Wishes, dropped: list[str]) -> dict[str, object]:
    tools = wish.tools
    if not tools:
        return {}
    said: dict[str, object] = {}
    match wish.tool_choice:
        case Named(name):  # there is no way to name it but to offer no other
            tools = tuple(tool for tool in tools if tool.name == name)
            if not tools:
                raise message.bad("tool_choice", "must name one of the tools")
            said["tool_choice"] = "REQUIRED"
        case "required":
            said["tool_choice"] = "REQUIRED"
        case "none":
            said["tool_choice"] = "NONE"
    said["tools"] = [_tool(tool) for tool in tools]
    if all(tool.strict and _requires(tool) for tool in tools):
        said["strict_tools"] = True
    elif any(tool.strict for tool in tools):
        dropped.append("strict")
    return said


def _requires(tool: Tool) -> bool:
    """Whether a parameter is required, without which no tool can be strict."""
    return bool(tool.parameters and tool.parameters.get("required"))


def _tool(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    nothing: Mapping[str, object] = {"type": "object", "properties": {}}
    function["parameters"] = nothing if tool.parameters is None else tool.parameters
    return {"type": "function", "function": function}


def _form(chat: ChatRequest, wish: Wishes, model: Model) -> dict[str, object]:
    if wish.form is None:
        return {}
    if wish.tools or chat.document.values.get("documents"):
        problem = "together with tools or documents"
        raise wishes.unsupported(model, "response_format", problem)
    form: dict[str, object] = {"type": "json_object"}
    if isinstance(wish.form, Schema):
        form["json_schema"] = wish.form.schema
    return {"response_format": form}


def _sampling(wish: Wishes, dropped: list[str]) -> dict[str, object]:
    """What can be said of sampling; what cannot be is added to `dropped`."""
    said: dict[str, object] = {}
    if wish.temperature is not None:
        said["temperature"] = wish.temperature
    if wish.top_p is not None:
        said["p"] = min(max(wish.top_p, _P[0]), _P[1])
    if wish.top_k is not None:
        said["k"] = min(wish.top_k, _MOST_K)
    if wish.seed is not None:
        said["seed"] = wish.seed
    if wish.stop:
        said["stop_sequences"] = list(wish.stop)
    for name, penalty in (
        ("presence_penalty", wish.presence_penalty),
        ("frequency_penalty", wish.frequency_penalty),
    ):
        if penalty is not None and penalty >= 0:
            said[name] = min(penalty, 1)
        elif penalty is not None:  # there are no rewards
            dropped.append(name)
    return said


def _thinking(wish: Wishes, model: Model, dropped: list[str]) -> dict[str, object]:
    if wish.effort is None:
        return {}
    if _THOUGHTLESS(model.upstream_name):
        if wish.effort != "none":
            dropped.append("reasoning_effort")
        return {}
    if wish.effort == "none":
        return {"thinking": {"type": "disabled"}}
    said: dict[str, object] = {"type": "enabled"}
    if wish.effort in _BUDGETS:
        said["token_budget"] = _BUDGETS[wish.effort]
    return {"thinking": said}
