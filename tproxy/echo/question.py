"""What one chat request asks of the echo provider.

Source: OpenAI API reference, "Create chat completion". Fields that only steer a real
model's sampling or reasoning are accepted and mean nothing here.
"""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from tproxy.echo.errors import Refused
from tproxy.echo.fields import Fields, wrong_type, wrong_value
from tproxy.echo.messages import Message, read_messages
from tproxy.echo.tools import Tool, ToolUse, read_tool_use

_FORMATS: Final = ("text", "json_object", "json_schema")
_MOST_CHOICES: Final = 128
_MOST_STOPS: Final = 4


@attrs.frozen
class ReplyFormat:
    """`schema` is given for `json_schema` alone; `name` is what the client calls it."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    name: str = ""
    schema: Mapping[str, object] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class Question:
    """One request, complete. It holds user content: keep it out of logs.

    `most_words` is the client's limit on a reply in words, our tokens; None is none.
    """

    model: str
    messages: tuple[Message, ...] = attrs.field(repr=False)
    tool_use: ToolUse
    reply_format: ReplyFormat
    choices: int
    most_words: int | None
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool

    @classmethod
    def read(cls, body: Mapping[str, object]) -> "Question":
        """Read a parsed request body.

        Raises:
            Refused: a field is missing, or has a type or value OpenAI refuses.
        """
        fields = Fields(body)
        if fields.optional_string("model") is None:
            raise Refused(message="you must provide a model parameter")
        stream, include_usage = _streaming(fields)
        return cls(
            model=fields.string("model"),
            messages=read_messages(fields),
            tool_use=read_tool_use(fields),
            reply_format=_reply_format(fields),
            choices=fields.optional_integer("n", 1, _MOST_CHOICES) or 1,
            most_words=_most_words(fields),
            stops=_stops(fields),
            stream=stream,
            include_usage=include_usage,
        )

    def tool_to_call(self) -> Tool | None:
        """The tool this turn calls; None if it is answered in words.

        Left to choose, it calls the first tool once for every user message, so that
        a client's loop of calls and results comes to an end.
        """
        mode, tools = self.tool_use.mode, self.tool_use.tools
        asked = self.messages[-1].role == "user"
        if mode == "required" or (mode == "auto" and asked and tools):
            return tools[0]
        return None


def _streaming(fields: Fields) -> tuple[bool, bool]:
    stream = fields.flag("stream")
    options = fields.optional_object("stream_options")
    if options is None:
        return stream, False
    if not stream:
        raise Refused(
            message="The 'stream_options' parameter is only allowed when 'stream' is "
            "enabled.",
            param="stream_options",
        )
    return stream, options.flag("include_usage")


def _most_words(fields: Fields) -> int | None:
    names = ("max_tokens", "max_completion_tokens")
    old, new = (fields.optional_integer(name, 1, None) for name in names)
    if old is not None and new is not None:
        raise Refused(
            message="Setting 'max_tokens' and 'max_completion_tokens' at the same time "
            "is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    return new if old is None else old


def _stops(fields: Fields) -> tuple[str, ...]:
    value = fields.values.get("stop")
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    stops = tuple(stop for stop in listed if isinstance(stop, str))
    if len(stops) < len(listed):
        raise wrong_type(value, "stop", "one of a string or array of strings")
    if len(stops) > _MOST_STOPS:
        raise Refused(
            message="Invalid 'stop': array too long. Expected an array with maximum "
            f"length {_MOST_STOPS}, but got an array with length {len(stops)} instead.",
            param="stop",
            code="array_above_max_length",
        )
    return tuple(filter(None, stops))


def _reply_format(fields: Fields) -> ReplyFormat:
    wanted = fields.optional_object("response_format")
    if wanted is None:
        return ReplyFormat()
    match wanted.string("type"):
        case "text" | "json_object" as kind:
            return ReplyFormat(kind)
        case "json_schema" as kind:
            described = wanted.object("json_schema")
            schema = described.optional_object("schema")
            name = described.string("name")
            return ReplyFormat(kind, name, schema.values if schema else {})
        case kind:
            raise wrong_value(kind, wanted.path_of("type"), _FORMATS)
