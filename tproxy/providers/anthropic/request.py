"""What is sent to Anthropic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from tproxy.core import fields, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.upstream import Headers, UpstreamRequest
from tproxy.core.wishes import Named, Schema, Wishes
from tproxy.providers.anthropic import schema, turns
from tproxy.providers.anthropic.generation import Generation
from tproxy.providers.anthropic.thinking import Thinking
from tproxy.providers.asking import encoded

_VERSION = ("anthropic-version", "2023-06-01")
FORM_TOOL = "answer"  # is called where an answer cannot be bound to a schema otherwise

_ENDPOINT = re.compile(r"/messages\Z").search
_VERSIONED = re.compile(r"/v\d\w*\Z", re.ASCII).search
_JSON_ONLY = "Answer with one valid JSON object and nothing else."
_SPOKEN = {"tools", "functions", "tool_choice", "function_call", "parallel_tool_calls"}
_SPOKEN |= {"response_format", "stop", "temperature", "top_p", "top_k", "user"}
_SPOKEN |= {"reasoning_effort", "reasoning", "thinking", "cache_control"}


def build(chat: ChatRequest, model: Model) -> UpstreamRequest:
    """The request for an answer to `chat`.

    Raises:
        InvalidRequest: a field is of the wrong form; `param` names it.
        UpstreamFailed: `UNSUPPORTED`, where there are no words for it.
    """
    dropped = [*wishes.unsaid(chat, _SPOKEN, model)]
    wish = wishes.read(chat)
    generation = Generation.of(model.upstream_name)
    conversation = turns.read(chat, model)
    by_tool = answers_by_tool(wish, generation)
    if by_tool and wish.tools:
        raise wishes.unsupported(model, "response_format", "together with tools")
    tools = _tools(chat, wish, generation, dropped)
    choice = _choice(wish) if tools else None
    if by_tool:
        tools, choice = [_form_tool(wish)], {"type": "tool", "name": FORM_TOOL}
    is_forced = choice is not None and choice["type"] in ("any", "tool")
    can_think = generation.adapts or not (is_forced or conversation.is_thoughtless)
    thinking = Thinking.of(chat, wish, model, generation, can_think=can_think)
    said: dict[str, object] = {
        "model": model.upstream_name,
        "max_tokens": thinking.max_tokens,
        "messages": conversation.turns,
    }
    system = conversation.system
    if wish.form == "json":  # there is no mode for it
        system = [*system, {"type": "text", "text": _JSON_ONLY}]
    if system:
        said["system"] = system
    if tools:
        said["tools"] = tools
    if choice is not None:
        said["tool_choice"] = choice
    said |= thinking.said
    output = {**thinking.output, **_format(wish, by_tool=by_tool)}
    if output:
        said["output_config"] = output
    said |= _sampling(wish, generation, dropped, thinks=thinking.is_on)
    said |= turns.mark(chat.document.values)
    if user := fields.optional(chat.document.values, "user", str):
        said["metadata"] = {"user_id": user}
    if chat.stream:
        said["stream"] = True
    return UpstreamRequest(
        method="POST",
        url=_url(model.upstream.url),
        headers=_headers(chat, model),
        body=encoded(said),
        dropped=(*dropped, *thinking.dropped),
    )


def answers_by_tool(wish: Wishes, generation: Generation) -> bool:
    """Whether the call of a tool stands for the answer."""
    return isinstance(wish.form, Schema) and not generation.knows_schemas


def _url(base: str) -> str:
    """The endpoint; `base` may be it already, or end before the version.

    So do the bases of gateways, and those that Anthropic's own clients take.
    """
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    if not _ENDPOINT(path):
        path += "/messages" if _VERSIONED(path) else "/v1/messages"
    return urlunsplit(parts._replace(path=path))


def _headers(chat: ChatRequest, model: Model) -> Headers:
    given = model.upstream.headers
    is_given = any(name.lower() == _VERSION[0] for name, _ in given)
    return (
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream" if chat.stream else "application/json"),
        *(() if is_given else (_VERSION,)),
        *given,
    )


def _tools(
    chat: ChatRequest, wish: Wishes, generation: Generation, dropped: list[str]
) -> list[dict[str, object]]:
    raws = chat.document.values.get("tools")
    marks = [turns.mark(raw) for raw in raws] if isinstance(raws, list) else []
    tools = []
    for place, tool in enumerate(wish.tools):
        said: dict[str, object] = {"name": tool.name}
        if tool.description:
            said["description"] = tool.description
        takes: object = {"type": "object", **(tool.parameters or {})}
        if tool.strict and generation.knows_schemas:
            said["strict"], takes = True, schema.fitted(takes)
        said["input_schema"] = takes
        tools.append(said | (marks[place] if place < len(marks) else {}))
    if any(tool.strict for tool in wish.tools) and not generation.knows_schemas:
        dropped.append("strict")
    return tools


def _choice(wish: Wishes) -> dict[str, object] | None:
    said: dict[str, object]
    match wish.tool_choice:
        case "none":
            return {"type": "none"}
        case "required":
            said = {"type": "any"}
        case Named(name):
            said = {"type": "tool", "name": name}
        case _:
            said = {"type": "auto"}
    if wish.parallel is False:
        said["disable_parallel_tool_use"] = True
    elif wish.tool_choice is None:
        return None
    return said


def _form_tool(wish: Wishes) -> dict[str, object]:
    form = wish.form.schema if isinstance(wish.form, Schema) else {}
    return {
        "name": FORM_TOOL,
        "description": "Gives the answer, in the form it must have.",
        "input_schema": {"type": "object", **form},
    }


def _format(wish: Wishes, *, by_tool: bool) -> dict[str, object]:
    if by_tool or not isinstance(wish.form, Schema):
        return {}
    form = {"type": "json_schema", "schema": schema.fitted(wish.form.schema)}
    return {"format": form}


def _sampling(
    wish: Wishes, generation: Generation, dropped: list[str], *, thinks: bool
) -> Mapping[str, object]:
    """What can be said of sampling; what cannot be is added to `dropped`."""
    said: dict[str, object] = {}
    is_free = generation.samples and not thinks
    if wish.temperature is not None:
        if is_free or wish.temperature == 1:
            said["temperature"] = min(wish.temperature, 1)  # its range ends there
        else:
            dropped.append("temperature")
    for name, value in (("top_p", wish.top_p), ("top_k", wish.top_k)):
        if value is None:
            continue
        is_double = name == "top_p" and "temperature" in said
        if is_free and (generation.samples_both_ways or not is_double):
            said[name] = value
        else:
            dropped.append(name)
    stop = [word for word in wish.stop if word.strip()]
    if stop:
        said["stop_sequences"] = stop
    if len(stop) < len(wish.stop):  # a blank is refused
        dropped.append("stop")
    return said
