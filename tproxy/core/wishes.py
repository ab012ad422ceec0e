"""What a client wants beyond its messages, as typed values, for other dialects.

Source: OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import attrs

from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import bad, string
from tproxy.core.model import Model

T = TypeVar("T")

# Fields that carry meaning: to leave one out would be another answer. All others are
# hints. The second is the value that asks for nothing.
_MEANING: Mapping[str, tuple[object, ...]] = {
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("auto", "none"),
    "function_call": ("auto", "none"),
    "response_format": ({"type": "text"},),
    "n": (1,),
    "modalities": (["text"],),
    "audio": (),
    "logprobs": (False,),
    "web_search_options": (),
}
# What every dialect has said once it has a request at all.
_ALWAYS = {"model", "messages", "stream", "stream_options", "max_tokens"}
_ALWAYS |= {"max_completion_tokens"}


@attrs.frozen
class Tool:
    """`parameters` is a JSON Schema of an object; None where it takes none."""

    name: str
    description: str
    parameters: Mapping[str, object] | None = attrs.field(repr=False)
    strict: bool
    path: str  # for errors: "tools[0].function"


@attrs.frozen
class Schema:
    """The form an answer must have."""

    name: str
    schema: Mapping[str, object] = attrs.field(repr=False)
    strict: bool
    path: str


@attrs.frozen
class Named:
    """The tool that must be called."""

    name: str


@attrs.frozen
class Wishes:
    """None: the client did not say. Numbers are as it sent them.

    `tool_choice` is "auto", "none", "required" or a tool; `form` is a schema, or
    "json" for any object; `effort` is OpenAI's word, "none" to "xhigh".
    """

    tools: tuple[Tool, ...]
    tool_choice: str | Named | None
    parallel: bool | None
    form: Schema | str | None
    stop: tuple[str, ...]
    n: int
    effort: str | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    seed: int | None
    include_usage: bool


def read(chat: ChatRequest) -> Wishes:
    """Read what `chat` says beside its messages.

    Raises:
        InvalidRequest: a field is of the wrong form; `param` names it.
    """
    said = chat.document.values
    return Wishes(
        tools=tuple(_tools(said)),
        tool_choice=_choice(said),
        parallel=_one(said, "parallel_tool_calls", bool),
        form=_form(said),
        stop=_stop(said),
        n=_answers(said),
        effort=_effort(said),
        temperature=_number(said, "temperature"),
        top_p=_number(said, "top_p"),
        top_k=_one(said, "top_k", int),
        presence_penalty=_number(said, "presence_penalty"),
        frequency_penalty=_number(said, "frequency_penalty"),
        seed=_one(said, "seed", int),
        include_usage=includes_usage(said),
    )


def includes_usage(said: Mapping[str, object]) -> bool:
    """Whether a stream is to end with its usage."""
    options = said.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def unsaid(chat: ChatRequest, spoken: Collection[str], model: Model) -> tuple[str, ...]:
    """The client's fields that a dialect drops: all but those it has `spoken`.

    Raises:
        UpstreamFailed: `UNSUPPORTED`, for a field that carries meaning.
    """
    dropped = []
    for name, value in chat.document.values.items():
        if value is None or name in _ALWAYS or name in spoken:
            continue
        if name in _MEANING:
            if value not in _MEANING[name]:
                raise unsupported(model, name)
            continue
        dropped.append(name)
    return tuple(dropped)


def unsupported(model: Model, path: str, problem: str = "") -> UpstreamFailed:
    """The dialect of `model` has no words for what stands at `path`."""
    row = failures.UNSUPPORTED
    told = f" ({problem})" if problem else ""
    return UpstreamFailed(
        message=f"{model.name}: {row.said}: {path}{told}.",
        failure=row,
        model=model.name,
        param=path,
        detail=path,
    )


def _tools(said: Mapping[str, object]) -> Iterable[Tool]:
    for name in ("tools", "functions"):
        for index, one in enumerate(_one(said, name, list) or ()):
            path = f"{name}[{index}]"
            function = one
            if name == "tools" and isinstance(one, dict):
                if one.get("type", "function") != "function":
                    raise bad(f"{path}.type", "must be function")
                function, path = one.get("function"), f"{path}.function"
            if not isinstance(function, dict):
                raise bad(path, "must be an object")
            if not string(function, "name", path):
                raise bad(f"{path}.name", "is required")
            parameters = function.get("parameters")
            if parameters is not None and not isinstance(parameters, dict):
                raise bad(f"{path}.parameters", "must be an object")
            yield Tool(
                name=string(function, "name", path),
                description=string(function, "description", path),
                parameters=parameters,
                strict=function.get("strict") is True,
                path=path,
            )


def _choice(said: Mapping[str, object]) -> str | Named | None:
    for name in ("tool_choice", "function_call"):
        value = said.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            if value == "any":
                return "required"
            if value not in ("auto", "none", "required"):
                raise bad(name, "must be auto, none, required or a tool")
            return value
        if isinstance(value, dict):
            if value.get("type") == "auto":
                return "auto"
            inner = value.get("function") if name == "tool_choice" else value
            if isinstance(inner, dict) and string(inner, "name", name):
                return Named(string(inner, "name", name))
        raise bad(name, "must be auto, none, required or a tool")
    return None


def _form(said: Mapping[str, object]) -> Schema | str | None:
    form = _one(said, "response_format", dict)
    if form is None:
        return None
    match form.get("type"):
        case "text":
            return None
        case "json_object":
            return "json"
        case "json_schema":
            path = "response_format.json_schema"
            inner = form.get("json_schema")
            schema = inner.get("schema") if isinstance(inner, dict) else None
            if not isinstance(inner, dict) or not isinstance(schema, dict):
                raise bad(f"{path}.schema", "must be an object")
            name = string(inner, "name", path) or "answer"
            strict = inner.get("strict") is True
            return Schema(name, schema, strict, f"{path}.schema")
    raise bad("response_format.type", "must be text, json_object or json_schema")


def _stop(said: Mapping[str, object]) -> tuple[str, ...]:
    stop = said.get("stop")
    if stop is None:
        return ()
    words = [stop] if isinstance(stop, str) else stop
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise bad("stop", "must be a string or an array of strings")
    return tuple(words)


def _answers(said: Mapping[str, object]) -> int:
    n = _one(said, "n", int)
    if n is not None and n < 1:
        raise bad("n", "must be at least 1")
    return n or 1


def _effort(said: Mapping[str, object]) -> str | None:
    """OpenAI's `reasoning_effort`, or the `effort` of OpenRouter's `reasoning`."""
    effort = _one(said, "reasoning_effort", str)
    reasoning = said.get("reasoning")
    if effort is None and isinstance(reasoning, dict):
        effort = _one(reasoning, "effort", str)
    return effort


def _number(said: Mapping[str, object], name: str) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad(name, "must be a number")
    return value


_SPOKEN = {
    bool: "true or false",
    dict: "an object",
    int: "a whole number",
    list: "an array",
    str: "a string",
}


def _one(said: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = said.get(name)
    if value is None:
        return None
    if type(value) is not kind:
        raise bad(name, f"must be {_SPOKEN[kind]}")
    return value
