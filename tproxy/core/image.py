"""A request for images: what the client asked, parsed once and never changed.

Source: OpenAI API reference, "Create image".
"""

from __future__ import annotations

import re
from typing import ClassVar

import attrs

from tproxy.core import fields, tokens
from tproxy.core.document import Document
from tproxy.core.model import Capability, Kind

MOST_IMAGES = 10  # in one request

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII).fullmatch
_FORMS = ("b64_json", "url")


@attrs.frozen
class ImageRequest:
    """What selection, relay and adapters need to know.

    `size` is width and height in pixels; None where the client leaves it to the
    provider, as with "auto". `quality` and `format` ("png", "jpeg", "webp") are the
    client's words, None where it said nothing. `model`, `id` and `created` are as in
    `ChatRequest`.

    `wants_url`: it asked for URLs, which not every provider can give. `wants_bytes`: it
    asked for Base64, or is `bare`: the answer is to be the image itself, not JSON.
    """

    document: Document = attrs.field(repr=False)
    model: str | None
    prompt: str = attrs.field(repr=False)
    n: int = 1
    size: tuple[int, int] | None = None
    quality: str | None = None
    format: str | None = None
    wants_url: bool = False
    wants_bytes: bool = False
    bare: bool = False
    id: str = ""
    created: int = 0

    kind: ClassVar[Kind] = Kind.IMAGE
    stream: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset()
    output_tokens: ClassVar[int | None] = None

    @property
    def text_bytes(self) -> int:
        return len(self.prompt.encode("utf-8", "surrogatepass"))

    @property
    def prompt_tokens(self) -> int:
        """Estimated, see `core.tokens`."""
        return tokens.estimate(self.text_bytes)

    @classmethod
    def parse(
        cls, raw: bytes, id: str = "", created: int = 0, *, bare: bool = False
    ) -> ImageRequest:
        """Read a body in OpenAI's image generation format.

        `bare`: where the body names no `response_format`, the image itself is wanted.

        Raises:
            InvalidRequest: not a JSON object, or a field is unusable; `param` names it.
        """
        body = fields.opened(raw)
        values = body.values
        prompt = fields.optional(values, "prompt", str)
        if not prompt:
            raise fields.bad("prompt", "is required")
        if fields.optional(values, "stream", bool):
            raise fields.bad("stream", "must be false: images are not streamed here")
        n = fields.count(values, "n", MOST_IMAGES) or 1
        form = fields.word(values, "response_format", _FORMS)
        bare = bare and form is None
        if bare and n > 1:
            raise fields.bad("n", "must be 1 where the answer is the image itself")
        return cls(
            document=body,
            model=fields.optional(values, "model", str),
            prompt=prompt,
            n=n,
            size=_size(fields.optional(values, "size", str)),
            quality=fields.optional(values, "quality", str),
            format=fields.optional(values, "output_format", str),
            wants_url=form == "url",
            wants_bytes=bare or form == "b64_json",
            bare=bare,
            id=id,
            created=created,
        )


def _size(said: str | None) -> tuple[int, int] | None:
    if said is None or said == "auto":
        return None
    found = _SIZE(said)
    if found is None:
        raise fields.bad("size", "must be WIDTHxHEIGHT in pixels, or auto")
    return int(found[1]), int(found[2])
