"""Walking through a conversation of several requests, as images and vectors take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import attrs

from tproxy.core import failures, imaging, wishes
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model, Patience
from tproxy.core.upstream import (
    Broken,
    Dialect,
    ImageReply,
    ProviderAdapter,
    Received,
    Steps,
    UpstreamRequest,
)
from tproxy.relay.answer import Begun, passed_on
from tproxy.relay.attempt import Asking
from tproxy.relay.doors import Doors
from tproxy.relay.reading import whole

T = TypeVar("T")


async def make(
    request: ImageRequest | EmbeddingRequest,
    asking: Asking,
    dialect: Dialect,
    doors: Doors,
    left: float,
) -> Begun:
    """Ask for images or vectors, which may take `left` seconds at most, all together.

    Raises:
        Broken: an exchange broke off, or all took too long.
        UpstreamFailed: it went wrong in any other way.
    """
    model = asking.model
    patience = model.upstream.answering
    hurried = left < patience.whole
    if hurried:
        patience = attrs.evolve(patience, whole=left)
    walk = _Walk(asking, dialect.chat, doors, patience)
    try:
        async with asyncio.timeout(patience.whole):
            if isinstance(request, ImageRequest):
                drawn = await _drawn(request, walk, dialect, model)
                kind, body = imaging.answer(drawn, request)
                usage = drawn.usage
            elif dialect.embeddings is None:
                raise wishes.unsupported(model, "input", "it makes no embeddings")
            else:
                reply = await walk.through(dialect.embeddings.embed(request, model))
                kind, body, usage = "application/json", reply.body, reply.usage
    except TimeoutError:
        asking.hurried = hurried
        detail = f"not whole in {patience.whole:.3g} s"
        raise Broken(failures.TIMED_OUT, detail) from None
    asking.finish(usage)
    headers = {**walk.headers, "content-type": kind}
    return Begun(passed_on(headers, kind=kind), body, None)


async def _drawn(
    image: ImageRequest, walk: _Walk, dialect: Dialect, model: Model
) -> ImageReply:
    """One picture at least, with bytes where these are wanted."""
    if dialect.images is None:
        raise wishes.unsupported(model, "prompt", "it makes no images")
    drawn = await walk.through(dialect.images.draw(image, model))
    if not drawn.pictures:
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no pictures")
    if image.wants_bytes and not all(picture.data for picture in drawn.pictures):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "no bytes of a picture")
    return drawn


@attrs.define(eq=False)
class _Walk:
    """One conversation; `headers` are those of its first answer."""

    _asking: Asking
    _adapter: ProviderAdapter
    _doors: Doors
    _patience: Patience
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)

    async def through(self, steps: Steps[T]) -> T:
        """Send each request of `steps` and hand the answer in; return the outcome.

        Raises:
            Broken: an exchange broke off.
            UpstreamFailed: an answer was none.
        """
        try:
            request = next(steps)
            while True:
                received = await self._step(request)
                self.headers = self.headers or received.head.headers
                request = steps.send(received)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        finally:
            steps.close()

    async def _step(self, request: UpstreamRequest) -> Received:
        asking, doors = self._asking, self._doors
        model = asking.model
        asking.drop(request.dropped)
        patience = self._patience
        if not request.ours:
            return await self._fetched(request)
        request = await doors.signed(request, model, patience.whole)
        asking.sent, asking.answering = True, False
        async with doors.transport.open(request, model.upstream, patience) as reply:
            asking.hear(reply.head, whole=True)
            if not reply.head.ok:
                raise await doors.refusal(reply, request, self._adapter, model)
            return Received(reply.head, await whole(reply))

    async def _fetched(self, request: UpstreamRequest) -> Received:
        """A picture that the provider links to."""
        model = self._asking.model
        fetching = self._doors.outside.open(request, model.upstream, self._patience)
        async with fetching as reply:
            if reply.head.status != 200:
                detail = f"{reply.head.status} for a picture that is linked to"
                raise UpstreamFailed.of(model.name, failures.UNEXPECTED, detail)
            return Received(reply.head, await whole(reply))
