"""`POST /images/generations`, and `POST /image`, which answers the image itself."""

from __future__ import annotations

from typing import ClassVar

from tproxy.core.image import ImageRequest
from tproxy.web.answering import AnsweringHandler


class ImagesHandler(AnsweringHandler):
    """Images as OpenAI tells of them."""

    bare: ClassVar[bool] = False

    def read(self, body: bytes, id: str, created: int) -> ImageRequest:
        bare = self.bare and not self._wants_json()
        return ImageRequest.parse(body, id, created, bare=bare)

    def _wants_json(self) -> bool:
        """Whether JSON is named among what is accepted, and no image is."""
        accepted = self.request.headers.get("Accept", "").lower()
        return "application/json" in accepted and "image/" not in accepted


class ImageHandler(ImagesHandler):
    """One image, as its bytes; as JSON where that is asked for."""

    bare = True
