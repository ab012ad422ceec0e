"""Which tools a request offers, and whether one must be called.

Source: OpenAI API reference, "Create chat completion": `tools`, `tool_choice` and the
deprecated `functions`, `function_call`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import attrs

from tproxy.echo.errors import Refused
from tproxy.echo.fields import Fields, wrong_type, wrong_value

Mode = Literal["none", "auto", "required"]

_CHOICES: Final = ("none", "auto", "required")
_CHOICE_TYPES: Final = ("function", "custom", "allowed_tools")


@attrs.frozen
class Tool:
    """A tool the client can run.

    `legacy` is a function offered in the deprecated `functions`, whose call and
    result have a shape of their own. `path` is where its schema stands.
    """

    kind: Literal["function", "custom", "legacy"]
    name: str
    path: str
    parameters: Mapping[str, object] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class ToolUse:
    """The tools that may be called; at least one if `mode` is `required`."""

    mode: Mode = "none"
    tools: tuple[Tool, ...] = ()


def read_tool_use(body: Fields) -> ToolUse:
    """The tools of a request body, narrowed to those its tool choice allows.

    Raises:
        Refused: a tool is unusable, or the choice is of something not offered.
    """
    tools = tuple(map(_tool, body.objects("tools")))
    if tools or body.values.get("tool_choice") is not None:
        return _choose(body, "tool_choice", tools)
    legacy = tuple(_function(f, "legacy") for f in body.objects("functions"))
    return _choose(body, "function_call", legacy)


def _tool(fields: Fields) -> Tool:
    match fields.string("type"):
        case "function":
            return _function(fields.object("function"), "function")
        case "custom":
            custom = fields.object("custom")
            return Tool("custom", custom.string("name"), custom.path)
        case kind:
            raise wrong_value(kind, fields.path_of("type"), ("function", "custom"))


def _function(fields: Fields, kind: Literal["function", "legacy"]) -> Tool:
    parameters = fields.optional_object("parameters")
    path = fields.path_of("parameters")
    name = fields.string("name")
    return Tool(kind, name, path, parameters.values if parameters else {})


def _choose(body: Fields, field: str, tools: tuple[Tool, ...]) -> ToolUse:
    choice = body.values.get(field)
    if choice is None:
        return ToolUse("auto", tools)
    if not tools:
        offer = "tools" if field == "tool_choice" else "functions"
        raise Refused(
            message=f"Invalid value for '{field}': '{field}' is only allowed when "
            f"'{offer}' are specified.",
            param=field,
        )
    if isinstance(choice, str):
        return ToolUse(_mode(choice, field), tools)
    if not isinstance(choice, Mapping):
        raise wrong_type(choice, field, "one of a string or object")
    chosen = Fields(choice, field)
    if field == "function_call":
        return ToolUse("required", (_find(chosen.string("name"), tools, field),))
    match chosen.string("type"):
        case "function" | "custom" as kind:
            name = chosen.object(kind).string("name")
            return ToolUse("required", (_find(name, tools, field),))
        case "allowed_tools":
            return _allowed(chosen.object("allowed_tools"), tools)
        case kind:
            raise wrong_value(kind, chosen.path_of("type"), _CHOICE_TYPES)


def _allowed(fields: Fields, tools: tuple[Tool, ...]) -> ToolUse:
    mode = _mode(fields.string("mode"), fields.path_of("mode"))
    fields.value("tools")
    allowed = []
    for tool in fields.objects("tools"):
        detail = tool.optional_object("custom") or tool.object("function")
        allowed.append(_find(detail.string("name"), tools, fields.path))
    return ToolUse(mode if allowed else "none", tuple(allowed))


def _mode(value: str, path: str) -> Mode:
    match value:
        case "none" | "auto" | "required":
            return value
        case _:
            raise wrong_value(value, path, _CHOICES)


def _find(name: str, tools: Iterable[Tool], param: str) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    raise Refused(
        message=f"Tool choice '{name}' not found in 'tools' parameter.", param=param
    )
