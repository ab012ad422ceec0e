"""What models answer: asked for, handed on, and given up when the client leaves."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, ClassVar

from tornado.iostream import StreamClosedError

from tproxy.core import openai
from tproxy.core.budget import Unit
from tproxy.core.errors import Draining, InternalError, Overloaded, ProxyError
from tproxy.core.model import Client
from tproxy.core.request import Request
from tproxy.relay.answer import Answer, Body
from tproxy.web.base import BaseHandler

# Clients name their fields, and may name them as no header can.
_FIELD = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII).fullmatch
_MOST_FIELDS = 20
_COUNTED = {
    unit: (
        f"X-Ratelimit-Limit-{name}",
        f"X-Ratelimit-Remaining-{name}",
        f"X-Ratelimit-Reset-{name}",
    )
    for unit, name in ((Unit.REQUESTS, "Requests"), (Unit.TOKENS, "Tokens"))
}
# In seconds: of OpenAI's libraries for Python and for JavaScript, and in common use.
_PATIENCE = frozenset(
    {"X-Stainless-Read-Timeout", "X-Stainless-Timeout", "X-Request-Timeout"}
)
_LARGE = 131_072  # bytes of a body that takes a moment to read
_ON_THE_WAY = 1.0  # seconds between its clock and ours
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII).fullmatch


class AnsweringHandler(BaseHandler):
    """Relays one answer. A client that leaves takes the exchange with it."""

    ALLOWED: ClassVar[tuple[str, ...]] = ("POST", "OPTIONS")
    _cut = False

    def post(self) -> Awaitable[None] | None:
        """Begin to answer, if there is room for one more."""
        if self.client is None or self.client_gone:
            return None
        if len(self.context.active) >= self.snapshot.max_in_flight:
            raise Overloaded
        return self._serve(self.client)

    def on_connection_close(self) -> None:
        """Leave `_serve`, and with it the exchange with the provider."""
        super().on_connection_close()
        # A task that is cancelled before it has begun would not tell how it ended.
        if self.serving is not None and self in self.context.active:
            self.serving.cancel()

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """A stream that a fault of our own ends must not pass for whole."""
        if self.streamed and self._headers_written and not self._finished:
            self._say_last(InternalError())
            self.finish()
            self.hang_up()
        else:
            super().send_error(status_code, **kwargs)

    def cut(self) -> None:
        self._cut = True
        if self.serving is not None:
            self.serving.cancel()

    def read(self, body: bytes, id: str, created: int) -> Request:
        """The request in `body`; the others are for the answer to it.

        Raises:
            InvalidRequest: there is none.
        """
        raise NotImplementedError

    async def _serve(self, client: Client) -> None:
        context = self.context
        context.active.add(self)
        try:
            body, created = self.body(), int(context.clock.wall())
            if len(body) > _LARGE:
                async with context.large:  # others get their turn between
                    await asyncio.sleep(0)
                    request = self.read(body, self.request_id, created)
            else:
                request = self.read(body, self.request_id, created)
            self.streamed = request.stream
            answer = await self.snapshot.relay.answer(
                request, client, self.trail, patience(self.fields)
            )
            begun = answer.begun
            if begun.body is None:  # it is over already
                self._begin(answer)
            else:
                await self._hand_on(answer, begun.body)
            await self.finish(begun.whole)
            if self.trail.broken is not None:
                self.hang_up()
        except (asyncio.CancelledError, StreamClosedError):
            if self._cut and not self.client_gone:
                await self._break_off()
            elif not self.client_gone:
                raise
        finally:
            context.active.discard(self)
            if context.draining and not context.active:
                context.idle()

    async def _hand_on(self, answer: Answer, body: Body) -> None:
        try:
            self._begin(answer)
            await self.send(await anext(body, b""))  # the head with it
            await body.pour(self.connection.write)
        finally:
            await answer.end()

    def _begin(self, answer: Answer) -> None:
        said, begun, model = self.said, answer.begun, answer.model
        for name, value in begun.headers:
            said[name] = [value]
        said["X-Tproxy-Model"] = [model.name]
        said["X-Tproxy-Provider"] = [model.provider]
        said["X-Tproxy-Attempts"] = [str(answer.attempts)]
        said["X-Tproxy-Reason"] = [answer.reason]
        if answer.dropped:
            said["X-Tproxy-Dropped"] = [_named(answer.dropped)]
        for room in answer.rooms:
            names = _COUNTED.get(room.unit)
            if names is not None:
                limit, remaining, reset = names
                said[limit] = [str(room.limit)]
                said[remaining] = [str(room.left)]
                said[reset] = [openai.duration(room.resets_in)]
        if begun.whole is None:
            self.set_header("X-Accel-Buffering", "no")

    async def _break_off(self) -> None:
        """The proxy has to stop: say so, in the stream if that is under way."""
        if not self._headers_written:
            raise Draining
        if not self._finished:
            self._say_last(Draining())
            await self.finish()
        self.hang_up()

    def _say_last(self, error: ProxyError) -> None:
        """End a stream with an error event, unless all is said or it has one."""
        if not (self.trail.whole or self.trail.broken is not None):
            self.told = error.told
            self.write(openai.error_event(error))


def patience(fields: Mapping[str, Sequence[str]]) -> float:
    """Seconds after which the client has hung up, and nobody need go on for it.

    OpenAI's libraries say for how long they wait for an answer, or between its parts;
    so for its beginning this holds in either case. Most are seen to leave before; what
    stands between us may hide it.
    """
    if _PATIENCE.isdisjoint(fields):
        return math.inf
    waits = [wait for name in _PATIENCE for wait in fields.get(name, ())]
    said = [float(wait) for wait in waits if _SECONDS(wait)]
    return min((wait for wait in said if wait > 0), default=math.inf) + _ON_THE_WAY


def _named(fields: Sequence[str]) -> str:
    return ", ".join(field if _FIELD(field) else "?" for field in fields[:_MOST_FIELDS])
