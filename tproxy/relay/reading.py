"""Reading a provider's reply: whole, or as a stream that may not be taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from tproxy.core import failures, openai
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Model, Patience
from tproxy.core.upstream import Broken, ProviderAdapter, StreamReader, UpstreamReply
from tproxy.relay.answer import Begun, passed_on
from tproxy.relay.attempt import Asking

LONGEST_ANSWER = 67_108_864  # bytes of an answer that is not streamed
_LONGEST_WAIT = 1_048_576  # bytes of a stream before its first content
_LONGEST_ERROR = 65_536  # bytes read of an error body
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
_ERROR_SECONDS = 3.0  # for its body; the status alone says nearly all


async def whole(
    asking: Asking, adapter: ProviderAdapter, chat: ChatRequest, reply: UpstreamReply
) -> Begun:
    """Read an answer that is not streamed, and judge it.

    Raises:
        Broken: it broke off, or is over `LONGEST_ANSWER`.
        UpstreamFailed: it is no answer.
    """
    reads: list[bytes] = []
    size = 0
    async for data in asking.reads(reply.body):
        reads.append(data)
        size += len(data)
        if size > LONGEST_ANSWER:
            raise Broken(failures.MALFORMED, f"over {LONGEST_ANSWER} bytes")
    said = adapter.parse_response(reply.head, b"".join(reads), chat, asking.model)
    asking.finish(said.usage)
    headers = passed_on(reply.head.headers, kind="application/json")
    return Begun(headers, said.body, None)


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
    reads = asking.reads(reply.body)
    held: list[bytes] = []
    size = 0
    ended = False
    async for data in reads:
        held.append(reader.feed(data))
        size += len(held[-1])
        if reader.begun or reader.failure is not None:
            break
        if size > _LONGEST_WAIT:
            raise upstream_failed(model, failures.MALFORMED, "much, and no content")
    else:
        held.append(reader.close())
        ended = True
    if reader.failure is not None:
        raise reader.failure
    body = asking.reads(_stream(b"".join(held), reads, ended, reader, asking))
    headers = passed_on(reply.head.headers, kind="text/event-stream")
    return Begun(headers, None, body)


async def error_body(reply: UpstreamReply, patience: Patience) -> bytes:
    """As much of an error's body as comes; a broken one still says something."""
    body = bytearray()
    limit = min(patience.silence, _ERROR_SECONDS)
    with suppress(Broken, TimeoutError):
        async with asyncio.timeout(limit), aclosing(reply.body) as reads:
            async for data in reads:
                body += data
                if len(body) >= _LONGEST_ERROR:
                    break
    return bytes(body[:_LONGEST_ERROR])


def upstream_failed(model: Model, row: Failure, detail: str) -> UpstreamFailed:
    return UpstreamFailed(
        message=f"{model.name}: {row.said}.",
        failure=row,
        model=model.name,
        detail=detail,
    )


async def _stream(
    held: bytes,
    reads: AsyncIterator[bytes],
    ended: bool,
    reader: StreamReader,
    asking: Asking,
) -> AsyncGenerator[bytes, None]:
    """Events for the client as they arrive. A failure becomes one event, the last.

    `held` is what the reader handed on already; `ended`: that was all. With its end
    mark an answer is whole: that is when clients leave, and nothing is left to break.
    """
    sent = held
    if _is_end(held):
        asking.finish(reader.usage)
    yield held
    try:
        async for data in reads:
            ready = reader.feed(data)
            if ready:
                sent = ready
                if _is_end(ready):
                    asking.finish(reader.usage)
                yield ready
            if reader.failure is not None:
                break
        else:
            ready = b"" if ended else reader.close()
            if ready:
                sent = ready
                yield ready
        failure = reader.failure
    except Broken as broken:
        failure = upstream_failed(asking.model, broken.failure, broken.detail)
    if asking.finished:
        return
    if failure is None:
        asking.finish(reader.usage)
        return
    asking.break_off(failure, reader.usage)
    # Half an event may be the last that was handed on; it must not swallow this one.
    gap = b"" if sent.endswith(_BLANK_LINES) else b"\n\n"
    yield gap + openai.error_event(failure)


def _is_end(events: bytes) -> bool:
    return events[-16:].rstrip().endswith(b"[DONE]")
