"""Where a model of Gemini's is asked, and what follows from its name.

Source: Gemini API reference, "Generating content", "Thinking", "Thought signatures".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from tproxy.core.errors import InvalidRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.gemini import wire

_GEMINI = re.compile(r"gemini-(?:(\d+)(?:\.(\d+))?|[a-z-]*latest)").match


@attrs.frozen
class Endpoint:
    """`base` ends before "/models"; `version` is (0, 0) of what is no Gemini.

    A model that the configured URL names is the one that is asked.
    """

    base: str = attrs.field(repr=False)
    model: str
    version: tuple[int, int]

    @classmethod
    def of(cls, model: Model) -> Endpoint:
        url = re.split(r"[?#]", model.upstream.url, maxsplit=1)[0].rstrip("/")
        base, _, named = url.partition("/models/")
        name = named.partition(":")[0] or model.upstream_name
        name = name.removeprefix("models/")
        return cls(base.removesuffix("/models"), name, _version(name))

    @property
    def is_pro(self) -> bool:
        return "-pro" in self.model

    @property
    def wants_signatures(self) -> bool:
        """Whether a call that comes back without its signature is refused."""
        return self.version >= (3, 0)

    def request(
        self,
        verb: str,
        body: Mapping[str, object],
        model: Model,
        dropped: tuple[str, ...] = (),
    ) -> UpstreamRequest:
        """What to send.

        Raises:
            InvalidRequest: `body` holds what JSON has no words for.
        """
        accept = "text/event-stream" if "sse" in verb else "application/json"
        return UpstreamRequest(
            method="POST",
            url=f"{self.base}/models/{self.model}:{verb}",
            headers=(
                ("Content-Type", "application/json"),
                ("Accept", accept),
                *model.upstream.headers,
            ),
            body=_encoded(body),
            dropped=dropped,
        )


def _version(name: str) -> tuple[int, int]:
    found = _GEMINI(name)
    if found is None:
        return (0, 0)
    if found[1] is None:  # "gemini-flash-latest" is of the third generation by now
        return (3, 0)
    return (int(found[1][:3]), int((found[2] or "0")[:3]))


def _encoded(body: Mapping[str, object]) -> bytes:
    try:
        return wire.written(body).encode("utf-8", "backslashreplace")
    except ValueError:
        message = "The body holds a number too large, or is nested too deeply."
        raise InvalidRequest(message=message) from None
