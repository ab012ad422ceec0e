"""Pictures: one family of models answers with bytes, the others with Base64.

Source: Cloudflare documentation, "Workers AI, text-to-image"; and recorded traffic.
"""

from __future__ import annotations

import json
import re

import attrs

from tproxy.core import pictures
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import (
    ImageReply,
    Picture,
    Received,
    Steps,
    UpstreamRequest,
)
from tproxy.providers.cloudflare import address, result

_AS_FORM = re.compile(r"/flux-2").search  # JSON is refused
_SQUARE = re.compile(r"/flux-1").search  # of one size only
# Cloudflare's own options, passed on to whom they mean something.
_OWN = ("negative_prompt", "num_steps", "steps", "guidance", "strength", "seed")
_SPOKEN = {"model", "prompt", "n", "size", "response_format", *_OWN}
_BOUNDARY = "tproxy-form"


@attrs.frozen
class Images:
    """The `core.upstream.ImageAdapter` of this dialect."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        drawn = []
        for number in range(image.n):
            received = yield _request(image, model, number)
            drawn.append(_picture(received, model))
        return ImageReply(tuple(drawn))


def _request(image: ImageRequest, model: Model, number: int) -> UpstreamRequest:
    """Ask for one picture: there is no word for more."""
    said = image.document.values
    asked: dict[str, object] = {"prompt": image.prompt}
    asked |= {name: said[name] for name in _OWN if said.get(name) is not None}
    seed = asked.get("seed")
    if number and type(seed) is int:
        asked["seed"] = seed + number  # or all would be the same
    spoken = _SPOKEN
    if _SQUARE(model.upstream_name):
        spoken = _SPOKEN - {"size"} if image.size else _SPOKEN
    elif image.size is not None:
        asked["width"], asked["height"] = image.size
    dropped = tuple(n for n, v in said.items() if v is not None and n not in spoken)
    body, kind = json.dumps(asked).encode(), "application/json"
    if _AS_FORM(model.upstream_name):
        body, kind = _form(asked)
    headers = (("Content-Type", kind), ("Accept", "image/*, application/json"))
    return address.request(model, body, headers, dropped)


def _form(fields: dict[str, object]) -> tuple[bytes, str]:
    """A body of multipart/form-data (RFC 7578) and its type."""
    texts = {name: str(value) for name, value in fields.items()}
    boundary = _BOUNDARY
    while any(boundary in text for text in texts.values()):
        boundary += "-"
    parts = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    )
    body = f"{''.join(parts)}--{boundary}--\r\n"
    kind = f"multipart/form-data; boundary={boundary}"
    return body.encode("utf-8", "backslashreplace"), kind


def _picture(received: Received, model: Model) -> Picture:
    if pictures.sniff(received.body):
        return pictures.whole(received.body, model)
    kind = received.head.headers.get("content-type", "")
    if kind.lower().startswith("image/"):  # and yet it is none
        return pictures.whole(received.body, model)
    said = result.opened(received.head, received.body, model)
    return pictures.from_base64(said.get("image"), model)
