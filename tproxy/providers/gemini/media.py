"""Pictures and sounds in an answer, put where OpenAI's clients look for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence

import attrs

from tproxy.core.model import Model
from tproxy.providers import said
from tproxy.providers.said import Object


@attrs.frozen
class Media:
    """`pictures` are data URLs. OpenAI's answers have no place for other files."""

    pictures: Sequence[str] = attrs.field(default=(), repr=False)
    sound: bytes = attrs.field(default=b"", repr=False)
    sound_kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.pictures or self.sound)

    @property
    def data(self) -> str:
        """The sound in Base64."""
        return base64.b64encode(self.sound).decode()

    def audio(self, request: str) -> dict[str, object]:
        """The `audio` of a message, or what begins that of a stream.

        It has expired, for nobody knows it by its id. `format` is not OpenAI's: what
        Gemini says is bare PCM, which cannot be heard without its rate.
        """
        return {
            "id": f"audio_{request or 0}",
            "data": self.data,
            "expires_at": 0,
            "transcript": "",
            "format": self.sound_kind,
        }


def read(parts: Iterable[Object], model: Model) -> Media:
    """The media among `parts`.

    Raises:
        UpstreamFailed: `MALFORMED`, one is not readable.
    """
    pictures: list[str] = []
    sound, sound_kind = b"", ""
    for part in parts:
        if (found := part.get("inlineData")) is None:
            continue
        medium = said.checked(found, "a medium", model)
        kind = said.string(medium, "mimeType", model)
        data = said.string(medium, "data", model)
        if kind.startswith("image/") and data:
            pictures.append(f"data:{kind};base64,{data}")
        elif kind.startswith("audio/"):
            sound += _decoded(data, model)
            sound_kind = sound_kind or kind
    return Media(pictures, sound, sound_kind)


def images(urls: Iterable[str], first: int = 0) -> list[dict[str, object]]:
    """Pictures, numbered: clients put those of a stream together by their index."""
    return [
        {"type": "image_url", "image_url": {"url": url}, "index": index}
        for index, url in enumerate(urls, first)
    ]


def _decoded(data: str, model: Model) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise said.malformed(model, "a sound that is no Base64") from None
