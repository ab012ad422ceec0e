"""Pictures that a chat links to, for providers that have to be sent the bytes."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tproxy.core.chat import ChatRequest

_KINDS = ("image_url", "input_image")
_SCHEMES = ("http://", "https://")


@attrs.frozen
class Link:
    """`path` is where it stands, for errors."""

    path: str
    url: str = attrs.field(repr=False)


def links(chat: ChatRequest) -> tuple[Link, ...]:
    """All links to pictures, in their order; a URL may come more than once."""
    return tuple(
        Link(f"messages[{place}].content[{number}].image_url", url)
        for place, message in enumerate(_listed(chat.document.values, "messages"))
        for number, part in enumerate(_listed(message, "content"))
        if (url := _url(part))
    )


def embedded(chat: ChatRequest, pictures: Mapping[str, str]) -> ChatRequest:
    """`chat` with data URLs in the place of links: `pictures` has one for each URL."""
    messages = [
        {**message, "content": [_embedded(part, pictures) for part in content]}
        if isinstance(message, dict) and (content := _listed(message, "content"))
        else message
        for message in _listed(chat.document.values, "messages")
    ]
    return attrs.evolve(chat, document=chat.document.having("messages", messages))


def _embedded(part: object, pictures: Mapping[str, str]) -> object:
    url = _url(part)
    if not isinstance(part, dict) or url not in pictures:
        return part
    inner = part["image_url"]
    said = {**inner, "url": pictures[url]} if isinstance(inner, dict) else pictures[url]
    return {**part, "image_url": said}


def _url(part: object) -> str:
    """Where a picture is linked to; "" where none is."""
    if not isinstance(part, dict) or part.get("type") not in _KINDS:
        return ""
    said = part.get("image_url")
    url = said.get("url") if isinstance(said, dict) else said
    if isinstance(url, str) and url[:8].lower().startswith(_SCHEMES):
        return url
    return ""


def _listed(said: object, name: str) -> list[object]:
    found = said.get(name) if isinstance(said, Mapping) else None
    return found if isinstance(found, list) else []
