"""An answer that has begun, event by event: it may break off, never begin again."""

from __future__ import annotations

import asyncio
import re
from typing import Self

from tproxy.core import failures, openai
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Broken, StreamReader, UpstreamReply
from tproxy.relay.answer import Out
from tproxy.relay.attempt import Asking

_END = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]").search
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
_LINE_ENDS = (b"\n", b"\r")
_GRACE = 1.0  # seconds for the reply to end once its end mark has come
_CRAWL = 1_024  # bytes a second; less, within an event, is as good as silence


class Speech:
    """Events for the client as they arrive. A failure becomes one event, the last.

    `held` is what the reader has handed on already; `ended`: that is all there is. With
    its end mark an answer is whole: that is when clients leave, and nothing is left to
    break. `broken` is why what came last is the error event, if it is.
    """

    __slots__ = (
        *("_asking", "_ended", "_failure", "_held", "_reader", "_reply", "_sent"),
        *("_crawl", "_fed", "_out", "_slow", "_until", "broken"),
    )

    def __init__(
        self,
        asking: Asking,
        reply: UpstreamReply,
        reader: StreamReader,
        held: bytes,
        *,
        ended: bool,
    ) -> None:
        self._asking = asking
        self._reply = reply
        self._reader = reader
        self._held = held
        self._ended = ended
        self._sent = b""  # last; what it ends with decides how an error follows it
        self._failure: UpstreamFailed | None = None
        self.broken: UpstreamFailed | None = None
        self._crawl: tuple[bytes, float, int] | None = None  # see `_crawls`
        self._until: float | None = None  # it may go on, once its end mark has come
        # While it pours: where to, what came of the last read, and what that waits for.
        self._out: Out | None = None
        self._fed: bytes | None = None
        self._slow: asyncio.Future[None] | None = None

    async def pour(self, out: Out) -> None:
        self._out = out
        async for data in self:
            await out(data)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return self._handed_on(held)
        while not self._ended:
            ready = await self._next()
            if ready:
                return self._handed_on(ready)
        return self._end()

    async def _next(self) -> bytes:
        """What the next read brings."""
        reader = self._reader
        try:
            if self._asking.finished:
                data = await self._last()
            else:
                push = None if self._out is None else self._push
                data = await self._reply.read(push)
        except Broken as broken:
            self._fail(broken.failure, broken.detail)
            return b""
        ready, self._fed = self._fed, None
        if ready is None:
            ready = reader.feed(data) if data else reader.close()
            if data and not ready:
                self._crawls(data)
        elif self._slow is not None:
            slow, self._slow = self._slow, None
            await slow
        self._failure = self._failure or reader.failure
        self._ended = not data or self._failure is not None
        return ready

    async def _last(self) -> bytes:
        """What follows the end mark, which nobody waits for much longer."""
        if getattr(self._reply, "over", False):  # there is nothing to wait for
            return await self._reply.read()
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + _GRACE
        try:
            async with asyncio.timeout_at(self._until):
                return await self._reply.read()
        except TimeoutError:
            return b""

    def _push(self, data: bytes) -> bool:
        """Hand on a read from where it was read. False: the rest is for `_next`."""
        out, reader = self._out, self._reader
        try:
            ready = reader.feed(data)
            if out is not None and reader.failure is None:
                if not ready:
                    if not self._crawls(data):
                        return True
                else:
                    slow, ready = out(self._handed_on(ready)), b""
                    if not slow.done() or slow.exception() is not None:
                        self._slow = slow
                    elif not self._asking.finished:
                        return True
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            ready = b""
            self._slow = asyncio.get_running_loop().create_future()
            self._slow.set_exception(error)
        self._fed = ready
        return False

    def _handed_on(self, ready: bytes) -> bytes:
        self._sent = ready
        # From behind, where it is; and `in` takes twice as long for bytes as a search.
        if ready.rfind(b"[DONE]") >= 0 and _END(ready):
            self._asking.finish(self._reader.usage)
        return ready

    def _crawls(self, data: bytes) -> bool:
        """Whether one line has been coming for longer than anybody may be silent.

        Each read ends a silence, and single bytes could go on like that for ever.
        """
        if data.endswith(_LINE_ENDS):
            self._crawl = None
            return False
        now = self._asking.now()
        sent, since, size = self._crawl or (self._sent, now, 0)
        if sent is not self._sent:  # that was another line
            since, size = now, 0
        self._crawl = (self._sent, since, size + len(data))
        longest = self._asking.model.upstream.streaming.silence
        if now - since <= longest or size > _CRAWL * (now - since):
            return False
        self._fail(failures.SILENCE, "a line that never ends")
        return True

    def _fail(self, row: failures.Failure, detail: str) -> None:
        self._ended = True
        self._failure = UpstreamFailed.of(self._asking.model.name, row, detail)

    def _end(self) -> bytes:
        """The error event, if one is due.

        Raises:
            StopAsyncIteration: none is.
        """
        failure, self._failure = self._failure, None
        if self._asking.finished or self._asking.failure is not None:
            raise StopAsyncIteration
        if failure is None:
            self._asking.finish(self._reader.usage)
            raise StopAsyncIteration
        self._asking.break_off(failure, self._reader.usage)
        self.broken = failure
        return self.gap + openai.error_event(failure)

    @property
    def finished(self) -> bool:
        """Whether all has been said, though the reader may not have told its end.

        Most tell it at once, and do not know of this.
        """
        return getattr(self._reader, "finished", False)

    @property
    def gap(self) -> bytes:
        """What has to come before another event: the last may lack its blank line."""
        return b"" if self._sent.endswith(_BLANK_LINES) else b"\n\n"
