"""`POST /chat/completions`."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from tornado.iostream import StreamClosedError

from tproxy.core import openai
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import Draining
from tproxy.core.model import Client
from tproxy.relay.answer import Answer
from tproxy.web.base import BaseHandler


class ChatHandler(BaseHandler):
    """Relays one answer. A client that leaves takes the exchange with it."""

    ALLOWED: ClassVar[tuple[str, ...]] = ("POST", "OPTIONS")
    _cut = False

    async def post(self) -> None:
        if self.client is None:
            return
        self.context.active.add(self)
        try:
            await self._serve(self.client)
        except (asyncio.CancelledError, StreamClosedError):
            if self._cut and not self.client_gone:
                await self._break_off()
            elif not self.client_gone:
                raise
        finally:
            self.context.active.discard(self)
            if not self.context.active:
                self.context.idle()

    def on_connection_close(self) -> None:
        """Leave `_serve`, and with it the exchange with the provider."""
        super().on_connection_close()
        if self.serving is not None:
            self.serving.cancel()

    def cut(self) -> None:
        self._cut = True
        if self.serving is not None:
            self.serving.cancel()

    async def _serve(self, client: Client) -> None:
        chat = ChatRequest.parse(
            self.body(), self.request_id, int(self.context.clock.wall())
        )
        self.streamed = chat.stream
        answer = await self.snapshot.relay.answer(chat, client, self.trail)
        begun = answer.begun
        try:
            self._begin(answer)
            if begun.body is not None:
                async for data in begun.body:
                    await self.send(data)  # the client's pace is the provider's pace
        finally:
            await answer.end()
        await self.finish(begun.whole)
        if self.trail.broken is not None:
            self.hang_up()

    def _begin(self, answer: Answer) -> None:
        for name, value in answer.begun.headers:
            self.put(name, value)
        self.put("X-Tproxy-Model", answer.model.name)
        self.put("X-Tproxy-Provider", answer.model.provider)
        self.put("X-Tproxy-Attempts", str(answer.attempts))
        self.put("X-Tproxy-Reason", answer.reason)
        if answer.dropped:
            self.put("X-Tproxy-Dropped", ", ".join(answer.dropped))
        if answer.room is not None:
            room = answer.room
            self.put("X-Ratelimit-Limit-Requests", str(room.limit))
            self.put("X-Ratelimit-Remaining-Requests", str(room.remaining))
            reset = openai.duration(room.resets_in)
            self.put("X-Ratelimit-Reset-Requests", reset)
        if answer.begun.whole is None:
            self.set_header("X-Accel-Buffering", "no")

    async def _break_off(self) -> None:
        """The proxy has to stop: say so, in the stream if it has begun."""
        if not self._headers_written:
            raise Draining
        self.error = Draining()
        if self.streamed and not self._finished:
            self.write(openai.error_event(self.error))
            await self.finish()
        self.hang_up()
