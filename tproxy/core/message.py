"""The messages of a chat as typed values, for dialects that say them otherwise.

Source: OpenAI API reference, "Chat": messages, content parts, tool calls; and the older
functions, which are read as tools. Beyond it, `reasoning_content` and `extra_content`
as the interface promises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import attrs

from tproxy.core.errors import InvalidRequest

_DATA_URL = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=\"'.+-]+)*),", re.ASCII
).match
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


@attrs.frozen
class Text:
    text: str = attrs.field(repr=False)


@attrs.frozen
class Media:
    """A picture, sound or file in the request itself.

    `kind` is its media type, "" where the client named none; `data` is Base64.
    """

    kind: str
    data: str = attrs.field(repr=False)
    name: str | None = None


@attrs.frozen
class Link:
    """A picture or file elsewhere: an http(s) URL, or a provider's own file id."""

    url: str = attrs.field(repr=False)
    picture: bool = True


Part = Text | Media | Link


@attrs.frozen
class ToolCall:
    """`arguments` is JSON text as the model wrote it; `extra` is `extra_content`."""

    id: str
    name: str
    arguments: str = attrs.field(repr=False)
    extra: Mapping[str, object] = attrs.field(factory=dict, repr=False)

    def parsed(self) -> dict[str, object]:
        """The arguments as an object; one member "arguments" where they are none."""
        try:
            said: object = json.loads(self.arguments.strip() or "{}")
        except (ValueError, RecursionError):
            said = self.arguments
        return said if isinstance(said, dict) else {"arguments": said}


@attrs.frozen
class Message:
    """`role` is "system" (developer's too), "user", "assistant" or "tool".

    A tool's result has the `call_id` of the call and its `name`, found in the call
    where the client does not repeat it. `path` is for errors: "messages[3]". `extra` is
    its `extra_content`.
    """

    role: str
    parts: tuple[Part, ...]
    path: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    reasoning: str = attrs.field(default="", repr=False)
    extra: Mapping[str, object] = attrs.field(factory=dict, repr=False)

    @property
    def text(self) -> str:
        """All text, parts that are text put one after another."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


def read(said: object) -> tuple[Message, ...]:
    """Read the value of `messages`.

    Raises:
        InvalidRequest: of the wrong form; `param` is the path.
    """
    if not isinstance(said, list):
        raise bad("messages", "must be an array")
    names: dict[str, str] = {}  # of tools, by the ids of their calls
    messages: list[Message] = []
    for index, one in enumerate(said):
        message = _message(one, f"messages[{index}]", names, index)
        names |= {call.id: call.name for call in message.calls}
        messages.append(message)
    return tuple(messages)


def _message(said: object, path: str, names: Mapping[str, str], index: int) -> Message:
    if not isinstance(said, dict):
        raise bad(path, "must be an object")
    role = said.get("role")
    if role not in _ROLES:
        raise bad(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    parts = tuple(_parts(said.get("content"), f"{path}.content"))
    if role in ("tool", "function"):
        name = string(said, "name", path)
        # A function's result has no id: it answers the last call of that name.
        call_id = string(said, "tool_call_id", path) or next(
            (i for i, known in reversed([*names.items()]) if known == name), ""
        )
        name = name or names.get(call_id, "")
        return Message("tool", parts, path, call_id=call_id, name=name)
    if role == "assistant":
        refusal = string(said, "refusal", path)
        return Message(
            role,
            parts or ((Text(refusal),) if refusal else ()),
            path,
            calls=tuple(_calls(said, path, index)),
            reasoning=string(said, "reasoning_content", path)
            or string(said, "reasoning", path),
            extra=_extra(said),
        )
    return Message("user" if role == "user" else "system", parts, path)


def _parts(content: object, path: str) -> Iterable[Part]:
    if content is None:
        return
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    if not isinstance(content, list):
        raise bad(path, "must be a string or an array of parts")
    for index, part in enumerate(content):
        yield _part(part, f"{path}[{index}]")


def _part(part: object, path: str) -> Part:
    if isinstance(part, str):
        return Text(part)
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str):
        raise bad(path, "must be an object with a type")
    match kind:
        case "text" | "refusal" | "input_text" | "output_text":
            return Text(string(part, "refusal" if kind == "refusal" else "text", path))
        case "image_url" | "input_image":
            inner = part.get("image_url")
            url = inner.get("url") if isinstance(inner, dict) else inner
            if not isinstance(url, str) or not url:
                raise bad(f"{path}.image_url", "must have a url")
            return at(url, path, picture=True)
        case "input_audio":
            sound = _inner(part, "input_audio", path)
            form = string(sound, "format", path) or "wav"
            kind = {"mp3": "audio/mpeg"}.get(form, f"audio/{form}")
            return Media(kind, string(sound, "data", path))
        case "file":
            return _file(_inner(part, "file", path), f"{path}.file")
        case "audio_url" | "video_url":
            url = string(_inner(part, kind, path), "url", path)
            return at(url, path, picture=False)
    raise bad(f"{path}.type", "is not a type of part that can be translated")


def _file(said: Mapping[str, object], path: str) -> Part:
    name = string(said, "filename", path) or None
    data = string(said, "file_data", path)
    if not data:
        found = string(said, "file_id", path)
        if not found:
            raise bad(path, "must have file_data or a file_id")
        return Link(found, picture=False)
    part = (
        at(data, path, picture=False) if data.startswith("data:") else Media("", data)
    )
    return attrs.evolve(part, name=name) if isinstance(part, Media) else part


def at(url: str, path: str, *, picture: bool) -> Media | Link:
    """What a URL leads to: with `data:` it is the thing itself (RFC 2397)."""
    if not url.startswith("data:"):
        return Link(url, picture)
    found = _DATA_URL(url[:200])
    if found is None or "base64" not in found[2]:
        raise bad(path, "must be a Base64 data URL or an http(s) URL")
    return Media((found[1] or "").lower(), url[found.end() :])


def _calls(said: Mapping[str, object], path: str, index: int) -> Iterable[ToolCall]:
    old = said.get("function_call")
    if isinstance(old, dict):
        arguments = string(old, "arguments", path)
        yield ToolCall(f"call_{index}", string(old, "name", path), arguments)
    calls = said.get("tool_calls") or []
    if not isinstance(calls, list):
        raise bad(f"{path}.tool_calls", "must be an array")
    for place, call in enumerate(calls):
        here = f"{path}.tool_calls[{place}]"
        if not isinstance(call, dict):
            raise bad(here, "must be an object")
        function = _inner(call, "function", here)
        written = function.get("arguments")
        if not isinstance(written, str):
            written = json.dumps({} if written is None else written)
        yield ToolCall(
            string(call, "id", here) or f"call_{index}_{place}",
            string(function, "name", f"{here}.function"),
            written,
            _extra(call),
        )


def _extra(said: Mapping[str, object]) -> Mapping[str, object]:
    extra = said.get("extra_content")
    return extra if isinstance(extra, dict) else {}


def _inner(said: Mapping[str, object], name: str, path: str) -> Mapping[str, object]:
    inner = said.get(name)
    if not isinstance(inner, dict):
        raise bad(f"{path}.{name}", "must be an object")
    return inner


def string(said: Mapping[str, object], name: str, path: str) -> str:
    """An optional string; "" where it is missing or null."""
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad(f"{path}.{name}", "must be a string")
    return value


def bad(param: str, problem: str) -> InvalidRequest:
    return InvalidRequest(message=f"{param} {problem}.", param=param)
