"""Asking one candidate to chat, and waiting until its answer has begun."""

from __future__ import annotations

import asyncio
import re

import attrs

from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.continuation import Continuation
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Broken, ProviderAdapter, UpstreamRequest
from tproxy.core.wishes import includes_usage
from tproxy.relay.answer import Begun, passed_on
from tproxy.relay.attempt import Asking
from tproxy.relay.doors import Doors
from tproxy.relay.reading import begin, whole

_USAGE = re.compile(r"stream_options|include_usage").search


async def begin_stream(
    chat: ChatRequest,
    asking: Asking,
    adapter: ProviderAdapter,
    doors: Doors,
    left: float,
) -> Begun:
    """Ask for a stream and wait for its first content, `left` seconds at most.

    Raises:
        Broken: it broke off before, or did not begin in time.
        UpstreamFailed: it went wrong in any other way.
    """
    model = asking.model
    patience = model.upstream.patience.streaming
    limit = min(patience.connect + patience.first_byte, left)
    if isinstance(chat, Continuation):
        chat = chat.told_to(model)
    if asking.plain:
        chat = attrs.evolve(chat, plain=True)
    try:
        async with asyncio.timeout(limit):
            request = await _prepared(chat, asking, adapter, doors, limit)
            reply = await asking.opened(
                doors.transport.open(request, model.upstream, patience)
            )
            await doors.check(reply, request, adapter, model)
            return await begin(asking, adapter, chat, reply)
    except UpstreamFailed as error:
        if not _is_for_ours(error, chat, model):
            raise
        asking.keep_plain()
        row, detail = failures.UNTAKEN, error.detail
        raise UpstreamFailed.of(model.name, row, detail) from error
    except TimeoutError:
        asking.hurried = limit == left
        detail = f"nothing within {limit:.3g} s"
        raise Broken(failures.FIRST_BYTE, detail) from None


async def ask_whole(
    chat: ChatRequest,
    asking: Asking,
    adapter: ProviderAdapter,
    doors: Doors,
    left: float,
) -> Begun:
    """Ask for an answer in one piece, which may take `left` seconds at most.

    Raises:
        Broken: it broke off, or took too long.
        UpstreamFailed: it went wrong in any other way.
    """
    model = asking.model
    patience = model.upstream.patience.answering
    hurried = left < patience.whole
    if hurried:
        patience = attrs.evolve(patience, whole=left)
    try:
        request = await _prepared(chat, asking, adapter, doors, patience.whole)
        reply = await asking.opened(
            doors.transport.open(request, model.upstream, patience)
        )
        await doors.check(reply, request, adapter, model)
        body = await whole(reply)
    except Broken as broken:
        asking.hurried = hurried and broken.failure is failures.TIMED_OUT
        raise
    said = adapter.parse_response(reply.head, body, chat, model)
    asking.finish(said.usage)
    headers = passed_on(reply.head.headers, kind="application/json")
    return Begun(headers, said.body, None)


def _is_for_ours(error: UpstreamFailed, chat: ChatRequest, model: Model) -> bool:
    """Whether what is refused is our wish for usage, which the client has not."""
    if error.failure not in (failures.REJECTED, failures.UNSUPPORTED) or chat.plain:
        return False
    ours = model.counts_tokens and not includes_usage(chat.document.values)
    return ours and _USAGE(error.message) is not None


async def _prepared(
    chat: ChatRequest,
    asking: Asking,
    adapter: ProviderAdapter,
    doors: Doors,
    left: float,
) -> UpstreamRequest:
    """The request in the provider's words, signed."""
    model: Model = asking.model
    try:
        request = adapter.build_request(chat, model)
    except InvalidRequest as error:
        # Of no form that this dialect can read; one that relays it may be asked yet.
        raise UpstreamFailed(
            message=f"{model.name}: {error.message}",
            failure=failures.UNSUPPORTED,
            model=model.name,
            param=error.param,
            detail=error.param or "",
        ) from error
    asking.drop(request.dropped)
    request = await doors.signed(request, model, left)
    asking.sent = True
    return request
