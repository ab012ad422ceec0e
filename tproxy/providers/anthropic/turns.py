"""A conversation as Anthropic wants it: turns of two sides, and the system apart."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

import attrs

from tproxy.core import message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.message import Link, Media, Message, Part, Text
from tproxy.core.model import Model
from tproxy.providers.anthropic import thoughts

Block = dict[str, object]

_PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
_PDF_OPENING = "JVBERi0"  # "%PDF-" in Base64
_NO_ID = re.compile(r"[^\w-]", re.ASCII).sub
_URL = re.compile(r"https?://", re.IGNORECASE).match


@attrs.frozen
class Conversation:
    """`is_thoughtless`: it ends in results of calls that came without thinking."""

    system: list[Block]
    turns: list[Block]
    is_thoughtless: bool


def read(chat: ChatRequest, model: Model) -> Conversation:
    """Read the messages of `chat`.

    Raises:
        InvalidRequest: one is of the wrong form; `param` is its path.
        UpstreamFailed: `UNSUPPORTED`, where a part cannot be said, or nothing is.
    """
    said = chat.document.values["messages"]
    messages = message.read(said)
    raws = said if isinstance(said, list) else []
    system: list[Block] = []
    turns: list[tuple[str, list[Block]]] = []
    silent = ""  # the path of the turn that is missing
    for one, raw in zip(messages, raws, strict=True):
        blocks = _SAY[one.role](one, _marks(raw), model)
        role = "assistant" if one.role == "assistant" else "user"
        if one.role == "system":
            system.extend(blocks)
        elif turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
        elif role == "user":
            silent = silent or one.path
    if turns and turns[-1][0] == "assistant":
        _tidy(turns[-1][1])
    for role, blocks in turns:
        if role == "user":  # results come first
            blocks.sort(key=lambda block: block["type"] != "tool_result")
    if not turns and system:  # OpenAI answers it all the same
        turns, system = [("user", system)], []
    elif silent or not turns:
        path = f"{silent or messages[-1].path}.content"
        raise wishes.unsupported(model, path, "an empty text is refused")
    return Conversation(
        system,
        [{"role": role, "content": blocks} for role, blocks in turns],
        _is_thoughtless(turns),
    )


def _id_of(call_id: str) -> str:
    """The id of a call, perhaps another provider's, in letters that may be used."""
    return _NO_ID("_", call_id) or "call"


def _assistant(one: Message, marks: list[Block], model: Model) -> list[Block]:
    first = [*thoughts.blocks(one.calls[0], one.reasoning)] if one.calls else []
    said = [*first, *_said(one, marks, model)]
    for place, call in enumerate(one.calls):
        if place:
            said.extend(thoughts.blocks(call, ""))
        said.append(
            {
                "type": "tool_use",
                "id": _id_of(call.id),
                "name": call.name,
                "input": call.parsed(),
            }
        )
    return said


def _result(one: Message, marks: list[Block], model: Model) -> list[Block]:
    said: Block = {"type": "tool_result", "tool_use_id": _id_of(one.call_id)}
    content = _said(one, marks, model)
    if content:
        said["content"] = content
    return [said]


def _said(one: Message, marks: list[Block], model: Model) -> list[Block]:
    """Blocks of the parts. A text without a word is no block: it would be refused."""
    blocks = []
    for place, part in enumerate(one.parts):
        if isinstance(part, Text):
            if not part.text.strip():
                continue
            block: Block = {"type": "text", "text": part.text}
        else:
            path = f"{one.path}.content[{place}]"
            if one.role in ("system", "assistant"):
                raise wishes.unsupported(model, path)
            block = _medium(part, path, model)
        blocks.append(block | (marks[place] if place < len(marks) else {}))
    return blocks


_SAY = {"system": _said, "user": _said, "assistant": _assistant, "tool": _result}


def _medium(part: Part, path: str, model: Model) -> Block:
    match part:
        case Link(url, picture) if _URL(url):
            kind = "image" if picture else "document"
            return {"type": kind, "source": {"type": "url", "url": url}}
        case Media(kind, data, name):
            kind = {"image/jpg": "image/jpeg"}.get(kind, kind)
            if kind in _PICTURES:
                return _inline("image", kind, data)
            if kind == _PDF or (not kind and data.startswith(_PDF_OPENING)):
                return _titled(_inline("document", _PDF, data), name)
            if kind.startswith("text/"):
                source = {"type": "text", "media_type": "text/plain"}
                source["data"] = _decoded(data, path)
                return _titled({"type": "document", "source": source}, name)
    raise wishes.unsupported(model, path)


def _inline(kind: str, media_type: str, data: str) -> Block:
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": kind, "source": source}


def _titled(block: Block, name: str | None) -> Block:
    return block | ({"title": name} if name else {})


def _decoded(data: str, path: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise message.bad(path, "must be valid Base64") from None


def _marks(raw: object) -> list[Block]:
    """`cache_control`, of each part; of a message it is that of its one text."""
    if not isinstance(raw, Mapping):
        return []
    content = raw.get("content")
    return [mark(one) for one in (content if isinstance(content, list) else [raw])]


def mark(said: object) -> Block:
    """The `cache_control` of what the client `said`, where there is one."""
    found = said.get("cache_control") if isinstance(said, Mapping) else None
    return {"cache_control": found} if isinstance(found, Mapping) else {}


def _tidy(blocks: list[Block]) -> None:
    """The last words, which are to be continued, may not end in a blank."""
    text = blocks[-1].get("text")
    if isinstance(text, str):
        blocks[-1] = blocks[-1] | {"text": text.rstrip()}


def _is_thoughtless(turns: list[tuple[str, list[Block]]]) -> bool:
    if len(turns) < 2 or turns[-1][1][0]["type"] != "tool_result":
        return False
    return "thinking" not in str(turns[-2][1][0]["type"])
