"""Text to image: the answer is the picture itself, and JSON is an error.

https://router.huggingface.co/hf-inference/models/MODEL
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlsplit, urlunsplit

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
from tproxy.providers import complaint

_KINDS = {"jpeg": "image/jpeg", "webp": "image/webp"}  # what is asked for; else PNG
# Hugging Face's own parameters, passed on as they are.
_OWN = ("negative_prompt", "num_inference_steps", "guidance_scale", "scheduler", "seed")
_SPOKEN = {"model", "prompt", "n", "size", "response_format", "output_format", *_OWN}
_ROOT = re.compile(r"(?:/v1(?:/chat/completions)?)?\Z")
_WHOLE = re.compile(r"/models/.+").search
_DEDICATED = ".endpoints.huggingface.cloud"
_SERVERS = re.compile(r"/(?:hf-inference|models)\Z").search


@attrs.frozen
class Images:
    """The `core.upstream.ImageAdapter` of this dialect."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        drawn = []
        for number in range(image.n):
            received = yield _request(image, model, number)
            drawn.append(_picture(received, model))
        return ImageReply(tuple(drawn))


def endpoint(url: str, name: str) -> str:
    """Where the model `name` draws. `url` says it already, or is a base.

    A dedicated endpoint serves one model, at the root.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    dedicated = (parts.hostname or "").endswith(_DEDICATED)
    if not dedicated and not _WHOLE(path):
        if not _SERVERS(path):
            path = _ROOT.sub("", path) + "/hf-inference"
        if not path.endswith("/models"):
            path += "/models"
        path += "/" + quote(name, safe="/@:")
    return urlunsplit(parts._replace(path=path))


def _request(image: ImageRequest, model: Model, number: int) -> UpstreamRequest:
    """Ask for one picture: there is no word for more."""
    said = image.document.values
    parameters = {name: said[name] for name in _OWN if said.get(name) is not None}
    seed = parameters.get("seed")
    if number and type(seed) is int:
        parameters["seed"] = seed + number  # or all would be the same
    if image.size is not None:
        parameters["width"], parameters["height"] = image.size
    asked = {"inputs": image.prompt, "parameters": parameters}
    return UpstreamRequest(
        method="POST",
        url=endpoint(model.upstream.url, model.upstream_name),
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", _KINDS.get(image.format or "", "image/png")),
            *model.upstream.headers,
        ),
        body=json.dumps(asked).encode(),
        dropped=tuple(n for n, v in said.items() if v is not None and n not in _SPOKEN),
    )


def _picture(received: Received, model: Model) -> Picture:
    """The picture, unless it is an error: of a model that is loading, for one."""
    body = received.body
    if pictures.sniff(body) is None and body.lstrip().startswith((b"{", b"[")):
        raise complaint.read(None, received.head.headers, body, model)
    return pictures.whole(body, model)
