"""What was said so far: the messages of a chat request.

Source: OpenAI API reference, "Create chat completion", `messages`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from tproxy.echo.errors import Refused
from tproxy.echo.fields import Fields, wrong_type, wrong_value

_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
# Part type to what an attachment of it is called; None if its words are its text.
_PARTS: Final[Mapping[str, str | None]] = {
    "text": None,
    "refusal": None,
    "image_url": "image",
    "input_audio": "audio clip",
    "file": "file",
}


@attrs.frozen
class Message:
    """One message, as far as the echo provider listens.

    `attachments` names each part that is no text, in order: `image`, `file`.
    `results_of` is the name of the tool whose result this is, else None.
    """

    role: str
    text: str = attrs.field(repr=False)
    attachments: tuple[str, ...] = ()
    results_of: str | None = None

    @property
    def heard(self) -> str:
        """The text, and in brackets what came with it: `What is this? [1 image]`."""
        kinds = dict.fromkeys(self.attachments)
        counts = ((self.attachments.count(kind), kind) for kind in kinds)
        marks = (f"[{n} {kind if n == 1 else kind + 's'}]" for n, kind in counts)
        return " ".join(filter(None, (self.text, *marks)))


def read_messages(body: Fields) -> tuple[Message, ...]:
    """The messages of a request body.

    Raises:
        Refused: there are none, or one of them is unusable.
    """
    body.value("messages")
    messages: list[Message] = []
    calls: dict[str, str] = {}  # the name of the tool by the id of its call
    for fields in body.objects("messages"):
        messages.append(_read(fields, calls))
        for call in fields.objects("tool_calls"):
            calls[call.string("id")] = _called(call)
    if not messages:
        raise Refused(
            message="Invalid 'messages': empty array. Expected an array with minimum "
            "length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    return tuple(messages)


def _read(fields: Fields, calls: Mapping[str, str]) -> Message:
    role = fields.string("role")
    if role not in _ROLES:
        raise wrong_value(role, fields.path_of("role"), _ROLES)
    results_of = None
    if role == "tool":
        results_of = calls.get(fields.string("tool_call_id"), "The tool")
    elif role == "function":
        results_of = fields.string("name")
    text, attachments = _content(fields, optional=role == "assistant")
    return Message(role, text, attachments, results_of)


def _called(call: Fields) -> str:
    detail = call.optional_object("custom") or call.object("function")
    return detail.string("name")


def _content(fields: Fields, *, optional: bool) -> tuple[str, tuple[str, ...]]:
    content = fields.values.get("content")
    match content:
        case str():
            return content, ()
        case list():
            return _parts(fields.objects("content"))
        case None if optional:
            return "", ()
        case None:
            raise Refused(
                message="Invalid value for 'content': expected a string, got null.",
                param=fields.path_of("content"),
            )
        case _:
            expected = "one of a string or array of objects"
            raise wrong_type(content, fields.path_of("content"), expected)


def _parts(parts: Sequence[Fields]) -> tuple[str, tuple[str, ...]]:
    texts, attachments = [], []
    for part in parts:
        kind = part.string("type")
        if kind not in _PARTS:
            raise wrong_value(kind, part.path_of("type"), tuple(_PARTS))
        attachment = _PARTS[kind]
        if attachment is None:
            texts.append(part.string(kind))
        else:
            part.object(kind)
            attachments.append(attachment)
    return "\n".join(texts), tuple(attachments)
