"""Images on their way to the client: as one of them itself, or in OpenAI's form.

Source: OpenAI API reference, "The image generation response".
"""

from __future__ import annotations

import base64
import json

from tproxy.core.image import ImageRequest
from tproxy.core.upstream import ImageReply, Picture

_JSON = "application/json"


def answer(reply: ImageReply, image: ImageRequest) -> tuple[str, bytes]:
    """Media type and body of the answer to `image`; `reply` holds a picture at least.

    A provider's own answer goes on as it is. Where a URL was asked for and there are
    bytes only, they become a data URL: whoever reads `url` finds a picture there.
    """
    first = reply.pictures[0]
    if image.bare and first.data is not None:
        return first.kind, first.data
    if reply.body is not None:
        return _JSON, reply.body
    said: dict[str, object] = {
        "created": image.created,
        "data": [spelled(picture, image) for picture in reply.pictures],
    }
    if first.kind:
        said["output_format"] = first.kind.removeprefix("image/")
    if reply.usage is not None:
        prompt, completion = reply.usage.prompt, reply.usage.completion
        said["usage"] = {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
        }
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return _JSON, text.encode("utf-8", "backslashreplace")


def spelled(picture: Picture, image: ImageRequest) -> dict[str, object]:
    """An entry of `data`."""
    said: dict[str, object] = {}
    if picture.data is None:
        said["url"] = picture.url
    else:
        data = base64.b64encode(picture.data).decode()
        if image.wants_url:
            said["url"] = picture.url or f"data:{picture.kind};base64,{data}"
        else:
            said["b64_json"] = data
    if picture.revised_prompt is not None:
        said["revised_prompt"] = picture.revised_prompt
    return said
