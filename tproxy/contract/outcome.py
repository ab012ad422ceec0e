"""What a dialect makes of a provider's answer, whatever that is."""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Dialect, UpstreamHead, Usage


def _told(failure: UpstreamFailed | None) -> object:
    """Errors are equal only to themselves; here two that say the same are."""
    return failure and (failure.failure, failure.message, failure.detail)


@attrs.frozen
class Outcome:
    """What the client would get; `failure` where it ends in one."""

    output: bytes = b""
    begun: bool = False
    failure: UpstreamFailed | None = attrs.field(default=None, eq=_told)
    usage: Usage | None = None

    @property
    def verdict(self) -> str:
        """The name of the failure's row; "" for none."""
        return "" if self.failure is None else self.failure.failure.name


def asked(
    *, stream: bool = False, usage: bool = False, **fields: object
) -> ChatRequest:
    """A plain request, with `fields` on top."""
    said: dict[str, object] = {"messages": [{"role": "user", "content": "Hello"}]}
    if stream:
        said["stream"] = True
        said["stream_options"] = {"include_usage": usage}
    raw = json.dumps({**said, **fields}).encode()
    return ChatRequest.parse(raw, id="req_contract", created=1_700_000_000)


def answered(
    dialect: Dialect, head: UpstreamHead, body: bytes, model: Model
) -> Outcome:
    """Read an answer that was not streamed."""
    try:
        reply = dialect.chat.parse_response(head, body, asked(), model)
    except UpstreamFailed as failure:
        return Outcome(failure=failure)
    return Outcome(reply.body, begun=True, usage=reply.usage)


def fed(
    dialect: Dialect,
    head: UpstreamHead,
    reads: Iterable[bytes],
    model: Model,
    *,
    usage: bool = True,
) -> Outcome:
    """Read a stream; `usage`: the client asked for it."""
    chat = asked(stream=True, usage=usage)
    try:
        reader = dialect.chat.stream_reader(head, chat, model)
    except UpstreamFailed as failure:
        return Outcome(failure=failure)
    output = b"".join([*map(reader.feed, reads), reader.close()])
    return Outcome(output, reader.begun, reader.failure, reader.usage)


def refused(dialect: Dialect, head: UpstreamHead, body: bytes, model: Model) -> Outcome:
    """Read an answer that is not 2xx."""
    return Outcome(failure=dialect.chat.parse_error(head, body, model))
