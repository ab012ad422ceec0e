"""A chat completion request: what the client asked, parsed once and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from tproxy.core import fields, tokens
from tproxy.core.document import Document
from tproxy.core.model import Capability, Kind
from tproxy.core.values import value

_OUTPUT_FIELDS = ("max_completion_tokens", "max_tokens")
_MOST_TOKENS = 1 << 53  # a larger number is no number of tokens
_MEDIA = frozenset({"input_audio", "audio_url", "video_url", "file"})
# Beside the content of a message, and around all messages.
_SAID_BESIDE = frozenset({"tool_calls", "function_call", "reasoning_content"})
_SAID_AROUND = ("tools", "functions", "response_format")


@value
class ChatRequest:
    """What selection and relay need to know; the rest stays in `document`, untouched.

    `id` and `created`, seconds since the epoch, are for translated answers: an answer
    gets ours where its provider gives none.

    `model` is None where the client named none. `text_bytes` is the UTF-8 length of
    what the model reads as text: contents, tool calls, tools and schemas; pictures and
    other media are counted in `media`. `output_tokens` is the most the client wants
    back; None if it did not say. `plain`: nothing of ours is added for the provider.
    """

    document: Document = attrs.field(repr=False)
    model: str | None
    stream: bool
    needs: frozenset[Capability]
    text_bytes: int
    media: int
    output_tokens: int | None
    id: str = ""
    created: int = 0
    plain: bool = False

    kind: ClassVar[Kind] = Kind.CHAT

    @property
    def prompt_tokens(self) -> int:
        """Estimated, see `core.tokens`."""
        return tokens.estimate(self.text_bytes, self.media)

    def naming(self, model: str) -> bytes:
        """The body as received, with `model` in the place of the client's."""
        if model == self.model:
            return self.document.raw
        return self.document.replaced("model", model)

    def wanting_usage(self) -> ChatRequest:
        """The same, with its stream to end with its usage."""
        options = self.document.values.get("stream_options")
        asked = {
            **(options if isinstance(options, dict) else {}),
            "include_usage": True,
        }
        document = self.document.having("stream_options", asked)
        return attrs.evolve(self, document=document)

    @classmethod
    def parse(cls, raw: bytes, id: str = "", created: int = 0) -> ChatRequest:
        """Read a body in OpenAI's chat completion format.

        Checks only the fields tproxy acts on; the provider judges the rest.

        Raises:
            InvalidRequest: not a JSON object, or a field is unusable; `param` names it.
        """
        body = fields.opened(raw)
        values = body.values
        text = pictures = media = 0
        for index, message in enumerate(_messages(values)):
            try:
                said, seen, other = _weigh(message)
            except _Wrong as wrong:
                raise fields.bad(
                    f"messages[{index}]{wrong.at}", wrong.problem
                ) from None
            text, pictures, media = text + said, pictures + seen, media + other
        for name in _SAID_AROUND:
            span = body.span(name) if values.get(name) else None
            if span is not None:
                text += _size(body.text[slice(*span)])
        return cls(
            body,
            fields.optional(values, "model", str),
            fields.optional(values, "stream", bool) or False,
            _needs(values, pictures > 0),
            text,
            pictures + media,
            _output_tokens(values),
            id,
            created,
        )


def _messages(values: Mapping[str, object]) -> list[object]:
    messages = values.get("messages")
    if messages is None:
        raise fields.bad("messages", "is required")
    if not isinstance(messages, list):
        raise fields.bad("messages", "must be an array")
    if not messages:
        raise fields.bad("messages", "must not be empty")
    return messages


@attrs.frozen
class _Wrong(Exception):
    """What is wrong with a message, and where in it."""

    at: str
    problem: str


def _weigh(message: object) -> tuple[int, int, int]:
    """Bytes of text, pictures and other media in one message."""
    if not isinstance(message, dict):
        raise _Wrong("", "must be an object")
    if not isinstance(message.get("role"), str):
        raise _Wrong(".role", "must be a string")
    text = pictures = media = 0
    content = message.get("content")
    if isinstance(content, str):
        text = _size(content)
    elif isinstance(content, list):
        for index, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str):
                raise _Wrong(f".content[{index}]", "must be an object with a type")
            if kind == "image_url":
                pictures += 1
            elif kind in _MEDIA:
                media += 1
            else:
                text += _texts(part)
    elif content is not None:
        raise _Wrong(".content", "must be a string or an array of parts")
    if not _SAID_BESIDE.isdisjoint(message):
        text += sum(_texts(message.get(name)) for name in _SAID_BESIDE)
    return text, pictures, media


def _texts(value: object) -> int:
    """Bytes of all strings within `value`, those that name a type left out."""
    if isinstance(value, str):
        return _size(value)
    if isinstance(value, dict):
        return sum(_texts(inner) for name, inner in value.items() if name != "type")
    if isinstance(value, list):
        return sum(map(_texts, value))
    return 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _needs(values: Mapping[str, object], sees: bool) -> frozenset[Capability]:
    if not sees and _TELLING.isdisjoint(values):
        return _NOTHING
    needs = []
    if fields.optional(values, "tools", list) or fields.optional(
        values, "functions", list
    ):
        needs.append(Capability.TOOLS)
    if sees:
        needs.append(Capability.VISION)
    form = fields.optional(values, "response_format", dict)
    if form is not None and form.get("type") == "json_schema":
        needs.append(Capability.JSON_SCHEMA)
    if (fields.optional(values, "reasoning_effort", str) or "none") != "none":
        needs.append(Capability.REASONING)
    return frozenset(needs)


_NOTHING: frozenset[Capability] = frozenset()
_TELLING = frozenset({"tools", "functions", "response_format", "reasoning_effort"})


def _output_tokens(values: Mapping[str, object]) -> int | None:
    most = None
    for name in _OUTPUT_FIELDS:
        value = values.get(name)
        if value is None:
            continue
        if type(value) is not int or not 0 <= value <= _MOST_TOKENS:
            raise fields.bad(name, "must be a whole number of tokens")
        most = value if most is None else most
    return most
