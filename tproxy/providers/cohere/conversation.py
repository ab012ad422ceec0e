"""The messages of a chat, in Cohere's words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tproxy.core import message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.message import Link, Media, Message, Text, ToolCall
from tproxy.core.model import Model

_URL = re.compile(r"https?://", re.IGNORECASE).match


def read(chat: ChatRequest, model: Model) -> list[dict[str, object]]:
    """Read the messages of `chat`.

    Raises:
        InvalidRequest: one is of the wrong form; `param` is its path.
        UpstreamFailed: `UNSUPPORTED`, where a part cannot be said.
    """
    said = chat.document.values["messages"]
    raws = said if isinstance(said, list) else []
    messages = zip(message.read(said), raws, strict=True)
    return [_SAY[one.role](one, raw, model) for one, raw in messages]


def _told(one: Message, raw: object, model: Model) -> dict[str, object]:
    return {"role": one.role, "content": _content(one, raw, model)}


def _answered(one: Message, raw: object, model: Model) -> dict[str, object]:
    """What the model said; its thoughts are a plan where they led to calls."""
    said: dict[str, object] = {"role": "assistant"}
    if one.calls:
        said["tool_calls"] = [_call(call) for call in one.calls]
        if one.reasoning:
            said["tool_plan"] = one.reasoning
        if one.text:
            said["content"] = _content(one, raw, model)
        return said
    content = _content(one, raw, model)
    if one.reasoning:
        thought: dict[str, object] = {"type": "thinking", "thinking": one.reasoning}
        text = [{"type": "text", "text": content}] if content else []
        content = [thought, *(content if isinstance(content, list) else text)]
    return said | {"content": content}


def _resulted(one: Message, raw: object, model: Model) -> dict[str, object]:
    for place, part in enumerate(one.parts):
        if not isinstance(part, Text):
            raise wishes.unsupported(model, f"{one.path}.content[{place}]")
    return {"role": "tool", "tool_call_id": one.call_id, "content": one.text}


_SAY = {"system": _told, "user": _told, "assistant": _answered, "tool": _resulted}


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments.strip() or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _content(one: Message, raw: object, model: Model) -> object:
    """The parts: text alone as a string, as most clients write it."""
    if len(one.parts) < 2 and all(isinstance(part, Text) for part in one.parts):
        return one.text
    content = raw.get("content") if isinstance(raw, Mapping) else None
    raws = content if isinstance(content, list) else []
    said: list[dict[str, object]] = []
    for place, part in enumerate(one.parts):
        path = f"{one.path}.content[{place}]"
        match part:
            case Text(text):
                said.append({"type": "text", "text": text})
            case Link(url, picture) if picture and _URL(url):
                said.append(_picture(url, raws[place]))
            case Media(kind, data) if kind.startswith("image/"):
                said.append(_picture(f"data:{kind};base64,{data}", raws[place]))
            case _:
                raise wishes.unsupported(model, path)
    return said


def _picture(url: str, raw: object) -> dict[str, object]:
    """A picture, as detailed as the client wants it to be seen."""
    image: dict[str, object] = {"url": url}
    inner = raw.get("image_url") if isinstance(raw, Mapping) else None
    detail = inner.get("detail") if isinstance(inner, Mapping) else None
    if isinstance(detail, str):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}
