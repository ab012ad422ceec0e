"""Images of OpenAI's shape: OpenAI, Azure, Together, xAI, OpenRouter.

Answers go through as they are, where they hold what the client asked for. Source:
OpenAI API reference, "Create image"; Together AI, "Images"; xAI, "Image generation".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from tproxy.core import imaging, pictures
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import ImageReply, Picture, Steps
from tproxy.providers import linked
from tproxy.providers.shaped import endpoint

# They always answer in Base64, and refuse to be asked for it.
_ALWAYS_BASE64 = re.compile(r"(?:.*/)?(?:chatgpt|gpt)-image").match
_SPLITS_SIZE = re.compile(r"(?:.*\.)?together\.(?:xyz|ai)").fullmatch
_SIZELESS = re.compile(r"(?:.*\.)?x\.ai").fullmatch  # it knows aspect ratios


@attrs.frozen
class Images:
    """The `core.upstream.ImageAdapter` of this dialect."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        body, dropped = _asked(image, model)
        received = yield endpoint.request(model, body, dropped)
        said, entries = endpoint.answer(received, model)
        drawn = []
        for entry in entries:
            picture = _picture(entry, model)
            if image.wants_bytes:
                picture = yield from linked.fetched(picture, model)
            drawn.append(picture)
        return ImageReply(
            tuple(drawn),
            endpoint.usage(said),
            _told(image, said, entries, drawn) or received.body,
        )


def _asked(image: ImageRequest, model: Model) -> tuple[bytes, tuple[str, ...]]:
    """The body to send, and the names of fields that could not be said in it."""
    said, name = image.document.values, model.upstream_name
    host = urlsplit(model.upstream.url).hostname or ""
    dropped: tuple[str, ...] = ()
    left_out: set[str] = set()
    more: dict[str, object] = {}
    if _ALWAYS_BASE64(name) and "response_format" in said:
        left_out.add("response_format")
    if "size" in said and _SPLITS_SIZE(host):
        left_out.add("size")
        if image.size is not None:
            more["width"], more["height"] = image.size
    if image.size is not None and _SIZELESS(host):
        left_out.add("size")
        dropped = ("size",)
    if not left_out:
        return image.document.replaced("model", name), ()
    kept = {n: value for n, value in said.items() if n not in left_out}
    return json.dumps({**kept, **more, "model": name}).encode(), dropped


def _picture(entry: Mapping[str, object], model: Model) -> Picture:
    """One entry of `data`.

    Raises:
        UpstreamFailed: there is no image in it.
    """
    revised = entry.get("revised_prompt")
    revised = revised if isinstance(revised, str) else None
    url = entry.get("url")
    if isinstance(url, str) and url and not url.startswith("data:"):
        return Picture("", url=url, revised_prompt=revised)
    return pictures.from_base64(entry.get("b64_json") or url, model, revised)


def _told(
    image: ImageRequest,
    said: Mapping[str, object],
    entries: list[dict[str, object]],
    drawn: list[Picture],
) -> bytes | None:
    """The answer with what it lacked; None where it holds all that was asked for."""
    lacking = "url" if image.wants_url else "b64_json" if image.wants_bytes else None
    if lacking is None or all(entry.get(lacking) for entry in entries):
        return None
    data = [
        {
            **{n: v for n, v in entry.items() if n not in ("url", "b64_json")},
            **imaging.spelled(picture, image),
        }
        for entry, picture in zip(entries, drawn, strict=True)
    ]
    return json.dumps({**said, "data": data}, separators=(",", ":")).encode()
