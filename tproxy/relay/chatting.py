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
from tproxy.relay.reading import at_once, begin, whole

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
    patience = model.upstream.streaming
    limit = min(patience.connect + patience.first_byte, left)
    if isinstance(chat, Continuation):
        chat = chat.told_to(model)
    if asking.plain:
        chat = attrs.evolve(chat, plain=True)
    try:
        async with asyncio.timeout(limit):
            request = await doors.signed(_worded(chat, asking, adapter), model, limit)
            reply = await asking.opened(
                doors.transport.open(request, model.upstream, patience)
            )
            asking.reached()
            asking.hear(reply.head)
            if not reply.head.ok:
                raise await doors.refusal(reply, request, adapter, model)
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
    patience = model.upstream.answering
    hurried = left < patience.whole
    if hurried:
        patience = attrs.evolve(patience, whole=left)
    try:
        request = _worded(chat, asking, adapter)
        request = await doors.signed(request, model, patience.whole)
        reply = await asking.opened(
            doors.transport.open(request, model.upstream, patience)
        )
        head = reply.head
        ok = head.ok
        asking.hear(head, whole=True)
        body = at_once(reply) if ok else None
        if body is None:  # else it is settled in this very moment
            asking.reached()
        if not ok:
            raise await doors.refusal(reply, request, adapter, model)
        if body is None:
            body = await whole(reply)
    except Broken as broken:
        asking.hurried = hurried and broken.failure is failures.TIMED_OUT
        raise
    said = adapter.parse_response(head, body, chat, model)
    asking.finish(said.usage)
    headers = passed_on(head.headers, kind="application/json")
    return Begun(headers, said.body, None)


def _is_for_ours(error: UpstreamFailed, chat: ChatRequest, model: Model) -> bool:
    """Whether what is refused is our wish for usage, which the client has not."""
    if error.failure not in (failures.REJECTED, failures.UNSUPPORTED) or chat.plain:
        return False
    ours = model.counts_tokens and not includes_usage(chat.document.values)
    return ours and _USAGE(error.message) is not None


def _worded(
    chat: ChatRequest, asking: Asking, adapter: ProviderAdapter
) -> UpstreamRequest:
    """The request in the provider's words."""
    model = asking.model
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
    if request.dropped:
        asking.drop(request.dropped)
    return request
