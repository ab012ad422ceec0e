"""Images by Gemini's image models, and by Imagen.

Source: Gemini API reference and guides, "Image generation" and "Imagen". Neither takes
a size in pixels: both know shapes, and some models how large.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from tproxy.core import failures, pictures, wishes
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import ImageReply, Picture, Received, Steps
from tproxy.providers.gemini import answer
from tproxy.providers.gemini.endpoint import Endpoint

_SPOKEN = {"model", "prompt", "n", "size", "response_format"}
_SHAPES = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_SHAPES_OF_IMAGEN = ("1:1", "3:4", "4:3", "9:16", "16:9")
_MOST_OF_IMAGEN = 4  # images at once
_LARGE, _LARGEST = 1536, 3072  # pixels on the longer side, up to "1K" and "2K"


@attrs.frozen
class Images:
    """The `core.upstream.ImageAdapter` of this dialect."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        endpoint = Endpoint.of(model)
        said = image.document.values
        dropped = tuple(n for n in said if n not in _SPOKEN and said[n] is not None)
        if endpoint.model.startswith("imagen"):
            if image.n > _MOST_OF_IMAGEN:
                raise wishes.unsupported(model, "n", f"at most {_MOST_OF_IMAGEN}")
            body = _asked_of_imagen(image)
            received = yield endpoint.request("predict", body, model, dropped)
            return _predicted(received, model)
        if image.n > 1:
            raise wishes.unsupported(model, "n", "one image at a time")
        body = _asked_of_gemini(image, endpoint)
        received = yield endpoint.request("generateContent", body, model, dropped)
        return _generated(received, image, model)


def _asked_of_gemini(image: ImageRequest, endpoint: Endpoint) -> dict[str, object]:
    config: dict[str, object] = {"responseModalities": ["TEXT", "IMAGE"]}
    if image.size is not None:
        wanted = {"aspectRatio": _shape(image.size, _SHAPES)}
        if endpoint.version >= (3, 0) and max(image.size) > _LARGE:
            wanted["imageSize"] = "2K" if max(image.size) <= _LARGEST else "4K"
        config["imageConfig"] = wanted
    content = {"role": "user", "parts": [{"text": image.prompt}]}
    return {"contents": [content], "generationConfig": config}


def _asked_of_imagen(image: ImageRequest) -> dict[str, object]:
    wanted: dict[str, object] = {"sampleCount": image.n}
    if image.size is not None:
        wanted["aspectRatio"] = _shape(image.size, _SHAPES_OF_IMAGEN)
    return {"instances": [{"prompt": image.prompt}], "parameters": wanted}


def _shape(size: tuple[int, int], shapes: Iterable[str]) -> str:
    """The one that is most like `size`."""

    def difference(shape: str) -> float:
        width, height = map(int, shape.split(":"))
        return abs(math.log(size[0] * height / (size[1] * width)))

    return min(shapes, key=difference)


def _generated(received: Received, image: ImageRequest, model: Model) -> ImageReply:
    said = answer.opened(received.body, received.head.headers, model)
    read = answer.read(said, model, answer.Ids(image.id))
    drawn = [url for one in read.candidates for url in one.media.pictures]
    if not drawn:
        filtered = any(one.finish == "content_filter" for one in read.candidates)
        row = failures.FILTERED if filtered else failures.EMPTY
        raise UpstreamFailed.of(model.name, row, "no image")
    found = tuple(pictures.from_base64(url, model) for url in drawn)
    return ImageReply(found, None if read.tokens is None else read.tokens.usage)


def _predicted(received: Received, model: Model) -> ImageReply:
    """Images that a filter took are missing, or leave their reason."""
    said = answer.opened(received.body, received.head.headers, model)
    made = said.get("predictions")
    listed = made if isinstance(made, list) else []
    entries = [one for one in listed if isinstance(one, dict)]
    drawn = [one for one in entries if one.get("bytesBase64Encoded")]
    if not drawn:
        filtered = any(one.get("raiFilteredReason") for one in entries)
        row = failures.FILTERED if filtered else failures.EMPTY
        raise UpstreamFailed.of(model.name, row, "no image")
    return ImageReply(tuple(_picture(one, model) for one in drawn))


def _picture(said: Mapping[str, object], model: Model) -> Picture:
    revised = said.get("prompt")
    return pictures.from_base64(
        said["bytesBase64Encoded"], model, revised if isinstance(revised, str) else None
    )
