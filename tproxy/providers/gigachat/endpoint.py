"""Where GigaChat is asked, derived from a base URL or from the full one."""

from __future__ import annotations

import re

import attrs

from tproxy.core.model import Upstream

_ENDPOINT = re.compile(r"/(?:chat/completions|embeddings)/*\Z")
_VERSION = re.compile(r"/v(\d+)\Z")


@attrs.frozen
class Endpoint:
    """`base` ends before the path of a call, as in "https://host/api/v1".

    Chats alone have a second version; all other calls are made to the first.
    """

    base: str = attrs.field(repr=False)

    @classmethod
    def of(cls, upstream: Upstream) -> Endpoint:
        return cls(_ENDPOINT.sub("", upstream.url).rstrip("/"))

    @property
    def is_v2(self) -> bool:
        found = _VERSION.search(self.base)
        return found is not None and found[1] == "2"

    @property
    def chat(self) -> str:
        return f"{self.base}/chat/completions"

    @property
    def embeddings(self) -> str:
        return f"{self._first}/embeddings"

    def content(self, file: str) -> str:
        """The bytes of a file; `file` is its id, which was checked."""
        return f"{self._first}/files/{file}/content"

    @property
    def _first(self) -> str:
        return _VERSION.sub("/v1", self.base)
