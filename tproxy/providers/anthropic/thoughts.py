"""Thinking that has to come back with the results of the calls it led to.

It travels on the first call after it: `extra_content.anthropic` holds the signature,
the text it signs, and what was redacted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from tproxy.core.message import ToolCall

_MOST = 131_072  # bytes kept; what is longer does not come back


@attrs.define
class Thoughts:
    """What was thought since the last call. Of several signed texts the last is kept.

    Only a model that thinks between its words has several, and it does not miss them.
    """

    _text: bytearray = attrs.field(factory=bytearray, init=False)  # in UTF-8
    _size: int = attrs.field(default=0, init=False)
    _signature: str = attrs.field(default="", init=False)
    _redacted: list[str] = attrs.field(factory=list, init=False)

    def begin(self) -> None:
        self._text.clear()
        self._size, self._signature = sum(map(len, self._redacted)), ""

    def add(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._size += len(data)
        if self._size <= _MOST:
            self._text += data

    def sign(self, signature: str) -> None:
        self._signature = signature

    def redact(self, data: str) -> None:
        self._size += len(data)
        if self._size <= _MOST:
            self._redacted.append(data)

    def taken(self) -> dict[str, object]:
        """The `extra_content` of the call they led to; then there are none."""
        said: dict[str, object] = {}
        if self._redacted:
            said["redacted_thinking"] = [*self._redacted]
        if self._signature and self._size <= _MOST:
            said["thinking_signature"] = self._signature
            said["thinking"] = self._text.decode("utf-8", "surrogatepass")
        self._redacted.clear()
        self.begin()
        return {"anthropic": said} if said else {}


def blocks(call: ToolCall, reasoning: str) -> Iterable[dict[str, object]]:
    """The thinking that `call` brought back, as blocks.

    `reasoning` is its text where the client did not keep that with the call.
    """
    said = call.extra.get("anthropic")
    if not isinstance(said, Mapping):
        return
    redacted = said.get("redacted_thinking")
    for data in redacted if isinstance(redacted, list) else ():
        if isinstance(data, str) and data:
            yield {"type": "redacted_thinking", "data": data}
    signature, text = said.get("thinking_signature"), said.get("thinking", reasoning)
    if isinstance(signature, str) and signature and isinstance(text, str):
        yield {"type": "thinking", "thinking": text, "signature": signature}
