"""Reading a provider's reply: whole, or as a stream that may not be taken back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.continuation import Continuation
from tproxy.core.errors import UpstreamFailed
from tproxy.core.joining import Joining
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken, ProviderAdapter, UpstreamReply
from tproxy.relay.answer import Begun, passed_on
from tproxy.relay.attempt import Asking
from tproxy.relay.speech import Speech

LONGEST_ANSWER = 67_108_864  # bytes of an answer that is not streamed
_LONGEST_WAIT = 1_048_576  # bytes of a stream before its first content
_LONGEST_ERROR = 65_536  # bytes read of an error body
_ERROR_SECONDS = 3.0  # for its body; the status alone says nearly all


def at_once(reply: UpstreamReply) -> bytes | None:
    """All of a short body that came along with its head; None where it did not.

    Not every transport knows.
    """
    rest = getattr(reply, "rest", None)
    said: bytes | None = None if rest is None else rest()
    return said


async def whole(reply: UpstreamReply) -> bytes:
    """The body of a reply that is not streamed.

    Raises:
        Broken: it broke off, or is over `LONGEST_ANSWER`.
    """
    first = await reply.read()
    then = await reply.read() if first else b""
    if not then:
        return first
    reads, size = [first], len(first)
    while then:
        reads.append(then)
        size += len(then)
        if size > LONGEST_ANSWER:
            raise Broken(failures.MALFORMED, f"over {LONGEST_ANSWER} bytes")
        then = await reply.read()
    return b"".join(reads)


async def begin(
    asking: Asking, adapter: ProviderAdapter, chat: ChatRequest, reply: UpstreamReply
) -> Begun:
    """Hold a stream back until its first content; until then all can be undone.

    Raises:
        Broken: it broke off before.
        UpstreamFailed: an error came first, or nothing did.
    """
    model = asking.model
    reader = adapter.stream_reader(reply.head, chat, model)
    if isinstance(chat, Continuation):
        reader = Joining(reader, chat, model)
    held: list[bytes] = []
    size = 0
    while data := await reply.read():
        held.append(reader.feed(data))
        size += len(held[-1])
        if reader.begun or reader.failure is not None:
            break
        if size > _LONGEST_WAIT:
            row = failures.MALFORMED
            raise UpstreamFailed.of(model.name, row, "much, and no content")
    else:
        held.append(reader.close())
    if reader.failure is not None:
        raise reader.failure
    speech = Speech(asking, reply, reader, b"".join(held), ended=not data)
    return Begun(passed_on(reply.head.headers, kind="text/event-stream"), None, speech)


async def error_body(reply: UpstreamReply, patience: Patience) -> bytes:
    """As much of an error's body as comes; a broken one still says something."""
    body = bytearray()
    with suppress(Broken, TimeoutError):
        async with asyncio.timeout(min(patience.silence, _ERROR_SECONDS)):
            while len(body) < _LONGEST_ERROR and (data := await reply.read()):
                body += data
    return bytes(body[:_LONGEST_ERROR])
